"""An outbox that fails while requests are under way: each is settled by itself, nothing is sent twice, nothing is put
in doubt."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.clock import LoopClock
from gateway.delivery.breaker import ALARM
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.errors import DamagedRow, OutboxError
from gateway.model import StartInterval
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.entries import ATTEMPT, Commit, Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from tests.campaign.storage import InLine
from tests.campaign.virtual import simulate
from tests.delivery.harness import FACTORY, LINE, LINES, Oden, Rig
from tests.peers import PATIENCE

T = 1_800_000_000
OTHER = f"{FACTORY}/Line 02"


class FailingRows(MemoryStore):
    """Rows of which the next `times` transactions that `fits` fail with `error`, and then reads of `damaged` for
    good."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.error: Exception = OutboxError("the disk refuses to be written")
        self.fits: Callable[[Mapping[str, str], tuple[str, ...]], bool] = lambda put, drop: True
        self.damaged: str | None = None
        self.damage_once: Callable[[Mapping[str, str], tuple[str, ...]], str | None] = lambda put, drop: None
        self.met = False

    def get(self, key: str) -> str | None:
        if self.damaged is not None and key.startswith(self.damaged):
            self.met = True
            raise DamagedRow(f"the row {key} is not as it was written")
        return super().get(key)

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: text for key in keys if (text := self.get(key)) is not None}

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        drop = tuple(drop)
        if self.times and self.fits(put, drop):
            self.times -= 1
            raise self.error
        super().apply(put, drop)
        self.damaged = self.damaged or self.damage_once(put, drop)


def ends_attempt(put: Mapping[str, str], drop: tuple[str, ...]) -> bool:
    """The transaction that settles a success."""
    return any(key.startswith("attempt/") for key in drop)


def begins_attempt(put: Mapping[str, str], drop: tuple[str, ...]) -> bool:
    """The transaction before a request is sent."""
    attempts = (ATTEMPT.validate_json(text) for key, text in put.items() if key.startswith("attempt/"))
    return any(attempt.phase == "sending" for attempt in attempts)


@pytest.fixture
def rows() -> FailingRows:
    return FailingRows()


@pytest.fixture
def rig(tmp_path: Path, oden: Oden, rows: FailingRows) -> Rig:
    rig = Rig(tmp_path, oden)
    rig.rows = rows
    return rig


async def three_lanes(rig: Rig, drain: Drain) -> tuple[StartInterval, StartInterval]:
    """The lines' ids are known, a run is at Oden and not yet answered, and two states of different lines are to
    follow."""
    other = replace(rig.start(T - 500, "STATE"), line=OTHER)
    await rig.commit(drain, rig.start(T - 500, "STATE"), other)
    await rig.drained()
    rig.oden.seen.clear()
    rig.oden.slow = asyncio.Event()
    await rig.commit(drain, rig.start(T))
    async with asyncio.timeout(PATIENCE):
        while rig.oden.seen != ["interval/set"]:
            await asyncio.sleep(0.005)
    return rig.start(T, "STATE"), replace(rig.start(T, "STATE"), line=OTHER)


def intervals(oden: Oden) -> tuple[int, int, int]:
    """How many runs and states are at Oden, by line."""
    return len(oden.runs()), len(oden.states()), len(oden.model.intervals("STATE", FACTORY, "Line 02"))


@pytest.mark.parametrize("times", [1, 3])
async def test_p4_an_outbox_that_does_not_take_an_answer_is_tried_again_and_disturbs_nobody(
    rig: Rig, oden: Oden, rows: FailingRows, times: int
) -> None:
    """The write of one answer fails: no request is sent twice, none is cancelled, none is in doubt, and all settle by
    themselves; meanwhile health says what delivery waits for."""
    async with rig.running(timeout=20.0) as drain:
        first, second = await three_lanes(rig, drain)
        rows.fits, rows.times = ends_attempt, times
        await rig.commit(drain, first, second)
        async with asyncio.timeout(PATIENCE):
            while drain.health.outbox is None:
                await asyncio.sleep(0.005)
        assert drain.health.outbox == "the disk refuses to be written"
        assert oden.slow is not None
        oden.slow.set()
        await rig.drained()
        assert drain.health.outbox is None
        assert (await rig.counts()).dead == 0
    assert rows.times == 0
    assert oden.seen == ["interval/set"] * 3
    assert intervals(oden) == (1, 2, 2)


