"""The clock of a server: that it ticks shows that a subscription lives, and by how much it is ahead of ours. Pure.

A keep-alive is no measure of life: one server revised it to 13.9 hours. So the server's current time is one of the
watched values, and silence of three of its intervals is a fault. Where the server refuses that, or its clock does not
tick, the clock is read now and then instead, and the keep-alive is what is left to judge a subscription by.

A message that says it was published after it came proves that the clock is ahead, and by how much at least. What is
known is taken off the times of values, once one of these lies after its arrival too: a server can tell of devices that
have clocks of their own. A clock that is behind looks like a message that was long on its way, so nothing is made of
that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BEATS = 3
"""Intervals without a word that are too many."""
LEAST_INTERVAL = 1.0
"""Seconds: the clocks of many servers tick no faster."""
READ_EVERY = 10.0
"""Seconds between two readings where the server's clock cannot be watched; less where the session would end sooner."""
LEAST_READING = 0.25
"""Seconds between two readings, however short the session is."""


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
    return max(LEAST_READING, min(READ_EVERY, session_timeout / 4))


JITTER = 0.1
"""By so many seconds more than is known shows nothing, and so little is a right clock."""
MOST = 300.0
"""More, in seconds, is a wrong clock, ours perhaps, and no lead."""
PUT_RIGHT = 1.0
"""Messages that are all ahead by so many seconds less than is known show that the clock has been put right,"""
MESSAGES = 5
"""where they are so many at least,"""
LONG = 60.0
"""over so many seconds: what a server has kept comes late."""


@dataclass(slots=True)
class ServerClock:
    """What is known of the clock of one server, over all sessions."""

    lead: float = 0.0
    stamps: bool = False
    """Values are stamped by it."""
    _less: tuple[float, int, float] | None = None
    """Of the messages since the last that showed the lead: when the first came, how many they are, and by how much one
    of them was ahead at most."""

    @property
    def ahead(self) -> float:
        """Seconds that are to be taken off the times of values."""
        return self.lead if self.stamps else 0.0

    def moved(self, by: float) -> None:
        """Our own clock was set by so many seconds, back where that is negative: what was known of the server's is true
        of a clock that we have no more."""
        if by:
            self.lead, self._less = max(0.0, self.lead - by), None

    def published(self, said: float, now: float) -> None:
        """A message came `now` that says when it was published."""
        ahead = said - now
        if ahead > MOST:
            return
        if ahead > self.lead + JITTER:
            self.lead, self._less = ahead, None
        elif ahead >= self.lead - min(PUT_RIGHT, self.lead / 2):
            self._less = None
        else:
            since, number, most = self._less or (now, 0, ahead)
            number, most = number + 1, max(most, ahead)
            self._less = since, number, most
            if number >= MESSAGES and now - since >= LONG:
                self.lead, self._less = (most if most > JITTER else 0.0), None

    def stamped(self, said: Sequence[float], now: float) -> None:
        """Values came `now` that say when they were so."""
        latest = max(said, default=0.0) - now
        self.stamps = self.stamps or (latest > JITTER and any(JITTER < each - now <= MOST for each in said))
