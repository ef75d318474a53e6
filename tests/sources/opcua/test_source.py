"""The OPC UA source against a real server.

Most tests share one server, because it takes seconds of work to build one; each has variables of its own there.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.clock import AnchoredClock
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.publishing import OUTSTANDING
from gateway.sources.opcua.session import RESPONSES
from gateway.sources.opcua.session_key import KeyFile
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import OpcuaServer, free_port, wait_until
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[OpcuaServer]:
    """A server that runs for all tests of this module."""
    server = OpcuaServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def plc() -> AsyncIterator[OpcuaServer]:
    """A server of one test's own that is not running yet."""
    plc = OpcuaServer()
    yield plc
    await plc.stop()


@pytest.fixture
def tag(request: pytest.FixtureRequest) -> str:
    """A variable's name that no other test uses."""
    return f"{request.node.name}.State"


def node(name: str) -> str:
    return f"nsu=urn:acme:line;s={name}"


def make(server: OpcuaServer, *names: str, url: str | None = None, **settings: str) -> OpcuaSource:
    config = opcua_config(url or server.url, **settings)
    return OpcuaSource("plc", config, opcua_tags(map(node, names), config), AnchoredClock())


async def test_values_with_quality_and_source_time_arrive(server: OpcuaServer, tag: str) -> None:
    """Each value arrives once, in order, under the node id as it was configured, with the device's time."""
    await server.add(tag, 1)
    source, intake = make(server, tag), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1])
        at = datetime(2026, 11, 3, 10, 20, 30, 500_000, tzinfo=UTC)
        await server.write(tag, 2, time=at)
        await wait_until(lambda: intake.values(node(tag)) == [1, 2])
    sample = intake.samples[-1]
    assert (sample.source, sample.quality, sample.source_time) == ("plc", "good", at.timestamp())
    assert source.health.last_sample_at == sample.received


async def test_a_bad_status_has_no_value_and_an_uncertain_one_keeps_it(server: OpcuaServer, tag: str) -> None:
    """Quality follows the severity of the status code; a value under a bad status is not a value."""
    await server.add(tag, 1)
    intake = Intake()
    async with running(make(server, tag), intake):
        await wait_until(lambda: intake.samples)
        await server.write(tag, 2, status=StatusCodes.BadSensorFailure)
        await wait_until(lambda: len(intake.samples) == 2)
        await server.write(tag, 3, status=StatusCodes.UncertainLastUsableValue)
        await wait_until(lambda: len(intake.samples) == 3)
    assert [(sample.value, sample.quality) for sample in intake.samples] == [
        (1, "good"),
        (None, "bad"),
        (3, "uncertain"),
    ]


async def test_an_enumeration_is_its_number(server: OpcuaServer, tag: str) -> None:
    """A tag whose data type is an enumeration arrives as the number of its code."""
    await server.add(tag, ua.Variant(ua.ServerState.Suspended, ua.VariantType.Int32))
    intake = Intake()
    async with running(make(server, tag), intake):
        await wait_until(lambda: intake.samples)
    assert intake.samples[0].value == 3
    assert type(intake.samples[0].value) is int


async def test_a_burst_within_one_publishing_interval_is_not_lost(server: OpcuaServer, tag: str) -> None:
    """Values that change faster than they are published wait in the server's queue."""
    await server.add(tag, 0)
    intake = Intake()
    async with running(make(server, tag), intake):
        await wait_until(lambda: intake.samples)
        for count in range(1, 81):
            await server.write(tag, count)
        await wait_until(lambda: intake.values(node(tag)) == list(range(81)))


async def test_an_array_is_refused_once_and_shown(server: OpcuaServer, tag: str) -> None:
    """A tag that holds no scalar makes one notice, not one per value, and stands in health until it holds one."""
    await server.add(tag, 1)
    source, intake = make(server, tag), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.samples)
        for numbers in ([1, 2], [3, 4], [5, 6]):
            await server.write(tag, ua.Variant(numbers, ua.VariantType.Int32))
        await wait_until(lambda: node(tag) in source.health.failed)
        assert "array" in source.health.failed[node(tag)]
        await server.write(tag, 7)
        await wait_until(lambda: intake.values(node(tag)) == [1, 7])
        assert source.health.failed == {}
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("reject", node(tag))]


async def test_the_server_may_start_later(plc: OpcuaServer) -> None:
    """A gateway that starts before its PLC connects when the PLC is there, and says meanwhile why it is not."""
    source, intake = make(plc, "L01.State"), Intake()
    async with running(source, intake):
        await wait_until(lambda: "cannot connect" in source.health.detail)
        assert not source.health.connected
        await plc.start(L01__State=5)
        await wait_until(lambda: intake.values(node("L01.State")) == [5])
        assert source.health.connected
    assert intake.notices == []


