"""Requests to Oden over HTTP, paced at the write.

    async with OdenClient("https://api.oden.app/v2", lambda: token) as oden:
        runs = await oden.interval.search(Interval(type=…, line=…, match="last"))

Calls by object and action (`gateway.oden.objects`) raise errors that say whether the request may have taken effect.
Below them `post` takes a text and tells every outcome as an `Answer`, which delivery needs. Nothing here ever shows the
token.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import structlog
from aiohttp import hdrs
from structlog.contextvars import bind_contextvars
from ulid import ULID

from gateway import __version__
from gateway.clock_evidence import ServerTime
from gateway.config.loader import Loaded
from gateway.connection_steps import http_steps, note_sent, tls_to
from gateway.errors import GatewayError
from gateway.oden import exchange
from gateway.oden.classification import Answer
from gateway.oden.endpoints import Call, Endpoint, Gives, Takes
from gateway.oden.http_answer import (
    LARGEST_ANSWER,
    UNREACHABLE,
    Keeps,
    LongAnswer,
    credentials,
    read_response,
    redacted,
    told,
    why_no_answer,
)
from gateway.oden.objects import Objects
from gateway.oden.pace import Pace

__all__ = ["CONNECT_TIMEOUT", "Answer", "OdenClient", "configured_client"]

log = structlog.get_logger()

CONNECT_TIMEOUT = 10.0
"""Seconds, for name look-up, connection and TLS together."""
ANSWER_TIMEOUT = 30.0
"""Seconds, for the write and the answer, and for each PIECE more of it."""
PIECE = 2**16
"""Bytes of an answer."""
LONGEST_ANSWER = 2**28
"""Bytes that are read of an answer of which not all is kept."""
TOO_FAST = 429
NOT_OPEN = "the client is not open: use it within `async with`"


class OdenClient(Objects):
    """A connection pool to one Oden API; every request of the process goes through the one pace."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        timeout: float = ANSWER_TIMEOUT,
        pace: Pace | None = None,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        ca: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        """`token` is asked before each request; `timeout`, in seconds, covers one from its write to its answer.

        `ca` is a file with the certificates (PEM) that vouch for Oden's, instead of the system's; `proxy` the address
        of an HTTP proxy, instead of the environment's. Without a `pace` it begins one of its own, of one request per
        second.
        """
        super().__init__(self.call)
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._ca = ca
        self._proxy = proxy
        self._trust: ssl.SSLContext | None = None
        self.pace = pace or Pace(time.monotonic())
        self.silent_since: float | None = None
        """When the first of the requests left that Oden has left without any answer since, on the loop's clock."""
        self.server_time = ServerTime()
        self._turn = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_leaving)
        trace.on_request_chunk_sent.append(_written)
        self._session = aiohttp.ClientSession(
            trust_env=True,
            trace_configs=[trace, http_steps(self._url)],
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout, sock_read=self._timeout),
            headers={"User-Agent": f"oden-gateway/{__version__}", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, endpoint: Call[Takes, Gives], request: Takes, query: str | None = None) -> Gives:
        """Make the call `endpoint` when the pace allows; OdenError where that fails. `query` is as for `post`."""
        body = exchange.fields(endpoint, request)
        answer = await self.post(endpoint, exchange.text(endpoint, body), query=query)
        error = exchange.failure(endpoint, body, answer)
        if error is not None:
            raise error
        return exchange.result(endpoint, body, answer)

    async def post(
        self,
        endpoint: Endpoint,
        body: str,
        written: asyncio.Event | None = None,
        *,
        query: str | None = None,
        keeps: Keeps | None = None,
    ) -> Answer:
        """Send `body` when the pace allows. Never raises for anything the network or Oden does.

        `written` is set as soon as the request no longer stands in the way of the next one. `query` is the value of the
        endpoint's parameter in the address; with the format `csv` the answer's body is text. With `keeps` the answer's
        list has only the entries that are kept, and may have LONGEST_ANSWER bytes; one that is longer counts as
        unreadable, and so does one of more than LARGEST_ANSWER bytes without it.
        """
        session = self._session
        if session is None or session.closed:
            if written is not None:
                written.set()
            return Answer(sent=False, seconds=0.0, error=NOT_OPEN)
        mark, request = _Mark(), str(ULID())
        loop = asyncio.get_running_loop()
        context = copy_context()
        context.run(bind_contextvars, request=request)
        async with self._turn:
            # Once more after each sleep: a 429 to another request may have slowed the pace meanwhile.
            while (pause := self.pace.wait(loop.time())) > 0:  # noqa: ASYNC110 - a time is waited for, not an event
                await asyncio.sleep(pause)
            exchange_ = self._exchange(session, endpoint, body, query, mark, keeps)
            under_way = asyncio.create_task(exchange_, context=context)
            # Only the write is taken in turns; answers may take as long as they take, several at once.
            leaving = asyncio.create_task(mark.written.wait())
            try:
                await asyncio.wait({under_way, leaving}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                under_way.cancel()
                raise
            finally:
                leaving.cancel()
                if mark.left:
                    # Taken after the write, so that nothing that delays this process can shorten the gap.
                    mark.at = loop.time()
                    note_sent(request, endpoint.path)
                    self.pace.written(mark.at)
                    self.silent_since = mark.at if self.silent_since is None else self.silent_since
                if written is not None:
                    written.set()
        answer = await under_way
        if answer.status is not None:
            self.silent_since = None
        if answer.sent:
            self._learn(answer, mark.at)
        return replace(answer, request=request)

    def _learn(self, answer: Answer, written: float) -> None:
        """Let the pace know how Oden likes it, and what its clock shows."""
        before = self.pace.gap
        if answer.date is not None and (answer.own or answer.foreign) and answer.status and answer.status < 500:
            now = asyncio.get_running_loop().time()
            # A refusal may be somebody else's: it tells no time, and that none is to be waited for.
            told = answer.date if answer.own and answer.status < 300 else None
            self.server_time.note(told, now, now - written)
        if answer.status == TOO_FAST:
            self.pace.refused(written, asyncio.get_running_loop().time())
        elif answer.own and answer.status is not None and answer.status < 500:
            self.pace.accepted(written)
        if self.pace.gap > before:
            log.warning("pace_slowed", seconds_between_requests=round(self.pace.gap, 3))
        elif self.pace.gap < before:
            log.info("pace_raised", seconds_between_requests=round(self.pace.gap, 3))

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        body: str,
        query: str | None,
        mark: "_Mark",
        keeps: Keeps | None,
    ) -> Answer:
        begun = asyncio.get_running_loop().time()

        def failed(error: str, status: int | None = None, *, sent: bool, detail: str = "") -> Answer:
            seconds = asyncio.get_running_loop().time() - begun
            return Answer(sent=sent, seconds=seconds, status=status, error=error, detail=detail)

        try:
            token = self._token()
            async with (
                asyncio.timeout(self._timeout + self._connect_timeout) as limit,
                session.post(
                    f"{self._url}/{endpoint.path}",
                    params={endpoint.query: query} if endpoint.query and query else None,
                    data=body.encode(),
                    ssl=self._trusted(),
                    proxy=self._proxy,
                    middlewares=[_authorized(token)],
                    allow_redirects=False,
                    trace_request_ctx=mark,
                ) as response,
            ):
                raw, long = await self._read(response, limit, keeps)
                seconds = asyncio.get_running_loop().time() - begun
                read = read_response(response, raw, seconds, text=query == "csv", keeps=keeps, long=long)
                given = response.request_info.headers.get(hdrs.PROXY_AUTHORIZATION)
                answer = redacted(read, token, *credentials(given))
                is_verified = response.url.scheme == "https"
                return replace(answer, date=response.headers.get(hdrs.DATE, "")) if is_verified else answer
        except aiohttp.ClientHttpProxyError as error:
            given = error.request_info.headers.get(hdrs.PROXY_AUTHORIZATION)
            reason = told(why_no_answer(error, sent=False), token, *credentials(given))
            return failed(reason, error.status, sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = why_no_answer(error, sent=mark.left)
            # What is no address is not repeated: it could hold a proxy's password.
            words = "" if isinstance(error, ValueError) else f": {error}"
            return failed(reason, sent=mark.left, detail=type(error).__name__ + words)
        except GatewayError as error:
            return failed(str(error), sent=mark.left)
        except RuntimeError:
            if not session.closed:
                raise
            return failed(NOT_OPEN, sent=mark.left)
        except ValueError as error:
            # Not a word of the library's: it could quote what was not accepted, and that may be the token.
            return failed(f"the request could not be formed ({type(error).__name__})", sent=mark.left)

    async def _read(
        self, response: aiohttp.ClientResponse, limit: asyncio.Timeout, keeps: Keeps | None
    ) -> tuple[bytes, object]:
        """The beginning of the body; and what it says as a whole, where it is a success of more than LARGEST_ANSWER
        bytes that can be read."""
        loop = asyncio.get_running_loop()
        raw, length, long = bytearray(), 0, None
        while more := await response.content.read(PIECE):
            if (length + len(more)) // PIECE > length // PIECE:
                # It goes on, however slowly.
                limit.reschedule(max(limit.when() or 0.0, loop.time() + self._timeout))
                await asyncio.sleep(0)  # what has come already is read without a pause
            length += len(more)
            try:
                if long is not None:
                    long.feed(more)
                    if length > LONGEST_ANSWER:
                        return bytes(raw), None
                    continue
                raw += more
                if length > LARGEST_ANSWER:
                    if keeps is None or not 200 <= response.status < 300:
                        return bytes(raw), None
                    long = LongAnswer(keeps)
                    for at in range(0, length, PIECE):
                        long.feed(bytes(raw[at : at + PIECE]))
                        await asyncio.sleep(0)
            except ValueError:
                return bytes(raw), None
        try:
            return bytes(raw), long.end() if long is not None else None
        except ValueError:
            return bytes(raw), None

    def _trusted(self) -> ssl.SSLContext | bool:
        """What vouches for Oden's certificate: what the system trusts, or the file, which is read by the first request
        that can read it. True where there is no TLS."""
        if not self._url.startswith("https:"):
            return True
        if self._trust is None:
            try:
                self._trust = tls_to(self._ca)
                self._trust.set_alpn_protocols(("http/1.1",))
            except ssl.SSLError:
                raise GatewayError(f"{UNREACHABLE} ({self._ca} holds no certificates in PEM form)") from None
            except OSError as error:
                raise GatewayError(f"{UNREACHABLE} ({self._ca} cannot be read: {error.strerror})") from None
        return self._trust


def configured_client(loaded: Loaded, now: float) -> OdenClient:
    """The client that a configuration describes: the running gateway's, and that of a command while none runs.

    Its pace begins at `now`, on the monotonic clock.
    """
    oden = loaded.config.oden
    return OdenClient(
        oden.url,
        loaded.token_source,
        oden.timeout,
        Pace(now, 1.0 / oden.rate),
        ca=oden.ca,
        proxy=oden.proxy.get_secret_value() if oden.proxy else None,
    )


class _Mark:
    """How far one request has got: `left` as soon as any of it may have, `written` once it is with the transport.

    `at` is when the write was over.
    """

    def __init__(self) -> None:
        self.left = False
        self.at = 0.0
        self.written = asyncio.Event()


async def _leaving(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.left = True


async def _written(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams
) -> None:
    # Headers and body go to the transport together, right after this and before anything else gets its turn.
    context.trace_request_ctx.written.set()


def _authorized(token: str) -> aiohttp.ClientMiddlewareType:
    """Puts the token on a request that is ready otherwise.

    Given as a header of the call it would clash with an entry for the host in ~/.netrc, which aiohttp reads along with
    the environment's proxies; here it takes that entry's place.
    """

    async def authorize(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers[hdrs.AUTHORIZATION] = f"Token {token}"
        return await handler(request)

    return authorize
