"""An outbox of format 1, as the code that wrote it left it, is one of format 3 after opening it."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.outbox.entries import DEAD_LETTER, Attempt, Interval, LineRef
from gateway.outbox.recovery import open_store
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays

A, B = "Factory A/Line 01", "Factory A/Line 02"
LATE, WAITING, UNSURE = "01M7Q5DYJ05SM7CJTZF4H87GW8", "01M7Q5FFCG566VMX64PPECMYFK", "01M7Q5GPEG3J1TWSQBDTV3MVY4"
DONE, REFUSED, OPEN = "01M7Q5D18G9Y8ZXD6SSEQB3EEJ", "01M7Q5D18GCFT21V12EBN84ASQ", "01M7Q5DYJ0PPJ8FGEKAXSY3M5Q"


def format_1(box: Path) -> dict[str, str]:
    """A store of format 1 in `box`; answers its rows."""
    store = box / "outbox"
    store.mkdir(parents=True)
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        connection.executescript((Path(__file__).parent / "kept" / "format_1.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
        return dict(connection.execute("SELECT key, value FROM Cache").fetchall())


def problems(outbox: Outbox) -> list[str]:
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [*(text for verdict in verdicts for text in verdict.problems), *strays(outbox)]


def test_every_record_of_format_1_is_there(tmp_path: Path) -> None:
    """Each record is in its lane of format 3, at its position, word for word but for ends, which are updates now."""
    before = format_1(tmp_path)
    rows, reports = open_store(tmp_path)
    assert reports == []
    assert rows.get("format") == "3"
    now = {key: json.loads(text) for key, text in rows.items() if key.startswith("record/") and "/dead/" not in key}
    assert now.keys() == {
        *(f"record/{A}/{where}" for where in ("runs/4", "updates RUN/3", "output/3", "output/4", "states/2")),
        *(f"record/{B}/parked/{number}" for number in (0, 1)),
    }
    old = [json.loads(text) for key, text in before.items() if key.startswith(("record/", "parked/"))]
    kept = [{**record, "kind": "end"} if record["kind"] == "update" else record for record in now.values()]
    assert sorted(kept, key=lambda record: str(record["key"])) == sorted(old, key=lambda record: str(record["key"]))
    rows.close()
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "outbox", "outbox-of-format-1"}


def test_the_outbox_goes_on_where_format_1_was(tmp_path: Path) -> None:
    """Attempts with their bodies and phases, what is known of intervals, dead letters, totals, receipts, notices, line
    states and lines are as they were; everything is in order."""
    before = format_1(tmp_path)
    outbox = Outbox(open_store(tmp_path)[0])
    assert problems(outbox) == []
    attempts = {name: list(outbox.attempts(name)) for name in outbox.lanes if outbox.attempts(name)}
    assert attempts == {
        f"{A}/updates RUN": [
            Attempt(
                f"{A}/updates RUN", (3,), "interval/set", '{"sent":"01M7Q5EVVG09ANH5SXHSBVGSE6"}', 1_795_000_001.0, 1,
                "retry", 1_795_000_099.0, "503",
            )
        ],
        f"{A}/states": [
            Attempt(
                f"{A}/states", (2,), "interval/set", f'{{"sent":"{UNSURE}"}}', 1_795_000_001.0, 1,
                "in_doubt", 1_795_000_060.0, "cut",
            )
        ],
    }  # fmt: skip
    late, waiting, unsure = (outbox.interval(key) for key in (LATE, WAITING, UNSURE))
    assert late is not None
    assert (late.line, late.type, late.oden_id, late.ended, late.outputs, late.late, late.updating) == (
        A, "RUN", "id-2", True, 1, 0, True
    )  # fmt: skip
    assert waiting == Interval(A, "RUN", 1_795_000_090, start_at=4, outputs=1)
    assert unsure == Interval(A, "STATE", 1_795_000_130, stalled=True)
    done, refused, still_open = (outbox.interval(key) for key in (DONE, REFUSED, OPEN))
    assert done is not None
    assert (done.oden_id, done.closed, outbox.lanes[f"{A}/runs"].closed) == ("id-1", True, [DONE])
    assert refused == Interval(B, "RUN", 1_795_000_010, stalled=True, parked=2, outputs=1, ended=True, dead=1)
    assert still_open == Interval(B, "RUN", 1_795_000_040, "id-y")
    (letter,) = outbox.dead_letters(9)
    assert (letter.record.key, letter.error, letter.tries) == (REFUSED, "400: no such product", 1)
    counts = outbox.counts()
    assert (counts.waiting, counts.in_doubt, counts.parked, counts.dead) == (4, 1, 2, 1)
    totals = outbox.totals
    assert totals.records == {"start": 7, "output": 6, "update": 4}
    assert (totals.delivered, totals.dead, totals.notices, totals.gaps, totals.rejects) == (9, 1, 2, {"plc": 1}, 1)
    assert [notice.kind for notice in outbox.notices(9)] == ["reject", "gap"]
    assert outbox.old_ring("floor")[-1] == (8, "def")
    assert outbox.line_state(B) == {"": before[f"line/{B}"]}
    assert outbox.line_refs()[A] == LineRef("Factory A", "Line 01", "line-1")
    outbox.close()


def test_format_1_is_migrated_once(tmp_path: Path) -> None:
    """The second opening finds format 2 and changes nothing."""
    format_1(tmp_path)
    rows, _ = open_store(tmp_path)
    first = dict(rows.items())
    rows.close()
    rows, reports = open_store(tmp_path)
    assert (dict(rows.items()), reports) == (first, [])
    rows.close()


def test_p7_a_damaged_store_of_format_1_is_salvaged_and_migrated(tmp_path: Path) -> None:
    """With a page lost that the records are on no more than partly, what can be read is there in format 2, and it is
    reported."""
    before = format_1(tmp_path)
    with closing(sqlite3.connect(tmp_path / "outbox" / "cache.db")) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'Cache_expire_time'").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = tmp_path / "outbox" / "cache.db"
    content = bytearray(database.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    database.write_bytes(content)
    rows, (report,) = open_store(tmp_path)
    assert report.read >= len([key for key in before if key.startswith("record/")])
    outbox = Outbox(rows)
    assert problems(outbox) == []
    assert outbox.counts().waiting == 4
    outbox.close()


@pytest.mark.parametrize("text", ["not JSON", "7", "{}", '{"kind":"end"}'])
def test_p7_rows_of_format_1_that_make_no_sense_do_not_keep_it_from_starting(tmp_path: Path, text: str) -> None:
    """Format 1 had no checksums: any row may hold anything. Whichever does, the others are migrated and in order."""
    before = format_1(tmp_path / "whole")
    for number, key in enumerate(
        key for key in before if not key.startswith(("format", "line/", "notice/", "receipt/"))
    ):
        box = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", box)
        with closing(sqlite3.connect(box / "outbox" / "cache.db", isolation_level=None)) as connection:
            connection.execute("UPDATE Cache SET value = ? WHERE key = ?", (text, key))
        rows, _ = open_store(box)
        left = sum(key.startswith("record/") for key, _ in rows.items())
        assert left >= 7
        outbox = Outbox(rows) if key != "lines-at-oden" else None
        assert outbox is None or [problem for problem in problems(outbox) if "is not known" not in problem] == []
        rows.close()


def test_an_interrupted_migration_is_begun_anew_or_finished(tmp_path: Path) -> None:
    """Whatever a crash leaves beside the store, the next opening has all rows of one of the two stores, and removes the
    rest."""
    format_1(tmp_path / "a")
    rows, _ = open_store(tmp_path / "a")
    whole = dict(rows.items())
    rows.close()
    for number, (left, lost) in enumerate(
        [("outbox-building", False), ("outbox-ready", False), ("outbox-ready", True)]
    ):
        box = tmp_path / str(number)
        format_1(box)
        (tmp_path / "a" / "outbox").rename(box / left)  # a store of format 2, said to be whole or not
        if lost:
            (box / "outbox").rename(box / "outbox-old")
        rows, reports = open_store(box)
        assert (dict(rows.items()), reports) == (whole, [])
        rows.close()
        kept = set() if lost else {"outbox-of-format-1"}
        assert {path.name for path in box.iterdir()} == {"lock", "outbox", *kept}
        (box / "outbox").rename(tmp_path / "a" / "outbox")


def test_a_dead_letter_of_format_1_keeps_its_request(tmp_path: Path) -> None:
    """Endpoint and exact body of what Oden refused are there."""
    format_1(tmp_path)
    rows, _ = open_store(tmp_path)
    letter = DEAD_LETTER.validate_json(rows.get("record/dead/0") or "")
    assert (letter.endpoint, letter.body) == ("interval/set", f'{{"sent":"{REFUSED}"}}')
    rows.close()
