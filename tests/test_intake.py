"""Intake with the real mapping and the real outbox: all of a batch or none, and acknowledged only afterwards."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import committer
from gateway import intake as intake_module
from gateway.amendments import Changed
from gateway.arrivals import MOST_QUEUED
from gateway.batch import SLICE, in_slices, together
from gateway.errors import OutboxError
from gateway.intake import Intake
from gateway.mapping.again import Slices
from gateway.mapping.counters import Credit
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.model import Contact, Moment, Notice, Recovered, Sample
from gateway.outbox.entries import Commit
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Arrival
from tests.intake_rig import PLAN, TIMED, Rig, opened, until
from tests.peers import PATIENCE

NOTICE = Notice("gap", 1.0, "", "", "what waits of a line that has gone is at Oden")


async def test_what_is_remembered_of_a_line_is_changed_between_two_batches(tmp_path: Path) -> None:
    """It is stored when the call returns. A change that cannot be made changes nothing, and stops nothing."""
    rig = Rig(tmp_path)

    def change(state: LineState) -> Changed:
        return Changed(replace(state, output=replace(state.output, credit={0: Credit(7)})))

    def fails(_: LineState) -> Changed:
        raise ValueError("it cannot be")

    async with rig.running() as intake:
        await intake.take(rig.count(100))
        with pytest.raises(ValueError, match="it cannot be"):
            await intake.amendments.make(PLAN.key, fails)
        await intake.amendments.make(PLAN.key, change)
        stored = StateRows(await rig.outbox(Outbox.line_state, PLAN.key)).state(PLAN)
        assert (intake.state(PLAN.key).output.credit, stored.output.credit) == ({0: Credit(7)},) * 2
        await intake.amendments.make("a line that has gone", lambda state: Changed(state, (NOTICE,)))
        await intake.amendments.make(PLAN.key, change)
        assert NOTICE in await rig.outbox(Outbox.notices, 5)


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


async def test_p13_what_was_learned_of_a_senders_clock_is_of_our_own_as_it_was(tmp_path: Path) -> None:
    """A sender whose clock is right seemed to be ahead while ours was slow: that is taken off no more once it is set,
    of no message that came afterwards, also where it is mapped together with those from before."""
    rig = Rig(tmp_path, TIMED)
    async with rig.running() as intake:
        now = rig.clock.now()
        await intake.take(rig.message("order", {"number": "A", "at": now + 4}, 1))
        rig.clock.ahead = 4.0
        await intake.take(rig.message("order", {"number": "B", "at": now + 4}, 2))
        await until(lambda: rig.acked == [1, 2])
        runs = intake.state(TIMED.key).runs
    assert runs.last is not None
    assert runs.current is not None
    assert (runs.last.start, runs.current.start) == (math.floor(now), math.floor(now + 4))


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
        sizes = [len(intake._queue.taken_out()) for _ in range(2)]
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


async def test_p9_everything_turns_while_one_large_arrival_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message can have a hundred thousand events: else the process would be ended, and get it again."""
    monkeypatch.setattr("gateway.batch.SLICE", 0.0)
    rig, seen = Rig(tmp_path), set[int]()
    async with rig.running() as intake:
        samples = [Sample("plc", "ns=2;s=Good", number, rig.clock.now()) for number in range(100)]
        intake._turned = lambda: seen.add(len(seen))  # type: ignore[method-assign]
        turns = asyncio.ensure_future(_turns_until(lambda: len(seen) >= 100))
        await intake.take(Arrival("plc", tuple(Moment((sample,)) for sample in samples)))
        await until(lambda: intake.health.samples["plc", "good"] == 100)
        assert await turns >= 100


async def _turns_until(holds: Callable[[], bool]) -> int:
    number = 0
    while not holds():
        number += 1
        await asyncio.sleep(0)
    return number


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
