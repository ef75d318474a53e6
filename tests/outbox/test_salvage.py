"""A damaged outbox: the gateway starts, takes what can be read, sets the files aside and says what happened."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import DamagedRow, OutboxError
from gateway.outbox.entries import Attempt
from gateway.outbox.lanes import stored_record
from gateway.outbox.recovery import open_store
from gateway.outbox.salvage import DAMAGE, DamageReport
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from tests.outbox.damage_rig import LINE, OTHER, output, problems, start
from tests.outbox.floor import next_commit

NOW = 1_795_401_600.0
FOLDER = "outbox-damaged-2026-11-23T02-40-00"
Killed = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Puts an outbox with some of everything into a directory, left as a killed process leaves it: with a log. Answers
    its rows."""
    place = tmp_path_factory.mktemp("killed")
    outbox = Outbox(open_store(place / "working")[0])
    number = 0
    for run in range(60):
        for line in (LINE, OTHER):
            number += 10
            one = start(number, line)
            texts = {line: {"head": f'{{"seq":{number}}}'}}
            records = (one, *(output(number + n, one) for n in range(1, 8)))
            outbox.commit(next_commit(outbox, states=texts, records=records))
            if run == 40:
                for work in outbox.work():
                    if work.lane == f"{line}/runs":
                        attempt = Attempt(work.lane, work.positions, "interval/set", "{}", 1.0, 1, "in_doubt")
                        assert outbox.begin(work, attempt)
    rows = dict(outbox._rows.items())
    shutil.copytree(place / "working" / "outbox", place / "outbox")
    outbox.close()

    def put(box: Path) -> dict[str, str]:
        box.mkdir()
        shutil.copytree(place / "outbox", box / "outbox")
        return rows

    return put


def settled(box: Path) -> None:
    """What a stop leaves: no log."""
    SqliteStore(box / "outbox").close()


