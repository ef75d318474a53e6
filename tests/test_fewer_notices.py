"""Rejects that say the same are told by their number."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.fewer_notices import SAME, fewer
from gateway.model import Notice


def reject(text: str, address: str = "a") -> Notice:
    return Notice("reject", 1.0, "floor", address, text)


def test_the_last_that_is_kept_says_how_many_more_there_were() -> None:
    """Numbers and quoted values make no other kind; an address, a wording or a kind do."""
    notices = [reject(f"'x{number}' is no number of line {number}") for number in range(1_000)]
    others = [reject("something else"), reject("'x' is no number of line 1", "b")]
    gaps = [Notice("gap", float(number), "floor", "a", "the same") for number in range(10)]
    kept = fewer([*notices, *others, *gaps])
    assert kept[: SAME - 1] == tuple(notices[: SAME - 1])
    assert kept[SAME - 1].text == f"'x{SAME - 1}' is no number of line {SAME - 1} (997 more like it)"
    assert kept[SAME - 1].count == 998
    assert kept[SAME:] == (*others, *gaps)


@given(st.lists(st.builds(reject, st.sampled_from(["1", "2 b", "'c'", '"d" 5']), st.sampled_from("xyz"))))
def test_the_sum_stays(notices: list[Notice]) -> None:
    """However many there are, of each address the number told is the number that there was."""
    for address in "xyz":
        told = sum(notice.count for notice in fewer(notices) if notice.address == address)
        assert told == len([notice for notice in notices if notice.address == address])
    assert fewer(fewer(notices)) == fewer(notices)
