"""What needs two places of the file to be seen, or the file system: references, addresses, things that exist twice.

Expressions, patterns and what a line makes of its inputs are checked where they are compiled, in `mapping.compile`.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gateway.config.device import SPARKPLUG, parse_device
from gateway.config.document import shown
from gateway.config.node_id import parse_node_id
from gateway.config.schema import Config, Line, MqttSource, OpcuaSource
from gateway.config.schema_inputs import Input
from gateway.config.sentences import suggestion
from gateway.config.shape import Loc
from gateway.errors import Fault

LONGEST_TOPIC = 65535
"""Bytes in UTF-8 (MQTT 5, 1.5.4)."""

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def faults(config: Config) -> list[Fault]:
    """Everything that is wrong between the parts of `config`. A source that no input names is not."""
    return [
        *_addresses(config),
        *_sources(config.sources),
        *_twice(config.lines),
        *(fault for index, line in enumerate(config.lines) for fault in _line(line, ("lines", index), config.sources)),
    ]


def _addresses(config: Config) -> Iterator[Fault]:
    urls: list[tuple[Loc, str]] = [(("oden", "url"), config.oden.url)]
    urls += [(("sources", name, "url"), source.url) for name, source in config.sources.items()]
    for loc, url in urls:
        if _host_and_port(url) is None:
            yield Fault(loc, "after '://' comes a host and, if any, ':' and a port from 1 to 65535")
        elif "@" in urlsplit(url).netloc:
            yield Fault(loc, "no user or password can stand in an address, which is shown and logged; remove it")
    if _host_and_port(f"tcp://{config.status.listen}") is None:
        yield Fault(("status", "listen"), "write address:port, such as 127.0.0.1:8321, with a port from 1 to 65535")


def _host_and_port(url: str) -> tuple[str, int | None] | None:
    """The host and the port, where one is given, that `url` names; None where it does not name them properly."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port) if host and port != 0 else None


def _sources(sources: Mapping[str, OpcuaSource | MqttSource]) -> Iterator[Fault]:
    sessions: dict[tuple[str, int, str], str] = {}
    """(host, port, client id) -> the first source that has them."""
    for name, source in sources.items():
        address = _host_and_port(source.url)
        if not isinstance(source, MqttSource) or address is None:
            continue
        scheme = urlsplit(source.url).scheme
        if source.ca is not None and scheme == "mqtt":
            yield Fault(("sources", name, "ca"), "a CA certificate is for TLS: write mqtts:// in 'url', or remove it")
        elif source.ca is not None and not source.ca.is_file():
            yield Fault(("sources", name, "ca"), f"there is no file {source.ca}; put the CA certificate (PEM) there")
        session = (address[0], address[1] or _PORTS[scheme], source.client_id)
        first = sessions.setdefault(session, name)
        if first != name:
            text = (
                f"{shown(first)} has this client_id at the same broker, which would cut off each in turn; write another"
            )
            yield Fault(("sources", name, "client_id"), text)


def _twice(lines: list[Line]) -> Iterator[Fault]:
    """Lines that are one and the same at Oden, or in the gateway's memory."""
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    keys: set[str] = set()
    for index, line in enumerate(lines):
        if line.id in ids:
            yield Fault(("lines", index, "id"), "another line above has this id; each line at Oden has its own")
        elif (line.factory, line.line) in names or line.key in keys:
            text = f"the line {shown(line.line)} of {shown(line.factory)} is there already; put both into one"
            yield Fault(("lines", index, "line"), text)
        ids |= {line.id} if line.id is not None else set()
        names.add((line.factory, line.line))
        keys.add(line.key)


def _line(line: Line, loc: Loc, sources: Mapping[str, OpcuaSource | MqttSource]) -> Iterator[Fault]:
    if not any((line.run, line.batches, line.states, line.scrap_yield, line.intervals, line.rules)):
        yield Fault(
            loc,
            "this line sends nothing; write at least one of 'run', 'batches', 'states', 'intervals', 'scrap_yield' and 'rules'",
        )
    for name, given in line.inputs.items():
        yield from _input(given, (*loc, "inputs", name), sources)


