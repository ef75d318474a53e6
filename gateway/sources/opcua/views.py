"""Questions about a server's address space: what stands at a path, and of what a type is one (Part 4, 5.9)."""

from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from gateway.config.addresses import BrowsePath, NodeAddress
from gateway.sources.opcua.services import Limits, Link, call, in_chunks

Path = tuple[ua.NodeId, Sequence[ua.QualifiedName]]
"""Where a path begins, and the browse names of the nodes on it."""

_WHOLE = 0xFFFF_FFFF  # as the remaining index of a path: nothing remains


def node_id(address: NodeAddress, known: Sequence[str]) -> ua.NodeId:
    """The node id in the terms of a connection with the namespaces `known`. Raises LookupError where the server does
    not have the namespace."""
    identifier: Any = address.identifier  # the library's own types are plain ones with a name
    return ua.NodeId(identifier, ua.Int16(_index(address.namespace, known)))


def browse_names(path: BrowsePath, known: Sequence[str]) -> list[ua.QualifiedName]:
    """The names on the way in the terms of a connection. Raises as `node_id`."""
    return [ua.QualifiedName(name, ua.UInt16(_index(namespace, known))) for namespace, name in path.steps]


def from_root(path: BrowsePath, known: Sequence[str]) -> Path:
    """The way from the root. Raises as `node_id`."""
    return standard_id(ObjectIds.RootFolder), browse_names(path, known)


def standard_id(number: int) -> ua.NodeId:
    """The id of a node of the standard's own namespace."""
    return ua.NodeId(ua.Int32(number), ua.Int16(0))


def _index(namespace: str | int, known: Sequence[str]) -> int:
    if isinstance(namespace, str) and namespace not in known:
        raise LookupError(f"the server has no namespace {namespace}")
    return known.index(namespace) if isinstance(namespace, str) else namespace


async def translate(link: Link, paths: Sequence[Path], limits: Limits) -> list[ua.NodeId | None]:
    """The node at the end of each of `paths`, the first of several, None where there is none. Raises as
    `services.call`."""
    return [ends[0] if ends else None for ends in await ends_of(link, paths, limits, ())]


async def ends_of(link: Link, paths: Sequence[Path], limits: Limits, known: Sequence[str]) -> list[list[ua.NodeId]]:
    """The nodes at the end of each of `paths`, where there can be several of one name; `known` are the server's
    namespaces. Raises as `services.call`."""

    async def ask(chunk: Sequence[Path]) -> list[list[ua.NodeId]]:
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [_path(*each) for each in chunk]
        response = await call(link, request, ua.TranslateBrowsePathsToNodeIdsResponse)
        return [_targets(each, known) for each in response.Results or ()]

    return await in_chunks(limits, "translate", paths, ask)


def _path(start: ua.NodeId, names: Sequence[ua.QualifiedName]) -> ua.BrowsePath:
    hierarchical = standard_id(ObjectIds.HierarchicalReferences)
    element: Any = ua.RelativePathElement  # its own type for true and false cannot be made
    steps = [element(hierarchical, IsInverse=False, IncludeSubtypes=True, TargetName=name) for name in names]
    return ua.BrowsePath(start, ua.RelativePath(steps))


def _targets(result: ua.BrowsePathResult, known: Sequence[str]) -> list[ua.NodeId]:
    if not result.StatusCode.is_good():
        return []
    whole = [local(each.TargetId, known) for each in result.Targets or () if each.RemainingPathIndex == _WHOLE]
    return list(dict.fromkeys(each for each in whole if each is not None))  # several references can lead to one node


def local(id_: ua.ExpandedNodeId, known: Sequence[str]) -> ua.NodeId | None:
    """`id_` as a node of a server with the namespaces `known`; None for one of another server."""
    index = id_.NamespaceIndex
    if getattr(id_, "ServerIndex", 0):
        return None
    uri = getattr(id_, "NamespaceUri", None)
    if uri:
        if uri not in known:
            return None
        index = ua.Int16(known.index(uri))
    return ua.NodeId(id_.Identifier, index)


async def parents(link: Link, types: Sequence[ua.NodeId], limits: Limits) -> list[ua.NodeId | None]:
    """Of what type each of `types` is a subtype; None where the server does not say. Raises as `services.call`."""

    async def ask(chunk: Sequence[ua.NodeId]) -> list[ua.NodeId | None]:
        request = ua.BrowseRequest()
        request.Parameters.NodesToBrowse = [
            ua.BrowseDescription(
                NodeId=type_,
                BrowseDirection=ua.BrowseDirection.Inverse,
                ReferenceTypeId=standard_id(ObjectIds.HasSubtype),
                IncludeSubtypes=True,
                ResultMask=ua.UInt32(0),
            )
            for type_ in chunk
        ]
        response = await call(link, request, ua.BrowseResponse)
        found = [each.References or () for each in response.Results or ()]
        return [ua.NodeId(each[0].NodeId.Identifier, each[0].NodeId.NamespaceIndex) if each else None for each in found]

    return await in_chunks(limits, "browse", types, ask)
