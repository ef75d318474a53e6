"""What another life of the gateway has left open at Oden: after a lost outbox, over an older copy, on a new box."""

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.delivery.left_open import MOST_REFUSED
from gateway.model import StartInterval
from gateway.oden.requests import Wording
from gateway.outbox.key_value import MemoryStore
from gateway.simulator.oden.bodies import Answer
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.store import Interval
from tests.delivery.simulated import Plant, T, live

DAY = 86_400
FRIDAY = 4 * DAY
REFERENCED = DeliveryOptions(60.0, 30.0, Wording(reference="gateway_key"))
PLAIN = DeliveryOptions(60.0, 30.0)


async def monday(plant: Plant, run: str = "A") -> StartInterval:
    """A run with output until 100 s, and a state since 30 s; both are open at Oden."""
    start = plant.start(0, name=run)
    plant.commit(start, plant.start(30, "STATE"), plant.output(start, 100, 5))
    await plant.drained()
    return start


async def lost(plant: Plant, settings: DeliveryOptions, at: int = FRIDAY, rows: MemoryStore | None = None) -> None:
    """The gateway is killed, and begins `at` with an empty outbox, or with `rows`."""
    await plant.restart(settings, rows or MemoryStore(), at)


def shown(intervals: list[Interval]) -> list[tuple[int, int | None]]:
    return [(one.start - T, None if one.end is None else one.end - T) for one in intervals]


def requests(plant: Plant, since: int) -> list[str]:
    return plant.paths[since:]


@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
def test_p4_the_run_of_the_same_key_goes_on_and_the_days_between_are_no_uptime(settings: DeliveryOptions) -> None:
    """Lost on Monday, begun on Friday: no second run; the state ended when it was last known to be on, and a new one
    begins. It costs six searches and one change."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, settings)
        before = len(plant.seen)
        run = plant.start(FRIDAY, name="A")
        state = plant.start(FRIDAY + 5, "STATE")
        plant.commit(state, run, plant.output(run, FRIDAY + 60, 7), plant.end(run, FRIDAY + 90))
        await plant.drained()
        asked = requests(plant, before)
        assert asked.count("interval/search") + asked.count("scrap_yield/search") == 6
        assert sum(1 for path in asked if path.endswith("/set")) == 4  # an end, a start, an entry, an end

    plant = live(story, settings=settings)
    assert shown(plant.intervals("RUN")) == [(0, FRIDAY + 90)]
    assert shown(plant.intervals("STATE")) == [(30, 100), (FRIDAY + 5, None)]
    assert plant.total() == 12
    assert not plant.letters()


@pytest.mark.parametrize(("settings", "ended"), [(REFERENCED, 100), (PLAIN, None)])
def test_p4_an_open_run_of_another_key_is_not_adopted(settings: DeliveryOptions, ended: int | None) -> None:
    """It is ended when it was last known to be on, where it carries our key. Without that it may be anybody's: it stays
    as it is, and a person is told."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, settings)
        plant.commit(plant.start(FRIDAY, name="B"))
        await plant.drained()

    plant = live(story, settings=settings)
    assert shown(plant.intervals("RUN")) == [(0, ended), (FRIDAY, None)]
    (notice,) = [notice for notice in plant.outbox.notices(10) if notice.kind == "oden"]
    assert "the run A of 2027-01-15T08:00:00Z" in notice.text
    assert ("was ended at" if ended else "it stays as it is") in notice.text


