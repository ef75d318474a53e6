"""Events a second from a broker's queue to the disk and back as acknowledgements, against a client that keeps nothing.

Each run: a broker (mosquitto) has a queue of events for a session, and is asked for all of them. The bare client is
paho, which acknowledges in its callback. The gateway's parts are source, intake and outbox in one process, as they run:
each event is committed before it is acknowledged. All in one run, in turn, so that the machine is the same for each;
what `run` sets up for its process holds here too, for the bare client as well.
"""

import asyncio
import gc
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from silence import silent

from gateway.cli.run import UNREACHABLE
from gateway.clock import AnchoredClock
from gateway.config.message_schemas import MessageSchema
from gateway.config.schema import Line
from gateway.config.schema_mqtt import MqttConfig
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan, compile_line
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.mqtt import MqttSource
from tests.peers import Mosquitto

EVENTS = 10_000
ROUNDS = 3
PATIENCE = 120.0
KINDS = (
    ("intake and commit alone", 1, False, 0.0),
    ("with mapping, 1 line", 1, True, 0.0),
    ("with mapping, 40 lines", 40, True, 0.0),
    ("with mapping, 1 line, 20 ms more a commit", 1, True, 0.02),
)
"""Label, lines, whether they are mapped, seconds that each commit takes longer."""


def line(number: int, schema: MessageSchema | None = None) -> LinePlan:
    """A line that counts scrap, and whose orders fit `schema`."""
    file = Path("order.json")
    fits = {"json_schema": file} if schema is not None else {}
    section = {
        "factory": "Factory A",
        "line": f"Line {number}",
        "inputs": {
            "order": {"source": "floor", "topic": f"plant/{number}/order", "field": "number", **fits},
            "scrap": {"source": "floor", "topic": f"plant/{number}/scrap"},
        },
        "run": {"key": "order", "product": "{order}", "settle": "0s"},
        "scrap_yield": {
            "every": "60s",
            "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}", "code": "{scrap.code}"}}],
        },
    }
    schemas = {file: schema} if schema is not None else {}
    return compile_line(Line.model_validate(section), ("lines", number), schemas=schemas)


def queue(broker: Mosquitto, client_id: str, lines: int) -> None:
    """Leave EVENTS for the session of `client_id`."""
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    session = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    session.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
    session.loop_start()
    granted: list[int] = []
    session.on_subscribe = lambda *_: granted.append(1)
    session.subscribe("plant/#", 1)
    while not granted:
        time.sleep(0.01)
    session.disconnect()
    session.loop_stop()
    orders = [(f"plant/{number}/order", '{"number": "A1"}') for number in range(lines)]
    events = [
        (f"plant/{number % lines}/scrap", json.dumps({"qty": 1, "code": f"code {number % 7}", "at": number}))
        for number in range(EVENTS - lines)
    ]
    publisher = Client(CallbackAPIVersion.VERSION2)
    publisher.max_inflight_messages_set(1000)
    publisher.connect("127.0.0.1", broker.port)
    publisher.loop_start()
    for sent in [publisher.publish(topic, payload, 1) for topic, payload in (*orders, *events)]:
        sent.wait_for_publish(PATIENCE)
    publisher.disconnect()
    publisher.loop_stop()


def bare(broker: Mosquitto, window: int) -> tuple[float, float]:
    """Seconds, and seconds of the processor, that the bare client takes."""
    queue(broker, "bare", 1)
    client = Client(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    count = 0

    def on_message(client: Client, _: object, message: Any) -> None:
        nonlocal count
        count += 1
        client.ack(message.mid, message.qos)

    client.on_message = on_message
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = window
    began, processor = time.monotonic(), time.process_time()
    client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
    while count < EVENTS:
        client.loop(1.0)
    spent = time.monotonic() - began, time.process_time() - processor
    client.disconnect()
    return spent


class SlowDisk(OutboxThread):
    """An outbox on a disk that takes `delay` seconds longer for each commit."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._delay = delay

    async def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def late(outbox: Outbox) -> Any:
            time.sleep(self._delay if call is Outbox.commit else 0.0)
            return call(outbox, *args, **kwargs)

        return await super().__call__(late)


async def gateway(
    broker: Mosquitto, folder: Path, lines: int, plans: Sequence[LinePlan], delay: float = 0.0
) -> tuple[float, float]:
    """The same for the gateway."""
    await asyncio.to_thread(queue, broker, "edge", lines)
    outbox, clock = SlowDisk(delay) if delay else OutboxThread(), AnchoredClock()
    await outbox.open(lambda: open_outbox(folder, limit=2**30, min_free=0.0, span=900.0))
    intake = Intake(outbox, plans, clock, lambda _: None, lambda _: None)
    await intake.load()
    config = MqttConfig.model_validate({"type": "mqtt", "url": broker.url, "client_id": "edge", "version": "5"})
    topics = [f"plant/{number}/{kind}" for number in range(lines) for kind in ("order", "scrap")]
    source = MqttSource("floor", config, topics, clock)
    began, processor = time.monotonic(), time.process_time()
    tasks = [asyncio.create_task(intake.run()), asyncio.create_task(source.run(intake.take))]
    while sum(intake.health.samples.values()) < EVENTS:
        assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
        await asyncio.sleep(0.002)
    spent = time.monotonic() - began, time.process_time() - processor
    await intake.close(10.0)
    tasks[1].cancel()
    intake.stop()
    await asyncio.gather(*tasks, return_exceptions=True)
    await outbox.close()
    return spent


def main() -> None:
    silent()
    plans = {1: [line(0)], 40: [line(number) for number in range(40)]}
    gc.collect()
    gc.freeze()  # as `run` does, and so is the next
    gc.set_threshold(*UNREACHABLE)
    for window in (500, 1000):
        runs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                settings = [f"max_inflight_messages {window}", "autosave_on_changes false", "autosave_interval 0"]
                with Mosquitto(Path(name) / "broker", settings) as broker:
                    runs["bare client"].append(bare(broker, window))
                    for label, lines, mapped, delay in KINDS:
                        folder = Path(name) / label.replace(" ", "-")
                        chosen = plans[lines] if mapped else []
                        runs[label].append(asyncio.run(gateway(broker, folder, lines, chosen, delay)))
        of_bare = statistics.median(seconds for seconds, _ in runs["bare client"])
        for label, spent in runs.items():
            seconds, processor = (statistics.median(column) for column in zip(*spent, strict=True))
            rate = f"{EVENTS / seconds:,.0f} events/s, {of_bare / seconds:.2f} of the bare client"
            print(f"window {window}, {label}: {rate}, {processor / EVENTS * 1e6:.0f} µs of the processor an event")


if __name__ == "__main__":
    main()
