"""Addresses of Oden, of sources and of nodes that are well-formed and most likely lead to something else, or nowhere;
and what an input of a source cannot keep to.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.config.lint_texts import joined_by
from gateway.config.near_words import nearest
from gateway.config.schema import Config, OpcuaConfig
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_PORTS_OF_OTHERS: Mapping[int, str] = {
    4840: "OPC UA",
    1883: "MQTT",
    8883: "MQTT with TLS",
    102: "S7, a protocol of Siemens",
    502: "Modbus",
    44818: "EtherNet/IP",
    443: "web pages",
    80: "web pages",
}
"""Port -> what usually speaks there."""
_WITHOUT_PATH = {"mqtt": "ws", "mqtts": "wss"}
"""MQTT over TCP -> the same over WebSocket."""
_EMPTIED = ("/tmp", "/run", "/var/run", "/dev/shm")  # noqa: S108 - told of, never written to
_SOON = 1.0
"""Seconds: a connection that is lost takes longer to come back."""
_ODEN = "oden.app"
_NEAR_HOST = 0.85
"""How like Oden's own name that of a host is at least which is most likely a slip of it."""

_STEP = re.compile(r"(?P<space>nsu=[^;]+;|\d{1,5}:)?(?P<name>(?:&.|[^&/])*)(?:/|\Z)", re.DOTALL)
_TOPS = ("Objects", "Types", "Views")
"""What is below the root of every server (Part 5, 8.2)."""
_BELOW_OBJECTS = frozenset({"Server", "Aliases", "Locations", "Resources", "PublishSubscribe", "Dictionaries"})
_OF_STANDARD = re.compile(
    r"EURange|EngineeringUnits|InstrumentRange|Definition|ValuePrecision|EnumStrings|EnumValues|"
    r"ValueAsText|TrueState|FalseState|Id|Name|Number|EffectiveDisplayName|EffectiveTransitionTime|"
    r"TransitionTime|Transition|LastTransition|CurrentState|AvailableStates|AvailableTransitions|"
    r"NodeVersion|ViewVersion|Icon|NamingRule|InputArguments|OutputArguments|LocalTime|"
    r"DefaultInstanceBrowseName|InterfaceTypes|AxisDefinition|XAxisDefinition|XAxisUnit|Title|AxisScaleType|"
    r"EventId|EventType|SourceNode|SourceName|Time|ReceiveTime|Message|Severity|ConditionClassId|"
    r"ConditionName|BranchId|Retain|EnabledState|Quality|LastSeverity|Comment|ClientUserId|ActiveState|"
    r"AckedState|ConfirmedState|SuppressedState|ShelvingState|HighLimit|LowLimit|HighHighLimit|LowLowLimit|"
    r"LimitState|NormalState|InputNode|SetpointNode|Size|Writable|UserWritable|OpenCount|MimeType|"
    r"ProgramDiagnostic|Creatable|Deletable|AutoDelete|RecycleCount|MaxInstanceCount|MaxStringLength|"
    r"MaxArrayLength|MaxByteStringLength|DataTypeVersion|OptionSetValues|BitMask|Value|Status|"
    r"SourceTimestamp|ServerTimestamp|Annotations|Stepped|Symbol"
)
"""Names that the standard itself gives to parts of what others define (Parts 3, 5, 8, 9, 10 and 16)."""


