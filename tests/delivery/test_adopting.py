"""Under which id Oden has an interval: from its answer in whatever shape, or from a search; also where Oden rounds
starts."""

import asyncio
import json

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.delivery.learned import learned
from gateway.model import Setting, StartInterval
from gateway.oden.answers import created_id, shown_start
from gateway.outbox import told
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

START = StartInterval("K1", LINE, float(T), "RUN", T + 37, "order")
THERE = {"id": "42", "type": {"id": "7"}, "line": {"id": "8"}}


@pytest.mark.parametrize(
    "answer",
    [
        [{**THERE, "start_time": "2027-01-15T08:00:37Z"}],
        [{**THERE, "start_time": "2027-01-15T08:00:37.000Z"}],
        [{**THERE, "start_time": "2027-01-15T08:00:00Z"}],
        [THERE],
        THERE,
        {"id": 42},
        {"data": THERE},
        {"intervals": [THERE], "count": 1},
        {"interval_id": "42"},
        ["42"],
        {"ids": ["42"]},
        [{"id": "41", "start_time": "2027-01-15T07:00:00Z"}, {**THERE, "start_time": "2027-01-15T08:00:37Z"}],
    ],
)
def test_the_id_of_what_was_made_is_found(answer: object) -> None:
    """Whether or not the answer repeats the start, and whatever wraps it; never that of the type or the line."""
    assert created_id(answer, START) == "42"


@pytest.mark.parametrize(
    "answer",
    [[], {}, None, "42", 42, [{"type": {"id": "7"}, "start_time": "2027-01-15T08:00:37Z"}], [{"id": "1"}, {"id": "2"}]],
)
def test_what_is_no_id_is_none(answer: object) -> None:
    """Then it is searched for."""
    assert created_id(answer, START) is None


def test_the_start_that_oden_shows() -> None:
    """As it is, rounded, or not at all."""
    assert shown_start([{**THERE, "start_time": "2027-01-15T08:00:37.999Z"}], START) == T + 37
    assert shown_start({"data": {"start_time": "2027-01-15T08:00:00Z"}}, START) == T
    assert shown_start([THERE], START) is None


LOST = ("close commit=yes at=interval/set times=2 since=200", "close commit=no at=interval/set times=2 since=400")


@pytest.mark.parametrize("ids", ["yes", "only", "no"])
@pytest.mark.parametrize("search", ["overlap", "start"])
def test_p4_starts_that_oden_rounds_to_the_minute_stop_nothing(ids: str, search: str) -> None:
    """Every run is there once with its output, also those whose answers were lost; where the answer has no id they
    are searched for around the start."""

    async def story(plant: Plant) -> None:
        for number in range(20):
            run = plant.start(37 + 61 * number, name=f"order {number}")
            plant.commit(run, plant.output(run, 37 + 61 * number + 5, number))
            await asyncio.sleep(60)
            plant.commit(plant.end(run, 37 + 61 * number + 61))
        await plant.drained()

    plant = live(story, Manners(rounds=60, ids=ids, range=search), LOST)
    counts = plant.outbox.counts()
    runs = plant.intervals("RUN")
    assert [run.name for run in runs] == [f"order {number}" for number in range(20)]
    assert learned(told.learned(plant.outbox)).start_step == 60
    assert plant.total() == sum(range(20))
    assert all(run.start % 60 == 0 and run.end is not None for run in runs)
    assert (counts.dead, counts.unsettled, counts.parked) == (0, 0, 0)


@pytest.mark.parametrize("rounds", [0, 60])
@pytest.mark.parametrize("ids", ["yes", "only", "no"])
@pytest.mark.parametrize("search", ["overlap", "start"])
@pytest.mark.parametrize("fault", ["", "error status=503", "close", "hang", "redirect"])
def test_p4_what_a_copy_says_of_a_start_that_oden_has_rounded_makes_no_other(
    ids: str, search: str, rounds: int, fault: str
) -> None:
    """The outbox is put back to when the run waited, which has ended since: also where no answer has shown the start of
    any, and a search for this one shows no other, that starts are rounded is seen by one that was told before; and not
    before that one was shown, whatever the first answer to the question for it is."""

    async def story(plant: Plant) -> None:
        first, second = plant.start(37, name="first"), plant.start(437, name="second")
        plant.commit(first, plant.end(first, 400))
        await plant.drained()
        plant.oden.up = False
        plant.commit(second, plant.output(second, 450, 7))
        copy = plant.copied()
        plant.oden.up = True
        await plant.drained()
        plant.commit(plant.end(second, 500))
        await plant.drained()
        await plant.restart(DeliveryOptions(60.0, 30.0), copy, 900.0)
        await plant.drained()

    first = f"{(T if rounds else T + 37) * 1000:x}"  # its id
    faults = [f'{fault} at=interval/search times=1 since=900 holding="{first}"'] if fault else []
    plant = live(story, Manners(rounds=rounds, ids=ids, range=search), faults)
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("first", T + 400), ("second", T + 500)]
    assert (plant.total(), plant.letters()) == (7, [])


