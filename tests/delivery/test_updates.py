"""Changes of names and metadata: people change them in Oden as well, and Oden may drop what a change does not name."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.delivery.changes import UpdatesOrder
from gateway.delivery.learned import Learned, learned
from gateway.delivery.settlement import DeliveryOptions
from gateway.model import StartInterval, UpdateInterval
from gateway.oden.requests import Wording
from gateway.outbox import told
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.store import Interval
from tests.delivery.harness import FACTORY
from tests.delivery.simulated import Plant, T, live

BOTH = ["merge", "replace"]


def edit(plant: Plant, interval: Interval, **fields: object) -> None:
    """What a person changes in Oden, which shows all of an interval and keeps what was not changed."""
    place = {"type": {"name": interval.type}, "line": {"name": "Line 01", "factory": {"name": FACTORY}}}
    whole = {**interval.metadata, **fields}
    body = json.dumps({**place, "id": interval.id, "metadata": whole})
    assert plant.oden.model.answer("/v2/interval/set", body.encode()).status == 200


def change(plant: Plant, of: StartInterval, at: int, **metadata: str) -> UpdateInterval:
    return replace(plant.end(of, at), end=None, metadata=metadata)


def shown(plant: Plant, kind: str = "STATE") -> list[Mapping[str, object]]:
    def plain(value: object) -> object:
        return value.get("name") if isinstance(value, dict) else value

    return [
        {name: plain(value) for name, value in one.metadata.items() if name != "metadata_type"}
        for one in plant.intervals(kind)
    ]


@pytest.mark.parametrize("manner", BOTH)
def test_what_people_write_in_oden_stays_and_what_the_machine_says_arrives(manner: str) -> None:
    """Somebody re-categorises a downtime and writes a comment; the machine gives a reason, then another comment, and
    the end: reason and end arrive, category and comment stay as the person has them. It costs two requests a change,
    and the first one in all one or two more."""

    async def story(plant: Plant) -> None:
        for number in range(20):
            at = 600 * number
            state = plant.start(at, "STATE")
            plant.commit(state)
            await plant.drained()
            edit(plant, plant.intervals("STATE")[-1], category={"name": "Planned Downtime"}, comment="by hand")
            plant.commit(change(plant, state, at + 60, reason="Jam", comment="code 17", category="Unplanned Downtime"))
            await plant.drained()
            plant.commit(plant.end(state, at + 120))
            await plant.drained()
        costs.append(sum("end_time" not in body for _, body in plant.seen) - 1 - 20)

    costs: list[int] = []
    plant = live(story, Manners(metadata=manner))
    assert shown(plant) == [{"category": "Planned Downtime", "comment": "by hand", "reason": "Jam"}] * 20
    assert all(state.end is not None for state in plant.intervals("STATE"))
    assert plant.outbox.counts().dead == 0
    assert 2 * 20 < costs[0] <= 2 * 20 + (1 if manner == "merge" else 2)
    assert learned(told.learned(plant.outbox)).metadata == {"STATE": {"merge": "merged", "replace": "replaced"}[manner]}


@pytest.mark.parametrize("manner", BOTH)
def test_an_end_never_carries_metadata(manner: str) -> None:
    """Where both are told in one record, they go by themselves; and the end goes without a look."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.commit(replace(plant.end(state, 60), metadata={"comment": "3 short stops"}))
        await plant.drained()
        other = plant.start(60, "STATE")
        plant.commit(other)
        await plant.drained()
        plant.commit(plant.end(other, 120))
        await plant.drained()

    plant = live(story, Manners(metadata=manner))
    assert shown(plant) == [{"category": "Uptime", "comment": "3 short stops"}, {"category": "Uptime"}]
    assert all(state.end is not None for state in plant.intervals("STATE"))
    assert all("metadata" not in body for _, body in plant.seen if "end_time" in body and "start_time" not in body)


