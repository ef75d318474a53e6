"""Faults, drawn by a seed, between a real OPC UA server and the gateway, judged by what came to Oden.

`python -m tests.real_peers.opcua_faults FAULTS [SERVER] [SEED]` plays so many in one story with one server (node-opcua,
asyncua or o6; the last ends by itself after ten minutes, unless a restart is among the faults). Each order has exactly
the parts that were made in it, by the ledger of the stand-in; there is a run for each order and a state for each change
of it, and no other; no service was asked for that acts on a plant; and the server has one session.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.sources.opcua.source import WINDOW
from tests.peers import PATIENCE, wait_until
from tests.processes import whole_lines
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer
from tests.real_peers.service_tap import ALLOWED, ServiceTap
from tests.real_peers.tap import TO_GATEWAY, TO_PEER

CATEGORIES = {1: "Uptime", 3: "Unplanned Downtime"}


class Story:
    """A press with orders, states and a counter that begins anew at 65,536, behind a server to which things happen."""

    def __init__(self, server: OpcuaPeer, folder: Path, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.tap = ServiceTap(server.port)
        self._folder = folder
        self.counter, self.state = 65_500, 1
        self.made: dict[str, int] = {}
        """By order."""
        self.states: list[str] = []
        """As they followed one another."""
        self.told: list[str] = []
        self._off = timedelta()
        """How wrong the clock of the server is."""
        self._shift: list[str] = []
        self._run: GatewayRun | None = None

    @property
    def run(self) -> GatewayRun:
        assert self._run is not None
        return self._run

    @property
    def order(self) -> str:
        return [*self.made][-1]

    async def begin(self) -> None:
        await self.tap.start()
        url = f"opc.tcp://127.0.0.1:{self.tap.port}"
        self._run = GatewayRun.with_opcua(self._folder / "gateway", url, timeout="3s", audit="1s")
        self.made["A0"], self.states = 0, [CATEGORIES[1]]
        await self._serve()
        await self.run.start_oden()
        self.run.start_gateway()
        await self.run.until_connected()
        await self.until_as_made()

    async def end(self) -> None:
        if self._run is not None:
            await self._run.close()
        await self.tap.stop()
        await self.server.kill()

    async def _serve(self) -> None:
        variables = {"L01__State": self.state, "L01__Good": self.counter, "L01__Order": self.order}
        await self.server.start(before=self._shift, **variables)

    # -- what the press does --

    def moved(self, parts: int) -> None:
        """As many parts are made of which the server knows nothing yet."""
        self.counter = (self.counter + parts) % 65_536
        self.made[self.order] += parts

    async def write(self, name: str, value: Any) -> None:
        await self.server.write(name, value, time=datetime.now(UTC) + self._off)

    async def make(self, least: int = 3, most: int = 30) -> None:
        for _ in range(self.random.randint(least, most)):
            self.moved(1)
            await self.write("L01.Good", self.counter)

    async def go_on(self) -> None:
        """The state changes, and the order; some parts of each are made."""
        await self.make()
        await self.until_as_made()
        self.state = 4 - self.state
        self.states.append(CATEGORIES[self.state])
        await self.write("L01.State", self.state)
        await self.until_as_made()
        self.made[f"A{len(self.made)}"] = 0
        await self.write("L01.Order", self.order)
        await self.until_as_made()
        await self.make()
        await self.until_as_made()

    # -- what can happen; in each some parts are made --

    async def cut(self) -> None:
        """The connection is reset."""
        self.tap.cut()
        await self.make()

    async def half_open(self) -> None:
        """Nothing gets there, or nothing comes back; then it does again, or it is reset."""
        self.tap.freeze(self.random.choice([TO_GATEWAY, TO_PEER]))
        await self.make()
        await asyncio.sleep(self.random.choice([0.5, 2.0, 6.0]))
        if self.random.random() < 0.5:
            self.tap.cut()
        self.tap.thaw()

    async def hang(self) -> None:
        """The server answers nothing, and its connections stay open."""
        self.server.freeze()
        await asyncio.sleep(self.random.choice([1.0, 5.0, 9.0]))
        self.server.thaw()
        await self.make()

    async def forget(self) -> None:
        """The server ends all sessions."""
        await self.server.ask(do="forget")
        await self.make()

    async def silence(self) -> None:
        """The server ends the subscriptions alone."""
        await self.server.ask(do="silence")
        await self.make()

    async def restart(self) -> None:
        """The server is killed; meanwhile the machine goes on, and the namespace moves."""
        await self.server.kill()
        self.moved(self.random.randint(1, 50))
        self._shift.append(f"urn:other:{len(self._shift)}")
        await self._serve()

    async def delete(self) -> None:
        """The node of the counter goes, and another with its name comes."""
        await self.server.delete("L01.Good")
        await asyncio.sleep(self.random.choice([0.0, 1.0, 4.0]))
        self.moved(self.random.randint(1, 50))
        await self.server.add("L01.Good", self.counter)
        await self.make()

    async def set_clock(self) -> None:
        """The clock of the devices is wrong by an hour from now on, or is put right. Set back by less than a minute it
        would be a value that comes late, and would count for the order of that time."""
        self._off = timedelta(hours=self.random.choice([-1, 0, 1]))
        await self.make()

    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Those that this server can have, by name."""
        every = [self.cut, self.half_open, self.hang, self.forget, self.restart, self.delete, self.set_clock]
        if self.server.name != "o6":  # which cannot end a subscription by itself
            every.append(self.silence)
        return {each.__name__: each for each in every}

    async def play(self, number: int) -> None:
        """So many faults, each kind once before one comes again; each is judged once it is over."""
        waiting: list[str] = []
        for _ in range(number):
            waiting = waiting or self.random.sample([*self.faults()], len(self.faults()))
            self.told.append(waiting.pop())
            await self.faults()[self.told[-1]]()
            await self.run.until_connected()
            await self.go_on()

    # -- what is judged --

    def as_made(self) -> bool:
        """Whether each order and state is at Oden, and no other, with its parts."""
        return self.at_oden() == ([made for made in self.made.values() if made], [*self.made], self.states)

    def at_oden(self) -> tuple[list[int], list[str], list[str]]:
        """The parts of each order that has any, the orders as they began, and the states."""
        return parts_of(self.run.ledger), *self._intervals()

    def _intervals(self) -> tuple[list[str], list[str]]:
        states = [body["metadata"]["category"]["name"] for body in self.run.intervals("STATE")]
        return [body["name"] for body in self.run.intervals("RUN")], states

    async def until_as_made(self) -> None:
        """AssertionError where it is not so in time, or does not stay so while what is under way is delivered. A server
        to which a session was set up again and again is left alone until WINDOW has passed."""
        try:
            await wait_until(self.as_made, WINDOW + PATIENCE / 5)
        finally:
            assert self.as_made(), f"{self.told}: made {self.made}, {self.states}; at Oden {self.at_oden()}"

    async def judge(self) -> None:
        """The whole, once all is at rest."""
        await self.run.until_settled(2.0)
        await self.until_as_made()
        async with asyncio.timeout(PATIENCE):
            while (await self.server.ask(do="sessions"))["sessions"] != 1:
                await asyncio.sleep(0.2)
        assert self.tap.asked.keys() <= ALLOWED, f"the gateway asked for {self.tap.asked}"
        assert self.tap.asked.keys() >= {"CreateMonitoredItems", "Publish", "Read"}, "or nothing was seen"


