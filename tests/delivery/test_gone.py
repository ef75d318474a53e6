"""Intervals that somebody deletes or makes anew at Oden: what belongs to them concerns nobody else."""

import asyncio
import json

import pytest

from gateway.delivery.whereabouts import says_none
from gateway.model import StartInterval, UpdateInterval
from gateway.oden.classification import Answer
from gateway.outbox.control_handlers import Question
from gateway.outbox.lanes import stored_record
from gateway.outbox.listing import Filter
from gateway.simulator.oden.faults import SUCCESSES
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.store import Interval, Line
from tests.delivery.harness import FACTORY
from tests.delivery.simulated import Plant, T, live

OTHER = f"{FACTORY}/Line 02"


def ask(plant: Plant, action: str, run: Interval, **fields: object) -> None:
    """What a person does in Oden."""
    place = {"type": {"name": "RUN"}, "line": {"name": "Line 01", "factory": {"name": FACTORY}}}
    body = json.dumps({**place, **fields} if fields else {**place, "id": run.id}).encode()
    assert plant.oden.model.answer(f"/v2/interval/{action}", body).status == 200


def test_p5_a_deleted_run_concerns_nobody_else() -> None:
    """60 codes for a run of line 1 that has ended, and that somebody has deleted: each is a dead letter of that run,
    after one look for it; the records of line 2 are at Oden within 15 seconds, and no alarm is raised.
    """

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="deleted")
        plant.commit(run)
        await plant.drained()
        ask(plant, "delete", plant.intervals("RUN")[0])
        codes = (plant.output(run, 10 + number, 1, scrap_code=f"code {number}") for number in range(60))
        plant.commit(*codes, plant.end(run, 100))
        other = plant.start(80, name="other", line=OTHER)
        plant.commit(other, *(plant.output(other, 90 + n, 5, scrap_code=f"code {n}") for n in range(3)))
        begun = asyncio.get_running_loop().time()
        await plant.until(lambda: len(_output(plant)) == 3)
        assert asyncio.get_running_loop().time() - begun <= 15.0
        assert plant.drain.health.api is None
        await plant.drained()

    plant = live(story)
    letters = plant.letters()
    assert len(letters) == plant.outbox.counts().dead == 61
    assert len({letter.record.interval for letter in letters}) == 1
    assert all("not at Oden any more" in letter.error or "404" in letter.error for letter in letters)
    assert plant.paths.count("interval/search") == 1
    assert plant.paths.count("scrap_yield/set") == 1 + 3


@pytest.mark.parametrize("later", [0.0, 200.0])
@pytest.mark.parametrize("answer", ["status=404 retryable=true", "status=410", "status=422"])
def test_p5_a_deleted_run_that_is_on_is_held_in_whatever_way_oden_says_so(answer: str, later: float) -> None:
    """Also where that could be about anything, or may pass; and where the run was told just now, so that a search need
    not show it yet. None of 60 codes is a dead letter, and the records of line 2 are at Oden within 15 seconds."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="deleted")
        plant.commit(run)
        await plant.drained()
        await asyncio.sleep(later)
        ask(plant, "delete", plant.intervals("RUN")[0])
        plant.commit(*(plant.output(run, 10 + number, 1, scrap_code=f"gone {number}") for number in range(60)))
        other = plant.start(80, name="other", line=OTHER)
        plant.commit(other, *(plant.output(other, 90 + n, 5, scrap_code=f"code {n}") for n in range(3)))
        await plant.until(lambda: len(_output(plant)) == 3, seconds=15.0)
        await plant.drained()

    plant = live(story, faults=[f"error {answer} at=scrap_yield/set holding=gone"])
    counts = plant.outbox.counts()
    assert (counts.dead, counts.unsettled, counts.parked, counts.held) == (0, 0, 60, 1)


@pytest.mark.parametrize(
    ("named", "says"),
    [("id", True), ("interval.id", True), ("interval_id", True), ("intervalId", True), ("data", False), (None, None)],
)
def test_what_a_refusal_is_about(named: str | None, says: bool | None) -> None:
    """Of an interval that is not there, whatever the parameter is called; or of something else."""
    body = {"error": "no", "retryable": False, **({"name": named} if named else {})}
    assert says_none(Answer(sent=True, seconds=0.1, status=400, body=body, readable=True, own=True)) == says


def _output(plant: Plant) -> list[object]:
    runs = plant.oden.model.intervals("RUN", FACTORY, "Line 02")
    return [entry for run in runs for entry in plant.oden.model.output(run)]


def test_p4_a_run_that_somebody_has_made_anew_goes_on_under_its_new_id() -> None:
    """Deleted and made again with the same start: its output and its end go there, and nothing is a dead letter."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run)
        await plant.drained()
        (old,) = plant.intervals("RUN")
        # Another takes its id, so that the new one gets the next.
        ask(plant, "delete", old)
        start = "2027-01-15T08:00:01Z"
        for name in ("other", "by hand"):
            ask(plant, "set", old, name=name, start_time=start, metadata={"product": {"name": "Film 9"}})
        ask(plant, "delete", old)
        plant.commit(plant.output(run, 10, 5), plant.output(run, 11, 7, scrap_code="Gel"))
        await plant.drained()
        plant.commit(plant.end(run, 50))
        await plant.drained()

    plant = live(story)
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("by hand", T + 50)]
    assert plant.total() == 12
    assert plant.outbox.counts().dead == 0


