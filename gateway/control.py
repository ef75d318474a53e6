"""The control socket: how commands on the same machine talk to the running gateway.

HTTP over a Unix socket that the gateway's own user and its group, and root, may open; the group may only look
(`OPEN_TO_GROUP`), any other command of its is refused (403). `POST /outbox/COMMAND` with `{"outbox":
directory, "question": …}` is answered by one JSON object a line; the last one is `{"end": true}`, or `{"error": …}`
where something went wrong on the way. The commands are those of `gateway.outbox.control_handlers`, `call` of
`gateway.oden.control_handlers`, `explain` of `gateway.trial.control_handlers`, those of
`gateway.live.control_handlers`, `clock` and `status`. A gateway that holds another outbox than the question means says
so (421) and does nothing; so it does with a question that is too large (413), is none (400), or does not come to its
end (408). Of the group, as of the others, no more than MOST_CONNECTIONS are served at once, so that who may only look
cannot take from the gateway what it needs for its work, nor from its owners the way to it.
"""

import asyncio
import io
import json
import logging
import os
import socket
import stat
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import aiohttp
import structlog
from aiohttp import web

from gateway.errors import GatewayError
from gateway.http_connection import Refused, Reticent
from gateway.listening import begin_listening, stop_listening
from gateway.ways import BY_SYSTEMD

log = structlog.get_logger()

MOST_BODY = 16 * 2**20
"""Bytes of a question. The largest is an import of dead letters, a file that a person can split."""
OK, MISDIRECTED, TOO_LARGE, WRONG, FORBIDDEN, SLOW = 200, 421, 413, 400, 403, 408
MOST_CONNECTIONS = 32
"""Connections of the group at once, and as many of the owners; more are closed."""
ASKED_WITHIN = 15.0
"""Seconds in which a connection must have asked something, and again in which a question must have come to its end."""
ANSWERS_WITHIN = 20.0
"""Seconds after which a gateway that has taken a connection, and does not begin to answer, is said to hang. It begins
at once, whatever it is asked; one whose loop stands still is ended by systemd before."""
SILENT = logging.getLogger(f"{__name__}.access")
"""Nobody wants a line for each question: what changes something is logged by who does it."""
SILENT.disabled = True
OPEN_TO_GROUP = frozenset({"status", "tail", "explain", "list", "show", "stats", "rejects-list", "rejects-show"})
"""Commands that change nothing, and ask neither a source nor Oden anything."""
_PEER = struct.Struct("3i")
"""Process, user and group of who is at the other end: SO_PEERCRED, unix(7)."""
EVERY = 5.0
"""Seconds between two turns of the loop that only shows that the event loop still serves."""

Ask = Callable[[str, object], AsyncGenerator[dict[str, object], None]]
"""A command's name and its question -> the answer, item by item."""


class NoGateway(GatewayError):
    """No running gateway that holds the outbox answers."""


class BrokenOff(GatewayError):
    """The gateway was asked, and what became of that is not known: it stopped before its answer was complete."""


