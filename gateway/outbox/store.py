"""The outbox: records kept from the moment they are made until Oden has them.

Invariants, true after every call and after a crash at any point of one:

- A change is one transaction of its rows, durable before the call returns. It is there whole or not at all.
- Every record that was committed is in exactly one place: a lane (waiting, or carried by one of the lane's attempts), parked
  with an interval whose start is in doubt or a dead letter, or a dead letter itself. Merged into another that waits, it is where that
  one is. It leaves only when Oden has it, or by a person's decision.
- An attempt carries records of one lane, and no record is carried twice. Retries send the attempt's stored body.
- The end of an interval waits for the output that was committed before it, and for no other: each entry remembers on which side it is.
- A create that Oden may have is not sent before it was looked up: what an attempt carried, and, after a damage, whatever waited.
- What an update has said is never overtaken by an older one, also not by a dead letter that is sent once more.
- Starts of intervals that are still open stay live, whatever is appended behind them.
- An interval's id at Oden is kept while a record that names the interval waits, and for the last few closed intervals
  of each lane, because late output may still come for them.

Rows: `lane/L` a lane's bounds, `record/L/N` a record, `attempt/L/N`, `interval/K`, `thing/K`, `line/L` a line's state, `lines-at-oden`,
`receipt/S/N` and `notice/N` rings, `totals`, `lanes`, `damage`, `format`. All are JSON text; a record's begins with what `kept` says
of it. Lanes are named in `lanes`; the lane of dead letters holds these instead of records.

`change` says how a transaction is made, `offers` what delivery can go on with, `books` what is counted, `room` what is given up
where the user wants that.

All calls belong to the thread that made the object.
"""

