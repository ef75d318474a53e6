"""Who looks on at what the sources hand over, whichever these are at the moment."""

from collections.abc import Callable, Iterable

from gateway.sources.base import Arrival, Take

Watch = Callable[[Arrival], None]
"""Told of an arrival; never raises, and does not wait."""


class Onlookers:
    """Stands between the sources and `then`, which takes what they hand over. `waiting` is what `then` has accepted and
    not made anything of yet."""

    def __init__(self, then: Take, waiting: Callable[[], Iterable[Arrival]] = lambda: ()) -> None:
        self._then = then
        self._waiting = waiting
        self._watching: set[Watch] = set()
        self._handed: dict[int, Arrival] = {}
        """By its identity what `then` has no room for yet."""

    async def take(self, arrival: Arrival) -> None:
        """Tell those who look on, and hand `arrival` on."""
        for watch in self._watching:
            watch(arrival)
        self._handed[id(arrival)] = arrival
        try:
            await self._then(arrival)
        finally:
            del self._handed[id(arrival)]

    def join(self, watch: Watch) -> None:
        """Tell `watch` of all that is under way, and of what comes from now on until it leaves. What is not told is in
        what is known at this moment: whoever reads that without a wait in between misses nothing and gets nothing
        twice."""
        for arrival in (*self._waiting(), *self._handed.values()):
            watch(arrival)
        self._watching.add(watch)

    def leave(self, watch: Watch) -> None:
        self._watching.discard(watch)
