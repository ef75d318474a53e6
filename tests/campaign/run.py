"""One schedule from its beginning to the comparison of what Oden shows with what happened."""

import asyncio
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, cast

from ulid import ULID

from gateway.clock import LoopClock
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.errors import OutboxError
from gateway.intake import Intake
from gateway.model import Notice
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.oden.requests import Wording
from gateway.outbox.entries import LineRef
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import Life as LastLife
from gateway.outbox.life import LifeMark, begin_life, is_compared
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import retry
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.recollection import LaterComparison, recollect
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import read_fault
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Factory, Organization
from gateway.supervisor import Child, Supervisor
from tests.campaign import orders, refused
from tests.campaign.compare import differences, kept, too_little
from tests.campaign.copies import least, of_copies
from tests.campaign.fuse import Fuse, Killed
from tests.campaign.late import Outages, disturbed, late_story, made_outages, too_soon, with_clocks_ahead
from tests.campaign.lost import Lost, doubled, exact, places
from tests.campaign.oden import Oden, Wire
from tests.campaign.orders import with_orders
from tests.campaign.people import Deed, People
from tests.campaign.plant import CUSTOM, EPOCH, FACTORY, REFERENCE, Message, Story, calm, mapped, recorded
from tests.campaign.quiet import silent, told
from tests.campaign.schedule import Life, Schedule
from tests.campaign.sources import Broker, feed, watch_plc
from tests.campaign.storage import InLine, MortalStore, Remembered, copied
from tests.campaign.virtual import cancelled, simulate
from tests.campaign.waiting import delivered

SOURCES, CORE = range(2)
"""The stages of the shutdown, in their order."""
GRACE = 10.0
"""Seconds that requests under way get when the gateway is stopped."""
CALM = 2 * 3600.0
"""Seconds for which a calm line goes on after the last fault."""
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
    dead: int = 0
    """Dead letters, and what waits with them."""
    too_little: list[str] = field(default_factory=list)
    """What Oden shows less of than was made."""
    passed: list[Counter[str]] = field(default_factory=list)
    """How often each life came to which point."""


def run(schedule: Schedule, *, log: bool = False, stories: Sequence[Story] = ()) -> Result:
    """Carry out `schedule`; with `log`, what the gateway logs goes to stderr. `stories` are the lines, where others do
    than those that the schedule makes."""
    random.seed(schedule.seed)  # the gateway's jitter
    with told() if log else silent():
        return simulate(_World(schedule, stories).run())


