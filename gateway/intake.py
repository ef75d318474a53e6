"""Intake: gathers what sources deliver, maps it, commits line states and records at once, and only then acknowledges.

A crash anywhere leaves all of a batch or none of it. A commit happens at once where there is a record or a message to
acknowledge; line states that merely moved are written every STATE_WRITE seconds, because flash wears and a counter's
difference is found again after a crash.
"""

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from gateway.clock import Clock
from gateway.errors import DamagedRow, OutboxError
from gateway.mapping.causes import Causes
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState, Tick, due, dump, load, step
from gateway.model import Notice, Record, Sample
from gateway.outbox.entries import Commit, ReceiptId
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Arrival

log = structlog.get_logger()

GATHER = 0.005
"""Seconds that the first arrival of a batch waits for others."""
MOST_GATHERED = 500
MOST_QUEUED = 2000
"""Arrivals that wait for the batch under way; then sources are made to wait."""
STATE_WRITE = 5.0
REST = 30.0
"""Seconds until the timers of a line that could not be mapped are tried again."""


@dataclass(slots=True)
class IntakeHealth:
    """What intake says of itself; counts since the process started."""

    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and quality."""
    redelivered: int = 0
    blocked: str | None = None
    """Why nothing can be stored at the moment."""
    faults: dict[str, str] = field(default_factory=dict)
    """Line -> the gateway's own error in mapping it, until it maps again."""


