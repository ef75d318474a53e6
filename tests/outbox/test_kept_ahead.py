"""Outboxes of the present format as two versions have left them: one that has no word in it for what another life whose
clock was ahead has told, nor in a dead letter for that its work order was begun again; and one that has both. A later
version reads either, and doubles nothing.

`python -m tests.outbox.test_kept_ahead FOLDER` makes an outbox and an Oden like these in a folder. What is kept is
never made anew.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.mapping.state_rows import StateRows
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter
from gateway.outbox.operator_actions import retry
from gateway.outbox.recovery import open_store
from gateway.outbox.reindex import reindex
from gateway.outbox.store import Outbox
from tests.delivery.harness import Oden, Rig
from tests.delivery.recollection_rig import PLAN, Gateway
from tests.mapping.recording import tag
from tests.outbox import floor as things
from tests.outbox.actions_rig import all_of, problems
from tests.outbox.actions_rig import send as begin
from tests.outbox.test_kept_store import opened
from tests.outbox.test_orders_refused import Orders, send, words

KEPT = Path(__file__).parent / "kept"
VERSIONS = ("before", "ahead")
EXTENDED = ("record/", "attempt/", "interval/", "lane/", "line/", "thing/", "notice/", "life", "left-open", "totals")
"""How the keys of rows begin in which a later version may have written more."""
BY_NAME = ("/lost", "/intervals")
"""How those end whose fields are names of the plant's own."""
LATER = "of_a_later_version"
HOUR = 3600.0
MADE = 1300


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Gateway, Oden]]:
    oden = Oden()
    async with oden.listening():
        yield Gateway(Rig(folder, oden)), oden


async def fill(folder: Path) -> None:
    """A run was told for five minutes; another life, whose clock was an hour ahead, told it for five more, and an older
    copy was put back, which took that off, and told three minutes. An order was completed, which Oden refused, begun
    again, and completed once more, which Oden refused, too."""
    (folder / "run").mkdir()
    async with plant(folder) as (gateway, oden):
        gateway.map(tag(0.5, "Good", gateway.good % 65_536))
        await gateway.lives("A", minutes=5)
        copy = gateway.copy()
        gateway.now += HOUR
        await gateway.lives(minutes=5)
        gateway.now -= HOUR
        await gateway.put_back(copy, folder / "run")
        await gateway.lives(minutes=3)
        outbox, orders = Outbox(gateway.rig.rows), Orders()
        for word in words(2):
            things.commit(outbox, word)
            (work,) = outbox.work()
            send(outbox, orders, things.begun(outbox, work), refused="completed_at" in word.fields)
        rows, _ = open_store(folder)
        rows.apply(dict(gateway.rig.rows.items()))
        rows.close()
        with closing(sqlite3.connect(folder / "outbox" / "cache.db")) as database:
            (folder / "outbox.sql").write_text("\n".join(database.iterdump()) + "\n")
        (folder / "oden.json").write_text(json.dumps(oden.model.snapshot(), indent=1) + "\n")
        sys.stdout.write(f"now {gateway.now}, good {gateway.good}, made {gateway.made}\n")


