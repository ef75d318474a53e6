"""Answers of which nobody can tell whether they are Oden's: what becomes of others decides, and nothing is doubled."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from gateway.delivery.settlement import MOST_FOREIGN
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter
from gateway.simulator.oden.faults import SHAPES, SUCCESSES
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.store import Interval
from tests.delivery.harness import FACTORY, LINES
from tests.delivery.simulated import Plant, T, live

ALL_SHAPES = [*SHAPES, *SUCCESSES]


def named(plant: Plant, kind: str = "RUN") -> list[str | None]:
    return [interval.name for interval in plant.intervals(kind)]


async def runs_go_on(plant: Plant, *, until_dead: int) -> int:
    """Another run each minute, until so many records are dead; answers how many."""
    for number in count(1):
        run = plant.start(60 * number, name=f"order {number}")
        plant.commit(run, plant.output(run, 60 * number + 9, 1), plant.end(run, 60 * number + 30))
        await asyncio.sleep(60)
        if plant.outbox.counts().dead >= until_dead:
            return number
        assert number < 400, "nothing becomes of the refused record"
    raise AssertionError


@pytest.mark.parametrize("shape", ALL_SHAPES)
def test_p5_a_refusal_of_any_shape_ends_its_record_and_no_other(shape: str) -> None:
    """A run that this Oden refuses in words of its own, and an entry: both are dead letters with the answer in them;
    all others arrive, once.
    """

    async def story(plant: Plant) -> None:
        bad, good = plant.start(1, name="forbidden"), plant.start(2, name="order 0")
        plant.commit(bad, good, plant.output(good, 3, 5), plant.output(good, 4, 7, scrap_code="forbidden"))
        plant.number += 1000
        numbers.append(await runs_go_on(plant, until_dead=2))
        await plant.drained()

    numbers: list[int] = []
    plant = live(story, Manners(refuse="forbidden", errors=shape))
    letters = {letter.record.kind: letter for letter in plant.letters()}
    assert letters.keys() == {"start", "output"}
    assert all("this is not allowed here" in letter.error for letter in letters.values())
    assert all(letter.tries <= 4 * MOST_FOREIGN for letter in letters.values())
    assert named(plant) == [f"order {number}" for number in range(numbers[0] + 1)]
    assert plant.total() == 5 + numbers[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_p9_where_everything_is_refused_the_api_is_held_and_the_answer_is_said(shape: str) -> None:
    """An ingress without a route, in any shape: no record dies of it, the page says what was answered, and when the
    route is there again everything arrives, once.
    """

    async def story(plant: Plant) -> None:
        runs = [plant.start(60 * number, name=str(number)) for number in range(12)]
        plant.commit(*runs)
        await plant.until(lambda: plant.drain.health.api is not None)
        held = plant.drain.health.api
        assert held is not None
        assert "no Route matched" in held.reason
        assert "404" in held.reason
        await asyncio.sleep(3600)
        assert plant.outbox.counts().dead == plant.outbox.counts().unsettled == 0
        plant.injector.clear()
        await plant.drained()
        assert plant.drain.health.api is None

    plant = live(story, faults=[f"foreign status=404 shape={shape}"])
    assert named(plant) == [str(number) for number in range(12)]


@pytest.mark.parametrize("status", [400, 404, 405, 409, 422])
@pytest.mark.parametrize("shape", SHAPES)
def test_p4_an_ingress_without_a_route_is_never_read_as_none(shape: str, status: int) -> None:
    """In the middle of doubts searches are answered by something that knows no such route, for five minutes: what took
    effect is not made again."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run, plant.output(run, 9, 5))
        await plant.drained()
        plant.commit(plant.output(run, 1000, 7), plant.start(20, "STATE"))
        await asyncio.sleep(400)
        await plant.drained()

    faults = (
        "close commit=yes at=interval/set times=1",
        "close commit=yes at=scrap_yield/set times=2",
        f"foreign status={status} shape={shape} at=*/search since=5 until=305",
    )
    plant = live(story, faults=faults)
    assert (named(plant), plant.total(), len(plant.intervals("STATE"))) == (["one"], 12, 1)
    assert plant.outbox.counts().unsettled == 0


