"""Output of a line's runs, or of its batches: amounts wait with their times, and are reported to the interval that was
on then.

An amount is given to a run only when it is reported: at the end of a window, or at the end of the run. Until then a
change of order that comes to light late still splits the amounts where it happened. Amounts that no run can have yet,
because none is on or because a change is settling, wait for longer; nothing is lost. All of this holds for batches too,
where an entry is output of the batch.

First what is configured and remembered, then what becomes of amounts. Pure; `output_track` does so while a step is
taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from math import inf
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from gateway.frozen import dataclass, replace
from gateway.mapping.context import Recorder, Share
from gateway.mapping.counters import Credit, Move
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval
from gateway.mapping.stamps import Stamps, free_stamp, with_stamp
from gateway.mapping.templates import Pattern, Reference, Resolver
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.mapping.whose import owner
from gateway.model import IntervalType, Scalar

EXACT_AMOUNTS = 32
"""So many amounts at least keep their own time; older equal ones become one, at the time of the first."""

MOST_AMOUNTS = 1_000
"""How many different amounts can wait; more are refused with a notice."""

STAND_IN = "Unassigned"
"""The name, and the product, of a run that has what belongs to none."""

SEAM = 2.0
"""A counter that is reset at most so many seconds before what it restarts with changes is reset by that change."""

MOST_KEPT = 64
"""Intervals that have ended and stay known because something of them is held: the latest ones."""

RawData = tuple[tuple[str, Scalar], ...]
"""Raw data as pairs, so that amounts can be summed by it."""

EntryShape = tuple[RawData, tuple[str, ...]]
"""Raw data without the amount, and the names in it that hold the amount."""


class AmountKey(NamedTuple):
    """What amounts are summed by: the place of their entry in the configuration, `raw_data` without the amount, and the
    names in `raw_data` that hold the amount."""

    place: int
    raw_data: RawData
    amount_names: tuple[str, ...]


class Amount(NamedTuple):
    """So much at `at`, the sample's time."""

    at: float
    amount: Number
    key: AmountKey


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """One kind of output as configured: `fixed` raw data, raw data to be filled in, and where the amount goes.

    `path` is where the amount is in an event's message; `each`: every event counts so many instead; a counter's
    movement is the amount itself. It is multiplied by `factor`, or by what that names. A message that says more than
    `most` counts nothing.
    """

    place: int
    input: str
    path: tuple[str, ...]
    fixed: RawData
    patterns: tuple[tuple[str, Pattern], ...]
    amount_names: tuple[str, ...]
    each: Number | None = None
    factor: Number | Reference = 1
    most: Number | None = None
    fixed_key: AmountKey = field(init=False)
    """Where an amount goes where nothing is to be filled in."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed_key", AmountKey(self.place, self.fixed, self.amount_names))

    @property
    def kind(self) -> tuple[RawData, tuple[str, ...], tuple[str, ...]]:
        """What of its raw data does not depend on what is counted."""
        return self.fixed, tuple(name for name, _ in self.patterns), self.amount_names

    def key(self, resolve: Resolver) -> tuple[AmountKey, tuple[str, ...]]:
        """Where an amount goes now, and what in `raw_data` is left out, each with the reason."""
        if not self.patterns:
            return self.fixed_key, ()
        raw_data, missing = self.fixed, tuple[str, ...]()
        for name, pattern in self.patterns:
            value = pattern.render(resolve)
            if value is None:
                missing = (*missing, f"{name} ({pattern.why_unknown(resolve)})")
            else:
                raw_data = (*raw_data, (name, value))
        return AmountKey(self.place, raw_data, self.amount_names), missing


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Output of runs, or of batches, as configured: the length of a window in seconds, and the entries by the input
    that counts.

    `from_start`: windows are counted from the start of the run, not by the clock. `between` is what becomes of what is
    made while no run is on. `gap_start`: what a counter moved by over a gap belongs to where the gap began. `minimums`
    is by the place of an entry the least that is reported while the run is on. `wait`: for so many seconds what a
    window holds can still turn out to be another run's. `untold_after`: so many seconds after a run that could not be
    recorded was over, one that stands in for it has what was made in it; None: that is only listed. `restarts`: the
    counters that restart with an input, by its name.
    """

    type: IntervalType
    every: float
    entries: Mapping[str, tuple[EntryPlan, ...]]
    from_start: bool = False
    between: Literal["next", "unassigned", "report"] = "next"
    gap_start: bool = True
    minimums: Mapping[int, Number] = field(default_factory=dict)
    wait: float = 0.0
    untold_after: float | None = None
    restarts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    most_exact: int = field(init=False)
    """Amounts that wait before equal ones become one: more than are left then, or each would cost as much as all."""

    def __post_init__(self) -> None:
        kinds = sum(map(len, self.entries.values()))
        object.__setattr__(self, "most_exact", EXACT_AMOUNTS + max(EXACT_AMOUNTS, 3 * kinds))

    def same_kind(self, entry: EntryPlan) -> list[EntryPlan]:
        """The entries of which Oden shows the same raw data as of this one, in the order of the configuration."""
        kind = entry.kind
        return [other for entries in self.entries.values() for other in entries if other.kind == kind]


