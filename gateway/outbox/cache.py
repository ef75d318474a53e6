"""What the outbox holds in memory of its rows, and what it has derived from them when that was asked for.

After a transaction is on disk, it is brought up to date by assignments alone, which cannot fail. Where nobody knows
whether a transaction is on disk, the outbox throws its cache away and makes another from the rows.
"""

import json
from collections.abc import Collection, Hashable, Sequence

import structlog

from gateway.outbox.entries import (
    ATTEMPT,
    COMMIT_MARK,
    INTERVAL,
    TOTALS,
    Attempt,
    CommitMark,
    Interval,
    Totals,
)
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import LANE, Lane
from gateway.outbox.merge import merge_key
from gateway.outbox.ready_set import ReadySet
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import kind_of

log = structlog.get_logger()

MOST_KEYS = 64
"""Per lane: entries into which others can be merged, that are known by their keys."""


class OutboxCache:
    """What is held of `rows`; `span` and `rest_until` as the outbox has them."""

    def __init__(self, rows: KeyValueStore, span: float, rest_until: float) -> None:
        self._rows = rows
        self.span = span
        self.rest_until = rest_until
        names = json.loads(rows.get("lanes") or "[]")
        texts = rows.get_all([f"lane/{name}" for name in names])
        self.lanes: dict[str, Lane] = {name: LANE.validate_json(texts.get(f"lane/{name}", "{}")) for name in names}
        self.totals: Totals = TOTALS.validate_json(rows.get("totals") or "{}")
        self.last_commit: CommitMark = COMMIT_MARK.validate_json(rows.get("commit") or "{}")
        texts = rows.get_all([f"attempt/{name}/{at}" for name, lane in self.lanes.items() for at in lane.attempts])
        self._attempts: dict[str, dict[int, Attempt]] = {
            name: {at: ATTEMPT.validate_json(texts.get(f"attempt/{name}/{at}", "")) for at in lane.attempts}
            for name, lane in self.lanes.items()
        }
        self._carried: dict[str, frozenset[int]] = {}
        self._merge_keys: dict[str, dict[Hashable, int]] = {}
        self.ready = ReadySet(self)

    def follow(self, transaction: Transaction) -> None:
        """`transaction` is on disk. Reads no row, so that it cannot fail."""
        self.totals = transaction.totals
        self.last_commit = transaction.commit_mark or self.last_commit
        self.lanes.update(transaction.lanes)
        for (name, number), attempt in transaction.attempts.items():
            known = self._attempts.setdefault(name, {})
            self._carried.pop(name, None)
            if attempt is None:
                known.pop(number, None)
            else:
                known[number] = attempt
        self.ready.follow(transaction)
        for record, into in transaction.merged:
            log.debug("record_merged", record=record, into=into)
        for (name, key), position in transaction.merge_keys.items():
            self._merge_keys[name] = dict([*self._merge_keys[name].items(), (key, position)][-MOST_KEYS:])

    def sum_within(self, span: float) -> None:
        """Output is summed within windows of that length from now on."""
        if span != self.span:
            self.span = span
            self._merge_keys.clear()

    def row(self, key: str) -> str | None:
        """The text of one row."""
        return self._rows.get(key)

    def texts(self, lane: str, positions: Sequence[int]) -> list[str | None]:
        """The texts at positions of a lane."""
        keys = [f"record/{lane}/{position}" for position in positions]
        texts = self._rows.get_all(keys)
        return [texts.get(key) for key in keys]

    def interval(self, key: str) -> Interval | None:
        """What is known of an interval by its local key; None once it is forgotten."""
        text = self.row(f"interval/{key}")
        return INTERVAL.validate_json(text) if text else None

    def attempts(self, lane: str) -> Collection[Attempt]:
        """The attempts of a lane."""
        return self._attempts.get(lane, {}).values()

    def has_attempt(self, attempt: Attempt) -> bool:
        """Whether an earlier state of the attempt is stored."""
        return attempt.number in self._attempts.get(attempt.lane, {})

    def is_carried(self, lane: str, position: int) -> bool:
        """Whether an attempt carries the record."""
        if lane not in self._carried:
            self._carried[lane] = frozenset(at for attempt in self.attempts(lane) for at in attempt.positions)
        return position in self._carried[lane]

    def newest(self, lane: str, key: Hashable) -> int | None:
        """The position of the newest entry with the merge key in a lane of output, as far back as is remembered."""
        if lane not in self._merge_keys:
            self._merge_keys[lane] = self._newest_of(lane)
        return self._merge_keys[lane].get(key)

    def _newest_of(self, name: str) -> dict[Hashable, int]:
        bounds, keys = self.lanes.get(name, Lane("")), dict[Hashable, int]()
        first = max(bounds.head, bounds.tail - MOST_KEYS // 2)
        for position, text in self.ready.waiting(name, first, bounds.tail):
            stored = bounds.stored(position, text)
            interval = self.interval(stored.record.interval)
            if kind_of(stored.record).merging == "sums" and interval and not stored.unsure:
                keys[merge_key(stored.record, interval.start, self.span)] = position
        return keys

    def before(self, lane: str, position: int) -> int:
        """The last position in the lane, not after `position`, at which a record may be."""
        return self.ready.before(lane, position)

    def after(self, lane: str, position: int) -> int:
        """The first position in the lane, not before `position`, at which a record may wait."""
        return self.ready.after(lane, position)
