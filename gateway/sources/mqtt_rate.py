"""How many messages come in the busiest hour, and for how long a broker's queue is enough at that rate. Pure."""

from collections import deque

HOURS = 24 * 7
"""Hours that are remembered: a week, because a plant may stand still at the weekend."""
_HOUR, _MINUTE = 3600.0, 60.0


class Busiest:
    """Counts messages by the hour, from the first one on; times are seconds on one clock that never goes back."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._hours: deque[tuple[int, int]] = deque(maxlen=HOURS)
        """Hours in which something came, by their numbers, and how much; the last may still go on."""

    def add(self, now: float) -> None:
        """A message has come."""
        self._first = now if self._first is None else self._first
        hour = int((now - self._first) // _HOUR)
        last, count = self._hours.pop() if self._hours else (hour, 0)
        if last != hour:
            self._hours.append((last, count))
            count = 0
        self._hours.append((hour, count + 1))

    def lasts(self, queue: int, now: float) -> float | None:
        """For how many seconds a queue of so many messages is enough, at the rate of the busiest hour of the last week;
        in the first hour at that so far. None before a minute has passed."""
        if self._first is None or now - self._first < _MINUTE:
            return None
        oldest = (now - self._first) // _HOUR - HOURS
        most = max((count for hour, count in self._hours if hour > oldest), default=0)
        return queue * min(now - self._first, _HOUR) / most if most else None