class Control:
    """Answers for the outbox in `directory`, by whatever way one comes there, while `run` runs, or an `async with`
    block; both raise GatewayError where it cannot listen.

    It listens at the first of `places` whose folder it may write to and where no other gateway listens. `owners` are
    the users who may do everything: by default root and that of this process.
    """

    def __init__(
        self, directory: Path, places: Sequence[Path], ask: Ask, owners: Collection[int] | None = None
    ) -> None:
        self._directory, self._places, self._ask = os.path.realpath(directory), places, ask
        self._owners = owners if owners is not None else {0, os.geteuid()}
        self._runner = self._made()
        self._listening: asyncio.Server | None = None
        self.path: Path | None = None
        self._inode = 0
        self.turned_at = time.monotonic()

    async def run(self) -> None:
        """Answer until cancelled. Raises GatewayError where it cannot listen."""
        async with self:
            while self._is_there():
                self.turned_at = time.monotonic()
                await asyncio.sleep(EVERY)
            raise GatewayError(f"The commands cannot reach the gateway: somebody has removed {self.path}.")

    def _made(self) -> web.AppRunner:
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_post("/outbox/{command}", self._answer)
        return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        self._runner = self._made()  # one that was cleaned up cannot be used again
        await self._runner.setup()
        try:
            listener = await asyncio.to_thread(self._bound)
            server = cast("web.Server", self._runner.server)  # there is one after `setup`
            self._listening = await begin_listening(lambda: _Entry(server, self._is_owner), sock=listener)
        except OSError as error:
            await self._runner.cleanup()
            raise GatewayError(
                f"The commands cannot reach the gateway: its control socket cannot be made ({error.strerror or error})."
            ) from error
        log.info("control_listening", path=str(self.path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            await stop_listening(self._listening)
        await self._runner.cleanup()
        if self.path is not None and self._is_there():  # not one that another gateway has made there since
            with suppress(OSError):
                self.path.unlink()

    def _is_there(self) -> bool:
        """Whether what stands at `path` is the socket that was made there."""
        try:
            return self.path is not None and self.path.lstat().st_ino == self._inode
        except OSError:
            return False

    def _bound(self) -> socket.socket:
        *others, last = self._places
        usable = [path for path in others if os.access(path.parent, os.W_OK | os.X_OK) and not _is_in_use(path)]
        path = [*usable, last][0]
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        listener = socket.socket(socket.AF_UNIX)
        try:
            # Whatever the umask, it is never anybody else's, not even until the next line (Linux makes the file with
            # the mode of the socket, bind(2)).
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(path))
            path.chmod(0o660)  # before it listens: until then connections are refused
        except OSError:
            listener.close()
            raise
        self.path, self._inode = path, path.lstat().st_ino
        return listener

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        command = request.match_info["command"]
        if command not in OPEN_TO_GROUP and not self._is_owner(request.transport):
            return web.json_response({"error": "the group may only look"}, status=FORBIDDEN)
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                asked = await request.json()
            outbox, question = asked["outbox"], asked["question"]
        except TimeoutError:
            return web.json_response({"error": "the question does not come to its end"}, status=SLOW)
        except (ValueError, TypeError, KeyError, RecursionError):
            return web.json_response({"error": "this is not a question"}, status=WRONG)
        if outbox != self._directory:
            return web.json_response({"error": f"this gateway holds {self._directory}"}, status=MISDIRECTED)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        last: dict[str, object] = {"end": True}
        try:
            async with aclosing(self._ask(command, question)) as answer:
                async for item in answer:
                    await response.write(_line(item))
        except GatewayError as error:
            last = {"error": str(error)}
        except ConnectionError:  # who asked has seen enough: every `tail` ends so
            return response
        with suppress(ConnectionError):
            await response.write(_line(last))
        return response

    def _is_owner(self, end: asyncio.BaseTransport | None) -> bool:
        """Whether who is at the other `end` may do everything; not where it has hung up."""
        user = _user(end)
        return user is not None and user in self._owners


class _Entry(asyncio.Protocol):
    """A connection that becomes one of `server`'s, while fewer than MOST_CONNECTIONS of its kind are there."""

    def __init__(self, server: web.Server, is_owner: Callable[[asyncio.BaseTransport | None], bool]) -> None:
        self._server, self._is_owner = server, is_owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        kind = self._is_owner(transport)
        others = sum(self._is_owner(other.transport) == kind for other in self._server.connections)
        loop = asyncio.get_running_loop()
        protocol: asyncio.Protocol = Refused()
        if others < MOST_CONNECTIONS:
            protocol = Reticent(self._server, loop=loop, access_log=SILENT, keepalive_timeout=ASKED_WITHIN)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _user(end: asyncio.BaseTransport | None) -> int | None:
    """The number of the user at the other end; None where that has hung up."""
    connection: socket.socket | None = end.get_extra_info("socket") if end is not None else None
    if connection is None:
        return None
    try:
        _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    except OSError:
        return None
    return int(user)


def _line(item: object) -> bytes:
    return json.dumps(item, ensure_ascii=False).encode() + b"\n"


def _is_in_use(path: Path) -> bool:
    """Whether somebody listens at `path`; a socket that is left over from a process that was killed refuses."""
    return isinstance(_refusal(path), BlockingIOError | None)


def _refusal(path: Path) -> OSError | None:
    """Why nobody can connect to `path` at this moment: BlockingIOError where who listens there takes nothing up, so
    that its queue is full."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except OSError as error:
            return error
    return None


async def ask(
    directory: Path, places: Sequence[Path], command: str, question: object
) -> AsyncGenerator[dict[str, object], None]:
    """The answer of the running gateway that holds the outbox in `directory`, an absolute path, item by item.

    Raises NoGateway where none does, GatewayError where it cannot answer.
    """
    forbidden: Path | None = None
    for path in places:
        try:
            async for item in _asked(path, directory, command, question):
                yield item
        except _Elsewhere:
            continue
        except PermissionError:
            forbidden = path
            continue
        return
    if forbidden is not None:
        raise GatewayError(
            f"{forbidden} is for root, the gateway's own user and its group: run the command with sudo, or have your "
            "user added to that group"
        )
    raise NoGateway(f"no running gateway answers for {directory}")


class _Elsewhere(GatewayError):
    """Nobody listens here, or another gateway."""


async def _asked(path: Path, directory: Path, command: str, question: object) -> AsyncIterator[dict[str, object]]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0)  # to look through a large outbox takes its time
    place = await asyncio.to_thread(os.path.realpath, directory)
    body = io.BytesIO(json.dumps({"outbox": place, "question": question}).encode())
    begun = False
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session:
            async with asyncio.timeout(ANSWERS_WITHIN):
                response = await session.post(f"http://gateway/outbox/{command}", data=body)
            begun = True
            async with response:
                _look(response.status, path)
                async for line in _lines(response):
                    item: dict[str, object] = json.loads(line)
                    if "error" in item:
                        raise GatewayError(str(item["error"]))
                    if item == {"end": True}:
                        return
                    yield item
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PermissionError):
            raise PermissionError(str(path)) from error
        raise _Elsewhere(str(path)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BrokenOff(_broken_off(error, path, begun=begun)) from error
    raise BrokenOff("the gateway stopped in the middle of its answer")


def _look(status: int, path: Path) -> None:
    """Raises what stands against a question that was answered with `status`."""
    if status == MISDIRECTED:
        raise _Elsewhere(str(path))
    if status == FORBIDDEN:
        raise GatewayError(
            "this command is for root and the gateway's own user: run it with sudo. The group may look: tail, "
            "explain, outbox list, show and stats, rejects list and show"
        )
    if status == TOO_LARGE:
        raise GatewayError(f"that is more than the gateway takes at once ({MOST_BODY // 2**20} MiB): split it")
    if status != OK:
        raise GatewayError(f"the gateway did not understand: it may be of another version ({status})")


def _broken_off(error: Exception, path: Path, *, begun: bool) -> str:
    """Why there was no whole answer, of which the head had come where it had `begun`."""
    # Of a socket whose queue is full asyncio says that it is connected, and then that it is closed.
    if not begun and (isinstance(error, TimeoutError) or isinstance(_refusal(path), BlockingIOError)):
        return (
            f"the gateway listens at {path}, and has not begun to answer for {ANSWERS_WITHIN:.0f} s: it hangs, or its "
            f"machine does. Where it goes on so, start it anew, with systemd by `{BY_SYSTEMD.restart}`"
        )
    if not begun:
        return (
            f"the gateway has hung up before it answered ({type(error).__name__}): it stops, or more than "
            f"{MOST_CONNECTIONS} commands ask it at once. Try again"
        )
    return f"the gateway stopped in the middle of its answer ({type(error).__name__})"


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The complete lines of an answer, however long they are."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
