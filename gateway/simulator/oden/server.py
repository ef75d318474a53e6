"""The Oden stand-in as an HTTP server: the API, with token check and ledger, and an admin port for faults and manners.

The API is POST only, `/v2/{object}/{action}`, header `Authorization: Token <token>`. Whatever a client sends, the
answer is JSON, and `error` says why where it is not a success.

The admin port shows and changes, in JSON, what holds while the stand-in runs:

    GET    /faults      {"faults": [{"number", "fault", "struck"}], "requests": {endpoint: count}}
    POST   /faults      {"kind": "close", "commit": 5, "at": "interval/set", ...} -> {"number"}
    DELETE /faults      ends all of them; /faults/3 ends that one
    GET    /manners     the manners; POST changes those that are given (`/modes` is the same)

Whatever is wrong there is answered with 400 (404 for a fault that is not there) and {"error"}. It is open to whoever
reaches it: the stand-in guards nothing.
"""

import asyncio
import hmac
import json
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from aiohttp.typedefs import Handler, Middleware

from gateway.clock import AnchoredClock
from gateway.errors import GatewayError
from gateway.listening import begin_listening, stop_listening
from gateway.simulator.oden.bodies import ErrorAnswer
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import JSON_TYPE, FaultError, make_fault, text_type
from gateway.simulator.oden.manners import read_manners
from gateway.simulator.oden.model import ENDPOINTS, LaggingModel, OdenModel
from gateway.simulator.oden.persistence import Ledger, LedgerEntry, readable_body

LARGEST_BODY = 4 * 2**20
"""Bytes that a request may hold: 2,500 intervals, which is the most the document allows, are about 1 MiB."""

BACKLOG = 128
"""Connections that may wait to be taken."""

MANNERS_AT = ("/manners", "/modes")

_RECEIVED = web.RequestKey("received", float)
_IN_LEDGER = web.RequestKey("in_ledger", bool)


def make_app(
    model: OdenModel, token: str, ledger: Ledger | None = None, middlewares: Sequence[Middleware] = ()
) -> web.Application:
    """The application that answers for `model`.

    `middlewares` stand between the network and the model: they can delay, cut, or answer themselves, before or
    after the request took effect. The time of arrival is taken before them; the caller closes the ledger. A response
    with status 0 means that there is none: the middleware cut the connection, and no word about it goes into the log.
    """
    api = _Api(model, token, ledger)
    app = web.Application(middlewares=[api.arrive, *middlewares], client_max_size=LARGEST_BODY)
    app.on_cleanup.append(api.stop)
    app.router.add_route("*", "/{anything:.*}", api.answer)
    return app


class _Api:
    def __init__(self, model: OdenModel, token: str, ledger: Ledger | None) -> None:
        self._model = LaggingModel(model)
        self._credentials = f"Token {token}".encode()
        self._ledger = ledger
        self._clock = AnchoredClock()
        self._serving: set[asyncio.Task[object]] = set()

    async def stop(self, _app: web.Application) -> None:
        """End the requests whose clients have left: the server no longer knows them."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @web.middleware
    async def arrive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take the time of arrival first of all, and see that every request gets into the ledger, once."""
        request[_RECEIVED] = self._clock.now()
        body, status = b"", 0
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                response: web.StreamResponse = _error(413, f"the body must not exceed {LARGEST_BODY} bytes")
            except (web.RequestPayloadError, ConnectionError):
                response = _error(400, "the body cannot be read", name="body")
            else:
                has_route = request.match_info.http_exception is None  # `OPTIONS *` and the like have none
                response = await handler(request) if has_route else _error(404, "there is no such endpoint")
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return response
        finally:
            if not request.get(_IN_LEDGER, False):
                # A success that is not the model's had no effect, and must not be replayed as if it had.
                self._log(request, body, status if status >= 300 else 0)

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
        if request.path in ENDPOINTS and request.content_type != JSON_TYPE:
            return _error(400, f"Content-Type: must be {JSON_TYPE}", name="Content-Type")
        answer = self._model.answer(request.path_qs, body, self._clock.now())
        # A success that had no effect must not be replayed as if it had.
        self._log(request, body, 0 if answer.refused else answer.status)
        if answer.text is not None:
            text = answer.text.encode(errors="replace")
            return web.Response(status=answer.status, body=text, content_type=text_type(answer), charset="utf-8")
        return web.json_response(answer.body, status=answer.status)

    def _log(self, request: web.Request, body: bytes, status: int) -> None:
        request[_IN_LEDGER] = True
        if self._ledger is not None:
            self._ledger.append(LedgerEntry(request[_RECEIVED], request.path_qs, readable_body(body), status))


