"""What was to be told and turns out never to have been: nothing of it is sent, whatever has become of it until then."""

from dataclasses import replace

import pytest

from gateway.model import Output, StartInterval, UpdateInterval
from gateway.outbox.entries import Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter
from gateway.outbox.operator_actions import drop, retry
from gateway.outbox.store import Outbox
from tests.outbox.actions_rig import all_of, dead, problems
from tests.outbox.floor import Floor, Oden, begun, commit, drain, in_phase, total, work_in


def withdrawal(floor: Floor, of: StartInterval) -> UpdateInterval:
    return replace(floor.end(of), end=of.start + 1, corrects=True, withdraws=True)


def moved(floor: Floor, amount: float, from_: StartInterval, to: StartInterval) -> tuple[Output, Output]:
    """So much was made in another run than was told."""
    plus = replace(floor.output(to, amount), corrects=True)
    return plus, replace(floor.output(from_, -amount), corrects=True, after=(plus.key,))


def refuse(outbox: Outbox, work: Work, *, unsettled: bool = False) -> None:
    outbox.settle(begun(outbox, work), {}, {work.positions[0]: "400: no"}, unsettled=unsettled)


def started(floor: Floor, outbox: Outbox, oden: Oden) -> StartInterval:
    run = floor.start()
    commit(outbox, run)
    drain(outbox, oden)
    return run


def told_to_two(floor: Floor, outbox: Outbox, oden: Oden) -> tuple[StartInterval, list[StartInterval]]:
    """A run that was told with seven parts, and two to which these are moved, of which Oden has not heard."""
    first = started(floor, outbox, oden)
    commit(outbox, floor.output(first, 7))
    drain(outbox, oden)
    others = [floor.start(), floor.start()]
    pluses = [replace(floor.output(one, 7), corrects=True) for one in others]
    minus = replace(floor.output(first, -7), corrects=True, after=tuple(plus.key for plus in pluses))
    commit(outbox, *others, *pluses, minus)
    return first, others


def is_at_rest(outbox: Outbox) -> bool:
    assert not problems(outbox)
    counts = outbox.counts()
    return (counts.waiting, counts.parked, counts.dead) == (0, 0, 0)


def test_p5_a_refused_start_of_what_never_was_is_no_dead_letter() -> None:
    """With all that waited for it, and what of it was refused; an interval of that key can begin later."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    run = floor.start()
    commit(outbox, run, floor.output(run, 3))
    refuse(outbox, work_in(outbox, "runs"))
    commit(outbox, floor.update(run, name="late"))
    commit(outbox, withdrawal(floor, run))
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert not oden.made
    assert outbox.totals.withdrawn == 3
    commit(outbox, run)
    drain(outbox, oden)
    assert [*oden.made] == [run.key]


def test_p5_a_start_that_is_refused_after_it_turned_out_never_to_have_been_is_no_dead_letter() -> None:
    """While it was under way its withdrawal waited."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    run = floor.start()
    commit(outbox, run, floor.output(run, 3))
    work = begun(outbox, work_in(outbox, "runs"))
    commit(outbox, withdrawal(floor, run))
    outbox.settle(work, {}, {work.positions[0]: "400: no"})
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert not oden.made


def test_p4_an_unsettled_start_of_what_never_was_stays() -> None:
    """It may be at Oden: it is looked up, and has a second at the most."""
    floor, outbox = Floor(), Outbox(MemoryStore())
    run = floor.start()
    commit(outbox, run)
    refuse(outbox, work_in(outbox, "runs"), unsettled=True)
    commit(outbox, withdrawal(floor, run))
    assert outbox.counts().unsettled == 1
    assert not outbox.totals.withdrawn


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("again", [1, 2])
def test_p13_what_waited_for_what_never_was_waits_for_where_it_has_gone(refused: bool, again: int) -> None:
    """Seven parts go from A to B, and on to C because B never was: A loses them once C has them, and B is not made."""
    floor, rows, oden = Floor(), MemoryStore(), Oden()
    outbox = Outbox(rows)
    first = started(floor, outbox, oden)
    commit(outbox, floor.output(first, 7))
    drain(outbox, oden)
    never = floor.start()
    plus, minus = moved(floor, 7, first, never)
    commit(outbox, never, plus, minus)
    for _ in range(again):
        if refused:
            refuse(outbox, work_in(outbox, "runs"))
        outbox = Outbox(rows)
        last = floor.start()
        on, off = moved(floor, 7, never, last)
        commit(outbox, withdrawal(floor, never), last, on, off)
        never, refused = last, False
    assert not problems(outbox)
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert {key: total(one.output) for key, one in oden.made.items()} == {first.key: 0, last.key: 7}
    assert oden.made[first.key].output[-1].after == (oden.made[last.key].output[0].key,)


