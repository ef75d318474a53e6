"""What is stored of the messages that were taken in: receipts and ids, so that one that comes again is known; and what
lines have heard, for those that come late: a row for each commit in which they have, and for each line where it begins.
"""

import json
from collections.abc import Mapping

from gateway.frozen import dataclass
from gateway.message_ids import COMMITS_KEPT, MessageIds
from gateway.outbox.cache import OutboxCache
from gateway.outbox.entries import IDS_OF_COMMIT, Commit, CommitMark
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.transaction import Transaction
from gateway.receipt_rows import HEAD

RING = 1000
"""Deliveries of a source that an earlier version has kept."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """The rows of an MQTT session's unconfirmed receipts: its head, and blocks by their first places."""

    head: str
    blocks: Mapping[int, str]


def take(transaction: Transaction, commit: Commit) -> None:
    """Put what `commit` says of sessions, ids and the receipts of earlier versions into its transaction."""
    for name, changes in commit.sessions.items():
        transaction.put[f"session/{name}"] = changes.head
        for first, text in changes.blocks.items():
            if text is None:
                transaction.drop.add(f"receipts/{name}/{first}")
            else:
                transaction.put[f"receipts/{name}/{first}"] = text
    for source, ids in commit.ids.items():
        transaction.put[f"ids/{source}/{ids.number % COMMITS_KEPT}"] = IDS_OF_COMMIT.dump_json(ids).decode()
    for source in commit.old_rings:
        number = transaction.totals.receipts.pop(source, 0)
        transaction.drop |= {f"receipt/{source}/{slot}" for slot in range(min(number, RING))}


def old_slots(number: int) -> list[int]:
    """Where an earlier version kept the last of `number` deliveries of a source, the oldest first."""
    return [at % RING for at in range(max(0, number - RING), number)]


def session(rows: KeyValueStore, name: str) -> StoredSession | None:
    """What is stored of an MQTT session; None where it was never seen."""
    head = rows.get(f"session/{name}")
    if head is None:
        return None
    firsts = {f"receipts/{name}/{first}": first for first, _ in HEAD.validate_json(head).blocks}
    return StoredSession(head, {firsts[key]: text for key, text in rows.get_all([*firsts]).items()})


def message_ids(rows: KeyValueStore, source: str) -> MessageIds:
    """The ids of messages of `source` that are known."""
    found = rows.get_all([f"ids/{source}/{slot}" for slot in range(COMMITS_KEPT)])
    return MessageIds(IDS_OF_COMMIT.validate_json(row) for row in found.values())


def old_ring(rows: KeyValueStore, source: str, number: int) -> list[tuple[int, str]]:
    """The last of `number` deliveries of `source` that an earlier version has kept, packet id and digest, the oldest
    first."""
    keys = [f"receipt/{source}/{slot}" for slot in old_slots(number)]
    found = rows.get_all(keys)
    return [tuple(json.loads(found[key])) for key in keys if found.get(key)]


def take_heard(transaction: Transaction, commit: Commit, last: CommitMark) -> None:
    """Store what `commit`, which follows the `last` one, says of what lines have heard; drop what is needed no more."""
    if commit.heard:
        transaction.put[f"heard/{commit.number}"] = commit.heard
    transaction.put |= {f"trail/{line}": begun for line, begun in commit.trails.items()}
    transaction.drop |= {f"heard/{number}" for number in range(last.heard_since, commit.heard_since)}


def heard(cache: OutboxCache) -> list[tuple[int, str]]:
    """What is still needed of what lines have heard, by the number of the commit, the oldest first."""
    mark = cache.last_commit
    numbers = range(mark.heard_since, mark.number + 1) if mark.heard_since else ()
    texts = ((number, cache.row(f"heard/{number}")) for number in numbers)
    return [(number, text) for number, text in texts if text is not None]
