"""An outbox of the present format as an earlier version has left it: a later one reads it whole, and delivers all.

`python -m tests.outbox.test_kept_format_3` prints an outbox like it. The kept one is never made anew: a later version
that changes what is written keeps another one beside it.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.model import Notice, StartInterval
from gateway.outbox import gone, told
from gateway.outbox.entries import LineRef
from gateway.outbox.left_open import left_open
from gateway.outbox.life import LifeMark, begin_life
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import retry, settle
from gateway.outbox.statistics import Counts
from gateway.outbox.store import Outbox
from tests.outbox.floor import LINE, OTHER, Floor, Oden, begun, commit, deliver, drain, id_of, next_commit, work_in
from tests.outbox.test_kept_store import opened, problems

KEPT = Path(__file__).parent / "kept" / "format_3.sql"
LEARNED = '{"ends_first":{"STATE":1000000.0},"metadata":{"RUN":"merged"},"start_step":0}'
NOTICES = (
    Notice("oden", 9.0, "", "", "a run of somebody else's"),
    Notice("reject", 6.0, "mqtt", "order", "not JSON"),
    Notice("gap", 5.0, "plc", "s=Good", "a gap"),
)


def fill(outbox: Outbox, runtime: Path) -> None:
    """Line 01: a run delivered whole, and one that is open with output and a change that wait; a state in doubt with
    its end parked, and one that waits; washes of which a request is to be sent again; a run that was deleted at Oden,
    with output held for it. Line 02: a run that Oden refused, with its output; one of which nobody knows whether it is
    there; a target that was refused; an open batch."""
    floor, oden = Floor(), Oden()
    begin_life(outbox, LifeMark(runtime / "box", runtime), 999_000.0)
    outbox.learn_lines({LINE: LineRef("Factory A", "Line 01", "line-1"), OTHER: LineRef("Factory A", "Line 02")})
    told.keep_learned(outbox, LEARNED)
    done, deleted = floor.start(), floor.start()
    commit(outbox, done, floor.output(done, 2), floor.end(done), deleted)
    drain(outbox, oden)
    gone.note_gone(outbox, deleted.key)
    run, state = floor.start(), floor.start(type_="STATE")
    commit(outbox, run, state)
    deliver(outbox, oden, work_in(outbox, "runs"))
    begun(outbox, work_in(outbox, "states"), "in_doubt")
    commit(outbox, floor.output(deleted, 9), floor.output(run, 5), floor.test(run, 12), floor.update(run, product="Q"))
    commit(outbox, floor.end(state), floor.start(type_="STATE"))
    commit(outbox, *(floor.start(type_="WASH", lasts=3) for _ in range(2)))
    begun(outbox, outbox.gather(work_in(outbox, "custom WASH"), lambda _: True, 9), "retry")
    refused, unknown = floor.start(OTHER), floor.start(OTHER)
    commit(outbox, refused, floor.output(refused, 4), floor.setting("Film", OTHER, usl=9))
    for lane, reason in (("runs", "400: unknown product"), ("settings", "400: no such group")):
        work = begun(outbox, work_in(outbox, lane, OTHER))
        outbox.settle(work, {}, {work.positions[0]: reason}, 51.0)
    commit(outbox, unknown)
    work = begun(outbox, work_in(outbox, "runs", OTHER))
    outbox.settle(work, {}, {work.positions[0]: "it may be at Oden"}, 52.0, unsettled=True)
    states = {LINE: {"head": '{"seq":2}'}, OTHER: {"head": '{"seq":9}', "inputs": "{}"}}
    batch = floor.start(OTHER, "BATCH")
    outbox.commit(
        next_commit(outbox, records=(batch,), states=states, notices=NOTICES[::-1], heard='{"Line":[]}', heard_since=1)
    )
    while stuck := [work for work in outbox.work() if work.stuck]:
        outbox.park(stuck[0])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of a gateway with the kept store in it."""
    store = tmp_path / "outbox"
    store.mkdir()
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        connection.executescript(KEPT.read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return tmp_path


def starts(outbox: Outbox, where: str) -> list[StartInterval]:
    listed, _ = page(outbox, Filter(where=where))  # type: ignore[arg-type]
    return [one.record for one in listed if isinstance(one.record, StartInterval)]


def test_everything_in_a_kept_store_of_the_present_format_is_there(directory: Path) -> None:
    """Where each record is, what is known of its interval, and all that stands beside."""
    outbox = opened(directory)
    assert problems(outbox) == []
    assert not list(directory.glob("outbox-damaged-*"))
    by_line = {LINE: 9, OTHER: 2}
    assert outbox.counts() == Counts(
        7, 0, in_doubt=1, parked=3, dead=2, oldest_at=1_000_006.0, unsettled=1, by_line=by_line, held=1
    )
    assert (outbox.totals.delivered, outbox.totals.dead, outbox.totals.rejects) == (4, 3, 1)
    phases = sorted((attempt.lane, attempt.phase) for name in outbox.lanes for attempt in outbox.attempts(name))
    assert phases == [(f"{LINE}/custom WASH", "retry"), (f"{LINE}/states", "in_doubt")]
    bodies = {attempt.body for name in outbox.lanes for attempt in outbox.attempts(name)}
    assert bodies == {'{"exact": "body"}'}
    (refused,), (unknown,) = starts(outbox, "dead"), starts(outbox, "unsettled")
    assert [letter.error for letter in outbox.dead_letters(9)] == [
        "it may be at Oden",
        "400: no such group",
        "400: unknown product",
    ]
    known = [outbox.interval(one.key) for one in (refused, unknown)]
    assert [(one.stalled, one.dead, one.oden_id) for one in known if one] == [(True, 1, None)] * 2
    assert outbox.notices(9) == [*NOTICES]
    assert [outbox.line_state(line) for line in (LINE, OTHER)] == [
        {"head": '{"seq":2}'},
        {"head": '{"seq":9}', "inputs": "{}"},
    ]
    assert outbox.line_refs() == {
        LINE: LineRef("Factory A", "Line 01", "line-1"),
        OTHER: LineRef("Factory A", "Line 02"),
    }
    assert told.learned(outbox) == LEARNED
    left = left_open(outbox)
    assert left is not None
    assert left.since == 999_000.0
    outbox.close()


def test_a_kept_store_of_the_present_format_is_delivered_to_its_end(directory: Path) -> None:
    """Commits go on with the next number; what was refused is sent once more, a person settles what is unsettled and
    makes the deleted run anew: all is at Oden, and what is stored then is read again."""
    outbox, oden = opened(directory), Oden()
    number = outbox.last_commit()
    for key, text in outbox.rows():
        interval = json.loads(text) if key.startswith("interval/") else {}
        if interval.get("oden_id"):
            name = key.removeprefix("interval/")
            oden.take(StartInterval(name, interval["line"], 0.0, interval["type"], interval["start"]))
    commit(outbox, new := Floor(2_000_000, 1_000).start(lasts=5))
    dead, _ = page(outbox, Filter(where="dead"))
    assert retry(outbox, dead).sent == 2
    (unsettled,), _ = page(outbox, Filter(where="unsettled"))
    settle(outbox, unsettled, None)
    (held,), _ = page(outbox, Filter(where="deleted"))
    assert gone.recreate(outbox, held.record.interval)
    drain(outbox, oden)
    assert (outbox.work(), outbox.counts()) == ([], Counts(0, 0, 0, 0, 0, None))
    assert new.key in oden.made
    totals = {
        key: sum(int(str(one.raw_data.get("yield", 0))) for one in made.output) for key, made in oden.made.items()
    }
    assert sorted(total for total in totals.values() if total) == [4, 5, 9]
    assert [thing["usl"] for thing in oden.set.values()] == [9]
    assert all(interval.start.key and id_of(interval.start.key) for interval in oden.made.values())
    outbox.close()
    outbox = opened(directory)
    assert (problems(outbox), outbox.last_commit()) == ([], number + 1)
    outbox.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made = opened(Path(folder))
        (Path(folder) / "run").mkdir()
        fill(made, Path(folder) / "run")
        made.close()
        with closing(sqlite3.connect(Path(folder) / "outbox" / "cache.db")) as database:
            sys.stdout.write("\n".join(database.iterdump()) + "\n")
