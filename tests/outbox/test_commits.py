"""Commits have numbers, so that one whose outcome was not learned is made again and stored once; memory and disk agree
after every error."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import CommitConflict, DamagedRow, OutboxError, OutboxFull
from gateway.model import Notice
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.key_value import KeyValueStore, MemoryStore
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import drop, retry
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from gateway.receipt_rows import Changes
from tests.outbox.failing_rows import FailingRows
from tests.outbox.floor import LINE, Floor, Oden, attempt_for, begun, commit, drain, next_commit, packable, work_in


class Failing(FailingRows):
    """Rows all of whose reads fail while `reads_fail`, which begins with the write where `fails` is "then reads"."""

    reads_fail = False

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        then_reads = self.fails == "then reads"
        super().apply(put, drop)
        self.reads_fail = then_reads

    def before_read(self) -> None:
        if self.reads_fail:
            raise OutboxError("the disk cannot be read")


@pytest.fixture(params=["disk", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], KeyValueStore]:
    """Opens the same rows again and again."""
    memory = MemoryStore()
    return lambda: SqliteStore(tmp_path / "rows") if request.param == "disk" else memory


@pytest.fixture
def rows(make: Callable[[], KeyValueStore]) -> Iterator[Failing]:
    rows = Failing(make())
    yield rows
    rows.close()


def full_commit(outbox: Outbox, floor: Floor) -> Commit:
    """One with something of everything."""
    run = floor.start()
    return next_commit(
        outbox,
        states={LINE: {"head": "new"}},
        records=(run, floor.output(run, 3), floor.setting("Film", lsl=1)),
        notices=(Notice("gap", 1.0, "plc", "s=Good", "a gap"),),
        sessions={"mqtt": Changes("{}", {0: "[]"})},
        old_rings=("mqtt",),
    )


def agrees(outbox: Outbox, rows: Failing) -> bool:
    """Whether what the outbox holds in memory is what a new one reads."""
    fresh = Outbox(rows, outbox.span)
    return (
        (fresh.work(), fresh.counts(), fresh.totals, fresh.lanes, fresh.last_commit())
        == (outbox.work(), outbox.counts(), outbox.totals, outbox.lanes, outbox.last_commit())
        and fresh.session("mqtt") == outbox.session("mqtt")
    )  # fmt: skip


# Numbers


def test_p4_the_same_commit_made_again_is_stored_once(rows: Failing) -> None:
    """However often it is made, also by another outbox over the same rows, nothing changes after the first time."""
    outbox = Outbox(rows)
    made = full_commit(outbox, Floor())
    outbox.commit(made)
    before = dict(rows.items())
    outbox.commit(made)
    outbox.commit(replace(made))
    fresh = Outbox(rows)
    fresh.commit(made)
    assert dict(rows.items()) == before
    assert (fresh.last_commit(), fresh.counts().waiting, fresh.totals.notices) == (1, 3, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"states": {LINE: {"head": "other"}}}, {"records": ()}, {"notices": ()}, {"sessions": {"mqtt": Changes("{}")}},
        {"old_rings": ()}, {"number": 0}, {"number": 3}, {"number": -1},
    ],
)  # fmt: skip
def test_a_commit_that_does_not_follow_is_refused(rows: Failing, other: Mapping[str, object]) -> None:
    """The last number with anything else in it, a number that skips one or one from before: nothing is written."""
    outbox = Outbox(rows)
    made = full_commit(outbox, Floor())
    outbox.commit(made)
    before = dict(rows.items())
    with pytest.raises(CommitConflict):
        outbox.commit(replace(made, **other))  # type: ignore[arg-type]
    assert dict(rows.items()) == before
    commit(outbox, Floor(now=2_000_000).start())
    assert outbox.last_commit() == 2


def test_p6_a_commit_that_found_no_room_keeps_its_number(floor: Floor) -> None:
    """It is made again as it is once there is room."""
    rows = MemoryStore(limit=3000)
    outbox, oden = Outbox(rows), Oden()
    while not outbox.summary(0).full:
        commit(outbox, floor.start(type_="STATE"))
    made = next_commit(outbox, records=(run := floor.start(),))
    with pytest.raises(OutboxFull):
        outbox.commit(made)
    assert outbox.last_commit() == made.number - 1
    drain(outbox, oden)
    outbox.commit(made)
    drain(outbox, oden)
    assert run.key in oden.made


@pytest.fixture
def floor() -> Floor:
    return Floor()


# Errors


@pytest.mark.parametrize("crash", [False, True], ids=["goes on", "crashes"])
@pytest.mark.parametrize("fails", ["before", "after"])
def test_p4_a_commit_whose_write_failed_is_made_again_and_stored_once(
    rows: Failing, floor: Floor, fails: str, crash: bool
) -> None:
    """Whether the transaction was written or not, and whether the process ends in between: afterwards all of it is
    there once, and is delivered once."""
    outbox, oden = Outbox(rows), Oden()
    made = full_commit(outbox, floor)
    rows.fails = fails
    with pytest.raises(OutboxError):
        outbox.commit(made)
    outbox = Outbox(rows) if crash else outbox
    assert outbox.last_commit() == (1 if fails == "after" else 0)
    assert agrees(outbox, rows)
    for _ in range(2):
        outbox.commit(made)
    assert agrees(outbox, rows)
    assert (outbox.last_commit(), outbox.totals.records) == (1, {"start": 1, "output": 1, "setting": 1})
    commit(outbox, floor.output(made.records[0], 4))  # type: ignore[arg-type]
    drain(outbox, oden)
    (interval,) = oden.made.values()
    assert sum(int(str(entry.raw_data["yield"])) for entry in interval.output) == 7


def changes(outbox: Outbox, floor: Floor) -> dict[str, Callable[[], object]]:
    """Every call that changes something, each with something to do."""
    oden, run, held = Oden(), floor.start(), floor.start(type_="WASH")
    commit(outbox, run, held)
    begun_run = begun(outbox, work_in(outbox, "runs"))
    held_start = begun(outbox, work_in(outbox, "custom WASH"), "in_doubt")
    outbox.settle(begun_run, {begun_run.positions[0]: oden.take(run)})
    commit(outbox, floor.output(run, 1), floor.update(held, product="Q"), *(floor.start(lasts=1) for _ in range(2)))
    refused = begun(outbox, work_in(outbox, "runs"))
    outbox.settle(refused, {}, {refused.positions[0]: "400: no"}, 7.0)
    letters, _ = page(outbox, Filter(where="dead"))
    output, stuck = work_in(outbox, "output"), next(work for work in outbox.work() if work.stuck)
    return {
        "commit": lambda: outbox.commit(full_commit(outbox, floor)),
        "commit of a receipt": lambda: outbox.commit(next_commit(outbox, sessions={"mqtt": Changes("{}")})),
        "begin": lambda: outbox.begin(output, attempt_for(output)),
        "begin again": lambda: outbox.begin(held_start, attempt_for(held_start)),
        "settle": lambda: outbox.settle(held_start, {held_start.positions[0]: "id"}),
        "put back": lambda: outbox.settle(held_start, {}),
        "refuse": lambda: outbox.settle(output, {}, {output.positions[0]: "400: no"}, 7.0),
        "park": lambda: outbox.park(stuck),
        "resume": outbox.resume,
        "retry": lambda: retry(outbox, letters),
        "drop": lambda: drop(outbox, letters),
        "lines": lambda: outbox.learn_lines({LINE: LineRef("Factory A", "Line 01", "id-1")}),
    }


CHANGES = tuple(changes(Outbox(MemoryStore()), Floor()))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fails", ["before", "after"])
def test_memory_is_right_after_a_write_that_failed(rows: Failing, floor: Floor, change: str, fails: str) -> None:
    """Whatever was to be written, and whether it was: the same outbox goes on from what is on disk."""
    outbox = Outbox(rows)
    changing = changes(outbox, floor)[change]
    before = dict(rows.items())
    rows.fails = fails
    with pytest.raises(OutboxError):
        changing()
    assert (dict(rows.items()) == before) == (fails == "before")
    assert agrees(outbox, rows)


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_fails_after_the_transaction_is_on_disk(rows: Failing, floor: Floor, change: str) -> None:
    """From the moment of the commit on no row can be read: the call returns all the same, and memory is right."""
    outbox = Outbox(rows)
    changing = changes(outbox, floor)[change]
    rows.fails = "then reads"
    changing()
    assert rows.reads_fail
    rows.reads_fail = False
    assert agrees(outbox, rows)


@pytest.mark.parametrize("change", CHANGES)
def test_a_read_that_fails_leaves_everything_as_it_was(rows: Failing, floor: Floor, change: str) -> None:
    """No row can be read: where the call has to, it raises, and nothing was done."""
    outbox = Outbox(rows)
    changing = changes(outbox, floor)[change]
    before = dict(rows.items())
    rows.reads_fail = True
    try:
        changing()
    except OutboxError:
        rows.reads_fail = False
        assert dict(rows.items()) == before
    rows.reads_fail = False
    assert agrees(outbox, rows)


# Damage


class Damaged(MemoryStore):
    """Rows of which those with a key that begins with `prefix` are not as they were written."""

    prefix = "none"

    def get(self, key: str) -> str | None:
        if key.startswith(self.prefix):
            raise DamagedRow(key)
        return super().get(key)

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: text for key in keys if (text := self.get(key)) is not None}

    def get_under(self, prefix: str) -> dict[str, str]:
        return self.get_all([*super().get_under(prefix)])


@pytest.mark.parametrize(
    ("prefix", "call"),
    [
        pytest.param("record/", lambda outbox, floor, run: outbox.work(), id="work"),
        pytest.param("interval/", lambda outbox, floor, run: outbox.work(), id="work of an interval"),
        pytest.param("record/", lambda outbox, floor, run: outbox.counts(), id="counts"),
        pytest.param("record/", lambda outbox, floor, run: outbox.summary(5), id="summary"),
        pytest.param("notice/", lambda outbox, floor, run: outbox.notices(5), id="notices"),
        pytest.param("record/dead", lambda outbox, floor, run: outbox.dead_letters(5), id="dead letters"),
        pytest.param("interval/", lambda outbox, floor, run: outbox.interval(run.key), id="interval"),
        pytest.param("line/", lambda outbox, floor, run: outbox.line_state(LINE), id="line state"),
        pytest.param("lines-at-oden", lambda outbox, floor, run: outbox.line_refs(), id="lines"),
        pytest.param("session/", lambda outbox, floor, run: outbox.session("mqtt"), id="session"),
        pytest.param("interval/", lambda outbox, floor, run: commit(outbox, floor.end(run)), id="commit"),
        pytest.param("record/", lambda outbox, floor, run: outbox.resume(), id="resume"),
    ],
)
def test_p7_a_damaged_row_is_met_as_that(
    floor: Floor, prefix: str, call: Callable[[Outbox, Floor, object], object]
) -> None:
    """Whatever reads it raises DamagedRow, so that the gateway stops once and repairs its outbox."""
    rows = Damaged()
    outbox = Outbox(rows)
    commit(outbox, run := floor.start(), *(floor.start(type_="STATE") for _ in range(3)), floor.output(run, 1))
    refused = begun(outbox, next(work for work in outbox.work() if work.lane.endswith("/states")))
    outbox.settle(refused, {}, {refused.positions[0]: "no"}, 7.0)
    outbox.commit(next_commit(outbox, states={LINE: {"head": "x"}}, notices=(Notice("gap", 1.0, "plc", "a", "text"),)))
    commit(outbox, floor.start(type_="STATE", lasts=1))
    outbox = Outbox(rows)
    rows.prefix = prefix
    with pytest.raises(DamagedRow):
        call(outbox, floor, run)


@pytest.mark.parametrize("prefix", ["lanes", "lane/", "totals", "commit", "attempt/", "format"])
def test_p7_a_damaged_row_of_the_structure_is_met_at_the_opening(floor: Floor, prefix: str) -> None:
    """The opening raises DamagedRow."""
    rows = Damaged()
    outbox = Outbox(rows)
    commit(outbox, floor.start(), floor.start(type_="WASH", lasts=1))
    begun(outbox, work_in(outbox, "runs"))
    assert outbox.gather(work_in(outbox, "custom WASH"), packable, 5).positions == (0,)
    rows.prefix = prefix
    with pytest.raises(DamagedRow):
        Outbox(rows)
