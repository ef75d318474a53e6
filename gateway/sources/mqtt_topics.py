"""What a broker has: its topics with their last messages, and what Sparkplug edge nodes say at birth.

Heard for a while in a session of its own at QoS 0, which ends with the connection: the gateway's session, and what
waits in it, is not touched. Nothing is published, but for the request for births where somebody asks for that.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG
from gateway.config.schema_mqtt import MqttConfig
from gateway.errors import SourceError
from gateway.model import Scalar
from gateway.sources.found import Metric, Topic, shortened
from gateway.sources.mqtt_connection import MqttConnection, NoAnswer, OtherVersion, Publish, Subscribed
from gateway.sources.mqtt_forms import decode, excerpt, too_large
from gateway.sources.mqtt_packets import Version
from gateway.sources.mqtt_reasons import reason

EVERYTHING = "#"
"""All topics but those that begin with `$`, which are the broker's own."""
MOST_TOPICS = 20_000
"""Topics, and metrics, of which something is kept."""
MOST_FIELDS = 200
"""Fields of one message."""

_REFUSED = 0x80


@dataclass(slots=True)
class Heard:
    """What was heard. `unborn` are edge nodes of which something came, but no birth; `left_out` counts messages of
    which nothing is kept; `refused` says which filters the broker refuses, and why."""

    topics: dict[str, Topic] = field(default_factory=dict)
    metrics: dict[tuple[str, str], Metric] = field(default_factory=dict)
    unborn: set[str] = field(default_factory=set)
    left_out: int = 0
    refused: dict[str, str] = field(default_factory=dict)


async def listen(
    config: MqttConfig, clock: Clock, filters: Sequence[str], seconds: float, *, births: bool = False
) -> Heard:
    """What comes of `filters` in the `seconds` after they are subscribed. `births`: edge nodes that are heard are asked
    for theirs, once each.

    Raises SourceError where the broker cannot be reached or refuses. `config` names the client to be.
    """
    connection = await _connected(config, clock)
    try:
        return await _heard(connection, clock, filters, seconds, births=births)
    finally:
        await connection.close()


async def _connected(config: MqttConfig, clock: Clock) -> MqttConnection:
    """A connection at the first address, and with the first version of MQTT, that the broker takes."""
    versions: tuple[Version, ...] = ("5", "3.1.1") if config.version == "auto" else (config.version,)
    failures: list[str] = []
    for url in (config.url, *config.alternatives):
        for version in versions:
            connection = MqttConnection(config, clock, lambda _: None, version=version, url=url, clean=True)
            try:
                await connection.open()
            except SourceError as error:
                await connection.close()
                failures.append(str(error))
                if isinstance(error, OtherVersion | NoAnswer):
                    continue
                break
            return connection
    raise SourceError("; ".join(dict.fromkeys(failures)))


async def _heard(
    connection: MqttConnection, clock: Clock, filters: Sequence[str], seconds: float, *, births: bool
) -> Heard:
    heard, asked = Heard(), set[str]()
    connection.subscribe(tuple(filters))
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        await connection.wait(left)
        for _ in range(MOST_FIELDS):  # then others have their turn
            match connection.pop():
                case Publish(message=message):
                    if message.topic.startswith(f"{SPARKPLUG}/"):
                        _take_sparkplug(heard, message.topic, message.payload)
                    else:
                        _take(heard, message.topic, message.payload, message.left_out, retained=message.retained)
                case Subscribed(topics=topics, codes=codes):
                    until = clock.monotonic() + seconds  # what the broker keeps comes from now on
                    answers = zip(topics, codes, strict=False)
                    heard.refused |= {topic: reason(code) for topic, code in answers if code >= _REFUSED}
                case None:
                    break
        if births and heard.unborn - asked:
            for node in heard.unborn - asked:
                group, name = node.split("/")
                connection.publish(f"{SPARKPLUG}/{group}/NCMD/{name}", _sparkplug().rebirth(clock.now()))
            asked |= heard.unborn
        await asyncio.sleep(0)
    return heard


def _take(heard: Heard, name: str, payload: bytes, left_out: int, *, retained: bool) -> None:
    if name not in heard.topics and len(heard.topics) >= MOST_TOPICS:
        heard.left_out += 1
        return
    topic = heard.topics.setdefault(name, Topic(name))
    topic.messages += 1
    topic.retained = topic.retained and retained
    topic.said, topic.fields, topic.problem = excerpt(payload), {}, ""
    try:
        if left_out:
            raise too_large(len(payload) + left_out)
        topic.fields = dict(scalars_in(decode(payload)))
    except ValueError as error:
        topic.problem = f"the payload {error}"


def scalars_in(value: object) -> Iterator[tuple[str, Scalar]]:
    """The scalars in `value` that the configuration can name, each with its path; at most MOST_FIELDS."""
    waiting: list[tuple[str, object]] = [("", value)]
    told = 0
    while waiting and told < MOST_FIELDS:
        path, part = waiting.pop()
        if isinstance(part, dict):
            prefix = f"{path}." if path else ""
            inside = [(f"{prefix}{key}", item) for key, item in part.items() if key and "." not in key]
            waiting += reversed(inside)
        elif part is None or isinstance(part, str | int | float):
            told += 1
            yield path, shortened(part)


def _take_sparkplug(heard: Heard, topic: str, payload: bytes) -> None:
    levels = topic.split("/")
    if len(levels) not in (4, 5) or levels[2] not in ("NBIRTH", "NDATA", "DBIRTH", "DDATA"):
        return
    _, group, kind, node, *rest = levels
    name = f"{group}/{node}"
    if not kind.endswith("BIRTH"):
        if not any(device == name or device.startswith(f"{name}/") for device, _ in heard.metrics):
            heard.unborn.add(name)
        return
    heard.unborn.discard(name)
    device = "/".join((name, *rest))
    try:
        born = _sparkplug().decode(payload)
    except ValueError as error:
        _take(heard, topic, b"", 0, retained=False)
        if topic in heard.topics:
            heard.topics[topic].problem = f"the payload {error}"
        return
    for metric in born.metrics:
        if metric.name and (device, metric.name) not in heard.metrics and len(heard.metrics) >= MOST_TOPICS:
            heard.left_out += 1
        elif metric.name:
            heard.metrics[device, metric.name] = _metric(device, metric.name, metric)


def _metric(device: str, name: str, metric: Any) -> Metric:
    number, known = metric.datatype or 0, _sparkplug().DATATYPES
    kind = known[number] if number < len(known) else str(number)
    try:
        return Metric(device, name, kind, shortened(_sparkplug().value(metric, metric.datatype)))
    except ValueError as error:
        return Metric(device, name, kind, None, str(error))


def _sparkplug() -> Any:
    """What reads payloads; its library is loaded only where there are some."""
    from gateway.sources import sparkplug_decode  # noqa: PLC0415

    return sparkplug_decode
