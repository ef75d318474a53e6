"""The audit's judgement: what is deaf is found, what only moves is left alone."""

from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.opcua.audit import Auditor, grace
from gateway.sources.opcua.decode import Decoded, Raw

GRACE = 1.0
GONE = 0x8034_0000
UNCERTAIN = 0x4090_0000


def value(value: object, *, age: float | None = 100.0, status: int = 0) -> Decoded:
    """What is read at 1000 by the server's clock."""
    quality = "bad" if status >> 31 else "good"
    return Decoded(value, quality, None if age is None else 1000.0 - age, False, status, 1000.0)  # type: ignore[arg-type]


def judged(auditor: Auditor, first: Decoded | str, second: Decoded | str | None = None) -> bool:
    """Whether `a` is deaf after two readings."""
    doubt = auditor.doubt("a", first, 50.0, GRACE)
    return doubt and auditor.is_deaf("a", second or first, 50.0 + GRACE, GRACE)


def told(*values: Decoded | str) -> Auditor:
    auditor = Auditor()
    for each in values:
        auditor.heard("a", each)
    return auditor


def test_a_value_that_has_stood_and_was_not_told_is_deaf() -> None:
    assert judged(told(value(1)), value(2))


def test_a_node_that_has_gone_is_deaf() -> None:
    assert judged(told(value(1)), value(None, status=GONE))


def test_a_tag_of_which_nothing_ever_came_is_deaf() -> None:
    assert judged(told(), value(2))
    assert not judged(told(), value(None, status=GONE)), "there is nothing to tell"


def test_what_was_told_is_not_deaf() -> None:
    assert not judged(told(value(1), value(2)), value(2))
    assert not judged(told(value(None, status=GONE)), value(None, status=GONE))


def test_what_comes_between_the_readings_was_on_its_way() -> None:
    auditor = told(value(1))
    assert auditor.doubt("a", value(2), 50.0, GRACE)
    auditor.heard("a", value(2))
    assert not auditor.is_deaf("a", value(3), 50.0 + GRACE, GRACE)


def test_a_second_reading_that_agrees_ends_the_doubt() -> None:
    """A bit that had moved and moved back before it was sampled."""
    assert not judged(told(value(1)), value(2), value(1))


def test_without_times_only_a_value_that_stays_is_deaf() -> None:
    assert judged(told(value(1)), value(2, age=None))
    assert not judged(told(value(1)), value(2, age=None), value(3, age=None))


def test_a_new_item_that_says_the_same_is_not_replaced_again() -> None:
    """Where a server tells and answers different things for good, replacing does not help."""
    auditor = told(value(1))
    assert judged(auditor, value(2))
    auditor.heard("a", value(1))
    assert not judged(auditor, value(2))


def test_what_is_no_number_in_an_array_is_like_itself() -> None:
    """It is unlike itself for a computer, so that the tag would be watched anew at each look."""

    def array(*values: float) -> Decoded:
        return value(Raw(ua.Variant([*values], ua.VariantType.Double)))

    nan = float("nan")
    assert not judged(told(array(nan, 1.0)), array(nan, 1.0))
    assert judged(told(array(nan, 1.0)), array(nan, 2.0))
    assert judged(told(array(1.0)), array(nan), array(float("nan")))
    auditor = told(value(1))
    assert judged(auditor, array(nan))
    auditor.heard("a", value(1))
    assert not judged(auditor, array(float("nan"))), "the new item was no help"


def test_what_cannot_be_used_is_not_compared() -> None:
    assert not judged(told("an array"), value(1))
    assert not judged(told(value(1)), "an array")


def test_another_status_need_not_have_stood() -> None:
    """The node was away, its item said so and died, and the node that is there now moves."""
    assert judged(told(value(1), value(None, status=GONE)), value(2, age=0.1), value(3, age=0.1))
    assert judged(told(value(1)), value(2, age=0.1, status=UNCERTAIN), value(3, age=0.1, status=UNCERTAIN))
    assert not judged(told(value(1)), value(2, age=0.1, status=UNCERTAIN), value(3, age=0.1))
    assert judged(told(), value(2, age=0.1), value(3, age=0.1)), "nothing ever came"


