"""The supervisor stops and replaces its children in a stated order, and one that will not end holds up nobody."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from gateway.errors import GatewayError, OutboxError
from gateway.supervisor import STEADY, Child
from tests.supervisor_rig import Rig, forever, in_simulated_time


@in_simulated_time
async def test_the_shutdown_has_an_order(rig: Rig) -> None:
    """Stage by stage; one that can end by itself is asked to and gets its grace, then it is cancelled; nothing starts
    after.
    """
    events: list[tuple[str, float]] = []
    begun = rig.clock.monotonic()
    asked = asyncio.Event()

    def ends(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await forever()
            finally:
                events.append((name, round(rig.clock.monotonic() - begun)))

        return run

    async def commits() -> None:
        await asked.wait()
        await asyncio.sleep(3.0)
        events.append(("intake", round(rig.clock.monotonic() - begun)))

    rig.child("page", ends("page"), stage=2)
    rig.child("intake", commits, stage=1, request_stop=asked.set, grace=10.0)
    rig.child("delivery", ends("delivery"), stage=1, request_stop=lambda: None, grace=10.0)
    rig.child("source", ends("source"), stage=0)
    await asyncio.sleep(1.0)
    await rig.supervisor.shutdown()
    rig.child("late", ends("late"))
    assert events == [("source", 1), ("intake", 4), ("delivery", 11), ("page", 11)]
    assert not rig.supervisor.failures


@in_simulated_time
async def test_a_child_that_will_not_end_does_not_hold_up_the_shutdown(rig: Rig) -> None:
    """A source that swallows its cancellation is left behind after a while: intake still gets to commit."""
    release, committed = asyncio.Event(), asyncio.Event()

    async def swallows() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    rig.child("source", swallows, stage=0)
    rig.child("intake", forever, stage=1, request_stop=committed.set, grace=1.0)
    await asyncio.sleep(1.0)
    with pytest.raises(GatewayError, match="does not end"):
        await rig.supervisor.replace(Child(name="source", run=forever, turned_at=rig.clock.monotonic))
    with capture_logs() as logs:
        await rig.supervisor.shutdown()
    assert committed.is_set()
    assert [entry["task"] for entry in logs if entry["event"] == "task_does_not_end"] == ["source"]
    release.set()


@in_simulated_time
async def test_what_fails_at_the_stop_is_told_and_not_started_again(rig: Rig) -> None:
    """An intake that cannot commit says why; the shutdown goes on."""
    asked = asyncio.Event()
    starts = 0

    async def fails() -> None:
        nonlocal starts
        starts += 1
        await asked.wait()
        raise OutboxError("the disk is full")

    rig.child("intake", fails, request_stop=asked.set, grace=10.0)
    await asyncio.sleep(1.0)
    await rig.supervisor.shutdown()
    assert (starts, rig.errors()) == (1, ["the disk is full"])


@in_simulated_time
async def test_an_owner_whose_time_cannot_be_read_hides_nobody_else(rig: Rig) -> None:
    """A look that raises is told, and the next look is taken."""

    def broken() -> float:
        raise GatewayError("no time")

    rig.child("odd", forever, turned_at=broken)
    await asyncio.sleep(3.0)
    assert "no time" in rig.errors()


@in_simulated_time
async def test_the_shutdown_goes_on_where_asking_a_child_to_end_raises(rig: Rig) -> None:
    """It is cancelled instead."""
    events: list[str] = []

    async def run() -> None:
        try:
            await forever()
        finally:
            events.append("ended")

    def raises() -> None:
        raise ValueError("odd")

    rig.child("intake", run, stage=1, request_stop=raises, grace=10.0)
    rig.child("page", run, stage=2)
    await asyncio.sleep(1.0)
    await rig.supervisor.shutdown()
    assert events == ["ended", "ended"]


@in_simulated_time
async def test_p9_a_child_that_keeps_failing_is_said_to_be(rig: Rig) -> None:
    """From its failure until it has run for a steady minute since, also while it rests."""
    broken = True

    async def run() -> None:
        if broken:
            raise OutboxError("commit 7 does not follow the last one")
        await forever()

    rig.child("intake", run, vital=True)
    await asyncio.sleep(100.0)
    assert rig.supervisor.failing() == {"intake": "commit 7 does not follow the last one"}
    broken = False
    await asyncio.sleep(50.0)
    assert rig.supervisor.failing()
    await asyncio.sleep(STEADY)
    assert rig.supervisor.failing() == {}
