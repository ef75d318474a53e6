"""When the next request may be written. Pure: times are passed in, on the monotonic clock.

Oden's overview recommends at most one request per second. The guard covers the difference in how long two requests take
from here to there; without it a receiver sees gaps of 0.99 s. Oden's 429 means that even this is too fast, for instance
because others send with the same token.
"""

INTERVAL = 1.000
GUARD = 0.010

SLOWEST = 8
"""The gaps grow to this many times the configured one at the most."""
ACCEPTED = 20
"""Requests that must be accepted, one after the other, before the rate is doubled again."""


class Pace:
    """At most one write per `interval` + GUARD seconds.

    A fresh pace waits a full one first, because nobody knows what the process before it has just sent. A 429 halves the
    rate; every `ACCEPTED` requests that follow without one double it, until it is the configured rate again.
    """

    def __init__(self, now: float, interval: float = INTERVAL) -> None:
        self._shortest = interval + GUARD
        self._times = 1
        self._accepted = 0
        self._slowed_at: float | None = None
        self._last = now

    @property
    def gap(self) -> float:
        """Seconds that lie between two writes now."""
        return self._shortest * self._times

    def wait(self, now: float) -> float:
        """Seconds until a request may be written; 0 when it may be now."""
        return max(0.0, self._last + self.gap - now)

    def written(self, now: float) -> None:
        """A request has been written; `now` is when the write was over."""
        self._last = now

    def accepted(self, written: float) -> None:
        """Oden took the request that was written at `written`."""
        if self._times == 1 or not self._counts(written):
            return
        self._accepted += 1
        if self._accepted >= ACCEPTED:
            self._accepted = 0
            self._times //= 2

    def refused(self, written: float, now: float) -> None:
        """Oden answered 429 at `now` to the request that was written at `written`."""
        if not self._counts(written):
            return
        self._accepted = 0
        self._slowed_at = now
        self._times = min(SLOWEST, self._times * 2)

    def _counts(self, written: float) -> bool:
        """Requests that were under way when the rate was halved say nothing about the rate since."""
        return self._slowed_at is None or written > self._slowed_at