async def test_p4_an_outbox_that_cannot_be_written_before_a_request_stops_only_new_ones(
    rig: Rig, oden: Oden, rows: FailingRows
) -> None:
    """Nothing is sent that is not on disk; what is under way is answered and settled, and the rest follows by
    itself."""
    async with rig.running(timeout=20.0) as drain:
        first, second = await three_lanes(rig, drain)
        rows.fits, rows.times = begins_attempt, 2
        await rig.commit(drain, first, second)
        async with asyncio.timeout(PATIENCE):
            while drain.health.outbox is None:
                await asyncio.sleep(0.005)
        assert oden.slow is not None
        oden.slow.set()
        async with asyncio.timeout(PATIENCE):
            while not oden.runs() or (await rig.counts()).sending:
                await asyncio.sleep(0.005)
        assert oden.seen == ["interval/set"]
        await rig.drained()
        assert drain.health.outbox is None
    assert oden.seen == ["interval/set"] * 3
    assert intervals(oden) == (1, 2, 2)


async def test_p4_a_fault_in_settling_one_request_puts_only_that_one_in_doubt(
    rig: Rig, oden: Oden, rows: FailingRows
) -> None:
    """Whatever the outbox raises over one answer: that one is looked up, the others are settled as if nothing had
    been."""
    async with rig.running(timeout=20.0) as drain:
        first, second = await three_lanes(rig, drain)
        rows.fits, rows.times, rows.error = ends_attempt, 1, RuntimeError("a fault of the gateway's own")
        await rig.commit(drain, first)
        async with asyncio.timeout(PATIENCE):
            while (await rig.counts()).in_doubt != 1:
                await asyncio.sleep(0.005)
        assert "gateway's own" in drain.health.lines[first.line].reason
        await rig.commit(drain, second)
        assert oden.slow is not None
        oden.slow.set()
        async with asyncio.timeout(PATIENCE):
            while intervals(oden) != (1, 2, 2) or (await rig.counts()).sending:
                await asyncio.sleep(0.005)
        await rig.drained()
    assert oden.seen.count("interval/set") == 3
    assert oden.seen.count("interval/search") == 1
    assert intervals(oden) == (1, 2, 2)


async def test_p4_an_answer_that_cannot_be_put_on_disk_before_the_end_is_in_doubt_at_the_next_start(
    rig: Rig, oden: Oden, rows: FailingRows
) -> None:
    """Told to stop while the outbox cannot be written, `run` ends with that error, plain; the next life looks before it
    sends."""
    rows.fits, rows.times = ends_attempt, 1_000_000
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(T))
        async with asyncio.timeout(PATIENCE):
            while drain.health.outbox is None:
                await asyncio.sleep(0.005)
        drain.stop()
        error = await rig.ended()
    assert type(error) is OutboxError
    rows.times = 0
    async with rig.running():
        await rig.drained()
    assert oden.seen == ["line/search", "interval/set", "interval/search"]
    assert len(oden.runs()) == 1


@pytest.mark.parametrize("when", ["before a request", "as its answer is settled"])
async def test_p7_a_damaged_row_ends_delivery_as_itself_once_the_others_are_settled(
    rig: Rig, oden: Oden, rows: FailingRows, when: str
) -> None:
    """`run` raises DamagedRow and no group, and not before the request of another lane, which was under way all the
    time, has been answered and settled."""
    async with rig.running(timeout=20.0) as drain:
        first, _ = await three_lanes(rig, drain)
        await rig.outbox(Outbox.commit, Commit(number=await rig.outbox(Outbox.last_commit) + 1, records=(first,)))
        (lane,) = [work.lane for work in await rig.outbox(Outbox.work) if work.attempt is None]
        if when == "before a request":
            rows.damaged = f"record/{lane}/"
        else:
            rows.damage_once = lambda put, drop: f"record/{lane}/" if begins_attempt(put, drop) else None
        drain.wake()
        async with asyncio.timeout(PATIENCE):
            while not rows.met:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert rig.delivery is not None
        assert not rig.delivery.done()
        assert oden.slow is not None
        oden.slow.set()
        assert type(await rig.ended()) is DamagedRow
        rows.damaged = None
        assert [work.lane for work in await rig.outbox(Outbox.work)] == [lane]
    assert len(oden.runs()) == 1


async def test_p5_nothing_that_cannot_be_said_to_oden_stops_delivery(rig: Rig, oden: Oden) -> None:
    """A record of which the document allows no request is a dead letter with the reason; what follows in its lane goes
    on."""
    wrong = odd_target(rig, T)
    async with rig.running() as drain:
        await rig.commit(drain, wrong, rig.start(T + 60))
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert letter.record == wrong
    assert letter.error == "interval/set: metadata.target: it must be an object"
    assert [run.start for run in oden.runs()] == [T + 60]


def odd_target(rig: Rig, at: int, line: str = LINE) -> StartInterval:
    """A run of which no request can be made."""
    return replace(rig.start(at), line=line, metadata={"product": "Film 20", "target": "fast"})