class Untold(NamedTuple):
    """What was `made` in a run that was over before it could be recorded: told `due` a time, of one that stands in for
    it from `start` to `end`."""

    due: float
    start: int
    end: int
    made: tuple[Share, ...]


class Passed(NamedTuple):
    """A run that was over before it could be recorded, and would have started at the second `start`: what is made from
    the time `since` on and before `until` is its, and no other's, however late it is counted."""

    since: float
    until: float
    start: int


class Held(NamedTuple):
    """An amount of a counter of which another life may have told some, so that it waits until that is known; `unit` is
    what one count means in it, `move` how the counter came to it, None where the amount waited already."""

    amount: Amount
    unit: Number = 1
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class OutputState:
    """Amounts that were not reported yet, in order of arrival; when the window ends, if there is something for a run;
    the time stamps of each run that can still have output; what was made in runs that were not recorded, where others
    are to stand in for them (`untold`), and the newest of these runs (`passed`); what another life has told of
    counters, by the place of the first entry of a kind; what is held until it is known what another life has told, by
    the entries of counters that `holds` has the next movement is, with the intervals that have ended meanwhile of which
    something is held (`kept`); and how much of the events that are counted next is among the amounts already, by the
    place of an entry (`foretold`)."""

    pending: tuple[Amount, ...] = ()
    flush_at: float | None = None
    stamps: Mapping[str, Stamps] = field(default_factory=dict)
    untold: Annotated[tuple[Untold, ...], Field(exclude_if=lambda untold: not untold)] = ()
    passed: Annotated[tuple[Passed, ...], Field(exclude_if=lambda passed: not passed)] = ()
    credit: Annotated[Mapping[int, Credit], Field(exclude_if=lambda credit: not credit)] = field(default_factory=dict)
    credited_until: Annotated[int, Field(exclude_if=lambda until: not until)] = 0
    credited_ahead: Annotated[tuple[int, ...], Field(exclude_if=lambda ahead: not ahead)] = ()
    """The last time stamp at Oden of what is credited, and those yet to come then: a copy credits nothing once more."""
    foretold: Annotated[Mapping[int, Number], Field(exclude_if=lambda known: not known)] = field(default_factory=dict)
    holds: Annotated[tuple[int, ...], Field(exclude_if=lambda holds: not holds)] = ()
    held: Annotated[tuple[Held, ...], Field(exclude_if=lambda held: not held)] = ()
    kept: Annotated[tuple[EndedInterval, ...], Field(exclude_if=lambda kept: not kept)] = ()
    held_before: Annotated[Mapping[int, int], Field(exclude_if=lambda held: not held)] = field(default_factory=dict)
    """By the number of a stretch, how many of what is held was so before it: what was told in the stretches before can
    be of nothing else."""


def owner_of(state: OutputState, intervals: IntervalsState, at: float) -> OpenInterval | EndedInterval | None:
    """As `owner`, where intervals are `kept` that lie before those that are known else."""
    for ended in state.kept:
        if at < ended.ended:
            return ended
    return owner(intervals, at)


