"""Patterns: inputs in braces, and what a table says of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.templates import NumberTemplate, Reference, filled, parse
from gateway.model import Lookup, Scalar

KNOWN: dict[str, Scalar] = {"order": "A1", "state": 7.0, "speed": 2.5, "scrap.code": "Splice", "on": True, "blank": " "}


def resolve(reference: Reference) -> Scalar:
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
    rendered = parse(pattern).render(resolve)
    assert rendered == result
    assert type(rendered) is type(result)


@pytest.mark.parametrize(
    ("pattern", "result"), [("{state}", "7"), ("{blank}", None), (" {order} ", "A1"), ("{no}", None)]
)
def test_words(pattern: str, result: str | None) -> None:
    """As text, blanks around are dropped and nothing but blanks is not known."""
    assert parse(pattern).text_of(resolve) == result


@pytest.mark.parametrize("pattern", ["{", "}", "a{b", "{}", "{1}", "{a b}", "{a.}", "{a{b}}", "{ order }"])
def test_braces_without_a_name_are_refused(pattern: str) -> None:
    """What is no placeholder is refused with a sentence that shows the right way."""
    with pytest.raises(ValueError, match="write"):
        parse(pattern)


@given(st.text())
def test_escaped_text_renders_as_itself(text: str) -> None:
    """Any text can be written, with its braces doubled."""
    assert parse(text.replace("{", "{{").replace("}", "}}")).render(resolve) == text


def test_references_are_listed() -> None:
    """A pattern says which inputs and fields it needs."""
    assert parse("{a} b {c.d.e}").references == (Reference("a"), Reference("c", ("d", "e")))


LOOKUPS = {"products": Lookup(frozenset({"name", "weight kg"}), {"100": {"name": "Pipe", "weight kg": 1.5}, "7": {}})}


def render(pattern: str, **values: Scalar) -> Scalar:
    """The pattern filled in with `values` by the names of inputs and fields."""
    return parse(pattern, LOOKUPS).render(lambda reference: values.get(str(reference).replace(".", "_")))


@pytest.mark.parametrize(
    ("pattern", "values", "result"),
    [
        ("{products[sku].name}", {"sku": "100"}, "Pipe"),
        ("{products[sku].name}", {"sku": 100}, "Pipe"),
        ("{products[sku].name}", {"sku": 100.0}, "Pipe"),
        ("{products[job.sku].name} of {job.number}", {"job_sku": 100, "job_number": 5}, "Pipe of 5"),
        ("{products[sku].weight kg}", {"sku": 100}, 1.5),
        ("{products[sku].name}", {"sku": "100   "}, "Pipe"),
        ("{products[sku].name}", {"sku": "101"}, None),
        ("{products[sku].name}", {"sku": 7}, None),
        ("{products[sku].name}", {}, None),
        ("a {products[sku].name}", {"sku": "101"}, None),
        ("{{products[sku].name}}", {}, "{products[sku].name}"),
    ],
)
def test_what_a_table_says(pattern: str, values: dict[str, Scalar], result: Scalar) -> None:
    """The cell of the row for the input's value, with its type; not known where input, row or cell is missing."""
    assert render(pattern, **values) == result


def test_a_pattern_depends_on_the_input_that_is_looked_up() -> None:
    """The input between the brackets is one that the pattern has to be filled in again for."""
    assert parse("{products[job.sku].name} {line}", LOOKUPS).references == (
        Reference("job", ("sku",)),
        Reference("line"),
    )


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{product[sku].name}", "did you mean 'products'"),
        ("{products[sku].nam}", "did you mean 'name'"),
        ("{products[].name}", "name of an input"),
        ("{products[a b].name}", "name of an input"),
        ("{products[sku]}", "not a placeholder"),
    ],
)
def test_wrong_look_ups(pattern: str, words: str) -> None:
    """A table, column or input that cannot be is refused with a sentence."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(pattern, LOOKUPS)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "values", "expected"),
    [
        ("{alarms[status].text|{status}}", {"status": 7}, "Door"),
        ("{alarms[status].text|{status}}", {"status": 9}, 9),
        ("Alarm {alarms[status].text|no. {status}}!", {"status": 9}, "Alarm no. 9!"),
        ("{alarms[status].text|unknown}", {"status": None}, "unknown"),
        ("{order|none}", {"order": ""}, "none"),
        ("{order|none}", {"order": 0}, 0),
        ("{order|}", {"order": None}, ""),
        ("{order|{status}}", {"order": None, "status": None}, None),
        ("{alarms[status].text|{order|none}}", {"status": 9, "order": ""}, "none"),
        ("{alarms[status].text|{alarms[order].text|{status}}}", {"status": 9, "order": 7}, "Door"),
        ("{alarms[status].text|{alarms[order].text|{status}}}", {"status": 9, "order": 8}, 9),
    ],
)
def test_what_stands_behind_a_bar_is_for_what_is_not_known(
    pattern: str, values: dict[str, Scalar], expected: Scalar
) -> None:
    """A look-up or an input with a default: a text, or other inputs, whose type stays where they stand alone."""
    alarms = Lookup(frozenset({"text"}), {"7": {"text": "Door"}})
    parsed = parse(pattern, {"alarms": alarms})
    assert parsed.render(lambda reference: values.get(reference.input)) == expected


@pytest.mark.parametrize(
    "pattern",
    ["{order|{sku}", "{order|{}}", "{|x}", "{alarms[status].txt|x}", "{order|{sku}|x}", "{order|x|y}"],
)
def test_a_default_is_checked_as_the_rest(pattern: str) -> None:
    """Braces, names and columns, before and behind the bar."""
    with pytest.raises(ValueError, match=r"."):
        parse(pattern, {"alarms": Lookup(frozenset({"text"}), {})})


@pytest.mark.parametrize(
    ("pattern", "speed", "result"),
    [
        ("12.5", None, 12.5),
        ("{speed|40}", None, 40),
        ("{speed|40}", 7, 7),
        ("{speed}", "-2.5", -2.5),
        ("{speed}", "5 m", None),
    ],
)
def test_a_number_may_be_written_as_text(pattern: str, speed: Scalar, result: Scalar) -> None:
    """As behind a bar; what is no number is left out."""
    assert filled(NumberTemplate(parse(pattern)), lambda _: speed) == result
