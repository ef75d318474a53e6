"""A damaged outbox: the gateway starts, takes what can be read, sets the files aside and says what happened."""

import random
import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.errors import DamagedRow, OutboxError
from gateway.model import RECORD, Output, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import ATTEMPT, DEAD_LETTER, INTERVAL, TOTALS, Attempt, DeadLetter, Interval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.lanes import LANE, Lane, StoredRecord, stored_record
from gateway.outbox.recovery import open_store
from gateway.outbox.reindex import reindex, unsure
from gateway.outbox.salvage import DAMAGE, DamageReport
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays
from tests.outbox.floor import commit, next_commit

NOW = 1_795_401_600.0
FOLDER = "outbox-damaged-2026-11-23T02-40-00"
LINE = "Factory A/Line 01"
OTHER = "Factory A/Line 02"


def start(number: int, line: str = LINE, end: int | None = None) -> StartInterval:
    return StartInterval(record_key(line, number, 1e9), line, 1e9, "RUN", 10**9 + number, f"run {number}", {}, end)


def output(number: int, of: StartInterval) -> Output:
    raw: dict[str, str | int] = {"good": number, "code": "Splice " * 20}
    return Output(record_key(of.line, number, 1e9), of.line, 1e9, "RUN", of.key, 10**9 + number, raw)


def update(number: int, of: StartInterval) -> UpdateInterval:
    return UpdateInterval(record_key(of.line, number, 1e9), of.line, 1e9, "RUN", of.key, 10**9 + number)


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


def problems(outbox: Outbox) -> list[str]:
    """What is not in order, but for intervals that are lost."""
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [text for verdict in verdicts for text in verdict.problems if "is not known" not in text] + [*strays(outbox)]


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


# The structure, from records alone


def stored(*given: Any) -> MemoryStore:
    """Raw rows: `(key, text)`, or `(lane, position, record)`, kept plainly or as it says, or `(key, entry)`."""
    rows = MemoryStore()
    adapters: dict[type, TypeAdapter[Any]] = {Lane: LANE, Interval: INTERVAL, Attempt: ATTEMPT}
    for one in given:
        match one:
            case (str(lane), int(position), record):
                text = (record if isinstance(record, StoredRecord) else StoredRecord(record)).text()
                rows.apply({f"record/{lane}/{position}": text})
            case (str(key), str(text)):
                rows.apply({key: text})
            case (str(key), entry):
                rows.apply({key: adapters[type(entry)].dump_json(entry).decode()})
    return rows


def lane(rows: MemoryStore, name: str) -> Lane:
    return LANE.validate_json(rows.get(f"lane/{name}") or "")


def interval(rows: MemoryStore, of: StartInterval) -> Interval | None:
    text = rows.get(f"interval/{of.key}")
    return INTERVAL.validate_json(text) if text else None


RUN = start(1)
RUNS, OUTPUT, UPDATES, PARKED = (f"{LINE}/{family}" for family in ("runs", "output", "updates RUN", "parked"))


def test_everything_is_made_anew_from_records_alone() -> None:
    """With no row left but records, lanes and their list, the intervals whose starts are there, and totals are made."""
    rows = stored(
        (RUNS, 7, RUN), (RUNS, 5, start(2)), (OUTPUT, 3, output(4, RUN)), (OUTPUT, 9, output(5, RUN)),
        (UPDATES, 0, update(6, RUN)),
        ("notice/3", "{}"), ("receipt/floor/41", "[]"),
    )  # fmt: skip
    assert reindex(rows) == []
    assert lane(rows, RUNS) == Lane(LINE, tail=8, head=5, waiting=2, open=[5, 7])
    assert lane(rows, OUTPUT) == Lane(LINE, tail=10, head=3, waiting=2)
    assert interval(rows, RUN) == Interval(LINE, "RUN", RUN.start, start_at=7, update_at=0, outputs=2, ended=True)
    totals = TOTALS.validate_json(rows.get("totals") or "")
    assert totals.records == {"start": 2, "output": 2, "update": 1}
    assert (totals.notices, totals.receipts) == (4, {"floor": 42})
    outbox = Outbox(rows)
    assert problems(outbox) == []
    assert sorted(outbox.lanes) == sorted([RUNS, OUTPUT, UPDATES])


