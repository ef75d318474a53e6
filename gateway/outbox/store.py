"""The outbox: records kept from the moment they are made until Oden has them.

Invariants, true after every call and after a crash at any point of one:

- A change is one transaction of its rows, durable before the call returns. It is there whole or not at all.
- Every record that was committed is in exactly one place: a lane (waiting, or carried by one of the lane's attempts), parked
  with an interval whose start is in doubt or a dead letter, or a dead letter itself. Merged into another that waits, it is where that
  one is. It leaves only when Oden has it, or by a person's decision.
- An attempt carries records of one lane, and no record is carried twice. Retries send the attempt's stored body.
- An interval's id at Oden is kept while a record that names the interval waits, and for the last few closed intervals
  of each lane, because late output may still come for them.

Rows: `lane/L` a lane's bounds, `record/L/N` a record, `attempt/L/N`, `interval/K`, `line/L` a line's state, `lines-at-oden`,
`receipt/S/N` and `notice/N` rings, `totals`, `lanes`, `damage`, `format`. All are JSON text. Lanes are named in `change`; the
lane of dead letters holds these instead of records.

All calls belong to the thread that made the object.
"""

import json
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from gateway.errors import OutboxError, OutboxFull
from gateway.model import RECORD, Notice, Output, Record, StartInterval, UpdateInterval
from gateway.outbox import merge
from gateway.outbox.change import DEAD, Change, attempted, count_in, ended
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
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
    LineRef,
    ReceiptId,
    Summary,
    Totals,
    Work,
)
from gateway.outbox.offers import LOOK, Offers
from gateway.outbox.rows import Rows

FORMAT = "2"
RECEIPTS_KEPT = 1000
"""Per source: twice the window that the MQTT source allows the broker."""
NOTICES_KEPT = 500
SPAN = 900.0
"""Seconds; the default of `merge_span`."""
DROPPED_AT_ONCE = 500
"""Entries of output that are dropped before it is looked at again whether there is room."""
MOST_PARTS = 16
"""Per lane: how many outages are told apart."""


