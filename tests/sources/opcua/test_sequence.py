"""The numbers of messages: holes are found, what was there is known, keep-alives take no number."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.opcua.publishing import LAST, MOST_ASKED, Hole, Sequence


def following(*numbers: int) -> Sequence:
    sequence = Sequence()
    for number in numbers:
        sequence.arrived(number, keepalive=False)
    return sequence


def test_the_first_message_begins_the_count() -> None:
    assert Sequence().arrived(17, keepalive=False) is None
    assert Sequence().arrived(17, keepalive=True) is None


def test_what_was_skipped_is_a_hole() -> None:
    assert following(1, 2).arrived(5, keepalive=False) == Hole((3, 4))
    assert following(1, 2).arrived(3, keepalive=False) is None


def test_a_keepalive_announces_the_next_number_and_takes_none() -> None:
    """Also where it repeats the last number, as some servers do."""
    sequence = following(1, 2)
    assert sequence.arrived(3, keepalive=True) is None
    assert not sequence.is_known(3, 0)
    assert sequence.arrived(3, keepalive=False) is None
    assert sequence.arrived(3, keepalive=True) is None
    assert sequence.arrived(6, keepalive=True) == Hole((4, 5))
    assert sequence.arrived(6, keepalive=False) is None


def test_after_the_last_number_comes_one() -> None:
    assert following(LAST).arrived(1, keepalive=False) is None
    assert following(LAST - 1).arrived(2, keepalive=False) == Hole((LAST, 1))


def test_a_wide_hole_is_asked_for_in_part() -> None:
    hole = following(1).arrived(1_000, keepalive=False)
    assert hole is not None
    assert hole.numbers == tuple(range(1_000 - MOST_ASKED, 1_000))
    assert hole.more == 998 - MOST_ASKED


def test_a_server_that_counts_anew_is_followed() -> None:
    sequence = following(500)
    assert sequence.arrived(1, keepalive=False) is None
    assert sequence.arrived(3, keepalive=False) == Hole((2,))


@given(st.lists(st.booleans(), max_size=50), st.integers(1, LAST))
def test_every_message_arrives_or_is_in_exactly_one_hole(arrives: list[bool], first: int) -> None:
    """Whatever is lost on the way, where something came before it and something comes after it."""
    sequence = following(first)
    number = first
    missing: list[int] = []
    found: list[int] = []
    for comes in [*arrives, True]:
        number = 1 if number == LAST else number + 1
        if comes:
            hole = sequence.arrived(number, keepalive=False)
            found += hole.numbers if hole else ()
        else:
            missing.append(number)
    assert found == missing
