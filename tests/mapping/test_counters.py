"""Counters: what two sightings and the time between them say."""

from dataclasses import fields
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping.counters import NOTHING_KNOWN, CounterMemory, _Move, delta, refusal
from gateway.mapping.counting import with_counting
from gateway.mapping.inputs import InputMemory
from tests.mapping.counting import counted, counter, policy


@pytest.mark.parametrize(
    ("spec", "last", "value", "elapsed", "amount", "gap"),
    [
        (counter(), 10, 10, 1.0, 0, None),
        (counter(), 10, 14, 1.0, 4, None),
        (counter(), 0.5, 0.75, 1.0, 0.25, None),
        (counter(), 10, 4, 1.0, 4, "reset"),
        (counter(), 10, 0, 1.0, 0, "reset"),
        (counter(100), 99, 1, 1.0, 2, None),
        (counter(100), 99, 0, 1.0, 1, None),
        (counter(100), 50, 49, 1.0, 99, None),
        (counter(100, "5/s"), 99, 1, 1.0, 2, None),
        (counter(100, "5/s"), 50, 3, 1.0, 3, "reset"),
        (counter(100, "5/s"), 95, 5, 1.0, 10, None),
        (counter(100, "5/s"), 95, 6, 1.0, 11, None),
        (counter(100, "5/s"), 95, 7, 1.0, 7, "reset"),
        (counter(100, "5/s"), 10, 60, 1.0, 50, "faster"),
        (counter(100, "5/s"), 10, 60, 10.0, 50, None),
        (counter(100, "5/s"), 10, 60, -10.0, 50, "faster"),
        (counter(100, "5/s"), 10, 14, -10.0, 4, None),
        (counter(100, "5/s"), 10, 60, 21.0, 50, "whole turn"),
        (counter(100, "5/s"), 60, 10, 21.0, 50, "whole turn"),
        (counter(None, "5/s"), 10, 60, 3600.0, 50, None),
        (counter(50), 70, 10, 1.0, 10, "reset"),
    ],
)
def test_p2_moved(spec: Counter, last: float, value: float, elapsed: float, amount: float, gap: str | None) -> None:
    """Difference, rollover where it is plausible, else reset; what is doubtful is a gap with its reason."""
    move = delta(spec, last, value, elapsed, watched=False)
    assert move.amount == amount
    assert (move.gap is None) == (gap is None)
    assert (gap or "") in (move.gap or "")


@pytest.mark.parametrize(
    ("spec", "last", "value", "amount", "gap"),
    [
        (policy(backwards="ignore"), 10, 4, 0, "set to another value"),
        (policy(backwards="ignore"), 10, 14, 4, None),
        (policy(backwards="ignore", rollover=100), 99, 4, 5, None),
        (policy(backwards="ignore", rollover=100, max_rate="2/s"), 50, 4, 0, "set to another value"),
        (policy(backwards="count"), 10, 7, -3, None),
        (policy(backwards="count"), 2, -3, -5, None),
        (policy(backwards="count", rollover=100), 2, 98, -4, None),
        (policy(backwards="count", rollover=100), 98, 2, 4, None),
        (policy(backwards="count", max_rate="2/s"), 90, 10, -80, "faster"),
        (policy(max_rate="2/s"), 500, 300, 0, "not a reset to zero"),
        (policy(max_rate="2/s"), 500, 5, 5, "taken as a reset"),
        (policy(max_rate="2/s", too_fast="ignore"), 5, 500, 0, "not counted"),
        (policy(rollover=100, max_rate="2/s", too_fast="ignore"), 95, 99, 4, None),
        (policy(restarts_with="order"), 10, 4, 4, None),
        (policy(rollover=1000), 999.5, 0.25, 0.75, None),
    ],
)
def test_p2_policies(spec: Counter, last: float, value: float, amount: float, gap: str | None) -> None:
    """What a step back and a jump mean is as configured; what is left out or doubtful is a gap with its reason."""
    move = delta(spec, last, value, 1.0, watched=True)
    assert move.amount == amount
    assert (move.gap is None) == (gap is None)
    assert (gap or "") in (move.gap or "")


def test_p2_a_restart_that_nobody_watched_counts_all_that_is_shown() -> None:
    """Although the value is larger than before; what the line cannot have made is still a gap."""
    spec = policy(restarts_with="order", max_rate="5/s")
    assert delta(spec, 100, 150, 60.0, watched=False, restarted=True).amount == 150
    assert "faster" in (delta(spec, 100, 900, 60.0, watched=False, restarted=True).gap or "")


@given(st.integers(2, 2**64), st.data())
def test_p2_the_shorter_way_is_exact_below_half_a_turn(rollover: int, data: st.DataObject) -> None:
    """A counter that is counted back as well: what it moved by in less than half a turn, either
    way, is found exactly."""
    last = data.draw(st.integers(0, rollover - 1))
    half = (rollover - 1) // 2
    made = data.draw(st.integers(-half, half))
    assert (
        delta(policy(rollover=rollover, backwards="count"), last, (last + made) % rollover, 1.0, watched=True).amount
        == made
    )


@given(st.integers(2, 2**64), st.data())
def test_p2_rollover_is_exact_below_one_turn(rollover: int, data: st.DataObject) -> None:
    """However wide a counter is, what it moved by in less than a turn is found exactly."""
    last = data.draw(st.integers(0, rollover - 1))
    made = data.draw(st.integers(0, rollover - 1))
    move = delta(counter(rollover), last, (last + made) % rollover, 1.0, watched=True)
    assert move.amount == made
    assert move.gap is None


