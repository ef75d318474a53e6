"""Answers that are longer than what may be held of them."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.oden.http_answer import LongAnswer, kept

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
ENTRIES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
ANSWERS = st.lists(ENTRIES, max_size=5) | st.dictionaries(st.text(max_size=3), ENTRIES, max_size=4)


def in_pieces(raw: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    yield from (raw[begin:end] for begin, end in pairwise(places))


def read(pieces: Iterator[bytes], *, odd_only: bool = False) -> object:
    answer = LongAnswer(is_odd if odd_only else lambda _: True)
    for piece in pieces:
        answer.feed(piece)
    return answer.end()


def is_refused(pieces: Iterator[bytes]) -> bool:
    try:
        read(pieces)
    except ValueError:
        return True
    return False


def is_odd(entry: object) -> bool:
    return len(str(entry)) % 2 == 1


@given(ANSWERS, st.lists(st.integers(0), max_size=6), st.booleans(), st.sampled_from([None, 1]), st.booleans())
def test_what_comes_in_pieces_is_as_what_comes_whole(
    answer: object, cuts: list[int], odd_only: bool, indent: int | None, ascii_only: bool
) -> None:
    """Wherever the pieces end: within a number, a character, a name."""
    raw = json.dumps(answer, indent=indent, ensure_ascii=ascii_only).encode()
    assert read(in_pieces(raw, cuts), odd_only=odd_only) == kept(answer, is_odd if odd_only else lambda _: True)


@given(ANSWERS, st.lists(st.integers(0), max_size=3), st.integers(0), st.sampled_from(["", "x", "]", "[]", "1"]))
def test_what_is_no_json_is_no_answer(answer: object, cuts: list[int], end: int, more: str) -> None:
    """One that ends early, and one after which something comes: half an answer must not look like a whole one."""
    whole = json.dumps(answer).encode()
    raw = whole + more.encode() if more else whole[: end % len(whole)]
    assert is_refused(in_pieces(raw, cuts))


NO_JSON = (
    b"[1 2]",
    b"[1,,2]",
    b"[1,]",
    b"[,1]",
    b"{1: 2}",
    b'{"a" 1}',
    b'{"a": 1,}',
    b"[tru]",
    b'"a"',
    b"1",
    b"[\xff]",
)


@pytest.mark.parametrize("raw", NO_JSON)
def test_what_only_looks_like_json_is_no_answer(raw: bytes) -> None:
    """Commas, colons and names stand where they have to; and an answer is no text or number."""
    assert all(is_refused(iter([raw[:cut], raw[cut:]])) for cut in range(len(raw)))


@pytest.mark.parametrize("endless", [b'["', b'["x", "', b'{"a": "', b'{"'])
def test_p12_one_value_is_bounded(endless: bytes) -> None:
    """An entry, a field or a name that never ends."""
    pieces = iter([endless, *[b"x" * 2**16] * 1_000])
    assert is_refused(pieces)
    assert len([*pieces]) > 800


def test_p12_what_is_kept_is_bounded() -> None:
    """Entries that all matter, without an end."""
    pieces = iter([b"[", *[(b'"' + b"x" * 1_000 + b'",') * 64] * 1_000])
    assert is_refused(pieces)
    assert len([*pieces]) > 800


def test_an_answer_may_be_as_long_as_it_likes_where_little_of_it_matters() -> None:
    """Of 30 MB that say nothing of what was asked, nothing is held."""
    answer = LongAnswer(lambda entry: entry == "mine")
    answer.feed(b'{"number": 30000, "data": ["mine"')
    for _ in range(500):
        answer.feed((b',"' + b"x" * 1000 + b'"') * 60)
    answer.feed(b"]}")
    assert answer.end() == {"number": 30_000, "data": ["mine"]}


def test_what_is_nested_too_deep_is_no_answer() -> None:
    """Deeper than anything of Oden's."""
    assert is_refused(iter([b"[" * 100_000]))
