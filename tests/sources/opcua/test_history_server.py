"""The history of a real server, with times that the test has written into it."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from gateway.clock import AnchoredClock
from gateway.sources.opcua.history import Told
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import LINE, OpcuaServer, wait_until
from tests.sources.harness import HandClock, Intake, opcua_config, opcua_tag, opcua_tags, running

GOOD, STATE, PLAIN = (f"nsu={LINE};s={name}" for name in ("Good", "State", "Plain"))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer()
    await server.start(Good=5, State="run", Plain=1)
    started: Any = datetime.now(UTC) - timedelta(days=1)
    await server.server.get_node(ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_StartTime))).write_value(started)
    yield server
    await server.stop()


async def remember(server: OpcuaServer, name: str, kept: list[tuple[datetime, Any, ua.VariantType]]) -> None:
    """The server keeps a history of `name`, and has this in it."""
    index = await server.server.get_namespace_index(LINE)
    node = server.server.get_node(ua.NodeId(ua.String(name), ua.Int16(index)))
    await server.server.iserver.enable_history_data_change(node)
    storage: Any = server.server.iserver.history_manager.storage
    await wait_until(lambda: storage._datachanges[node.nodeid])  # how it is now
    values = []
    for at, value, kind in kept:
        stamp: Any = at
        values.append(ua.DataValue(ua.Variant(value, kind), ua.StatusCode(), stamp, stamp))
    storage._datachanges[node.nodeid][:0] = values


async def test_three_hours_are_read_from_a_real_server(server: OpcuaServer) -> None:
    """A value a second of a tag comes in parts, in the order of their times; a tag without history is a gap."""
    now = datetime.now(UTC)
    began = now - timedelta(hours=3)
    counts = [(began + timedelta(seconds=each), each, ua.VariantType.Int32) for each in range(10_790)]
    stops = [(began + timedelta(minutes=each), f"stop {each}", ua.VariantType.String) for each in range(1, 150)]
    clock = HandClock()
    clock.time = began.timestamp() - 1
    config = opcua_config(server.url, history="auto")
    source, intake = OpcuaSource("plc", config, opcua_tags([GOOD, STATE, PLAIN], config), clock), Intake()
    async with running(source, intake):
        await wait_until(lambda: len(intake.samples) == 3)
    source._told = Told()
    source._before = None  # what it was told has the time of today
    await remember(server, "Good", counts)
    await remember(server, "State", stops)
    clock.time = time.time()
    async with running(source, intake):
        await wait_until(lambda: intake.samples[-1].quality != "bad" and len(intake.samples) >= 9)
    [recovered] = [arrival.recovered for arrival in intake.arrivals if arrival.recovered is not None]
    samples = [sample for moment in recovered.moments for sample in moment.samples]
    of_good = [sample.value for sample in samples if sample.address == GOOD]
    of_state = [sample.value for sample in samples if sample.address == STATE]
    assert of_good == [*range(10_790), 5]
    assert of_state == [*(f"stop {each}" for each in range(1, 150)), "run"]
    assert [sample.received for sample in samples] == sorted(sample.received for sample in samples)
    assert recovered.missing == {PLAIN}
    assert recovered.since == began.timestamp() - 1
    [notice] = [notice for notice in intake.notices if notice.kind == "gap"]
    assert notice.address == PLAIN
    assert "keeps no history of it" in notice.text
    assert server.asked_to_act == []


async def test_alarms_are_read_from_a_real_server(server: OpcuaServer) -> None:
    """This one tells of all events that it has kept, whatever type is asked for; those of the gateway's absence are
    the alarms among them, and what comes later is live."""
    alarms = await server.server.get_event_generator(ua.NodeId(ua.Int32(ObjectIds.AlarmConditionType)))
    others = await server.server.get_event_generator()
    notifier = server.server.get_node(ua.NodeId(ua.Int32(ObjectIds.Server)))
    await server.server.historize_node_event(notifier)
    for number in range(3):
        await alarms.trigger(message=f"alarm {number}")
        await others.trigger(message="no alarm")
    storage: Any = server.server.iserver.history_manager.storage
    await wait_until(lambda: len(storage._events[notifier.nodeid]) == 6)
    config = opcua_config(server.url, history="auto")
    tag = opcua_tag("i=2253", config, event=True, type="AlarmConditionType")
    source, intake = OpcuaSource("plc", config, [tag], AnchoredClock()), Intake()
    source.heard_before(time.time() - 60)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await alarms.trigger(message="live")
        await wait_until(lambda: intake.samples)
    [recovered] = [arrival.recovered for arrival in intake.arrivals if arrival.recovered is not None]
    kept: list[Any] = [sample.value for moment in recovered.moments for sample in moment.samples]
    live: list[Any] = [sample.value for sample in intake.samples]
    assert [value["Message"] for value in kept] == [f"alarm {number}" for number in range(3)]
    assert [value["Message"] for value in live] == ["live"]
    assert (recovered.missing, [notice for notice in intake.notices if notice.kind == "gap"]) == (frozenset(), [])
