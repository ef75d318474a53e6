"""What delivery is offered, and what that costs: attempts that never end, gaps, large packs, damage."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Output
from gateway.outbox import left_open
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import drop
from gateway.outbox.ready_set import (
    GATHERED_FROM,
    LASTING,
    MOST_ATTEMPTS,
    MOST_CARRIED,
    MOST_LASTING,
    SPANNED,
)
from gateway.outbox.reindex import reindex, unsure
from gateway.outbox.store import Outbox
from gateway.outbox.stretches import MOST_GAPS, Gaps
from tests.outbox.floor import LINE, Floor, Oden, begun, commit, deliver, drain, packable, work_in


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
def outbox(rows: Counted) -> Outbox:
    return Outbox(rows)


@pytest.fixture
def floor() -> Floor:
    return Floor()


def reads(rows: Counted, doing: Callable[[], object]) -> int:
    before = rows.read
    doing()
    return rows.read - before


def offers_new(outbox: Outbox, lane: str) -> bool:
    return any(work.lane == f"{LINE}/{lane}" and work.attempt is None for work in outbox.work())


def test_what_is_new_goes_past_corrections_of_its_lane(outbox: Outbox, floor: Floor) -> None:
    """Both are offered: the first of the starts that are told because of late messages, and the first that is live;
    also behind more corrections than are looked at of other records."""
    corrections = [replace(floor.start(lasts=1), corrects=True) for _ in range(40)]
    live, later = floor.start(), floor.start()
    commit(outbox, *corrections, live, later)
    assert [work.records[0] for work in outbox.work()] == [corrections[0], live]
    deliver(outbox, Oden(), outbox.work()[1])
    assert [work.records[0] for work in outbox.work()] == [corrections[0], later]
    drain(outbox, Oden())
    assert outbox.work() == []


# Attempts that never end


@pytest.mark.parametrize("steps", [{"tries": LASTING}, {"tries": 1, "looks": LASTING - 1}])
def test_p5_attempts_that_never_end_stop_nobody(outbox: Outbox, floor: Floor, steps: dict[str, int]) -> None:
    """As many as a lane waits for, tried or looked up several times: the lane goes on beside them, also after a
    restart."""
    commit(outbox, *(floor.start(type_="STATE") for _ in range(MOST_ATTEMPTS + 1)))
    for _ in range(MOST_ATTEMPTS):
        work = begun(outbox, work_in(outbox, "states"), "in_doubt")
        assert work.attempt is not None
        last = work, replace(work.attempt, **steps)  # type: ignore[arg-type]  # they are numbers
        assert not offers_new(outbox, "states") or outbox.begin(*last)
    outbox.begin(*last)
    assert offers_new(Outbox(outbox._rows), "states")


def test_p12_attempts_that_never_end_are_bounded(outbox: Outbox, floor: Floor) -> None:
    """Beyond a number of them, and of records that they carry, the lane waits."""
    commit(outbox, *(floor.start(type_="STATE") for _ in range(MOST_LASTING + 1)))
    for number in range(MOST_LASTING):
        assert offers_new(outbox, "states"), number
        work = begun(outbox, work_in(outbox, "states"), "in_doubt")
        assert work.attempt is not None
        outbox.begin(work, replace(work.attempt, tries=LASTING))
    assert not offers_new(outbox, "states")
    commit(outbox, *(floor.start(type_="WASH", lasts=5) for _ in range(MOST_CARRIED + 1)))
    begun(outbox, outbox.gather(work_in(outbox, "custom WASH"), packable, MOST_CARRIED), "in_doubt")
    assert not offers_new(outbox, "custom WASH")


# What it costs


def test_p12_a_gap_is_not_read_again(rows: Counted, outbox: Outbox, floor: Floor) -> None:
    """Behind an entry that cannot be sent yet, thousands were delivered: choosing the next one reads as many rows as at
    the beginning."""
    oden, good = Oden(), floor.start()
    commit(outbox, good)
    drain(outbox, oden)
    waits = [floor.start() for _ in range(MOST_ATTEMPTS + 1)]
    commit(outbox, *waits)
    for _ in range(MOST_ATTEMPTS):
        begun(outbox, work_in(outbox, "runs"), "sending")
    commit(outbox, floor.output(waits[-1], 1))
    costs = []
    for number in range(2000):
        commit(outbox, floor.output(good, 1, f"code {number}"))
        costs.append(reads(rows, outbox.work))
        deliver(outbox, oden, work_in(outbox, "output"))
    assert max(costs[1000:]) <= max(costs[:10])
    outbox = Outbox(rows)
    outbox.work()
    commit(outbox, floor.output(good, 1, "one more"))
    assert reads(rows, outbox.work) <= max(costs[:10])


def test_p12_packs_in_doubt_are_not_read_again(rows: Counted, outbox: Outbox, floor: Floor) -> None:
    """A commit of the same line, and the choice after it, reads as many rows with a pack of 1,000 in doubt as with one
    of 2."""

    def cost(number: int) -> int:
        commit(outbox, *(floor.start(type_="WASH", lasts=1) for _ in range(number)))
        begun(outbox, outbox.gather(work_in(outbox, "custom WASH"), packable, number), "in_doubt")
        outbox.work()
        before = rows.read
        commit(outbox, floor.start(type_="WASH"))
        outbox.work()
        return rows.read - before

    small = cost(2)
    assert cost(1000) <= small + 2


def test_p12_a_summary_does_not_read_what_is_gone(rows: Counted, outbox: Outbox, floor: Floor) -> None:
    """One dead letter is left of 2,001, the oldest: the status page's second look reads a few rows."""
    starts = [floor.start(type_="WASH", lasts=1) for _ in range(2001)]
    commit(outbox, *starts)
    work = outbox.gather(work_in(outbox, "custom WASH"), packable, 2001)
    outbox.settle(work, {}, dict.fromkeys(work.positions, "no"), 1.0)
    found, _ = page(outbox, Filter(where="dead"), rows=3000)
    drop(outbox, [one for one in found if one.record.key != starts[0].key])
    outbox = Outbox(rows)
    outbox.summary(50)
    assert reads(rows, lambda: outbox.summary(50)) < 10
    assert [letter.record.key for letter in outbox.dead_letters(50)] == [starts[0].key]


