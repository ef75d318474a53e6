"""Corrections of what was told: what is taken from one interval waits until it has been added to another, so that Oden
shows at most too much, never too little; and what never was is dropped, where Oden has not heard of it.

An entry of output that waits for others is parked, and the row `awaited/KEY` of each of these names its position.
"""

from gateway.model import Output, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Interval
from gateway.outbox.lanes import StoredRecord, output_lanes, parked_lane, starts_lane
from gateway.outbox.transaction import Transaction

MOST_LOOKED = 2_000
"""Rows of a lane that are looked at for the output of an interval that never was."""


def awaits(transaction: Transaction, stored: StoredRecord) -> list[str]:
    """The keys of the entries that must be at Oden before the record, and are not yet."""
    record = stored.record
    after = record.after if isinstance(record, Output) else ()
    return [key for key in after if transaction.awaiting(key) is not None]


def expect(transaction: Transaction, output: Output) -> None:
    """Others may wait for this entry of a correction, which is appended now."""
    transaction.awaited[output.key] = []


def set_aside(transaction: Transaction, stored: StoredRecord, after: list[str]) -> None:
    """Park a record until the entries `after` are at Oden."""
    record, interval = stored.record, transaction.interval_of(stored.record)
    if interval is not None:
        interval.parked += 1
    position = transaction.append_to(parked_lane(record.line), record.line, stored.text())
    for key in after:
        transaction.awaited[key] = [*(transaction.awaiting(key) or []), position]


def arrived(transaction: Transaction, output: Output) -> list[StoredRecord]:
    """The entry is at Oden: the records that waited for it and for no other are no longer parked."""
    released = []
    for position, stored in _waiting_for(transaction, output):
        if not awaits(transaction, stored):
            _unpark(transaction, position, stored)
            released.append(stored)
    return released


def lost(transaction: Transaction, output: Output) -> int:
    """The entry will never be at Oden: what waited for it is not taken from where it is. Answers how many records that
    were."""
    waiting = _waiting_for(transaction, output)
    for position, stored in waiting:
        _unpark(transaction, position, stored)
        interval = transaction.interval_of(stored.record)
        if interval is not None:
            interval.count_out(late=stored.late)
    return len(waiting)


def _waiting_for(transaction: Transaction, output: Output) -> list[tuple[int, StoredRecord]]:
    """What waits for the entry, which is no longer waited for."""
    positions = transaction.awaiting(output.key) or []
    if transaction.awaiting(output.key) is not None:
        transaction.awaited[output.key] = None
    found = ((position, transaction.record(parked_lane(output.line), position)) for position in positions)
    return [(position, stored) for position, stored in found if stored is not None]


def _unpark(transaction: Transaction, position: int, stored: StoredRecord) -> None:
    transaction.take(parked_lane(stored.record.line), position)
    interval = transaction.interval_of(stored.record)
    if interval is not None:
        interval.parked -= 1


def known_start(transaction: Transaction, start: StartInterval) -> UpdateInterval | None:
    """What a start says of an interval that is here already, because what was withdrawn was so after all; None where it
    is a new one."""
    if transaction.interval(start.key) is None:
        return None
    key = record_key(start.line, int(start.at * 1000), start.at)
    return UpdateInterval(key, start.line, start.at, start.type, start.key, start.end, start.name, start.metadata)


def withdrawn(transaction: Transaction, update: UpdateInterval) -> bool:
    """Drop an interval that never was, with all that belongs to it, where Oden has not heard of any of it; answers
    whether that was so."""
    key = update.interval
    interval = transaction.interval(key)
    if interval is None or interval.start_at is None or interval.oden_id is not None or interval.dead:
        return False
    name = starts_lane(interval.line, interval.type)
    start = transaction.record(name, interval.start_at)
    if start is None or start.unsure:
        return False
    parts = _parts(transaction, key, interval)
    if parts is None:
        return False
    transaction.take(name, interval.start_at)
    for lane, position in parts:
        transaction.take(lane, position)
    transaction.totals.withdrawn += len(parts) + 1
    transaction.intervals[key] = None
    transaction.withdrawn.add(key)
    return True


def _parts(transaction: Transaction, key: str, interval: Interval) -> list[tuple[str, int]] | None:
    """Where the output of an interval is that waits; None where there is more of it than that, or a test, which is
    never taken back."""
    due = interval.outputs + interval.late
    found: list[tuple[str, int]] = []
    for name in (*output_lanes(interval.line), parked_lane(interval.line)):
        lane = transaction.lane(name, interval.line)
        position, first, looked = lane.tail - 1, min(first for first, _, _ in lane.parts()), 0
        while position >= first and len(found) < due and looked < MOST_LOOKED:
            looked += 1
            stored = transaction.record(name, position)
            if stored is not None and stored.record.interval == key:
                found.append((name, position))
            position = transaction.before(name, position - 1)
    return found if len(found) == due else None
