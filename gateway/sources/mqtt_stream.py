"""A connection to a broker as a stream of bytes: TCP, TLS, or either under WebSocket.

Nothing is read beyond what was asked for: `pause` leaves the bytes in the kernel, where the broker sees them wait.
"""

import array
import asyncio
import errno
import fcntl
import socket
import ssl
import termios
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from aiohappyeyeballs import start_connection

from gateway.config.files import why_unreadable
from gateway.config.schema_mqtt import MqttConfig
from gateway.connection_steps import http_steps, note_step, tls_to
from gateway.errors import SourceError, name_obstacle, obstacle

CONNECT_TIMEOUT = 10.0
FAREWELL = 2.0
"""Seconds that the other side of a connection gets for its own farewell, as TLS and WebSocket have it."""
_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_SECURE = {"mqtts", "wss"}
_GONE = 120.0
"""Seconds after which the kernel gives up a peer that takes nothing of what is sent, also while nothing is read."""


class Stream(ABC):
    """An open connection. `received` was given to `open_stream`: it gets the bytes as they come; then `ended` gets why
    there are no more, in words or empty where the broker just closed. Neither is called any more after `close`."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send; nothing happens where the connection has ended."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing more until `resume`."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Bytes in the kernel that have not been read."""

    @abstractmethod
    def close(self) -> None:
        """Send what was written, and end."""

    @abstractmethod
    async def gone(self, patience: float) -> None:
        """After `close`: wait until it has ended, in good order for `patience` seconds, then anyhow."""


Received = Callable[[bytes], None]
Ended = Callable[[str], None]


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a broker."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


async def open_stream(url: str, config: MqttConfig, received: Received, ended: Ended) -> Stream:
    """Connect to a broker at `url` as `config` says. SourceError says why that cannot be done."""
    scheme = urlsplit(url).scheme
    # Files are read again each time: a certificate that was renewed counts from the next connection on.
    context = await asyncio.to_thread(tls_context, config) if scheme in _SECURE else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if scheme in ("ws", "wss"):
                stream: Stream = await _WebSocket.open(url, context, received, ended)
                note_step(url, "websocket")
                return stream
            stream = await _Socket.open(*address_of(url), context, received, ended)
            if context is None:  # TLS tells it itself
                note_step(url, "tcp")
            return stream
    except TimeoutError:
        raise SourceError(f"cannot connect: no answer within {CONNECT_TIMEOUT:.0f} s") from None
    except (OSError, UnicodeError) as error:
        is_cut = context is not None and isinstance(error, ConnectionError) and error.errno != errno.ECONNREFUSED
        tls = " while TLS began: what answers there may not speak TLS" if is_cut else ""
        raise SourceError(f"cannot connect: {_why(error)}{tls}") from error


def unanswered(url: str) -> str:
    """When a connection was lost on which the broker had not answered yet. Under TLS 1.3 it can refuse our certificate,
    or miss it, only after our first packet, and what we hear of that is mostly a cut."""
    wanted = ", as where it wants a client certificate that it trusts" if urlsplit(url).scheme in _SECURE else ""
    return f" before it answered{wanted}"


def tls_context(config: MqttConfig) -> ssl.SSLContext:
    """What the connection is secured by. SourceError where a file cannot be used."""
    try:
        context = tls_to(config.ca)
    except OSError as error:  # also what ssl raises for a file that holds no certificate
        raise SourceError(
            f"cannot use the CA certificate {config.ca}: {_unusable(error, 'it holds no certificate')}"
        ) from error
    if config.certificate is not None:
        files = f"the client certificate {config.certificate} with the key {config.key or config.certificate}"
        try:
            context.load_cert_chain(config.certificate, config.key, _no_password)
        except OSError as error:
            raise SourceError(
                f"cannot use {files}: {_unusable(error, 'they do not belong together, or hold none')}"
            ) from error
    return context


def _no_password() -> str:
    raise PermissionError("the key is protected by a password; nobody could type it when the gateway starts")


def _unusable(error: OSError, otherwise: str) -> str:
    """Why a file cannot be used: the system's reason, or `otherwise` where only its content speaks against it."""
    if isinstance(error, PermissionError) and error.errno is not None:
        return why_unreadable(error)
    return otherwise if isinstance(error, ssl.SSLError) else error.strerror or str(error)


def _why(error: BaseException) -> str:
    return obstacle(error, "the broker's")