def test_p4_an_operators_own_run_is_left_alone() -> None:
    """It does not carry our key, so that it is not ours, whatever it is called; one of the same name is the run that is
    on."""

    async def story(plant: Plant) -> None:
        run = {"type": {"name": "RUN"}, "start_time": "2027-01-15T08:00:50Z", "name": "trial"}
        plant.by_hand(**run, metadata={"product": {"name": "Film 20"}})
        await lost(plant, REFERENCED)
        plant.commit(plant.start(FRIDAY, name="A"), plant.start(FRIDAY, "STATE"))
        await plant.drained()

    plant = live(story, settings=REFERENCED)
    assert shown(plant.intervals("RUN")) == [(50, None), (FRIDAY, None)]
    assert any("trial" in notice.text for notice in plant.outbox.notices(10))


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
def test_p4_starts_whose_messages_came_again_are_not_told_again(settings: DeliveryOptions, newest_first: bool) -> None:
    """Others have begun at Oden since, so that none of them is the latest there; each costs a search."""

    async def story(plant: Plant) -> None:
        states = [plant.start(at, "STATE") for at in (0, 30, 60)]
        plant.commit(states[0], plant.end(states[0], 30), states[1], plant.end(states[1], 60), states[2])
        await plant.drained()
        await lost(plant, settings)
        again = [plant.start(at, "STATE") for at in (30, 0)]
        news = plant.start(FRIDAY, "STATE")
        for record in (news, *again) if newest_first else (*again, news):
            plant.commit(record)
            await plant.drained()

    plant = live(story, settings=settings)
    assert [start for start, _ in shown(plant.intervals("STATE"))] == [0, 30, 60, FRIDAY]


def test_p4_with_nothing_open_all_begins_as_on_a_new_plant() -> None:
    """Nothing at Oden, or all ended: nothing but the searches is new."""

    async def story(plant: Plant) -> None:
        run = plant.start(0, name="A")
        plant.commit(run, plant.end(run, 100))
        await plant.drained()
        await lost(plant, PLAIN)
        plant.commit(plant.start(FRIDAY, name="A"), plant.start(FRIDAY, "STATE"))
        await plant.drained()

    plant = live(story)
    assert shown(plant.intervals("RUN")) == [(0, 100), (FRIDAY, None)]
    assert shown(plant.intervals("STATE")) == [(FRIDAY, None)]
    assert not plant.outbox.notices(10)


@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
def test_p4_of_several_that_are_open_only_the_latest_can_go_on(settings: DeliveryOptions) -> None:
    """The ends of others were lost with the outbox: what is ours is ended where the next begins."""

    async def story(plant: Plant) -> None:
        for at, name in ((0, "A"), (1000, "B"), (2000, "A")):
            plant.commit(plant.start(at, name=name), plant.start(at + 10, "STATE"))
        await plant.drained()
        await lost(plant, settings)
        plant.commit(plant.start(FRIDAY, name="A"), plant.start(FRIDAY, "STATE"))
        await plant.drained()

    plant = live(story, settings=settings)
    ours = settings is REFERENCED
    latest = (2000, None)
    assert shown(plant.intervals("RUN")) == [(0, 2000 if ours else None), (1000, 2000 if ours else None), latest]
    assert shown(plant.intervals("STATE"))[-2:] == [(2010, 2011), (FRIDAY, None)]
    assert all(end is not None for _, end in shown(plant.intervals("STATE"))[:-1])


@pytest.mark.parametrize(
    "faults",
    [
        ("error status=503 at=*/search since=345600 until=347400",),
        ("error status=500 at=interval/search since=345600 times=5",),
        ("close commit=no at=*/search since=345600 times=4",),
        ("error status=500 at=interval/set since=345600 times=3", "error status=502 at=scrap_yield/search times=2"),
    ],
)
def test_p4_while_look_ups_fail_nothing_begins_at_oden(faults: tuple[str, ...]) -> None:
    """The starts wait, and what comes then is as if they had not failed. Other lines go on."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, PLAIN)
        run = plant.start(FRIDAY, name="A")
        plant.commit(run, plant.output(run, FRIDAY + 60, 7), plant.start(FRIDAY, "STATE"))
        await plant.drained()

    plant = live(story, faults=faults)
    assert shown(plant.intervals("RUN")) == [(0, None)]
    assert shown(plant.intervals("STATE")) == [(30, 100), (FRIDAY, None)]
    assert plant.total() == 12


def test_p5_an_oden_that_has_no_such_search_holds_no_line_for_ever() -> None:
    """Where Oden refuses each search for good, the start goes after a few, and a person is told."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, PLAIN)
        before = len(plant.seen)
        plant.commit(plant.start(FRIDAY, name="B"))
        await plant.until(lambda: len(plant.intervals("RUN")) == 2)
        assert requests(plant, before).count("interval/search") == MOST_REFUSED

    plant = live(story, faults=("error status=400 at=interval/search since=345600",))
    assert any("could not be looked up" in notice.text for notice in plant.outbox.notices(10))


