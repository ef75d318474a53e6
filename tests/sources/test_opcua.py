"""The OPC UA source against a real server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.clock import AnchoredClock
from gateway.sources.opcua import OpcuaSource
from tests.peers import Link, OpcuaServer, wait_until
from tests.sources.harness import Intake, opcua_config, running

STATE = "nsu=urn:acme:line;s=L01.State"
GOOD = "nsu=urn:acme:line;s=L01.Good"


@pytest.fixture
async def server() -> AsyncIterator[OpcuaServer]:
    """A server that is not running yet."""
    server = OpcuaServer()
    yield server
    await server.stop()


def make(server: OpcuaServer, *nodes: str, url: str | None = None, timeout: str = "10s") -> OpcuaSource:
    return OpcuaSource("plc", opcua_config(url or server.url, timeout=timeout), nodes, AnchoredClock())


async def test_values_with_quality_and_source_time_arrive(server: OpcuaServer) -> None:
    """Each value arrives once, in order, under the node id as it was configured, with the device's time."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(STATE) == [1])
        at = datetime(2026, 11, 3, 10, 20, 30, 500_000, tzinfo=UTC)
        await server.write("L01.State", 2, time=at)
        await wait_until(lambda: intake.values(STATE) == [1, 2])
    sample = intake.samples[-1]
    assert (sample.source, sample.quality, sample.source_time) == ("plc", "good", at.timestamp())
    assert source.health.last_sample_at == sample.received


async def test_a_bad_status_has_no_value_and_an_uncertain_one_keeps_it(server: OpcuaServer) -> None:
    """Quality follows the severity of the status code; a value under a bad status is not a value."""
    await server.start(L01__State=1)
    intake = Intake()
    async with running(make(server, STATE), intake):
        await wait_until(lambda: intake.samples)
        await server.write("L01.State", 2, status=StatusCodes.BadSensorFailure)
        await wait_until(lambda: len(intake.samples) == 2)
        await server.write("L01.State", 3, status=StatusCodes.UncertainLastUsableValue)
        await wait_until(lambda: len(intake.samples) == 3)
    assert [(sample.value, sample.quality) for sample in intake.samples] == [
        (1, "good"),
        (None, "bad"),
        (3, "uncertain"),
    ]


async def test_an_enumeration_is_its_number(server: OpcuaServer) -> None:
    """A tag whose data type is an enumeration arrives as the number of its code."""
    await server.start(L01__State=ua.Variant(ua.ServerState.Suspended, ua.VariantType.Int32))
    intake = Intake()
    async with running(make(server, STATE), intake):
        await wait_until(lambda: intake.samples)
    assert intake.samples[0].value == 3
    assert type(intake.samples[0].value) is int


async def test_a_burst_within_one_publishing_interval_is_not_lost(server: OpcuaServer) -> None:
    """Values that change faster than they are published wait in the server's queue."""
    await server.start(L01__Good=0)
    intake = Intake()
    async with running(make(server, GOOD), intake):
        await wait_until(lambda: intake.samples)
        for count in range(1, 81):
            await server.write("L01.Good", count)
        await wait_until(lambda: intake.values(GOOD) == list(range(81)))


async def test_an_array_is_refused_once_and_shown(server: OpcuaServer) -> None:
    """A tag that holds no scalar makes one notice, not one per value, and stands in health until it holds one."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.samples)
        for numbers in ([1, 2], [3, 4], [5, 6]):
            await server.write("L01.State", ua.Variant(numbers, ua.VariantType.Int32))
        await wait_until(lambda: STATE in source.health.failed)
        assert "array" in source.health.failed[STATE]
        await server.write("L01.State", 7)
        await wait_until(lambda: intake.values(STATE) == [1, 7])
        assert source.health.failed == {}
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("reject", STATE)]


async def test_the_server_may_start_later(server: OpcuaServer) -> None:
    """A gateway that starts before its PLC connects when the PLC is there, and says meanwhile why it is not connected."""
    source, intake = make(server, STATE), Intake()
    async with running(source, intake):
        await wait_until(lambda: "cannot connect" in source.health.detail)
        assert not source.health.connected
        await server.start(L01__State=5)
        await wait_until(lambda: intake.values(STATE) == [5])
        assert source.health.connected
    assert intake.notices == []


async def test_the_server_may_go_and_come_back_with_another_namespace_index(server: OpcuaServer) -> None:
    """After a restart the namespace is found again by its name; the time without connection is a listed gap."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(STATE) == [1])
        await server.stop()
        await wait_until(lambda: not source.health.connected)
        await server.start(before=("urn:acme:other", "urn:acme:more"), L01__State=2)
        await wait_until(lambda: intake.values(STATE) == [1, 2])
        await server.write("L01.State", 3)
        await wait_until(lambda: intake.values(STATE) == [1, 2, 3])
    assert [(notice.kind, notice.source) for notice in intake.notices] == [("gap", "plc")]


