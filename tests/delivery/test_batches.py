"""A batch says at Oden which run it is in."""

import asyncio
from dataclasses import replace

import pytest

from gateway.model import StartInterval
from gateway.simulator.oden.manners import Manners
from tests.delivery.simulated import Plant, T, live


def batch(plant: Plant, at: int, of: StartInterval) -> StartInterval:
    return replace(plant.start(at, "BATCH", f"batch {at}"), within=of.key)


def runs_of(plant: Plant) -> list[str | None]:
    """The batches' runs by name, in the order of the batches."""
    names = {run.id: run.name for run in plant.intervals("RUN")}
    shown = [one.metadata.get("run") for one in plant.intervals("BATCH")]
    return [names.get(str(run["id"])) if isinstance(run, dict) else None for run in shown]


@pytest.mark.parametrize("manners", [Manners(), Manners(ids="no"), Manners(metadata="replace")])
def test_a_batch_names_its_run(manners: Manners) -> None:
    """Also after a change of its own metadata."""

    async def story(plant: Plant) -> None:
        for number in range(3):
            run = plant.start(600 * number, name=f"order {number}")
            first, second = batch(plant, 600 * number, run), batch(plant, 600 * number + 300, run)
            plant.commit(run, first)
            await plant.drained()
            plant.commit(plant.end(first, 600 * number + 300), second)
            change = replace(plant.end(second, 600 * number + 600), end=None, metadata={"grade": "A"})
            plant.commit(change, plant.end(second, 600 * number + 600), plant.end(run, 600 * number + 600))
            await plant.drained()

    plant = live(story, manners)
    assert runs_of(plant) == ["order 0", "order 0", "order 1", "order 1", "order 2", "order 2"]
    assert plant.outbox.counts().dead == 0


def test_a_batch_waits_while_its_run_is_in_doubt_and_nothing_else_does() -> None:
    """The run's answer is lost: forty batches wait for it, and the next run, behind them, does not."""

    async def story(plant: Plant) -> None:
        first, second = plant.start(0, name="first"), plant.start(900, name="second")
        plant.commit(first, *(batch(plant, number + 1, first) for number in range(40)), second)
        await plant.until(lambda: "second" in [run.name for run in plant.intervals("RUN")])
        assert asyncio.get_running_loop().time() < 30
        assert plant.intervals("BATCH") == []
        await plant.drained()

    plant = live(story, faults=["close commit=yes at=interval/set holding=first times=1"])
    assert runs_of(plant) == ["first"] * 40


def test_a_batch_whose_run_is_refused_is_there_without_it() -> None:
    """What depends on a dead letter waits; a batch is an interval of its own."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="forbidden")
        plant.commit(run, batch(plant, 1, run))
        await plant.drained()

    plant = live(story, Manners(refuse="forbidden"))
    assert runs_of(plant) == [None]


@pytest.mark.parametrize("ids", ["yes", "no"])
@pytest.mark.parametrize("commit", ["yes", "no"])
def test_p4_a_run_in_doubt_is_not_mistaken_for_a_batch_that_began_in_its_second(commit: str, ids: str) -> None:
    """It is heard of after the batch was told to its end, and Oden gives both one id: a search shows whether it is
    there, as that of no other."""

    async def story(plant: Plant) -> None:
        first = plant.start(60, "BATCH", "batch 60")
        plant.commit(first, plant.end(first, 90))
        await plant.drained()
        run = plant.start(60, name="order 60")
        plant.commit(run, plant.output(run, 70, 7), plant.end(run, 600))
        await plant.drained()

    plant = live(story, Manners(ids=ids), [f"close commit={commit} at=interval/set holding=order times=1"])
    (run,), (first,) = plant.intervals("RUN"), plant.intervals("BATCH")
    assert (run.id, run.start, run.end) == (first.id, T + 60, T + 600)
    assert (plant.total(), plant.outbox.counts().dead) == (7, 0)
