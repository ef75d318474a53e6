"""The way of a line's samples into its steps, in the order of the plant's time: what comes late is put in its place.

`step` takes samples in the order in which they are given to it. A message that has a time of its own (`time`) can come
later than others that speak of a later time. So the line's newest samples are remembered, with states from in between,
for HORIZON seconds: the *trail*. A message that comes late goes where it belongs, everything from there on is stepped
again, and what was told of that time is compared with what should have been (`facts`); the difference is told.

In the order in which they come are: values of tags and metrics, messages without a time of their own, and those that
a broker had kept. A message with its own time is stepped at that time, so that it makes no difference whether it
comes in order or is put there later; but where it is in order and BEHIND, as after an outage, it is stepped when it
comes, so that nothing runs out between it and the next. Messages that come late are gathered in `Feed.late`, until
`settled` puts them in their places together.

What was told is not taken back: where an interval that was told would be none, the message counts from now on, by
the line's rules for times that lie in the past, if it is the newest of its topic; else it is left out. Either is
listed, and it is tried once more when others come late. One that is older than the trail is left to the line's rules
too. After a restart the trail begins anew.

*The line's clock* stands for what rests on a source that is not heard (`hearing`). A source that is back is heard out
first: until nothing has come of the time that it was lost for HEARD_OUT seconds, or for LONGEST_BACKLOG at most. Then
it is heard, and what had to wait for it is decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from gateway.mapping.again import Again, Late
from gateway.mapping.clocks import CALM, problem, with_message
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import SOON, is_outdated, plant_time, stated_time
from gateway.mapping.line import LineState, Step, Tick, step
from gateway.mapping.line import due as line_due
from gateway.mapping.trail import HORIZON, Entry, Feed, shortened, told_by, with_time
from gateway.mapping.values import excerpt
from gateway.model import Contact, Moment, Notice, Sample

Event = Sample | Moment | Contact | Tick
"""What comes to a line."""

BEHIND = 5.0
"""A message that comes in order, but later than that in seconds, is of a backlog: it is stepped when it comes."""
HEARD_OUT = 2.0
"""A source is heard again once nothing of a backlog has come of it for so many seconds,"""
LONGEST_BACKLOG = 60.0
"""or so many seconds after it was back."""
MOST_MISPLACED = 100
"""So many messages that contradict what was told are tried once more with others."""
MOST_TRIES = 8
"""So often at most they are tried by parts, where they contradict what was told."""


def feed(plan: LinePlan, line: Feed, event: Event) -> tuple[Feed, Step]:
    """What `event` makes of a line: the line after it, and what is to be told.

    The samples of a moment are one step, but for messages that have times of their own: each of these is one.
    """
    if not line.state.lost:
        return _feed(plan, line, event)
    line, heard = _hear(plan, line, event)
    line, result = _feed(plan, line, event)
    return line, _both(heard, result)


def due(plan: LinePlan, line: Feed) -> float | None:
    """When the line's next timer fires, or a source has been heard out."""
    heard = min((at for at, _ in _heard_out(line)), default=None) if line.state.lost else None
    return min(filter(None, (line_due(plan, line.state), heard)), default=None)


def _heard_out(line: Feed) -> Iterator[tuple[float, Contact]]:
    """When the sources that are back will have been heard out."""
    for source, loss in line.state.lost.items():
        if loss.back is not None:
            latest = max(loss.back, line.behind.get(source, loss.back))
            at = min(latest + HEARD_OUT, loss.back + LONGEST_BACKLOG)
            yield at, Contact(source, at, "heard", loss.back)


def _hear(plan: LinePlan, line: Feed, event: Event) -> tuple[Feed, Step]:
    """What `event` says of the sources that were lost, beside what it means: one of which something comes is back, and
    one is heard out when it is time."""
    told, now = Step(line.state), time_of(event)
    while (out := min(_heard_out(line), default=None, key=itemgetter(0))) is not None and out[0] <= now:
        line, placed = settled(plan, line)  # what it said late is heard too
        line, result = _feed(plan, line, out[1])
        told = _both(_both(told, placed), result)
    for sample in event.samples if isinstance(event, Moment) else (event,):
        loss = line.state.lost.get(sample.source) if isinstance(sample, Sample) else None
        if not isinstance(sample, Sample) or loss is None or sample.quality == "bad":
            continue
        if loss.back is None:
            line, result = _feed(plan, line, Contact(sample.source, now, "back", now))
            told = _both(told, result)
        said = own_time(plan, sample) or sample.source_time
        if sample.initial or (said is not None and sample.received - said > BEHIND):
            line = replace(line, behind={**line.behind, sample.source: now})
    return line, told


