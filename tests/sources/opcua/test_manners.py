"""Servers with manners of their own, in simulated time: what they revise, how they count, what they leave out."""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from gateway.sources.opcua.reports import FIRST_ONLY, MUTE
from tests.campaign.virtual import simulate
from tests.sources.harness import node
from tests.sources.opcua.scripted import Server, poison
from tests.sources.opcua.scripted_nodes import node_name, sent
from tests.sources.opcua.story import bad, connected, gaps, simulated


class Own(Server):
    """Revises as it likes: `interval` and `sampling` in milliseconds, `queue`, `keepalives` and `lifetime` in numbers.
    `numbered` makes the number of a message of the one that it should have. `cuts`: the name of a request at which the
    connection is cut, once."""

    interval: float | None = None
    sampling: float | None = None
    queue: int | None = None
    keepalives: int | None = None
    lifetime = 1_000
    numbered: Callable[[int], int] | None = None
    cuts = ""
    ends: tuple[ua.ExpandedNodeId, ...] = ()
    """Where browse paths lead."""

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.places: dict[str, int] = {}
        """The namespaces by which nodes were asked for."""

    async def answer(self, request: Any, session: int) -> Buffer:
        if self.cuts and type(request).__name__ == self.cuts:
            self.cuts = ""
            self.cut()
            self.reachable = True
        return await super().answer(request, session)

    async def _createsubscription(self, request: ua.CreateSubscriptionRequest) -> Buffer:
        response = struct_from_binary(ua.CreateSubscriptionResponse, await super()._createsubscription(request))
        told: Any = response.Parameters
        told.RevisedLifetimeCount = self.lifetime
        if self.interval is not None:
            told.RevisedPublishingInterval = self.interval
        if self.keepalives is not None:
            told.RevisedMaxKeepAliveCount = self.keepalives
        return sent(response)

    async def _createmonitoreditems(self, request: ua.CreateMonitoredItemsRequest) -> Buffer:
        for item in request.Parameters.ItemsToCreate:
            self.places[node_name(item.ItemToMonitor.NodeId)] = item.ItemToMonitor.NodeId.NamespaceIndex
        response = struct_from_binary(ua.CreateMonitoredItemsResponse, await super()._createmonitoreditems(request))
        results: Any = response.Results
        for result in results:
            if self.sampling is not None:
                result.RevisedSamplingInterval = self.sampling
            if self.queue is not None:
                result.RevisedQueueSize = self.queue
        return sent(response)

    async def _translatebrowsepathstonodeids(self, request: Any) -> Buffer:
        response: Any = ua.TranslateBrowsePathsToNodeIdsResponse()
        whole = [ua.BrowsePathTarget(end, ua.UInt32(0xFFFF_FFFF)) for end in self.ends]
        response.Results = [ua.BrowsePathResult(Targets=whole) for _ in request.Parameters.BrowsePaths]
        return sent(response)

    def _say(self, id_: int, subscription: Any) -> None:
        if self.numbered is not None and subscription.waiting:
            subscription.number = self.numbered(subscription.number)
        super()._say(id_, subscription)


async def count(server: Server, until: int) -> None:
    """The tag counts from 1, twice a second, and what was told of it has come."""
    for number in range(1, until):
        server.write("a", number)
        await asyncio.sleep(0.5)
    await asyncio.sleep(2)


@pytest.mark.parametrize(
    "numbered",
    [lambda _: 1, lambda _: 0, lambda number: number if number < 50 else 1, lambda number: (number - 1) % 255 + 1],
    ids=["always 1", "always 0", "from 1 again", "in one byte"],
)
def test_p6_a_server_that_numbers_its_messages_anew_loses_none(numbered: Callable[[int], int]) -> None:
    """A number that was there before says nothing where the message is another; that is no repetition."""

    async def main() -> None:
        server = Own(a=0)
        server.numbered = numbered
        async with connected(server, "a") as (_, intake):
            await asyncio.sleep(5)
            await count(server, 301)
            assert intake.values(node("a")) == [*range(301)]
            assert gaps(intake) == []
            assert server.sessions == 1

    simulate(main())


@simulated
async def test_p6_a_cut_while_a_lost_message_is_asked_for_loses_neither() -> None:
    """Neither the one that was missing nor the one by which that was seen."""
    server = Own(a=0)
    async with connected(server, "a") as (_, intake):
        await asyncio.sleep(5)
        [subscription] = server.subscriptions.values()
        lost = subscription.number
        server.lose = lambda number: number == lost
        server.cuts = "RepublishRequest"
        await count(server, 20)
        assert intake.values(node("a")) == [*range(20)]
        assert gaps(intake) == []
        assert server.resumed == 1