def test_what_is_known_is_kept() -> None:
    """Bounds that fit the records stay as they are, with the parts of a backlog; so do ids at Oden and what is late."""
    bounds = Lane(LINE, tail=9, head=6, backlog=[(1, 3)], closed=["gone", RUN.key])
    known = Interval(LINE, "RUN", RUN.start, "id-1", ended=True, late=1, closed=True)
    rows = stored(
        ("lanes", f'["{OUTPUT}"]'), (f"lane/{OUTPUT}", bounds), (f"interval/{RUN.key}", known),
        (OUTPUT, 2, StoredRecord(output(2, RUN), late=True)), (OUTPUT, 7, StoredRecord(output(3, RUN), late=True)),
    )  # fmt: skip
    reindex(rows)
    assert lane(rows, OUTPUT) == replace(bounds, waiting=2, closed=[RUN.key])
    assert interval(rows, RUN) == replace(known, late=2)


def test_a_record_outside_of_its_lane_is_within_it_again() -> None:
    """Where bounds do not cover a record, the lane begins with its first record."""
    rows = stored(
        (f"lane/{OUTPUT}", Lane(LINE, tail=4, head=4)), (OUTPUT, 2, output(2, RUN)), (OUTPUT, 11, output(3, RUN))
    )
    reindex(rows)
    assert lane(rows, OUTPUT) == Lane(LINE, tail=12, head=2, waiting=2)


def test_attempts_follow_their_records() -> None:
    """An attempt without a record left is dropped, one with some goes on with these under its new number."""
    gone = Attempt(RUNS, (3,), "interval/set", "{}", 1.0)
    some = Attempt(UPDATES, (1, 2, 5), "intervals/update", "{}", 1.0, phase="in_doubt")
    rows = stored(
        (f"lane/{RUNS}", Lane(LINE, tail=4, head=4, attempts=[3])), (f"attempt/{RUNS}/3", gone),
        (f"lane/{UPDATES}", Lane(LINE, tail=9, head=6, attempts=[1])), (f"attempt/{UPDATES}/1", some),
        (UPDATES, 2, update(2, RUN)), (UPDATES, 5, update(3, RUN)),
        (f"interval/{RUN.key}", Interval(LINE, "RUN", 1, "id-1")),
    )  # fmt: skip
    reindex(rows)
    assert lane(rows, RUNS) == Lane(LINE, tail=4, head=4)
    assert lane(rows, UPDATES) == Lane(LINE, tail=9, head=6, waiting=2, attempts=[2])
    assert [key for key, _ in rows.items() if key.startswith("attempt/")] == [f"attempt/{UPDATES}/2"]
    outbox = Outbox(rows)
    (work,) = outbox.work()
    assert work.attempt == replace(some, positions=(2, 5))
    assert problems(outbox) == []


def test_p4_after_a_damage_every_create_is_one_that_oden_may_have() -> None:
    """Starts and output, also what is parked, are marked while rows are taken over, and what an attempt to create says
    of itself is in doubt; updates say the same twice, and dead letters are a person's. Nothing is merged into a marked
    start, and what needs it is stuck."""
    other = start(20, OTHER)
    again = Attempt(f"{OTHER}/output", (7,), "scrap_yield/set", "{}", 1.0, phase="retry")
    letter = DEAD_LETTER.dump_json(DeadLetter(start(9), 1.0, "400", "interval/set", "{}", 1)).decode()
    given = stored(
        (RUNS, 3, RUN), (UPDATES, 0, update(2, RUN)), (OUTPUT, 0, output(5, RUN)), (PARKED, 4, output(6, RUN)),
        (f"{OTHER}/output", 7, output(21, other)), (f"attempt/{OTHER}/output/7", again), ("record/dead/0", letter),
        (f"interval/{other.key}", Interval(OTHER, "RUN", other.start, "id-2", outputs=1)),
    )  # fmt: skip
    rows = MemoryStore()
    rows.apply(dict(unsure(given.items())))
    reindex(rows, damaged=True)
    marked = {
        key
        for key, text in rows.items()
        if key.startswith("record/") and "dead" not in key and stored_record(text).unsure
    }
    assert marked == {f"record/{RUNS}/3", f"record/{OUTPUT}/0", f"record/{PARKED}/4", f"record/{OTHER}/output/7"}
    assert rows.get("record/dead/0") == letter
    found = interval(rows, RUN)
    assert found is not None
    assert (found.stalled, found.start_at, found.update_at) == (True, None, 0)
    outbox = Outbox(rows)
    assert problems(outbox) == []
    (carried,) = outbox.attempts(f"{OTHER}/output")
    assert carried == replace(again, phase="in_doubt")
    commit(outbox, update(30, RUN))
    works = {work.lane: work for work in outbox.work()}
    assert works[RUNS].records == (RUN,)
    assert (works[RUNS].attempt or again).phase == "in_doubt"
    assert [works[name].stuck for name in (UPDATES, OUTPUT)] == [True, True]


