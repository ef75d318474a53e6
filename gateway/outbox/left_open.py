"""What another life of the outbox may have left open at Oden: of which lines and types that has yet to be seen to, and
what becomes of a start whose interval is there already. Each call is one transaction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from gateway.model import Notice, StartInterval, UpdateInterval, interval_key, record_key
from gateway.outbox import record_rules, statistics
from gateway.outbox.entries import INTERVAL, Interval, Work
from gateway.outbox.lanes import StoredRecord, starts_lane
from gateway.outbox.store import Outbox
from gateway.outbox.transaction import LEFT_OPEN, Transaction

MOST_ABSENT = 1_000


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """What another life may have left open. Times are seconds since 1970.

    `since` is when this life began: of what was on before, a later life may have told the end. Nothing is looked up
    before `not_before`. `seen` are the lines and types that have been seen to, as LINE/TYPE, and `latest` the start of
    the latest that Oden had of them then; `known_until` is, by line, until when Oden shows what was made before this
    life, None where that is nothing. `absent` are the keys of starts of which a person has said that Oden has not got
    them, the latest `MOST_ABSENT`.
    """

    since: float
    not_before: float = 0.0
    seen: frozenset[str] = frozenset()
    known_until: Mapping[str, int | None] = field(default_factory=dict)
    latest: Mapping[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def latest_of(self, line: str, interval_type: str) -> int:
        return self.latest.get(f"{line}/{interval_type}", 0)

    def is_seen(self, line: str, interval_type: str) -> bool:
        return f"{line}/{interval_type}" in self.seen


_ROW = TypeAdapter(LeftOpen)


def begin(transaction: Transaction, since: float, not_before: float) -> None:
    """Another life begins: nothing has been seen to."""
    _put(transaction, LeftOpen(since, not_before))


def left_open(outbox: Outbox) -> LeftOpen | None:
    """What has yet to be seen to; None where no other life was here."""
    text = outbox.row(LEFT_OPEN)
    return _ROW.validate_json(text) if text else None


def note_known_until(outbox: Outbox, line: str, until: int | None) -> LeftOpen:
    """Oden shows what was made on the line until then."""
    with outbox.transaction() as transaction:
        left = _left(outbox)
        return _put(transaction, replace(left, known_until={**left.known_until, line: until}))


def said_absent(outbox: Outbox, transaction: Transaction, start: StartInterval) -> None:
    """A person has looked, and Oden has not got the start: it is not looked up once more before it is sent."""
    if (left := left_open(outbox)) is not None:
        _put(transaction, replace(left, absent=(*left.absent, start.key)[-MOST_ABSENT:]))


def is_said_absent(outbox: Outbox, start: StartInterval) -> bool:
    """Whether a person has said that Oden has not got the start."""
    left = left_open(outbox)
    return left is not None and start.key in left.absent


def seen_to(outbox: Outbox, line: str, interval_type: str, notice: Notice | None = None, latest: int = 0) -> LeftOpen:
    """Of the line and type nothing is left to be seen to; the latest at Oden began at `latest`."""
    with outbox.transaction() as transaction:
        if notice is not None:
            statistics.note(transaction, notice)
        return _see(outbox, transaction, line, interval_type, latest)


def adopted(
    outbox: Outbox,
    work: Work,
    oden_id: str,
    times: tuple[int, int | None],
    notice: Notice,
    *,
    is_latest: bool = True,
) -> LeftOpen:
    """The start that `work` has is that of an interval which Oden has already under `oden_id`, with these `times`. An
    end that it has there stays; else what the record says of the end is told by itself. Unless it `is_latest`, of its
    line and type there is more to be seen to."""
    (record,) = work.records
    if not isinstance(record, StartInterval):
        raise TypeError("only a start can be that of an interval which is there")
    with outbox.transaction() as transaction:
        left = _see(outbox, transaction, record.line, record.type, times[0]) if is_latest else _left(outbox)
        stored = transaction.record(work.lane, work.positions[0])
        if stored is None or not isinstance(stored.record, StartInterval):
            return left
        record = stored.record  # more may have been merged into it since it was chosen
        transaction.touch(work.lane, work.line)
        transaction.take(work.lane, work.positions[0])
        interval, (start, end_there) = transaction.interval_of(record), times
        if interval is not None:
            interval.start, interval.start_at = start, None
            interval.end_kept = end_there is not None
            interval.closed = interval.end_kept and record.end is not None
        record_rules.delivered(transaction, StoredRecord(replace(record, end=None)), oden_id)
        if interval is not None and end_there is not None:
            interval.count_told({"end": end_there})
        elif interval is not None and record.end is not None:
            key = record_key(f"{record.key} end", 0, record.at)  # no two records have one key
            end = UpdateInterval(key, record.line, record.at, record.type, record.key, record.end)
            record_rules.put_back(transaction, StoredRecord(end))
        statistics.note(transaction, notice)
        return left


def known_as(outbox: Outbox, line: str, interval_type: str, shown: tuple[str, int], step: int = 1) -> str | None:
    """The key of the interval that Oden shows under this id and with this start, where it is one of ours; starts are
    rounded to `step` seconds."""
    oden_id, start = shown
    seconds = sorted(range(start - step + 1, start + step), key=lambda second: abs(second - start))
    keys = [interval_key(line, interval_type, second) for second in seconds]
    known = {key: interval.oden_id for key in keys if (interval := outbox.interval(key)) is not None}
    for its_id in (oden_id, None):  # one whose id is not known yet may begin in the same minute
        if (key := next((key for key, one in known.items() if one == its_id), None)) is not None:
            return key
    # One that was adopted before, or whose key is of an earlier version. Others can have the id on other lines.
    place = line, interval_type, oden_id
    return next((key for key, one in _intervals(outbox) if (one.line, one.type, one.oden_id) == place), None)


def open_at_oden(outbox: Outbox, line: str) -> list[tuple[str, str, int]]:
    """The intervals of a line that Oden has and that are on, each with type, id and start."""
    known = (one for _, one in _intervals(outbox) if one.line == line and not (one.ended or one.closed or one.gone))
    return [(one.type, one.oden_id, one.start) for one in known if one.oden_id is not None]


def ended_there(outbox: Outbox, work: Work, end: int, notice: Notice) -> None:
    """Oden has the interval of the update in `work` as ended at `end`, by somebody else: that stays."""
    (record,) = work.records
    if not isinstance(record, UpdateInterval):
        raise TypeError("only an update tells an end")
    with outbox.transaction() as transaction:
        stored = transaction.record(work.lane, work.positions[0])
        if stored is None or not stored.unsure:
            return  # more is to be told of it by now: that is sent
        if work.attempt is not None:
            transaction.end_attempt(work.attempt, work.records)
        transaction.take(work.lane, work.positions[0])
        interval = transaction.interval_of(record)
        if interval is not None:
            interval.update_at = None
        record_rules.delivered(transaction, StoredRecord(replace(record, end=end)), None)
        statistics.note(transaction, notice)


def latest_start(outbox: Outbox, record: StartInterval) -> int:
    """The latest start, before that of `record`, of an interval of its line and type that is known to be at Oden; 0
    where there is none."""
    name = starts_lane(record.line, record.type)
    closed = outbox.lanes[name].closed if name in outbox.lanes else ()
    known = (outbox.interval(key) for key in (*closed, *outbox.open_before(record)) if key != record.key)
    starts = [one.start for one in known if one is not None and one.oden_id is not None]
    return max((start for start in starts if start < record.start), default=0)


def _intervals(outbox: Outbox) -> Iterator[tuple[str, Interval]]:
    """All intervals that are known, by their keys."""
    for key, text in outbox.rows():
        if key.startswith("interval/"):
            yield key.removeprefix("interval/"), INTERVAL.validate_json(text)


def _left(outbox: Outbox) -> LeftOpen:
    return left_open(outbox) or LeftOpen(0.0)


def _see(outbox: Outbox, transaction: Transaction, line: str, interval_type: str, latest: int) -> LeftOpen:
    left, place = _left(outbox), f"{line}/{interval_type}"
    return _put(transaction, replace(left, seen=left.seen | {place}, latest={**left.latest, place: latest}))


def _put(transaction: Transaction, left: LeftOpen) -> LeftOpen:
    transaction.put[LEFT_OPEN] = _ROW.dump_json(left).decode()
    return left
