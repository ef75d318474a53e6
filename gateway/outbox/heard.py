"""The rows of what lines have heard: one for each commit in which they have, and for each line where that begins."""

from gateway.outbox.cache import OutboxCache
from gateway.outbox.entries import Commit, CommitMark
from gateway.outbox.transaction import Transaction


def take(transaction: Transaction, commit: Commit, last: CommitMark) -> None:
    """Store what `commit` says of it, which follows the `last` one, and drop what is no longer needed."""
    if commit.heard:
        transaction.put[f"heard/{commit.number}"] = commit.heard
    transaction.put |= {f"trail/{line}": begun for line, begun in commit.trails.items()}
    transaction.drop |= {f"heard/{number}" for number in range(last.heard_since, commit.heard_since)}


def rows(cache: OutboxCache) -> list[tuple[int, str]]:
    """What is still needed, by the number of the commit, the oldest first."""
    mark = cache.last_commit
    numbers = range(mark.heard_since, mark.number + 1) if mark.heard_since else ()
    texts = ((number, cache.row(f"heard/{number}")) for number in numbers)
    return [(number, text) for number, text in texts if text is not None]
