"""One schedule from its beginning to the comparison of what Oden shows with what happened."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, cast

from gateway.clock import LoopClock
from gateway.delivery.drain import Drain, Settings
from gateway.errors import OutboxError
from gateway.intake import Intake
from gateway.model import Notice
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.entries import LineRef
from gateway.outbox.rows import MemoryRows
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.simulator.oden_faults import read_fault
from gateway.simulator.oden_model import Factory, OdenModel, Plant
from gateway.simulator.oden_plan import FaultPlan
from tests.campaign.compare import differences
from tests.campaign.fuse import Fuse, Killed
from tests.campaign.oden import Oden, Wire
from tests.campaign.plant import CUSTOM, EPOCH, FACTORY, Story, mapped, recorded
from tests.campaign.quiet import silent, told
from tests.campaign.schedule import Life, Schedule
from tests.campaign.sources import Broker, feed, watch_plc
from tests.campaign.storage import InLine, MortalRows
from tests.campaign.virtual import simulate

GRACE = 10.0
"""Seconds that requests under way get when the gateway is stopped."""
PATIENCE = 24 * 3600.0
"""Seconds of the loop in which everything must be delivered once nothing goes wrong any more."""
IDLE = 60.0
"""Seconds without anything to do after which nothing more will come."""
GAP = 1.000
"""Seconds between two requests at the least."""


@dataclass
class Result:
    """What a schedule led to: `wrong` is empty where all is as it must be."""

    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    lives: int = 0
    seconds: float = 0.0
    trace: list[float] = field(default_factory=list)
    """When each request was written."""


def run(schedule: Schedule, *, log: bool = False) -> Result:
    """Carry out `schedule`; with `log`, what the gateway logs goes to stderr."""
    random.seed(schedule.seed)  # the gateway's jitter
    with told() if log else silent():
        return simulate(_World(schedule).run())


class _World:
    """All that outlives the gateway."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.chances = random.Random(schedule.seed + 1)
        names = [f"Line {number:02}" for number in range(1, schedule.mapped + schedule.recorded + 1)]
        length = schedule.length
        self.mapped = [mapped(name, self.chances.getrandbits(32), length) for name in names[: schedule.mapped]]
        self.recorded = [recorded(name, self.chances.getrandbits(32), length) for name in names[schedule.mapped :]]
        self.plant = Plant((Factory(FACTORY, tuple(names)),), interval_types=(CUSTOM,))
        plan = FaultPlan(self.plant, schedule.seed, map(read_fault, schedule.faults))
        self.oden = Oden(OdenModel(self.plant, schedule.modes), plan)
        self.rows = MemoryRows()
        messages = [message for story in self.mapped for message in story.messages]
        self.broker = Broker(messages, self.chances)
        self.result = Result()

    @property
    def stories(self) -> list[Story]:
        return [*self.mapped, *self.recorded]

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        restarting = [asyncio.ensure_future(self._restart(at, away)) for at, away in self.schedule.restarts]
        loop.call_at(self.schedule.quiet, self.oden.plan.clear)
        for life in self.schedule.lives:
            self.result.lives += 1
            await self._live(life)
            await asyncio.sleep(life.away)
        await asyncio.gather(*restarting)
        self._compare()
        self.result.seconds = loop.time()
        self.result.trace = self.oden.written
        self.result.requests = len(self.oden.written)
        return self.result

    async def _restart(self, at: float, away: float) -> None:
        await asyncio.sleep(at)
        await self.oden.restart(self.plant, away)

    async def _live(self, life: Life) -> None:
        fuse = Fuse(life.point, life.number)
        with suppress(Killed):
            await _Process(self, life, fuse).run()

    def _compare(self) -> None:
        wrong = self.result.wrong
        left = Outbox(self.rows).counts()
        if left.waiting or left.sending or left.in_doubt or left.parked or left.dead:
            wrong.append(f"left in the outbox: {left}")
        if not self.broker.empty:
            wrong.append("messages were not acknowledged")
        gaps = [after - before for before, after in pairwise(self.oden.written)]
        if min(gaps, default=GAP) < GAP:
            wrong.append(f"requests {min(gaps):.4f} s apart")
        for story in self.stories:
            wrong += differences(story, self.oden.model)


