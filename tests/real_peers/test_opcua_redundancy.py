"""Twins of other makers, also of two, by their ServiceLevel: the better one goes, comes back, and falls ill."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua import channel
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import PATIENCE, wait_until
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

NODE = "nsu=urn:acme:line;s=L01.State"


PAIRS = [("node-opcua", "node-opcua"), ("node-opcua", "asyncua"), ("asyncua", "node-opcua"), ("o6", "node-opcua")]


@pytest.fixture(params=PAIRS, ids=" and ".join)
async def twins(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[OpcuaPeer, OpcuaPeer]]:
    """Two servers, not running yet."""
    good, poor = (SERVERS[name](tmp_path / str(place)) for place, name in enumerate(request.param))
    try:
        yield good, poor
    finally:
        await good.kill()
        await poor.kill()


async def start(server: OpcuaPeer, value: int, level: int) -> None:
    await server.start(L01__State=value)
    if server.name != "o6":  # which always says that it is well
        await server.ask(do="level", level=level)


async def until_left(server: OpcuaPeer) -> None:
    """Wait until the server has no session: one that is asked how well it is has one for a moment."""
    async with asyncio.timeout(PATIENCE):
        while (await server.ask(do="sessions"))["sessions"]:
            await asyncio.sleep(0.02)


async def test_the_better_twin_goes_comes_back_and_falls_ill(
    twins: tuple[OpcuaPeer, OpcuaPeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the one is read that says that it is better, and the other has no session of ours; in the end neither
    has."""
    monkeypatch.setattr(channel, "LOOK_AROUND", 0.0)
    good, poor = twins
    await start(good, 1, 255)
    await start(poor, 2, 150)
    config = opcua_config(good.url, redundant=[poor.url])
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(NODE) == [1])
        await good.kill()
        await wait_until(lambda: intake.values(NODE) == [1, 2])
        await start(good, 3, 255)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3])
        await until_left(poor)
        if good.name == "o6":
            return
        await good.ask(do="level", level=100)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3, 2])
        await until_left(good)
        await poor.write("L01.State", 4)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3, 2, 4])
    for server in twins:
        await until_left(server)
