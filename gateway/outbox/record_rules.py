"""What becomes of a record within a transaction, and what that means for its interval: appended, merged, delivered,
refused, parked, put back, given up."""

from collections.abc import Hashable, Iterable

from gateway.frozen import replace
from gateway.model import Notice, Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox import balance, settings_index, statistics
from gateway.outbox.entries import DEAD_LETTER, DeadLetter, Interval, Within
from gateway.outbox.lanes import DEAD, StoredRecord, is_parked, lane_of, parked_lane, starts_lane, updates_lane
from gateway.outbox.merge import merge_key, merged, set_fields, without
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import end_of, is_completed, kind_of

CLOSED_KEPT = 16
"""Per lane: intervals whose ids stay known after everything of theirs was delivered, for late output."""

CORRECTABLE = 1200
"""Intervals that began no more than so many seconds before the newest stay known too, for corrections: what comes late
can change whatever a line still remembers."""

MOST_CLOSED_KEPT = 512
"""No more are known in any case: the lane's row names them all."""

MOST_OPEN = 16
"""Per lane: starts of intervals that are still open, known as such while they wait. Of more, the oldest count as any
other."""


def append(transaction: Transaction, records: Iterable[Record]) -> None:
    """Take new records in, which belong together."""
    for record in records:
        _append(transaction, record)
    _pass_on(transaction)


def _append(transaction: Transaction, record: Record) -> None:
    if isinstance(record, UpdateInterval) and record.withdraws:
        if balance.withdrawn(transaction, record):
            return
        _list_withdrawal(transaction, record)
    elif isinstance(record, StartInterval):
        transaction.withdrawn.discard(record.key)
        known = balance.known_start(transaction, record)
        if known is not None and known.end is None:
            _take_back_withdrawal(transaction, known)
        record = known or record
    elif record.interval in transaction.withdrawn:
        transaction.totals.withdrawn += 1
        if isinstance(record, Output):
            balance.pass_on(transaction, record)
        return
    records, role, late = transaction.totals.records, kind_of(record).interval, False
    records[record.kind] = records.get(record.kind, 0) + 1
    if isinstance(record, StartInterval):
        transaction.intervals[record.key] = Interval(record.line, record.type, record.start, sent={})
    elif isinstance(record, Setting):
        settings_index.overtake(transaction, record)
    interval = transaction.interval_of(record)
    if interval is not None:
        if role == "adds":
            late = interval.ended
            interval.count_in(late=late)
        interval.ended = interval.ended or end_of(record) is not None
        if isinstance(record, UpdateInterval) and record.end is not None and interval.end_kept:
            record, interval.closed = without(record, {"end"}), True
            transaction.totals.outdated += 1
            if not set_fields(record):
                retire(transaction, record.interval, interval)
                return
        if isinstance(record, UpdateInterval):
            interval.count_update(set_fields(record))
    # The end of an interval that was on in another life is looked up first: it may be there.
    is_end = isinstance(record, UpdateInterval) and set_fields(record).keys() == {"end"} and not record.corrects
    unsure = is_end and interval is not None and transaction.may_be_ended(interval)
    stored = StoredRecord(record, late, unsure)
    after = balance.awaits(transaction, stored)
    if after:
        balance.set_aside(transaction, stored, after)
        return
    balance.expect(transaction, record)
    queue(transaction, stored)


def _pass_on(transaction: Transaction) -> None:
    """What waited for the output of what never was, and need not wait any more, goes on."""
    for released in balance.passed_on(transaction):
        put_back(transaction, released)


def _take_back_withdrawal(transaction: Transaction, again: UpdateInterval) -> None:
    """What was to be told never to have been was so after all, and is still on, as `again` says: where that waits, its
    end is not told."""
    interval = transaction.interval(again.interval)
    waiting = waiting_update(transaction, interval) if interval is not None else None
    if interval is None or interval.update_at is None or waiting is None or not waiting.withdraws:
        return
    stays = StoredRecord(replace(waiting, end=None, withdraws=False, deletes=False))
    transaction.rewrite(updates_lane(interval.line, interval.type), interval.update_at, stays, again)
    interval.ended = interval.closed


