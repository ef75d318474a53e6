"""A line's state with what Oden shows already taken off what is still to be told. Pure.

An older copy of the memory finds a counter's difference since the copy was taken, and a later life has told some of it
since. What Oden shows beyond what the copy knows is taken off: first off amounts that wait to be reported, then off
what counters count next (`counters.less_credit`). What a counter shows is left alone: judged by anything but what the
PLC has shown, a reading would look like a reset or a rollover. Amounts of events are told once, when the event comes:
of them only what waits is taken off, of the same raw data. Messages that came late and are yet to be put in their
places wait too (`with_late`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import zip_longest
from math import inf

from gateway.frozen import dataclass, replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.counters import Credit, less_credit
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval
from gateway.mapping.line import LineState, step
from gateway.mapping.output import (
    Amount,
    EntryPlan,
    Held,
    OutputPlan,
    OutputState,
    with_window,
)
from gateway.mapping.stamps import MOST_STAMPS, Stamps, with_stamp
from gateway.mapping.values import DECIMALS, Number, number, text, total, whole
from gateway.model import IntervalType, Sample, Scalar

LATE_END = 900.0
"""Seconds by which an interval may have ended before what was told of it last: the end came late, or a clock was ahead.
"""

MOST_AHEAD = 512
"""Entries told under times that were yet to come, of which each is remembered."""

RawData = Mapping[str, object]
Entry = tuple[int, RawData]
"""An entry as Oden shows it: its time stamp and raw data."""
Told = Mapping[IntervalType, Sequence[Entry]]
"""What Oden shows, by the type of the intervals."""
Kind = tuple[EntryPlan, ...]
"""The entries of the configuration of which Oden shows the same raw data, so that it cannot be told whose it is."""


@dataclass(frozen=True, slots=True)
class KnownOutput:
    """An interval that can have output of counters, or for which some waits, when it starts, and the time stamps that
    the memory knows of it; `credited`: up to which time stamp it has taken off already what another life told of any,
    and `ahead`: under which others, later ones;
    `counted`: by counter when the memory saw it last, or made what it has yet to tell of it."""

    interval: str
    type: IntervalType
    stamps: Stamps = ()
    credited: int = 0
    start: int = 0
    counted: Mapping[str, float] = field(default_factory=dict)
    is_open: bool = False
    """It was on: what another life told of it then is later than all that the memory knows of it."""
    ahead: tuple[int, ...] = ()

    def is_before(self, at: int, now: float) -> bool:
        """Whether an entry with this time stamp was made before another life can have told it, but of an end that came
        very late. It was `now` when this was so: what it knows of later was told by a clock that was ahead."""
        return self.is_open and at < max((stamp for stamp in self.stamps if stamp <= now), default=0) - LATE_END

    def is_told(self, at: int) -> bool:
        """Whether the memory knows of the entry with this time stamp. What another life has told late of a run that has
        ended can be before the last one."""
        is_older = len(self.stamps) >= MOST_STAMPS and at < self.stamps[0]
        return self.is_credited(at) or at in self.stamps or is_older

    def is_credited(self, at: int) -> bool:
        """Whether the memory has taken off what was told under this time stamp."""
        return at <= self.credited or at in self.ahead


def known_output(plan: LinePlan, state: LineState, *, waits: bool = False) -> list[KnownOutput]:
    """The intervals of a line of which something may have been told lately that would be told again, as where something
    `waits` that was told already; one without a key where none is known yet, and a counter is."""
    found = []
    for output, stamped, intervals in _parts(plan, state):
        counted = _counted(plan, state, output, stamped)
        if not counted and not stamped.pending and not waits:
            continue
        credited, ahead = stamped.credited_until, stamped.credited_ahead
        # Of one of which something is held, other lives tell late, with times from before it had ended.
        all_: list[OpenInterval | EndedInterval | None] = [intervals.current, intervals.last, *stamped.kept]
        known = {one.interval: one for one in all_ if one is not None}
        for interval in known.values():
            stamps = stamped.stamps.get(interval.interval, ())
            is_open = interval is intervals.current
            found.append(
                KnownOutput(interval.interval, output.type, stamps, credited, interval.start, counted, is_open, ahead)
            )
        if not known:
            found.append(KnownOutput("", output.type, (), credited, 0, counted, ahead=ahead))
    return found


def _counted(plan: LinePlan, state: LineState, output: OutputPlan, stamped: OutputState) -> dict[str, float]:
    """When each counter was seen last, or what waits of it was made."""
    found = {}
    for name, entries in output.entries.items():
        if plan.inputs[name].counter is not None and name in state.inputs:
            places = {entry.place for entry in entries}
            waits = [amount.at for amount in stamped.pending if amount.key.place in places]
            found[name] = min([state.inputs[name].at, *waits])
    return found


def newer(plan: LinePlan, type_: IntervalType, entry: Entry, counted: Mapping[str, float]) -> Entry:
    """The entry without the amounts of counters of which the memory had `counted` all that was made by then."""
    at, raw = entry
    for output in (plan.output, plan.batch_output):
        for kind in kinds_of(output) if output is not None and output.type == type_ else ():
            since = min(counted.get(one.input, -inf) for one in kind)
            if at < since - 1 and _fits(kind[0], raw):
                raw = {name: value for name, value in raw.items() if name not in kind[0].amount_names}
    return at, raw


def with_late(plan: LinePlan, state: LineState, late: Iterable[Sample]) -> LineState:
    """`state` with what the messages count that came late and are yet to be put in their places, as amounts that wait:
    once they are, they count nothing more. What was foretold of them before, by a life that was killed, say, waits
    already."""
    before = {output.type: known.foretold for output, known, _ in _parts(plan, state)}
    for message in late:
        if not plan.counts_each(message):
            continue
        blank = {
            output.type: replace(known, pending=(), flush_at=None, foretold=before[output.type])
            for output, known, _ in _parts(plan, state)
        }
        counted = step(plan, _with_outputs(plan, state, blank), replace(message, received=state.now)).state
        after: dict[IntervalType, OutputState] = {}
        for (output, known, _), (_, new, _) in zip(_parts(plan, state), _parts(plan, counted), strict=True):
            events = {one.place for kind in kinds_of(output) if not counters_of(plan, kind) for one in kind}
            amounts = [amount for amount in new.pending if amount.key.place in events]
            before[output.type], foretold = new.foretold, dict(known.foretold)
            for amount in amounts:
                place = amount.key.place
                foretold[place] = rounded(foretold.get(place, 0) + amount.amount)
            after[output.type] = replace(known, pending=(*known.pending, *amounts), foretold=foretold)
        state = _with_outputs(plan, state, after)
    return state


def holding(plan: LinePlan, state: LineState, number: int = 0) -> LineState:
    """`state` where it cannot be known yet what another life has told in the stretch of this `number`: what waits, and
    the next movement of each counter, is told only then (`credited`)."""

    def held(output: OutputPlan, known: OutputState, last: EndedInterval | None) -> OutputState:
        counters = {name for name in output.entries if plan.inputs[name].counter is not None}
        places = {one.place for name in counters & state.inputs.keys() for one in output.entries[name]}
        waits = tuple(Held(amount) for amount in known.pending)
        holds = tuple(sorted({*known.holds, *places}))
        is_new = last is not None and all(last.interval != one.interval for one in known.kept)
        kept = (*known.kept, last) if last is not None and is_new else known.kept
        before = {number: len(known.held), **known.held_before}
        held = (*known.held, *waits)
        return replace(known, pending=(), flush_at=None, holds=holds, held=held, kept=kept, held_before=before)

    parts = _parts(plan, state)
    return _with_outputs(plan, state, {output.type: held(output, known, of.last) for output, known, of in parts})


def credited(
    plan: LinePlan,
    state: LineState,
    shown: Mapping[int, Told],
    stamps: Mapping[str, Sequence[int]],
    *,
    waits: bool = True,
    now: float = inf,
) -> tuple[LineState, dict[str, Number], dict[str, Number]]:
    """`state` after other lives have told the entries `shown`, by the number of the stretch in which they did; by input
    how much of it was taken off, or is to be taken off what is counted next; and how much of events is beyond what
    waited: should one of them come again, it is told again. `stamps` are those of them that are of an interval
    which the memory knows: no other entry of it gets one of these. `waits`: what waits did so when this life began;
    else that is what is held, and what waits was made since, so that no other life can have told it. What was told of a
    stretch is taken off what was made by its end, and off nothing that was made after it. It is `now` (epoch): a life
    whose clock was ahead has told something later."""
    taken, beyond = dict[str, Number](), dict[str, Number]()
    outputs: dict[IntervalType, OutputState] = {}
    for output, known, intervals in _parts(plan, state):
        taken_stamps = dict(known.stamps)
        for key in _keys(intervals) & stamps.keys():
            for at in stamps[key]:
                taken_stamps[key] = with_stamp(taken_stamps.get(key, ()), at)
        pending, credit, left = known.pending, dict(known.credit), tuple[Amount, ...]()
        until, ahead = known.credited_until, {*known.credited_ahead}
        for stretch, held in _by_stretch(known, sorted(shown) or [0], waits=waits):
            entries = shown.get(stretch, {}).get(output.type, ())
            until = max([until, *(at for at, _ in entries if at <= now)])
            ahead |= {at for at, _ in entries if at > now}
            left = (*left, *(one.amount for one in held if one.move is None))
            for kind, raw_data, told in told_by_kind(plan, kinds_of(output), [raw for _, raw in entries]):
                counting = counters_of(plan, kind)
                left, rest = _taken_off(left, kind, told, None if counting else raw_data)
                off = told if counting else told - rest
                if counting and rest:
                    place = min(entry.place for entry in kind)
                    before = credit[place].amount if place in credit else 0
                    credit[place] = Credit(rounded(before + rest))
                name = " and ".join(counting or sorted({entry.input for entry in kind}))
                for sums, part in ((taken, off), (beyond, told - off)):
                    if part:
                        sums[name] = rounded(sums.get(name, 0) + part)
            moved = (_released(plan, output, one, credit) for one in held if one.move is not None)
            left = (*left, *(amount for amount in moved if amount.amount))
        pending = left if waits else (*left, *pending)
        *past, later = *sorted(ahead)[:-MOST_AHEAD], sorted(ahead)[-MOST_AHEAD:]
        until = max([until, *past])
        after = replace(known, pending=pending, credit=credit, credited_until=until, stamps=taken_stamps)
        after = replace(after, credited_ahead=tuple(at for at in later if at > until))
        if known.held:
            after = with_window(replace(after, held=()), intervals, output, state.now)
        outputs[output.type] = replace(after, holds=(), held_before={})
    return _with_outputs(plan, state, outputs), taken, beyond


def _by_stretch(known: OutputState, numbers: Sequence[int], *, waits: bool) -> Iterator[tuple[int, tuple[Held, ...]]]:
    """What is held since the end of each of the stretches, and with the last what `waits`, by their numbers, which are
    in order."""
    begun = 0
    for stretch, after in zip_longest(numbers, numbers[1:]):
        end = len(known.held)
        if after is not None:
            end = min((count for later, count in known.held_before.items() if later >= after), default=end)
        held = known.held[begun:end]
        if after is None and waits:
            held = (*held, *map(Held, known.pending))
        yield stretch, held
        begun = max(begun, end)


def _released(plan: LinePlan, output: OutputPlan, held: Held, credit: dict[int, Credit]) -> Amount:
    """What is left to tell of what a counter had moved by; what was told of it is taken out of `credit`."""
    entry = next((one for of in output.entries.values() for one in of if one.place == held.amount.key.place), None)
    counter = plan.inputs[entry.input].counter if entry is not None else None
    if entry is None or counter is None or held.move is None:
        return held.amount
    same = output.same_kind(entry)
    place, alone = min(one.place for one in same), len(same) == 1
    if place not in credit:
        return held.amount
    rest, left, _ = less_credit(counter, credit.pop(place), held.amount.amount, held.move, held.unit, alone=alone)
    if left is not None:
        credit[place] = left
    return held.amount._replace(amount=rounded(rest))


def _with_outputs(plan: LinePlan, state: LineState, outputs: Mapping[IntervalType, OutputState]) -> LineState:
    if plan.output is not None:
        state = replace(state, output=outputs[plan.output.type])
    if plan.batch_output is not None:
        state = replace(state, batch_output=outputs[plan.batch_output.type])
    return state


def _parts(plan: LinePlan, state: LineState) -> Iterable[tuple[OutputPlan, OutputState, IntervalsState]]:
    if plan.output is not None:
        yield plan.output, state.output, state.runs
    if plan.batch_output is not None:
        yield plan.batch_output, state.batch_output, state.batches


def _keys(intervals: IntervalsState) -> set[str]:
    """The keys of the intervals that can have output yet."""
    return {one.interval for one in (intervals.current, intervals.last) if one is not None}


def kinds_of(output: OutputPlan) -> list[Kind]:
    """The kinds of output of a line's intervals."""
    kinds = {entry.kind: tuple(output.same_kind(entry)) for entries in output.entries.values() for entry in entries}
    return list(kinds.values())


