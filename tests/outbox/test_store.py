"""The outbox at its outside: what was committed is there, whole, whatever happened to the process."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from gateway.errors import OutboxError
from gateway.model import EndInterval, Notice, Output, Record, StartInterval, record_key
from gateway.outbox.entries import Attempt, Commit, LaneView, ReceiptId
from gateway.outbox.store import CLOSED_KEPT, NOTICES_KEPT, RECEIPTS_KEPT, Outbox

LINE = "Factory A/Line 01"


def start(number: int, at: float = 1000.0) -> StartInterval:
    return StartInterval(record_key(LINE, number, at), LINE, at, "RUN", int(at), f"run {number}", {"product": "P"})


def output(number: int, of: StartInterval, at: float = 1001.0) -> Output:
    return Output(record_key(LINE, number, at), LINE, at, "RUN", of.key, int(at), {"yield": number})


def end(number: int, of: StartInterval, at: float = 1002.0) -> EndInterval:
    return EndInterval(record_key(LINE, number, at), LINE, at, "RUN", of.key, int(at))


def commit(outbox: Outbox, *records: Record) -> None:
    outbox.commit(Commit(records=records))


def view(outbox: Outbox, family: str) -> LaneView:
    return next(view for view in outbox.views() if view.name == f"{LINE}/{family}")


def attempt(view: LaneView) -> Attempt:
    return Attempt(view.name, view.positions, "interval/set", '{"a":1}', begun=5.0, tries=1)


def test_what_is_committed_is_there_after_reopening(tmp_path: Path) -> None:
    """Line state, records in order, notices and receipts survive a close and an open."""
    outbox = Outbox(tmp_path)
    run = start(1)
    notice = Notice("gap", 1.0, "plc", "s=Good", "a gap")
    receipt = ReceiptId(7, "abc")
    outbox.commit(Commit({LINE: '{"seq":3}'}, (run, output(2, run), end(3, run)), (notice,), (("mqtt", receipt),)))
    outbox.close()
    outbox = Outbox(tmp_path)
    assert outbox.line_state(LINE) == '{"seq":3}'
    assert view(outbox, "runs").records == (run,)
    assert view(outbox, "output").records == (output(2, run),)
    assert outbox.has_receipt("mqtt", receipt)
    assert not outbox.has_receipt("mqtt", ReceiptId(8, "abc"))
    assert not outbox.has_receipt("other", receipt)
    summary = outbox.summary(10)
    assert summary.notices == (notice,)
    assert (summary.counts.waiting, summary.totals.records) == (3, {"start": 1, "output": 1, "end": 1})
    outbox.close()


def test_a_lane_is_delivered_in_order_and_the_id_is_learned(tmp_path: Path) -> None:
    """Start, then end of one run come out of their lane in order; what waits for the run sees its id at Oden."""
    outbox = Outbox(tmp_path)
    run = start(1)
    commit(outbox, run, output(2, run), end(3, run))
    interval = view(outbox, "output").interval
    assert interval is not None
    assert interval.oden_id is None
    outbox.begin(attempt(view(outbox, "runs")))
    assert outbox.counts().sending == 1
    outbox.delivered(view(outbox, "runs"), "id-1")
    assert view(outbox, "runs").records == (end(3, run),)
    interval = view(outbox, "output").interval
    assert interval is not None
    assert (interval.oden_id, interval.outputs) == ("id-1", 1)
    outbox.delivered(view(outbox, "output"), None)
    interval = view(outbox, "runs").interval
    assert interval is not None
    assert interval.outputs == 0
    outbox.delivered(view(outbox, "runs"), None)
    assert outbox.views() == []
    assert outbox.counts().waiting == 0
    outbox.close()


def test_an_attempt_survives_with_its_exact_body(tmp_path: Path) -> None:
    """The attempt is found after reopening, with body, tries and times, and carries the lane's first record."""
    outbox = Outbox(tmp_path)
    commit(outbox, start(1), end(2, start(1)))
    stored = replace(attempt(view(outbox, "runs")), body='{"é":"\\u2028"}', phase="doubt", not_before=99.5)
    outbox.begin(stored)
    outbox.close()
    outbox = Outbox(tmp_path)
    assert view(outbox, "runs").attempt == stored
    assert view(outbox, "runs").records == (start(1),)
    assert outbox.counts().in_doubt == 1
    outbox.close()