@pytest.mark.parametrize("manner", BOTH)
@pytest.mark.parametrize(
    "fault",
    ["close commit=yes at=interval/set holding=Jam times=1", "close commit=no at=interval/set holding=Jam times=1"],
)
def test_p4_a_change_whose_answer_is_lost_undoes_nothing(manner: str, fault: str) -> None:
    """Somebody changes the same field meanwhile: the look that comes before the repeat shows it."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.commit(change(plant, state, 30, reason="Jam", comment="code 17"))
        await plant.until(lambda: any("Jam" in body for _, body in plant.seen))
        await asyncio.sleep(5)
        edit(plant, plant.intervals("STATE")[0], category={"name": "Planned Downtime"})
        await plant.drained()

    plant = live(story, Manners(metadata=manner), [fault])
    assert shown(plant)[0]["category"] == "Planned Downtime"
    assert (shown(plant)[0]["reason"], shown(plant)[0]["comment"]) == ("Jam", "code 17")


@pytest.mark.parametrize(("chosen", "kept"), [("fields", False), ("whole", True)])
def test_who_knows_better_chooses(chosen: UpdatesOrder, kept: bool) -> None:
    """With an Oden that replaces, `whole` keeps what is there from the first change on, and `fields` does not."""

    async def story(plant: Plant) -> None:
        check = plant.start(0, "CHECK")
        plant.commit(replace(check, metadata={"by": "hand"}))
        await plant.drained()
        plant.commit(change(plant, check, 30, result="good"))
        await plant.drained()

    plant = live(story, Manners(metadata="replace"), settings=DeliveryOptions(60.0, 30.0, updates=chosen))
    assert ("by" in shown(plant, "CHECK")[0]) == kept
    assert shown(plant, "CHECK")[0]["result"] == "good"


def test_a_refused_change_does_not_take_the_end_with_it() -> None:
    """A comment that Oden refuses is a dead letter; the end, in the same record, is told."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.commit(replace(plant.end(state, 60), metadata={"comment": "forbidden"}))
        await plant.drained()

    plant = live(story, Manners(refuse="forbidden"))
    (letter,) = plant.letters()
    assert isinstance(letter.record, UpdateInterval)
    assert (letter.record.end, letter.record.metadata) == (None, {"comment": "forbidden"})
    assert plant.intervals("STATE")[0].end is not None


@pytest.mark.parametrize("manner", BOTH)
def test_an_end_that_somebody_has_set_stays(manner: str) -> None:
    """A person ends a run in Oden that is open at the machine. It is noticed with the next change, which arrives; the
    machine's own end is not told, and what was made meanwhile is."""

    async def story(plant: Plant) -> None:
        run, other = plant.start(0, name="one"), plant.start(600, name="two")
        plant.commit(run)
        await plant.drained()
        by_hand = {"type": {"name": "RUN"}, "line": {"name": "Line 01", "factory": {"name": FACTORY}}}
        body = {**by_hand, "id": plant.intervals("RUN")[0].id, "end_time": "2027-01-15T08:03:00Z"}
        assert plant.oden.model.answer("/v2/interval/set", json.dumps(body).encode()).status == 200
        plant.commit(change(plant, run, 240, grade="A"), plant.output(run, 300, 7))
        await plant.drained()
        plant.commit(plant.output(run, 500, 5), plant.end(run, 600), other)
        await plant.drained()
        plant.commit(plant.end(other, 900))
        await plant.drained()

    plant = live(story, Manners(metadata=manner))
    assert [(run.name, run.end) for run in plant.intervals("RUN")] == [("one", T + 180), ("two", T + 900)]
    assert shown(plant, "RUN")[0]["grade"] == "A"
    assert (plant.total(), plant.outbox.counts().dead) == (12, 0)


def test_changes_arrive_where_no_search_is_understood() -> None:
    """Searches are answered in a way that nobody understands: after three of them a change is sent unseen."""

    async def story(plant: Plant) -> None:
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.commit(change(plant, state, 30, reason="Jam"))
        await plant.drained()

    plant = live(story, faults=["foreign status=400 at=interval/search"])
    assert shown(plant) == [{"category": "Uptime", "reason": "Jam"}]
    assert Counter(plant.paths)["interval/search"] == 3


@pytest.mark.parametrize("reference", [None, "gateway_key"])
@pytest.mark.parametrize("known", [None, "merged", "replaced"])
@pytest.mark.parametrize("manner", BOTH)
@pytest.mark.parametrize(
    "fault",
    [
        "close commit=no at=interval/search times=3",
        "truncated at=interval/search times=3",
        "error status=500 retryable=no at=interval/search times=3",
        "foreign status=400 at=interval/search times=3",
        "error status=500 retryable=no at=interval/search times=5",
    ],
)
def test_p4_a_change_that_is_sent_unseen_drops_nothing_that_was_told(
    fault: str, manner: str, known: str | None, reference: str | None
) -> None:
    """Searches fail for a while, so that a change is sent unseen, to an Oden that drops what a change does not name:
    what was told before is there all the same, whatever is known of that Oden; and what people have written beside it
    stays where Oden keeps it."""

    async def story(plant: Plant) -> None:
        if known == {"merge": "merged", "replace": "replaced"}[manner]:
            told.keep_learned(plant.outbox, json.dumps({"metadata": {"CHECK": known}}))
            await plant.restart(settings, plant.rows, 0, forgets=False)
        check = plant.start(0, "CHECK")
        plant.commit(replace(check, metadata={"result": "fail"}))
        await plant.drained()
        edit(plant, plant.intervals("CHECK")[0], comment="by hand")
        plant.commit(change(plant, check, 30, by="operator"))
        await plant.drained()
        plant.commit(plant.end(check, 60))
        await plant.drained()

    settings = DeliveryOptions(60.0, 30.0, Wording(reference=reference))
    plant = live(story, Manners(metadata=manner), [fault], settings=settings)
    (there,) = shown(plant, "CHECK")
    assert {"result": "fail", "by": "operator"}.items() <= there.items()
    assert (reference is None) or reference in there
    assert manner == "replace" or there["comment"] == "by hand"
    assert plant.intervals("CHECK")[0].end == T + 60
    assert plant.outbox.counts().dead == 0


