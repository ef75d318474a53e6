"""The tags of a source: which values of a server are watched, and how, as the configuration asks for it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gateway.config.addresses import BrowsePath, NodeAddress, parse_place
from gateway.config.schema import Line, OpcuaConfig
from gateway.config.schema_base import Deadband
from gateway.config.schema_io import Input


@dataclass(frozen=True, slots=True)
class Tag:
    """One value of a server. `address` names it in samples; intervals in seconds.

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


def tags_of(name: str, config: OpcuaConfig, lines: Iterable[Line]) -> list[Tag]:
    """The tags that the inputs of `lines` name of the source `name`, each once."""
    tags: dict[str, Tag] = {}
    for line in lines:
        for given in line.inputs.values():
            if given.source == name and given.node is not None:
                tag, before = tag_of(given, config), tags.get(given.address)
                if before is not None:
                    withheld, structured = tag.withheld or before.withheld, tag.structured or before.structured
                    tag = replace(tag, withheld=withheld, structured=structured)
                tags[given.address] = tag
    return list(tags.values())


def tag_of(given: Input, config: OpcuaConfig) -> Tag:
    """The tag that an input names, watched as it says or, where it says nothing, as its source does."""
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
        frozenset(key for key in ("sampling", "queue") if key in given.model_fields_set | config.model_fields_set),
    )
