"""Intake with the real mapping and the real outbox: all of a batch or none, and acknowledged only afterwards."""

import asyncio
import math
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import committer
from gateway import intake as intake_module
from gateway.batch import SLICE, in_slices, together
from gateway.clock import LoopClock
from gateway.config.schema import Line
from gateway.config.schema_io import Input
from gateway.errors import OutboxError
from gateway.intake import MOST_QUEUED, Intake
from gateway.mapping.again import Slices
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.counters import Credit
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.model import RECORD, Contact, Moment, Notice, Record, Recovered, Sample
from gateway.outbox.entries import Commit, StoredSession
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.receipts import Session
from gateway.sources.base import Arrival, Connected, Receipt
from tests.peers import PATIENCE

LINE = Line.model_validate(
    {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {
            "good": {"source": "plc", "node": "ns=2;s=Good", "counter": {"rollover": 65536}},
            "order": {"source": "floor", "topic": "order", "field": "number"},
            "scrap": {"source": "floor", "topic": "scrap"},
        },
        "run": {"key": "order", "product": "{order}", "settle": "0s"},
        "scrap_yield": {
            "every": "1s",
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
            ],
        },
    }
)
PLAN = compile_line(LINE, ("lines", 0))
EPOCH = 1_800_000_000.0


def opened(directory: Path) -> Outbox:
    return open_outbox(directory, limit=2**30, min_free=0.0, span=900.0)


class Rig:
    """One life of an intake on an outbox directory."""

    def __init__(self, directory: Path, plan: LinePlan = PLAN) -> None:
        self.outbox = OutboxThread()
        self.plan = plan
        self.directory = directory
        self.stored = 0
        self.acked: list[int] = []
        self.noticed: list[Notice] = []

    @asynccontextmanager
    async def running(self, *, connected: bool = True) -> AsyncIterator[Intake]:
        """With a broker that has kept the session, unless `connected` is false."""
        await self.outbox.open(lambda: opened(self.directory))
        self.clock = LoopClock(EPOCH)

        def stored(_: Sequence[Record]) -> None:
            self.stored += 1

        intake = Intake(self.outbox, [self.plan], self.clock, stored, self.noticed.extend)
        await intake.load()
        self.task = asyncio.create_task(intake.run())
        if connected:
            await intake.take(self.connected())
        try:
            yield intake
        finally:
            intake.stop()
            await asyncio.wait({self.task}, timeout=PATIENCE)
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            await self.outbox.close()

    def message(self, topic: str, value: object, packet_id: int, *, redelivered: bool = False) -> Arrival:
        sample = Sample("floor", topic, value, self.clock.now())
        receipt = Receipt(packet_id, f"{topic}{value}", redelivered, self.clock.monotonic())
        return Arrival("floor", (Moment((sample,)),), receipt=receipt, done=lambda: self.acked.append(packet_id))

    def connected(self, *, resumed: bool = True, session: str = "edge at broker") -> Arrival:
        return Arrival("floor", connected=Connected(session, resumed, self.clock.monotonic()))

    def count(self, value: int, ago: float = 0.0) -> Arrival:
        return Arrival("plc", (Moment((Sample("plc", "ns=2;s=Good", value, self.clock.now() - ago),)),))

    async def delivered_yield(self) -> int:
        """Take what waits out of the outbox as if it had been delivered; the yield among it."""
        total = 0
        while works := await self.outbox(Outbox.work):
            for work in works:
                record = work.records[0]
                total += int(str(record.raw_data.get("yield", 0))) if record.kind == "output" else 0
                await self.outbox(Outbox.settle, work, {work.positions[0]: "id"})
        return total

    async def scrap(self, place: int = 0) -> int:
        """The scrap in an entry of output that waits; 0 where there is none."""
        text = await self.outbox(Outbox.row, f"record/{PLAN.key}/output/{place}")
        if text is None:
            return 0
        record = RECORD.validate_json(text)
        assert record.kind == "output"
        return int(str(record.raw_data["scrap"]))

    async def made(self) -> dict[str, int]:
        return (await self.outbox(Outbox.summary, 1)).totals.records


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_remembered_of_a_line_is_changed_between_two_batches(tmp_path: Path) -> None:
    """It is stored when the call returns. A change that cannot be made changes nothing, and stops nothing."""
    rig = Rig(tmp_path)

    def change(state: LineState) -> tuple[LineState, tuple[Notice, ...]]:
        return replace(state, output=replace(state.output, credit={0: Credit(7)})), ()

    def fails(_: LineState) -> tuple[LineState, tuple[Notice, ...]]:
        raise ValueError("it cannot be")

    async with rig.running() as intake:
        await intake.take(rig.count(100))
        with pytest.raises(ValueError, match="it cannot be"):
            await intake.amendments.make(PLAN.key, fails)
        await intake.amendments.make(PLAN.key, change)
        stored = StateRows(await rig.outbox(Outbox.line_state, PLAN.key)).state(PLAN)
        assert (intake.state(PLAN.key).output.credit, stored.output.credit) == ({0: Credit(7)},) * 2
        await intake.amendments.make("a line that has gone", change)


