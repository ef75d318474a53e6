"""What one interval meets alone: everything else is delivered as if there were nothing, and the page names it."""

import asyncio
from dataclasses import replace

import pytest

from gateway.delivery.apart import LATELY, MOST, Apart, FailsApart
from gateway.simulator.oden.faults import read_fault
from gateway.status.findings import kept_back
from gateway.status.snapshot import Histogram, OdenStatus
from tests.delivery.harness import FACTORY
from tests.delivery.simulated import Plant, T, live

SECOND = "Line 02"
SECOND_LINE = f"{FACTORY}/{SECOND}"
FAULTS = [
    *(f"html status={status}" for status in (200, 400, 403, 404, 410, 502)),
    *(f"foreign status={status} shape=text" for status in (400, 403, 404, 410)),
    "redirect",
    "close commit=no",
    "hang commit=no",
]


FLOWS = OdenStatus("https://oden.example", None, None, None, None, None, {}, Histogram((), (0,), 0.0), 0.0)


def said(plant: Plant) -> list[str]:
    """What the page says of what fails by itself."""
    now = T + asyncio.get_running_loop().time()
    return [condition.text for condition in kept_back(FLOWS, plant.drain.health.apart.shown(now))]


async def lags(plant: Plant, every: int, times: int) -> list[float]:
    """Another line tells of a state so often; after how many seconds each was at Oden."""
    loop, took = asyncio.get_running_loop(), []
    for _ in range(times):
        began = loop.time()
        start = plant.start(int(began) + 10, "STATE", line=SECOND_LINE)
        plant.commit(start)
        await plant.until(
            lambda start=start: any(  # type: ignore[misc] # bound now
                one.start == start.start for one in plant.oden.model.intervals("STATE", FACTORY, SECOND)
            ),
            300.0,
        )
        took.append(loop.time() - began)
        await asyncio.sleep(max(0.0, began + every - loop.time()))
    return took


@pytest.mark.parametrize("fault", FAULTS)
def test_p5_p9_what_is_told_of_one_run_alone_is_answered_so_and_another_line_loses_no_time(fault: str) -> None:
    """Sixty entries of one run, each answered so, whose requests come between those of Line 02: each of these is at
    Oden within the two seconds of a request that was under way and its own. The page names what does not get through;
    once it does, all is there."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run)
        await plant.drained()
        oden_id = plant.intervals("RUN")[0].id
        plant.injector.add(read_fault(f"{fault} at=scrap_yield/set holding={oden_id}"))
        plant.commit(*(plant.output(run, 10 * number, 1, scrap_code=f"{number}") for number in range(60)))
        took = await lags(plant, every=7, times=120)
        assert max(took) <= 3.0
        assert plant.drain.health.api is None
        (sentence,) = said(plant)
        assert f"({run.line}) does not get through, while the rest does: " in sentence
        assert plant.outbox.counts().dead == 0, "the endpoint has taken nothing else: it may be the endpoint"
        plant.injector.clear()
        await plant.drained()
        assert said(plant) == []
        assert plant.outbox.counts().dead == 0

    assert live(story, faults=[]).total() == 60


@pytest.mark.parametrize("fault", ["html status=404", "redirect", "close commit=no"])
def test_p5_p9_while_one_thing_alone_has_failed_others_are_not_held(fault: str) -> None:
    """A quiet plant, in which only the start of one run has been told for an hour, in vain: Oden counts as away, which
    the page says; a record of another line goes at once, and shows that it is not."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(1, name="forbidden"))
        await plant.until(lambda: plant.drain.health.api is not None)
        took = await lags(plant, every=1800, times=3)
        assert max(took) <= 3.0

    live(story, faults=[f"{fault} at=interval/* line='Line 01'"])


def test_p9_where_two_things_fail_alike_all_is_held() -> None:
    """Behind a portal that answers everything: two requests tell it, and then there is one at a time, of ever longer
    pauses: not each of forty lanes is tried at the pace of a request a second."""

    async def story(plant: Plant) -> None:
        plant.commit(*(plant.start(number, "STATE") for number in range(40)), *(plant.start(1, name="1"),))
        for number in range(20):
            plant.commit(plant.start(60 * number, f"KIND{number}"))
        await asyncio.sleep(600)
        assert plant.drain.health.api is not None
        assert plant.drain.health.api.only is None
        assert said(plant) == []

    assert len(live(story, faults=["html status=404"]).seen) <= 40


def test_where_nothing_is_delivered_nothing_is_said_to_be_alone() -> None:
    """Oden answers searches alone: that nothing gets through is said by then."""
    held = replace(FLOWS, held="404 with text/html")
    assert [*kept_back(held, [Apart("Factory A/Line 01", "interval/set", "start of run 1", "404", 0.0, 9.0, 3)])] == []


def test_what_is_remembered_of_failures_is_bounded_and_ages() -> None:
    """Oden's word about others counts for so long, and so many things are remembered."""
    apart = FailsApart()
    assert not apart.failed("a", "line", "interval/set", "start of run a", "404", 0.0)
    apart.answered("a", "interval/search", 1.0)
    assert not apart.failed("a", "line", "interval/set", "start of run a", "404", 2.0), "only about itself"
    apart.answered("b", "interval/search", 3.0)
    assert apart.failed("a", "line", "interval/set", "start of run a", "404", 4.0)
    assert [one.failures for one in apart.shown(5.0)] == [3]
    assert not apart.failed("a", "line", "interval/set", "start of run a", "404", 4.0 + LATELY)
    assert [*apart.shown(5.0 + LATELY)] == []
    for number in range(MOST):
        apart.failed(str(number), "line", "", "", "", 1000.0)
    apart.answered("c", "interval/set", 1001.0)
    assert not apart.failed("a", "line", "interval/set", "start of run a", "404", 1002.0), "forgotten"
