"""Ends that are told anew, because a message came late: one look first, and what somebody has changed in Oden stays."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.model import StartInterval, UpdateInterval
from gateway.oden.exchange import iso
from gateway.simulator.oden.store import Interval
from tests.delivery.harness import FACTORY
from tests.delivery.simulated import Plant, T, live


def edit(plant: Plant, interval: Interval, **fields: object) -> None:
    """What a person changes in Oden."""
    place = {"type": {"name": interval.type}, "line": {"name": "Line 01", "factory": {"name": FACTORY}}}
    body = json.dumps({**place, "id": interval.id, **fields})
    assert plant.oden.model.answer("/v2/interval/set", body.encode()).status == 200


def anew(plant: Plant, of: StartInterval, at: int, *, withdraws: bool = False) -> UpdateInterval:
    """The end that is true, as is known now."""
    return replace(plant.end(of, at), corrects=True, withdraws=withdraws)


async def ended(plant: Plant, at: int = 600) -> StartInterval:
    """A run of which start and end are at Oden."""
    run = plant.start(0, "RUN")
    plant.commit(run)
    await plant.drained()
    plant.commit(plant.end(run, at))
    await plant.drained()
    return run


def ends(plant: Plant) -> list[int | None]:
    return [None if run.end is None else round(run.end) - T for run in plant.intervals("RUN")]


def test_an_end_that_is_told_anew_is_looked_at_once() -> None:
    """One search and one change; two corrections that follow each other are the same each."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        before = len(plant.seen)
        plant.commit(anew(plant, run, 500))
        await plant.drained()
        assert plant.paths[before:] == ["interval/search", "interval/set"]
        plant.commit(anew(plant, run, 550))
        await plant.drained()
        assert plant.paths[before:] == 2 * ["interval/search", "interval/set"]

    assert ends(live(story)) == [550]


def test_an_end_that_somebody_has_moved_in_oden_stays() -> None:
    """It stays against every correction that follows, too."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        edit(plant, plant.intervals("RUN")[0], end_time=iso(T + 580))
        for at in (500, 540):
            plant.commit(anew(plant, run, at))
            await plant.drained()

    plant = live(story)
    assert ends(plant) == [580]
    assert plant.outbox.counts().dead == 0


def test_what_somebody_has_written_beside_the_end_is_no_reason_to_leave_it() -> None:
    """A comment stays, and the end is as it was."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        interval = plant.intervals("RUN")[0]
        edit(plant, interval, metadata={**interval.metadata, "comment": "by hand"})
        plant.commit(anew(plant, run, 500))
        await plant.drained()

    plant = live(story)
    assert ends(plant) == [500]
    assert plant.intervals("RUN")[0].metadata["comment"] == "by hand"


def test_an_end_that_waits_is_changed_without_a_look() -> None:
    """Oden has not heard of it."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, "RUN")
        plant.commit(run, plant.end(run, 600), anew(plant, run, 500))
        await plant.drained()
        assert "interval/search" not in plant.paths

    assert ends(live(story)) == [500]


@pytest.mark.parametrize(
    ("changed", "end"), [({}, 1), ({"end_time": 580}, 580), ({"metadata": {"comment": "by hand"}}, 600)]
)
def test_what_never_was_stays_as_somebody_has_it(changed: Mapping[str, object], end: int) -> None:
    """Where nobody has touched it, it ends a second after it began."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        interval = plant.intervals("RUN")[0]
        fields: dict[str, object] = {}
        if "end_time" in changed:
            fields["end_time"] = iso(T + 580)
        if "metadata" in changed:
            fields["metadata"] = {**interval.metadata, "comment": "by hand"}
        if fields:
            edit(plant, interval, **fields)
        plant.commit(anew(plant, run, 1, withdraws=True))
        await plant.drained()

    assert ends(live(story)) == [end]


