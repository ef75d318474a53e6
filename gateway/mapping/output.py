"""What was produced: amounts wait with their times, and are reported to the run that was on at that time.

An amount is given to a run only when it is reported: at the end of a window aligned to the clock, or at the end of a
run. Until then a change of order that comes to light late still splits the amounts where it happened. Amounts that no
run can have yet, because none is on or because a change is settling, wait for longer; nothing is lost. All of this holds for
batches too, where an entry is output of the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator

from gateway.mapping.patterns import Look, Pattern
from gateway.mapping.records import Recorder
from gateway.mapping.runs import EndedRun, Run, RunsState, owner
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.model import IntervalType, Scalar

EXACT = 32
"""So many amounts at least keep their own time; older equal ones become one, at the time of the first."""

MOST = 1_000
"""How many different amounts can wait; more are refused with a notice."""

MOST_STAMPS = 64
"""Time stamps that are remembered of one run: the latest ones. So of these it is known which seconds between them are free."""

Raw = tuple[tuple[str, Scalar], ...]
"""Raw data as pairs, so that amounts can be summed by it."""

Kind = tuple[Raw, tuple[str, ...]]
"""Raw data without the amount, and the names in it that hold the amount."""


class Target(NamedTuple):
    """What amounts are summed by: the place of their entry in the configuration, `raw_data` without the amount, and
    the names in `raw_data` that hold the amount."""

    order: int
    raw: Raw
    counts: tuple[str, ...]


class Amount(NamedTuple):
    """So much at `at`, the sample's time."""

    at: float
    amount: Number
    target: Target


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """One kind of output as configured: `fixed` raw data, raw data to be filled in, and where the amount goes.

    `path` is where the amount is in an event's message; `each`: every event counts so many instead; a counter's movement is the
    amount itself. It is multiplied by `factor`.
    """

    order: int
    input: str
    path: tuple[str, ...]
    fixed: Raw
    patterns: tuple[tuple[str, Pattern], ...]
    counts: tuple[str, ...]
    each: Number | None = None
    factor: Number = 1

    def target(self, look: Look) -> tuple[Target, tuple[str, ...]]:
        """Where an amount goes now, and what in `raw_data` is left out, each with the reason."""
        if not self.patterns:
            return Target(self.order, self.fixed, self.counts), ()
        filled = [(name, pattern.render(look)) for name, pattern in self.patterns]
        known = tuple((name, value) for name, value in filled if value is not None)
        absent = {name for name, value in filled if value is None}
        missing = tuple(f"{name} ({pattern.unknown(look)})" for name, pattern in self.patterns if name in absent)
        return Target(self.order, self.fixed + known, self.counts), missing


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Output of runs, or of batches, as configured: the length of a window in seconds, and the entries by the input that counts.

    `from_start`: windows are counted from the start of the run, not by the clock. `between` is what becomes of what is made while
    no run is on. `gap_start`: what a counter moved by over a gap belongs to where the gap began. `least` is by the place of an entry the
    least that is reported while the run is on.
    """

    type: IntervalType
    every: float
    entries: Mapping[str, tuple[EntryPlan, ...]]
    from_start: bool = False
    between: Literal["next", "unassigned", "report"] = "next"
    gap_start: bool = True
    least: Mapping[int, Number] = field(default_factory=dict)


def _of_older_version(stamps: object) -> object:
    """It remembered the latest one: none before that is known to be free, as where all that are remembered are this one."""
    return (stamps,) * MOST_STAMPS if isinstance(stamps, int) else stamps


Stamps = Annotated[tuple[int, ...], BeforeValidator(_of_older_version)]
"""The MOST_STAMPS latest time stamps of a run, in order; all of them where they are fewer."""


@dataclass(frozen=True, slots=True)
class OutputState:
    """Amounts that were not reported yet, in order of arrival; when the window ends, if there is something for a run;
    and the time stamps of each run that can still have output."""

    pending: tuple[Amount, ...] = ()
    flush_at: float | None = None
    stamps: Mapping[str, Stamps] = field(default_factory=dict)


def added(state: OutputState, amount: Amount, runs: RunsState) -> OutputState | None:
    """Keep `amount` until it is reported; None where there is no room for yet another kind of it."""
    pending = (*state.pending, amount)
    if len(pending) > 2 * EXACT:
        pending = _condensed(pending[:-EXACT], runs) + pending[-EXACT:]
    if len(pending) > MOST:
        pending = _condensed(pending, runs)
    return OutputState(pending, state.flush_at, state.stamps) if len(pending) <= MOST else None


def _condensed(amounts: Sequence[Amount], runs: RunsState) -> tuple[Amount, ...]:
    """The amounts with those made one that go to one run by all that is known, at the time of the first of them."""
    groups: dict[tuple[str | None, Target], list[Amount]] = {}
    for amount in amounts:
        run = owner(runs, amount.at)
        groups.setdefault((run.interval if run is not None else None, amount.target), []).append(amount)
    return tuple(
        Amount(min(one.at for one in group), total([one.amount for one in group]), target)
        for (_, target), group in groups.items()
    )


def armed(state: OutputState, runs: RunsState, plan: OutputPlan, now: float) -> OutputState:
    """See to it that what a run can have by now is reported at the end of the window."""
    if state.flush_at is not None or not state.pending:
        return state
    owned = any(owner(runs, amount.at) is not None for amount in state.pending)
    if not owned and not (plan.between == "unassigned" and unassigned(state, runs)):
        return state
    run = runs.current or runs.last
    first = float(run.start) if plan.from_start and run is not None else 0.0
    end = first + ((now - first) // plan.every + 1) * plan.every
    return replace(state, flush_at=end if end > now else end + plan.every)


def unassigned(state: OutputState, runs: RunsState) -> tuple[Amount, ...]:
    """The amounts that are not of any run by all that is known; none while that is about to be decided."""
    if runs.current is not None or runs.change is not None or runs.waiting is not None:
        return ()
    return tuple(amount for amount in state.pending if owner(runs, amount.at) is None)


def dropped(state: OutputState, runs: RunsState, begun: float) -> tuple[OutputState, Number]:
    """Without what was made before the run that is on began at `begun` and after the one before it had ended; how much that was."""
    between = {
        place: one for place, one in enumerate(state.pending) if one.at < begun and owner(runs, one.at) is runs.current
    }
    kept = tuple(one for place, one in enumerate(state.pending) if place not in between)
    return replace(state, pending=kept), rounded([one.amount for one in between.values()])


def window_ended(state: OutputState, runs: RunsState, plan: OutputPlan, now: float, recorder: Recorder) -> OutputState:
    """Report to each run what it has by now."""
    state = replace(state, flush_at=None)
    for run in (runs.last, runs.current):
        if run is not None:
            state = reported(state, runs, plan, run, now, recorder)
    return state


def reported(
    state: OutputState, runs: RunsState, plan: OutputPlan, run: Run | EndedRun, now: float, recorder: Recorder
) -> OutputState:
    """Report to `run` what it has by now, in as few entries as can hold it; what is too little waits until the run has ended.

    No two entries of a run have the same whole second (`_stamp`).
    """
    mine: list[Amount] = []
    rest: list[Amount] = []
    for one in state.pending:
        (mine if owner(runs, one.at) is run else rest).append(one)
    if not mine:
        return state
    amounts: dict[Kind, list[Amount]] = {}
    for one in sorted(mine, key=_order):
        amounts.setdefault((one.target.raw, one.target.counts), []).append(one)
    if plan.least and isinstance(run, Run):
        for kind in [kind for kind, ones in amounts.items() if _too_little(plan, ones)]:
            rest += amounts.pop(kind)
    taken = state.stamps.get(run.interval, ())
    for raw_data, names in _packed({kind: [one.amount for one in ones] for kind, ones in amounts.items()}):
        stamp = _stamp(run, taken, now)
        taken = tuple(sorted((*taken, stamp))[-MOST_STAMPS:])
        recorder.output(now, plan.type, run.interval, stamp, raw_data, names)
    known = {other.interval for other in (runs.last, runs.current) if other is not None}
    stamps = {interval: others for interval, others in state.stamps.items() if interval in known}
    return OutputState(tuple(rest), state.flush_at, stamps | {run.interval: taken})


def _stamp(run: Run | EndedRun, taken: Stamps, now: float) -> int:
    """The time stamp of the next entry of `run`, of which `taken` are those that it has.

    While the run is on that is `now`, or the second after the latest. Once it has ended it is the last second of it that is free;
    where none is known to be, the second after the latest here too, which then lies at its end or after it.
    """
    newest = max(taken, default=run.start - 1)
    if isinstance(run, Run):
        return max(floor(now), newest + 1)
    last = min(floor(now), run.end - 1)
    first = run.start if len(taken) < MOST_STAMPS else min(taken)
    return next((second for second in range(last, first - 1, -1) if second not in taken), max(last, newest + 1))


def _too_little(plan: OutputPlan, amounts: Sequence[Amount]) -> bool:
    least = max(plan.least.get(one.target.order, 0) for one in amounts)
    return 0 < abs(rounded([one.amount for one in amounts])) < least


def rounded(amounts: Sequence[Number]) -> Number:
    """The sum as it is reported."""
    return whole(round(total(amounts), DECIMALS))


def _packed(amounts: Mapping[Kind, Sequence[Number]]) -> list[tuple[dict[str, Scalar], tuple[str, ...]]]:
    """The raw data with the sums filled in, and the names of these; kinds that have no name in common share one entry,
    first come first put."""
    packed: list[tuple[dict[str, Scalar], tuple[str, ...]]] = []
    for (raw, counts), parts in amounts.items():
        amount = rounded(parts)
        if amount == 0:
            continue
        data: dict[str, Scalar] = {**dict.fromkeys(counts, amount), **dict(raw)}
        room = next((place for place, (entry, _) in enumerate(packed) if not entry.keys() & data.keys()), None)
        if room is None:
            packed.append((data, counts))
        else:
            entry, names = packed[room]
            packed[room] = ({**entry, **data}, (*names, *counts))
    return packed


def _order(amount: Amount) -> int:
    return amount.target.order
