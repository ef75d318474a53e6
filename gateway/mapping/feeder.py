"""The way of a line's samples into its steps, in the order of the plant's time: what comes late is put in its place.

`step` takes samples in the order in which they are given to it. A message that has a time of its own (`time`) can come
later than others that speak of a later time. So the line's newest samples are remembered, with states from in between,
for HORIZON seconds: the *trail*. A message that comes late goes where it belongs, everything from there on is stepped
again, and what was told of that time is compared with what should have been (`facts`); the difference is told.

In the order in which they come are: values of tags and metrics, messages without a time of their own, and those that a
broker had kept. A message with its own time is stepped at that time, so that it makes no difference whether it comes in
order or is put there later. One that is late by more than AT_ONCE waits until no more come, as part of the line state,
so that a backlog is put in its place at once.

What was told is not taken back: where an interval that was told would be none, the message counts from now on, by the
line's rules for times that lie in the past, if it is the newest of its topic; else it is left out. Either is listed, and
it is tried once more when others come late. One that is older than the trail is left to the line's rules too. After a
restart the trail begins anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from gateway.mapping.again import Again, Late
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import plant_time
from gateway.mapping.line import Step, Tick, step
from gateway.mapping.line import due as line_due
from gateway.mapping.trail import Entry, Feed, shortened, told_by, with_time
from gateway.mapping.values import excerpt
from gateway.model import Notice, Sample

BEHIND = 5.0
"""While messages come in order, but later than that in seconds, a backlog is heard out: time stands until it is."""
HEARD_OUT = 2.0
"""A backlog is heard out when no message has been so much behind for so many seconds."""
LONGEST_BACKLOG = 60.0
"""Time stands for so many seconds at most."""
AT_ONCE = 2.0
"""A message that comes later than that, in seconds, waits for others that do."""
QUIET = 5.0
"""Messages that came late are put in their place when so many seconds have passed without another."""
LONGEST_WAIT = 30.0
"""They wait for so many seconds at most."""
MOST_LATE = 1000
"""So many of them wait at most."""
MOST_MISPLACED = 100
"""So many messages that contradict what was told are tried once more with others."""
MOST_TRIES = 8
"""So often at most they are tried by parts, where they contradict what was told."""


def due(plan: LinePlan, line: Feed) -> float | None:
    """When something happens next without a sample; None where nothing does."""
    timer, late = line_due(plan, line.state), _late_due(line.state.late)
    if timer is not None and line.behind is not None:
        timer = max(timer, line.behind[1])
    return min((at for at in (timer, late) if at is not None), default=None)


def at_rest(line: Feed) -> float | None:
    """When the messages that wait, because they came late, are put in their place; None where none does."""
    return _late_due(line.state.late)


def feed(plan: LinePlan, line: Feed, event: Sample | Tick) -> tuple[Feed, Step]:
    """What `event` makes of a line: the line after it, and what is to be told."""
    if not plan.timed:
        result = step(plan, line.state, event)
        return Feed(result.state), result
    if line.plan is not plan:
        line = Feed(line.state, plan, Entry(line.state.now, None, line.state))
    late, now = _late_due(line.state.late), event.at if isinstance(event, Tick) else event.received
    if late is not None and late <= now:
        line, first = _with_late(plan, line, late)
        line, then = _fed(plan, line, event)
        return line, _both(first, then)
    return _fed(plan, line, event)


def _fed(plan: LinePlan, line: Feed, event: Sample | Tick) -> tuple[Feed, Step]:
    if isinstance(event, Tick):
        if line.behind is not None and event.at < line.behind[1]:
            return line, Step(line.state)
        result = step(plan, line.state, event)
        return with_time(line, result), result
    said = own_time(plan, event)
    if said is None:
        return _in_order(plan, line, event, None)
    line, passed = _fed(plan, line, Tick(event.received))
    if line.base is None or said < line.base.at:
        line, result = _in_order(plan, line, event, said)
    elif (before := _before(line, said)) is not None:
        line, result = _in_order(plan, before, replace(event, received=said), said)
        if event.received - said > BEHIND:
            since = line.behind[0] if line.behind is not None else event.received
            line = replace(line, behind=(since, min(event.received + HEARD_OUT, since + LONGEST_BACKLOG)))
    elif event.received - said <= AT_ONCE:
        line, result = _put_in_place(plan, line, ((event, said),))
    else:
        line = replace(line, state=replace(line.state, late=(*line.state.late, event)))
        if len(line.state.late) < MOST_LATE:
            return line, replace(passed, state=line.state)
        line, result = _with_late(plan, line, event.received)
    return line, _both(passed, result)


def _before(line: Feed, said: float) -> Feed | None:
    """The line as it was when a message comes that says the time `said`, where that is in order: nothing speaks of a
    later time, and nothing was told meanwhile."""
    last = line.newest[-1] if line.newest else line.base
    if said >= line.state.now:
        return line
    if last is None or last.after is None or last.later or said < last.at:
        return None
    return replace(line, state=replace(last.after, seq=line.state.seq, late=line.state.late))


def _late_due(late: Sequence[Sample]) -> float | None:
    """When messages that came late are put in their place."""
    return min(late[-1].received + QUIET, late[0].received + LONGEST_WAIT) if late else None


def _with_late(plan: LinePlan, line: Feed, at: float) -> tuple[Feed, Step]:
    """Put the messages that came late in their place at the time `at`."""
    line, passed = _fed(plan, line, Tick(at))
    said = [(sample, own_time(plan, sample)) for sample in line.state.late]
    late = [(sample, at if time is None else time) for sample, time in said]
    line = replace(line, state=replace(line.state, late=()))
    line, result = _put_in_place(plan, line, sorted(late, key=itemgetter(1)), others=True)
    return line, _both(passed, result)


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
    plan: LinePlan, line: Feed, sample: Sample, said: float | None, *, again: bool = False, misplaced: bool = False
) -> tuple[Feed, Step]:
    result = step(plan, line.state, sample)
    entry = Entry(result.state.now, sample, result.state, said, told_by(result), again=again, misplaced=misplaced)
    return shortened(line.with_newest(result.state, (*line.newest, entry))), result


# What comes late


def _put_in_place(plan: LinePlan, line: Feed, late: Late, *, others: bool = False) -> tuple[Feed, Step]:
    """Put messages in their places; their times lie before what the line has stepped. With `others`, also those that
    could not be put there before, where they can be now."""
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
        elif is_repeat:
            text = f"an older message came again, which is left out: {excerpt(sample.value)}"
            notice = Notice("reject", sample.received, sample.source, sample.address, text)
            result = _both(result, Step(line.state, notices=(notice,)))
        else:
            new.append((sample, said))
    line, placed = (others and _place_all(plan, line, new)) or _place(plan, line, new, MOST_TRIES)
    return line, _both(result, placed)


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
    return any(entry is not None and entry.value == sample.value for entry in same)
