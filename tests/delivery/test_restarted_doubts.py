"""What is in doubt rests until its next look-up: a restart does not make that longer than it was meant to be, whatever
the clocks of the lives before said."""

import asyncio

import pytest

from gateway.delivery.drain import DeliveryOptions
from tests.delivery.simulated import Plant, live

PLAIN = DeliveryOptions(settle=60.0, timeout=30.0)
DAYS = 2 * 86_400.0


async def restarted(plant: Plant, ahead: float) -> None:
    """Killed, and on again by a clock that is `ahead` by so many seconds."""
    plant.ahead = ahead
    await plant.restart(PLAIN, plant.rows, 0.0, forgets=False)


@pytest.mark.parametrize("lasting", [5.0, 200.0])
def test_p4_a_doubt_rests_no_longer_after_a_restart_than_it_was_to(lasting: float) -> None:
    """A create is cut while the clock is right; a life by a clock that is two days ahead puts its look-up off by that
    clock, before the first or after some that Oden fails. Once the clock is right again, it is looked up as soon as if
    it had been so all the time. It rested for an hour, because nothing told by which clock the rest had begun.
    """

    async def story(plant: Plant) -> None:
        await plant.until(lambda: plant.drain.lines != {})
        plant.commit(plant.start(10))
        await plant.until(lambda: plant.outbox.counts().in_doubt == 1)
        await restarted(plant, DAYS)
        await asyncio.sleep(lasting)
        assert plant.outbox.counts().in_doubt == 1
        plant.injector.clear()
        began = asyncio.get_running_loop().time()
        await restarted(plant, 0.0)
        await plant.drained()
        # The settling time, and the longest pause that had been chosen after so few look-ups.
        assert asyncio.get_running_loop().time() - began < PLAIN.settle + 60.0
        assert len(plant.intervals("RUN")) == 1

    live(story, faults=["close commit=yes at=interval/set", "error status=503 retryable=yes at=interval/search"])
