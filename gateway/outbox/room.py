"""Making room where the user has chosen to lose output rather than to stop: which entries go.

Only what waits goes: never what an attempt carries or what is parked, never starts and updates. The disk gets pages back, not rows, so
where output lies between many other records, dropping it may make no room; then it ends, and the outbox is full as it is without.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from gateway.model import Notice, Output
from gateway.outbox import books
from gateway.outbox.change import Change
from gateway.outbox.kept import Kept, kept
from gateway.outbox.offers import Offers, Source

DROPPED_AT_ONCE = 500
"""Entries that one transaction drops."""
MOST_DROPPED = 20
"""Such transactions before one commit."""
FROM = 0.95
"""Share of the size limit from which on output is dropped. It is refused only at the limit, so that there is room to drop first."""


class Entry(NamedTuple):
    """One entry of output that waits."""

    at: float
    lane: str
    position: int
    one: Kept


def oldest_output(source: Source, offers: Offers) -> list[Entry]:
    """The oldest entries of output over all lines that wait and that no attempt carries, oldest first."""
    lanes = [_entries(source, offers, name) for name in source.lanes if name.endswith("/output")]
    return [entry for _, entry in zip(range(DROPPED_AT_ONCE), heapq.merge(*lanes), strict=False)]


def _entries(source: Source, offers: Offers, name: str) -> Iterator[Entry]:
    for first, last, _ in sorted(source.lanes[name].parts()):
        for position, text in offers.waiting(name, first, last):
            one = kept(text)
            if isinstance(one.record, Output):
                yield Entry(one.record.at, name, position, one)


def drop(change: Change, entries: list[Entry], at: float) -> None:
    """Give `entries` up, and say so; `at` is now."""
    for entry in entries:
        change.give_up(entry.lane, entry.position, entry.one)
    lines = sorted({entry.one.record.line for entry in entries})
    more = f" and {len(lines) - 1} more lines" if len(lines) > 1 else ""
    text = f"the outbox was full: {len(entries)} entries of output of {lines[0]}{more}, the oldest that waited, were dropped"
    books.keep(change, Notice("loss", at, "outbox", "", text))
