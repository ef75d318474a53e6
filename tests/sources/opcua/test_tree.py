"""The tree of a server that hands out its nodes as real ones do: in parts, with limits, in circles, and not at all."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import BadTooManyOperations
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SourceError
from gateway.sources.found import TreeNode
from gateway.sources.opcua.tree import tree

pytestmark = pytest.mark.asyncio

NAMESPACES = ["http://opcfoundation.org/UA/", "urn:acme:line"]
ROOT = "0"
Tree = dict[str, list[str]]
"""Node -> what is below it; all are variables but ROOT."""


def id_of(name: str) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(1))


class Server:
    """Answers questions about `tree`; at most `most` nodes a request, `some` children an answer, and with room for
    `points` continuations."""

    def __init__(self, tree: Tree, *, most: int = 1000, some: int = 1000, points: int = 1000) -> None:
        self.tree, self.most, self.some, self.points = tree, most, some, points
        self.left: dict[bytes, list[str]] = {}
        self.refused: dict[str, int] = {}
        self.read: set[str] = set()
        """Nodes of which a value was read."""
        self._names = map(str.encode, map(str, itertools.count()))

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        name = type(request).__name__.removesuffix("Request")
        response = getattr(self, f"_{name.lower()}")(request)
        return Buffer(struct_to_binary(response))

    def _read(self, request: ua.ReadRequest) -> ua.ReadResponse:
        response = ua.ReadResponse()
        response.Results = [self._value(each) for each in request.Parameters.NodesToRead]
        return response

    def _value(self, wanted: ua.ReadValueId) -> ua.DataValue:
        identifier = wanted.NodeId.Identifier
        if identifier == 2255:
            return ua.DataValue(ua.Variant(NAMESPACES, ua.VariantType.String))
        if identifier not in self.tree:
            return ua.DataValue(None, ua.StatusCode(ua.UInt32(StatusCodes.BadNodeIdUnknown)))
        if wanted.AttributeId == AttributeIds.NodeClass:
            kind = ua.NodeClass.Object if identifier == ROOT else ua.NodeClass.Variable
            return ua.DataValue(ua.Variant(int(kind), ua.VariantType.Int32))
        self.read.add(str(identifier))
        return ua.DataValue(ua.Variant(7, ua.VariantType.Int16))

    def _browse(self, request: ua.BrowseRequest) -> ua.BrowseResponse:
        asked = request.Parameters.NodesToBrowse
        if len(asked) > self.most:
            raise BadTooManyOperations
        response = ua.BrowseResponse()
        response.Results = [
            self._part(self.tree[str(each.NodeId.Identifier)], each.NodeId.Identifier) for each in asked
        ]
        return response

    def _browsenext(self, request: ua.BrowseNextRequest) -> ua.BrowseNextResponse:
        points = request.Parameters.ContinuationPoints
        response = ua.BrowseNextResponse()
        parts = [self.left.pop(point) for point in points]
        if not request.Parameters.ReleaseContinuationPoints:
            response.Parameters.Results = [self._part(part, "") for part in parts]
        return response

    def _part(self, children: list[str], name: object) -> ua.BrowseResult:
        if (code := self.refused.get(str(name), 0)) != 0:
            return ua.BrowseResult(ua.StatusCode(ua.UInt32(code)))
        result = ua.BrowseResult()
        if len(children) > self.some:
            if len(self.left) >= self.points:
                return ua.BrowseResult(ua.StatusCode(ua.UInt32(StatusCodes.BadNoContinuationPoints)))
            result.ContinuationPoint = next(self._names)
            self.left[result.ContinuationPoint] = children[self.some :]
        for child in children[: self.some]:
            reference = ua.ReferenceDescription()
            reference.NodeId = ua.ExpandedNodeId(ua.String(child), ua.Int16(1))
            reference.BrowseName = ua.QualifiedName(child, ua.UInt16(1))
            reference.NodeClass = ua.NodeClass.Variable
            result.References.append(reference)
        return result


async def listed(server: Server, **options: Any) -> list[TreeNode]:
    pages = tree(server, "nsu=urn:acme:line;s=0", **options)
    return [node async for page in pages for node in page]


def expected(tree: Tree) -> Iterator[tuple[str, int]]:
    """The nodes in the order of a tree that is printed, each once, with its depth."""
    seen: set[str] = set()
    waiting = [(ROOT, 0)]
    while waiting:
        name, depth = waiting.pop()
        yield name, depth
        seen.add(name)
        waiting += [(child, depth + 1) for child in reversed(tree[name])]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    parents = draw(st.lists(st.integers(0, 60), max_size=60))
    made: Tree = {ROOT: []}
    for number, parent in enumerate(parents, 1):
        made[str(number)] = []
        made[str(parent % number)].append(str(number))
    return made


@given(trees(), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
async def test_all_nodes_come_once_and_in_order(tree: Tree, most: int, some: int, points: int) -> None:
    """However few nodes the server takes at once, however small its answers, and however few it can continue."""
    server = Server(tree, most=most, some=some, points=points)
    nodes = await listed(server)
    assert [(node.node.rpartition("=")[2], node.depth) for node in nodes] == list(expected(tree))
    assert all(node.value == 7 for node in nodes if node.variable)
    assert not any(node.problem for node in nodes)
    assert not server.left, "the server still has to remember where we had got to"


async def test_circles_end_and_depth_is_kept() -> None:
    """A node that is below itself, or below two, comes once."""
    circle: Tree = {ROOT: ["a", "b"], "a": ["c"], "b": ["c", ROOT], "c": ["a"]}
    nodes = await listed(Server(circle))
    assert sorted(node.node.rpartition("=")[2] for node in nodes) == [ROOT, "a", "b", "c"]
    shallow = await listed(Server(circle), depth=1)
    assert [node.depth for node in shallow] == [0, 1, 1]


async def test_whoever_has_seen_enough_leaves_nothing_behind() -> None:
    """The server is told to forget where the listing had got to."""
    server = Server(
        {ROOT: [str(number) for number in range(1, 50)]} | {str(number): [] for number in range(1, 50)}, some=3
    )
    pages = tree(server, "nsu=urn:acme:line;s=0")
    assert await anext(pages)
    assert server.left
    await pages.aclose()
    assert not server.left


async def test_what_a_user_may_not_see_is_said_at_its_place() -> None:
    """The rest is listed; of what does not match no value is read."""
    server = Server({ROOT: ["a", "b"], "a": [], "b": []})
    server.refused["a"] = StatusCodes.BadUserAccessDenied
    nodes = await listed(server)
    assert nodes[1].problem == "what is below cannot be listed: BadUserAccessDenied"
    assert nodes[2].problem == ""
    server.read.clear()
    assert await listed(server, wanted=lambda node: node.name == "b") == nodes[2:]
    assert server.read == {"b"}
    with pytest.raises(SourceError, match="the server has no node"):
        [page async for page in tree(server, "nsu=urn:acme:line;s=none")]
