"""Which intervals of one line and type still have their ends to be told, so that Oden shows them as open."""

from collections.abc import Iterator
from itertools import islice

from gateway.model import StartInterval
from gateway.outbox.cache import OutboxCache
from gateway.outbox.lanes import Lane, parked_lane, stored_record, updates_lane
from gateway.outbox.ready_set import is_pending
from gateway.record_kinds import end_of

MOST_LOOKED = 500
"""Rows of a lane that are looked at for ends."""


def open_before(cache: OutboxCache, start: StartInterval) -> dict[str, bool]:
    """The keys of the intervals that began before `start`, and whose ends wait, are parked or are under way; and
    whether Oden has the interval.
    """
    keys: dict[str, bool] = {}
    for name in (updates_lane(start.line, start.type), parked_lane(start.line)):
        for text in islice(_rows(cache, name), MOST_LOOKED):
            record = stored_record(text).record
            if record.type != start.type or end_of(record) is None:
                continue
            interval = cache.interval(record.interval)
            if interval is not None and interval.start < start.start and is_pending(interval):
                keys[record.interval] = interval.oden_id is not None
    return keys


def _rows(cache: OutboxCache, name: str) -> Iterator[str]:
    """The rows of a lane, those under way first."""
    for attempt in cache.attempts(name):
        for position in attempt.positions:
            yield cache.row(f"record/{name}/{position}") or ""
    for first, last, _ in cache.lanes.get(name, Lane("")).parts():
        for _, text in cache.ready.waiting(name, first, last):
            yield text
