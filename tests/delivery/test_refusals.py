"""What Oden refuses for a reason that can be met: names that are taken or too long, orders that are completed, custom
intervals over others."""

import asyncio
from dataclasses import replace

import pytest

from gateway.model import Setting
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live


@pytest.mark.parametrize("errors", ["documented", "message"])
@pytest.mark.parametrize("overlap", [200, 409])
def test_p5_a_run_whose_name_is_taken_gets_a_number(errors: str, overlap: int) -> None:
    """An order that is worked on three times is three runs, each with its output; also where an answer is lost."""

    async def story(plant: Plant) -> None:
        for number in range(6):
            at = 600 * number
            run = plant.start(at, name="order 17" if number % 2 else f"order {number}")
            plant.commit(run, plant.output(run, at + 10, 5))
            await asyncio.sleep(300)
            plant.commit(plant.end(run, at + 300))
            await asyncio.sleep(300)
        await plant.drained()

    faults = ["close commit=yes at=interval/set holding='order 17 (2)' times=1"]
    plant = live(story, Manners(names="unique", errors=errors, overlap=overlap, nothing="empty"), faults)
    names = ["order 0", "order 17", "order 2", "order 17 (2)", "order 4", "order 17 (3)"]
    assert [run.name for run in plant.intervals("RUN")] == names
    assert (plant.total(), plant.outbox.counts().dead) == (30, 0)
    assert all(run.end is not None for run in plant.intervals("RUN"))


def test_a_name_that_is_cut_off_is_the_same_name() -> None:
    """A look-up finds it, a change of something else leaves it, and a new name arrives."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="order 4711 of the customer in the north")
        plant.commit(run)
        await plant.drained()
        new = replace(plant.end(run, 60), end=None, name="order 4711 of another customer")
        plant.commit(new)
        await plant.drained()
        plant.commit(plant.end(run, 60))
        await plant.drained()

    plant = live(story, Manners(names="short"), ["close commit=yes at=interval/set times=1"])
    (run,) = plant.intervals("RUN")
    assert (run.name, run.end) == ("order 4711 of anothe", T + 60)
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("errors", ["documented", "message", "text"])
@pytest.mark.parametrize("status", [200, 400, 409])
def test_a_work_order_that_is_begun_again_is_another_where_it_cannot_be_changed(status: int, errors: str) -> None:
    """Begun, completed, begun again: the later word is at Oden, in the one order or in a new one; in whatever words it
    was refused."""

    async def story(plant: Plant) -> None:
        fields = {"external_id": "MWO-1", "name": "Grease", "started_at": "2027-01-15T08:00:00Z"}
        plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", fields))
        await plant.drained()
        done = {**fields, "completed_at": "2027-01-15T09:00:00Z"}
        plant.commit(Setting(plant.key(), LINE, T + 1, "maintenance_work_order", done))
        await plant.drained()
        again = {**fields, "started_at": "2027-01-15T10:00:00Z"}
        for description in ("again", "once more"):
            more = {**again, "description": description}
            plant.commit(Setting(plant.key(), LINE, T + 2, "maintenance_work_order", more))
            await plant.drained()

    plant = live(story, Manners(orders=status, errors=errors))
    body = b'{"external_id": "MWO-1", "match": "all"}'
    shown = plant.oden.model.answer("/v2/maintenance_work_order/search", body).body
    assert isinstance(shown, list)
    assert len(shown) == 2, "also where a completed one can be changed: it would be completed before it was begun"
    assert (shown[-1]["description"], shown[-1]["started_at"]) == ("once more", "2027-01-15T10:00:00Z")
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("errors", ["documented", "detail", "text", "success"])
def test_a_work_order_is_made_in_whatever_words_oden_says_that_there_is_none(errors: str) -> None:
    """Where a 404 may be that of an ingress, all such orders are asked for, which is answered with a list; an ingress
    that knows no such search makes none."""

    async def story(plant: Plant) -> None:
        fields = {"external_id": "MWO-1", "name": "Grease", "started_at": "2027-01-15T08:00:00Z"}
        plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", fields))
        await asyncio.sleep(150)
        assert "maintenance_work_order/set" not in plant.paths
        await plant.drained()

    plant = live(story, Manners(errors=errors), ["foreign status=404 at=maintenance_work_order/search until=160"])
    assert plant.paths.count("maintenance_work_order/set") == 1
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("status", [400, 409])
def test_custom_intervals_over_others_are_told_one_by_one(status: int) -> None:
    """`intervals/set` is refused as a whole: each is sent by itself, and is there once."""

    async def story(plant: Plant) -> None:
        first = replace(plant.start(0, "CHECK"), end=T + 100)
        plant.commit(first)
        await plant.drained()
        plant.commit(*(replace(plant.start(at, "CHECK"), end=T + at + 50) for at in range(10, 200, 10)))
        await plant.drained()

    plant = live(story, Manners(over=status))
    assert [one.start for one in plant.intervals("CHECK")] == [T + at for at in range(0, 200, 10)]
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("ids", ["yes", "only"])
def test_p4_what_begins_in_the_same_minute_is_not_taken_for_another_where_starts_are_rounded(ids: str) -> None:
    """Both have the start of the minute at Oden. The first is known by its id, so that a search for the second, which
    never arrived, does not mean that one; also where no answer has shown yet that starts are rounded."""

    async def story(plant: Plant) -> None:
        for at in (130, 120):
            plant.commit(replace(plant.start(at, "CHECK", f"Check {at}"), end=T + at + 5))
            await plant.drained()
            await asyncio.sleep(60)

    plant = live(story, Manners(rounds=60, ids=ids), ["close commit=no at=interval/set since=30 times=1"])
    assert sorted(one.name or "" for one in plant.intervals("CHECK")) == ["Check 120", "Check 130"]