async def test_line_states_are_read_anew_where_somebody_else_has_changed_them(tmp_path: Path) -> None:
    """What is loaded, and put right on disk before anything is mapped, counts as it is there then."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.count(100))
    outbox = OutboxThread()
    await outbox.open(lambda: opened(tmp_path))
    intake = Intake(outbox, [PLAN], rig.clock, lambda _: None, lambda _: None)
    await intake.load()
    rows = StateRows(await outbox(Outbox.line_state, PLAN.key))
    state = rows.state(PLAN)
    changes = rows.changes(replace(state, output=replace(state.output, credit={0: Credit(7)})))
    await outbox(Outbox.commit, Commit(number=await outbox(Outbox.last_commit) + 1, states={PLAN.key: changes}))
    await intake.load()
    assert intake.state(PLAN.key).output.credit == {0: Credit(7)}
    await outbox.close()


async def test_p1_acknowledged_after_the_commit(tmp_path: Path) -> None:
    """When a message's `done` is called, what it caused is already on disk."""
    rig = Rig(tmp_path)
    seen: list[dict[str, int]] = []
    async with rig.running() as intake:
        arrival = rig.message("order", {"number": "A1"}, 1)
        done = asyncio.Event()
        await intake.take(Arrival("floor", arrival.moments, receipt=arrival.receipt, done=done.set))
        await done.wait()
        seen.append(await rig.made())
    assert seen == [{"start": 1}]


async def test_p1_a_value_is_acknowledged_when_the_line_state_that_it_moved_is_on_disk(tmp_path: Path) -> None:
    """Line states are written every few seconds: until then the source must not say that the value is ours."""
    rig = Rig(tmp_path)
    seen: list[dict[str, str]] = []
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        begun = asyncio.Event()
        await intake.take(replace(rig.count(5), done=begun.set))
        await until(lambda: rig.acked == [1] and begun.is_set())
        before = await rig.outbox(Outbox.line_state, PLAN.key)
        done = asyncio.Event()
        await intake.take(replace(rig.count(7), done=done.set))
        await until(lambda: intake.state(PLAN.key).inputs != {} and intake.health.samples["plc", "good"] == 2)
        assert await rig.outbox(Outbox.line_state, PLAN.key) == before
        assert not done.is_set()
        await done.wait()
        seen.append(await rig.outbox(Outbox.line_state, PLAN.key))
        unmoved = asyncio.Event()
        await intake.take(Arrival("plc", (Moment((Sample("plc", "nobody's", 1, rig.clock.now()),)),), done=unmoved.set))
        await unmoved.wait()
    assert seen != [before]


