"""While Oden counts as away, there is one request at a time: whose it is."""

import asyncio

import pytest

from gateway.delivery.breaker import LONGEST_HOLD
from tests.delivery.harness import FACTORY
from tests.delivery.simulated import Plant, live

SECOND = "Line 02"
SECOND_LINE = f"{FACTORY}/{SECOND}"


@pytest.mark.parametrize("after", [60, 600])
@pytest.mark.parametrize(
    "fault", ["close commit=no", "error status=500 commit=no", "foreign status=422 shape=detail", "html status=404"]
)
def test_p5_p9_what_only_one_line_meets_holds_another_for_one_probe_at_the_most(fault: str, after: int) -> None:
    """All that Line 01 has to say fails, so that Oden counts as away; Line 02 has something to tell after minutes. The
    next probe is its own, so that it is at Oden after one pause of the probes: they stayed with Line 01, whose records
    are older and more, and Line 02 waited for many minutes."""

    async def story(plant: Plant) -> None:
        for number in range(40):
            begun = plant.start(30 * number, "STATE")
            plant.commit(begun, plant.end(begun, 30 * number + 30), plant.start(30 * number, f"{number}"))
        await plant.until(lambda: plant.drain.health.api is not None)
        await asyncio.sleep(after)
        assert plant.drain.health.api is not None
        began = asyncio.get_running_loop().time()
        plant.commit(plant.start(int(began), "STATE", line=SECOND_LINE))
        await plant.until(lambda: bool(plant.oden.model.intervals("STATE", FACTORY, SECOND)))
        took = asyncio.get_running_loop().time() - began
        assert took <= LONGEST_HOLD + 10.0

    live(story, faults=[f"{fault} line='Line 01' at=interval/set", f"{fault} line='Line 01' at=interval/search"])
