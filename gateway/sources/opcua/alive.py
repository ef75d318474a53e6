"""Whether a subscription lives: judged by a value that must change, the server's clock. Pure.

A keep-alive is no measure: one server revised it to 13.9 hours. So the server's current time is one of the watched
values, and silence of three of its intervals is a fault. Where the server refuses that, or its clock does not tick,
the clock is read now and then instead, and the keep-alive is what is left to judge a subscription by.
"""

import math
from dataclasses import dataclass

BEATS = 3
"""Intervals without a word that are too many."""
LEAST_INTERVAL = 1.0
"""Seconds: the clocks of many servers tick no faster."""
READ_EVERY = 10.0
"""Seconds between two readings where the server's clock cannot be watched; less where the session would end sooner."""


@dataclass(slots=True)
class Pulse:
    """One subscription. `interval` is how often its heartbeat is to come, as revised; 0 where the server refused it.

    `keepalive` is after how many seconds the server says something anyway, as revised. `begun` and `now` are seconds on
    the monotonic clock.
    """

    interval: float
    keepalive: float
    least: float
    begun: float
    beats: int = 0
    heard_at: float = 0.0

    def __post_init__(self) -> None:
        self.heard_at = self.begun

    def heard(self, now: float, *, beats: int) -> None:
        """A message came, with `beats` values of the server's clock in it."""
        self.heard_at = now
        self.beats += beats

    def waited(self, seconds: float) -> None:
        """We did not listen for so long."""
        self.heard_at += seconds
        self.begun += seconds

    def resumed(self, now: float) -> None:
        """We listen again, over another connection."""
        self.heard_at = self.begun = now

    def is_watched(self, now: float) -> bool:
        """Whether the heartbeat is what the subscription is judged by. Its first value is no beat."""
        if not self.interval:
            return False
        return self.beats > 1 or now < self.begun + BEATS * self.interval

    def dead_at(self, now: float) -> float:
        """When it is to be taken for dead unless something is heard before."""
        if self.is_watched(now):
            return self.heard_at + BEATS * self.interval if self.beats > 1 else math.inf
        return self.heard_at + max(self.least, 2 * self.keepalive)


def heartbeat_interval(timeout: float, session_timeout: float) -> float:
    """How often the heartbeat is asked for, in seconds: three are one time-out, and the session never ends."""
    return max(LEAST_INTERVAL, min(timeout / BEATS, session_timeout / 4))


def reading_interval(session_timeout: float) -> float:
    """How often the server's clock is read where it cannot be watched."""
    return min(READ_EVERY, session_timeout / 4)
