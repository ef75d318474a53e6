"""An Oden that refuses `match: all`, everywhere, in some searches, or for a while: what `last`, a name or an id show is
known all the same, and of what they do not show nothing is concluded."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.model import Setting
from gateway.oden.exchange import iso
from gateway.oden.requests import Wording
from gateway.outbox.control_handlers import Question
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, page
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

DAY = 86_400
REFERENCED = DeliveryOptions(60.0, 30.0, Wording(reference="gateway_key"))
PLAIN = DeliveryOptions(60.0, 30.0)
REFUSING = Manners(match="no_all")
REFUSED = 'error status=400 at={} holding=\'"match":"all"\'{}'


def shown(plant: Plant, kind: str) -> list[tuple[int, int | None]]:
    return [(one.start - T, None if one.end is None else one.end - T) for one in plant.intervals(kind)]


@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
def test_p4_after_a_lost_outbox_the_run_that_is_on_goes_on_where_only_the_latest_is_shown(
    settings: DeliveryOptions,
) -> None:
    """Neither what was open before it nor its output can be searched: it began a second time, and the state stayed open
    for ever."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="A")
        plant.commit(run, plant.start(30, "STATE"), plant.output(run, 100, 5))
        await plant.drained()
        await plant.restart(settings, MemoryStore(), DAY)
        run = plant.start(DAY, name="A")
        plant.commit(run, plant.start(DAY + 5, "STATE"), plant.output(run, DAY + 60, 7), plant.end(run, DAY + 90))
        await plant.drained()

    plant = live(story, REFUSING, settings=settings)
    assert shown(plant, "RUN") == [(0, DAY + 90)]
    assert shown(plant, "STATE") == [(30, 31), (DAY + 5, None)]
    assert (plant.total(), plant.letters()) == (12, [])
    assert any("could not be looked up, and stays as it is" in notice for notice in plant.notices())


def test_p4_a_start_that_another_life_has_told_is_not_told_again_where_the_past_cannot_be_searched() -> None:
    """Others have begun at Oden since, and it refuses to show those before: a start may be there, and is for a person.
    It was sent again, and every one that came after it."""

    async def story(plant: Plant) -> None:
        states = [plant.start(at, "STATE") for at in (0, 30, 60)]
        plant.commit(states[0], plant.end(states[0], 30), states[1], plant.end(states[1], 60), states[2])
        await plant.drained()
        await plant.restart(PLAIN, MemoryStore(), DAY)
        plant.commit(plant.start(0, "STATE"), plant.start(30, "STATE"), plant.start(DAY, "STATE"))
        await plant.drained()
        letters = plant.letters()
        assert sorted((one.record.interval, one.unsettled) for one in letters) == sorted(
            (one.key, True) for one in states[:2]
        )
        for state in states[:2]:
            (there,) = [one for one in plant.intervals("STATE") if one.start == state.start]
            await plant.ask("settle", Question(Filter(keys=frozenset({state.key})), oden_id=there.id))
        await plant.drained()

    plant = live(story, REFUSING)
    assert [start for start, _ in shown(plant, "STATE")] == [0, 30, 60, DAY]
    assert plant.letters() == []


def test_p5_a_start_that_a_person_has_said_is_not_there_is_sent_where_the_past_cannot_be_searched() -> None:
    """It was looked up once more, in vain, and was unsettled again however often the person said so."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(60, "STATE"))
        await plant.drained()
        await plant.restart(PLAIN, MemoryStore(), DAY)
        states = [plant.start(at, "STATE") for at in (0, 30)]
        plant.commit(*states, plant.start(DAY, "STATE"))
        await plant.drained()
        assert {one.record.interval for one in plant.letters()} == {one.key for one in states}
        for state in states:
            await plant.ask("settle", Question(Filter(keys=frozenset({state.key}))))
        await plant.drained()

    plant = live(story, REFUSING)
    assert [start for start, _ in shown(plant, "STATE")] == [0, 30, 60, DAY]
    assert plant.letters() == []


def test_p5_a_run_whose_name_is_taken_gets_a_number() -> None:
    """A name is looked for without `match`: the document says that this is for one thing."""

    async def story(plant: Plant) -> None:
        for number in range(3):
            run = plant.start(600 * number, name="order 17")
            plant.commit(run, plant.output(run, 600 * number + 10, 5), plant.end(run, 600 * number + 300))
            await asyncio.sleep(300)
        await plant.drained()

    plant = live(story, replace(REFUSING, names="unique"))
    assert [run.name for run in plant.intervals("RUN")] == ["order 17", "order 17 (2)", "order 17 (3)"]
    assert (plant.total(), plant.letters()) == (15, [])


@pytest.mark.parametrize("orders", [400, 409])
def test_p5_a_work_order_that_is_begun_again_is_another(orders: int) -> None:
    """One of its number is looked for without `match`."""

    async def story(plant: Plant) -> None:
        fields = {"external_id": "MWO-1", "name": "Grease", "started_at": iso(T)}
        plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", fields))
        await plant.drained()
        plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", {**fields, "completed_at": iso(T + 60)}))
        await plant.drained()
        plant.commit(Setting(plant.key(), LINE, T, "maintenance_work_order", {**fields, "started_at": iso(T + 600)}))
        await plant.drained()

    plant = live(story, replace(REFUSING, orders=orders))
    orders_there = plant.oden.model.orders("Factory A", "Line 01")
    assert [(one.started_at, one.completed_at) for one in orders_there] == [(T, T + 60), (T + 600, None)]
    assert plant.letters() == []


@pytest.mark.parametrize("arrived", ["yes", "no"])
@pytest.mark.parametrize("where", ["interval/search", "scrap_yield/search"])
def test_p4_where_all_is_refused_in_some_searches_only_what_these_would_show_is_unsettled(
    where: str, arrived: str
) -> None:
    """The answers to a start and an entry are lost, and one of the two can be looked up: that is settled by itself."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="A")
        plant.commit(run)
        await asyncio.sleep(1800)
        is_there = [one.id for one in plant.intervals("RUN")]
        assert [letter.unsettled for letter in plant.letters()] == ([True] if where == "interval/search" else [])
        if plant.letters():
            question = Question(Filter(keys=frozenset({run.key})), oden_id=next(iter(is_there), None))
            await plant.ask("settle", question)
        entry = plant.output(run, 10, 5)
        plant.commit(entry)
        await plant.drained()
        is_unsettled = where == "scrap_yield/search"
        assert [(letter.record, letter.unsettled) for letter in plant.letters()] == [(entry, True)] * is_unsettled
        for _ in plant.letters():
            there = plant.total() > 0
            await plant.ask("settle", Question(Filter(keys=frozenset({entry.key})), oden_id="there" if there else None))
        await plant.drained()
        plant.commit(plant.end(run, 60))
        await plant.drained()

    lost = [f"close commit={arrived} at={path} times=1" for path in ("interval/set", "scrap_yield/set")]
    plant = live(story, faults=[*lost, REFUSED.format(where, "")])
    assert (shown(plant, "RUN"), plant.total(), plant.letters()) == ([(0, 60)], 5, [])


