"""Odens whose searches leave out what is there: `match` counts for nothing, or only a page is shown. Nothing is told a
second time because of that."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from gateway.oden.exchange import iso
from gateway.simulator.oden.bodies import Answer
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import FACTORY, NAME
from tests.delivery.simulated import Plant, T, live

Entries = list[dict[str, object]]


def showing(plant: Plant, path: str, shown: Callable[[Entries], Entries]) -> None:
    """From now on a search at `path` shows that of what it finds."""
    answer = plant.oden.model.answer

    def part(asked: str, body: bytes) -> Answer:
        whole = answer(asked, body)
        is_list = asked == path and isinstance(whole.body, list)
        return replace(whole, body=shown(whole.body)) if is_list else whole  # type: ignore[arg-type]

    plant.oden.model.answer = part  # type: ignore[method-assign,assignment]


def first(found: Entries) -> Entries:
    return found[:1]


def last(found: Entries) -> Entries:
    return found[-1:]


def two_oldest(found: Entries) -> Entries:
    """A page that ends before what was told last."""
    return found[:2]


def other(found: Entries) -> Entries:
    """One that is not asked for, where there is one."""
    return [one for one in found if one["start_time"] != iso(T + 345)][:1]


@pytest.mark.parametrize("shown", [first, last, other, two_oldest])
@pytest.mark.parametrize("arrived", ["yes", "no"])
def test_p4_a_state_is_not_told_again_where_a_search_shows_one_of_several(
    shown: Callable[[Entries], Entries], arrived: str
) -> None:
    """Whichever that is: the state is found, or a person is asked. Its neighbour was taken as the answer that it is not
    there."""

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/interval/search", shown)
        before = None
        for at in range(0, 600, 15):
            state = plant.start(at, "STATE")
            plant.commit(*([plant.end(before, at)] if before else []), state)
            before = state
            await asyncio.sleep(15)
        await plant.until(lambda: plant.outbox.counts().in_doubt == 0)

    lost = f'close commit={arrived} at=interval/set holding=\'"start_time":"{iso(T + 345)}"\' times=1'
    plant = live(story, faults=[lost])
    starts = [body for path, body in plant.seen if path == "interval/set" and f'"start_time":"{iso(T + 345)}"' in body]
    assert len(starts) == 1
    assert max(Counter(state.start for state in plant.intervals("STATE")).values()) == 1
    assert [letter.unsettled for letter in plant.letters()] in ([], [True])


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("is_newest", [True, False])
def test_p4_intervals_that_were_told_together_are_not_told_again_where_a_search_shows_some(
    most: int, *, is_newest: bool
) -> None:
    """Those that it showed were settled, and the others told once more."""

    def shown(found: Entries) -> Entries:
        return found[-most:] if is_newest else found[:most]

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/interval/search", shown)
        plant.commit(*(replace(plant.start(5 * number, "CHECK"), end=T + 5 * number + 3) for number in range(12)))
        await plant.drained()

    plant = live(story, faults=["close commit=yes at=intervals/set times=1"])
    assert [check.start - T for check in plant.intervals("CHECK")] == [*range(0, 60, 5)]
    assert plant.letters() == []


@pytest.mark.parametrize("page", [slice(-3, None), slice(10)])
def test_p4_output_is_not_told_again_where_a_search_shows_one_page(page: slice) -> None:
    """The entry is on another page, and is for a person."""

    def shown(found: Entries) -> Entries:
        return found[page]

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/scrap_yield/search", shown)
        run = plant.start(0, name="A")
        plant.commit(run)
        for number in range(40):
            plant.commit(plant.output(run, 15 * number + 1, 1))
            await asyncio.sleep(15.0)
        await plant.drained()

    lost = f"close commit=yes at=scrap_yield/set holding='{iso(T + 301)}' times=1"
    plant = live(story, faults=[lost])
    assert plant.total() == 40
    assert [letter.unsettled for letter in plant.letters()] == [True]


def test_p4_a_state_is_told_again_although_somebody_has_deleted_the_one_beside_it() -> None:
    """That is not there, asked for by its id: so the search leaves nothing out."""

    async def story(plant: Plant) -> None:
        states = [plant.start(at, "STATE") for at in (0, 15, 30)]
        plant.commit(states[0], plant.end(states[0], 15), states[1])
        await plant.drained()
        (there,) = [one for one in plant.intervals("STATE") if one.start == T + 15]
        line = {"name": NAME, "factory": {"name": FACTORY}}
        gone = [{"id": one.id, "type": {"name": "STATE"}, "line": line} for one in (there, plant.intervals("STATE")[0])]
        await asyncio.sleep(30.0)
        plant.commit(states[2])
        await plant.until(lambda: plant.outbox.counts().in_doubt == 1)
        for body in gone:
            assert plant.oden.by_hand("/v2/interval/delete", body)
        await plant.drained()

    plant = live(story, faults=[f"close commit=no at=interval/set holding='{iso(T + 30)}' times=1"])
    assert [state.start - T for state in plant.intervals("STATE")] == [30]
    assert plant.letters() == []


@pytest.mark.parametrize("more", [{}, {"warnings": []}, {"count": 1}])
def test_p4_an_answer_to_a_create_that_names_no_id_is_none_whatever_is_beside_it(more: dict[str, object]) -> None:
    """`"id": null` was taken for an id called None, under which Oden knew nothing."""

    async def story(plant: Plant) -> None:
        answer = plant.oden.model.answer

        def nameless(path: str, body: bytes) -> Answer:
            whole, asked = answer(path, body), json.loads(body)
            is_create = path == "/v2/interval/set" and "id" not in asked
            if path.endswith("/search") and isinstance(whole.body, list):
                return replace(whole, body={"items": whole.body, **more})
            return replace(whole, body=[{**asked, "id": None}]) if is_create else whole

        plant.oden.model.answer = nameless  # type: ignore[method-assign]
        run = plant.start(0, name="A")
        plant.commit(run, plant.output(run, 10, 5), plant.end(run, 60))
        await plant.drained()

    plant = live(story)
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("A", T + 60)]
    assert (plant.total(), plant.letters()) == (5, [])


@pytest.mark.parametrize("arrived", ["yes", "no"])
def test_p4_a_state_is_not_told_again_where_a_range_shows_nothing_that_is_open(arrived: str) -> None:
    """It was told again each time: what a range has shown is that the one before has ended. One that is not there, and
    nobody can see that, is for a person, too."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="A"))
        before = None
        for at in (0, 15, 30):
            state = plant.start(at, "STATE")
            plant.commit(*([plant.end(before, at)] if before else []), state)
            before = state
            await asyncio.sleep(15)
        await plant.drained()

    lost = f'close commit={arrived} at=interval/set holding=\'"start_time":"{iso(T + 30)}"\' times=1'
    plant = live(story, Manners(range="within"), [lost])
    assert [state.start - T for state in plant.intervals("STATE")] == ([0, 15, 30] if arrived == "yes" else [0, 15])
    assert [letter.unsettled for letter in plant.letters()] == [True]


