"""A line as it is now, and its trail: its newest samples, what each has told, and states from in between.

Only the newest entries have their states all; of the older ones, each PART has that after its last. All is immutable:
a line that takes a sample is another, which has the entries in common with the one before.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from gateway.mapping.clocks import SenderClock
from gateway.mapping.compile import LinePlan
from gateway.mapping.facts import NOTHING, Told
from gateway.mapping.line import LineState, Step
from gateway.mapping.output import Stamps
from gateway.model import Contact, Moment, Sample

HORIZON = 900.0
"""For so many seconds at least samples are remembered."""
MOST_REMEMBERED = 4096
"""Samples of a line that are remembered at most: one that counts fast has a shorter trail."""
LONGEST_LOSS = 8 * 3600.0
"""While a source is not heard, samples are remembered since then, for so many seconds at most."""
MOST_IN_A_LOSS = 16_384
"""The samples of a line that are remembered at most while a source is not heard."""
PART = 32
"""Of so many samples that are no more among the newest, the state after the last is remembered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample, its place `at` a time of the plant, and the state `after` it, where that is remembered.

    `own` is what its step told, `later` what time told after it and before the next. `said`: the message's own time;
    `again`: what was said last came again; `misplaced`: it is not in its place, for there it contradicted what was
    told.
    """

    at: float
    sample: Sample | Moment | Contact | None
    """None: the beginning of the trail. What has a time of its own is one sample."""
    after: LineState | None
    said: float | None = None
    own: Told = NOTHING
    later: tuple[Told, ...] = ()
    again: bool = False
    misplaced: bool = False

    def is_of(self, sample: Sample) -> bool:
        """Whether it is of the source and address of `sample`."""
        known = self.sample
        return isinstance(known, Sample) and (known.source, known.address) == (sample.source, sample.address)

    @property
    def place(self) -> tuple[float, str, str]:
        """Where it is among messages with times of their own, also of one time."""
        known = self.sample
        return (self.at, known.source, known.address) if isinstance(known, Sample) else (self.at, "", "")


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
    """The time stamps that output had before corrections, and that these have, by interval."""
    misplaced: tuple[tuple[Sample, float], ...] = ()
    """The messages that are not in their places, with their own times."""
    late: tuple[tuple[Sample, float], ...] = ()
    """Messages that came late and are yet to be put in their places, with their own times."""
    clocks: Mapping[tuple[str, str], SenderClock] = field(default_factory=dict)
    """What is known of the clocks of those who send messages with times of their own, by source and address."""
    calm_from: Mapping[str, float] = field(default_factory=dict)
    """By source that was lost and is heard again, from when on nothing of it is of a backlog any more."""
    behind: Mapping[str, float] = field(default_factory=dict)
    """By source that is being heard out, when it last said something of the time that it was lost."""

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

    def before(self, said: float) -> "Feed":
        """The line as it was after its newest entry, where its time has gone beyond `said` since."""
        last = self.last
        if said >= self.state.now or last is None or last.after is None:
            return self
        return replace(self, state=replace(last.after, seq=self.state.seq))

    def with_newest(self, state: LineState, newest: tuple[Entry, ...]) -> "Feed":
        """The line as it is now, with these newest entries: what `replace` does, but this is for each sample."""
        more = (self.stamps, self.misplaced, self.late, self.clocks, self.calm_from, self.behind)
        return Feed(state, self.plan, self.base, self.parts, newest, *more)

    def begun_anew(self, plan: LinePlan | None = None) -> "Feed":
        """The line with no trail: what is known of sources and senders stays."""
        base = Entry(0.0, None, self.state) if plan is not None else None
        return Feed(self.state, plan, base, clocks=self.clocks, calm_from=self.calm_from, behind=self.behind)

    def since(self, said: float) -> list[Entry]:
        """The entries from before the time `said` on, and in any case the one before the trail or the newest."""
        if self.newest and said > self.newest[0].at:
            return [*self.newest]
        return [*([self.base] if self.base is not None else []), *chain.from_iterable(self.parts), *self.newest]


def with_time(line: Feed, result: Step) -> Feed:
    """Time has passed: what that told belongs to the newest entry."""
    told = told_by(result)
    if told is NOTHING or line.base is None:
        return replace(line, state=result.state)
    if not line.newest:
        base = replace(line.base, later=(*line.base.later, told))
        return replace(line, state=result.state, base=base)
    last = replace(line.newest[-1], later=(*line.newest[-1].later, told))
    return replace(line, state=result.state, newest=(*line.newest[:-1], last))


def told_by(result: Step) -> Told:
    """What a step has told."""
    if not result.records and not result.notices:
        return NOTHING
    return Told(result.records, result.notices, result.rules, result.shares)


def shortened(line: Feed) -> Feed:
    """The line with no more newest entries and no longer a trail than is remembered."""
    if len(line.newest) < 2 * PART:
        return line
    parts, base = (*line.parts, _part(line.newest[:PART])), line.base
    lost = min((loss.until for loss in line.state.lost.values()), default=line.state.now)
    first, oldest = 0, max(min(line.newest[-1].at - HORIZON, lost), line.newest[-1].at - LONGEST_LOSS)
    most = MOST_REMEMBERED if not line.state.lost else MOST_IN_A_LOSS
    while first < len(parts) and (parts[first][-1].at < oldest or (len(parts) - first) * PART > most):
        base, first = parts[first][-1], first + 1
    return replace(line, base=base, parts=parts[first:], newest=line.newest[PART:])


def _part(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return (*(replace(entry, after=None) for entry in entries[:-1]), entries[-1])


def place_of(entries: Sequence[Entry], sample: Sample, said: float) -> int:
    """The number that the message has among the entries: of one time, messages are in the order of their addresses."""
    index = bisect_right(entries, said, key=lambda entry: entry.at)
    while (
        index > 1
        and entries[index - 1].said is not None
        and entries[index - 1].place
        > (
            said,
            sample.source,
            sample.address,
        )
    ):
        index -= 1
    return index


def with_entries(line: Feed, entries: Sequence[Entry]) -> Feed:
    """The line with these entries, of which the first is the one before its trail."""
    base, trail = entries[0], entries[1:]
    older = max(0, (len(trail) - 1) // PART - 1) * PART
    parts = tuple(_part(trail[start : start + PART]) for start in range(0, older, PART))
    return replace(line, base=base, parts=parts, newest=tuple(trail[older:]))