def find_doubtful_sources(config: Config, folder: Path | None = None) -> Iterator[ConfigFault]:
    """What is probably not meant in the addresses of `config`, which lies in `folder`, and lives that a source never
    shows so fast."""
    parts = urlsplit(config.oden.url)
    of_oden = parts.hostname == _ODEN or (parts.hostname or "").endswith(f".{_ODEN}")
    written = (parts.scheme, parts.hostname, parts.path.rstrip("/"), _port(config.oden.url) or 443)
    is_near = not of_oden and nearest(parts.hostname or "", [f"api.{_ODEN}"], _NEAR_HOST) is not None
    if (of_oden and written != ("https", f"api.{_ODEN}", "/v2", 443)) or is_near:
        text = f"the API of Oden is https://api.{_ODEN}/v2: write that, or leave 'url' out"
        yield ConfigFault(("oden", "url"), text, warning=True, rests_on=())
    for name, source in config.sources.items():
        own = ("OPC UA",) if isinstance(source, OpcuaConfig) else ("MQTT", "MQTT with TLS", "web pages")
        other = _PORTS_OF_OTHERS.get(_port(source.url) or 0)
        if other is not None and other not in own:
            usual = "4840" if isinstance(source, OpcuaConfig) else "1883, with TLS 8883"
            text = f"at this port something else speaks, as a rule: {other}; that of {own[0]} is {usual}"
            yield ConfigFault(("sources", name, "url"), text, warning=True, rests_on=())
        if source.password is not None and source.password == config.oden.token:
            text = "this is the token of Oden, and this source would be told it: write a secret of its own"
            yield ConfigFault(("sources", name, "password"), text, warning=True, rests_on=(("oden", "token"),))
        if isinstance(source, MqttConfig):
            yield from _session(source, ("sources", name))
            yield from _own_presence(source, name, config)
    yield from _one_server(config)
    if folder is None or not config.outbox.directory.is_relative_to(folder):  # else it lasts as long as the file does
        yield from _emptied(config.outbox.directory)
    for index, host in enumerate(config.status.hosts):
        if (sign := joined_by(host)) is not None:
            text = f"this is one name with a '{host[sign]}' in it: between the items of a list stands ','"
            yield ConfigFault(("status", "hosts", index), text, warning=True, at=(sign,))
    yield from _too_fast(config)


def _one_server(config: Config) -> Iterator[ConfigFault]:
    """Sources that are one server, as the same user: it would be asked twice."""
    seen: dict[tuple[object, ...], str] = {}
    for name, source in config.sources.items():
        if isinstance(source, OpcuaConfig):
            user = (source.username, source.user_certificate, source.security)
            first = seen.setdefault((source.url.rstrip("/").casefold(), *user), name)
            if first != name:
                text = f"{quoted(first)} is this server too: is the address of another meant? If not, one is enough,"
                text += " since each input can say how often its tag is looked at"
                yield ConfigFault(("sources", name, "url"), text, warning=True, rests_on=())


def _emptied(directory: Path) -> Iterator[ConfigFault]:
    """A folder in which nothing outlives a start of the machine."""
    of = next((folder for folder in _EMPTIED if directory.is_relative_to(folder)), None)
    if of is not None:
        text = f"{of} is empty after each start of the machine, so that what waits and what was counted would be lost:"
        yield ConfigFault(("outbox", "directory"), f"{text} leave it out for /var/lib/oden-gateway", warning=True)


def _session(source: MqttConfig, loc: Loc) -> Iterator[ConfigFault]:
    """A way behind the broker's address that only WebSocket has, and names of sessions that brokers refuse or show as
    another."""
    addresses = [((*loc, "url"), source.url)]
    addresses += [((*loc, "alternatives", index), url) for index, url in enumerate(source.alternatives)]
    for at, url in addresses:
        scheme, _, rest = url.partition("://")
        path = rest.partition("/")[2]
        if path and scheme in _WITHOUT_PATH:
            text = f"{scheme}:// has no path, so that what stands behind the host means nothing: remove it"
            yield ConfigFault(
                at, f"{text}, or write {_WITHOUT_PATH[scheme]}:// for WebSocket", warning=True, rests_on=()
            )
    odd = re.search(r"[\s+#]", source.client_id)
    if odd is not None:
        name = "a blank" if odd[0].isspace() else quoted(odd[0])
        text = f"there is {name} in this name, which some brokers refuse: write letters, digits, '-' and '_' alone"
        yield ConfigFault((*loc, "client_id"), text, warning=True, rests_on=())


def _own_presence(source: MqttConfig, name: str, config: Config) -> Iterator[ConfigFault]:
    """That a line takes for its own what the gateway says of itself."""
    if source.presence is None:
        return
    inputs = ((line.line, key, given) for line in config.lines for key, given in line.inputs.items())
    for line, key, given in inputs:
        if given.topic is not None and given.source == name and _matches(source.presence.topic, given.topic):
            text = f"{quoted(key)} of {quoted(line)} takes the messages of this topic, and would take the gateway's own"
            yield ConfigFault(
                ("sources", name, "presence", "topic"), f"{text}: write a topic that nothing else has", warning=True
            )
            return


