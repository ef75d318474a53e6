"""Where the outbox keeps its rows: texts by key, written in transactions. On disk for the gateway (`sqlite_store`), in
memory for simulations.

What both promise:

- `apply` makes all of a transaction durable before it returns. Where it raises, or the process ends meanwhile, either
  all of it is there or none, and nobody can say which before reading.
- `get` and `items` show the state that is there.
- Calls belong to one thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

SCARCE = 0.2
"""Share of the limit: where less room than that is left it is said, while there is time to do something."""


class KeyValueStore(Protocol):
    """Texts by key. Once damage was met, the rows are checked and mended when they are opened next."""

    def get(self, key: str) -> str | None:
        """The text of `key`; None where there is none. Raises DamagedRow where it was altered since it was written,
        OutboxError where it cannot be read."""

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts of those of the keys that there are, in no order. Raises as `get` does."""

    def get_under(self, prefix: str) -> dict[str, str]:
        """The texts of all keys that begin with `prefix`, in no order. Raises as `get` does."""

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        """Drop, then put, all or none. Raises OutboxError where it cannot be written, OutboxFull where there is no
        room."""

    def items(self) -> Iterator[tuple[str, str]]:
        """Every row, in no order. One pass is linear. Nothing may be changed
        meanwhile. Raises as `get` does."""

    def used(self) -> int:
        """Bytes that the rows take."""

    def full(self) -> str | None:
        """Why nothing more can be taken in, whatever is kept, in words for a person; None while there is room."""

    def above_limit(self) -> str | None:
        """That the rows take what they may, in words for a person; None while they take less."""

    def scarce(self) -> str | None:
        """How little room is left, in words for a person; None while that is a fifth of the limit or more."""

    def close(self) -> None:
        """Let go of it."""


class MemoryStore:
    """Rows in memory: what is stored outlives the Outbox that uses it, not the process. `limit` in bytes."""

    def __init__(self, limit: int | None = None) -> None:
        self._rows: dict[str, str] = {}
        self._used = 0
        self._limit = limit

    def get(self, key: str) -> str | None:
        return self._rows.get(key)

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: self._rows[key] for key in keys if key in self._rows}

    def get_under(self, prefix: str) -> dict[str, str]:
        return {key: text for key, text in self._rows.items() if key.startswith(prefix)}

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        # What is no text fails here, before anything is changed.
        sizes = {key: _size(key, text) for key, text in put.items()}
        for key in drop:
            self._used -= _size(key, self._rows.pop(key, None))
        for key, text in put.items():
            self._used += sizes[key] - _size(key, self._rows.get(key))
            self._rows[key] = text

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(self._rows.items())

    def used(self) -> int:
        return self._used

    def full(self) -> str | None:
        return None

    def above_limit(self) -> str | None:
        if self._limit is None or self._used < self._limit:
            return None
        return f"the outbox holds {self._used} bytes, and {self._limit} are allowed"

    def scarce(self) -> str | None:
        if self._limit is None or self._limit - self._used >= SCARCE * self._limit:
            return None
        return f"it holds {self._used} bytes of {self._limit}"

    def close(self) -> None:
        """Nothing is held open."""


def _size(key: str, text: str | None) -> int:
    return 0 if text is None else len(key) + len(text)
