"""What one token carries, in simulated time: real drain, real outbox, the stand-in's own logic; nothing goes wrong
but time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge as merged
from itertools import pairwise
from typing import cast

from gateway.clock import LoopClock
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.model import Record, StartInterval
from gateway.oden.answers import interval_id
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.oden.requests import DEFAULT, request_for
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import read_fault
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Factory, Line, Organization
from tests.campaign.busy import LIMITS, BusyLine, Delays, Event, Family
from tests.campaign.fuse import Fuse
from tests.campaign.oden import Oden, Wire
from tests.campaign.plant import EPOCH, FACTORY
from tests.campaign.quiet import silent
from tests.campaign.storage import InLine
from tests.campaign.virtual import simulate

HOUR = 3600.0
RUNNING_IN = HOUR / 2
"""Seconds that are not measured, in which the lines begin."""
TIMEOUT, SETTLE = 30.0, 60.0
"""As the gateway has them."""


class Site:
    """`lines` busy lines, a stand-in that takes `latency` seconds, and one gateway, or a plain queue in its place."""

    def __init__(self, lines: int, *, codes: int = 1, latency: float = 0.2, bulk: bool = True, seed: int = 0) -> None:
        self.lines = [BusyLine(number, codes, seed) for number in range(lines)]
        self.refs = {line.key: LineRef(FACTORY, line.name, Line(FACTORY, line.name).id) for line in self.lines}
        plant = Organization((Factory(FACTORY, tuple(line.name for line in self.lines)),))
        injector = FaultInjector(plant, seed, [read_fault(f"latency seconds={latency}")])
        model = OdenModel(plant, Manners(bulk_update=200 if bulk else 404))
        self.delays = Delays()
        self.oden = Oden(model, injector, self._took)
        self.loop = asyncio.get_running_loop()
        self.wire = Wire(self.oden, Pace(self.loop.time()), TIMEOUT, Fuse())
        self.backlog: list[tuple[float, int]] = []
        """Each minute: the time, and how many records waited."""

    def _took(self, path: str, body: bytes) -> None:
        self.delays.arrived(path, body, self.loop.time())

    def events(self, until: float) -> Iterator[Event]:
        """What all lines make before `until`, in order of time."""
        for event in merged(*(line.events() for line in self.lines)):
            if event.at >= until:
                return
            for record in event.records:
                self.delays.made(record, str(self.refs[event.line].oden_id))
            yield event

    async def play(self, until: float, take: Callable[[tuple[Record, ...]], None], waiting: Callable[[], int]) -> None:
        """Hand over what the lines make at its time; each minute see how much waits."""
        minute = 0.0
        for event in self.events(until):
            while minute <= event.at:
                await at(minute)
                self.backlog.append((minute, waiting()))
                minute += 60.0
            await at(event.at)
            take(event.records)


class Gateway:
    """The real drain on the real outbox."""

    def __init__(self, site: Site) -> None:
        self.outbox = Outbox(MemoryStore())
        clock = LoopClock(EPOCH + site.loop.time())
        settings = DeliveryOptions(SETTLE, TIMEOUT)
        outbox, client = cast("OutboxThread", InLine(self.outbox)), cast("OdenClient", site.wire)
        self.drain = Drain(outbox, client, clock, settings, site.refs)

    def take(self, records: tuple[Record, ...]) -> None:
        self.outbox.commit(Commit(number=self.outbox.last_commit() + 1, records=records))
        self.drain.wake()

    def waiting(self) -> int:
        counts = self.outbox.counts()
        return counts.waiting + counts.sending + counts.in_doubt + counts.parked

    async def run(self) -> None:
        await self.drain.run()


class Queue:
    """First in, first out, one request a record: what a gateway does that merges and chooses nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._records: deque[Record] = deque()
        self._ids: dict[str, asyncio.Future[str]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, records: tuple[Record, ...]) -> None:
        self._records += records

    def waiting(self) -> int:
        return len(self._records) + len(self._under_way)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._site.wire.pace.wait(self._site.loop.time()))
            if not self._records or not self._site.oden.up:
                await asyncio.sleep(0.05)
                continue
            record = self._records.popleft()
            written = asyncio.Event()
            known = None if isinstance(record, StartInterval) else await self._ids[record.interval]
            if isinstance(record, StartInterval):
                self._ids[record.key] = self._site.loop.create_future()
            task = asyncio.create_task(self._send(record, known, written))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            await written.wait()

    async def _send(self, record: Record, known: str | None, written: asyncio.Event) -> None:
        line_id = str(self._site.refs[record.line].oden_id)
        request = request_for([record], line_id, [known], DEFAULT)
        answer = await self._site.wire.post(request.endpoint, request.text(), written)
        if answer.status != 200:
            raise AssertionError(f"the stand-in refuses {request.fields()}: {answer.body}")
        if isinstance(record, StartInterval):
            self._ids[record.key].set_result(str(interval_id(answer.body, record)))