def _matches(topic: str, wanted: str) -> bool:
    """Whether an input with the topic `wanted`, of which levels may have names, takes the messages of `topic`."""
    levels, others = topic.split("/"), wanted.split("/")
    pairs = zip(levels, others, strict=False)
    return len(levels) == len(others) and all(one == two or two.startswith("+") for one, two in pairs)


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:  # which is told
        return None


def _too_fast(config: Config) -> Iterator[ConfigFault]:
    """Tags that are to change or come sooner than their server tells of it: they would be quiet all the time."""
    for index, line in enumerate(config.lines):
        if line.states is not None and line.states.offline is not None and line.states.offline.after < _SOON:
            text = "a connection that is cut takes longer to come back, so that each short cut would be a state: is 60s"
            place = ("lines", index, "states", "offline", "after")
            yield ConfigFault(place, f"{text} meant?", warning=True, rests_on=())
        for name, given in line.inputs.items():
            source = config.sources.get(given.source or "")
            if not isinstance(source, OpcuaConfig) or given.node is None:
                continue
            interval = given.publishing_interval or source.publishing_interval
            loc: Loc = ("lines", index, "inputs", name)
            for key in ("heartbeat", "fresh"):
                expected = getattr(given, key)
                if expected is not None and expected <= interval:
                    text = f"the server tells of it every {interval:g} s, so that it is quiet in between: write more"
                    yield ConfigFault((*loc, key), text, warning=True, rests_on=())


class Doubt(NamedTuple):
    """What of a path is most likely not meant, and the character, from 0, at which it stands."""

    at: int
    text: str


def doubts_of_path(path: str, *, from_root: bool) -> Iterator[Doubt]:
    """The first thing of a browse path, which begins with a `/` where it is `from_root`, that is most likely not meant
    as it is."""
    before = ""
    """The namespace of the step before, as it is written."""
    at = 1 if from_root else 0
    number = 0
    while at < len(path) and (step := _STEP.match(path, at)) is not None:
        space, name, begin = step["space"] or "", step["name"], step.start("name")
        doubt = _sign(name) or (_top(name, space, number, path) if from_root else None)
        if doubt is not None:
            yield Doubt((begin if doubt[0] >= 0 else at) + max(doubt[0], 0), doubt[1])
            return
        if before and not space and not _OF_STANDARD.fullmatch(name):
            text = (
                f"this name is one of the standard's own namespace, and what stands before it is not: did you mean "
                f"{quoted(before + name)}?"
            )
            yield Doubt(at, text)
            return
        before, at, number = space, step.end(), number + 1


def _sign(name: str) -> tuple[int, str] | None:
    """What became part of a name by mistake, and at which of its characters."""
    if name != name.strip():
        return 0, "there is a blank at an end of this name, which makes it another; remove it"
    colon = re.search(r"\A:|(?<!&):\Z", name)
    if colon is not None:
        text = "this ':' is part of the name: it belongs between the namespace and the name, as in 2:Good"
        return colon.start(), f"{text}; remove it, or write '&:' where it is meant itself"
    if (semicolon := re.match(r"\d{1,5};", name)) is not None:
        return semicolon.end() - 1, "write ':' in the place of ';', between the namespace and the name"
    return None


def _top(name: str, space: str, number: int, path: str) -> tuple[int, str] | None:
    """What is not below the root, or the folder of objects, of any server; at the character -1: the step as a whole."""
    if number == 1 and path.startswith("/Objects/") and not space and name not in _BELOW_OBJECTS:
        return (
            -1,
            "this name has no namespace, and is none of the standard's own: write that of your machines, as in 2:Press",
        )
    if number or (name in _TOPS and not space):
        return None
    if name == "Root":
        return -1, "a path begins below the root: write it without '/Root'"
    near = nearest(name, _TOPS, 0.7)
    if near is not None:
        return -1, f"below the root there is no {quoted(space + name)}: did you mean {quoted(near)}?"
    return -1, f"below the root are Objects, Types and Views: did you mean {quoted('/Objects' + path)}?"
