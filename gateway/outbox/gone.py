"""Intervals that somebody has deleted, made anew or ended at Oden: what belongs to a deleted one that is still open is
held until a person says what becomes of it. Each call is one transaction."""

from gateway.errors import OutboxError
from gateway.model import StartInterval
from gateway.outbox import balance, record_rules
from gateway.outbox.entries import Interval, Work
from gateway.outbox.lanes import StoredRecord, parked_lane
from gateway.outbox.store import Outbox
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import kind_of

DETAILS = "details "


def adopt(outbox: Outbox, key: str, oden_id: str) -> None:
    """Oden has the interval `key` under another id than was known."""
    with outbox.transaction() as transaction:
        interval = transaction.interval(key)
        if interval is not None:
            interval.oden_id = oden_id


def note_gone(outbox: Outbox, key: str) -> Interval | None:
    """The interval `key` is not at Oden any more; answers what is known of it now. One that has not ended is *held*:
    what belongs to it is parked."""
    with outbox.transaction() as transaction:
        interval = transaction.interval(key)
        if interval is not None and not interval.gone:
            interval.gone = True
            if not interval.ended:
                interval.oden_id, interval.stalled = None, True
                transaction.totals.held += 1
        return interval


def forgotten(outbox: Outbox, work: Work) -> None:
    """The interval that the update of `work` withdraws is not at Oden any more, which is as it should be: nothing more
    is known of it, so that it can be made anew, should it have been after all."""
    (record,) = work.records
    with outbox.transaction() as transaction:
        if transaction.record(work.lane, work.positions[0]) is None:
            return
        if work.attempt is not None:
            transaction.end_attempt(work.attempt, work.records)
        transaction.take(work.lane, work.positions[0])
        transaction.totals.delivered += 1
        interval = transaction.interval(record.interval)
        if interval is not None and interval.pending:
            interval.gone = True
        elif interval is not None:
            transaction.intervals[record.interval] = None


def keep_end(outbox: Outbox, key: str, end: int) -> bool:
    """Somebody has ended the interval `key` at Oden, at `end`, while it was open here. Answers whether that end stays:
    it does not where the gateway has told one since."""
    with outbox.transaction() as transaction:
        interval = transaction.interval(key)
        if interval is None or interval.ended or interval.end_kept:
            return False
        interval.end_kept = True
        interval.count_told({"end": end})
        return True


def recreate(outbox: Outbox, key: str) -> bool:
    """Make the interval `key` anew at Oden, as it was told last; what is held for it follows. It is looked up first.
    Answers whether it was gone."""
    with outbox.transaction() as transaction:
        interval = transaction.interval(key)
        if interval is None or not interval.gone:
            return False
        if interval.told is None:
            raise OutboxError(f"what Oden was told of {key} is not known any more, so that it cannot be made anew")
        transaction.totals.held -= interval.held
        interval.gone, interval.oden_id = False, None
        metadata = {
            name.removeprefix(DETAILS): value for name, value in interval.told.items() if name.startswith(DETAILS)
        }
        name, end = interval.told.get("name"), interval.told.get("end")
        start = StartInterval(
            key,
            interval.line,
            float(interval.start),
            interval.type,
            interval.start,
            name if isinstance(name, str) else None,
            metadata,
            end if isinstance(end, int) else None,
        )
        record_rules.queue(transaction, StoredRecord(start, unsure=True), again=True)
        return True


def drop_held(transaction: Transaction, key: str) -> None:
    """Give up what is held for the interval `key`; one that has ended is forgotten."""
    interval = transaction.interval(key)
    if interval is None or not interval.held:
        return
    for position, stored in record_rules.parked_with(transaction, key, interval):
        transaction.take(parked_lane(interval.line), position)
        transaction.totals.dropped += 1
        if kind_of(stored.record).interval == "adds":
            interval.count_out(late=stored.late)
        transaction.totals.dropped += balance.lost(transaction, stored.record)
    interval.parked = 0
    if interval.ended:
        transaction.totals.held -= 1
        transaction.intervals[key] = None
