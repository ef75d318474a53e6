"""What opening an outbox costs does not grow with what waits in it: counted in steps of SQLite's own machine."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
from diskcache import core

from gateway.outbox.entries import Commit
from gateway.outbox.life import LifeMark, begin_life
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox
from tests.outbox.floor import OTHER, Floor, Oden, commit, drain

EACH = 10
"""Steps from one count to the next."""
SMALL = 600
"""Small commits, after which the journal holds as much as it ever does, whatever came before."""


class Steps:
    """Counts the steps that SQLite takes, of all connections that are opened from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        connect = sqlite3.connect

        def counting(*given: object, **named: object) -> sqlite3.Connection:
            connection = connect(*given, **named)  # type: ignore[call-overload] # as the library calls it
            connection.set_progress_handler(self._count, EACH)
            return connection  # type: ignore[no-any-return]

        monkeypatch.setattr(core.sqlite3, "connect", counting)

    def _count(self) -> int:
        self.taken += EACH
        return 0

    def of(self, doing: Callable[[], object]) -> int:
        """The steps that it takes."""
        before = self.taken
        doing()
        return self.taken - before


def opened(directory: Path, live: Callable[[Outbox], object] = lambda _: None) -> Outbox:
    return open_outbox(directory, limit=2**40, min_free=0.0, span=900.0, live=live)


def costs(directory: Path, runtime: Path, waiting: int, steps: Steps) -> dict[str, int]:
    """What it costs to open an outbox in which so many records wait, and to say what is next: as the last process has
    left it, closed or killed; and as another life of it."""
    floor, run = Floor(), None
    outbox = opened(directory)
    commit(outbox, run := floor.start())
    drain(outbox, Oden())
    for _ in range(waiting // 1000):
        starts = [floor.start(OTHER, "STATE", lasts=1) for _ in range(500)]
        entries = [replace(floor.output(run), amounts=()) for _ in range(500)]
        outbox.commit(Commit(number=outbox.last_commit() + 1, records=(*starts, *entries)))
    assert outbox.counts().waiting == waiting
    killed = directory.with_name(f"{directory.name} killed")
    for _ in range(SMALL):
        commit(outbox, floor.output(run))
    copytree(directory, killed)
    outbox.close()
    spent = {}

    def open_and_ask(name: str, folder: Path, live: Callable[[Outbox], object] = lambda _: None) -> None:
        found = list[Outbox]()

        def doing() -> None:
            found.append(opened(folder, live))
            assert found[0].work()

        spent[name] = steps.of(doing)
        found[0].close()

    mark = LifeMark(directory, runtime)
    open_and_ask("closed", directory)
    open_and_ask("killed", killed)
    open_and_ask("another life", directory, lambda box: begin_life(box, mark, 1.0, is_other=True))
    mark.close()
    return spent


def test_p12_opening_an_outbox_costs_no_more_where_more_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100,000 records waiting at most three times what it costs with 1,000."""
    steps = Steps(monkeypatch)
    few = costs(tmp_path / "few", tmp_path, 1_000, steps)
    many = costs(tmp_path / "many", tmp_path, 100_000, steps)
    assert min(few.values()) > 100
    assert {name: many[name] <= 3 * few[name] for name in few} == dict.fromkeys(few, True), (few, many)
