"""What an outbox promises over any rows: one suite for rows on disk and in memory."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import OutboxError, OutboxFull
from gateway.model import Notice, NoticeKind, Output, StartInterval, UpdateInterval
from gateway.outbox.entries import LineRef, StoredSession
from gateway.outbox.key_value import KeyValueStore, MemoryStore
from gateway.outbox.ready_set import LOOK, MOST_ATTEMPTS
from gateway.outbox.record_rules import CLOSED_KEPT, CORRECTABLE, MOST_CLOSED_KEPT
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.statistics import NOTICES_KEPT
from gateway.outbox.store import MOST_PARTS, Outbox
from gateway.receipts import Changes, Session
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
    packable,
    work_in,
)


class Box:
    """An outbox over rows that can be opened again."""

    def __init__(self, make: Callable[[], KeyValueStore]) -> None:
        self._make = make
        self.rows = make()
        self.outbox = Outbox(self.rows)

    def reopened(self) -> Outbox:
        """As after a kill: nothing of the object before is used any more."""
        self.rows.close()
        self.rows = self._make()
        self.outbox = Outbox(self.rows)
        return self.outbox


@pytest.fixture(params=["disk", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    memory = MemoryStore()
    box = Box(lambda: SqliteStore(tmp_path / "rows") if request.param == "disk" else memory)
    yield box
    box.outbox.close()


@pytest.fixture
def floor() -> Floor:
    return Floor()


def offered(outbox: Outbox) -> list[str]:
    """The lanes in which something can be begun."""
    return [work.lane.removeprefix(f"{LINE}/") for work in outbox.work() if work.attempt is None and not work.stuck]


# What is committed


def test_what_is_committed_is_there_after_reopening(box: Box, floor: Floor) -> None:
    """Line state, records, notices and receipts of one commit survive a kill, and nothing that was not in it."""
    run, notice, receipt = floor.start(), Notice("gap", 1.0, "plc", "s=Good", "a gap"), Changes("{}", {0: "[]"})
    output = floor.output(run, 3)
    box.outbox.commit(
        next_commit(
            box.outbox,
            states={LINE: {"head": '{"seq":3}'}},
            records=(run, output),
            notices=(notice,),
            sessions={"mqtt/edge at broker": receipt},
        )
    )
    outbox = box.reopened()
    assert (outbox.line_state(LINE), outbox.line_state(OTHER)) == ({"head": '{"seq":3}'}, {})
    assert work_in(outbox, "runs").records == (run,)
    assert outbox.session("mqtt/edge at broker") == StoredSession("{}", {})
    assert (outbox.session("other/edge at broker"), outbox.old_ring("mqtt")) == (None, [])
    summary = outbox.summary(10)
    assert summary.notices == (notice,)
    assert (summary.counts.waiting, summary.totals.records) == (2, {"start": 1, "output": 1})
    assert summary.counts.oldest_at == run.at
    deliver(outbox, Oden(), work_in(outbox, "runs"))
    assert work_in(outbox, "output").records == (output,)


def test_an_interval_is_delivered_in_order_and_its_id_is_learned(box: Box, floor: Floor) -> None:
    """Start, then output and updates, then the end; what waits for the start is told the id that Oden gave it."""
    outbox = box.outbox
    run = floor.start()
    commit(outbox, run)
    start = begun(outbox, work_in(outbox, "runs"))
    commit(outbox, floor.output(run), floor.end(run))
    assert offered(outbox) == []
    outbox.settle(start, {start.positions[0]: "id-1"})
    assert offered(outbox) == ["output"]
    output = work_in(outbox, "output")
    assert output.oden_ids == ("id-1",)
    output = begun(outbox, output)
    assert offered(outbox) == []
    outbox.settle(output, {output.positions[0]: None})
    assert offered(outbox) == ["updates RUN"]
    assert work_in(outbox, "updates RUN").oden_ids == ("id-1",)
    outbox.settle(end := begun(outbox, work_in(outbox, "updates RUN")), {end.positions[0]: None})
    assert (outbox.work(), outbox.counts().waiting, outbox.totals.delivered) == ([], 0, 3)


def test_p4_an_attempt_survives_with_its_exact_body(box: Box, floor: Floor) -> None:
    """P4: the attempt is found after a kill, with body, tries and times, and with its record."""
    run = floor.start()
    commit(box.outbox, run, floor.start(type_="STATE"))
    work = begun(box.outbox, work_in(box.outbox, "runs"))
    assert work.attempt is not None
    stored = replace(
        work.attempt, body='{"é":"\\u2028"}', phase="in_doubt", not_before=99.5, tries=3, reason="cut", looks=2
    )
    assert box.outbox.begin(work, stored)
    outbox = box.reopened()
    (found,) = (work for work in outbox.work() if work.attempt)
    assert (found.attempt, found.records) == (stored, (run,))
    assert (outbox.counts().in_doubt, outbox.counts().waiting) == (1, 1)


def test_what_is_put_back_waits_again(box: Box, floor: Floor) -> None:
    """An attempt that ends with nothing delivered and nothing refused gives its record back to the lane, once."""
    commit(box.outbox, run := floor.start(), floor.end(run))
    outbox = box.outbox
    outbox.settle(begun(outbox, work_in(outbox, "runs")), {})
    assert [work.attempt for work in outbox.work()] == [None]
    oden = Oden()
    assert drain(box.reopened(), oden) == 1
    assert oden.made[run.key].end == floor.now


def test_p4_what_is_put_back_and_becomes_one_with_what_came_later_goes_under_its_own_key(
    box: Box, floor: Floor
) -> None:
    """A copy of when the older one waited knows its key alone, and finds it by that."""
    commit(box.outbox, run := floor.start(), older := floor.output(run, 3))
    outbox, oden = box.outbox, Oden()
    deliver(outbox, oden, work_in(outbox, "runs"))
    under_way = begun(outbox, work_in(outbox, "output"))
    commit(outbox, later := floor.output(run, 4))
    outbox.settle(under_way, {})
    (work,) = outbox.work()
    (both,) = work.records
    assert isinstance(both, Output)
    assert isinstance(later, Output)
    assert (both.key, both.timestamp, both.raw_data) == (older.key, later.timestamp, {"yield": 7})


def test_p6_a_full_store_takes_nothing_in_and_can_be_drained(floor: Floor) -> None:
    """P6: a commit is refused whole, with the reason, while attempts and settling go on; room makes it work again."""
    rows, oden = MemoryStore(limit=2000), Oden()
    outbox = Outbox(rows)
    while not outbox.summary(0).full:
        commit(outbox, floor.start(type_="STATE"))
    before = dict(rows.items())
    with pytest.raises(OutboxFull, match="2000 are allowed"):
        outbox.commit(next_commit(outbox, states={LINE: {"head": "new"}}, records=(floor.start(),)))
    assert dict(rows.items()) == before
    while outbox.summary(0).full:
        deliver(outbox, oden, outbox.work()[0])
    commit(outbox, run := floor.start())
    drain(outbox, oden)
    assert run.key in oden.made


def test_p7_another_format_is_said_and_left_alone(box: Box, floor: Floor) -> None:
    """KeyValueStore of a format that this version does not know are refused, and stay as they are."""
    commit(box.outbox, floor.start())
    box.rows.apply({"format": "99"})
    before = list(box.rows.items())
    with pytest.raises(OutboxError, match="format 99, this version reads format 3"):
        Outbox(box.rows)
    assert list(box.rows.items()) == before


# What depends on what


def test_p5_a_dead_start_stops_only_what_needs_it(box: Box, floor: Floor) -> None:
    """Output and updates of a run that Oden refused are set aside; the next run and its output go on."""
    first = floor.start()
    commit(box.outbox, first)
    start = begun(box.outbox, work_in(box.outbox, "runs"))
    late = floor.output(first, 7), floor.end(first)
    second = floor.start()
    commit(box.outbox, *late, second, floor.output(second, 5))
    box.outbox.settle(start, {}, {start.positions[0]: "400: no"}, 7.0)
    oden, outbox = Oden(), box.reopened()
    drain(outbox, oden)
    counts = outbox.counts()
    assert (counts.waiting, counts.parked, counts.dead) == (0, 2, 1)
    assert list(oden.made) == [second.key]
    (letter,) = outbox.dead_letters(5)
    assert (letter.record, letter.error, letter.at, letter.tries) == (first, "400: no", 7.0, 1)
    assert letter.body == '{"exact": "body"}'


def test_what_needs_a_start_in_doubt_is_parked_until_that_is_found(box: Box, floor: Floor) -> None:
    """The other intervals of the lane go on meanwhile; once the start is found all comes back, updates as one, the
    later wins."""
    first, oden = floor.start(), Oden()
    commit(box.outbox, first)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    oden.take(first)
    for product in "QRS":
        commit(box.outbox, floor.update(first, product=product), floor.output(first, 1))
        drain_stuck(box.outbox)
    assert box.outbox.counts().parked == 6
    commit(box.outbox, floor.update(first, product="T"))
    outbox = box.reopened()
    (start,) = (work for work in outbox.work() if work.attempt)
    outbox.settle(start, {start.positions[0]: "id"})
    assert (outbox.counts().parked, outbox.counts().waiting) == (0, 2)
    drain(outbox, oden)
    assert oden.made[first.key].details == {"product": "T"}
    assert oden.shown(first.key, 900.0)[-1] == {(0, ()): {"yield": 3}}


def drain_stuck(outbox: Outbox) -> None:
    while stuck := [work for work in outbox.work() if work.stuck]:
        outbox.park(stuck[0])


def test_a_start_that_was_not_there_takes_what_is_parked_into_itself(box: Box, floor: Floor) -> None:
    """An update that was parked while the start was in doubt is a part of that start when it is sent again, and older
    than what comes then."""
    wash = floor.start(type_="WASH", lasts=50)
    commit(box.outbox, wash)
    start = begun(box.outbox, work_in(box.outbox, "custom WASH"), "in_doubt")
    commit(box.outbox, floor.update(wash, product="Q", shift="late"))
    drain_stuck(box.outbox)
    box.outbox.settle(start, {})
    commit(box.outbox, floor.update(wash, product="R"))
    (again,) = work_in(box.reopened(), "custom WASH").records
    assert isinstance(again, StartInterval)
    assert again.metadata == {"product": "R", "shift": "late"}
    assert (box.outbox.counts().waiting, box.outbox.counts().parked) == (1, 0)


def test_updates_of_one_interval_never_overtake_each_other(box: Box, floor: Floor) -> None:
    """While an attempt carries one, also one that has to wait for its next try, a later one is not offered, nor packed
    with others."""
    run, state, oden = floor.start(), floor.start(), Oden()
    commit(box.outbox, run, state)
    drain(box.outbox, oden)
    commit(box.outbox, floor.update(run, product="Q"))
    first = begun(box.outbox, work_in(box.outbox, "updates RUN"), "retry")
    commit(box.outbox, floor.update(run, product="R"), other := floor.update(state, product="S"))
    outbox = box.reopened()
    work = outbox.gather(work_in(outbox, "updates RUN"), packable, 10)
    assert work.records == (other,)
    deliver(outbox, oden, work)
    assert offered(outbox) == []
    outbox.settle(first, {})
    (merged,) = work_in(outbox, "updates RUN").records
    assert isinstance(merged, UpdateInterval)
    assert merged.metadata == {"product": "R"}


def test_what_came_since_it_was_chosen_is_parked_too(box: Box, floor: Floor) -> None:
    """Parking and burying take a record as it is by then: an end that was merged into it in between is not lost."""
    run, oden = floor.start(), Oden()
    commit(box.outbox, run)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    oden.take(run)
    commit(box.outbox, floor.update(run, product="Q"))
    (stuck,) = (work for work in box.outbox.work() if work.stuck)
    commit(box.outbox, end := floor.end(run))
    box.outbox.park(stuck)
    outbox = box.reopened()
    outbox.settle(start, {start.positions[0]: "id"})
    drain(outbox, oden)
    assert (oden.made[run.key].end, oden.made[run.key].details) == (end.end, {"product": "Q"})


def test_nothing_is_parked_with_an_interval_that_was_found_meanwhile(box: Box, floor: Floor) -> None:
    """Chosen to be parked while its start was in doubt, and no longer needing to be: it stays where it is, and goes
    out."""
    run, oden = floor.start(), Oden()
    commit(box.outbox, run)
    start = begun(box.outbox, work_in(box.outbox, "runs"), "in_doubt")
    commit(box.outbox, floor.output(run))
    (stuck,) = (work for work in box.outbox.work() if work.stuck)
    box.outbox.settle(start, {start.positions[0]: oden.take(run)})
    box.outbox.park(stuck)
    assert (box.outbox.counts().parked, offered(box.outbox)) == (0, ["output"])


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


# Who is offered


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
    """P5: ends that wait for their output are passed over, up to a number that is looked at."""
    oden = Oden()
    runs = [floor.start() for _ in range(LOOK)]
    commit(box.outbox, *runs)
    drain(box.outbox, oden)
    for run in runs[:-1]:
        commit(box.outbox, floor.output(run))
        commit(box.outbox, floor.end(run))
    commit(box.outbox, last := floor.end(runs[-1]))
    assert work_in(box.reopened(), "updates RUN").records == (last,)


def test_gathering_takes_what_fits_and_can_be_sent(box: Box, floor: Floor) -> None:
    """As many as are wanted at the most, each once, none that is not ready or that another attempt carries."""
    washes = [floor.start(type_="WASH", lasts=5) for _ in range(6)]
    open_one = floor.start(type_="WASH")
    outbox = box.outbox
    commit(outbox, *washes[:3], open_one, *washes[3:])
    carried = begun(outbox, work_in(outbox, "custom WASH"))
    work = work_in(outbox, "custom WASH")
    assert outbox.gather(work, packable, 10).records == tuple(washes[1:])
    pack = outbox.gather(work, packable, 3)
    assert (pack.records, len(pack.oden_ids)) == (tuple(washes[1:4]), 3)
    pack = begun(outbox, pack)
    assert work_in(outbox, "custom WASH").records == (open_one,)
    assert outbox.counts().sending == len(carried.records) + 3
    delivered = {at: f"id-{at}" for at in pack.positions[:2]}
    outbox.settle(pack, delivered, {pack.positions[2]: "400"}, 7.0)
    outbox = box.reopened()
    assert [interval.oden_id for one in washes[1:3] if (interval := outbox.interval(one.key))] == list(
        delivered.values()
    )
    assert [letter.record for letter in outbox.dead_letters(5)] == [washes[3]]


def test_p7_lines_and_their_ids_are_remembered(box: Box) -> None:
    """P7: also those that a later configuration does not name."""
    box.outbox.learn_lines({LINE: LineRef("Factory A", "Line 01", "id-1"), OTHER: LineRef("Factory A", "Line 02")})
    box.outbox.learn_lines({OTHER: LineRef("Factory A", "Line 02", "id-2")})
    assert {key: ref.oden_id for key, ref in box.reopened().line_refs().items()} == {LINE: "id-1", OTHER: "id-2"}


# Rings and receipts


def test_p2_blocks_of_receipts_are_kept_and_dropped_as_a_commit_says(box: Box) -> None:
    """Each session has its own; a block that is dropped is gone also after a kill."""
    session, name = Session(), "mqtt/edge at broker"
    session.connect(0.0, resumed=False)
    for number in (1, 2):
        session.deliver(number, f"digest {number}", dup=False, at=0.0)
        box.outbox.commit(next_commit(box.outbox, sessions={name: session.take_changes()}))
    outbox = box.reopened()
    stored = outbox.session(name)
    assert stored is not None
    assert len(stored.blocks) == 2
    session.confirm((1,))
    outbox.commit(next_commit(outbox, sessions={name: session.take_changes(), "mqtt/other": Changes("{}")}))
    for now in (outbox, box.reopened()):
        stored = now.session(name)
        assert stored is not None
        assert [left.packet_id for left in Session.stored(stored.head, stored.blocks).receipts] == [2]
        assert now.session("mqtt/other") == StoredSession("{}", {})


def test_p12_notices_are_bounded_and_all_counted(box: Box) -> None:
    """The newest notices are kept, newest first; every one is counted by kind."""
    kinds: list[NoticeKind] = ["gap", "reject", "loss", "time"]
    notices = [Notice(kinds[n % 4], float(n), "plc", "a", str(n)) for n in range(NOTICES_KEPT + 9)]
    box.outbox.commit(next_commit(box.outbox, notices=tuple(notices)))
    outbox = box.reopened()
    assert outbox.notices(NOTICES_KEPT) == notices[: -NOTICES_KEPT - 1 : -1]
    counted = Counter(notice.kind for notice in notices)
    totals = outbox.totals
    assert totals.notices == len(notices)
    assert (totals.gaps, totals.rejects, totals.lost) == ({"plc": counted["gap"]}, counted["reject"], counted["loss"])


# A real process, and many records

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
            reported = int(writer.stdout.readline())
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
