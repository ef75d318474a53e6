"""Making room where the user has chosen to lose output rather than to stop: which entries go.

Only what waits goes: never what an attempt carries or what is parked, never starts and updates. The disk gets pages
back, not rows, so where output lies between many other records, dropping it may make no room; then it ends, and the
outbox is full as it is without.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from gateway.model import Notice
from gateway.outbox import record_rules, statistics
from gateway.outbox.cache import OutboxCache
from gateway.outbox.lanes import StoredRecord, stored_record
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import KINDS, kind_of

DROPPED_AT_ONCE = 500
"""Entries that one transaction drops."""
MOST_DROPPED = 20
"""Such transactions before one commit."""
FROM = 0.95
"""Share of the size limit from which on output is dropped. It is refused only at the limit, so that there is room to
drop first."""
_EXPENDABLE = tuple(f"/{family}" for kind in KINDS for family in kind.expendable_families)


class Entry(NamedTuple):
    """One entry of output that waits."""

    at: float
    lane: str
    position: int
    stored: StoredRecord


def oldest_output(cache: OutboxCache) -> list[Entry]:
    """The oldest entries of output over all lines that wait and that no attempt carries, oldest first."""
    lanes = [_entries(cache, name) for name in cache.lanes if name.endswith(_EXPENDABLE)]
    return [entry for _, entry in zip(range(DROPPED_AT_ONCE), heapq.merge(*lanes), strict=False)]


def _entries(cache: OutboxCache, name: str) -> Iterator[Entry]:
    for first, last, _ in sorted(cache.lanes[name].parts()):
        for position, text in cache.ready.waiting(name, first, last):
            stored = stored_record(text)
            if kind_of(stored.record).expendable_families:
                yield Entry(stored.record.at, name, position, stored)


def drop(transaction: Transaction, entries: list[Entry], at: float) -> None:
    """Give `entries` up, and say so; `at` is now."""
    for entry in entries:
        record_rules.give_up(transaction, entry.lane, entry.position, entry.stored)
    lines = sorted({entry.stored.record.line for entry in entries})
    more = f" and {len(lines) - 1} more lines" if len(lines) > 1 else ""
    count = f"{len(entries)} entries of output of {lines[0]}{more}"
    text = f"the outbox was full: {count}, the oldest that waited, were dropped"
    statistics.keep(transaction, Notice("loss", at, "outbox", "", text))
