"""A broker that has to wait because nothing is taken in keeps its connection, and what it has to say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.mqtt_confirmation import KeepAlive
from gateway.sources.mqtt_connection import HELD_BYTES
from tests.peers import Mosquitto, wait_until
from tests.real_peers.tap import TO_PEER, MqttTap
from tests.sources.harness import Intake, mqtt_source, running

ORDER = "plant-a/L01/events/order"
BOTH = pytest.mark.parametrize("version", ["5", "3.1.1"])


@asynccontextmanager
async def tapped(tmp_path: Path) -> AsyncIterator[tuple[Mosquitto, MqttTap]]:
    """A broker that sends any number of messages without acknowledgement, behind a tap."""
    # Saved at once, each acknowledgement would cost the broker a file of all messages.
    settings = ["max_inflight_messages 0", "autosave_on_changes false", "autosave_interval 0"]
    with Mosquitto(tmp_path / "broker", settings) as broker:
        tap = MqttTap(broker.port)
        await tap.start()
        yield broker, tap
        await tap.stop()


@BOTH
async def test_p6_a_broker_that_has_to_wait_is_not_dead(tmp_path: Path, version: str) -> None:
    """Far more than is held waits, for several times the keep-alive. Pings go on, the connection stays, the page says
    who waits; then everything comes, once, on that connection."""
    payload, number = "x" * 200_000, 2 * HELD_BYTES // 200_000
    async with tapped(tmp_path) as (broker, tap):
        source = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{tap.port}", keepalive="5s", version=version)
        intake = Intake()
        async with running(source, intake) as errors:
            await wait_until(lambda: source.health.connected)
            intake.open.clear()
            await broker.publish(ORDER, *(f'"{each:06}{payload}"' for each in range(number)))
            await wait_until(lambda: "source_waits" in source.health.concerns)
            pings = len(tap.seen(TO_PEER, "PINGREQ"))
            await wait_until(lambda: len(tap.seen(TO_PEER, "PINGREQ")) >= pings + 12)
            assert source.health.connected
            assert "nothing more is taken from the broker" in source.health.concerns["source_waits"]
            intake.open.set()
            await wait_until(lambda: len(intake.samples) >= number)
            await wait_until(lambda: not source.health.concerns)
            await wait_until(lambda: len(intake.session) == 0)
        assert errors == []
    assert [str(value)[:6] for value in intake.values(ORDER)] == [f"{each:06}" for each in range(number)]
    assert (intake.new_sessions, tap.accepted) == ([True], 1)


async def test_p6_behind_many_messages_the_answer_to_a_ping_comes_last(tmp_path: Path) -> None:
    """20,000 small messages are under way when the keep-alive begins to ask: what comes is a sign of life."""
    async with tapped(tmp_path) as (broker, tap):
        away = mqtt_source(broker, ORDER, version="3.1.1")
        async with running(away, Intake()):
            await wait_until(lambda: away.health.connected)
        await broker.publish(ORDER, *(str(each) for each in range(20_000)))
        source, intake = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{tap.port}", version="3.1.1"), Intake()
        async with running(source, intake) as errors:
            await wait_until(lambda: len(intake.samples) >= 20_000)
        assert errors == []
    assert intake.values(ORDER) == list(range(20_000))


class Line:
    """A connection in simulated time, asked every second: when it pings, and when it is given up."""

    def __init__(self, interval: float) -> None:
        self.now, self.pings, self.dead_at = 0.0, list[float](), -1.0
        self.keep_alive = KeepAlive(interval, 0.0)

    def second(self, *, heard: bool) -> None:
        self.now += 1.0
        if heard:
            self.keep_alive.heard()
        if self.keep_alive.dead(self.now) and self.dead_at < 0:
            self.dead_at = self.now
        if self.keep_alive.due(self.now, 1.0):
            self.keep_alive.pinged(self.now)
            self.pings.append(self.now)


@given(interval=st.integers(1, 120), silence=st.integers(0, 400))
def test_p9_a_silent_broker_is_given_up_in_time_and_no_other(interval: int, silence: int) -> None:
    """It hears from us at least every interval; it is given up after two intervals of silence, and a second or two."""
    line = Line(interval)
    for _ in range(100):
        line.second(heard=True)
    began = line.now
    for _ in range(silence):
        line.second(heard=False)
    assert all(after - before <= max(interval, 1) for before, after in zip(line.pings, line.pings[1:], strict=False))
    assert (line.dead_at >= 0) <= (silence >= interval)
    if silence > 2 * interval + 2:
        assert interval <= line.dead_at - began <= 2 * interval + 2