async def test_p1_messages_that_only_move_what_is_remembered_share_a_commit(tmp_path: Path) -> None:
    """Scrap that no run has made yet makes no record: fifty messages are acknowledged after a commit or two, each. What
    makes a record does not wait, and takes up what waits."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await until(lambda: intake._committer._number == 1)
        for number in range(50):
            await intake.take(rig.message("scrap", {"qty": 1}, 100 + number))
        assert rig.acked == []
        await until(lambda: len(rig.acked) == 50)
        assert intake._committer._number <= 5
        await intake.take(rig.message("scrap", {"qty": 1}, 1))
        await intake.take(rig.message("order", {"number": "A1"}, 2))
        await until(lambda: rig.acked[50:] == [1, 2])
        assert await rig.made() == {"start": 1}


async def test_p1_records_made_right_after_one_another_share_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be committed at once waits for what comes with it, however that was mapped."""
    for name in ("TOGETHER", "MESSAGE_WRITE", "STATE_WRITE"):
        monkeypatch.setattr(committer, name, math.inf)
    rig = Rig(tmp_path)
    async with rig.running(connected=False) as intake:
        for packet_id, order in enumerate(("A", "B"), 1):
            await intake.take(replace(rig.message("order", {"number": order}, packet_id), receipt=None))
            await until(lambda: intake.health.samples["floor", "good"] == packet_id)  # noqa: B023
        assert not rig.acked
        monkeypatch.setattr(committer, "TOGETHER", 0.0)
        await intake.take(rig.count(100))
        await until(lambda: rig.acked == [1, 2])
        assert await rig.outbox(Outbox.last_commit) == 1


async def test_a_message_after_a_pause_is_mapped_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for others, so that one wake of the process is enough for it."""
    monkeypatch.setattr(intake_module, "GATHER", 1000 * PATIENCE)
    rig = Rig(tmp_path)
    async with rig.running(connected=False) as intake:
        begun = intake.turned_at
        await until(lambda: intake.turned_at > begun)
        intake.turned_at -= 1000 * PATIENCE
        await intake.take(rig.count(100))
        await until(lambda: intake.health.samples["plc", "good"] == 1)


async def test_p1_the_next_batch_is_mapped_while_one_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a commit is on its way to the disk, what comes is mapped; it is stored and acknowledged after that."""
    rig, goes_on, begun = Rig(tmp_path), threading.Event(), threading.Event()
    commit = Outbox.commit

    def slow(outbox: Outbox, change: Commit) -> None:
        if change.records:
            begun.set()
            goes_on.wait(PATIENCE)
        commit(outbox, change)

    monkeypatch.setattr(Outbox, "commit", slow)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(begun.is_set)
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: "scrap" in intake.state(PLAN.key).inputs)
        assert rig.acked == []
        goes_on.set()
        await until(lambda: rig.acked == [1, 2])


async def test_p1_nothing_is_acknowledged_while_the_disk_refuses(tmp_path: Path) -> None:
    """A commit that fails is tried again: no acknowledgement before it worked, and nothing twice or lost after."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        broken = True
        commit = Outbox.commit

        def refuse(outbox: Outbox, change: Commit) -> None:
            if broken:
                raise OutboxError("the disk is full")
            commit(outbox, change)

        Outbox.commit = refuse  # type: ignore[method-assign, assignment]
        try:
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            await until(lambda: intake.health.blocked is not None)
            assert "disk is full" in (intake.health.blocked or "")
            await intake.take(rig.message("order", {"number": "A2"}, 2))
            assert rig.acked == []
            broken = False
            await until(lambda: rig.acked == [1, 2])
            assert intake.health.blocked is None
        finally:
            Outbox.commit = commit  # type: ignore[method-assign]
        assert await rig.made() == {"start": 2, "update": 1}


async def test_p2_a_redelivery_is_known_across_restarts(tmp_path: Path) -> None:
    """A scrap event that was committed but not acknowledged before a crash counts once when it comes again."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: rig.acked == [1, 2])
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.message("scrap", {"qty": 4}, 3, redelivered=True))
        await until(lambda: rig.acked == [2, 3])
        assert intake.health.redelivered == 1
        async with asyncio.timeout(PATIENCE):
            while (await rig.made()).get("output", 0) < 1:
                await asyncio.sleep(0.02)
        text = await rig.outbox(Outbox.row, f"record/{PLAN.key}/output/0")
        assert text is not None
        record = RECORD.validate_json(text)
        assert record.kind == "output"
        assert record.raw_data == {"scrap": 7}


