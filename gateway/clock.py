"""Time: wall-clock time that never runs backwards while the process lives."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the gateway gets its time from; tests and simulations inject their own."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z; never goes back within one process."""

    def monotonic(self) -> float:
        """Seconds on the clock that `asyncio.sleep` waits by; only differences mean something."""


class AnchoredClock:
    """The system's wall clock, read once and carried on by the monotonic clock.

    A step of the system clock (NTP, an operator) therefore reorders nothing. Whoever owns the clock may `anchor` it
    again where it has fallen behind, which only ever moves it forward.
    """

    def __init__(self) -> None:
        self.anchor()

    def anchor(self) -> None:
        """Read the system's clock anew; only for while nothing has been stamped yet."""
        self._offset = time.time() - time.monotonic()

    def drift(self) -> float:
        """Seconds by which the system's clock is ahead of this one: it was set since, or the machine slept."""
        return time.time() - self.now()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()


class LoopClock:
    """A clock that follows the running event loop: where the loop's time is simulated, so is this one."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def now(self) -> float:
        return self._epoch + self._loop.time() - self._start

    def monotonic(self) -> float:
        return self._loop.time()
