"""Oden that takes nothing of what it is told: when that counts as no delivery, and when again as one."""

import asyncio
from dataclasses import replace

from gateway.delivery.breaker import ALARM, FEW, REFUSING
from gateway.delivery.drain import DeliveryOptions
from gateway.delivery.learned import learned
from gateway.outbox import told
from tests.delivery.simulated import Plant, T, live

PRODUCT = "error status=400 at=interval/set holding=Film"


def refuses(plant: Plant) -> str | None:
    return plant.drain.health.refuses(T + asyncio.get_running_loop().time())


async def refused(plant: Plant, *runs: int) -> None:
    before = plant.outbox.counts().dead
    plant.commit(*(plant.start(60 * number, name=f"order{number:02}") for number in runs))
    await plant.until(lambda: plant.outbox.counts().dead == before + len(runs))


def test_p9_few_refusals_count_as_no_delivery_once_nothing_was_taken_for_minutes() -> None:
    """Two never do, and three not at once; what Oden takes ends it."""

    async def story(plant: Plant) -> None:
        await refused(plant, *range(1, FEW))
        await asyncio.sleep(2 * REFUSING)
        assert refuses(plant) is None
        await refused(plant, FEW)
        said = refuses(plant)
        assert said is not None
        assert "has taken none for 1" in said
        plant.commit(plant.start(1, "STATE"))
        await plant.until(lambda: refuses(plant) is None)

    live(story, faults=[PRODUCT])


def test_p9_refusals_in_quick_succession_are_not_yet_no_delivery() -> None:
    """Three within seconds may be three bad records: five minutes without any that is taken show that they are not."""

    async def story(plant: Plant) -> None:
        await refused(plant, 1, 2, 3)
        assert refuses(plant) is None
        await asyncio.sleep(REFUSING)
        assert refuses(plant) is not None

    live(story, faults=[PRODUCT])


def test_p5_p9_refusals_each_for_another_cause_are_no_delivery_either() -> None:
    """No cause holds them back, because each could be about its own record; that all were refused is said."""

    async def story(plant: Plant) -> None:
        await refused(plant, *range(1, ALARM + 2))
        assert plant.drain.health.api is None
        assert refuses(plant) is not None

    faults = [f"error status={409 + number} at=interval/set holding=order{number:02}" for number in range(1, ALARM + 2)]
    live(story, faults=faults)


PLAIN = DeliveryOptions(settle=20.0, timeout=10.0)


async def restarted(plant: Plant, oden: str = "") -> None:
    await plant.restart(replace(PLAIN, oden=oden), plant.rows, 0.0, forgets=False)
    await asyncio.sleep(1.0)


def test_p9_a_restart_does_not_make_oden_one_that_takes_everything() -> None:
    """Nothing has been taken since, so that is said from the first second on, however often it is restarted; and no
    restart buries ten records more."""

    async def story(plant: Plant) -> None:
        plant.commit(*(plant.start(60 * number) for number in range(1, ALARM + 6)))
        await plant.until(lambda: refuses(plant) is not None)
        before, said = plant.outbox.counts().dead, refuses(plant)
        assert before == ALARM
        for _ in range(3):
            await restarted(plant)
            assert refuses(plant) == said
            await asyncio.sleep(60.0)
        assert plant.outbox.counts().dead == before
        plant.injector.clear()
        await plant.until(lambda: refuses(plant) is None)
        await restarted(plant)
        assert refuses(plant) is None

    live(story, faults=[PRODUCT])


def test_p9_few_refusals_are_counted_on_after_a_restart_with_their_time() -> None:
    """Two before it and one after it are three; and the five minutes are those since the first."""

    async def story(plant: Plant) -> None:
        await refused(plant, *range(1, FEW))
        await asyncio.sleep(2 * REFUSING)
        await restarted(plant)
        assert refuses(plant) is None
        await refused(plant, FEW)
        assert refuses(plant) is not None
        await restarted(plant)
        assert refuses(plant) is not None

    live(story, faults=[PRODUCT])


def test_p9_another_oden_has_refused_nothing() -> None:
    """Whoever has mended that by another address begins anew; and where all is taken, nothing of it is on disk."""

    async def story(plant: Plant) -> None:
        await restarted(plant, oden="http://first/v2")
        await refused(plant, *range(1, FEW + 1))
        await asyncio.sleep(2 * REFUSING)
        await restarted(plant, oden="http://first/v2")
        assert refuses(plant) is not None
        await restarted(plant, oden="http://second/v2")
        assert refuses(plant) is None
        plant.commit(plant.start(1, "STATE"))
        await plant.drained()
        assert "refusing" not in (told.learned(plant.outbox) or "")
        assert learned(told.learned(plant.outbox)).refusing is None

    live(story, faults=[PRODUCT])
