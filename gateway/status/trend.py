"""How much has waited for Oden over the last hours, how many requests were made, and how long what waited was to take:
a point a minute, for the charts of the page alone. Pure; kept in the file of the history (`history_file`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from gateway.status.snapshot import Snapshot

MINUTE = 60
KEPT = 12 * 60
"""Points: those of twelve hours."""


@dataclass(frozen=True, slots=True)
class Point:
    """A minute: when it began, the most that waited in it, the requests that ended in it, and the seconds that draining
    was to take at its end; None while nothing was delivered.
    """

    minute: int
    waiting: int
    requests: int
    drain: float | None


POINT = TypeAdapter(Point)


class Trend:
    """The points, oldest first. A minute in which the gateway did not run has none."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=KEPT)
        self._requests: int | None = None
        self._unsaved: list[Point] = []

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self._points)

    def since(self, minute: float) -> Sequence[Point]:
        """The points from `minute` on (epoch), also the one that is not at its end yet."""
        return [point for point in self._points if point.minute >= minute]

    def take(self, picture: Snapshot) -> None:
        """The gateway as it is now. One from before the newest point, after a clock was set back, begins anew there."""
        made = sum(picture.oden.requests.values())
        requests = made - self._requests if self._requests is not None and made >= self._requests else 0
        self._requests = made
        drain = picture.outbox.drain_seconds
        minute = int(picture.now // MINUTE * MINUTE)
        waiting = sum(number for where, number in picture.outbox.records.items() if where not in {"dead", "unsettled"})
        while self._points and self._points[-1].minute > minute:
            self._points.pop()
        now = Point(minute, waiting, requests, drain if drain < float("inf") else None)
        last = self._points[-1] if self._points else None
        if last is not None and last.minute == minute:
            self._points[-1] = replace(now, waiting=max(waiting, last.waiting), requests=last.requests + requests)
        else:
            self._unsaved += [last] if last is not None else []
            self._points.append(now)

    # As lines of the file

    def unsaved(self) -> list[str]:
        """Whole minutes since the last call."""
        points, self._unsaved = self._unsaved, []
        return [POINT.dump_json(point).decode() for point in points]

    def all_lines(self) -> list[str]:
        """Everything."""
        self._unsaved = []
        return [POINT.dump_json(point).decode() for point in self._points]

    def load(self, lines: Iterable[str]) -> None:
        """What such lines say; those that are none are left out."""
        known: dict[int, Point] = {}
        for line in lines:
            with suppress(ValidationError):
                point = POINT.validate_json(line)
                known[point.minute] = point
        self._points = deque((known[minute] for minute in sorted(known)), maxlen=KEPT)
