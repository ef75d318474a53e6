"""Counters: what two sightings and the time between them say."""

from dataclasses import fields
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping.counters import NOTHING_KNOWN, CounterMemory, _Move, delta, refusal
from gateway.mapping.input_track import with_counting
from gateway.mapping.inputs import InputMemory

MEMORIES = TypeAdapter(CounterMemory)


def counter(rollover: int | None = None, rate: str | None = None) -> Counter:
    return Counter.model_validate({"rollover": rollover, **({"max_rate": rate} if rate else {})})


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


def policy(**given: Any) -> Counter:
    return Counter.model_validate(given)


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


def as_kept(memory: CounterMemory) -> CounterMemory:
    """What a gateway knows that was started again: what was written."""
    return MEMORIES.validate_json(MEMORIES.dump_json(memory))


def counted(
    spec: Counter, shown: list[float], seconds: float = 1.0, *, watched: bool = True
) -> tuple[float, list[str]]:
    """What a counter that shows these values one after the other has counted, and the gaps that are listed."""
    total: float = 0
    gaps: list[str] = []
    memory = NOTHING_KNOWN
    for last, value in pairwise(shown):
        move = delta(spec, last, value, seconds, watched=watched, memory=memory)
        total, memory = total + move.amount, as_kept(move.memory)
        gaps += [move.gap] if move.gap is not None else []
    return total, gaps


specs = st.builds(
    policy,
    max_rate=st.sampled_from(["5/s", None]),
    rollover=st.sampled_from([None, 10**6]),
    backwards=st.sampled_from(["reset", "ignore", "count"]),
    too_fast=st.sampled_from(["count", "ignore"]),
)


@given(
    specs,
    st.integers(5_000, 400_000),
    st.lists(st.integers(1, 5), min_size=2, max_size=20),
    st.sampled_from([[0], [0, 0], [0, 0, 0], [999_999], [600_000], [3], [0, 0], [4_000, 4_000]]),
    st.data(),
)
def test_p2_p4_a_glitch_changes_nothing_and_is_listed(
    spec: Counter, begin: int, parts: list[int], glitch: list[float], data: st.DataObject
) -> None:
    """The counter leaves by a move that no machine makes, and comes back: the sum is what was made, whatever the
    policies for resets and jumps are."""
    shown: list[float] = [*accumulate(parts, initial=begin)]
    at = data.draw(st.integers(2, len(shown) - 1))
    total, gaps = counted(spec, [*shown[:at], *glitch, *shown[at:]])
    assert total == sum(parts)
    assert gaps


@given(
    st.integers(1, 30), st.lists(st.integers(1, 5), min_size=1, max_size=20), st.lists(st.integers(1, 5), max_size=9)
)
def test_p2_a_reset_from_which_it_goes_on_is_no_glitch(begin: int, before: list[int], since: list[int]) -> None:
    """What the machine has made since zero is counted, also where that becomes more than the counter showed before."""
    shown: list[float] = [*accumulate(before, initial=begin), *accumulate(since, initial=0)]
    assume(not since or since[0] < begin + sum(before))  # at once back to what it showed is a dip
    for spec in (policy(max_rate="5/s"), policy()):
        assert counted(spec, shown)[0] == sum(before) + sum(since)


@given(
    st.sampled_from([{}, {"rollover": 65536}, {"signed": 32}, {"backwards": "ignore"}, {"backwards": "count"}]),
    st.integers(1, 5_000),
    st.lists(st.integers(1, 100), min_size=1, max_size=9),
    st.integers(1, 3),
    st.data(),
)
def test_p2_p4_a_dip_to_zero_is_none_also_where_all_can_have_been_made_since(
    spec: dict[str, Any], begin: int, parts: list[int], zeros: int, data: st.DataObject
) -> None:
    """A counter that is read every 20 seconds at 5/s, and shows zero for at most a minute: what was made is the
    difference of the values around that, however small they are. What is remembered of it is as good from the disk."""
    shown: list[float] = [*accumulate(parts, initial=begin)]
    at = data.draw(st.integers(1, len(shown) - 1))
    assert counted(policy(max_rate="5/s", **spec), [*shown[:at], *[0] * zeros, *shown[at:]], 20.0)[0] == sum(parts)