class _World:
    """All that outlives the gateway."""

    def __init__(self, schedule: Schedule, stories: Sequence[Story]) -> None:
        self.schedule = schedule
        self.chances = random.Random(schedule.seed + 1)
        names = [f"Line {number:02}" for number in range(1, schedule.mapped + schedule.recorded + 1)]
        length = schedule.length
        outages: Outages = ()
        if stories:
            self.mapped, names = [*stories], [story.name for story in stories]
        elif schedule.late:
            outages = made_outages(self.chances, length)
            watched = len(schedule.lives) == 1
            told = [
                late_story(name, self.chances.getrandbits(32), length, watched=watched)
                for name in names[: schedule.mapped]
            ]
            self.mapped = [disturbed(story, self.chances, outages) for story in told]
            if watched:
                clocks = random.Random(schedule.seed)
                both = zip(self.mapped, told, strict=True)
                self.mapped = [with_clocks_ahead(story, truth, clocks, outages) for story, truth in both]
        else:
            self.mapped = [mapped(name, self.chances.getrandbits(32), length) for name in names[: schedule.mapped]]
        self.recorded = [recorded(name, self.chances.getrandbits(32), length) for name in names[schedule.mapped :]]
        if schedule.orders:
            whole = any(life.back for life in schedule.lives)
            ordered = partial(with_orders, seed=schedule.orders, length=length, whole=whole)
            self.mapped, self.recorded = [*map(ordered, self.mapped)], [*map(ordered, self.recorded)]
        if schedule.modes.refuse:
            # What an Oden refuses in words of its own ends only where others are taken from one send to the next.
            names.append("Calm line")
            self.recorded.append(calm(names[-1], schedule.quiet + CALM))
        self.plant = Organization((Factory(FACTORY, tuple(names)),), interval_types=(CUSTOM,))
        injector = FaultInjector(self.plant, schedule.seed, map(read_fault, schedule.faults))
        self.oden = Oden(OdenModel(self.plant, schedule.modes), injector, self._took_effect)
        self.rows = MemoryStore()
        messages = [message for story in self.mapped for message in story.messages]
        self.broker = Broker(messages, self.chances, outages)
        self.people = People()
        self.lost = {story.key: Lost() for story in self.stories}
        self.put_back_at: float | None = None
        """When an older copy of the outbox was put back last, in seconds of the loop."""
        self.again: list[Message] = []
        """What the broker sent once more after an older copy was put back, which cannot know whether it was told."""
        self.least: dict[str, Counter[str]] = {}
        """By line how much of which events is told in the end at the least, where an older copy was put back."""
        self.copies: list[MemoryStore] = []
        """The outbox as it was before each life."""
        self.mark, self.marks = Remembered(), list[LifeMark]()
        """What the machine remembers of the last life, and what it did before each."""
        self.is_rolled_back = False
        self.result = Result()

    @property
    def stories(self) -> list[Story]:
        return [*self.mapped, *self.recorded]

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unless_killed)
        restarting = [asyncio.ensure_future(self._restart(at, away)) for at, away in self.schedule.restarts]
        loop.call_at(self.schedule.quiet, self.oden.injector.clear)
        acting = [asyncio.ensure_future(self._act(deed)) for deed in self.schedule.deeds]
        for life in self.schedule.lives:
            self.result.lives += 1
            self._prepare(life)
            if life.retries:
                outbox = Outbox(self.rows)
                retry(outbox, page(outbox, Filter(where="dead"))[0])
            await self._live(life)
            await asyncio.sleep(life.away)
        await asyncio.gather(*restarting, *acting)
        self._compare()
        self.result.seconds = loop.time()
        self.result.trace = self.oden.written
        self.result.requests = len(self.oden.written)
        return self.result

    def _took_effect(self, path: str, body: bytes) -> None:
        """At no moment Oden shows less than was told of before."""
        if self.schedule.late and path.endswith("scrap_yield/set"):
            self.result.wrong += too_soon(body, self.rows)

    async def _restart(self, at: float, away: float) -> None:
        await asyncio.sleep(at)
        await self.oden.restart(self.plant, away)

    async def _act(self, deed: Deed) -> None:
        await self.people.act(deed, self.oden, lambda: self.rows, self.stories)

    def _prepare(self, life: Life) -> None:
        """What is done to the machine before a life."""
        self.oden.doubts.left_behind(self.rows)
        if life.back:
            self.rows = copied(self.copies[-life.back])
            for story in self.recorded:
                head = Outbox(copied(self.rows)).line_state(story.key).get("head", "0")
                self.lost[story.key].put_back(int(head))
            self.put_back_at = asyncio.get_running_loop().time()
            self.again += self.broker.under_way
            to_come = self.broker.to_come
            self.least = {story.name: least(story, self.oden.model, to_come) for story in self.mapped}
        self.is_rolled_back = bool(life.back) and life.way == "rolled"
        if self.is_rolled_back:
            self.mark = Remembered(self.marks[-life.back].read())
        elif life.back and life.way == "another":
            self.mark = Remembered(LastLife(str(ULID()), 7))
        elif life.forgets or (life.back and life.way == "gone"):
            self.mark = Remembered()
        self.copies.append(copied(self.rows))
        self.marks.append(Remembered(self.mark.read()))

    @property
    def has_a_person(self) -> bool:
        """Whether somebody settles what is unsettled."""
        return self.schedule.modes.match == "no_all"

    async def settle_by_hand(self, outbox: InLine) -> int:
        """A person settles what is unsettled at an Oden that shows nothing of it, which must be all that nobody else
        can know; how many that were."""
        if not self.has_a_person:
            return 0
        self.result.wrong += await self.oden.doubts.differences(outbox, self.people.deleted_of(*self.stories))
        return await self.oden.doubts.settled(outbox, self.oden.model, self.stories)

    async def _live(self, life: Life) -> None:
        fuse = Fuse(life.point, life.number)
        self.result.passed.append(fuse.passed)
        with suppress(Killed):
            await _Process(self, life, fuse).run()

    def _compare(self) -> None:
        wrong = self.result.wrong
        left = Outbox(self.rows).counts()
        if left.waiting or left.sending or left.in_doubt:
            wrong.append(f"left in the outbox: {left}")
        if not self.broker.empty:
            wrong.append("messages were not acknowledged")
        gaps = [after - before for before, after in pairwise(self.oden.written)]
        if min(gaps, default=GAP) < GAP:
            wrong.append(f"requests {min(gaps):.4f} s apart")
        self.result.dead = left.dead + left.parked
        for story in self.stories:
            wrong += orders.differences(story, self.oden.model, self.lost[story.key], self.put_back_at)
            self.result.too_little += too_little(story, self.oden.model)
            if story.plan is not None and self.put_back_at is not None:
                events = self.least[story.name]
                wrong += of_copies(story, self.oden.model, self.rows, self.again, self.put_back_at, events)
                continue
            what = refused.refused(story, self.schedule.modes.refuse)
            unsure = self.lost[story.key].intervals(story)
            modes, step = self.schedule.modes, self.schedule.modes.rounds or 1
            wanted = exact(kept(self.people.after(refused.spared(story, what)), modes), unsure, step)
            wrong += differences(wanted, self.oden.model, places(story, unsure, step), late=self.schedule.late)
            wrong += doubled(kept(story, modes), unsure, self.oden.model, step)
            wrong += refused.differences(story, what, self.rows, unsure | self.people.deleted_of(story))


