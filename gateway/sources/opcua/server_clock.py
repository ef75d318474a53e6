"""By how much the clock of a server is ahead of ours. Pure.

A message that says it was published after it came proves that, and by how much at least. What is known is taken off the
times of values, once one of these lies after its arrival too: a server can tell of devices that have clocks of their
own. A clock that is behind looks like a message that was long on its way, so nothing is made of that.
"""

from dataclasses import dataclass

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

    def stamped(self, said: float, now: float) -> None:
        """A value came `now` that says when it was so."""
        self.stamps = self.stamps or JITTER < said - now <= MOST