async def test_p2_the_server_may_go_and_come_back_with_another_namespace_index(plc: OpcuaServer) -> None:
    """After a restart the namespace is found again by its name; the time without connection is a listed gap."""
    await plc.start(L01__State=1)
    source, intake = make(plc, "L01.State"), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node("L01.State")) == [1])
        await plc.stop()
        await wait_until(lambda: not source.health.connected)
        await plc.start(before=("urn:acme:other", "urn:acme:more"), L01__State=2)
        await wait_until(lambda: intake.values(node("L01.State")) == [1, 2])
        await plc.write("L01.State", 3)
        await wait_until(lambda: intake.values(node("L01.State")) == [1, 2, 3])
    assert [(notice.kind, notice.source) for notice in intake.notices] == [("gap", "plc")]


async def test_p9_tags_of_a_server_that_is_gone_are_bad_once(plc: OpcuaServer) -> None:
    """The mapping is told that there are no good values any more, once for each time the server goes."""
    source, intake = make(plc, "L01.State", "L02.State"), Intake()

    def bad() -> list[str]:
        return [sample.address for sample in intake.samples if sample.quality == "bad"]

    both = [node("L01.State"), node("L02.State")]
    async with running(source, intake):
        await wait_until(lambda: bad() == both)
        await plc.start(L01__State=1, L02__State=1)
        await wait_until(lambda: intake.values(both[0]) == [1])
        await plc.stop()
        await wait_until(lambda: bad() == both + both)
        assert "cannot connect" in source.health.detail
        await asyncio.sleep(1)
        assert bad() == both + both


async def test_p9_a_fault_of_ours_takes_the_tags_with_it(server: OpcuaServer, tag: str) -> None:
    """Whatever ends the connection, the mapping knows that nothing is known of the tags before it is built anew."""
    await server.add(tag, 1)
    source, intake = make(server, tag), Intake()
    async with running(source, intake) as errors:
        await wait_until(lambda: intake.values(node(tag)) == [1])
        intake.fault = RuntimeError("a fault")
        await server.write(tag, 2)
        await wait_until(lambda: len(intake.samples) == 3)
    assert [type(error) for error in errors] == [RuntimeError]
    assert [(sample.value, sample.quality) for sample in intake.samples] == [(1, "good"), (None, "bad"), (2, "good")]
    assert [notice.kind for notice in intake.notices] == ["gap"]


async def test_values_of_one_time_are_one_moment(server: OpcuaServer, tag: str) -> None:
    """What was true at one time is handed over as one moment, and the moments of a response in the order of time."""
    other, at = f"{tag}.Other", datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)
    await server.add(tag, 0)
    await server.add(other, 0)
    source, intake = make(server, tag, other), Intake()
    async with running(source, intake):
        await wait_until(lambda: len(intake.samples) == 2)
        for value in (1, 2, 3):
            for name in (tag, other):
                await server.write(name, value, time=at + timedelta(seconds=value))
        await wait_until(lambda: len(intake.samples) == 8)
    for arrival in intake.arrivals[1:]:
        times = [{sample.source_time or 0.0 for sample in moment.samples} for moment in arrival.moments]
        assert times == [{time} for time in sorted(set[float]().union(*times))]
    assert intake.values(node(tag)) == intake.values(node(other)) == [0, 1, 2, 3]


async def test_p9_a_missing_node_is_shown_and_found_when_it_appears(server: OpcuaServer, tag: str) -> None:
    """One tag that does not exist yet costs neither the connection nor the other tags, and joins when it appears."""
    late = f"{tag}.late"
    await server.add(tag, 1)
    source, intake = make(server, tag, late), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1])
        await wait_until(lambda: source.health.connected)
        assert list(source.health.failed) == [node(late)]
        assert "BadNodeIdUnknown" in source.health.failed[node(late)]
        since = source.health.since
        await server.add(late, 9)
        await wait_until(lambda: intake.values(node(late)) == [9])
        assert source.health.failed == {}
        assert source.health.since == since
    assert intake.notices == []