class Intake:
    """The one writer of line states. `take` is where sources hand over; `run` does the work."""

    def __init__(
        self,
        outbox: OutboxThread,
        plans: Sequence[LinePlan],
        clock: Clock,
        stored: Callable[[], None],
        noticed: Callable[[Sequence[Notice]], None],
    ) -> None:
        """`stored` is called after each commit that held records, `noticed` with the notices of each that held any."""
        self._outbox = outbox
        self._clock = clock
        self._stored = stored
        self._noticed = noticed
        self._queue: asyncio.Queue[Arrival] = asyncio.Queue(MOST_QUEUED)
        self.follow(plans)
        self._poke = asyncio.Event()
        self._stopping = False
        self.states: dict[str, LineState] = {}
        self._in_hand: list[Arrival] = []
        self._dirty: set[str] = set()
        self._resting: dict[str, float] = {}
        self._written_at = clock.monotonic()
        self.health = IntakeHealth()
        self.causes = Causes()
        self.turned_at = clock.monotonic()

    def follow(self, plans: Sequence[LinePlan]) -> None:
        """Map by `plans` from the next sample on. After the first time: the same lines and inputs, with other tables."""
        self._plans = plans
        self._routes: dict[tuple[str, str], list[LinePlan]] = defaultdict(list)
        for plan in plans:
            for route in plan.subscriptions:
                self._routes[route].append(plan)

    async def take(self, arrival: Arrival) -> None:
        """Hand over an arrival; waits while too many are queued."""
        await self._queue.put(arrival)

    async def load(self) -> float:
        """Read the line states as they were last committed; the latest time that any of them has seen."""
        for plan in self._plans:
            text = await self._outbox(Outbox.line_state, plan.key)
            self.states[plan.key] = load(plan, text) if text else LineState()
        return max((state.now for state in self.states.values()), default=0.0)

    async def run(self) -> None:
        """Map and commit until `stop`. Never cancel it: what is mapped but not committed must not be forgotten.

        Starts from what is on disk, also when it is called again after it raised.
        """
        await self.load()
        self._dirty.clear()
        await self._take_in(self._in_hand)
        while not self._stopping:
            self.turned_at = self._clock.monotonic()
            await self._take_in(await self._gather())
        await self._take_in([self._queue.get_nowait() for _ in range(self._queue.qsize())])

    def stop(self) -> None:
        """Let `run` commit what it has, with every line state that moved, and return. For after the sources have gone."""
        self._stopping = True
        self._poke.set()

    async def _take_in(self, arrivals: list[Arrival]) -> None:
        """One turn. Should it raise, the next `run` begins with the same arrivals: nobody else has them any more."""
        self._in_hand = arrivals
        await self._turn(arrivals)
        self._in_hand = []

    async def _gather(self) -> list[Arrival]:
        getting = asyncio.ensure_future(self._queue.get())
        poked = asyncio.ensure_future(self._poke.wait())
        await asyncio.wait({getting, poked}, timeout=self._pause(), return_when=asyncio.FIRST_COMPLETED)
        poked.cancel()
        if not getting.done():
            getting.cancel()
            return []
        arrivals = [getting.result()]
        await asyncio.sleep(GATHER)
        while len(arrivals) < MOST_GATHERED and not self._queue.empty():
            arrivals.append(self._queue.get_nowait())
        return arrivals

    def _pause(self) -> float:
        pause = min(filter(None, map(self._due, self._plans)), default=float("inf")) - self._clock.now()
        return min(max(pause, 0.0), STATE_WRITE)

    def _due(self, plan: LinePlan) -> float | None:
        """When the line's next timer fires. A line that cannot be mapped gets some rest, and its timers with it."""
        timer = due(plan, self.states[plan.key])
        return None if timer is None else max(timer, self._resting.get(plan.key, timer))

    async def _turn(self, arrivals: list[Arrival]) -> None:
        records: list[Record] = []
        notices: list[Notice] = []
        receipts: list[tuple[str, ReceiptId]] = []
        new_sessions: list[str] = []
        for arrival in arrivals:
            if arrival.new_session:
                notices += await self._forgotten(arrival, receipts)
                new_sessions.append(arrival.source)
                receipts = [entry for entry in receipts if entry[0] != arrival.source]
            notices += arrival.notices
            if await self._known(arrival, receipts, new_sessions):
                self.health.redelivered += 1
                continue
            if arrival.receipt:
                receipts.append((arrival.source, ReceiptId(arrival.receipt.packet_id, arrival.receipt.digest)))
            for sample in arrival.samples:
                self._map(sample, records, notices)
        now = self._clock.now()
        for plan in self._plans:
            timer = self._due(plan)
            if timer is not None and timer <= now:
                self._step(plan, Tick(now), records, notices)
        old = self._clock.monotonic() - self._written_at >= STATE_WRITE
        if records or notices or receipts or new_sessions or (self._dirty and (old or self._stopping)):
            states = {key: dump(self.states[key]) for key in self._dirty}
            await self._commit(Commit(states, tuple(records), tuple(notices), tuple(receipts), tuple(new_sessions)))
            self._dirty.clear()
            self._written_at = self._clock.monotonic()
        for arrival in arrivals:
            if arrival.done:
                arrival.done()
        if records:
            self._stored()
        if notices:
            self._noticed(notices)

    async def _forgotten(self, arrival: Arrival, receipts: list[tuple[str, ReceiptId]]) -> list[Notice]:
        """A lost session is a gap where there was one, also before this process; the source knows only its own life."""
        known = any(source == arrival.source for source, _ in receipts)
        if arrival.notices or not (known or await self._outbox(Outbox.has_receipts, arrival.source)):
            return []
        text = "the broker has forgotten the session; messages since the gateway was last connected may be missing"
        return [Notice("gap", self._clock.now(), arrival.source, "", text)]

    async def _known(self, arrival: Arrival, receipts: list[tuple[str, ReceiptId]], new_sessions: list[str]) -> bool:
        """Whether this is the redelivery of a message that was committed before, or earlier in this batch."""
        if arrival.receipt is None or not arrival.receipt.redelivered:
            return False
        receipt = ReceiptId(arrival.receipt.packet_id, arrival.receipt.digest)
        if (arrival.source, receipt) in receipts:
            return True
        return arrival.source not in new_sessions and await self._outbox(Outbox.has_receipt, arrival.source, receipt)

    def _map(self, sample: Sample, records: list[Record], notices: list[Notice]) -> None:
        self.health.samples[sample.source, sample.quality] += 1
        for plan in self._routes.get((sample.source, sample.address), ()):
            self._step(plan, sample, records, notices)

    def _step(self, plan: LinePlan, event: Sample | Tick, records: list[Record], notices: list[Notice]) -> None:
        try:
            result = step(plan, self.states[plan.key], event)
        except Exception as error:  # one value must not stop a plant: it is logged, counted and shown as rejected
            if plan.key not in self.health.faults:
                log.exception("mapping_failed", line=plan.key)
            now = self._clock.now()
            self._resting[plan.key] = now + REST
            self.health.faults[plan.key] = f"{type(error).__name__}: {error}"
            source, address = (event.source, event.address) if isinstance(event, Sample) else ("", "")
            text = f"line {plan.key}: internal error: {type(error).__name__}"
            notices.append(Notice("reject", now, source, address, text))
            return
        self.health.faults.pop(plan.key, None)
        if result.state is not self.states[plan.key]:
            self.states[plan.key] = result.state
            self._dirty.add(plan.key)
        self.causes.learn(plan.key, result, event)
        records += result.records
        notices += result.notices

    async def _commit(self, commit: Commit) -> None:
        """Store `commit`, as often as it takes: until then nothing is acknowledged and nothing more is taken.

        Raises only when told to stop meanwhile; then nothing of the batch has happened.
        """
        while True:
            try:
                await self._outbox(Outbox.commit, commit)
            except DamagedRow:
                raise  # waiting does not mend it
            except (sqlite3.Error, OSError, OutboxError) as error:
                if self.health.blocked is None:
                    log.error("outbox_write_failed", reason=str(error))  # noqa: TRY400 - the reason says it all
                self.health.blocked = f"the outbox cannot be written: {error}"
                self.turned_at = self._clock.monotonic()
                if self._stopping:
                    raise
                await asyncio.sleep(1.0)
            else:
                if self.health.blocked is not None:
                    log.info("outbox_writable_again")
                self.health.blocked = None
                return
