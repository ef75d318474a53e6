"""Gaps of a lane against a plain set of positions."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.gaps import MOST_GAPS, Gaps

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