@pytest.mark.parametrize("search", ["error status=400", "html status=404", "redirect"])
def test_p4_what_cannot_be_looked_up_is_unsettled_and_not_dead(search: str) -> None:
    """Oden took a run, nobody knows, and the search is refused for good, or answered with a web page, while all else
    works: it is shown as what may be at Oden; sent once more it is looked up first, and its end arrives too.
    """

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run, plant.output(run, 9, 5))
        for number in count(1):
            plant.commit(plant.start(60 * number, "STATE"), *([plant.end(run, 50)] if number == 2 else []))
            await asyncio.sleep(60)
            if plant.outbox.counts().unsettled:
                break
            assert number < 400
        counts = plant.outbox.counts()
        assert (counts.dead, counts.unsettled, counts.parked) == (0, 1, 2)
        (letter,) = plant.letters()
        assert letter.unsettled
        assert "may be at Oden" in letter.error
        (shown,) = await plant.ask("list", Question(Filter(where="unsettled")))
        assert shown["record"]["where"] == "unsettled"  # type: ignore[index] # a JSON object
        plant.injector.clear()
        assert await plant.ask("retry", Question(Filter(where="unsettled"))) == [
            {"retried": 1, "hopeless": 0, "outdated": 0}
        ]
        await plant.drained()

    faults = ("close commit=yes at=interval/set holding=RUN times=1", f"{search} at=interval/search")
    plant = live(story, faults=faults)
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("one", 1_800_000_050)]
    assert plant.total() == 5
    counts = plant.outbox.counts()
    assert (counts.dead, counts.unsettled, counts.parked) == (0, 0, 0)


@pytest.mark.parametrize("there", [True, False])
def test_p4_a_person_settles_what_may_be_at_oden(*, there: bool) -> None:
    """`outbox settle`: with the id that Oden has, what needs the run is sent to it; with `--absent` the run is made."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run, plant.output(run, 9, 5))
        for number in range(1, 400):
            plant.commit(plant.start(60 * number, "STATE"), *([plant.end(run, 50)] if number == 2 else []))
            await asyncio.sleep(60)
            if plant.outbox.counts().unsettled:
                break
        oden_id = plant.intervals("RUN")[0].id if there else None
        wanted = Filter(keys=frozenset({run.key}))
        (answer,) = await plant.ask("settle", Question(wanted, oden_id=oden_id))
        assert answer == {"settled": run.key}
        await plant.drained()

    commit = "yes" if there else "no"
    faults = (f"close commit={commit} at=interval/set holding=RUN times=1", "error status=400 at=interval/search")
    plant = live(story, faults=faults)
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("one", 1_800_000_050)]
    assert plant.total() == 5
    assert plant.outbox.counts().unsettled == 0


@pytest.mark.parametrize("answer", ["empty", "text"])
def test_p4_a_change_that_is_answered_with_nothing_is_settled_by_looking(answer: str) -> None:
    """An Oden that answers changes with an empty body, or with a text that is no JSON: ends, names and details
    arrive; none is sent more than twice. Names and details are looked at before; where the body is empty it is looked
    at once afterwards for each way in which it is said, and once for what a change does to metadata.
    """

    async def story(plant: Plant) -> None:
        for number in range(20):
            run = plant.start(60 * number, name=f"order {number}")
            plant.commit(run)
            await plant.drained()
            more = {"product": "Film 30"} if number % 2 else {}
            plant.commit(replace(plant.end(run, 60 * number + 50), name=f"lot {number}", metadata=more))
            await plant.drained()

    plant = live(story, Manners(updated=answer))
    shown = [(run.name, run.end, _product(run)) for run in plant.intervals("RUN")]
    wanted = [(f"lot {n}", T + 60 * n + 50, "Film 30" if n % 2 else "Film 20") for n in range(20)]
    assert shown == wanted
    changes = [body for path, body in plant.seen if path.endswith(("/set", "/update")) and "start_time" not in body]
    assert len(changes) <= 2 * 20 + 3, "sent again and again: names and details by themselves, and the end"
    assert plant.paths.count("interval/search") <= 20 + (3 if answer == "empty" else 40)
    assert plant.outbox.counts().dead == 0


def test_p4_a_change_that_was_not_made_is_sent_again_and_ends_at_last() -> None:
    """Something takes the change of one run's name with an empty success and does nothing: the look-up shows it, it is
    sent again, and ends as a dead letter while the others arrive; the end, told by itself, is there."""

    async def story(plant: Plant) -> None:
        bad = plant.start(1, name="lost")
        plant.commit(bad)
        await plant.drained()
        plant.commit(replace(plant.end(bad, 20), name="swallowed"))
        for number in count(1):
            run = plant.start(60 * number, name=f"order {number}")
            plant.commit(run)
            await asyncio.sleep(60)
            plant.commit(plant.end(run, 60 * number + 30))
            if plant.outbox.counts().dead:
                break
            assert number < 400
        await plant.drained()

    plant = live(story, faults=["swallow at=interval*/* holding=swallowed"])
    (letter,) = plant.letters()
    assert letter.record.kind == "update"
    assert not letter.unsettled
    assert plant.intervals("RUN")[0].name == "lost"
    assert all(run.end is not None for run in plant.intervals("RUN"))


@pytest.mark.parametrize("shape", [*SUCCESSES, "detail"])
def test_p4_a_success_with_an_error_is_none_for_a_change_either(shape: str) -> None:
    """The end of one run is refused so: it becomes a dead letter with the answer, and the others arrive."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run)
        await plant.drained()
        plant.commit(replace(plant.end(run, 20), name="forbidden"))
        await runs_go_on(plant, until_dead=1)

    plant = live(story, Manners(refuse="forbidden", errors=shape))
    (letter,) = plant.letters()
    assert (letter.record.kind, "not allowed here" in letter.error) == ("update", True)
    assert len(plant.intervals("RUN")) > 2


