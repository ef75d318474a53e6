"""The connection beneath a session, over a socket: servers that take or send little at once, whose keys end soon or are
not renewed, whose sessions are short, and that say why they end a connection."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.sources.opcua.audit import LEAST_GRACE
from gateway.sources.opcua.channel import SESSION_TIMEOUT
from gateway.sources.opcua.services import TOO_LARGE, Limits, read_values, value_of
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import wait_until
from tests.sources.harness import Intake, node, opcua_config, opcua_tag, running
from tests.sources.opcua import scripted
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.scripted_wire import Wire, listening
from tests.sources.opcua.story import gaps

MANY = [f"a_tag_with_a_name_that_is_as_long_as_those_of_a_real_machine_are_{number:04}" for number in range(400)]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's log, which trips over times that are no numbers, is off, as it is in a gateway."""
    monkeypatch.setattr(logging.getLogger("asyncua"), "level", logging.CRITICAL)
    logging.getLogger("asyncua").manager._clear_cache()  # type: ignore[attr-defined]


@asynccontextmanager
async def read_from(wire: Wire, *names: str) -> AsyncIterator[tuple[OpcuaSource, Intake]]:
    """A source that reads `names`."""
    config = opcua_config(wire.url, publishing_interval="250ms", timeout="5s")
    source = OpcuaSource("plc", config, [opcua_tag(node(name), config) for name in names], scripted.clock())
    intake = Intake()
    async with running(source, intake) as errors:
        await wait_until(lambda: {sample.address for sample in intake.samples} >= {node(name) for name in names})
        yield source, intake
    assert errors == []


async def told_of(wire: Wire, intake: Intake, values: range) -> None:
    """Write `values`, and wait until each is told, once and in its order."""
    for value in values:
        wire.server.write("a", value)
        await asyncio.sleep(0.3)
    await wait_until(lambda: intake.values(node("a")) == [0, *values])
    assert gaps(intake) == []
    assert wire.server.sessions == 1


@pytest.mark.parametrize(
    "manner",
    [
        {"chunk": 50},
        {"receive_buffer": 8_192},
        {"send_buffer": 8_192, "chunk": 8_100},
        {"most_bytes": 8_192},
        {"most_bytes": 8_192, "send_buffer": 200_000, "chunk": 100_000},
        {"receive_buffer": 8_192, "most_chunks": 1},
        {"longest_answer": 16_384},
    ],
)
async def test_a_server_that_takes_or_sends_little_at_once_is_read(manner: dict[str, int]) -> None:
    """Requests are cut to what it says that it takes, and what it sends is taken, whichever of the two is smaller."""
    async with listening(Server(a=0, **dict.fromkeys(MANY, "x" * 100))) as wire:
        for name, value in manner.items():
            setattr(wire, name, value)
        async with read_from(wire, "a", *MANY) as (source, intake):
            await told_of(wire, intake, range(1, 4))
            assert source.health.failed == {}


async def test_a_value_that_is_too_large_for_an_answer_costs_no_other_its_own() -> None:
    async with listening(Server(a=0, b=0, **dict.fromkeys(MANY[:20], 1))) as wire, read_from(wire, "a") as (source, _):
        wire.server.write("b", "x" * 20_000)
        wire.longest_answer = 10_000
        wanted = [value_of(ua.NodeId(ua.String(name), ua.Int16(1))) for name in ("b", *MANY[:20])]
        assert source.link is not None
        limits = Limits()
        told = await read_values(source.link, wanted, limits)
        assert told[0] == TOO_LARGE
        assert all(not isinstance(each, str) and each.value == 1 for each in told[1:])
        assert limits == Limits(), "one value is no reason to ask for less ever after"


@pytest.mark.parametrize("renewal", ["granted", "fault", "error", "silent"])
async def test_a_server_that_does_not_renew_its_keys_costs_nothing(renewal: str) -> None:
    """The session goes on over another connection, with all that its queues have kept."""
    async with listening(Server(a=0)) as wire:
        wire.lifetime, wire.renewal = 1_500, renewal
        async with read_from(wire, "a") as (_, intake):
            await told_of(wire, intake, range(1, 8))
            await wait_until(lambda: wire.renewals > 1)


@pytest.mark.parametrize(
    "code", [StatusCodes.BadTcpServerTooBusy, StatusCodes.BadTcpInternalError, StatusCodes.BadSecureChannelClosed]
)
async def test_a_connection_that_the_server_ends_with_a_word_is_made_anew(code: int) -> None:
    """As one that is cut: its session stands, so nothing is lost."""
    async with listening(Server(a=0)) as wire, read_from(wire, "a") as (_, intake):
        wire.server.write("a", 1)
        await wait_until(lambda: intake.values(node("a")) == [0, 1])
        wire.fail(code)
        wire.server.write("a", 2)
        await wait_until(lambda: intake.values(node("a")) == [0, 1, 2])
        assert gaps(intake) == []
        assert wire.server.sessions == 1


async def test_keys_that_last_for_no_time_at_all_are_not_renewed_without_end() -> None:
    """A server that says 0 means that it does not know."""
    async with listening(Server(a=0)) as wire:
        wire.lifetime = 0
        async with read_from(wire, "a") as (_, intake):
            await told_of(wire, intake, range(1, 6))
            assert wire.renewals == 0


@pytest.mark.parametrize("timeout", [0.0, math.nan, math.inf, -1.0])
async def test_a_session_time_out_that_is_none_is_the_one_that_was_asked_for(timeout: float) -> None:
    """It burdens neither the server nor us: its clock is not read without a pause."""
    async with listening(Server(a=0)) as wire:
        wire.session_timeout = timeout
        wire.server.clock_watched = False
        async with read_from(wire, "a") as (source, intake):
            before = wire.server.asked.count("Read")
            await told_of(wire, intake, range(1, 6))
            assert wire.server.asked.count("Read") == before
            assert source.granted["session"] == (SESSION_TIMEOUT, SESSION_TIMEOUT)


async def test_a_session_that_ends_after_a_second_is_kept() -> None:
    """Also where nothing changes and the server's clock is told of more seldom than that."""
    server = Server(a=0)
    server.publishing = 1.2
    async with listening(server) as wire:
        wire.session_timeout, wire.ends_sessions = 1_000.0, True
        async with read_from(wire, "a") as (source, intake):
            await asyncio.sleep(3 * LEAST_GRACE)
            server.write("a", 1)
            await wait_until(lambda: intake.values(node("a")) == [0, 1])
            assert server.sessions == 1
            assert source.health.connected