class _Process:
    """One life of the gateway: its parts over what is on disk, wired and kept going as `gateway.app` does it."""

    def __init__(self, world: _World, life: Life, fuse: Fuse) -> None:
        schedule = world.schedule
        self.world, self.life, self.fuse = world, life, fuse
        self.loop = asyncio.get_running_loop()
        self.clock = LoopClock(EPOCH + self.loop.time() + life.ahead)
        store = MortalStore(world.rows, fuse)
        outbox = Outbox(store)
        begin_life(outbox, world.mark, self.clock.now(), settle=schedule.settle, is_other=world.is_rolled_back)
        store.troubles = schedule.troubles
        self.outbox = InLine(outbox, world.chances)
        self.wire = Wire(world.oden, Pace(self.loop.time()), schedule.timeout, fuse)
        lines = {story.key: LineRef(FACTORY, story.name) for story in world.stories}
        self.reference = None if schedule.keyless else REFERENCE
        wording = Wording(reference=self.reference)
        settings = DeliveryOptions(schedule.settle, schedule.timeout, wording, in_order=schedule.in_order)
        thread = cast("OutboxThread", self.outbox)
        self.drain = Drain(thread, cast("OdenClient", self.wire), self.clock, settings, lines)
        self.plans = [story.plan for story in world.mapped if story.plan is not None]
        self.intake = Intake(thread, self.plans, self.clock, lambda _: self.drain.wake(), self._noticed)
        self.supervisor = Supervisor(self.clock)
        self.taking_in = False
        self.fed = 0
        """Stories without a source of their own that are told to the end."""

    async def run(self) -> None:
        """Live until killed, stopped, or (the last life) until everything is delivered."""
        others = asyncio.all_tasks()
        burnt = asyncio.create_task(self.fuse.burnt.wait())
        ending = asyncio.create_task(self._end())
        watching = asyncio.create_task(self.supervisor.run(asyncio.Event()))
        self._start("start", self._take_in, once=True)
        for story in self.world.recorded:
            self._start(f"feed {story.name}", partial(self._feed, story), once=True)
        try:
            await asyncio.wait({ending, burnt, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.fuse.burnt.set()
            # Nothing of a process outlives it, whoever started it.
            ours = asyncio.all_tasks() - others - self.world.oden.at_work
            await cancelled(ours)
        self._judge()
        if ending.done() and not ending.cancelled():
            ending.result()

    def _start(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        turned_at: Callable[[], float] | None = None,
        *,
        stage: int = SOURCES,
        once: bool = False,
        request_stop: Callable[[], None] | None = None,
    ) -> None:
        self.supervisor.start(
            Child(
                name=name,
                run=run,
                turned_at=turned_at or self.clock.monotonic,
                vital=stage == CORE,
                once=once,
                stage=stage,
                request_stop=request_stop,
                grace=GRACE,
            )
        )

    def _noticed(self, notices: Sequence[Notice]) -> None:
        """A story holds nothing that a person would have to be told of, but that a message came late where a clock was
        ahead; and where messages come late and again, that they did."""
        world, spared = self.world, ["time"]
        if world.schedule.late or world.put_back_at is not None:
            spared += ["reject", "gap"]
        elif any(life.forgets for life in world.schedule.lives):
            spared.append("gap")  # what another life may have told is listed
        self.world.result.wrong += [f"noticed: {notice}" for notice in notices if notice.kind not in spared]

    async def _take_in(self) -> None:
        """Where it is another life, compare what counters have to tell with Oden; then deliver, and, once the clock is
        past all that was seen, connect the sources and map what they say."""
        take, world = self.intake.take, self.world
        seen_until = await self.intake.load()
        if not await self.outbox(is_compared):
            thread, wire = cast("OutboxThread", self.outbox), cast("OdenClient", self.wire)
            await recollect(thread, wire, self.plans, self.clock.now(), self.reference)
            seen_until = await self.intake.load()
        drain = self.drain
        self._start("delivery", drain.run, lambda: drain.turned_at, stage=CORE, request_stop=drain.stop)
        while self.clock.now() < seen_until:
            await asyncio.sleep(1.0)
        intake = self.intake
        self._start("intake", intake.run, lambda: intake.turned_at, stage=CORE, request_stop=intake.stop)
        if not await self.outbox(is_compared):
            oden, own = cast("OdenClient", self.wire), cast("OutboxThread", self.outbox)
            later = LaterComparison(
                own, lambda: oden, intake.amendments, lambda: self.plans, self.clock, self.reference
            )
            self._start("comparison", later.run, once=True)
        alive = lambda: not self.fuse.burnt.is_set()  # noqa: E731 - it is handed over twice
        self._start("broker", lambda: world.broker.serve(take, self.clock, alive), once=True)
        self._start("plc", lambda: watch_plc(world.mapped, take, self.clock), once=True)
        self.taking_in = True

    async def _feed(self, story: Story) -> None:
        await feed(story, self.outbox, self.drain.wake, self.world.lost[story.key])
        self.fed += 1

    async def _end(self) -> None:
        if self.life is self.world.schedule.lives[-1]:
            await self._delivered()
            while await self.world.settle_by_hand(self.outbox):  # others may have waited for that
                self.drain.wake()
                await self._delivered()
            return
        await asyncio.sleep(self.life.seconds)
        if self.life.gently:
            await self.supervisor.shutdown()
            await self.outbox(Outbox.close)

    async def _delivered(self) -> None:
        """Wait until everything has been said and delivered, or a person has to settle something first."""
        quiet = self.world.schedule.quiet
        await delivered(self.outbox, self._is_said, quiet, has_a_person=self.world.has_a_person)

    def _is_said(self) -> bool:
        """Whether all that the stories hold is in the outbox, or has been."""
        return self.world.broker.empty and self.taking_in and self.fed == len(self.world.recorded)

    def _judge(self) -> None:
        """Only the disk may be the cause of a failure, or that the process is no more: a fault of the gateway's own is
        one of the schedule's results.
        """
        for failure in self.supervisor.failures:
            if not isinstance(failure.error, OutboxError) and not isinstance(failure.error.__cause__, Killed):
                text = "".join(traceback.format_exception(failure.error))
                self.world.result.wrong.append(f"{failure.name} failed: {text}")
        if self.supervisor.fatal is not None:
            self.world.result.wrong.append(f"found a damage: {self.supervisor.fatal}")


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody is left to ask what a kill has done to a task."""
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)
