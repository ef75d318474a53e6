"""The status page and what stands beside it: `/`, `/wall`, `/api/status`, `/healthz`, `/readyz`, `/metrics`.

It listens where the configuration says, by default on this machine alone; `guard` says who may read, and `actions` who
may change something.
"""

import asyncio
import json
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from types import TracebackType
from typing import Any, Self, cast

import structlog
from aiohttp import ETag, web
from aiohttp.typedefs import Handler

from gateway.config.schema_process import PageTls, Status
from gateway.errors import GatewayError
from gateway.health import Condition
from gateway.http_connection import Reticent, at_most
from gateway.listening import begin_listening, stop_listening
from gateway.status.actions import MOST_BODY, Actions, Ask
from gateway.status.guard import HEADERS, PageCertificate, TlsEntry, admission, may_read, own_names
from gateway.status.history import History, Trend
from gateway.status.history_file import Chronicle
from gateway.status.openapi import document
from gateway.status.snapshot import Snapshot, as_json, to_json
from gateway.status.stream import EVERY, Parts, Telling, parts_of

log = structlog.get_logger()

STATIC = {
    "/": ("index.html", "text/html"),
    "/wall": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/timeline.js": ("timeline.js", "text/javascript"),
    "/page.js": ("page.js", "text/javascript"),
    "/words.js": ("words.js", "text/javascript"),
    "/lines.js": ("lines.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/actions.js": ("actions.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

SILENT = logging.getLogger(f"{__name__}.access")
"""Nobody wants a line for each request to the page."""
SILENT.disabled = True

TURN = 5.0
"""Seconds between two turns of the loop that only shows that the event loop still serves."""
MOST_CONNECTIONS = 100
"""Connections at once; more are closed."""
MOST_STREAMS = 24
"""Open pages at once; more are told to come back."""
HEADERS_WITHIN = 15.0
"""Seconds in which a connection must have asked something."""
WRITTEN_WITHIN = 30.0
"""Seconds in which who asks must have taken what it is sent."""


class StatusServer:
    """Serves while `run` runs, or an `async with` block, or from `listen` to `close`; raises GatewayError where it
    cannot listen.

    `listen` is `host:port`; port 0 takes a free one, and `url` says which. `alive` says why the process is stuck,
    None while it turns. It answers to the name in `listen`, this machine's own, and `hosts`; with a `token`, only to
    who has it.
    """

    def __init__(
        self,
        listen: str,
        snapshot: Callable[[], Snapshot],
        alive: Callable[[], str | None],
        *,
        history: History | None = None,
        trend: Trend | None = None,
        hosts: Sequence[str] = (),
        token: str | None = None,
        actions: Actions | None = None,
        tls: PageTls | None = None,
    ) -> None:
        host, _, port = listen.rpartition(":")
        self._listen, self._host, self._port = listen, host.strip("[]"), int(port)
        self._snapshot, self._alive = snapshot, alive
        self._history, self._trend = history or History(), trend or Trend()
        self._names, self._token = own_names(listen, hosts), token
        self._actions = actions or Actions()
        self._tls = tls
        self._certificate: PageCertificate | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._streams = 0
        self._shown: tuple[float, float, Parts] = 0.0, 0.0, {}
        """What pages show, and when it was looked at, on the monotonic clock and by the gateway's."""
        self._runner = self._made()
        self._listening: asyncio.Server | None = None
        self._address = self._host, self._port
        self.turned_at = time.monotonic()

    @classmethod
    def configured(
        cls,
        section: Status,
        snapshot: Callable[[], Snapshot],
        alive: Callable[[], str | None],
        chronicle: Chronicle,
        ask: Ask,
    ) -> Self:
        """As `section` has it; `ask` is the way to who holds the outbox."""
        token, actions_token = (
            secret.get_secret_value() if secret is not None else None
            for secret in (section.token, section.actions_token)
        )
        return cls(
            section.listen,
            snapshot,
            alive,
            history=chronicle.history,
            trend=chronicle.trend,
            hosts=section.hosts,
            token=token,
            actions=Actions(actions_token, ask),
            tls=section.tls,
        )

    async def run(self) -> None:
        """Serve until cancelled. A taken port is no reason not to take data in, so this is a task like any other."""
        async with self:
            while True:
                self.turned_at = time.monotonic()
                if self._certificate is not None:
                    await asyncio.to_thread(self._certificate.look, time.time())
                await asyncio.sleep(TURN)

    def conditions(self, now: float) -> Iterable[Condition]:
        """What is wrong with its certificate."""
        return self._certificate.conditions(now) if self._certificate is not None else ()

    @property
    def url(self) -> str:
        """Where it listens, once entered: `http://127.0.0.1:8321`."""
        scheme, (host, port) = "http" if self._tls is None else "https", self._address
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _made(self) -> web.AppRunner:
        return web.AppRunner(self._application(), shutdown_timeout=1.0)

    async def listen(self) -> None:
        """Take the address and answer there; nothing where it does so already."""
        if self._listening is not None:
            return
        if self._tls is not None:
            self._certificate = PageCertificate(self._tls)
        self._runner = self._made()  # one that was cleaned up cannot be used again
        await self._runner.setup()
        server = cast("web.Server", self._runner.server)  # there is one after `setup`
        certificate, handshakes = self._certificate, self._handshakes

        def handler() -> asyncio.Protocol:
            loop = asyncio.get_running_loop()
            return Reticent(
                server,
                headers=HEADERS,
                taken_within=WRITTEN_WITHIN,
                loop=loop,
                access_log=SILENT,
                keepalive_timeout=HEADERS_WITHIN,
            )

        def made() -> asyncio.BaseProtocol:
            return handler() if certificate is None else TlsEntry(handler, certificate.context, handshakes)

        def connection() -> asyncio.BaseProtocol:
            return at_most(MOST_CONNECTIONS, made, lambda: len(server.connections) + len(handshakes))

        try:
            self._listening = await begin_listening(connection, self._host, self._port)
        except (OSError, OverflowError) as error:
            await self.close()
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise GatewayError(
                f"The status page cannot listen on {self._listen} ({why}). "
                "Stop the program that uses this address, or choose another with `status.listen`."
            ) from error
        self._address = self._listening.sockets[0].getsockname()[:2]
        log.info("status_listening", url=self.url)

    async def close(self) -> None:
        """Leave the address, and close all connections."""
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await stop_listening(listening)
        for handshake in self._handshakes:
            handshake.cancel()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[admission(self._names, self._token)], client_max_size=MOST_BODY)
        for path, (name, content_type) in STATIC.items():
            app.router.add_get(path, _static(name, content_type))
        app.router.add_get("/api/openapi.json", _openapi)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/line", self._line)
        app.router.add_get("/api/timeline", self._timeline)
        app.router.add_get("/api/trend", self._points)
        app.router.add_get("/api/changes", self._changes, allow_head=False)
        app.router.add_get("/api/actions", self._actions.possible)
        app.router.add_post("/api/actions/{action:[^/]+}", self._actions.act)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        app.on_response_prepare.append(_harden)
        return app

    async def _status(self, _: web.Request) -> web.Response:
        return _packed(web.json_response(text=to_json(self._snapshot())))

    async def _line(self, request: web.Request) -> web.Response:
        """One line as in `/api/status`, with its inputs."""
        lines: Any = as_json(self._snapshot())["lines"]
        line = next((line for line in lines if line["key"] == request.query.get("key")), None)
        if line is None:
            return web.json_response({"error": "There is no line with this key."}, status=404)
        return web.json_response(line)

    async def _timeline(self, request: web.Request) -> web.Response:
        """By line the states and runs of the last hours, and when nothing was known of it: of all lines or of those
        that are asked for, everything or what has changed `since` a revision, and of which revision that is."""
        try:
            since = int(request.query.get("since", "-1"))
        except ValueError:
            return web.Response(text="`since` is a whole number.", status=400)
        keys = request.query.getall("key", None) or [line.key for line in self._snapshot().lines]
        lines = {key: spans for key in keys if (spans := self._history.timeline(key, since)) or since < 0}
        return _packed(web.json_response({"revision": self._history.revision, "lines": lines}))

    async def _points(self, request: web.Request) -> web.Response:
        """The trend of what waits, `[minute, waiting, requests, seconds to drain]` for each minute from `since` (epoch)
        on, by default all. A minute is told by when it began (epoch); null seconds: nothing was delivered."""
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            return web.Response(text="`since` is a number of seconds.", status=400)
        points = [[point.minute, point.waiting, point.requests, point.drain] for point in self._trend.since(since)]
        return _packed(web.json_response(points))

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """What the page shows, and then what of it changes, as server-sent events of the form
        `{"now": time, "parts": {name: {field: value}, name: null}}`; null for what is gone."""
        if self._streams >= MOST_STREAMS:
            return web.Response(text="Too many pages are open.", status=503, headers={"Retry-After": "30"})
        headers = {"Content-Type": "text/event-stream"}
        packer = None
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            packer = zlib.compressobj(6, zlib.DEFLATED, 16 + 13, 5)
        response = web.StreamResponse(headers=headers)
        self._streams += 1
        try:
            await response.prepare(request)
            telling = Telling()
            while True:
                now, parts = self._parts()
                changed = telling.due(parts, time.monotonic())
                if changed is not None:
                    text = f"data: {json.dumps({'now': now, 'parts': changed}, allow_nan=False)}\n\n".encode()
                    body = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH) if packer is not None else text
                    telling.spent(len(body))
                    await response.write(body)
                await asyncio.sleep(EVERY)
        except ConnectionError:
            return response
        finally:
            self._streams -= 1

    def _parts(self) -> tuple[float, Parts]:
        """The time (epoch) and what pages show, looked at once for all that are open. The time is the gateway's, as all
        that it shows is; the machine's clock may be wrong."""
        at, shown_at, parts = self._shown
        if time.monotonic() - at >= EVERY / 2:
            snapshot = self._snapshot()
            self._shown = at, shown_at, parts = time.monotonic(), snapshot.now, parts_of(snapshot)
        return shown_at + time.monotonic() - at, parts

    async def _healthz(self, _: web.Request) -> web.Response:
        why = self._alive()
        return web.Response(text="ok" if why is None else why, status=200 if why is None else 503)

    async def _readyz(self, request: web.Request) -> web.Response:
        now = self._snapshot()
        why = f": {now.not_ready}" if may_read(request.headers, self._token) else ""
        text = "ok" if now.ready else f"not ready{why}"
        return web.Response(text=text, status=200 if now.ready else 503)

    async def _scrape(self, request: web.Request) -> web.Response:
        from gateway.status.metrics import Metrics  # noqa: PLC0415 - its library is held only where somebody scrapes

        body, content_type = Metrics(self._snapshot).scrape(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _static(name: str, content_type: str) -> Handler:
    text = (files("gateway.status") / "static" / name).read_text(encoding="utf-8")

    tag = ETag(sha256(text.encode()).hexdigest()[:16], is_weak=True)  # weak: it is the same packed and not

    async def answer(request: web.Request) -> web.Response:
        if tag.value in {known.value for known in request.if_none_match or ()}:
            response = web.Response(status=304)
        else:
            response = _packed(web.Response(text=text, content_type=content_type))
        response.etag = tag
        response.headers["Cache-Control"] = "no-cache"  # kept, and asked for again each time
        return response

    return answer


async def _openapi(_: web.Request) -> web.Response:
    return _packed(web.json_response(document()))


def _packed(response: web.Response) -> web.Response:
    """Sent with gzip to who understands that."""
    response.enable_compression()
    return response


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    kept = response.headers.get("Cache-Control", HEADERS["Cache-Control"])
    response.headers.update({**HEADERS, "Cache-Control": kept})
