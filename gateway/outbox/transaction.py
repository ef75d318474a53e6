"""One transaction of the outbox: the rows that it will write, and lanes, intervals and attempts as they will be then.

Nothing here changes what the outbox holds in memory: the outbox takes that over once the rows are on disk. What an
event means for records and their intervals is in `record_rules`.
"""

import json
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Protocol

from gateway.frozen import replace
from gateway.model import Record, Setting
from gateway.outbox.entries import (
    ATTEMPT,
    INTERVAL,
    SETTING_ENTRY,
    TOTALS,
    Attempt,
    CommitMark,
    Interval,
    SettingEntry,
    Totals,
    setting_key,
)
from gateway.outbox.lanes import LANE, Lane, StoredRecord
from gateway.record_kinds import kind_of

LEFT_OPEN = "left-open"
"""The row that says since when this life is, where it is another than that which left the rows (`left_open`)."""

Place = tuple[str, int]
"""A lane, and a position in it."""


class Committed(Protocol):
    """The outbox as the last transaction has left it: what the next one begins from."""

    span: float

    lanes: dict[str, Lane]
    totals: Totals

    def row(self, key: str) -> str | None: ...

    def is_carried(self, lane: str, position: int) -> bool: ...

    def attempts(self, lane: str) -> Collection[Attempt]: ...

    def newest(self, lane: str, merge_key: Hashable) -> int | None: ...

    def before(self, lane: str, position: int) -> int: ...

    def after(self, lane: str, position: int) -> int: ...