class _Socket(Stream, asyncio.Protocol):
    """TCP or TLS."""

    def __init__(self, received: Received, ended: Ended) -> None:
        self._received, self._ended = received, ended
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._gone = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls, host: str, port: int, context: ssl.SSLContext | None, received: Received, ended: Ended
    ) -> "_Socket":
        loop = asyncio.get_running_loop()
        secured: dict[str, Any] = (
            {"ssl": context, "server_hostname": host, "ssl_shutdown_timeout": FAREWELL} if context is not None else {}
        )
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # Not by `create_connection`: cancelled while one of its attempts succeeds, it leaves that socket open.
        own = await start_connection(infos, happy_eyeballs_delay=0.25)
        _, stream = await loop.create_connection(lambda: cls(received, ended), sock=own, **secured)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _set_up(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)
        self._ended(_why(exc) if exc is not None else "")

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and self._paused:
            self._paused = False
            self._transport.resume_reading()

    @property
    def waiting(self) -> int:
        return _waiting(self._transport.get_extra_info("socket")) if self._transport is not None else 0

    def close(self) -> None:
        self._received, self._ended = _nothing, _nothing
        if self._transport is not None:
            self.resume()  # TLS reads the farewell of the other side
            self._transport.close()

    async def gone(self, patience: float) -> None:
        await asyncio.wait({self._gone}, timeout=patience)
        if self._transport is not None:
            self._transport.abort()
            await self._gone


class _WebSocket(Stream):
    """MQTT in the binary messages of a WebSocket, which may hold parts of packets or several."""

    def __init__(self, session: aiohttp.ClientSession, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._session, self._connection = session, connection
        self._open = asyncio.Event()
        self._open.set()
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, url: str, context: ssl.SSLContext | None, received: Received, ended: Ended) -> "_WebSocket":
        timeout = aiohttp.ClientTimeout(total=None)
        session = aiohttp.ClientSession(trust_env=True, timeout=timeout, trace_configs=[http_steps(url)])
        try:
            connection = await session.ws_connect(
                url, protocols=("mqtt",), ssl=context if context is not None else True, max_msg_size=32 * 2**20
            )
        except aiohttp.WSServerHandshakeError as error:
            await session.close()
            raise SourceError(f"cannot connect: no WebSocket is served there (HTTP {error.status})") from error
        except aiohttp.ClientConnectorError as error:
            await session.close()
            is_name = isinstance(error, aiohttp.ClientConnectorDNSError)
            why = name_obstacle(error.os_error) if is_name else _why(error.os_error)
            raise SourceError(f"cannot connect: {why}") from error
        except aiohttp.ClientError as error:
            await session.close()
            raise SourceError(f"cannot connect: {_why(error)}") from error
        except BaseException:
            await session.close()
            raise
        _set_up(connection.get_extra_info("socket"))
        stream = cls(session, connection)
        stream._tasks = [
            asyncio.create_task(stream._read(received, ended)),
            asyncio.create_task(stream._write()),
        ]
        return stream

    async def _read(self, received: Received, ended: Ended) -> None:
        while True:
            await self._open.wait()
            message = await self._connection.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            await self._open.wait()
            received(message.data)
        ended("" if message.type is not aiohttp.WSMsgType.TEXT else "it sent text where MQTT belongs")

    async def _write(self) -> None:
        with suppress(OSError):
            while (data := await self._out.get()) is not None:
                await self._connection.send_bytes(data)
        await self._connection.close()
        await self._session.close()

    def write(self, data: bytes) -> None:
        self._out.put_nowait(data)

    def pause(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    @property
    def waiting(self) -> int:
        return _waiting(self._connection.get_extra_info("socket"))

    def close(self) -> None:
        self._tasks[0].cancel()
        self._out.put_nowait(None)

    async def gone(self, patience: float) -> None:
        _, left = await asyncio.wait(self._tasks, timeout=patience)
        for task in left:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()


def _nothing(_: object) -> None: ...


def _set_up(own: Any) -> None:
    """A question is not to wait for the acknowledgement of the PUBACKs (40 ms), nor a dead peer for ever."""
    with suppress(OSError, AttributeError):
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_GONE * 1000))


def _waiting(own: Any) -> int:
    number = array.array("i", [0])
    with suppress(OSError, AttributeError, ValueError):
        fcntl.ioctl(own.fileno(), termios.FIONREAD, number)
    return number[0]
