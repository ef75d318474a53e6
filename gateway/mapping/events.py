"""What counts as an event: something that happens once, as opposed to a value that is so for a time."""

from gateway.mapping.inputs import InputPlan, Reading
from gateway.mapping.values import number, scalar, text
from gateway.model import Sample


def happened(plan: InputPlan, reading: Reading, sample: Sample) -> bool:
    """Whether what `sample` said of the input is an event.

    With `edge`, the changes that it names are. Else a message is one, unless the broker had kept it: then it was sent before, and not
    to say it once more. A tag is one when it changes to something other than 0, false and empty. The first value ever seen is no
    change, for nobody knows since when.
    """
    if plan.message and plan.edge is None:
        return not sample.retained
    if reading.before.value is None or not reading.changed:
        return False
    was, now = _on(reading.before.value), _on(reading.memory.value)
    match plan.edge:
        case "any":
            return True
        case "rising":
            return now and not was
        case "falling":
            return was and not now
    return now


def _on(value: object) -> bool:
    """Whether the value is other than 0, false and empty."""
    known = scalar(value)
    return known is not False and number(known) != 0 and bool(text(known).strip())
