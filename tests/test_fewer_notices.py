"""Rejects that say the same are told by their number."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Notice
from gateway.rejects import EVERY, MOST_KINDS_TOLD, SAME, FewerNotices


def reject(text: str, address: str = "a") -> Notice:
    return Notice("reject", 1.0, "floor", address, text)


def test_repeats_of_one_reason_are_counted() -> None:
    """The first of each kind at once, how many more there were once a minute; quiet ones are forgotten."""
    fewer = FewerNotices()
    notices = [reject(f"the payload is not UTF-8 (byte {number}): \\xff{number}") for number in range(1_000)]
    assert fewer.add(notices, 0.0) == notices[:SAME]
    assert (fewer.due, fewer.more(EVERY - 0.1)) == (EVERY, [])
    (more,) = fewer.more(EVERY + 1.0)
    assert (more.count, more.text) == (997, f"997 more in the last 61 s; the last: {notices[-1].text}")
    assert fewer.due is None
    assert fewer.add([notices[0]], EVERY + 2.0) == []
    assert [more.count for more in fewer.more(2 * EVERY + 1.0)] == [1]
    assert fewer.add([notices[0]], 4 * EVERY) == [notices[0]]


def test_what_makes_another_kind() -> None:
    """An address, a wording, a source; numbers, quoted values and what the message says do not."""
    fewer = FewerNotices()
    alike = [reject(f"'x{number}' is no number of line {number}: {{}}") for number in range(SAME)]
    others = [reject("something else"), reject("'x' is no number of line 1", "b"), reject("it is no number of line 1")]
    gaps = [Notice("gap", float(number), "floor", "a", "the same") for number in range(10)]
    assert fewer.add([*alike, reject("'y' is no number of line 7: []"), *others, *gaps], 0.0) == [
        *alike,
        *others,
        *gaps,
    ]


@given(st.lists(st.tuples(st.builds(reject, st.sampled_from("12b"), st.sampled_from("xyz")), st.integers(0, 30))))
def test_the_sum_stays(notices: list[tuple[Notice, int]]) -> None:
    """However many there are and when they come, of each address the number told is the number that there was."""
    fewer, told, now = FewerNotices(), list[Notice](), 0.0
    for notice, pause in notices:
        now += pause
        told += fewer.more(now)
        told += fewer.add([notice], now)
    told += fewer.more(now, all_=True)
    for address in "xyz":
        assert sum(one.count for one in told if one.address == address) == sum(
            one.address == address for one, _ in notices
        )


def test_p12_kinds_of_rejects_are_bounded() -> None:
    """However many topics and reasons there are: the rest is one."""
    fewer = FewerNotices()
    told = [fewer.add([reject("text", f"topic {number}")], 0.0) for number in range(3 * MOST_KINDS_TOLD)]
    assert len([one for one in told if one]) == MOST_KINDS_TOLD + SAME
    assert [more.count for more in fewer.more(EVERY)] == [2 * MOST_KINDS_TOLD - SAME]
    assert fewer.add([reject("text", "another")], 2.5 * EVERY) != []