def test_p5_records_of_a_lost_start_do_not_block() -> None:
    """Where a start is lost before Oden had it, its interval is not known any more: what needs it is stuck, other runs
    flow."""
    good = start(30)
    rows = stored(
        (f"interval/{RUN.key}", Interval(LINE, "RUN", RUN.start, start_at=0, outputs=1)), (OUTPUT, 0, output(2, RUN)),
        (f"interval/{good.key}", Interval(LINE, "RUN", good.start, "id-2", outputs=1)), (OUTPUT, 1, output(31, good)),
    )  # fmt: skip
    reindex(rows)
    assert interval(rows, RUN) is None
    outbox = Outbox(rows)
    (work,) = outbox.work()
    assert work.stuck
    assert work.interval is None
    assert interval(rows, good) == Interval(LINE, "RUN", good.start, "id-2", outputs=1)


def test_parked_and_dead_records_are_counted() -> None:
    """The start is a dead letter, what it was is parked with it, and that is counted again."""
    letter = DEAD_LETTER.dump_json(DeadLetter(RUN, 1.0, "400", "interval/set", "{}", 1)).decode()
    rows = stored(("record/dead/4", letter), (PARKED, 2, output(2, RUN)), (PARKED, 3, update(3, RUN)))
    reindex(rows)
    assert interval(rows, RUN) == Interval(
        LINE, "RUN", RUN.start, stalled=True, parked=2, outputs=1, ended=True, dead=1
    )
    assert lane(rows, "dead") == Lane("", tail=5, head=4, waiting=1)
    outbox = Outbox(rows)
    assert (outbox.counts().parked, outbox.counts().dead, problems(outbox)) == (2, 1, [])


def test_rows_that_make_no_sense_are_named_and_dropped() -> None:
    """What is whole but no record, lane or attempt is not kept; what it is of no one's business stays."""
    rows = stored(
        ("record/L/x", "{}"), ("record/L/1", "[]"), ("attempt/L/1", "{}"), ("lane/L", "7"), ("line/L", "anything")
    )
    assert sorted(reindex(rows)) == ["attempt/L/1", "lane/L", "record/L/1", "record/L/x"]
    assert {key for key, _ in rows.items()} == {"line/L", "lanes", "totals"}


class Endless(MemoryStore):
    """KeyValueStore with `number` output records that are made when they are asked for."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def items(self) -> Iterator[tuple[str, str]]:
        for number in range(self.number):
            yield f"record/{OUTPUT}/{number}", RECORD.dump_json(output(number, RUN)).decode()

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        self.changed = dict(put)


def test_p12_rebuilding_takes_no_memory_for_records() -> None:
    """Ten times the records take no more memory."""
    peaks: list[int] = []
    for number in (5000, 500, 5000):  # the first for what parsing texts leaves in caches
        rows = Endless(number)
        tracemalloc.start()
        reindex(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert LANE.validate_json(rows.changed[f"lane/{OUTPUT}"]).waiting == number
    assert peaks[2] < peaks[1] + 50_000


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
