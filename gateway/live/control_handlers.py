"""Answers `oden-gateway browse`, `tail` and `check --live` over the control socket.

An OPC UA server is asked in the gateway's own session, because small ones have few. A broker is listened to by a client
of another name: what is subscribed in the gateway's session stays as it is.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from pydantic import ValidationError

from gateway.clock import Clock
from gateway.config.schema import OpcuaConfig, SourceConfig
from gateway.config.schema_io import Input
from gateway.errors import GatewayError
from gateway.live.browse import BROWSE_QUESTION, BrowseQuestion, answer_browse, matcher
from gateway.live.look import SOURCE_LOOK, LookQuestion, differing, look
from gateway.live.tail import Present, as_json, tail
from gateway.mapping.inputs import InputMemory
from gateway.mapping.values import scalar
from gateway.sources.base import Source
from gateway.sources.found import Found, Metric, Topic, is_within
from gateway.sources.mqtt_topics import scalars_in
from gateway.ways import here


def remembered(present: Present, question: BrowseQuestion, heard: Sequence[Found]) -> list[Topic | Metric]:
    """The topics and metrics of inputs that had a value and are not among those just `heard`, as far as `question` asks
    for them. Of a message of which inputs take fields, these fields are known."""
    known = {place_of(each) for each in heard}
    matches = matcher(question.match)
    found: dict[tuple[str, ...], Topic | Metric] = {}
    for given, memory in _inputs(present, question.source):
        if given.device is not None and given.metric is not None:
            metric = Metric(given.device, given.metric, "", scalar(memory.value), known_at=memory.received)
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
    fields = {given.field: scalar(memory.value)} if given.field is not None else dict(scalars_in(memory.value))
    topic.fields = {**topic.fields, **fields}
    topic.said = json.dumps(topic.fields[""], ensure_ascii=False) if "" in topic.fields else ""


BROWSE = "browse"
TAIL = "tail"
LOOK = "look"
COMMANDS = {BROWSE, TAIL, LOOK}
"""The names of the commands at the control socket, beside those for the outbox."""

Items = AsyncGenerator[dict[str, object], None]


def answer(command: str, question: object, present: Callable[[], Present], clock: Clock) -> Items:
    """The answer to `command`, item by item. Raises GatewayError where there is none."""
    if command == TAIL:
        return _tail(question, present)
    if command == LOOK:
        return _look(question, present(), clock)
    return _browse(question, present(), clock)


async def _look(question: object, present: Present, clock: Clock) -> Items:
    """How what runs differs from what is meant; then what each source is like that does not."""
    try:
        asked = LookQuestion.model_validate(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    ours = await asyncio.to_thread(present.marks, asked.salt)  # tables can be large
    differs = differing(ours, asked.marks, here())
    yield {"differs": differs.model_dump(mode="json")}
    others = {*differs.sources.changed, *differs.sources.gone}
    same = {name: source for name, source in present.sources.items() if name not in others}
    for each in await look(replace(present, sources=same), clock, asked.seconds):
        yield {"look": SOURCE_LOOK.dump_python(replace(each, by_gateway=True), mode="json")}


async def _tail(question: object, present: Callable[[], Present]) -> Items:
    """Readings, for as long as somebody listens; with a number, so many were left out."""
    source = question.get("source") if isinstance(question, dict) else None
    if source is not None:
        _known(present(), str(source))
    async with aclosing(tail(present, source)) as readings:
        async for reading in readings:
            yield {"left_out": reading} if isinstance(reading, int) else {"reading": as_json(reading)}


def _known(present: Present, source: str) -> tuple[SourceConfig, Source]:
    if source not in present.sources or source not in present.config.sources:
        raise GatewayError(
            f"the running gateway has no source {source}: it goes by an earlier state of the configuration; reload it"
        )
    return present.config.sources[source], present.sources[source]


async def _browse(question: object, present: Present, clock: Clock) -> Items:
    """What a source has; `elsewhere` alone where what is meant is none of the gateway's: another file can have other
    sources, and sources of the same names."""
    try:
        asked = BROWSE_QUESTION.validate_python(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    known = present.config.sources.get(asked.source)
    if known is None or known.url != asked.url:
        yield {"elsewhere": True}
        return
    section, source = _known(present, asked.source)
    link = None
    if isinstance(section, OpcuaConfig):
        from gateway.sources.opcua.source import OpcuaSource  # noqa: PLC0415 - only with its library

        link = source.link if isinstance(source, OpcuaSource) else None
        if link is None:
            raise GatewayError(f"the running gateway is not connected to {asked.source}: {source.health.detail}")
    async for item in answer_browse(section, asked, clock, link, partial(remembered, present, asked)):
        yield item