def test_p5_a_dead_start_parks_only_what_needs_it(tmp_path: Path) -> None:
    """Burying a run's start marks the run dead; parking its output and end leaves the next run first in the lane."""
    outbox = Outbox(tmp_path)
    first, second = start(1), start(4, 2000.0)
    commit(outbox, first, output(2, first), end(3, first), second, output(5, second, 2001.0))
    outbox.begin(attempt(view(outbox, "runs")))
    outbox.bury(view(outbox, "runs"), 7.0, "400: no")
    runs, out = view(outbox, "runs"), view(outbox, "output")
    assert runs.interval is not None
    assert runs.interval.dead
    assert out.interval is not None
    assert out.interval.dead
    outbox.park(runs)
    outbox.park(out)
    assert view(outbox, "runs").records == (second,)
    assert view(outbox, "output").records == (output(5, second, 2001.0),)
    counts = outbox.counts()
    assert (counts.waiting, counts.parked, counts.dead) == (2, 2, 1)
    (letter,) = outbox.dead_letters(5)
    assert (letter.record, letter.error, letter.body, letter.tries) == (first, "400: no", '{"a":1}', 1)
    outbox.close()


def test_closed_intervals_are_forgotten_in_the_end(tmp_path: Path) -> None:
    """P12: only the last few delivered intervals of a lane stay known."""
    outbox = Outbox(tmp_path)
    runs = [start(2 * n, 1000.0 + n) for n in range(CLOSED_KEPT + 3)]
    for number, run in enumerate(runs):
        commit(outbox, run, end(2 * number + 1, run, run.at + 1))
        outbox.delivered(view(outbox, "runs"), f"id-{number}")
        outbox.delivered(view(outbox, "runs"), None)
    known = [run for run in runs if outbox.interval(run.key)]
    assert known == runs[-CLOSED_KEPT:]
    late = output(99, runs[-1], 5000.0)
    commit(outbox, late)
    interval = view(outbox, "output").interval
    assert interval is not None
    assert interval.oden_id == f"id-{len(runs) - 1}"
    outbox.close()


def test_p2_receipts_are_a_ring_and_end_with_their_session(tmp_path: Path) -> None:
    """The newest deliveries are known also after reopening, older ones and those of a lost session are not."""
    outbox = Outbox(tmp_path)
    for number in range(RECEIPTS_KEPT + 5):
        outbox.commit(Commit(receipts=(("mqtt", ReceiptId(number, "d")),)))
    outbox.close()
    outbox = Outbox(tmp_path)
    assert [
        number for number in range(RECEIPTS_KEPT + 5) if outbox.has_receipt("mqtt", ReceiptId(number, "d"))
    ] == list(range(5, RECEIPTS_KEPT + 5))
    outbox.commit(Commit(receipts=(("mqtt", ReceiptId(1, "new")),), new_sessions=("mqtt",)))
    outbox.close()
    outbox = Outbox(tmp_path)
    assert outbox.has_receipt("mqtt", ReceiptId(1, "new"))
    assert not any(outbox.has_receipt("mqtt", ReceiptId(number, "d")) for number in range(RECEIPTS_KEPT + 5))
    outbox.close()


def test_p12_notices_are_bounded_and_all_counted(tmp_path: Path) -> None:
    """The newest notices are kept, newest first; every one is counted by kind."""
    outbox = Outbox(tmp_path)
    kinds: list[Literal["gap", "reject", "loss"]] = ["gap", "reject", "loss"]
    notices = [Notice(kinds[n % 3], float(n), "plc", "a", str(n)) for n in range(NOTICES_KEPT + 9)]
    outbox.commit(Commit(notices=tuple(notices)))
    assert outbox.notices(NOTICES_KEPT) == notices[: -NOTICES_KEPT - 1 : -1]
    assert outbox.totals.gaps == {"plc": sum(n.kind == "gap" for n in notices)}
    assert outbox.totals.rejects == sum(n.kind == "reject" for n in notices)
    assert outbox.totals.lost == sum(n.kind == "loss" for n in notices)
    outbox.close()