async def test_p9_a_missing_namespace_is_shown_and_found_when_it_appears(server: OpcuaServer) -> None:
    """The namespaces are read again for what is missing: a server may load its program after it began to answer."""
    late = "nsu=urn:acme:late;s=L02.State"
    config = opcua_config(server.url)
    source = OpcuaSource("plc", config, opcua_tags([late], config), AnchoredClock())
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        assert source.health.failed == {late: "the server has no namespace urn:acme:late"}
        index = await server.server.register_namespace("urn:acme:late")
        await server.server.nodes.objects.add_variable(ua.NodeId.from_string(f"ns={index};s=L02.State"), "L02.State", 4)
        await wait_until(lambda: intake.values(late) == [4])
        assert source.health.failed == {}


async def test_p9_an_item_whose_node_is_gone_is_replaced(server: OpcuaServer, tag: str) -> None:
    """An item dies with its node and stays dead when the node returns: it is given up and the node asked for anew."""
    await server.add(tag, 1)
    source, intake = make(server, tag), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1])
        # What a server says when a node goes; the one in this test says nothing by itself.
        await server.write(tag, 1, status=StatusCodes.BadNodeIdUnknown)
        await wait_until(lambda: node(tag) in source.health.failed)
        await server.write(tag, 2)
        await wait_until(lambda: source.health.failed == {})
        await server.write(tag, 3)
        await wait_until(lambda: 3 in intake.values(node(tag)))
        await server.write(tag, 4)
        await wait_until(lambda: 4 in intake.values(node(tag)))
        assert intake.values(node(tag))[-2:] == [3, 4], "the old item still reports"


async def test_p9_a_server_that_falls_silent_is_noticed(server: OpcuaServer, tag: str) -> None:
    """A connection that stays open but says nothing is given up and built anew."""
    await server.add(tag, 1)
    link = Link(server.port)
    await link.start()
    source = make(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}", timeout="4s")
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        link.freeze()
        await wait_until(lambda: not source.health.connected)
        link.resume()
        await wait_until(lambda: source.health.connected)
        await server.write(tag, 2)
        await wait_until(lambda: intake.values(node(tag))[-1:] == [2])
    await link.stop()


async def test_a_cut_connection_is_rebuilt(server: OpcuaServer, tag: str) -> None:
    """A reset connection costs a moment: what changed and changed back meanwhile comes, and nothing is a gap."""
    await server.add(tag, 1)
    link = Link(server.port)
    await link.start()
    source = make(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}")
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1])
        for count in range(2, 22, 2):
            link.cut()
            await server.write(tag, count)
            await server.write(tag, count + 1)
            await wait_until(lambda last=count + 1: intake.values(node(tag))[-1] == last)  # type: ignore[misc]
            await wait_until(lambda: source.health.connected)
    assert intake.values(node(tag)) == list(range(1, 22))
    assert intake.notices == []
    await link.stop()


async def test_p9_a_subscription_that_the_server_drops_is_replaced(plc: OpcuaServer) -> None:
    """The connection being fine is not enough: a subscription that has vanished is noticed by its silence."""
    await plc.start(L01__State=1)
    source, intake = make(plc, "L01.State", timeout="4s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        service = plc.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        await wait_until(lambda: intake.notices)
        assert {notice.kind for notice in intake.notices} == {"gap"}
        await plc.write("L01.State", 2)
        await wait_until(lambda: intake.values(node("L01.State"))[-1:] == [2])


async def test_p6_what_the_server_had_to_drop_is_a_gap(server: OpcuaServer, tag: str) -> None:
    """A value that the server marks as the rest of an overflowed queue is used, and the loss is listed."""
    await server.add(tag, 1)
    intake = Intake()
    async with running(make(server, tag), intake):
        await wait_until(lambda: intake.samples)
        await server.write(tag, 9, status=0x0480)
        await wait_until(lambda: intake.values(node(tag)) == [1, 9])
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("gap", node(tag))]


async def test_p12_a_full_intake_leaves_values_at_the_server(server: OpcuaServer, tag: str) -> None:
    """While intake takes nothing, values wait in the server's bounded queue; the newest ones come afterwards."""
    await server.add(tag, 0)
    intake = Intake()
    async with running(make(server, tag), intake):
        await wait_until(lambda: intake.values(node(tag)) == [0])
        intake.open.clear()
        for count in range(1, 2001):
            await server.write(tag, count)
        intake.open.set()
        await wait_until(lambda: intake.values(node(tag))[-1:] == [2000])
    counts = [sample.value for sample in intake.samples if isinstance(sample.value, int)]
    assert counts == sorted(set(counts))
    assert len(counts) <= (RESPONSES + OUTSTANDING + 2) * opcua_config(server.url).queue


