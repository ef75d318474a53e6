"""Addresses as the configuration writes them: OPC UA node ids (Part 6, 5.1.12), Sparkplug devices (3.0.0, 4.1), and
fields of messages."""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from gateway.config.invisible import CURLY_QUOTES, in_curly_quotes
from gateway.config.near_words import nearest
from gateway.errors import TextError

SPARKPLUG = "spBv1.0"
"""The namespace with which every Sparkplug B topic begins."""

_FORM = re.compile(r"(?:(?:nsu=(?P<uri>[^;]*)|ns=(?P<index>[^;]*));)?(?P<kind>[isgb])=(?P<identifier>.*)", re.DOTALL)
_EXAMPLE = "write a node id such as nsu=urn:acme:line;s=L01.State or ns=2;i=1001"
_MAX_INDEX = 0xFFFF
_MAX_NUMBER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """The parts of an OPC UA node id; `identifier` is an int, a str, a UUID or bytes.

    `namespace` is a URI, which stays the same, or an index, which a server may give to another namespace when it
    restarts.
    """

    namespace: str | int
    identifier: int | str | UUID | bytes


def parse_node_id(text: str) -> NodeAddress:
    """The parts of the node id `text`. ValueError says what is wrong and what would be right."""
    if in_curly_quotes(text):
        raise ValueError(CURLY_QUOTES)
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a node id: {_meaning(text)}{_EXAMPLE}")
    return NodeAddress(_namespace(match["uri"], match["index"]), _identifier(match["kind"], match["identifier"]))


def node_text(address: NodeAddress) -> str:
    """The node id as the configuration writes it; `parse_node_id` reads it back."""
    match address.identifier:
        case int(number):
            identifier = f"i={number}"
        case UUID() as guid:
            identifier = f"g={guid}"
        case bytes(data):
            identifier = f"b={base64.b64encode(data).decode()}"
        case text:
            identifier = f"s={text}"
    if isinstance(address.namespace, str):
        return f"nsu={_escaped_uri(address.namespace)};{identifier}"
    return f"ns={address.namespace};{identifier}" if address.namespace else identifier


def _escaped_uri(uri: str) -> str:
    return uri.replace("%", "%25").replace(";", "%3B")


def tag_address(node: str, index: str | None) -> str:
    """The address in the samples of a tag, or of the part `index` of its value. No node id ends like that."""
    return node if index is None else f"{node} [{index}]"


@dataclass(frozen=True, slots=True)
class BrowsePath:
    """The browse names on the way from the root of a server's address space, each with its namespace: a URI or an
    index."""

    steps: tuple[tuple[str | int, str], ...]


_STEP = re.compile(
    r"(?:nsu=(?P<uri>[^;]+);|(?P<index>\d{1,5}):)?(?!nsu?=|\d+:)(?P<name>(?:&.|[^&/])+)(?:/|\Z)", re.DOTALL
)
_EXAMPLE_PATH = "write browse names with their namespaces, such as /Objects/2:Machines/2:Press/2:Good"


def parse_place(text: str) -> NodeAddress | BrowsePath:
    """Where a tag is: its node id or, beginning with a `/`, its browse path (Part 4, A.2). ValueError says what is
    wrong and what would be right.

    In a path, `&` stands before a `/`, `:` or `&` that is part of a name.
    """
    return _browse_path(text, 1, _EXAMPLE_PATH) if text.startswith("/") else parse_node_id(text)


def _browse_path(text: str, at: int, example: str) -> BrowsePath:
    """The names in `text` from the character `at` on."""
    steps: list[tuple[str | int, str]] = []
    goes_on = False
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise TextError(f"'{text}' is not a browse path from here on: {example}", at)
        name = re.sub(r"&(.)", r"\1", step["name"], flags=re.DOTALL)
        steps.append((_namespace(step["uri"], step["index"]), name))
        at, goes_on = step.end(), step.end() > step.end("name")
    if not steps or goes_on:
        raise TextError(f"'{text}' ends without a name: {example}", len(text))
    return BrowsePath(tuple(steps))


def path_text(path: BrowsePath) -> str | None:
    """The browse path as the configuration writes it, which `parse_place` reads back; None where it cannot be written:
    a name is empty."""
    if not path.steps or not all(name for _, name in path.steps):
        return None
    return "".join(f"/{_step_text(namespace, name)}" for namespace, name in path.steps)


def _step_text(namespace: str | int, name: str) -> str:
    escaped = re.sub(r"([&/:])", r"&\1", name)
    if re.match(r"nsu?=", escaped):
        escaped = f"&{escaped}"
    if isinstance(namespace, str):
        return f"nsu={_escaped_uri(namespace)};{escaped}"
    return f"{namespace}:{escaped}" if namespace else escaped


