"""The tags of a source: which values of a server are watched, and how, as the configuration asks for it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gateway.config.addresses import BrowsePath, NodeAddress, parse_event_field, parse_event_type, parse_place
from gateway.config.schema import Line, OpcuaConfig
from gateway.config.schema_base import Deadband
from gateway.config.schema_io import Input


@dataclass(frozen=True, slots=True)
class EventPart:
    """A field of events: its `name` in messages, its `path` from their type on, and the element `index` of it."""

    name: str
    path: BrowsePath
    index: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """Of what `type` events are wanted, None: of any, and which fields beside those that each has."""

    type: NodeAddress | BrowsePath | None = None
    fields: frozenset[EventPart] = frozenset()


@dataclass(frozen=True, slots=True)
class Tag:
    """One value of a server, or the `events` of one of its nodes. `address` names it in samples; intervals in seconds.

    `index` is the part of the value that is meant, in the standard's words; empty: all of it. `withheld`: an uncertain
    value does not feed all that follows from the tag. `structured`: it holds a structure, of which fields are wanted.
    `named`: the name of its number is wanted. `asked` are the settings that somebody has written, so that it matters if
    the server makes something else of them.
    """

    address: str
    place: NodeAddress | BrowsePath
    index: str
    publishing: float
    sampling: float
    queue: int
    deadband: Deadband | None = None
    trigger: Literal["value", "timestamp"] = "value"
    timestamps: Literal["source", "server", "arrival"] = "source"
    withheld: bool = False
    structured: bool = False
    named: bool = False
    asked: frozenset[str] = frozenset()
    events: Events | None = None


MOST_EVENTS = 1_000
"""Events that are kept until they can be taken, where nobody asks for another number: a refresh tells of all conditions
at once."""


def tags_of(name: str, config: OpcuaConfig, lines: Iterable[Line]) -> list[Tag]:
    """The tags that the inputs of `lines` name of the source `name`, each once."""
    tags: dict[str, Tag] = {}
    for line in lines:
        for given in line.inputs.values():
            if given.source == name and (given.node is not None or given.event is not None):
                tag, before = tag_of(given, config), tags.get(given.address)
                tags[given.address] = tag if before is None else _both(before, tag)
    return list(tags.values())


def _both(tag: Tag, other: Tag) -> Tag:
    """The tag, where two inputs name it."""
    events = tag.events
    if events is not None and other.events is not None:
        events = replace(events, fields=events.fields | other.events.fields)
    withheld, structured = tag.withheld or other.withheld, tag.structured or other.structured
    return replace(other, withheld=withheld, structured=structured, events=events)


def tag_of(given: Input, config: OpcuaConfig) -> Tag:
    """The tag that an input names, watched as it says or, where it says nothing, as its source does."""
    if given.event is not None:
        return _events_of(given, given.event, config)
    return Tag(
        given.address,
        parse_place(given.node or ""),
        given.index or "",
        config.publishing_interval if given.publishing_interval is None else given.publishing_interval,
        config.sampling if given.sampling is None else given.sampling,
        config.queue if given.queue is None else given.queue,
        given.deadband,
        given.trigger,
        config.timestamps,
        given.ignores_uncertain,
        given.field is not None,
        given.enumeration == "name",
        frozenset({"publishing_interval", "sampling", "queue"} & (given.model_fields_set | config.model_fields_set)),
    )


def _events_of(given: Input, notifier: str, config: OpcuaConfig) -> Tag:
    """The events that an input names."""
    fields = [
        EventPart(name, parse_event_field(field))
        if isinstance(field, str)
        else EventPart(name, parse_event_field(field.path), field.index)
        for name, field in given.fields.items()
    ]
    return Tag(
        given.address,
        parse_place(notifier),
        "",
        config.publishing_interval if given.publishing_interval is None else given.publishing_interval,
        0.0,
        max(config.queue, MOST_EVENTS) if given.queue is None else given.queue,
        timestamps=config.timestamps,
        asked=frozenset({"queue"} & given.model_fields_set)
        | ({"publishing_interval"} & (given.model_fields_set | config.model_fields_set)),
        events=Events(parse_event_type(given.type) if given.type is not None else None, frozenset(fields)),
    )
