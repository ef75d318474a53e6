"""Outboxes over rows on disk and in memory, and a plant that fills them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.outbox.key_value import KeyValueStore, MemoryStore
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from tests.outbox.floor import (
    LINE,
    Floor,
)


class Box:
    """An outbox over rows that can be opened again."""

    def __init__(self, make: Callable[[], KeyValueStore]) -> None:
        self._make = make
        self.rows = make()
        self.outbox = Outbox(self.rows)

    def reopened(self) -> Outbox:
        """As after a kill: nothing of the object before is used any more."""
        self.rows.close()
        self.rows = self._make()
        self.outbox = Outbox(self.rows)
        return self.outbox


@pytest.fixture(params=["disk", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    memory = MemoryStore()
    box = Box(lambda: SqliteStore(tmp_path / "rows") if request.param == "disk" else memory)
    yield box
    box.outbox.close()


@pytest.fixture
def floor() -> Floor:
    return Floor()


def offered(outbox: Outbox) -> list[str]:
    """The lanes in which something can be begun."""
    return [work.lane.removeprefix(f"{LINE}/") for work in outbox.work() if work.attempt is None and not work.stuck]
