"""What the client takes from the environment: proxies, and their passwords; never somebody's login for Oden."""

import asyncio
import base64
from pathlib import Path

import pytest

from tests.oden.wire import SECRET, http, post, request, server

TOKEN = f"\r\nAuthorization: Token {SECRET}\r\n".encode()


class Peer:
    """Oden or a proxy: takes every request and keeps it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(await request(reader))
        writer.write(http("200 OK", b"[]"))
        await writer.drain()


def netrc(path: Path, *machines: str) -> str:
    """A netrc file with a login for each of `machines`."""
    path.write_text("".join(f"machine {name} login somebody password hidden\n" for name in machines))
    path.chmod(0o600)
    return str(path)


async def test_a_netrc_entry_for_oden_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request leaves with our token, and nothing else, although ~/.netrc has a login for the host."""
    monkeypatch.setenv("NETRC", netrc(tmp_path / "netrc", "127.0.0.1"))
    oden = Peer()
    async with server(oden) as url:
        answer = await post(url)
    assert (answer.status, answer.error) == (200, "")
    assert TOKEN in oden.seen[0]
    assert oden.seen[0].lower().count(b"authorization:") == 1


async def test_a_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the login that netrc has for the proxy; one for Oden's host changes nothing there either."""
    monkeypatch.setenv("NETRC", netrc(tmp_path / "netrc", "127.0.0.1", "oden.invalid"))
    proxy = Peer()
    async with server(proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v2"))
        answer = await post("http://oden.invalid/v2")
    assert (answer.status, answer.error) == (200, "")
    assert proxy.seen[0].startswith(b"POST http://oden.invalid/v2/interval/set HTTP/1.1\r\n")
    assert TOKEN in proxy.seen[0]
    login = base64.b64encode(b"somebody:hidden")
    assert b"\r\nProxy-Authorization: Basic " + login + b"\r\n" in proxy.seen[0]
    assert proxy.seen[0].count(login) == 1


async def test_a_host_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY goes past the proxy."""
    proxy, oden = Peer(), Peer()
    async with server(proxy) as at_proxy, server(oden) as url:
        monkeypatch.setenv("HTTP_PROXY", at_proxy.removesuffix("/v2"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        answer = await post(url)
    assert answer.status == 200
    assert (len(proxy.seen), len(oden.seen)) == (0, 1)