def _list_withdrawal(transaction: Transaction, update: UpdateInterval) -> None:
    """Oden may have heard of an interval that never was: that stays there."""
    what = f"{update.line}: {update.type} {update.interval}"
    fate = "is deleted, unless somebody has changed it" if update.deletes else "stays there, a second long"
    text = f"{what} never was, as came to light late; where it is at Oden, it {fate}"
    statistics.note(transaction, Notice("gap", update.at, "", "", text))


def queue(transaction: Transaction, stored: StoredRecord, *, again: bool = False) -> None:
    """Add a record to what waits: to one that says something of the same, or at the end of its lane.

    `again`: it has been in a lane before, so that what waits of the same is later than it.
    """
    record, kind, interval = stored.record, kind_of(stored.record), transaction.interval_of(stored.record)
    key = None
    if kind.merging == "sums" and interval is not None and not stored.unsure:
        key = merge_key(record, interval.start, transaction.span)
    if _merged_into_waiting(transaction, stored, key, again=again):
        return
    name = lane_of(record)
    position = transaction.append_to(name, record.line, stored.text())
    if key is not None:
        transaction.merge_keys[name, key] = position
    if isinstance(record, Setting):
        settings_index.waits(transaction, record, position, again=again)
    if kind.interval == "opens" and end_of(record) is None:
        lane = transaction.lane(name)
        lane.open = [*lane.open, position][-MOST_OPEN:]
    if interval is not None and kind.interval == "opens":
        # What is unsure stands as what is in doubt does: nothing is merged into it, and what needs it is parked.
        interval.start_at, interval.stalled = (None, True) if stored.unsure else (position, False)
    elif interval is not None and kind.interval == "changes":
        interval.update_at = position


def _merged_into_waiting(transaction: Transaction, stored: StoredRecord, key: Hashable | None, *, again: bool) -> bool:
    """Merge a record into one that waits, as its kind does, where there is one; `key`: its merge key as output."""
    record, interval = stored.record, transaction.interval_of(stored.record)
    match kind_of(record).merging:
        case "fields" if interval is not None:
            return _merged_into_interval(transaction, record, interval, again=again)
        case "fields" if isinstance(record, Setting):
            return settings_index.merged_into_waiting(transaction, record, again=again)
        case "sums" if interval is not None and key is not None:
            return _merged_into_output(transaction, stored, key, interval)
    return False


def _merged_into_interval(transaction: Transaction, update: Record, interval: Interval, *, again: bool) -> bool:
    """Add an update to the update or the start of its interval, where one waits that no attempt carries."""
    waiting = waiting_update(transaction, interval)
    if waiting is not None and interval.update_at is not None:
        both = merged(update, waiting) if again else merged(waiting, update)
        transaction.rewrite(lane_of(update), interval.update_at, StoredRecord(both), waiting, update)
        return True
    if interval.start_at is None:
        return False
    name = starts_lane(interval.line, interval.type)
    start = transaction.record(name, interval.start_at)
    if start is None or start.unsure:
        return False
    both = merged(start.record, update)
    transaction.rewrite(name, interval.start_at, StoredRecord(both), update)
    if end_of(both) is not None:
        transaction.close_start(name, interval.start_at)
    return True


def waiting_update(transaction: Transaction, interval: Interval) -> UpdateInterval | None:
    """The update of an interval that waits and that no attempt carries."""
    if interval.update_at is None:
        return None
    stored = transaction.record(updates_lane(interval.line, interval.type), interval.update_at)
    return stored.record if stored is not None and isinstance(stored.record, UpdateInterval) else None


def _merged_into_output(transaction: Transaction, stored: StoredRecord, key: Hashable, interval: Interval) -> bool:
    """Add output, which is counted, to the newest entry with the same merge key, where one waits. The end waits for
    both where it waits for either. They go under the key of the older, which is the one that copies from before know.
    """
    name = lane_of(stored.record)
    at = transaction.newest(name, key)
    waiting = None if at is None else transaction.record(name, at)
    if at is None or waiting is None:
        return False
    older, later = sorted((waiting.record, stored.record), key=_made)
    both = StoredRecord(merged(older, later), waiting.late and stored.late)
    transaction.rewrite(name, at, both, older, later)
    interval.count_out(late=waiting.late or stored.late)
    return True