async def test_p5_records_that_cannot_be_said_raise_the_alarm_too(rig: Rig, oden: Oden) -> None:
    """More than ten in a row of one cause: the rest waits, held with that reason, and what another line says is the
    next probe."""
    async with rig.running() as drain:
        await rig.commit(drain, *(odd_target(rig, T + 60 * number) for number in range(12)))
        async with asyncio.timeout(PATIENCE):
            while drain.health.api is None:
                await asyncio.sleep(0.005)
        assert "it must be an object" in drain.health.api.reason
        assert (await rig.counts()).dead == ALARM
        await rig.commit(drain, replace(rig.start(T, "STATE"), line=OTHER))
        async with asyncio.timeout(PATIENCE):
            while intervals(oden) != (0, 0, 1):
                await asyncio.sleep(0.005)


async def test_p5_one_that_cannot_be_said_takes_no_other_of_its_request_with_it(rig: Rig, oden: Oden) -> None:
    """Of updates that would share a request, the wrong one is a dead letter and the others reach Oden."""
    runs = [rig.start(T + 60 * number) for number in range(3)]
    async with rig.running() as drain:
        await rig.commit(drain, *runs)
        await rig.drained()
        updates = [replace(rig.end(run, run.start + 30), metadata={}) for run in runs]
        updates[1] = replace(updates[1], metadata={"target": "fast"})
        await rig.commit(drain, *updates)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert letter.record == updates[1]
    assert [run.end is None for run in oden.runs()] == [False, True, False]


class SlowClient:
    """Stands where OdenClient does: what is sent takes two minutes until it leaves, and two more until it is
    answered."""

    def __init__(self) -> None:
        self.pace = Pace(asyncio.get_running_loop().time())

    async def post(self, endpoint: object, body: str, written: asyncio.Event, *, keeps: object = None) -> Answer:
        await asyncio.sleep(120.0)
        self.pace.written(asyncio.get_running_loop().time())
        written.set()
        await asyncio.sleep(120.0)
        return Answer(sent=True, seconds=240.0, status=200, body=[{"id": "1"}], readable=True, own=True)


class SlowOutbox(InLine):
    """Each call takes a minute."""

    async def __call__(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(60.0)
        return call(self.outbox, *args, **kwargs)


class UnreadableOutbox(Outbox):
    """What can be gone on with cannot be read: `error` is raised instead, where there is one."""

    error: Exception | None = None

    def work(self) -> list[Work]:
        if self.error is not None:
            raise self.error
        return super().work()


@pytest.mark.parametrize("error", [OutboxError("the disk cannot be read"), DamagedRow("a row"), ValueError("a fault")])
def test_p4_an_outbox_that_cannot_be_read_is_waited_for_and_a_damage_is_not(error: Exception) -> None:
    """While an idle gateway looks for what is next: it says what it waits for and goes on by itself; a damage, or what
    nobody has foreseen, comes out of `run` as itself."""

    async def live() -> tuple[str | None, str | None, BaseException | None]:
        outbox = UnreadableOutbox(MemoryStore())
        client, clock = cast("OdenClient", SlowClient()), LoopClock(T)
        drain = Drain(cast("OutboxThread", InLine(outbox)), client, clock, DeliveryOptions(60.0, 300.0), LINES)
        running = asyncio.create_task(drain.run())
        await asyncio.sleep(10.0)
        outbox.error = error
        await asyncio.sleep(10.0)
        waits_for, outbox.error = drain.health.outbox, None
        await asyncio.sleep(10.0)
        goes_on = drain.health.outbox
        drain.stop()
        await asyncio.wait({running})
        return waits_for, goes_on, running.exception()

    is_waited_for = type(error) is OutboxError
    assert simulate(live()) == ((str(error), None, None) if is_waited_for else (None, None, error))


def test_p9_delivery_turns_while_it_waits() -> None:
    """For a request to leave, for its answer, for the outbox, for anything to do: `turned_at` is never older than 5
    s."""

    async def live() -> float:
        loop = asyncio.get_running_loop()
        clock, oldest = LoopClock(T), 0.0
        store = Outbox(MemoryStore())
        store.commit(
            Commit(number=store.last_commit() + 1, records=(StartInterval("K", next(iter(LINES)), T, "RUN", T),))
        )
        outbox = cast("OutboxThread", SlowOutbox(store))
        options = DeliveryOptions(60.0, 300.0)
        drain = Drain(outbox, cast("OdenClient", SlowClient()), clock, options, LINES)
        running = asyncio.create_task(drain.run())
        loop.call_at(2500.0, drain.stop)
        while not running.done():
            oldest = max(oldest, clock.monotonic() - drain.turned_at)
            await asyncio.sleep(0.25)
        await running
        return oldest

    assert simulate(live()) <= 5.0
