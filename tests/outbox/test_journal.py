"""The journal: what is written into blocks is read from them, and what is not as it was written is noticed."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.journal import BLOCK, Change, blocks, changes, first_of, found

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(["x" * 900, "long" * 3000])
CHANGES = st.lists(st.tuples(st.dictionaries(TEXT, TEXT, max_size=4), st.lists(TEXT, max_size=3)), max_size=5)


def slots(history: list[Change], number: int) -> list[bytes]:
    return [block for at, (put, drop) in enumerate(history, number) for block in blocks(at, put, drop)]


@given(CHANGES, CHANGES, st.integers(0, 2**40))
def test_what_was_written_is_read(before: list[Change], history: list[Change], number: int) -> None:
    """Every change from the first that counts on, in order; what slots still hold of a round before does not count."""
    old = slots(before, number)
    first = number + len(before)
    new = slots(history, first)
    assert all(len(block) == BLOCK for block in new)
    assert [*changes(new + old[len(new) :], first)] == history
    assert [*changes([*found(b"".join(new))], first_of(new))] == history


@given(CHANGES.filter(bool), st.data())
def test_p7_an_altered_bit_is_noticed(history: list[Change], data: st.DataObject) -> None:
    """Whichever bit of whichever block it is: one thing is not as it was written, the changes in other blocks are."""
    written = slots(history, 7)
    at = data.draw(st.integers(0, len(written) - 1))
    bit = data.draw(st.integers(0, 8 * BLOCK - 1))
    block = bytearray(written[at])
    block[bit // 8] ^= 1 << bit % 8
    read = [*changes([*written[:at], bytes(block), *written[at + 1 :]], 7)]
    assert None in read
    whole = [change for change in read if change is not None]
    assert len(whole) in (len(history) - 1, len(history))
    assert all(change in history for change in whole)


def test_p7_what_is_no_block_is_noticed() -> None:
    """A slot of another length or type is damage, not the end."""
    one = blocks(0, {"a": "1"}, [])
    for nonsense in (None, "text", b"", b"x" * BLOCK, one[0][:-1]):
        assert [*changes([nonsense, *one], 0)] == [None, ({"a": "1"}, [])]