async def test_p8_a_failed_connection_is_said_without_the_password(tag: str) -> None:
    """The reason why there is no connection names neither user nor password of the address."""
    url = f"opc.tcp://user:hunter2@127.0.0.1:{free_port()}"
    config = opcua_config(url)
    source = OpcuaSource("plc", config, opcua_tags([node(tag)], config), AnchoredClock())
    async with running(source, Intake()):
        await wait_until(lambda: "cannot connect" in source.health.detail)
        assert "hunter2" not in source.health.detail


async def test_p9_a_dead_subscription_is_noticed_by_the_clock_that_no_longer_ticks() -> None:
    """A server that keeps its clock: a subscription that vanishes under a living session is built anew."""
    plc = OpcuaServer(ticks=True)
    await plc.start(L01__State=1)
    source, intake = make(plc, "L01.State", timeout="6s"), Intake()
    try:
        async with running(source, intake):
            await wait_until(lambda: intake.values(node("L01.State")) == [1])
            service = plc.server.iserver.subscription_service
            [subscription] = service.subscriptions.values()
            # The clock and the tag have a first value each, and the clock has ticked twice, once these were heard.
            kept = subscription._not_acknowledged_results
            await wait_until(lambda: subscription._notification_seq > 4 and min(kept, default=5) > 4)
            await service.delete_subscriptions(list(service.subscriptions))
            await wait_until(lambda: intake.values(node("L01.State")) == [1, 1])
            assert [notice.kind for notice in intake.notices] == ["gap"]
            await plc.write("L01.State", 2)
            await wait_until(lambda: intake.values(node("L01.State"))[-1:] == [2])
            assert source.health.connected
            assert source.health.detail == "connected", "its clock is watched, not read"
    finally:
        await plc.stop()


# The server of these tests forgets a call of its own when a node goes.
@pytest.mark.filterwarnings("ignore:.*datachange_callback.*")
async def test_p9_a_node_that_is_deleted_without_a_word_is_noticed_by_the_audit(server: OpcuaServer, tag: str) -> None:
    """Its value is good no more, and found again when the node is back; the other tags are not disturbed."""
    other = f"{tag}.Other"
    await server.add(tag, 1)
    await server.add(other, 1)
    source, intake = make(server, tag, other, audit="2s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1] == intake.values(node(other)))
        await server.delete(tag)
        await wait_until(lambda: node(tag) in source.health.failed)
        await server.add(tag, 5)
        await wait_until(lambda: intake.values(node(tag)) == [1, 5])
        assert source.health.failed == {}
    assert [sample.address for sample in intake.samples if sample.quality == "bad"] == [node(tag)]
    assert intake.values(node(other)) == [1]


async def test_the_channel_is_renewed_in_time(server: OpcuaServer, tag: str) -> None:
    """A server that keeps keys for two seconds: no value is lost over many renewals, and no session."""
    await server.add(tag, 0)
    config = opcua_config(server.url)
    short = Channel(config, KeyFile(None), lifetime=2.0)
    source = OpcuaSource("plc", config, opcua_tags([node(tag)], config), AnchoredClock(), short)
    intake = Intake()
    async with running(source, intake) as errors:
        await wait_until(lambda: intake.values(node(tag)) == [0])
        for count in range(1, 61):
            await server.write(tag, count)
            await asyncio.sleep(0.1)
        await wait_until(lambda: intake.values(node(tag)) == list(range(61)))
        assert errors == []
    assert server.asked_to_act == []


async def test_no_session_is_left_after_many_connections(server: OpcuaServer, tag: str) -> None:
    """Whatever ended a connection, its session is closed or was never opened."""
    await server.add(tag, 0)
    for _ in range(5):
        source, intake = make(server, tag), Intake()
        async with running(source, intake):
            await wait_until(lambda: intake.values(node(tag)))  # noqa: B023 - it is waited for before the next
    await wait_until(lambda: not server.server.iserver.subscription_service.subscriptions)


def held() -> tuple[int, int]:
    """Open files, and tasks."""
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())


async def test_p12_many_cuts_leave_nothing_behind(server: OpcuaServer, tag: str) -> None:
    """No socket, no task and no session more than after the first."""
    await server.add(tag, 0)
    link = Link(server.port)
    await link.start()
    source, intake = make(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}"), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [0])
        await wait_until(lambda: source.health.connected)
        first = held()
        for count in range(1, 41):
            link.cut()
            await server.write(tag, count)
            await wait_until(lambda last=count: intake.values(node(tag))[-1:] == [last])  # type: ignore[misc]
            await wait_until(lambda: source.health.connected)
        await wait_until(lambda: all(now <= then for now, then in zip(held(), first, strict=True)))
        assert intake.values(node(tag)) == list(range(41))
        assert len(server.server.iserver._external_sessions) == 1
    await link.stop()