def changed(path: Path, change: Callable[[bytearray], object]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def opened(box: Path, before: Mapping[str, str]) -> tuple[dict[str, str], list[DamageReport]]:
    """Open it as the gateway does, use it, and see that it is in order: no row that was never written, structure that
    holds, the same report until somebody has acknowledged it. Answers the records that are there."""
    rows, reports = open_store(box, now=lambda: NOW)
    there = {key: stored_record(text) for key, text in rows.items() if key.startswith("record/")}
    # After a damage, Oden may have whatever waits.
    assert all(one.unsure == bool(reports) for one in there.values())
    found = {key: replace(one, unsure=False).text() for key, one in there.items()}
    assert found.items() <= before.items()
    outbox = Outbox(rows)
    assert problems(outbox) == []
    one = start(99_999)
    outbox.commit(next_commit(outbox, states={LINE: {"head": "{}"}}, records=(one, output(99_998, one))))
    outbox.close()
    rows, again = open_store(box, now=lambda: NOW + 1)
    assert again == reports
    outbox = Outbox(rows)
    assert outbox.interval(one.key) is not None
    assert problems(outbox) == []
    outbox.close()
    return found, reports


def records(rows: Mapping[str, str]) -> int:
    return sum(key.startswith("record/") for key in rows)


def zeroed(start: int, end: int) -> Callable[[bytearray], object]:
    def change(content: bytearray) -> None:
        content[start:end] = bytes(end - start)

    return change


def test_p7_a_whole_store_is_left_alone(killed: Killed, tmp_path: Path) -> None:
    """A store as a kill leaves it is opened with all its rows, no report, nothing set aside; also without its -shm, or
    with garbage in that."""
    box = tmp_path / "box"
    before = killed(box)
    (box / "outbox" / "cache.db-shm").write_bytes(b"garbage" * 5000)
    found, reports = opened(box, before)
    assert (len(found), reports) == (records(before), [])
    assert {path.name for path in box.iterdir()} == {"lock", "outbox"}


def page_of(content: bytearray, text: bytes) -> tuple[int, int]:
    """Where the page begins and ends that has the middle one of the places at which a text is."""
    at = content.index(text, len(content) // 2) // 4096 * 4096
    return at, at + 4096


CLOSED: dict[str, Callable[[Path], object]] = {
    "truncated": lambda db: changed(db, lambda content: content.__delitem__(slice(len(content) // 2, None))),
    "truncated within a page": lambda db: changed(
        db, lambda content: content.__delitem__(slice(len(content) - 700, None))
    ),
    "empty": lambda db: db.write_bytes(b""),
    "missing": lambda db: db.unlink(),
    "garbage": lambda db: db.write_bytes(random.Random(1).randbytes(300_000)),
    "text": lambda db: db.write_text("no database at all, whatever it was\n" * 1000),
    "one byte": lambda db: db.write_bytes(b"S"),
    "no first page": lambda db: changed(db, zeroed(0, 4096)),
    "no first sector": lambda db: changed(db, zeroed(0, 512)),
    "a page in the middle": lambda db: changed(db, lambda content: zeroed(*page_of(content, b'"good":'))(content)),
    "every tenth page": lambda db: changed(
        db, lambda content: [zeroed(at, at + 4096)(content) for at in range(9 * 4096, len(content), 40_960)]
    ),
    "a folder": lambda db: [step() for step in (db.unlink, db.mkdir)],
}


@pytest.mark.parametrize("damage", CLOSED)
def test_p7_a_damaged_database_is_set_aside_and_salvaged(killed: Killed, tmp_path: Path, damage: str) -> None:
    """Whatever happened to the database: the gateway starts and works, the damaged file is in a dated folder as it was
    found, and the report says when, where, why and how much."""
    box = tmp_path / "box"
    before = killed(box)
    settled(box)
    database = box / "outbox" / "cache.db"
    CLOSED[damage](database)
    content = database.read_bytes() if database.is_file() else b""
    found, (report,) = opened(box, before)
    assert (report.at, report.folder) == (NOW, FOLDER)
    assert report.reason
    aside = box / FOLDER / "cache.db"
    assert (aside.read_bytes() if aside.is_file() else b"") == content
    least = {
        "no first page": 1.0,
        "no first sector": 1.0,
        "a page in the middle": 0.97,
        "every tenth page": 0.8,
        "truncated": 0.3,
    }
    assert len(found) >= records(before) * least.get(damage, 0.0)
    assert report.read >= len(found)
    if damage == "a page in the middle":
        assert sum(report.lost.values()) == len(before) - report.read
    if damage == "every tenth page":  # where the index has lost keys too, nobody knows of them
        assert 0 < sum(report.lost.values()) <= len(before) - report.read


def log_of(box: Path) -> Path:
    return box / "outbox" / "cache.db-wal"


LOGS: dict[str, Callable[[Path], object]] = {
    "missing": lambda log: log.unlink(),
    "head zeroed": lambda log: changed(log, zeroed(0, 32)),
    "bit in the head": lambda log: changed(log, lambda content: content.__setitem__(17, content[17] ^ 4)),
    "bit in a page": lambda log: changed(log, lambda content: content.__setitem__(50_000, content[50_000] ^ 4)),
    "garbled page": lambda log: changed(log, zeroed(32 + 20 * 4120, 32 + 21 * 4120)),
    "garbled head of a page": lambda log: changed(log, zeroed(32 + 20 * 4120, 32 + 20 * 4120 + 24)),
    "empty database": lambda log: (log.parent / "cache.db").write_bytes(b""),
    "missing database": lambda log: (log.parent / "cache.db").unlink(),
}


@pytest.mark.parametrize("damage", LOGS)
def test_p7_a_damaged_log_is_noticed_and_read_past_the_damage(killed: Killed, tmp_path: Path, damage: str) -> None:
    """SQLite takes what follows a damaged page of its log for a transaction that never ended. Here it is damage: it is
    reported, and what follows is read; only without a log it is gone."""
    box = tmp_path / "box"
    before = killed(box)
    assert log_of(box).stat().st_size > 32 + 100 * 4120
    LOGS[damage](log_of(box))
    found, (report,) = opened(box, before)
    if damage == "missing":
        assert "its log is missing" in report.reason
    else:
        # Without a database there is what the log has taken since it was last put into that.
        assert len(found) >= records(before) * (0.25 if "database" in damage else 0.9)
    assert (box / FOLDER).is_dir()


def test_p7_a_log_with_an_unfinished_end_is_no_damage(killed: Killed, tmp_path: Path) -> None:
    """What a power cut leaves of the transaction that was under way, whole or torn, is not reported."""
    box = tmp_path / "box"
    before = killed(box)
    changed(log_of(box), lambda content: content.__setitem__(len(content) - 3000, content[-3000] ^ 255))
    found, reports = opened(box, before)
    assert reports == []
    assert records(before) - 8 <= len(found) <= records(before)


def test_p7_one_bit_of_one_value_costs_one_row(killed: Killed, tmp_path: Path) -> None:
    """A flipped bit within a record's text is found at the start; that row is named and nothing else is lost."""
    box = tmp_path / "box"
    before = killed(box)
    settled(box)
    key = f"record/{LINE}/output/77"
    changed(
        box / "outbox" / "cache.db",
        lambda content: content.__setitem__(at := content.index(before[key].encode()) + 9, content[at] ^ 1),
    )
    found, (report,) = opened(box, before)
    assert report.reason == f"the row {key} is not as it was written"
    assert (report.lost, report.keys) == ({"record": 1}, (key,))
    assert found.keys() == {other for other in before if other.startswith("record/") and other != key}


@pytest.mark.parametrize("seed", range(24))
def test_p7_any_damage_can_be_started_from(killed: Killed, tmp_path: Path, seed: int) -> None:
    """Random bytes, bits, holes and cuts anywhere in the files: it opens, never shows a row that was not written, and
    is in order."""
    chance = random.Random(seed)
    box = tmp_path / "box"
    before = killed(box)
    if chance.random() < 0.5:
        settled(box)
    for _ in range(chance.choice([1, 1, 3, 10])):
        path = chance.choice([path for path in (box / "outbox").iterdir() if path.stat().st_size])
        content = bytearray(path.read_bytes())
        at = chance.randrange(len(content))
        match chance.choice(["bit", "bytes", "hole", "cut"]):
            case "bit":
                content[at] ^= 1 << chance.randrange(8)
            case "bytes":
                content[at : at + 100] = chance.randbytes(min(100, len(content) - at))
            case "hole":
                zeroed(at // 512 * 512, min(len(content), at // 512 * 512 + 512 * chance.choice([1, 8, 64])))(content)
            case "cut":
                del content[max(1, at) :]
        path.write_bytes(content)
    opened(box, before)


def test_p7_a_store_that_is_no_folder_is_set_aside(tmp_path: Path) -> None:
    """A file in the place of the store's folder is set aside too."""
    (tmp_path / "outbox").write_text("what is this?")
    rows, (report,) = open_store(tmp_path, now=lambda: NOW)
    assert report.reason == "it is not a folder"
    assert (tmp_path / FOLDER).read_text() == "what is this?"
    rows.close()


def test_p7_damages_within_a_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """Nothing that was set aside is ever written over, and every report stays."""
    for number in (1, 2, 3):
        rows, reports = open_store(tmp_path, now=lambda: NOW)
        rows.apply({"line/L": str(number)})
        assert len(reports) == number - 1
        rows.close()
        changed(tmp_path / "outbox" / "cache.db", zeroed(0, 100))
    rows, reports = open_store(tmp_path, now=lambda: NOW)
    assert [report.folder for report in reports] == [FOLDER, f"{FOLDER}-2", f"{FOLDER}-3"]
    assert rows.get("line/L") == "3"
    rows.close()


def test_p7_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An outbox of a later version is named with what to do; it is neither changed nor taken for damage."""
    rows, _ = open_store(tmp_path)
    rows.apply({"what": "ever"})
    rows._database.name("format", "99")
    rows.close()
    before = (tmp_path / "outbox" / "cache.db").read_bytes()
    with pytest.raises(
        OutboxError, match=r"has format 99, and this version reads up to format 3\. Install the version that"
    ):
        open_store(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "outbox"}
    assert (tmp_path / "outbox" / "cache.db").read_bytes() == before


def test_p7_damage_within_a_large_store_is_found_when_it_is_met(tmp_path: Path) -> None:
    """A store above 64 MiB is not read whole at the start. A damaged row in its middle raises when it is read, and the
    next start sets the store aside and takes everything else over."""
    rows, _ = open_store(tmp_path)
    keys = [f"receipt/floor/{number}" for number in range(30_000)]
    texts = dict.fromkeys(keys, "[7, " + "1" * 2400 + "]")
    rows.apply(texts)
    rows.close()
    database = tmp_path / "outbox" / "cache.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE Rows SET value = replace(value, '11', '12') WHERE key = 'receipt/floor/15000'")
    assert database.stat().st_size > 64 * 2**20
    rows, reports = open_store(tmp_path)
    assert reports == []
    with pytest.raises(DamagedRow, match="receipt/floor/15000"):
        rows.get("receipt/floor/15000")
    rows.close()
    rows, (report,) = open_store(tmp_path)
    assert (report.lost, report.keys) == ({"receipt": 1}, ("receipt/floor/15000",))
    assert rows.get("receipt/floor/15001") == texts["receipt/floor/15001"]
    rows.close()


def test_reports_are_what_the_row_damage_holds(killed: Killed, tmp_path: Path) -> None:
    """A report stays in the row `damage` until that is dropped."""
    box = tmp_path / "box"
    killed(box)
    settled(box)
    changed(box / "outbox" / "cache.db", zeroed(0, 4096))
    rows, reports = open_store(box, now=lambda: NOW)
    assert DAMAGE.validate_json(rows.get("damage") or "") == reports
    rows.apply({}, ["damage"])
    rows.close()
    rows, reports = open_store(box)
    assert reports == []
    rows.close()
