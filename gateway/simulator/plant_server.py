"""The simulated line on real protocols: an OPC UA server with its tags and an MQTT broker with its events.

The tags are `nsu=urn:acme:line;s=L01.State|L01.Good|L01.Reject`, with the time of the change as source time. Orders
and scrap are MQTT messages (QoS 1), published by a client as the order system of a factory would: while the broker
is away it keeps them and hands them over later. The line stands idle until somebody listens to all of it, since
nobody can be held to what he could not have heard.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from asyncua import ua
from asyncua.common.callback import Callback, CallbackService, CallbackType, ServerItemCallback
from asyncua.server.server import Server
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.clock import Clock
from gateway.simulator.broker import Broker
from gateway.simulator.plant import EVENT, FIRST_SHOWN, IDLE, Event, Order, Scrap, StateChange, shift

log = structlog.get_logger()

NAMESPACE = "urn:acme:line"
ORDER_TOPIC = "plant-a/L01/events/order"
SCRAP_TOPIC = "plant-a/L01/events/scrap"


class PlantServer:
    """The line at work. Each protocol can be stopped and started while the line goes on.

    `on_event` is called with every event right after it could be seen.
    """

    def __init__(self, opcua_port: int, mqtt_port: int, clock: Clock, on_event: Callable[[Event], None]) -> None:
        self._endpoint = f"opc.tcp://127.0.0.1:{opcua_port}"
        self._broker = Broker(mqtt_port)
        self._clock = clock
        self._on_event = on_event
        self._opcua: Server | None = None
        self._nodes: dict[str, ua.NodeId] = {}
        self._watched: set[ua.NodeId] = set()
        self._stop_at = float("inf")
        at = self._now()
        self._tags = {"State": (IDLE, at)} | {tag: (value, at) for tag, value in FIRST_SHOWN.items()}
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="order-system", protocol=MQTTv5)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.connect_async("127.0.0.1", mqtt_port)

    async def start(self) -> None:
        """Start both protocols; OSError where a port is taken."""
        await self.start_opcua()
        await self.start_broker()
        self._client.loop_start()
        self._on_event(StateChange(self._tags["State"][1], IDLE))

    async def stop(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        await self.stop_broker()
        await self.stop_opcua()

    async def start_broker(self) -> None:
        await self._broker.start()

    async def stop_broker(self) -> None:
        await self._broker.stop()

    async def start_opcua(self) -> None:
        """Start an OPC UA server that shows what the line shows now."""
        server = Server()
        await server.init()
        server.set_endpoint(self._endpoint)
        server.set_server_name("Simulated extrusion line")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace(NAMESPACE)
        for tag, (value, at) in self._tags.items():
            self._nodes[tag] = ua.NodeId(ua.String(f"L01.{tag}"), ua.Int16(index))
            await server.nodes.objects.add_variable(self._nodes[tag], tag, value, ua.VariantType.UInt16)
            await server.write_attribute_value(self._nodes[tag], _data_value(value, at))
        server.subscribe_server_callback(CallbackType.ItemSubscriptionCreated, self._note_subscribed)
        await server.start()
        self._opcua = server

    async def stop_opcua(self) -> None:
        server, self._opcua = self._opcua, None
        if server is not None:
            await server.stop()

    def finish(self) -> None:
        """Let the line come to an end as soon as it may."""
        self._stop_at = 0.0

    async def produce(self, seed: int, seconds: float | None, *, at_once: bool = False) -> None:
        """Wait until somebody listens, unless `at_once`, then let the line work: for `seconds`, or until `finish`.

        Returns at its end.
        """
        while not at_once and not self._has_subscribers():  # noqa: ASYNC110 - two servers without a common event
            await asyncio.sleep(0.1)
        begin = self._now()
        if seconds is not None:
            self._stop_at = min(self._stop_at, begin + seconds)
        for event in shift(seed, begin, lambda at: at >= self._stop_at):
            await asyncio.sleep(event.at - self._clock.now())
            await self._play(event)

    def _has_subscribers(self) -> bool:
        return self._watched.issuperset(self._nodes.values()) and all(
            map(self._broker.has_subscriber, (ORDER_TOPIC, SCRAP_TOPIC))
        )

    async def _play(self, event: Event) -> None:
        if event.kind == "state":
            await self._show("State", event.code, event.at)
        elif event.kind == "count":
            await self._show(event.tag, event.value, event.at)
        elif event.kind == "order":
            self._publish(ORDER_TOPIC, event, number=event.number, sku=event.sku)
        elif event.kind == "scrap":
            self._publish(SCRAP_TOPIC, event, qty=event.qty, code=event.code)
        self._on_event(event)

    async def _show(self, tag: str, value: int, at: float) -> None:
        self._tags[tag] = (value, at)
        if self._opcua is not None:
            await self._opcua.write_attribute_value(self._nodes[tag], _data_value(value, at))

    def _publish(self, topic: str, event: Order | Scrap, **fields: str | int) -> None:
        at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
        self._client.publish(topic, json.dumps({**fields, "at": at}), qos=1)

    def _note_subscribed(self, event: Callback, _service: CallbackService) -> None:
        """Remember which tags have been subscribed to (called by the OPC UA server)."""
        if isinstance(event, ServerItemCallback):
            self._watched.update(item.ItemToMonitor.NodeId for item in event.request_params.ItemsToCreate)

    def _now(self) -> float:
        return round(self._clock.now(), 3)


def _data_value(value: int, at: float) -> ua.DataValue:
    time = ua.DateTime.fromtimestamp(at, UTC)
    return ua.DataValue(ua.Variant(value, ua.VariantType.UInt16), SourceTimestamp=time, ServerTimestamp=time)


class TruthFile:
    """The events as a file, one JSON object a line, each on disk for other processes when `append` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def append(self, event: Event) -> None:
        self._file.write(EVENT.dump_json(event) + b"\n")

    def close(self) -> None:
        self._file.close()