@pytest.mark.parametrize("arrived", ["yes", "no"])
def test_p4_where_all_is_refused_for_a_while_nothing_is_unsettled(arrived: str) -> None:
    """Five minutes, as while a new version of Oden is put in place: what is in doubt is looked up once more after
    them."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="A")
        plant.commit(run, plant.output(run, 10, 5), plant.end(run, 60))
        await plant.drained()

    lost = [f"close commit={arrived} at={path} times=1" for path in ("interval/set", "scrap_yield/set")]
    plant = live(story, faults=[*lost, REFUSED.format("*/search", " until=300")])
    assert (shown(plant, "RUN"), plant.total(), plant.letters()) == ([(0, 60)], 5, [])


@pytest.mark.parametrize("status", [400, 409])
def test_p5_what_is_refused_behind_an_unsettled_start_waits_until_a_person_has_settled_that(status: int) -> None:
    """A state is open at Oden, and nobody knows that: each after it is refused. They became dead letters, one after
    another, until all delivery was held because Oden took nothing any more."""

    async def story(plant: Plant) -> None:
        for number, at in enumerate(times):
            state = plant.start(at, "STATE")
            ended = [plant.end(plant.start(times[number - 1], "STATE"), at)] if number else []
            plant.commit(*ended, state, replace(plant.start(at), end=T + at + 200))
            await asyncio.sleep(300.0)
        assert [(letter.record.interval, letter.unsettled) for letter in plant.letters()] == [(first.key, True)]
        assert (len(plant.intervals("STATE")), len(plant.intervals("RUN"))) == (1, len(times))
        assert plant.drain.health.refuses(T + times[-1]) is None
        asked.append(sum('"STATE"' in body for path, body in plant.seen if path == "interval/set"))
        waiting, _ = page(plant.outbox, Filter(where="again"))
        assert all("outbox settle" in one.error for one in waiting), waiting
        (there,) = plant.intervals("STATE")
        await plant.ask("settle", Question(Filter(keys=frozenset({first.key})), oden_id=there.id))
        await plant.drained()

    times, asked = range(0, 14_400, 300), list[int]()
    first = Plant(REFUSING, ()).start(0, "STATE")
    lost = "close commit=yes at=interval/set holding='STATE' times=1"
    plant = live(story, replace(REFUSING, overlap=status), faults=[lost])
    assert shown(plant, "STATE") == [*pairwise(times), (times[-1], None)]
    assert plant.letters() == []
    assert asked[0] < times[-1] / 100, "what waits takes no slots of others"


@pytest.mark.parametrize("refused", ["uptime", "t09:00:00z"])
def test_p5_a_start_that_is_refused_is_a_dead_letter_where_one_was_taken_behind_the_unsettled_one(refused: str) -> None:
    """Then it is not because of that. The end of the one that was taken may be refused, too."""

    async def story(plant: Plant) -> None:
        states = [plant.start(at, "STATE") for at in (0, 60, 3600)]
        plant.commit(states[0])
        await asyncio.sleep(60.0)
        plant.commit(plant.end(states[0], 60), states[1])
        await asyncio.sleep(3540.0)
        plant.oden.model.manners = replace(REFUSING, refuse=refused)
        plant.commit(plant.end(states[1], 3600), states[2])
        await plant.drained()
        letters = {letter.record.key: letter.unsettled for letter in plant.letters() if letter.record.kind == "start"}
        assert letters == {states[0].key: True, states[2].key: False}

    live(story, REFUSING, faults=["close commit=no at=interval/set times=1"])
