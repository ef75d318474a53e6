"""Who the status server answers, and how many at once, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.status.guard import has_token
from gateway.status.snapshot import Snapshot
from gateway.status.web import StatusServer
from tests.peers import PATIENCE
from tests.status.served import PATHS, Gateway, Served, basic


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_for_reading_only(served: Served, path: str) -> None:
    """HEAD answers like GET without a body; everything that could mean a change is refused."""
    head = await served.ask(path, "HEAD")
    assert (head.status, head.text) == (200, "")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert (await served.ask(path, method)).status == 405


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8321",
        "[::1]:8321",
        "192.168.3.4",
        "localhost",
        "LOCALHOST:8321",
        "gw.plant.example",
        "[fe80::1%eth0]",
    ],
)
async def test_the_names_of_this_machine_are_answered(served: Served, host: str) -> None:
    """IP addresses, this machine's own names and those in `status.hosts`, in whatever letters and with any port."""
    assert (await served.ask("/api/status", Host=host)).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "1.2.3", "", "localhost.evil"]
)
@pytest.mark.parametrize("path", ["/", "/api/status", "/api/changes", "/metrics", "/readyz"])
async def test_a_name_that_somebody_has_pointed_here_is_refused(served: Served, host: str, path: str) -> None:
    """Else a web site could read the page through the browser of whoever visits it; the answer says the way out."""
    answer = await served.ask(path, Host=host)
    assert answer.status == 421
    assert "status.hosts" in answer.text


@pytest.fixture
async def guarded(picture: Snapshot) -> AsyncIterator[Served]:
    """A server that wants a token."""
    gateway = Gateway(replace(picture, ready=False, not_ready="Line 01 cannot be mapped"))
    async with (
        StatusServer("127.0.0.1:0", lambda: gateway.snapshot, lambda: None, token="s3cret ü") as server,
        aiohttp.ClientSession() as client,
    ):
        yield Served(gateway, server.url, client)


async def test_with_a_token_nothing_is_told_without_it(guarded: Served) -> None:
    """Every path but the two that a supervisor asks is refused, with the browser's own question for a password; and
    these say nothing of the plant.
    """
    for path in (*(path for path in PATHS if path not in {"/healthz", "/readyz"}), "/api/changes", "/nothing"):
        answer = await guarded.ask(path)
        assert (answer.status, "Line 01" in answer.text) == (401, False), path
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert (await guarded.ask("/healthz")).status == 200
    assert (await guarded.ask("/readyz")).text == "not ready"


@pytest.mark.parametrize("header", [basic("anybody", "s3cret ü"), basic("", "s3cret ü")])
async def test_a_token_lets_in(guarded: Served, header: str) -> None:
    """As the password of any user."""
    assert (await guarded.ask("/api/status", Authorization=header)).status == 200
    assert (await guarded.ask("/readyz", Authorization=header)).text == "not ready: Line 01 cannot be mapped"


@given(header=st.text() | st.sampled_from([basic("s3cret ü", ""), basic("a", "s3cret"), "Bearer s3cret", "Bearer", ""]))
def test_nothing_else_is_the_token(header: str) -> None:
    """Whatever stands in the header, it neither lets in nor raises."""
    assert not has_token(header, "s3cret ü") or "s3cret ü" in header


def test_a_program_sends_the_token_as_bearer() -> None:
    """In whatever letters the scheme is written."""
    assert has_token("Bearer t0k3n", "t0k3n")
    assert has_token("bearer t0k3n", "t0k3n")


async def test_who_asks_nothing_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that sends half a header is closed after a while."""
    monkeypatch.setattr("gateway.status.web.HEADERS_WITHIN", 0.2)
    async with StatusServer("127.0.0.1:0", lambda: served.gateway.snapshot, lambda: None) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: loc")
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("times", [40, 20_000])
async def test_who_does_not_read_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Whatever it asked for, and however much of the answers the system has taken for it: the page is there for others.
    With 20,000 the answer itself waits, with 40 only what is left of it when the connection has been idle."""
    monkeypatch.setattr("gateway.status.web.WRITTEN_WITHIN", 0.2)
    monkeypatch.setattr("gateway.status.web.HEADERS_WITHIN", 0.2)
    monkeypatch.setattr("gateway.status.web.MOST_CONNECTIONS", 2)
    server = StatusServer("127.0.0.1:0", lambda: served.gateway.snapshot, lambda: None)
    async with server, aiohttp.ClientSession() as client:
        sockets = [socket.socket() for _ in range(2)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            each.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * times)
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(aiohttp.ClientError):
                    async with client.get(server.url + "/healthz", headers={"Connection": "close"}) as answer:
                        assert answer.status == 200
                        break
        for each in sockets:
            each.close()


@pytest.mark.parametrize(
    "line", [b"nonsense", b"GET / HTTP/9.9", b"GET /\x00 HTTP/1.1", b"POST / HTTP/1.1\r\nContent-Length: x"]
)
async def test_what_is_no_request_is_told_no_version(served: Served, line: bytes) -> None:
    """Of the library, nor what was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    writer.write(line + b"\r\n\r\n")
    said = await reader.read()
    writer.close()
    assert said.split()[1] == b"400"
    assert b"aiohttp" not in said
    assert b"Python" not in said
    assert b"nonsense" not in said


async def test_connections_are_limited(picture: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is closed at once, and one that goes makes room."""
    monkeypatch.setattr("gateway.status.web.MOST_CONNECTIONS", 3)
    async with StatusServer("127.0.0.1:0", lambda: picture, lambda: None) as server, aiohttp.ClientSession() as client:
        port = int(server.url.rpartition(":")[2])
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        held[0][1].close()
        while True:
            with suppress(aiohttp.ClientError):
                async with client.get(server.url + "/healthz") as answer:
                    assert answer.status == 200
                    break
        for _, other in held[1:]:
            other.close()