async def deleted_while_open(plant: Plant) -> StartInterval:
    """A run that somebody has deleted while it is open at the machine, with output that is held."""
    run = plant.start(1, name="open")
    plant.commit(run, plant.output(run, 5, 3))
    await plant.drained()
    ask(plant, "delete", plant.intervals("RUN")[0])
    plant.commit(*(plant.output(run, 10 + number, 1, scrap_code=f"code {number}") for number in range(20)))
    await plant.drained()
    return run


@pytest.mark.parametrize("errors", ["documented", "message", "text"])
def test_p5_an_interval_that_is_open_at_the_machine_is_no_graveyard(errors: str) -> None:
    """Somebody deletes the run that is on: what comes for it is held and shown, costs no requests, and nothing is a
    dead letter. `outbox recreate` makes it anew, with its name and product; what is held follows, and its end."""

    async def story(plant: Plant) -> None:
        run = await deleted_while_open(plant)
        assert (plant.outbox.counts().dead, plant.outbox.counts().held, plant.outbox.counts().parked) == (0, 1, 20)
        asked = len(plant.seen)
        plant.commit(plant.output(run, 100, 5), plant.end(run, 200))
        await plant.drained()
        assert len(plant.seen) == asked
        listed = [item["record"] for item in await plant.ask("list", Question(Filter(where="deleted")))]
        assert len(listed) == 22
        key = listed[0]["record"]["key"]  # type: ignore[index] # an item of the list
        assert await plant.ask("recreate", Question(Filter(keys=frozenset({key})))) == [{"recreated": 1}]
        await plant.drained()

    plant = live(story, Manners(errors=errors, nothing="empty"))
    assert [(run.name, run.start, run.end) for run in plant.intervals("RUN")] == [("open", T + 1, T + 200)]
    assert plant.intervals("RUN")[0].metadata["product"]["name"] == "Film 20"  # type: ignore[index]
    assert plant.total() == 25, "what was entered before the deletion is gone with it"
    counts = plant.outbox.counts()
    assert (counts.dead, counts.held, counts.parked) == (0, 0, 0)


def test_p4_a_run_that_was_made_by_hand_meanwhile_is_not_made_again() -> None:
    """Before `outbox recreate` makes it, it is looked up."""

    async def story(plant: Plant) -> None:
        run = await deleted_while_open(plant)
        start = "2027-01-15T08:00:01Z"
        gone = Interval("", "RUN", Line(FACTORY, "Line 01"), None, 0, None, {})
        ask(plant, "set", gone, name="by hand", start_time=start, metadata={"product": {"name": "Film 9"}})
        await plant.ask("recreate", Question(Filter(keys=frozenset({held_key(plant, run)}))))
        await plant.drained()

    plant = live(story)
    assert [run.name for run in plant.intervals("RUN")] == ["by hand"]
    assert plant.total() == 20


def test_p6_what_is_held_is_given_up_only_by_a_person() -> None:
    """`outbox drop` gives up what is held, and nothing else; what comes afterwards is held again."""

    async def story(plant: Plant) -> None:
        run = await deleted_while_open(plant)
        other = plant.start(500, name="other")
        plant.commit(other, plant.output(other, 510, 1, scrap_code="bad"))
        await plant.drained()
        key = held_key(plant, run)
        (said,) = await plant.ask("drop", Question(Filter(keys=frozenset({key})), dry=True))
        assert (said["letters"], said["held"]) == (0, 20)
        (said,) = await plant.ask("drop", Question(Filter(keys=frozenset({key}))))
        assert (said["letters"], said["held"]) == (0, 20)
        assert (plant.outbox.counts().dead, plant.outbox.counts().held, plant.outbox.counts().parked) == (1, 1, 0)
        plant.commit(plant.output(run, 600, 9), plant.end(run, 700))
        await plant.drained()
        assert plant.outbox.counts().parked == 2
        await plant.ask("drop", Question(Filter(where="deleted")))

    plant = live(story, faults=["error status=400 at=scrap_yield/set holding=bad"])
    counts = plant.outbox.counts()
    assert (counts.dead, counts.held, counts.parked) == (1, 0, 0)
    assert plant.outbox.totals.dropped == 22


