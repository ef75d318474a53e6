"""How long a broker's queue is enough, at the rate that was seen."""

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.mqtt import MqttSource
from gateway.sources.mqtt_messages import HOURS, Busiest
from tests.peers import wait_until
from tests.receipts.models import KeepsIds
from tests.sources.harness import Intake, mqtt_config, running
from tests.sources.scripted_broker import ScriptedBroker

HOUR = 3600.0


def test_at_the_rate_of_the_busiest_hour() -> None:
    """1,000 messages last an hour where 1,000 came in the busiest one, however quiet it is now; after a week without
    such an hour that counts no more."""
    busiest = Busiest()
    for number in range(1_000):
        busiest.add(50.0 + number)
    for hour in range(1, HOURS + 3):
        assert busiest.lasts(1_000, 50.0 + hour * HOUR - 1) == pytest.approx(
            HOUR if hour <= HOURS else 10 * HOUR, 0.001
        )
        for number in range(100):
            busiest.add(50.0 + hour * HOUR + number)


def test_in_the_first_hour_at_the_rate_so_far() -> None:
    """One message a second: 60 last a minute. Before a minute has passed nobody knows, nor where nothing comes."""
    busiest = Busiest()
    assert busiest.lasts(60, 1_000.0) is None
    for number in range(600):
        busiest.add(float(number))
        if number >= 60:
            assert busiest.lasts(60, float(number)) == pytest.approx(60.0, 0.03)
        else:
            assert busiest.lasts(60, float(number)) is None
    assert busiest.lasts(60, 10 * HOUR) == pytest.approx(60 * HOUR / 600)
    assert busiest.lasts(60, 1_000 * HOUR) is None


class Movable(AnchoredClock):
    """A clock that can be put forward, also the monotonic one."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


async def test_a_source_says_how_long_the_stated_queue_lasts() -> None:
    """240 messages in two minutes, and a broker that keeps 7,200: an hour. Where no length is stated nothing is."""
    for queue in (7_200, None):
        async with ScriptedBroker(KeepsIds(window=1_000)) as broker:
            clock, intake = Movable(), Intake()
            source = MqttSource("floor", mqtt_config(broker.url, version="3.1.1", broker_queue=queue), ["a"], clock)
            async with running(source, intake):
                await wait_until(lambda source=source: source.health.connected)  # type: ignore[misc]
                broker.publish(*[("a", b"1")] * 240)
                await wait_until(lambda intake=intake: len(intake.values("a")) == 240)  # type: ignore[misc]
                clock.ahead += 120.0
                asked = len(broker.questions)
                await wait_until(lambda broker=broker, asked=asked: len(broker.questions) > asked)  # type: ignore[misc]
                if queue is None:
                    assert source.health.room is None
                else:
                    await wait_until(lambda source=source: source.health.room is not None)  # type: ignore[misc]
                    assert source.health.room == pytest.approx(3_600.0, 0.5)
