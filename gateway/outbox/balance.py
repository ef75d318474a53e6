"""Corrections of what was told: what is taken from one interval waits until it has been added to another, so that Oden
shows at most too much, never too little; and what never was is dropped, where Oden has not heard of it.

An entry of output that waits for others is parked, and the row `awaited/KEY` of each of these names its position.
"""

from collections.abc import Hashable

from gateway.frozen import replace
from gateway.model import Output, Record, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import DEAD_LETTER, Interval
from gateway.outbox.lanes import DEAD, StoredRecord, output_lanes, parked_lane, starts_lane, updates_lane
from gateway.outbox.transaction import Place, Transaction
from gateway.record_kinds import kind_of, moves_amounts

MOST_LOOKED = 2_000
"""Rows of a lane that are looked at for the output of an interval that never was."""


def awaits(transaction: Transaction, stored: StoredRecord) -> list[str]:
    """The keys of the entries that must be at Oden before the record, and are not yet."""
    record = stored.record
    after = record.after if isinstance(record, Output) else ()
    return [key for key in after if transaction.awaiting(key) is not None]


def expect(transaction: Transaction, record: Record) -> None:
    """Where `record`, which is appended now, is an entry of a correction, others may wait for it."""
    if moves_amounts(record):
        transaction.awaited[record.key] = []


def set_aside(transaction: Transaction, stored: StoredRecord, after: list[str]) -> None:
    """Park a record until the entries `after` are at Oden."""
    record, interval = stored.record, transaction.interval_of(stored.record)
    if interval is not None:
        interval.parked += 1
    position = transaction.append_to(parked_lane(record.line), record.line, stored.text())
    for key in after:
        transaction.awaited[key] = [*(transaction.awaiting(key) or []), position]


def arrived(transaction: Transaction, record: Record) -> list[StoredRecord]:
    """The record is at Oden: where it is an entry of a correction, what waited for it and for no other is no longer
    parked."""
    released = []
    for position, stored in _waiting_for(transaction, record):
        if not awaits(transaction, stored):
            _unpark(transaction, position, stored)
            released.append(stored)
    return released


def lost(transaction: Transaction, record: Record) -> int:
    """The record never comes to Oden: where it is an entry of a correction, what waited for it is not taken from where
    it is. Answers how many records that were."""
    waiting = _waiting_for(transaction, record)
    for position, stored in waiting:
        _unpark(transaction, position, stored)
        interval = transaction.interval_of(stored.record)
        if interval is not None:
            interval.count_out(late=stored.late)
    return len(waiting)


def _waiting_for(transaction: Transaction, output: Record) -> list[tuple[int, StoredRecord]]:
    """What waits for the entry, which is no longer waited for; nothing waits for what is none of a correction."""
    if not moves_amounts(output):
        return []
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
    key = record_key(start.key, int(start.at * 1000), start.at)
    return UpdateInterval(key, start.line, start.at, start.type, start.key, start.end, start.name, start.metadata)


def withdrawn(transaction: Transaction, update: UpdateInterval) -> bool:
    """Drop an interval that never was, with all that belongs to it, also what Oden has refused of it, where Oden has
    not heard of any of it; answers whether that was so. What waited for a part of it is yet to be `passed_on`."""
    key = update.interval
    interval = transaction.interval(key)
    if interval is None or interval.oden_id is not None or interval.updating:
        return False
    letters = _letters(transaction, key, interval.dead)
    start = _waiting_start(transaction, interval)
    if letters is None or not (start or any(isinstance(record, StartInterval) for _, record in letters)):
        return False
    parts = _parts(transaction, key, interval)
    if parts is None:
        return False
    places = [*start, *(place for place, _ in [*letters, *parts])]
    for lane, position in places:
        transaction.take(lane, position)
    transaction.totals.withdrawn += len(places)
    transaction.intervals[key] = None
    transaction.withdrawn.add(key)
    outputs = [record for _, record in [*letters, *parts] if isinstance(record, Output)]
    for output in outputs:
        for position, _ in _waiting_for(transaction, output):
            place = parked_lane(output.line), position
            transaction.bereft.setdefault(key, []).append(place)
            _wait_otherwise(transaction, place, without=output.key)
    for output in outputs:
        pass_on(transaction, output)
    return True


