"""One transaction of the outbox: what it will write, and where records are put, taken and remembered meanwhile."""

import json
from collections.abc import Hashable
from dataclasses import replace
from typing import Protocol

from gateway.model import Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox import merge, things
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
    INTERVAL,
    LANE,
    THING,
    TOTALS,
    Attempt,
    DeadLetter,
    Interval,
    Lane,
    ReceiptId,
    Thing,
    Totals,
)
from gateway.outbox.kept import Kept, kept
from gateway.outbox.lanes import DEAD, lane_of, parked_lane, starts_lane, updates_lane

CLOSED_KEPT = 16
"""Per lane: intervals whose ids stay known after everything of theirs was delivered, for late output."""

MOST_OPEN = 16
"""Per lane: starts of intervals that are still open, known as such while they wait. Of more, the oldest count as any other."""


class Known(Protocol):
    """What a change begins from; the outbox keeps it, and takes over what the change has made once that is on disk."""

    lanes: dict[str, Lane]
    totals: Totals
    span: float

    def row(self, key: str) -> str | None: ...

    def carried(self, lane: str, position: int) -> bool: ...

    def latest(self, lane: str, kind: Hashable) -> int | None: ...

    def before(self, lane: str, position: int) -> int: ...

    def after(self, lane: str, position: int) -> int: ...


