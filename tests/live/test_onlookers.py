"""Between what is known and what is live nothing is missing and nothing is twice, wherever it is on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Self

from gateway.arrivals import MOST_QUEUED
from gateway.clock import LoopClock
from gateway.config.schema import Config
from gateway.intake import Intake
from gateway.live.tail import Onlookers, Present, tail
from gateway.mapping.compile import compile_line
from gateway.model import Moment, Sample
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.base import Arrival
from tests.peers import PATIENCE

EPOCH = 1_800_000_000.0
CONFIG = Config.model_validate(
    {
        "oden": {"token": "x"},
        "sources": {"plc": {"type": "opcua", "url": "opc.tcp://10.1.4.20"}},
        "lines": [{"factory": "A", "line": "L", "inputs": {"good": {"source": "plc", "node": "ns=2;s=Good"}}}],
    },
    strict=False,
)
PLAN = compile_line(CONFIG.lines[0], ("lines", 0))


def said(value: int, padding: int = 0) -> Arrival:
    sample = Sample("plc", "ns=2;s=Good", value, EPOCH + value)
    return Arrival("plc", (Moment((sample,)),), weight=padding)


class Gateway:
    """An intake on an outbox, with those who look on at what it takes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.outbox = OutboxThread()
        self.intake = Intake(self.outbox, [PLAN], LoopClock(EPOCH), lambda _: None, lambda _: None)
        self.onlookers = Onlookers(self.intake.take, self.intake.waiting)

    async def __aenter__(self) -> Self:
        await self.outbox.open(lambda: open_outbox(self._directory, limit=2**30, min_free=0.0, span=900.0))
        await self.intake.load()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.outbox.close()

    async def mapped(self) -> None:
        """What was taken becomes what is known."""
        self.intake.stop()
        await asyncio.wait_for(self.intake.run(), PATIENCE)

    def present(self) -> Present:
        return Present(CONFIG, [PLAN], {}, self.onlookers, lambda line: self.intake.state(line).inputs)


async def shown(present: Callable[[], Present], meanwhile: Callable[[], Awaitable[None]]) -> list[tuple[object, bool]]:
    """The first two readings, and whether they are what was known; between them, what happens `meanwhile`."""
    async with aclosing(tail(present, "plc")) as readings:
        first = await asyncio.wait_for(anext(readings), PATIENCE)
        await meanwhile()
        second = await asyncio.wait_for(anext(readings), PATIENCE)
    return [(each.value, each.known) for each in (first, second) if not isinstance(each, int)]


async def test_what_comes_while_what_is_known_is_told(tmp_path: Path) -> None:
    """Whoever shows it may take its time."""
    async with Gateway(tmp_path) as gateway:
        await gateway.onlookers.take(said(1))
        await gateway.mapped()
        seen = await shown(gateway.present, partial(gateway.onlookers.take, said(2)))
    assert seen == [(1, True), (2, False)]


async def test_what_is_taken_and_not_mapped_yet(tmp_path: Path) -> None:
    """It waits in the intake, or for room in it: it is in nobody's memory, and shown as what comes."""
    async with Gateway(tmp_path) as gateway:
        await gateway.onlookers.take(said(1, padding=MOST_QUEUED))
        at_the_door = asyncio.create_task(gateway.onlookers.take(said(2)))
        await asyncio.sleep(0)
        seen = await shown(gateway.present, partial(asyncio.sleep, 0))
        at_the_door.cancel()
    assert seen == [(1, False), (2, False)]


async def test_who_has_left_is_told_nothing(tmp_path: Path) -> None:
    async with Gateway(tmp_path) as gateway:
        await gateway.onlookers.take(said(1))
        told: list[Arrival] = []
        watch = told.append
        gateway.onlookers.join(watch)
        gateway.onlookers.leave(watch)
        await gateway.onlookers.take(said(2))
    assert [sample.value for arrival in told for sample in arrival.samples] == [1]
