"""Topics that have left the configuration, and messages that nobody can use."""

from pathlib import Path

from gateway.clock import AnchoredClock
from gateway.sources.mqtt import MqttSource
from gateway.sources.mqtt_subscriptions import FilterFile
from tests.peers import Mosquitto, wait_until
from tests.sources.harness import Intake, mqtt_config, mqtt_source, running
from tests.sources.test_mqtt_rubbish import answering

ORDER, SCRAP = "plant-a/L01/events/order", "plant-a/L01/events/scrap"


def source_of(broker: Mosquitto, *topics: str, directory: Path) -> MqttSource:
    return MqttSource("floor", mqtt_config(broker.url), topics, AnchoredClock(), directory=directory)


def damage(directory: Path) -> None:
    (file,) = directory.glob("subscribed-*.json")
    file.write_bytes(b"\xff{")


async def test_topics_that_left_the_configuration_are_unsubscribed(broker: Mosquitto, tmp_path: Path) -> None:
    """With the next configuration the broker sends nothing of them any more; what it had kept is counted by its topic,
    is no reject, and does not come again. The list on disk follows."""
    topics = [f"left/{number}" for number in range(20)]
    old = source_of(broker, ORDER, SCRAP, *topics, directory=tmp_path)
    async with running(old, Intake()):
        await wait_until(lambda: old.health.connected)
    kept = FilterFile(tmp_path, f"edge-test at 127.0.0.1:{broker.port}")
    assert kept.read() == {ORDER, SCRAP, *topics}
    await broker.publish(SCRAP, "1", "2")
    source, intake = source_of(broker, ORDER, directory=tmp_path), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.unwanted == {SCRAP: 2})
        await wait_until(lambda: kept.read() == {ORDER})
        await broker.publish(SCRAP, "3")
        await broker.publish("left/7", "4")
        await broker.publish(ORDER, "5")
        await wait_until(lambda: intake.values(ORDER) == [5])
    assert source.health.unwanted == {SCRAP: 2}
    assert intake.notices == []


async def test_a_list_that_is_lost_or_damaged_costs_only_the_count(broker: Mosquitto, tmp_path: Path) -> None:
    """The broker goes on sending what was subscribed once: it is counted, and nothing else goes wrong."""
    old = source_of(broker, ORDER, SCRAP, directory=tmp_path)
    async with running(old, Intake()):
        await wait_until(lambda: old.health.connected)
    damage(tmp_path)
    source, intake = source_of(broker, ORDER, directory=tmp_path), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(SCRAP, "1", "1", "1")
        await wait_until(lambda: source.health.unwanted == {SCRAP: 3})
        await wait_until(lambda: len(intake.session) == 0)


async def test_a_topic_that_is_no_text_is_counted_under_a_name() -> None:
    """A topic that is no UTF-8 costs neither the connection nor what comes behind it."""
    both = b"\x32\x0b\x00\x06left/\xff\x00\x011" + b"\x32\x1d\x00\x18" + ORDER.encode() + b"\x00\x025"
    async with answering(b"\x90\x03\x00\x00\x01" + both) as (url, _):
        source, intake = MqttSource("floor", mqtt_config(url, version="3.1.1"), [ORDER], AnchoredClock()), Intake()
        async with running(source, intake) as errors:
            await wait_until(lambda: intake.values(ORDER) == [5])
        assert errors == []
    assert source.health.unwanted == {"left/\\xff": 1}


async def test_p12_a_flood_of_rubbish_is_counted(broker: Mosquitto) -> None:
    """Of thousands of messages that cannot be used none comes again; a good one among them is taken in its order."""
    source, intake = mqtt_source(broker, ORDER, SCRAP), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        rubbish = [b"\xff rubbish %d" % number if number % 2 else b'{"a": 1, "a": 2}' for number in range(4_000)]
        await broker.publish(SCRAP, *rubbish)
        await broker.publish(ORDER, "5")
        await wait_until(lambda: intake.values(ORDER) == [5])
        await wait_until(lambda: len(intake.session) == 0)
    assert [notice.address for notice in intake.notices] == [SCRAP] * 4_000


async def test_topics_of_an_earlier_configuration(broker: Mosquitto) -> None:
    """What the broker sends because the session had asked for it once is acknowledged: no value, no reject."""
    source = mqtt_source(broker, SCRAP)
    async with running(source, Intake()):
        await wait_until(lambda: source.health.connected)
    await broker.publish(SCRAP, b"\xff not text")  # kept for the session, which is subscribed to it no more then
    intake, source = Intake(), mqtt_source(broker, ORDER)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
    assert [arrival.moments == () for arrival, _ in intake.verdicts] == [True, False]
    assert not intake.notices