def test_p13_what_waited_for_what_a_person_drops_is_dropped_with_it() -> None:
    """B can never be made: what it was to get stays with A."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    first = started(floor, outbox, oden)
    commit(outbox, floor.output(first, 7))
    drain(outbox, oden)
    refused = floor.start()
    commit(outbox, refused, *moved(floor, 7, first, refused))
    refuse(outbox, work_in(outbox, "runs"))
    drain(outbox, oden)
    [letter] = dead(outbox)
    others = [one for one in all_of(outbox, Filter(interval=frozenset({refused.key}))) if one.where != "dead"]
    assert drop(outbox, [letter], others) == 3
    assert is_at_rest(outbox)
    assert {key: total(one.output) for key, one in oden.made.items()} == {first.key: 7}


def test_p4_what_waited_for_two_that_never_were_is_taken_once() -> None:
    """Seven parts go from A to B and C, and nobody has made them after all."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    first, (one, other) = told_to_two(floor, outbox, oden)
    commit(outbox, withdrawal(floor, one), withdrawal(floor, other))
    assert not problems(outbox)
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert {key: total(one.output) for key, one in oden.made.items()} == {first.key: 0}


@pytest.mark.parametrize("passed_on", [{0}, {1}, {0, 1}])
def test_p4_what_waited_for_two_that_never_were_waits_for_all_that_takes_their_place(passed_on: set[int]) -> None:
    """A loses its parts when all that has gone from B and C to others is there, whichever of them it was."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    first, never = told_to_two(floor, outbox, oden)
    lasts = {at: floor.start() for at in sorted(passed_on)}
    onward = [(lasts[at], *moved(floor, 7, never[at], lasts[at])) for at in lasts]
    commit(outbox, *(withdrawal(floor, one) for one in never), *(record for records in onward for record in records))
    assert not problems(outbox)
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert {key: total(one.output) for key, one in oden.made.items()} == {
        first.key: 0,
        **{last.key: 7 for last in lasts.values()},
    }
    (taken,) = [entry for entry in oden.made[first.key].output if total([entry]) < 0]
    assert set(taken.after) == {oden.made[last.key].output[0].key for last in lasts.values()}


def test_p4_what_waited_for_what_never_was_and_never_was_itself_is_gone() -> None:
    """Seven parts go from A to B, and neither was: no more is told of A once its own part is withdrawn."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    first, never = floor.start(), floor.start()
    commit(outbox, first, floor.output(first, 7), never, *moved(floor, 7, first, never))
    commit(outbox, withdrawal(floor, never), withdrawal(floor, first))
    assert not problems(outbox)
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert not oden.made


@pytest.mark.parametrize("refused_first", [True, False])
def test_p6_a_quality_test_of_what_never_was_stays(refused_first: bool) -> None:
    """It is never taken back: it waits with the start that was refused, which a person sees, and goes with it."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    run = floor.start()
    test = floor.test(run, 5)
    commit(outbox, run, test)
    work = in_phase(outbox, begun(outbox, work_in(outbox, "runs")), "in_doubt")
    (stuck,) = [one for one in outbox.work() if one.stuck]
    outbox.park(stuck)
    if not refused_first:
        commit(outbox, withdrawal(floor, run))
    outbox.settle(work, {}, {work.positions[0]: "400: no"})
    if refused_first:
        commit(outbox, withdrawal(floor, run))
    drain(outbox, oden)
    assert not problems(outbox)
    assert (outbox.counts().dead, outbox.totals.withdrawn) == (1, 0)
    retry(outbox, dead(outbox))
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert [entry.key for entry in oden.made[run.key].output] == [test.key]


@pytest.mark.parametrize(("deletes", "fate"), [(False, "stays there, a second long"), (True, "is deleted, unless")])
def test_p13_what_is_at_oden_and_never_was_is_listed_with_what_becomes_of_it(deletes: bool, fate: str) -> None:
    """As a gap; of what Oden has not heard of there is nothing to say."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    run, other = started(floor, outbox, oden), floor.start()
    commit(outbox, other)
    commit(outbox, replace(withdrawal(floor, run), deletes=deletes), replace(withdrawal(floor, other), deletes=deletes))
    listed = [notice for notice in outbox.notices(100) if "never was" in notice.text]
    assert [(one.kind, run.key in one.text, fate in one.text) for one in listed] == [("gap", True, True)]


def test_p13_two_that_were_after_all_in_one_correction_are_both_told() -> None:
    """Each had its second at Oden, and gets the name that it has now in a record of its own."""
    floor, outbox, oden = Floor(), Outbox(MemoryStore()), Oden()
    runs = [started(floor, outbox, oden), started(floor, outbox, oden)]
    for run in runs:
        commit(outbox, withdrawal(floor, run))
        drain(outbox, oden)
    again = [replace(run, at=runs[-1].start + 60.0, name=f"again {number}") for number, run in enumerate(runs)]
    commit(outbox, *again)
    assert len({waiting.record.key for waiting in all_of(outbox)}) == 2
    drain(outbox, oden)
    assert is_at_rest(outbox)
    assert [oden.made[run.key].name for run in runs] == ["again 0", "again 1"]
