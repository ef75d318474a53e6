"""The events of a node: what the server is asked to tell of them, and each as a message with fields (Part 4, 7.22.3;
Part 9).

Taken are the fields that each event has, those of conditions, which are null of other events, and those that inputs
name. Ids of nodes are told with the names of their namespaces, so that they stay the same.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from gateway.config.addresses import BrowsePath
from gateway.config.schema_io import CONTENT, EVENT_FIELDS
from gateway.sources.opcua.decode import content_of, epoch
from gateway.sources.opcua.meanings import Meaning, meanings_of_fields
from gateway.sources.opcua.services import Limits, Link
from gateway.sources.opcua.tags import Events
from gateway.sources.opcua.views import browse_names, from_root, node_id, parents, standard_id, translate

DEEPEST = 50
"""Types between a type of events and the most general one."""

Control = Literal["lost", "again", "nothing"]

EventKey = tuple[str, float | None]
"""What tells an event from the others of its node: who it is, and when it happened."""

_DECLARED = {
    "ConditionId": ObjectIds.ConditionType,
    "ConditionName": ObjectIds.ConditionType,
    "BranchId": ObjectIds.ConditionType,
    "Retain": ObjectIds.ConditionType,
    "AckedState": ObjectIds.AcknowledgeableConditionType,
    "ActiveState": ObjectIds.AlarmConditionType,
}
"""By which type a field is declared; the others by the most general one."""
_STATES = {"AckedState", "ActiveState"}
"""State machines of two states: which it is, in no language."""
_RECEIVED = "ReceiveTime"
_CONTROL: Mapping[object, Control] = {
    ObjectIds.EventQueueOverflowEventType: "lost",
    ObjectIds.RefreshRequiredEventType: "again",
    ObjectIds.RefreshStartEventType: "nothing",
    ObjectIds.RefreshEndEventType: "nothing",
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event: its fields by name, when it happened and when the server saw it, in seconds since 1970, and why some
    of its fields cannot be read. `condition`: it is the state of one, which can be told of more than once.

    `type` is what it is one of. `control`: it is about the telling of events alone. Some were `lost`, conditions are to
    be asked for `again`, or `nothing` follows from it.
    """

    fields: Mapping[str, object]
    time: float | None
    server_time: float | None
    problems: tuple[str, ...] = ()
    condition: bool = False
    type: ua.NodeId | None = None
    control: Control | None = None

    @property
    def key(self) -> EventKey:
        """Who it is says its id, or all that it says where the server gives it none. An id alone does not: there are
        servers that use it again."""
        return str(self.fields["EventId"] or dict(self.fields)), self.time


@dataclass(frozen=True, slots=True)
class EventReader:
    """What is asked of the server for some events (`filter`), and how its answers are to be read.

    `type` is the one that is wanted, with its subtypes; None: any. `meanings` are those of the fields that inputs name,
    in the order of the filter, where they stand behind those that each event has. `conditions`: some events can be
    states of conditions. `lacking` are fields that the server's type of events does not have.
    """

    filter: ua.EventFilter
    namespaces: Sequence[str]
    meanings: Mapping[str, Meaning]
    conditions: bool
    type: ua.NodeId | None = None
    lacking: tuple[str, ...] = ()

    def read(self, values: Sequence[ua.Variant]) -> Occurrence:
        """An event, of which the server has told these values. Raises ValueError where they are not what was asked
        for."""
        names = (*EVENT_FIELDS, _RECEIVED, *self.meanings)
        if len(values) != len(names):
            raise ValueError(f"an event has {len(values)} fields where {len(names)} were asked for")
        told = dict(zip(names, values, strict=True))
        fields: dict[str, object] = {name: self._plain(told[name]) for name in EVENT_FIELDS}
        fields["EventId"] = fields["EventId"] or None  # an empty one tells nothing from anything
        is_condition = fields["ConditionId"] is not None
        fields[CONTENT] = _digest(fields) if is_condition else None
        type_ = told["EventType"].Value
        problems = []
        for name, meaning in self.meanings.items():
            try:
                fields[name] = self._meant(meaning, told[name])
            except ValueError as error:
                fields[name] = None
                problems.append(f"the field {name} of an event cannot be read: {error}")
        return Occurrence(
            fields,
            _time(told["Time"]),
            _time(told[_RECEIVED]),
            tuple(problems),
            is_condition,
            type_ if isinstance(type_, ua.NodeId) else None,
            _control(type_),
        )

    def _meant(self, meaning: Meaning, variant: ua.Variant) -> object:
        if variant.Value is None or isinstance(variant.Value, ua.NodeId | ua.StatusCode | bytes):
            return self._plain(variant)
        return meaning.of(content_of(variant))

    def _plain(self, variant: ua.Variant) -> object:
        """What can be made of a value without knowing more of its type: a scalar, or None, also where the server says
        by a status code that the event does not have the field."""
        value = variant.Value
        if isinstance(value, ua.NodeId):
            return None if value.is_null() else self._named(value)
        if isinstance(value, bytes):
            return value.hex()
        try:
            content = content_of(variant)
        except ValueError:
            return None
        return content if isinstance(content, str | int | float) else None

    def _named(self, id_: ua.NodeId) -> str:
        if not 0 < id_.NamespaceIndex < len(self.namespaces):
            return id_.to_string()
        namespace = self.namespaces[id_.NamespaceIndex].replace("%", "%25").replace(";", "%3B")
        return f"nsu={namespace};{ua.NodeId(id_.Identifier, ua.Int16(0), id_.NodeIdType).to_string()}"