def test_a_second_gateway_is_refused_by_name(tmp_path: Path) -> None:
    """P7: a directory in use is refused with the process that holds it, and free again after a close."""
    outbox = Outbox(tmp_path)
    with pytest.raises(OutboxError, match=f"in use by another oden-gateway \\(process {os.getpid()}\\)"):
        Outbox(tmp_path)
    outbox.close()
    Outbox(tmp_path).close()


def test_an_unwritable_directory_says_why(tmp_path: Path) -> None:
    """P7: where the directory cannot be made or written, the error names it and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match=r"cannot write to the outbox directory .*file/outbox.*Not a directory"):
        Outbox(tmp_path / "file" / "outbox")


@pytest.mark.parametrize("damage", ["not a database", "another format"])
def test_what_cannot_be_read_is_said_and_left_alone(tmp_path: Path, damage: str) -> None:
    """P7: an outbox that this version cannot read is named, with what to do; what it holds stays as it is."""
    outbox = Outbox(tmp_path)
    commit(outbox, start(1))
    if damage == "another format":
        outbox._cache.set("format", "99")
    outbox.close()
    database = tmp_path / "outbox" / "cache.db"
    if damage == "not a database":
        database.write_bytes(b"no database at all, whatever it was" * 1000)
    before = database.read_bytes()
    records = "SELECT key, value FROM Cache ORDER BY key"
    rows: list[object] = []
    if damage == "another format":
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(records).fetchall()
        assert len(rows) > 3
    with pytest.raises(OutboxError, match=r"cannot be read \(.*(not a database|format 99).*keep it"):
        Outbox(tmp_path)
    if damage == "another format":
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute(records).fetchall() == rows
    else:
        assert database.read_bytes() == before


def test_the_directory_is_private(tmp_path: Path) -> None:
    """Nobody but the owner can read what waits."""
    Outbox(tmp_path / "box").close()
    assert stat.S_IMODE((tmp_path / "box").stat().st_mode) == 0o700


def test_nothing_is_ever_pickled_or_put_into_a_file(tmp_path: Path) -> None:
    """A record of 100 KiB is in the database, whose log is synced, and not in a file beside it; non-text is refused."""
    outbox = Outbox(tmp_path)
    big = StartInterval("k" * 26, LINE, 1.0, "RUN", 1, "x" * 100_000, {"product": "P"})
    commit(outbox, big)
    assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"cache.db", "cache.db-wal", "cache.db-shm"}
    with pytest.raises(TypeError, match="stores text only"):
        outbox._cache.set("key", {"not": "text"})
    assert outbox._cache.reset("sqlite_synchronous") == 2
    assert outbox._cache.reset("eviction_policy") == "none"
    outbox.close()


WRITER = """
import sys
from pathlib import Path
from gateway.model import StartInterval, record_key
from gateway.outbox.entries import Commit
from gateway.outbox.store import Outbox
outbox = Outbox(Path(sys.argv[1]))
for n in range(100_000):
    records = tuple(StartInterval(record_key("L", 3 * n + i, 1.0), "L", 1.0, "RUN", 3 * n + i) for i in range(3))
    outbox.commit(Commit({"L": str(n)}, records))
    print(n, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 17, 60])
def test_p1_a_killed_writer_leaves_whole_commits(tmp_path: Path, commits: int) -> None:
    """After SIGKILL everything reported as committed is there, and state and records always of the same commit."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(commits):
            reported = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
    if rest:
        reported = int(rest[-1])
    outbox = Outbox(tmp_path)
    state = int(outbox.line_state("L") or -1)
    assert state >= reported
    bounds = outbox.lanes["L/runs"]
    assert (bounds.head, bounds.tail, bounds.waiting) == (0, 3 * (state + 1), 3 * (state + 1))
    last = json.loads(outbox._cache[f"record/L/runs/{bounds.tail - 1}"])
    assert last["start"] == bounds.tail - 1
    outbox.close()