async def test_p2_the_same_redelivery_twice_in_one_batch(tmp_path: Path) -> None:
    """The first copy still waits in the queue when the connection comes back with the second: one of them counts."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        for redelivered in (False, True):
            await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=redelivered))
            await intake.take(rig.connected())
        await until(lambda: rig.acked == [1, 2, 2])
        assert intake.health.redelivered == 1


async def test_p2_a_new_session_makes_old_receipts_void(tmp_path: Path) -> None:
    """After the broker has forgotten the session, an equal packet id and payload is another message."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.connected(resumed=False))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await until(lambda: rig.acked == [2, 2])
        assert intake.health.redelivered == 0
        summary = await rig.outbox(Outbox.summary, 10)
    assert summary.totals.gaps == {"floor": 1}


async def test_p2_a_session_lost_while_the_gateway_was_down_is_a_gap(tmp_path: Path) -> None:
    """The very first session is none; one that the broker forgot between two lives of the gateway is listed, once."""
    for gaps in ({}, {"floor": 1}):
        rig = Rig(tmp_path)
        async with rig.running(connected=False) as intake:
            await intake.take(rig.connected(resumed=False))
            await intake.take(rig.message("scrap", {"qty": 3}, 2))
            async with asyncio.timeout(PATIENCE):
                while rig.acked != [2]:
                    await asyncio.sleep(0.01)
            assert (await rig.outbox(Outbox.summary, 10)).totals.gaps == gaps


async def test_p2_receipts_are_kept_for_each_broker(tmp_path: Path) -> None:
    """Packet ids of another broker are those of other messages; back at the first one, its receipts are still known."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.connected(session="edge at another"))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.connected())
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await until(lambda: rig.acked == [2, 2, 2])
        assert intake.health.redelivered == 1


async def test_p2_one_acknowledgement_for_what_one_connection_brings_twice(tmp_path: Path) -> None:
    """The second PUBACK could be for the next message with that id."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: rig.acked == [2, 3])
        assert intake.health.redelivered == 1


async def test_p2_what_is_confirmed_leaves_the_disk_with_the_next_commit(tmp_path: Path) -> None:
    """And not alone: an answer of the broker writes nothing by itself."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: rig.acked == [2, 3])
        before = intake._committer._number
        await intake.take(Arrival("floor", confirmed=(1, 2)))
        await until(lambda: not intake._repeats.sessions["floor/edge at broker"].receipts)
        assert intake._committer._number == before
        await intake.take(rig.message("scrap", {"qty": 5}, 4))
        await until(lambda: rig.acked == [2, 3, 4])
        stored = await rig.outbox(Outbox.session, "floor/edge at broker")
        assert stored is not None
        assert [left.packet_id for left in Session.stored(stored.head, stored.blocks).receipts] == [4]


async def test_p2_deliveries_that_an_earlier_version_has_kept_are_unconfirmed(tmp_path: Path) -> None:
    """Its ring of the last deliveries is taken over when its source connects, and is gone from then on."""
    outbox = opened(tmp_path)
    with outbox.transaction() as transaction:
        transaction.put |= {f"receipt/floor/{slot}": f'[{slot + 5}, "scrap{slot}"]' for slot in range(3)}
        transaction.totals.receipts["floor"] = 3
    outbox.close()
    for _ in range(2):
        rig = Rig(tmp_path)
        async with rig.running(connected=False) as intake:
            await intake.take(rig.connected())
            await intake.take(rig.message("scrap", 1, 6, redelivered=True))
            await until(lambda rig=rig: rig.acked == [6])  # type: ignore[misc]
            assert intake.health.redelivered == 1
            assert await rig.outbox(Outbox.row, "receipt/floor/1") is None


async def test_p2_a_message_whose_id_has_come_counts_once(tmp_path: Path) -> None:
    """Whatever packet id and flags it has, in one batch and over lives; one without the id counts each time."""
    section = LINE.inputs["scrap"].model_copy(update={"id": ("press", "job.number")})
    line = LINE.model_copy(update={"inputs": {**LINE.inputs, "scrap": section}})
    plan = compile_line(line, ("lines", 0))
    repeated: list[int] = []
    for numbers in [(1, 2, 2, 3, None), (3, 1, 4, None)]:
        rig = Rig(tmp_path, plan)
        async with rig.running() as intake:
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            for packet_id, number in enumerate(numbers, 2):
                job = {"job": {"number": number}} if number is not None else {}
                await intake.take(rig.message("scrap", {"qty": 1, "press": 7, **job}, 100 * len(repeated) + packet_id))
            most = len(numbers)
            await until(lambda rig=rig, most=most: len(rig.acked) > most)  # type: ignore[misc]
            repeated.append(intake.health.repeated)
            async with asyncio.timeout(PATIENCE):
                while sum([await rig.scrap(place) for place in range(5)]) < (4, 6)[len(repeated) - 1]:
                    await asyncio.sleep(0.02)
    assert repeated == [1, 2]


async def test_counters_that_moved_are_written_seldom_and_found_again(tmp_path: Path) -> None:
    """Mere movement is no commit; a stop writes it, and the next start goes on from there."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(lambda: rig.acked == [1])
        for value in range(100, 110):
            await intake.take(rig.count(value))
        await until(lambda: intake.health.samples["plc", "good"] == 10)
    rig = Rig(tmp_path)
    total = 0
    async with rig.running() as intake:
        assert intake.state(PLAN.key).inputs["good"].value == 109
        await intake.take(rig.count(112))
        async with asyncio.timeout(PATIENCE):
            while total < 12:
                total += await rig.delivered_yield()
                await asyncio.sleep(0.02)
    assert total == 12


