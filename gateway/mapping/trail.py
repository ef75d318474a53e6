"""A line as it is now, and its trail: its newest samples, what each has told, and states from in between.

Only the newest entries have their states all; of the older ones, each PART has that after its last. All is immutable:
a line that takes a sample is another, which has the entries in common with the one before.

The trail is what its samples tell, stepped in their places from the state at its beginning: so it can be stored as
samples alone (`trail_log`), and recalled from them (`again`).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import chain
from typing import NamedTuple

from gateway.frozen import dataclass, replace
from gateway.mapping.clocks import Clocks, moved
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Full
from gateway.mapping.facts import NOTHING, Told
from gateway.mapping.intervals import IntervalsState
from gateway.mapping.line import LineState, LineSteps, Step
from gateway.mapping.output import OutputState
from gateway.mapping.stamps import MOST_STAMPS, Stamps
from gateway.mapping.streams import stream_of
from gateway.model import Contact, Moment, Sample

MOST_REMEMBERED = 4096
"""Samples of a line that are remembered at most of USUALLY seconds, and so many more of more: one that counts fast has
a shorter trail."""
USUALLY = 900.0
MOST_AT_ALL = 16_384
"""The samples of a line that are remembered at most; while a source is not heard, it is so many."""
PART = 32
"""Of so many samples that are no more among the newest, the state after the last is remembered."""
MOST_NEWEST = 2 * PART
"""Entries that are among the newest at most, but for what came late among them."""
PROMPT = 1.0
"""A message that came late by no more than that, in seconds, is put in its place at once."""
SETTLED = 5.0
"""So many seconds after the last message that came later than that, all are put in their places."""
MOST_SETTLING = 60.0
"""So many seconds after the first, they are in any case."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample, its place `at` a time of the plant, and the state `after` it, where that is remembered.

    `number` tells it from all others of its line: a later one has a greater. `own` is what its step told, `later` what
    time told after it and before the next. `said`: the message's own time; `again`: what was said last came again.
    """

    at: float
    sample: Sample | Moment | Contact | None
    """None: the beginning of the trail. What has a time of its own is one sample."""
    after: LineState | None
    said: float | None = None
    own: Told = NOTHING
    later: tuple[Told, ...] = ()
    again: bool = False
    number: int = 0

    def is_of(self, sample: Sample) -> bool:
        """Whether it is of the stream of `sample`."""
        return isinstance(self.sample, Sample) and stream_of(self.sample) == stream_of(sample)

    @property
    def at_its_time(self) -> "Entry":
        """As if a message with a time of its own had come then: nothing runs out before it that it could have ended,
        nor does it wait for what others, older ones, have to say yet."""
        if self.said is None or not isinstance(self.sample, Sample) or self.sample.received == self.at:
            return self
        return replace(self, sample=replace(self.sample, received=self.at))

    @property
    def is_after_its_time(self) -> bool:
        """Whether the state after it is known, and one from which what comes next can be stepped at its time: it was
        not stepped later than that, as what came in order but behind."""
        return self.after is not None and self.after.now <= self.at

    def without_state(self) -> "Entry":
        """The same without the state after it. What `replace` does, but this is for each sample."""
        return Entry(self.at, self.sample, None, self.said, self.own, self.later, self.again, self.number)

    @property
    def can_go(self) -> bool:
        """Whether it can turn out never to have been, or been earlier: what was said last came again, a source was not
        heard, or what came has no time of its own."""
        return self.again or (self.said is None and any(map(_can_go, self._said)))

    def is_silence_of(self, source: str, since: float) -> bool:
        """Whether it says that `source` was not heard from the time `since` on, and nothing else."""
        return self.at >= since and all(_is_silence(one) and one.source == source for one in self._said)

    @property
    def _said(self) -> Sequence[Sample | Contact]:
        if isinstance(self.sample, Moment):
            return self.sample.samples
        return () if self.sample is None else (self.sample,)

    @property
    def place(self) -> tuple[float, str, str]:
        """Where it is among messages with times of their own, also of one time."""
        known = self.sample
        return (self.at, known.source, known.address) if isinstance(known, Sample) else (self.at, "", "")


class Waiting(NamedTuple):
    """A message that came late and is yet to be put in its place, with its own time. `after`: the number of the entry
    that was made last before it came. Where the message is doubted, that can turn out to be no time to go by."""

    sample: Sample
    said: float
    after: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """A line as it is now, and its trail: the entry before it (`base`), parts of it, and its newest entries."""

    state: LineState
    plan: LinePlan | None = None
    """By which the trail was stepped: it begins anew with another."""
    base: Entry | None = None
    parts: tuple[tuple[Entry, ...], ...] = ()
    newest: tuple[Entry, ...] = ()
    stamps: Mapping[str, Stamps] = field(default_factory=dict)
    """The time stamps that output had before corrections, and that these have, by interval: of up to the last
    correction."""
    late: tuple[Waiting, ...] = ()
    """Messages that came late and are yet to be put in their places, as they came."""
    numbered: int = 0
    """The number of the entry that was made last."""
    corrected: int = 0
    """How often messages that came late were put in their places."""
    corrected_at: int = 0
    """The number of the newest entry then: later ones were stepped with these `stamps` in mind."""
    swings: Mapping[str, int] = field(default_factory=dict)
    """How often the intervals that were corrected last were told otherwise."""
    full: Full = ()
    """The newest batches by count that had been told full by the last correction: they stay as they are."""
    recalled: bool = True
    """Whether it is known what the trail has told; otherwise only what its samples are."""
    clocks: Clocks = field(default_factory=dict)
    calm_from: Mapping[str, float] = field(default_factory=dict)
    """By source that was lost and is heard again, from when on nothing of it is of a backlog any more."""
    behind: Mapping[str, float] = field(default_factory=dict)
    """By source that is being heard out, when it last said something of the time that it was lost."""
    recovered: Mapping[str, float] = field(default_factory=dict)
    """By source when what it had kept was put in its place last."""
    ran_out: float = 0.0
    """When time has let something run out last."""
    steps: LineSteps | None = field(default=None, compare=False)
    """Those that have led to the state, or to a later one since: the next is taken with them where they are at it,
    which saves to find out anew what has not changed."""

    def steps_by(self, plan: LinePlan) -> LineSteps:
        """To take the next step of the line by `plan`."""
        known = self.steps
        is_it = known is not None and known.plan is plan and known.at is self.state
        return known if known is not None and is_it else LineSteps(plan, self.state)

    def rests_until(self, plan: LinePlan) -> float | None:
        """When the first timer fires of the line as it is now, or infinity; None where that was not looked at."""
        known = self.steps
        is_it = known is not None and known.plan is plan and known.at is self.state
        return known.rests_until if known is not None and is_it else None

    @property
    def heard(self) -> float:
        """The latest time that anything has spoken of."""
        last = self.last
        return last.at if last is not None else 0.0

    def heard_by(self, at: float) -> float:
        """The latest time up to `at` that anything has spoken of."""
        return max((entry.at for entry in self.since(0.0) if entry.at <= at), default=0.0)

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self.newest[-1] if self.newest else self.base

    @property
    def told_since(self) -> bool:
        """Whether time has told something since the newest entry."""
        last = self.last
        return last is not None and bool(last.later)

    @property
    def settles_at(self) -> float | None:
        """When the messages that came late are put in their places; None where there are none."""
        if not self.late:
            return None
        first, last = self.late[0].sample.received, self.late[-1].sample.received
        if all(late.sample.received - late.said <= PROMPT for late in self.late):
            return last
        return min(last + SETTLED, first + MOST_SETTLING)

    def with_clock_set(self, by: float) -> "Feed":
        """The line after our clock was set by so many seconds."""
        return replace(self, clocks={stream: moved(clock, by) for stream, clock in self.clocks.items()})

    def before(self, said: float) -> "Feed":
        """The line as it was after its newest entry, where its time has gone beyond `said` since."""
        last = self.last
        if said >= self.state.now or last is None or last.after is None:
            return self
        return replace(self, state=replace(last.after, seq=self.state.seq, owed=self.state.owed))

    def with_newest(self, steps: LineSteps, entry: Entry) -> "Feed":
        """The line as it is now, with one more entry: what `replace` does, but this is for each sample."""
        newest = (*self.newest, entry)
        return Feed(
            steps.state,
            self.plan,
            self.base,
            self.parts,
            newest,
            self.stamps,
            self.late,
            entry.number,
            self.corrected,
            self.corrected_at,
            self.swings,
            self.full,
            self.recalled,
            self.clocks,
            self.calm_from,
            self.behind,
            self.recovered,
            self.ran_out,
            steps,
        )

    def only(self, steps: LineSteps) -> "Feed":
        """The line as it is after these steps, by a plan that looks at nothing else of what is remembered."""
        return self.with_state(steps) if self.calm_from else Feed(steps.state, steps=steps)

    def with_state(self, steps: LineSteps) -> "Feed":
        """The line as it is after these steps, with the trail that it has."""
        return replace(self, state=steps.state, steps=steps)

    def begun_anew(self, plan: LinePlan | None = None) -> "Feed":
        """The line with no trail: what is known of sources and senders stays. The beginning has a number of its own:
        by that of the entry that was made last, those would follow it that lie behind that in the trail from before."""
        number = self.numbered if plan is None else self.numbered + 1
        base = Entry(0.0, None, self.state, number=number) if plan is not None else None
        return Feed(
            self.state,
            plan,
            base,
            late=self.late,
            numbered=number,
            corrected=self.corrected + 1,
            clocks=self.clocks,
            calm_from=self.calm_from,
            behind=self.behind,
            recovered=self.recovered,
        )

    def since(self, said: float) -> list[Entry]:
        """The entries from before the time `said` on, and in any case the one before the trail or the newest. After the
        first, which has its state, others can be stepped at their times."""
        if self.newest and said > self.newest[0].at and self.newest[0].is_after_its_time:
            return [*self.newest]
        return [*([self.base] if self.base is not None else []), *self.trail()]

    def trail(self) -> Iterator[Entry]:
        """The entries, in their places."""
        return chain(chain.from_iterable(self.parts), self.newest)

    def newest_first(self) -> Iterator[Entry]:
        """The entries, the last first."""
        return chain(reversed(self.newest), chain.from_iterable(map(reversed, reversed(self.parts))))


def _can_go(said: Sample | Contact) -> bool:
    return isinstance(said, Contact) or said.quality == "bad" or said.source_time is None


def _is_silence(said: Sample | Contact) -> bool:
    return isinstance(said, Contact) or said.quality == "bad"


def with_stamps(state: LineState, stamps: Mapping[str, Stamps]) -> LineState:
    """The state with time stamps of output that were told, beside those that were derived."""

    def known(output: OutputState, intervals: IntervalsState) -> OutputState:
        keys = {each.interval for each in (intervals.current, intervals.last) if each is not None}
        taken = {key: {*output.stamps.get(key, ()), *stamps.get(key, ())} for key in sorted({*keys, *output.stamps})}
        return replace(output, stamps={key: tuple(sorted(each)[-MOST_STAMPS:]) for key, each in taken.items() if each})

    return replace(state, output=known(state.output, state.runs), batch_output=known(state.batch_output, state.batches))


def with_time(line: Feed, result: Step) -> Feed:
    """Time has passed: what that told belongs to the newest entry."""
    told, line = told_by(result), replace(line, state=result.state, ran_out=max(line.ran_out, result.ran_out))
    if told is NOTHING or line.base is None:
        return line
    if not line.newest:
        return replace(line, base=replace(line.base, later=(*line.base.later, told)))
    last = replace(line.newest[-1], later=(*line.newest[-1].later, told))
    return replace(line, newest=(*line.newest[:-1], last))


def told_by(result: Step) -> Told:
    """What a step has told."""
    if not result.records and not result.notices:
        return NOTHING
    return Told(result.records, result.notices, result.rules, result.shares, result.full)


def both(first: Step, then: Step) -> Step:
    """What two steps, one after the other, have come to."""
    if first == Step(first.state):
        return then
    return Step(
        then.state,
        first.records + then.records,
        first.notices + then.notices,
        {**first.rules, **then.rules},
        {**first.shares, **then.shares},
        {**first.because, **then.because},
        first.refused + then.refused,
        first.delays + then.delays,
        first.full + then.full,
        max(first.ran_out, then.ran_out),
    )


def shortened(line: Feed) -> Feed:
    """The line with no more newest entries and no longer a trail than is remembered."""
    if len(line.newest) < MOST_NEWEST:
        return line
    parts, base = (*line.parts, _part(line.newest[:PART])), line.base
    first, oldest = 0, needed_since(line, line.newest[-1].at)
    most = most_remembered(line)
    while first < len(parts) and (parts[first][-1].at < oldest or (len(parts) - first) * PART > most):
        base, first = parts[first][-1], first + 1
    return replace(line, base=base, parts=parts[first:], newest=line.newest[PART:])


def needed_since(line: Feed, at: float) -> float:
    """From when on the line must remember what it heard, `at` a time: while a source is not heard, since then."""
    if line.plan is None:
        return at
    lost = min((loss.until for loss in line.state.lost.values()), default=at)
    return max(min(at - line.plan.late, lost), at - line.plan.late_max)


def most_remembered(line: Feed) -> int:
    """How many samples the line remembers at most."""
    if line.state.lost or line.plan is None:
        return MOST_AT_ALL
    return min(int(MOST_REMEMBERED * max(1.0, line.plan.late / USUALLY)), MOST_AT_ALL)


def forgotten(line: Feed, until: float) -> Feed:
    """The line with a trail that begins as late as it can, but not after the time `until`."""
    if not line.recalled:
        return line
    gone = sum(part[-1].at <= until for part in line.parts)
    base, newest = line.parts[gone - 1][-1] if gone else line.base, line.newest
    if gone == len(line.parts):
        old = sum(entry.at <= until for entry in newest)
        base, newest = newest[old - 1] if old else base, newest[old:]
    return line if base is line.base else replace(line, base=base, parts=line.parts[gone:], newest=newest)


def _part(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return (*[entry.without_state() for entry in entries[:-1]], entries[-1])


def place_of(entries: Sequence[Entry], sample: Sample | Moment | Contact, said: float) -> int:
    """The number that the message has among the entries: of one time, messages are in the order of their addresses. A
    moment, or a contact, comes behind all of its time."""
    index = bisect_right(entries, said, key=lambda entry: entry.at)
    while (
        isinstance(sample, Sample)
        and index > 1
        and entries[index - 1].said is not None
        and entries[index - 1].place > (said, sample.source, sample.address)
    ):
        index -= 1
    return index


def with_entries(line: Feed, entries: Sequence[Entry]) -> Feed:
    """The line with these entries, of which the first is the one before its trail. All of them have their states, or
    those that end the parts that this makes."""
    base, trail = entries[0], entries[1:]
    older = max(0, (len(trail) - 1) // PART - 1) * PART
    parts = tuple(_part(trail[start : start + PART]) for start in range(0, older, PART))
    return replace(line, base=base, parts=parts, newest=tuple(trail[older:]))
