"""The outbox: records on disk from the moment they are made until Oden has them.

Invariants, true after every call and after a crash at any point of one:

- A change is one SQLite transaction, synced before the call returns. It is there whole or not at all.
- Every record that was committed is in exactly one place: a lane (waiting, or carried by the lane's attempt), parked
  with a dead interval, or a dead letter. It leaves only by `delivered` or by a person's decision.
- A lane has at most one attempt, and it carries the lane's first records. Retries send the attempt's stored body.
- An interval's id at Oden is kept while a record that names the interval waits, and for the last few closed intervals
  of each lane, because late output may still come for them.

Keys: `lane/L` a lane's bounds, `record/L/N` a record, `attempt/L`, `interval/K`, `line/L` a line's state, `lines-at-oden`,
`receipt/S/N` and `notice/N` rings, `dead/N`, `parked/K/N`, `totals`, `lanes`, `format`. All values are JSON text.

All calls belong to the thread that made the object.
"""

import copy
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from diskcache import Timeout

from gateway.errors import OutboxError
from gateway.model import RECORD, EndInterval, Notice, Output, Record, StartInterval, lane
from gateway.outbox.disk import DirectoryLock, open_cache
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
    INTERVAL,
    LANE,
    LINE_REFS,
    NOTICE,
    TOTALS,
    Attempt,
    Commit,
    Counts,
    DeadLetter,
    Interval,
    Lane,
    LaneView,
    LineRef,
    ReceiptId,
    Summary,
    Totals,
)

FORMAT = "1"
RECEIPTS_KEPT = 1000
"""Per source: twice the window that the MQTT source allows the broker."""
NOTICES_KEPT = 500
CLOSED_KEPT = 8
"""Per lane: intervals whose ids stay known after their end was delivered."""


class _Change:
    """What one transaction will write. Memory follows only once that is on disk."""

    def __init__(self, outbox: "Outbox") -> None:
        self._outbox = outbox
        self.put: dict[str, str] = {}
        self.drop: list[str] = []
        self.lanes: dict[str, Lane] = {}
        self.intervals: dict[str, Interval | None] = {}
        self.totals = copy.deepcopy(outbox.totals)
        self.new_receipts: list[tuple[str, int, ReceiptId]] = []
        self.new_sessions: tuple[str, ...] = ()

    def lane(self, name: str) -> Lane:
        if name not in self.lanes:
            self.lanes[name] = copy.deepcopy(self._outbox.lanes.get(name)) or Lane()
        return self.lanes[name]

    def interval(self, key: str) -> Interval | None:
        if key not in self.intervals:
            self.intervals[key] = self._outbox.interval(key)
        return self.intervals[key]

    def rows(self) -> dict[str, str]:
        """Everything to be written, by key."""
        rows = dict(self.put)
        known = self._outbox.lanes
        changed = {name: bounds for name, bounds in self.lanes.items() if bounds != known.get(name)}
        rows |= {f"lane/{name}": LANE.dump_json(bounds).decode() for name, bounds in changed.items()}
        rows |= {f"interval/{key}": INTERVAL.dump_json(row).decode() for key, row in self.intervals.items() if row}
        if new := [name for name in self.lanes if name not in known]:
            rows["lanes"] = json.dumps([*known, *new])
        if self.totals != self._outbox.totals:
            rows["totals"] = TOTALS.dump_json(self.totals).decode()
        return rows


