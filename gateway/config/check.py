"""Checks what needs two places of the configuration, or the file system: references, addresses, duplicates.

Expressions, text patterns and what a line makes of its inputs are checked where they are compiled, by
`mapping.compile`.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from gateway.config.addresses import parse_device, parse_event_field, parse_event_type, parse_place
from gateway.config.check_addresses import address_faults, host_and_port
from gateway.config.check_files import file_faults
from gateway.config.check_messages import forms_faults, message_faults, path_faults
from gateway.config.invisible import CURLY_QUOTES, in_curly_quotes
from gateway.config.near_words import suggestion
from gateway.config.schema import Config, Line, OpcuaConfig
from gateway.config.schema_io import CONTENT, EVENT_FIELDS, OPCUA_KEYS, WATCHED_BY, Input
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted, told_once
from gateway.errors import ConfigFault, characters_of
from gateway.secret_forms import shown_address

DERIVED_KEYS: Mapping[str, tuple[str, ...]] = {
    "expr": ("edge", "counter"),
    "words": ("edge", "counter", "word_bits"),
    "stale": ("edge",),
}
"""What else a derived input can say."""

MESSAGE_KEYS = ("topic", "split", "binary", "id", "json_schema")
"""The keys of an input that mean something of messages on MQTT topics alone."""

_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_PORTS_OF_OTHERS: Mapping[tuple[str, int | None], str] = {
    ("mqtt", 8883): "mqtts",
    ("mqtts", 1883): "mqtt",
    ("ws", 443): "wss",
    ("wss", 80): "ws",
}


def find_faults(config: Config, unread: Container[str] = ()) -> list[ConfigFault]:
    """All that is wrong between the parts of `config`. A source that no input names is no fault.

    `unread` are names of sources of which nothing is known.
    """
    faults = [*address_faults(config), *_sources(config.sources), *file_faults(config), *_duplicate_lines(config.lines)]
    turned = _of_another_type(config)
    for name, text in turned.items():
        faults.append(ConfigFault(("sources", name, "type"), text))
    known = {name: source for name, source in config.sources.items() if name not in turned}
    inputs = (given for line in config.lines for given in line.inputs.values())
    unsure = {*turned, *(given.source for given in inputs if given.source is not None and given.source in unread)}
    for index, line in enumerate(config.lines):
        faults += _line(line, ("lines", index), known, unsure)
    return [*_unknown_told_once(faults), *_tags(config.lines), *forms_faults(config.lines)]


def _unknown_told_once(faults: Sequence[ConfigFault]) -> Iterator[ConfigFault]:
    """`faults`, where what is wrong with very many inputs alike, because they name an unknown source, is one."""
    said = told_once([fault.text for fault in faults if fault.text.startswith(_UNKNOWN)], "inputs")
    for fault in faults:
        text = next(said) if fault.text.startswith(_UNKNOWN) else fault.text
        if text:
            yield replace(fault, text=text)


def _of_another_type(config: Config) -> dict[str, str]:
    """Sources of which all inputs, if there are several, are those of the other type of source."""
    inputs: dict[str, list[Input]] = {}
    for line in config.lines:
        for given in line.inputs.values():
            if given.source is not None:
                inputs.setdefault(given.source, []).append(given)
    found: dict[str, str] = {}
    for name, source in config.sources.items():
        used = inputs.get(name, [])
        is_opcua = isinstance(source, OpcuaConfig)
        has, lacks = ("topic", "node") if is_opcua else ("node", "topic")
        if len(used) > 1 and all(getattr(given, has) and not getattr(given, lacks) for given in used):
            text = f"all {len(used)} inputs of this source have '{has}', as those of {_KINDS[not is_opcua]} have"
            found[name] = f"{text}, and this is {_KINDS[is_opcua]}: write the other type here, or another source there"
    return found


_KINDS = {True: "OPC UA", False: "MQTT"}
_UNKNOWN = "unknown source "


def _tags(lines: Sequence[Line]) -> Iterator[ConfigFault]:
    """Tags that several inputs name, and that are to be watched in several ways."""
    seen: dict[tuple[str | None, str], tuple[str, Input]] = {}
    for index, line in enumerate(lines):
        for name, given in line.inputs.items():
            if given.node is None and given.event is None:
                continue
            first, other = seen.setdefault((given.source, given.address), (name, given))
            for key in (*WATCHED_BY, "enumeration"):
                if getattr(given, key) != getattr(other, key):
                    where = f"{quoted(first)} names this tag too"
                    yield ConfigFault(
                        ("lines", index, "inputs", name, *([key] if key in given.model_fields_set else [])),
                        f"{where}, with another '{key}': the server watches a tag in one way, so write the same",
                        at_key=True,
                    )
            for field in given.fields.keys() & other.fields.keys():
                if given.fields[field] != other.fields[field]:
                    text = f"{quoted(first)} names another field of these events so: choose another name"
                    yield ConfigFault(("lines", index, "inputs", name, "fields", field), text, at_key=True)


def _sources(sources: Mapping[str, OpcuaConfig | MqttConfig]) -> Iterator[ConfigFault]:
    sessions: dict[tuple[str, int, str], str] = {}
    """(host, port, client id) -> the first source that has them."""
    for name, source in sources.items():
        address = host_and_port(source.url)
        if not isinstance(source, MqttConfig) or address is None:
            continue
        loc = ("sources", name)
        scheme = urlsplit(source.url).scheme
        yield from _sparkplug_host(source, loc)
        other = _PORTS_OF_OTHERS.get((scheme, address[1]))
        if other is not None:
            text = f"port {address[1]} is that of {other}://: write {other}://, or the other port"
            yield ConfigFault((*loc, "url"), text, warning=True)
        sessions_of = [*_sessions(source)]
        first = next((sessions[each] for each in sessions_of if each in sessions), name)
        sessions |= {each: name for each in sessions_of if each not in sessions}
        if first != name:
            problem = "has this client_id at the same broker, which would cut off each in turn; write another"
            yield ConfigFault((*loc, "client_id"), f"{quoted(first)} {problem}")
        if source.password is not None and source.username is None and source.version == "3.1.1":
            text = "a password needs 'username' beside it; only MQTT 5 takes it alone"
            yield ConfigFault((*loc, "password"), text)


def _sessions(source: MqttConfig) -> Iterator[tuple[str, int, str]]:
    """Host and port of each of its addresses, with the client id."""
    for url in (source.url, *source.alternatives):
        address = host_and_port(url)
        if address is not None:
            yield address[0], address[1] or _PORTS[urlsplit(url).scheme], source.client_id


def _sparkplug_host(source: MqttConfig, loc: Loc) -> Iterator[ConfigFault]:
    if source.primary_host and source.host_id is None:
        yield ConfigFault((*loc, "primary_host"), "for which host do the edge nodes wait? Write its id as 'host_id'")
    if source.primary_host and source.presence is not None:
        text = "a connection has one last will, and as the primary host that is its STATE: leave out 'presence'"
        yield ConfigFault((*loc, "presence"), text)


def _duplicate_lines(lines: list[Line]) -> Iterator[ConfigFault]:
    """Lines that are the same line at Oden, or in the gateway's memory."""
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    keys: set[str] = set()
    for index, line in enumerate(lines):
        if line.id in ids:
            text = "another line above has this id; each line at Oden has its own"
            yield ConfigFault(("lines", index, "id"), text)
        elif (line.factory, line.line) in names or line.key in keys:
            text = f"the line {quoted(line.line)} of {quoted(line.factory)} is there already; put both into one"
            if line.renamed_from is not None and line.key in keys:
                text = f"another line above goes on with what {quoted(line.renamed_from)} had; only one can"
            named = ("lines", index, "factory"), ("lines", index, "line")
            yield ConfigFault(("lines", index, "line"), text, rests_on=named)
        ids |= {line.id} if line.id is not None else set()
        names.add((line.factory, line.line))
        keys.add(line.key)


