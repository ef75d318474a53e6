"""Time: wall-clock time that never runs backwards while the process lives."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the gateway gets its time from; tests and simulations inject their own."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z; never goes back while anything is stamped or waits by it."""

    def monotonic(self) -> float:
        """Seconds on the clock that `asyncio.sleep` waits by; only differences mean something."""

    def slept(self) -> float:
        """Seconds that the machine has slept, of which the monotonic clock knows nothing; only differences mean
        something."""


class ClockMoves:
    """By how much our clock was set: what was learned by it of the clocks of others moves by that."""

    LEAST = 0.1
    """Less, in seconds, is no move."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before: float | None = None

    def take(self) -> float:
        """Seconds by which it is later than it would be, had nobody set it since this was asked last, or earlier where
        that is negative; so it is too while the machine has slept, and it was not set for that yet. 0 the first
        time."""
        before = self._clock.now() - self._clock.monotonic() - self._clock.slept()
        by = before - self._before if self._before is not None else 0.0
        if self._before is None or abs(by) >= self.LEAST:
            self._before = before
        return by if abs(by) >= self.LEAST else 0.0


class AnchoredClock:
    """The system's wall clock, read once and carried on by the monotonic clock.

    A step of the system clock (NTP, an operator) therefore reorders nothing. Whoever owns the clock may `shift` it:
    forward at any time, back only while nothing is stamped and nothing waits by it.
    """

    def __init__(self) -> None:
        self._offset = self.machine() - self.monotonic()

    def shift(self, seconds: float) -> None:
        """Be so much later from now on, or earlier where it is negative."""
        self._offset += seconds

    def drift(self) -> float:
        """Seconds by which the system's clock is ahead of this one: it was set since, or the machine slept."""
        return self.machine() - self.now()

    def now(self) -> float:
        return self.monotonic() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def machine(self) -> float:
        """What the system's wall clock shows at the moment."""
        return time.time()

    def slept(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


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

    def slept(self) -> float:
        return 0.0
