"""What a message of a line shows of its sender's clock, and what is known of that: by how much it is ahead of its
arrival, or what is wrong with it. Pure."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from gateway.frozen import replace
from gateway.mapping.clocks import CALM, LONG, SAME, SenderClock, delay, lead, problem, with_message
from gateway.mapping.compile import LinePlan
from gateway.mapping.counters import is_before
from gateway.mapping.families import shared, with_member
from gateway.mapping.inputs import SOON, InputMemory, InputPlan, plant_time, said_of, stated_time
from gateway.mapping.streams import Stream, families_of, stream_of
from gateway.mapping.trail import PROMPT, Feed, Waiting
from gateway.mapping.values import number
from gateway.model import Notice, Sample

MOST_CLOCKS = 256
"""Topics of a line of whose senders' clocks something is known: each text of a level with a name is one."""


def as_known(message: Sample, clock: SenderClock | None) -> Sample:
    """The message, of which is known by how much its sender's clock is ahead."""
    return replace(message, ahead=clock.ahead) if clock is not None and clock.ahead else message


def clock_of(plan: LinePlan, line: Feed, message: Sample) -> SenderClock | None:
    """What is known of the clock of the message's sender, of times that are read as they are now."""
    clock, by = line.clocks.get(stream_of(message)), plan.read_by.get((message.source, message.address))
    return clock if clock is None or clock.by in ("", by) else None


def own_time(plan: LinePlan, sample: Sample) -> float | None:
    """The time that the message says itself, at most that of its arrival; None where it says none that can be used."""
    if (sample.source, sample.address) not in plan.timed or sample.quality == "bad":
        return None
    for fed in plan.fed_by(sample):
        if fed.time is not None:
            at, distrust = plant_time(fed, sample, sample.received)
            if distrust is None:
                return min(at, sample.received)
    return None


def is_live(line: Feed, message: Sample) -> bool:
    """Whether the message came as it was said, for all that is known: its source has been heard for a while."""
    return message.source not in line.state.lost and message.received >= line.calm_from.get(message.source, 0.0)


class Judged(NamedTuple):
    """The `line` after a message, the `message` with what is known of its sender's clock, and what is to be listed of
    that. It `is_doubted` where it is older than all that is remembered, and news: then it is late, or its time wrong,
    which what else its sender says can tell (`decided`); `distrust` says what is wrong if it is."""

    line: Feed
    message: Sample
    notices: tuple[Notice, ...] = ()
    is_doubted: bool = False


def judged(plan: LinePlan, line: Feed, message: Sample, said: float) -> Judged:
    """What a message shows of its sender's clock; and the message with what is known of that: by how much it is ahead,
    or what is wrong with it. What is to be listed where a clock is ahead, or each message late."""
    stream, lag = stream_of(message), lag_of(plan, message, said)
    live, known, by = (
        is_live(line, message),
        clock_of(plan, line, message),
        plan.read_by[message.source, message.address],
    )
    families = families_of(message.address, stream)
    if known is None:
        known = shared(line.clocks, families, lag, by) or SenderClock(-inf, by=by)
    beyond = beyond_known(plan.fed_by(message), line.state.inputs, message) if may_be_back(known, said) else None
    clock = with_message(known, said, lag, is_live=live, number=line.numbered, beyond=beyond)
    learned = {stream: clock} if clock is not known else {}
    if live:
        learned |= {each: with_member(line.clocks.get(each), stream[1], said, lag, by) for each in families}
    if learned:
        line = replace(line, clocks=_with_clocks(line.clocks, learned))
    if -lag - clock.ahead > SOON:
        wrong = f"the clock of the sender is {-lag:.0f} s ahead, so the time of arrival counts"
        return Judged(line, replace(message, distrust=wrong))
    message = as_known(message, clock)
    if clock.ahead > SOON and not known.ahead > SOON:
        return Judged(line, message, (_time_of(message, lead(clock.ahead)),))
    is_older = said <= known.said and clock.older is not None
    if clock is known or is_older or plan.counts_each(message):  # a person may book later what was then
        return Judged(line, message)
    longest = max(plan.late, LONG)
    is_doubted = live and lag > longest and line.heard_by(message.received - CALM) - said > longest
    if is_doubted or clock.is_wrong:
        return Judged(line, replace(message, distrust=problem(lag)), is_doubted=not clock.is_wrong)
    begins = clock.is_steady and not known.is_steady
    return Judged(line, message, (_time_of(message, delay(lag)),) if begins else ())


