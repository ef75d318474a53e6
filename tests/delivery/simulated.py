"""Delivery in simulated time against the stand-in with manners and faults: what takes minutes takes none."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import cast

from gateway.clock import LoopClock
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.model import Output, Record, Scalar, StartInterval, UpdateInterval, interval_key, record_key
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.control_handlers import ControlHandlers, Question
from gateway.outbox.entries import Commit, DeadLetter
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import begin_life
from gateway.outbox.statistics import Counts
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import read_fault
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Interval, Organization
from tests.campaign.fuse import Fuse
from tests.campaign.oden import Oden, Wire
from tests.campaign.quiet import silent
from tests.campaign.storage import InLine, Remembered
from tests.campaign.virtual import simulate
from tests.delivery.harness import FACTORY, LINE, LINES, NAME

T = 1_800_000_000
"""The time at which the loop's time is 0."""
LONG = 24 * 3600.0
"""Seconds of the loop that anything may take."""


class Plant:
    """An outbox, its delivery, and Oden; `seen` are the requests that were written, in order, with their bodies."""

    def __init__(self, manners: Manners, faults: Sequence[str], rows: MemoryStore | None = None) -> None:
        plant = Organization(interval_types=("CHECK",))
        self.injector = FaultInjector(plant, 0, map(read_fault, faults))
        self.oden = Oden(OdenModel(plant, manners), self.injector)
        self.rows = rows or MemoryStore()
        self.outbox = Outbox(self.rows)
        self.seen: list[tuple[str, str]] = []
        self.drain: Drain
        self.number = 0
        self.ahead = 0.0
        """By how many seconds the clock of the next life is."""
        self._mark = Remembered()
        receive = self.oden.receive

        def noted(path: str, body: bytes) -> "asyncio.Future[object]":
            self.seen.append((path.removeprefix("/v2/"), body.decode()))
            return cast("asyncio.Future[object]", receive(path, body))

        self.oden.receive = noted  # type: ignore[method-assign,assignment] # it only takes note

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    def begin(self, settings: DeliveryOptions) -> None:
        loop = asyncio.get_running_loop()
        wire = Wire(self.oden, Pace(loop.time()), settings.timeout, Fuse())
        outbox = cast("OutboxThread", InLine(self.outbox))
        self.drain = Drain(outbox, cast("OdenClient", wire), LoopClock(T + self.ahead + loop.time()), settings, LINES)
        self.running = asyncio.create_task(self.drain.run())

    async def kill(self) -> None:
        """End it without its doing."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def restart(self, settings: DeliveryOptions, rows: MemoryStore, at: float, *, forgets: bool = True) -> None:
        """It is killed, and begins anew `at` that time with `rows`; its machine `forgets` which life was the last."""
        loop = asyncio.get_running_loop()
        await self.kill()
        await asyncio.sleep(max(0.0, at - loop.time()))
        if forgets:
            self._mark = Remembered()
        self.rows, self.outbox = rows, Outbox(rows)
        begin_life(self.outbox, self._mark, T + self.ahead + loop.time(), settle=settings.settle)
        self.begin(settings)

    def copied(self, rows: MemoryStore | None = None) -> MemoryStore:
        """A copy of `rows`, or of those of the outbox, as they are now."""
        copy = MemoryStore()
        copy.apply(dict((rows or self.rows).items()))
        return copy

    def by_hand(self, **fields: object) -> str:
        """Somebody sets an interval of the line at Oden; its id."""
        place = {"line": {"name": NAME, "factory": {"name": FACTORY}}}
        answer = self.oden.model.answer("/v2/interval/set", json.dumps({**place, **fields}).encode())
        assert isinstance(answer.body, list), answer
        return str(answer.body[0]["id"])

    def commit(self, *records: Record) -> None:
        self.outbox.commit(Commit(number=self.outbox.last_commit() + 1, records=records))
        self.drain.wake()

    async def until(self, condition: Callable[[], bool], seconds: float = LONG) -> None:
        """Wait for `condition`, for so many seconds of the loop at the most."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.5)

    async def drained(self) -> Counts:
        """Wait until nothing waits or is under way any more; what is where then."""
        await self.until(lambda: not _to_do(self.outbox.counts()))
        return self.outbox.counts()

    def letters(self) -> list[DeadLetter]:
        return self.outbox.dead_letters(1000)

    async def ask(self, command: str, question: Question) -> list[dict[str, object]]:
        """What the gateway answers to `oden-gateway outbox COMMAND`."""
        handlers = ControlHandlers(cast("OutboxThread", InLine(self.outbox)), live=True, wake=self.drain.wake)
        return [item async for item in handlers.answer(command, question)]

    def intervals(self, kind: str) -> list[Interval]:
        return self.oden.model.intervals(kind, FACTORY, NAME)

    def notices(self) -> list[str]:
        """What is listed of what others did at Oden, newest first."""
        return [notice.text for notice in self.outbox.notices(10) if notice.kind == "oden"]

    def total(self, kind: str = "RUN") -> int:
        """The yield of all intervals of a type."""
        entries = (entry for interval in self.intervals(kind) for entry in self.oden.model.output(interval))
        return sum(int(str(entry.raw_data.get("yield", 0))) for entry in entries)

    def start(self, at: int, kind: str = "RUN", name: str | None = None, line: str = LINE) -> StartInterval:
        details = {"RUN": {"product": "Film 20"}, "STATE": {"category": "Uptime"}}.get(kind, {})
        return StartInterval(interval_key(line, kind, T + at), line, T + at, kind, T + at, name, dict(details))

    def output(self, of: StartInterval, at: int, amount: int, **more: str) -> Output:
        stamp = T + at
        raw: dict[str, Scalar] = {"yield": amount, **more}
        return Output(self.key(), of.line, stamp, of.type, of.key, stamp, raw, ("yield",))

    def end(self, of: StartInterval, at: int) -> UpdateInterval:
        return UpdateInterval(self.key(), of.line, T + at, of.type, of.key, T + at)

    def key(self) -> str:
        self.number += 1
        return record_key(LINE, self.number, 1.0)


def live(
    story: Callable[[Plant], Awaitable[None]],
    manners: Manners = Manners(),  # noqa: B008 - frozen
    faults: Sequence[str] = (),
    *,
    settings: DeliveryOptions = DeliveryOptions(60.0, 30.0),  # noqa: B008 - frozen
) -> Plant:
    """Let delivery run while `story` is told, in simulated time; what there is afterwards."""
    plant = Plant(manners, faults)

    async def told() -> None:
        plant.begin(settings)
        try:
            await story(plant)
        finally:
            await plant.kill()

    random.seed(1)  # the jitter of delivery
    with silent():
        simulate(told())
    return plant


def _to_do(counts: Counts) -> int:
    return counts.waiting + counts.sending + counts.in_doubt
