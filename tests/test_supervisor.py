"""The supervisor, in simulated time: no child ends unseen, and what cannot be mended from within stops the watchdog."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.errors import DamagedRow, OutboxError, SourceError
from gateway.fewer_failures import SAME
from gateway.supervisor import CANCEL_LIMIT, STEADY, TURN, Child, EndedUnasked, causes
from tests.supervisor_rig import Rig, forever, in_simulated_time


@in_simulated_time
async def test_p9_a_child_that_raises_is_started_again_with_growing_pauses(rig: Rig) -> None:
    """Whatever it raises. Pauses double up to the longest, with jitter, and begin anew after a steady minute."""
    starts: list[float] = []

    async def fails() -> None:
        starts.append(rig.clock.monotonic())
        if len(starts) == 9:
            await asyncio.sleep(STEADY + 1.0)
        raise [ValueError("odd"), SourceError("away"), OSError(28, "no space")][len(starts) % 3]

    with capture_logs() as logs:
        rig.child("source floor", fails, longest_pause=8.0)
        await asyncio.sleep(150.0)
    pauses = [later - before for before, later in pairwise(starts)]
    for pause, longest in zip(pauses[:8], [0.5, 1, 2, 4, 8, 8, 8, 8], strict=True):
        assert longest / 2 <= pause <= longest + 0.01
    assert pauses[8] <= STEADY + 1.0 + 0.51
    assert {entry["event"] for entry in logs} == {"task_ended", "task_failed"}
    assert "away" in rig.errors()


@in_simulated_time
async def test_p9_a_child_that_returns_or_is_cancelled_unasked_is_started_again(rig: Rig) -> None:
    """Nothing ends in silence: neither by returning nor by a cancellation from somewhere else."""
    starts = 0

    async def ends() -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            return
        if starts == 2:
            raise asyncio.CancelledError
        await forever()

    rig.child("page", ends)
    await asyncio.sleep(10.0)
    assert starts == 3
    assert rig.errors() == ["page has ended without being asked to", "page was cancelled"]


@in_simulated_time
async def test_a_child_with_one_thing_to_do_is_over_when_it_returns(rig: Rig) -> None:
    """With `once`, returning is no failure, and its name is free again."""
    done: list[str] = []

    async def work() -> None:
        done.append("done")

    rig.child("start", work, once=True)
    await asyncio.sleep(5.0)
    rig.child("start", work, once=True)
    await asyncio.sleep(5.0)
    assert done == ["done", "done"]
    assert not rig.supervisor.failures


@in_simulated_time
async def test_p7_a_damaged_row_in_a_group_ends_the_process_once(rig: Rig) -> None:
    """Found inside a task group it comes as a group within a group: the process ends with it instead of failing for
    ever.
    """
    starts = 0

    async def finds_damage() -> None:
        nonlocal starts
        starts += 1
        damage = DamagedRow("the row record/L/7 is not as it was written")
        raise ExceptionGroup("unhandled", [OutboxError("cut off"), ExceptionGroup("inner", [damage])])

    with capture_logs() as logs:
        rig.child("delivery", finds_damage, vital=True)
        await rig.watching
    assert isinstance(rig.supervisor.fatal, DamagedRow)
    assert starts == 1
    assert [entry["log_level"] for entry in logs] == ["critical"]


def test_groups_are_taken_apart() -> None:
    """Each exception within, in order, however deep."""
    first, second = ValueError("1"), OSError("2")
    assert list(causes(ExceptionGroup("a", [ExceptionGroup("b", [first]), second]))) == [first, second]
    assert list(causes(first)) == [first]


@pytest.mark.parametrize("error", [OSError(28, "no space left"), ValueError("I/O operation on closed file")])
def test_p9_a_log_that_raises_ends_no_child(error: Exception) -> None:
    """Stderr closed, or the disk of the log full: children are started again all the same, and lost lines are
    counted.
    """

    class Broken:
        def msg(self, message: str) -> None:
            raise error

        debug = info = warning = err = error_ = critical = exception = msg

        def __getattr__(self, name: str) -> Any:
            return self.msg

    @in_simulated_time
    async def test(rig: Rig) -> None:
        starts = 0

        async def fails() -> None:
            nonlocal starts
            starts += 1
            raise SourceError("away") if starts % 2 else RuntimeError("odd")

        rig.child("source floor", fails, longest_pause=1.0)
        await asyncio.sleep(20.0)
        assert starts > 10
        assert rig.supervisor.unlogged == 2 * SAME  # then ever fewer lines: here none in the next minute
        assert rig.beats

    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=lambda *_: Broken())
    try:
        test()
    finally:
        structlog.configure(**before)


@in_simulated_time
async def test_p9_a_child_without_a_turn_is_started_again_alone(rig: Rig) -> None:
    """The others run on, and the watchdog is fed: a source that hangs is no reason to restart the process."""
    turned_at = rig.clock.monotonic()
    starts = 0

    async def hangs() -> None:
        nonlocal starts
        starts += 1
        await forever()

    rig.child("source plc", hangs, turned_at=lambda: turned_at)
    rig.child("page", forever)
    await asyncio.sleep(TURN + 5.0)
    assert starts == 2
    assert rig.errors() == [f"source plc has not turned for {TURN:.0f} s"]
    assert isinstance(rig.supervisor.failures[0].error, EndedUnasked)
    assert rig.supervisor.stuck() is None
    assert rig.clock.monotonic() - rig.beats[-1] < 2.0


@in_simulated_time
async def test_p9_a_vital_child_without_a_turn_stops_the_watchdog(rig: Rig) -> None:
    """Intake and delivery are never cut off in the middle: the service manager has to start the process again."""
    turned_at = rig.clock.monotonic()
    starts = 0

    async def hangs() -> None:
        nonlocal starts
        starts += 1
        await forever()

    rig.child("intake", hangs, turned_at=lambda: turned_at, vital=True)
    await asyncio.sleep(TURN + 60.0)
    assert starts == 1
    assert rig.supervisor.stuck() == f"intake has not turned for {TURN + 60.0:.0f} s"
    assert rig.clock.monotonic() - rig.beats[-1] > 55.0
    turned_at = rig.clock.monotonic()
    await asyncio.sleep(3.0)
    assert rig.supervisor.stuck() is None
    assert rig.clock.monotonic() - rig.beats[-1] < 2.0


@in_simulated_time
async def test_p9_a_child_that_will_not_end_stops_the_watchdog(rig: Rig) -> None:
    """One that swallows its cancellation cannot be mended from within."""
    turned_at = rig.clock.monotonic()
    release = asyncio.Event()

    async def swallows() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    rig.child("source plc", swallows, turned_at=lambda: turned_at)
    await asyncio.sleep(TURN + CANCEL_LIMIT + 5.0)
    assert rig.supervisor.stuck() == "source plc does not end"
    assert rig.clock.monotonic() - rig.beats[-1] > 3.0
    release.set()


@in_simulated_time
async def test_p9_what_is_no_child_is_watched_too(rig: Rig) -> None:
    """The outbox's thread: while one call takes too long the watchdog is not fed."""
    turned_at = rig.clock.monotonic()
    rig.supervisor.watch("the outbox", lambda: turned_at)
    await asyncio.sleep(TURN + 5.0)
    assert rig.supervisor.stuck() == f"the outbox has not turned for {TURN + 5.0:.0f} s"
    assert rig.hung[-1].startswith("the outbox has not turned for ")
    turned_at = rig.clock.monotonic()
    assert rig.supervisor.stuck() is None