@pytest.mark.parametrize("search", ["overlap", "start"])
def test_p4_where_the_last_that_was_told_is_deleted_at_oden_the_one_before_shows_that_it_rounds(search: str) -> None:
    async def story(plant: Plant) -> None:
        for at in (37, 437):
            run = plant.start(at, name=f"told {at}")
            plant.commit(run, plant.end(run, at + 300))
            await plant.drained()
        last = plant.start(837, name="last")
        plant.oden.up = False
        plant.commit(last, plant.output(last, 850, 7))
        copy = plant.copied()
        plant.oden.up = True
        await plant.drained()
        plant.commit(plant.end(last, 900))
        await plant.drained()
        await plant.kill()
        line = {"name": "Line 01", "factory": {"name": "Factory A"}}
        deleted = {"id": f"{(T + 420) * 1000:x}", "type": {"name": "RUN"}, "line": line}
        assert plant.oden.model.answer("/v2/interval/delete", json.dumps(deleted).encode()).status == 200
        await plant.restart(DeliveryOptions(60.0, 30.0), copy, 1300.0)
        await plant.drained()

    plant = live(story, Manners(rounds=60, ids="only", range=search))
    assert [run.name for run in plant.intervals("RUN")] == ["told 37", "last"]
    assert (plant.total(), plant.letters()) == (7, [])


@pytest.mark.parametrize("rounds", [0, 60])
@pytest.mark.parametrize("search", ["overlap", "start"])
def test_p4_where_nothing_tells_whether_oden_rounds_a_start_is_for_a_person(search: str, rounds: int) -> None:
    """The one run that could show it was deleted at Oden. Where there is one like it in that minute, it stays in doubt
    until it is unsettled, and is shown; it is not made once more. A person settles it, and its output follows."""

    async def story(plant: Plant) -> None:
        first, second = plant.start(37, name="first"), plant.start(437, name="second")
        plant.commit(first, plant.end(first, 400))
        await plant.drained()
        plant.oden.up = False
        plant.commit(second, plant.output(second, 450, 7))
        copy = plant.copied()
        plant.oden.up = True
        await plant.drained()
        plant.commit(plant.end(second, 500))
        await plant.drained()
        await plant.kill()
        line = {"name": "Line 01", "factory": {"name": "Factory A"}}
        begun = {run.name: f"{run.start * 1000:x}" for run in plant.intervals("RUN")}
        deleted = {"id": begun["first"], "type": {"name": "RUN"}, "line": line}
        assert plant.oden.model.answer("/v2/interval/delete", json.dumps(deleted).encode()).status == 200
        await plant.restart(DeliveryOptions(60.0, 30.0), copy, 900.0)
        for number in range(40):  # Oden takes what others have to say
            state = plant.start(900 + 60 * number, "STATE")
            plant.commit(state, plant.end(state, 930 + 60 * number))
            await asyncio.sleep(60)
        if not rounds:
            return
        assert [run.name for run in plant.intervals("RUN")] == ["second"]
        assert plant.outbox.counts().unsettled == 1
        (letter,) = (one for one in plant.letters() if one.unsettled)
        assert "nothing tells whether Oden rounds starts" in letter.error
        question = Question(Filter(keys=frozenset({second.key})), oden_id=begun["second"])
        await plant.ask("settle", question)
        await plant.drained()

    plant = live(story, Manners(rounds=rounds, ids="only", range=search))
    assert [run.name for run in plant.intervals("RUN")] == ["second"]
    assert (plant.total(), plant.letters()) == (7, [])


@pytest.mark.parametrize("rounds", [0, 60])
def test_p4_the_first_run_of_all_is_made_once_where_its_answer_was_lost(rounds: int) -> None:
    """Nothing was told before it that shows whether Oden rounds: what comes after it does."""

    async def story(plant: Plant) -> None:
        for number in range(20):
            run = plant.start(37 + 61 * number, name=f"order {number}")
            plant.commit(run, plant.output(run, 37 + 61 * number + 5, 1), plant.end(run, 37 + 61 * number + 61))
            await asyncio.sleep(60)
        await plant.drained()

    plant = live(story, Manners(rounds=rounds, ids="only"), ["close commit=yes at=interval/set times=1"])
    assert [run.name for run in plant.intervals("RUN")] == [f"order {number}" for number in range(20)]
    assert (plant.total(), plant.letters()) == (20, [])


def test_p4_several_things_of_one_name_are_told_from_none() -> None:
    """A search for one product is answered with 409: it is searched for all of them, and the first is changed."""

    async def story(plant: Plant) -> None:
        for _ in range(2):
            plant.oden.model.answer("/v2/product/set", b'{"name": "Film 20"}')
        plant.commit(Setting(plant.key(), LINE, T, "product", {"name": "Film 20", "secondary_name": "F20"}))
        await plant.drained()

    plant = live(story)
    assert plant.outbox.counts().dead == 0
    bodies = [json.loads(body) for path, body in plant.seen if path == "product/search"]
    assert [body.get("match") for body in bodies][:1] == [None]
