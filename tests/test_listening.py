"""A listener that ends leaves no connection open, at whatever moment of being taken one is."""

import asyncio
import gc
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.listening import begin_listening, stop_listening
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.oden.test_transport import site
from tests.peers import PATIENCE


@pytest.fixture(autouse=True)
def nothing_is_collected() -> Iterator[None]:
    """What is forgotten stays open: the collector would close it sooner or later."""
    gc.disable()
    yield
    gc.enable()


class Known(asyncio.Protocol):
    """Keeps those that were handed over."""

    def __init__(self, known: list[asyncio.BaseTransport]) -> None:
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._known.append(transport)


def sees_the_end(client: socket.socket) -> bool:
    client.settimeout(PATIENCE)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("turns", range(8))
def test_who_has_just_come_is_known_or_refused(turns: int) -> None:
    """The loop has turned so often since the connection came: closing those that are known closes all there are."""

    async def story() -> socket.socket:
        known: list[asyncio.BaseTransport] = []
        listener = await asyncio.get_running_loop().create_server(lambda: Known(known), "127.0.0.1", 0)
        client = socket.create_connection(listener.sockets[0].getsockname())
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop_listening(listener)
        for transport in known:
            transport.close()
        return client

    with asyncio.run(story()) as client:
        assert sees_the_end(client)


@pytest.mark.parametrize("turns", range(8))
def test_one_that_is_cut_off_at_its_beginning_leaves_its_address(turns: int) -> None:
    """The loop has turned so often since: whether it listened by then or not, the address is free."""

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            host, port = free.getsockname()
        beginning = asyncio.create_task(begin_listening(asyncio.Protocol, host, port))
        for _ in range(turns):
            await asyncio.sleep(0)
        beginning.cancel()
        with suppress(asyncio.CancelledError):
            await stop_listening(await beginning)
        with socket.create_server((host, port)):
            pass

    asyncio.run(story())


@pytest.mark.parametrize("tls", [False, True])
def test_the_stand_in_leaves_no_connection_whose_client_is_silent(tmp_path: Path, *, tls: bool) -> None:
    """Nor one over TLS, which would wait for the client's goodbye."""
    ca, context = site(tmp_path)

    def connect(port: int) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", port))
        trusting = ssl.create_default_context(cafile=str(ca))
        return trusting.wrap_socket(plain, server_hostname="localhost") if tls else plain

    async def story() -> socket.socket:
        app = make_app(OdenModel(Organization()), "token")
        async with listening(app, "127.0.0.1", 0, context if tls else None) as url:
            return await asyncio.to_thread(connect, int(url.rpartition(":")[2].partition("/")[0]))

    with asyncio.run(story()) as client:
        assert sees_the_end(client)
