"""The OPC UA source against a scripted server, in simulated time: what is lost, unreadable, deaf or silent is noticed.

What is acknowledged, asked for and taken is judged value by value.
"""

import asyncio

import pytest

from gateway.sources.opcua.items import MOST_SUBSCRIPTIONS
from gateway.sources.opcua.publishing import OUTSTANDING
from gateway.sources.opcua.source import OpcuaSource
from gateway.sources.opcua.watch import Audit
from tests.campaign.virtual import simulate
from tests.sources.harness import Intake, node, opcua_config, opcua_tags
from tests.sources.opcua import scripted
from tests.sources.opcua.scripted import Server, poison
from tests.sources.opcua.story import bad, connected, gaps, simulated


@simulated
async def test_p1_a_message_is_acknowledged_only_after_the_commit() -> None:
    """While nothing is committed the server keeps every message; afterwards it hears of each of them once."""
    server, intake = Server(a=0), Intake(acknowledge=False)
    async with connected(server, "a", intake=intake) as (_, intake):
        for count in range(1, 6):
            await asyncio.sleep(1)
            server.write("a", count)
        await asyncio.sleep(1)
        assert intake.values(node("a")) == [0, 1, 2, 3, 4, 5]
        [subscription] = server.subscriptions.values()
        of_tags = {arrival.done for arrival in intake.arrivals if arrival.moments}
        assert len(subscription.kept) >= len(of_tags) == 6
        for arrival in intake.arrivals:
            assert arrival.done is not None
            arrival.done()
        await asyncio.sleep(10)
        assert sorted(server.acknowledged) == sorted(set(server.acknowledged))
        assert subscription.kept.keys() <= {subscription.number - 1}, "only the newest may be unknown to it"


@simulated
async def test_several_requests_wait_at_the_server() -> None:
    server = Server(a=0)
    async with connected(server, "a"):
        await asyncio.sleep(5)
        assert server.outstanding == OUTSTANDING


@simulated
async def test_a_server_that_takes_few_requests_gets_few() -> None:
    """A loop too many ends; values come nevertheless."""
    server = Server(a=0)
    server.most_publishes = 1
    async with connected(server, "a") as (source, intake):
        await asyncio.sleep(10)
        assert server.outstanding == 1
        server.write("a", 1)
        await asyncio.sleep(1)
        assert intake.values(node("a")) == [0, 1]
        assert source.health.connected


@simulated
async def test_p6_a_lost_message_is_asked_for_and_comes_in_its_place() -> None:
    """Each value arrives once and in order although every third message is lost."""
    server = Server(a=0)
    server.lose = lambda number: number % 3 == 2
    async with connected(server, "a") as (_, intake):
        for count in range(1, 40):
            await asyncio.sleep(0.5)
            server.write("a", count)
        await asyncio.sleep(10)
        assert intake.values(node("a")) == list(range(40))
        assert gaps(intake) == []
        assert server.sessions == 1


@simulated
async def test_p6_a_lost_message_that_nobody_has_is_a_gap_of_the_source() -> None:
    server = Server(a=0)
    server.forgets = True
    async with connected(server, "a") as (_, intake):
        await asyncio.sleep(5)
        [subscription] = server.subscriptions.values()
        lost = subscription.number
        server.lose = lambda number: number == lost
        server.write("a", 1)
        await asyncio.sleep(5)
        server.write("a", 2)
        await asyncio.sleep(5)
        assert intake.values(node("a")) == [0, 2]
        assert gaps(intake) == [("", "a message of the server never arrived, and the server has kept none of it")]
        assert intake.notices[0].source == "plc"


