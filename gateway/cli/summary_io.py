"""Sentences about the inputs of a line, for how long each counter can be out of sight, and the output. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import listed, literal, one_line, pairs, span
from gateway.config.addresses import parse_device
from gateway.config.schema import Line
from gateway.config.schema_io import Counter, Entry, Input, ScrapYield
from gateway.config.schema_messages import OwnTime, Parts
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

BETWEEN_RUNS = {
    "next": "goes to the next run",
    "unassigned": 'gets a run of its own, named "Unassigned"',
    "report": "is not sent, but listed as a gap",
}
GAPS = {"start": "when the connection was lost", "end": "when it is back"}

_USUAL_ROLLOVERS = {2**bits for bits in (8, 15, 16, 31, 32)} | {10**digits for digits in range(2, 10)}


def inputs(line: Line) -> Iterator[str]:
    """Each input: where it comes from, and what is expected of it."""
    for name, given in line.inputs.items():
        yield f"{name} is {_origin(given)}."
        if given.number is not None or (given.counter is not None and given.counter.number is not None):
            yield f"The number of {name} is written as text."
        if given.capture is not None:
            yield f"Of its text, what {one_line(given.capture)} captures is the value; what does not match is empty."
        if given.default is not None:
            yield f"Where the machine lacks {name}, it is {literal(given.default)}."
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
        yield from _watched(name, given)
    if any(given.time is not None for given in line.inputs.values()):
        yield (
            f"A message that comes late, by up to {span(line.late)}, is put in its place, and what was told is "
            "corrected."
            if line.late
            else "A message that comes late is taken by itself: what was told before it stays."
        )
    keys = [section.key for section in (line.run, line.batches, *line.intervals) if section is not None]
    for key in dict.fromkeys(keys):
        if key is not None and (given := line.inputs[key]).topic is not None and given.time is None:
            yield (
                f"Messages of {key} have no time: what changes while the gateway or the broker is away begins when "
                "it is heard, and what came and went meanwhile is listed. Give it 'time', where the sender says it."
            )


def _watched(name: str, given: Input) -> Iterator[str]:
    """How the server watches a tag, where the input says so."""
    if given.trigger == "timestamp":
        yield f"Each writing of {name} is an event, also of the same value with a new timestamp."
    if given.deadband is not None:
        size = f"{given.deadband.size:g}{' % of its range' if given.deadband.percent else ''}"
        yield f"{name} says nothing while it moves by no more than {size}."
    if given.enumeration == "name":
        yield f"The value of {name} is the name of its number."
    if given.uncertain is not None:
        yield f"Values of {name} that are of uncertain quality are {'used' if given.uncertain == 'use' else 'ignored'}."
    parts = []
    if given.sampling is not None:
        parts.append(f"looks at it {f'every {span(given.sampling)}' if given.sampling else 'as often as it can'}")
    if given.queue is not None:
        parts.append(f"keeps {given.queue} of its values until they are taken")
    if given.publishing_interval is not None:
        parts.append(f"reports it every {span(given.publishing_interval)}")
    if parts:
        yield f"Of {name} the server {', '.join(parts)}."


def event(line: Line, name: str) -> str:
    """What counts as an event of the input `name`, as a noun phrase."""
    given = line.inputs[name]
    if given.edge is not None:
        return f"event of {name}"
    if given.has_fields:
        return f"message of {name}" if given.topic is not None else f"event {name}"
    if given.trigger == "timestamp":
        return f"writing of {name}"
    return f"change of {name} to something other than 0, false and empty"


def _split(given: Input) -> str:
    """What of a message is an event, where it can hold several."""
    if given.split is None:
        return ""
    if not isinstance(given.split, Parts):
        return ", which is a line of what comes" if given.split == "lines" else ", which is an element of what comes"
    if given.split.columns:
        return f", which is a line with {listed(given.split.columns)} of what comes"
    return f", which is an element of {given.split.field} in what comes"


def _origin(given: Input) -> str:
    if given.expr is not None:
        return f"what follows from {one_line(given.expr)}"
    if given.words:
        return f"the number that stands in {listed(given.words)}, {given.word_bits} bits each"
    if given.stale is not None:
        return f"true while {given.stale} is quiet"
    if given.event is not None:
        value = f"the field {given.field} of each event" if given.field else "each event"
        kind = f" and of type {given.type}" if given.type is not None else ""
        return " ".join(filter(None, (f"{value} of {given.event} of {given.source}{kind}", accepted_messages(given))))
    if given.node is not None:
        part = f"the field {given.field} of " if given.field else ""
        return f"{part}the tag {given.address} of {given.source}"
    if given.metric is not None and given.device is not None:
        return f"the metric {given.metric} of the {_device(given.device)} behind {given.source}"
    value = f"the field {given.field} of each message" if given.field else "each message"
    zone = f" in the time of {given.time.zone}" if isinstance(given.time, OwnTime) else ""
    time = f", which happened when its field {given.time_field} says{zone}" if given.time_field else ""
    if given.binary is not None:
        value = f"the {given.binary.type} at byte {given.binary.at} of {value}"
    value += _split(given)
    message = " ".join(filter(None, (value, f"on {given.topic} of {given.source}", accepted_messages(given))))
    fields = " and ".join(str(path) for path in given.id)
    once = f"; one whose {fields} came before is left out" if fields else ""
    return f"{message}{time}{once}"


def _device(text: str) -> str:
    is_edge_node = parse_device(text).device is None
    return f"Sparkplug edge node {text} itself" if is_edge_node else f"Sparkplug device {text}"


def _counter(name: str, counter: Counter) -> Iterator[str]:
    yield _exact_gap(name, counter)
    if counter.direction == "down":
        with_what = f" with each {counter.restarts_with}" if counter.restarts_with is not None else ""
        yield f"It counts down: a larger value means that it was set anew{with_what}, and counts nothing."
    elif counter.restarts_with is not None:
        yield f"It starts again from zero with each {counter.restarts_with}."
    elif counter.backwards != "reset":
        yield BACKWARDS[counter.backwards]
    elif counter.turn is None:
        yield BACKWARDS["reset"]
    if counter.unit is not None:
        yield f"Each count of {name} is {counter.scale:g} {counter.unit}."
    elif counter.scale != 1:
        yield f"Each count of {name} is {counter.scale:g} of what is sent."
    if counter.max_rate is not None:
        fate = "left out" if counter.too_fast == "ignore" else "counted"
        yield f"A jump of {name} by more than {counter.max_rate:g} a second is {fate}, and listed as a gap."
    elif counter.too_fast == "ignore":
        yield f"A jump of {name} by more than 100 times its largest of the last 100 moves is left out, and listed."


def _exact_gap(name: str, counter: Counter) -> str:
    """For how long the counter can be out of sight and is still exact."""
    if counter.rollover is not None and counter.rollover + 1 in _USUAL_ROLLOVERS:
        return (
            f"{name} rolls over at {counter.rollover}: is that not {counter.rollover + 1}? "
            "The rollover is the first value that is never shown."
        )
    turn = counter.turn
    if turn is None:
        return f"{name} never rolls over: what it counts in a gap is never lost, unless it is reset in the gap."
    if counter.max_rate is None:
        return f"{name} rolls over at {turn}: give it a max_rate, so that a reset is told from a rollover."
    gap = span(turn / counter.max_rate)
    return f"{name} is exact over a gap of up to {gap} ({turn} at {counter.max_rate:g} a second)."


def output(line: Line) -> Iterator[str]:
    """Each kind of output, when it is sent, and to what it belongs between runs and over gaps."""
    given = line.scrap_yield
    if given is None:
        return
    for entry in given.entries:
        yield from _entry(line, entry, given)
    if given.codes:
        yield f"Codes: {'; '.join(f'{code} is {literal(name)}' for code, name in given.codes.items())}."
    origin = "the full hour" if given.align == "clock" else "the start of the run or batch"
    yield f"The times are counted from {origin}; what is left is sent when the run or batch ends."
    if given.wait:
        yield (
            f"Each is told {span(given.wait)} after its end, so that an order that comes late by no more needs no "
            "correction; starts and ends are not held back."
        )
    if any(entry.of == "run" for entry in given.entries):
        yield f"What is made while no run is on {BETWEEN_RUNS[given.between_runs]}."
    if any(entry.of == "batch" for entry in given.entries):
        fate = "is not sent, but listed as a gap" if given.between_runs == "report" else "goes to the next batch"
        yield f"What is counted for batches while none is on {fate}."
    yield f"What a counter has moved by over a gap belongs to what was on {GAPS[given.gaps]}."


def _entry(line: Line, entry: Entry, given: ScrapYield) -> Iterator[str]:
    name, path = entry.amount
    source = line.inputs[name]
    amount = entry.count
    if path:
        amount = f"{entry.count}, an amount in each message,"
    elif source.edge is not None:
        amount = f"{entry.count}, one for each event,"
    elif source.counter is not None and source.counter.unit is not None:
        amount = f"{entry.count}, counted in {source.counter.unit},"
    elif source.counter is None and entry.each is not None:
        amount = f"{entry.count}, {entry.each:g} for each message,"
    factor = entry.factor if isinstance(entry.factor, str) else f"{entry.factor:g}"
    times = f" times {factor}" if entry.factor != 1 else ""
    yield f"While a {entry.of} is on, {amount} is sent{times} every {span(given.every)} as {pairs(entry.raw_data)}."
    if entry.min:
        yield f"Less than {entry.min:g} of {entry.count} waits for the next time."