@pytest.mark.parametrize("told", [False, True])
def test_what_never_was_and_was_so_after_all_is_on_still(told: bool) -> None:
    """Unless Oden was told meanwhile: it cannot be opened again, and gets its true end."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, "RUN")
        plant.commit(run)
        await plant.drained()
        plant.commit(anew(plant, run, 1, withdraws=True), *(() if told else (run,)))
        await plant.drained()
        assert ends(plant) == [1 if told else None]
        if told:
            plant.commit(run)
            await plant.drained()
        plant.commit(plant.end(run, 600))
        await plant.drained()

    assert ends(live(story)) == [600]


@pytest.mark.parametrize("what", ["interval/search", "interval/set"])
@pytest.mark.parametrize(
    "fault", ["close commit=yes", "close commit=no", "error status=500", "error status=401", "hang commit=yes"]
)
def test_p4_whatever_becomes_of_look_and_change_the_end_is_right_at_rest(what: str, fault: str) -> None:
    """Cut, refused for a while, or lost."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        await asyncio.sleep(1000)
        plant.commit(anew(plant, run, 500))
        await plant.drained()

    plant = live(story, faults=[f"{fault} at={what} since=1000 times=1"])
    assert ends(plant) == [500]
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("withdraws", [False, True])
def test_an_interval_that_somebody_has_deleted_is_told_of_no_more(withdraws: bool) -> None:
    """The correction becomes a dead letter that says so; not, where it says that the interval never was."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        interval = plant.intervals("RUN")[0]
        place = {"name": "Line 01", "factory": {"name": FACTORY}}
        body = json.dumps({"id": interval.id, "type": {"name": "RUN"}, "line": place})
        assert plant.oden.model.answer("/v2/interval/delete", body.encode()).status == 200
        plant.commit(anew(plant, run, 1 if withdraws else 500, withdraws=withdraws))
        await plant.drained()

    plant = live(story)
    assert ends(plant) == []
    assert len(plant.letters()) == (0 if withdraws else 1)


# What never was, where it is to be deleted


def never(plant: Plant, of: StartInterval) -> UpdateInterval:
    return replace(anew(plant, of, 1, withdraws=True), deletes=True)


def test_what_never_was_is_deleted_where_that_was_chosen() -> None:
    """One look and one deletion. Where it was after all, it is made anew."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        before = len(plant.seen)
        plant.commit(never(plant, run))
        await plant.drained()
        assert plant.paths[before:] == ["interval/search", "interval/delete"]
        assert ends(plant) == []
        plant.commit(replace(run, end=T + 700))
        await plant.drained()

    assert ends(live(story)) == [700]


def test_it_is_deleted_once_what_was_made_in_it_has_been_moved() -> None:
    """The minus waits for the plus, and the deletion for both."""

    async def story(plant: Plant) -> None:
        run, other = await ended(plant), plant.start(600)
        plant.commit(plant.output(run, 599, 5), other)
        await plant.drained()
        plus = replace(plant.output(other, 700, 5), corrects=True)
        minus = replace(plant.output(run, 598, -5), corrects=True, after=(plus.key,))
        plant.commit(never(plant, run), plus, minus)
        before = len(plant.seen)
        await plant.drained()
        assert plant.paths[before:] == ["scrap_yield/set", "scrap_yield/set", "interval/search", "interval/delete"]

    plant = live(story)
    assert plant.total() == 5


@pytest.mark.parametrize(("field", "end"), [("end_time", 580), ("metadata", 600)])
def test_what_somebody_has_changed_is_not_deleted(field: str, end: int) -> None:
    """It stays as they have it."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        interval = plant.intervals("RUN")[0]
        whole = {"end_time": iso(T + 580), "metadata": {**interval.metadata, "comment": "by hand"}}
        edit(plant, interval, **{field: whole[field]})
        plant.commit(never(plant, run))
        await plant.drained()

    assert ends(live(story)) == [end]


@pytest.mark.parametrize("status", [400, 404, 501])
def test_where_oden_refuses_to_delete_it_it_ends_a_second_after_it_began(status: int) -> None:
    """And nothing is a dead letter."""

    async def story(plant: Plant) -> None:
        plant.commit(never(plant, await ended(plant)))
        await plant.drained()

    plant = live(story, faults=[f"error status={status} retryable=no at=interval/delete"])
    assert ends(plant) == [1]
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("fault", ["close commit=yes", "close commit=no", "error status=500", "hang commit=yes"])
@pytest.mark.parametrize("what", ["interval/search", "interval/delete"])
def test_p4_whatever_becomes_of_a_deletion_nothing_is_there_at_rest(what: str, fault: str) -> None:
    """Also where its answer is lost: another look shows that it is gone."""

    async def story(plant: Plant) -> None:
        run = await ended(plant)
        await asyncio.sleep(1000)
        plant.commit(never(plant, run))
        await plant.drained()

    plant = live(story, faults=[f"{fault} at={what} since=1000 times=1"])
    assert ends(plant) == []
    assert plant.outbox.counts().dead == 0


def test_an_end_that_waits_and_was_none_is_deleted_too() -> None:
    """Start and end are told, and the end waits, when it comes to light."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, "RUN")
        plant.commit(run)
        await plant.drained()
        plant.commit(plant.end(run, 600), never(plant, run))
        await plant.drained()

    assert ends(live(story)) == []
