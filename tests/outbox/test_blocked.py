"""What waits for something that is not at Oden yet hides nothing behind it that can be sent, however much it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.model import Output, StartInterval
from gateway.outbox import ready_set, stretches
from gateway.outbox.entries import Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.stretches import STRETCH, Blocked
from tests.outbox.floor import LINE, OTHER, Floor, Oden, begun, commit, deliver, drain, work_in


class Counted(MemoryStore):
    """Counts the rows that are read."""

    read = 0

    def get(self, key: str) -> str | None:
        self.read += 1
        return super().get(key)


@pytest.fixture
def rows() -> Counted:
    return Counted()


@pytest.fixture
def floor() -> Floor:
    return Floor()


def reads(rows: Counted, doing: Callable[[], object]) -> int:
    before = rows.read
    doing()
    return rows.read - before


def outputs(outbox: Outbox) -> list[Output]:
    """The output that is offered."""
    return [one for work in outbox.work() for one in work.records if isinstance(one, Output)]


def looked_through(outbox: Outbox, number: int) -> None:
    """As often as looking through so many records may take."""
    for _ in range(number // ready_set.LOOK + 1):
        outbox.work()


def blocked(outbox: Outbox, oden: Oden, floor: Floor, number: int) -> tuple[StartInterval, list[StartInterval]]:
    """One run that is at Oden, and so much output of others that are not, four entries of each."""
    commit(outbox, first := floor.start())
    drain(outbox, oden)
    later = [floor.start() for _ in range(number // 4 + 1)]
    commit(outbox, *later, *(floor.output(run, 1, f"code {code}") for run in later for code in range(4)))
    return first, later


@pytest.mark.parametrize("number", [16, 300, 5000])
def test_p5_output_behind_that_of_runs_that_have_not_begun_is_offered(rows: Counted, floor: Floor, number: int) -> None:
    """The end of the run at Oden waits for it; where Oden wants ends first, the starts of the others wait for that.
    Behind sixteen it was never offered, and all stood still. What was looked at once is not read again for what comes
    then."""
    outbox, oden = Outbox(rows), Oden()
    first, _ = blocked(outbox, oden, floor, number)
    looked_through(outbox, number)
    commit(outbox, last := floor.output(first))
    assert outputs(outbox) == [last]
    deliver(outbox, oden, work_in(outbox, "output"))
    looked_through(outbox, STRETCH)
    for _ in range(3):
        commit(outbox, last := floor.output(first))
        assert reads(rows, outbox.work) < 20
        assert outputs(outbox) == [last]
        deliver(outbox, oden, work_in(outbox, "output"))
    commit(outbox, floor.start(OTHER))
    assert reads(rows, outbox.work) < 20


def test_p5_output_is_offered_as_soon_as_its_run_is_at_oden(rows: Counted, floor: Floor) -> None:
    """In the order in which it was made, wherever it is; a stretch around it is read again, and not all."""
    outbox, oden = Outbox(rows), Oden()
    _, later = blocked(outbox, oden, floor, 5000)
    looked_through(outbox, 5000)
    assert outputs(outbox) == []
    start = next(work for work in outbox.work() if work.lane == f"{LINE}/runs")
    for run in later[:2]:
        assert start.records == (run,)
        deliver(outbox, oden, start)
        start = next(work for work in outbox.work() if work.lane == f"{LINE}/runs")
    assert [one.interval for one in outputs(outbox)] == [later[0].key]
    costs = [reads(rows, lambda: deliver(outbox, oden, work_in(outbox, "output"))) for _ in range(4)]
    assert max(costs) < 3 * STRETCH
    assert [one.interval for one in outputs(outbox)] == [later[1].key]


def test_p12_looking_takes_its_turns(rows: Counted, floor: Floor) -> None:
    """However much is blocked, one look reads a bounded number of rows; and all of it, once looked at, is remembered in
    less than a byte a record."""
    outbox = Outbox(rows)
    blocked(outbox, Oden(), floor, 5000)
    costs = [reads(rows, outbox.work) for _ in range(5000 // ready_set.LOOK + 2)]
    assert max(costs) < 3 * ready_set.LOOK + 3 * ready_set.MOST_READ
    assert costs[-1] < 20


@contextmanager
def looking_at(number: int, stretch: int) -> Iterator[None]:
    """Looks and stretches are as short as that, so that few records are many."""
    before = ready_set.LOOK, stretches.STRETCH
    ready_set.LOOK, stretches.STRETCH = number, stretch
    try:
        yield
    finally:
        ready_set.LOOK, stretches.STRETCH = before


STEPS = ("run", "batch", "corrected", "output", "end", "deliver", "deliver", "doubt", "absent", "resume", "look")


AROUND = [("run", 0), ("doubt", 0), ("batch", 0), ("corrected", 0), ("batch", 0), ("batch", 0)]
"""A correction stands between batches that wait for their run."""
BEHIND = [("corrected", 0)] * 5 + [("run", 0)]
"""A run follows more corrections than one look takes."""


@settings(max_examples=100)
@example(AROUND, 4, 6)
@example(BEHIND, 2, 6)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), max_size=60), st.integers(2, 4), st.integers(1, 6)
)
def test_p5_what_is_offered_is_what_looking_at_all_would_find(
    steps: list[tuple[str, int]], number: int, stretch: int
) -> None:
    """Whatever has happened before, and whatever was remembered of it: after enough looks an outbox offers what one
    does that has been opened just now and looks at everything."""
    rows, floor, oden = MemoryStore(), Floor(), Oden()
    outbox, runs = Outbox(rows), list[StartInterval]()
    with looking_at(number, stretch):
        for step, which in steps:
            _step(outbox, floor, oden, runs, step, which)
            outbox.work()
        for _ in range(3 * len(steps) + 3):
            outbox.work()
        offered = outbox.work()
    with looking_at(10**6, 10**6):
        assert offered == Outbox(rows).work()


def _step(outbox: Outbox, floor: Floor, oden: Oden, runs: list[StartInterval], step: str, which: int) -> None:
    run = runs[which % len(runs)] if runs else None
    works = outbox.work()
    work = works[which % len(works)] if works else None
    match step:
        case "run" | "corrected":
            runs.append(replace(floor.start(), corrects=step == "corrected"))
            commit(outbox, runs[-1])
        case "batch" if run is not None:
            commit(outbox, replace(floor.start(type_="BATCH", lasts=1), within=run.key))
        case "output" if run is not None:
            commit(outbox, floor.output(run, 1, f"code {which}"))
        case "end" if run is not None:
            commit(outbox, floor.end(run))
        case "deliver" if work is not None:
            _deliver(outbox, oden, work)
        case "doubt" if work is not None and work.attempt is None and not work.stuck:
            begun(outbox, work, "in_doubt")
        case "absent" if work is not None and work.attempt is not None:
            outbox.settle(work, {})
        case "resume":
            outbox.resume()


def _deliver(outbox: Outbox, oden: Oden, work: Work) -> None:
    if work.stuck and work.attempt is None:
        outbox.park(work)
    else:
        deliver(outbox, oden, work)


def test_p12_blocked_stretches_are_disjoint_and_short() -> None:
    """Each position that was added is in one until an interval of its stretch changes; others are in none."""
    stretches_ = Blocked()
    for position in [*range(1000), *range(1200, 1300)]:
        stretches_.add(position, f"run {position // 100}", since=1200 if position >= 1200 else 0)
    assert [stretches_.after(at) for at in (0, 999, 1000, 1100, 1199, 1200, 1299, 1300)] == [
        1000, 1000, 1000, 1100, 1199, 1300, 1300, 1300,
    ]  # fmt: skip
    assert not stretches_.change([])
    assert stretches_.change(["run 3"])
    free = [at for at in range(1000) if stretches_.after(at) == at]
    assert {*range(300, 400)} <= {*free}
    assert len(free) <= 2 * STRETCH
    assert stretches_.after(1200) == 1300