@simulated
async def test_p6_a_value_that_cannot_be_read_takes_no_other_with_it() -> None:
    """The culprit is left out and shown; what else the message held is read anew and everything goes on."""
    server = Server(a=0, b=0, c=0)
    async with connected(server, "a", "b", "c") as (source, intake):
        await asyncio.sleep(5)
        server.write("a", 1)
        server.write("b", poison())
        server.write("c", 1)
        await asyncio.sleep(5)
        assert intake.values(node("a")) == [0, 1, 1]
        assert intake.values(node("c")) == [0, 1]
        assert [sample.initial for sample in intake.samples if sample.value == 1] == [False, True, True]
        assert list(source.health.failed) == [node("b")]
        assert "cannot be read" in source.health.failed[node("b")]
        assert bad(intake)[-1] == node("b")
        assert [notice.address for notice in intake.notices if notice.kind == "reject"] == [node("b")]
        assert [address for address, _ in gaps(intake)] == [""]
        for count in range(2, 5):
            server.write("a", count)
            server.write("b", poison())
            await asyncio.sleep(1)
        assert intake.values(node("a")) == [0, 1, 1, 2, 3, 4]
        assert server.sessions == 1
        server.write("b", 7)
        await asyncio.sleep(200)
        assert intake.values(node("b")) == [0, 7]
        assert source.health.failed == {}


@simulated
async def test_p6_a_message_that_was_spoilt_on_the_way_is_asked_for_again() -> None:
    """The one that the server kept is whole: nothing is lost, nothing is listed."""
    server = Server(a=0, b=0)
    server.spoils = True
    async with connected(server, "a", "b") as (source, intake):
        await asyncio.sleep(5)
        server.write("b", poison())
        server.write("a", 1)
        await asyncio.sleep(3)
        assert intake.values(node("a")) == [0, 1]
        assert "ByteString" in source.health.failed[node("b")], "it can be read, and is of no use"
        assert gaps(intake) == []


@simulated
async def test_p9_silence_is_noticed_whatever_keepalive_the_server_wants() -> None:
    """A subscription that dies under a living connection: three heartbeats, not 13.9 hours."""
    server = Server(a=0)
    server.keepalive = 200_000
    async with connected(server, "a", timeout="6s") as (source, intake):
        await asyncio.sleep(20)
        assert source.health.connected
        server.publishes = False
        began = asyncio.get_running_loop().time()
        while source.health.connected:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - began < 3 * 2.0 + 1
        assert "silent" in source.health.detail
        server.publishes = True
        server.write("a", 1)
        await asyncio.sleep(30)
        assert source.health.connected
        assert intake.values(node("a")) == [0, 1]


@pytest.mark.parametrize("manner", ["clock_watched", "clock_ticks"])
def test_p9_a_server_whose_clock_cannot_be_watched_is_read_instead(manner: str) -> None:
    """It stays connected for an hour, its session hears of us in time, and the page says so."""

    async def main() -> None:
        server = Server(a=0)
        setattr(server, manner, False)
        server.keepalive = 200_000
        async with connected(server, "a", audit="off") as (source, _):
            await asyncio.sleep(60)
            before = server.asked.count("Read")
            await asyncio.sleep(3_600)
            assert server.sessions == 1
            assert server.asked.count("Read") - before >= 3_600 / 15
            assert source.health.detail.startswith("connected; the server does not tell of its clock")

    simulate(main())


@simulated
async def test_p9_a_node_that_is_deleted_in_silence_is_noticed_and_found_again() -> None:
    """Within two audits its value is no longer good; the way of the others is not disturbed."""
    server = Server(a=1, b=1)
    async with connected(server, "a", "b") as (source, intake):
        await asyncio.sleep(5)
        server.delete("a")
        await asyncio.sleep(130)
        assert bad(intake) == [node("a")]
        assert [address for address, _ in gaps(intake)] == [node("a")]
        assert "BadNodeIdUnknown" in source.health.failed[node("a")]
        server.write("a", 5)
        await asyncio.sleep(60)
        assert intake.values(node("a")) == [1, 5]
        assert intake.values(node("b")) == [1]
        assert source.health.failed == {}
        assert server.sessions == 1