class Outbox:
    """The outbox in `rows`, which it closes. `span` is the time resolution of output, in seconds.

    `drop_oldest_output`: at its size limit it drops the oldest output that waits, counted, instead of taking nothing in.
    """

    def __init__(self, rows: Rows, span: float = SPAN, *, drop_oldest_output: bool = False) -> None:
        """Raises OutboxError where the rows are not an outbox of this format."""
        self._rows = rows
        self._drops = drop_oldest_output
        self.span = span
        found = rows.get("format")
        if found is None:
            rows.apply({"format": FORMAT})
        elif found != FORMAT:
            raise OutboxError(f"the outbox has format {found}, this version reads format {FORMAT}")
        self.lanes: dict[str, Lane] = {
            name: LANE.validate_json(rows.get(f"lane/{name}") or "{}") for name in json.loads(rows.get("lanes") or "[]")
        }
        self.totals: Totals = TOTALS.validate_json(rows.get("totals") or "{}")
        self._attempts: dict[str, dict[int, Attempt]] = {
            name: {
                number: ATTEMPT.validate_json(rows.get(f"attempt/{name}/{number}") or "") for number in lane.attempts
            }
            for name, lane in self.lanes.items()
        }
        self._offers = Offers(self.row, self.lanes, self._attempts)
        self._latest: dict[str, dict[Hashable, int]] = {}
        self._dead_letters: tuple[int, list[DeadLetter]] = (0, [])
        self._receipts: dict[str, dict[int, ReceiptId]] = {}

    def close(self) -> None:
        self._rows.close()

    # What a change begins from

    def row(self, key: str) -> str | None:
        """The text of one row."""
        return self._rows.get(key)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every row; nothing may be changed meanwhile."""
        return self._rows.items()

    def carried(self, lane: str, position: int) -> bool:
        """Whether an attempt carries the record."""
        return self._offers.carried(lane, position)

    def latest(self, lane: str, kind: Hashable) -> int | None:
        """The position of the newest entry of `kind` in a lane of output, as far back as is remembered."""
        if lane not in self._latest:
            self._latest[lane] = {}
            bounds = self.lanes.get(lane)
            for position in range(max(bounds.head, bounds.tail - 2 * LOOK), bounds.tail) if bounds else ():
                text = self.row(f"record/{lane}/{position}")
                record = RECORD.validate_json(text) if text else None
                interval = self.interval(record.interval) if record else None
                if isinstance(record, Output) and interval:
                    self._latest[lane][merge.kind(record, interval.start, self.span)] = position
        return self._latest[lane].get(kind)

    def attempts(self, lane: str) -> Collection[Attempt]:
        """The attempts of a lane."""
        return self._offers.attempts(lane)

    # What intake needs

    def line_state(self, line: str) -> str | None:
        """The line's state as it was last committed."""
        return self.row(f"line/{line}")

    def has_receipt(self, source: str, receipt: ReceiptId) -> bool:
        """Whether this delivery of `source` was committed within its present session."""
        return receipt in self._receipts_of(source).values()

    def has_receipts(self, source: str) -> bool:
        """Whether any delivery of `source` was committed within its present session."""
        return bool(self._receipts_of(source))

    def commit(self, commit: Commit) -> None:
        """Make line states, records, notices and receipts durable, all or none. Raises OutboxFull where there is no room."""
        full = self._rows.full()
        while full is not None and self._drops and self._rows.over() and self._make_room(commit):
            full = self._rows.full()
        if full is not None:
            raise OutboxFull(full)
        with self.change() as change:
            for line, state in commit.states.items():
                change.put[f"line/{line}"] = state
            for source in commit.new_sessions:
                change.drop |= {f"receipt/{source}/{slot}" for slot in self._receipts_of(source)}
            change.new_sessions = commit.new_sessions
            for source, receipt in commit.receipts:
                number = change.totals.receipts.get(source, 0)
                change.totals.receipts[source] = number + 1
                slot = number % RECEIPTS_KEPT
                change.put[f"receipt/{source}/{slot}"] = json.dumps(receipt)
                change.new_receipts.append((source, slot, receipt))
            for notice in commit.notices:
                _count(change.totals, notice)
                _note(change, notice)
            for record in commit.records:
                self._append(change, record)

    def _append(self, change: Change, record: Record) -> None:
        totals = change.totals
        totals.records[record.kind] = totals.records.get(record.kind, 0) + 1
        if isinstance(record, StartInterval):
            ended = record.end is not None
            change.intervals[record.key] = Interval(record.line, record.type, record.start, ended=ended)
        interval = change.interval(record.interval)
        if isinstance(record, UpdateInterval) and interval is not None and record.end is not None:
            interval.ended = True
        if isinstance(record, Output) and interval is not None and interval.ended:
            record = replace(record, late=True)
        if not change.place(record) and isinstance(record, Output) and interval is not None:
            count_in(interval, record)

    def _make_room(self, commit: Commit) -> bool:
        """Drop the oldest output that waits, as much as goes at once; whether there was any."""
        with self.change() as change:
            dropped = list(islice(self._offers.oldest_output(), DROPPED_AT_ONCE))
            for lane, position, output in dropped:
                change.give_up(lane, position, output)
            if dropped:
                now = max((record.at for record in commit.records), default=dropped[-1][2].at)
                text = f"the outbox is full: {len(dropped)} entries of output, the oldest, were dropped as `when_full` says"
                _note(change, Notice("loss", now, "", "", text))
        return bool(dropped)

    # What delivery needs

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is stuck,
        and the same of its backlog."""
        return self._offers.work()

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with the other records of its lane that fit and can be sent; `most` in all."""
        return self._offers.gather(work, fits, most)

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        return self._offers.interval(key)

    def line_refs(self) -> dict[str, LineRef]:
        """Every line that ever had records here, by its key: also those that the configuration no longer names."""
        return LINE_REFS.validate_json(self.row("lines-at-oden") or "{}")

    def learn_lines(self, refs: Mapping[str, LineRef]) -> None:
        """Add to `line_refs`, or change them."""
        self._rows.apply({"lines-at-oden": LINE_REFS.dump_json({**self.line_refs(), **refs}).decode()})

    def begin(self, work: Work, attempt: Attempt) -> bool:
        """Store the attempt of `work`, new or changed. Nothing of it may leave before this returns, and nothing if it answers
        False: then more was merged into a record since it was read."""
        if attempt.number not in self._attempts.get(attempt.lane, {}):
            texts = (self.row(f"record/{work.lane}/{position}") for position in work.positions)
            if any(
                text is None or RECORD.validate_json(text) != record
                for text, record in zip(texts, work.records, strict=True)
            ):
                return False
        with self.change() as change:
            attempted(change, attempt, work.records)
        return True

    def settle(
        self, work: Work, delivered: Mapping[int, str | None], dead: Mapping[int, str] | None = None, at: float = 0.0
    ) -> None:
        """Oden has the records at the positions `delivered`, with their ids where they are starts; it refused those that are
        `dead` for good, with the reason, at `at`. The others wait again, and an attempt has come to its end."""
        attempt = work.attempt
        with self.change() as change:
            if attempt is not None:
                ended(change, attempt, work.records)
            for position, record in self._left(work):
                change.take(work.lane, position)
                if position in delivered:
                    change.delivered(record, delivered[position])
                elif dead and position in dead:
                    sent = (attempt.endpoint, attempt.body, attempt.tries) if attempt else ("", "", 0)
                    change.bury(DeadLetter(record, at, dead[position], *sent))
                else:
                    change.put_back(record)

    def park(self, work: Work) -> None:
        """Set the stuck records of `work` aside until their interval is known at Oden."""
        with self.change() as change:
            change.lane(work.lane, work.line)  # what was seen of the lane may no longer be true
            for position, record in self._left(work):
                interval = change.interval(record.interval)
                if interval is not None and interval.stalled:
                    change.take(work.lane, position)
                    change.park(record)

    def resume(self) -> None:
        """Delivery works again after an outage: what waits is backlog from now on, but for intervals that are still open."""
        with self.change() as change:
            for name in list(self.lanes):
                lane = self.lanes[name]
                if name != DEAD and not name.endswith("/parked") and lane.head != lane.tail:
                    change.resume(name, MOST_PARTS)

    # What status needs

    def counts(self) -> Counts:
        """How many records are where."""
        waiting = carried = in_doubt = parked = 0
        oldest: list[float] = []
        for name, lane in self.lanes.items():
            if name.endswith("/parked"):
                parked += lane.waiting
            elif name != DEAD and lane.waiting:
                waiting += lane.waiting
                for attempt in self._attempts.get(name, {}).values():
                    carried += len(attempt.positions) if attempt.phase == "sending" else 0
                    in_doubt += len(attempt.positions) if attempt.phase == "doubt" else 0
                since = self._offers.oldest(name)
                oldest += [since] if since is not None else []
        dead = self.lanes[DEAD].waiting if DEAD in self.lanes else 0
        return Counts(waiting - carried - in_doubt, carried, in_doubt, parked, dead, min(oldest, default=None))

    def notices(self, newest: int) -> list[Notice]:
        """The last notices, newest first."""
        total = self.totals.notices
        slots = (number % NOTICES_KEPT for number in range(total - 1, max(total - 1 - newest, -1), -1))
        return [NOTICE.validate_json(text) for slot in slots if (text := self.row(f"notice/{slot}"))]

    def dead_letters(self, newest: int) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        asked, known = self._dead_letters
        if asked < newest:
            lane = self.lanes.get(DEAD) or Lane("")
            texts = (self.row(f"record/{DEAD}/{number}") for number in range(lane.tail - 1, lane.head - 1, -1))
            found = (DEAD_LETTER.validate_json(text) for text in texts if text)
            known = [letter for letter, _ in zip(found, range(min(newest, lane.waiting)), strict=False)]
            self._dead_letters = newest, known
        return known[:newest]

    def summary(self, newest: int) -> Summary:
        """Counts, and the `newest` notices and dead letters."""
        return Summary(
            self.counts(),
            self.totals.copy(),
            tuple(self.notices(newest)),
            tuple(self.dead_letters(newest)),
            self._rows.used(),
            self._rows.full(),
            tuple(str(report["folder"]) for report in json.loads(self.row("damage") or "[]")),
        )

    # Inside

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One transaction: what the block puts into the change is written at its end, all or none."""
        change = Change(self)
        yield change
        self._rows.apply(*change.rows())
        self.totals = change.totals
        self.lanes.update(change.lanes)
        for (name, number), attempt in change.attempts.items():
            known = self._attempts.setdefault(name, {})
            if attempt is None:
                known.pop(number, None)
            else:
                known[number] = attempt
        self._offers.forget(change)
        if DEAD in change.lanes:
            self._dead_letters = (0, [])
        for (name, kind), position in change.latest.items():
            self.latest(name, kind)
            self._latest[name] = dict([*self._latest[name].items(), (kind, position)][-4 * LOOK :])
        for source in change.new_sessions:
            self._receipts[source] = {}
        for source, slot, receipt in change.new_receipts:
            self._receipts_of(source)[slot] = receipt

    def _left(self, work: Work) -> list[tuple[int, Record]]:
        """The records of `work` as they are now. Since it was chosen, one that no attempt carries may have grown or been dropped."""
        if work.attempt is not None:
            return list(zip(work.positions, work.records, strict=True))
        texts = ((position, self.row(f"record/{work.lane}/{position}")) for position in work.positions)
        return [(position, RECORD.validate_json(text)) for position, text in texts if text]

    def _receipts_of(self, source: str) -> dict[int, ReceiptId]:
        if source not in self._receipts:
            rows = ((slot, self.row(f"receipt/{source}/{slot}")) for slot in range(RECEIPTS_KEPT))
            self._receipts[source] = {slot: ReceiptId(*json.loads(row)) for slot, row in rows if row}
        return self._receipts[source]


def _note(change: Change, notice: Notice) -> None:
    change.put[f"notice/{change.totals.notices % NOTICES_KEPT}"] = NOTICE.dump_json(notice).decode()
    change.totals.notices += 1


def _count(totals: Totals, notice: Notice) -> None:
    if notice.kind == "gap":
        totals.gaps[notice.source] = totals.gaps.get(notice.source, 0) + 1
    elif notice.kind == "reject":
        totals.rejects += 1
    else:
        totals.lost += 1
