"""The points of the charts."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.status.history import MINUTE, MOST_POINTS, Point, Trend
from gateway.status.history_file import Chronicle
from gateway.status.snapshot import Snapshot
from tests.status.conftest import NOW


def at(picture: Snapshot, now: float, waiting: int, requests: int, drain: float = 5.0) -> Snapshot:
    records = dict.fromkeys(picture.outbox.records, 0) | {"waiting": waiting, "dead": 9}
    return replace(
        picture,
        now=now,
        outbox=replace(picture.outbox, records=records, drain_seconds=drain),
        oden=replace(picture.oden, requests={("interval", "set", "delivered"): requests}),
    )


def test_a_minute_has_the_most_that_waited_and_the_requests_that_were_made(picture: Snapshot) -> None:
    """Dead letters do not wait for Oden; the last word on draining counts; what was requested before is not counted."""
    trend = Trend()
    for second, waiting, requests in ((0, 3, 100), (20, 50, 104), (59, 4, 130), (60, 2, 131)):
        trend.take(at(picture, NOW + second, waiting, requests, drain=float(waiting)))
    assert trend.since(0) == [Point(int(NOW), 50, 30, 4.0), Point(int(NOW) + 60, 2, 1, 2.0)]
    assert trend.since(NOW + 1) == [Point(int(NOW) + 60, 2, 1, 2.0)]


def test_while_nothing_is_delivered_nobody_knows_how_long_it_takes(picture: Snapshot) -> None:
    """JSON has no infinity."""
    trend = Trend()
    trend.take(at(picture, NOW, 3, 0, drain=float("inf")))
    assert trend.since(0) == [Point(int(NOW), 3, 0, None)]


@given(moments=st.lists(st.tuples(st.integers(-3_000, 60_000), st.integers(0, 99), st.integers(0, 99)), max_size=60))
def test_points_are_in_order_and_come_back_from_the_file(
    picture: Snapshot, moments: list[tuple[int, int, int]]
) -> None:
    """Whatever the clock does, minutes are told once each and in order; what was saved on the way, with the whole file
    at the end or without, is read again as it was but for the minute that was not at its end.
    """
    trend, lines = Trend(), list[str]()
    for number, (second, waiting, requests) in enumerate(moments):
        trend.take(at(picture, NOW + second, waiting, requests))
        lines += trend.unsaved() if number % 3 == 0 else []
    minutes = [point.minute for point in trend.since(-1e12)]
    assert minutes == sorted(set(minutes))
    assert all(minute % MINUTE == 0 for minute in minutes)
    again, whole = Trend(), Trend()
    again.load([*lines, *trend.unsaved(), "", "{", '{"key": "a"}'])
    whole.load(trend.all_lines())
    assert whole.since(-1e12) == trend.since(-1e12)
    told = {point.minute: point for point in again.since(-1e12)}
    assert [told.get(point.minute) for point in trend.since(-1e12)[:-1]] == [*trend.since(-1e12)[:-1]]


def test_it_is_bounded(picture: Snapshot) -> None:
    """Twelve hours."""
    trend = Trend()
    for minute in range(MOST_POINTS + 5):
        trend.take(at(picture, NOW + 60 * minute, minute, 0))
    assert (trend.size, trend.since(0)[0].waiting) == (MOST_POINTS, 5)


def test_a_restart_goes_on_with_the_charts(picture: Snapshot, tmp_path: Path) -> None:
    """History and trend share a file, and neither takes the other's lines."""
    before = Chronicle(tmp_path / "page.jsonl")
    for minute in range(3):
        before.trend.take(at(picture, NOW + 60 * minute, minute, 0))
    asyncio.run(before.save())
    after = Chronicle(tmp_path / "page.jsonl")
    asyncio.run(after.load())
    assert [point.waiting for point in after.trend.since(0)] == [0, 1]
    assert after.history.size == 0