async def test_a_missing_node_is_shown_and_found_when_it_appears(server: OpcuaServer) -> None:
    """One tag that does not exist yet costs neither the connection nor the other tags, and joins when it appears."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE, GOOD), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(STATE) == [1])
        await wait_until(lambda: source.health.connected)
        assert list(source.health.failed) == [GOOD]
        assert "BadNodeIdUnknown" in source.health.failed[GOOD]
        since = source.health.since
        await server.add("L01.Good", 9)
        await wait_until(lambda: intake.values(GOOD) == [9])
        assert source.health.failed == {}
        assert source.health.since == since
    assert intake.notices == []


async def test_a_missing_namespace_is_shown_and_found_when_it_appears(server: OpcuaServer) -> None:
    """The namespaces are read again for what is missing: a server may load its program after it began to answer."""
    late = "nsu=urn:acme:late;s=L02.State"
    await server.start(L01__State=1)
    source, intake = make(server, STATE, late), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        assert source.health.failed == {late: "the server has no namespace urn:acme:late"}
        index = await server.server.register_namespace("urn:acme:late")
        await server.server.nodes.objects.add_variable(ua.NodeId.from_string(f"ns={index};s=L02.State"), "L02.State", 4)
        await wait_until(lambda: intake.values(late) == [4])
        assert source.health.failed == {}


async def test_an_item_whose_node_is_gone_is_replaced(server: OpcuaServer) -> None:
    """An item dies with its node and stays dead when the node returns: it is given up and the node asked for anew."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(STATE) == [1])
        # What a server says when a node goes; the one in this test says nothing by itself.
        await server.write("L01.State", 1, status=StatusCodes.BadNodeIdUnknown)
        await wait_until(lambda: STATE in source.health.failed)
        await server.write("L01.State", 2)
        await wait_until(lambda: source.health.failed == {})
        await server.write("L01.State", 3)
        await wait_until(lambda: 3 in intake.values(STATE))
        await server.write("L01.State", 4)
        await wait_until(lambda: 4 in intake.values(STATE))
        assert intake.values(STATE)[-2:] == [3, 4], "the old item still reports"


async def test_a_server_that_falls_silent_is_noticed(server: OpcuaServer) -> None:
    """A connection that stays open but says nothing is given up and built anew."""
    await server.start(L01__State=1)
    link = Link(server.port)
    await link.start()
    source = make(server, STATE, url=f"opc.tcp://127.0.0.1:{link.port}", timeout="1s")
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        link.freeze()
        await wait_until(lambda: not source.health.connected)
        link.resume()
        await wait_until(lambda: source.health.connected)
        await server.write("L01.State", 2)
        await wait_until(lambda: intake.values(STATE)[-1:] == [2])
    await link.stop()


async def test_a_cut_connection_is_rebuilt(server: OpcuaServer) -> None:
    """A reset connection costs a moment and a listed gap, nothing else."""
    await server.start(L01__State=1)
    link = Link(server.port)
    await link.start()
    source = make(server, STATE, url=f"opc.tcp://127.0.0.1:{link.port}")
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(STATE) == [1])
        link.cut()
        await wait_until(lambda: [notice.kind for notice in intake.notices] == ["gap"])
        await wait_until(lambda: intake.values(STATE) == [1, 1])
    await link.stop()


async def test_a_subscription_that_the_server_drops_is_replaced(server: OpcuaServer) -> None:
    """The connection being fine is not enough: a subscription that has vanished at the server is noticed by its silence."""
    await server.start(L01__State=1)
    source, intake = make(server, STATE, timeout="1s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        service = server.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        await wait_until(lambda: [notice.kind for notice in intake.notices] == ["gap"])
        await server.write("L01.State", 2)
        await wait_until(lambda: intake.values(STATE)[-1:] == [2])


async def test_p12_a_full_intake_leaves_values_at_the_server(server: OpcuaServer) -> None:
    """While intake takes nothing, values wait in the server's queue, bounded, and come in order afterwards."""
    await server.start(L01__Good=0)
    source, intake = make(server, GOOD), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(GOOD) == [0])
        intake.open.clear()
        for count in range(1, 61):
            await server.write("L01.Good", count)
            await asyncio.sleep(0.01)
        assert intake.values(GOOD) == [0]
        intake.open.set()
        await wait_until(lambda: intake.values(GOOD) == list(range(61)))


async def test_nothing_listens(server: OpcuaServer) -> None:
    """The reason why there is no connection names neither user nor password of the address."""
    url = f"opc.tcp://user:hunter2@127.0.0.1:{server.port}"
    source = make(server, STATE, url=url)
    async with running(source, Intake()):
        await wait_until(lambda: source.health.since > 0)
        assert "hunter2" not in source.health.detail
