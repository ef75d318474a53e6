"""Values from the plant: text, numbers, fields, and what makes one unusable."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.values import (
    ABSENT,
    EXCERPT,
    LONGEST,
    excerpt,
    find,
    flaw,
    number,
    number_in,
    text,
    text_remedy,
    total,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("A 1", "A 1"),
        (5, "5"),
        (5.0, "5"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        (1e300, "1e+300"),
    ],
)
def test_text_is_what_a_person_would_write(value: str | float | None, written: str) -> None:
    """Whole numbers carry no `.0`, booleans are words, nothing is empty."""
    assert text(value) == written


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (3, 3),
        (3.0, 3),
        (2.5, 2.5),
        (2**64 - 1, 2**64 - 1),
        (10**400, None),
        (1e300, None),
        (True, None),
        ("3", None),
        (None, None),
    ],
)
def test_number_takes_amounts_only(value: object, amount: float | None) -> None:
    """Text and booleans are no amounts, nor is what a PLC's numbers cannot hold; a whole float is an int."""
    assert number(value) == amount
    assert type(number(value)) is type(amount)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), {"a": {"b": None}}),
        (("a",), {"b": None}),
        (("a", "b"), None),
        (("a", "c"), ABSENT),
        (("a", "b", "c"), None),
        (("a", "d", "c"), ABSENT),
    ],
)
def test_find_tells_null_from_absent(path: tuple[str, ...], expected: object) -> None:
    """A field that says null is there, and nothing is in it; one below a field that is missing is not there."""
    assert find({"a": {"b": None}}, path) == expected


@pytest.mark.parametrize("value", [None, 5, "text", [1]])
def test_find_has_no_field_in_what_is_no_message(value: object) -> None:
    assert find(value, ("a",)) is ABSENT


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, "finite"),
        (-math.inf, "finite"),
        (2**64, "64 bits"),
        ("\ud800", "Unicode"),
        ({"a": ["\udfff"]}, "Unicode"),
        ({"\ud800": 1}, "Unicode"),
        ({1: 2}, "name"),
        (b"raw", "bytes"),
        ([object()], "object"),
        ("x" * (LONGEST + 1), "longer"),
        (["x" * 100] * 200, "longer"),
    ],
)
def test_flaw_says_why_a_value_cannot_be_used(value: object, problem: str) -> None:
    """Everything that JSON or its other readers could not hold is named."""
    assert problem in (flaw(value) or "")


@pytest.mark.parametrize(
    "item",
    [
        None,
        False,
        1 - 2**64,
        -1.7976931348623157e308,
        "",
        "x",
        "\0",
        "\x7f",
        "\U0001f600",
        [],
        {},
        [[]],
        {"\U0001f600": {}},
    ],
    ids=ascii,
)
def test_flaw_tells_the_first_message_that_is_too_long(item: object) -> None:
    """However much longer something is as JSON than it looks: what just fits has no flaw, and one element more has."""
    most = (LONGEST - len("[]") + len(", ")) // (len(json.dumps(item)) + len(", "))
    assert len(json.dumps([item] * most)) <= LONGEST < len(json.dumps([item] * (most + 1)))
    assert flaw([item] * most) is None
    assert "longer" in (flaw([item] * (most + 1)) or "")


def test_flaw_refuses_deep_nesting() -> None:
    """A message nested a thousand times is refused, not followed to the end of the stack."""
    deep: object = 1
    for _ in range(1000):
        deep = [deep]
    assert "deep" in (flaw(deep) or "")
    assert excerpt(deep)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_flaw_passes_what_json_holds(value: object) -> None:
    """What is JSON, and of a sensible size, has no flaw, and its excerpt is short text."""
    assert flaw(value) is None
    assert len(excerpt(value)) <= EXCERPT
    excerpt(value).encode()


@pytest.mark.parametrize("value", [pytest.param(10**5000, id="huge"), "\ud800" * 500, object(), {(1, 2): 3}, math.nan])
def test_excerpt_shows_anything(value: object) -> None:
    """Whatever a source hands over can be shown in a notice and stored."""
    json.dumps(excerpt(value), ensure_ascii=False).encode()
    assert len(excerpt(value)) <= EXCERPT


@given(st.lists(st.integers(0, 10**6).map(lambda tenths: tenths / 10), max_size=200))
def test_total_of_floats_does_not_drift(amounts: list[float]) -> None:
    """Tenths add up to tenths, however many there are."""
    assert round(total(amounts), 9) == round(sum(round(amount * 10) for amount in amounts) / 10, 9)


@pytest.mark.parametrize("value", ["1,5", "1 234", "1'234", "1,234.5", "1.234,5", "1.234.567", " -12,5 "])
@pytest.mark.parametrize("has_key", [True, False])
def test_a_number_as_people_write_it_is_not_guessed_at(value: str, has_key: bool) -> None:
    """Which sign is for decimals is not known: what would help is said."""
    assert number_in(value) is None
    assert "has a decimal point" in text_remedy(value, has_key=has_key)


@pytest.mark.parametrize(
    ("value", "remedy"), [("1.5", "; it is text: write `number: text`"), ("many", ""), ("1, 2 and 3", ""), ("", "")]
)
def test_other_texts_need_the_key_or_nothing_helps(value: str, remedy: str) -> None:
    assert text_remedy(value, has_key=False) == remedy
    assert text_remedy(value, has_key=True) == ""
