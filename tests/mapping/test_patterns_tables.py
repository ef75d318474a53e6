"""Placeholders that are looked up in a table."""

import pytest

from gateway.mapping.patterns import Reference, parse
from gateway.model import Lookup, Scalar

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
