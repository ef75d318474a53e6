"""Messages that come again, after newer ones: a sender that lost its connection does not know which of its last ones arrived.

Only a message with a time of its own can be known again. What was said of the key of a run, and what was an event by which one began
or ended, is left out: it would end the run that is on. Two bookings of scrap, or two results of a test, are two.
"""

from collections.abc import Mapping, Sequence

from gateway.mapping.inputs import InputMemory, InputPlan, Reading, moment
from gateway.mapping.runs import PAST_KEYS, RunsState, key_text
from gateway.mapping.track_plan import ByEvent, ByKey, TrackPlan
from gateway.mapping.values import digest, find, flaw, scalar
from gateway.model import Sample

Heard = tuple[tuple[float, str], ...]


def repeated(
    plan: TrackPlan, state: RunsState, known: Mapping[str, InputMemory], fed: Sequence[InputPlan], sample: Sample
) -> bool:
    """Whether `sample`, which feeds the inputs `fed`, says again what it said at the same time."""
    events = {one.input for one in (plan.start, plan.end) if isinstance(one, ByEvent)}
    for one in fed:
        at = moment(find(sample.value, one.time)) if one.time is not None else None
        if at is None:
            continue
        if one.name in events and flaw(sample.value) is None and (at, digest(sample.value)) in state.heard:
            return True
        if isinstance(plan.start, ByKey) and one.name == plan.start.input and one.name in known:
            return _older_key(state, known[one.name], at, find(sample.value, one.field))
    return False


def _older_key(state: RunsState, known: InputMemory, at: float, value: object) -> bool:
    if at >= known.at or flaw(value) is not None:
        return False
    said = key_text(scalar(value))
    return said != key_text(scalar(known.value)) and (at, said) in state.heard


def remembered(state: RunsState, event: Reading, sample: Sample) -> Heard:
    """What has been heard, with the message that was `event`."""
    return (*state.heard, (event.memory.at, digest(sample.value)))[-PAST_KEYS:]
