"""Intake over a real outbox, of which tests watch what is acknowledged and what is on disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.clock import LoopClock
from gateway.config.schema import Line
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan, compile_line
from gateway.model import RECORD, Moment, Notice, Record, Sample
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.base import Arrival, Connected, Receipt
from tests.peers import PATIENCE
from tests.receipts.digests import hashed

LINE = Line.model_validate(
    {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {
            "good": {"source": "plc", "node": "ns=2;s=Good", "counter": {"rollover": 65536}},
            "order": {"source": "floor", "topic": "order", "field": "number"},
            "scrap": {"source": "floor", "topic": "scrap"},
        },
        "run": {"key": "order", "product": "{order}", "settle": "0s"},
        "scrap_yield": {
            "every": "1s",
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
            ],
        },
    }
)
PLAN = compile_line(LINE, ("lines", 0))
EPOCH = 1_800_000_000.0


def opened(directory: Path, limit: int = 2**30) -> Outbox:
    return open_outbox(directory, limit=limit, min_free=0.0, span=900.0)


class SetClock(LoopClock):
    """A clock that can be set."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Rig:
    """One life of an intake on an outbox directory, which may take `limit` bytes."""

    def __init__(self, directory: Path, plan: LinePlan = PLAN, limit: int = 2**30) -> None:
        self.limit = limit
        self.outbox = OutboxThread()
        self.plan = plan
        self.directory = directory
        self.stored = 0
        self.acked: list[int] = []
        self.noticed: list[Notice] = []

    @asynccontextmanager
    async def running(self, *, connected: bool = True) -> AsyncIterator[Intake]:
        """With a broker that has kept the session, unless `connected` is false."""
        await self.outbox.open(lambda: opened(self.directory, self.limit))
        self.clock = SetClock(EPOCH)

        def stored(_: Sequence[Record]) -> None:
            self.stored += 1

        intake = Intake(self.outbox, [self.plan], self.clock, stored, self.noticed.extend)
        await intake.load()
        self.task = asyncio.create_task(intake.run())
        if connected:
            await intake.take(self.connected())
        try:
            yield intake
        finally:
            intake.stop()
            await asyncio.wait({self.task}, timeout=PATIENCE)
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            await self.outbox.close()

    def message(self, topic: str, value: object, packet_id: int, *, redelivered: bool = False) -> Arrival:
        sample = Sample("floor", topic, value, self.clock.now())
        receipt = Receipt(packet_id, hashed(f"{topic}{value}"), redelivered, self.clock.monotonic())
        return Arrival("floor", (Moment((sample,)),), receipt=receipt, done=lambda: self.acked.append(packet_id))

    def connected(self, *, resumed: bool = True, session: str = "edge at broker") -> Arrival:
        return Arrival("floor", connected=Connected(session, resumed, self.clock.monotonic()))

    def count(self, value: int, ago: float = 0.0) -> Arrival:
        return Arrival("plc", (Moment((Sample("plc", "ns=2;s=Good", value, self.clock.now() - ago),)),))

    async def delivered_yield(self) -> int:
        """Take what waits out of the outbox as if it had been delivered; the yield among it."""
        total = 0
        while works := await self.outbox(Outbox.work):
            for work in works:
                record = work.records[0]
                total += int(str(record.raw_data.get("yield", 0))) if record.kind == "output" else 0
                await self.outbox(Outbox.settle, work, {work.positions[0]: "id"})
        return total

    async def scrap(self, place: int = 0) -> int:
        """The scrap in an entry of output that waits; 0 where there is none."""
        text = await self.outbox(Outbox.row, f"record/{PLAN.key}/output/{place}")
        if text is None:
            return 0
        record = RECORD.validate_json(text)
        assert record.kind == "output"
        return int(str(record.raw_data["scrap"]))

    async def made(self) -> dict[str, int]:
        return (await self.outbox(Outbox.summary, 1)).totals.records


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


TIMED = compile_line(
    Line.model_validate(
        {
            "factory": "Factory A",
            "line": "Line 01",
            "inputs": {
                "good": {"source": "plc", "node": "ns=2;s=Good", "counter": {"rollover": 65536}},
                "order": {"source": "floor", "topic": "order", "field": "number", "time": "at"},
            },
            "run": {"key": "order", "product": "{order}", "name": "{order}", "settle": "0s"},
            "scrap_yield": {"every": "1s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
        }
    ),
    ("lines", 0),
)
