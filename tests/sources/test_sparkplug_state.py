"""STATE of a primary host: what is made of it, and what the gateway says as one."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.startup import read_config
from gateway.config.schema_mqtt import MqttConfig
from gateway.errors import ConfigError
from gateway.live.visit import visitor
from gateway.sources.mqtt_presence import PrimaryHost, announcement, state
from tests.links import Link
from tests.peers import Mosquitto, wait_until
from tests.sources.harness import Intake, mqtt_config, mqtt_source, running

NEW, OLD = "spBv1.0/STATE/SCADA", "STATE/SCADA"
HOST = "primary host SCADA"


def states(intake: Intake) -> list[Any]:
    """What has come of all hosts."""
    return [*intake.values("spBv1.0/STATE/+host")]


@pytest.mark.parametrize(
    ("said", "offline"),
    [
        ([(NEW, state(1, online=True))], False),
        ([(NEW, state(1, online=False))], True),
        ([(NEW, state(1, online=True)), (NEW, state(2, online=False))], True),
        ([(NEW, state(2, online=True)), (NEW, state(1, online=False))], False),
        ([(NEW, state(2, online=True)), (NEW, state(2, online=False))], True),
        ([(OLD, b"ONLINE")], False),
        ([(OLD, b"OFFLINE")], True),
        ([(OLD, b"OFFLINE"), (OLD, b"ONLINE")], False),
        ([(OLD, b"ONLINE"), (NEW, state(1, online=False))], False),
        ([(OLD, b"OFFLINE"), (NEW, state(1, online=True))], False),
        ([(NEW, b"OFFLINE"), (NEW, b'{"online": false}'), (NEW, b"[1]"), (OLD, b'{"online": false}')], False),
        ([(NEW, b"[" * 100_000)], False),
    ],
)
def test_when_a_primary_host_is_offline(said: list[tuple[str, bytes]], *, offline: bool) -> None:
    """By the newest that it has said, by either version; what is no STATE says nothing. It is told once."""
    failed: dict[str, str] = {}
    host = PrimaryHost("SCADA", failed)
    for topic, payload in said:
        host.hear(topic, payload)
    assert len(failed) == offline
    assert failed.keys() <= {HOST}


async def test_the_state_of_a_primary_host_is_followed(broker: Mosquitto) -> None:
    """Also what the broker has kept of it. Nothing is published, and no message waits for its acknowledgement."""
    watcher, seen = mqtt_source(broker, NEW, OLD, client_id="watcher"), Intake()
    async with running(watcher, seen):
        await wait_until(lambda: watcher.health.connected)
        await broker.publish(NEW, state(1, online=False), retain=True)
        source, intake = mqtt_source(broker, "plant/order", host_id="SCADA"), Intake()
        async with running(source, intake):
            await wait_until(lambda: HOST in source.health.failed)
            await broker.publish(NEW, state(2, online=True), retain=True)
            await wait_until(lambda: not source.health.failed)
            await broker.publish(OLD, "OFFLINE")
            await broker.publish("plant/order", "1")
            await wait_until(lambda: intake.values("plant/order") == [1])
            assert not source.health.failed
            assert not source.health.unwanted
            await wait_until(lambda: len(intake.session) == 0)
        await wait_until(lambda: seen.values(OLD) == ["OFFLINE"])
    assert len(seen.values(NEW)) == 2


async def test_p14_as_a_primary_host_the_gateway_says_whether_it_is_there(broker: Mosquitto) -> None:
    """Online while it is connected, kept by the broker; offline when it stops, and when the broker loses it, with the
    times that 3.0 asks for. That of an earlier connection, or of anybody else, it contradicts at once."""
    seen = Intake()
    watcher = mqtt_source(broker, "spBv1.0/STATE/+host", client_id="watcher")

    def told() -> list[tuple[bool, float]]:
        return [(value["online"], value["timestamp"]) for value in states(seen)]

    def contradicted(stale: float) -> bool:
        return (False, stale) in told() and told()[-1][0]

    async with running(watcher, seen):
        await wait_until(lambda: watcher.health.connected)
        link = Link(broker.port)
        await link.start()
        ours = {"host_id": "GW", "primary_host": True}
        source = mqtt_source(broker, url=f"mqtt://127.0.0.1:{link.port}", **ours)
        async with running(source, Intake()):
            await wait_until(lambda: source.health.connected)
            await wait_until(lambda: [online for online, _ in told()] == [True])
            link.cut()
            await wait_until(lambda: [online for online, _ in told()][:3] == [True, False, True])
            assert told()[0][1] == told()[1][1], "the will has the time of the birth"
            await wait_until(lambda: source.health.connected)
            for ago in (1, 60):
                stale = int(told()[-1][1] / 1000) - ago
                await broker.publish("spBv1.0/STATE/GW", state(stale, online=False), retain=True)
                await wait_until(partial(contradicted, stale * 1000))
            await wait_until(lambda: not source.health.failed)
        await wait_until(lambda: told()[-1][0] is False)
        await link.stop()
    late, kept = mqtt_source(broker, "spBv1.0/STATE/+host", client_id="late"), Intake()
    async with running(late, kept):
        await wait_until(lambda: [value["online"] for value in states(kept)] == [False])


def test_a_visitor_says_nothing_as_a_host() -> None:
    """`browse` and `tail` connect beside the gateway: their farewell would stop the edge nodes."""
    config = mqtt_config("mqtt://127.0.0.1:1", host_id="GW", primary_host=True)
    assert announcement(config, 1.0) is not None
    seen = visitor(config)
    assert isinstance(seen, MqttConfig)
    assert announcement(seen, 1.0) is None


@pytest.mark.parametrize(
    ("more", "where", "text"),
    [
        ("primary_host: true", "2:86", "for which host do the edge nodes wait? Write its id as 'host_id'"),
        ("primary_host: true, host_id: GW, presence: {topic: t}", "2:115", "one last will"),
        ("host_id: a/b", "2:81", "which is one level of a topic"),
    ],
)
def test_p10_what_does_not_fit_is_refused(tmp_path: Path, more: str, where: str, text: str) -> None:
    """A host without a name, two last wills, a name that is no level of a topic."""
    file = tmp_path / "gateway.yaml"
    file.write_text(f"""oden: {{token: none}}
sources: {{floor: {{type: mqtt, url: "mqtt://127.0.0.1:1", client_id: e, {more}}}}}
lines:
  - factory: F
    line: L
    inputs: {{order: {{source: floor, topic: order}}}}
    run: {{key: order, product: P}}
""")
    with pytest.raises(ConfigError) as refused:
        read_config(file, {})
    [diagnostic] = refused.value.diagnostics
    assert text in str(diagnostic)
    assert diagnostic.where == f"{file}:{where}"


def test_a_state_is_what_3_0_says() -> None:
    """JSON, with milliseconds."""
    assert json.loads(state(1_700_000_000.5, online=True)) == {"online": True, "timestamp": 1_700_000_000_500}