def counters_of(plan: LinePlan, kind: Kind) -> list[str]:
    """The counters among the inputs of a kind."""
    return sorted({entry.input for entry in kind if plan.inputs[entry.input].counter is not None})


def told_by_kind(
    plan: LinePlan, kinds: Sequence[Kind], shown: Iterable[RawData]
) -> list[tuple[Kind, frozenset[tuple[str, str]], Number]]:
    """How much of what is shown is of which kind, and of which raw data without the amounts; each amount is of one
    alone. What could be filled in may have been unknown: such an entry is of the kind that would say most, and of a
    counter's rather than of an event's. Of counters, what is filled in makes no difference."""
    found: dict[tuple[int, frozenset[tuple[str, str]]], list[Number]] = {}
    names = dict.fromkeys(kind[0].amount_names for kind in kinds)
    for raw in shown:
        for amount_names in names:
            amount = number(raw.get(amount_names[0]))
            fitting = [place for place, kind in enumerate(kinds) if kind[0].amount_names == amount_names]
            fitting = [place for place in fitting if _fits(kinds[place][0], raw)]
            if amount is not None and fitting:
                place = max(fitting, key=lambda place: _fitness(plan, kinds[place], raw))
                entry = kinds[place][0]
                filled = {*dict(entry.fixed), *(name for name, _ in entry.patterns)} & raw.keys()
                said = frozenset((name, text(scalar(raw[name]))) for name in filled)
                about = frozenset[tuple[str, str]]() if counters_of(plan, kinds[place]) else said
                found.setdefault((place, about), []).append(amount)
    sums = sorted((place, sorted(about), rounded(total(amounts))) for (place, about), amounts in found.items())
    return [(kinds[place], frozenset(about), told) for place, about, told in sums if told]