def _control(kind: object) -> Control | None:
    return _CONTROL.get(kind.Identifier) if isinstance(kind, ua.NodeId) and not kind.NamespaceIndex else None


def _time(variant: ua.Variant) -> float | None:
    return epoch(variant.Value) if variant.VariantType == ua.VariantType.DateTime else None


def _digest(fields: Mapping[str, object]) -> str:
    """What tells this state of a condition from all others."""
    words = json.dumps([fields[name] for name in EVENT_FIELDS if name != "EventId"])
    return hashlib.blake2b(words.encode(), digest_size=12).hexdigest()


async def reader_of(link: Link, limits: Limits, events: Events, known: Sequence[str]) -> EventReader:
    """How `events` are asked for in a session with the namespaces `known`. Raises LookupError where the server does not
    have their type, and as `services.call`."""
    type_ = await _type(link, limits, events, known)
    line = [type_] if type_ is not None else []
    while line and line[-1] != standard_id(ObjectIds.BaseEventType) and len(line) < DEEPEST:
        [parent] = await parents(link, line[-1:], limits)
        if parent is None:
            break
        line.append(parent)
    parts = sorted(events.fields, key=lambda part: part.name)
    paths = [browse_names(part.path, known) for part in parts]
    places = await translate(link, [(each, path) for path in paths for each in line], limits)
    declared: dict[str, tuple[ua.NodeId, str]] = {}
    for at, part in enumerate(parts):
        place = next(filter(None, places[at * len(line) : (at + 1) * len(line)]), None)
        if place is not None:
            declared[part.name] = place, part.index
    meanings = await meanings_of_fields(link, limits, declared)
    clauses = [_clause(name) for name in (*EVENT_FIELDS, _RECEIVED)]
    clauses += [_value(type_ or standard_id(ObjectIds.BaseEventType), path) for path in paths]
    return EventReader(
        ua.EventFilter(clauses, _of_type(type_)),
        known,
        {part.name: meanings.get(part.name, Meaning(part.index)) for part in parts},
        type_ is None or standard_id(ObjectIds.ConditionType) in line,
        type_,
        tuple(part.name for part in parts if part.name not in declared),
    )


async def is_subtype(link: Link, limits: Limits, type_: ua.NodeId, of: ua.NodeId) -> bool:
    """Whether a type of events is `of`, or one of its subtypes. Raises as `services.call`."""
    for _ in range(DEEPEST):
        if type_ == of:
            return True
        [parent] = await parents(link, [type_], limits)
        if parent is None:
            return False
        type_ = parent
    return False


async def _type(link: Link, limits: Limits, events: Events, known: Sequence[str]) -> ua.NodeId | None:
    place = events.type
    if not isinstance(place, BrowsePath):
        return None if place is None else node_id(place, known)
    [found] = await translate(link, [from_root(place, known)], limits)
    if found is None:
        raise LookupError("the server has no type of events at this path")
    return found


def _clause(name: str) -> ua.SimpleAttributeOperand:
    """One of the fields that each event has."""
    type_ = standard_id(_DECLARED.get(name, ObjectIds.BaseEventType))
    if name == "ConditionId":  # it is no variable, but the id of the condition itself (Part 9, 5.5.2)
        return ua.SimpleAttributeOperand(type_, [], ua.UInt32(AttributeIds.NodeId))
    names = (name, "Id") if name in _STATES else (name,)
    return _value(type_, [ua.QualifiedName(each, ua.UInt16(0)) for each in names])


def _value(type_: ua.NodeId, path: list[ua.QualifiedName]) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(type_, path, ua.UInt32(AttributeIds.Value))


def _of_type(type_: ua.NodeId | None) -> ua.ContentFilter:
    if type_ is None:
        return ua.ContentFilter()
    operand: Any = ua.LiteralOperand(ua.Variant(type_, ua.VariantType.NodeId))
    return ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.OfType, [operand])])