def _input(given: Input, loc: Loc, sources: Mapping[str, OpcuaSource | MqttSource]) -> Iterator[Fault]:
    derived = [key for key in ("expr", "stale") if getattr(given, key) is not None]
    if derived:
        kept = {derived[0], "edge"}
        for key in sorted(given.model_fields_set - kept):
            yield Fault((*loc, key), f"'{key}' means nothing beside '{derived[0]}', which says it all; remove it")
    elif given.source is None:
        text = "the key 'source' is missing: one of the names under `sources`; what follows from other inputs has 'expr' instead"
        yield Fault((*loc, "source"), text)
    else:
        match sources.get(given.source):
            case OpcuaSource():
                yield from _tag(given, loc)
            case MqttSource() if given.device is not None or given.metric is not None:
                yield from _metric(given, loc)
            case MqttSource():
                yield from _message(given, loc)
            case None:
                text = f"unknown source {shown(given.source)}{suggestion(given.source, sources)}"
                yield Fault((*loc, "source"), text)


def _tag(given: Input, loc: Loc) -> Iterator[Fault]:
    yield from _misplaced(given, loc, "OPC UA", "node", ("topic", "field", "only", "time", "device", "metric"))
    if given.node is not None:
        try:
            parse_node_id(given.node)
        except ValueError as error:
            yield Fault((*loc, "node"), str(error))


def _metric(given: Input, loc: Loc) -> Iterator[Fault]:
    """A metric of a Sparkplug device."""
    for key, other in (("device", "metric"), ("metric", "device")):
        if getattr(given, key) is None:
            yield Fault(
                (*loc, key), f"the key '{key}' is missing: which {key} of Sparkplug is meant? '{other}' needs it"
            )
    if given.node is not None:
        yield Fault((*loc, "node"), f"'node' means nothing here: the source {shown(given.source)} is MQTT; remove it")
    for key in ("topic", "field", "only", "time"):
        if getattr(given, key):
            yield Fault((*loc, key), f"'{key}' means nothing beside 'device' and 'metric'; remove it")
    if given.device is not None:
        try:
            parse_device(given.device)
        except ValueError as error:
            yield Fault((*loc, "device"), str(error))


def _message(given: Input, loc: Loc) -> Iterator[Fault]:
    yield from _misplaced(given, loc, "MQTT", "topic", ("node",))
    topic = given.topic
    if topic is None:
        return
    if not topic or "\0" in topic or len(topic.encode()) > LONGEST_TOPIC:
        yield Fault((*loc, "topic"), f"a topic has from 1 to {LONGEST_TOPIC} bytes, none of them zero")
    elif "+" in topic or "#" in topic:
        yield Fault((*loc, "topic"), "wildcards ('+' and '#') cannot stand here; write one topic for each input")
    elif topic.startswith(f"{SPARKPLUG}/"):
        yield Fault((*loc, "topic"), "this is a topic of Sparkplug B: write 'device' and 'metric' instead")
    paths = [((*loc, "field"), given.field), ((*loc, "time"), given.time)]
    for at, path in [*paths, *(((*loc, "only", path), path) for path in given.only)]:
        if path is not None and not all(path.split(".")):
            yield Fault(at, "write the name of a field, with single dots between nested ones: order.number")


def _misplaced(given: Input, loc: Loc, kind: str, needed: str, foreign: tuple[str, ...]) -> Iterator[Fault]:
    """The key that a `kind` of source needs, and those that mean nothing to it."""
    if getattr(given, needed) is None:
        yield Fault((*loc, needed), f"the key '{needed}' is missing: the source {shown(given.source)} is {kind}")
    for key in foreign:
        if getattr(given, key):
            yield Fault(
                (*loc, key), f"'{key}' means nothing here: the source {shown(given.source)} is {kind}; remove it"
            )
