"""Intake where something fails: values, mapping, disk, or an answer that is lost. Nothing is lost or done twice."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import OutboxError
from gateway.outbox.entries import Commit
from gateway.outbox.known_messages import StoredSession
from gateway.outbox.store import Outbox
from tests.intake_rig import PLAN, TIMED, Rig, until
from tests.peers import PATIENCE


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
