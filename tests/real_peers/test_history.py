"""The history of a server of another maker fills the time of which it has forgotten the session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import Link, wait_until
from tests.real_peers.opcua_servers import NodeOpcua
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

STATE, GOOD = "nsu=urn:acme:line;s=L01.State", "nsu=urn:acme:line;s=L01.Good"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NodeOpcua]:
    server = NodeOpcua(tmp_path / "server", history=5_000)
    try:
        await server.start(L01__State=0, L01__Good=0)
        yield server
    finally:
        await server.kill()


async def test_p2_every_change_is_read_from_the_history(server: NodeOpcua) -> None:
    """Two thousand counts and some states, while the way is cut and the session forgotten: each comes once."""
    link = Link(server.port)
    await link.start()
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}", history="auto")
    source, intake = OpcuaSource("plc", config, opcua_tags([STATE, GOOD], config), AnchoredClock()), Intake()
    try:
        async with running(source, intake):
            await wait_until(lambda: len(intake.samples) == 2, 60)
            await server.write("L01.State", 1)
            await wait_until(lambda: intake.values(STATE) == [0, 1], 60)
            await link.stop()
            await server.ask(do="forget")
            for count in range(1, 2_001):
                await server.write("L01.Good", count)
                if count % 500 == 0:
                    await server.write("L01.State", count // 500 + 1)
                if count % 100 == 0:
                    await asyncio.sleep(0.01)  # times have milliseconds
            await link.start()
            await wait_until(lambda: [one for one in intake.arrivals if one.recovered is not None], 60)
            await server.write("L01.Good", 2_001)
            await wait_until(lambda: intake.values(GOOD)[-1] == 2_001, 60)
    finally:
        await link.stop()
    [recovered] = [arrival.recovered for arrival in intake.arrivals if arrival.recovered is not None]
    samples = [sample for moment in recovered.moments for sample in moment.samples]
    assert recovered.missing == frozenset()
    assert [sample.value for sample in samples if sample.address == STATE] == [2, 3, 4, 5]
    assert [sample.value for sample in samples if sample.address == GOOD] == [*range(1, 2_001)]
    assert [notice for notice in intake.notices if notice.kind == "gap"] == []
