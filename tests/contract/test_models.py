"""The models of gateway/oden against the document's schemas: the same names and fields, and every body there and
back."""

import typing
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gateway.oden import exchange, models
from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.errors import InvalidRequest
from gateway.oden.models import Match, Model
from tests.contract.bodies import Made, broken
from tests.contract.document import Example, Node, component_schemas, examples, operations, resolved
from tests.contract.quirks import judge, reading

READ = reading("request")
MADE = Made(READ, {"IntervalType.name": ["RUN", "BATCH", "STATE", "shift"]})
NAMED = sorted(component_schemas().keys() - {"Match"})
MANY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

NOT_NEEDED = {models.Interval: {"type", "line"}, models.GenericError: {"retryable"}}
"""What the document requires and a model does not: in bulk, type and line stand outside (elsewhere `limits` demands
them), and an error without `retryable` is understood all the same."""


def field_name(field: FieldInfo, name: str) -> str:
    return field.alias or name


def models_in(annotation: object) -> set[type[Model]]:
    """The models that a type speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return {annotation}
    return set().union(*map(models_in, typing.get_args(annotation)))


def schemas_in(part: Node) -> tuple[set[str], list[Node]]:
    """The named schemas that a part of the document speaks of, and those without a name that have fields."""
    if "$ref" in part:
        return {part["$ref"].rpartition("/")[2]}, []
    if part.get("type") == "object" and "properties" in part:
        return set(), [part]
    found = [schemas_in(one) for one in (part.get("items", {}), *part.get("oneOf", ()), *part.get("anyOf", ())) if one]
    return set().union(*(names for names, _ in found)), [one for _, some in found for one in some]


def compare(annotation: object, part: Node) -> None:
    """A type and a part of the document speak of the same schemas; those without a name have the same fields, too."""
    names, unnamed = schemas_in(part)
    below = models_in(annotation)
    assert names - {"Match"} <= {one.__name__ for one in below}
    assert ("Match" in names) == (Match in typing.get_args(annotation))
    rest = [one for one in below if one.__name__ not in names]
    assert len(rest) == len(unnamed)
    for model, schema in zip(rest, unnamed, strict=True):
        same(model, schema)


def same(model: type[Model], schema: Node) -> None:
    """`model` has the fields of `schema` and no others, needs the same ones, and each speaks of the same schemas."""
    model.model_rebuild()
    fields = {field_name(field, name): field for name, field in model.model_fields.items()}
    assert fields.keys() == schema["properties"].keys(), model
    needed = {name for name, field in fields.items() if field.is_required()}
    assert needed == set(schema.get("required", ())) - NOT_NEEDED.get(model, set()), model
    for name, field in fields.items():
        compare(field.annotation, schema["properties"][name])


def request_schema(path: str, source: Node) -> Node:
    schema: Node = operations(source)[path]["requestBody"]["content"]["application/json"]["schema"]
    return schema


@pytest.mark.parametrize("name", NAMED)
def test_each_schema_has_a_model_with_its_fields(name: str) -> None:
    """Every named schema of the document is a model of that name, with the same fields, needed ones and schemas
    within."""
    same(getattr(models, name), component_schemas()[name])


def test_match_has_the_values_of_its_schema() -> None:
    """`Match` is no model but a choice: that of its schema, as it is read."""
    assert set(typing.get_args(Match)) == set(READ["components"]["schemas"]["Match"]["enum"])


@pytest.mark.parametrize("path", ENDPOINTS)
def test_each_endpoint_takes_and_gives_what_the_document_says(path: str) -> None:
    """The table's types are the document's: of the request, and of the answer where the document describes one."""
    source, endpoint = reading("answer"), ENDPOINTS[path]
    compare(endpoint.takes, request_schema(path, source))
    content = resolved(source, operations(source)[path]["responses"]["200"]).get("content")
    if content is None:
        assert endpoint.gives is object
    else:
        schema = content["application/json"]["schema"]
        compare(endpoint.gives, schema)
        assert (typing.get_origin(endpoint.gives) is list) == (schema["type"] == "array" if "type" in schema else False)


@pytest.mark.parametrize("example", examples(), ids=str)
def test_each_example_parses_and_comes_back_unchanged(example: Example) -> None:
    """What the document shows goes through the endpoint's model without any change."""
    endpoint = ENDPOINTS[example.path]
    if example.status is None:
        assert endpoint.takes.model_validate(example.value).fields() == example.value
    else:
        (model,) = models_in(endpoint.gives)
        assert [model.answered(one).fields() for one in example.value] == example.value


@pytest.mark.parametrize("name", NAMED)
@MANY
@given(data=st.data())
def test_what_a_schema_admits_its_model_takes(name: str, data: st.DataObject) -> None:
    """Bodies made from a schema parse and come back unchanged, as a request and as an answer."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    body = data.draw(MADE.bodies(schema))
    assume(judge("request").faults(schema, body) == [])
    model = getattr(models, name)
    assert model.model_validate(body).fields() == body
    assert model.answered(body).fields() == body


@pytest.mark.parametrize("path", ENDPOINTS)
@MANY
@given(data=st.data())
def test_what_an_endpoint_admits_its_model_takes(path: str, data: st.DataObject) -> None:
    """Bodies made from an endpoint's request schema parse and come back unchanged."""
    body = data.draw(MADE.bodies(request_schema(path, READ)))
    assume(judge("request").faults(request_schema(path, READ), body) == [])
    assert ENDPOINTS[path].takes.model_validate(body).fields() == body


@pytest.mark.parametrize("path", ENDPOINTS)
@MANY
@given(data=st.data())
def test_any_other_body_is_taken_or_refused_with_a_reason(path: str, data: st.DataObject) -> None:
    """A body with something else in one place is parsed, or refused with the client's own error: never a crash."""
    endpoint = ENDPOINTS[path]
    body = broken(data.draw(MADE.bodies(request_schema(path, READ))), data.draw)
    with suppress(InvalidRequest):
        assert exchange.request(endpoint, body).fields().keys() == body.keys()
    with suppress(ValidationError):
        assert endpoint.takes.answered(body).fields().keys() == body.keys()
