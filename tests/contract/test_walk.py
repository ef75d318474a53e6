"""From client to stand-in and back: every example is accepted, every request and answer fits, and nothing is left
out."""

import pytest

from gateway.oden.errors import NotFound, Unauthorized
from tests.contract.document import Example, component_schemas, operations, request_examples
from tests.contract.stage import OURS
from tests.contract.walk import Walk

PLACEHOLDERS = {
    "interval/delete: Delete a Run interval by ID",
    "interval/delete: Delete a State interval by ID",
    "interval/delete: Delete a Batch interval by ID",
}
"""Examples whose id is a text that asks to be replaced: there is no such interval."""

REQUESTS = [*request_examples(), *OURS]


@pytest.mark.parametrize("example", REQUESTS, ids=str)
def test_each_example_is_accepted(walked: Walk, example: Example) -> None:
    """The stand-in takes the request, the client its answer; a placeholder for an id is not found."""
    _, error = walked.made[str(example)]
    if str(example) in PLACEHOLDERS:
        assert isinstance(error, NotFound)
    else:
        assert error is None


@pytest.mark.parametrize("example", REQUESTS, ids=str)
def test_each_example_is_on_the_wire_as_it_is_written(walked: Walk, example: Example) -> None:
    """What the client sends of an example is the example; it and the answer fit the document."""
    exchange, _ = walked.made[str(example)]
    assert exchange.request == example.value
    assert exchange.faults() == []


@pytest.mark.parametrize("path", operations())
def test_each_endpoint_refuses_another_token(walked: Walk, path: str) -> None:
    """401, with the body that the document describes, and the error that says so."""
    exchange, error = walked.refused[path]
    assert exchange.status == 401
    assert exchange.faults() == []
    assert isinstance(error, Unauthorized)


def test_nothing_is_left_out(walked: Walk) -> None:
    """Every endpoint gave a success, every named schema had a value in a request or an answer, and every example was
    sent."""
    assert operations().keys() - walked.endpoints() == set()
    assert component_schemas().keys() - walked.schemas() == set()
    assert {str(one) for one in request_examples()} - walked.made.keys() == set()
