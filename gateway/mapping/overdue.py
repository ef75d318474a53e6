"""What messages show by their own times to be overdue: a change of the key that has held for long enough, or that what
ends an interval has. Pure.

While a source is not heard, or its backlog is heard out, no wait of the gateway's clock runs out. But what a message
says of a later time was so after the wait was over. Should one come that says otherwise of the time before, it is late,
and put in its place; so this holds for inputs only whose messages have a time.
"""

from gateway.mapping.context import Readings, StepContext
from gateway.mapping.events import event_by
from gateway.mapping.intervals import ByCondition, ByEvent, ByIdleness, ByKey, IntervalPlan, IntervalsState, key_text
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.values import scalar


def change_is_overdue(plan: IntervalPlan, state: IntervalsState, context: StepContext, readings: Readings) -> bool:
    """Whether the moment shows that a change has held for long enough by then."""
    change, start = state.pending_change, plan.start
    if change is None or isinstance(start, ShiftCalendar):
        return False
    settled = change.at + plan.settle_time(change.key)
    if isinstance(start, ByKey) and start.input in readings:
        memory = readings[start.input].memory
        return key_text(scalar(memory.value)) != change.key and memory.at >= settled
    ways = [way for way in (start, plan.end) if isinstance(way, ByEvent)]
    if any(event_by(way, state, context, readings) is not None for way in ways):
        return True
    key = context.plans[start.input] if isinstance(start, ByKey | ByEvent) else None
    return key is not None and key.time is not None and _is_after(settled, {key.source}, readings)


def end_is_overdue(plan: IntervalPlan, state: IntervalsState, context: StepContext, readings: Readings) -> bool:
    """Whether the moment shows that what ends the interval has held for long enough by then. It rests on the source of
    the moment, and on others only that are heard."""
    ended, end = state.pending_end, plan.end
    if ended is None or not isinstance(end, ByCondition | ByIdleness):
        return False
    names = end.inputs if isinstance(end, ByIdleness) else end.condition.names
    inputs = [context.plans[name] for name in names]
    said = {one.source for one in inputs if one.time is not None}
    others = {one.source for one in inputs if one.time is None}
    unheard = context.losses.keys() & (said | others)
    sources = {source for source in said - others if source and unheard <= {source}} if "" not in others else set()
    return _is_after(ended.since + end.hold, sources, readings)


def _is_after(time: float, sources: set[str], readings: Readings) -> bool:
    return any(one.memory.at >= time and one.sample.source in sources for one in readings.values())
