"""The control socket: how commands on the same machine talk to the running gateway.

HTTP over a Unix socket that the gateway's own user and its group, and root, may open; the group may only look
(`OPEN_TO_GROUP`), any other command of its is refused (403). `POST /outbox/COMMAND` with `{"outbox":
directory, "question": …}` is answered by one JSON object a line; the last one is `{"end": true}`, or `{"error": …}`
where something went wrong on the way. The commands are those of `gateway.outbox.control_handlers`, `call` of
`gateway.oden.control_handlers`, `explain` of `gateway.trial.control_handlers`, those of
`gateway.live.control_handlers`, `clock` and `status`. A gateway that holds another outbox than the question means says
so (421) and does nothing; so it does with a question that is too large (413) or is none (400).
"""

import asyncio
import io
import json
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
from gateway.listening import begin_listening, stop_listening

log = structlog.get_logger()

MOST_BODY = 16 * 2**20
"""Bytes of a question. The largest is an import of dead letters, a file that a person can split."""
MISDIRECTED, TOO_LARGE, WRONG, FORBIDDEN = 421, 413, 400, 403
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
            self._listening = await begin_listening(server, sock=listener)
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
        try:
            asked = await request.json()
            outbox, question = asked["outbox"], asked["question"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return web.json_response({"error": "this is not a question"}, status=WRONG)
        if outbox != self._directory:
            return web.json_response({"error": f"this gateway holds {self._directory}"}, status=MISDIRECTED)
        command = request.match_info["command"]
        if command not in OPEN_TO_GROUP and not self._is_owner(request):
            return web.json_response({"error": "the group may only look"}, status=FORBIDDEN)
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

    def _is_owner(self, request: web.Request) -> bool:
        end: socket.socket | None = request.get_extra_info("socket")
        if end is None:  # it has hung up
            return False
        _, user, _ = _PEER.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        return user in self._owners


def _line(item: object) -> bytes:
    return json.dumps(item, ensure_ascii=False).encode() + b"\n"


def _is_in_use(path: Path) -> bool:
    """Whether somebody listens at `path`; a socket that is left over from a process that was killed refuses."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


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
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.post(f"http://gateway/outbox/{command}", data=body) as response,
        ):
            if response.status == MISDIRECTED:
                raise _Elsewhere(str(path))
            if response.status == FORBIDDEN:
                raise GatewayError(
                    "this command is for root and the gateway's own user: run it with sudo. The group may look: tail, "
                    "explain, outbox list, show and stats, rejects list and show"
                )
            if response.status == TOO_LARGE:
                raise GatewayError(f"that is more than the gateway takes at once ({MOST_BODY // 2**20} MiB): split it")
            if response.status != 200:
                raise GatewayError(f"the gateway did not understand: it may be of another version ({response.status})")
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
        raise BrokenOff(f"the gateway stopped in the middle of its answer ({type(error).__name__})") from error
    raise BrokenOff("the gateway stopped in the middle of its answer")


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The complete lines of an answer, however long they are."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