@dataclass(frozen=True)
class Load:
    """What came of some hours with so many lines."""

    lines: int
    p95: dict[Family, float]
    """Seconds, from RUNNING_IN on."""
    last: dict[Family, float]
    """The same, over its last quarter."""
    backlog: tuple[float, float]
    """Records that waited on average, in the second and in the last quarter."""
    requests: int
    gap: float

    @property
    def sustained(self) -> bool:
        """Whether everything was in time, to the end, and what waits does not grow."""
        in_time = all(max(self.p95[family], self.last[family]) <= limit for family, limit in LIMITS.items())
        return in_time and self.steady

    @property
    def steady(self) -> bool:
        """Whether what waits does not grow, however late it is."""
        return self.backlog[1] <= 1.25 * self.backlog[0] + self.lines

    def __str__(self) -> str:
        delays = ", ".join(f"{family} {delay:.1f} s" for family, delay in self.p95.items())
        grew = f"{self.backlog[0]:.0f} -> {self.backlog[1]:.0f}"
        return f"{self.lines} lines: p95 {delays}; waiting {grew}; {'sustained' if self.sustained else 'NOT sustained'}"


def carry(
    lines: int,
    hours: float,
    *,
    codes: int = 1,
    bulk: bool = True,
    plain: bool = False,
    latency: float = 0.2,
    seed: int = 0,
) -> Load:
    """Let `lines` lines work for so many hours; with `plain`, a queue stands in the gateway's place."""

    async def main() -> Load:
        site = Site(lines, codes=codes, latency=latency, bulk=bulk, seed=seed)
        gateway = Queue(site) if plain else Gateway(site)
        running = asyncio.create_task(gateway.run())
        end = hours * HOUR
        await site.play(end, gateway.take, gateway.waiting)
        # What was made at the very end still has the time that it may take.
        await asyncio.sleep(LIMITS["output"])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if running.done() and not running.cancelled():
            running.result()
        quarter = end / 4
        return Load(
            lines,
            {family: site.delays.p95(family, RUNNING_IN) for family in LIMITS},
            {family: site.delays.p95(family, 3 * quarter) for family in LIMITS},
            (_mean(site.backlog, quarter, 2 * quarter), _mean(site.backlog, 3 * quarter, end)),
            len(site.oden.written),
            min(after - before for before, after in pairwise(site.oden.written)),
        )

    with silent():
        return simulate(main())


def largest(low: int, high: int, carried: Callable[[int], Load], *, in_time: bool = True) -> Load:
    """The most lines from `low` to `high` that are sustained or, where it need not be in time, steady; found by
    halving.

    The result for `low` where not even these are.
    """

    def enough(load: Load) -> bool:
        return load.sustained if in_time else load.steady

    best = carried(low)
    while enough(best) and high > best.lines:
        tried = carried((best.lines + high + 1) // 2)
        if enough(tried):
            best = tried
        else:
            high = tried.lines - 1
    return best


def _mean(backlog: Sequence[tuple[float, int]], since: float, until: float) -> float:
    taken = [waiting for at, waiting in backlog if since <= at < until]
    return sum(taken) / len(taken)


async def at(time: float) -> None:
    """Wait until the loop's time is `time`."""
    delay = time - asyncio.get_running_loop().time()
    if delay > 0:
        await asyncio.sleep(delay)
