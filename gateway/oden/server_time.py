"""Oden's clock, by the `Date` of its answers: several over a minute that agree, so that no single one is believed."""

from collections import deque
from email.utils import parsedate_to_datetime
from statistics import median

WITHIN = 600.0
"""Seconds for which an answer counts."""
OVER = 60.0
"""Seconds that the answers must span."""
FEWEST = 3
SPREAD = 5.0
"""Seconds by which they may differ: `Date` has whole seconds, and an answer takes its time."""
MOST_KEPT = 600


class ServerTime:
    """What is known of the server's clock, as its distance from the monotonic one."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=MOST_KEPT)
        """When an answer came (monotonic), and what has to be added to that for the server's time."""
        self.answers = 0
        """Answers that could have told, whether they did or not."""

    def note(self, date: str | None, at: float, seconds: float) -> None:
        """An answer came `at` a time on the monotonic clock, `seconds` after its request, with this `Date`."""
        self.answers += 1
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        # It was written in the middle, at some time of its second.
        self._seen.append((at, told + 0.5 - (at - seconds / 2)))

    def latest(self, now: float) -> float | None:
        """The distance by the last answer; None where none has told lately."""
        return self._seen[-1][1] if self._seen and self._seen[-1][0] > now - WITHIN else None

    def distance(self, now: float) -> float | None:
        """The distance on which several answers over a minute agree; None where they are too few, or differ."""
        while self._seen and self._seen[0][0] < now - WITHIN:
            self._seen.popleft()
        if len(self._seen) < FEWEST or self._seen[-1][0] - self._seen[0][0] < OVER:
            return None
        distances = [distance for _, distance in self._seen]
        middle = median(distances)
        return middle if all(abs(distance - middle) <= SPREAD for distance in distances) else None
