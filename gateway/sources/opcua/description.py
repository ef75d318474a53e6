"""What a server says of tags beside their values, and of the time: asked once, over a session that stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asyncua import ua

from gateway.config.addresses import BrowsePath, parse_place
from gateway.sources.opcua.meanings import meanings_of
from gateway.sources.opcua.services import Limits, Link, namespaces, read_each, read_limits, standard, value_of
from gateway.sources.opcua.tags import Tag
from gateway.sources.opcua.tree import type_name, unit_name
from gateway.sources.opcua.views import Path, from_root, node_id, translate

_CURRENT_TIME = 2258
_UNIT = ua.QualifiedName("EngineeringUnits", ua.UInt16(0))


@dataclass(slots=True)
class Description:
    """The types and units of tags, by address, where the server says them; and how far its clock is ahead, in
    seconds."""

    types: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    clock_ahead: float | None = None


async def describe(link: Link, places: Mapping[str, tuple[str, str | None]], now: Callable[[], float]) -> Description:
    """`places` are node and index of each tag by its address, as the configuration writes them. Raises as
    `services.call`."""
    said, limits = Description(), await read_limits(link)
    asked_at = now()
    [told] = await read_each(link, [standard(_CURRENT_TIME)], Limits())
    time = None if isinstance(told, str) or told.Value is None else told.Value.Value
    if isinstance(time, datetime):
        said.clock_ahead = time.replace(tzinfo=time.tzinfo or UTC).timestamp() - (asked_at + now()) / 2
    found = await _found(link, places, limits)
    values = await read_each(link, [value_of(id_, places[address][1] or "") for address, id_ in found.items()], limits)
    for address, value in zip(found, values, strict=True):
        if not isinstance(value, str) and value.Value is not None:
            said.types[address] = type_name(value.Value)
    units = await translate(link, [(id_, [_UNIT]) for id_ in found.values()], limits)
    stated = {address: id_ for address, id_ in zip(found, units, strict=True) if id_ is not None}
    for address, value in zip(stated, await read_each(link, [*map(value_of, stated.values())], limits), strict=True):
        said.units[address] = unit_name(value)
    return said


async def number_names(link: Link, node: str) -> Mapping[int, str]:
    """What the server calls the numbers of an enumeration that `node`, as the configuration writes it, holds; none
    where it is none. Raises as `services.call`."""
    limits = await read_limits(link)
    found = await _found(link, {node: (node, None)}, limits)
    tag = Tag(node, parse_place(node), "", publishing=0.0, sampling=0.0, queue=1, named=True)
    meanings = await meanings_of(link, limits, [(tag, id_) for id_ in found.values()])
    return next((meaning.names or {} for meaning in meanings.values()), {})


async def _found(link: Link, places: Mapping[str, tuple[str, str | None]], limits: Limits) -> dict[str, ua.NodeId]:
    """The tags that the server has, in the terms of this session."""
    known = await namespaces(link)
    found: dict[str, ua.NodeId] = {}
    paths: dict[str, Path] = {}
    for address, (node, _) in places.items():
        place = parse_place(node)
        try:
            if isinstance(place, BrowsePath):
                paths[address] = from_root(place, known)
            else:
                found[address] = node_id(place, known)
        except LookupError:
            continue
    ends = zip(paths, await translate(link, list(paths.values()), limits), strict=True)
    return found | {address: id_ for address, id_ in ends if id_ is not None}
