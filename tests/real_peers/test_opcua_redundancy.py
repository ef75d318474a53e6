"""Twins of another maker by their ServiceLevel: the better one goes, comes back, and falls ill."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua import channel
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import wait_until
from tests.real_peers.opcua_servers import NodeOpcua
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

NODE = "nsu=urn:acme:line;s=L01.State"


@pytest.fixture
async def twins(tmp_path: Path) -> AsyncIterator[tuple[NodeOpcua, NodeOpcua]]:
    """One that is well, and one that is not, not running yet."""
    good, poor = NodeOpcua(tmp_path / "good"), NodeOpcua(tmp_path / "poor", serviceLevel=150)
    try:
        yield good, poor
    finally:
        await good.kill()
        await poor.kill()


async def test_the_better_twin_goes_comes_back_and_falls_ill(
    twins: tuple[NodeOpcua, NodeOpcua], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the one is read that says that it is better, and the other has no session of ours; in the end neither
    has."""
    monkeypatch.setattr(channel, "LOOK_AROUND", 0.0)
    good, poor = twins
    await good.start(L01__State=1)
    await poor.start(L01__State=2)
    config = opcua_config(good.url, redundant=[poor.url])
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(NODE) == [1])
        await good.kill()
        await wait_until(lambda: intake.values(NODE) == [1, 2])
        await good.start(L01__State=3)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3])
        assert (await poor.ask(do="sessions"))["sessions"] == 0
        await good.ask(do="level", level=100)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3, 2])
        assert (await good.ask(do="sessions"))["sessions"] == 0
        await poor.write("L01.State", 4)
        await wait_until(lambda: intake.values(NODE) == [1, 2, 3, 2, 4])
    for server in twins:
        assert (await server.ask(do="sessions"))["sessions"] == 0