def _made(record: Record) -> tuple[float, str]:
    """In which order records of a line were made."""
    return record.at, record.key


def delivered(transaction: Transaction, stored: StoredRecord, oden_id: str | None) -> None:
    """Oden has the record; `oden_id` is the id under which it has it, where the record's kind adopts one."""
    record, kind = stored.record, kind_of(stored.record)
    transaction.totals.delivered += 1
    for released in balance.arrived(transaction, record):
        put_back(transaction, released)
    interval = transaction.interval_of(record)
    if interval is None:
        return
    if isinstance(record, StartInterval):
        interval.told = {}
    if isinstance(record, StartInterval | UpdateInterval):
        interval.count_told(set_fields(record))
    if kind.adopts:
        interval.oden_id, interval.stalled = oden_id, False
        if interval.parked:
            _release(transaction, record.interval, interval)
    if isinstance(record, Output) and record.amounts:
        interval.count_sent(record.key, record.timestamp)
    if kind.interval == "adds":
        interval.count_out(late=stored.late)
    elif end_of(record) is not None:
        interval.closed = True
    retire(transaction, record.interval, interval)


def within_others(transaction: Transaction, entries: Within) -> None:
    """Entries of output that wait, as they were when Oden was asked, are at Oden within others, so that they are not
    sent. What says something else by now, or may be on its way, stays."""
    for listed_in, listed_at, record in entries:
        lane, position = _where_now(transaction, listed_in, listed_at, record)
        stored = transaction.record(lane, position)
        if stored is None or stored.record != record or transaction.is_carried(lane, position):
            continue
        transaction.take(lane, position)
        interval = transaction.interval_of(stored.record)
        if interval is not None and is_parked(lane):
            interval.parked -= 1
        delivered(transaction, stored, None)


def _where_now(transaction: Transaction, name: str, position: int, record: Record) -> tuple[str, int]:
    """The place of a record that was at `position` of a lane: what is no longer parked is in the lane of its kind."""
    home = lane_of(record)
    if not is_parked(name) or transaction.text(name, position) is not None:
        return name, position
    lane = transaction.lane(home, record.line)
    at = lane.tail - 1
    while at >= lane.head and record.key not in (transaction.text(home, at) or ""):
        at = transaction.before(home, at - 1)
    return home, at


def refused(transaction: Transaction, letter: DeadLetter, *, late: bool = False) -> None:
    """Oden refused a record for good, or it can never be sent: it becomes a dead letter. `late` as its `StoredRecord`
    had it. A setting of which later ones say everything anew becomes none."""
    record, role = letter.record, kind_of(letter.record).interval
    interval = transaction.interval_of(record)
    if isinstance(record, UpdateInterval) and interval is not None:
        waiting = waiting_update(transaction, interval)
        latest = set_fields(record).keys() - (set_fields(waiting).keys() if waiting else ())
        versions = {name: interval.field_versions.get(name, 0) for name in sorted(latest)}
        letter = replace(letter, field_versions=versions)
    if isinstance(record, Setting):
        at = transaction.lane(DEAD).tail
        left = settings_index.not_overtaken(transaction, record, at)
        if left is None:
            transaction.totals.outdated += 1
            return
        is_over = at not in transaction.setting_entry(record).refused
        letter = replace(letter, record=left, is_over=is_over if is_completed(left) else None)
    transaction.append_to(DEAD, "", DEAD_LETTER.dump_json(letter).decode())
    transaction.totals.dead += 1
    transaction.totals.unsettled += letter.unsettled
    if interval is None:
        return
    interval.dead += 1
    if role == "opens":
        interval.stalled = True
        last = _last_word(transaction, record.interval, interval)
        if last is not None and last.withdraws and balance.withdrawn(transaction, last):
            _pass_on(transaction)
            return
    elif role == "adds":
        interval.count_out(late=late)
    retire(transaction, record.interval, interval)