@pytest.mark.parametrize(
    ("shown", "seconds", "made", "listed"),
    [
        ([3, 0, 5], 0.5, 2, "after 3, 1 s before: a glitch, 2 counted"),
        ([3, 0, 5], 1.0, 2, "a glitch"),
        ([3, 0, 3], 1.0, 0, "a glitch, 0 counted"),
        ([3, 0, 2], 1.0, 2, "taken as a reset"),  # not back to its last value
        ([3, 0, 18], 1.0, 15, "a glitch, 15 counted"),
        ([3, 0, 20], 1.0, 20, "faster than its max_rate"),  # nor can that be made in two seconds
        ([3, 0, 0, 0, 5], 20.0, 2, "a glitch"),
        ([3, 0, 0, 0, 5], 20.1, 5, "taken as a reset"),  # zero for more than a minute is no dip
        ([1, 0, 1], 3600.0, 1, "taken as a reset"),
        ([3000, 0, 3001], 3600.0, 3001, "taken as a reset"),
        ([30000, 0, 30001], 3600.0, 1, "a glitch"),  # unless so many cannot have been made since
        ([3, 0, 2, 4], 1.0, 4, "taken as a reset"),  # it counts on from zero
        ([10, 4, 0, 11], 3.0, 1, "after 10, 9 s before: a glitch, 1 counted"),
        ([5, 0, 3, 0, 6], 1.0, 6, "after 3, 2 s before: a glitch, 3 counted"),  # the dip after a reset
    ],
)
def test_p2_a_dip_is_told_from_a_reset_by_where_it_comes_back_and_when(
    shown: list[float], seconds: float, made: int, listed: str
) -> None:
    """Each side of each border, with a `max_rate` of 5/s."""
    total, gaps = counted(policy(max_rate="5/s"), shown, seconds)
    assert total == made
    assert listed in gaps[-1]


@pytest.mark.parametrize(
    ("shown", "watched", "made"),
    [
        ([20, 22, 24, 0, 25], True, 5),  # back by no more than a usual move, by one that is none
        ([20, 22, 24, 0, 26], True, 6),
        ([20, 22, 24, 0, 27], True, 31),
        ([20, 22, 24, 0, 23], True, 27),
        ([3, 23, 0, 20], True, 40),  # as it always moves
        ([3, 0, 3], True, 3),  # nothing is known of how it moves
        ([20, 22, 24, 0, 24], False, 4),
        ([20, 22, 24, 0, 25], False, 29),  # nobody watched
    ],
)
def test_p2_a_dip_without_a_max_rate(shown: list[float], watched: bool, made: int) -> None:
    """The largest of its moves stands for the `max_rate`, once it has moved while it was watched."""
    total, memory = 0.0, NOTHING_KNOWN
    for number, (last, value) in enumerate(pairwise(shown), 2):
        seen = watched or number < len(shown)
        move = delta(policy(), last, value, 1.0, watched=seen, memory=memory)
        total, memory = total + move.amount, move.memory
    assert total == made


@pytest.mark.parametrize(("rests", "made"), [(1, 10), (60, 10), (61, 20)])
def test_a_counter_that_counts_down_and_stands_at_zero_is_set_anew(rests: int, made: int) -> None:
    """As the next order does it: what was left had been made. Within a minute it is the glitch that it looks like."""
    shown: list[float] = [20, 12, *[0] * rests, 10]
    assert counted(policy(direction="down", max_rate="20/s"), shown)[0] == made


def test_a_counter_that_stood_before_it_dipped_may_count_from_zero_for_a_while() -> None:
    """The minute begins with the dip, not when the last part before it was made."""
    memory, total = NOTHING_KNOWN, 0.0
    for last, value, seconds in ((5000, 0, 300.0), (0, 2, 1.0), (2, 5002, 1.0)):
        move = delta(policy(max_rate="5/s"), last, value, seconds, watched=True, memory=memory)
        total, memory = total + move.amount, move.memory
    assert total == 2


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


