"""Oden that takes nothing of what it is told: when that counts as no delivery, and when again as one."""

import asyncio

from gateway.delivery.breaker import ALARM, FEW, REFUSING
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
