"""The history of servers of other makers fills the time of which they have forgotten the session."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import wait_until
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

STATE, GOOD = "nsu=urn:acme:line;s=L01.State", "nsu=urn:acme:line;s=L01.Good"


@pytest.fixture(params=["node-opcua", "o6"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    server = SERVERS[request.param](tmp_path / "server", history=5_000)
    try:
        await server.start(L01__State=0, L01__Good=0)
        yield server
    finally:
        await server.kill()


async def test_p2_every_change_is_read_from_the_history(server: OpcuaPeer) -> None:
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


async def test_p13_what_was_made_while_the_gateway_was_off_is_at_its_orders(server: OpcuaPeer, tmp_path: Path) -> None:
    """The gateway is killed; one order goes on, one comes and goes, a third begins meanwhile. Each has its parts at
    Oden."""
    await server.add("L01.Order", "A")
    run = GatewayRun.with_opcua(tmp_path / "run", server.url, history="auto")
    try:
        await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        await count(server, 1, 50)
        await run.until_settled(3)
        await run.kill_gateway()
        await count(server, 51, 150)
        await server.write("L01.Order", "B")
        await asyncio.sleep(1.1)  # Oden has whole seconds
        await count(server, 151, 200)
        await server.write("L01.Order", "C")
        await asyncio.sleep(1.1)
        run.start_gateway()
        await run.until_connected()
        await count(server, 201, 221)
        await run.until_settled(10)
        assert sorted(made_of(run.ledger).values()) == [21, 50, 150]
    finally:
        await run.close()


async def count(server: OpcuaPeer, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await server.write("L01.Good", number)
        await asyncio.sleep(0.02)


def made_of(ledger: Path) -> Counter[str]:
    """What was told of each interval that has any output."""
    made: Counter[str] = Counter()
    for line in ledger.read_text().splitlines():
        entry = json.loads(line)
        if entry["path"].endswith("/scrap_yield/set") and entry["status"] == 200:
            body = entry["body"]
            made[json.dumps(body["interval"], sort_keys=True)] += int(body["data"]["raw_data"].get("yield", 0))
    return made
