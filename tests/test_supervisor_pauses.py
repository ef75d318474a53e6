"""When the pauses before a child is started again begin anew."""

import asyncio
from itertools import pairwise

from gateway.errors import SourceError
from tests.supervisor_rig import Rig, in_simulated_time


@in_simulated_time
async def test_p9_after_work_that_was_done_the_next_pause_is_a_first_one(rig: Rig) -> None:
    """However short it was; how often a child is to be called, it says itself."""
    starts: list[float] = []

    async def fails() -> None:
        starts.append(rig.clock.monotonic())
        await asyncio.sleep(1.0)
        raise SourceError("away")

    rig.child("source plc", fails, has_worked=lambda: len(starts) > 5)
    await asyncio.sleep(60.0)
    pauses = [later - before - 1.0 for before, later in pairwise(starts)]
    assert pauses[4] >= 4.0
    assert len(pauses) > 10
    assert all(pause <= 0.51 for pause in pauses[5:])