EVENT_TYPES = {
    "BaseEventType": 2041,
    "ProgressEventType": 11436,
    "ConditionType": 2782,
    "AcknowledgeableConditionType": 2881,
    "AlarmConditionType": 2915,
    "DiscreteAlarmType": 10523,
    "OffNormalAlarmType": 10637,
    "SystemOffNormalAlarmType": 11753,
    "TripAlarmType": 10751,
    "LimitAlarmType": 2955,
    "ExclusiveLimitAlarmType": 9341,
    "NonExclusiveLimitAlarmType": 9906,
}
"""Types of events of the standard that can be written by their names (Part 5, 6.4; Part 9, 5)."""


def parse_event_type(text: str) -> NodeAddress | BrowsePath:
    """Where a type of events is: by the name of one of the standard's, or as a tag. ValueError as `parse_place`."""
    number = EVENT_TYPES.get(text)
    if number is not None:
        return NodeAddress(0, number)
    if re.fullmatch(r"\w+", text) is not None:
        near = nearest(text, EVENT_TYPES)
        meant = f"; did you mean '{near}'?" if near is not None else ""
        raise ValueError(f"'{text}' is none of {', '.join(EVENT_TYPES)}{meant or f': of another type {_EXAMPLE}'}")
    return parse_place(text)


def parse_event_field(text: str) -> BrowsePath:
    """Where a field of events is, from their type on. ValueError says what is wrong and what would be right."""
    example = "write browse names with their namespaces, such as 2:JobName or 2:Job/2:Name"
    if text.startswith("/"):
        raise ValueError(f"'{text}' begins at the root, and a field at the event's type: {example}")
    return _browse_path(text, 0, example)


def event_address(notifier: str, type_: str | None) -> str:
    """The address in the samples of events of `type_` that the node `notifier` tells of. No node id ends like that."""
    return f"{notifier} [{type_ or 'BaseEventType'}]"


_SLIP_OF_URI = re.compile(
    r"\s*(?:(?P<word>nsu)\s*[=:]?\s*|(?=urn:|https?:))(?P<namespace>[^;,|=\s]+?)\s*[;,|]\s*"
    r"(?:(?P<kind>[isgb])\s*[=:]\s*)?(?P<identifier>[^=]\S.*|\d+)",
    re.IGNORECASE | re.DOTALL,
)
_SLIP = re.compile(
    r"\s*(?:(?P<word>nsu?)\s*[=:]?\s*)?(?P<namespace>[^;,|=\s]+?)\s*[;,|.:&]\s*"
    r"(?:(?P<kind>[isgb]|str?(?:ing)?|int(?:eger)?|num(?:eric)?|guid|opaque)\s*[=:]\s*)?"
    r"(?P<identifier>[^=]\S.*|\d+)",
    re.IGNORECASE | re.DOTALL,
)
_KINDS = str.maketrans("no", "ib")
"""What numeric and opaque identifiers begin with."""
_TURNED = re.compile(
    r"\s*(?P<identifier>[isgb]=.+?)\s*[;,]\s*(?P<namespace>nsu?=[^;,]+?)\s*", re.IGNORECASE | re.DOTALL
)


def meant_node_id(text: str) -> str | None:
    """The node id that `text` is most likely meant to be; None where that cannot be told."""
    bare = re.sub(r"(opc\.tcp://[^/\s]*/?|svr=\d+;)", "", text)
    if bare != text and _FORM.fullmatch(bare):
        return bare
    alone = re.fullmatch(r"\s*([isgbISGB])\s*[:;,.=]\s*(\S.*)", text)
    if alone is not None and (whole := f"{alone[1].lower()}={alone[2].strip()}") != text:
        return whole if _FORM.fullmatch(whole) and (alone[1] not in "iI" or alone[2].strip().isdigit()) else None
    turned = _TURNED.fullmatch(text)
    if turned is not None:
        meant = f"{turned['namespace']};{turned['identifier']}"
        return meant if _FORM.fullmatch(meant) else None
    by_name = re.match(r"\s*(nsu|urn:|https?:)", text, re.IGNORECASE) is not None
    slip = (_SLIP_OF_URI if by_name else _SLIP).fullmatch(text)
    if slip is None or not (slip["word"] or by_name or slip["namespace"].isdigit()) or slip["identifier"][1:2] == "=":
        return None
    identifier = slip["identifier"].strip()
    kind = (slip["kind"] or ("i" if identifier.isdigit() else "s"))[0].lower().translate(_KINDS)
    if kind == "i" and not identifier.isdigit():
        kind = "s"
    meant = f"{(slip['word'] or ('nsu' if by_name else 'ns')).lower()}={slip['namespace']};{kind}={identifier}"
    try:
        parse_node_id(meant)
    except ValueError:
        return None
    return meant if meant != text else None


_OF_A_PLC = re.compile(r"%?(DB\d+[.,](DB[XBWD])?\d|[MIQEA][BWD]?\d+(\.\d)?\Z|[34]\d{4,5}\Z)", re.IGNORECASE)
"""Addresses of the kinds DB10.DBW4, %MW100, I0.3 and 40001."""


