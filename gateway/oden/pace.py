"""When the next request may be written. Pure: times are passed in, on the monotonic clock.

Oden's overview recommends at most one request per second. The guard covers the difference in how long two requests take
from here to there; without it a receiver sees gaps of 0.99 s.
"""

INTERVAL = 1.000
GUARD = 0.010


class Pace:
    """At most one write per `interval` + GUARD seconds.

    A fresh pace waits a full one first, because nobody knows what the process before it has just sent.
    """

    def __init__(self, now: float, interval: float = INTERVAL) -> None:
        self._gap = interval + GUARD
        self._next = now + self._gap

    def wait(self, now: float) -> float:
        """Seconds until a request may be written; 0 when it may be now."""
        return max(0.0, self._next - now)

    def written(self, now: float) -> None:
        """A request was written at `now`."""
        self._next = now + self._gap
