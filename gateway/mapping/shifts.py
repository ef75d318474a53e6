"""Shifts by the calendar and the wall clock of a time zone. A shift belongs to the day on which it begins.

On the nights when clocks change, a shift begins and ends by the wall clock all the same, and is an hour shorter or
longer. A time that the clock leaves out counts as the same time after the hour left out; of one that comes twice, the
first counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

WEEK = 8
"""Days that are looked ahead for the next shift: one more than a week, for one that began the day before."""


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """A shift as configured: on which `days` it begins (Monday is 0), and from when to when; up to 24 hours."""

    name: str
    days: frozenset[int]
    start: time
    end: time


class Span(NamedTuple):
    """One shift on one day, from `start` until `end`."""

    start: float
    end: float
    name: str


class Boundary(NamedTuple):
    """From `at` on the shift `name` is on; empty: none."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class ShiftCalendar:
    """The shifts of a line, which follow the wall clock of `zone`."""

    zone: ZoneInfo
    shifts: tuple[ShiftPlan, ...]

    def on(self, at: float) -> Span | None:
        """The shift that is on at `at`; where two overlap, the one that began later."""
        return _on(self._around(at, 1), at)

    def following(self, at: float) -> Boundary | None:
        """When the shift changes next after `at`; None where it never does."""
        spans = self._around(at, WEEK)
        now = _on(spans, at)
        for boundary in sorted({edge for span in spans for edge in (span.start, span.end) if edge > at}):
            later = _on(spans, boundary)
            if later != now:
                return Boundary(boundary, later.name if later is not None else "")
        return None

    def overlap(self) -> tuple[str, str] | None:
        """Two shifts that are on at one time, in a week without a change of clocks."""
        week = ShiftCalendar(ZoneInfo("UTC"), self.shifts)
        spans = sorted(week._around(datetime(2026, 1, 7, tzinfo=week.zone).timestamp(), WEEK))
        return next(((a.name, b.name) for a, b in pairwise(spans) if b.start < a.end), None)

    def _around(self, at: float, days: int) -> list[Span]:
        """The shifts that begin from the day before `at` until `days` days after it."""
        today = datetime.fromtimestamp(at, self.zone).date()
        return [span for ahead in range(-1, days + 1) for span in self._of(today + timedelta(days=ahead))]

    def _of(self, day: date) -> Iterator[Span]:
        for shift in self.shifts:
            if day.weekday() in shift.days:
                last = day if shift.end > shift.start else day + timedelta(days=1)
                start, end = self._moment(day, shift.start), self._moment(last, shift.end)
                if start < end:
                    yield Span(start, end, shift.name)

    def _moment(self, day: date, clock: time) -> float:
        return datetime.combine(day, clock, self.zone).timestamp()


def _on(spans: list[Span], at: float) -> Span | None:
    return max((span for span in spans if span.start <= at < span.end), default=None)
