"""The history of servers of other makers fills the time of which they have forgotten the session."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count as count_from
from itertools import pairwise
from pathlib import Path

import pytest
from asyncua import ua

from gateway.clock import AnchoredClock
from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import Event, time_of
from gateway.mapping.line import Tick
from gateway.model import Contact, Sample
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.mapping.recording import fed
from tests.mapping.test_outages import what_is_at_oden
from tests.peers import LINE, OpcuaServer, wait_until
from tests.processes import whole_lines
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

STATE, GOOD = "nsu=urn:acme:line;s=L01.State", "nsu=urn:acme:line;s=L01.Good"
MADE, TICKS, ORDER = "nsu=urn:acme:line;s=L01.Made", f"nsu={LINE};s=Ticks", f"nsu={LINE};s=Order"


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    server = SERVERS[request.param](tmp_path / "server", history=12_000)
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
    for line in whole_lines(ledger):
        entry = json.loads(line)
        if entry["path"].endswith("/scrap_yield/set") and entry["status"] == 200:
            body = entry["body"]
            made[json.dumps(body["interval"], sort_keys=True)] += int(body["data"]["raw_data"].get("yield", 0))
    return made


async def test_p13_three_hours_of_a_part_a_second_are_as_undisturbed(server: OpcuaPeer) -> None:
    """Another server, whose orders went on all the while, tells something every 50 ms, also while the history is read.
    In the end each order has its parts, as if the machine had been heard."""
    now = datetime.now(UTC)
    began = now - timedelta(hours=3)
    at = began.timestamp()
    number = int((now - began).total_seconds()) - 5
    await server.ask(do="past", name="L01.Made", number=number, time=began.isoformat())
    mes = OpcuaServer()
    await mes.start(Ticks=0)
    plans, intake, live = _plan(), Intake(), Intake()
    sources = [
        OpcuaSource(name, config, opcua_tags([tag], config), AnchoredClock())
        for name, tag, config in (
            ("plc", MADE, opcua_config(server.url, history="auto")),
            ("mes", TICKS, opcua_config(mes.url, publishing_interval="100ms")),
        )
    ]
    sources[0].heard_before(at + 0.5)
    try:
        async with running(sources[1], live):
            await wait_until(lambda: live.samples, 60)
            ticking = asyncio.create_task(_tick(mes))
            async with running(sources[0], intake):
                await wait_until(lambda: intake.samples, 100)
            await asyncio.sleep(0.5)
            ticking.cancel()
    finally:
        await mes.stop()
    came = [sample.received for sample in live.samples]
    assert max(later - earlier for earlier, later in pairwise(came)) < 2.0
    assert [notice.text for notice in intake.notices if notice.kind == "gap"] == []
    orders = [Sample("mes", ORDER, f"A{order}", at + 0.25 + order * 1_000) for order in range(11)]
    known = [Sample("plc", MADE, 0, at, initial=True)]
    lost: list[Event] = [Contact("plc", at + 1, "lost", at + 0.5), Sample("plc", MADE, None, at + 1, quality="bad")]
    events: list[Event] = [*known, *orders, *lost]
    for arrival in intake.arrivals:
        events += [*arrival.contacts, *([arrival.recovered] if arrival.recovered is not None else []), *arrival.moments]
    counts = [Sample("plc", MADE, count, at + count) for count in range(1, number + 1)]
    end = Tick(time.time() + 600)
    disturbed = what_is_at_oden(fed(plans, *sorted(events, key=time_of), end))
    assert disturbed == what_is_at_oden(fed(plans, *sorted([*known, *orders, *counts], key=time_of), end))
    assert sum(disturbed[1].values()) == number


def _plan() -> LinePlan:
    given = {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {
            "order": {"source": "mes", "node": ORDER},
            "made": {"source": "plc", "node": MADE, "counter": {}},
        },
        "run": {"key": "order", "product": "P", "name": "{order}"},
        "scrap_yield": {"entries": [{"count": "made", "raw_data": {"yield": "{n}"}}]},
    }
    return compile_line(Line.model_validate(given), (), keepers=frozenset({"plc"}))


async def _tick(server: OpcuaServer) -> None:
    index = await server.server.get_namespace_index(LINE)
    node = server.server.get_node(ua.NodeId(ua.String("Ticks"), ua.Int16(index)))
    for number in count_from(1):
        await node.write_value(ua.Variant(number, ua.VariantType.Int32))
        await asyncio.sleep(0.05)
