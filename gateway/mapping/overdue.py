"""What messages show by their own times to be overdue: a change of the key that has held for long enough, that what
ends an interval has, or that what is told of it is not so any more. Pure.

While a source is not heard, or its backlog is heard out, no wait of the gateway's clock runs out. But what a message
says of a later time was so after the wait was over. Should one come that says otherwise of the time before, it is late,
and put in its place; so this holds for inputs only whose messages have a time.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from gateway.mapping.context import Readings, StepContext
from gateway.mapping.events import event_by
from gateway.mapping.intervals import (
    ByCondition,
    ByEvent,
    ByIdleness,
    ByKey,
    IntervalPlan,
    IntervalsState,
    PendingChange,
    PendingEnd,
    key_text,
)
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.values import scalar


class Settles(Protocol):
    """What is told once its `inputs` have said the same for `settle` seconds."""

    @property
    def inputs(self) -> Collection[str]: ...

    @property
    def settle(self) -> float: ...


def overdue_change(
    plan: IntervalPlan, state: IntervalsState, context: StepContext, readings: Readings
) -> PendingChange | None:
    """The change that has held for long enough by the time of the moment, as that shows."""
    change, start = state.pending_change, plan.start
    if change is None or isinstance(start, ShiftCalendar):
        return None
    settled = change.at + plan.settle_time(change.key)
    if isinstance(start, ByKey) and start.input in readings:
        memory = readings[start.input].memory
        return change if key_text(scalar(memory.value)) != change.key and memory.at >= settled else None
    if isinstance(start, ByCondition):
        settled = change.at + max(start.hold, plan.settle)
        return change if _is_after(settled, _sources(start.condition.names, context), context, readings) else None
    ways = [way for way in (start, plan.end) if isinstance(way, ByEvent)]
    if any(event_by(way, state, context, readings) is not None for way in ways):
        return change
    key = context.plans[start.input] if isinstance(start, ByKey | ByEvent) else None
    is_timed = key is not None and key.time is not None
    return change if key is not None and is_timed and _is_after(settled, {key.source}, context, readings) else None


def overdue_end(
    plan: IntervalPlan, state: IntervalsState, context: StepContext, readings: Readings
) -> PendingEnd | None:
    """The end that has held for long enough by the time of the moment, as that shows. It rests on the source of the
    moment, and on others only that are heard."""
    ended, end = state.pending_end, plan.end
    if ended is None or not isinstance(end, ByCondition | ByIdleness):
        return None
    names = end.inputs if isinstance(end, ByIdleness) else end.condition.names
    return ended if _is_after(ended.since + end.hold, _sources(names, context), context, readings) else None


def _sources(names: Iterable[str], context: StepContext) -> set[str]:
    """The sources whose messages show by their times that what the inputs say has held until then: all of the inputs
    that are of these have times, and those of others are heard."""
    inputs = [context.plans[name] for name in _read(names, context)]
    said = {one.source for one in inputs if one.time is not None}
    others = {one.source for one in inputs if one.time is None}
    unheard = context.losses.keys() & (said | others)
    return {source for source in said - others if source and unheard <= {source}} if "" not in others else set()


def _read(names: Iterable[str], context: StepContext) -> Iterator[str]:
    """The inputs from which these follow, where they are read from nowhere themselves."""
    for name in names:
        plan = context.plans[name]
        if plan.source or plan.of_run or plan.stale_of is not None:
            yield name
        else:
            yield from _read(plan.relies_on, context)


def is_overdue(plan: Settles, context: StepContext, readings: Readings) -> bool:
    """Whether the moment shows that what the inputs say has been so for long enough by then. All of them are of the
    source of the moment."""
    sources = {context.plans[name].source for name in plan.inputs if name in context.plans}
    return len(sources) == 1 and _is_after(last_said(plan.inputs, context) + plan.settle, sources, context, readings)


def last_said(inputs: Collection[str], context: StepContext) -> float:
    """Since when what the inputs say is so, in the plant's time."""
    return max((context.inputs[name].at for name in inputs if name in context.inputs), default=context.now)


def _is_after(time: float, sources: set[str], context: StepContext, readings: Readings) -> bool:
    """Whether a message of the sources says itself that it is of that time, or later."""
    return any(
        one.memory.at >= time and one.sample.source in sources and context.plans[name].time is not None
        for name, one in readings.items()
    )
