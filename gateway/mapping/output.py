"""What was produced: amounts wait with their times, and are reported to the run that was on at that time.

An amount is given to a run only when it is reported: at the end of a window aligned to the clock, or at the end of a
run. Until then a change of order that comes to light late still splits the amounts where it happened. Amounts that no
run can have yet, because none is on or because a change is settling, wait for longer; nothing is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import NamedTuple

from gateway.mapping.patterns import Look, Pattern
from gateway.mapping.records import Recorder
from gateway.mapping.runs import EndedRun, Run, RunsState, owner
from gateway.mapping.values import Number, total, whole
from gateway.model import Scalar

EXACT = 32
"""So many amounts at least keep their own time; older equal ones become one, at the time of the first."""

MOST = 1_000
"""How many different amounts can wait; more are refused with a notice."""

DECIMALS = 9
"""To how many decimals an amount is reported, which hides what floats cannot hold."""


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

    `path` is where the amount is in an event's message; a counter's movement is the amount itself.
    """

    order: int
    input: str
    path: tuple[str, ...]
    fixed: Raw
    patterns: tuple[tuple[str, Pattern], ...]
    counts: tuple[str, ...]

    def target(self, look: Look) -> tuple[Target, tuple[str, ...]]:
        """Where an amount goes now, and the names in `raw_data` that are left out because an input is not known."""
        if not self.patterns:
            return Target(self.order, self.fixed, self.counts), ()
        filled = [(name, pattern.render(look)) for name, pattern in self.patterns]
        known = tuple((name, value) for name, value in filled if value is not None)
        missing = tuple(name for name, value in filled if value is None)
        return Target(self.order, self.fixed + known, self.counts), missing


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Output as configured: the length of a window in seconds, and the entries by the input that counts for them."""

    every: float
    entries: Mapping[str, tuple[EntryPlan, ...]]


@dataclass(frozen=True, slots=True)
class OutputState:
    """Amounts that were not reported yet, in order of arrival; when the window ends, if there is something for a run;
    and the newest time stamp of each run that can still have output."""

    pending: tuple[Amount, ...] = ()
    flush_at: float | None = None
    stamps: Mapping[str, int] = field(default_factory=dict)


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


def armed(state: OutputState, runs: RunsState, every: float, now: float) -> OutputState:
    """See to it that what a run can have by now is reported at the end of the window, aligned to the clock."""
    if state.flush_at is not None or not any(owner(runs, amount.at) is not None for amount in state.pending):
        return state
    end = (now // every + 1) * every
    return replace(state, flush_at=end if end > now else end + every)


def window_ended(state: OutputState, runs: RunsState, now: float, recorder: Recorder) -> OutputState:
    """Report to each run what it has by now."""
    state = replace(state, flush_at=None)
    for run in (runs.last, runs.current):
        if run is not None:
            state = reported(state, runs, run, now, recorder)
    return state


def reported(state: OutputState, runs: RunsState, run: Run | EndedRun, now: float, recorder: Recorder) -> OutputState:
    """Report to `run` what it has by now, in as few entries as can hold it.

    An entry is stamped with `now`, for a run that has ended with its last second, and always later than the one
    before: no two entries of a run have the same whole second.
    """
    mine: list[Amount] = []
    rest: list[Amount] = []
    for one in state.pending:
        (mine if owner(runs, one.at) is run else rest).append(one)
    if not mine:
        return state
    amounts: dict[Kind, list[Number]] = {}
    for one in sorted(mine, key=_order):
        amounts.setdefault((one.target.raw, one.target.counts), []).append(one.amount)
    stamp = state.stamps.get(run.interval, run.start - 1)
    latest = min(floor(now), run.end - 1) if isinstance(run, EndedRun) else floor(now)
    for raw_data, names in _packed(amounts):
        stamp = max(latest, stamp + 1)
        recorder.output(now, run.interval, stamp, raw_data, names)
    known = {other.interval for other in (runs.last, runs.current) if other is not None}
    stamps = {interval: newest for interval, newest in state.stamps.items() if interval in known}
    return OutputState(tuple(rest), state.flush_at, stamps | {run.interval: stamp})


def _packed(amounts: Mapping[Kind, Sequence[Number]]) -> list[tuple[dict[str, Scalar], tuple[str, ...]]]:
    """The raw data with the sums filled in, and the names of these; kinds that have no name in common share one entry,
    first come first put."""
    packed: list[tuple[dict[str, Scalar], tuple[str, ...]]] = []
    for (raw, counts), parts in amounts.items():
        amount = whole(round(total(parts), DECIMALS))
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