class Change:
    """What one transaction will write. Memory follows only once that is on disk."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.put: dict[str, str] = {}
        self.drop: set[str] = set()
        self.lanes: dict[str, Lane] = {}
        self.intervals: dict[str, Interval | None] = {}
        self.things: dict[str, Thing] = {}
        self.totals = known.totals.copy()
        self.attempts: dict[tuple[str, int], Attempt | None] = {}
        self.latest: dict[tuple[str, Hashable], int] = {}
        self.taken: list[tuple[str, int]] = []
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

    def thing(self, setting: Setting) -> Thing:
        """What is known of the thing that a setting is about, to be changed."""
        key = things.key_of(setting)
        if key not in self.things:
            self.things[key] = THING.validate_json(self._known.row(key) or "{}")
        return self.things[key]

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
        for key, thing in self.things.items():
            if thing == Thing():
                drop.add(key)
            else:
                rows[key] = THING.dump_json(thing).decode()
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

    def append(self, record: Record) -> None:
        """Take a new record in."""
        self.totals.records[record.kind] = self.totals.records.get(record.kind, 0) + 1
        if isinstance(record, StartInterval):
            ended = record.end is not None
            self.intervals[record.key] = Interval(record.line, record.type, record.start, ended=ended)
        interval = self.interval(record.interval)
        late = isinstance(record, Output) and interval is not None and interval.ended
        if interval is not None and isinstance(record, UpdateInterval):
            interval.tell(merge.words(record))
            interval.ended = interval.ended or record.end is not None
        elif interval is not None and isinstance(record, Output):
            interval.count_in(late=late)
        if isinstance(record, Setting):
            things.overtake(self, record)
        self.place(Kept(record, late))

    def place(self, one: Kept, *, again: bool = False) -> None:
        """Add a record to what waits, to a record that says the same of the same interval or at the end of its lane.

        `again` says that it has been in a lane before, so that an update that waits is later than it.
        """
        record, kind = one.record, None
        interval = self.interval(record.interval)
        if interval is not None and isinstance(record, UpdateInterval) and self._into_interval(record, interval, again):
            return
        if interval is not None and isinstance(record, Output) and not one.unsure:
            kind = merge.kind(record, interval.start, self._known.span)
            if kind is not None and self._into_output(one, kind, interval):
                return
        if isinstance(record, Setting) and things.merged(self, record, again=again):
            return
        name = lane_of(record)
        position = self.enqueue(name, record.line, one.text())
        if kind is not None:
            self.latest[name, kind] = position
        if isinstance(record, Setting):
            self.thing(record).at = position
        if isinstance(record, StartInterval) and record.end is None:
            lane = self.lane(name)
            lane.open = [*lane.open, position][-MOST_OPEN:]
        if interval is not None and isinstance(record, StartInterval):
            # What is unsure stands as what is in doubt does: nothing is merged into it, and what needs it is parked.
            interval.start_at, interval.stalled = (None, True) if one.unsure else (position, False)
        elif interval is not None and isinstance(record, UpdateInterval):
            interval.update_at = position

    def _into_interval(self, record: UpdateInterval, interval: Interval, again: bool) -> bool:  # noqa: FBT001
        """Add an update to the update or the start of its interval, where one waits that no attempt carries."""
        if interval.update_at is not None:
            update = self.update_of(record.line, interval)
            if update is not None:
                merged = merge.into_update(record, update) if again else merge.into_update(update, record)
                self.rewrite(lane_of(record), interval.update_at, Kept(merged))
                return True
        if interval.start_at is not None:
            name = starts_lane(record.line, record.type)
            start = self._waiting(name, interval.start_at)
            if start is not None and isinstance(start.record, StartInterval):
                merged_start = merge.into_start(start.record, record)
                self.rewrite(name, interval.start_at, Kept(merged_start))
                if merged_start.end is not None:
                    self._not_open(name, interval.start_at)
                return True
        return False

    def update_of(self, line: str, interval: Interval) -> UpdateInterval | None:
        """The update of an interval that waits, where one does."""
        if interval.update_at is None:
            return None
        update = self._waiting(updates_lane(line, interval.type), interval.update_at)
        return update.record if update is not None and isinstance(update.record, UpdateInterval) else None

    def _into_output(self, one: Kept, kind: Hashable, interval: Interval) -> bool:
        """Add output, which is counted, to the newest entry of its kind, where that waits in the live part and no attempt
        carries it. The end waits for both where it waits for one."""
        name = lane_of(one.record)
        at = self._newest(name, kind)
        if at is None or at < self.lane(name, one.record.line).head or self._known.carried(name, at):
            return False
        other = self._waiting(name, at)
        if other is None or not isinstance(other.record, Output) or not isinstance(one.record, Output):
            return False
        self.rewrite(name, at, Kept(merge.into_output(other.record, one.record), other.late and one.late))
        interval.count_out(late=other.late or one.late)
        return True

    def _newest(self, name: str, kind: Hashable) -> int | None:
        at = self.latest.get((name, kind))
        return self._known.latest(name, kind) if at is None else at

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
        self.taken.append((name, position))
        self._not_open(name, position)
        lane = self.lane(name)
        lane.waiting -= 1
        if not lane.waiting:
            lane.head, lane.backlog = lane.tail, []
        elif position == lane.head:
            lane.head = min(lane.tail, self._known.after(name, position + 1))

    def _not_open(self, name: str, position: int) -> None:
        lane = self.lane(name)
        lane.open = [one for one in lane.open if one != position]

    def keep_live(self, name: str) -> int:
        """Bring the starts of a lane that are still open to its end, so that nothing else stands between them; answers where
        they begin."""
        lane = self.lane(name)
        still_open = [at for at in lane.open if not self._known.carried(name, at)]
        if still_open != list(range(lane.tail - len(still_open), lane.tail)):
            for position in still_open:
                self._move(name, position)
        return lane.tail - len(still_open)

    def _move(self, name: str, position: int) -> None:
        """Bring one waiting start to the end of its lane."""
        one = self._waiting(name, position)
        if one is None:
            return
        at = self.enqueue(name, one.record.line, one.text())
        self.take(name, position)
        lane, interval = self.lane(name), self.interval(one.record.interval)
        lane.open = [*lane.open, at]
        if interval is not None and interval.start_at == position:
            interval.start_at = at

    def _waiting(self, name: str, position: int) -> Kept | None:
        text = self.text(name, position)
        return kept(text) if text else None

    def text(self, name: str, position: int) -> str | None:
        """The text at a position of a lane, as the change leaves it."""
        key = f"record/{name}/{position}"
        return None if key in self.drop else self.put.get(key) or self._known.row(key)

    def rewrite(self, name: str, position: int, one: Kept) -> None:
        """Another record was merged into the one at a position of a lane: it is `one` now."""
        self.put[f"record/{name}/{position}"] = one.text()
        self.totals.merged += 1
        self.lane(name, one.record.line)  # what was seen of the lane is no longer true

    # What becomes of them

    def delivered(self, one: Kept, oden_id: str | None) -> None:
        """Oden has the record; `oden_id` is the id of the interval where it is a start."""
        record = one.record
        self.totals.delivered += 1
        interval = self.interval(record.interval)
        if interval is None:
            return
        if isinstance(record, StartInterval):
            interval.oden_id, interval.stalled = oden_id, False
            if interval.parked:
                self._release(record.interval, interval)
        if isinstance(record, Output):
            interval.count_out(late=one.late)
        elif isinstance(record, StartInterval | UpdateInterval) and record.end is not None:
            interval.closed = True
        self.retire(record.interval, interval)

    def bury(self, letter: DeadLetter, *, late: bool = False) -> None:
        """Oden refused a record for good, or it can never be sent. `late` is what was remembered of it."""
        record = letter.record
        interval = self.interval(record.interval)
        if isinstance(record, UpdateInterval) and interval is not None:
            waiting = self.update_of(record.line, interval)
            latest = merge.words(record).keys() - (merge.words(waiting).keys() if waiting else ())
            letter = replace(letter, said={name: interval.said.get(name, 0) for name in sorted(latest)})
        if isinstance(record, Setting):
            left = things.still_said(self, record)
            if left is None:
                self.totals.outdated += 1
                return
            self.thing(record).refused.append(self.lane(DEAD).tail)
            letter = replace(letter, record=left)
        self.enqueue(DEAD, "", DEAD_LETTER.dump_json(letter).decode())
        self.totals.dead += 1
        if interval is None:
            return
        interval.dead += 1
        if isinstance(record, StartInterval):
            interval.stalled = True
        elif isinstance(record, Output):
            interval.count_out(late=late)
        self.retire(record.interval, interval)

    def give_up(self, name: str, position: int, one: Kept) -> None:
        """Drop an entry of output that waits."""
        self.take(name, position)
        self.totals.given_up += 1
        interval = self.interval(one.record.interval)
        if interval is not None:
            interval.count_out(late=one.late)
            self.retire(one.record.interval, interval)

    def park(self, one: Kept) -> None:
        """Set a record aside until its interval is known at Oden."""
        record = one.record
        interval = self.interval(record.interval)
        if interval is None:
            raise ValueError("a record can only be parked with an interval that is known")
        interval.parked += 1
        if isinstance(record, UpdateInterval):
            interval.update_at = None
        self.enqueue(parked_lane(record.line), record.line, one.text())

    def put_back(self, one: Kept) -> None:
        """Put a record, which has been in a lane before, back into one. It counts as appended already."""
        record, interval = one.record, self.interval(one.record.interval)
        self.place(one, again=True)
        if isinstance(record, StartInterval) and interval is not None and interval.parked and not one.unsure:
            # Updates become part of the start that waits. They are older than any that comes now, so they go first.
            for position, parked in self.parked_with(record.key, interval):
                if isinstance(parked.record, UpdateInterval):
                    self.unpark(position, parked, interval)

    def _release(self, key: str, interval: Interval) -> None:
        """Put back what is parked with the interval."""
        parked = self.parked_with(key, interval)
        updates = [one for one in parked if isinstance(one[1].record, UpdateInterval)]
        # What is put back is older than what waits: of the updates, the newest goes first.
        for position, one in [*(one for one in parked if one not in updates), *reversed(updates)]:
            self.unpark(position, one, interval)

    def unpark(self, position: int, one: Kept, interval: Interval) -> None:
        """Put one parked record back into its lane."""
        self.take(parked_lane(interval.line), position)
        interval.parked -= 1
        self.put_back(one)

    def parked_with(self, key: str, interval: Interval) -> list[tuple[int, Kept]]:
        """The records that are parked with the interval `key`, in order, with their positions."""
        name = parked_lane(interval.line)
        lane = self.lane(name, interval.line)
        found: list[tuple[int, Kept]] = []
        # The newest first: what waits for long must not be gone through each time that something waits for a minute.
        position = lane.tail - 1
        while position >= lane.head and len(found) < interval.parked:
            one = self._waiting(name, position)
            if one is not None and one.record.interval == key:
                found.append((position, one))
            position = self._known.before(name, position - 1)
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
