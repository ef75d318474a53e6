"""Everything is delivered but searches, which something before Oden answers: what needs none is not held up."""

import asyncio

import pytest

from gateway.model import Setting
from gateway.simulator.oden.faults import read_fault
from tests.delivery.harness import LINES
from tests.delivery.simulated import Plant, T, live
from tests.delivery.test_apart import said


@pytest.mark.parametrize("fault", ["html status=404", "html status=502", "redirect", "close commit=no"])
def test_p5_p9_where_no_search_is_answered_all_that_needs_none_is_delivered_and_the_rest_is_named(fault: str) -> None:
    """Two work orders that were never sent, one of each line, are looked up first, because Oden may have them: they
    wait, the page says which and how many, and each minute's run is at Oden meanwhile, once, with its output and end.
    Once searches are answered, both are there."""

    async def story(plant: Plant) -> None:
        first = plant.start(0, name="first")
        plant.commit(first, *(plant.start(0, "STATE", line=line) for line in LINES))
        await plant.drained()
        plant.injector.add(read_fault(f"{fault} at=*/search"))
        for number, line in enumerate(LINES):
            order = {"external_id": f"MWO-{number}", "name": "Grease", "started_at": "2027-01-15T08:00:00Z"}
            plant.commit(Setting(plant.key(), line, T, "maintenance_work_order", order))
        for number in range(1, 60):
            run = plant.start(60 * number, name=f"order {number}")
            plant.commit(run, plant.output(run, 60 * number + 9, 1), plant.end(run, 60 * number + 59))
            await asyncio.sleep(60)
            runs = plant.intervals("RUN")
            assert [one.name for one in runs] == ["first", *(f"order {n}" for n in range(1, number + 1))]
            assert plant.drain.health.api is None or number < 5, "what fails by itself is not known at once"
        (sentence,) = said(plant)
        assert sentence.startswith("Maintenance work order MWO-")
        assert sentence.endswith("it waits and is tried again, as 1 other does.")
        assert plant.outbox.counts().dead == plant.outbox.counts().unsettled == 0
        plant.injector.clear()
        await plant.drained()
        assert said(plant) == []
        assert plant.total() == 59
        assert plant.outbox.counts().dead == 0

    made = [path for path in live(story).paths if path.startswith("maintenance_work_order/")]
    assert [path for path in made if not path.endswith("/search")] == [made[-1]] * 2
