"""Which memory of the outbox is the newest, and what becomes of a copy of an older one."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.model import Record
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.left_open import LeftOpen, left_open, seen_to
from gateway.outbox.life import Life, LifeMark, begin_life, is_compared, keep_life, keep_uncompared, resting
from gateway.outbox.store import Outbox
from tests.outbox.floor import LINE, Floor

BOX = Path("/var/lib/oden-gateway/outbox")


def copy_of(rows: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy.apply(dict(rows.items()))
    return copy


def opened(rows: MemoryStore, runtime: Path) -> tuple[Outbox, bool]:
    """The outbox as an opening of it finds it, and whether it is another life."""
    outbox = Outbox(rows)
    return outbox, begin_life(outbox, LifeMark(BOX, runtime))


class Killed(Exception):
    """The process is no more."""


class KilledMark(LifeMark):
    """One that is written to `writes` times: before the next one the process is killed."""

    def __init__(self, runtime: Path, writes: int) -> None:
        super().__init__(BOX, runtime)
        self.writes = writes

    def write(self, life: Life) -> None:
        if self.writes == 0:
            raise Killed
        self.writes -= 1
        super().write(life)


def produce(outbox: Outbox, floor: Floor) -> None:
    """A run with three entries of output, and a state."""
    run = floor.start()
    output = [floor.output(run) for _ in range(3)]
    records: tuple[Record, ...] = (run, *output, floor.start(type_="STATE"))
    outbox.commit(Commit(number=outbox.last_commit() + 1, records=records))


def test_p4_an_outbox_that_is_as_the_last_life_left_it_is_sure(tmp_path: Path) -> None:
    """A new one, one after a restart, one after a kill between a transaction and its mark: nothing is looked up."""
    rows, floor = MemoryStore(), Floor()
    outbox, is_other = opened(rows, tmp_path)
    assert not is_other
    produce(outbox, floor)
    outbox, is_other = opened(rows, tmp_path)
    assert not is_other
    outbox.after = lambda: None  # it is killed here
    produce(outbox, floor)
    outbox, is_other = opened(rows, tmp_path)
    assert not is_other
    assert all(work.attempt is None for work in outbox.work())


def test_p4_an_outbox_is_sure_after_kills_one_after_another_while_it_is_opened(tmp_path: Path) -> None:
    """A kill between the transaction and its mark, and one there once more as it begins: it was taken for a copy, and
    all that waited was in doubt."""
    rows, floor = MemoryStore(), Floor()
    produce(opened(rows, tmp_path)[0], floor)
    outbox, _ = opened(rows, tmp_path)
    outbox.after = lambda: None  # it is killed here
    produce(outbox, floor)
    for marks in (1, 0, 1, 1):
        with pytest.raises(Killed):
            begin_life(Outbox(rows), KilledMark(tmp_path, marks))
    outbox, is_other = opened(rows, tmp_path)
    assert not is_other
    assert all(work.attempt is None for work in outbox.work())


def test_p4_a_copy_of_an_outbox_that_nothing_was_put_into_yet_is_another_life(tmp_path: Path) -> None:
    """It remembers what counters have shown; one that is new remembers nothing."""
    rows = MemoryStore()
    opened(rows, tmp_path)
    copy = copy_of(rows)
    produce(opened(rows, tmp_path)[0], Floor())
    outbox, is_other = opened(copy, tmp_path)
    assert is_other
    assert not is_compared(outbox)


def test_p5_output_rests_no_longer_than_something_is_compared(tmp_path: Path) -> None:
    """What is unsure is not sent before; where a damage has left the one row and not the other, a start ends that."""
    rows = MemoryStore()
    outbox, _ = opened(rows, tmp_path)
    produce(outbox, Floor())
    keep_uncompared(outbox, "{}", [LINE])
    outbox, _ = opened(rows, tmp_path)
    assert resting(outbox) == {LINE}
    keep_uncompared(outbox, None, [LINE])
    outbox, _ = opened(rows, tmp_path)
    assert (is_compared(outbox), resting(outbox)) == (True, frozenset())


@pytest.mark.parametrize("how", ["older copy", "runtime forgotten", "another box", "newer copy", "other life between"])
def test_p4_any_other_outbox_is_another_life_in_which_all_that_waits_is_unsure(how: str, tmp_path: Path) -> None:
    """A backup that was put back, a reboot, a new box: each create that waits is looked up before it is sent, and
    what comes then is not."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    produce(outbox, floor)
    copy, runtime = copy_of(rows), tmp_path
    match how:
        case "older copy":
            produce(outbox, floor)
        case "newer copy":
            outbox.after = lambda: None
            produce(outbox, floor)
            produce(outbox, floor)
            copy = rows
        case "other life between":
            opened(rows, tmp_path)
        case _:
            runtime = tmp_path / "new"
            runtime.mkdir()
    restored, is_other = opened(copy, runtime)
    assert is_other
    works = {work.lane: work for work in restored.work()}
    for lane in (f"{LINE}/runs", f"{LINE}/states"):
        attempt = works[lane].attempt
        assert attempt is not None
        assert (attempt.phase, attempt.body) == ("in_doubt", "")
    _, is_other = opened(copy, runtime)
    assert not is_other