class _Process:
    """One life of the gateway: its parts over what is on disk, wired and kept going as `gateway.app` does it."""

    def __init__(self, world: _World, life: Life, fuse: Fuse) -> None:
        schedule = world.schedule
        self.world, self.life, self.fuse = world, life, fuse
        self.loop = asyncio.get_running_loop()
        self.clock = LoopClock(EPOCH + self.loop.time() + life.ahead)
        self.outbox = InLine(Outbox(MortalRows(world.rows, fuse, schedule.troubles)), world.chances)
        wire = Wire(world.oden, Pace(self.loop.time()), schedule.timeout, fuse)
        lines = {story.key: LineRef(FACTORY, story.name) for story in world.stories}
        settings = Settings(schedule.settle, schedule.timeout, in_order=schedule.in_order)
        outbox = cast("OutboxThread", self.outbox)
        self.drain = Drain(outbox, cast("OdenClient", wire), self.clock, settings, lines)
        plans = [story.plan for story in world.mapped if story.plan is not None]
        self.intake = Intake(outbox, plans, self.clock, self.drain.wake, self._noticed)
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Live until killed, stopped, or (the last life) until everything is delivered."""
        others = asyncio.all_tasks()
        burnt = asyncio.create_task(self.fuse.burnt.wait())
        ending = asyncio.create_task(self._end())
        self.delivery = self._keep(self.drain.run)
        self.mapping = self._keep(self._map)
        self.feeds = [self._keep(partial(feed, one, self.outbox, self.drain.wake)) for one in self.world.recorded]
        self.sources: list[asyncio.Task[None]] = []
        try:
            await asyncio.wait({ending, burnt}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.fuse.burnt.set()
            # Nothing of a process outlives it, whoever started it.
            ours = asyncio.all_tasks() - others - self.world.oden.at_work
            await _cancelled(sorted(ours, key=lambda task: int(task.get_name().removeprefix("Task-"))))
        if ending.done() and not ending.cancelled():
            ending.result()

    def _noticed(self, notices: Sequence[Notice]) -> None:
        """A story holds nothing that a person would have to be told of."""
        self.world.result.wrong += [f"noticed: {notice}" for notice in notices]

    async def _map(self) -> None:
        """Once the clock is past all that was seen, connect the sources and map what they say."""
        seen_until = await self.intake.load()
        while self.clock.now() < seen_until:
            await asyncio.sleep(1.0)
        take, world = self.intake.take, self.world
        self.sources = [
            self._keep(lambda: world.broker.serve(take, self.clock, lambda: not self.fuse.burnt.is_set())),
            self._keep(lambda: watch_plc(world.mapped, take, self.clock)),
        ]
        await self.intake.run()

    async def _end(self) -> None:
        if self.life is self.world.schedule.lives[-1]:
            await self._delivered()
            return
        await asyncio.sleep(self.life.seconds)
        if self.life.gently:
            await _cancelled([*self.sources, *self.feeds])
            self.intake.stop()
            self.drain.stop()
            await asyncio.wait({self.mapping, self.delivery}, timeout=GRACE)
            await _cancelled(self.tasks)
            await self.outbox(Outbox.close)

    async def _delivered(self) -> None:
        """Wait until everything has been said and delivered, and nothing has come of it for a while."""
        quiet = max(self.world.schedule.quiet, self.loop.time())
        idle_since = quiet
        while (now := self.loop.time()) < quiet or now - idle_since < IDLE:
            if now > quiet + PATIENCE:
                return
            counts = await self.outbox(Outbox.counts)
            said = self.world.broker.empty and self.sources and all(one.done() for one in self.feeds)
            if not said or counts.waiting or counts.sending or counts.in_doubt:
                idle_since = now
            await asyncio.sleep(5.0)

    def _keep(self, run: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """A loop that raises is started again, as the gateway's supervisor does. Only the disk may be the cause."""

        async def kept() -> None:
            while True:
                try:
                    await run()
                except (OutboxError, ExceptionGroup) as error:
                    left = error.split(OutboxError)[1] if isinstance(error, ExceptionGroup) else None
                    if left is not None:
                        raise left from None
                    await asyncio.sleep(5.0)
                else:
                    return

        task = asyncio.create_task(kept())
        task.add_done_callback(self._failed)
        self.tasks.append(task)
        return task

    def _failed(self, task: "asyncio.Task[None]") -> None:
        """A fault of the gateway's own is one of the schedule's results."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            text = "".join(traceback.format_exception(error))
            self.world.result.wrong.append(f"a loop failed: {text}")
            self.fuse.burnt.set()


async def _cancelled(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
