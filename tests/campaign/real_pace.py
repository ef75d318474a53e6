"""How close requests are to each other in real time, and how many slots are used: a backlog, and the stand-in on
loopback.
"""

import asyncio
from dataclasses import dataclass
from itertools import chain, pairwise, takewhile
from pathlib import Path

from gateway.cli.demo_parts import listens
from gateway.clock import LoopClock
from gateway.delivery.drain import DeliveryOptions, Drain
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.store import SPAN, Outbox
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.simulator.oden.persistence import read_ledger
from tests.campaign.busy import BusyLine
from tests.campaign.load import HOUR
from tests.campaign.plant import EPOCH, FACTORY
from tests.campaign.processes import Process
from tests.campaign.quiet import silent
from tests.campaign.real_schedule import names
from tests.peers import free_port, wait_until

LATENCIES = (0.05, 0.5, 3.0)
"""Seconds that the API takes for an answer."""
LINES = 20
GAP = 1.000
USED = 0.98
TOKEN = "demo-token"
SETTLED = 10.0
"""Seconds at the start that are not measured: the first requests find out the ids of the lines."""


class Noted(Pace):
    """The gateway's pace, which also notes when requests were written."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.at: list[float] = []

    def written(self, now: float) -> None:
        self.at.append(now)
        super().written(now)


@dataclass(frozen=True)
class Paced:
    """What came of it: the smallest gaps in seconds, and requests per second of those measured."""

    requests: int
    at_transport: float
    at_oden: float
    used: float

    @property
    def ok(self) -> bool:
        return min(self.at_transport, self.at_oden) >= GAP and self.used >= USED

    def __str__(self) -> str:
        return (
            f"{self.requests} requests; smallest gap {self.at_transport:.4f} s at the transport, "
            f"{self.at_oden:.4f} s at the stand-in; slots used {self.used:.4f}"
        )


async def measure(latency: float, seconds: float, folder: Path) -> Paced:
    """Deliver the backlog of LINES lines for so many seconds."""
    port, ledger = free_port(), folder / "ledger.jsonl"
    fault = f"latency seconds={latency}"
    command = ["simulate", "oden", f"--port={port}", f"--ledger={ledger}", f"--token={TOKEN}", f"--fault={fault}"]
    oden = Process(command, folder / "oden.log", at_once=True)
    await oden.start()
    try:
        await wait_until(lambda: listens(port))
        with silent():
            written = await _deliver(f"http://127.0.0.1:{port}/v2", seconds, folder / "outbox")
    finally:
        await oden.end()
    received = sorted(request.received_at for request in read_ledger(ledger))
    measured = [at for at in received if at > received[0] + SETTLED]
    return Paced(
        requests=len(received),
        at_transport=_smallest(written),
        at_oden=_smallest(received),
        used=(len(measured) - 1) / (measured[-1] - measured[0]),
    )


async def _deliver(url: str, seconds: float, directory: Path) -> list[float]:
    """The real drain, client and outbox; when each request was written."""
    loop = asyncio.get_running_loop()
    lines = [BusyLine(number, 1, 0) for number in range(1, LINES + 1)]
    refs = {line.key: LineRef(FACTORY, name) for line, name in zip(lines, names(LINES), strict=True)}
    outbox, pace = OutboxThread(), Noted(loop.time())
    await outbox.open(lambda: open_outbox(directory, limit=2**30, min_free=0.0, span=SPAN))
    try:
        for line in lines:
            events = takewhile(lambda event: event.at < HOUR, line.events())
            await outbox(
                Outbox.commit,
                Commit(
                    number=await outbox(Outbox.last_commit) + 1,
                    records=tuple(chain.from_iterable(event.records for event in events)),
                ),
            )
        async with OdenClient(url, lambda: TOKEN, 30.0, pace) as client:
            drain = Drain(outbox, client, LoopClock(EPOCH + 2 * HOUR), DeliveryOptions(60.0, 30.0), refs)
            running = asyncio.create_task(drain.run())
            await asyncio.sleep(seconds)
            drain.stop()
            await running
    finally:
        await outbox.close()
    return pace.at


def _smallest(times: list[float]) -> float:
    return min(after - before for before, after in pairwise(times))
