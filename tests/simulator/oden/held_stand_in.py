"""A stand-in on a real socket whose time a test holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.faults import read_fault
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import Ledger, read_ledger, replay
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.peers import PATIENCE

LINE = {"name": "Line 01", "factory": {"name": "Factory A"}}


RUN = {
    "type": {"name": "RUN"},
    "line": LINE,
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}


SEARCH = {"type": {"name": "RUN"}, "line": LINE, "match": "all"}


class HeldTime:
    """A sleep that lasts until the test lets go."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
            await self._go.wait()

    async def let_go_of(self, *seconds: float) -> None:
        """Wait until something sleeps for just these times, and let it go on."""
        async with asyncio.timeout(PATIENCE):
            while self.slept != [*seconds]:
                await asyncio.sleep(0.01)
        self._go.set()


class StandIn:
    """A running stand-in with faults, its model, its ledger, and a client of it."""

    def __init__(self, ledger: Path) -> None:
        self.model = OdenModel(Organization())
        self.injector = FaultInjector(Organization(), seed=1)
        self.ledger = ledger
        self.time: HeldTime | None = None

    @asynccontextmanager
    async def serving(self, *faults: str) -> AsyncIterator["StandIn"]:
        for words in faults:
            self.injector.add(read_fault(words))
        book = Ledger(self.ledger)
        sleep = asyncio.sleep if self.time is None else self.time.sleep
        app = make_app(self.model, "secret", book, [inject_faults(self.injector, sleep)])
        async with (
            listening(app, "127.0.0.1", 0) as self.address,
            aiohttp.ClientSession(headers={"Authorization": "Token secret"}) as self.client,
        ):
            yield self
        book.close()

    async def post(self, endpoint: str, body: object) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.client.post(
            f"{self.address}/{endpoint}",
            json=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        ) as answer:
            return answer, await answer.read()

    async def set_run(self) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.post("interval/set", RUN)

    async def until_struck(self, number: int = 1) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.injector.active[number].struck == 0:
                await asyncio.sleep(0.01)

    async def leave(self, number: int = 1) -> None:
        """Set a run, and give up as soon as the fault `number` has struck the request."""
        asked = asyncio.create_task(self.set_run())
        await self.until_struck(number)
        assert not asked.done()
        asked.cancel()
        await asyncio.wait({asked})

    def runs(self) -> int:
        return len(self.model.intervals("RUN", "Factory A", "Line 01"))

    def statuses(self) -> list[int]:
        """Of the ledger; and the ledger gives an equal model."""
        assert replay(self.ledger, Organization()) == self.model
        return [request.status for request in read_ledger(self.ledger)]
