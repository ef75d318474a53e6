"""P1 and P7 under a power cut: whatever was acknowledged is there, nothing is there half, and it is not taken for
damage.

`ODEN_POWER_CUTS` is how many cuts each campaign makes (60), `ODEN_POWER_SEED` where its chances begin (0). A cut that
fails is printed with both, and comes again with them.
"""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import OutboxError
from gateway.outbox.database import sealed
from gateway.outbox.recovery import open_store
from gateway.outbox.salvage import DamageReport
from gateway.outbox.sqlite_store import SqliteStore
from tests.outbox.power import Call, Disk, recorded
from tests.outbox.test_migrate import format_1

CUTS = int(os.environ.get("ODEN_POWER_CUTS", "60"))
SEED = int(os.environ.get("ODEN_POWER_SEED", "0"))

CHANGE = """
import random

def change(number):
    chance = random.Random(number)
    text = chance.randbytes(chance.choice([50, 200, 1500, 12_000])).hex()
    put = {"line/L": str(number), f"record/L/{number}": text, f"lane/{chance.randrange(4)}": text[:100]}
    return put, [f"record/L/{number - chance.randrange(1, 30)}"]
"""

WRITER = f"""
import sys
from contextlib import closing
from pathlib import Path
from gateway.outbox.recovery import open_store
{CHANGE}
number = 0
for life in (150, 40, 10):
    rows, _ = open_store(Path(sys.argv[1]), ballast=2**16)
    for _ in range(life):
        rows.apply(*change(number))
        print(number, flush=True)
        number += 1
    rows.close()
"""

OPENER = """
import sys
from contextlib import closing
from pathlib import Path
from gateway.outbox.recovery import open_store
rows, _ = open_store(Path(sys.argv[1]), now=lambda: 1_795_401_600.0)
print("open", flush=True)
rows.close()
"""

Check = Callable[[dict[str, str], list[DamageReport], bytes], bool]


def campaign(calls: list[Call], base: Path, place: Path, right: Check, *, syncs: bool = True) -> Iterator[str]:
    """Cut the power after some of the calls, open what is left, and answer what is not right."""
    chance = random.Random(SEED)
    disk = Disk(base, syncs=syncs)
    points = sorted(chance.sample(range(len(calls) + 1), min(CUTS, len(calls))))
    done = 0
    for point in points:
        for call in calls[done:point]:
            disk.follow(call)
        done = point
        left = place / "left"
        disk.cut(left, chance)
        try:
            rows, reports = open_store(left, now=lambda: 1_795_401_600.0)
        except OutboxError as error:
            yield f"cut {point} of {len(calls)}, seed {SEED}, {CUTS} cuts: {error}"
        else:
            if not right(dict(rows.items()), reports, disk.said):
                yield f"cut {point} of {len(calls)}, seed {SEED}, {CUTS} cuts: {reports or 'rows are missing or half'}"
            rows.close()
        shutil.rmtree(left)


def states() -> list[dict[str, str]]:
    """What is there before the first change of the writer, and after each."""
    scope: dict[str, Callable[[int], tuple[dict[str, str], list[str]]]] = {}
    exec(CHANGE, scope)  # noqa: S102 - the very program that the writer runs
    now: dict[str, str] = {"format": "3"}
    all_states = [now]
    for number in range(200):
        put, drop = scope["change"](number)
        now = {**{key: text for key, text in now.items() if key not in drop}, **put}
        all_states.append(now)
    return all_states


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Call], Path]:
    """The calls of a writer that lives three times, and makes SQLite put its log into the database."""
    base = tmp_path_factory.mktemp("power") / "box"
    base.mkdir()
    calls = recorded(WRITER, base)
    shutil.rmtree(base)
    base.mkdir()
    return calls, base


def as_acknowledged(known: list[dict[str, str]]) -> Check:
    def right(rows: dict[str, str], reports: list[DamageReport], said: bytes) -> bool:
        acknowledged = len(said.split())
        return not reports and rows in known[acknowledged : acknowledged + 2]

    return right


def test_p1_what_was_acknowledged_survives_a_power_cut(writing: tuple[list[Call], Path], tmp_path: Path) -> None:
    """After a cut at any point, un-synced writes dropped, kept or torn: the rows are those after the last acknowledged
    change, or after the one under way, to the last character; nothing is reported as damage."""
    calls, base = writing
    assert sum(call.path.endswith("/outbox/cache.db") and call.name == "sync" for call in calls) > 3
    assert list(campaign(calls, base, tmp_path, as_acknowledged(states()))) == []


def test_the_power_cut_is_a_test(writing: tuple[list[Call], Path], tmp_path: Path) -> None:
    """Were the disk never told to sync, the same cuts would lose what was acknowledged."""
    calls, base = writing
    assert len(list(campaign(calls, base, tmp_path, as_acknowledged(states()), syncs=False))) > CUTS // 4