@pytest.mark.parametrize("overlap", [400, 409, 500])
def test_p5_where_oden_wants_ends_first_a_lost_outbox_stops_no_line(overlap: int) -> None:
    """The state that is open there is ended before the next one: no start is refused for it."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, REFERENCED)
        plant.commit(plant.start(FRIDAY, name="B"), plant.start(FRIDAY, "STATE"))
        await plant.drained()

    plant = live(story, Manners(overlap=overlap), settings=REFERENCED)
    assert not plant.letters()
    assert shown(plant.intervals("RUN")) == [(0, 100), (FRIDAY, None)]
    assert shown(plant.intervals("STATE")) == [(30, 100), (FRIDAY, None)]


def test_p4_an_end_that_came_before_it_was_delivered_ends_what_goes_on() -> None:
    """The run of the same key began and ended while Oden was away: it is ended, not made anew."""

    async def story(plant: Plant) -> None:
        await monday(plant)
        await lost(plant, PLAIN)
        run = plant.start(FRIDAY, name="A")
        plant.commit(run)
        plant.commit(plant.output(run, FRIDAY + 50, 1), plant.end(run, FRIDAY + 90))
        await plant.drained()

    plant = live(story, faults=("error status=503 since=345590 until=346000",))
    assert shown(plant.intervals("RUN")) == [(0, FRIDAY + 90)]
    assert plant.total() == 6


@pytest.mark.parametrize("known", [True, False])
def test_p4_a_good_memory_wins(known: bool) -> None:
    """After a reboot nobody knows whether the outbox is a copy: it is not, and what is open stays so, whatever begins.
    A copy from before the run began adopts it."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(-100, "STATE"))
        await plant.drained()
        copy = plant.copied()
        run = await monday(plant)
        rows = plant.copied() if known else copy
        await lost(plant, PLAIN, 3600, rows)
        plant.commit(plant.end(run, 3600), plant.start(3600, name="B")) if known else plant.commit(
            plant.start(3590, name="A")
        )
        await plant.drained()

    plant = live(story)
    runs = shown(plant.intervals("RUN"))
    assert runs == ([(0, 3600), (3600, None)] if known else [(0, None)])


