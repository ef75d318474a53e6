"""A real outbox, a real drain and the real Oden stand-in on a socket, with faults put in between."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.clock import AnchoredClock
from gateway.delivery.breaker import ALARM
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.model import Output, Record, StartInterval, UpdateInterval, record_key
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.oden.requests import DEFAULT
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.statistics import Counts
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Interval, MetricGroup, Organization, QualitySchema
from tests.peers import PATIENCE

TOKEN = "test-token"
FACTORY, NAME = "Factory A", "Line 01"
LINE = f"{FACTORY}/{NAME}"
LINES = {f"{FACTORY}/{name}": LineRef(FACTORY, name) for name in (NAME, "Line 02")}

Where = Literal["before", "after"]


@dataclass
class Fault:
    """Happens to the next request whose path ends with `path`: before or after it takes effect.

    Only to one whose body contains `contains`. `hang` never answers; `status` None closes the connection without an
    answer; otherwise that answer is given, as `text` of `content_type`.
    """

    path: str
    where: Where
    status: int | None = None
    text: str = '{"error": "as told", "retryable": true, "id": "00000000-0000-0000-0000-000000000000"}'
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    hang: bool = False
    contains: str = ""


class Oden:
    """The stand-in, with faults; keeps every request that reached it, in order. What concerns runs waits for `slow`."""

    def __init__(self) -> None:
        self.model = OdenModel(
            Organization(metric_groups=(MetricGroup("Line speed"),), quality_schemas=(QualitySchema("66", FACTORY),))
        )
        self.faults: deque[Fault] = deque()
        self.seen: list[str] = []
        self.url = ""
        self.slow: asyncio.Event | None = None
        self.others: dict[str, list[object]] = {}
        """By the path of a search, what else is in its answers."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve on a free port."""
        app = make_app(self.model, TOKEN, middlewares=[self._meddle])
        async with listening(app, "127.0.0.1", 0) as self.url:
            yield

    @web.middleware
    async def _meddle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(request.path.removeprefix("/v2/"))
        body = await request.text()
        if self.slow is not None and '"RUN"' in body:
            await self.slow.wait()
        fits = (one for one in self.faults if request.path.endswith(one.path) and one.contains in body)
        fault = next(fits, None)
        others = next((more for path, more in self.others.items() if request.path.endswith(path)), None)
        if fault is None and others is not None:
            answer = await handler(request)
            assert isinstance(answer, web.Response)
            found = json.loads(answer.text or "[]") if answer.status == 200 else []
            return web.json_response([*others, *found])
        if fault is None:
            return await handler(request)
        fault.times -= 1
        if fault.times == 0:
            self.faults.remove(fault)
        if fault.where == "after":
            await handler(request)
        if fault.hang:
            await asyncio.Event().wait()
        if fault.status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(
            status=fault.status, text=fault.text, content_type=fault.content_type, headers=fault.headers
        )

    def runs(self) -> list[Interval]:
        return self.model.intervals("RUN", FACTORY, NAME)

    def states(self) -> list[Interval]:
        return self.model.intervals("STATE", FACTORY, NAME)

    def total(self, key: str) -> int:
        """Sum of `key` over the output of all runs."""
        entries = (entry for run in self.runs() for entry in self.model.output(run))
        return sum(int(str(entry.raw_data.get(key, 0))) for entry in entries)


