"""A supervisor in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.clock import LoopClock
from gateway.supervisor import Child, Supervisor
from tests.campaign.virtual import simulate

EPOCH = 1_800_000_000.0


class Rig:
    """A supervisor whose heartbeats are counted, and what it says that hangs, in the running loop."""

    def __init__(self) -> None:
        self.clock = LoopClock(EPOCH)
        self.beats: list[float] = []
        self.hung: list[str] = []
        self.supervisor = Supervisor(self.clock, lambda: self.beats.append(self.clock.monotonic()), self.hung.append)
        self.until = asyncio.Event()
        self.watching = asyncio.create_task(self.supervisor.run(self.until))

    def child(self, name: str, run: Callable[[], Awaitable[None]], **fields: Any) -> None:
        fields.setdefault("turned_at", self.clock.monotonic)
        self.supervisor.start(Child(name=name, run=run, **fields))

    async def end(self) -> None:
        self.until.set()
        await self.watching
        await self.supervisor.shutdown()

    def errors(self) -> list[str]:
        return [failure.text for failure in self.supervisor.failures]


def in_simulated_time(test: Callable[[Rig], Awaitable[None]]) -> Callable[[], None]:
    async def body() -> None:
        rig = Rig()
        try:
            await test(rig)
        finally:
            await rig.end()

    def run() -> None:
        simulate(body())

    run.__doc__ = test.__doc__
    return run


async def forever() -> None:
    await asyncio.Event().wait()
