"""The way of a line's samples into its steps, in the order of the plant's time: what comes late is put in its place.

`step` takes samples in the order in which they are given to it. A message that has a time of its own (`time`) can come
later than others that speak of a later time. So the line's newest samples are remembered, with states from in between,
for HORIZON seconds: the *trail*. A message that comes late goes where it belongs, everything from there on is stepped
again, and what was told of that time is compared with what should have been (`facts`); the difference is told.

In the order in which they come are: values of tags and metrics, messages without a time of their own, and those that
a broker had kept. A message with its own time is stepped at that time, so that it makes no difference whether it
comes in order or is put there later; but where it is in order and BEHIND, as after an outage, it is stepped when it
comes, so that nothing runs out between it and the next. Messages that come late are gathered in `Feed.late` and put in
their places together, when none has come for some seconds (`Feed.settles_at`): a time of the line like that of any
other timer, so that it makes no difference how what comes is cut into batches.

One that is older than the trail is left to the line's rules for times that lie in the past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import itemgetter

from gateway.mapping.again import Late, Slices, at_once, corrected, recalled
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import is_outdated, plant_time
from gateway.mapping.line import LineState, Step, Tick, step
from gateway.mapping.line import due as next_timer
from gateway.mapping.trail import HORIZON, Entry, Feed, begun, shortened, told_by, with_time
from gateway.mapping.values import excerpt
from gateway.model import Moment, Notice, Sample

BEHIND = 5.0
"""A message that comes in order, but later than that in seconds, is of a backlog: it is stepped when it comes."""


def feed(plan: LinePlan, line: Feed, event: Sample | Moment | Tick) -> tuple[Feed, Step]:
    """What `event` makes of a line: the line after it, and what is to be told.

    The samples of a moment are one step, but for messages that have times of their own: each of these is one.
    """
    if not plan.timed:
        result = step(plan, line.state, event)
        return Feed(result.state), result
    if needs_preparation(plan, line, event):
        line, told = at_once(prepared(plan, line, event))
        line, result = feed(plan, line, event)
        return line, both(told, result)
    if isinstance(event, Moment) and any((sample.source, sample.address) in plan.timed for sample in event.samples):
        told = Step(line.state)
        for sample in event.samples:
            line, result = feed(plan, line, sample)
            told = both(told, result)
        return line, told
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
        return line, both(passed, Step(line.state, notices=(_left_out(event),)))
    if is_backlog:
        line, result = _in_order(plan, line, event, said, at=said)
    else:
        line, result = _in_order(plan, line.before(said), replace(event, received=said), said, at=said)
    return line, both(passed, result)


def needs_preparation(plan: LinePlan, line: Feed, event: Sample | Moment | Tick) -> bool:
    """Whether something is to be done for the line before it can take `event`, which may take long: `prepared`."""
    if line.plan is not plan or not line.recalled:
        return bool(plan.timed)
    return bool(line.late) and (settles_at := line.settles_at) is not None and settles_at <= time_of(event)


def prepared(plan: LinePlan, line: Feed, event: Sample | Moment | Tick) -> Slices[tuple[Feed, Step]]:
    """The line as it is before `event`: with its trail, and with the messages in their places that came late, where
    that is due by then. What is told by that is to be told. Pauses often."""
    told = Step(line.state)
    if line.plan is not None and line.plan is not plan:
        line, told = yield from settled(line.plan, line)
    if line.plan is not plan:
        line = begun(plan, line)
    while (settles_at := line.settles_at) is not None and settles_at <= time_of(event):
        line, result = yield from settled(plan, line)
        told = both(told, result)
    if not line.recalled:
        line = yield from recalled(plan, line)
    return line, told


def settled(plan: LinePlan, line: Feed) -> Slices[tuple[Feed, Step]]:
    """Put the messages that came late in their places, at the time at which that is due: what that makes of a line."""
    settles_at = line.settles_at
    if settles_at is None:
        return line, Step(line.state)
    if not line.recalled:
        line = yield from recalled(plan, line)
    passed = step(plan, line.state, Tick(settles_at))
    line, result = yield from _put_in_place(plan, with_time(line, passed))
    return line, both(passed, result)


def due(plan: LinePlan, line: Feed) -> float | None:
    """When the next timer of the line fires; None while nothing but a sample can change anything."""
    times = (next_timer(plan, line.state), line.settles_at)
    return min((at for at in times if at is not None), default=None)


def time_of(event: Sample | Moment | Tick) -> float:
    """When the event came, on the gateway's clock."""
    if isinstance(event, Tick):
        return event.at
    return event.received if isinstance(event, Sample) else max(sample.received for sample in event.samples)


def both(first: Step, then: Step) -> Step:
    """What two steps, one after the other, have come to."""
    return Step(
        then.state,
        first.records + then.records,
        first.notices + then.notices,
        {**first.rules, **then.rules},
        {**first.shares, **then.shares},
        {**first.because, **then.because},
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
) -> tuple[Feed, Step]:
    """Step a sample as it comes. Its place is at the line's time, or `at` another."""
    result = step(plan, line.state, sample)
    place = result.state.now if at is None else at
    entry = Entry(place, sample, result.state, said, told_by(result), again=again, number=line.numbered + 1)
    return shortened(line.with_newest(result.state, entry)), result


# What comes late


def _put_in_place(plan: LinePlan, line: Feed) -> Slices[tuple[Feed, Step]]:
    """Put the messages that came late in their places; their times lie before what the line has stepped."""
    late = sorted(line.late, key=itemgetter(1))
    line, result = replace(line, late=()), Step(line.state)
    new: list[tuple[Sample, float]] = []
    entries = line.since(late[0][1])
    for sample, said in late:
        known = [entry for entry in entries if entry.said is not None and entry.is_of(sample)]
        if _is_repeat(plan, new, sample, said):
            continue
        is_repeat = _is_repeat(plan, ((entry.sample, entry.said) for entry in known), sample, said)
        if said < entries[0].at or (is_repeat and said == _newest(known)):
            # Older than all that is remembered, or said again at once: the line's rules know what to make of it.
            line, taken = _in_order(plan, line, sample, said, again=is_repeat)
            result = both(result, taken)
        elif is_repeat or (not known and _is_outdated(plan, entries[0].after, sample, said)):
            result = both(result, Step(line.state, notices=(_left_out(sample),)))
        else:
            new.append((sample, said))
    line, placed = yield from _placed(plan, line, new)
    return replace(line, corrected=line.corrected + 1), both(result, placed)


def _placed(plan: LinePlan, line: Feed, late: Late) -> Slices[tuple[Feed, Step]]:
    if not late:
        return line, Step(line.state)
    return (yield from corrected(plan, line, late))


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
    return max((entry.said for entry in known if entry.said is not None), default=0.0)


def _is_repeat(
    plan: LinePlan, known: Iterable[tuple[Sample | Moment | None, float | None]], sample: Sample, said: float
) -> bool:
    """Whether one of the messages `known`, which have these times of their own, said the same for the same time. What
    counts each time it comes is none."""
    if plan.counts_each(sample):
        return False
    same = (other for other, at in known if at == said and isinstance(other, Sample))
    return any(
        (other.source, other.address, other.value) == (sample.source, sample.address, sample.value) for other in same
    )
