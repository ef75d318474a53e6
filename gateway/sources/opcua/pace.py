"""How often a session is set up: a small controller has few sessions, and little time. Pure."""

from collections import deque

MOST = 20
"""Set-ups within WINDOW."""
WINDOW = 600.0
"""Seconds."""

_SHARE = 10.0  # times as long as setting up took is the least time between the beginnings of two
_LONGEST = 60.0  # seconds that this share is at the most


class SetUps:
    """Remembers the set-ups of one server, and says how long to wait before the next. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=MOST)
        self._took = 0.0

    def add(self, begun: float, took: float) -> None:
        """A session was set up, whatever became of it."""
        self._begun.append(begun)
        self._took = took

    def wait(self, now: float) -> float:
        """Seconds until the next may begin."""
        if not self._begun:
            return 0.0
        spared = self._begun[-1] + min(_SHARE * self._took, _LONGEST)
        counted = self._begun[0] + WINDOW if len(self._begun) == MOST else now
        return max(0.0, spared - now, counted - now)
