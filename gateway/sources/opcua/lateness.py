"""How old what a server tells is when it comes. Pure.

What is behind all the time is: a server or a way that cannot keep up, or a clock that is wrong. What was kept for us
while a connection was away is old as it comes, and what one device says whose clock is wrong: so the least of some
seconds counts. Where nothing changes, the server's own time, which is watched as a heartbeat, shows that nothing is
late.
"""

from collections import deque

LEAST = 10.0
"""Seconds by which all can be late without a problem, and in which anything that is not late shows that all is well."""
INTERVALS = 5
"""Publishing intervals by which all can be late, where these are longer."""


def late_after(publishing: float, sampling: float) -> float:
    """By how many seconds all can be late without a problem, with the revised intervals."""
    return max(LEAST, INTERVALS * publishing + sampling)


class Lateness:
    """Of one session. Times are seconds since 1970, on our clock as far as the server's is known."""

    def __init__(self) -> None:
        self._ages: deque[tuple[float, float]] = deque()
        """When something came and how old it was; each is the least of all since."""
        self._has_times = False

    def came(self, now: float, newest: float | None, beat: float | None) -> float | None:
        """A response came with changes, of which the `newest` is of then, or with none, and perhaps a `beat`: what the
        server's clock showed. How old what has come lately was at the least; None before any change with a time.

        Behind changes a beat says nothing: of it a server keeps the newest alone.
        """
        self._has_times = self._has_times or newest is not None
        shown = beat if newest is None else newest
        if shown is not None:
            age = max(0.0, now - shown)
            while self._ages and self._ages[-1][1] >= age:
                self._ages.pop()
            self._ages.append((now, age))
        while len(self._ages) > 1 and not now - LEAST <= self._ages[0][0] <= now:
            self._ages.popleft()
        return self._ages[0][1] if self._has_times else None
