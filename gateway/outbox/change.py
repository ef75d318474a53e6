"""One transaction of the outbox: what it will write, and where records are put, taken and remembered meanwhile."""

import json
from collections.abc import Hashable
from typing import Protocol

from gateway.model import RECORD, Output, Record, StartInterval, UpdateInterval
from gateway.outbox import merge
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
    INTERVAL,
    LANE,
    TOTALS,
    Attempt,
    DeadLetter,
    Interval,
    Lane,
    ReceiptId,
    Totals,
)

CLOSED_KEPT = 8
"""Per lane: intervals whose ids stay known after everything of theirs was delivered, for late output."""

DEAD = "dead"
"""The lane of dead letters."""


def lane_of(record: Record) -> str:
    """The queue that keeps `record` in order: one per line and family."""
    if record.kind == "output":
        return f"{record.line}/output"
    if record.kind == "update":
        return f"{record.line}/updates {record.type}"
    return starts_lane(record.line, record.type)


def starts_lane(line: str, interval_type: str) -> str:
    """The queue of the starts of one family of intervals."""
    if interval_type == "STATE":
        return f"{line}/states"
    return f"{line}/runs" if interval_type in ("RUN", "BATCH") else f"{line}/custom {interval_type}"


def parked_lane(line: str) -> str:
    """Where the records of `line` are whose interval is stalled."""
    return f"{line}/parked"


class Known(Protocol):
    """What a change begins from; the outbox keeps it, and takes over what the change has made once that is on disk."""

    lanes: dict[str, Lane]
    totals: Totals
    span: float

    def row(self, key: str) -> str | None: ...

    def carried(self, lane: str, position: int) -> bool: ...

    def latest(self, lane: str, kind: Hashable) -> int | None: ...