class Outbox:
    """The outbox in one directory, held by this process alone."""

    def __init__(self, directory: Path) -> None:
        """Open or create it. Raises OutboxError where the directory is unwritable or locked, or its content unreadable."""
        self._lock = DirectoryLock(directory)
        try:
            self._open(directory)
        except (sqlite3.Error, OSError, ValueError, KeyError) as error:
            self._lock.release()
            raise OutboxError(
                f"the outbox in {directory} cannot be read ({type(error).__name__}: {error}). Move its folder 'outbox' "
                "elsewhere and keep it: it may hold records that Oden does not have yet."
            ) from error

    def _open(self, directory: Path) -> None:
        self._cache = open_cache(directory / "outbox")
        found = self._cache.get("format")
        if found is None:
            self._cache.set("format", FORMAT)
        elif found != FORMAT:
            self._cache.close()
            raise ValueError(f"it has format {found}, this version reads format {FORMAT}")
        self.lanes: dict[str, Lane] = {
            name: LANE.validate_json(self._cache[f"lane/{name}"]) for name in json.loads(self._cache.get("lanes", "[]"))
        }
        self.totals: Totals = TOTALS.validate_json(self._cache.get("totals", "{}"))
        self._receipts: dict[str, dict[int, ReceiptId]] = {}
        self._views: dict[str, LaneView | None] = {}

    def close(self) -> None:
        self._cache.close()
        self._lock.release()

    # What intake needs

    def line_state(self, line: str) -> str | None:
        """The line's state as it was last committed."""
        text: str | None = self._cache.get(f"line/{line}")
        return text

    def has_receipt(self, source: str, receipt: ReceiptId) -> bool:
        """Whether this delivery of `source` was committed within its present session."""
        return receipt in self._receipts_of(source).values()

    def has_receipts(self, source: str) -> bool:
        """Whether any delivery of `source` was committed within its present session."""
        return bool(self._receipts_of(source))

    def commit(self, commit: Commit) -> None:
        """Make line states, records, notices and receipts durable, all or none."""
        with self._change() as change:
            for line, state in commit.states.items():
                change.put[f"line/{line}"] = state
            for source in commit.new_sessions:
                change.drop += [f"receipt/{source}/{slot}" for slot in self._receipts_of(source)]
            change.new_sessions = commit.new_sessions
            for source, receipt in commit.receipts:
                number = change.totals.receipts.get(source, 0)
                change.totals.receipts[source] = number + 1
                slot = number % RECEIPTS_KEPT
                change.put[f"receipt/{source}/{slot}"] = json.dumps(receipt)
                change.new_receipts.append((source, slot, receipt))
            for notice in commit.notices:
                self._note(change, notice)
            for record in commit.records:
                self._append(change, record)

    def _append(self, change: _Change, record: Record) -> None:
        totals = change.totals
        totals.records[record.kind] = totals.records.get(record.kind, 0) + 1
        if isinstance(record, StartInterval):
            change.intervals[record.key] = Interval()
        interval = change.interval(record.interval)
        if interval and isinstance(record, EndInterval):
            interval.ended = True
        elif interval and isinstance(record, Output):
            if interval.ended:
                interval.late += 1
            else:
                interval.outputs += 1
        bounds = change.lane(lane(record))
        change.put[f"record/{lane(record)}/{bounds.tail}"] = RECORD.dump_json(record).decode()
        bounds.tail += 1
        bounds.waiting += 1

    def _note(self, change: _Change, notice: Notice) -> None:
        totals = change.totals
        change.put[f"notice/{totals.notices % NOTICES_KEPT}"] = NOTICE.dump_json(notice).decode()
        totals.notices += 1
        if notice.kind == "gap":
            totals.gaps[notice.source] = totals.gaps.get(notice.source, 0) + 1
        elif notice.kind == "reject":
            totals.rejects += 1
        else:
            totals.lost += 1

    # What delivery needs

    def views(self) -> list[LaneView]:
        """Every lane that has something to do, as it stands."""
        for name, bounds in self.lanes.items():
            if name not in self._views:
                self._views[name] = self._view(name, bounds)
        return [view for view in self._views.values() if view]

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        text = self._cache.get(f"interval/{key}")
        return INTERVAL.validate_json(text) if text else None

    def line_refs(self) -> dict[str, LineRef]:
        """Every line that ever had records here, by its key: also those that the configuration no longer names."""
        return LINE_REFS.validate_json(self._cache.get("lines-at-oden", "{}"))

    def learn_lines(self, refs: Mapping[str, LineRef]) -> None:
        """Add to `line_refs`, or change them."""
        self._cache.set("lines-at-oden", LINE_REFS.dump_json({**self.line_refs(), **refs}).decode())

    def begin(self, attempt: Attempt) -> None:
        """Store an attempt, new or changed. Nothing of it may leave before this returns."""
        with self._change() as change:
            change.lane(attempt.lane)
            change.put[f"attempt/{attempt.lane}"] = ATTEMPT.dump_json(attempt).decode()

    def delivered(self, view: LaneView, oden_id: str | None) -> None:
        """The records of `view` are at Oden; `oden_id` is the id of the interval that a start created."""
        with self._change() as change:
            for position, record in zip(view.positions, view.records, strict=True):
                self._leave(change, view.name, position, record)
                change.totals.delivered += 1
                interval = change.interval(record.interval)
                if interval is None:
                    continue
                if isinstance(record, StartInterval):
                    interval.oden_id = oden_id
                elif isinstance(record, EndInterval):
                    self._closed(change, view.name, record.interval)

    def bury(self, view: LaneView, at: float, error: str) -> None:
        """Oden refused the attempt of `view` for good: its records become dead letters."""
        if view.attempt is None:
            raise ValueError("only an attempt can be refused")
        with self._change() as change:
            for position, record in zip(view.positions, view.records, strict=True):
                attempt = view.attempt
                letter = DeadLetter(record, at, error, attempt.endpoint, attempt.body, attempt.tries)
                change.put[f"dead/{change.totals.dead}"] = DEAD_LETTER.dump_json(letter).decode()
                change.totals.dead += 1
                self._leave(change, view.name, position, record)
                interval = change.interval(record.interval)
                if isinstance(record, StartInterval) and interval:
                    interval.dead = True

    def park(self, view: LaneView) -> None:
        """Set the first record of `view` aside, because its interval is a dead letter or no longer known."""
        with self._change() as change:
            for position, record in zip(view.positions, view.records, strict=True):
                key = f"parked/{record.interval}/{change.totals.parked}"
                change.put[key] = RECORD.dump_json(record).decode()
                change.totals.parked += 1
                self._leave(change, view.name, position, record)

    def _leave(self, change: _Change, name: str, position: int, record: Record) -> None:
        change.drop += [f"record/{name}/{position}", f"attempt/{name}"]
        bounds = change.lane(name)
        bounds.head = max(bounds.head, position + 1)
        bounds.waiting -= 1
        interval = change.interval(record.interval)
        if isinstance(record, Output) and interval:
            # The lane is in order: those from before the end leave first.
            if interval.outputs:
                interval.outputs -= 1
            else:
                interval.late -= 1

    def _closed(self, change: _Change, name: str, key: str) -> None:
        bounds = change.lane(name)
        bounds.closed.append(key)
        while len(bounds.closed) > CLOSED_KEPT:
            oldest = change.interval(bounds.closed[0])
            if oldest and oldest.outputs + oldest.late:
                break
            change.intervals[bounds.closed[0]] = None
            change.drop.append(f"interval/{bounds.closed.pop(0)}")

    # What status needs

    def counts(self) -> Counts:
        """How many records are where."""
        attempts = [view.attempt for view in self.views() if view.attempt]
        waiting = sum(bounds.waiting for bounds in self.lanes.values())
        carried = {phase: sum(len(a.positions) for a in attempts if a.phase == phase) for phase in ("sending", "doubt")}
        return Counts(
            waiting=waiting - carried["sending"] - carried["doubt"],
            sending=carried["sending"],
            in_doubt=carried["doubt"],
            parked=self.totals.parked,
            dead=self.totals.dead,
            oldest_at=min((view.records[0].at for view in self.views()), default=None),
        )

    def notices(self, newest: int) -> list[Notice]:
        """The last notices, newest first."""
        total = self.totals.notices
        slots = (number % NOTICES_KEPT for number in range(total - 1, max(total - 1 - newest, -1), -1))
        return [NOTICE.validate_json(self._cache[f"notice/{slot}"]) for slot in slots]

    def dead_letters(self, newest: int) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        total = self.totals.dead
        numbers = range(total - 1, max(total - 1 - newest, -1), -1)
        return [DEAD_LETTER.validate_json(self._cache[f"dead/{number}"]) for number in numbers]

    def summary(self, newest: int) -> Summary:
        """Counts, and the `newest` notices and dead letters."""
        return Summary(
            self.counts(),
            copy.deepcopy(self.totals),
            tuple(self.notices(newest)),
            tuple(self.dead_letters(newest)),
            self._cache.volume(),
        )

    # Inside

    @contextmanager
    def _change(self) -> Iterator[_Change]:
        change = _Change(self)
        yield change
        rows = change.rows()
        try:
            with self._cache.transact():
                for key in change.drop:
                    self._cache.delete(key)
                for key, text in rows.items():
                    self._cache.set(key, text)
        except Timeout as error:
            # diskcache's name for whatever keeps SQLite from beginning a transaction, a full disk for instance.
            raise OutboxError(f"no transaction can begin: {error.__cause__ or error.__context__ or error}") from error
        self.totals = change.totals
        self.lanes.update(change.lanes)
        for name, view in list(self._views.items()):
            if name in change.lanes or (view and view.records[0].interval in change.intervals):
                del self._views[name]
        for source in change.new_sessions:
            self._receipts[source] = {}
        for source, slot, receipt in change.new_receipts:
            self._receipts_of(source)[slot] = receipt

    def _view(self, name: str, bounds: Lane) -> LaneView | None:
        text = self._cache.get(f"attempt/{name}")
        attempt = ATTEMPT.validate_json(text) if text else None
        if attempt:
            positions = attempt.positions
        else:
            first = next((n for n in range(bounds.head, bounds.tail) if f"record/{name}/{n}" in self._cache), None)
            if first is None:
                return None
            positions = (first,)
        records = tuple(RECORD.validate_json(self._cache[f"record/{name}/{position}"]) for position in positions)
        return LaneView(name, attempt, records, positions, self.interval(records[0].interval))

    def _receipts_of(self, source: str) -> dict[int, ReceiptId]:
        if source not in self._receipts:
            rows = ((slot, self._cache.get(f"receipt/{source}/{slot}")) for slot in range(RECEIPTS_KEPT))
            self._receipts[source] = {slot: ReceiptId(*json.loads(row)) for slot, row in rows if row}
        return self._receipts[source]
