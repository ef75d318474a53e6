"""A server's address space as a tree, listed from the top down while it is being found out (Part 4, 5.9). Only reading.

Nodes come in the order in which a tree is printed, although many are asked about at once: of what stands in that order,
the first that are not known yet are asked about together, and what is known up to the first that is not is handed on.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.config.addresses import BrowsePath, NodeAddress, node_text, parse_place, path_text
from gateway.errors import SourceError
from gateway.sources.found import TreeNode, shortened
from gateway.sources.opcua.decode import Decoded, Raw
from gateway.sources.opcua.services import TOO_MUCH, Limits, Link, call, namespaces, read_each, read_limits, value_of
from gateway.sources.opcua.views import from_root, local, node_id, standard_id, translate
from gateway.sources.opcua.wire import reading

START = "/Objects"
"""Where a tree begins unless another node is named."""
MOST_NODES = 200_000
"""Nodes of one tree."""

MOST_NEAR = 5
"""Paths that are named where one is wrong."""

_FIRST, _MOST = 8, 64
"""Nodes that one request asks about: few at first, so that something is there soon; never so many that to read the
answer keeps everything else waiting."""
_REFERENCES = 500
"""Children of one node in one answer."""
_SERVER = ua.NodeId(ua.Int32(ObjectIds.Server), ua.Int16(0))
_HIERARCHICAL = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences), ua.Int16(0))
_PROPERTY = ua.NodeId(ua.Int32(ObjectIds.HasProperty), ua.Int16(0))
_WANTED = ua.NodeClass.Object | ua.NodeClass.Variable
_TOLD = ua.BrowseResultMask.ReferenceTypeId | ua.BrowseResultMask.NodeClass | ua.BrowseResultMask.BrowseName
_UNIT = "EngineeringUnits"


Match = Callable[[TreeNode], bool]


@dataclass(slots=True)
class _Entry:
    """A node in the order of the tree, or the rest of the children of the one before it (`rest`). `open`: what is below
    it is yet to be asked for."""

    id: ua.NodeId
    name: str
    names: tuple[tuple[str | int, str], ...] | None
    depth: int
    variable: bool
    open: bool = True
    unit: ua.NodeId | None = None
    problem: str = ""
    rest: bytes | None = None


async def tree(
    link: Link, start: str = START, depth: int | None = None, wanted: Match | None = None
) -> AsyncGenerator[list[TreeNode]]:
    """The nodes from `start` on, down to `depth` levels below it, page by page; only those that are `wanted`, which is
    asked before a value is read. The server's own description of itself is not looked into.

    Raises SourceError where there is no such start, else as `services.call`.
    """
    walk = _Walk(link, await namespaces(link), await read_limits(link), depth, wanted)
    try:
        async for page in walk.pages(start):
            yield page
    finally:
        await walk.leave()


class _Walk:
    def __init__(
        self, link: Link, known: Sequence[str], limits: Limits, depth: int | None, wanted: Match | None
    ) -> None:
        self._link, self._known, self._limits, self._depth, self._wanted = link, known, limits, depth, wanted
        self._seen: set[ua.NodeId] = set()
        self._size = max(1, min(_FIRST, limits.browse))
        self._waiting: list[_Entry] = []
        """What is not handed on yet, the last first."""

    async def leave(self) -> None:
        """Let the server forget where we had got to."""
        points = [entry.rest for entry in self._waiting if entry.rest is not None]
        if points:
            request = ua.BrowseNextRequest()
            request.Parameters.ReleaseContinuationPoints = True
            request.Parameters.ContinuationPoints = points
            with suppress(OSError, UaError, ValueError, SourceError):
                await call(self._link, request, ua.BrowseNextResponse)

    async def pages(self, start: str) -> AsyncGenerator[list[TreeNode]]:
        waiting = self._waiting
        waiting.append(await self._start(start))
        while waiting:
            if self._size == 1 and await self._finish_one():
                continue
            looked_at: list[_Entry] = []
            asked: list[_Entry] = []
            while waiting and len(asked) < self._size:
                entry = waiting.pop()
                looked_at.append(entry)
                if entry.open:
                    asked.append(entry)
            below = await self._below(asked)
            ordered: list[_Entry] = []
            for entry in looked_at:
                ordered += [entry] if entry.rest is None or entry.open else []
                ordered += below.get(id(entry), ())
            done = next((place for place, entry in enumerate(ordered) if entry.open), len(ordered))
            waiting += reversed(ordered[done:])
            page = await self._told([entry for entry in ordered[:done] if entry.rest is None])
            if page:
                yield page
            if len(self._seen) > MOST_NODES:
                raise SourceError(f"there are more than {MOST_NODES:,} nodes: begin further down")

    async def _finish_one(self) -> bool:
        """Ask for the rest of one node's children, out of their order: the server can remember no more of them. Whether
        there was one."""
        place = next((place for place, entry in enumerate(self._waiting) if entry.rest is not None), None)
        if place is None:
            return False
        entry = self._waiting[place]
        below = await self._below([entry])
        self._waiting[place : place + 1] = reversed(below.get(id(entry), []))
        return True

    async def _start(self, text: str) -> _Entry:
        place = parse_place(text)
        try:
            if isinstance(place, BrowsePath):
                [found] = await translate(self._link, [from_root(place, self._known)], self._limits)
                if found is None:
                    raise SourceError(f"the server has no node at the path {text}{await self._near(place)}")
                start, names = found, place.steps
            else:
                start, names = node_id(place, self._known), None
        except LookupError as error:
            raise SourceError(error.args[0]) from None
        [told] = await read_each(self._link, [ua.ReadValueId(start, AttributeIds.NodeClass)], self._limits)
        if isinstance(told, str) or told.StatusCode is None or not told.StatusCode.is_good() or told.Value is None:
            raise SourceError(f"the server has no node {text}")
        self._seen.add(start)
        name = names[-1][1] if names is not None else text
        return _Entry(start, name, names, 0, variable=told.Value.Value == ua.NodeClass.Variable)

    async def _near(self, path: BrowsePath) -> str:
        """How far `path` leads, and what is there instead of its next name, that names it as it is called."""
        length, node = 0, standard_id(ObjectIds.RootFolder)
        for count in range(1, len(path.steps)):
            [found] = await translate(
                self._link, [from_root(BrowsePath(path.steps[:count]), self._known)], self._limits
            )
            if found is None:
                break
            length, node = count, found
        there = BrowsePath(path.steps[:length])
        entry = _Entry(node, "", there.steps, 0, variable=False)
        below = (await self._below([entry])).get(id(entry), [])
        name = path.steps[length][1]
        same = [each for each in below if each.name.casefold() == name.casefold()]
        paths = [text for each in same or below if each.names and (text := path_text(BrowsePath(each.names)))]
        if not paths:
            return ""
        more = f" and {len(paths) - MOST_NEAR} more" if len(paths) > MOST_NEAR else ""
        return f"; there is {', '.join(paths[:MOST_NEAR])}{more}"

    async def _below(self, asked: Sequence[_Entry]) -> dict[int, list[_Entry]]:
        """What stands directly behind each of `asked`, which are open no more but for those that the server had no room
        for."""
        rests = [entry for entry in asked if entry.rest is not None]
        fresh = [] if rests else list(asked)  # rests first: they take up room at the server
        found: dict[int, list[_Entry]] = {}
        for entries, ask in ((rests, self._next), (fresh, self._browse)):
            if not entries:
                continue
            results = await self._patiently(entries, ask)
            for entry, result in zip(entries, results, strict=False):
                if result.StatusCode.value == StatusCodes.BadNoContinuationPoints and self._size > 1:
                    self._size = 1  # from now on room is made before more is asked for
                    continue
                entry.open = False
                if not result.StatusCode.is_good():
                    entry.problem = f"what is below cannot be listed: {result.StatusCode.name}"
                    continue
                found[id(entry)] = list(self._children(entry, result))
        self._size = min(2 * self._size, _MOST, self._limits.browse) if self._size > 1 else 1
        return found

    async def _patiently(self, entries: list[_Entry], ask: Callable[[Sequence[_Entry]], Any]) -> list[ua.BrowseResult]:
        """The answers for as many of `entries`, from the first on, as the server takes at once."""
        while True:
            try:
                return list(await ask(entries))
            except UaStatusCodeError as error:
                if error.code not in TOO_MUCH or len(entries) <= 1:
                    raise
                self._limits.browse = max(1, len(entries) // 2)
                entries = entries[: self._limits.browse]

    async def _browse(self, entries: Sequence[_Entry]) -> Sequence[ua.BrowseResult]:
        request = ua.BrowseRequest()
        request.Parameters.RequestedMaxReferencesPerNode = ua.UInt32(_REFERENCES)
        request.Parameters.NodesToBrowse = [
            ua.BrowseDescription(
                NodeId=entry.id,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=_HIERARCHICAL,
                IncludeSubtypes=True,
                NodeClassMask=ua.UInt32(_WANTED),
                ResultMask=ua.UInt32(_TOLD),
            )
            for entry in entries
        ]
        return (await call(self._link, request, ua.BrowseResponse)).Results or ()

    async def _next(self, entries: Sequence[_Entry]) -> Sequence[ua.BrowseResult]:
        request = ua.BrowseNextRequest()
        request.Parameters.ReleaseContinuationPoints = False
        request.Parameters.ContinuationPoints = [entry.rest for entry in entries]
        return (await call(self._link, request, ua.BrowseNextResponse)).Parameters.Results or ()

    def _children(self, parent: _Entry, result: ua.BrowseResult) -> Iterator[_Entry]:
        depth = parent.depth if parent.rest is not None else parent.depth + 1
        deeper = self._depth is None or depth < self._depth
        for reference in result.References or ():
            child = local(reference.NodeId, self._known)
            name = reference.BrowseName
            if child is None or child in self._seen or name is None:
                continue
            if reference.ReferenceTypeId == _PROPERTY:
                if name.Name == _UNIT:
                    parent.unit = child
                continue
            if self._depth is not None and depth > self._depth:
                continue
            self._seen.add(child)
            step = (self._namespace(name.NamespaceIndex), name.Name or "")
            names = (*parent.names, step) if parent.names is not None else None
            variable = reference.NodeClass == ua.NodeClass.Variable
            is_open = (deeper or variable) and child != _SERVER
            yield _Entry(child, name.Name or "", names, depth, variable, is_open)
        if result.ContinuationPoint:
            yield replace(parent, depth=depth, open=True, rest=result.ContinuationPoint, problem="")

    def _namespace(self, index: int) -> str | int:
        return self._known[index] if 0 < index < len(self._known) else index

    async def _told(self, entries: Sequence[_Entry]) -> list[TreeNode]:
        """The nodes that are wanted, with their values."""
        pairs = [(entry, self._described(entry)) for entry in entries]
        if self._wanted is not None:
            pairs = [(entry, node) for entry, node in pairs if self._wanted(node)]
        variables = [entry for entry, _ in pairs if entry.variable]
        units = [entry.unit for entry in variables if entry.unit is not None]
        asked = [value_of(entry.id) for entry in variables] + [value_of(unit) for unit in units]
        told = await read_each(self._link, asked, self._limits)
        values = dict(zip((id(entry) for entry in variables), told, strict=False))
        named = dict(zip(units, map(unit_name, told[len(variables) :]), strict=True))
        return [
            _valued(node, values[id(entry)], named.get(entry.unit, "") if entry.unit is not None else "")
            if entry.variable
            else node
            for entry, node in pairs
        ]

    def _described(self, entry: _Entry) -> TreeNode:
        identifier: Any = entry.id.Identifier
        node = node_text(NodeAddress(self._namespace(entry.id.NamespaceIndex), identifier))
        path = path_text(BrowsePath(entry.names)) if entry.names is not None else None
        return TreeNode(node, path or "", entry.name, entry.depth, entry.variable, problem=entry.problem)


def _valued(node: TreeNode, told: ua.DataValue | str, unit: str) -> TreeNode:
    """`node` with what was read of it."""
    read = told if isinstance(told, str) else reading(told)
    kind = "" if isinstance(told, str) or told.Value is None else type_name(told.Value)
    if isinstance(read, str):
        return replace(node, type=kind, unit=unit, quality="bad", problem=read)
    value = None if isinstance(read.value, Raw) else read.value
    problem = node.problem
    if read.quality == "bad":
        problem = _status(read)
    return replace(node, type=kind, value=shortened(value), quality=read.quality, unit=unit, problem=problem)


def _status(read: Decoded) -> str:
    return f"the server says {ua.StatusCode(ua.UInt32(read.status)).name}"


def type_name(variant: ua.Variant) -> str:
    """The type of a value, with `[]` where it is an array."""
    kind = getattr(variant.VariantType, "name", str(variant.VariantType))
    return f"{kind}[]" if variant.is_array else kind


def unit_name(told: ua.DataValue | str) -> str:
    """The unit that a property EngineeringUnits says; empty where it says none (Part 8, 5.6.3)."""
    value = None if isinstance(told, str) or told.Value is None else told.Value.Value
    name = getattr(getattr(value, "DisplayName", None), "Text", None)
    return str(name or "")
