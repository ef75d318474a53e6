"""How many messages may wait for their acknowledgement, so that no broker ever waits for ours. Pure.

A broker sends so many and then stops until some are acknowledged: 1 to 65,535, and few say how many. It shows when
messages are acknowledged only after a while: where none came for long before that, and the next comes at once after it,
the broker had stopped. From then on half of what it had sent is acknowledged at once, so that it never stops. Should it
send more after all, it had been a coincidence.
"""

MOST = 250
"""Messages that wait at the most, whatever the broker may bear."""
_PAUSE = 0.05
"""Seconds without a message that can be a stop."""
_TIMES = 10.0
"""How much longer a stop is than the gaps between messages before it, and than the wait for the next one after it."""


class AckWindow:
    """What is known of one broker. Times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._sends: int | None = None
        """How many it has been seen to send before it stopped."""
        self._first = self._last = 0.0
        self.waiting = 0
        """Messages that wait for their acknowledgement and that no commit has taken up yet."""
        self._stop: float | None = None
        """When the messages before were acknowledged, where the broker may have stopped before that."""
        self._before = 0

    @property
    def full(self) -> bool:
        """Whether so many wait that they are to be acknowledged at once."""
        return self.waiting >= (MOST if self._sends is None else max(1, self._sends // 2))

    @property
    def since(self) -> float | None:
        """Since when the oldest waits."""
        return self._first if self.waiting else None

    def came(self, at: float) -> None:
        """A message was read that has to be acknowledged."""
        if self._stop is not None:
            pause, gap = self._stop - self._last, (self._last - self._first) / self._before
            if pause > max(_PAUSE, _TIMES * gap, _TIMES * (at - self._stop)) and at > self._stop:
                self._sends = self._before
            self._stop = None
        self._first = at if not self.waiting else self._first
        self._last = at
        self.waiting += 1
        if self._sends is not None and self.waiting > self._sends:
            self._sends = None

    def taken(self) -> int:
        """A commit takes up what waits; answers how many these are."""
        number, self.waiting = self.waiting, 0
        self._before = number or self._before
        return number

    def acknowledged(self, at: float) -> None:
        """What the last commit has taken up is acknowledged."""
        if self._before and not self.waiting:
            self._stop = at
