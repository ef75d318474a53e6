"""Intervals that Oden may show as open until a person sees to a dead letter: what begins after them may be refused
because of that. Each call is one transaction at the most."""

from collections.abc import Collection, Mapping

from gateway.model import StartInterval, UpdateInterval
from gateway.outbox.lanes import DEAD
from gateway.outbox.left_open import latest_start
from gateway.outbox.listing import PAGE, Cursor, Filter, Listed, page
from gateway.outbox.operator_actions import retry
from gateway.outbox.store import Outbox
from gateway.record_kinds import end_of


def left_open_before(outbox: Outbox, start: StartInterval) -> Mapping[str, bool]:
    """The keys of the intervals of its line and type that began before `start` and may stay open at Oden until a person
    sees to a dead letter: their end, or their start, which is unsettled; and whether it is the latter, and none that
    began since is known to be at Oden. What Oden says of `start` then says nothing of `start` itself."""
    letters = _letters(outbox, start)
    unsettled = {one.record.interval: one.record.start for one in letters if isinstance(one.record, StartInterval)}
    others = {one.record.interval for one in letters} - unsettled.keys()
    there = [interval.start for key in others if (interval := outbox.interval(key)) is not None]
    latest = max(latest_start(outbox, start), *there, 0)
    return {key: latest <= began for key, began in unsettled.items()} | dict.fromkeys(others, False)


def why_it_waits(left_open: Mapping[str, bool]) -> str:
    """Why a start that is refused waits with what `left_open_before` has found, in words for a person."""
    if any(left_open.values()):
        return "of the one before it nobody knows whether it is there, and `oden-gateway outbox settle` goes on"
    return "the interval before it stays open until its dead letter is seen to"


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
        return listed.where == "unsettled" and record.end is None
    is_end = isinstance(record, UpdateInterval) and end_of(record) is not None
    return listed.where == "dead" and is_end and interval.oden_id is not None