def keeping(state: OutputState, intervals: IntervalsState, ended: EndedInterval) -> OutputState:
    """After an interval has ended: it stays known where something of it is held."""
    owners = (owner_of(state, intervals, one.amount.at) for one in state.held)
    if not any(one is not None and one.interval == ended.interval for one in owners):
        return state
    return replace(state, kept=(*state.kept, ended)[-MOST_KEPT:])


def with_amounts(
    state: OutputState, amounts: Iterable[Amount], intervals: IntervalsState, plan: OutputPlan
) -> OutputState | None:
    """Keep `amounts`, one after the other, until they are reported; None where there is no room for yet another kind of
    them."""
    pending = [*state.pending]
    for amount in amounts:
        pending.append(amount)
        if len(pending) > plan.most_exact:
            pending[:-EXACT_AMOUNTS] = _condensed(state, pending[:-EXACT_AMOUNTS], intervals, plan)
        if len(pending) > MOST_AMOUNTS:
            pending = [*_condensed(state, pending, intervals, None)]
        if len(pending) > MOST_AMOUNTS:
            return None
    return replace(state, pending=tuple(pending))


def _condensed(
    state: OutputState, amounts: Sequence[Amount], intervals: IntervalsState, plan: OutputPlan | None
) -> tuple[Amount, ...]:
    """The amounts with those made one that go to one run by all that is known, at the time of the first of them; by
    `plan`, where its windows wait, those of one window."""
    groups: dict[tuple[str | None, AmountKey, float], list[Amount]] = {}
    first = _first_window(plan, intervals) if plan is not None else 0.0
    windows = plan.every if plan is not None and plan.wait else None
    for amount in amounts:
        interval = owner_of(state, intervals, amount.at)
        window = (amount.at - first) // windows if windows is not None else 0.0
        key = (interval.interval if interval is not None else None, amount.key, window)
        groups.setdefault(key, []).append(amount)
    return tuple(
        Amount(min([amount.at for amount in group]), total([amount.amount for amount in group]), key)
        for (_, key, _), group in groups.items()
    )


def _first_window(plan: OutputPlan, intervals: IntervalsState) -> float:
    """A time from which windows are counted."""
    interval = intervals.current or intervals.last
    return float(interval.start) if plan.from_start and interval is not None else 0.0


def with_window(state: OutputState, intervals: IntervalsState, plan: OutputPlan, now: float) -> OutputState:
    """See to it that what a run can have by now is reported at the end of the window."""
    if state.flush_at is not None or not state.pending:
        return state
    earliest = min([amount.at for amount in state.pending])  # of all that waits, in each step while no run has it
    owned = owner_of(state, intervals, earliest) is not None  # where the first is nobody's, so are the others
    if not owned and not (plan.between == "unassigned" and unassigned_amounts(state, intervals)):
        return state
    first = _first_window(plan, intervals)
    since = max(now - plan.wait, earliest) if plan.wait else now
    end = first + (since - first) // plan.every * plan.every  # of the window before, or now where that is rounded
    while end <= since or end + plan.wait <= now:
        end += plan.every
    return replace(state, flush_at=end + plan.wait)


def unassigned_amounts(state: OutputState, intervals: IntervalsState) -> tuple[Amount, ...]:
    """The amounts that are not of any run by all that is known; none while that is about to be decided."""
    if (intervals.current or intervals.pending_change or intervals.pending_start) is not None:
        return ()
    return tuple(amount for amount in state.pending if owner_of(state, intervals, amount.at) is None)


def awaited_amounts(state: OutputState, intervals: IntervalsState, plan: OutputPlan) -> tuple[Amount, ...]:
    """The amounts that are yet to be told: where what is nobody's is only listed, without what is that for all that is
    known."""
    if plan.between != "report" or intervals.passed or not unassigned_amounts(state, intervals):
        return state.pending
    return tuple(amount for amount in state.pending if owner_of(state, intervals, amount.at) is not None)