class Rig:
    """One gateway's outbox and delivery; `restart` is a crash: nothing is told to anybody."""

    def __init__(self, directory: Path, oden: Oden, *, interval: float = 0.0, settle: float = 0.2) -> None:
        self.directory, self.oden = directory, oden
        self.interval, self.settle = interval, settle
        self.number = 0
        self.clock = AnchoredClock()
        self.wording = DEFAULT
        self.rows = MemoryStore()
        self.time_known = True

    @asynccontextmanager
    async def running(
        self, token: Callable[[], str] = lambda: TOKEN, url: str | None = None, timeout: float = PATIENCE
    ) -> AsyncIterator[Drain]:
        self.outbox = OutboxThread()
        await self.outbox.open(lambda: Outbox(self.rows))
        pace = Pace(asyncio.get_running_loop().time() - 2.0, self.interval)
        async with OdenClient(url or self.oden.url, token, timeout, pace) as client:
            options = DeliveryOptions(self.settle, timeout, self.wording)
            drain = Drain(self.outbox, client, self.clock, options, LINES, lambda: self.time_known)
            self.delivery: asyncio.Task[None] | None = asyncio.create_task(drain.run())
            try:
                yield drain
            finally:
                try:
                    if self.delivery is not None:
                        self.delivery.cancel()
                        with suppress(asyncio.CancelledError):
                            await self.delivery
                finally:
                    await self.outbox.close()

    async def ended(self, seconds: float = PATIENCE) -> BaseException | None:
        """Wait until delivery has ended by itself; what it raised."""
        assert self.delivery is not None
        await asyncio.wait({self.delivery}, timeout=seconds)
        error = self.delivery.exception()
        self.delivery = None
        return error

    def next_commit(self, outbox: Outbox, records: Sequence[Record]) -> Commit:
        """For an outbox that nobody delivers."""
        return Commit(number=outbox.last_commit() + 1, records=tuple(records))

    async def commit(self, drain: Drain, *records: Record) -> None:
        await self.outbox(
            Outbox.commit, Commit(number=await self.outbox(Outbox.last_commit) + 1, records=tuple(records))
        )
        drain.wake()

    async def counts(self) -> Counts:
        return await self.outbox(Outbox.counts)

    async def drained(self, seconds: float = PATIENCE) -> None:
        """Wait until nothing waits or is under way any more."""
        async with asyncio.timeout(seconds):
            while (counts := await self.counts()).waiting + counts.sending + counts.in_doubt:
                await asyncio.sleep(0.02)

    async def seen(self, requests: int, seconds: float = PATIENCE) -> bool:
        """Wait until so many requests in all have reached Oden; False where everything is delivered before."""
        async with asyncio.timeout(seconds):
            while len(self.oden.seen) < requests:
                counts = await self.counts()
                if not counts.waiting + counts.sending + counts.in_doubt:
                    return False
                await asyncio.sleep(0.005)
        return True

    async def alarmed(self, drain: Drain, reason: str) -> None:
        """Delivery is held for `reason` after so many refusals of one cause, and no other refusal follows it."""
        assert reason in await held(drain)
        async with asyncio.timeout(PATIENCE):
            while (await self.counts()).dead < ALARM:  # the last of one answer are stored after the alarm
                await asyncio.sleep(0.005)
        await self.drained()
        assert (await self.counts()).dead == ALARM

    def start(self, at: int, kind: Literal["RUN", "STATE"] = "RUN") -> StartInterval:
        details = {"product": "Film 20"} if kind == "RUN" else {"category": "Uptime"}
        name = f"order {at}" if kind == "RUN" else None
        return StartInterval(self.key(), LINE, float(at), kind, at, name, details)

    def output(self, of: StartInterval, at: int, amount: int) -> Output:
        return Output(self.key(), LINE, float(at), of.type, of.key, at, {"yield": amount}, ("yield",))

    def end(self, of: StartInterval, at: int) -> UpdateInterval:
        return UpdateInterval(self.key(), LINE, float(at), of.type, of.key, at)

    def key(self) -> str:
        self.number += 1
        return record_key(LINE, self.number, 1.0)

    def production(self, runs: int, start: int = 1_800_000_000) -> tuple[Sequence[Record], int]:
        """`runs` runs of a minute with three entries each, and a state every half minute; the records and the yield."""
        records: list[Record] = []
        total = 0
        for number in range(runs):
            begin = start + 60 * number
            run = self.start(begin)
            records.append(run)
            for window in (1, 2, 3):
                amount = number * 3 + window
                total += amount
                records.append(self.output(run, begin + window * 20, amount))
            for half in (0, 30):
                state = self.start(begin + half, "STATE")
                records += [state, self.end(state, begin + half + 30)]
            records.append(self.end(run, begin + 60))
        return records, total


async def held(drain: Drain) -> str:
    """Why delivery is held, once it is."""
    async with asyncio.timeout(PATIENCE):
        while drain.health.api is None:
            await asyncio.sleep(0.005)  # some hold for a moment only
    return drain.health.api.reason
