"""What is yet to be taken from intervals, because what was made there is another's, who has not got it yet.
Pure.

What is taken from one interval must be with another first: Oden shows too much for a moment, never too little. A
correction adds at once what is known to be another's; but an amount can also wait again, for the end of a window or for
the run that it is of. Until that has been told, the other is *owed*: what was told too much of it stays at Oden.

Facts (`facts`) say of such an interval already what is true of it. So what settles a debt is no part of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.frozen import replace
from gateway.mapping.context import Recorder
from gateway.mapping.facts import SumKey
from gateway.mapping.output import OutputState
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.model import IntervalType, Output, Scalar

Kind = tuple[IntervalType, tuple[tuple[str, Scalar], ...], tuple[str, ...]]
"""The type of an interval, raw data without amounts, and the names of these."""


class Owed(NamedTuple):
    """So much is to be taken from `interval`, by an entry with the time stamp `stamp`."""

    interval: str
    type: IntervalType
    raw_data: tuple[tuple[str, Scalar], ...]
    amount_names: tuple[str, ...]
    amount: Number
    stamp: int

    @property
    def kind(self) -> Kind:
        """What it is, wherever it is."""
        return self.type, self.raw_data, self.amount_names

    @property
    def sum_key(self) -> SumKey:
        """The sum of which it is too much."""
        return self.interval, self.type, self.raw_data, self.amount_names


def waiting(outputs: Iterable[tuple[IntervalType, OutputState]]) -> dict[Kind, Number]:
    """How much of each kind waits to be told to intervals of which type."""
    amounts: dict[Kind, list[Number]] = {}
    for kind, output in outputs:
        for amount in output.pending:
            amounts.setdefault((kind, amount.key.raw_data, amount.key.amount_names), []).append(amount.amount)
        for raw_data, names, number in (share for untold in output.untold for share in untold.made):
            amounts.setdefault((kind, raw_data, names), []).append(number)
    return {kind: _rounded(parts) for kind, parts in amounts.items()}


def split(
    moves: Sequence[tuple[SumKey, Number]],
    owed: Sequence[Owed],
    pending: Mapping[Kind, Number],
    gone: Collection[str],
) -> tuple[list[tuple[SumKey, Number]], list[tuple[SumKey, Number]]]:
    """What is told now of `moves` and of what was `owed` before, what is more before what is less; and what is owed
    after it, because so much of its kind is `pending`. Nothing is owed by intervals that are `gone`."""
    amounts = dict(moves)
    for debt in owed:
        amounts[debt.sum_key] = amounts.get(debt.sum_key, 0) - debt.amount
    by_kind: dict[Kind, list[tuple[SumKey, Number]]] = {}
    for key, amount in amounts.items():
        if amount := _rounded([amount]):
            by_kind.setdefault(key[1:], []).append((key, amount))
    now: list[tuple[SumKey, Number]] = []
    later: list[tuple[SumKey, Number]] = []
    for kind, entries in by_kind.items():
        missing = -_rounded([amount for _, amount in entries])
        held = max(0, min(missing, pending.get(kind, 0)))
        for key, amount in sorted(entries, key=lambda entry: entry[1]):
            part = _rounded([min(held, max(0, -amount))]) if key[0] not in gone else 0
            held = _rounded([held, -part])
            later += [(key, part)] if part else []
            now += [(key, rest)] if (rest := _rounded([amount, part])) else []
    return sorted(now, key=lambda entry: entry[1] < 0), later


def settle(owed: tuple[Owed, ...], pending: Mapping[Kind, Number], recorder: Recorder, at: float) -> tuple[Owed, ...]:
    """Record what is to be taken from intervals, now that no more than so much of its kind is `pending`: after the
    entries of it among those that were just recorded. Answers what is still owed."""
    left: list[Owed] = []
    made = len(recorder.records)
    sums: dict[Kind, Number] = {}
    for debt in owed:
        sums[debt.kind] = _rounded([sums.get(debt.kind, 0), debt.amount])
    for debt in owed:
        rest = _rounded([sums[debt.kind], -debt.amount])
        if rest < pending.get(debt.kind, 0):
            left.append(debt)
            continue
        sums[debt.kind] = rest
        after: list[str] = []
        for place, record in enumerate(recorder.records[:made]):
            if isinstance(record, Output) and _adds(record, debt, recorder):
                recorder.records[place] = replace(record, corrects=True)
                after.append(record.key)
        shares = ((debt.raw_data, debt.amount_names, -debt.amount),)
        recorder.settle(at, debt.type, debt.interval, debt.stamp, shares, after=tuple(after))
    return tuple(left)


def _adds(output: Output, debt: Owed, recorder: Recorder) -> bool:
    """Whether the entry adds something of the kind that is owed."""
    return any(
        (output.type, raw_data, names) == debt.kind and amount > 0
        for raw_data, names, amount in recorder.shares.get(output.key, ())
    )


def _rounded(amounts: Sequence[Number]) -> Number:
    return whole(round(total(amounts), DECIMALS))
