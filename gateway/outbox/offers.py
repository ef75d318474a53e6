"""What delivery can go on with: the attempts of each lane, and the first of its records that can be sent or must be seen to.

Made from rows when something of the lane has changed, and kept until then: choosing costs the same however much waits.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from gateway.model import RECORD, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox import merge
from gateway.outbox.change import Change
from gateway.outbox.entries import Attempt, Interval, Lane, Work
from gateway.outbox.gaps import Gaps
from gateway.outbox.kept import kept
from gateway.outbox.lanes import goes_after, keeps_order, takes_turns

LOOK = 16
"""How many records at the beginning of a part of a lane are looked at for one that can be sent."""
MOST_ATTEMPTS = 8
"""Per lane: attempts in doubt or waiting for their next try, before the lane waits for them."""
LASTING = 4
"""Steps of an attempt, sent or looked up, after which it may take for ever: the lane goes on beside it."""
MOST_LASTING = 32
"""Per lane: attempts of any age, before the lane waits for them."""
MOST_CARRIED = 20_000
"""Per lane: records that its attempts carry, and that are held in memory, before the lane waits for them."""
GATHERED_FROM = 4
"""For each record that a request has room for, so many are looked at."""
UNSURE = "the outbox was damaged: Oden may have it, which is looked up"


class Source(Protocol):
    """What offers are made from."""

    @property
    def lanes(self) -> Mapping[str, Lane]: ...

    def row(self, key: str) -> str | None: ...

    def interval(self, key: str) -> Interval | None: ...

    def carried(self, lane: str, position: int) -> bool: ...

    def attempts(self, lane: str) -> Collection[Attempt]: ...


class Offers:
    """The offers of all lanes of `source`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._offers: dict[str, tuple[list[Work], float | None, frozenset[str]]] = {}
        """By lane: what can be gone on with, since when its oldest record waits, and the intervals that this follows from."""
        self._resent: dict[tuple[str, int], tuple[Record, ...]] = {}
        """By attempt, its records, which nothing changes."""
        self._gaps: dict[str, Gaps] = {}
        self.rest_until = 0.0
        """Nothing that is unsure is looked up before: requests of the life before may still take effect."""

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is stuck,
        and the same of its backlog. Of a thing of which several lines speak, one has a request at a time: what it makes, the next
        must find."""
        lanes = self._source.lanes
        works = [
            work
            for name, lane in lanes.items()
            if lane.waiting and takes_turns(name)
            for work in self._of(name)[0]
            if work.attempt is not None or not self._has(goes_after(name))
        ]
        begun = {_subject(work) for work in works if work.attempt is not None} - {None}
        return [work for work in works if work.attempt is not None or _subject(work) not in begun]

    def _has(self, name: str | None) -> bool:
        """Whether something waits in the lane, or is under way."""
        lane = None if name is None else self._source.lanes.get(name)
        return lane is not None and lane.waiting > 0

    def since(self, name: str) -> float | None:
        """Since when the oldest record of a lane waits."""
        return self._of(name)[1]

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with the other records of its lane that fit and can be sent; `most` in all."""
        records, positions, ids = list(work.records), list(work.positions), list(work.oden_ids)
        looked = 0
        for first, last, _ in self._source.lanes[work.lane].parts():
            for position, text in self.waiting(work.lane, first, last):
                if len(positions) == most or looked == GATHERED_FROM * most:
                    break
                looked += 1
                one = kept(text)
                if position in work.positions or one.unsure:
                    continue
                interval = self._source.interval(one.record.interval)
                stalled = interval is None or interval.stalled
                if interval is not None and not stalled and fits(one.record) and is_ready(one.record, interval):
                    records.append(one.record)
                    positions.append(position)
                    ids.append(interval.oden_id)
        return replace(work, records=tuple(records), positions=tuple(positions), oden_ids=tuple(ids))

    def waiting(self, name: str, first: int, last: int) -> Iterator[tuple[int, str]]:
        """The rows from `first` up to but excluding `last` that no attempt carries, in order, with their positions."""
        gaps = self._gaps_of(name)
        while (position := gaps.after(first)) < last:
            first = position + 1
            text = None if self._source.carried(name, position) else self._source.row(f"record/{name}/{position}")
            if text is None:
                gaps.add(position, first)
            else:
                yield position, text

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

    def begun(self, attempt: Attempt, records: tuple[Record, ...]) -> None:
        """`attempt` is on disk and carries `records`."""
        self._resent[attempt.lane, attempt.number] = records

    def changed(self, change: Change) -> None:
        """`change` is on disk: forget what may not be so any more."""
        for name, position in change.taken:
            self._gaps_of(name).add(position, position + 1)
        for key, attempt in change.attempts.items():
            if attempt is None:
                self._resent.pop(key, None)
        touched = change.intervals.keys()
        for name in [name for name, (_, _, seen) in self._offers.items() if name in change.lanes or seen & touched]:
            del self._offers[name]

    def _gaps_of(self, name: str) -> Gaps:
        return self._gaps.setdefault(name, Gaps())

    def _of(self, name: str) -> tuple[list[Work], float | None, frozenset[str]]:
        if name not in self._offers:
            attempts = self._source.attempts(name)
            work = [self._resumed(name, attempt) for attempt in attempts]
            since = [record.at for one in work for record in one.records]
            seen = {one.records[0].interval for one in work}
            offered: set[bool] = set()
            for first, last, live in self._source.lanes[name].parts():
                if live in offered:
                    continue
                found, oldest = self._offer(name, first, last, seen, live=live)
                since += [oldest] if oldest is not None else []
                if found is not None and goes_on(attempts) and not (attempts and keeps_order(name)):
                    work.append(found)
                    offered.add(live)
            self._offers[name] = work, min(since, default=None), frozenset(seen)
        return self._offers[name]

    def _resumed(self, name: str, attempt: Attempt) -> Work:
        key = name, attempt.number
        if key not in self._resent:
            texts = (self._source.row(f"record/{name}/{position}") or "" for position in attempt.positions)
            self._resent[key] = tuple(RECORD.validate_json(text) for text in texts)
        records = self._resent[key]
        return Work(name, records, attempt.positions, self._source.interval(records[0].interval), attempt)

    def _offer(
        self, name: str, first: int, last: int, seen: set[str], *, live: bool
    ) -> tuple[Work | None, float | None]:
        """The first record of a part that can be sent, looked up or is stuck; and when the first of all was made. What it
        follows from is added to `seen`."""
        looked, oldest = 0, None
        for position, text in self.waiting(name, first, last):
            if looked == LOOK:
                break
            if not looked:
                self._pass(name, first, position, live=live)
            one = kept(text)
            record = one.record
            looked += 1
            oldest = record.at if oldest is None else oldest
            interval = self._source.interval(record.interval)
            seen.add(record.interval)
            ids = (interval.oden_id if interval else None,)
            work = Work(name, (record,), (position,), interval, oden_ids=ids, live=live)
            if one.unsure and (isinstance(record, StartInterval) or any(ids)):
                reason, doubt = UNSURE, self.rest_until
                attempt = Attempt(name, (position,), "", "", 0.0, phase="doubt", not_before=doubt, reason=reason)
                return replace(work, attempt=attempt), oldest
            if work.stuck or is_ready(record, interval):
                return work, oldest
        if not looked:
            self._pass(name, first, last, live=live)
        return None, oldest

    def _pass(self, name: str, first: int, to: int, *, live: bool) -> None:
        """Before `to`, nothing waits in the part that begins at `first`. Memory only: it is stored with the next change."""
        lane = self._source.lanes[name]
        if live:
            lane.head = to
        else:
            parts = [(to, last) if begin == first else (begin, last) for begin, last in lane.backlog]
            lane.backlog = [(begin, last) for begin, last in parts if begin < last]


def _subject(work: Work) -> Hashable:
    """The thing that a setting is about; None where it is none."""
    record = work.records[0]
    return merge.subject(record) if isinstance(record, Setting) else None


def goes_on(attempts: Collection[Attempt]) -> bool:
    """Whether a lane goes on beside its attempts."""
    young = sum(attempt.tries + attempt.looks < LASTING for attempt in attempts)
    carried = sum(len(attempt.positions) for attempt in attempts)
    return young < MOST_ATTEMPTS and len(attempts) < MOST_LASTING and carried < MOST_CARRIED


def is_ready(record: Record, interval: Interval | None) -> bool:
    """Whether all that `record` depends on is at Oden; `interval` is what is known of its interval."""
    if isinstance(record, Setting):
        return True
    if interval is None or isinstance(record, StartInterval):
        return interval is not None
    if isinstance(record, UpdateInterval) and (interval.updating or (record.end is not None and interval.outputs)):
        return False
    return interval.oden_id is not None