@pytest.mark.parametrize(
    ("spec", "value", "problem"),
    [
        (counter(), 5.5, None),
        (counter(), -1, "negative"),
        (counter(100), 99, None),
        (counter(100), 100, "rollover"),
        (counter(100), 5.5, None),
    ],
)
def test_refusal(spec: Counter, value: Any, problem: str | None) -> None:
    """What a counter can never show is refused with the reason."""
    reason = refusal(spec, value)
    assert (reason is None) == (problem is None)
    assert (problem or "") in (reason or "")


def test_p2_a_counter_that_rests_while_it_is_watched_is_no_gap() -> None:
    """The first part in the morning is one part, without a notice; after a reconnect nobody knows about turns."""
    night = 14 * 3600.0
    assert delta(counter(65536, "5/s"), 10, 11, night, watched=True).gap is None
    assert "whole turn" in (delta(counter(65536, "5/s"), 10, 11, night, watched=False).gap or "")


@given(st.sampled_from([16, 32]), st.data())
def test_p2_a_count_with_a_sign_is_exact_below_one_turn(bits: int, data: st.DataObject) -> None:
    """From the largest number to the smallest, through -1 to 0, and on: it counts as its bits do."""
    turn, half = 1 << bits, 1 << (bits - 1)
    last, made = data.draw(st.integers(-half, half - 1)), data.draw(st.integers(0, turn - 1))
    value = (last + made + half) % turn - half
    spec = policy(signed=bits)
    assert refusal(spec, last) is None
    assert refusal(spec, value) is None
    move = delta(spec, last, value, 1.0, watched=True)
    assert (move.amount, move.gap) == (made, None)


@pytest.mark.parametrize(
    ("bits", "value", "fits"),
    [(16, 32767, True), (16, 32768, False), (16, -32769, False), (16, 1.5, False), (32, 2**31, False), (32, -9, True)],
)
def test_a_count_with_a_sign_has_so_many_bits(bits: int, value: float, fits: bool) -> None:
    """What they cannot hold is refused, with what they can."""
    assert (refusal(policy(signed=bits), value) is None) == fits


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=30))
def test_p2_a_counter_that_counts_down_is_exact_but_where_it_is_set(shown: list[int]) -> None:
    """All that it goes down by was made; where it goes up it was set, which counts nothing and is said."""
    spec = policy(direction="down", max_rate="1000/s")
    moves = [delta(spec, last, value, 1.0, watched=True) for last, value in pairwise(shown)]
    assert sum(move.amount for move in moves) == sum(max(0, last - value) for last, value in pairwise(shown))
    assert [move.gap is not None for move in moves] == [value > last for last, value in pairwise(shown)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=300), st.integers(2, 400), st.sampled_from(["count", "ignore"]))
def test_a_jump_is_what_is_far_beyond_the_last_moves(parts: list[int], factor: int, fate: str) -> None:
    """Without a max_rate: more than 100 times the largest of the last 100 moves, and of those only. It is listed, and
    `too_fast` says what becomes of it; after a time in which nobody watched, any move can be."""
    shown: list[float] = [*accumulate(parts, initial=0)]
    jump = factor * max(parts[-100:])
    total, gaps = counted(policy(too_fast=fate), [*shown, shown[-1] + jump])
    assert bool(gaps) == (factor > 100)
    assert total == sum(parts) + (0 if factor > 100 and fate == "ignore" else jump)
    assert counted(policy(too_fast=fate), [*shown, shown[-1] + jump], watched=False) == (sum(parts) + jump, [])


@given(st.lists(st.integers(1, 1000), max_size=400))
def test_p12_the_memory_of_moves_is_small_and_exact(parts: list[int]) -> None:
    """It holds the largest of the last 100, in no more entries than there are moves that were largest at some time."""
    memory = NOTHING_KNOWN
    for number, part in enumerate(parts, 1):
        memory = memory.with_move(part)
        assert memory.usual == max(parts[max(0, number - 100) : number])
        assert len(memory.largest) <= 100


@given(
    st.sampled_from([{}, {"rollover": 500}, {"max_rate": "5/s"}, {"direction": "down"}, {"backwards": "count"}]),
    st.lists(st.integers(1, 30), max_size=4),
    st.integers(-3, 400),
    st.integers(-3, 400),
    st.floats(-2, 90),
)
def test_what_nearly_always_comes_is_judged_as_anything_else(
    spec: dict[str, Any], moves: list[int], last: int, value: int, elapsed: float
) -> None:
    """A counter that just goes on is told so at once, and it is what the long way says."""
    one, memory = Counter.model_validate(spec), CounterMemory()
    assume(last != value and all(refusal(one, shown) is None for shown in (last, value)))
    for amount in moves:
        memory = memory.with_move(amount)
    long = _Move(one, last, value, max(elapsed, 0.0), memory, watched=True)
    assert delta(one, last, value, elapsed, watched=True, memory=memory) == (long.returned() or long.taken())


@given(st.lists(st.integers(1, 5), max_size=400))
def test_the_largest_of_the_last_moves_is_usual(moves: list[int]) -> None:
    memory = CounterMemory()
    for amount in moves:
        memory = memory.with_move(amount)
    assert memory.usual == max(moves[-100:], default=None)


def test_what_a_counter_remembers_is_replaced_as_anything_else() -> None:
    memory = InputMemory("plc", 5, 1.0, "uncertain", clock_trusted=False, bad_since=2.0, quiet_at=3.0, stale=True)
    memory = replace(memory, restart_basis="A", received=4.0, untimed=True, reset_at=5.0, torn_since=6.0)
    memory = replace(memory, learned={"a": 7.0}, source_time=8.0)
    counting = CounterMemory(7, ((7, 1),))
    assert with_counting(memory, counting) == replace(memory, counting=counting)
    unset = [field.name for field in fields(memory) if getattr(memory, field.name) == field.default]
    assert unset == ["counting"], "each field is another than it is by itself, so that none is forgotten"