def _meaning(text: str) -> str:
    if _OF_A_PLC.match(text):
        return "addresses in the PLC are not known to its server, whose tags `oden-gateway browse` shows: "
    if re.match(r"(Root/)?Objects/|\d+:[^/]+/", text):
        return f"a browse path begins with a '/': did you mean '/{text}'? Or "
    meant = meant_node_id(text)
    return f"did you mean '{meant}'? Or " if meant is not None else ""


def _namespace(uri: str | None, index: str | None) -> str | int:
    if uri is not None:
        if not uri:
            raise ValueError(f"the namespace after nsu= is empty: {_EXAMPLE}")
        return uri.replace("%3B", ";").replace("%25", "%")
    return _number(index, "namespace index", _MAX_INDEX) if index is not None else 0


def _identifier(kind: str, text: str) -> int | str | UUID | bytes:
    if not text:
        raise ValueError(f"nothing stands after {kind}=: {_EXAMPLE}")
    if kind == "s":
        return text
    if kind == "i":
        if not text.removeprefix("-").isdigit() and "=" not in text:
            raise ValueError(f"the numeric identifier '{text}' is no number: did you mean 's={text}'?")
        return _number(text, "numeric identifier", _MAX_NUMBER)
    if kind == "g":
        if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) is None:
            raise ValueError(f"'{text}' is not a GUID: write g=09087e75-8e5e-499b-954f-f2a9603db28a")
        return UUID(text)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"'{text}' is not base64: write b=M/RbKBsRVkePCePcx24oRA==") from None


def _number(text: str, name: str, maximum: int) -> int:
    if re.fullmatch(r"[0-9]{1,10}", text) is None or int(text) > maximum:
        by_name = f": where this is its name, write nsu={text}" if re.match(r"(urn|https?|tag):", text) else ""
        raise ValueError(f"the {name} '{text}' must be a number from 0 to {maximum}{by_name}")
    return int(text)


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """A Sparkplug device of an edge node or, where `device` is None, the edge node itself."""

    group: str
    node: str
    device: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.group, self.node, self.device)))


def sparkplug_address(device: str) -> str:
    """The address in the samples of `device`, which is written as in the configuration. No MQTT topic looks like it."""
    return f"{SPARKPLUG}/{device}"


def parse_device(text: str) -> DeviceAddress:
    """The parts of the device `text`. ValueError says what is wrong and what would be right."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise ValueError(
            f"'{text}' is not a device: write group/edge node/device, such as Plant A/Edge 1/Press 7, "
            "or group/edge node for metrics of the edge node itself"
        )
    if any(sign in text for sign in "+#\0"):
        raise ValueError(f"'{text}' is not a device: '+' and '#' cannot stand in its names")
    return DeviceAddress(*parts)


SUM = "[sum]"
"""The first part of a path that is a sum."""
_FIELD = re.compile(r"(.*?)((?:\[-?\d{1,6}\])*)", re.DOTALL)
_SUM = re.compile(r"sum\((.*)\)", re.DOTALL)


def path_of(text: str, at: int = 0) -> tuple[str, ...]:
    """The way to a field of a message: names with dots between them; `rejects[2]` is an element of an array, counted
    from 0, or from the end as `[-1]`; `sum(rejects)`, `sum(rejects.qty)` the sum of all, and `sum()` where the message
    is the array. TextError says what is wrong, of a text that begins at the character `at`.

    An element is the part `[2]` of the path, a sum begins with the part SUM.
    """
    whole = _SUM.fullmatch(text)
    if whole is not None:
        return (SUM, *(path_of(whole[1], at + whole.start(1)) if whole[1] else ()))
    parts: list[str] = []
    for name in text.split("."):
        match = _FIELD.fullmatch(name)
        if match is None or not name:
            example = "order.number, rejects[2], sum(rejects)"
            raise TextError(f"write the name of a field, with single dots between nested ones: {example}", at)
        parts += [match[1]] if match[1] else []
        parts += re.findall(r"\[[^\]]*\]", match[2])
        at += len(name) + 1
    return tuple(parts)


@lru_cache(1_024)
def written_path(path: tuple[str, ...]) -> str:
    """The path as the configuration writes it; also one with a name before it that is not part of the message."""
    name, *rest = [part for part in path if part != SUM]
    text = name + "".join(part if part.startswith("[") else f".{part}" for part in rest)
    return f"sum({text})" if SUM in path else text


JSON_PATH = "this is a path of another language (JSONPath); write"


def own_path(path: str) -> str:
    """The path of a field, of JSONPath, as the configuration writes it; empty: it is the whole message."""
    text = re.sub(r"\[(?:'([^'\]]*)'|\"([^\"\]]*)\")\]", r".\1\2", path.removeprefix("$"))
    return text.removeprefix(".")


def named_levels(topic: str) -> tuple[str, ...]:
    """The names of the levels of a topic that stand for any text: `+station` in `plant/+station/events`."""
    return tuple(level[1:] for level in topic.split("/") if level[:1] == "+")


def topic_filter(topic: str) -> str:
    """What is subscribed for a topic: without the names of its levels."""
    return "/".join("+" if level[:1] == "+" else level for level in topic.split("/"))
