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
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from gateway.mapping.again import Again, Late
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import is_outdated, plant_time
from gateway.mapping.line import LineState, Step, Tick, step
from gateway.mapping.trail import HORIZON, Entry, Feed, shortened, told_by, with_time
from gateway.mapping.values import excerpt
from gateway.model import Moment, Notice, Sample

BEHIND = 5.0
"""A message that comes in order, but later than that in seconds, is of a backlog: it is stepped when it comes."""
MOST_MISPLACED = 100
"""So many messages that contradict what was told are tried once more with others."""
MOST_TRIES = 8
"""So often at most they are tried by parts, where they contradict what was told."""


def feed(plan: LinePlan, line: Feed, event: Sample | Moment | Tick) -> tuple[Feed, Step]:
    """What `event` makes of a line: the line after it, and what is to be told.

    The samples of a moment are one step, but for messages that have times of their own: each of these is one.
    """
    if isinstance(event, Moment) and any((sample.source, sample.address) in plan.timed for sample in event.samples):
        told = Step(line.state)
        for sample in event.samples:
            line, result = feed(plan, line, sample)
            told = _both(told, result)
        return line, told
    if not plan.timed:
        result = step(plan, line.state, event)
        return Feed(result.state), result
    if line.plan is not plan:
        line = Feed(line.state, plan, Entry(0.0, None, line.state))
    if isinstance(event, Tick):
        result = step(plan, line.state, event)
        return with_time(line, result), result
    said = own_time(plan, event) if isinstance(event, Sample) else None
    if said is None or isinstance(event, Moment):
        return _in_order(plan, line, event, None)
    line, passed = feed(plan, line, Tick(event.received))
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


def fed(plan: LinePlan, line: Feed, event: Sample | Moment | Tick) -> tuple[Feed, Step]:
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


def time_of(event: Sample | Moment | Tick) -> float:
    """When the event came, on the gateway's clock."""
    if isinstance(event, Tick):
        return event.at
    return event.received if isinstance(event, Sample) else max(sample.received for sample in event.samples)


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
    sample: Sample | Moment,
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
