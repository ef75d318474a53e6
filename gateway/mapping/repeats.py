"""Messages that come again, after newer ones: a sender that lost its connection does not know which of its last ones arrived.

Only a message with a time of its own can be known again. What it says once more of the key of a run, or as the event by which one began
or ended, would end the run that is on, or correct it. Two bookings of scrap, or two results of a test, are two, also where they name the
order.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter

from gateway.mapping.inputs import InputMemory, InputPlan, Reading, moment
from gateway.mapping.runs import PAST_KEYS, RunsState, key_text
from gateway.mapping.track_plan import ByEvent, ByKey, TrackPlan
from gateway.mapping.values import ABSENT, digest, find, flaw, scalar
from gateway.model import Sample


def older_again(
    plan: TrackPlan, state: RunsState, known: Mapping[str, InputMemory], fed: Sequence[InputPlan], sample: Sample
) -> bool:
    """Whether `sample`, which feeds the inputs `fed`, says again what was said of the key, or was an event, before others said something
    newer."""
    events = {one.input for one in (plan.start, plan.end) if isinstance(one, ByEvent)}
    for one in fed:
        at = moment(find(sample.value, one.time)) if one.time is not None else None
        before = known.get(one.name)
        if at is None or before is None or at > before.at or flaw(sample.value) is not None:
            continue
        if one.name in events and at < before.at and (at, digest(sample.value)) in state.events:
            return True
        if isinstance(plan.start, ByKey) and one.name == plan.start.input:
            value = find(sample.value, one.field)
            said = key_text(scalar(value))
            if value is not ABSENT and said != key_text(scalar(before.value)) and _was_known(state, said, at):
                return True
    return False


def _was_known(state: RunsState, key: str, at: float) -> bool:
    """Whether it is known that the key was `key` at `at`."""
    if (at, key) in state.heard:
        return True
    by_then = [one for one in state.heard if one[0] <= at]
    if by_then:
        return max(reversed(by_then), key=itemgetter(0))[1] == key
    return not key and 0 < len(state.heard) < PAST_KEYS


def event_again(state: RunsState, plan: InputPlan, event: Reading, sample: Sample) -> bool:
    """Whether `sample` was `event` before."""
    return plan.time is not None and (event.memory.at, digest(sample.value)) in state.events


def remembered(state: RunsState, event: Reading, sample: Sample) -> tuple[tuple[float, str], ...]:
    """The newest events, with the message that was `event`."""
    return (*state.events, (event.memory.at, digest(sample.value)))[-PAST_KEYS:]