@simulated
async def test_p6_a_cut_while_an_unreadable_message_is_looked_into_loses_none_of_the_others() -> None:
    server = Own(a=0, b=0)
    async with connected(server, "a", "b") as (_, intake):
        await asyncio.sleep(5)
        for count in range(1, 20):
            server.write("a", count)
            if count == 5:
                server.write("b", poison())
                server.cuts = "ReadRequest"
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        assert {*intake.values(node("a"))} == {*range(20)}
        assert server.resumed == 1


@simulated
async def test_p9_messages_of_a_subscription_that_is_not_ours_are_no_sign_of_life() -> None:
    """A server that confuses its subscriptions is not connected and well for ever: another session is begun."""
    server = Own(a=0)
    async with connected(server, "a") as (_, intake):
        await asyncio.sleep(5)
        owner = server.subscriptions[1]
        del server.subscriptions[1]
        server.subscriptions[99] = owner
        await asyncio.sleep(60)
        assert server.sessions == 2
        server.write("a", 1)
        await asyncio.sleep(1)
        assert intake.values(node("a"))[-1] == 1
        assert bad(intake) == [node("a")]


@simulated
async def test_p9_a_tag_of_which_nothing_ever_comes_is_said() -> None:
    """It can be read, so it is watched anew; where that is no help, it is not received, until something comes."""
    server = Own(a=1, b=1)
    plain = server._createmonitoreditems

    async def dumb(request: ua.CreateMonitoredItemsRequest) -> Buffer:
        answer = await plain(request)
        for subscription in server.subscriptions.values():
            handles = {handle for handle, _, name in subscription.items.values() if name == "a"}
            subscription.waiting = [each for each in subscription.waiting if each[0] not in handles]
        return answer

    server._createmonitoreditems = dumb  # type: ignore[method-assign]
    async with connected(server, "a", "b") as (source, intake):
        await asyncio.sleep(400)
        assert source.health.failed == {node("a"): MUTE}
        assert bad(intake) == [node("a")]
        assert server.created.count("a") == 2
        server.write("a", 2)
        await asyncio.sleep(1)
        assert intake.values(node("a")) == [2]
        assert source.health.failed == {}


@simulated
async def test_p9_a_server_that_tells_of_no_change_is_said() -> None:
    """What it says first of each new item is told; that this is all is a problem until it tells of a change."""
    server = Own(a=0)
    server.deaf = {"a"}
    async with connected(server, "a") as (source, intake):
        for count in range(1, 700):
            server.write("a", count)
            await asyncio.sleep(1)
        assert FIRST_ONLY in source.health.concerns["watched_otherwise"]
        assert len(gaps(intake)) == server.created.count("a") - 1
        server.deaf.clear()
        server.write("a", 1_000)
        await asyncio.sleep(20)
        assert source.health.concerns == {}
        assert intake.values(node("a"))[-1] == 1_000


@pytest.mark.parametrize("told", [0.0, -1.0, math.nan])
def test_an_interval_that_is_none_is_the_one_that_was_asked_for(told: float) -> None:
    async def main() -> None:
        server = Own(a=0)
        server.interval = told
        server.sampling = told or math.nan  # 0 means that the server looks as often as it can
        server.keepalives = 0
        async with connected(server, "a") as (source, _):
            await asyncio.sleep(30)
            granted = source.granted
            assert granted["publishing_interval"] == (0.25, 0.25)
            assert granted["sampling"] == (0.05, 0.05)
            assert granted["keepalive"] == (5.0, 5.0)
            assert source.health.concerns == {}

    simulate(main())


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"publishing": 3_600.0}, "told every 3600 s instead of 0.25 s"),
        ({"interval": math.inf}, "told every inf s instead of 0.25 s"),
        ({"sampling": 1e300}, "sampled every 1e+297 s instead of 0.05 s"),
        ({"sampling": 20_000.0}, "sampled every 20 s instead of 0.05 s"),
        ({"queue": 0}, "one value kept instead of 100"),
        ({"queue": 1}, "`publishing_interval: 50ms` helps"),
        ({"lifetime": 3}, "nothing kept once nobody has asked for 0.75 s"),
    ],
)
def test_p9_what_nobody_wants_is_said_also_where_nobody_has_asked(manner: dict[str, float], said: str) -> None:
    """A server that tells once an hour is as good as deaf; one that keeps one value does not say what it has lost."""

    async def main() -> None:
        server = Own(a=0)
        for name, value in manner.items():
            setattr(server, name, value)
        async with connected(server, "a", publishing_interval=None) as (source, _):
            await asyncio.sleep(30)
            assert said in source.health.concerns["watched_otherwise"]

    simulate(main())