class Change:
    """What one transaction will write. Memory follows only once that is on disk."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.put: dict[str, str] = {}
        self.drop: set[str] = set()
        self.lanes: dict[str, Lane] = {}
        self.intervals: dict[str, Interval | None] = {}
        self.totals = known.totals.copy()
        self.attempts: dict[tuple[str, int], Attempt | None] = {}
        self.latest: dict[tuple[str, Hashable], int] = {}
        self.new_receipts: list[tuple[str, int, ReceiptId]] = []
        self.new_sessions: tuple[str, ...] = ()

    def lane(self, name: str, line: str = "") -> Lane:
        """The bounds of a lane, to be changed; `line` is whose lane it is if it is new."""
        if name not in self.lanes:
            known = self._known.lanes.get(name)
            self.lanes[name] = known.copy() if known is not None else Lane(line)
        return self.lanes[name]

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval, to be changed."""
        if key not in self.intervals:
            text = self._known.row(f"interval/{key}")
            self.intervals[key] = INTERVAL.validate_json(text) if text else None
        return self.intervals[key]

    def rows(self) -> tuple[dict[str, str], set[str]]:
        """Everything to be put and to be dropped, by key."""
        rows, drop = dict(self.put), set(self.drop)
        known = self._known.lanes
        for name, lane in self.lanes.items():
            if lane != known.get(name):
                rows[f"lane/{name}"] = LANE.dump_json(lane).decode()
        for key, interval in self.intervals.items():
            if interval is None:
                drop.add(f"interval/{key}")
            else:
                rows[f"interval/{key}"] = INTERVAL.dump_json(interval).decode()
        if new := [name for name in self.lanes if name not in known]:
            rows["lanes"] = json.dumps([*known, *new])
        if self.totals != self._known.totals:
            rows["totals"] = TOTALS.dump_json(self.totals).decode()
        for (name, number), attempt in self.attempts.items():
            if attempt is None:
                drop.add(f"attempt/{name}/{number}")
            else:
                rows[f"attempt/{name}/{number}"] = ATTEMPT.dump_json(attempt).decode()
        return rows, drop - rows.keys()

    # Records

    def place(self, record: Record, *, again: bool = False) -> bool:
        """Add `record` to what waits, to a record that says the same of the same interval or at the end of its lane.

        `again` says that it has been in a lane before, so that an update that waits is later than it. Answers whether it became
        a part of another.
        """
        interval = self.interval(record.interval)
        if isinstance(record, UpdateInterval) and interval is not None and self._into_interval(record, interval, again):
            return True
        kind = merge.kind(record, interval.start, self._known.span) if isinstance(record, Output) and interval else None
        if isinstance(record, Output) and kind is not None and interval and self._into_output(record, kind, interval):
            return True
        position = self.enqueue(lane_of(record), record.line, RECORD.dump_json(record).decode())
        if kind is not None:
            self.latest[lane_of(record), kind] = position
        if interval is not None and isinstance(record, StartInterval):
            interval.start_at, interval.stalled = position, False
            self.lane(lane_of(record)).newest[record.type] = position
        elif interval is not None and isinstance(record, UpdateInterval):
            interval.update_at = position
        return False

    def _into_interval(self, record: UpdateInterval, interval: Interval, again: bool) -> bool:  # noqa: FBT001
        """Add an update to the update or the start of its interval, where one waits that no attempt carries."""
        if interval.update_at is not None:
            update = self._waiting(lane_of(record), interval.update_at)
            if isinstance(update, UpdateInterval):
                merged = merge.into_update(record, update) if again else merge.into_update(update, record)
                self._rewrite(lane_of(record), interval.update_at, merged)
                return True
        if interval.start_at is not None:
            lane = starts_lane(record.line, record.type)
            start = self._waiting(lane, interval.start_at)
            if isinstance(start, StartInterval):
                self._rewrite(lane, interval.start_at, merge.into_start(start, record))
                return True
        return False

    def _into_output(self, record: Output, kind: Hashable, interval: Interval) -> bool:
        """Add output to the newest entry of its kind, where that waits in the live part and no attempt carries it."""
        name = lane_of(record)
        at = self.latest.get((name, kind))
        if at is None:
            at = self._known.latest(name, kind)
        if at is None or at < self.lane(name, record.line).head or self._known.carried(name, at):
            return False
        output = self._waiting(name, at)
        if isinstance(output, Output):
            merged = merge.into_output(output, record)
            if output.late and not merged.late:
                count_out(interval, output)
                count_in(interval, merged)
            self._rewrite(name, at, merged)
            return True
        return False

    def enqueue(self, name: str, line: str, text: str) -> int:
        """Put `text` at the end of a lane; answers its position."""
        lane = self.lane(name, line)
        self.put[f"record/{name}/{lane.tail}"] = text
        lane.tail += 1
        lane.waiting += 1
        return lane.tail - 1

    def take(self, name: str, position: int) -> None:
        """Remove a record from its lane."""
        self.drop.add(f"record/{name}/{position}")
        self.put.pop(f"record/{name}/{position}", None)
        lane = self.lane(name)
        lane.waiting -= 1
        if not lane.waiting:
            lane.head, lane.backlog = lane.tail, []

    def resume(self, name: str, most: int) -> None:
        """Delivery works again after an outage: what waits in the lane is backlog from now on, in at most `most` parts, but for
        the starts of intervals that are open, which go to its end."""
        lane = self.lane(name)
        starts = (
            (at, self._waiting(name, at)) for at in sorted(lane.newest.values()) if not self._known.carried(name, at)
        )
        still = [(at, start) for at, start in starts if isinstance(start, StartInterval) and start.end is None]
        head = lane.tail
        if [at for at, _ in still] == [lane.tail - 1]:
            head, still = lane.tail - 1, []
        for at, start in still:
            self.take(name, at)
            interval = self.interval(start.key)
            lane.newest[start.type] = self.enqueue(name, start.line, RECORD.dump_json(start).decode())
            if interval is not None:
                interval.start_at = lane.newest[start.type]
        if lane.head < head and lane.waiting > len(still):
            lane.backlog.append((lane.head, head))
        lane.head = head
        while len(lane.backlog) > most:
            lane.backlog[:2] = [(lane.backlog[0][0], lane.backlog[1][1])]

    def _waiting(self, name: str, position: int) -> Record | None:
        key = f"record/{name}/{position}"
        text = None if key in self.drop else self.put.get(key) or self._known.row(key)
        return RECORD.validate_json(text) if text else None

    def _rewrite(self, name: str, position: int, record: Record) -> None:
        self.put[f"record/{name}/{position}"] = RECORD.dump_json(record).decode()
        self.totals.merged += 1
        self.lane(name, record.line)  # what was seen of the lane is no longer true

    # What becomes of them

    def delivered(self, record: Record, oden_id: str | None) -> None:
        """Oden has `record`; `oden_id` is the id of the interval where it is a start."""
        self.totals.delivered += 1
        interval = self.interval(record.interval)
        if interval is None:
            return
        if isinstance(record, StartInterval):
            interval.oden_id, interval.stalled = oden_id, False
            if interval.parked:
                self._release(record.interval, interval)
        if isinstance(record, Output):
            count_out(interval, record)
        elif record.end is not None:
            interval.closed = True
        self.retire(record.interval, interval)

    def bury(self, letter: DeadLetter) -> None:
        """Oden refused a record for good, or it can never be sent."""
        self.enqueue(DEAD, "", DEAD_LETTER.dump_json(letter).decode())
        self.totals.dead += 1
        interval = self.interval(letter.record.interval)
        if interval is None:
            return
        interval.dead += 1
        if isinstance(letter.record, StartInterval):
            interval.stalled = True
        elif isinstance(letter.record, Output):
            count_out(interval, letter.record)
        self.retire(letter.record.interval, interval)

    def give_up(self, name: str, position: int, output: Output) -> None:
        """Drop output that waits, to make room: a user has chosen that."""
        self.take(name, position)
        self.totals.dropped_output += 1
        interval = self.interval(output.interval)
        if interval is not None:
            count_out(interval, output)
            self.retire(output.interval, interval)

    def park(self, record: Record) -> None:
        """Set `record` aside until its interval is known at Oden."""
        interval = self.interval(record.interval)
        if interval is None:
            raise ValueError("a record can only be parked with an interval that is known")
        interval.parked += 1
        if isinstance(record, UpdateInterval):
            interval.update_at = None
        self.enqueue(parked_lane(record.line), record.line, RECORD.dump_json(record).decode())

    def put_back(self, record: Record) -> None:
        """Put `record`, which has been in a lane before, back into one. It counts as appended already."""
        interval = self.interval(record.interval)
        if self.place(record, again=True) and isinstance(record, Output) and interval is not None:
            count_out(interval, record)
        if isinstance(record, StartInterval) and interval is not None and interval.parked:
            # Updates become part of the start that waits. They are older than any that comes now, so they go first.
            for position, parked in self.parked_with(record.key, interval):
                if isinstance(parked, UpdateInterval):
                    self.unpark(position, parked, interval)

    def _release(self, key: str, interval: Interval) -> None:
        """Put back what is parked with the interval."""
        parked = self.parked_with(key, interval)
        updates = [one for one in parked if isinstance(one[1], UpdateInterval)]
        # What is put back is older than what waits: of the updates, the newest goes first.
        for position, record in [*(one for one in parked if one not in updates), *reversed(updates)]:
            self.unpark(position, record, interval)

    def unpark(self, position: int, record: Record, interval: Interval) -> None:
        """Put one parked record back into its lane."""
        self.take(parked_lane(interval.line), position)
        interval.parked -= 1
        self.put_back(record)

    def parked_with(self, key: str, interval: Interval) -> list[tuple[int, Record]]:
        """The records that are parked with the interval `key`, in order, with their positions."""
        name = parked_lane(interval.line)
        lane = self.lane(name, interval.line)
        found: list[tuple[int, Record]] = []
        # The newest first: what waits for long must not be gone through each time that something waits for a minute.
        for position in range(lane.tail - 1, lane.head - 1, -1):
            if len(found) == interval.parked:
                break
            record = self._waiting(name, position)
            if record is not None and record.interval == key:
                found.append((position, record))
        return found[::-1]

    def retire(self, key: str, interval: Interval) -> None:
        """Forget the interval once Oden has its end, nothing of it is left and some others have followed."""
        if not interval.closed or interval.pending:
            return
        closed = self.lane(starts_lane(interval.line, interval.type), interval.line).closed
        if key not in closed:
            closed.append(key)
        while len(closed) > CLOSED_KEPT:
            oldest = closed.pop(0)
            row = self.interval(oldest)
            if row is not None and not row.pending:
                self.intervals[oldest] = None