def _feed(plan: LinePlan, line: Feed, event: Event) -> tuple[Feed, Step]:
    if isinstance(event, Moment) and any((sample.source, sample.address) in plan.timed for sample in event.samples):
        told = Step(line.state)
        for sample in event.samples:
            line, result = _feed(plan, line, sample)
            told = _both(told, result)
        return line, told
    if isinstance(event, Contact):
        behind = {source: at for source, at in line.behind.items() if source != event.source}
        line = replace(line, behind=behind, calm_from={**line.calm_from, event.source: event.received + CALM})
    if not plan.timed:
        result = step(plan, line.state, event)
        return replace(line, state=result.state) if line.calm_from else Feed(result.state), result
    if line.plan is not plan:
        line = line.begun_anew(plan)
    if isinstance(event, Tick):
        timer = line_due(plan, line.state) if line.late else None
        line, placed = settled(plan, line) if timer is not None and timer <= event.at else (line, Step(line.state))
        result = step(plan, line.state, event)
        return with_time(line, result), _both(placed, result)
    said = own_time(plan, event) if isinstance(event, Sample) else None
    if said is not None and isinstance(event, Sample):
        line, distrust = _judged(plan, line, event, said)
        event, said = (replace(event, distrust=distrust), None) if distrust else (event, said)
    if said is None or not isinstance(event, Sample):
        return _in_order(plan, line, event, None)
    line, passed = _feed(plan, line, Tick(event.received))
    is_backlog = event.received - said > BEHIND
    if said < line.heard or (line.told_since and not is_backlog):
        return replace(line, late=(*line.late, (event, said))), passed
    if _is_outdated(plan, line.state, event, said):  # it is newer than the trail, so that was before it, and a restart
        return line, _both(passed, Step(line.state, notices=(_left_out(event),)))
    if is_backlog:
        line, result = _in_order(plan, line, event, said, at=said)
    else:
        line, result = _in_order(plan, line.before(said), replace(event, received=said), said, at=said)
    return line, _both(passed, result)


def _judged(plan: LinePlan, line: Feed, message: Sample, said: float) -> tuple[Feed, str]:
    """What a message shows of its sender's clock, and what is wrong with that; empty where nothing is, for all that is
    known."""
    fed = (each for each in plan.subscriptions[message.source, message.address] if each.accepts(message))
    ahead = max(filter(None, (stated_time(each, message) for each in fed)), default=said) - message.received
    if ahead > SOON:
        return line, f"the clock of the sender is {ahead:.0f} s ahead, so the time of arrival counts"
    if plan.counts_each(message):  # a person may book later what was then
        return line, ""
    stream, lag = (message.source, message.address), message.received - said
    is_live = message.source not in line.state.lost and message.received >= line.calm_from.get(message.source, 0.0)
    known = line.clocks.get(stream)
    clock = with_message(known, said, lag, is_live=is_live)
    if clock is known:
        return line, ""
    line = replace(line, clocks={**line.clocks, stream: clock})
    is_beyond = is_live and lag > HORIZON and line.heard_by(message.received - CALM) - said > HORIZON
    return line, problem(lag) if is_beyond or clock.is_wrong else ""


def fed(plan: LinePlan, line: Feed, event: Event) -> tuple[Feed, Step]:
    """What `event` makes of a line by itself, also where it comes late."""
    line, told = feed(plan, line, event)
    line, then = settled(plan, line)
    return line, _both(told, then)


def settled(plan: LinePlan, line: Feed) -> tuple[Feed, Step]:
    """Put the messages that came late in their places: what that makes of a line. To be called before what it has
    told is stored, so that no message is stored that has yet to be put in its place.
    """
    if not line.late:
        return line, Step(line.state)
    late = sorted(line.late, key=itemgetter(1))
    return _put_in_place(plan, replace(line, late=()), late)


def time_of(event: Event) -> float:
    """When the event came, on the gateway's clock."""
    if isinstance(event, Tick):
        return event.at
    return max(sample.received for sample in event.samples) if isinstance(event, Moment) else event.received


def _both(first: Step, then: Step) -> Step:
    return Step(
        then.state,
        first.records + then.records,
        first.notices + then.notices,
        {**first.rules, **then.rules},
        {**first.shares, **then.shares},
    )


def own_time(plan: LinePlan, sample: Sample) -> float | None:
    """The time that the message says itself, at most that of its arrival; None where it says none that can be used, or
    where the broker had kept it."""
    if (sample.source, sample.address) not in plan.timed or sample.retained or sample.quality == "bad":
        return None
    for fed in plan.subscriptions[sample.source, sample.address]:
        if fed.time is not None and fed.accepts(sample):
            at, distrust = plant_time(fed, sample, sample.received)
            if distrust is None:
                return min(at, sample.received)
    return None


