"""What Oden has been told of intervals, and what was learned of Oden itself: each call is one transaction."""

from collections.abc import Mapping

from pydantic import JsonValue

from gateway.frozen import replace
from gateway.model import Notice, StartInterval, UpdateInterval, record_key
from gateway.outbox import record_rules, statistics
from gateway.outbox.entries import DeadLetter, Interval, Work
from gateway.outbox.lanes import DEAD, StoredRecord, output_lanes, parked_lane, starts_lane, updates_lane
from gateway.outbox.merge import set_fields, without
from gateway.outbox.store import Outbox

LEARNED = "learned"
LATEST = 2**60
"""A start after all others."""


def learned(outbox: Outbox) -> str | None:
    """What delivery has learned of Oden, as it has written that itself."""
    return outbox.row(LEARNED)


def keep_learned(outbox: Outbox, text: str) -> None:
    """Put on disk what delivery has learned of Oden."""
    with outbox.transaction() as transaction:
        transaction.put[LEARNED] = text


def note(outbox: Outbox, notice: Notice) -> None:
    """Keep a notice of what was found at Oden."""
    with outbox.transaction() as transaction:
        statistics.note(transaction, notice)


def known_before(outbox: Outbox, line: str, interval_type: str, start: int) -> list[tuple[str, str]]:
    """The intervals of a line and type that are known and began before `start`, in order: their keys, and their ids at
    Oden."""
    known = sorted((one.start, key, one.oden_id) for key, one in _known(outbox, line, interval_type).items())
    return [(key, oden_id) for begun, key, oden_id in known if begun < start and oden_id is not None]


def has_output(outbox: Outbox, line: str) -> bool:
    """Whether output of a line may wait."""
    lanes = (outbox.lanes.get(name) for name in (*output_lanes(line), parked_lane(line)))
    return any(lane is not None and lane.waiting for lane in lanes)


def lines_with_output(outbox: Outbox) -> frozenset[str]:
    """The lines of which output may wait, configured or not."""
    lines = {lane.line for name, lane in outbox.lanes.items() if name != DEAD}
    return frozenset(line for line in lines if has_output(outbox, line))


def known_starts(outbox: Outbox, line: str, interval_type: str) -> dict[str, int]:
    """The ids at Oden of the intervals of a line and type that are open, or were lately, and when they began."""
    known = _known(outbox, line, interval_type).values()
    return {one.oden_id: one.start for one in known if one.oden_id is not None}


def with_entries(outbox: Outbox, line: str, interval_type: str) -> str | None:
    """The id at Oden of an interval of a line and type that has several entries of output from here, at times that
    differ; None where none is known."""
    known = _known(outbox, line, interval_type).values()
    several = (one for one in known if one.oden_id is not None and len({*(one.sent or {}).values()}) > 1)
    return next((one.oden_id for one in several), None)


def _known(outbox: Outbox, line: str, interval_type: str) -> dict[str, Interval]:
    """The same, by their keys. Runs and batches have their lanes together, and those of one second may have one id at
    Oden."""
    lanes = (outbox.lanes.get(name) for name in (starts_lane(line, interval_type), updates_lane(line, interval_type)))
    closed = [key for lane in lanes if lane is not None for key in lane.closed]
    latest = StartInterval("", line, 0.0, interval_type, LATEST)
    known = ((key, outbox.interval(key)) for key in (*closed, *outbox.open_before(latest)))
    return {key: one for key, one in known if one is not None and one.type == interval_type}


def told_in_part(
    outbox: Outbox, work: Work, done: frozenset[str], told: Mapping[str, JsonValue], *, looked: bool = False
) -> None:
    """Of the update that the attempt of `work` carries, the fields `done` need no more telling; `told` is what Oden was
    told of them. Fields are named as in `set_fields`. The attempt ends; what else the update says waits again, and
    where that is nothing it is delivered. `looked`: it was seen that nobody has changed that, so that it is told."""
    (record,) = work.records
    if not isinstance(record, UpdateInterval) or work.attempt is None:
        raise TypeError("only an update can be told in part")
    left = without(record, done)
    left = replace(left, corrects=False, deletes=False) if looked else left
    with outbox.transaction() as transaction:
        if transaction.record(work.lane, work.positions[0]) is None:
            return  # it was told before, and nobody knew that it was written
        transaction.end_attempt(work.attempt, work.records)
        interval = transaction.interval_of(record)
        transaction.take(work.lane, work.positions[0])
        if interval is not None:
            interval.count_told(told)
        if set_fields(left) and interval is not None:
            record_rules.put_back(transaction, StoredRecord(left))
        else:
            record_rules.delivered(transaction, StoredRecord(left), None)


def refused_in_part(outbox: Outbox, work: Work, reason: str, at: float) -> None:
    """Oden refuses for good, at `at`, what the update that the attempt of `work` carries says beside the end: that
    becomes a dead letter, and the end waits by itself."""
    (record,) = work.records
    if not isinstance(record, UpdateInterval) or work.attempt is None:
        raise TypeError("only an update can be refused in part")
    attempt, end = work.attempt, without(record, set_fields(record).keys() - {"end"})
    with outbox.transaction() as transaction:
        if transaction.record(work.lane, work.positions[0]) is None:
            return
        transaction.end_attempt(attempt, work.records)
        transaction.take(work.lane, work.positions[0])
        letter = DeadLetter(without(record, {"end"}), at, reason, attempt.endpoint, attempt.body, attempt.tries)
        record_rules.refused(transaction, letter)
        if end.end is not None and transaction.interval_of(record) is not None:
            key = record_key(f"{record.key} end", 0, record.at)  # no two records have one key
            record_rules.put_back(transaction, StoredRecord(replace(end, key=key)))
