"""Shifts by the calendar: any calendar, any zone, any time of the year."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema_intervals import weekdays
from gateway.mapping.shifts import ShiftCalendar, ShiftPlan

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))
THREE = (
    ShiftPlan("Early", EVERY_DAY, time(6), time(14)),
    ShiftPlan("Late", EVERY_DAY, time(14), time(22)),
    ShiftPlan("Night", EVERY_DAY, time(22), time(6)),
)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-sun", EVERY_DAY),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("Sat, Sun", {5, 6}),
        ("sun-thu", {6, 0, 1, 2, 3}),
        ("fri-mon,wed", {4, 5, 6, 0, 2}),
        ("tue", {1}),
        ("tue-tue", {1}),
        ("tue,never", set()),
    ],
)
def test_days(days: str, expected: set[int]) -> None:
    """Days and ranges of days, also over the end of the week."""
    assert weekdays(days) == expected


@pytest.mark.parametrize(
    ("start", "hours"),
    [("2026-03-28T22:00+01:00", 7), ("2026-10-24T22:00+02:00", 9), ("2026-06-01T22:00+02:00", 8)],
)
def test_night_shift_when_clocks_change(start: str, hours: int) -> None:
    """The wall clock decides: the night is an hour shorter or longer."""
    span = ShiftCalendar(BERLIN, THREE).on(moment(start))
    assert span is not None
    assert (span.name, span.start, (span.end - span.start) / 3600) == ("Night", moment(start), hours)


zones = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Africa/Cairo"]
)
times = st.floats(moment("2024-01-01T00:00Z"), moment("2029-01-01T00:00Z")).map(lambda at: round(at, 3))
clocks = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@given(zones, times)
def test_three_shifts_a_day_leave_no_gap(zone: str, at: float) -> None:
    """At any time one of them is on, and the next begins where it ends, in the order of the day."""
    calendar = ShiftCalendar(ZoneInfo(zone), THREE)
    span, following = calendar.on(at), calendar.following(at)
    assert span is not None
    assert following is not None
    assert span.start <= at < span.end == following.at
    assert following.name == {"Early": "Late", "Late": "Night", "Night": "Early"}[span.name]
    assert timedelta(hours=7) <= timedelta(seconds=span.end - span.start) <= timedelta(hours=9)


@given(zones, times, clocks, clocks, st.frozensets(st.integers(0, 6), min_size=1))
def test_boundaries_are_where_the_shift_changes(
    zone: str, at: float, start: time, end: time, days: frozenset[int]
) -> None:
    """Nothing changes before the next boundary, and there it does; one shift on some days always comes again."""
    calendar = ShiftCalendar(ZoneInfo(zone), (ShiftPlan("S", days, start, end),))
    now, following = calendar.on(at), calendar.following(at)
    assert following is not None
    assert following.at > at
    assert calendar.on(following.at - 0.001) == now
    later = calendar.on(following.at)
    assert later != now
    assert following.name == ("" if later is None else "S")


def test_shifts_that_overlap_are_found() -> None:
    """Also over midnight and over the end of the week."""
    assert ShiftCalendar(BERLIN, THREE).overlap() is None
    sunday = ShiftPlan("Sunday", frozenset({6}), time(22), time(7))
    monday = ShiftPlan("Monday", frozenset({0}), time(6), time(7))
    assert ShiftCalendar(BERLIN, (sunday, monday)).overlap() == ("Sunday", "Monday")
    assert ShiftCalendar(BERLIN, (ShiftPlan("Day", EVERY_DAY, time(6), time(6)),)).overlap() is None