def test_p4_what_a_command_changes_belongs_to_the_last_life(tmp_path: Path) -> None:
    """`outbox retry` while the gateway is stopped makes no other life; on a copy it does not make one out of two."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    produce(outbox, floor)
    copy = copy_of(rows)
    by_command = Outbox(rows)
    keep_life(by_command, LifeMark(BOX, tmp_path))
    produce(by_command, floor)
    produce(by_command, floor)
    on_copy = Outbox(copy)
    keep_life(on_copy, LifeMark(BOX, tmp_path))
    produce(on_copy, floor)
    assert not opened(copy_of(rows), tmp_path)[1]
    assert opened(copy, tmp_path)[1]


def test_p4_where_nothing_waits_another_life_costs_nothing(tmp_path: Path) -> None:
    """An outbox that is empty has nothing to look up."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    produce(outbox, floor)
    while works := outbox.work():
        for work in works:
            outbox.settle(work, dict.fromkeys(work.positions, "an id"))
    restored, is_other = opened(rows, tmp_path / "gone")
    assert is_other
    assert restored.work() == []
    produce(restored, floor)
    assert all(work.attempt is None for work in restored.work())


def test_p4_one_search_shows_all_starts_of_a_lane_and_all_output_of_an_interval(tmp_path: Path) -> None:
    """What it does not show waits as any other, and is sure."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    for _ in range(5):
        produce(outbox, floor)
    restored, _ = opened(rows, tmp_path / "gone")
    runs, states = (next(w for w in restored.work() if w.lane == f"{LINE}/{name}") for name in ("runs", "states"))
    assert len(runs.records) == len(states.records) == 5
    restored.settle(runs, dict(zip(runs.positions[:3], "abc", strict=True)))
    waiting = [work for work in restored.work() if work.lane == f"{LINE}/runs"]
    assert [work.attempt for work in waiting] == [None]
    [output] = [work for work in restored.work() if work.lane == f"{LINE}/output"]
    assert output.attempt is not None
    assert {record.interval for record in output.records} == {runs.records[0].interval}


def test_p4_nothing_is_merged_into_what_is_unsure(tmp_path: Path) -> None:
    """An end of an unsure start, and more of unsure output, wait beside it."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    run = floor.start()
    outbox.commit(Commit(number=1, records=(run, floor.output(run))))
    restored, _ = opened(rows, tmp_path / "gone")
    restored.commit(Commit(number=2, records=(floor.output(run), floor.end(run))))
    assert restored.counts().waiting == 4
    [start] = [work for work in restored.work() if work.lane == f"{LINE}/runs"]
    restored.settle(start, {start.positions[0]: "an id"})
    [output] = [work for work in restored.work() if work.lane == f"{LINE}/output"]
    assert output.attempt is not None
    restored.settle(output, dict.fromkeys(output.positions))
    assert restored.counts().waiting == 2