def _in_order(
    plan: LinePlan,
    line: Feed,
    sample: Sample | Moment | Contact,
    said: float | None,
    *,
    at: float | None = None,
    again: bool = False,
    misplaced: bool = False,
) -> tuple[Feed, Step]:
    """Step a sample as it comes. Its place is at the line's time, or `at` another."""
    result = step(plan, line.state, sample)
    place = result.state.now if at is None else at
    entry = Entry(place, sample, result.state, said, told_by(result), again=again, misplaced=misplaced)
    return shortened(line.with_newest(result.state, (*line.newest, entry))), result


# What comes late


def _put_in_place(plan: LinePlan, line: Feed, late: Late) -> tuple[Feed, Step]:
    """Put messages in their places; their times lie before what the line has stepped. Where they come from an
    outage, also those that could not be put there before, where they can be now.
    """
    result = Step(line.state)
    new: list[tuple[Sample, float]] = []
    entries = line.since(late[0][1])
    for sample, said in late:
        known = [entry for entry in entries if entry.said is not None and entry.is_of(sample)]
        is_repeat = _is_repeat(plan, known, sample, said)
        if said < entries[0].at or (is_repeat and said == _newest(known)):
            # Older than all that is remembered, or said again at once: the line's rules know what to make of it.
            line, taken = _in_order(plan, line, sample, said, again=is_repeat)
            result = _both(result, taken)
        elif is_repeat or (not known and _is_outdated(plan, entries[0].after, sample, said)):
            result = _both(result, Step(line.state, notices=(_left_out(sample),)))
        else:
            new.append((sample, said))
    are_backlog = any(sample.received - said > BEHIND for sample, said in new)
    line, placed = (are_backlog and _place_all(plan, line, new)) or _place(plan, line, new, MOST_TRIES)
    return line, _both(result, placed)


def _left_out(sample: Sample) -> Notice:
    text = f"an older message came again, which is left out: {excerpt(sample.value)}"
    return Notice("reject", sample.received, sample.source, sample.address, text)


def _is_outdated(plan: LinePlan, state: LineState | None, sample: Sample, said: float) -> bool:
    """Whether the message is older than what was known of its inputs in `state`. What counts each time never is, nor
    is what is very old: then a clock is wrong rather than a message late."""
    if state is None or plan.counts_each(sample) or sample.received - said > HORIZON:
        return False
    fed = [each for each in plan.subscriptions[sample.source, sample.address] if each.accepts(sample)]
    return is_outdated(fed, state.inputs, sample) is True


def _newest(known: Sequence[Entry]) -> float:
    return max(entry.said for entry in known if entry.said is not None)


def _place_all(plan: LinePlan, line: Feed, late: Late) -> tuple[Feed, Step] | None:
    """Put messages in their places together with those before that could not be, where that is right now; else None."""
    others = [(sample, said) for sample, said in line.misplaced if line.base is not None and said >= line.base.at]
    if not late or not others:
        return None
    again = Again(plan, line, sorted([*others, *late], key=itemgetter(1)), with_misplaced=True)
    if again.contradicts:
        return None
    line, result = again.corrected()
    return replace(line, misplaced=()), result


def _place(plan: LinePlan, line: Feed, late: Late, tries: int) -> tuple[Feed, Step]:
    """Put messages in their places: all at once or, where that contradicts what was told, by parts, which are tried
    `tries` times at most. Those by which it is contradicted are taken as they come."""
    if not late:
        return line, Step(line.state)
    if tries > 0:
        again = Again(plan, line, late)
        if not again.contradicts:
            return again.corrected()
        if len(late) > 1:
            middle = len(late) // 2
            line, first = _place(plan, line, late[:middle], tries // 2)
            line, then = _place(plan, line, late[middle:], tries // 2)
            return line, _both(first, then)
    result = Step(line.state)
    for sample, said in late:
        known = [entry.said for entry in line.since(said) if entry.said is not None and entry.is_of(sample)]
        newest = max(known, default=said)
        taken, becomes = Step(line.state), "is left out"
        if said >= newest or plan.counts_each(sample):
            line, taken = _in_order(plan, line, sample, said, misplaced=True)
            becomes = "counts from now on"
        line = replace(line, misplaced=(*line.misplaced, (sample, said))[-MOST_MISPLACED:])
        text = f"came after what it contradicts was told, so it {becomes}: {excerpt(sample.value)}"
        notice = Notice("gap", sample.received, sample.source, sample.address, text)
        result = _both(result, replace(taken, notices=(*taken.notices, notice)))
    return line, result


def _is_repeat(plan: LinePlan, known: Sequence[Entry], sample: Sample, said: float) -> bool:
    """Whether one of the messages `known` said the same for the same time. What counts each time it comes is none."""
    if plan.counts_each(sample):
        return False
    same = (entry.sample for entry in known if entry.said == said)
    return any(isinstance(entry, Sample) and entry.value == sample.value for entry in same)
