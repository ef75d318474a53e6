"""How long a good event waits for its acknowledgement while another topic is flooded with messages that nobody can use.

A client publishes RATE messages of rubbish a second, as a machine does that is set up wrong, and a good event each half
second. Both go through a broker (mosquitto), source, intake and outbox in one process. What is printed is the time
from the publish to the acknowledgement after the commit, of which the least is that of a batch; and the time of the
processor for each message, of which RATE must leave some. Unlike the wait, that is the same on a busy machine.
"""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench_mqtt import line
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from silence import silent

from gateway.clock import AnchoredClock
from gateway.config.message_schemas import MessageSchema
from gateway.config.schema_mqtt import MqttConfig
from gateway.intake import Intake
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.base import Arrival
from gateway.sources.mqtt import MqttSource
from tests.peers import Mosquitto, wait_until

RATE = 3_000
SECONDS = 15
GOOD, FLOODED = "plant/0/scrap", "plant/0/order"
RUBBISH = {
    "no UTF-8": b"\xff\xfe rubbish",
    "a key twice": b'{"number": "A1", "number": "A2"}',
    "without the field": b'{"other": 1}',
    "no fit for its schema": b'{"number": 17}',
}
SCHEMA = MessageSchema("order.json", '{"required": ["number"], "properties": {"number": {"type": "string"}}}')


def flood(port: int, rubbish: bytes) -> None:
    """Publish for SECONDS."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(2_000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    began, sent, good = time.monotonic(), 0, 0
    while (passed := time.monotonic() - began) < SECONDS:
        for _ in range(int(passed * RATE) - sent):
            client.publish(FLOODED, rubbish, 1)
            sent += 1
        if passed > good / 2:
            client.publish(GOOD, json.dumps({"qty": 1, "code": "x", "sent": time.monotonic()}), 1)
            good += 1
        time.sleep(0.005)
    client.disconnect()
    client.loop_stop()


async def delays(folder: Path, rubbish: bytes, schema: MessageSchema | None) -> tuple[list[float], float]:
    """Seconds that each good event waited, and seconds of the processor for each message."""
    waited: list[float] = []
    taken = 0
    with Mosquitto(folder / "broker", ["autosave_on_changes false", "autosave_interval 0"]) as broker:
        outbox, clock = OutboxThread(), AnchoredClock()
        await outbox.open(lambda: open_outbox(folder / "outbox", limit=2**30, min_free=0.0, span=900.0))
        intake = Intake(outbox, [line(0, schema)], clock, lambda _: None, lambda _: None)
        await intake.load()

        async def take(arrival: Arrival) -> None:
            nonlocal taken
            taken += arrival.receipt is not None
            values = [sample.value for sample in arrival.samples if sample.address == GOOD]
            done = arrival.done
            if values and isinstance(values[0], dict) and done is not None:
                sent = values[0]["sent"]

                def measured() -> None:
                    waited.append(time.monotonic() - sent)
                    done()

                arrival = replace(arrival, done=measured)
            await intake.take(arrival)

        config = MqttConfig.model_validate({"type": "mqtt", "url": broker.url, "client_id": "edge", "version": "5"})
        source = MqttSource("floor", config, [GOOD, FLOODED], clock)
        tasks = [asyncio.create_task(intake.run()), asyncio.create_task(source.run(take))]
        await wait_until(lambda: source.health.connected)
        publisher = multiprocessing.get_context("spawn").Process(target=flood, args=(broker.port, rubbish))
        publisher.start()
        processor = time.process_time()
        await asyncio.to_thread(publisher.join)
        await asyncio.sleep(2.0)
        processor = time.process_time() - processor
        tasks[1].cancel()
        intake.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await outbox.close()
    return waited, processor / taken


def main() -> None:
    silent()
    for name, rubbish in RUBBISH.items():
        with tempfile.TemporaryDirectory() as folder:
            waited, each = asyncio.run(delays(Path(folder), rubbish, SCHEMA if "schema" in name else None))
        print(
            f"{RATE:,} messages a second, {name}: a good event waits {statistics.median(waited):.2f} s, "
            f"at most {max(waited):.2f} s ({len(waited)} of {2 * SECONDS}); {each * 1e6:.0f} µs of the processor each"
        )


if __name__ == "__main__":
    main()
