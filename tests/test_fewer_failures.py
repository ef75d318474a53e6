"""Failures that come again and again are told ever more seldom, and none is forgotten."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.fewer_failures import LONGEST, MOST_KINDS, SAME, FewerFailures


def test_a_broker_that_is_away_for_a_weekend_is_a_line_an_hour() -> None:
    """Tried every half minute for 60 hours: the first three, then after one minute, two, four and so on."""
    fewer, told = FewerFailures(), []
    for number in range(60 * 120):
        now = number * 30.0
        if (withheld := fewer.withheld("source floor", f"no answer within {number} s", now)) is not None:
            told.append((now, withheld))
    assert [now for now, _ in told[:7]] == [0.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0]
    assert len(told) < SAME + 6 + 60
    assert max(later - sooner for (sooner, _), (later, _) in pairwise(told)) == LONGEST
    assert len(told) + sum(withheld for _, withheld in told) > 60 * 120 - 120


def test_another_reason_and_another_task_are_news() -> None:
    """Also where they take turns; after a steady time all is news again."""
    fewer = FewerFailures()
    for _ in range(SAME):
        assert fewer.withheld("source floor", "connection refused", 0.0) == 0
    assert fewer.withheld("source floor", "connection refused", 1.0) is None
    assert fewer.withheld("source floor", "the password is wrong", 1.0) == 0
    assert fewer.withheld("source press", "connection refused", 1.0) == 0
    for code in (502, 401):
        said = [
            fewer.withheld("source floor", f"no WebSocket is served there (HTTP {code})", 1.0) for _ in range(SAME + 1)
        ]
        assert said == [0] * SAME + [None]
    fewer.forget("source floor")
    assert fewer.withheld("source floor", "connection refused", 2.0) == 0
    assert fewer.withheld("source press", "connection refused", 2.0) == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 300)), max_size=300))
def test_each_failure_is_told_or_counted(failures: list[tuple[str, str, int]]) -> None:
    """Whatever comes when: the lines and what they say was withheld are all failures but those since the last line."""
    fewer, now, told, since = FewerFailures(), 0.0, 0, dict[tuple[str, str], int]()
    for task, reason, pause in failures:
        now += pause
        withheld = fewer.withheld(task, reason, now)
        if withheld is None:
            since[task, reason] = since.get((task, reason), 0) + 1
        else:
            assert withheld == since.pop((task, reason), 0)
            told += 1 + withheld
    assert told + sum(since.values()) == len(failures)


def test_p12_kinds_are_bounded() -> None:
    """More reasons than are told apart begin anew."""
    fewer = FewerFailures()
    letters = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(26 * 20)]
    for word in letters:
        assert fewer.withheld("task", word, 0.0) == 0
    assert len(fewer._kinds) <= MOST_KINDS