def test_p4_a_copy_that_tells_the_same_start_again_adopts_it() -> None:
    """A later life has begun the run at the second at which the copy finds that it began, and has ended it."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(-100, "STATE"))
        await plant.drained()
        copy = plant.copied()
        run = await monday(plant)
        plant.commit(plant.end(run, 200))
        await plant.drained()
        await lost(plant, PLAIN, 3600, copy)
        again = StartInterval(run.key, run.line, T + 3600, "RUN", run.start, run.name, run.metadata)
        plant.commit(again)
        plant.commit(plant.end(again, 3600))
        await plant.drained()

    plant = live(story)
    assert shown(plant.intervals("RUN")) == [(0, 200)]


def test_p4_it_is_seen_to_once() -> None:
    """A restart in which the memory is good looks at nothing more; the next reboot does."""

    async def story(plant: Plant) -> None:
        await lost(plant, PLAIN, 0)
        await monday(plant)
        before = len(plant.seen)
        plant.commit(plant.start(500, "STATE"))
        await plant.drained()
        await plant.restart(PLAIN, plant.rows, 600, forgets=False)
        plant.commit(plant.start(700, "STATE"))
        await plant.drained()
        assert "interval/search" not in requests(plant, before)
        await plant.restart(PLAIN, plant.rows, 800)
        plant.commit(plant.start(900, "STATE"))
        await plant.drained()
        assert requests(plant, before).count("interval/search") == 2

    live(story)


@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
@pytest.mark.parametrize("faults", [(), ("error status=400 at=interval/search since=3650 times=2",)])
def test_p4_what_a_later_life_has_ended_stays_so(settings: DeliveryOptions, faults: tuple[str, ...]) -> None:
    """A copy in which a run is on that a later life has ended, and that finds the next one: the end at Oden stays, the
    next run is the one that is there, and a person is told. A second copy changes nothing more."""

    async def story(plant: Plant) -> None:
        run = await monday(plant)
        copy = plant.copied()
        plant.commit(plant.end(run, 1000), plant.start(1000, name="B"))
        await plant.drained()
        for at in (3600, 7200):
            await lost(plant, settings, at, plant.copied(copy))
            again = plant.start(at, name="B")
            plant.commit(plant.end(run, at), again, plant.output(again, at + 10, 1))
            await plant.drained()

    plant = live(story, settings=settings, faults=faults)
    assert shown(plant.intervals("RUN")) == [(0, 1000), (1000, None)]
    assert plant.total() == 7
    assert any("has ended at Oden" in notice.text for notice in plant.outbox.notices(10))
    assert not plant.letters()


def test_p4_what_was_on_in_another_life_and_is_on_at_oden_is_ended() -> None:
    """A reboot: its memory is good, and each end costs one search more, once."""

    async def story(plant: Plant) -> None:
        run = await monday(plant)
        await lost(plant, PLAIN, 3600, plant.copied())
        plant.commit(plant.output(run, 3650, 3), plant.end(run, 3700), plant.start(3700, name="B"))
        await plant.drained()

    plant = live(story)
    assert shown(plant.intervals("RUN")) == [(0, 3700), (3700, None)]
    assert plant.total() == 8
    assert not plant.outbox.notices(10)


@pytest.mark.parametrize("settings", [PLAIN, REFERENCED])
def test_p4_a_backlog_of_the_past_decides_nothing_of_what_is_on(settings: DeliveryOptions) -> None:
    """A copy in which older runs wait than the one that a later life has begun: they go to Oden, and the one that is on
    goes on once it is told."""

    async def story(plant: Plant) -> None:
        run = await monday(plant)
        plant.commit(plant.end(run, 200))
        await plant.drained()
        copy = plant.copied()
        plant.commit(plant.start(1000, name="C"), plant.start(1000, "STATE"))
        await plant.drained()
        await lost(plant, settings, 3600, copy)
        past = [plant.start(at, name=f"B {at}") for at in (300, 400, 500)]
        plant.commit(*past, *(plant.end(one, one.start - T + 50) for one in past))
        plant.commit(plant.start(3600, name="C"), plant.start(3600, "STATE"))
        await plant.drained()

    plant = live(story, settings=settings)
    assert shown(plant.intervals("RUN")) == [(0, 200), (300, 350), (400, 450), (500, 550), (1000, None)]
    assert shown(plant.intervals("STATE"))[-2:] == [(1000, 1001), (3600, None)]


def test_p4_what_is_known_of_one_type_is_not_known_of_another() -> None:
    """Oden's ids are of the start: a state and a run that begin at once share one. A run that was adopted is known
    again, in the next life, and a state that a later life has begun is not taken for it."""

    async def story(plant: Plant) -> None:
        plant.commit(plant.start(0, name="A"))
        await plant.drained()
        await lost(plant, PLAIN, DAY)
        plant.commit(plant.start(DAY, name="A"))
        await plant.drained()
        copy = plant.copied()
        plant.commit(plant.start(0, "STATE"))
        await plant.drained()
        await lost(plant, PLAIN, 2 * DAY, copy)
        plant.commit(plant.start(2 * DAY, "STATE"), plant.start(2 * DAY, name="B"))
        await plant.drained()

    plant = live(story)
    assert shown(plant.intervals("STATE")) == [(0, 1), (2 * DAY, None)]
    assert shown(plant.intervals("RUN")) == [(0, None), (2 * DAY, None)]
    assert not any("the run A" in text and "stays as it is" in text for text in plant.notices())


def test_p9_the_page_says_that_nothing_is_told_because_a_search_is_not_understood() -> None:
    """All was well, for as long as half an hour."""
    said: list[str] = []

    async def story(plant: Plant) -> None:
        answer = plant.oden.model.answer

        def odd(path: str, body: bytes) -> Answer:
            return Answer(200, {}) if path == "/v2/interval/search" else answer(path, body)

        await lost(plant, PLAIN, 60)
        plant.oden.model.answer = odd  # type: ignore[method-assign]
        plant.commit(plant.start(60, "STATE"))
        await plant.until(lambda: plant.paths.count("interval/search") == 4)
        said.extend(hold.reason for hold in plant.drain.health.lines.values())
        await plant.drained()

    plant = live(story)
    assert said == ["what is open at Oden cannot be looked up: Oden's answer to the search was not understood"]
    assert [state.start for state in plant.intervals("STATE")] == [T + 60]