def without_unowned(state: OutputState, intervals: IntervalsState, begun: float) -> tuple[OutputState, Number]:
    """Without what was made before the run that is on began at `begun` and after the one before it
    had ended; how much that was."""
    kept: list[Amount] = []
    unowned: list[Amount] = []
    for amount in state.pending:
        is_between = amount.at < begun and owner_of(state, intervals, amount.at) is intervals.current
        (unowned if is_between else kept).append(amount)
    return replace(state, pending=tuple(kept)), rounded_total([amount.amount for amount in unowned])


def end_window(
    state: OutputState,
    intervals: IntervalsState,
    plan: OutputPlan,
    now: float,
    recorder: Recorder,
    until: float = inf,
) -> OutputState:
    """Report to each run what it has by now, of what was made before the time `until`."""
    kept = tuple(amount for amount in state.pending if amount.at >= until)
    pending = tuple(amount for amount in state.pending if amount.at < until) if kept else state.pending
    state = replace(state, pending=pending, flush_at=None)
    known = {one.interval: one for one in (*state.kept, intervals.last, intervals.current) if one is not None}
    for interval in known.values():
        state = report(state, intervals, plan, interval, now, recorder, until)
    state = replace(state, pending=(*state.pending, *kept)) if kept else state
    return replace(state, kept=()) if state.kept and not state.held and not state.pending else state


def report(
    state: OutputState,
    intervals: IntervalsState,
    plan: OutputPlan,
    interval: OpenInterval | EndedInterval,
    now: float,
    recorder: Recorder,
    until: float = inf,
) -> OutputState:
    """Report to `interval` what it has by now, or had by the time `until` where that is over, in as few entries as can
    hold it; what is too little waits until it has ended.

    No two entries of an interval have the same whole second (`free_stamp`).
    """
    owned: list[Amount] = []
    rest: list[Amount] = []
    for amount in state.pending:
        of = owner_of(state, intervals, amount.at)
        (owned if of is not None and of.interval == interval.interval else rest).append(amount)
    if not owned:
        return state
    amounts: dict[EntryShape, list[Amount]] = {}
    for amount in sorted(owned, key=lambda amount: amount.key.place):
        amounts.setdefault((amount.key.raw_data, amount.key.amount_names), []).append(amount)
    if plan.minimums and isinstance(interval, OpenInterval):
        for shape in [shape for shape, group in amounts.items() if _is_too_little(plan, group)]:
            rest += amounts.pop(shape)
    taken = state.stamps.get(interval.interval, ())
    sums = ((*shape, rounded_total([amount.amount for amount in group])) for shape, group in amounts.items())
    for shares in packed(sums):
        stamp = free_stamp(interval, taken, min(now, until))
        taken = with_stamp(taken, stamp)
        recorder.output(now, plan.type, interval.interval, stamp, shares, name=interval.name)
    known = {other.interval for other in (*state.kept, intervals.last, intervals.current) if other is not None}
    stamps = {key: others for key, others in state.stamps.items() if key in known}
    return replace(state, pending=tuple(rest), stamps=stamps | {interval.interval: taken})


def _is_too_little(plan: OutputPlan, amounts: Sequence[Amount]) -> bool:
    minimum = max(plan.minimums.get(amount.key.place, 0) for amount in amounts)
    return 0 < abs(rounded_total([amount.amount for amount in amounts])) < minimum


def rounded_total(amounts: Sequence[Number]) -> Number:
    """The sum as it is reported."""
    return whole(round(total(amounts), DECIMALS))


def packed(sums: Iterable[Share]) -> list[list[Share]]:
    """The sums, by the entries that hold them; kinds that have no name in common share one, first come first put."""
    entries: list[list[Share]] = []
    for raw_data, amount_names, amount in sums:
        if amount == 0:
            continue
        names = {*amount_names, *dict(raw_data)}
        room = next((entry for entry in entries if names.isdisjoint(_names(entry))), None)
        if room is None:
            entries.append([(raw_data, amount_names, amount)])
        else:
            room.append((raw_data, amount_names, amount))
    return entries


def _names(entry: Sequence[Share]) -> set[str]:
    return {name for raw_data, amount_names, _ in entry for name in (*amount_names, *dict(raw_data))}