def _error(status: int, error: str, **more: object) -> web.Response:
    return web.json_response(ErrorAnswer(status, error, **more).body, status=status)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A filter of the log: a client that does not speak HTTP is worth a line, not a traceback."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError):
        record.exc_info = None
    return True


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve `app` within the `with` block; gives the API's base address. OSError where it cannot listen.

    A request goes on when its client leaves, as at a real server: it may still take effect. At the end no connection
    is left, also where its client does not take leave.
    """
    server_logger.addFilter(_without_traceback)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    server = cast("web.Server", runner.server)  # there is one after `setup`
    listener = None
    try:
        listener = await begin_listening(server, host, port, ssl=tls, backlog=BACKLOG)
        address = listener.sockets[0].getsockname()
        yield f"{'https' if tls else 'http'}://{address[0]}:{address[1]}/v2"
    finally:
        if listener is not None:
            await stop_listening(listener)
        left = [connection.transport for connection in server.connections]
        await runner.cleanup()
        for transport in left:
            if transport is not None:
                transport.abort()  # over TLS it would wait for the client's goodbye, and nobody here waits for that
        await asyncio.sleep(0)


def make_admin(injector: FaultInjector, model: OdenModel) -> web.Application:
    """The application that shows and changes the faults of `injector` and the manners of `model`."""
    admin = _Admin(injector, model)
    app = web.Application(middlewares=[_explain_errors])
    app.add_routes(
        [
            web.get("/faults", admin.list_faults),
            web.post("/faults", admin.add_fault),
            web.delete("/faults", admin.clear_faults),
            web.delete(r"/faults/{number:\d{1,9}}", admin.remove_fault),
            *(web.get(path, admin.show_manners) for path in MANNERS_AT),
            *(web.post(path, admin.change_manners) for path in MANNERS_AT),
        ]
    )
    return app


class _Admin:
    def __init__(self, injector: FaultInjector, model: OdenModel) -> None:
        self._injector = injector
        self._model = model

    async def list_faults(self, _request: web.Request) -> web.Response:
        faults = [
            {"number": active.number, "fault": active.fault.words, "struck": active.struck}
            for active in self._injector.active.values()
        ]
        return web.json_response({"faults": faults, "requests": self._injector.requests})

    async def add_fault(self, request: web.Request) -> web.Response:
        given = await _object(request)
        kind = given.pop("kind", None)
        if not isinstance(kind, str):
            raise FaultError("a fault needs its kind, as text")
        return web.json_response({"number": self._injector.add(make_fault(kind, **given))})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._injector.clear()
        return web.json_response({})

    async def remove_fault(self, request: web.Request) -> web.Response:
        if not self._injector.remove(int(request.match_info["number"])):
            return web.json_response({"error": "there is no such fault"}, status=404)
        return web.json_response({})

    async def show_manners(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(self._model.manners))

    async def change_manners(self, request: web.Request) -> web.Response:
        self._model.manners = read_manners(await _object(request), self._model.manners)
        return web.json_response(asdict(self._model.manners))


@web.middleware
async def _explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return web.json_response({"error": str(error)}, status=400)


async def _object(request: web.Request) -> dict[str, object]:
    try:
        value = json.loads(await request.read())
    except ValueError:
        raise FaultError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise FaultError("the body must be a JSON object")
    return value