def test_p12_gathering_looks_at_a_bounded_number(rows: Counted, outbox: Outbox, floor: Floor) -> None:
    """Where nothing in a long lane fits, a request is not delayed by reading all of it."""
    commit(outbox, *(floor.start(type_="WASH", lasts=1) for _ in range(3000)))
    work = work_in(outbox, "custom WASH")
    assert reads(rows, lambda: outbox.gather(work, lambda _: False, 10)) <= 2 * GATHERED_FROM * 10 + 10


# After a damage


def damaged(outbox: Outbox) -> Outbox:
    """As after a damage that has lost no row."""
    rows = MemoryStore()
    rows.apply(dict(unsure(outbox.rows())))
    reindex(rows, damaged=True)
    return Outbox(rows)


def test_p4_what_is_unsure_is_looked_up_before_it_is_sent(floor: Floor) -> None:
    """Creates are offered as attempts in doubt without a request, together where one search shows them. Where Oden has
    it, it is settled; where it has not, it waits as any other, with what was parked meanwhile. Output follows its run,
    and nothing is merged into what is unsure."""
    oden, outbox = Oden(), Outbox(MemoryStore())
    there, new = floor.start(), floor.start()
    commit(outbox, there, floor.output(there, 1, "A"), new)
    oden.take(there)
    outbox = damaged(outbox)
    commit(outbox, floor.output(there, 2, "A"), floor.end(there), floor.end(new))
    seen = []
    for _ in range(20):
        works = outbox.work()
        if not works:
            break
        work = next((one for one in works if one.attempt is not None), works[0])
        first = work.records[0]
        seen.append((first.kind, work.attempt.phase if work.attempt else "park" if work.stuck else "new"))
        if work.attempt is not None and first.interval in oden.made and isinstance(first, type(there)):
            assert [record.key for record in work.records] == [there.key, new.key]
            outbox.settle(work, {work.positions[0]: f"id of {first.key}"})
        elif work.attempt is not None:
            assert (work.attempt.body, work.attempt.phase) == ("", "in_doubt")
            outbox.begin(work, replace(work.attempt, phase="retry"))
        elif work.stuck:
            outbox.park(work)
        else:
            deliver(outbox, oden, work)
    counts = outbox.counts()
    assert (counts.waiting, counts.parked, counts.dead) == (0, 0, 0)
    assert sum(int(str(one.raw_data["scrap"])) for one in oden.made[there.key].output) == 3
    assert [oden.made[run.key].end is not None for run in (there, new)] == [True, True]
    assert [one for one in seen if one[1] == "in_doubt"] == [
        ("start", "in_doubt"),
        ("output", "in_doubt"),
    ]
    assert ("start", "new") in seen


def test_p4_what_is_put_back_without_an_answer_stays_unsure(floor: Floor) -> None:
    """The look-up was given up: the start is offered to be looked up again, and nothing was merged into it
    meanwhile."""
    outbox = Outbox(MemoryStore())
    commit(outbox, run := floor.start())
    outbox = damaged(outbox)
    (work,) = outbox.work()
    assert work.attempt is not None
    outbox.begin(work, work.attempt)
    outbox.settle(work, {})
    commit(outbox, floor.end(run))
    again = next(one for one in outbox.work() if one.lane.endswith("/runs"))
    assert (again.records, again.attempt and again.attempt.phase) == ((run,), "in_doubt")