def format_2(box: Path) -> None:
    """A store of format 2 with more rows than are moved in one transaction."""
    store = box / "outbox"
    store.mkdir(parents=True)
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        connection.executescript((Path(__file__).parent / "kept" / "format_2.sql").read_text())
        more = ((f"notice/{number}", sealed(f"notice/{number}", "{}")) for number in range(400, 1600))
        connection.executemany("INSERT INTO Cache (key, raw, value) VALUES (?, 1, ?)", more)
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize(("written", "kept"), [(format_1, "outbox-of-format-1"), (format_2, "outbox-of-format-2")])
def test_p7_a_migration_survives_a_power_cut(tmp_path: Path, written: Callable[[Path], object], kept: str) -> None:
    """A cut at any point of bringing an earlier format to the present one leaves a store from which everything is there
    at the next start; and the earlier store, whole and as its version has left it, is beside it."""
    base = tmp_path / "box"
    written(base)
    before = library_rows(base / "outbox")
    shutil.copytree(base, tmp_path / "before")
    calls = recorded(OPENER, base)
    rows, _ = open_store(base)
    whole = dict(rows.items())
    rows.close()
    shutil.rmtree(base)
    (tmp_path / "before").rename(base)

    def right(rows: Mapping[str, str], reports: list[DamageReport], _: bytes) -> bool:
        names = {path.name for path in (tmp_path / "left").iterdir()}
        return (
            rows == whole
            and not reports
            and names == {"lock", "outbox", kept}
            and library_rows(tmp_path / "left" / kept) == before
        )

    assert list(campaign(calls, base, tmp_path, right)) == []


def library_rows(store: Path) -> list[tuple[str, str]]:
    """The rows of a store of an earlier format, which has no table of our own."""
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Rows'").fetchall()
        return connection.execute("SELECT key, value FROM Cache ORDER BY rowid").fetchall()


GOER_BACK = """
import sys
from pathlib import Path
from gateway.outbox.recovery import restore_folder
restore_folder(Path(sys.argv[1]), Path(sys.argv[1]) / "outbox-of-format-2", 1_795_401_600.0)
"""


def test_p7_going_back_survives_a_power_cut(tmp_path: Path) -> None:
    """A cut at any point of putting the kept store back leaves it kept, with the store of the present format in use, or
    in use, with the other set aside: both are there, and whole."""
    base = tmp_path / "box"
    format_2(base)
    old = library_rows(base / "outbox")
    rows, _ = open_store(base)
    rows.apply({"line/L": "since the upgrade"})
    new = dict(rows.items())
    rows.close()
    shutil.copytree(base, tmp_path / "before")
    calls = recorded(GOER_BACK, base)
    assert library_rows(base / "outbox") == old
    shutil.rmtree(base)
    (tmp_path / "before").rename(base)
    seen = set()

    def right(rows: Mapping[str, str], reports: list[DamageReport], _: bytes) -> bool:
        left = tmp_path / "left"
        back = "line/L" not in rows
        seen.add(back)
        if back:  # and it was upgraded anew, because it was opened here
            (aside,) = left.glob("outbox-replaced-*")
            other = SqliteStore(aside)
            whole = dict(other.items()) == new and {**new, "line/L": ""} == {**rows, "line/L": ""}
            other.close()
        else:
            whole = rows == new
        return whole and not reports and library_rows(left / "outbox-of-format-2") == old

    assert list(campaign(calls, base, tmp_path, right)) == []
    assert seen == {True, False}


def test_p7_a_salvage_survives_a_power_cut(tmp_path: Path) -> None:
    """A cut at any point of setting a damaged store aside leaves either that store or the salvaged one: the next start
    has what could be read, and one report whose folder is there."""
    base = tmp_path / "box"
    rows, _ = open_store(base)
    rows.apply({f"receipt/floor/{number}": f"[{number}, 1]" for number in range(400)})
    rows.close()
    database = base / "outbox" / "cache.db"
    database.write_bytes(database.read_bytes().replace(b"[77, 1]", b"[78, 1]"))
    shutil.copytree(base, tmp_path / "before")
    calls = recorded(OPENER, base)
    assert sorted(path.name for path in base.iterdir()) == ["lock", "outbox", "outbox-damaged-2026-11-23T02-40-00"]
    shutil.rmtree(base)
    (tmp_path / "before").rename(base)

    def right(rows: Mapping[str, str], reports: list[DamageReport], _: bytes) -> bool:
        kept = sum(key.startswith("receipt/") and json.loads(text)[1] == 1 for key, text in rows.items())
        (report,) = reports
        folders = {path.name for path in (tmp_path / "left").iterdir()}
        return kept == 399 and report.keys == ("receipt/floor/77",) and folders == {"lock", "outbox", report.folder}

    assert list(campaign(calls, base, tmp_path, right)) == []
