"""Which messages, by the ids that their senders have given them, have counted already. Pure.

An id in the payload is exact where packet ids are not: on every broker, after a broker was restored to an older state,
and where the sender itself sends a message twice. The last MOST_IDS of a source are remembered, and at the least those
of the last COMMITS_KEPT commits that brought any."""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from gateway.frozen import dataclass

MOST_IDS = 50_000
COMMITS_KEPT = 2_000
"""Rows of a source, each with the ids of one commit: a ring."""


@dataclass(frozen=True, slots=True)
class IdsOfCommit:
    """What one commit has brought: its number among those of its source, and digests of ids."""

    number: int
    ids: tuple[str, ...]


def digest(line: str, address: str, values: Sequence[object]) -> str:
    """What is remembered of a message of `address` for `line` whose id fields have these values."""
    words = json.dumps([line, address, *values], sort_keys=True)
    return hashlib.blake2b(words.encode(), digest_size=12).hexdigest()


class MessageIds:
    """The ids of one source."""

    def __init__(self, commits: Iterable[IdsOfCommit] = ()) -> None:
        """`commits` are what is stored, in any order."""
        self._known: set[str] = set()
        self._commits: deque[IdsOfCommit] = deque()
        self.number = 0
        """Of the next commit."""
        for commit in sorted(commits, key=lambda commit: commit.number):
            self.add(commit)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, commit: IdsOfCommit) -> None:
        """What `commit` has brought is known from now on; the oldest ids are forgotten where there are too many."""
        self._commits.append(commit)
        self._known.update(commit.ids)
        self.number = commit.number + 1
        while len(self._commits) > COMMITS_KEPT or len(self._known) > MOST_IDS:
            self._known.difference_update(self._commits.popleft().ids)


class NewIds:
    """The ids that a batch brings, beside those that are known and those that are yet to be stored, by source."""

    def __init__(self, known: Mapping[str, MessageIds], unstored: Mapping[str, Mapping[str, None]]) -> None:
        self._known = known
        self._unstored = unstored
        self.new: dict[str, dict[str, None]] = {}

    def is_known(self, source: str, id_: str) -> bool:
        """Whether the id has come before; it has from now on."""
        new = self.new.setdefault(source, {})
        if id_ in new or id_ in self._unstored.get(source, ()) or id_ in self._known[source]:
            return True
        new[id_] = None
        return False
