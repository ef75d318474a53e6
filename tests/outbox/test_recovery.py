"""Damage met on a disk without room for a copy: the gateway starts and works, and has the records once there is
room."""

from pathlib import Path

from gateway.outbox.entries import Pause
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.operator_actions import pause, paused_by
from gateway.outbox.recovery import essential, joined, open_store
from gateway.outbox.reindex import reindex
from gateway.outbox.store import Outbox
from tests.outbox.test_sqlite_store import MIB, children, small_disk

STARVED = """
import os
import sys
from dataclasses import replace
from pathlib import Path
from gateway.outbox.lanes import stored_record
from gateway.outbox.recovery import open_store
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays
from tests.outbox.floor import Floor, Oden, begun, commit, drain, next_commit, work_in

def opened():
    rows, damage = open_store(place / "box", ballast=8 * 2**20)
    return Outbox(rows), damage

def problems(outbox):
    found = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict]
    return [text for verdict in found for text in verdict.problems] + list(strays(outbox))

place, floor, oden = Path(sys.argv[1]), Floor(), Oden()
outbox, _ = opened()
run = floor.start()
outbox.commit(next_commit(outbox, states={run.line: {"head": "the state"}}, records=(run,)))
drain(outbox, oden)
for _ in range(120):
    commit(outbox, *(replace(floor.output(run, 1, "x" * 2500), amounts=()) for _ in range(100)))
outbox.close()
database = place / "box" / "outbox" / "cache.db"
content = database.read_bytes()
at = content.index(b"record/" + run.line.encode() + b"/output/77") - 100
with database.open("r+b") as file:
    at = content.index(b"xxxxxxxx", at)
    file.seek(at)
    file.write(b"y")
with (place / "other").open("wb") as file:  # leaves too little for a copy, and enough to go on
    disk = os.statvfs(place)
    os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - 18 * 2**20)
outbox, (report,) = opened()
print("left", report.left, "no room" in report.reason, report.folder.startswith("outbox-damaged-"))
oden_id = outbox.interval(run.key).oden_id
print("goes on", outbox.line_state(run.line)["head"], oden_id == "id of " + run.key, outbox.counts().waiting)
commit(outbox, new := floor.start(), floor.output(run, 5, "new"), floor.output(new, 7, "new"))
begun(outbox, work_in(outbox, "runs"), "in_doubt")
outbox.close()
outbox, (again,) = opened()
print("still", again == report, outbox.counts().waiting)
outbox.close()
(place / "other").unlink()
outbox, (after,) = opened()
texts = [text for key, text in outbox.rows() if key.startswith("record/")]
print("taken up", after.left, len(texts), sum(stored_record(text).unsure for text in texts), problems(outbox))
(attempt,) = outbox.attempts(run.line + "/runs")
print("attempt", attempt.phase, [work.records[0] == new for work in outbox.work() if work.attempt == attempt])
outbox.close()
outbox, _ = opened()
print("once", sum(key.startswith("record/") for key, _ in outbox.rows()))
"""


def test_p7_damage_on_a_full_disk_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """With no room for the records: line states and what Oden knows are there, new records are taken, and the report
    says where the others are. At the first start with room they are there too, each once and to be looked up, beside
    those that came since."""
    with small_disk(tmp_path, 144 * MIB) as (place, under):
        done = children(STARVED, place, under=under)
    assert done.returncode == 0, done.stdout + done.stderr
    first, goes_on, still, taken, attempt, once = done.stdout.splitlines()
    assert (first, goes_on) == ("left True True True", "goes on the state True 0")
    assert still == "still True 2"
    # One of 12,000 entries is lost with its damaged row.
    assert taken == "taken up False 12002 11999 []"
    assert (attempt, once) == ("attempt in_doubt [True]", "once 12002")


def test_a_pause_outlasts_a_repair() -> None:
    """Delivery stays paused by whom it was; a pause that makes no sense is none, and stops nothing."""
    rows = MemoryStore()
    said = pause(Outbox(rows), Pause(1.0, "anna", "the lines are renamed"))
    assert reindex(rows, damaged=True) == []
    assert paused_by(Outbox(rows)) == said
    present = {"record/L/0": "new"}
    assert dict(joined(lambda: iter([("pause", "{}")]), lambda: iter(present.items()))) == present
    rows.apply({"pause": '{"since": "yesterday"}'})
    assert reindex(rows) == ["pause"]
    assert Outbox(rows).summary(0).pause is None


def test_both_become_one() -> None:
    """Records that came since get places after the older ones, with their attempts; what else is newer stands."""
    attempt = '{"lane":"L","positions":[0,2],"endpoint":"e","body":"b","begun":1.0}'
    left = {"record/L/7": "old", "attempt/L/7": "{}", "lane/L": "{}", "line/L": "old", "interval/K": "old"}
    left["commit"] = "old"
    present = {"record/L/0": "new", "record/L/2": "newer", "attempt/L/0": attempt, "line/L": "new", "lanes": "[]"}
    present["commit"] = "new"
    both = dict(joined(lambda: iter(left.items()), lambda: iter(present.items())))
    carried = both.pop("attempt/L/8")
    assert '"positions":[8,10]' in carried
    assert both == {
        "record/L/7": "old",
        "record/L/8": "new",
        "record/L/10": "newer",
        "line/L": "new",
        "commit": "new",
        "interval/K": "old",
    }
    assert dict(essential(iter(left.items()))) == {"line/L": "old", "commit": "old"}


def test_p12_folders_of_damaged_files_are_bounded(tmp_path: Path) -> None:
    """Of many damages the files of the last five are kept, and all reports."""
    for number in range(8):
        rows, _ = open_store(tmp_path, now=lambda number=number: 1e9 + number)  # type: ignore[misc]  # each its own
        rows.close()
        with (tmp_path / "outbox" / "cache.db").open("r+b") as file:
            file.write(bytes(100))
    rows, reports = open_store(tmp_path, now=lambda: 1e9 + 8)
    rows.close()
    aside = sorted(path.name for path in tmp_path.glob("outbox-damaged-*"))
    assert aside == [report.folder for report in reports][-5:]
    assert len(reports) == 8
