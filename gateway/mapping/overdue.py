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
    key = context.plans[start.input] if isinstance(start, ByKey) else None
    return key is not None and key.time is not None and _is_after(settled, {key.source}, readings)


def end_is_overdue(plan: IntervalPlan, state: IntervalsState, context: StepContext, readings: Readings) -> bool:
    """Whether the moment shows that what ends the interval has held for long enough, of a source that is not heard."""
    ended, end = state.pending_end, plan.end
    if ended is None or not isinstance(end, ByCondition | ByIdleness):
        return False
    names = end.inputs if isinstance(end, ByIdleness) else end.condition.names
    unheard = [context.plans[name] for name in names if context.plans[name].source in context.losses]
    sources = {one.source for one in unheard}
    is_said = len(sources) == 1 and all(one.time is not None for one in unheard)
    return is_said and _is_after(ended.since + end.hold, sources, readings)


def _is_after(time: float, sources: set[str], readings: Readings) -> bool:
    return any(one.memory.at >= time and one.sample.source in sources for one in readings.values())