@in_simulated_time
async def test_p9_nobody_is_blamed_for_a_slow_disk(rig: Rig) -> None:
    """Calls that take long, one after another, hold up all who wait for the outbox, and one that is to end: nothing is
    started again and the watchdog is fed, until one call takes longer than a disk may."""
    begins = rig.clock.monotonic()
    turned, waited = begins, begins
    rig.supervisor.watch("the outbox", lambda: turned, 120.0, lambda: waited)
    rig.child("intake", forever, turned_at=lambda: begins, vital=True)
    rig.child("status", forever, turned_at=lambda: begins)
    for _ in range(3):
        await asyncio.sleep(90.0)
        assert rig.supervisor.stuck() is None
        assert rig.clock.monotonic() - rig.beats[-1] < 2.0
        turned = rig.clock.monotonic()
    assert rig.errors() == []
    await asyncio.sleep(125.0)
    assert rig.supervisor.stuck() == "the outbox has not turned for 125 s"
    assert rig.clock.monotonic() - rig.beats[-1] > 4.0
    assert rig.hung[-1].startswith("the outbox has not turned for 12")
    assert rig.errors() == []
    turned = waited = rig.clock.monotonic() + 1000.0  # the disk is well again, and intake hangs all the same
    await asyncio.sleep(TURN - 2.0)
    assert rig.supervisor.stuck() is None
    await asyncio.sleep(5.0)
    assert str(rig.supervisor.stuck()).startswith("intake has not turned for 2")


