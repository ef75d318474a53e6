"""How the audit asks: in small requests over its time, and more seldom where a server is slow; in simulated time. And
how a server is watched whose clock is looked at too seldom."""

import asyncio
from itertools import pairwise
from typing import Any

from asyncua.common.utils import Buffer

from tests.sources.harness import node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.scripted_nodes import node_name
from tests.sources.opcua.story import connected, simulated

NAMES = [f"t{number:03}" for number in range(200)]


class Timed(Server):
    """Notes each request to read tags, from when to when; it takes a while to answer."""

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.takes = 0.0
        self.readings: list[tuple[float, float, list[str]]] = []

    async def _read(self, request: Any) -> Buffer:
        begun, names = self._time(), [node_name(each.NodeId) for each in request.Parameters.NodesToRead]
        tags = [name for name in names if name in self.values]
        await asyncio.sleep(self.takes if tags else 0.0)
        answer = await super()._read(request)
        if tags:
            self.readings.append((begun, self._time(), tags))
        return answer

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


def pauses(readings: list[tuple[float, float, list[str]]]) -> list[float]:
    """Between the end of one reading and the beginning of the next."""
    return [after[0] - before[1] for before, after in pairwise(readings)]


@simulated
async def test_p9_an_audit_is_spread_evenly_over_its_time() -> None:
    """No burst that a small controller would feel, and every tag once in it."""
    server = Timed(**dict.fromkeys(NAMES, 1))
    server.most_nodes = 20
    async with connected(server, *NAMES, audit="60s"):
        await asyncio.sleep(200)
        server.readings.clear()
        await asyncio.sleep(600)
        assert max(len(tags) for _, _, tags in server.readings) <= 20
        number = len(server.readings) / 10  # in an audit
        assert all(0.9 * 60 / number < pause < 1.1 * 60 / number for pause in pauses(server.readings))
        told = [tag for _, _, tags in server.readings for tag in tags]
        assert {told.count(name) for name in NAMES} <= {9, 10, 11}


@simulated
async def test_p9_a_server_that_answers_slowly_is_audited_more_seldom() -> None:
    """It is busy with the audit for a tenth of its time at the most; one that has become quick again is asked as often
    as ever."""
    server = Timed(**dict.fromkeys(NAMES, 1))
    server.most_nodes = 100
    async with connected(server, *NAMES, audit="10s") as (source, _):
        await asyncio.sleep(100)
        server.takes = 3.0
        await asyncio.sleep(100)
        server.readings.clear()
        await asyncio.sleep(600)
        assert len(server.readings) > 5
        assert min(pauses(server.readings)) >= 30.0
        server.takes = 0.0
        await asyncio.sleep(100)
        server.readings.clear()
        await asyncio.sleep(100)
        assert max(pauses(server.readings)) < 11
        assert source.health.connected


@simulated
async def test_p9_a_heartbeat_that_the_server_looks_at_too_seldom_is_none() -> None:
    """The clock is read instead, and that is said: by a heartbeat of a minute a dead subscription would be missed for
    three."""
    server = Server(a=0)
    server.least_sampling = 60.0

    async def tick() -> None:
        while True:
            server.clock_ticks = True
            await asyncio.sleep(server.publishing)
            server.clock_ticks = False
            await asyncio.sleep(server.least_sampling - server.publishing)

    ticking = asyncio.create_task(tick())
    async with connected(server, "a", audit="off") as (source, intake):
        await asyncio.sleep(3_600)
        assert server.sessions == 1
        assert source.health.detail.startswith("connected; the server does not tell of its clock, so it is read every")
        begun = asyncio.get_running_loop().time()
        server.publishes = False
        while source.health.connected:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - begun < 30
        server.publishes = True
        server.write("a", 1)
        await asyncio.sleep(60)
        assert intake.values(node("a"))[-1] == 1
    ticking.cancel()