def _with_clocks(
    clocks: Mapping[Stream, SenderClock], learned: Mapping[Stream, SenderClock]
) -> Mapping[Stream, SenderClock]:
    """The clocks with what is known of some now. Of more than MOST_CLOCKS those with the oldest word are forgotten."""
    known = {**clocks, **learned}
    while len(known) > MOST_CLOCKS:
        del known[min(known.keys() - learned.keys(), key=lambda other: (known[other].said, other))]
    return known


def _time_of(message: Sample, text: str) -> Notice:
    return Notice("time", message.received, message.source, message.address, text)


def beyond_known(fed: Sequence[InputPlan], memory: Mapping[str, InputMemory], sample: Sample) -> int | None:
    """Whether the message says a running total that is beyond that of the newest time (1), before it (-1) or the same;
    None where it says none. What counts in both directions has none."""
    found: int | None = None
    for plan in fed:
        counter, known = plan.counter, memory.get(plan.name)
        before = number(known.value) if known is not None and known.origin == plan.origin else None
        value = number(said_of(plan, sample)) if counter is not None and before is not None else None
        if counter is None or counter.backwards == "count" or value is None or before is None:
            continue
        if is_before(counter, value, before):
            return -1
        found = max(found or 0, int(is_before(counter, before, value)))
    return found


def may_be_back(known: SenderClock | None, said: float) -> bool:
    """Whether a message of the time `said` can show that its sender's clock was set back."""
    return known is not None and (said <= known.said or known.older is not None)


def lag_of(plan: LinePlan, message: Sample, said: float) -> float:
    """By how much the message came later than it says, of which `said` is what can be used."""
    stated = max(filter(None, (stated_time(each, message) for each in plan.fed_by(message))), default=said)
    return message.received - stated


def decided(line: Feed) -> tuple[Waiting, ...]:
    """The messages that came late, with what those that were doubted have turned out to be, now that their senders have
    been heard out. What a sender had kept it says at once, so that each message is less late than the one before: it
    keeps its times. Where that is not to be seen, the clock is wrong, and what came goes to where it came."""
    doubted: dict[Stream, int] = {}
    for sample, _, after in line.late:
        if sample.distrust:
            doubted.setdefault(stream_of(sample), after)
    if not doubted:
        return line.late
    came: dict[Stream, list[tuple[float, float]]] = {stream: [] for stream in doubted}
    entries = (
        (entry.sample, entry.said, entry.number - 1) for entry in line.trail() if isinstance(entry.sample, Sample)
    )
    for sample, said, after in (*line.late, *entries):
        stream = stream_of(sample)
        if said is not None and stream in doubted and after >= doubted[stream]:
            came[stream].append((said, sample.received - said))
    kept = {stream for stream, times in came.items() if _were_kept(times)}
    return tuple(
        each._replace(sample=replace(each.sample, distrust=""))
        if each.sample.distrust and stream_of(each.sample) in kept
        else each
        for each in line.late
    )


def _were_kept(times: Sequence[tuple[float, float]]) -> bool:
    """Whether a sender had kept messages of these times, each with how late it came: by how much that differs is what
    lies between them, and not what it takes longer or shorter on its way."""
    said, lags = [said for said, _ in times], [lag for _, lag in times]
    differ = max(lags) - min(lags)
    return differ > SAME or differ > max((max(said) - min(said)) / 2, PROMPT)