@simulated
async def test_p9_a_deaf_item_is_replaced_by_the_audit() -> None:
    server = Server(a=1, b=1)
    async with connected(server, "a", "b") as (_, intake):
        await asyncio.sleep(5)
        server.deaf.add("a")
        server.write("a", 2)
        await asyncio.sleep(130)
        assert intake.values(node("a")) == [1, 2]
        assert [address for address, _ in gaps(intake)] == [node("a")]
        assert server.created.count("a") == 2
        assert server.created.count("b") == 1


@simulated
async def test_p9_an_hour_of_noisy_values_replaces_nothing() -> None:
    """Values that move faster than they are told, and a server that leaves small moves out, are not deaf."""
    server = Server(noisy=0.0, dead_band=0.0)
    async with connected(server, "noisy", "dead_band") as (_, intake):
        await asyncio.sleep(1)
        for step in range(36_000):
            server.write("noisy", float(step % 7))
            server.deaf = {"dead_band"} if step % 600 else set()
            server.write("dead_band", 0.001 * (step % 5))
            await asyncio.sleep(0.1)
        assert server.created.count("noisy") == server.created.count("dead_band") == 1
        assert gaps(intake) == []


@simulated
async def test_p9_an_hour_of_values_that_rest_within_their_deadband_replaces_nothing() -> None:
    """An analog that is measured every seven seconds stands in between, away from what was told of it: the server tells
    only of what leaves the deadband, as it was asked. One that has left it and was not told is deaf."""
    server = Server(level=20.0, share=20.0, deaf=20.0)
    inputs: dict[str, dict[str, object]] = {
        "level": {"deadband": 0.5},
        "share": {"deadband": "2%"},
        "deaf": {"deadband": 0.5},
    }
    async with connected(server, "level", "share", "deaf", inputs=inputs) as (_, intake):
        await asyncio.sleep(1)
        told = 20.0
        for step in range(514):
            value = 20.0 + (step * 37 % 11) / 10
            server.deaf = {"deaf"} | ({"level", "share"} if abs(value - told) <= 0.5 else set())
            told = told if "level" in server.deaf else value
            for name in ("level", "share"):
                server.write(name, value)
            await asyncio.sleep(7)
        assert server.created.count("level") == server.created.count("share") == 1
        assert gaps(intake) == []
        server.deaf = {"deaf"}
        server.write("deaf", 20.6)
        await asyncio.sleep(130)
        assert server.created.count("deaf") == 2


@simulated
async def test_an_audit_that_is_off_reads_nothing() -> None:
    server = Server(a=1)
    async with connected(server, "a", audit="off"):
        await asyncio.sleep(5)
        before = server.asked.count("Read")
        await asyncio.sleep(600)
        assert server.asked.count("Read") == before


@simulated
async def test_a_server_that_takes_few_nodes_at_once_gets_few() -> None:
    """It never says how many; every request that was too large is halved, and the audit goes on with that."""
    server = Server(**{f"t{number}": number for number in range(250)})
    server.most_nodes = 7
    names = [f"t{number}" for number in range(250)]
    async with connected(server, *names) as (source, intake):
        await asyncio.sleep(5)
        assert source.health.failed == {}
        assert {sample.value for sample in intake.samples} == set(range(250))
        server.delete("t33")
        await asyncio.sleep(150)
        assert bad(intake) == [node("t33")]


@simulated
async def test_a_full_subscription_gets_another_beside_it() -> None:
    server = Server(**{f"t{number}": number for number in range(25)})
    server.most_items = 10
    names = [f"t{number}" for number in range(25)]
    async with connected(server, *names) as (source, intake):
        await asyncio.sleep(5)
        assert len(server.subscriptions) == 3 <= MOST_SUBSCRIPTIONS
        for number in range(25):
            server.write(f"t{number}", 100 + number)
        await asyncio.sleep(5)
        for number in range(25):
            assert intake.values(node(f"t{number}")) == [number, 100 + number]
        assert source.health.failed == {}


