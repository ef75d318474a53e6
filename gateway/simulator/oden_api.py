"""The Oden stand-in: an HTTP server around the model, with token check and ledger.

POST only, `/v2/{object}/{action}`, header `Authorization: Token <token>`. Whatever a client sends, the answer is
JSON, and `error` says why where it is not a success.
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from aiohttp.typedefs import Handler, Middleware

from gateway.clock import AnchoredClock
from gateway.simulator.oden_body import OdenError
from gateway.simulator.oden_lag import Lagging
from gateway.simulator.oden_ledger import Ledger, Request, understood
from gateway.simulator.oden_model import OdenModel

LARGEST_BODY = 4 * 2**20
"""Bytes that a request may hold: 2,500 intervals, which is the most the document allows, are about 1 MiB."""

_RECEIVED = web.RequestKey("received", float)
_IN_LEDGER = web.RequestKey("in_ledger", bool)


def make_app(
    model: OdenModel, token: str, ledger: Ledger | None = None, middlewares: Sequence[Middleware] = ()
) -> web.Application:
    """The application that answers for `model`.

    `middlewares` stand between the network and the model: they can delay, cut, or answer themselves, before or
    after the request took effect. The time of arrival is taken before them; the caller closes the ledger. A response with
    status 0 means that there is none: the middleware cut the connection, and no word about it goes into the log.
    """
    stand_in = _StandIn(model, token, ledger)
    app = web.Application(middlewares=[stand_in.arrive, *middlewares], client_max_size=LARGEST_BODY)
    app.on_cleanup.append(stand_in.stop)
    app.router.add_route("*", "/{anything:.*}", stand_in.answer)
    return app


class _StandIn:
    def __init__(self, model: OdenModel, token: str, ledger: Ledger | None) -> None:
        self._model = Lagging(model)
        self._credentials = f"Token {token}".encode()
        self._ledger = ledger
        self._clock = AnchoredClock()
        self._at_work: set[asyncio.Task[object]] = set()

    async def stop(self, _app: web.Application) -> None:
        """End the requests whose clients have left: the server no longer knows them."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    @web.middleware
    async def arrive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take the time of arrival first of all, and see that every request gets into the ledger, once."""
        request[_RECEIVED] = self._clock.now()
        body, status = b"", 0
        task = asyncio.current_task()
        if task is not None:
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        try:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                response: web.StreamResponse = _error(413, f"the body must not exceed {LARGEST_BODY} bytes")
            except (web.RequestPayloadError, ConnectionError):
                response = _error(400, "the body cannot be read", name="body")
            else:
                found = request.match_info.http_exception is None  # it is not for `OPTIONS *` and the like
                response = await handler(request) if found else _error(404, "there is no such endpoint")
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return response
        finally:
            if not request.get(_IN_LEDGER, False):
                # A success that is not the model's had no effect, and must not be replayed as if it had.
                self._enter(request, body, status if status >= 300 else 0)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer from the model. What took effect is in the ledger before anything else can happen."""
        if request.method != "POST":
            response = _error(405, "only POST is allowed")
            response.headers["Allow"] = "POST"
            return response
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._credentials):
            return _error(401, "the token is missing or not valid")
        body = await request.read()
        answer = self._model.answer(request.path_qs, body, self._clock.now())
        self._enter(request, body, answer.status)
        if answer.text is not None:
            return web.Response(body=answer.text.encode(errors="replace"), content_type="text/csv", charset="utf-8")
        return web.json_response(answer.body, status=answer.status)

    def _enter(self, request: web.Request, body: bytes, status: int) -> None:
        request[_IN_LEDGER] = True
        if self._ledger is not None:
            self._ledger.append(Request(request[_RECEIVED], request.path_qs, understood(body), status))


def _error(status: int, error: str, **more: object) -> web.Response:
    return web.json_response(OdenError(status, error, **more).body, status=status)


def _brief(record: logging.LogRecord) -> bool:
    """A client that does not speak HTTP is worth a line of log, not a traceback."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError):
        record.exc_info = None
    return True


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` within the `with` block; gives the API's base address. OSError where it cannot listen.

    A request goes on when its client leaves, as at a real server: it may still take effect.
    """
    server_logger.addFilter(_brief)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        yield f"http://{address[0]}:{address[1]}/v2"
    finally:
        await runner.cleanup()