def _line(
    line: Line, loc: Loc, sources: Mapping[str, OpcuaConfig | MqttConfig], unread: Container[str]
) -> Iterator[ConfigFault]:
    if not any((line.run, line.batches, line.states, line.scrap_yield, line.intervals, line.rules)):
        sections = "'run', 'batches', 'states', 'intervals', 'scrap_yield' and 'rules'"
        yield ConfigFault(loc, f"this line sends nothing; write at least one of {sections}")
    for name, given in line.inputs.items():
        if given.source not in unread:
            yield from _input(given, (*loc, "inputs", name), sources)


def _input(given: Input, loc: Loc, sources: Mapping[str, OpcuaConfig | MqttConfig]) -> Iterator[ConfigFault]:
    derived = [key for key in ("expr", "words", "stale") if getattr(given, key)]
    if derived:
        allowed = {derived[0], *DERIVED_KEYS[derived[0]]}
        for key in sorted(given.model_fields_set - allowed):
            text = f"'{key}' means nothing beside '{derived[0]}', which says it all; remove it"
            yield ConfigFault((*loc, key), text)
    elif given.source is None:
        remedy = "one of the names under `sources`; what follows from other inputs has 'expr' or 'words' instead"
        yield ConfigFault((*loc, "source"), f"the key 'source' is missing: {remedy}", at_key=True)
    else:
        match sources.get(given.source):
            case OpcuaConfig():
                yield from _opcua_input(given, loc)
            case MqttConfig() if given.device is not None or given.metric is not None:
                yield from _sparkplug_input(given, loc)
            case MqttConfig():
                yield from _mqtt_input(given, loc)
            case None:
                text = f"{_UNKNOWN}{quoted(shown_address(given.source))}{suggestion(given.source, sources)}"
                if in_curly_quotes(given.source):
                    text = CURLY_QUOTES
                yield ConfigFault((*loc, "source"), text, rests_on=())


