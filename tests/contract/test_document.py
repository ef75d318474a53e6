"""The document itself, and how it is read: `quirks` makes its own examples fit its schemas, and holds nothing that is
not needed."""

import pytest

from gateway.oden.endpoints import ENDPOINTS
from tests.contract.document import document, examples, operations, overview, request_examples, resolved
from tests.contract.judge import Judge
from tests.contract.quirks import QUIRKS, UNDESCRIBED, Quirk, answer_faults, faults, request_faults


def test_the_document_has_the_endpoints_of_the_overview_and_eight_newer_ones() -> None:
    """The overview text lists 27 endpoints; the OpenAPI document has these and eight more."""
    assert len(overview()) == 27
    assert overview() <= operations().keys()
    assert len(operations()) == 35


def test_the_table_of_endpoints_is_the_documents() -> None:
    """The client's table has every endpoint of the document and no other, with its parameter in the address."""
    assert ENDPOINTS.keys() == operations().keys()
    parameters = {
        path: [resolved(document(), one)["name"] for one in operation.get("parameters", ())] or [None]
        for path, operation in operations().items()
    }
    assert {path: [endpoint.query] for path, endpoint in ENDPOINTS.items()} == parameters


def test_every_answer_that_the_document_leaves_open_is_named() -> None:
    """Where a success has no schema, `quirks` says what the stand-in answers; where it has one, that counts."""
    successes = {path: resolved(document(), one["responses"]["200"]) for path, one in operations().items()}
    assert {path for path, one in successes.items() if "content" not in one} == UNDESCRIBED.keys()


def test_as_published_17_of_69_request_examples_break_the_schemas() -> None:
    """The count that the quirks are measured by: taken by its word, the document refuses 17 of its own 69 request
    examples."""
    by_its_word = Judge(document(), "request")
    schemas = {path: one["requestBody"]["content"]["application/json"]["schema"] for path, one in operations().items()}
    broken = {str(one) for one in request_examples() if by_its_word.faults(schemas[one.path], one.value)}
    assert (len(request_examples()), len(broken)) == (69, 17)
    assert broken == set().union(*(quirk.examples for quirk in QUIRKS))


def test_as_read_every_example_fits() -> None:
    """With the quirks, all 69 request examples and the one answer example fit their schemas, in every field they
    name."""
    wrong = {str(one): found for one in examples() if (found := faults(one))}
    assert wrong == {}


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_each_quirk_is_needed(quirk: Quirk) -> None:
    """Without one quirk, exactly the examples that it names break, and every request that shows it; with it, none."""
    broken = {str(one) for one in request_examples() if faults(one, quirk.name)}
    assert broken == quirk.examples
    assert quirk.examples or quirk.shown
    for one in quirk.shown:
        assert faults(one, quirk.name)
        assert faults(one) == []


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("factory/search", 200, {"name": "Factory A"}),
        ("factory/search", 200, [{"name": 1}]),
        ("factory/search", 200, [{"colour": "red"}]),
        ("factory/search", 200, [{"id": "1"}]),
        ("factory/search", 200, [{"name": None}]),
        ("interval/search", 200, [{"type": {"name": "RUN"}}]),
        ("interval/search", 200, [{"type": {}, "line": {}, "start_time": "2026-11-02T08:00:00.5Z"}]),
        ("interval/search", 200, [{"type": {}, "line": {}, "metadata": {"product": {}}}]),
        ("scrap_yield/set", 200, {"raw_data": "no JSON"}),
        ("scrap_yield/search", 200, [{"match": "ALL"}]),
        ("product/search", 404, {"error": "none", "retryable": False}),
        ("line/search", 404, {"error": "none"}),
        ("line/search", 400, {"error": "no", "retryable": False}),
    ],
)
def test_an_answer_that_does_not_fit_is_found(path: str, status: int, answer: object) -> None:
    """Another shape or type, a field, null or status that is not listed, a time or id of another form, metadata without
    its type."""
    assert answer_faults(path, status, answer)


@pytest.mark.parametrize(
    ("path", "request_body"),
    [
        ("interval/set", {"line": {}}),
        ("interval/set", {"type": {"name": "STATE"}, "line": {}, "metadata": {"category": "Uptime"}}),
        ("intervals/set", {"type": {"name": "shift"}, "intervals": [{"start_time": "8 o'clock"}]}),
        ("scrap_yield/delete", {"interval": {"type": {}}}),
        ("maintenance_work_order/set", {"metadata": "no JSON"}),
        ("oql/query", {}),
    ],
)
def test_a_request_that_does_not_fit_is_found(path: str, request_body: object) -> None:
    """What is required is missing, what is known of the metadata is wrong, a time or a text that holds JSON is none."""
    assert request_faults(path, request_body)