@simulated
async def test_a_server_that_takes_no_items_at_all_says_so_for_each_tag() -> None:
    server = Server(a=1, b=1)
    server.most_items = 0
    async with connected(server, "a", "b") as (source, _):
        await asyncio.sleep(5)
        assert source.health.connected
        assert set(source.health.failed) == {node("a"), node("b")}
        assert "BadTooManyMonitoredItems" in source.health.failed[node("a")]
        assert len(server.subscriptions) == 1


@simulated
async def test_the_age_of_the_newest_value_is_known() -> None:
    server = Server(a=1)
    async with connected(server, "a") as (source, _):
        await asyncio.sleep(5)
        for count in range(2, 52):
            server.write("a", count, old=3.0)
            await asyncio.sleep(0.25)
        newest = source.health.newest_at
        assert newest is not None
        assert scripted.EPOCH + 14.0 < newest < scripted.EPOCH + 14.6
        age = source.health.newest_age
        assert age is not None
        assert 2.9 < age < 4.1


@simulated
async def test_what_came_before_an_outage_makes_nothing_old_that_comes_after_it() -> None:
    """A tag that has not changed since is told with the time at which it did, which says nothing of the connection."""
    server = Server(a=1)
    async with connected(server, "a") as (source, intake):
        await asyncio.sleep(5)
        server.write("a", 2)
        await asyncio.sleep(1)
        assert source.health.newest_age is not None
        server.end_session(subscriptions=True)
        server.cut()
        heard = source.health.last_sample_at
        await asyncio.sleep(120)
        server.reachable = True
        await asyncio.sleep(120)
        assert source.health.connected
        assert source.health.last_sample_at != heard
        assert source.health.newest_age is None
        server.write("a", 3)
        await asyncio.sleep(1)
        age = source.health.newest_age
        assert age is not None
        assert age < 1.1
        assert intake.values(node("a"))[-1] == 3


@simulated
async def test_values_that_a_server_looks_at_one_after_the_other_are_one_moment() -> None:
    """Within half a sampling interval, and never two of one tag."""
    server = Server(a=0, b=0)
    async with connected(server, "a", "b") as (_, intake):
        await asyncio.sleep(5)
        for count in (1, 2):
            server.write("a", count, old=0.5 - 0.2 * count)
            server.write("b", count, old=0.49 - 0.2 * count)
        await asyncio.sleep(1)
        [arrival] = [each for each in intake.arrivals if any(sample.value == 1 for sample in each.samples)]
        assert [[sample.value for sample in moment.samples] for moment in arrival.moments] == [[1, 1], [2, 2]]


@simulated
async def test_a_server_that_falls_again_and_again_is_spared() -> None:
    """A subscription that never lives long costs it no more than twenty sessions in ten minutes."""
    server = Server(a=0)
    async with connected(server, "a", timeout="3s"):
        for _ in range(590):
            await asyncio.sleep(1)
            server.publishes = False
        assert 5 < server.sessions <= 20


def test_p9_a_fault_of_ours_beside_the_messages_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no connection that was lost: nobody would look for it. The tags are unknown meanwhile."""

    async def story() -> None:
        server, intake = Server(a=1), Intake()
        config = opcua_config("opc.tcp://plc:4840", audit="10s")
        source = OpcuaSource("plc", config, opcua_tags([node("a")], config), scripted.clock(), server.connection())
        living = asyncio.create_task(server.live())
        monkeypatch.setattr(Audit, "_look", None)
        with pytest.raises(TypeError, match="not callable"):
            await source.run(intake.take)
        assert "internal error: TypeError" in source.health.detail
        assert intake.values(node("a")) == [1]
        assert bad(intake) == [node("a")]
        assert server.session == 0, "it was left in good order"
        living.cancel()

    simulated(story)()