def test_another_status_that_a_new_item_does_not_tell_either_is_left() -> None:
    auditor = told(value(None, status=GONE))
    assert judged(auditor, value(2, age=0.1))
    auditor.heard("a", value(None, status=GONE))
    assert not judged(auditor, value(3, age=0.1))


def audits(auditor: Auditor, *reads: Decoded, begin: float = 0.0, every: float = 60.0) -> list[bool]:
    """Whether `a` is deaf in each of some audits."""
    verdicts = []
    for number, read in enumerate(reads):
        now = begin + number * every
        doubt = auditor.doubt("a", read, now, GRACE)
        verdicts.append(doubt and auditor.is_deaf("a", read, now + GRACE, GRACE))
    return verdicts


def test_a_value_that_moves_without_a_word_is_deaf_in_the_third_audit() -> None:
    """Two can come between two words of a live one that is told as seldom as it is looked at."""
    moving = [value(number, age=0.1) for number in range(2, 9)]
    assert audits(told(value(1)), *moving[:3]) == [False, False, True]
    assert audits(told(value(1)), *moving[:3], every=0.2) == [False] * 3, "too soon for a message to come"
    assert audits(told(value(1)), *moving[:2], value(1), moving[2]) == [False] * 4, "it was as told in between"
    assert audits(told(value(1)), *moving[:2], value(1, age=0.1), moving[2]) == [False] * 3 + [True], "it is so again"
    timeless, auditor, verdicts = [value(number, age=None) for number in range(6)], told(value(9)), []
    for at, first, second in zip((0.0, 60.0, 120.0), timeless[::2], timeless[1::2], strict=True):
        doubted = auditor.doubt("a", first, at, GRACE)
        verdicts.append(doubted and auditor.is_deaf("a", second, at + GRACE, GRACE))
    assert verdicts == [False, False, True]


def test_a_new_item_that_says_no_more_than_its_first_value_is_replaced_ever_later() -> None:
    auditor = told(value(1))
    moving = [value(number, age=0.1) for number in range(2, 20)]
    assert audits(auditor, *moving[:3]) == [False, False, True]
    auditor.heard("a", value(0))
    assert audits(auditor, *moving[:6], begin=200.0) == 5 * [False] + [True]
    auditor.heard("a", value(0))
    assert audits(auditor, *moving[:12], begin=600.0) == 11 * [False] + [True]
    auditor.heard("a", value(0))
    assert audits(auditor, moving[0], begin=1_400.0) == [False]
    auditor.heard("a", value(6))
    assert audits(auditor, *moving[:3], begin=1_500.0) == [False, False, True], "it has told of itself"


@given(st.integers(2, 50), st.floats(0, 0.99))
def test_a_value_of_which_anything_comes_between_two_audits_is_never_deaf(number: int, age: float) -> None:
    auditor = told(value(0))
    for count in range(number):
        assert audits(auditor, value(1 + count, age=age), begin=60.0 * count) == [False]
        auditor.heard("a", value(1000 + count, age=age))


def test_nothing_is_known_of_what_nobody_takes() -> None:
    auditor = told(value(1))
    assert auditor.has_taken(0.0, 10.0)
    auditor.waits(20.0)
    assert auditor.has_taken(19.0, 20.1)
    assert not auditor.has_taken(19.0, 21.0)
    auditor.takes(30.0)
    assert not auditor.has_taken(29.0, 31.0)
    assert auditor.has_taken(30.0, 32.0)
    auditor.waits(40.0)
    auditor.takes(40.1)
    assert auditor.has_taken(39.0, 41.0)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20),
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0, 0.99),
    st.floats(0, 0.99),
)
def test_a_value_that_moves_all_the_time_is_never_deaf(
    history: list[float], first: float, second: float, age: float, later: float
) -> None:
    """Its source time is young whenever it is read, whatever is told of it."""
    assert not judged(told(*map(value, history)), value(first, age=age), value(second, age=later))


def test_the_grace_is_three_publishing_intervals() -> None:
    assert grace(2.0, 0.5) == 6.5
    assert grace(0.05, 0.01) == 1.0