def count_out(interval: Interval, output: Output) -> None:
    """`output` is not to be delivered any more."""
    if interval.late and (output.late or not interval.outputs):
        interval.late -= 1
    elif interval.outputs:
        interval.outputs -= 1


def count_in(interval: Interval, output: Output) -> None:
    """`output` is to be delivered."""
    if output.late:
        interval.late += 1
    else:
        interval.outputs += 1


def attempted(change: Change, attempt: Attempt, records: tuple[Record, ...]) -> None:
    """`attempt` carries `records` from now on, in its present phase."""
    lane = change.lane(attempt.lane)
    change.attempts[attempt.lane, attempt.number] = attempt
    new = attempt.number not in lane.attempts
    if new:
        lane.attempts.append(attempt.number)
    for record in records:
        interval = change.interval(record.interval)
        if interval is None:
            continue
        if isinstance(record, StartInterval):
            interval.start_at = None
            interval.stalled = attempt.phase != "sending"
        elif isinstance(record, UpdateInterval) and new:
            interval.update_at, interval.updating = None, True
            if interval.dead:
                interval.told |= dict.fromkeys(merge.said(record), record.at)


def ended(change: Change, attempt: Attempt, records: tuple[Record, ...]) -> None:
    """`attempt` does not carry `records` any more."""
    change.lane(attempt.lane).attempts.remove(attempt.number)
    change.attempts[attempt.lane, attempt.number] = None
    for record in records:
        interval = change.interval(record.interval)
        if interval is not None and isinstance(record, UpdateInterval):
            interval.updating = False
