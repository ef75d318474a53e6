"""What is stored of the messages that were taken in, so that one that comes again is known: receipts and ids."""

from gateway.message_ids import COMMITS_KEPT
from gateway.outbox.entries import IDS_OF_COMMIT, Commit
from gateway.outbox.transaction import Transaction

RING = 1000
"""Deliveries of a source that an earlier version has kept."""


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
