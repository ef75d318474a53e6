"""The outbox: records are kept here from the moment they are made until Oden has them.

Theory of operation
-------------------

Intake hands over a `Commit`: line states, the records that were made from what the plant said, notices, and receipts of
MQTT messages. All of it becomes durable in one transaction, and only then are messages acknowledged. Each record goes
to the end of a lane, a queue of one line and one family of records, or into a record that waits there already and is
about the same (`merge`). Delivery asks for what it can go on with (`work`), stores an attempt with the exact request
before the first byte of it leaves (`begin`), and tells afterwards what became of each record (`settle`).

The rows are a key-value store on disk that is written in transactions (`key_value`, `sqlite_store`). A `Transaction`
collects what one of them will write, by the rules of `record_rules`. What the outbox holds in memory is a copy of rows
and what follows from them (`cache`): lanes, attempts, counts, and what is ready (`ready_set`). It follows once the rows
are written, by assignments that read nothing and cannot fail. Where a write raised, nobody knows whether it took
effect: then the copy is thrown away and read again from the rows at the next call, so memory and disk are never apart.

Invariants
----------

They are true after every call, and after a crash at any point of one:

- A transaction is there whole or not at all, and durable before the call returns. A call that raises has had its
  effect whole or not at all, too; the next call sees which.
- Commits are numbered, one after another. The number and a digest of the last one are written in its own transaction,
  so the same commit, made again because its outcome was not learned, is stored once.
- Every committed record is in exactly one place: in a lane, where it waits or is carried by one of the lane's attempts;
  parked, with an interval whose start is in doubt or a dead letter, or until entries are at Oden that must be there
  before it (`balance`); or a dead letter itself. Where it was merged into another, it is where that one is. It leaves
  when Oden has it, by a person's decision, or, where the user has chosen that, as output that made room (`overflow`).
- An attempt carries records of one lane, and no record is carried twice. What is sent again is the stored request.
- The end of an interval waits for the output that was committed before it alone: each entry remembers its side of it.
- A create that Oden may have is looked up before it is sent: what an attempt carried; after damage, whatever waited.
- What an update or a setting has said is never overtaken by an older one, nor by a dead letter that is sent once more.
- Starts of intervals that are still open stay live, whatever is appended behind them.
- The id of an interval at Oden is kept while a record names the interval, and for the last few closed intervals of each
  lane, because late output may still come for them.

Rows and format
---------------

All rows are JSON text; names in them never change within a format:
    format                  "3"
    commit                  number and digest of the last commit
    lanes                   the names of all lanes
    lane/LANE               a lane's bounds, attempts and closed intervals
    record/LANE/POSITION    a record, headed by what the outbox remembers of it; in the lane `dead`, a dead letter
    attempt/LANE/POSITION   an attempt, known by the position of its first record
    interval/KEY            what is known of an interval, by the key of its start
    awaited/KEY             which parked entries of output wait for the entry KEY of a correction
    thing/DIGEST            what there is of one thing that settings are about
    line/LINE/NAME          a row of a line's state, as mapping wrote it; earlier versions had one, line/LINE
    trail/LINE              the beginning of what a line remembers that it has heard
    heard/COMMIT            what lines have heard until that commit and since the one before
    lines-at-oden           names and ids of lines at Oden
    learned                 what delivery has learned of Oden's manners
    session/SESSION         an MQTT session, and where its unconfirmed receipts are
    receipts/SESSION/PLACE  a block of them, by the place of its first
    ids/SOURCE/SLOT         a ring of the last ids of messages, those of one commit in each row
    receipt/SOURCE/SLOT     of an earlier version: a ring of the last deliveries of each source, until that connects
    notice/SLOT             a ring of the last notices
    reject/, payload/SLOT   a ring of messages that could not be used
    totals                  counts that survive restarts
    damage                  reports of damage that nobody has acknowledged
    clock, life             the last time that was confirmed; the last opening, by its ULID
    left-open, uncompared   what another life has to see to at Oden, and since when; what it knew of counters then
    resting                 lines of which output that is unsure waits for that

Opening a directory (`recovery`) brings a store of an earlier format to this one (1: `migrate`; 2: `database`), keeping
a copy for a while (`upgrade`), and makes another of what can be read of a damaged one (`salvage`, `reindex`).

The life of a record
--------------------

    committed ─► waiting ─► sending ─┬─► delivered                     Oden has it
                   ▲  ▲              ├─► retry ────► sending           Oden certainly did not take it
                   │  │              ├─► in doubt ─┬─► delivered       it may have; a look-up showed it
                   │  │              │             └─► retry           a look-up showed that it is not there
                   │  └──────────────┴─► dead letter                   refused for good, or *unsettled*: it may be at
                   │                                                   Oden and cannot be looked up; a person decides
                   └─ parked                                           its interval's start is in doubt or a dead letter

All calls belong to the thread that made the object.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from gateway.errors import CommitConflict, OutboxError, OutboxFull
from gateway.frozen import replace
from gateway.message_ids import MessageIds
from gateway.model import Notice, Record, StartInterval
from gateway.outbox import ends, known_messages, overflow, record_rules, rejects, statistics
from gateway.outbox.cache import OutboxCache
from gateway.outbox.entries import (
    COMMIT_MARK,
    LINE_REFS,
    Attempt,
    Commit,
    DeadLetter,
    Interval,
    LineRef,
    Totals,
    Work,
)
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.known_messages import StoredSession
from gateway.outbox.lanes import Lane, StoredRecord, keeps_order, resumed, takes_turns
from gateway.outbox.transaction import Transaction

FORMAT = "3"
SPAN = 900.0
"""Seconds; the default of `merge_span`."""
MOST_PARTS = 16
"""Per lane: how many outages are told apart."""


class Outbox:
    """The outbox in `rows`, which it closes. `span` is the time resolution of output, in seconds; another may be set at
    any time. From `drop_above` bytes on, the oldest output is dropped to make room; None: never."""

    def __init__(self, rows: KeyValueStore, span: float = SPAN, drop_above: int | None = None) -> None:
        """Raises OutboxError where the rows are not an outbox of this format."""
        self._rows = rows
        self.span = span
        self._drop_above = drop_above
        self.after: Callable[[], None] = lambda: None  # is called after each transaction, and never raises
        self.after_delivery = self.after  # likewise, where Oden has taken records
        self._in_vain = False
        """Output was dropped, and that made no room."""
        version = rows.get("format")
        if version is None:
            rows.apply({"format": FORMAT})
        elif version != FORMAT:
            raise OutboxError(f"the outbox has format {version}, this version reads format {FORMAT}")
        self._held: OutboxCache | None = OutboxCache(rows, span, rest_until=0.0)
        self.rest_until = 0.0

    def close(self) -> None:
        self._rows.close()

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by name; not to be changed."""
        return self._cache.lanes

    @property
    def totals(self) -> Totals:
        """The counts; not to be changed."""
        return self._cache.totals

    def row(self, key: str) -> str | None:
        """The text of one row."""
        return self._rows.get(key)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every row; nothing may be changed meanwhile."""
        return self._rows.items()

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        return self._cache.interval(key)

    def attempts(self, lane: str) -> Collection[Attempt]:
        """The attempts of a lane."""
        return self._cache.attempts(lane)

    def is_carried(self, lane: str, position: int) -> bool:
        """Whether an attempt carries the record."""
        return self._cache.is_carried(lane, position)

    # What intake needs

    def line_state(self, line: str) -> dict[str, str]:
        """The rows of the line's state as they were last committed, by their names."""
        key = f"line/{line}"
        rows = {name: text for name, text in self._rows.get_under(f"{key}/").items() if "/" not in name[len(key) + 1 :]}
        whole = self.row(key)
        return {name[len(key) + 1 :]: text for name, text in rows.items()} | ({"": whole} if whole is not None else {})

    def trail(self, line: str) -> str | None:
        """The beginning of what the line remembers that it has heard, as it was last committed."""
        return self.row(f"trail/{line}")

    def heard(self) -> list[tuple[int, str]]:
        """What lines have heard, as far as it is still needed, by the number of the commit, the oldest first."""
        return known_messages.heard(self._cache)

    def session(self, name: str) -> StoredSession | None:
        """What is stored of an MQTT session; None where it was never seen."""
        return known_messages.session(self._rows, name)

    def message_ids(self, source: str) -> MessageIds:
        """The ids of messages of `source` that are known."""
        return known_messages.message_ids(self._rows, source)

    def old_ring(self, source: str) -> list[tuple[int, str]]:
        """The last deliveries of `source` that an earlier version has kept, packet id and digest, the oldest first."""
        return known_messages.old_ring(self._rows, source, self._cache.totals.receipts.get(source, 0))

    def last_commit(self) -> int:
        """The number of the last commit; 0 where there is none, or the last was of a version that had no numbers."""
        return self._cache.last_commit.number

    def commit(self, commit: Commit, *, takes_in: bool = True) -> None:
        """Make line states, records, notices and receipts durable, all or none.

        `commit.number` must be `last_commit() + 1`, or the last number again with the same content: then nothing is
        done, because it is there. So a commit whose outcome was not learned can be made again as it is. Raises
        CommitConflict where the last number comes with other content, or any other number; OutboxFull where there is
        no room, but never of what `takes_in` nothing: what waits may be waiting for it.
        """
        mark, last = commit.mark(), self._cache.last_commit
        if mark == last:
            return
        if mark.number == last.number:
            raise CommitConflict(f"commit {mark.number} was made before, with another content")
        if mark.number != last.number + 1:
            raise CommitConflict(f"commit {mark.number} does not follow the last one, which is {last.number}")
        if takes_in:
            self._make_room(commit)
            if (full := statistics.full(self._cache, self._rows)) is not None:
                raise OutboxFull(full)
        with self.transaction() as transaction:
            transaction.commit_mark = mark
            transaction.put["commit"] = COMMIT_MARK.dump_json(mark).decode()
            for line, rows in commit.states.items():
                transaction.set_line_state(line, rows)
            known_messages.take_heard(transaction, commit, last)
            known_messages.take(transaction, commit)
            rejects.take(transaction, commit)
            for notice in commit.notices:
                statistics.note(transaction, notice)
            record_rules.within_others(transaction, commit.within)
            record_rules.append(transaction, commit.records)

    def _make_room(self, commit: Commit) -> None:
        """Drop the oldest output, where the user has chosen that."""
        if self._drop_above is None:
            return
        used = self._rows.used()
        self._in_vain = self._in_vain and used >= self._drop_above
        for _ in range(overflow.MOST_DROPPED):
            if used < self._drop_above or self._in_vain:
                return
            entries = overflow.oldest_output(self._cache)
            if not entries:
                return
            at = max([*(record.at for record in commit.records), entries[-1].at])
            with self.transaction() as transaction:
                overflow.drop(transaction, entries, at)
            before, used = used, self._rows.used()
            self._in_vain = used >= before

    # What delivery needs

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is
        stuck, and the same of its backlog. What Oden may have already, as far as a damaged outbox can tell, is offered
        as an attempt in doubt."""
        return self._cache.ready.work()

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with others of its lane that fit and can be sent; `most` in all."""
        return self._cache.ready.gather(work, fits, most)

    def open_before(self, start: StartInterval) -> dict[str, bool]:
        """The keys of the intervals of its line and type that began before `start` and whose ends are still to come to
        Oden; and whether Oden has the interval."""
        return ends.open_before(self._cache, start)

    def line_refs(self) -> dict[str, LineRef]:
        """Every line that ever had records here, by its key, also those that the configuration no longer names."""
        return LINE_REFS.validate_json(self.row("lines-at-oden") or "{}")

    def learn_lines(self, refs: Mapping[str, LineRef]) -> None:
        """Add to `line_refs`, or change them."""
        self._rows.apply({"lines-at-oden": LINE_REFS.dump_json({**self.line_refs(), **refs}).decode()})

    def begin(self, work: Work, attempt: Attempt) -> bool:
        """Store the attempt of `work`, new or changed. Nothing of it may leave before this returns, and nothing if it
        answers False: then more was merged into a record since it was read.

        One without a body that is to be sent again ends here: Oden does not have its records, which wait as any other.
        """
        if not self._cache.has_attempt(attempt):
            present = [stored.record for _, stored in self._read(work)]
            if present != list(work.records):
                return False
        if not attempt.body and attempt.phase == "retry":
            self._let_wait(work)
            return True
        if not attempt.body:
            self.rest_until = self._cache.rest_until = max(self.rest_until, attempt.not_before)
        with self.transaction() as transaction:
            transaction.begin_attempt(attempt, work.records)
        return True

    def settle(
        self,
        work: Work,
        delivered: Mapping[int, str | None],
        dead: Mapping[int, str] | None = None,
        at: float = 0.0,
        *,
        unsettled: bool = False,
    ) -> None:
        """Oden has the records at the positions `delivered`, with their ids where they are starts; it refused those
        that are `dead` for good, with the reason, at `at`, or they are `unsettled`. The others wait again, and an
        attempt has come to its end."""
        attempt = work.attempt
        with self.transaction() as transaction:
            if attempt is not None:
                transaction.end_attempt(attempt, work.records)
            for position, stored in self._read(work):
                transaction.take(work.lane, position)
                if position in delivered:
                    record_rules.delivered(transaction, stored, delivered[position])
                elif dead and position in dead:
                    sent = (attempt.endpoint, attempt.body, attempt.tries) if attempt else ("", "", 0)
                    letter = DeadLetter(stored.record, at, dead[position], *sent, unsettled=unsettled)
                    record_rules.refused(transaction, letter, late=stored.late)
                else:
                    # Where the others were found, it was looked for.
                    record_rules.put_back(transaction, replace(stored, unsure=stored.unsure and not delivered))
        if delivered:
            self.after_delivery()

    def _let_wait(self, work: Work) -> None:
        """Oden does not have what it might have had."""
        with self.transaction() as transaction:
            if work.attempt is not None:
                transaction.end_attempt(work.attempt, work.records)
            for position, stored in self._read(work):
                transaction.take(work.lane, position)
                record_rules.put_back(transaction, replace(stored, unsure=False))

    def park(self, work: Work) -> None:
        """Set the stuck records of `work` aside until their interval is known at Oden."""
        with self.transaction() as transaction:
            transaction.touch(work.lane, work.line)
            for position, stored in self._read(work):
                interval = transaction.interval_of(stored.record)
                if interval is not None and interval.stalled:
                    transaction.take(work.lane, position)
                    record_rules.park(transaction, stored)

    def resume(self) -> None:
        """Delivery works again after an outage: what waits is backlog from now on, but for intervals that are still
        open."""
        with self.transaction() as transaction:
            for name, lane in self.lanes.items():
                if takes_turns(name) and not keeps_order(name) and (lane.head < lane.tail or lane.open):
                    head = transaction.move_open_to_tail(name)
                    transaction.lanes[name] = resumed(transaction.lane(name), head, MOST_PARTS)

    # What status needs

    def counts(self) -> statistics.Counts:
        """How many records are where."""
        return statistics.counts(self._cache)

    def notices(self, newest: int) -> list[Notice]:
        """The last notices, newest first."""
        return statistics.notices(self._cache, newest)

    def dead_letters(self, newest: int) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        return statistics.dead_letters(self._cache, newest)

    def summary(self, newest: int) -> statistics.Summary:
        """Counts, and the `newest` of what a person should see."""
        return statistics.summary(self._cache, self._rows, newest)

    @property
    def _cache(self) -> OutboxCache:
        if self._held is None:
            self._held = OutboxCache(self._rows, self.span, self.rest_until)
        self._held.sum_within(self.span)
        return self._held

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """What the block puts into the transaction is written at its end, all or none."""
        cache = self._cache
        transaction = Transaction(cache)
        yield transaction
        rows = transaction.rows()
        # Until `apply` returns, nobody knows whether the rows are written: what is held counts for nothing meanwhile.
        self._held = None
        self._rows.apply(*rows)
        cache.follow(transaction)
        self._held = None if transaction.changes_all else cache
        self.after()

    def _read(self, work: Work) -> list[tuple[int, StoredRecord]]:
        """The records of `work` as they are now. Since it was chosen, one that no attempt carries may have grown or
        been dropped."""
        texts = zip(work.positions, self._cache.texts(work.lane, work.positions), strict=True)
        return [(position, self.lanes[work.lane].stored(position, text)) for position, text in texts if text]
