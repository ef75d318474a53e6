"""What is yet to be taken from intervals, because what was made there is another's, who has not got it yet.
Pure.

What is taken from one interval must be with another first: Oden shows too much for a moment, never too little. A
correction adds at once what is known to be another's; but an amount can also wait again, for the end of a window or for
the run that it is of. Until that has been told, the other is *owed*: what was told too much of it stays at Oden. What
is made afterwards is no part of that: a line that always makes something always has some of it waiting.

Facts (`facts`) say of such an interval already what is true of it. So what settles a debt is no part of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.frozen import replace
from gateway.mapping.context import Recorder
from gateway.mapping.facts import SumKey
from gateway.mapping.output import awaited_amounts, rounded_total
from gateway.mapping.output_track import OutputTrack
from gateway.mapping.values import Number
from gateway.model import IntervalType, Output, Scalar

Kind = tuple[IntervalType, tuple[tuple[str, Scalar], ...], tuple[str, ...]]
"""The type of an interval, raw data without amounts, and the names of these."""


EVER = 1e12
"""A time that is later than any: of what is owed since before that was remembered (JSON has no infinity)."""

MOST_AFTER = 64
"""Entries for which what is owed waits: the newest."""

Pending = Mapping[Kind, Sequence[tuple[float, Number]]]
"""What waits to be told, by its kind: amounts, each with the time when it was made."""


class Owed(NamedTuple):
    """So much is to be taken from `interval`, by an entry with the time stamp `stamp`, once nothing waits any more that
    was made `until` a time. `after` are the keys of the entries of its kind that have been told since."""

    interval: str
    type: IntervalType
    raw_data: tuple[tuple[str, Scalar], ...]
    amount_names: tuple[str, ...]
    amount: Number
    stamp: int
    until: float = EVER
    after: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is, wherever it is."""
        return self.type, self.raw_data, self.amount_names

    @property
    def sum_key(self) -> SumKey:
        """The sum of which it is too much."""
        return self.interval, self.type, self.raw_data, self.amount_names


def waiting(outputs: Iterable[OutputTrack]) -> Pending:
    """What waits to be told to intervals of which type, also where it is yet to be found out whether it was."""
    found: dict[Kind, list[tuple[float, Number]]] = {}
    for track in outputs:
        kind, output = track.plan.type, track.state
        pending = awaited_amounts(output, track.intervals, track.plan)
        for at, amount, key in (*pending, *(held.amount for held in output.held)):
            found.setdefault((kind, key.raw_data, key.amount_names), []).append((at, amount))
        for untold in output.untold:
            for raw_data, names, amount in untold.made:
                found.setdefault((kind, raw_data, names), []).append((untold.start, amount))
    return found


def _made(pending: Pending, kind: Kind, until: float) -> Number:
    """How much of a kind waits that was made `until` a time."""
    return rounded_total([amount for at, amount in pending.get(kind, ()) if at <= until])


def split(
    moves: Sequence[tuple[SumKey, Number]],
    owed: Sequence[Owed],
    pending: Pending,
    gone: Collection[str],
    at: float,
) -> tuple[list[tuple[SumKey, Number]], list[Owed]]:
    """What is told now, `at` a time, of `moves` and of what was `owed` before, what is more before what is less; and
    what is owed after it, because so much of its kind is `pending`, with no time stamps yet. Nothing is owed by
    intervals that are `gone`."""
    amounts = dict(moves)
    until = {key[1:]: at for key, amount in moves if amount < 0}
    after: dict[Kind, tuple[str, ...]] = {}
    for debt in owed:
        amounts[debt.sum_key] = amounts.get(debt.sum_key, 0) - debt.amount
        until[debt.kind] = max(until.get(debt.kind, 0.0), min(debt.until, at))
        after[debt.kind] = _with(after.get(debt.kind, ()), debt.after)
    by_kind: dict[Kind, list[tuple[SumKey, Number]]] = {}
    for key, amount in amounts.items():
        if amount := rounded_total([amount]):
            by_kind.setdefault(key[1:], []).append((key, amount))
    now: list[tuple[SumKey, Number]] = []
    later: list[Owed] = []
    for kind, entries in by_kind.items():
        missing = -rounded_total([amount for _, amount in entries])
        held = max(0, min(missing, _made(pending, kind, until.get(kind, at))))
        for key, amount in sorted(entries, key=lambda entry: entry[1]):
            part = rounded_total([min(held, max(0, -amount))]) if key[0] not in gone else 0
            held = rounded_total([held, -part])
            later += [Owed(*key, part, 0, until.get(kind, at), after.get(kind, ()))] if part else []
            now += [(key, rest)] if (rest := rounded_total([amount, part])) else []
    return sorted(now, key=lambda entry: entry[1] < 0), later


def settle(owed: tuple[Owed, ...], pending: Pending, recorder: Recorder, at: float) -> tuple[Owed, ...]:
    """Record what is to be taken from intervals, now that no more than so much of its kind is `pending`: after the
    entries of it that were recorded since it is owed. Answers what is still owed."""
    left: list[Owed] = []
    known = [_with_told(debt, recorder)._replace(until=min(debt.until, at)) for debt in owed]
    sums: dict[Kind, Number] = {}
    for debt in known:
        sums[debt.kind] = rounded_total([sums.get(debt.kind, 0), debt.amount])
    for debt in known:
        rest = rounded_total([sums[debt.kind], -debt.amount])
        if rest < _made(pending, debt.kind, debt.until):
            left.append(debt)
            continue
        sums[debt.kind] = rest
        shares = ((debt.raw_data, debt.amount_names, -debt.amount),)
        recorder.settle(at, debt.type, debt.interval, debt.stamp, shares, after=debt.after)
    return tuple(left)


def _with_told(debt: Owed, recorder: Recorder) -> Owed:
    """The debt with the entries of its kind that were recorded just now: they stay entries by themselves, so that it
    can wait for them."""
    added: list[str] = []
    for place, record in enumerate(recorder.records):
        if isinstance(record, Output) and _adds(record, debt, recorder):
            recorder.records[place] = replace(record, corrects=True)
            added.append(record.key)
    return debt._replace(after=_with(debt.after, added)) if added else debt


def _with(after: tuple[str, ...], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*after, *others)))[-MOST_AFTER:]


def _adds(output: Output, debt: Owed, recorder: Recorder) -> bool:
    """Whether the entry adds something of the kind that is owed."""
    return any(
        (output.type, raw_data, names) == debt.kind and amount > 0
        for raw_data, names, amount in recorder.shares.get(output.key, ())
    )