def test_p4_what_is_unsure_waits_for_settle_as_what_is_found_at_a_start(floor: Floor) -> None:
    """Delivery gives what it finds at its start time to take effect; what is offered later has the same."""
    outbox = Outbox(MemoryStore())
    commit(outbox, floor.start(type_="STATE", lasts=1))
    floor.tick(2 * SPANNED)
    commit(outbox, floor.start(type_="STATE", lasts=1))
    outbox = damaged(outbox)
    (first,) = outbox.work()
    assert first.attempt is not None
    outbox.begin(first, replace(first.attempt, not_before=77.0))
    assert [work.attempt and work.attempt.not_before for work in outbox.work()] == [77.0, 77.0]


def test_p5_unsure_output_of_a_dead_run_stops_nobody(floor: Floor) -> None:
    """It is set aside with its run, stays one to be looked up, and comes back with it."""
    oden, outbox = Oden(), Outbox(MemoryStore())
    bad, good = floor.start(), floor.start()
    commit(outbox, bad, *(floor.output(bad, 1, f"code {number}") for number in range(20)), good)
    outbox = damaged(outbox)
    for run in (bad, good):
        work = next(one for one in outbox.work() if one.records[0].key == run.key)
        if run is bad:
            outbox.settle(work, {}, {work.positions[0]: "no"}, 1.0)
        else:
            outbox.settle(work, {work.positions[0]: oden.take(run)})
    commit(outbox, output := floor.output(good, 1))
    while stuck := [work for work in outbox.work() if work.stuck]:
        outbox.park(stuck[0])
    assert work_in(outbox, "output").records == (output,)
    assert outbox.counts().parked == 20
    texts = [text for key, text in outbox.rows() if key.startswith(f"record/{LINE}/parked/")]
    assert all('"unsure":true' in text for text in texts)
    assert isinstance(output, Output)


def test_p4_an_end_that_is_unsure_waits_for_the_change_that_is_under_way(outbox: Outbox, floor: Floor) -> None:
    """Also where it is only looked up: while either is to come, starts after it wait for that end."""
    oden, run = Oden(), floor.start()
    commit(outbox, run)
    deliver(outbox, oden, work_in(outbox, "runs"))
    change = floor.update(run, name="another")
    commit(outbox, change)
    name = f"{LINE}/updates RUN"
    changing = begun(outbox, work_in(outbox, "updates RUN"), "in_doubt")
    with outbox.transaction() as transaction:
        left_open.begin(transaction, since=run.start + 1.0, not_before=0.0)  # another life: the end may be there
    commit(outbox, floor.end(run))
    following = floor.start()
    assert [work.positions for work in outbox.work() if work.lane == name] == [changing.positions]
    assert outbox.open_before(following) == {run.key: True}
    deliver(outbox, oden, changing)
    (ending,) = (work for work in outbox.work() if work.lane == name)
    assert ending.attempt is not None
    assert ending.attempt.phase == "in_doubt"
    assert outbox.open_before(following) == {run.key: True}


def test_what_waits_with_an_unsure_start_stays_parked_while_that_is_put_back(rows: Counted, floor: Floor) -> None:
    """Nothing is merged into a start that Oden may have: an update that is parked with it is not brought back to be
    parked once more, and is delivered after the look-up."""
    commit(outbox := Outbox(rows), run := floor.start())
    rows.apply(dict(unsure(rows.items())))
    reindex(rows, damaged=True)
    commit(outbox := Outbox(rows), update := floor.update(run, product="Q"))
    outbox.park(next(work for work in outbox.work() if work.stuck))
    start = next(work for work in outbox.work() if work.attempt)
    outbox.settle(start, {})
    assert (outbox.counts().parked, outbox.counts().waiting) == (1, 1)
    assert [row for key, row in rows.items() if key == f"record/{LINE}/parked/0"]
    oden = Oden()
    (start,) = outbox.work()
    outbox.settle(start, {start.positions[0]: oden.take(run)})
    drain(outbox, oden)
    assert oden.made[run.key].details == {"product": "Q"}
    assert update.metadata == oden.made[run.key].details


# Gaps of a lane against a plain set of positions

STRETCH = st.tuples(st.integers(0, 60), st.integers(1, 9))


@given(st.lists(STRETCH, max_size=30), st.integers(0, 80))
def test_positions_in_no_gap_are_found_on_either_side(stretches: list[tuple[int, int]], position: int) -> None:
    """The next and the last position that no added stretch covers, as counting by hand gives them."""
    gaps, covered = Gaps(), set[int]()
    for first, length in stretches:
        gaps.add(first, first + length)
        covered |= set(range(first, first + length))
    assert gaps.after(position) == next(at for at in range(position, 200) if at not in covered)
    assert gaps.before(position) == next(at for at in range(position, -200, -1) if at not in covered)


def test_p12_gaps_are_bounded() -> None:
    """The longest are remembered; what is forgotten counts as no gap."""
    gaps = Gaps()
    gaps.add(0, 50)
    for number in range(3 * MOST_GAPS):
        gaps.add(100 + 2 * number, 101 + 2 * number)
    found = sum(gaps.after(100 + 2 * number) != 100 + 2 * number for number in range(3 * MOST_GAPS))
    assert (gaps.after(0), found) == (50, MOST_GAPS - 1)
