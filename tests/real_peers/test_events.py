"""Alarms and events of servers of other makers: each once, whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import wait_until
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua
from tests.real_peers.service_tap import ALLOWED, ServiceTap
from tests.real_peers.tap import ByteTap
from tests.sources.harness import Intake, opcua_config, opcua_tag, running

PRESS = "nsu=urn:acme:line;s=Press"
HEAT = "nsu=urn:acme:line;s=Heat"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NodeOpcua]:
    server = NodeOpcua(tmp_path / "server", alarms={"Heat": 50, "Pressure": 9})
    try:
        await server.start(L01__State=0)
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def link(server: NodeOpcua) -> AsyncIterator[ServiceTap]:
    """The way to the server, which can be cut. Over it the gateway asks for what there is, and for nothing else."""
    link = ServiceTap(server.port)
    await link.start()
    yield link
    await link.stop()
    assert link.asked.keys() <= ALLOWED, link.asked
    assert "ConditionRefresh" in link.asked


def source_of(link: ByteTap, notifier: str, **settings: Any) -> tuple[OpcuaSource, Intake, str]:
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}")
    tag = opcua_tag(notifier, config, event=True, **settings)
    return OpcuaSource("plc", config, [tag], AnchoredClock()), Intake(), tag.address


def states(intake: Intake) -> list[tuple[str, bool]]:
    """The alarms as they came: their names, and whether they were on."""
    values: list[Any] = [sample.value for sample in intake.samples]
    return [(value["ConditionName"], value["ActiveState"]) for value in values]


@pytest.mark.parametrize("notifier", ["i=2253", PRESS])
async def test_p2_alarms_of_a_cut_and_of_a_new_session(server: NodeOpcua, link: ServiceTap, notifier: str) -> None:
    """Of a cut each state comes once. After a new session those that are on are told again, with the same content."""
    source, intake, _ = source_of(link, notifier, type="AlarmConditionType")
    async with running(source, intake):
        await wait_until(lambda: source.health.connected, 60)
        await server.write("Heat", 60.5)
        await wait_until(lambda: ("Heat is high", True) in states(intake), 60)
        await link.stop()
        for value in (20.5, 70.5, 20.5):
            await server.write("Heat", value)
            await asyncio.sleep(0.1)
        await server.write("Pressure", 10.5)
        await link.start()
        await wait_until(lambda: ("Pressure is high", True) in states(intake), 60)
        of_heat = (active for name, active in states(intake) if name == "Heat is high")
        assert [active for active, _ in groupby(of_heat)] == [True, False, True, False]
        assert intake.notices == []
        told = {sample.value["Content"] for sample in intake.samples}  # type: ignore[index]
        before = len(intake.samples)
        assert len(told) == before
        await server.ask(do="forget")
        await wait_until(lambda: len(intake.samples) > before, 60)
        await asyncio.sleep(1)
    again: list[Any] = [sample.value for sample in intake.samples[before:]]
    assert ("Pressure is high", True) in [(value["ConditionName"], value["ActiveState"]) for value in again]
    assert {value["Content"] for value in again} <= told
    assert all(sample.initial for sample in intake.samples[before:])


async def test_events_have_the_fields_that_all_have(server: NodeOpcua, link: ServiceTap) -> None:
    source, intake, address = source_of(link, PRESS)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected, 60)
        for number in range(5):
            await server.ask(do="happen", message=f"cycle {number}")
        await wait_until(lambda: len(intake.samples) >= 5, 60)
        assert source.health.failed == {}
    values: list[Any] = [sample.value for sample in intake.samples if sample.address == address]
    assert [value["Message"] for value in values] == [f"cycle {number}" for number in range(5)]
    assert {value["Severity"] for value in values} == {300}
    assert {value["EventType"] for value in values} == {"i=2041"}
    assert {value["ConditionId"] for value in values} == {None}
    assert len({value["EventId"] for value in values}) == 5


@pytest.mark.parametrize(("name", "notifier", "teller"), [("o6", "i=2253", "Server"), ("asyncua", PRESS, "Press")])
async def test_p2_events_come_once_over_a_cut_and_in_a_new_session(
    name: str, notifier: str, teller: str, tmp_path: Path
) -> None:
    """They know no conditions to be told of again, and nothing is said of that."""
    server = SERVERS[name](tmp_path / "server")
    link = ServiceTap(server.port)
    await link.start()
    source, intake, address = source_of(link, notifier)

    def messages() -> list[Any]:
        values: list[Any] = [sample.value for sample in intake.samples if sample.address == address]
        return [value["Message"] for value in values]

    async def happen(*numbers: int) -> None:
        for number in numbers:
            await server.ask(do="happen", message=f"cycle {number}")

    try:
        await server.start(L01__State=0)
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            await happen(0, 1, 2)
            await wait_until(lambda: len(messages()) >= 3)
            await link.stop()
            await happen(3, 4)
            await link.start()
            await wait_until(lambda: len(messages()) >= 5)
            assert intake.notices == []
            await server.ask(do="forget")
            await wait_until(lambda: intake.notices)
            await wait_until(lambda: source.health.connected)
            await happen(5)
            await wait_until(lambda: len(messages()) >= 6)
            assert source.health.failed == {}
    finally:
        await link.stop()
        await server.kill()
    assert link.asked.keys() <= ALLOWED, link.asked
    assert messages() == [f"cycle {number}" for number in range(6)]
    told: list[Any] = [sample.value for sample in intake.samples]
    assert {(value["Severity"], value["EventType"], value["SourceName"]) for value in told} == {(300, "i=2041", teller)}
    assert len({value["EventId"] for value in told}) == 6


async def test_p2_the_state_of_an_alarm_of_asyncua_comes_once_over_a_cut(tmp_path: Path) -> None:
    """Its server knows no refresh: what it has kept of the session comes, and no call but the one to be told."""
    server = SERVERS["asyncua"](tmp_path / "server")
    link = ServiceTap(server.port)
    await link.start()
    source, intake, _ = source_of(link, PRESS, type="AlarmConditionType")
    try:
        await server.start(L01__State=0)
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            await server.ask(do="alarm", name="Heat is high", active=True)
            await wait_until(lambda: states(intake) == [("Heat is high", True)])
            await link.stop()
            await server.ask(do="alarm", name="Heat is high", active=False)
            await server.ask(do="alarm", name="Pressure is high", active=True)
            await link.start()
            await wait_until(lambda: len(intake.samples) >= 3)
            assert source.health.failed == {}
    finally:
        await link.stop()
        await server.kill()
    assert states(intake) == [("Heat is high", True), ("Heat is high", False), ("Pressure is high", True)]
    assert intake.notices == []
    assert link.asked.keys() <= ALLOWED, link.asked
