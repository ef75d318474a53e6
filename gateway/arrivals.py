"""What sources have handed over and nobody has mapped yet, in its order. No I/O."""

import asyncio
from collections import deque
from collections.abc import Iterator

from gateway.sources.base import Arrival

MOST_GATHERED = 500
"""Arrivals that are mapped in one go."""
MOST_MAPPED = 2_000
"""Samples that are mapped in one go, or those of one arrival: so long nothing else of the process turns."""
MOST_QUEUED = 8_000
"""Samples that wait for the batch under way, and arrivals; then sources are made to wait."""


class ArrivalQueue:
    """`room` waits until some were taken out; whoever puts something in looks first whether the queue is full."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque()
        self._size = 0
        """Samples and arrivals."""
        self._room = asyncio.Event()

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self._arrivals)

    def __bool__(self) -> bool:
        return bool(self._arrivals)

    @property
    def is_full(self) -> bool:
        return self._size >= MOST_QUEUED

    async def room(self) -> None:
        self._room.clear()
        await self._room.wait()

    def put(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)
        self._size += arrival.size

    def taken_out(self, *, single: bool = False) -> list[Arrival]:
        """The oldest arrivals, as many as are mapped in one go, or the oldest alone."""
        arrivals: list[Arrival] = []
        size, most = 0, 1 if single else MOST_GATHERED
        while self._arrivals and len(arrivals) < most:
            next_size = self._arrivals[0].size
            if arrivals and size + next_size > MOST_MAPPED:
                break
            size += next_size
            arrivals.append(self._arrivals.popleft())
        self._size -= size
        self._room.set()
        return arrivals
