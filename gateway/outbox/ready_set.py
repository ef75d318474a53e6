"""What delivery can go on with: the attempts of each lane, and the first of its records that can be sent or must be
seen to.

It is made from rows when something of a lane has changed, and kept until then: choosing costs the same however much
waits.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from gateway.frozen import replace
from gateway.model import RECORD, Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import Attempt, Interval, Work
from gateway.outbox.lanes import Lane, goes_after, keeps_order, takes_turns
from gateway.outbox.stretches import Blocked, Gaps
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import corrects, end_of, kind_of

LOOK = 256
"""How many records of a part of a lane are looked at at once for one that can be sent; the next look goes on behind
them."""
MOST_CORRECTIONS = 4096
"""Per lane: stretches of corrections of which it is known that they are ones."""
MOST_ATTEMPTS = 8
"""Per lane: attempts in doubt or waiting for their next try, before the lane waits for them."""
LASTING = 4
"""Steps of an attempt, sent or looked up, after which it may take for ever: the lane goes on beside it."""
MOST_LASTING = 32
"""Per lane: attempts of any age, before the lane waits for them."""
MOST_CARRIED = 20_000
"""Per lane: records that its attempts carry, and that are held in memory, before the lane waits for them."""
MOST_READ = 64
"""Rows that are read at once: one first, then twice as many each time."""
GATHERED_FROM = 4
"""For each record that a request has room for, so many are looked at."""
MOST_SEARCHED = 200
"""Records of a lane that are looked through for those that one search shows."""
SPANNED = 86_400
"""Seconds: starts that one search shows are no further apart."""
RESTING = "resting"
"""The row that names the lines of which what Oden shows has yet to be compared with what counts: output that is unsure
is neither looked up nor sent until then."""
UNSURE = "the outbox was damaged, or is a copy: Oden may have it, which is looked up"


class Stretches(Protocol):
    """What of a lane need not be looked at."""

    def after(self, position: int) -> int: ...


class LaneSource(Protocol):
    """What the ready set is made from. Nothing unsure is looked up before `rest_until` (seconds since 1970)."""

    rest_until: float
    lanes: dict[str, Lane]

    def row(self, key: str) -> str | None: ...

    def texts(self, lane: str, positions: Sequence[int]) -> list[str | None]: ...

    def interval(self, key: str) -> Interval | None: ...

    def is_carried(self, lane: str, position: int) -> bool: ...

    def attempts(self, lane: str) -> Collection[Attempt]: ...


class ReadySet:
    """What is ready in all lanes of `source`."""

    def __init__(self, source: LaneSource) -> None:
        self._source = source
        self._ready: dict[str, tuple[list[Work], float | None, frozenset[str]]] = {}
        """By lane: what can be gone on with, since when its oldest record waits, and the intervals that this follows
        from."""
        self._carried: dict[tuple[str, int], tuple[Record, ...]] = {}
        """The records of attempts, by lane and number: nothing changes them."""
        self._gaps: dict[str, Gaps] = {}
        self._blocked: dict[str, Blocked] = {}
        self._corrections: dict[str, Gaps] = {}
        """Where corrections are that could be sent: those that are none are looked for beside them."""
        self._unfinished: set[str] = set()
        """Lanes that are to be looked through further."""

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is
        stuck, and the same of its backlog. A thing about which several lines can speak has one request at a time: what
        that makes, the next must find."""
        lanes = self._source.lanes
        for name in self._unfinished:
            self._ready.pop(name, None)
        self._unfinished.clear()
        works = [
            work
            for name, lane in lanes.items()
            if lane.waiting and takes_turns(name)
            for work in self._of(name)[0]
            if work.attempt is not None or not self._holds_any(goes_after(name))
        ]
        begun = {_identity(work) for work in works if work.attempt is not None} - {None}
        return [work for work in works if work.attempt is not None or _identity(work) not in begun]

    def _holds_any(self, name: str | None) -> bool:
        """Whether something waits in the lane, or is under way."""
        lane = None if name is None else self._source.lanes.get(name)
        return lane is not None and lane.waiting > 0

    def since(self, name: str) -> float | None:
        """Since when the oldest record of a lane waits."""
        return self._of(name)[1]

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with the other records of its lane that fit and can be sent; `most` in
        all."""
        records, positions, ids = list(work.records), list(work.positions), list(work.oden_ids)
        looked = 0
        for first, last, _ in self._source.lanes[work.lane].parts():
            for position, text in self.waiting(work.lane, first, last):
                if len(positions) == most or looked == GATHERED_FROM * most:
                    break
                looked += 1
                stored = self._source.lanes[work.lane].stored(position, text)
                if position in work.positions or stored.unsure:
                    continue
                record, interval = stored.record, self._source.interval(stored.record.interval)
                stalled = interval is None or interval.stalled
                if interval is not None and not stalled and fits(record) and is_ready(record, interval):
                    records.append(record)
                    positions.append(position)
                    ids.append(interval.oden_id)
        return replace(work, records=tuple(records), positions=tuple(positions), oden_ids=tuple(ids))

    def waiting(self, name: str, first: int, last: int, skipped: Sequence[Stretches] = ()) -> Iterator[tuple[int, str]]:
        """The rows from `first` up to but excluding `last` that no attempt carries and that are not `skipped`, in
        order, with their positions."""
        gaps, most = self._gaps_of(name), 1
        while positions := self._next(name, first, last, most, skipped):
            first, most = positions[-1] + 1, min(2 * most, MOST_READ)
            for position, text in zip(positions, self._source.texts(name, positions), strict=True):
                if text is None:
                    gaps.add(position, position + 1)
                else:
                    yield position, text

    def _next(self, name: str, first: int, last: int, most: int, skipped: Sequence[Stretches]) -> list[int]:
        """The next positions at which something may wait that no attempt carries."""
        gaps, positions = self._gaps_of(name), list[int]()
        skipped = [gaps, *skipped]
        while len(positions) < most and (position := _outside(first, skipped)) < last:
            first = position + 1
            if self._source.is_carried(name, position):
                gaps.add(position, first)
            else:
                positions.append(position)
        return positions

    def newest(self, name: str) -> Iterator[str]:
        """The rows of a lane from which nothing is sent, the newest first."""
        lane, gaps = self._source.lanes[name], self._gaps_of(name)
        position = gaps.before(lane.tail - 1)
        while position >= lane.head:
            text = self._source.row(f"record/{name}/{position}")
            if text is None:
                gaps.add(position, position + 1)
            else:
                yield text
            position = gaps.before(position - 1)

    def before(self, name: str, position: int) -> int:
        """The last position up to `position` at which something may be."""
        return self._gaps_of(name).before(position)

    def after(self, name: str, position: int) -> int:
        """The first position from `position` on at which something may wait."""
        return self._gaps_of(name).after(position)

    def follow(self, transaction: Transaction) -> None:
        """`transaction` is on disk: forget what may not be so any more. Reads nothing, so that it cannot fail."""
        for name, position in transaction.taken:
            self._gaps_of(name).add(position, position + 1)
        self._carried |= transaction.carries
        for key, attempt in transaction.attempts.items():
            if attempt is None:
                self._carried.pop(key, None)
        touched = transaction.intervals.keys()
        # Nothing goes on of one whose start waits, and is not known to be at Oden.
        begun = [
            key
            for key, interval in transaction.intervals.items()
            if interval is None or interval.oden_id is not None or interval.start_at is None
        ]
        freed = {name for name, blocked in self._blocked.items() if blocked.change(begun)}
        stale = [
            name
            for name, (_, _, seen) in self._ready.items()
            if name in freed or name in transaction.lanes or seen & touched
        ]
        for name in stale:
            del self._ready[name]

    def _gaps_of(self, name: str) -> Gaps:
        return self._gaps.setdefault(name, Gaps())

    def _of(self, name: str) -> tuple[list[Work], float | None, frozenset[str]]:
        if name not in self._ready:
            attempts = self._source.attempts(name)
            works = [self._begun(name, attempt) for attempt in attempts]
            since = [record.at for work in works for record in work.records]
            seen = {work.records[0].interval for work in works} | {key for one in attempts for key in one.after}
            offered: set[bool] = set()
            for first, last, live in self._source.lanes[name].parts():
                if live in offered:
                    continue
                found, oldest = self._first_ready(name, first, last, seen, live=live)
                since += [oldest] if oldest is not None else []
                if found and goes_on(attempts) and not (attempts and keeps_order(name)):
                    works += found
                    offered.add(live)
            self._ready[name] = works, min(since, default=None), frozenset(seen)
        return self._ready[name]

    def _begun(self, name: str, attempt: Attempt) -> Work:
        key = name, attempt.number
        if key not in self._carried:
            texts = self._source.texts(name, attempt.positions)
            self._carried[key] = tuple(RECORD.validate_json(text or "") for text in texts)
        records = self._carried[key]
        awaits_ends = attempt.phase == "retry" and any(is_pending(self._source.interval(key)) for key in attempt.after)
        interval = self._source.interval(records[0].interval)
        return Work(name, records, attempt.positions, interval, attempt, awaits_ends=awaits_ends)

    def _first_ready(
        self, name: str, first: int, last: int, seen: set[str], *, live: bool
    ) -> tuple[list[Work], float | None]:
        """The first record of a part that can be sent, looked up or is stuck, and where it corrects what was told, the
        first of those that do not; and when the first of all was made. The intervals of these are added to `seen`.
        Where nothing was found yet among LOOK records, the next call goes on behind them."""
        begin = next(self.waiting(name, first, last), None)
        self._pass_over(name, first, last if begin is None else begin[0], live=live)
        if begin is None:
            return [], None
        oldest, found = self._source.lanes[name].stored(*begin).record.at, list[Work]()
        blocked = self._blocked.setdefault(name, Blocked())
        corrections = self._corrections.setdefault(name, Gaps(MOST_CORRECTIONS))
        skipped: list[Stretches] = [blocked]
        for looked, (position, text) in enumerate(self.waiting(name, begin[0], last, skipped)):
            if looked == LOOK:
                self._unfinished.add(name)
                break
            work, awaited = self._judged(name, position, text, last, live=live)
            if work is None:
                blocked.add(position, awaited, since=position if found else begin[0])
                continue
            seen |= intervals_of(work.records[0])
            if keeps_order(name) or not corrects(work.records[0]):
                return [*found, work], oldest
            corrections.add(position, position + 1)
            if not found:
                found.append(work)
                skipped.append(corrections)
        return found, oldest

    def _judged(self, name: str, position: int, text: str, last: int, *, live: bool) -> tuple[Work | None, str]:
        """The record at a position of a lane, where it can be sent, looked up or is stuck; otherwise None, and the
        interval that it waits for."""
        stored = self._source.lanes[name].stored(position, text)
        record = stored.record
        interval = self._source.interval(record.interval)
        ids = (interval.oden_id if interval else None,)
        if isinstance(record, StartInterval) and record.within is not None:
            run = self._source.interval(record.within)
            if awaits_run(run):
                return None, record.within
            ids = (run.oden_id if run else None,)
        if kind_of(record).interval == "changes" and interval is not None and interval.updating:
            return None, record.interval  # also one that is only looked up: that decides what is to be told
        if stored.unsure and isinstance(record, Output) and self._rests(record.line):
            return None, record.interval
        work = Work(name, (record,), (position,), interval, oden_ids=ids, live=live)
        if stored.unsure and (any(ids) or not kind_of(record).needs_interval):
            return self._in_doubt(work, last), ""
        return (work if work.stuck or is_ready(record, interval) else None), record.interval

    def _rests(self, line: str) -> bool:
        return line in json.loads(self._source.row(RESTING) or "[]")

    def _in_doubt(self, work: Work, last: int) -> Work:
        """`work`, which is unsure, with others up to `last` that the same search shows; carried by an attempt of which
        nothing is known but that there may have been one."""
        name, first = work.lane, work.records[0]
        records, positions = [first], [*work.positions]
        for looked, (position, text) in enumerate(self.waiting(name, work.positions[0] + 1, last)):
            if looked == MOST_SEARCHED or isinstance(first, Setting):
                break
            stored = self._source.lanes[name].stored(position, text)
            if stored.unsure and _same_search(first, stored.record):
                records.append(stored.record)
                positions.append(position)
        rest = self._source.rest_until
        attempt = Attempt(name, tuple(positions), "", "", 0.0, phase="in_doubt", not_before=rest, reason=UNSURE)
        ids = work.oden_ids * len(records)
        return replace(work, records=tuple(records), positions=tuple(positions), oden_ids=ids, attempt=attempt)

    def _pass_over(self, name: str, first: int, to: int, *, live: bool) -> None:
        """Before `to`, nothing waits in the part that begins at `first`. In memory only: it is stored with the next
        transaction."""
        lane = self._source.lanes[name]
        if live:
            lane.head = to
        else:
            parts = [(to, last) if begin == first else (begin, last) for begin, last in lane.backlog]
            lane.backlog = [(begin, last) for begin, last in parts if begin < last]


def intervals_of(record: Record) -> set[str]:
    """The intervals from which it follows whether `record` can be sent."""
    within = record.within if isinstance(record, StartInterval) else None
    return {record.interval} if within is None else {record.interval, within}


def _outside(position: int, stretches: Sequence[Stretches]) -> int:
    """The first position from `position` on that is in none of them."""
    while (further := max(each.after(position) for each in stretches)) > position:
        position = further
    return position


def _same_search(first: Record, other: Record) -> bool:
    """Whether one search shows both: starts of one type and a day (runs and batches share a lane), or parts of one
    interval."""
    if isinstance(first, StartInterval) and isinstance(other, StartInterval):
        return other.type == first.type and abs(other.start - first.start) <= SPANNED
    return other.interval == first.interval and kind_of(other) == kind_of(first)


def _identity(work: Work) -> object:
    """The thing that the work is about, where others than its lane can be about it too; None where none can."""
    kind = kind_of(work.records[0])
    return kind.identity(work.records[0]) if kind.interval == "none" else None


def goes_on(attempts: Collection[Attempt]) -> bool:
    """Whether a lane goes on beside its attempts."""
    young = sum(attempt.tries + attempt.looks < LASTING for attempt in attempts)
    carried = sum(len(attempt.positions) for attempt in attempts)
    return young < MOST_ATTEMPTS and len(attempts) < MOST_LASTING and carried < MOST_CARRIED


def is_pending(interval: Interval | None) -> bool:
    """Whether the end of an interval, or another than Oden has, may still come to Oden by itself, where it may be open.
    Not, where it or the start is a dead letter, or the start waits: then it surely is not there."""
    if interval is None or not interval.ended:
        return False
    if interval.closed:
        return interval.update_at is not None or interval.updating
    if interval.oden_id is None:
        return interval.dead == 0 and interval.start_at is None
    return interval.update_at is not None or interval.updating or interval.parked > 0 or interval.outputs > 0


def awaits_run(run: Interval | None) -> bool:
    """Whether a batch waits until it is known under which id Oden has its `run`. Not, where that is known, is refused,
    or will never be."""
    return run is not None and run.oden_id is None and not run.dead and not run.gone


def is_ready(record: Record, interval: Interval | None) -> bool:
    """Whether all that `record` depends on is at Oden; `interval` is what is known of its interval."""
    kind = kind_of(record)
    if kind.interval == "none" or interval is None:
        return kind.interval == "none"
    if kind.interval == "changes" and (interval.updating or (end_of(record) is not None and interval.outputs)):
        return False
    if isinstance(record, UpdateInterval) and record.deletes and interval.late:
        return False  # what was made in it is moved first
    return not kind.needs_interval or interval.oden_id is not None
