"""Requests to Oden over HTTP: paced at the write, every outcome told as a value.

What matters to the caller is in `Answer`: whether anything may have left this machine (`sent`), and whether what came back
is Oden's own. Nothing here decides what an answer means for a record; nothing here ever shows the token.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import structlog
from aiohttp import hdrs

from gateway import __version__
from gateway.errors import GatewayError
from gateway.oden.endpoints import Endpoint
from gateway.oden.pace import Pace
from gateway.oden.reasons import reason

log = structlog.get_logger()

CONNECT_TIMEOUT = 10.0
"""Seconds, for name look-up, connection and TLS together."""
SHORTEST_TOLD = 8
"""Characters of a token that is looked for in answers; a shorter one is no secret, and would be found in words."""
LARGEST_ANSWER = 8 * 2**20
"""Bytes; a longer answer counts as unreadable."""
TOO_FAST = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    `sent` is False only where certainly no byte of the request left. `status` is None where no answer came; then `error`
    says what happened. `body` is the parsed JSON, `readable` says that there was one. `own` is whether Oden itself answered, as
    opposed to a proxy, a portal or a load balancer. `retry_after` is in seconds. `detail` is the library's own text, for the log.
    """

    sent: bool
    seconds: float
    status: int | None = None
    body: object = None
    readable: bool = False
    empty: bool = False
    own: bool = False
    retry_after: float | None = None
    error: str = ""
    detail: str = ""


class OdenClient:
    """A connection pool to one Oden API; every request of the process goes through the one pace."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        timeout: float,
        pace: Pace,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        """`token` is asked before each request; `timeout`, in seconds, covers one from its write to its answer."""
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self.pace = pace
        self._turn = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_leaving)
        trace.on_request_chunk_sent.append(_written)
        self._session = aiohttp.ClientSession(
            trust_env=True,
            trace_configs=[trace],
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout, sock_read=self._timeout),
            headers={"User-Agent": f"oden-gateway/{__version__}", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, endpoint: Endpoint, body: str, written: asyncio.Event | None = None) -> Answer:
        """Send `body` when the pace allows. Never raises for anything the network or Oden does.

        `written` is set as soon as the request no longer stands in the way of the next one.
        """
        if self._session is None:
            raise RuntimeError("the client is not open")
        mark = _Mark()
        loop = asyncio.get_running_loop()
        async with self._turn:
            # Once more after each sleep: a 429 to another request may have slowed the pace meanwhile.
            while (pause := self.pace.wait(loop.time())) > 0:  # noqa: ASYNC110 - a time is waited for, not an event
                await asyncio.sleep(pause)
            exchange = asyncio.create_task(self._exchange(self._session, endpoint, body, mark))
            # Only the write is taken in turns; answers may take as long as they take, several at once.
            leaving = asyncio.create_task(mark.written.wait())
            try:
                await asyncio.wait({exchange, leaving}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                exchange.cancel()
                raise
            finally:
                leaving.cancel()
                if mark.left:
                    # Taken after the write, so that nothing that delays this process can shorten the gap.
                    mark.at = loop.time()
                    self.pace.written(mark.at)
                if written is not None:
                    written.set()
        answer = await exchange
        if answer.sent:
            self._learn(answer, mark.at)
        return answer

    def _learn(self, answer: Answer, written: float) -> None:
        """Let the pace know how Oden likes it."""
        before = self.pace.gap
        if answer.status == TOO_FAST:
            self.pace.refused(written, asyncio.get_running_loop().time())
        elif answer.own and answer.status is not None and answer.status < 500:
            self.pace.accepted(written)
        if self.pace.gap > before:
            log.warning("pace_slowed", seconds_between_requests=round(self.pace.gap, 3))
        elif self.pace.gap < before:
            log.info("pace_raised", seconds_between_requests=round(self.pace.gap, 3))

    async def _exchange(self, session: aiohttp.ClientSession, endpoint: Endpoint, body: str, mark: "_Mark") -> Answer:
        begun = asyncio.get_running_loop().time()

        def failed(error: str, status: int | None = None, *, sent: bool, detail: str = "") -> Answer:
            seconds = asyncio.get_running_loop().time() - begun
            return Answer(sent=sent, seconds=seconds, status=status, error=error, detail=detail)

        try:
            token = self._token()
            async with (
                asyncio.timeout(self._timeout + self._connect_timeout),
                session.post(
                    f"{self._url}/{endpoint.path}",
                    data=body.encode(),
                    middlewares=[_authorized(token)],
                    allow_redirects=False,
                    trace_request_ctx=mark,
                ) as response,
            ):
                raw = b""
                while len(raw) <= LARGEST_ANSWER and (more := await response.content.read(LARGEST_ANSWER + 1)):
                    raw += more
                answer = _read(response, raw, asyncio.get_running_loop().time() - begun)
                if len(token) >= SHORTEST_TOLD and token in answer.error:
                    # What is said of an answer is logged, shown and exported.
                    answer = replace(answer, error=answer.error.replace(token, "(the token)"))
                return answer
        except aiohttp.ClientHttpProxyError as error:
            return failed(reason(error, sent=False), error.status, sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            told = reason(error, sent=mark.left)
            # What is no address is not repeated: it could hold a proxy's password.
            words = "" if isinstance(error, ValueError) else f": {error}"
            return failed(told, sent=mark.left, detail=type(error).__name__ + words)
        except GatewayError as error:
            return failed(str(error), sent=mark.left)
        except ValueError as error:
            # Not a word of the library's: it could quote what was not accepted, and that may be the token.
            return failed(f"the request could not be formed ({type(error).__name__})", sent=mark.left)


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

    Given as a header of the call it would clash with an entry for the host in ~/.netrc, which aiohttp reads along with the
    environment's proxies; here it takes that entry's place.
    """

    async def authorize(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers[hdrs.AUTHORIZATION] = f"Token {token}"
        return await handler(request)

    return authorize


def _read(response: aiohttp.ClientResponse, raw: bytes, seconds: float) -> Answer:
    body, readable = _parse(raw)
    status = response.status
    success = 200 <= status < 300
    said = isinstance(body, dict) and isinstance(body.get("error"), str)
    html = "html" in response.content_type
    own = (success and not html and (readable or not raw)) or (status >= 400 and said)
    return Answer(
        sent=True,
        seconds=seconds,
        status=status,
        body=body,
        readable=readable,
        empty=not raw,
        own=own,
        retry_after=_retry_after(response.headers.get("Retry-After")),
        error="" if success else _told(status, body, response.content_type),
    )


def _parse(raw: bytes) -> tuple[object, bool]:
    if len(raw) > LARGEST_ANSWER:
        return None, False
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):  # not JSON, or nested deeper than anything of Oden's
        return None, False


def _told(status: int, body: object, content_type: str) -> str:
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        name = f" ({body['name']})" if isinstance(body.get("name"), str) else ""
        return f"{status}: {body['error']}{name}"[:500]
    return f"{status} with {content_type}, not an answer of Oden's"


def _retry_after(value: str | None) -> float | None:
    """Seconds; the date form is left aside, our own backoff serves then (RFC 9110, 10.2.3)."""
    return float(value) if value and value.isdigit() else None
