"""The status page and what stands beside it: `/`, `/api/status`, `/healthz`, `/readyz`, `/metrics`.

Reading only, and without a password: it listens where the configuration says, by default on this machine alone.
"""

import asyncio
import time
from collections.abc import Callable
from importlib.resources import files
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.errors import GatewayError
from gateway.status.metrics import Metrics
from gateway.status.snapshot import Snapshot, to_json

log = structlog.get_logger()

STATIC = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "oden-gateway",  # instead of the library's, which names the versions of everything
    "X-Content-Type-Options": "nosniff",
}


EVERY = 5.0
"""Seconds between two turns of the loop that only shows that the event loop still serves."""


class StatusServer:
    """Serves while `run` runs, or an `async with` block; both raise GatewayError where it cannot listen.

    `listen` is `host:port`; port 0 takes a free one, and `url` says which. `alive` says why the process is stuck,
    None while it turns.
    """

    def __init__(self, listen: str, snapshot: Callable[[], Snapshot], alive: Callable[[], str | None]) -> None:
        host, _, port = listen.rpartition(":")
        self._listen, self._host, self._port = listen, host.strip("[]"), int(port)
        self._snapshot, self._alive = snapshot, alive
        self._metrics = Metrics(snapshot)
        self._runner = self._made()
        self.turned_at = time.monotonic()

    async def run(self) -> None:
        """Serve until cancelled. A taken port is no reason not to take data in, so this is a task like any other."""
        async with self:
            while True:
                self.turned_at = time.monotonic()
                await asyncio.sleep(EVERY)

    @property
    def url(self) -> str:
        """Where it listens, once entered: `http://127.0.0.1:8321`."""
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _made(self) -> web.AppRunner:
        return web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        self._runner = self._made()  # one that was cleaned up cannot be used again
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise GatewayError(
                f"The status page cannot listen on {self._listen} ({why}). "
                "Stop the program that uses this address, or choose another with `status.listen`."
            ) from error
        log.info("status_listening", url=self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application()
        for path, (name, content_type) in STATIC.items():
            app.router.add_get(path, _static(name, content_type))
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        app.on_response_prepare.append(_harden)
        return app

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(text=to_json(self._snapshot()))

    async def _healthz(self, _: web.Request) -> web.Response:
        why = self._alive()
        return web.Response(text="ok" if why is None else why, status=200 if why is None else 503)

    async def _readyz(self, _: web.Request) -> web.Response:
        now = self._snapshot()
        text = "ok" if now.ready else f"not ready: {now.not_ready}"
        return web.Response(text=text, status=200 if now.ready else 503)

    async def _scrape(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.scrape(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _static(name: str, content_type: str) -> Handler:
    text = (files("gateway.status") / "static" / name).read_text(encoding="utf-8")

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type)

    return answer


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
