"""Events: what counts as one, which messages are one again that came before, and which keys came and went unheard.

A sender that lost its connection does not know which of its last messages arrived, and sends them again after newer
ones. Only a message with a time of its own can be known again. Where it repeats the key of a run, or the event by which
one began or ended, it would end the run that is on, or correct it. Two bookings of scrap, or two results of a test, are
two, also where they name the order.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter

from gateway.frozen import replace
from gateway.mapping.context import Readings, StepContext
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, stated_time
from gateway.mapping.intervals import (
    PAST_KEYS,
    ByCondition,
    ByEvent,
    ByIdleness,
    ByKey,
    IntervalPlan,
    IntervalsState,
    key_text,
)
from gateway.mapping.output import STAND_IN
from gateway.mapping.templates import Reference, Resolver
from gateway.mapping.values import ABSENT, digest, excerpt, find, flaw, number, scalar, text
from gateway.model import Sample, Scalar

MOST_UNHEARD = 64
"""Keys that came and went while a source was not heard, and that are remembered until it is heard out."""


def is_event(plan: InputPlan, reading: Reading) -> bool:
    """Whether what was said of the input is an event: something that happens once, not a value that is so for a
    time.

    With `edge`, the changes that it names are events. Else a message is one, unless the broker had kept it: then it was
    sent before, and not to say it once more. So is each writing of a tag with `trigger: timestamp`; the first value
    after a connection is, where the device gave it a later time than what was known. Another tag is one when it changes
    to something other than 0, false and empty. The first value ever seen is no change, for nobody knows since when.
    """
    if plan.message and plan.edge is None:
        return not reading.sample.retained and (not reading.sample.initial or _is_newer(reading))
    if reading.before.value is None or not reading.changed:
        return False
    was_on, is_on = _is_on(reading.before.value), _is_on(reading.memory.value)
    match plan.edge:
        case "any":
            return True
        case "rising":
            return is_on and not was_on
        case "falling":
            return was_on and not is_on
    return is_on


def _is_newer(reading: Reading) -> bool:
    """Whether the device's own time says that a value is another than the one that was known. The time that is used can
    be another, as of a value that has stood for long."""
    before, said = reading.before, reading.sample.source_time
    comparable = before.value is not None and before.clock_trusted and reading.memory.clock_trusted
    known = before.at if before.source_time is None else before.source_time
    return comparable and said is not None and said > known


def _is_on(value: object) -> bool:
    """Whether the value is other than 0, false and empty."""
    plain = scalar(value)
    return plain is not False and number(plain) != 0 and bool(text(plain).strip())


def is_older_repeat(
    plan: IntervalPlan,
    state: IntervalsState,
    memory: Mapping[str, InputMemory],
    fed: Sequence[InputPlan],
    sample: Sample,
) -> bool:
    """Whether `sample`, which feeds the inputs `fed`, repeats a key or an event of `plan` that
    newer messages have followed."""
    event_inputs = {way.input for way in (plan.start, plan.end) if isinstance(way, ByEvent)}
    key = plan.start.input if isinstance(plan.start, ByKey) else None
    for fed_plan in fed:
        if fed_plan.time is None or not (fed_plan.name == key or fed_plan.name in event_inputs):
            continue
        at = stated_time(fed_plan, sample)
        before = memory.get(fed_plan.name)
        if at is None or before is None or at > before.at or flaw(sample.value) is not None:
            continue
        if fed_plan.name in event_inputs and at < before.at and (at, digest(sample.value)) in state.past_events:
            return True
        if fed_plan.name == key:
            value = find(sample.value, fed_plan.field)
            said = key_text(scalar(value))
            if value is not ABSENT and said != key_text(scalar(before.value)) and _was_key(state, said, at):
                return True
    return False


def _was_key(state: IntervalsState, key: str, at: float) -> bool:
    """Whether it is known that the key was `key` at `at`."""
    if (at, key) in state.key_history:
        return True
    by_then = [change for change in state.key_history if change[0] <= at]
    if by_then:
        return max(reversed(by_then), key=itemgetter(0))[1] == key
    return not key and 0 < len(state.key_history) < PAST_KEYS


def event_by(way: ByEvent, state: IntervalsState, context: StepContext, readings: Readings) -> Reading | None:
    """The reading that is the event by which an interval begins or ends.

    None where there is no such event, or where it has begun or ended something before, of which notice is given.
    """
    reading, plan = readings.get(way.input), context.plans[way.input]
    if reading is None or not is_event(plan, reading):
        return None
    if way.when is not None and context.holds(way.when, readings) is not True:
        return None
    if plan.time is not None and (reading.memory.at, digest(reading.sample.value)) in state.past_events:
        text = f"{plan.name} came again, which begins and ends nothing: {excerpt(reading.sample.value)}"
        context.notice("reject", plan.name, text, once=True)
        return None
    context.taken.add(plan.name)
    return reading


def is_free(state: IntervalsState) -> bool:
    """Whether nothing is on, or what stands in for that."""
    current = state.current
    return current is None or (current.begun is None and current.name == STAND_IN)


def events_with(state: IntervalsState, reading: Reading) -> tuple[tuple[float, str], ...]:
    """The newest events that began or ended something, with the one that was read: its time and a
    digest of the message."""
    return (*state.past_events, (reading.memory.at, digest(reading.sample.value)))[-PAST_KEYS:]


def as_planned(plan: IntervalPlan, state: IntervalsState) -> IntervalsState:
    """The state as the plan goes on with it: an end that an earlier plan waited for, and this one does not, is none."""
    if state.pending_end is None or isinstance(plan.end, ByCondition | ByIdleness):
        return state
    return replace(state, pending_end=None)


def name_at_start(plan: IntervalPlan, state: IntervalsState, context: StepContext) -> str | None:
    """What an event would name that ends the interval which begins now; None where the plan says nothing of that.

    Of an interval that begins with an event, that is what the same field of that event says."""
    start, end = plan.start, plan.end
    if not isinstance(end, ByEvent) or end.named is None:
        return None
    if isinstance(start, ByKey):
        return state.key

    def begun(reference: Reference) -> Scalar:
        if isinstance(start, ByEvent) and reference.input == end.input:
            return context.resolve(replace(reference, input=start.input))
        return context.resolve(reference)

    return end.named.text_of(begun)


def ends_another(end: ByEvent, state: IntervalsState, resolve: Resolver) -> str | None:
    """What the event at hand names, where that is another interval than the one that is on."""
    known = state.current if state.current is not None else state.pending_start
    named = end.named.text_of(resolve) if end.named is not None else None
    is_other = named is not None and known is not None and known.named is not None and named != known.named
    return named if is_other else None


def with_missed(
    plan: IntervalPlan, start: ByKey, state: IntervalsState, context: StepContext, key: str
) -> IntervalsState:
    """The state that knows of a key that came and went while its source was not heard, and did not stay for as long as
    it must, so far as is known: what comes of the backlog can show that it did. `key` is what the key is now. Of more
    than MOST_UNHEARD the oldest is listed at once."""
    change, source = state.pending_change, context.plans[start.input].source
    if change is None or change.key in ("", key, state.key) or source not in context.losses:
        return state
    missed = (*state.missed, change.key)
    _list_missed(plan, start, context, missed[:-MOST_UNHEARD])
    return replace(state, missed=missed[-MOST_UNHEARD:])


def without_missed(plan: IntervalPlan, state: IntervalsState, context: StepContext, source: str) -> IntervalsState:
    """The state once `source` has been heard out. An order of an outage is told, or listed by its name: notice is given
    of each that came and went, and for which it is known by now that it did not stay."""
    start = plan.start
    if not state.missed or not isinstance(start, ByKey) or context.plans[start.input].source != source:
        return state
    _list_missed(plan, start, context, state.missed)
    return replace(state, missed=())


def _list_missed(plan: IntervalPlan, start: ByKey, context: StepContext, keys: Sequence[str]) -> None:
    source = context.plans[start.input].source
    for key in keys:
        text = f"{plan.type.lower()} {key} came and went while {source} was not heard, and is not reported"
        context.notice("gap", start.input, text)


def began_later(plan: IntervalPlan, end: ByEvent, state: IntervalsState, context: StepContext, at: float) -> bool:
    """Whether what is on began after `at` by the same clock, so that what ended then was another."""
    start, current, pending = plan.start, state.current, state.pending_start
    if not isinstance(start, ByEvent) or start.input != end.input or context.plans[end.input].time is None:
        return False
    begun = current.begun if current is not None else pending.begun if pending is not None else None
    return begun is not None and at < begun
