"""Ends that are dead letters, of intervals that Oden shows as open: what begins after them may be refused because of
that. Each call is one transaction at the most."""

from collections.abc import Collection

from gateway.model import StartInterval, UpdateInterval
from gateway.outbox.lanes import DEAD
from gateway.outbox.listing import PAGE, Cursor, Filter, Listed, page
from gateway.outbox.operator_actions import retry
from gateway.outbox.store import Outbox
from gateway.record_kinds import end_of


def left_open_before(outbox: Outbox, start: StartInterval) -> frozenset[str]:
    """The keys of the intervals of its line and type that began before `start` and stay open at Oden until a person
    sees to a dead letter: their end, or their start, which is unsettled."""
    return frozenset(listed.record.interval for listed in _letters(outbox, start))


def send_ends_again(outbox: Outbox, start: StartInterval, intervals: Collection[str]) -> frozenset[str]:
    """Send the ends once more that are dead letters, of those of `left_open_before` that are among `intervals`; the
    keys of these intervals."""
    ends = [one for one in _letters(outbox, start) if one.where == "dead" and one.record.interval in intervals]
    return frozenset(one.record.interval for one in ends) if ends and retry(outbox, ends).sent else frozenset()


def _letters(outbox: Outbox, start: StartInterval) -> list[Listed]:
    """What stands in the way, among the newest dead letters."""
    lane = outbox.lanes.get(DEAD)
    if lane is None or not lane.waiting:
        return []
    newest = Cursor(DEAD, max(0, lane.tail - PAGE))
    letters, _ = page(outbox, Filter(where="dead", lines=(start.line,), kind=start.type), newest)
    unsettled, _ = page(outbox, Filter(where="unsettled", lines=(start.line,), kind=start.type), newest)
    return [one for one in (*letters, *unsettled) if _is_in_the_way(outbox, start, one)]


def _is_in_the_way(outbox: Outbox, start: StartInterval, listed: Listed) -> bool:
    record, interval = listed.record, outbox.interval(listed.record.interval)
    if interval is None or interval.gone or interval.closed or interval.start >= start.start:
        return False
    if isinstance(record, StartInterval):
        return listed.where == "unsettled"
    is_end = isinstance(record, UpdateInterval) and end_of(record) is not None
    return listed.where == "dead" and is_end and interval.oden_id is not None