def test_p4_a_request_that_was_to_be_sent_again_is_in_doubt_in_another_life(tmp_path: Path) -> None:
    """The copy says that Oden did not take it; a later life may have sent it since."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    outbox.commit(Commit(number=1, records=(floor.start(),)))
    [work] = outbox.work()
    outbox.begin(work, Attempt(work.lane, work.positions, "interval/set", "{}", 1.0, tries=1, phase="retry"))
    restored, _ = opened(rows, tmp_path / "gone")
    [work] = restored.work()
    assert work.attempt is not None
    assert (work.attempt.phase, work.attempt.body) == ("in_doubt", "{}")


def test_p4_what_was_parked_is_looked_up_when_its_interval_is_known(tmp_path: Path) -> None:
    """Output that waits for a start in doubt may have been sent by a later life as well."""
    rows, floor = MemoryStore(), Floor()
    outbox, _ = opened(rows, tmp_path)
    run = floor.start()
    outbox.commit(Commit(number=1, records=(run, floor.output(run))))
    start = next(work for work in outbox.work() if work.lane == f"{LINE}/runs")
    outbox.begin(start, Attempt(start.lane, start.positions, "interval/set", "{}", 1.0, tries=1, phase="in_doubt"))
    stuck = next(work for work in outbox.work() if work.stuck)
    outbox.park(stuck)
    restored, _ = opened(rows, tmp_path / "gone")
    [start] = restored.work()
    restored.settle(start, {start.positions[0]: "an id"})
    [output] = restored.work()
    assert output.attempt is not None
    assert (output.attempt.phase, output.attempt.body) == ("in_doubt", "")


def test_p4_what_another_life_has_left_open_is_seen_to_where_memory_may_be_old(tmp_path: Path) -> None:
    """Not after a restart; at once on a new box; and where a life was here lately, once what that has sent has had its
    time."""
    rows, mark = MemoryStore(), LifeMark(BOX, tmp_path)
    outbox = Outbox(rows)
    begin_life(outbox, mark, 1000.0, settle=60.0)
    assert left_open(outbox) == LeftOpen(1000.0)
    seen_to(outbox, LINE, "RUN")
    outbox = Outbox(rows)
    begin_life(outbox, mark, 2000.0, settle=60.0)
    assert left_open(outbox) == LeftOpen(1000.0, seen=frozenset({f"{LINE}/RUN"}), latest={f"{LINE}/RUN": 0})
    lost = Outbox(MemoryStore())
    begin_life(lost, mark, 3000.0, settle=60.0)
    assert left_open(lost) == LeftOpen(3000.0, not_before=3060.0)
    produce(lost, Floor())
    (tmp_path / "reboot").mkdir()
    begin_life(lost, LifeMark(BOX, tmp_path / "reboot"), 4000.0, settle=60.0)
    assert left_open(lost) == LeftOpen(4000.0, not_before=4060.0)


def test_a_link_in_the_place_of_the_mark_is_not_followed(tmp_path: Path) -> None:
    """The life is not remembered then, and what the link leads to stays as it is."""
    begin_life(Outbox(MemoryStore()), LifeMark(BOX, tmp_path))
    [mark] = tmp_path.iterdir()
    mark.unlink()
    other = tmp_path / "other"
    other.write_text("precious")
    mark.symlink_to(other)
    begin_life(Outbox(MemoryStore()), LifeMark(BOX, tmp_path))
    assert other.read_text() == "precious"


def test_a_life_that_cannot_be_remembered_is_said_once_and_a_fault_only_where_there_is_a_folder_for_it(
    tmp_path: Path,
) -> None:
    """A gateway that a person has started without one is told of it as news: what it costs is told when it costs."""
    (tmp_path / "a file").touch()
    for runtime, said in (("none", ("no_runtime_directory", "info")), ("a file", ("life_not_remembered", "warning"))):
        outbox, floor = Outbox(MemoryStore()), Floor()
        with capture_logs() as logs:
            begin_life(outbox, LifeMark(BOX, tmp_path / runtime))
            produce(outbox, floor)
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [said]
