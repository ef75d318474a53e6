"""A connection on which HTTP is served to whoever comes: it says nothing of itself or of what was sent, and waits for
nobody for ever.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aiohttp import web

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Reticent(web.RequestHandler):
    """Answers what is no request without repeating it, with `headers` instead of the library's, which name its version.
    Of an end that hangs up nothing is logged. One that does not take what it is sent within `taken_within` seconds is
    cut off.

    That is looked at here and not where an answer is made, since it may have been made long before: what is asked many
    times in a row and never read would hold a connection for ever, and all connections that there may be, the page.
    """

    def __init__(
        self,
        *arguments: Any,
        headers: Mapping[str, str] = NO_HEADERS,
        taken_within: float = math.inf,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._headers, self._taken_within = headers, taken_within
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=0)  # so that it is known of each byte whether it is taken

    def pause_writing(self) -> None:
        """Something waits to be taken."""
        super().pause_writing()
        transport = self.transport
        if transport is not None and self._taken_within < math.inf:
            self._cut = asyncio.get_running_loop().call_later(self._taken_within, transport.abort)

    def resume_writing(self) -> None:
        """All of it has been."""
        super().resume_writing()
        self._spare()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end."""
        self._spare()
        super().connection_lost(exc)

    def _spare(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer where there is no other."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(exc, ConnectionError):
            super().handle_error(request, status, exc, message)  # for the log: it is a fault of the gateway's own
        response = web.Response(status=status, text=HTTPStatus(status).phrase, headers=self._headers)
        response.force_close()
        return response


class Refused(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def at_most(most: int, made: Callable[[], asyncio.BaseProtocol], connected: Callable[[], int]) -> asyncio.BaseProtocol:
    """The protocol of one more connection, while fewer than `most` are `connected`."""
    return made() if connected() < most else Refused()