def _fits(entry: EntryPlan, raw: RawData) -> bool:
    return all(text(scalar(raw.get(key))) == text(value) for key, value in entry.fixed)


def _fitness(plan: LinePlan, kind: Kind, raw: RawData) -> tuple[bool, int, bool, int]:
    """The larger, the better an entry that Oden shows fits a kind."""
    entry = kind[0]
    known = [key in raw for key, _ in entry.patterns]
    return all(known), len(entry.fixed), bool(counters_of(plan, kind)), len(known)


def scalar(value: object) -> Scalar:
    """The value, where it is a plain one."""
    return value if isinstance(value, str | int | float | bool) else None


def _taken_off(
    pending: tuple[Amount, ...], kind: Kind, told: Number, raw_data: frozenset[tuple[str, str]] | None
) -> tuple[tuple[Amount, ...], Number]:
    """The amounts that wait without what was told of them, the oldest first, where that is of certain `raw_data`, only
    those of that; and what was told beyond them."""
    left, places = [], {entry.place for entry in kind}
    for amount in pending:
        key = amount.key
        is_same = raw_data is None or raw_data == frozenset((name, text(value)) for name, value in key.raw_data)
        same_sign = (amount.amount > 0) == (told > 0)
        off = min(told, amount.amount, key=abs) if key.place in places and is_same and same_sign else 0
        told -= off
        if rest := rounded(amount.amount - off):
            left.append(amount._replace(amount=rest))
    return tuple(left), rounded(told)


def rounded(amount: Number) -> Number:
    """The amount as it is told."""
    return whole(round(amount, DECIMALS))