async def test_p2_the_first_value_of_a_counter_is_on_disk_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the first seconds of a counter loses no part: what it counts from does not wait for other things."""
    monkeypatch.setattr(committer, "STATE_WRITE", math.inf)
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.count(100))
        await until(lambda: intake.health.samples["plc", "good"] == 1)
        async with asyncio.timeout(PATIENCE):
            while "input good" not in await rig.outbox(Outbox.line_state, PLAN.key):
                await asyncio.sleep(0.02)


async def test_a_value_that_cannot_be_used_becomes_a_notice(tmp_path: Path) -> None:
    """Garbage stops nothing: it is listed, counted and told, and acknowledged with what else came."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": "many"}, 1))
        await intake.take(rig.message("order", {"number": {"nested": []}}, 2))
        await until(lambda: rig.acked == [1, 2])
        summary = await rig.outbox(Outbox.summary, 10)
    assert summary.totals.rejects == 2
    assert {notice.address for notice in summary.notices} == {"scrap", "order"}
    assert rig.noticed == list(reversed(summary.notices))


async def test_a_fault_of_the_mapping_is_shown_and_does_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line whose timer raises is tried again now and then, not in a loop, and everything else goes on."""
    rig = Rig(tmp_path)
    calls = 0

    def broken(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("a fault of ours")

    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: intake.health.samples["floor", "good"] == 2)
        monkeypatch.setattr("gateway.intake.feed", broken)
        await until(lambda: calls > 0)
        assert intake.health.faults == {PLAN.key: "RuntimeError: a fault of ours"}
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: 3 in rig.acked)
        assert calls <= 3
        monkeypatch.undo()
        await intake.take(rig.message("scrap", {"qty": 5}, 4))
        await until(lambda: not intake.health.faults)


async def test_p5_a_value_on_which_an_extension_crashes_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an extension in another language raises then is no Exception; it stops nobody, and comes once."""

    class Panic(BaseException):
        pass

    def crashes(*_: object) -> None:
        raise Panic

    rig = Rig(tmp_path)
    async with rig.running() as intake:
        with monkeypatch.context() as patch:
            patch.setattr("gateway.intake.feed", crashes)
            await intake.take(rig.message("scrap", {"qty": 3}, 1))
            await until(lambda: rig.acked == [1])
        await intake.take(rig.message("order", {"number": "A1"}, 2))
        await until(lambda: rig.acked == [1, 2])
        assert (await rig.outbox(Outbox.summary, 10)).totals.rejects >= 1
        assert await rig.made() == {"start": 1}


