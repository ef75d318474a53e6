"""How tags are watched: what is asked of the server for each, what it makes of that, and what becomes of the rest."""

import asyncio
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from tests.sources.harness import node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, simulated


@simulated
async def test_a_tag_is_watched_as_its_input_says_else_as_its_source() -> None:
    """Sampling and queue are asked for as written, none follows from another setting."""
    server = Server(a=0, b=0)
    inputs = {"b": {"sampling": 0, "queue": 7}}
    async with connected(server, "a", "b", inputs=inputs, sampling="400ms", queue=20):
        await asyncio.sleep(2)
    a, b = server.asked_items["a"], server.asked_items["b"]
    assert (a.SamplingInterval, a.QueueSize) == (400, 20)
    assert (b.SamplingInterval, b.QueueSize) == (0, 7)
    assert not isinstance(a.Filter, ua.DataChangeFilter), "plain values need none, and some servers know none"
    [subscription] = server.asked_subscriptions
    assert (subscription.RequestedPublishingInterval, subscription.RequestedMaxKeepAliveCount) == (250, 20)
    assert subscription.RequestedLifetimeCount * 0.25 >= 60


@simulated
async def test_tags_with_the_same_publishing_interval_share_a_subscription() -> None:
    server = Server(a=0, b=0, c=0)
    inputs = {"b": {"publishing_interval": "50ms"}, "c": {"publishing_interval": "50ms"}}
    async with connected(server, "a", "b", "c", inputs=inputs) as (_, intake):
        await asyncio.sleep(2)
        assert [one.RequestedPublishingInterval for one in server.asked_subscriptions] == [250, 50]
        watched = [{name for _, _, name in one.items.values()} - {"2258"} for one in server.subscriptions.values()]
        assert watched == [{"a"}, {"b", "c"}]
        server.write("b", 1)
        await asyncio.sleep(1)
        assert intake.values(node("b")) == [0, 1]


@simulated
async def test_deadband_and_trigger_become_a_filter() -> None:
    server = Server(a=0.0, b=0.0, c=0)
    inputs: dict[str, dict[str, object]] = {
        "a": {"deadband": 0.5},
        "b": {"deadband": "2%"},
        "c": {"trigger": "timestamp"},
    }
    async with connected(server, "a", "b", "c", inputs=inputs):
        await asyncio.sleep(2)
    asked = {name: server.asked_items[name].Filter for name in "abc"}
    assert asked["a"] == ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.UInt32(1), 0.5)
    assert asked["b"] == ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.UInt32(2), 2.0)
    assert asked["c"] == ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, ua.UInt32(0), 0.0)


@simulated
async def test_a_deadband_that_the_server_does_not_know_costs_nothing() -> None:
    """The tag is watched without it, which loses nothing, and that is said; a trigger cannot be done without."""
    server = Server(a=0.0, b=0)
    server.refused_filters = dict.fromkeys("ab", StatusCodes.BadMonitoredItemFilterUnsupported)
    inputs: dict[str, dict[str, object]] = {"a": {"deadband": "2%"}, "b": {"trigger": "timestamp"}}
    async with connected(server, "a", "b", inputs=inputs) as (source, intake):
        await asyncio.sleep(30)
        assert intake.values(node("a")) == [0.0]
        assert intake.values(node("b")) == []
        assert source.health.failed.keys() == {node("b")}
        assert "trigger" in source.health.failed[node("b")]
        assert "told of every change" in source.health.concerns["watched_otherwise"]
        assert node("a") in source.health.concerns["watched_otherwise"]


@simulated
async def test_a_tag_that_is_watched_anew_keeps_its_deadband() -> None:
    """Also where the server looks at it more seldom than somebody has asked for."""
    server = Server(a=0.0)
    server.least_sampling = 0.5
    async with connected(server, "a", inputs={"a": {"deadband": 0.5, "sampling": "50ms"}}):
        await asyncio.sleep(5)
        server.deaf = {"a"}
        server.write("a", 7.0)
        await asyncio.sleep(130)
        assert server.created.count("a") == 2
    assert server.asked_items["a"].Filter == ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.UInt32(1), 0.5)


@simulated
async def test_what_the_server_makes_coarser_is_said_where_somebody_asked() -> None:
    """A default that a server does not reach is no problem; a wish that it does not grant is."""
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, False),
        ({"sampling": "50ms"}, True),
        ({"sampling": 0}, False),
        ({"queue": 100}, True),
        ({"publishing_interval": "100ms"}, True),
        ({"publishing_interval": "250ms"}, False),
    ]
    for settings, said in cases:
        server = Server(a=0)
        server.least_sampling, server.longest_queue = 0.5, 10
        async with connected(server, "a", **settings) as (source, _):
            await asyncio.sleep(30)
            concern = source.health.concerns.get("watched_otherwise", "")
            assert bool(concern) is said, settings
            if "queue" in settings:
                assert "10 values kept instead of 100" in concern
            if said and "publishing_interval" in settings:
                assert "told every 0.25 s instead of 0.1 s" in concern
            granted = source.granted
        assert granted == {
            "publishing_interval": (0.25, 0.25),
            "sampling": (0.5, 0.5),
            "queue": (10, 10),
            "session": (60, 60),
            "keepalive": (5.0, 5.0),
        }
        assert source.granted == {}, "no session stands"


@simulated
async def test_a_server_that_takes_one_node_at_a_time_is_connected_to() -> None:
    """However small the limits are, and whether it states them or not."""
    names = [f"t{number}" for number in range(20)]
    server = Server(**dict.fromkeys(names, 1))
    server.most_nodes, server.most_items = 1, 7
    async with connected(server, *names) as (source, intake):
        await asyncio.sleep(10)
        assert {sample.address for sample in intake.samples} == {node(name) for name in names}
        assert source.health.failed == {}
        assert len(server.subscriptions) == 3
