"""Ways over TCP between a test's peers and us: one that can fail, and one that keeps when requests were written."""

import asyncio
import socket
import struct
import threading
import time
from contextlib import suppress
from itertools import pairwise
from typing import Self

from gateway.listening import stop_listening
from tests.peers import PATIENCE, free_port

SO_TIMESTAMPNS = 35
"""Linux: with what has been received comes when it came, by the kernel's clock; Python has no name for it."""
_stamping = socket.socket(type=socket.SOCK_DGRAM)
_stamping.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
"""The kernel begins to stamp packets a little after the first socket has asked for it, and goes on while one does: this
one asks long before anybody has to know."""


def stamped(listener: socket.socket) -> None:
    """What comes over the connections of `listener` is to have the time at which it came."""
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # connections inherit it


def received(connection: socket.socket) -> tuple[bytes, float]:
    """What comes next, and when it reached this machine's kernel, in seconds since 1970; see `stamped`."""
    data, extra, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
    seconds, nanoseconds = struct.unpack("@qq", extra[0][2]) if extra else (time.time(), 0)
    return data, seconds + nanoseconds / 1e9


class Link:
    """A TCP link on a port of its own to `port` on this machine, which can fall silent or be cut."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._target = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._joining: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        await stop_listening(self._server)
        self.cut()
        self.resume()
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)

    def freeze(self) -> None:
        """Let nothing through any more, without a word to either side: a dead switch, a hung controller."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        ends = [writer]
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(far_writer)
            self._writers.add(far_writer)
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        except (OSError, asyncio.CancelledError) as error:
            for end in ends:
                end.transport.abort()
            if not isinstance(error, OSError):
                raise
        finally:
            self._writers.difference_update(ends)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Tap:
    """A way over TCP to a server at `port` on this machine that keeps when each HTTP request was written to it.

    The times are the kernel's own: a packet on loopback has the time at which its sender wrote it, however long the
    machine then takes to wake up whoever reads it. What either side does to a connection, the other side sees.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.written: list[float] = []
        """Seconds since 1970 at which requests were written, in no order."""
        self._server = port
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._listening, self._ended = threading.Event(), threading.Event()
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Oden's address for who shall come this way."""
        return f"http://127.0.0.1:{self.port}/v2"

    @property
    def least_gap(self) -> float:
        """Seconds between the two requests that were closest to each other; infinite where there were not two."""
        return min((after - before for before, after in pairwise(sorted(self.written))), default=float("inf"))

    def start(self) -> None:
        """Listen as soon as the server does; returns at once."""
        self._ended.clear()
        self._listening.clear()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def stop(self) -> None:
        """Refuse connections and reset those there are, as a machine does whose server was killed; `start` goes on."""
        if self._accepting is None:
            return
        self._ended.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._accepting = self._listener = None
        for connection in self._connections:
            _reset(connection)
        self._connections.clear()

    def __enter__(self) -> Self:
        """For a server that listens: then the way is open."""
        self.start()
        assert self._listening.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._reaches_the_server():
            if self._ended.wait(0.02):
                return
        with socket.create_server(("127.0.0.1", self.port)) as self._listener:
            stamped(self._listener)
            self._listening.set()
            while not self._ended.is_set():
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    return
                self._join(client)

    def _reaches_the_server(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._server)):
            return True
        return False

    def _join(self, client: socket.socket) -> None:
        self._connections.append(client)
        try:
            server = socket.create_connection(("127.0.0.1", self._server))
        except OSError:
            _reset(client)
            return
        self._connections.append(server)
        for work in (self._upwards, self._downwards):
            threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while True:
                data, at = received(client)
                if not data:
                    server.shutdown(socket.SHUT_WR)
                    return
                if data.startswith(b"POST "):
                    self.written.append(at)
                server.sendall(data)
        except OSError:
            _reset(server)

    def _downwards(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(client)


def _reset(connection: socket.socket) -> None:
    """End it without a goodbye, also where another thread waits for it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)  # wakes up who waits for it
    connection.close()
