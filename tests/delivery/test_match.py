"""Odens that do not take each `match` of a search."""

import asyncio
import json
from dataclasses import replace

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.delivery.settlement import MOST_BLIND
from gateway.model import Setting
from gateway.oden.requests import Wording
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import FACTORY, LINE, NAME
from tests.delivery.simulated import Plant, T, live

REFUSING = Manners(match="no_all")
SETTLE = 60.0
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

    plant = live(story, REFUSING, LOST)
    letters = plant.letters()
    assert letters != []
    assert all(letter.unsettled for letter in letters)
    names = [run.name for run in plant.intervals("RUN")]
    assert len({*names}) == len(names)
    assert len(names) >= 59
    assert plant.drain.health.api is None


@pytest.mark.parametrize("arrived", ["yes", "no"])
def test_p4_where_nothing_else_is_to_be_sent_what_oden_refuses_to_look_up_is_unsettled_too(arrived: str) -> None:
    """One run, and then nothing: it was looked up for ever, and nobody was told. A person says whether it is there, and
    its output follows."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="the only one")
        plant.commit(run, plant.output(run, 5, 7))
        await plant.until(lambda: plant.outbox.counts().unsettled > 0, 3600.0)
        (letter,) = plant.letters()
        assert "may be at Oden" in letter.error
        assert plant.paths.count("interval/search") == MOST_BLIND
        oden_id = next((one.id for one in plant.intervals("RUN")), None)
        await plant.ask("settle", Question(Filter(keys=frozenset({run.key})), oden_id=oden_id))
        await plant.drained()

    plant = live(story, REFUSING, (f"close commit={arrived} at=interval/set times=1",))
    assert ([run.name for run in plant.intervals("RUN")], plant.total(), plant.letters()) == (["the only one"], 7, [])


def test_p4_a_search_that_is_far_behind_leaves_nothing_unsettled_where_nothing_else_is_to_be_sent() -> None:
    """Oden has taken the run, says no id, and shows it after nearly ten times `settle`: a search that shows nothing
    is Oden's own answer, and counts by itself."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="the only one")
        plant.commit(run, plant.output(run, 5, 7), plant.end(run, 90))
        await plant.drained()

    plant = live(story, Manners(ids="no", search_lag=SETTLE * MOST_BLIND - 1))
    assert plant.letters() == []
    assert ([(run.name, run.end) for run in plant.intervals("RUN")], plant.total()) == ([("the only one", T + 90)], 7)


def test_p4_what_oden_took_and_never_shows_is_unsettled_where_nothing_else_is_to_be_sent() -> None:
    """It is for a person, and not made once more."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="the only one"))
        await plant.until(lambda: plant.outbox.counts().unsettled > 0, 3600.0)

    plant = live(story, Manners(ids="no", search_lag=24 * 3600.0))
    assert plant.paths.count("interval/set") == 1


def test_p4_where_nobody_can_tell_who_refuses_a_search_and_nothing_else_is_sent_nothing_is_unsettled() -> None:
    """An ingress without the route of the search may be what answers: when that is there again, the run is found."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="the only one"))
        await asyncio.sleep(6 * 3600)
        assert plant.outbox.counts().in_doubt == 1
        plant.injector.clear()
        await plant.drained()

    faults = ("close commit=yes at=interval/set times=1", "foreign status=404 at=interval/search")
    plant = live(story, faults=faults)
    assert ([run.name for run in plant.intervals("RUN")], plant.letters()) == (["the only one"], [])


@pytest.mark.parametrize("is_over", [True, False])
def test_p4_an_interval_that_was_deleted_is_known_by_its_id_where_its_place_cannot_be_searched(
    *, is_over: bool
) -> None:
    """What is said of it was sent again and again, for ever: Oden answered that it does not know the id, and refused to
    look for the interval by its start."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="deleted by hand")
        plant.commit(run)
        await plant.drained()
        (there,) = plant.intervals("RUN")
        line = {"name": NAME, "factory": {"name": FACTORY}}
        body = {"id": there.id, "type": {"name": "RUN"}, "line": line}
        assert plant.oden.model.answer("/v2/interval/delete", json.dumps(body).encode()).status == 200
        plant.commit(plant.output(run, 40, 1), *([plant.end(run, 60)] if is_over else []))
        counts = await plant.drained()
        assert (counts.dead > 0, counts.held > 0) == (is_over, not is_over)

    plant = live(story, REFUSING)
    assert all("somebody has deleted it there" in letter.error for letter in plant.letters())


def test_p4_the_end_of_a_state_follows_its_change_where_a_search_is_never_answered_by_oden() -> None:
    """What the change has dropped would be shown by a search, and every search is answered by nobody knows whom, while
    Oden takes all else: it was searched for ever, and the end waited for that."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await asyncio.sleep(30)
        plant.commit(replace(plant.end(state, 60), end=None, metadata={"reason": "Jam"}))
        await asyncio.sleep(30)
        plant.commit(plant.end(state, 90))
        for number in range(60):
            run = plant.start(100 + 60 * number, name=f"order {number}")
            plant.commit(run, plant.end(run, 130 + 60 * number))
            await asyncio.sleep(60)
        await plant.drained()

    settings = DeliveryOptions(SETTLE, 30.0, Wording(reference="gateway_key"))
    plant = live(story, faults=("foreign status=400 at=interval/search",), settings=settings)
    assert ([state.end for state in plant.intervals("STATE")], plant.letters()) == ([T + 90], [])