def held_key(plant: Plant, run: StartInterval) -> str:
    """The key of a record that is held for the run."""
    rows = (stored_record(text).record for name, text in plant.rows.items() if "/parked/" in name)
    return next(record.key for record in rows if record.interval == run.key)


def test_p5_many_refusals_of_one_interval_are_no_alarm_and_of_many_are_one() -> None:
    """Sixty entries of one run are refused: sixty dead letters. An entry each of twelve runs: held after ten."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="one")
        plant.commit(run, *(plant.output(run, 10 + n, 1, scrap_code=f"bad {n}") for n in range(60)))
        await plant.until(lambda: plant.outbox.counts().dead == 60)
        assert plant.drain.health.api is None
        runs = [plant.start(1000 + 60 * n, name=str(n)) for n in range(12)]
        plant.commit(*runs)
        await plant.drained()
        plant.commit(*(plant.output(one, 2000 + n, 1, scrap_code="bad") for n, one in enumerate(runs)))
        await plant.until(lambda: plant.drain.health.api is not None)
        assert plant.outbox.counts().dead == 70

    live(story, faults=["error status=400 at=scrap_yield/set holding=bad"])


def test_p5_output_in_doubt_of_a_run_that_was_deleted_meanwhile_is_held_with_it() -> None:
    """Nobody looks for it under an id that is none any more, for ever: it waits with the rest for a person, who makes
    the run anew."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="deleted")
        plant.commit(run)
        await plant.drained()
        plant.commit(plant.output(run, 10, 5))
        await plant.until(lambda: bool(plant.outbox.counts().in_doubt))
        ask(plant, "delete", plant.intervals("RUN")[0])
        change = UpdateInterval(plant.key(), run.line, T + 20.0, "RUN", run.key, metadata={"shift": "late"})
        plant.commit(change, plant.output(run, 30, 7, scrap_code="Gel"))
        await plant.drained()
        assert (plant.outbox.counts().parked, plant.outbox.counts().held) == (3, 1)
        await plant.ask("recreate", Question(Filter(where="deleted")))
        await plant.drained()

    plant = live(story, faults=("close commit=yes at=scrap_yield/set times=1",))
    assert plant.total() == 12
    assert not plant.letters()


@pytest.mark.parametrize("errors", ["documented", "text", "framework", *SUCCESSES])
def test_p5_a_deleted_interval_is_found_out_in_whatever_words_that_is_refused(errors: str) -> None:
    """Also where nothing else is sent that could show whose fault a refusal is in a shape that is not Oden's."""

    async def story(plant: Plant) -> None:
        run = plant.start(1, name="deleted")
        plant.commit(run)
        await plant.drained()
        ask(plant, "delete", plant.intervals("RUN")[0])
        plant.commit(plant.end(run, 100))
        await plant.drained()

    plant = live(story, Manners(errors=errors, nothing="empty"))
    (letter,) = plant.letters()
    assert "not at Oden any more" in letter.error


@pytest.mark.parametrize("range_", ["start", "overlap"])
@pytest.mark.parametrize("ids", ["yes", "no"])
def test_p4_where_starts_are_rounded_an_ingress_without_a_route_makes_no_interval_gone(ids: str, range_: str) -> None:
    """Its 404 is not Oden's word: an interval that a search by its start does not show is looked for by its id, too,
    before its end becomes a dead letter."""

    async def story(plant: Plant) -> None:
        run = plant.start(30)
        plant.commit(run)
        await plant.drained()
        await asyncio.sleep(240)
        plant.commit(plant.end(run, 240))
        await plant.drained()

    faults = ["foreign status=404 shape=detail at=interval/set since=200 until=400"]
    plant = live(story, Manners(rounds=60, ids=ids, range=range_), faults)
    assert plant.letters() == []
    assert [one.end for one in plant.intervals("RUN")] == [T + 240]