import json
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gateway.errors import OutboxError, OutboxFull
from gateway.model import Notice, Output, Record
from gateway.outbox import books, merge, room
from gateway.outbox.carried import attempted, ended
from gateway.outbox.change import Change
from gateway.outbox.entries import (
    ATTEMPT,
    INTERVAL,
    LANE,
    LINE_REFS,
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
from gateway.outbox.kept import Kept, kept
from gateway.outbox.lanes import keeps_order, resumed, takes_turns
from gateway.outbox.offers import LOOK, Offers
from gateway.outbox.rows import Rows

FORMAT = "2"
RECEIPTS_KEPT = 1000
"""Per source: twice the window that the MQTT source allows the broker."""
SPAN = 900.0
"""Seconds; the default of `merge_span`."""
MOST_PARTS = 16
"""Per lane: how many outages are told apart."""


class Outbox:
    """The outbox in `rows`, which it closes. `span` is the time resolution of output, in seconds. From `drop_above` bytes on, the
    oldest output is dropped to make room; None: never."""

    def __init__(self, rows: Rows, span: float = SPAN, drop_above: int | None = None) -> None:
        """Raises OutboxError where the rows are not an outbox of this format."""
        self._rows = rows
        self.span = span
        self._drop_above = drop_above
        self._in_vain = False
        """Output was dropped, and that made no room."""
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
        self._carried: dict[str, frozenset[int]] = {}
        self._latest: dict[str, dict[Hashable, int]] = {}
        self._receipts: dict[str, dict[int, ReceiptId]] = {}
        self._offers = Offers(self)

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
        if lane not in self._carried:
            self._carried[lane] = frozenset(at for attempt in self.attempts(lane) for at in attempt.positions)
        return position in self._carried[lane]

    def before(self, lane: str, position: int) -> int:
        """The last position up to `position` at which something may be."""
        return self._offers.before(lane, position)

    def after(self, lane: str, position: int) -> int:
        """The first position from `position` on at which something may wait."""
        return self._offers.after(lane, position)

    def latest(self, lane: str, kind: Hashable) -> int | None:
        """The position of the newest record of `kind` in a lane of output, as far back as is remembered."""
        if lane not in self._latest:
            self._latest[lane] = {}
            bounds = self.lanes.get(lane)
            first = max(bounds.head, bounds.tail - 2 * LOOK) if bounds else 0
            for position, text in self._offers.waiting(lane, first, bounds.tail if bounds else 0):
                one = kept(text)
                interval = self.interval(one.record.interval)
                if isinstance(one.record, Output) and interval and not one.unsure:
                    self._latest[lane][merge.kind(one.record, interval.start, self.span)] = position
        return self._latest[lane].get(kind)

    def attempts(self, lane: str) -> Collection[Attempt]:
        """The attempts of a lane."""
        return self._attempts.get(lane, {}).values()

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
        self._make_room(commit)
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
                books.note(change, notice)
            for record in commit.records:
                change.append(record)

    def _make_room(self, commit: Commit) -> None:
        """Drop the oldest output, where the user has chosen that."""
        if self._drop_above is None:
            return
        used = self._rows.used()
        self._in_vain = self._in_vain and used >= self._drop_above
        for _ in range(room.MOST_DROPPED):
            entries = room.oldest_output(self, self._offers) if used >= self._drop_above and not self._in_vain else []
            if not entries:
                return
            at = max([*(record.at for record in commit.records), entries[-1].at])
            with self.change() as change:
                room.drop(change, entries, at)
            before, used = used, self._rows.used()
            self._in_vain = used >= before

    # What delivery needs

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is stuck,
        and the same of its backlog. What a damage has made the outbox unsure of is offered as an attempt in doubt."""
        return self._offers.work()

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with the other records of its lane that fit and can be sent; `most` in all."""
        return self._offers.gather(work, fits, most)

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        text = self.row(f"interval/{key}")
        return INTERVAL.validate_json(text) if text else None

    def line_refs(self) -> dict[str, LineRef]:
        """Every line that ever had records here, by its key: also those that the configuration no longer names."""
        return LINE_REFS.validate_json(self.row("lines-at-oden") or "{}")

    def learn_lines(self, refs: Mapping[str, LineRef]) -> None:
        """Add to `line_refs`, or change them."""
        self._rows.apply({"lines-at-oden": LINE_REFS.dump_json({**self.line_refs(), **refs}).decode()})

    def begin(self, work: Work, attempt: Attempt) -> bool:
        """Store the attempt of `work`, new or changed. Nothing of it may leave before this returns, and nothing if it answers
        False: then more was merged into a record since it was read.

        One without a body that is to be sent again ends here: Oden does not have its records, which wait as any other.
        """
        if attempt.number not in self._attempts.get(attempt.lane, {}):
            there = [one.record for _, one in self._read(work)]
            if there != list(work.records):
                return False
        if not attempt.body and attempt.phase == "again":
            self._let_wait(work)
            return True
        if not attempt.body:
            self._offers.rest_until = max(self._offers.rest_until, attempt.not_before)
        with self.change() as change:
            attempted(change, attempt, work.records)
        self._offers.begun(attempt, work.records)
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
            for position, one in self._read(work):
                change.take(work.lane, position)
                if position in delivered:
                    change.delivered(one, delivered[position])
                elif dead and position in dead:
                    sent = (attempt.endpoint, attempt.body, attempt.tries) if attempt else ("", "", 0)
                    change.bury(DeadLetter(one.record, at, dead[position], *sent), late=one.late)
                else:
                    change.put_back(one)

    def _let_wait(self, work: Work) -> None:
        """Oden does not have what it might have had."""
        with self.change() as change:
            if work.attempt is not None:
                ended(change, work.attempt, work.records)
            for position, one in self._read(work):
                change.take(work.lane, position)
                change.put_back(replace(one, unsure=False))

    def park(self, work: Work) -> None:
        """Set the stuck records of `work` aside until their interval is known at Oden."""
        with self.change() as change:
            change.lane(work.lane, work.line)  # what was seen of the lane may no longer be true
            for position, one in self._read(work):
                interval = change.interval(one.record.interval)
                if interval is not None and interval.stalled:
                    change.take(work.lane, position)
                    change.park(one)

    def resume(self) -> None:
        """Delivery works again after an outage: what waits is backlog from now on, but for intervals that are still open."""
        with self.change() as change:
            for name, lane in self.lanes.items():
                if takes_turns(name) and not keeps_order(name) and (lane.head < lane.tail or lane.open):
                    head = change.keep_live(name)
                    change.lanes[name] = resumed(change.lane(name), head, MOST_PARTS)

    # What status needs

    def counts(self) -> Counts:
        """How many records are where."""
        return books.counts(self, self._offers)

    def notices(self, newest: int) -> list[Notice]:
        """The last notices, newest first."""
        return books.notices(self, self.totals, newest)

    def dead_letters(self, newest: int) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        return books.dead_letters(self, self._offers, newest)

    def summary(self, newest: int) -> Summary:
        """Counts, and the `newest` notices and dead letters."""
        return books.summary(self, self._offers, self._rows, self.totals, newest)

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
            self._carried.pop(name, None)
            if attempt is None:
                known.pop(number, None)
            else:
                known[number] = attempt
        self._offers.changed(change)
        for (name, kind), position in change.latest.items():
            self.latest(name, kind)
            self._latest[name] = dict([*self._latest[name].items(), (kind, position)][-4 * LOOK :])
        for source in change.new_sessions:
            self._receipts[source] = {}
        for source, slot, receipt in change.new_receipts:
            self._receipts_of(source)[slot] = receipt

    def _read(self, work: Work) -> list[tuple[int, Kept]]:
        """The records of `work` as they are now. Since it was chosen, one that no attempt carries may have grown or been dropped."""
        texts = ((position, self.row(f"record/{work.lane}/{position}")) for position in work.positions)
        return [(position, kept(text)) for position, text in texts if text]

    def _receipts_of(self, source: str) -> dict[int, ReceiptId]:
        if source not in self._receipts:
            rows = ((slot, self.row(f"receipt/{source}/{slot}")) for slot in range(RECEIPTS_KEPT))
            self._receipts[source] = {slot: ReceiptId(*json.loads(row)) for slot, row in rows if row}
        return self._receipts[source]
