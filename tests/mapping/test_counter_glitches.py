"""Counters that show for a moment what they have not counted: dips to zero and other glitches, told from resets."""

from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.config.schema_io import Counter
from gateway.mapping.counters import NOTHING_KNOWN, delta
from tests.mapping.counting import counted, counter, policy

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


def test_p2_a_counter_that_has_rolled_over_twice_and_shows_what_it_showed_is_no_glitch() -> None:
    """From 40 over 100 to 0, and on to 35, 95 and over 100 to 40: all of it can have been made in its time."""
    spec, memory, last, made = policy(max_rate="5/s", rollover=100), NOTHING_KNOWN, 40, 0.0
    for seconds, value in [(61.0, 0), (7.0, 35), (14.0, 95), (61.6, 40), (0.0, 40), (130.0, 64)]:
        move = delta(spec, last, value, seconds, watched=True, memory=memory)
        assert move.gap is None, (last, value)
        made, memory, last = made + move.amount, move.memory, value
    assert made == 224


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
        ([1000, 999, 1001], 1.0, 1, "after 1000, 2 s before: a glitch, 1 counted"),
        ([1000, 999, 999, 1000, 1002], 1.0, 2, "a glitch, 0 counted"),
        ([1000, 990, 992, 1001], 1.0, 11, "not a reset to zero"),  # it counts on from there
        ([1000, 999, 999, 1001], 31.0, 2, "not a reset to zero"),  # which it shows for more than a minute
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
        ([1000, 1020, 1019, 1021], True, 21),  # 1,019 can have been made since a reset, and were not
        ([1000, 1020, 1019, 1041], True, 1061),  # farther than it usually moves
        ([40, 60, 20, 70], True, 90),  # as it always moves, from zero too
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


@pytest.mark.parametrize(
    ("spec", "shown", "made"),
    [
        ({"rollover": 65536, "max_rate": "5/s"}, [65533, 65535, 30000, 1], 4),
        ({"rollover": 65536, "max_rate": "5/s"}, [65530, 65534, 7000, 7000, 2, 4], 10),
        ({"signed": 16, "max_rate": "5/s"}, [-4, -2, 9000, 1, 3], 7),
        ({"direction": "down", "rollover": 65536, "max_rate": "5/s"}, [4, 2, 30000, 65535, 65533], 7),
        # From zero, less than it showed is what was made since a reset.
        ({"rollover": 65536, "max_rate": "5/s"}, [65000, 65002, 0, 0, 0, 3], 5),
        # Farther than it can have come over its rollover: begun anew.
        ({"rollover": 65536, "max_rate": "5/s"}, [65000, 65002, 30000, 3], 5),
    ],
)
def test_p2_a_glitch_behind_which_it_has_rolled_over(spec: dict[str, Any], shown: list[float], made: int) -> None:
    """What was made while it was away counts, as it does where it only goes on."""
    total, gaps = counted(policy(**spec), shown)
    assert total == made
    assert gaps


@pytest.mark.parametrize(
    ("spec", "shown", "made"),
    [
        ({"rollover": 1000, "max_rate": "5/s"}, [988, 990, 700, 0, 992, 994], 6),
        ({"rollover": 1000, "max_rate": "5/s"}, [988, 990, 700, 4, 992, 994], 6),
        ({"rollover": 1000, "max_rate": "5/s"}, [988, 990, 700, 0, 0, 992, 994], 6),
        ({"rollover": 1000, "max_rate": "5/s"}, [988, 990, 700, 0, 600, 992, 994], 6),
        ({"rollover": 1000, "max_rate": "5/s"}, [988, 990, 700, 0, 2, 992, 994, 0, 3], 15),
        ({"rollover": 1000, "max_rate": "5/s", "too_fast": "ignore"}, [988, 990, 700, 0, 992, 994], 6),
        ({"rollover": 65536, "max_rate": "5/s"}, [65530, 65534, 7000, 0, 65535, 65535], 5),
        ({"signed": 16, "max_rate": "5/s"}, [-8, -6, 9000, 0, -4, -2], 6),
        ({"direction": "down", "rollover": 1000, "max_rate": "5/s"}, [12, 10, 300, 999, 8, 6], 6),
    ],
)
def test_p2_a_glitch_that_ends_behind_the_rollover_may_go_on(
    spec: dict[str, Any], shown: list[float], made: int
) -> None:
    """Near its end, what it shows last of a glitch can be what it made over its rollover: until it goes on from there,
    it may come back all the same, and no turn is counted that nobody has made."""
    total, gaps = counted(policy(**spec), shown)
    assert total == made
    assert gaps