def test_p4_it_costs_two_requests_once_to_see_that_a_search_leaves_nothing_out() -> None:
    """Two starts that did not arrive: two look-ups, and two more at the first."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="A"))
        before = None
        for at in range(0, 900, 300):
            state = plant.start(at, "STATE")
            plant.commit(*([plant.end(before, at)] if before else []), state)
            before = state
            await asyncio.sleep(300)
        await plant.drained()

    lost = [f'close commit=no at=interval/set holding=\'"start_time":"{iso(T + at)}"\' times=1' for at in (300, 600)]
    plant = live(story, faults=lost)
    assert [state.start - T for state in plant.intervals("STATE")] == [0, 300, 600]
    assert plant.paths.count("interval/search") == 4


def an_hour_later(found: Entries) -> Entries:
    return [{**one, "start_time": iso(moment(str(one["start_time"])) + 3600)} for one in found]


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_p4_a_state_is_not_told_again_where_oden_shows_times_of_another_zone() -> None:
    """Nothing that is shown began when it was told to, and the state was taken for missing."""

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/interval/search", an_hour_later)
        before = None
        for at in range(0, 120, 15):
            state = plant.start(at, "STATE")
            plant.commit(*([plant.end(before, at)] if before else []), state)
            before = state
            await asyncio.sleep(15)
        await plant.until(lambda: plant.outbox.counts().in_doubt == 0)

    plant = live(story, faults=[f'close commit=yes at=interval/set holding=\'"start_time":"{iso(T + 60)}"\' times=1'])
    assert max(Counter(state.start for state in plant.intervals("STATE")).values()) == 1
    assert [letter.unsettled for letter in plant.letters()] == [True]
    assert plant.drain.health.last_error == "Oden shows other times than it was told"


def by_the_minute(found: Entries) -> Entries:
    return [{**one, "timestamp": iso(moment(str(one["timestamp"])) // 60 * 60)} for one in found]


def as_one(found: Entries) -> Entries:
    """All that was made, with the latest time stamp."""
    return [{**found[-1], "raw_data": {"yield": 7 + 8}}] if found else found


@pytest.mark.parametrize("shown", [by_the_minute, as_one, first, last])
def test_p4_output_is_not_told_again_where_a_search_shows_it_otherwise(shown: Callable[[Entries], Entries]) -> None:
    """What a run had first was told twice: nothing of it was known to be there beside it, or only what was shown."""

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/scrap_yield/search", shown)
        before = plant.start(0, name="A")
        plant.commit(before, *(plant.output(before, 100 + at, 10, code=str(at)) for at in (10, 25)))
        await asyncio.sleep(300.0)
        run = plant.start(300, name="B")
        plant.commit(plant.end(before, 300), run, plant.output(run, 310, 7))
        await asyncio.sleep(15.0)
        plant.commit(plant.output(run, 325, 8))
        await plant.drained()

    plant = live(story, faults=[f"close commit=yes at=scrap_yield/set holding='{iso(T + 310)}' times=1"])
    assert plant.total() == 10 + 10 + 7 + 8
    assert [letter.unsettled for letter in plant.letters()] in ([], [True])


@pytest.mark.parametrize("page", [{"status": "ok", "data": {"items": None, "meta": {"total": 1}}}, {"result": None}])
def test_p4_what_a_search_shows_within_a_wrapper_is_found(page: dict[str, object]) -> None:
    """A wrapper in a wrapper was no list, so that what was there became *unsettled*."""

    def wrapped(found: Entries) -> Entries:
        inner = page.get("data")
        return {**page, "data": {**inner, "items": found}} if isinstance(inner, dict) else {"result": found}  # type: ignore[return-value]

    async def story(plant: Plant) -> None:
        showing(plant, "/v2/interval/search", wrapped)
        run = plant.start(0, name="A")
        plant.commit(run, plant.output(run, 10, 5), plant.end(run, 60))
        await plant.drained()

    plant = live(story, faults=["close commit=yes at=interval/set times=1"])
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("A", T + 60)]
    assert (plant.total(), plant.letters()) == (5, [])
