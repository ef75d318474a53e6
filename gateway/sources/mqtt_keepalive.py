"""When a PINGREQ is due, and whether the broker is dead. Pure, for one connection.

A broker is dead that sends nothing at all for an interval after it was asked for a sign of life. What waits in the
kernel is such a sign, and while nothing is read from the socket nothing can be known: behind many messages the answer
to a PINGREQ comes last.
"""


class KeepAlive:
    """Times are seconds on a monotonic clock. `interval` is the longest silence from us that the broker bears, and how
    long its answer is waited for."""

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._sent = now
        self._asked: float | None = None
        """When the PINGREQ was sent after which nothing has come."""

    def sent(self, now: float) -> None:
        """Something was sent."""
        self._sent = now

    def pinged(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._sent = now
        if self._asked is None:
            self._asked = now

    def heard(self) -> None:
        """Something has come, or waits to be read, or nothing is read at present."""
        self._asked = None

    def due(self, now: float, tick: float) -> bool:
        """Whether a PINGREQ is to be sent; this is asked every `tick` seconds."""
        return now - self._sent >= max(self.interval - tick, self.interval / 2)

    def dead(self, now: float) -> bool:
        """Whether the broker is given up."""
        return self._asked is not None and now - self._asked >= self.interval
