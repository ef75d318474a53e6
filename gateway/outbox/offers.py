"""What delivery can go on with: the attempts of each lane, and the first records that can be sent. Seen, not written, here.

What was found is kept until something changes that it was found by; the rest of a lane is never read for it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from heapq import merge

from gateway.model import RECORD, Output, Record, StartInterval, UpdateInterval
from gateway.outbox.change import DEAD, Change
from gateway.outbox.entries import INTERVAL, Attempt, Interval, Lane, Work

LOOK = 16
"""How many records at the beginning of a part of a lane are looked at for one that can be sent."""
MOST_ATTEMPTS = 8
"""Per lane: attempts in doubt or waiting for their next try, before the lane waits for them."""
TIRED = 5
"""Steps after which an attempt that has come to no end stands beside its lane, which waits for it no longer."""
MOST_STANDING = 32
"""Per lane: attempts of any kind. At this number the lane waits for them."""


class Offers:
    """Over the rows and lanes of one outbox, whose thread it belongs to."""

    def __init__(
        self, row: Callable[[str], str | None], lanes: dict[str, Lane], attempts: dict[str, dict[int, Attempt]]
    ) -> None:
        """`row` reads a row's text; `lanes` and `attempts` are the outbox's own, which change with it."""
        self._row = row
        self._lanes = lanes
        self._attempts = attempts
        self._carried: dict[str, frozenset[int]] = {}
        self._found: dict[str, tuple[list[Work], float | None]] = {}
        self._by: dict[str, frozenset[str]] = {}
        self._read: dict[tuple[str, int], tuple[Record, ...]] = {}
        self._gaps: dict[str, dict[int, int]] = {}

    def carried(self, lane: str, position: int) -> bool:
        """Whether an attempt carries the record."""
        if lane not in self._carried:
            attempts = self.attempts(lane)
            self._carried[lane] = frozenset(at for attempt in attempts for at in attempt.positions)
        return position in self._carried[lane]

    def attempts(self, lane: str) -> Collection[Attempt]:
        """The attempts of a lane."""
        return self._attempts.get(lane, {}).values()

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        text = self._row(f"interval/{key}")
        return INTERVAL.validate_json(text) if text else None

    def forget(self, change: Change) -> None:
        """`change` is on disk: what was found by what it has changed is looked for anew."""
        for name, number in change.attempts:
            self._carried.pop(name, None)
            if number not in self._attempts.get(name, {}):
                self._read.pop((name, number), None)
        for name in [
            name for name, by in self._by.items() if name in change.lanes or not by.isdisjoint(change.intervals)
        ]:
            del self._found[name], self._by[name]

    def work(self) -> list[Work]:
        """What can be gone on with in each lane: its attempts, the first record of its live part that can be sent or is stuck,
        and the same of its backlog."""
        return [work for name in self.in_use() for work in self._of(name)[0]]

    def oldest(self, lane: str) -> float | None:
        """Since when the lane's oldest record waits, as far as it was looked at."""
        return self._of(lane)[1]

    def in_use(self) -> Iterator[str]:
        """The lanes in which something waits for delivery."""
        return (
            name for name, lane in self._lanes.items() if lane.waiting and name != DEAD and not name.endswith("/parked")
        )

    def oldest_output(self) -> Iterator[tuple[str, int, Output]]:
        """Output that waits and that no attempt carries, the oldest first, with its lane and position."""
        lanes = (self._waiting_output(name) for name in self.in_use() if name.endswith("/output"))
        return merge(*lanes, key=lambda one: one[2].at)

    def _waiting_output(self, name: str) -> Iterator[tuple[str, int, Output]]:
        for first, last, _ in sorted(self._lanes[name].parts()):
            for position in range(first, last):
                text = None if self.carried(name, position) else self._row(f"record/{name}/{position}")
                record = RECORD.validate_json(text) if text else None
                if isinstance(record, Output):
                    yield name, position, record

    def gather(self, work: Work, fits: Callable[[Record], bool], most: int) -> Work:
        """`work`, which has no attempt yet, with the other records of its lane that fit and can be sent; `most` in all."""
        records, positions, ids = list(work.records), list(work.positions), list(work.oden_ids)
        for first, last, _ in self._lanes[work.lane].parts():
            for position in range(first, last):
                if len(positions) == most:
                    break
                text = None if self.carried(work.lane, position) else self._row(f"record/{work.lane}/{position}")
                if text is None or position in work.positions:
                    continue
                record = RECORD.validate_json(text)
                interval = self.interval(record.interval)
                if interval is not None and not interval.stalled and fits(record) and _ready(record, interval):
                    records.append(record)
                    positions.append(position)
                    ids.append(interval.oden_id)
        return replace(work, records=tuple(records), positions=tuple(positions), oden_ids=tuple(ids))

    def _of(self, name: str) -> tuple[list[Work], float | None]:
        """What can be gone on with in the lane, and since when its oldest record waits."""
        if name not in self._found:
            attempts = self.attempts(name)
            work = [self._resumed(name, attempt) for attempt in attempts]
            since = [record.at for one in work for record in one.records]
            looked_at = {one.records[0].interval for one in work}
            fresh = sum(attempt.tries + attempt.looks <= TIRED for attempt in attempts)
            open_to_more = fresh < MOST_ATTEMPTS and len(attempts) < MOST_STANDING
            gaps = self._gaps.pop(name, {})
            offered: set[bool] = set()
            for first, last, live in self._lanes[name].parts():
                if live in offered:
                    continue
                found, oldest = self._offer(name, first, last, gaps, looked_at, live=live)
                since += [oldest] if oldest is not None else []
                if found is not None and open_to_more:
                    work.append(found)
                    offered.add(live)
            self._found[name] = work, min(since, default=None)
            self._by[name] = frozenset(looked_at)
        return self._found[name]

    def _resumed(self, name: str, attempt: Attempt) -> Work:
        """An attempt with its records, which nothing changes while it carries them."""
        known = self._read.get((name, attempt.number), ())
        if len(known) != len(attempt.positions):
            texts = (self._row(f"record/{name}/{position}") or "" for position in attempt.positions)
            known = self._read[name, attempt.number] = tuple(RECORD.validate_json(text) for text in texts)
        return Work(name, known, attempt.positions, self.interval(known[0].interval), attempt)

    def _offer(
        self, name: str, first: int, last: int, gaps: dict[int, int], looked_at: set[str], *, live: bool
    ) -> tuple[Work | None, float | None]:
        """The first record of a part that can be sent or is stuck; and when the first of all was made.

        `gaps` are stretches found empty before, which stay so: a position is never used twice.
        """
        looked, oldest, position = 0, None, first
        while position < last and looked < LOOK:
            if self.carried(name, position):
                position += 1
                continue
            text = self._row(f"record/{name}/{position}") if position not in gaps else None
            if text is None:
                begin = position
                position = gaps.get(begin, begin + 1)
                while (
                    position < last and not self.carried(name, position) and not self._row(f"record/{name}/{position}")
                ):
                    position += 1
                self._gaps.setdefault(name, {})[begin] = position
                continue
            if not looked and position > first:
                self._pass(name, first, position, live=live)
            record = RECORD.validate_json(text)
            looked += 1
            oldest = record.at if oldest is None else oldest
            interval = self.interval(record.interval)
            looked_at.add(record.interval)
            ids = (interval.oden_id if interval else None,)
            work = Work(name, (record,), (position,), interval, oden_ids=ids, live=live)
            if work.stuck or (interval is not None and _ready(record, interval)):
                return work, oldest
            position += 1
        if not looked and position > first:
            self._pass(name, first, position, live=live)
        return None, oldest

    def _pass(self, name: str, first: int, to: int, *, live: bool) -> None:
        """Before `to`, nothing waits in the part that begins at `first`. Memory only: it is stored with the next change."""
        lane = self._lanes[name]
        if live:
            lane.head = to
        else:
            parts = [(to, last) if begin == first else (begin, last) for begin, last in lane.backlog]
            lane.backlog = [(begin, last) for begin, last in parts if begin < last]


def _ready(record: Record, interval: Interval) -> bool:
    """Whether all that `record` depends on is at Oden."""
    if isinstance(record, StartInterval):
        return True
    if isinstance(record, UpdateInterval) and (interval.updating or (record.end is not None and interval.outputs)):
        return False
    return interval.oden_id is not None
