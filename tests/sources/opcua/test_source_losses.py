"""The OPC UA source against a real server, of which something is lost: a node, a subscription, the connection, time."""

import asyncio
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import PATIENCE, OpcuaServer, free_port, wait_until
from tests.sources.harness import Intake, node, opcua_config, opcua_source, opcua_tags, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_server_may_start_later(plc: OpcuaServer) -> None:
    """A gateway that starts before its PLC connects when the PLC is there, and says meanwhile why it is not."""
    source, intake = opcua_source(plc, "L01.State"), Intake()
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
    source, intake = opcua_source(plc, "L01.State"), Intake()
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
    """The mapping is told that there are no good values any more, once for each time the server goes; on a busy machine
    the connection may be lost once more."""
    source, intake = opcua_source(plc, "L01.State", "L02.State"), Intake()

    def bad() -> list[str]:
        return [sample.address for sample in intake.samples if sample.quality == "bad"]

    both = [node("L01.State"), node("L02.State")]
    async with running(source, intake) as failures:

        async def tried_again() -> None:
            tried = len(failures)
            await wait_until(lambda: len(failures) > tried + 2)

        await tried_again()
        assert bad() == both
        await plc.start(L01__State=1, L02__State=1)
        await wait_until(lambda: source.health.connected and 1 in intake.values(both[0]))
        await plc.stop()
        await wait_until(lambda: "cannot connect" in source.health.detail)
        await tried_again()
        again = sum(notice.kind == "gap" for notice in intake.notices)
        assert bad() == both * (2 + again)


@pytest.mark.parametrize("answers", [False, True])
async def test_a_source_that_is_ended_while_it_connects_ends_at_once(plc: OpcuaServer, *, answers: bool) -> None:
    """At whichever step of it: a library that swallows a cancellation as the connection stands, or is refused, does not
    keep it going."""
    if answers:
        await plc.start(L01__State=1)
    for steps in range(40):
        connecting = asyncio.create_task(opcua_source(plc, "L01.State").run(Intake().take))
        for _ in range(steps):
            await asyncio.sleep(0)
        if connecting.done():
            break
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=PATIENCE)
        assert connecting.cancelled(), f"after {steps} steps"
    assert steps > 6
    await asyncio.gather(connecting, return_exceptions=True)


async def test_p9_a_missing_node_is_shown_and_found_when_it_appears(server: OpcuaServer, tag: str) -> None:
    """One tag that does not exist yet costs neither the connection nor the other tags, and joins when it appears."""
    late = f"{tag}.late"
    await server.add(tag, 1)
    source, intake = opcua_source(server, tag, late), Intake()
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
    source, intake = opcua_source(server, tag), Intake()
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
    source = opcua_source(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}", timeout="4s")
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
    source = opcua_source(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}")
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
    source, intake = opcua_source(plc, "L01.State", timeout="4s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        service = plc.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        await wait_until(lambda: intake.notices)
        assert {notice.kind for notice in intake.notices} == {"gap"}
        await plc.write("L01.State", 2)
        await wait_until(lambda: intake.values(node("L01.State"))[-1:] == [2])


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
    source, intake = opcua_source(plc, "L01.State", timeout="6s"), Intake()
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
    source, intake = opcua_source(server, tag, other, audit="2s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1] == intake.values(node(other)))
        await server.delete(tag)
        await wait_until(lambda: node(tag) in source.health.failed)
        await server.add(tag, 5)
        await wait_until(lambda: intake.values(node(tag)) == [1, 5])
        assert source.health.failed == {}
    assert [sample.address for sample in intake.samples if sample.quality == "bad"] == [node(tag)]
    assert intake.values(node(other)) == [1]


async def test_no_session_is_left_after_many_connections(server: OpcuaServer, tag: str) -> None:
    """Whatever ended a connection, its session is closed or was never opened."""
    await server.add(tag, 0)
    for _ in range(5):
        source, intake = opcua_source(server, tag), Intake()
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
    source, intake = opcua_source(server, tag, url=f"opc.tcp://127.0.0.1:{link.port}"), Intake()
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