@pytest.mark.parametrize(
    "away", [(0,), (5, 0), (65535, 0), (0, 65535), (0, 65535, 0), (65535, 65535, 0, 0), (0, 65535, 5)]
)
def test_a_glitch_of_several_values_is_none(away: tuple[int, ...]) -> None:
    """However it went away, all that is counted in the end is what it is farther when it is back."""
    assert counted(counter(rate="5/s"), [1000, 1010, *away, 1012, 1015])[0] == 15


def test_a_glitch_after_a_reset_is_told_from_the_reset() -> None:
    """It comes back to what it showed before the glitch, not to what it showed before the reset."""
    assert counted(counter(rate="5/s"), [1000, 1010, 0, 65535, 3, 7])[0] == 17


TOP = 2**31


@pytest.mark.parametrize("rate", ["5/s", None])
@pytest.mark.parametrize(
    ("spec", "shown", "made"),
    [
        ({"rollover": 65536}, [65526, 65528, 65530, 0, 65532, 65534, 1], 11),
        ({"rollover": 65536}, [65526, 65528, 65530, 0, 1, 2, 65532, 65534, 1], 11),
        ({"rollover": 65536}, [65526, 65528, 65530, 0, 65530, 0, 65531, 1], 11),
        ({"rollover": 65536}, [65526, 65528, 65531, 0, 2, 4], 14),
        ({}, [100, 102, 104, 0, 1, 105], 5),
        ({}, [100, 102, 104, 0, 1, 2, 3, 106, 108], 8),
        ({}, [5000, 0, 5001], 1),
        ({"signed": 16}, [-9, -7, -5, 0, -4, -2, 0, 3], 12),
        ({"signed": 16}, [32760, 32762, 0, 32763, 0, 1, 32765, -32768], 8),
        ({"signed": 32}, [-TOP + 1, -TOP + 3, 0, -TOP + 4], 3),
        ({"signed": 32}, [TOP - 6, TOP - 4, 0, 1, TOP - 3, TOP - 1, -TOP + 1], 7),
        ({"direction": "down"}, [500, 498, 496, 0, 495], 5),
        ({"direction": "down"}, [10, 8, 6, 4, 0, 3, 1, 0], 10),
        ({"direction": "down"}, [10, 8, 6, 0, 500, 498], 12),
        ({"direction": "down", "rollover": 65536}, [8, 6, 4, 65535, 3, 1], 7),
        ({"direction": "down", "rollover": 65536}, [8, 6, 4, 65535, 65533], 11),
        ({"direction": "down", "signed": 16}, [8, 6, 4, 0, 3, 1, -1], 9),
    ],
)
def test_p2_a_glitch_at_the_end_of_the_range(
    rate: str | None, spec: dict[str, Any], shown: list[float], made: int
) -> None:
    """To zero and back is a glitch also where going there looks like a rollover or like the last parts, where a few are
    counted from there, and whichever way it counts; what does not come back was none."""
    given_rate = {} if rate is None else {"max_rate": rate}
    assert counted(policy(**spec, **given_rate), shown)[0] == made


@given(
    st.sampled_from([{"rollover": 65536}, {"signed": 16}, {"signed": 32}, {"direction": "down", "rollover": 65536}]),
    st.integers(6, 60),
    st.lists(st.integers(1, 5), min_size=2, max_size=20),
    st.sampled_from([[0], [0, 0], [0, 1], [0, 1, 2]]),
    st.data(),
)
def test_p2_a_glitch_before_any_rollover(
    spec: dict[str, Any], before: int, parts: list[int], glitch: list[int], data: st.DataObject
) -> None:
    """Wherever the counter stands, a moment of zero changes nothing of what was made in the end."""
    size = 1 << int(spec.get("signed", 16))
    sign = -1 if spec.get("direction") == "down" else 1
    words = [(sign * (made - before)) % size for made in accumulate(parts, initial=0)]
    at = data.draw(st.integers(1, len(words) - 1))
    assume(sum(parts[:at]) < before)  # a moment of zero among the first few after it cannot be told from a reset
    away = [(sign * word) % size for word in glitch]
    shown: list[float] = [*words[:at], *away, *words[at:]]
    if "signed" in spec:
        shown = [value - size if value >= size // 2 else value for value in shown]
    assert counted(policy(**spec, max_rate="5/s"), shown)[0] == sum(parts)


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