def restored(folder: Path, kept: str) -> Path:
    """`folder` as that of a gateway with an outbox that was kept."""
    (folder / "outbox").mkdir()
    with closing(sqlite3.connect(folder / "outbox" / "cache.db")) as connection:
        connection.executescript((KEPT / kept).read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return folder


def with_more(key: str, text: str) -> str:
    """The row as a later version of this format may write it: with fields that this one does not know."""
    row = json.loads(text) if key.startswith(EXTENDED) and not key.endswith(BY_NAME) else None
    if not isinstance(row, dict):
        return text
    if isinstance(row.get("record"), dict):
        row["record"][LATER] = {"more": 1}
    return json.dumps({**row, LATER: {"more": [1]}}, separators=(",", ":"))


def in_memory(rows: Mapping[str, str]) -> Outbox:
    memory = MemoryStore()
    memory.apply(rows)
    return Outbox(memory)


def what_is_in(rows: Mapping[str, str]) -> list[object]:
    outbox = in_memory(rows)
    known = [outbox.counts(), outbox.work(), outbox.dead_letters(9), outbox.notices(9), all_of(outbox, Filter())]
    return [*known, StateRows(outbox.line_state(PLAN.key)).state(PLAN)]


def things_about(outbox: Outbox) -> dict[str, str]:
    return {key: text for key, text in outbox.rows() if key.startswith("thing/")}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_a_version_has_left_is_read_whole_and_says_the_same_when_it_is_written(
    tmp_path: Path, version: str
) -> None:
    """Dead letters, what is known of their order, and what the line remembers. What a version does not say is not
    known; a salvage goes by what the letter says, and else by the row of the order."""
    outbox = opened(restored(tmp_path, f"format_3_{version}.sql"))
    assert problems(outbox) == []
    assert [letter.is_over for letter in outbox.dead_letters(9)] == (
        [None, None] if version == "before" else [False, True]
    )
    stored = outbox.line_state(PLAN.key)
    rows = StateRows(stored)
    output = rows.state(PLAN).output
    assert (output.credited_until, output.credited_ahead) == (
        (1767597000, ()) if version == "before" else (1767593160, (1767597000,))
    )
    written = StateRows({}).changes(rows.state(PLAN))
    said = {name: json.loads(text or "") for name, text in written.items()}
    assert {name: said.pop(name) for name in stored} == {name: json.loads(text) for name, text in stored.items()}
    assert not any(said.values()), "a part that the version did not have says nothing"
    salvaged = MemoryStore()
    salvaged.apply({key: text for key, text in outbox.rows() if version == "before" or not key.startswith("thing/")})
    known = things_about(outbox)
    assert reindex(salvaged, damaged=True) == []
    assert things_about(Outbox(salvaged)) == known
    outbox.close()


def test_dead_letters_that_a_version_has_left_are_told_whole(tmp_path: Path, version: str) -> None:
    """Each time that the order was done, by itself."""
    outbox, orders = opened(restored(tmp_path, f"format_3_{version}.sql")), Orders()
    retry(outbox, all_of(outbox, Filter(where="dead")))
    while works := outbox.work():
        send(outbox, orders, things.begun(outbox, works[0]), refused=False)
    assert (problems(outbox), outbox.counts().dead) == ([], 0)
    told = sorted(orders.there, key=lambda one: str(one["started_at"]))
    assert told == [word.fields for word in [*words(2)][1::2]]
    outbox.close()


@pytest.mark.parametrize("again", [False, True])
async def test_p4_what_was_told_an_hour_ahead_is_not_told_again_after_an_upgrade(
    tmp_path: Path, version: str, *, again: bool
) -> None:
    """The line goes on; also where the machine was started anew (`again`), so that Oden is asked."""
    rows, _ = open_store(restored(tmp_path, f"format_3_{version}.sql"))
    kept = dict(rows.items())
    rows.close()
    async with plant(tmp_path) as (gateway, oden):
        oden.model.restore(json.loads((KEPT / f"format_3_{version}.json").read_text()))
        gateway.now, gateway.good, gateway.made = 781.0, 66_300, MADE
        gateway.rig.rows.apply(kept)
        if again:
            await gateway.put_back(gateway.copy(), tmp_path)
        await gateway.lives(minutes=3)
        assert await gateway.total() == gateway.made
        stamps = [entry.timestamp for run in oden.runs() for entry in oden.model.output(run)]
        assert len(stamps) == len({*stamps})


@pytest.mark.parametrize("kept", ["format_3.sql", "format_3_before.sql", "format_3_ahead.sql"])
def test_what_a_later_version_has_written_beside_is_passed_over(tmp_path: Path, kept: str) -> None:
    """Going back to the version before, which has the same format: all that waits is there, and can be delivered."""
    rows, _ = open_store(restored(tmp_path, kept))
    kept_rows = dict(rows.items())
    rows.close()
    later_rows = {key: with_more(key, text) for key, text in kept_rows.items()}
    assert sum(later_rows[key] != text for key, text in kept_rows.items()) > 9
    assert what_is_in(later_rows) == what_is_in(kept_rows)
    outbox = in_memory(later_rows)
    assert problems(outbox) == []
    while works := outbox.work():
        if works[0].stuck:
            outbox.park(works[0])
        else:
            outbox.settle(begin(outbox, works[0]), dict.fromkeys(works[0].positions, "an id"), None, 7.0)
    assert problems(outbox) == []


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
