"""Times of records that wait, mended where they were stamped by a clock that was wrong."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from gateway.frozen import replace
from gateway.model import Output, Record, StartInterval, UpdateInterval
from gateway.outbox.lanes import DEAD, StoredRecord, stored_record
from gateway.outbox.store import Outbox
from gateway.outbox.transaction import Transaction

T = TypeVar("T", int, float)


def retime(outbox: Outbox, since: float, by: int, states: Mapping[str, Mapping[str, str | None]]) -> int:
    """Make each time from `since` on `by` seconds later, or earlier where that is negative: those of records that Oden
    has not taken and that are not in doubt, and of their intervals; with rows of the `states` of lines, in one
    transaction. Dead letters stay as they were refused. Answers how many records were mended."""
    for work in outbox.work():
        if work.attempt is not None and work.attempt.phase == "retry":
            # Oden certainly did not take it, so that another request can be made of it.
            outbox.begin(work, replace(work.attempt, body=""))
    number = 0
    with outbox.transaction() as transaction:
        transaction.changes_all = True
        for line, rows in states.items():
            transaction.set_line_state(line, rows)
        for name, position, stored in _waiting(outbox):
            record = _retimed(stored.record, since, by)
            if record != stored.record:
                number += 1
                transaction.put[f"record/{name}/{position}"] = replace(stored, record=record).text()
                transaction.touch(name, record.line)
                _retime_interval(transaction, record)
    return number


def _waiting(outbox: Outbox) -> Iterator[tuple[str, int, StoredRecord]]:
    for name, lane in outbox.lanes.items():
        for first, last, _ in lane.parts() if name != DEAD else ():
            for position in range(first, last):
                text = None if outbox.is_carried(name, position) else outbox.row(f"record/{name}/{position}")
                if text is not None:
                    yield name, position, stored_record(text)


def _retime_interval(transaction: Transaction, record: Record) -> None:
    interval = transaction.interval_of(record)
    if interval is not None and isinstance(record, StartInterval):
        interval.start = record.start


def _retimed(record: Record, since: float, by: int) -> Record:
    def moved(time: T) -> T:
        return time + by if time >= since else time

    match record:
        case StartInterval():
            end = None if record.end is None else moved(record.end)
            return replace(record, at=moved(record.at), start=moved(record.start), end=end)
        case UpdateInterval():
            end = None if record.end is None else moved(record.end)
            return replace(record, at=moved(record.at), end=end)
        case Output():
            return replace(record, at=moved(record.at), timestamp=moved(record.timestamp))
        case _:
            return replace(record, at=moved(record.at))
