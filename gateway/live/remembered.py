"""What the running gateway knows of a broker beside what comes just now: the last values of the inputs that it feeds.

A broker keeps none of the messages that were not published to be kept, and births come seldom. Pure.
"""

import json
from collections.abc import Iterator, Sequence

from gateway.config.schema_io import Input
from gateway.live.browse import BrowseQuestion, matcher
from gateway.live.tail import Present
from gateway.mapping.inputs import InputMemory
from gateway.sources.found import Found, Metric, Topic, is_within
from gateway.sources.mqtt_topics import scalars_in


def remembered(present: Present, question: BrowseQuestion, heard: Sequence[Found]) -> list[Topic | Metric]:
    """The topics and metrics of inputs that had a value and are not among those just `heard`, as far as `question` asks
    for them. Of a message of which inputs take fields, these fields are known."""
    known = {place_of(each) for each in heard}
    matches = matcher(question.match)
    found: dict[tuple[str, ...], Topic | Metric] = {}
    for given, memory in _inputs(present, question.source):
        if given.device is not None and given.metric is not None:
            metric = Metric(given.device, given.metric, "", _scalar(memory.value), known_at=memory.received)
            if not question.start and matches(f"{metric.device} {metric.metric}"):
                found[place_of(metric)] = metric
        elif given.topic is not None and is_within(given.topic, question.start) and matches(given.topic):
            topic = found.setdefault((given.topic,), Topic(given.topic, retained=False))
            if isinstance(topic, Topic):
                _add(topic, given, memory)
    return [each for place, each in sorted(found.items()) if place not in known]


def place_of(found: Found) -> tuple[str, ...]:
    """By what a topic, a metric or a node is told from others of its source."""
    match found:
        case Topic():
            return (found.topic,)
        case Metric():
            return found.device, found.metric
    return (found.node,)


def _inputs(present: Present, source: str) -> Iterator[tuple[Input, InputMemory]]:
    """The inputs of `source` that have had a value."""
    for line in present.config.lines:
        memories = present.memories(line.key)
        for name, given in line.inputs.items():
            memory = memories.get(name)
            if given.source == source and memory is not None and memory.received:
                yield given, memory


def _add(topic: Topic, given: Input, memory: InputMemory) -> None:
    topic.known_at = max(topic.known_at or 0.0, memory.received)
    fields = {given.field: _scalar(memory.value)} if given.field is not None else dict(scalars_in(memory.value))
    topic.fields = {**topic.fields, **fields}
    topic.said = json.dumps(topic.fields[""], ensure_ascii=False) if "" in topic.fields else ""


def _scalar(value: object) -> str | int | float | None:
    return value if isinstance(value, str | int | float) else None
