"""What begins and ends with an attempt for the records that it carries, within one transaction."""

from gateway.model import Record, Setting, StartInterval, UpdateInterval
from gateway.outbox.change import Change
from gateway.outbox.entries import Attempt


def attempted(change: Change, attempt: Attempt, records: tuple[Record, ...]) -> None:
    """`attempt` carries `records` from now on, in its present phase."""
    lane = change.lane(attempt.lane)
    change.attempts[attempt.lane, attempt.number] = attempt
    new = attempt.number not in lane.attempts
    if new:
        lane.attempts.append(attempt.number)
        lane.open = [at for at in lane.open if at not in attempt.positions]
    for record in records:
        if isinstance(record, Setting) and new:
            change.thing(record).at = None
        interval = change.interval(record.interval)
        if interval is None:
            continue
        if isinstance(record, StartInterval):
            interval.start_at = None
            interval.stalled = attempt.phase != "sending"
        elif isinstance(record, UpdateInterval) and new:
            interval.update_at, interval.updating = None, True


def ended(change: Change, attempt: Attempt, records: tuple[Record, ...]) -> None:
    """`attempt` does not carry `records` any more."""
    lane = change.lane(attempt.lane)
    if attempt.number not in lane.attempts:
        return  # one without a request is stored only when it has to wait
    lane.attempts.remove(attempt.number)
    change.attempts[attempt.lane, attempt.number] = None
    for record in records:
        interval = change.interval(record.interval)
        if interval is not None and isinstance(record, UpdateInterval):
            interval.updating = False