@pytest.mark.parametrize("settings", [{"queue": 1}, {"publishing_interval": "50ms"}])
def test_one_value_is_enough_where_no_more_are_wanted_or_none_can_be_lost(settings: dict[str, Any]) -> None:
    async def main() -> None:
        server = Own(a=0)
        server.queue, server.publishing = 1, 0.05
        async with connected(server, "a", **{"publishing_interval": None, **settings}) as (source, _):
            await asyncio.sleep(30)
            assert source.health.concerns == {}

    simulate(main())


@pytest.mark.parametrize("shown", ["at noon", "", datetime(1601, 1, 1, tzinfo=UTC), 17, None])
def test_a_server_without_a_clock_is_read_nevertheless(shown: object) -> None:
    """What it says of its time is none: that is no fault of ours that ends everything."""

    async def main() -> None:
        server = Own(a=0)
        plain = server._value

        def value(node: str, behind: float = 0.0) -> ua.DataValue:
            return ua.DataValue(ua.Variant(shown)) if node == "2258" else plain(node, behind)

        server._value = value  # type: ignore[method-assign]
        async with connected(server, "a") as (source, intake):
            await asyncio.sleep(30)
            server.write("a", 1)
            await asyncio.sleep(1)
            assert intake.values(node("a")) == [0, 1]
            assert source.health.connected
            assert server.sessions == 1

    simulate(main())


@simulated
async def test_a_server_that_answers_with_nothing_is_told_as_that() -> None:
    """And not as a fault of the gateway."""
    server = Own(a=0)
    plain = server._read

    async def empty(request: ua.ReadRequest) -> Buffer:
        asked = [each.NodeId.Identifier for each in request.Parameters.NodesToRead]
        return sent(ua.ReadResponse()) if asked == [2255] else await plain(request)

    server._read = empty  # type: ignore[method-assign]
    async with connected(server, "a") as (source, _):
        await asyncio.sleep(3)
        assert source.health.detail == (
            "cannot subscribe: the server's answer has another number of results than it was asked for"
        )


def end(name: str, namespace: int = 1, uri: str = "", server: int = 0) -> ua.ExpandedNodeId:
    return ua.ExpandedNodeId(
        ua.String(name), ua.Int16(namespace), NamespaceUri=ua.String(uri) if uri else None, ServerIndex=ua.Int32(server)
    )


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        ([end("a")], [0, 1]),
        ([end("a"), end("a")], [0, 1]),  # by two references
        ([end("a", 0, "urn:acme:line")], [0, 1]),
        ([end("b", server=1), end("a")], [0, 1]),
    ],
)
def test_a_path_that_leads_to_one_node_is_followed(ends: list[ua.ExpandedNodeId], values: list[int]) -> None:
    async def main() -> None:
        server = Own(a=0, b=7)
        server.ends = tuple(ends)
        path = "/Objects/1:Good"
        async with connected(server, path) as (source, intake):
            await asyncio.sleep(5)
            server.write("a", 1)
            await asyncio.sleep(1)
            assert intake.values(path) == values
            assert source.health.failed == {}
            assert server.places["a"] == 1

    simulate(main())


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (
            [end("a"), end("b")],
            "the path leads to 2 nodes: name the one that is meant by its node id, of ns=1;s=a, ns=1;s=b",
        ),
        ([end("a", 0, "urn:nobody")], "the server has no node at this path"),
        ([end("a", server=1)], "the server has no node at this path"),
        ([], "the server has no node at this path"),
    ],
)
def test_a_path_that_leads_to_several_nodes_or_none_of_this_server_is_refused(
    ends: list[ua.ExpandedNodeId], reason: str
) -> None:
    """A server need not keep their order, so that one of two is no address."""

    async def main() -> None:
        server = Own(a=0, b=7)
        server.ends = tuple(ends)
        path = "/Objects/1:Good"
        async with connected(server, path) as (source, intake):
            await asyncio.sleep(5)
            assert source.health.failed == {path: reason}
            assert intake.samples == []

    simulate(main())