class Transaction:
    """What one transaction will write. Every part of it that is asked for is a copy, to be changed in place."""

    def __init__(self, committed: Committed) -> None:
        self._committed = committed
        self.span = committed.span
        self.put: dict[str, str] = {}
        self.drop: set[str] = set()
        self.lanes: dict[str, Lane] = {}
        self.intervals: dict[str, Interval | None] = {}
        self.setting_entries: dict[str, SettingEntry] = {}
        self.totals = committed.totals.copy()
        self.attempts: dict[tuple[str, int], Attempt | None] = {}
        self.carries: dict[tuple[str, int], tuple[Record, ...]] = {}
        """The records of attempts, by lane and number."""
        self.merge_keys: dict[tuple[str, Hashable], int] = {}
        """Where the newest entry with a merge key is, by lane and key."""
        self.taken: list[tuple[str, int]] = []
        self.merged: list[tuple[str, str]] = []
        """The keys of records that are sent as part of others, and of those."""
        self.commit_mark: CommitMark | None = None
        self.awaited: dict[str, list[int] | None] = {}
        """By the key of an entry of output of a correction, what waits for it (`balance`); None once it is no longer
        awaited."""
        self.withdrawn: set[str] = set()
        """The intervals that never were, and of which Oden has not heard."""
        self.bereft: dict[str, list[Place]] = {}
        """By such an interval, where what waited for its output is parked."""
        self.changes_all = False
        """Rows are changed otherwise than in the life of a record: what is held of them in memory counts no more."""

    # Rows

    def row(self, key: str) -> str | None:
        """The text of a row, as the transaction leaves it."""
        if key in self.put:
            return self.put[key]
        return None if key in self.drop else self._committed.row(key)

    def lane(self, name: str, line: str = "") -> Lane:
        """The bounds of a lane; `line` is whose lane it is if it is new."""
        if name not in self.lanes:
            known = self._committed.lanes.get(name)
            self.lanes[name] = known.copy() if known is not None else Lane(line)
        return self.lanes[name]

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval; None where nothing is (any more)."""
        if key not in self.intervals:
            text = self._committed.row(f"interval/{key}")
            self.intervals[key] = INTERVAL.validate_json(text) if text else None
        return self.intervals[key]

    def may_be_ended(self, interval: Interval) -> bool:
        """Whether the interval was on when another life of the outbox began, so that an earlier one, or a person, may
        have ended it at Oden since it is known here."""
        if interval.oden_id is None or (other_life := self._committed.row(LEFT_OPEN)) is None:
            return False
        return bool(interval.start < json.loads(other_life)["since"])

    def awaiting(self, key: str) -> list[int] | None:
        """The positions of parked records that wait for the record `key`; None where that is not awaited."""
        if key not in self.awaited:
            text = self._committed.row(f"awaited/{key}")
            self.awaited[key] = json.loads(text) if text else None
        return self.awaited[key]

    def interval_of(self, record: Record) -> Interval | None:
        """The interval that a record belongs to; None where it belongs to none, or that is not known."""
        return None if kind_of(record).interval == "none" else self.interval(record.interval)

    def setting_entry(self, setting: Setting) -> SettingEntry:
        """What there is of the thing that a setting is about."""
        key = setting_key(setting)
        if key not in self.setting_entries:
            self.setting_entries[key] = SETTING_ENTRY.validate_json(self._committed.row(key) or "{}")
        return self.setting_entries[key]

    def rows(self) -> tuple[dict[str, str], set[str]]:
        """Everything to be put and to be dropped, by key. To be asked for once."""
        self.totals.transactions += 1
        rows, drop = dict(self.put), set(self.drop)
        for key, text in self._structure():
            if text is None:
                drop.add(key)
            else:
                rows[key] = text
        return rows, drop - rows.keys()

    def _structure(self) -> Iterator[tuple[str, str | None]]:
        """The rows beside records, as they are to be; None for one that is to go."""
        known = self._committed.lanes
        for name, lane in self.lanes.items():
            if lane != known.get(name):
                yield f"lane/{name}", LANE.dump_json(lane, exclude_defaults=True).decode()
        if new := [name for name in self.lanes if name not in known]:
            yield "lanes", json.dumps([*known, *new])
        for key, interval in self.intervals.items():
            text = INTERVAL.dump_json(interval, exclude_defaults=True).decode() if interval is not None else None
            yield f"interval/{key}", text
        for key, entry in self.setting_entries.items():
            yield key, SETTING_ENTRY.dump_json(entry).decode() if entry != SettingEntry() else None
        for (name, number), attempt in self.attempts.items():
            yield (
                f"attempt/{name}/{number}",
                ATTEMPT.dump_json(attempt, exclude_defaults=True).decode() if attempt is not None else None,
            )
        for key, waiting in self.awaited.items():
            yield f"awaited/{key}", json.dumps(waiting) if waiting else None
        if self.totals != self._committed.totals:
            yield "totals", TOTALS.dump_json(self.totals, exclude_defaults=True).decode()

    def set_line_state(self, line: str, rows: Mapping[str, str | None]) -> None:
        """Put rows of a line's state by their names, and drop those that are None."""
        for name, text in rows.items():
            key = f"line/{line}/{name}" if name else f"line/{line}"
            if text is None:
                self.drop.add(key)
            else:
                self.put[key] = text

    # Records in lanes

    def append_to(self, name: str, line: str, text: str) -> int:
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
        self.close_start(name, position)
        lane = self.lane(name)
        lane.waiting -= 1
        if not lane.waiting:
            lane.head, lane.backlog = lane.tail, []
        elif position == lane.head:
            lane.head = min(lane.tail, self._committed.after(name, position + 1))

    def rewrite(self, name: str, position: int, merged: StoredRecord, *parts: Record) -> None:
        """Another record was merged into the one at a position of a lane: it is `merged` now, made of `parts`."""
        self.put[f"record/{name}/{position}"] = merged.text()
        self.merged += ((one.key, merged.record.key) for one in parts if one.key != merged.record.key)
        self.totals.merged += 1
        self.touch(name, merged.record.line)

    def is_carried(self, name: str, position: int) -> bool:
        """Whether an attempt carried the record at a position of a lane when the transaction began."""
        return self._committed.is_carried(name, position)

    def touch(self, name: str, line: str = "") -> None:
        """What the ready set has derived from a lane may no longer be so, although its bounds stay."""
        self.lane(name, line)

    def text(self, name: str, position: int) -> str | None:
        """The text at a position of a lane, as the transaction leaves it."""
        return self.row(f"record/{name}/{position}")

    def record(self, name: str, position: int) -> StoredRecord | None:
        """The record at a position of a lane of records; None where none is."""
        text = self.text(name, position)
        return self.lane(name).stored(position, text) if text else None

    def newest(self, name: str, merge_key: Hashable) -> int | None:
        """The position of the newest entry of a lane with the key, where that waits in the live part and no attempt
        carries it."""
        at = self.merge_keys.get((name, merge_key))
        at = self._committed.newest(name, merge_key) if at is None else at
        if at is None or self._committed.is_carried(name, at):
            return None
        lane = self.lane(name)
        return at if at >= max(lane.head, lane.unsure_to) else None

    def before(self, name: str, position: int) -> int:
        """The last position up to `position` at which something may be."""
        return self._committed.before(name, position)

    def close_start(self, name: str, position: int) -> None:
        """The start at a position is no longer one that waits without an end."""
        lane = self.lane(name)
        lane.open = [at for at in lane.open if at != position]

    def move_open_to_tail(self, name: str) -> int:
        """Bring the starts of a lane that are still open to its end, so that nothing else stands between them; answers
        where they begin."""
        lane = self.lane(name)
        still_open = [at for at in lane.open if not self._committed.is_carried(name, at)]
        if still_open != list(range(lane.tail - len(still_open), lane.tail)):
            for position in still_open:
                self._move_to_tail(name, position)
        return lane.tail - len(still_open)

    def _move_to_tail(self, name: str, position: int) -> None:
        stored = self.record(name, position)
        if stored is None:
            return
        at = self.append_to(name, stored.record.line, stored.text())
        self.take(name, position)
        lane, interval = self.lane(name), self.interval_of(stored.record)
        lane.open = [*lane.open, at]
        if interval is not None and interval.start_at == position:
            interval.start_at = at

    # Attempts

    def begin_attempt(self, attempt: Attempt, records: tuple[Record, ...]) -> None:
        """`attempt` carries `records` from now on, in its present phase."""
        lane = self.lane(attempt.lane)
        self.attempts[attempt.lane, attempt.number] = attempt
        self.carries[attempt.lane, attempt.number] = records
        new = attempt.number not in lane.attempts
        if new:
            lane.attempts.append(attempt.number)
            lane.open = [at for at in lane.open if at not in attempt.positions]
        for record in records:
            if new and isinstance(record, Setting) and self.setting_entry(record).waiting_at in attempt.positions:
                self.setting_entry(record).waiting_at = None
            role, interval = kind_of(record).interval, self.interval_of(record)
            if interval is not None and role == "opens":
                interval.start_at, interval.stalled = None, attempt.phase != "sending"
            elif interval is not None and role == "changes" and new:
                interval.update_at, interval.updating = None, True

    def hurry(self, attempt: Attempt) -> None:
        """The next step of `attempt` is due."""
        self.attempts[attempt.lane, attempt.number] = replace(attempt, not_before=0.0, rests_since=0.0)
        self.touch(attempt.lane)

    def hurry_after(self, name: str, interval: str) -> None:
        """The next step is due of the attempts of a lane that wait for the end of `interval`."""
        for attempt in self._committed.attempts(name) if name in self._committed.lanes else ():
            if interval in attempt.after and attempt.phase == "retry":
                self.hurry(attempt)

    def end_attempt(self, attempt: Attempt, records: tuple[Record, ...]) -> None:
        """`attempt` does not carry `records` any more."""
        lane = self.lane(attempt.lane)
        if attempt.number not in lane.attempts:
            return  # one without a request is stored only when it has to wait
        lane.attempts.remove(attempt.number)
        self.attempts[attempt.lane, attempt.number] = None
        for record in records:
            interval = self.interval_of(record)
            if interval is not None and kind_of(record).interval == "changes":
                interval.updating = False
