"""What a line's inputs are, in sentences, and how long each counter can be out of sight. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import one_line, span
from gateway.config.device import parse_device
from gateway.config.schema import Line
from gateway.config.schema_inputs import Counter, Input
from gateway.mapping.compile_inputs import accepted_messages

EDGES = {
    "rising": "Each time {name} changes from 0, false or empty to something else is an event.",
    "falling": "Each time {name} changes to 0, false or empty is an event.",
    "any": "Each change of {name} is an event.",
}

BACKWARDS = {
    "reset": "A smaller value is a reset to zero: what it shows was made since, and it is listed as a gap.",
    "ignore": "A smaller value is a reset of which nothing is counted, and is listed as a gap.",
    "count": "A smaller value means that so many were taken back.",
}

_ROUND = {2**bits for bits in (8, 15, 16, 31, 32)} | {10**digits for digits in range(2, 10)}
"""What counters usually roll over at."""


def inputs(line: Line) -> Iterator[str]:
    """Each input: where it comes from, and what is expected of it."""
    for name, given in line.inputs.items():
        yield f"{name} is {_origin(given)}."
        if given.edge is not None:
            yield EDGES[given.edge].format(name=name)
        if given.fresh is not None:
            yield f"{name} is quiet when nothing has come for {span(given.fresh)}: that is listed as a gap."
        if given.heartbeat is not None:
            yield (
                f"{name} must change every {span(given.heartbeat)}: else nothing from {given.source} counts as known, "
                "which is listed as a gap."
            )
        if given.counter is not None:
            yield from _counter(name, given.counter)


def event(line: Line, name: str) -> str:
    """What an event of the input is."""
    given = line.inputs[name]
    if given.edge is not None:
        return f"event of {name}"
    if given.topic is not None:
        return f"message of {name}"
    return f"change of {name} to something other than 0, false and empty"


def _origin(given: Input) -> str:
    if given.expr is not None:
        return f"what follows from {one_line(given.expr)}"
    if given.stale is not None:
        return f"true while {given.stale} is quiet"
    if given.node is not None:
        return f"the tag {given.node} of {given.source}"
    if given.metric is not None and given.device is not None:
        return f"the metric {given.metric} of the {_device(given.device)} behind {given.source}"
    what = f"the field {given.field} of each message" if given.field else "each message"
    when = f", which happened when its field {given.time} says" if given.time else ""
    which = " ".join(filter(None, (what, f"on {given.topic} of {given.source}", accepted_messages(given))))
    return f"{which}{when}"


def _device(written: str) -> str:
    of_node = parse_device(written).device is None
    return f"Sparkplug edge node {written} itself" if of_node else f"Sparkplug device {written}"


def _counter(name: str, counter: Counter) -> Iterator[str]:
    yield _bridged(name, counter)
    if counter.restarts_with is not None:
        yield f"It starts again from zero with each {counter.restarts_with}."
    elif counter.backwards != "reset":
        yield BACKWARDS[counter.backwards]
    elif counter.rollover is None:
        yield BACKWARDS["reset"]
    if counter.unit is not None:
        yield f"Each count of {name} is {counter.scale:g} {counter.unit}."
    elif counter.scale != 1:
        yield f"Each count of {name} is {counter.scale:g} of what is sent."
    if counter.max_rate is not None:
        fate = "left out" if counter.too_fast == "ignore" else "counted"
        yield f"A jump of {name} by more than {counter.max_rate:g} a second is {fate}, and listed as a gap."


def _bridged(name: str, counter: Counter) -> str:
    """How long the counter can be out of sight."""
    if counter.rollover is not None and counter.rollover + 1 in _ROUND:
        return (
            f"{name} rolls over at {counter.rollover}: is that not {counter.rollover + 1}? "
            "The rollover is the first value that is never shown."
        )
    if counter.rollover is None:
        return f"{name} never rolls over: what it counts in a gap is never lost, unless it is reset in the gap."
    if counter.max_rate is None:
        return f"{name} rolls over at {counter.rollover}: give it a max_rate, so that a reset is told from a rollover."
    gap = span(counter.rollover / counter.max_rate)
    return f"{name} is exact over a gap of up to {gap} ({counter.rollover} at {counter.max_rate:g} a second)."