def pass_on(transaction: Transaction, output: Output) -> None:
    """What waited for an entry of an interval that never was waits for others, where this `output` takes the same from
    there: those that this waits for. What was there is with them."""
    for place in transaction.bereft.get(output.interval, ()):
        stored = transaction.record(*place)
        if stored is not None and isinstance(stored.record, Output) and _shape(stored.record) == _shape(output):
            _wait_otherwise(transaction, place, also=output.after)


def _wait_otherwise(transaction: Transaction, place: Place, *, without: str = "", also: tuple[str, ...] = ()) -> None:
    name, position = place
    stored = transaction.record(name, position)
    if stored is None or not isinstance(stored.record, Output):
        return
    after = tuple(dict.fromkeys(each for each in (*stored.record.after, *also) if each != without))
    changed = replace(stored, record=replace(stored.record, after=after))
    transaction.put[f"record/{name}/{position}"] = changed.text()
    for other in awaits(transaction, changed):
        waiting = transaction.awaiting(other) or []
        transaction.awaited[other] = waiting if position in waiting else [*waiting, position]


def passed_on(transaction: Transaction) -> list[StoredRecord]:
    """The records that waited for what never was, and now wait for nothing: they are no longer parked. One may have
    waited for several such, and may have gone itself."""
    released = []
    for name, position in dict.fromkeys(place for places in transaction.bereft.values() for place in places):
        stored = transaction.record(name, position)
        if stored is not None and not awaits(transaction, stored):
            _unpark(transaction, position, stored)
            released.append(stored)
    transaction.bereft.clear()
    return released


def _shape(output: Output) -> Hashable:
    """What entries have in common of which one can be taken off another."""
    rest = frozenset((name, str(value)) for name, value in output.raw_data.items() if name not in output.amounts)
    return output.kind, output.type, output.amounts, rest


def _waiting_start(transaction: Transaction, interval: Interval) -> list[Place]:
    """Where the start of an interval waits of which Oden has not heard, if it does."""
    if interval.start_at is None:
        return []
    name = starts_lane(interval.line, interval.type)
    start = transaction.record(name, interval.start_at)
    return [] if start is None or start.unsure else [(name, interval.start_at)]


def _letters(transaction: Transaction, key: str, number: int) -> list[tuple[Place, Record]] | None:
    """The so many dead letters of an interval, with their places; None where they are not all found, or Oden may have
    heard of one."""
    found: list[tuple[Place, Record]] = []
    lane = transaction.lane(DEAD)
    position = lane.tail - 1
    while position >= lane.head and len(found) < number:
        text = transaction.text(DEAD, position)
        letter = DEAD_LETTER.validate_json(text) if text and key in text else None
        if letter is not None and letter.record.interval == key:
            if letter.unsettled or _is_test(letter.record):
                return None
            found.append(((DEAD, position), letter.record))
        position = transaction.before(DEAD, position - 1)
    return found if len(found) == number else None


def _parts(transaction: Transaction, key: str, interval: Interval) -> list[tuple[Place, Record]] | None:
    """Where what follows the start of an interval waits; None where there is more than is found, or a test, which is
    never taken back."""
    parked, found = parked_lane(interval.line), list[tuple[Place, Record]]()
    if interval.update_at is not None:
        name = updates_lane(interval.line, interval.type)
        update = transaction.record(name, interval.update_at)
        found += [((name, interval.update_at), update.record)] if update is not None else []
    due = interval.outputs + interval.late
    for name in (*output_lanes(interval.line), parked):
        lane = transaction.lane(name, interval.line)
        position, first, looked = lane.tail - 1, min(first for first, _, _ in lane.parts()), 0
        left = interval.parked if name == parked else due
        while position >= first and left and looked < MOST_LOOKED:
            looked += 1
            stored = transaction.record(name, position)
            if stored is not None and stored.record.interval == key:
                if _is_test(stored.record):
                    return None
                found.append(((name, position), stored.record))
                left -= 1
            position = transaction.before(name, position - 1)
    adds = sum(kind_of(record).interval == "adds" for _, record in found)
    there = sum(lane == parked for (lane, _), _ in found)
    return found if (adds, there) == (due, interval.parked) else None


def _is_test(record: Record) -> bool:
    return isinstance(record, Output) and record.quality_schema is not None
