"""What the outbox keeps is bounded, what it costs does not grow, and a killed writer leaves whole commits."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model import Notice, NoticeKind, Output, StartInterval
from gateway.outbox.entries import LineRef
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.known_messages import StoredSession
from gateway.outbox.ready_set import MOST_ATTEMPTS
from gateway.outbox.record_rules import CLOSED_KEPT, CORRECTABLE, MOST_CLOSED_KEPT
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.statistics import NOTICES_KEPT
from gateway.outbox.store import MOST_PARTS, Outbox
from gateway.receipt_rows import Changes
from gateway.receipts import Session
from tests.outbox.conftest import Box, offered
from tests.outbox.floor import (
    LINE,
    OTHER,
    Floor,
    Oden,
    begun,
    commit,
    deliver,
    drain,
    in_phase,
    next_commit,
    work_in,
)
from tests.processes import next_line
from tests.receipts.digests import digest


def test_p6_output_of_a_forgotten_interval_is_a_dead_letter(box: Box, floor: Floor) -> None:
    """P6: it comes much too late, and is shown to a person rather than dropped."""
    oden, run = Oden(), floor.start(lasts=1)
    floor.now += CORRECTABLE
    commit(box.outbox, run, *(floor.start(lasts=1) for _ in range(CLOSED_KEPT)))
    drain(box.outbox, oden)
    commit(box.outbox, late := floor.output(run, 3))
    drain(box.outbox, oden)
    assert [letter.record for letter in box.reopened().dead_letters(9)] == [late]


def test_p12_closed_intervals_are_forgotten_in_the_end(box: Box, floor: Floor) -> None:
    """Only the last few delivered intervals of a lane stay known, and those that can still be corrected; late output
    for one of them is delivered."""
    oden = Oden()
    runs = [floor.start(lasts=1) for _ in range(3)]
    floor.now += CORRECTABLE
    runs += [floor.start(lasts=1) for _ in range(CLOSED_KEPT)]
    commit(box.outbox, *runs)
    drain(box.outbox, oden)
    outbox = box.reopened()
    assert [run for run in runs if outbox.interval(run.key)] == runs[-CLOSED_KEPT:]
    commit(outbox, floor.output(runs[-CLOSED_KEPT], 5))
    drain(outbox, oden)
    assert len(oden.made[runs[-CLOSED_KEPT].key].output) == 1
    assert outbox.counts().dead == 0


def test_p13_intervals_that_can_still_be_corrected_stay_known(box: Box, floor: Floor) -> None:
    """However many have followed within that time, up to a limit."""
    oden = Oden()
    runs = [floor.start(lasts=1) for _ in range(CORRECTABLE // 2)]
    for first in range(0, len(runs), 100):
        commit(box.outbox, *runs[first : first + 100])
        drain(box.outbox, oden)
    outbox = box.reopened()
    assert [run for run in runs if outbox.interval(run.key)] == runs[-MOST_CLOSED_KEPT:]
    commit(outbox, floor.output(runs[-MOST_CLOSED_KEPT], 5))
    drain(outbox, oden)
    assert outbox.counts().dead == 0


def test_an_interval_is_known_while_an_attempt_names_it(box: Box, floor: Floor) -> None:
    """However many others are closed while an update of it waits for its next try."""
    oden, run = Oden(), floor.start(lasts=1)
    commit(box.outbox, run)
    drain(box.outbox, oden)
    commit(box.outbox, floor.update(run, product="Q"))
    update = begun(box.outbox, work_in(box.outbox, "updates RUN"), "retry")
    for _ in range(CLOSED_KEPT + 3):
        commit(box.outbox, floor.start(lasts=1))
        deliver(box.outbox, oden, work_in(box.outbox, "runs"))
    outbox = box.reopened()
    assert outbox.interval(run.key) is not None
    outbox.settle(update, {})
    drain(outbox, oden)
    assert oden.made[run.key].details == {"product": "Q"}


def test_after_an_outage_what_comes_is_live_and_the_rest_backlog(box: Box, floor: Floor) -> None:
    """Both are offered side by side, each from its oldest; an interval that is still open stays live."""
    old = [floor.start(type_="STATE", lasts=1) for _ in range(3)]
    still_open = floor.start(type_="STATE")
    commit(box.outbox, *old, still_open)
    box.outbox.resume()
    outbox = box.reopened()
    assert [(work.records, work.live) for work in outbox.work()] == [((still_open,), True), ((old[0],), False)]
    deliver(outbox, Oden(), outbox.work()[0])
    commit(outbox, new := floor.start(type_="STATE"))
    assert [(work.records, work.live) for work in outbox.work()] == [((new,), True), ((old[0],), False)]


def test_new_output_is_not_merged_into_backlog(box: Box, floor: Floor) -> None:
    """What comes now goes out now: as a part of an old entry it would wait for the whole backlog."""
    run = floor.start()
    commit(box.outbox, run)
    drain(box.outbox, Oden())
    commit(box.outbox, floor.output(run, 1))
    box.outbox.resume()
    commit(box.outbox, floor.output(run, 2))
    assert [work.live for work in box.outbox.work()] == [True, False]


def test_p12_outages_that_are_told_apart_are_bounded(box: Box, floor: Floor) -> None:
    """However many outages there were, each record of them is delivered once, the oldest parts first."""
    outbox, oden = box.outbox, Oden()
    states = [floor.start(type_="STATE", lasts=1) for _ in range(3 * MOST_PARTS)]
    for state in states:
        commit(outbox, state)
        outbox.resume()
    assert len(outbox.lanes[f"{LINE}/states"].backlog) == MOST_PARTS
    drain(box.reopened(), oden)
    assert list(oden.made) == [state.key for state in states]


def test_attempts_stand_aside_and_are_bounded(box: Box, floor: Floor) -> None:
    """The lane goes on beside attempts that wait for their next step, up to a number; then it waits for these."""
    commit(box.outbox, *(floor.start(type_="STATE") for _ in range(MOST_ATTEMPTS + 2)))
    begun_ = [begun(box.outbox, work_in(box.outbox, "states"), "in_doubt") for _ in range(MOST_ATTEMPTS)]
    outbox = box.reopened()
    assert [work.attempt is None for work in outbox.work()] == [False] * MOST_ATTEMPTS
    in_phase(outbox, begun_[0], "retry")
    assert offered(outbox) == []
    outbox.settle(begun_[3], {begun_[3].positions[0]: "id"})
    assert offered(outbox) == ["states"]


def test_p5_one_that_cannot_be_sent_yet_stops_nobody_behind_it(box: Box, floor: Floor) -> None:
    """P5: ends that wait for their output are passed over."""
    oden = Oden()
    runs = [floor.start() for _ in range(30)]
    commit(box.outbox, *runs)
    drain(box.outbox, oden)
    for run in runs[:-1]:
        commit(box.outbox, floor.output(run))
        commit(box.outbox, floor.end(run))
    commit(box.outbox, last := floor.end(runs[-1]))
    assert work_in(box.reopened(), "updates RUN").records == (last,)


def test_p7_lines_and_their_ids_are_remembered(box: Box) -> None:
    """P7: also those that a later configuration does not name."""
    box.outbox.learn_lines({LINE: LineRef("Factory A", "Line 01", "id-1"), OTHER: LineRef("Factory A", "Line 02")})
    box.outbox.learn_lines({OTHER: LineRef("Factory A", "Line 02", "id-2")})
    assert {key: ref.oden_id for key, ref in box.reopened().line_refs().items()} == {LINE: "id-1", OTHER: "id-2"}


def test_p2_blocks_of_receipts_are_kept_and_dropped_as_a_commit_says(box: Box) -> None:
    """Each session has its own; a block that is dropped is gone also after a kill."""
    session, name = Session(), "mqtt/edge at broker"
    session.connect(0.0, resumed=False)
    for number in (1, 2):
        session.deliver(number, digest(f"digest {number}"), dup=False, at=0.0)
        box.outbox.commit(next_commit(box.outbox, sessions={name: session.take_changes()}))
    outbox = box.reopened()
    stored = outbox.session(name)
    assert stored is not None
    assert len(stored.blocks) == 2
    session.confirm(range(1, 2))
    outbox.commit(next_commit(outbox, sessions={name: session.take_changes(), "mqtt/other": Changes("{}")}))
    for is_killed in (False, True):
        now = box.reopened() if is_killed else outbox
        stored = now.session(name)
        assert stored is not None
        assert [left.packet_id for left in Session.stored(stored.head, stored.blocks).receipts] == [2]
        assert now.session("mqtt/other") == StoredSession("{}", {})


def test_p12_notices_are_bounded_and_all_counted(box: Box) -> None:
    """The newest notices are kept, newest first; every one is counted by kind, and what could not be
    used also where no notice says so."""
    kinds: list[NoticeKind] = ["gap", "reject", "loss", "time"]
    notices = [Notice(kinds[n % 4], float(n), "plc", "a", str(n)) for n in range(NOTICES_KEPT + 9)]
    box.outbox.commit(next_commit(box.outbox, notices=tuple(notices), refused=1_000))
    outbox = box.reopened()
    assert outbox.notices(NOTICES_KEPT) == notices[: -NOTICES_KEPT - 1 : -1]
    counted = Counter(notice.kind for notice in notices)
    totals = outbox.totals
    assert totals.notices == len(notices)
    assert (totals.gaps, totals.rejects, totals.lost) == ({"plc": counted["gap"]}, 1_000, counted["loss"])


WRITER = """
import sys
from pathlib import Path
from gateway.model import StartInterval, record_key
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.entries import Commit
from gateway.outbox.store import Outbox
outbox = Outbox(SqliteStore(Path(sys.argv[1])))
for n in range(100_000):
    records = tuple(StartInterval(record_key("L", 3 * n + i, 1.0), "L", 1.0, "RUN", 3 * n + i) for i in range(3))
    outbox.commit(Commit(number=n + 1, states={"L": {"head": str(n)}}, records=records))
    print(n, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 17, 60])
