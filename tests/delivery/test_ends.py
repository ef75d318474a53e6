"""`ends: auto`: ends share requests until this Oden refuses a start because of the interval before it, and no record is
lost over finding that out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.delivery.learned import AGAIN, EndsOrder
from gateway.delivery.schedule import ENDS_WAIT
from gateway.delivery.settlement import DeliveryOptions
from gateway.model import StartInterval
from gateway.oden import requests
from gateway.oden.exchange import iso
from gateway.outbox.control_handlers import Question
from gateway.outbox.entries import Attempt, Work
from gateway.outbox.listing import Filter
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

RUNS = 40
YEAR = 366 * 86_400.0


async def shift(plant: Plant, runs: int = RUNS, name: str = "order", begin: int = 0, every: int = 60) -> None:
    """Runs and states one after another, each begun in the commit in which the last one ends, with output."""
    run: StartInterval | None = None
    state: StartInterval | None = None
    for number in range(runs + 1):
        at = begin + every * number
        ends = [plant.end(one, at) for one in (run, state) if one is not None]
        if number == runs:
            plant.commit(*ends)
            break
        run, state = plant.start(at, name=f"{name} {number}"), plant.start(at, "STATE")
        plant.commit(*ends, run, state)
        await asyncio.sleep(every / 2)
        plant.commit(plant.output(run, at + every // 2, 1))
        await asyncio.sleep(every / 2)
    await plant.drained()


def settings(ends: EndsOrder) -> DeliveryOptions:
    return DeliveryOptions(60.0, 30.0, ends=ends)


def whole(plant: Plant, runs: int = RUNS) -> bool:
    """Whether every run and state is there once, ended by the next, with its output, and nothing is left."""
    wanted = [(T + 60 * number, T + 60 * number + 60) for number in range(runs)]
    counts = plant.outbox.counts()
    return (
        all([(one.start, one.end) for one in plant.intervals(kind)] == wanted for kind in ("RUN", "STATE"))
        and [run.name for run in plant.intervals("RUN")] == [f"order {number}" for number in range(runs)]
        and plant.total() == runs
        and (counts.dead, counts.unsettled, counts.parked) == (0, 0, 0)
    )


@pytest.mark.parametrize("status", [400, 409, 500])
@pytest.mark.parametrize("errors", ["documented", "detail", "success"])
def test_p5_where_overlaps_are_refused_no_record_is_lost(status: int, errors: str) -> None:
    """The start that is refused is sent again once the ends before it are at Oden: every interval is there, once.
    What was learned holds for the type: later starts are not refused.
    """
    plant = live(shift, Manners(overlap=status, errors=errors))
    assert whole(plant)
    starts = Counter(body for path, body in plant.seen if path == "interval/set" and "start_time" in body)
    again = sum(starts.values()) - len(starts)
    assert again <= 8, "what was learned is not kept to"


def test_a_backlog_of_an_outage_is_taken_where_overlaps_are_refused() -> None:
    """Oden is away for a quarter of an hour while runs and states follow each other."""
    plant = live(shift, Manners(overlap=400), faults=["error status=503 retryable=yes since=100 until=1000"])
    assert whole(plant)


def test_ends_auto_costs_nothing_where_overlaps_are_allowed() -> None:
    """The same requests in the same order as with `ends: bulk`."""
    auto, bulk = (live(shift, settings=settings(ends)) for ends in ("auto", "bulk"))
    assert auto.seen == bulk.seen
    assert whole(auto)


def test_starts_that_are_refused_for_other_reasons_teach_nothing() -> None:
    """200 of them between others: each is a dead letter, once the ends before it were sent, and ends share requests as
    before."""

    async def story(plant: Plant) -> None:
        for number in range(200):
            await shift(plant, 2, name="order", begin=400 * number)
            good = plant.start(400 * number + 150, name="order")
            plant.commit(good)
            await plant.drained()
            bad = plant.start(400 * number + 200, name="forbidden")
            plant.commit(plant.end(good, 400 * number + 200), bad)
            await plant.drained()
            learned.append(bool(plant.drain._executor.settlement.ends_first.types))

    learned: list[bool] = []
    plant = live(story, Manners(refuse="forbidden"))
    assert not any(learned)
    assert plant.outbox.counts().dead == 200
    assert len(plant.intervals("RUN")) == 600
    assert all(run.end is not None for run in plant.intervals("RUN"))


def test_what_was_learned_is_tried_anew_after_a_day() -> None:
    """An Oden that allows overlaps since: after a day ends share requests again."""

    async def story(plant: Plant) -> None:
        first_ends = plant.drain._executor.settlement.ends_first
        await shift(plant, 5)
        assert first_ends.types == {"RUN", "STATE"}
        plant.oden.model.manners = Manners()
        await asyncio.sleep(AGAIN)
        assert not first_ends.types
        await shift(plant, 5, begin=100_000)
        assert not first_ends.types

    plant = live(story, Manners(overlap=409))
    assert len(plant.intervals("RUN")) == len(plant.intervals("STATE")) == 10
    assert plant.outbox.counts().dead == 0


def test_with_bulk_a_refused_start_is_a_dead_letter() -> None:
    """Who chose `bulk` has said that this Oden takes overlaps."""
    plant = live(shift, Manners(overlap=400), settings=settings("bulk"))
    assert plant.outbox.counts().dead > 0


@pytest.mark.parametrize("status", [400, 409, 500])
def test_what_is_put_into_the_past_waits_until_what_overlaps_it_is_shortened(status: int) -> None:
    """A state that is over was another for its second half, and for a while in its first: where Oden refuses overlaps,
    the state is shortened first, and each is there, once."""

    async def story(plant: Plant) -> None:
        first, second = plant.start(0, "STATE"), plant.start(100, "STATE")
        plant.commit(first)
        await plant.drained()
        plant.commit(plant.end(first, 100))
        await plant.drained()
        plant.commit(second)
        await plant.drained()
        for at in (40, 20):
            late = replace(plant.start(at, "STATE"), end=T + (100 if at == 40 else 40))
            plant.commit(late, plant.end(first, at))
            await asyncio.sleep(3)
        await plant.drained()

    plant = live(story, Manners(overlap=status))
    wanted = [(T, T + 20), (T + 20, T + 40), (T + 40, T + 100), (T + 100, None)]
    assert [(one.start, one.end) for one in plant.intervals("STATE")] == wanted
    assert plant.outbox.counts().dead == 0


def test_p11_a_start_that_waits_for_ends_since_a_year_ahead_waits_for_two_minutes() -> None:
    """The clock was a year ahead as Oden refused it, and is right since the restart: the end before it does not come,
    and Oden takes overlaps by now."""

    async def story(plant: Plant) -> None:
        first, second = plant.start(0, "STATE"), plant.start(30, "STATE")
        plant.commit(first)
        await plant.drained()
        plant.commit(plant.output(first, 20, 1), plant.end(first, 30), second)
        await plant.until(lambda: any(one.after for one in plant.outbox.attempts(f"{LINE}/states")), 60.0)
        plant.ahead, plant.oden.model.manners = 0.0, Manners()
        await plant.restart(settings("auto"), plant.rows, 0.0, forgets=False)
        await plant.until(lambda: len(plant.intervals("STATE")) == 2, ENDS_WAIT + 30.0)

    def begun_ahead(plant: Plant) -> Awaitable[None]:
        return ahead(plant, story)

    live(begun_ahead, Manners(overlap=409), ["error status=500 retryable=yes at=scrap_yield/set until=3000"])


async def ahead(plant: Plant, story: Callable[[Plant], Awaitable[None]]) -> None:
    """`story` from a life on whose clock is a year ahead."""
    plant.ahead = YEAR
    await plant.restart(settings("auto"), plant.rows, 0.0, forgets=False)
    await story(plant)


def test_a_start_does_not_wait_for_the_end_of_what_is_not_at_oden() -> None:
    """Oden has refused it while the one before was in doubt; that turns out not to be there, and waits with its end: it
    is not open at Oden, and goes by itself."""

    async def story(plant: Plant) -> None:
        first, second = replace(plant.start(0, "STATE"), end=T + 30), plant.start(30, "STATE")
        await plant.kill()
        plant.commit(first, second)
        lane = f"{LINE}/states"
        why = "409: another interval is still open then"
        body = requests.request_for([second], line_id(plant), [None], requests.DEFAULT).text()
        attempt = Attempt(lane, (1,), "interval/set", body, T, 1, "retry", 0.0, why, after=(first.key,), refused=True)
        plant.outbox.begin(Work(lane, (second,), (1,), plant.outbox.interval(second.key)), attempt)
        plant.begin(settings("auto"))
        await plant.until(lambda: len(plant.intervals("STATE")) == 2, 30.0)

    live(story)


def line_id(plant: Plant) -> str:
    """The id of the line at Oden."""
    answer = plant.oden.model.answer("/v2/line/search", b'{"name": "Line 01", "factory": {"name": "Factory A"}}')
    assert isinstance(answer.body, list), answer
    return str(answer.body[0]["id"])


END = f'"end_time":"{iso(T + 60)}"'.lower()
"""What Oden refuses of the first state: its end."""


async def refused_end(plant: Plant) -> StartInterval:
    """Two states, one after the other, by which it is learned that this Oden wants ends first; then one that began at
    `T`, whose end at 60 s is a dead letter. That one."""
    earlier = [plant.start(at, "STATE") for at in (-120, -60)]
    plant.commit(earlier[0])
    await plant.drained()
    plant.commit(plant.end(earlier[0], -60), earlier[1])
    await plant.drained()
    state = plant.start(0, "STATE")
    plant.commit(plant.end(earlier[1], 0), state)
    await plant.drained()
    plant.oden.model.manners = replace(plant.oden.model.manners, refuse=END)
    plant.commit(plant.end(state, 60))
    await plant.drained()
    assert plant.outbox.counts().dead == 1
    return state


def shown(plant: Plant) -> list[tuple[int, int | None]]:
    return [(one.start - T, one.end and one.end - T) for one in plant.intervals("STATE")]


async def others(plant: Plant, minutes: int) -> None:
    """A run each minute: what Oden takes shows that it is about a state alone."""
    for number in range(minutes):
        plant.commit(replace(plant.start(1000 + 60 * number), end=T + 1030 + 60 * number))
        await asyncio.sleep(60.0)


@pytest.mark.parametrize("status", [400, 409, 500])
def test_p5_an_end_that_was_refused_is_sent_once_more_where_a_start_is_refused_because_of_it(status: int) -> None:
    """Oden takes it by now: no dead letter is left, and nothing was asked of a person."""

    async def story(plant: Plant) -> None:
        await refused_end(plant)
        plant.oden.model.manners = Manners(overlap=status)
        plant.commit(plant.start(60, "STATE"))
        await others(plant, 60)
        await plant.drained()

    plant = live(story, Manners(overlap=status))
    assert shown(plant) == [(-120, -60), (-60, 0), (0, 60), (60, None)]
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("how", ["retry", "drop"])
def test_p5_starts_wait_with_an_end_that_oden_refuses_until_a_person_has_seen_to_it(how: str) -> None:
    """A state begins each five minutes: the end is the one dead letter, what is made elsewhere arrives, and every state
    is there once the end is sent after a mend, or was set by hand and is dropped."""

    async def story(plant: Plant) -> None:
        stuck = await refused_end(plant)
        state: StartInterval | None = None
        for at in times:
            begun = plant.start(at, "STATE")
            plant.commit(*([plant.end(state, at)] if state is not None else []), begun)
            state = begun
            plant.commit(replace(plant.start(at), end=T + at + 200))
            await asyncio.sleep(300.0)
            counts = plant.outbox.counts()
            assert (counts.dead, counts.unsettled) == (1, 0)
        asked.append(plant.paths.count("interval/set"))
        assert len(plant.intervals("RUN")) == len(times)
        plant.oden.model.manners = Manners(overlap=409)
        if how == "drop":
            body = {"id": plant.intervals("STATE")[-1].id, "type": {"name": "STATE"}, "end_time": iso(T + 60)}
            plant.by_hand(**body)
        (letter,) = plant.letters()
        assert letter.record.interval == stuck.key
        await plant.ask(how, Question(Filter(where="dead")))
        await plant.drained()

    times, asked = range(60, 6060, 300), list[int]()
    plant = live(story, Manners(overlap=409))
    assert shown(plant)[3:] == [*pairwise(times), (times[-1], None)]
    assert plant.outbox.counts().dead == 0
    assert asked[0] < 6000 / 20, "what waits takes no slots of others"


def test_p5_a_start_that_is_refused_for_another_reason_does_not_wait_with_a_refused_end() -> None:
    """An Oden that takes overlaps: twenty such starts are dead letters as ever, and the end is sent once more, not
    twenty times."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.oden.model.manners = Manners(refuse=END)
        plant.commit(plant.end(state, 60))
        await plant.drained()
        plant.oden.model.manners = Manners(refuse="t0")  # each of them
        before = len(plant.seen)
        for number in range(5):
            plant.commit(plant.start(60 + 60 * number, "STATE"))
            await asyncio.sleep(300.0)
        await plant.drained()
        asked.append(sum("end_time" in body for _, body in plant.seen[before:]))

    asked: list[int] = []
    plant = live(story)
    assert plant.outbox.counts().dead == 6
    assert asked == [1]
