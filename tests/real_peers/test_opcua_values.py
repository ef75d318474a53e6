"""Servers of other makers: how tags are found and watched, and what their values say."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import wait_until
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tag, running

LINE = "nsu=urn:acme:line"
STATE = f"{LINE};s=L01.State"
GUID = "09087e75-8e5e-499b-954f-f2a9603db28a"
EACH = [*SERVERS]


@pytest.fixture(params=EACH)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    """Each server, not running yet."""
    server = SERVERS[request.param](tmp_path / "server")
    try:
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def link(server: OpcuaPeer) -> AsyncIterator[Link]:
    """The way to the server, which can be cut."""
    link = Link(server.port)
    await link.start()
    yield link
    await link.stop()


def watching(url: str, *tags: tuple[str, dict[str, Any]], **settings: Any) -> tuple[OpcuaSource, Intake]:
    """A source of `tags`, each with what its input says."""
    config = opcua_config(url, **settings)
    watched = [opcua_tag(node, config, **of_input) for node, of_input in tags]
    return OpcuaSource("plc", config, watched, AnchoredClock()), Intake()


def told(intake: Intake, node: str) -> list[Any]:
    """What came of `node`, whatever part of it is wanted."""
    return [one.value for one in intake.samples if one.address.startswith(node) and one.quality == "good"]


async def populate(server: OpcuaPeer, *before: str) -> None:
    await server.start(before=before, L01__State=7)
    await server.add("Counts", [10, 20, 30])
    await server.add("Id", GUID, type="Guid")
    await server.add("Where", "Press", type="QualifiedName")
    await server.add("Speed", 0.1, type="Float")
    await server.add("Weight", "12.50")


async def test_what_values_say_by_whatever_address(server: OpcuaPeer) -> None:
    """A path, an element, GUIDs, names, the shortest decimal, a text that looks like a number, an enumeration by number
    and by name, a structure with another in it. So they do after a restart with other namespace indices."""
    path, status = f"/Objects/{LINE};L01.State", "i=2256"
    tags: list[tuple[str, dict[str, Any]]] = [
        (path, {}),
        (STATE, {}),
        (f"{LINE};s=Counts", {"index": 2}),
        (f"{LINE};s=Id", {}),
        (f"{LINE};s=Where", {}),
        (f"{LINE};s=Speed", {}),
        (f"{LINE};s=Weight", {}),
        ("i=2259", {"enumeration": "name"}),
        (status, {"field": "BuildInfo.ProductName"}),
    ]
    expected = [7, 7, 30, GUID, "Press", 0.1, "12.50", "Running"]
    await populate(server, "urn:acme:other")
    source, intake = watching(server.url, *tags)
    async with running(source, intake):
        for restarted in (False, True):
            if restarted:
                await server.kill()
                await wait_until(lambda: not source.health.connected)
                intake.arrivals.clear()
                await populate(server, "urn:acme:third", "urn:acme:other", "urn:acme:fourth")
            await wait_until(lambda: all(told(intake, node) for node, _ in tags), 120)
            assert [told(intake, node)[-1] for node, _ in tags[:-1]] == expected
            assert told(intake, status)[-1]["State"] == 0
            assert isinstance(told(intake, status)[-1]["BuildInfo"]["ProductName"], str)
            assert source.health.failed == {}


async def test_an_absolute_deadband_is_kept_by_the_server(server: OpcuaPeer) -> None:
    """Only what moves by more is told; the audit takes no value within it for one that was not told."""
    await server.start(Other=0)
    await server.add("Level", 1.0, type="Double")
    level, other = f"{LINE};s=Level", f"{LINE};s=Other"
    source, intake = watching(server.url, (level, {"deadband": 0.5}), (other, {}), audit="1s")
    async with running(source, intake):
        await wait_until(lambda: told(intake, level) == [1.0] and told(intake, other) == [0])
        for number, value in enumerate([1.2, 0.9, 1.3], 1):
            await server.write("Level", value)
            await server.write("Other", number)
            await wait_until(lambda: told(intake, other)[-1] == number)  # noqa: B023 - awaited at once
        await asyncio.sleep(5)  # some audits
        await server.write("Level", 2.0)
        await wait_until(lambda: told(intake, level)[-1] == 2.0)
        assert told(intake, level) == [1.0, 2.0]
        assert "every change" not in source.health.concerns.get("watched_otherwise", "")
    assert intake.notices == []


async def test_a_deadband_in_percent_is_a_share_of_the_range(tmp_path: Path) -> None:
    """Of a tag with one (0 to 200); one without is told of every change, and that is said."""
    server = NodeOpcua(tmp_path / "server")
    analog, plain, other = (f"{LINE};s={name}" for name in ("Analog", "Plain", "Other"))
    percent = {"deadband": "2%"}
    try:
        await server.start(Other=0)
        await server.add("Plain", 1.0, type="Double")
        await server.add("Analog", 100.0, type="Double", range=[0, 200])
        source, intake = watching(server.url, (analog, percent), (plain, percent), (other, {}), audit="1s")
        async with running(source, intake):
            await wait_until(lambda: all(told(intake, node) for node in (analog, plain, other)))
            await wait_until(lambda: "watched_otherwise" in source.health.concerns)
            for number, value in enumerate([103.0, 98.0, 101.0], 1):
                await server.write("Analog", value)
                await server.write("Plain", 1.0 + number / 1000)
                await server.write("Other", number)
                await wait_until(lambda: told(intake, other)[-1] == number)  # noqa: B023 - awaited at once
            await asyncio.sleep(5)  # some audits
            await server.write("Analog", 105.0)
            await wait_until(lambda: told(intake, analog)[-1] == 105.0)
            assert told(intake, analog) == [100.0, 105.0]
            assert told(intake, plain) == [1.0, 1.001, 1.002, 1.003]
            assert plain in source.health.concerns["watched_otherwise"]
            assert "told of every change" in source.health.concerns["watched_otherwise"]
        assert intake.notices == []
    finally:
        await server.kill()


async def test_what_a_server_grants_is_shown(server: OpcuaPeer) -> None:
    """Of intervals and queues; where it is less than somebody has asked for, that is said."""
    await server.start(L01__State=1)
    source, intake = watching(server.url, (STATE, {}), publishing_interval="300ms", sampling="200ms", queue=50_000)
    async with running(source, intake):
        await wait_until(lambda: told(intake, STATE) == [1] and bool(source.granted))
        granted = source.granted
    assert granted["publishing_interval"] == (0.3, 0.3)
    assert granted["sampling"][0] <= 0.3, "asyncua looks when it publishes"
    kept = granted["queue"][0]
    if kept < 50_000:
        assert f"{kept:.0f} values kept instead of 50000" in source.health.concerns["watched_otherwise"]


async def test_a_small_server_is_connected_to(tmp_path: Path) -> None:
    """It reads five nodes at once, watches three in a call, and ten in a subscription."""
    names = [f"T{number}" for number in range(25)]
    limits = {"maxNodesPerRead": 5, "maxMonitoredItemsPerCall": 3, "maxNodesPerTranslateBrowsePathsToNodeIds": 2}
    capabilities = {"operationLimits": limits, "maxMonitoredItemsPerSubscription": 10}
    server = NodeOpcua(tmp_path / "server", capabilities=capabilities)
    try:
        variables: dict[str, Any] = dict.fromkeys(names, 1)
        await server.start(**variables)
        nodes = [f"/Objects/{LINE};{name}" for name in names]
        source, intake = watching(server.url, *((node, {}) for node in nodes), audit="2s")
        async with running(source, intake):
            await wait_until(lambda: {one.address for one in intake.samples if one.quality == "good"} == {*nodes}, 60)
            assert source.health.failed == {}
            for name in names:
                await server.write(name, 2)
            await wait_until(lambda: all(told(intake, f"{node}")[-1] == 2 for node in nodes), 60)
            await asyncio.sleep(5)  # some audits
            assert source.health.connected
            assert source._session is not None
            assert len(source._session.items.subscriptions) == 3
        assert intake.notices == []
    finally:
        await server.kill()


async def test_a_value_that_stays_uncertain_is_a_problem_with_its_remedy(server: OpcuaPeer) -> None:
    """Where each change counts; elsewhere it is used."""
    await server.start(Good=1, Level=1)
    good, level = f"{LINE};s=Good", f"{LINE};s=Level"
    source, intake = watching(server.url, (good, {"counter": {}}), (level, {}))
    async with running(source, intake):
        await wait_until(lambda: told(intake, good) == [1] and told(intake, level) == [1])
        for name in ("Good", "Level"):
            await server.write(name, 2, status="UncertainLastUsableValue")
        await wait_until(lambda: good in source.health.failed)
        assert "UncertainLastUsableValue" in source.health.failed[good]
        assert "`uncertain: use`" in source.health.failed[good]
        assert level not in source.health.failed
        assert {one.quality for one in intake.samples if one.value == 2} == {"uncertain"}
        await server.write("Good", 3)
        await wait_until(lambda: source.health.failed == {})
        assert told(intake, good) == [1, 3]


@pytest.mark.parametrize("server", ["node-opcua", "o6"], indirect=True)
async def test_p6_what_a_queue_could_not_hold_is_listed_of_its_tag(server: OpcuaPeer, link: Link) -> None:
    """The newest come, and nothing is said of the tag beside it."""
    await server.start(Fast=0, Slow=0)
    fast, slow = f"{LINE};s=Fast", f"{LINE};s=Slow"
    source, intake = watching(f"opc.tcp://127.0.0.1:{link.port}", (fast, {}), (slow, {}), queue=5)
    async with running(source, intake):
        await wait_until(lambda: told(intake, fast) == [0] and told(intake, slow) == [0])
        await link.stop()
        await server.write("Slow", 1)
        for number in range(1, 21):
            await server.write("Fast", number)
            await asyncio.sleep(0.2)
        await link.start()
        await wait_until(lambda: source.health.connected and told(intake, fast)[-1] == 20, 60)
        await wait_until(lambda: told(intake, slow)[-1] == 1, 60)
    assert told(intake, fast)[-4:] == [17, 18, 19, 20]
    assert {(notice.kind, notice.address) for notice in intake.notices} == {("gap", fast)}
    assert all("it dropped older ones" in notice.text for notice in intake.notices)