def test_p4_what_oden_has_confirmed_and_never_shows_is_unsettled() -> None:
    """A success without an id, and a search that does not show it, ever: after ten look-ups a person is told, and a
    retry looks before it sends.
    """

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(1, name="one"))
        for number in count(1):
            plant.commit(plant.start(60 * number, "STATE"))
            await asyncio.sleep(60)
            if plant.outbox.counts().unsettled:
                break
            assert number < 400
        assert plant.intervals("RUN") == []
        await plant.ask("retry", Question(Filter(where="unsettled")))
        await plant.drained()

    plant = live(story, faults=["swallow at=interval/set holding=RUN times=1 as=object"])
    assert named(plant) == ["one"]
    assert plant.outbox.counts().unsettled == 0


def _product(run: Interval) -> object:
    product = run.metadata["product"]
    return product["name"] if isinstance(product, dict) else None


@pytest.mark.parametrize("answer", ["empty", "text"])
def test_p4_many_changes_in_one_request_are_settled_one_by_one(answer: str) -> None:
    """Where the answer does not tell which were made, each is sent by itself; after the second such answer no more are
    sent together for a day."""

    async def story(plant: Plant) -> None:
        for batch in range(4):
            states = [plant.start(1000 * batch + 10 * number, "STATE") for number in range(5)]
            plant.commit(*states)
            await plant.drained()
            plant.commit(*(plant.end(state, 1000 * batch + 10 * number + 10) for number, state in enumerate(states)))
            await plant.drained()

    plant = live(story, Manners(updated=answer))
    states = plant.intervals("STATE")
    assert [state.end for state in states] == [state.start + 10 for state in states]
    assert plant.paths.count("intervals/update") == 2
    assert plant.outbox.counts().dead == 0


def test_p5_many_that_are_refused_in_foreign_words_do_not_take_the_slots_of_all_others() -> None:
    """Sixty custom intervals on each of two lines, each of which is refused in words that are not Oden's, and so might
    be at Oden: they are dead letters in the end, and meanwhile a line that is in order is never more than minutes
    behind."""

    async def story(plant: Plant) -> None:
        for line in LINES:
            bad = (plant.start(n, "CHECK", line=line) for n in range(60))
            plant.commit(*(replace(one, end=one.start + 1, metadata={"word": "forbidden"}) for one in bad))
        for number in count(10):
            run = plant.start(60 * number, name=f"order {number}", line=f"{FACTORY}/Line 02")
            plant.commit(run, plant.end(run, 60 * number + 60))
            await asyncio.sleep(60)
            behind.append(60 * number + 60 - len(plant.oden.model.intervals("RUN", FACTORY, "Line 02")) * 60 - 600)
            if plant.outbox.counts().dead == 120:
                return
            assert number < 400

    behind: list[int] = []
    live(story, Manners(errors="text", nothing="empty", refuse="forbidden"))
    assert max(behind) <= 600


def test_p5_what_is_refused_in_foreign_words_ends_also_where_no_create_is_answered_with_an_id() -> None:
    """Creates that Oden takes without naming an id are taken: by them it shows that the refused one is why."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="forbidden"))
        for number in count(1):
            run = plant.start(60 * number, name=f"order {number}")
            plant.commit(run, plant.end(run, 60 * number + 30))
            await asyncio.sleep(60)
            if plant.outbox.counts().dead:
                break
            assert number < 60
        await plant.drained()

    plant = live(story, Manners(errors="text", nothing="empty", ids="no", updated="text", refuse="forbidden"))
    assert [letter.record.kind for letter in plant.letters()] == ["start"]
