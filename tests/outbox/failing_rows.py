"""Rows whose writes and reads fail when a test says so."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.errors import OutboxError
from gateway.outbox.key_value import KeyValueStore

ANSWER_LOST = "the transaction was written, and the answer was lost"


class FailingRows:
    """A store whose next write fails where `fails` says: "before" its transaction is on disk, or "after"."""

    def __init__(self, rows: KeyValueStore) -> None:
        self._rows = rows
        self.fails: str | None = None
        self.used, self.full, self.above_limit = rows.used, rows.full, rows.above_limit
        self.scarce, self.close = rows.scarce, rows.close

    def get(self, key: str) -> str | None:
        self.before_read()
        return self._rows.get(key)

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        self.before_read()
        return self._rows.get_all(keys)

    def get_under(self, prefix: str) -> dict[str, str]:
        self.before_read()
        return self._rows.get_under(prefix)

    def items(self) -> Iterator[tuple[str, str]]:
        self.before_read()
        return self._rows.items()

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        fails, self.fails = self.fails, None
        if fails == "before":
            raise OutboxError("nothing was written")
        self._rows.apply(put, drop)
        if fails == "after":
            raise OutboxError(ANSWER_LOST)

    def before_read(self) -> None:
        """Raise OutboxError where a read is to fail."""


class Fragile(FailingRows):
    """Rows whose read number `reads_left` from now on fails."""

    reads_left: int | None = None

    def before_read(self) -> None:
        if self.reads_left is not None:
            self.reads_left -= 1
            if self.reads_left < 0:
                self.reads_left = None
                raise OutboxError("read")
