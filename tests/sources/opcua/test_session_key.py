"""The key of a session: what lets a gateway that crashed end the session that it has left behind, and nobody else."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.clock import AnchoredClock
from gateway.sources.opcua.channel import Channel
from gateway.sources.opcua.session_key import KeyFile, SessionKey, key_file
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import OpcuaServer, wait_until
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

KEY = SessionKey("opc.tcp://plc:4840", "g=1b4e28ba", "00ff")
NODE = "nsu=urn:acme:line;s=L01.State"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer()
    await server.start(L01__State=1)
    yield server
    await server.stop()


def sessions(server: OpcuaServer) -> int:
    return len(server.server.iserver._external_sessions)


def test_p8_it_is_kept_for_the_gateways_user_alone(tmp_path: Path) -> None:
    """Whatever stood there before, and whatever mask the process has."""
    keys = key_file(tmp_path, "press plc/1")
    keys.save(SessionKey("other", "", ""))
    keys.save(KEY)
    [path] = (tmp_path / "opcua").iterdir()
    assert path.name == "press%20plc%2f1.json"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert keys.load() == KEY
    assert "1b4e28ba" not in repr(KEY)
    keys.forget()
    assert (keys.load(), [*path.parent.iterdir()]) == (None, [])
    keys.forget()


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"[]", b"{}", b'{"url": 1}', b'{"url": "", "token": "", "x": ""}'])
def test_what_is_not_a_key_is_none(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "plc.json"
    path.write_bytes(junk)
    assert KeyFile(path).load() is None


def test_p7_without_a_runtime_directory_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "opcua").write_text("a file where a folder should be")
    for keys in (key_file(None, "plc"), key_file(tmp_path / "absent", "plc"), key_file(tmp_path, "plc")):
        keys.save(KEY)
        assert keys.load() is None


async def test_a_session_that_a_crash_left_behind_is_ended_by_the_next_start(
    server: OpcuaServer, tmp_path: Path
) -> None:
    """However often it crashes: the server has one session at a time, and in the end none."""
    config = opcua_config(server.url)
    for _ in range(5):
        channel = Channel(config, key_file(tmp_path, "plc"))
        await channel.open(AnchoredClock().now())
        assert sessions(server) == 1
        channel.drop()  # as a crash does: no farewell
    source = OpcuaSource(
        "plc", config, opcua_tags([NODE], config), AnchoredClock(), Channel(config, key_file(tmp_path, "plc"))
    )
    intake = Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(NODE) == [1])
        assert sessions(server) == 1
    assert sessions(server) == 0
    assert [*(tmp_path / "opcua").iterdir()] == []


async def test_a_key_that_opens_nothing_is_no_obstacle(server: OpcuaServer, tmp_path: Path) -> None:
    """Of a session that is over, of another server, or no token at all."""
    config = opcua_config(server.url)
    for url, token in ((server.url, "i=4711"), ("opc.tcp://other:4840", "i=1"), (server.url, "nonsense")):
        keys = key_file(tmp_path, "plc")
        keys.save(SessionKey(url, token, "00"))
        channel = Channel(config, key_file(tmp_path, "plc"))
        await channel.open(AnchoredClock().now())
        assert sessions(server) == 1
        assert json.loads((tmp_path / "opcua" / "plc.json").read_text())["url"] == server.url
        await channel.close()
        assert sessions(server) == 0