async def test_p5_a_late_message_that_cannot_be_put_in_its_place_breaks_its_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed, and what comes afterwards is mapped as ever."""

    def fails(*_: object) -> None:
        raise IndexError("a fault of ours")

    rig = Rig(tmp_path, TIMED)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(lambda: rig.acked == [1])
        with monkeypatch.context() as patch:
            patch.setattr("gateway.mapping.feeder.corrected", fails)
            await intake.take(rig.message("order", {"number": "A0", "at": rig.clock.now() - 0.5}, 2))
            await until(lambda: rig.acked == [1, 2] and any(notice.kind == "reject" for notice in rig.noticed))
        assert intake._lines[TIMED.key].late == ()
        await intake.take(rig.message("order", {"number": "A2"}, 3))
        await until(lambda: rig.acked == [1, 2, 3])
        assert (await rig.made())["start"] == 2
        assert not intake.health.faults


async def test_p1_a_batch_outlives_a_fault_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a commit fails in a way that nobody foresaw, the next run begins with the same arrivals, and acknowledges
    them.
    """
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(lambda: rig.acked == [1])

        def broken(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "commit", broken)
            await intake.take(rig.message("order", {"number": "A2"}, 2))
            await until(rig.task.done)
        assert isinstance(rig.task.exception(), RuntimeError)
        rig.task = asyncio.create_task(intake.run())
        await until(lambda: rig.acked == [1, 2])
        assert await rig.made() == {"start": 2, "update": 1}


async def test_p1_a_locked_database_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What diskcache calls a timeout blocks intake, with its reason shown, and loses nothing."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        rows: Any = await rig.outbox(lambda outbox: outbox._rows)
        database = Path(rows._database.directory) / "cache.db"
        await rig.outbox(lambda _: rows._database._sql("PRAGMA busy_timeout = 50"))
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            await until(lambda: intake.health.blocked is not None)
            assert rig.acked == []
            other.execute("ROLLBACK")
        await until(lambda: rig.acked == [1])
        assert await rig.made() == {"start": 1}


async def test_p1_what_raises_after_the_commit_repeats_nothing(tmp_path: Path) -> None:
    """A notice that cannot be logged, a message that cannot be acknowledged: the batch is stored, and is not mapped
    again.

    Scrap 3 stays 3, a start is stored once, and whoever else was to be called is called once.
    """
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(lambda: rig.acked == [1])
        failures: list[str] = []

        def raises() -> None:
            failures.append("raised")
            raise OSError("the disk of the log is full")

        bad = rig.message("scrap", {"qty": 3}, 2)
        await intake.take(replace(bad, done=raises))
        await intake.take(rig.message("scrap", {"qty": "many"}, 3))
        await intake.take(rig.message("order", {"number": "A2"}, 4))
        await until(rig.task.done)
        assert rig.acked in ([1, 3, 4], [1, 3], [1])  # the others of its batch do not wait for a restart
        error = rig.task.exception()
        assert isinstance(error, ExceptionGroup)
        assert isinstance(error.exceptions[0], OSError)
        rig.task = asyncio.create_task(intake.run())
        await until(lambda: rig.acked == [1, 3, 4])
        assert failures == ["raised"]
        async with asyncio.timeout(PATIENCE):
            while (await rig.made()).get("output", 0) < 1:
                await asyncio.sleep(0.02)
        assert await rig.made() == {"start": 2, "update": 1, "output": 1}
        assert await rig.scrap() == 3
    assert len(rig.noticed) == 1


async def test_p1_an_answer_that_was_lost_is_no_second_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is on disk, and then the call raises: the same commit is given again, and the outbox knows it."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        commit, calls = Outbox.commit, 0

        def loses_its_answer(outbox: Outbox, change: Commit) -> None:
            nonlocal calls
            calls += 1
            commit(outbox, change)
            if calls <= 3:
                raise OutboxError("it was written, and then the disk failed")

        monkeypatch.setattr(Outbox, "commit", loses_its_answer)
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: rig.acked == [1, 2])
        await until(lambda: rig.stored > 0)
        async with asyncio.timeout(PATIENCE):
            while (await rig.made()).get("output", 0) < 1:
                await asyncio.sleep(0.02)
        assert await rig.made() == {"start": 1, "output": 1}
        assert await rig.scrap() == 3


