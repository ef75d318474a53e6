"""Oden's client with an end to every request: whatever hangs, a lane goes on."""

import asyncio

import structlog

from gateway.oden.classification import Answer
from gateway.oden.client import CONNECT_TIMEOUT, OdenClient
from gateway.oden.endpoints import Endpoint
from gateway.oden.http_answer import Keeps

log = structlog.get_logger()

WAITING = 60.0
"""Seconds beyond those of the pace, the connection and the answer."""
LONG = 600.0
"""Seconds beyond those that an answer may take that goes on and on, because not all of it is kept."""


class LimitedClient:
    """`client`, with a limit for each request: `timeout` seconds for its answer, and the time that the pace takes for
    `under_way` requests. It ends then whatever it waits for: a token that cannot be read, a name that is not found."""

    def __init__(self, client: OdenClient, timeout: float, under_way: int) -> None:
        self._client = client
        self._timeout = timeout
        self._under_way = under_way

    @property
    def limit(self) -> float:
        """Seconds that a request takes at the most."""
        return self._timeout + CONNECT_TIMEOUT + WAITING + self._under_way * self._client.pace.gap

    async def post(
        self, endpoint: Endpoint, body: str, written: asyncio.Event, *, keeps: Keeps | None = None
    ) -> Answer:
        """As `OdenClient.post`. A request that has not ended by then may have arrived."""
        limit = self.limit + (LONG if keeps is not None else 0.0)
        asking = asyncio.create_task(self._client.post(endpoint, body, written, keeps=keeps))
        # Whoever waits for it may be cancelled just now, and then nobody asks for its exception.
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait({asking}, timeout=limit)
        finally:
            if not asking.done():
                asking.cancel()
        if asking.done():
            return asking.result()
        log.error("request_without_end", endpoint=endpoint.path, seconds=limit)
        written.set()
        return Answer(sent=True, seconds=limit, error=f"no end of it within {limit:.0f} s")
