"""The OPC UA source against a real server: what it reads. Each test has variables of its own there."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.clock import AnchoredClock
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.inbox import RESPONSES
from gateway.sources.opcua.publishing import OUTSTANDING
from gateway.sources.opcua.session_key import KeyFile
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import OpcuaServer, wait_until
from tests.sources.harness import Intake, node, opcua_config, opcua_source, opcua_tags, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_values_with_quality_and_source_time_arrive(server: OpcuaServer, tag: str) -> None:
    """Each value arrives once, in order, under the node id as it was configured, with the device's time."""
    await server.add(tag, 1)
    source, intake = opcua_source(server, tag), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(node(tag)) == [1])
        at = datetime(2026, 11, 3, 10, 20, 30, 500_000, tzinfo=UTC)
        await server.write(tag, 2, time=at)
        await wait_until(lambda: intake.values(node(tag)) == [1, 2])
    sample = intake.samples[-1]
    assert (sample.source, sample.quality, sample.source_time) == ("plc", "good", at.timestamp())
    assert source.health.last_sample_at == sample.received


async def test_a_bad_status_has_no_value_and_an_uncertain_one_keeps_it(server: OpcuaServer, tag: str) -> None:
    """Quality follows the severity of the status code; a value under a bad status is not a value."""
    await server.add(tag, 1)
    intake = Intake()
    async with running(opcua_source(server, tag), intake):
        await wait_until(lambda: intake.samples)
        await server.write(tag, 2, status=StatusCodes.BadSensorFailure)
        await wait_until(lambda: len(intake.samples) == 2)
        await server.write(tag, 3, status=StatusCodes.UncertainLastUsableValue)
        await wait_until(lambda: len(intake.samples) == 3)
    assert [(sample.value, sample.quality) for sample in intake.samples] == [
        (1, "good"),
        (None, "bad"),
        (3, "uncertain"),
    ]


async def test_an_enumeration_is_its_number(server: OpcuaServer, tag: str) -> None:
    """A tag whose data type is an enumeration arrives as the number of its code."""
    await server.add(tag, ua.Variant(ua.ServerState.Suspended, ua.VariantType.Int32))
    intake = Intake()
    async with running(opcua_source(server, tag), intake):
        await wait_until(lambda: intake.samples)
    assert intake.samples[0].value == 3
    assert type(intake.samples[0].value) is int


async def test_a_burst_within_one_publishing_interval_is_not_lost(server: OpcuaServer, tag: str) -> None:
    """Values that change faster than they are published wait in the server's queue."""
    await server.add(tag, 0)
    intake = Intake()
    async with running(opcua_source(server, tag), intake):
        await wait_until(lambda: intake.samples)
        for count in range(1, 81):
            await server.write(tag, count)
        await wait_until(lambda: intake.values(node(tag)) == list(range(81)))


async def test_an_array_is_refused_once_and_shown(server: OpcuaServer, tag: str) -> None:
    """A tag that holds no scalar makes one notice, not one per value, and stands in health until it holds one."""
    await server.add(tag, 1)
    source, intake = opcua_source(server, tag), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.samples)
        for numbers in ([1, 2], [3, 4], [5, 6]):
            await server.write(tag, ua.Variant(numbers, ua.VariantType.Int32))
        await wait_until(lambda: node(tag) in source.health.failed)
        assert "array" in source.health.failed[node(tag)]
        await server.write(tag, 7)
        await wait_until(lambda: intake.values(node(tag)) == [1, 7])
        assert source.health.failed == {}
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("reject", node(tag))]


async def test_p9_a_fault_of_ours_takes_the_tags_with_it(server: OpcuaServer, tag: str) -> None:
    """Whatever ends the connection, the mapping knows that nothing is known of the tags before it is built anew."""
    await server.add(tag, 1)
    source, intake = opcua_source(server, tag), Intake()
    async with running(source, intake) as errors:
        await wait_until(lambda: intake.values(node(tag)) == [1])
        intake.fault = RuntimeError("a fault")
        await server.write(tag, 2)
        await wait_until(lambda: len(intake.samples) == 3)
    assert [type(error) for error in errors] == [RuntimeError]
    assert [(sample.value, sample.quality) for sample in intake.samples] == [(1, "good"), (None, "bad"), (2, "good")]
    assert [notice.kind for notice in intake.notices] == ["gap"]


async def test_values_of_one_time_are_one_moment(server: OpcuaServer, tag: str) -> None:
    """What was true at one time is handed over as one moment, and the moments of a response in the order of time."""
    other, at = f"{tag}.Other", datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)
    await server.add(tag, 0)
    await server.add(other, 0)
    source, intake = opcua_source(server, tag, other), Intake()
    async with running(source, intake):
        await wait_until(lambda: len(intake.samples) == 2)
        for value in (1, 2, 3):
            for name in (tag, other):
                await server.write(name, value, time=at + timedelta(seconds=value))
        await wait_until(lambda: len(intake.samples) == 8)
    for arrival in intake.arrivals[1:]:
        times = [{sample.source_time or 0.0 for sample in moment.samples} for moment in arrival.moments]
        assert times == [{time} for time in sorted(set[float]().union(*times))]
    assert intake.values(node(tag)) == intake.values(node(other)) == [0, 1, 2, 3]


async def test_p6_what_the_server_had_to_drop_is_a_gap(server: OpcuaServer, tag: str) -> None:
    """A value that the server marks as the rest of an overflowed queue is used, and the loss is listed."""
    await server.add(tag, 1)
    intake = Intake()
    async with running(opcua_source(server, tag), intake):
        await wait_until(lambda: intake.samples)
        await server.write(tag, 9, status=0x0480)
        await wait_until(lambda: intake.values(node(tag)) == [1, 9])
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("gap", node(tag))]


async def test_p12_a_full_intake_leaves_values_at_the_server(server: OpcuaServer, tag: str) -> None:
    """While intake takes nothing, values wait in the server's bounded queue; the newest ones come afterwards."""
    await server.add(tag, 0)
    intake = Intake()
    async with running(opcua_source(server, tag), intake):
        await wait_until(lambda: intake.values(node(tag)) == [0])
        intake.open.clear()
        for count in range(1, 2001):
            await server.write(tag, count)
        intake.open.set()
        await wait_until(lambda: intake.values(node(tag))[-1:] == [2000])
    counts = [sample.value for sample in intake.samples if isinstance(sample.value, int)]
    assert counts == sorted(set(counts))
    assert len(counts) <= (RESPONSES + OUTSTANDING + 2) * opcua_config(server.url).queue


async def test_the_channel_is_renewed_in_time(server: OpcuaServer, tag: str) -> None:
    """A server that keeps keys for two seconds: no value is lost over many renewals, and no session."""
    await server.add(tag, 0)
    config = opcua_config(server.url)
    short = Channel(config, KeyFile(None), lifetime=2.0)
    source = OpcuaSource("plc", config, opcua_tags([node(tag)], config), AnchoredClock(), short)
    intake = Intake()
    async with running(source, intake) as errors:
        await wait_until(lambda: intake.values(node(tag)) == [0])
        for count in range(1, 61):
            await server.write(tag, count)
            await asyncio.sleep(0.1)
        await wait_until(lambda: intake.values(node(tag)) == list(range(61)))
        assert errors == []
    assert server.asked_to_act == []
