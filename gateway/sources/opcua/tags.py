"""The tags of a source: which values of a server are watched, and how, as the configuration asks for it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.config.addresses import NodeAddress, parse_node_id
from gateway.config.schema import Line, OpcuaConfig
from gateway.config.schema_base import Deadband
from gateway.config.schema_io import Input


@dataclass(frozen=True, slots=True)
class Tag:
    """One value of a server. `address` names it in samples; intervals in seconds.

    `index` is the part of the value that is meant, in the standard's words; empty: all of it. `asked` are the settings
    that somebody has written, so that it matters if the server makes something else of them.
    """

    address: str
    node: NodeAddress
    index: str
    publishing: float
    sampling: float
    queue: int
    deadband: Deadband | None = None
    trigger: Literal["value", "timestamp"] = "value"
    asked: frozenset[str] = frozenset()


def tags_of(name: str, config: OpcuaConfig, lines: Iterable[Line]) -> list[Tag]:
    """The tags that the inputs of `lines` name of the source `name`, each once."""
    tags: dict[str, Tag] = {}
    for line in lines:
        for given in line.inputs.values():
            if given.source == name and given.node is not None:
                tags.setdefault(given.address, tag_of(given, config))
    return list(tags.values())


def tag_of(given: Input, config: OpcuaConfig) -> Tag:
    """The tag that an input names, watched as it says or, where it says nothing, as its source does."""
    return Tag(
        given.address,
        parse_node_id(given.node or ""),
        given.index or "",
        config.publishing_interval if given.publishing_interval is None else given.publishing_interval,
        config.sampling if given.sampling is None else given.sampling,
        config.queue if given.queue is None else given.queue,
        given.deadband,
        given.trigger,
        frozenset(key for key in ("sampling", "queue") if key in given.model_fields_set | config.model_fields_set),
    )