async def test_p1_a_read_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a message is known is asked until it can be answered: nothing is taken for new because a disk failed."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: rig.acked == [1, 2])
    rig = Rig(tmp_path)
    async with rig.running(connected=False) as intake:
        session, broken = Outbox.session, True

        def fails(outbox: Outbox, name: str) -> StoredSession | None:
            if broken:
                raise OutboxError("it cannot be read")
            return session(outbox, name)

        monkeypatch.setattr(Outbox, "session", fails)
        await intake.take(rig.connected())
        await intake.take(rig.message("scrap", {"qty": 3}, 2, redelivered=True))
        await until(lambda: intake.health.blocked is not None)
        broken = False
        await until(lambda: rig.acked == [2])
        assert (intake.health.redelivered, intake.health.blocked) == (1, None)


async def test_p12_what_comes_at_once_is_mapped_in_parts(tmp_path: Path) -> None:
    """However much has been queued, other tasks get their turn in between; sources are made to wait by samples."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await until(lambda: rig.acked == [1])
        moment = Moment(tuple(Sample("plc", f"ns=2;s=Other{n}", n, rig.clock.now()) for n in range(1_500)))
        taken = 0

        async def hand_over() -> None:
            nonlocal taken
            for _ in range(40):
                await intake.take(Arrival("plc", (moment,)))
                taken += 1

        handing = asyncio.create_task(hand_over())
        await asyncio.sleep(0)
        assert taken * 1_500 <= 2 * MOST_QUEUED
        sizes = [len(intake._taken_out()) for _ in range(2)]
        assert sizes == [1, 1]
        await until(handing.done)


async def test_p1_an_orderly_stop_acknowledges_before_sources_end(tmp_path: Path) -> None:
    """`close` returns once what was taken is stored and acknowledged; what comes then waits, and comes again."""
    rig = Rig(tmp_path)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await intake.close(60.0)
        assert rig.acked == [1, 2]
        late = asyncio.create_task(intake.take(rig.message("scrap", {"qty": 4}, 3)))
        await asyncio.sleep(0)
        assert not late.done()
        late.cancel()


TIMED = compile_line(
    Line.model_validate(
        {
            "factory": "Factory A",
            "line": "Line 01",
            "inputs": {
                "good": {"source": "plc", "node": "ns=2;s=Good", "counter": {"rollover": 65536}},
                "order": {"source": "floor", "topic": "order", "field": "number", "time": "at"},
            },
            "run": {"key": "order", "product": "{order}", "name": "{order}", "settle": "0s"},
            "scrap_yield": {"every": "1s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
        }
    ),
    ("lines", 0),
)


async def test_p13_what_a_late_message_moves_is_stored_with_it(tmp_path: Path) -> None:
    """It may be acknowledged before it has its place. Stopped right then, the gateway puts it there after its restart,
    and what was told is put right; yet another restart tells nothing twice.
    """
    rig = Rig(tmp_path, TIMED)
    async with rig.running() as intake:
        now = rig.clock.now()
        await intake.take(rig.message("order", {"number": "X", "at": now - 100}, 1))
        await intake.take(rig.count(0, 90.0))
        await intake.take(rig.count(7, 50.0))
        await until(lambda: rig.acked == [1])
        await intake.take(rig.message("order", {"number": "B", "at": now - 60}, 2))
        await until(lambda: rig.acked == [1, 2] and not intake.state(TIMED.key).output.pending)
    rig = Rig(tmp_path, TIMED)
    async with rig.running() as intake:
        await until(lambda: not intake._lines[TIMED.key].late)
    rig = Rig(tmp_path, TIMED)
    async with rig.running():
        assert (await rig.made())["start"] == 2
        assert await rig.delivered_yield() == 7


async def test_p13_a_process_that_was_stopped_lets_nothing_run_out(tmp_path: Path) -> None:
    """Nobody heard what was said meanwhile: the sources are heard out first, as after a restart."""
    rig = Rig(tmp_path, TIMED)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "X", "at": rig.clock.now()}, 1))
        await until(lambda: rig.acked == [1])

        def is_unheard() -> bool:
            intake.turned_at = rig.clock.monotonic() - 60.0  # nothing has turned for a minute
            intake._poke.set()
            return intake.state(TIMED.key).lost.keys() == {"plc", "floor"}

        await until(is_unheard)
        await until(lambda: not intake.state(TIMED.key).lost)
    rig = Rig(tmp_path, TIMED)
    async with rig.running(connected=False) as intake:
        assert intake.state(TIMED.key).lost.keys() == {"plc", "floor"}
        back = tuple(Contact(source, rig.clock.now(), "back", rig.clock.now()) for source in ("plc", "floor"))
        await intake.take(Arrival("", contacts=back))
        await until(lambda: not intake.state(TIMED.key).lost)


async def test_p2_an_event_that_is_told_once_more_counts_once(tmp_path: Path) -> None:
    """By its id or, of a condition, by what it says, in one batch and over lives. What is new counts."""
    scrap = {"source": "plc", "event": "ns=2;s=Press", "type": "ns=2;i=7", "fields": {"qty": "2:Rejects"}}
    inputs = {**LINE.inputs, "scrap": Input.model_validate(scrap)}
    plan = compile_line(LINE.model_copy(update={"inputs": inputs}), ("lines", 0))
    repeated: list[int] = []
    told = [
        [("e1", None), ("e1", None), ("e2", "hot"), ("e3", "hot"), (None, None)],
        [("e1", None), ("e4", "hot"), ("e5", "cold"), (None, None)],
    ]
    for events in told:
        rig = Rig(tmp_path, plan)
        async with rig.running() as intake:
            await intake.take(rig.message("order", {"number": "A1"}, 1))
            for number, (event, content) in enumerate(events):
                value = {"EventId": event, "Content": content, "qty": 1}
                sample = Sample("plc", "ns=2;s=Press [ns=2;i=7]", value, rig.clock.now())
                done = partial(rig.acked.append, 100 + number)
                await intake.take(Arrival("plc", (Moment((sample,)),), done=done))
            await until(lambda rig=rig, events=events: len(rig.acked) > len(events))  # type: ignore[misc]
            repeated.append(intake.health.repeated)
            async with asyncio.timeout(PATIENCE):
                while sum([await rig.scrap(place) for place in range(5)]) < (3, 5)[len(repeated) - 1]:
                    await asyncio.sleep(0.02)
    assert repeated == [2, 2]


async def test_p9_what_takes_long_shows_that_it_turns() -> None:
    """Else a line that takes hours again would look as if intake hung, and the process would be started again."""
    turns: list[float] = []

    def slices() -> Slices[str]:
        for _ in range(3):
            begun = time.perf_counter()
            while time.perf_counter() - begun <= SLICE:
                pass
            yield
        return "done"

    assert await in_slices(slices(), lambda: turns.append(time.perf_counter())) == "done"
    assert len(turns) == 3


def test_parts_of_what_a_source_had_kept_are_put_back_together() -> None:
    """In one batch, in the order of their times, with the last that came; each arrival is still acknowledged."""

    def part(source: str, at: float, *said: float, in_part: bool = True) -> Arrival:
        moments = tuple(Moment((Sample(source, "a", one, one),)) for one in said)
        return Arrival(source, done=print, recovered=Recovered(source, at, min(said), moments, in_part=in_part))

    given = [part("a", 10, 1, 5), part("b", 11, 2), part("c", 12, 3, in_part=False), Arrival("a"), part("a", 13, 0, 4)]
    [first, other, whole, plain, last] = together(given)
    assert (first.recovered, first.done) == (None, print)
    assert (other, whole, plain) == (given[1], given[2], given[3])
    assert last.recovered is not None
    assert (last.recovered.received, last.recovered.since) == (13, 0)
    assert [moment.samples[0].value for moment in last.recovered.moments] == [0, 1, 4, 5]