def _opcua_input(given: Input, loc: Loc) -> Iterator[ConfigFault]:
    if given.event is not None:
        yield from _event_input(given, given.event, loc)
        return
    for key in ("type", "fields"):
        if key in given.model_fields_set:
            yield ConfigFault((*loc, key), f"'{key}' belongs to 'event': of which node are events meant?")
    yield from _misplaced(given, loc, "OPC UA", "node", (*MESSAGE_KEYS, "only", "time", "device", "metric"))
    if given.node is not None:
        try:
            parse_place(given.node)
        except ValueError as error:
            yield ConfigFault((*loc, "node"), str(error), rests_on=(), at=characters_of(error))
    counted = next((key for key in ("counter", "edge") if getattr(given, key) is not None), None)
    if counted is not None and given.deadband is not None:
        text = f"small changes would not be counted: remove it, or '{counted}'"
        yield ConfigFault((*loc, "deadband"), text)
    if counted is not None and given.trigger == "timestamp":
        text = f"'{counted}' sees changes, and a value that is written again is none: remove one of the two"
        yield ConfigFault((*loc, "trigger"), text)


def _event_input(given: Input, notifier: str, loc: Loc) -> Iterator[ConfigFault]:
    for key in ("node", "index", "enumeration", "uncertain", "sampling", "deadband", "trigger"):
        if key in given.model_fields_set:
            yield ConfigFault((*loc, key), f"'{key}' means nothing beside 'event'; remove it")
    yield from _foreign(given, loc, "OPC UA", (*MESSAGE_KEYS, "device", "metric"))
    places: list[tuple[Loc, Callable[[str], object], str]] = [((*loc, "event"), parse_place, notifier)]
    if given.type is not None:
        places.append(((*loc, "type"), parse_event_type, given.type))
    elif given.fields:
        yield ConfigFault((*loc, "fields"), "fields are those of a type of events: write 'type' as well", at_key=True)
    for name, field in given.fields.items():
        at: Loc = (*loc, "fields", name)
        if name in (*EVENT_FIELDS, CONTENT):
            yield ConfigFault(at, f"'{name}' is a field that each event has: choose another name", at_key=True)
        if isinstance(field, str):
            places.append((at, parse_event_field, field))
        else:
            places.append(((*at, "path"), parse_event_field, field.path))
    for at, parse, text in places:
        try:
            parse(text)
        except ValueError as error:
            yield ConfigFault(at, str(error), rests_on=(), at=characters_of(error))
    known = (*EVENT_FIELDS, *given.fields)
    named = [((*loc, "field"), given.field), ((*loc, "time"), given.time_field)]
    for at, path in [*named, *(((*loc, "only", path), path) for path in given.only)]:
        name = (path or "").partition(".")[0]
        if path is not None and name not in known:
            yield ConfigFault(at, f"the event has no field '{name}': name it under 'fields'{suggestion(name, known)}")


def _sparkplug_input(given: Input, loc: Loc) -> Iterator[ConfigFault]:
    for key, other in (("device", "metric"), ("metric", "device")):
        if getattr(given, key) is None:
            text = f"the key '{key}' is missing: which {key} of Sparkplug is meant? '{other}' needs it"
            yield ConfigFault((*loc, key), text, at_key=True)
    yield from _foreign(given, loc, "MQTT", OPCUA_KEYS)
    for key in (*MESSAGE_KEYS, "only", "time"):
        if getattr(given, key):
            yield ConfigFault((*loc, key), f"'{key}' means nothing beside 'device' and 'metric'; remove it")
    yield from path_faults([((*loc, "field"), given.field)])
    if given.device is not None:
        try:
            parse_device(given.device)
        except ValueError as error:
            yield ConfigFault((*loc, "device"), str(error), rests_on=())


def _mqtt_input(given: Input, loc: Loc) -> Iterator[ConfigFault]:
    yield from _misplaced(given, loc, "MQTT", "topic", OPCUA_KEYS)
    yield from message_faults(given, loc)


def _misplaced(given: Input, loc: Loc, kind: str, needed: str, foreign: tuple[str, ...]) -> Iterator[ConfigFault]:
    """The key that a `kind` of source needs but does not have, and the keys that mean nothing to it."""
    other = next((key for key in ("node", "topic") if key in foreign and getattr(given, key) is not None), None)
    if getattr(given, needed) is None and other is not None:
        text = f"'{other}' means nothing here: the source {quoted(given.source)} is {kind}; write '{needed}'"
        yield ConfigFault((*loc, other), f"{text}, or another source", at_key=True)
        foreign = tuple(key for key in foreign if key != other)
    elif getattr(given, needed) is None:
        text = f"the key '{needed}' is missing: the source {quoted(given.source)} is {kind}"
        yield ConfigFault((*loc, needed), text, at_key=True)
    yield from _foreign(given, loc, kind, foreign)


def _foreign(given: Input, loc: Loc, kind: str, foreign: tuple[str, ...]) -> Iterator[ConfigFault]:
    """The keys that mean nothing to a `kind` of source."""
    for key in foreign:
        if key in given.model_fields_set and getattr(given, key) is not None:
            text = f"'{key}' means nothing here: the source {quoted(given.source)} is {kind}; remove it"
            yield ConfigFault((*loc, key), text)