def _last_word(transaction: Transaction, key: str, interval: Interval) -> UpdateInterval | None:
    """The newest update of an interval whose start is stalled: one that waits, or is parked."""
    parked = (stored.record for _, stored in reversed(parked_with(transaction, key, interval)))
    updates = (record for record in parked if isinstance(record, UpdateInterval))
    return waiting_update(transaction, interval) or next(updates, None)


def give_up(transaction: Transaction, name: str, position: int, stored: StoredRecord) -> None:
    """Drop a part of an interval that waits."""
    transaction.take(name, position)
    transaction.totals.given_up += 1
    interval = transaction.interval_of(stored.record)
    transaction.totals.given_up += balance.lost(transaction, stored.record)
    if interval is not None:
        interval.count_out(late=stored.late)
        retire(transaction, stored.record.interval, interval)


def park(transaction: Transaction, stored: StoredRecord) -> None:
    """Set a record aside until its interval is known at Oden."""
    record = stored.record
    interval = transaction.interval_of(record)
    if interval is None:
        raise ValueError("a record can only be parked with an interval that is known")
    interval.parked += 1
    if kind_of(record).interval == "changes":
        interval.update_at = None
    transaction.append_to(parked_lane(record.line), record.line, stored.text())


def put_back(transaction: Transaction, stored: StoredRecord) -> None:
    """Put a record, which has been in a lane before and counts as appended, back into one."""
    record, interval = stored.record, transaction.interval_of(stored.record)
    queue(transaction, stored, again=True)
    if kind_of(record).interval == "opens" and interval is not None and interval.parked and not stored.unsure:
        # Updates become part of the start that waits. They are older than any that comes now, so they go first.
        for position, parked in parked_with(transaction, record.interval, interval):
            if kind_of(parked.record).interval == "changes":
                _unpark(transaction, position, parked, interval)


def _release(transaction: Transaction, key: str, interval: Interval) -> None:
    """Put back what is parked with the interval."""
    parked = [each for each in parked_with(transaction, key, interval) if not balance.awaits(transaction, each[1])]
    updates = [(at, stored) for at, stored in parked if kind_of(stored.record).interval == "changes"]
    others = [(at, stored) for at, stored in parked if kind_of(stored.record).interval != "changes"]
    # What is put back is older than what waits: of the updates, the newest goes first.
    for position, stored in [*others, *reversed(updates)]:
        _unpark(transaction, position, stored, interval)


def _unpark(transaction: Transaction, position: int, stored: StoredRecord, interval: Interval) -> None:
    transaction.take(parked_lane(interval.line), position)
    interval.parked -= 1
    put_back(transaction, stored)


def parked_with(transaction: Transaction, key: str, interval: Interval) -> list[tuple[int, StoredRecord]]:
    """The records that are parked with the interval `key`, in order, with their positions."""
    name = parked_lane(interval.line)
    lane = transaction.lane(name, interval.line)
    matches: list[tuple[int, StoredRecord]] = []
    # The newest first: what waits for long must not be gone through each time that something waits for a minute.
    position = lane.tail - 1
    while position >= lane.head and len(matches) < interval.parked:
        stored = transaction.record(name, position)
        if stored is not None and stored.record.interval == key:
            matches.append((position, stored))
        position = transaction.before(name, position - 1)
    return matches[::-1]


def retire(transaction: Transaction, key: str, interval: Interval) -> None:
    """Forget the interval once Oden has its end, nothing of it is left and some others have followed."""
    if not interval.closed or interval.pending:
        return
    closed = transaction.lane(starts_lane(interval.line, interval.type), interval.line).closed
    if key not in closed:
        closed.append(key)
    while len(closed) > CLOSED_KEPT:
        row = transaction.interval(closed[0])
        if row is not None and row.start > interval.start - CORRECTABLE and len(closed) <= MOST_CLOSED_KEPT:
            break
        oldest = closed.pop(0)
        if row is not None and not row.pending:
            transaction.intervals[oldest] = None