@in_simulated_time
async def test_a_pause_before_a_restart_counts_as_turning(rig: Rig) -> None:
    """A vital child that waits to be started again is not stuck, however long the pause."""

    async def fails() -> None:
        raise OutboxError("the disk is full")

    rig.child("delivery", fails, turned_at=lambda: 0.0, vital=True, longest_pause=300.0)
    for _ in range(60):
        await asyncio.sleep(10.0)
        assert rig.supervisor.stuck() is None


@in_simulated_time
async def test_a_child_is_replaced_while_the_others_run(rig: Rig) -> None:
    """The old one has ended before the new one begins."""
    events: list[str] = []

    def named(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            events.append(f"{name} begins")
            try:
                await forever()
            finally:
                events.append(f"{name} ends")

        return run

    rig.child("source floor", named("old"))
    rig.child("page", forever)
    await asyncio.sleep(1.0)
    with pytest.raises(ValueError, match="runs already"):
        rig.child("source floor", named("another"))
    await rig.supervisor.replace(
        Child(name="source floor", run=named("new"), turned_at=rig.clock.monotonic),
    )
    await asyncio.sleep(1.0)
    await rig.supervisor.stop("source floor")
    await rig.supervisor.stop("unknown")
    assert events == ["old begins", "old ends", "new begins", "new ends"]
    assert not rig.supervisor.failures


class Panic(BaseException):
    """What an extension in another language raises when it crashes."""


@in_simulated_time
async def test_p9_a_child_that_crashes_is_started_again(rig: Rig) -> None:
    """Also where what it raises is no Exception, in which case nobody else would see it."""
    starts = 0

    async def crashes() -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise Panic("at the disco")
        await forever()

    rig.child("intake", crashes, vital=True)
    await asyncio.sleep(10.0)
    assert starts == 2
    assert rig.errors() == ["intake crashed: Panic('at the disco')"]


@in_simulated_time
async def test_p9_a_child_whose_function_raises_when_it_is_called_is_started_again(rig: Rig) -> None:
    """Before there is anything to wait for."""
    calls = 0

    def raises() -> Awaitable[None]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("no such file")
        return forever()

    rig.child("tables", raises)
    await asyncio.sleep(10.0)
    assert (calls, rig.errors()) == (2, ["no such file"])


@in_simulated_time
async def test_p9_nobody_is_blamed_for_a_pause_of_the_whole_process(rig: Rig) -> None:
    """Stopped, swapped out, or a machine that slept: all clocks are late at once, and every child goes on."""
    starts = 0

    async def run() -> None:
        nonlocal starts
        starts += 1
        await forever()

    times = {"source": 0.0, "intake": 0.0}

    async def turn() -> None:
        while True:
            times.update(dict.fromkeys(times, rig.clock.monotonic()))
            await asyncio.sleep(5.0)

    turning = asyncio.create_task(turn())
    rig.child("source", run, turned_at=lambda: times["source"])
    rig.child("intake", run, turned_at=lambda: times["intake"], vital=True)
    rig.supervisor.watch("the outbox", lambda: times["intake"])
    await asyncio.sleep(7.0)
    loop: Any = asyncio.get_running_loop()
    loop._leap.now += 300.0
    await asyncio.sleep(0.0)
    assert rig.supervisor.stuck() is None or rig.beats
    await asyncio.sleep(60.0)
    turning.cancel()
    assert (starts, rig.errors(), rig.supervisor.stuck()) == (2, [], None)


@in_simulated_time
async def test_p9_a_cancellation_that_is_swallowed_is_repeated(rig: Rig) -> None:
    """A library below may swallow one: the child is cut off all the same, and the process lives on."""
    turned_at = rig.clock.monotonic()
    starts = 0

    async def swallows_one() -> None:
        nonlocal starts
        starts += 1
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    rig.child("source", swallows_one, turned_at=lambda: turned_at)
    await asyncio.sleep(TURN + 8.0)
    assert (starts, rig.supervisor.stuck()) == (2, None)


@in_simulated_time
async def test_p1_a_child_that_is_stopped_while_it_rests_gets_to_end_by_itself(rig: Rig) -> None:
    """Intake may have something in hand that was mapped and is not stored."""
    stopping, ends = asyncio.Event(), 0

    async def commits_at_the_end() -> None:
        nonlocal ends
        if not stopping.is_set():
            raise OutboxError("the disk failed")
        ends += 1

    rig.child("intake", commits_at_the_end, request_stop=stopping.set, grace=10.0, longest_pause=30.0)
    await asyncio.sleep(20.0)
    await rig.supervisor.shutdown()
    assert ends == 1