def test_p1_a_killed_writer_leaves_whole_commits(tmp_path: Path, commits: int) -> None:
    """After SIGKILL everything reported as committed is there, and state and records always of the same commit."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(commits):
            reported = int(next_line(writer))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
    reported = int(rest[-1]) if rest else reported
    outbox = Outbox(SqliteStore(tmp_path))
    state = int(outbox.line_state("L").get("head", -1))
    assert state >= reported
    assert (outbox.counts().waiting, outbox.totals.records) == (3 * (state + 1), {"start": 3 * (state + 1)})
    oden = Oden()
    for expected in range(3):
        (work,) = outbox.work()
        assert [one.start for one in work.records if isinstance(one, StartInterval)] == [expected]
        deliver(outbox, oden, work)
    outbox.close()


class Counted(MemoryStore):
    """Counts how many rows are read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.touched = 0

    def get(self, key: str) -> str | None:
        self.touched += 1
        return super().get(key)

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        drop = list(drop)
        self.touched += len(put) + len(drop)
        super().apply(put, drop)

    def items(self) -> Iterator[tuple[str, str]]:
        for item in super().items():
            self.touched += 1
            yield item


def cost(waiting: int) -> dict[str, int]:
    """KeyValueStore touched to open, and to commit, deliver and count 200 records, with `waiting` records there."""
    floor, rows, oden = Floor(), Counted(), Oden()
    run = floor.start()
    commit(Outbox(rows), run)
    drain(outbox := Outbox(rows), oden)
    for _ in range(waiting // 1000):
        records = [floor.start(OTHER, "STATE", lasts=1) for _ in range(500)]
        commit(outbox, *records, *(replace(floor.output(run), amounts=()) for _ in range(500)))
    spent = {}

    def spend(name: str, doing: Callable[[], object]) -> None:
        before = rows.touched
        doing()
        spent[name] = rows.touched - before

    def commit_some() -> None:
        for _ in range(100):
            commit(outbox, floor.start(type_="STATE"), floor.output(run))

    def deliver_some() -> None:
        for number in range(200):
            works = outbox.work()
            deliver(outbox, oden, works[number % len(works)])

    spend("open", lambda: Outbox(rows).work())
    spend("commit", commit_some)
    spend("deliver", deliver_some)
    spend("count", lambda: [outbox.summary(9) for _ in range(200)])
    spend("resume", outbox.resume)
    spend("deliver backlog", deliver_some)
    assert isinstance(work_in(outbox, "output").records[0], Output)
    return spent


def test_p12_the_cost_of_a_record_does_not_grow_with_what_waits() -> None:
    """With 100,000 records waiting, opening, committing, delivering and counting touch as many rows as with 1,000."""
    assert cost(100_000) == cost(1_000)


def test_p6_little_room_on_the_disk_is_told_before_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fifth of the limit beyond what shall stay free: less is scarce, and still not full."""
    free = 0
    monkeypatch.setattr("gateway.outbox.sqlite_store.free_bytes", lambda _: free)
    monkeypatch.setattr("gateway.outbox.sqlite_store.whole_bytes", lambda _: 1000 * 2**20)
    rows = SqliteStore(tmp_path / "rows", limit=100 * 2**20, min_free=0.05)
    within = rows._free()
    for share, scarce, full in ((70, False, False), (69, True, False), (50, True, False), (49, True, True)):
        free = share * 2**20 - within
        assert (rows.scarce() is not None, rows.full() is not None) == (scarce, full), share
    assert (rows.scarce() or "").endswith(f"and the disk of {tmp_path / 'rows'} has room for 0.0 MB more")
    rows.close()
