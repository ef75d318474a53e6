"""Shared subscriptions: what a broker does with them, and why the configuration refuses them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.startup import read_config
from gateway.errors import ConfigError
from gateway.sources.mqtt import MqttSource
from tests.peers import Mosquitto, wait_until
from tests.sources.harness import HandClock, Intake, mqtt_config, running

TOPIC = "plant/l01/scrap"
EVENTS = 200


async def test_a_broker_deals_the_messages_out(broker: Mosquitto) -> None:
    """Of two that share a subscription each message comes to one, and neither has all: a line could not count."""
    heard: list[Counter[str]] = [Counter(), Counter()]
    granted: list[int] = []
    clients = []
    for mine in heard:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)

        def on_message(_: Client, __: object, message: Any, mine: Counter[str] = mine) -> None:
            mine[message.payload.decode()] += 1

        client.on_message = on_message
        client.on_subscribe = lambda *_: granted.append(1)
        client.connect("127.0.0.1", broker.port)
        client.subscribe(f"$share/gateways/{TOPIC}", 1)
        client.loop_start()
        clients.append(client)
    try:
        await wait_until(lambda: len(granted) == 2)
        await broker.publish(TOPIC, *map(str, range(EVENTS)))
        await wait_until(lambda: heard[0].total() + heard[1].total() == EVENTS)
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()
    assert set((heard[0] + heard[1]).values()) == {1}
    assert all(0 < mine.total() < EVENTS for mine in heard)


async def test_what_would_become_of_a_shared_topic_that_was_not_refused(broker: Mosquitto) -> None:
    """The broker grants it, so nothing would show; and what comes has another topic than the configuration says."""
    intake = Intake()
    source = MqttSource("floor", mqtt_config(broker.url), [f"$share/gateways/{TOPIC}"], HandClock())
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        assert not source.health.failed
        await broker.publish(TOPIC, "1", "2")
        await wait_until(lambda: source.health.unwanted == {TOPIC: 2})
    assert not [*intake.samples]


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("$share/gateways/plant/l01/scrap", "of a shared subscription each gateway gets a part"),
        ("$queue/plant/l01/scrap", "of a shared subscription each gateway gets a part"),
        ("$exclusive/plant/l01/scrap", "a message never has this topic"),
    ],
)
def test_p10_it_is_refused_with_the_reason_and_what_to_write(tmp_path: Path, topic: str, why: str) -> None:
    """Where it stands, whether it is in a template or not."""
    file = tmp_path / "gateway.yaml"
    file.write_text(f"""oden: {{token: none}}
sources: {{floor: {{type: mqtt, url: "mqtt://127.0.0.1:1", client_id: edge}}}}
templates:
  line:
    inputs:
      scrap: {{source: floor, topic: "{topic}"}}
    run: {{start: {{event: scrap}}, product: P}}
lines:
  - {{factory: F, line: L1, use: line}}
""")
    with pytest.raises(ConfigError) as refused:
        read_config(file, {})
    [diagnostic] = refused.value.diagnostics
    assert diagnostic.where == f"{file}:6:37"
    assert why in diagnostic.text
    assert "write what follows: 'plant/l01/scrap'" in diagnostic.text