@pytest.mark.parametrize("by_hand", [False, True])
def test_p4_what_a_change_of_another_life_has_dropped_is_put_back(*, by_hand: bool) -> None:
    """A life tries whether this Oden replaces metadata, and ends before it can put back what that has dropped. A copy
    of before goes on: it knows what was told. What a person has taken away, who takes away no key, stays away."""

    async def story(plant: Plant) -> None:
        check = plant.start(0, "CHECK")
        plant.commit(replace(check, metadata={"result": "fail"}))
        await plant.drained()
        copy = plant.copied()
        if by_hand:
            edit(plant, plant.intervals("CHECK")[0], result=None)
        else:
            plant.commit(change(plant, check, 30, by="operator"))
            await plant.until(lambda: shown(plant, "CHECK") == [{"by": "operator"}])
        await plant.restart(settings, copy, 100)
        plant.commit(change(plant, check, 30, by="operator"))
        await plant.drained()
        plant.commit(plant.end(check, 60))
        await plant.drained()

    settings = DeliveryOptions(60.0, 30.0, Wording(reference="gateway_key"))
    plant = live(story, Manners(metadata="replace"), settings=settings)
    (there,) = shown(plant, "CHECK")
    assert (there.get("result"), there["by"], "gateway_key" in there) == (None if by_hand else "fail", "operator", True)


def test_what_was_learned_is_on_disk() -> None:
    """It is there at the next start; what cannot be read counts as nothing."""
    outbox = Outbox(MemoryStore())
    assert learned(told.learned(outbox)).metadata == {}
    told.keep_learned(outbox, '{"metadata": {"RUN": "replaced"}, "ends_first": {"RUN": 100.0}, "start_step": 60}')
    known = learned(told.learned(outbox))
    assert (known.metadata, known.start_step, set(known.wants_ends_first(200.0))) == ({"RUN": "replaced"}, 60, {"RUN"})
    assert not set(known.wants_ends_first(50.0)), "learned by a clock that ran ahead"
    assert not set(known.wants_ends_first(100.0 + 86_400.0)), "tried anew after a day"
    assert learned("[]") == learned(None)


@pytest.mark.parametrize("before", ["https://api.oden.example/v2", ""])
def test_what_was_learned_of_another_oden_says_nothing_of_this_one(before: str) -> None:
    """Another URL: it is learned anew, and lines are looked for by their names; what is of the same, or of an earlier
    version that has not kept whose it is, stays."""
    here, elsewhere = DeliveryOptions(60.0, 30.0, oden="https://api.oden.example/v2"), "http://127.0.0.1:8400/v2"

    there = replace(here, oden=elsewhere)
    lives = [(here, True, True), (here, True, False), (there, False, True), (there, False, False), (here, False, True)]

    async def story(plant: Plant) -> None:
        known = Learned({"RUN": T - 100.0}, {"STATE": "replaced"}, 60, before)
        told.keep_learned(plant.outbox, known.text())
        for number, (settings, is_kept, is_searched) in enumerate(lives):
            await plant.restart(settings, plant.rows, 0, forgets=False)
            seen = len(plant.seen)
            plant.commit(plant.start(60 * number, "STATE"))
            await plant.drained()
            now = learned(told.learned(plant.outbox))
            assert (now.url, now.start_step == 60, "STATE" in now.metadata) == (settings.oden, is_kept, is_kept)
            assert ("line/search" in plant.paths[seen:]) == is_searched

    live(story)


@pytest.mark.parametrize("names", ["any", "short"])
def test_a_name_that_grows_arrives(names: str) -> None:
    """What Oden shows is the beginning of the new name, because that is what it was told before, and not because it
    shortens names; where it does, it is told once."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="order 17 of the customer")
        plant.commit(run)
        await plant.drained()
        plant.commit(replace(plant.end(run, 60), end=None, name="order 17 of the customer in the north"))
        await plant.drained()

    plant = live(story, Manners(names=names))
    (run,) = plant.intervals("RUN")
    assert run.name == ("order 17 of the customer in the north" if names == "any" else "order 17 of the cust")
