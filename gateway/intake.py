"""Intake: gathers what sources deliver and maps it; what comes of that is committed at once, and only then acknowledged
(`committer`).

A crash anywhere leaves all of a batch or none of it. Arrivals are gathered, then mapped on a copy of the line states:
until a batch is mapped whole, nothing has changed, and should anything raise they are mapped again. A mapped batch is
never mapped again: it is stored, however long that takes. Meanwhile the next batches are gathered and mapped.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from gateway.amendments import Amendments
from gateway.arrivals import ArrivalQueue
from gateway.batch import Batch, IntakeHealth, Replan, in_slices, together
from gateway.clock import Clock, ClockMoves
from gateway.committer import STATE_WRITE, Committer
from gateway.errors import OutboxError
from gateway.fence import OF_TIME, Fence
from gateway.frozen import replace
from gateway.horizon import MOST_BYTES, Horizon
from gateway.line_timers import Lines
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import Event, after_restart, feed, needs_preparation, prepared
from gateway.mapping.lateness import LatenessLog
from gateway.mapping.line import LineState, Step, Tick
from gateway.mapping.provenance import ProvenanceLog
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import with_plan
from gateway.model import Notice, Record, Reject
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.repeats import BatchRepeats, Repeats
from gateway.sources.base import Arrival, Replay, Source, replayed

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

GATHER = 0.005
"""Seconds from one batch to the next, in which arrivals are gathered: one after a pause is mapped at once."""
ABSENT = 20.0
"""Where nothing turned for so many seconds, the process was stopped, and nobody heard what the sources said."""
REST = 30.0
"""Seconds until the timers of a line that could not be mapped are tried again."""


class Intake:
    """The one writer of line states. `take` is where sources hand over; `run` does the work."""

    def __init__(
        self,
        outbox: OutboxThread,
        plans: Sequence[LinePlan],
        clock: Clock,
        on_stored: Callable[[Sequence[Record]], None],
        on_noticed: Callable[[Sequence[Notice]], None],
        late_limit: int = MOST_BYTES,
        moves: ClockMoves | None = None,
        fence: Fence | None = None,
    ) -> None:
        """`on_stored` is called with the records of each commit that held any, `on_noticed` with its notices.
        `late_limit` is what may be stored of what lines have heard, in bytes, `moves` by how much the clock was set
        since what is stored was learned; `fence` outlives this intake."""
        self._outbox = outbox
        self._clock = clock
        self._moves = moves or ClockMoves(clock)
        self._queue = ArrivalQueue()
        self._closed = self._running = self._stopping = False
        self._idle = asyncio.Event()
        """What was taken is stored, and what is left to do for it is done."""
        self._idle.set()
        self._asked: Replan | None = None
        self._poke = asyncio.Event()
        self._lines = Lines()
        self._gathered: list[Arrival] = []
        """Not mapped yet; nobody else has them any more."""
        self._fence = fence or Fence()
        self._repeats = Repeats(self._patiently)
        self._horizon = Horizon(self._patiently, late_limit, self._turned)
        self.amendments = Amendments(self._poke.set)
        own, told = (self._patiently, self._repeats, self._horizon, clock), (on_stored, on_noticed, self._poke.set)
        self._committer = Committer(*own, *told, lambda: self._asked is not None or self.amendments.are_awaited())
        self.health = IntakeHealth()
        self.provenance = ProvenanceLog()
        self.lateness = LatenessLog()
        self.follow(plans)
        self.turned_at = clock.monotonic()

    def follow(self, plans: Sequence[LinePlan]) -> None:
        """Map by `plans` from the next sample on. Later ones have the same lines and inputs, with other tables."""
        self._plans = plans
        self._lines.follow(plans)
        self.provenance.plans = {plan.key: plan for plan in plans}
        self._routes: dict[tuple[str, str], list[LinePlan]] = defaultdict(list)
        for plan in plans:
            for route in plan.subscriptions:
                self._routes[route].append(plan)

    async def replan(
        self, plans: Sequence[LinePlan], changed: Collection[str], then: Callable[[], None] = lambda: None
    ) -> None:
        """Map by `plans` from the next batch on, call `then` in that moment, and return after it. Lines whose keys are
        in `changed` have another plan now and go on with what is remembered of them."""
        asked = self._asked = Replan(plans, frozenset(changed), then)
        if self._running:
            self._poke.set()
            await asked.done.wait()
        else:
            await self._take_plans()

    async def take(self, arrival: Arrival) -> None:
        """Hand over an arrival; waits while too much is queued, and for ever once nothing more is taken."""
        if by := self._moves.take():
            self._queue.put(Arrival("", clock_set=by))
        while self._closed or self._queue.is_full:
            await self._queue.room()
        for part in self._fence.admitted(arrival, self._clock.monotonic()):
            self._queue.put(part)
        self._idle.clear()
        self._poke.set()

    async def replay(self, sources: Mapping[str, Source], number: int, reject: Reject) -> None:
        """Take a message once more out of the store of those that could not be used; returns once what has come of it
        is stored. Raises SourceError where its source still cannot read it."""
        arrival, stored = replayed(sources, Replay(number, reject), self._clock.now()), asyncio.Event()
        await self.take(replace(arrival, done=stored.set))
        await stored.wait()

    async def close(self, longest: float) -> None:
        """Take nothing more, and wait until what was taken is stored and acknowledged, for `longest` seconds at most.

        For the orderly stop, before the sources are ended: an acknowledgement needs its connection.
        """
        self._closed = True
        self._poke.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._idle.wait()

    async def load(self) -> float:
        """Read the line states as they were last committed, before `run`; the latest time that any of them has seen."""
        self._committer.forget([*self._lines])
        self._lines.clear()
        number = await self._outbox(Outbox.last_commit)
        self._committer.load(number)
        await self._horizon.load()
        self._lines.update({plan.key: await self._line(plan) for plan in self._plans})
        await self._repeats.load(self._plans)
        return max((line.state.now for line in self._lines.values()), default=0.0)

    async def _line(self, plan: LinePlan, changed: Collection[str] = ()) -> Feed:
        """What is remembered of a line, here or on disk, as its plan can use it; `changed` have another plan now. Of a
        hundred lines, each is a turn."""
        self._turned()
        await asyncio.sleep(0)
        known = self._lines.get(plan.key)
        if known is not None and plan.key not in changed:
            return known
        rows = self._committer.rows(plan.key)
        is_new = rows is None
        rows = rows or StateRows(await self._outbox(Outbox.line_state, plan.key))
        self._committer.follow(plan.key, rows)
        if known is not None:
            return with_plan(plan, known)
        line = await self._horizon.line(plan, rows.state(plan), rows.clocks)
        return after_restart(plan, line) if is_new else line

    def waiting(self) -> Iterator[Arrival]:
        """What was taken, in its order, and is in no line's state yet."""
        yield from (*self._gathered, *self._queue)

    def heard_until(self, source: str) -> float | None:
        """Until when lines have heard `source`, which keeps what it has to say: the first of them, after `load`, in
        seconds since 1970; None where none ever has."""
        return self._lines.heard_until(source)

    def state(self, line: str) -> LineState:
        """What is remembered of the line with the key `line`, as it was last stored or found out since; nothing of one
        that is not mapped (any more): a reload changes the lines between two looks.
        """
        known = self._lines.get(line)
        return known.state if known is not None else LineState()

    async def run(self) -> None:
        """Map and commit until `stop`. Never cancel it: what is mapped but not committed must not be forgotten.

        Called again after it raised, it goes on where it was.
        """
        self._running = True
        try:
            await self._committer.stored()
            await self._turn()
            self.turned_at = self._clock.monotonic()
            while not self._stopping:
                self._gathered += await self._gather()
                self._note_absence()
                await self._turn()
                self.turned_at = self._clock.monotonic()
                await self._take_plans()
                self.amendments.carry_out(self._lines, self._committer)
            while self._queue:
                self._gathered += self._queue.taken_out(single=self._is_careful())
                await self._turn()
            await self._turn()
            await self._committer.stored()
        except Exception as error:
            self._fence.failed(error, self._committer.last_stored, self._clock.monotonic())
            raise
        finally:
            self._running = False

    def stop(self) -> None:
        """Let `run` commit what it has, with each line state that moved, and return: for after the sources are gone."""
        self._stopping = True
        self._poke.set()

    def _note_absence(self) -> None:
        """Where the process was stopped, what was said meanwhile is yet to be heard: no wait has run out."""
        if self._clock.monotonic() - self.turned_at >= ABSENT:
            self._lines.unheard(back=self._clock.now())

    async def _gather(self) -> list[Arrival]:
        """What has come, or nothing once a timer is due. Where arrivals follow closely they are mapped together."""
        if not self._queue and not self._stopping:
            self._poke.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._poke.wait()
        rest = self.turned_at + GATHER - self._clock.monotonic()
        if self._queue and rest > 0 and not self._stopping:
            await asyncio.sleep(rest)
        return self._queue.taken_out(single=self._is_careful())

    def _pause(self) -> float:
        timers = self._lines.first() - self._clock.now()
        commit = self._committer.due_in()
        return min(max(timers, 0.0), STATE_WRITE if commit is None else commit)

    def _turned(self) -> None:
        """It does not hang, however long it may take."""
        self.turned_at = self._clock.monotonic()

    async def _turn(self) -> None:
        """Map what was gathered, and commit what is due. Wherever it raises, the next call goes on from there."""
        if self._is_careful():
            await self._tick_apart()
        self._fence.suspect(self._gathered, self._committer.last_stored)
        batch = await self._map(self._gathered)
        # The batch counts from here on. The next lines only assign.
        self._gathered = []
        await self._take_in(batch)
        if not self._queue and self._committer.is_idle:
            self._idle.set()

    async def _tick_apart(self) -> None:
        """Store what there is, and what the timers of one line after the other come to, each by itself."""
        self._fence.suspect((), self._committer.last_stored)
        await self._take_in(Batch((), BatchRepeats(self._repeats)))
        now = self._time(self.waiting())
        for plan in self._lines.fired({}, now):
            times = self._fence.times(plan.key, self._clock.monotonic())
            self._fence.suspect([plan.key], self._committer.last_stored)
            batch = Batch((), BatchRepeats(self._repeats))
            await self._step(plan, Tick(now), batch)
            await self._take_in(batch.with_loss(f"line {plan.key}: {OF_TIME}", now) if times == 1 else batch)
            self._fence.passed(plan.key)

    async def _take_in(self, batch: Batch) -> None:
        """Take over what was mapped, and commit what is due."""
        self._lines.update(batch.lines)
        self._repeats.take_over(batch.repeats)
        told = batch.records, batch.notices, batch.rejects, batch.replayed, batch.left_out
        self._committer.take_over(batch.taken, batch.lines, *told, at_once=batch.repeats.begun)
        batch.count(self.health, self.provenance, self.lateness)
        careful = self._is_careful()
        await self._committer.commit(all_=self._stopping or self._closed or careful)
        if careful:
            await self._committer.stored()

    def _is_careful(self) -> bool:
        return self._fence.is_careful(self._clock.monotonic())

    async def _take_plans(self) -> None:
        """Go on by other plans where that was asked for. Whatever moved is stored first: a line may be gone then."""
        asked = self._asked
        if asked is None:
            return
        await self._turn()
        await self._committer.commit(all_=True)
        await self._committer.stored()
        lines = {plan.key: await self._line(plan, asked.changed) for plan in asked.plans}
        await self._repeats.load(asked.plans)
        for gone in self._lines.keys() - lines.keys():
            self._committer.forget([gone])
            del self._lines[gone]
            self.health.faults.pop(gone, None)
        self._lines.update(lines)
        self.follow(asked.plans)
        self._asked = None
        asked.count()

    async def _map(self, arrivals: Sequence[Arrival]) -> Batch:
        """What `arrivals`, and the time that has passed, mean. Changes nothing but what is new in the batch."""
        batch = Batch(together(arrivals), BatchRepeats(self._repeats))
        for at, arrival in enumerate(batch.arrivals):
            if arrival.clock_set:
                for plan in self._plans:
                    batch.lines[plan.key] = self._line_in(batch, plan).with_clock_set(arrival.clock_set)
                continue
            if arrival.connected is not None:
                batch.notices += await batch.repeats.begin(arrival, arrival.connected, self._clock.now())
            batch.notices += arrival.notices
            batch.rejects += arrival.rejects
            verdict = batch.repeats.verdict(batch.arrivals, at)
            if verdict != "twice":
                batch.taken.append(arrival)
            if verdict != "new":
                batch.redelivered += 1
                continue
            for plan, event in batch.events(arrival, self._plans, self._routes):
                if batch.is_stepped(arrival.replay, plan, self._line_in(batch, plan), event):
                    await self._step(plan, event, batch)
            if arrival.replay is not None:
                batch.conclude(arrival.replay)
        now = self._time(self._queue)
        for plan in self._lines.fired(batch.lines, now) if not self._is_careful() else ():
            await self._step(plan, Tick(now), batch)
        return batch

    def _time(self, waiting: Iterable[Arrival]) -> float:
        """Now; time does not pass what waits to be mapped."""
        return min(self._clock.now(), next((sample.received for each in waiting for sample in each.samples), math.inf))

    def _line_in(self, batch: Batch, plan: LinePlan) -> Feed:
        """What is remembered of a line so far."""
        return batch.lines.get(plan.key) or self._lines[plan.key]

    async def _step(self, plan: LinePlan, event: Event, batch: Batch) -> None:
        """Take `event` into a batch."""
        if batch.pauses.due:
            await batch.pauses.pause(self._turned)
        before = self._line_in(batch, plan)
        if self._fence.convicts and self._fence.times(plan.key, self._clock.monotonic()) > 1:
            self._fail(plan, event, RuntimeError(OF_TIME), batch)
            return
        if needs_preparation(plan, before, event):
            try:
                before, result = await in_slices(prepared(plan, before, event), self._turned)
            except Exception as error:  # noqa: BLE001 - what has no place must not break the line again and again
                before, result = replace(before, late=()), Step(before.state)
                self._fail(plan, event, error, batch)
            batch.take(plan.key, before, result, event)
        try:
            after, result = feed(plan, before, event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - one value must not stop a plant, nor an extension that crashes
            self._fail(plan, event, error, batch)
            return
        self.health.faults.pop(plan.key, None)
        batch.take(plan.key, after, result, event)

    def _fail(self, plan: LinePlan, event: Event, error: BaseException, batch: Batch) -> None:
        """The line could not be mapped."""
        if plan.key not in self.health.faults:
            log.error("mapping_failed", line=plan.key, exc_info=error)
        self._lines.rest(plan.key, self._clock.now() + REST)
        self.health.faults[plan.key] = f"{type(error).__name__}: {error}"
        batch.reject(plan, event, error, self._clock.now())

    async def _patiently(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the outbox, as often as it takes: until then nothing is acknowledged and nothing more is taken.

        Raises only when told to stop meanwhile, or where waiting does not help (DamagedRow, CommitConflict).
        """
        while True:
            try:
                answer = await self._outbox(call, *args, **kwargs)
            except OutboxError as error:
                if self.health.blocked is None:
                    log.error("outbox_failed", reason=str(error))  # noqa: TRY400 - the reason says it all
                self.health.block(error)
                self.turned_at = self._clock.monotonic()
                if self._stopping:
                    raise
                await asyncio.sleep(1.0)
            else:
                if self.health.blocked is not None:
                    log.info("outbox_works_again")
                    self.health.block(None)
                return answer
