"""What a broker has, heard in a session that comes and goes."""

from pathlib import Path

from gateway.clock import AnchoredClock
from gateway.sources.mqtt_topics import MOST_FIELDS, listen
from tests.peers import Mosquitto
from tests.receipts.models import KeepsIds
from tests.sources.harness import mqtt_config
from tests.sources.scripted_broker import ScriptedBroker


async def test_a_broker_of_3_1_1_is_heard_at_once() -> None:
    """Its refusal of MQTT 5 is no failure of the look."""
    async with ScriptedBroker(KeepsIds()) as broker:
        broker.no_5 = b"\x20\x02\x00\x01"
        broker.publish(("plant-a/L01/order", b"1"))
        heard = await listen(mqtt_config(broker.url), AnchoredClock(), ["#"], 1.0)
    assert broker.levels == [5, 4]
    assert heard.topics["plant-a/L01/order"].fields == {"": 1}


async def test_the_next_address_is_tried(tmp_path: Path) -> None:
    """As the gateway does."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("a", "1", retain=True)
        config = mqtt_config("mqtt://127.0.0.1:1", alternatives=[broker.url])
        heard = await listen(config, AnchoredClock(), ["#"], 1.0)
    assert [*heard.topics] == ["a"]


async def test_a_large_message_is_told_in_part(tmp_path: Path) -> None:
    """So many fields, and the beginning of a long text; what is no message for the gateway is said to be none."""
    many = "{" + ",".join(f'"f{number}": "{"x" * 300}"' for number in range(300)) + "}"
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("many", many, retain=True)
        await broker.publish("huge", b"x" * 300_000, retain=True)
        heard = await listen(mqtt_config(broker.url), AnchoredClock(), ["#"], 1.0)
    assert len(heard.topics["many"].fields) == MOST_FIELDS
    assert heard.topics["many"].fields["f0"] == "x" * 200 + "…"
    assert "300000 bytes" in heard.topics["huge"].problem
