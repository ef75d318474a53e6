"""Patterns: inputs in braces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.patterns import Reference, parse
from gateway.model import Scalar

KNOWN: dict[str, Scalar] = {"order": "A1", "state": 7.0, "speed": 2.5, "scrap.code": "Splice", "on": True, "blank": " "}


def look(reference: Reference) -> Scalar:
    return KNOWN.get(str(reference))


@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        ("Auto reject", "Auto reject"),
        ("{order}", "A1"),
        ("{state}", 7.0),
        ("{on}", True),
        ("PLC code {state}", "PLC code 7"),
        ("{speed} m/s", "2.5 m/s"),
        ("{order}/{scrap.code}", "A1/Splice"),
        ("{{{order}}} {{x}}", "{A1} {x}"),
        ("{unknown}", None),
        ("{order} {unknown}", None),
        ("", ""),
    ],
)
def test_render(pattern: str, result: Scalar) -> None:
    """Placeholders are filled in, a lone one keeps its type, one that is not known leaves the whole unknown."""
    rendered = parse(pattern).render(look)
    assert rendered == result
    assert type(rendered) is type(result)


@pytest.mark.parametrize(
    ("pattern", "result"), [("{state}", "7"), ("{blank}", None), (" {order} ", "A1"), ("{no}", None)]
)
def test_words(pattern: str, result: str | None) -> None:
    """As text, blanks around are dropped and nothing but blanks is not known."""
    assert parse(pattern).words(look) == result


@pytest.mark.parametrize("pattern", ["{", "}", "a{b", "{}", "{1}", "{a b}", "{a.}", "{a{b}}", "{ order }"])
def test_braces_without_a_name_are_refused(pattern: str) -> None:
    """What is no placeholder is refused with a sentence that shows the right way."""
    with pytest.raises(ValueError, match="write"):
        parse(pattern)


@given(st.text())
def test_escaped_text_renders_as_itself(text: str) -> None:
    """Any text can be written, with its braces doubled."""
    assert parse(text.replace("{", "{{").replace("}", "}}")).render(look) == text


def test_references_are_listed() -> None:
    """A pattern says which inputs and fields it needs."""
    assert parse("{a} b {c.d.e}").references == (Reference("a"), Reference("c", ("d", "e")))