def parts_of(ledger: Path) -> list[int]:
    """The parts of each run that has any, in the order in which they came to have some. An entry names its run by the
    number that Oden gave it."""
    made: Counter[str] = Counter()
    for line in whole_lines(ledger):
        entry = json.loads(line)
        if entry["path"] == "/v2/scrap_yield/set" and entry["status"] == 200:
            body = entry["body"]
            assert "id" not in body["data"], "output was replaced, which sums do not tell"
            parts = int(body["data"]["raw_data"]["yield"])
            assert parts > 0, f"parts were taken back: {body}"
            made[body["interval"]["id"]] += parts
    return [*made.values()]


async def tell(server: OpcuaPeer, folder: Path, faults: int, seed: int) -> list[str]:
    """One story; the faults in it. AssertionError where anything is not as it must be."""
    story = Story(server, folder, seed)
    try:
        await story.begin()
        await story.play(faults)
        await story.judge()
    finally:
        await story.end()
    return story.told


def main(faults: int, name: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[name](Path(folder) / "server")
        told = asyncio.run(tell(server, Path(folder), faults, seed))
    of_each = "".join(f"  {fault} {number}\n" for fault, number in sorted(Counter(told).items()))
    sys.stdout.write(f"{len(told)} faults of {name}: each order and state exact\n{of_each}")


if __name__ == "__main__":
    faults, name, seed = [*sys.argv[1:], *["8", "node-opcua", "0"][len(sys.argv) - 1 :]]
    main(int(faults), name, int(seed))
