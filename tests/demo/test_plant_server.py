"""The simulated line on real protocols: what an OPC UA client and an MQTT client see is what the truth says."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client as OpcuaClient

from gateway.clock import AnchoredClock
from gateway.simulator.plant import FIRST_SHOWN, Event
from gateway.simulator.plant_server import NAMESPACE, ORDER_TOPIC, SCRAP_TOPIC, PlantServer
from tests.demo.test_broker import VERSIONS, Peer
from tests.peers import free_port, wait_until

TAGS = ("State", "Good", "Reject")


@dataclass
class Plant:
    """A line that has been started, and what it says of itself."""

    opcua: int
    mqtt: int
    truth: list[Event] = field(default_factory=list)
    server: PlantServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = PlantServer(self.opcua, self.mqtt, AnchoredClock(), self.truth.append)

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.opcua}"


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    plant = Plant(free_port(), free_port())
    await plant.server.start()
    yield plant
    await plant.server.stop()


class Watcher:
    """Notes every change that a subscription reports: tag -> (value, source time)."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[int, float]]] = {tag: [] for tag in TAGS}

    async def watch(self, client: OpcuaClient) -> None:
        index = await client.get_namespace_index(NAMESPACE)
        subscription = await client.create_subscription(50, self)
        nodes = [client.get_node(f"ns={index};s=L01.{tag}") for tag in TAGS]
        await subscription.subscribe_data_change(nodes, queuesize=100)

    def datachange_notification(self, node: Any, value: int, data: Any) -> None:
        stamp = data.monitored_item.Value.SourceTimestamp.timestamp()
        self.seen[node.nodeid.Identifier.removeprefix("L01.")].append((value, round(stamp, 3)))


async def test_at_once_the_line_works_though_nobody_listens(plant: Plant) -> None:
    await plant.server.produce(seed=2, seconds=0, at_once=True)
    assert [event.kind for event in plant.truth[:2]] == ["state", "order"]
    assert plant.truth[-1].kind == "totals"


async def test_clients_see_what_the_truth_says(plant: Plant) -> None:
    """Every change of a tag arrives with its time as source time, and every event with its own time, once, in order.

    Also when the broker is away for a while: later events wait for it, and what was not acknowledged comes again.
    """
    watcher = Watcher()
    reader = await Peer(plant.mqtt, "gateway", VERSIONS[0]).connect()
    await reader.subscribe(ORDER_TOPIC)
    work = asyncio.create_task(plant.server.produce(seed=2, seconds=0))
    async with OpcuaClient(plant.endpoint) as client:
        await watcher.watch(client)
        await wait_until(lambda: all(watcher.seen.values()))
        assert len(plant.truth) == 1, "the line begins although nobody listens to scrap"
        await reader.subscribe(SCRAP_TOPIC)
        await wait_until(lambda: len(reader.got) == 1)
        await reader.die()
        await plant.server.stop_broker()
        await work
        sent = len(plant.server._broker._sessions["gateway"].inflight)
        await plant.server.start_broker()
        expected = {
            "State": [(event.code, event.at) for event in plant.truth if event.kind == "state"],
            **{
                tag: [
                    (FIRST_SHOWN[tag], plant.truth[0].at),
                    *((event.value, event.at) for event in plant.truth if event.kind == "count" and event.tag == tag),
                ]
                for tag in ("Good", "Reject")
            },
        }
        await wait_until(lambda: watcher.seen == expected)
    messages = [
        (ORDER_TOPIC, {"number": event.number, "sku": event.sku}, event.at)
        if event.kind == "order"
        else (SCRAP_TOPIC, {"qty": event.qty, "code": event.code}, event.at)
        for event in plant.truth
        if event.kind in ("order", "scrap")
    ]
    again = await Peer(plant.mqtt, "gateway", VERSIONS[0]).connect()
    await wait_until(lambda: len(again.got) == len(messages))
    assert sent >= 1
    assert [message.dup for message in again.got] == [True] * sent + [False] * (len(messages) - sent)
    for message, (topic, fields, at) in zip(again.got, messages, strict=True):
        body = json.loads(message.payload)
        assert datetime.fromisoformat(body.pop("at")).timestamp() == pytest.approx(at, abs=0.0005)
        assert (message.topic, message.qos, body) == (topic, 1, fields)
    assert plant.truth[-1].kind == "totals"
    await again.die()


async def test_p2_a_restarted_opcua_server_shows_the_same_with_the_same_times(plant: Plant) -> None:
    """After its server was stopped and started, a tag has the value and the source time that it had."""

    async def shown() -> list[tuple[Any, Any]]:
        async with OpcuaClient(plant.endpoint) as client:
            index = await client.get_namespace_index(NAMESPACE)
            values = [await client.get_node(f"ns={index};s=L01.{tag}").read_data_value() for tag in TAGS]
            assert all(value.Value is not None and value.Value.VariantType is ua.VariantType.UInt16 for value in values)
            return [(value.Value and value.Value.Value, value.SourceTimestamp) for value in values]

    before = await shown()
    await plant.server.stop_opcua()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plant.opcua)
    await plant.server.start_opcua()
    assert await shown() == before
