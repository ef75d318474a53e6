"""A line's state with what Oden shows already taken off what is still to be told of counters. Pure.

An older copy of the memory finds a counter's difference since the copy was taken, and a later life has told some of it
since. What Oden shows beyond what the copy knows is taken off: first off amounts that wait to be reported, then by
taking the counter as seen so much further on. Amounts of events are told once, when the event comes, and stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.config.schema_io import Counter
from gateway.mapping.compile import LinePlan
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval
from gateway.mapping.line import LineState
from gateway.mapping.output import Amount, EntryPlan, OutputPlan, OutputState
from gateway.mapping.templates import Reference
from gateway.mapping.values import DECIMALS, Number, number, text, whole
from gateway.model import IntervalType, Scalar

RawData = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class KnownOutput:
    """An interval that can have output of counters, and the last time stamp that the memory knows of it."""

    interval: str
    type: IntervalType
    last: int


def known_output(plan: LinePlan, state: LineState) -> list[KnownOutput]:
    """The intervals of a line that counters may have been told of lately."""
    found = []
    for output, stamped, intervals in _parts(plan, state):
        if any(plan.inputs[name].counter is not None for name in output.entries):
            both: list[OpenInterval | EndedInterval | None] = [intervals.current, intervals.last]
            for interval in [one for one in both if one is not None]:
                stamps = stamped.stamps.get(interval.interval, ())
                last = max(stamps, default=interval.start)
                found.append(KnownOutput(interval.interval, output.type, last))
    return found


def credited(
    plan: LinePlan, state: LineState, shown: Mapping[IntervalType, Sequence[RawData]]
) -> tuple[LineState, dict[str, Number]]:
    """`state` after a later life has told the entries `shown`, by the type of their intervals; and by input how much of
    it was taken off."""
    taken: dict[str, Number] = {}
    further: dict[str, Number] = {}
    outputs: dict[IntervalType, OutputState] = {}
    for output, known, _ in _parts(plan, state):
        pending = known.pending
        for name, entries in output.entries.items():
            counter = plan.inputs[name].counter
            for entry in entries if counter is not None else ():
                told = _told(entry, shown.get(output.type, ()))
                if told <= 0 or counter is None or isinstance(entry.factor, Reference):
                    continue
                pending, rest = _taken_off(pending, entry, told)
                taken[name] = whole(round(taken.get(name, 0) + told, DECIMALS))
                further[name] = max(further.get(name, 0), rest / (entry.factor * counter.scale))
        outputs[output.type] = replace(known, pending=pending)
    inputs = dict(state.inputs)
    for name, steps in further.items():
        memory, counter = inputs.get(name), plan.inputs[name].counter
        value = None if memory is None else number(memory.value)
        if memory is not None and counter is not None and value is not None and steps:
            inputs[name] = replace(memory, value=_further(counter, value, whole(round(steps, DECIMALS))))
    changed = replace(state, inputs=inputs)
    if plan.output is not None:
        changed = replace(changed, output=outputs[plan.output.type])
    if plan.batch_output is not None:
        changed = replace(changed, batch_output=outputs[plan.batch_output.type])
    return changed, taken


def _parts(plan: LinePlan, state: LineState) -> Iterable[tuple[OutputPlan, OutputState, IntervalsState]]:
    if plan.output is not None:
        yield plan.output, state.output, state.runs
    if plan.batch_output is not None:
        yield plan.batch_output, state.batch_output, state.batches


def _told(entry: EntryPlan, shown: Iterable[RawData]) -> Number:
    """How much of what is shown is of this entry of the configuration."""
    name = entry.amount_names[0]
    names = [name for name, _ in entry.patterns]
    amounts = [
        number(raw[name])
        for raw in shown
        if name in raw
        and all(text(_scalar(raw.get(key))) == text(value) for key, value in entry.fixed)
        and all(key in raw for key in names)
    ]
    return sum(amount for amount in amounts if amount is not None)


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, str | int | float | bool) else None


def _taken_off(pending: tuple[Amount, ...], entry: EntryPlan, told: Number) -> tuple[tuple[Amount, ...], Number]:
    """The amounts that wait without what was told of them, the oldest first; and what was told beyond them."""
    left = []
    for amount in pending:
        off = min(told, amount.amount) if amount.key.place == entry.place and amount.amount > 0 else 0
        told -= off
        if amount.amount - off:
            left.append(amount._replace(amount=whole(round(amount.amount - off, DECIMALS))))
    return tuple(left), told


def _further(counter: Counter, value: Number, steps: Number) -> Number:
    """What the counter shows so many counts on."""
    value = value - steps if counter.direction == "down" else value + steps
    if counter.turn is None:
        return value
    lowest = -counter.turn / 2 if counter.signed is not None else 0
    return whole((value - lowest) % counter.turn + lowest)
