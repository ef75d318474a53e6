"""Odens that do not take each `match` of a search."""

import asyncio

from gateway.model import Setting
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

LOST = ("close commit=yes at=interval/set times=1 since=50", "close commit=no at=scrap_yield/set times=1 since=50")


async def runs(plant: Plant) -> None:
    """Two runs with output, products and a work order; answers are lost meanwhile."""
    fields = {"external_id": "MWO-1", "name": "Grease", "started_at": "2027-01-15T08:00:00Z"}
    for number in range(2):
        run = plant.start(100 * number, name=f"order {number}")
        plant.commit(run, plant.output(run, 100 * number + 5, 1 + number), plant.end(run, 100 * number + 90))
        plant.commit(Setting(plant.key(), LINE, T, "product", {"name": f"Film {number}", "secondary_name": "F"}))
        await asyncio.sleep(60)
    plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", fields))


def test_p4_an_oden_that_refuses_match_unique_has_everything_once() -> None:
    """It is never sent: the document says that a search without `match` is one for a unique thing."""

    async def story(plant: Plant) -> None:
        await runs(plant)
        await plant.drained()

    plant = live(story, Manners(match="no_unique"), LOST)
    assert (plant.letters(), [run.name for run in plant.intervals("RUN")]) == ([], ["order 0", "order 1"])
    assert plant.total() == 3
    assert not any('"unique"' in body for _, body in plant.seen)


def test_p4_where_match_all_is_refused_what_is_in_doubt_is_unsettled_and_nothing_is_sent_twice() -> None:
    """All that is certain is delivered; what may be there is for a person, and the same line's next run is not held."""

    async def story(plant: Plant) -> None:
        await runs(plant)
        for number in range(2, 60):
            run = plant.start(100 * number, name=f"order {number}")
            plant.commit(run, plant.output(run, 100 * number + 5, 1), plant.end(run, 100 * number + 90))
            await asyncio.sleep(120)
        await plant.drained()

    plant = live(story, Manners(match="no_all"), LOST)
    letters = plant.letters()
    assert letters != []
    assert all(letter.unsettled for letter in letters)
    names = [run.name for run in plant.intervals("RUN")]
    assert len({*names}) == len(names)
    assert len(names) >= 59
    assert plant.drain.health.api is None
