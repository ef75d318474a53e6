"""JSON Schemas of messages: what fits, what is said of what does not, and which schemas are refused."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.startup import read_config
from gateway.config.message_schemas import (
    LONGEST_MATCHED,
    LONGEST_REMEMBERED,
    MOST_REMEMBERED,
    MOST_VALUES,
    MessageSchema,
    SchemaFlaw,
)
from gateway.config.patterns import repeats_too_much
from gateway.errors import ConfigError
from tests.config.command import check, written

SCRAP = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["qty"],
    "properties": {
        "qty": {"$ref": "#/$defs/amount"},
        "weight": {"multipleOf": 0.01},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
        "rejects": {"type": "array", "uniqueItems": True, "items": {"properties": {"qty": {"type": "integer"}}}},
        "from": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["press"]}]},
        "press": {"properties": {"press": {"$ref": "#/properties/press"}}},
    },
    "$defs": {"amount": {"type": "integer", "minimum": 0}},
}


def schema(document: Any) -> MessageSchema:
    return MessageSchema("scrap.json", json.dumps(document))


def said(why: str) -> str:
    return f"the message does not fit scrap.json{why}"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"qty": 3, "code": "AB-123", "other": None}, None),
        ({"qty": 3.0}, None),
        ({"qty": -3}, " at qty: -3 is less than the minimum of 0"),
        ({}, ": 'qty' is a required property"),
        ("3", ": '3' is not of type 'object'"),
        (None, ": None is not of type 'object'"),
        ({"qty": 1, "weight": 0.07}, None),
        ({"qty": 1, "weight": 1e300}, None),
        ({"qty": 1, "weight": 0.075}, " at weight: 0.075 is not a multiple of 0.01"),
        ({"qty": 1, "code": "AB-12"}, " at code: 'AB-12' does not match '^[A-Z]{2}-[0-9]{3}$'"),
        ({"qty": 1, "code": "A" * 501}, " at code: 501 characters are too many for a pattern to be looked for in them"),
        ({"qty": 1, "rejects": [{"qty": 1}, {"qty": "x"}]}, " at rejects[1].qty: 'x' is not of type 'integer'"),
        ({"qty": 1, "rejects": [{"a": 1}, {"a": True}, {"a": 2}]}, None),
        ({"qty": 1, "rejects": [{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]}, " at rejects: an element comes twice"),
        ({"qty": 1, "from": {"line": 1}}, " at from: 'press' is a required property"),
        ({"qty": 1, "names": {"n" * 501: 1}}, ": it has a name of more than 500 characters"),
        ({"qty": 1, "parts": [0] * MOST_VALUES}, ": it has more than 10,000 values"),
    ],
)
def test_where_a_message_does_not_fit_and_why(message: object, why: str | None) -> None:
    """The place as the configuration writes it; the first reason, of alternatives that of the nearest."""
    assert schema(SCRAP).misfit(message) == (None if why is None else said(why))


@pytest.mark.parametrize("version", ["3", "4", "6", "7"])
def test_older_drafts(version: str) -> None:
    """A schema says by `$schema` by which draft it is written."""
    old = schema({"$schema": f"http://json-schema.org/draft-0{version}/schema#", "items": [{"type": "integer"}]})
    assert old.misfit([1]) is None
    assert old.misfit(["x"]) == said(" at [0]: 'x' is not of type 'integer'")


@pytest.mark.parametrize(
    ("document", "at", "why"),
    [
        ([1], "", "a schema of messages is an object"),
        ({"type": "strin"}, "type", "a type is one of string, number, .*; did you mean 'string'"),
        ({"type": ["string", "none"]}, "type", "a type is one of .*or a list of some"),
        ({"properties": {"a": {"minimum": "x"}}}, "properties.a.minimum", "write a number without quotes"),
        ({"properties": ["a"]}, "properties", "write an object: {...}"),
        ({"properties": {"a": "string"}}, "properties.a", 'write a schema here, an object such as {"type": "string"}'),
        ({"required": "qty"}, "required", "write a list in square brackets"),
        ({"required": ["qty", "qty"]}, "required", "there twice"),
        ({"additionalProperties": "false"}, "additionalProperties", "or true or false without quotes"),
        ({"minLength": -1}, "minLength", "must be at least 0"),
        ({"multipleOf": 0}, "multipleOf", "must be more than 0"),
        ({"uniqueItems": "true"}, "uniqueItems", "write true or false without quotes"),
        ({"anyOf": []}, "anyOf", "this must have at least 1"),
        ({"pattern": "a("}, "pattern", "no pattern (a regular expression), from its character 2 on"),
        ({"$schema": "https://acme.example/v9"}, "$schema", "this version of JSON Schema is not known"),
        ({"$schema": 7}, "$schema", "this version of JSON Schema is not known"),
        ({"$ref": "#/$defs/none"}, "$ref", "refers to what is not in the file: #/$defs/none"),
        (
            {"items": {"$ref": "https://acme.example/s.json"}},
            "items.$ref",
            "not in the file: https://acme.example/s.json",
        ),
        ({"items": {"$ref": "other.json"}}, "items.$ref", "not in the file: other.json"),
        ({"$ref": "#"}, "", "refers to itself without end"),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, "properties.a.pattern", "could take for ever: ^(a+)+$"),
        ({"patternProperties": {"a*b*c*d*e": {}}}, "patternProperties.a*b*c*d*e", "could take for ever: a*b*c*d*e"),
    ],
)
def test_schemas_that_are_refused(document: object, at: str, why: str) -> None:
    """What is wrong with a schema, or would make it look elsewhere or take for ever, is said when it is read."""
    with pytest.raises(SchemaFlaw, match=re.escape(why).replace(r"\.\*", ".*")) as refused:
        schema(document)
    assert ".".join(str(part) for part in refused.value.at if part is not None) == at


@pytest.mark.parametrize("version", ["3", "4", "6", "7"])
@pytest.mark.parametrize(
    "document",
    [{"minimum": "0"}, {"items": 3}, {"properties": ["a"]}, {"pattern": "("}, {"minLength": -1}],
)
def test_older_drafts_are_refused_in_plain_words(version: str, document: dict[str, Any]) -> None:
    """Nothing of what the library says of itself is shown, by whichever draft the schema is written."""
    with pytest.raises(SchemaFlaw) as refused:
        schema({"$schema": f"http://json-schema.org/draft-0{version}/schema#", **document})
    assert not re.search(r"valid under|is not of type|is not a 'regex'|less than", str(refused.value))


@pytest.mark.parametrize(
    ("pattern", "too_much"),
    [
        ("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", False),
        (r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(\.\d+)?$", False),
        (r"^\(+[a-z]*\)+$", False),
        (r"^(\d{1,3}\.){3}$", True),
        ("(a|a)*", True),
        ("a{1,}b{2,9}c+d*", True),
    ],
)
def test_which_patterns_repeat_too_much(pattern: str, *, too_much: bool) -> None:
    """What is repeated so many times exactly takes no time."""
    assert repeats_too_much(pattern) is too_much


def test_references_inside_the_file() -> None:
    """Names that a schema gives its parts ($id, $anchor) are found, also from inside a part with a name of its own."""
    document = {
        "$id": "https://acme.example/scrap.json",
        "properties": {"a": {"$ref": "amount.json"}, "b": {"$ref": "#whole"}},
        "$defs": {
            "amount": {"$id": "amount.json", "$ref": "#/$defs/n", "$defs": {"n": {"minimum": 0}}},
            "whole": {"$anchor": "whole", "type": "integer"},
        },
    }
    assert schema(document).misfit({"a": -1}) == said(" at a: -1 is less than the minimum of 0")
    assert schema(document).misfit({"b": 1.5}) == said(" at b: 1.5 is not of type 'integer'")


def test_p12_no_message_takes_for_ever() -> None:
    """The largest ones that are looked at, with what costs most: elements that are compared, a pattern with its
    repeats, alternatives inside each other. Measured against the same work on a hundredth of it, not by the clock."""
    document = {
        "uniqueItems": True,
        "items": {"anyOf": [{"type": "string"}, {"properties": {"a": {"pattern": "[a-z]*[a-z]*$"}}}]},
    }
    asked = schema(document)

    def cost(elements: int) -> float:
        begun = time.process_time()
        assert asked.misfit([{"a": f"{number}a"} for number in range(elements)]) is None
        return time.process_time() - begun

    cost(40)
    assert cost(4_000) < 1_000 * max(cost(40), 0.0005)  # 100 times where it is linear, 10,000 where each meets each
    deep: object = {"qty": 1}
    for _ in range(800):
        deep = {"press": deep}
    assert schema(SCRAP).misfit({"qty": 1, "press": deep}) in (None, said(": it is nested too deeply"))
    assert LONGEST_MATCHED <= 500


def test_two_schemas_of_one_text_are_equal() -> None:
    """So that a reload sees what has changed."""
    assert schema(SCRAP) == schema(SCRAP)
    assert hash(schema(SCRAP)) == hash(schema(SCRAP))
    assert schema(SCRAP) != schema({})
    assert schema(SCRAP) != SCRAP


CONFIG = """oden: {token: none}
sources: {floor: {type: mqtt, url: "mqtt://127.0.0.1:1", client_id: edge}}
templates:
  line:
    inputs:
      order: {source: floor, topic: "${n}/order", field: number}
      scrap: {source: floor, topic: "${n}/scrap", json_schema: schemas/scrap.json}
    run: {key: order, product: "{order}"}
    scrap_yield: {entries: [{count: scrap.qty, raw_data: {scrap: "{n}"}}]}
lines:
  - {factory: F, line: L1, use: line, with: {n: 1}}
  - {factory: F, line: L2, use: line, with: {n: 2}}
"""


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        (None, "gateway.yaml:7:64", "there is no such file"),
        ('{"type": ', "schemas/scrap.json:1:10", "the file ends before"),
        ('{\n  "type": "strin"\n}', "schemas/scrap.json:2:11", "did you mean 'string'"),
        ('{"properties": {\n  "qty": {"pattern": "(a+)+"}}}', "schemas/scrap.json:2:22", "could take for ever"),
        ("[]", "schemas/scrap.json:1:1", "a schema of messages is an object"),
    ],
)
def test_p10_a_wrong_schema_is_refused_with_its_place(tmp_path: Path, text: str | None, where: str, why: str) -> None:
    """Once, however many lines name it; the path is taken from the folder of the configuration."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG)
    if text is not None:
        (tmp_path / "schemas").mkdir()
        (tmp_path / "schemas/scrap.json").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_config(file, {})
    [diagnostic] = refused.value.diagnostics
    assert diagnostic.where == f"{tmp_path}/{where}"
    assert why in diagnostic.text


def test_p10_a_word_that_is_nearly_a_keyword_is_warned_of(tmp_path: Path) -> None:
    """It would check nothing. A keyword of the user's own is right, and so is the name of a field."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG)
    (tmp_path / "schemas").mkdir()
    own = '"x-unit": "m", "unit": "m", "properties": {"typ": {"minimum": 0}, "requires": {}}'
    text = f'{{"requierd": ["qty"], {own}, "$defs": {{"a": {{"typ": "string"}}}}}}'
    (tmp_path / "schemas/scrap.json").write_text(text)
    told = [(doubt.where, doubt.text) for doubt in read_config(file, {})[0].warnings]
    places = [f"{tmp_path}/schemas/scrap.json:1:{text.index(word) + 1}" for word in ('"requierd"', '"typ": "s')]
    assert [where for where, _ in told] == places
    assert ["'required'" in told[0][1], "'type'" in told[1][1]] == [True, True]


def test_a_changed_schema_is_another_plan(tmp_path: Path) -> None:
    """What is stored by the plan's digest is not taken for that of another schema."""
    file, schema_file = tmp_path / "gateway.yaml", tmp_path / "schemas/scrap.json"
    file.write_text(CONFIG)
    schema_file.parent.mkdir()
    digests = set()
    for text in ("{}", '{"minimum": 1}', "{}"):
        schema_file.write_text(text)
        loaded, plans = read_config(file, {})
        assert loaded.schemas[schema_file].text == text
        assert len({plan.inputs["scrap"].schema for plan in plans}) == 1
        digests.add(plans[0].digest)
    assert len(digests) == 2


def test_what_was_asked_before_is_answered_again_and_what_only_looks_like_it_is_not() -> None:
    """1 equals true and 1.0 in Python, and is something else in a schema; what is remembered is bounded."""
    schema = MessageSchema("order.json", '{"properties": {"n": {"type": "boolean"}}}')
    for _ in range(2):
        assert schema.misfit({"n": True}) is None
        assert schema.misfit({"n": 1}) == "the message does not fit order.json at n: 1 is not of type 'boolean'"
        assert schema.misfit({"n": 1.0}) == "the message does not fit order.json at n: 1.0 is not of type 'boolean'"
    for number in range(3 * MOST_REMEMBERED):
        schema.misfit({"n": number})
        schema.misfit({"n": "x" * (LONGEST_REMEMBERED + number)})
    assert len(schema._answers) <= MOST_REMEMBERED
    assert max(map(len, schema._answers)) <= LONGEST_REMEMBERED


DOUBTS = (
    ('{"properties": {"qty": {▲"min": 0}}}', "did you mean 'minimum'"),
    ('{"properties": {"qty": {▲"Max": 10}}}', "did you mean 'maximum'"),
    ('{"properties": {"qty": {▲"minValue": 0}}}', "did you mean 'minimum'"),
    ('{"properties": {"lot": {▲"length": 8}}}', "did you mean 'maxLength'"),
    ('{"properties": {"lot": {▲"max_len": 8}}}', "did you mean 'maxLength'"),
    ('{"properties": {"lot": {▲"regex": "^A"}}}', "did you mean 'pattern'"),
    ('{"properties": {"lot": {▲"values": ["A"]}}}', "did you mean 'enum'"),
    ('{▲"fields": {"lot": {}}}', "did you mean 'properties'"),
    ('{▲"mandatory": ["lot"]}', "did you mean 'required'"),
    ('{▲"allowAdditional": false}', "did you mean 'additionalProperties'"),
    ('{▲"dataType": "object"}', "did you mean 'type'"),
    ('{"properties": {"code": {"type": "string", ▲"minimum": 0}}}', "'minimum' is for numbers"),
    ('{"type": "array", ▲"required": ["qty"]}', "'required' is for objects"),
    ('{"properties": {"quantity": {}}, ▲"required": ["quantitiy"]}', "stands 'quantity': are these two"),
    ('{"properties": {"at": {}, "qty": {}}, ▲"required": ["att"]}', "stands 'at': are these two"),
)
CERTAIN = (
    ('{"properties": {"qty": {"minimum": ▲10, "maximum": 5}}}', "leaves nothing below 'maximum'"),
    ('{"properties": {"qty": {"exclusiveMinimum": ▲5, "maximum": 5}}}', "so that nothing fits"),
    ('{"minLength": ▲9, "maxLength": 3}', "are they exchanged"),
    ('{"minItems": ▲9, "maxItems": 3}', "are they exchanged"),
    ('{"type": "integer", "enum": ▲["1", "2"]}', "nothing here is of the type integer"),
    ('{"type": "string", "const": ▲7}', "nothing here is of the type string"),
)
FITTING = (
    {"type": "string", "length": "of the label", "unit": "m", "values": {"a": 1}, "options": {}, "x-min": 0},
    {"properties": {"min": {"type": "number"}, "fields": {}, "regex": {}}, "required": ["min"]},
    {"not": {"minimum": 5, "maximum": 3}},
    {"if": {"properties": {"qty": {"minLength": 5, "maxLength": 3}}}, "then": False},
    {"minimum": 5, "maximum": 5, "minLength": 0, "maxLength": 0},
    {"type": ["integer", "null"], "minimum": 0, "enum": [1, 2.0, None, "unknown"]},
    {"type": ["number", "string"], "pattern": "^A", "minimum": 0},
    {"properties": {"order": {}, "orders": {}}, "required": ["order", "sku"]},
    {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 5, "exclusiveMinimum": True},
    {"$schema": "http://json-schema.org/draft-03/schema#", "type": "any", "properties": {"a": {"required": True}}},
)


@pytest.mark.parametrize(("marked", "why"), [*DOUBTS, *CERTAIN])
def test_p10_a_schema_that_checks_nothing_or_that_nothing_fits(tmp_path: Path, marked: str, why: str) -> None:
    """What other tools call otherwise, and what is for another type, is warned of at its place; what nothing can fit is
    refused."""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/scrap.json").write_text(marked.replace("▲", ""))
    try:
        told, is_certain = read_config(file, {})[0].warnings, False
    except ConfigError as error:
        told, is_certain = error.diagnostics, True
    assert [one.where for one in told] == [f"{tmp_path}/schemas/scrap.json:1:{marked.index('▲') + 1}"]
    assert why in told[0].text
    assert is_certain == ((marked, why) in CERTAIN)


@pytest.mark.parametrize("document", FITTING, ids=str)
def test_p10_a_schema_that_is_right_has_no_doubts(document: dict[str, Any]) -> None:
    assert [*schema(document).doubts] == []


def test_p10_a_number_that_is_larger_than_any_is_compared_like_others() -> None:
    """A schema of another program may hold one."""
    assert [*MessageSchema("scrap.json", '{"type": "integer", "enum": [1e400, 5]}').doubts] == []
    with pytest.raises(SchemaFlaw, match="nothing here is of the type integer"):
        MessageSchema("scrap.json", '{"type": "integer", "enum": [1e400, 0.5]}')


COUNTED = """\
oden: {token: "${secret:oden_token}"}
sources: {floor: {type: mqtt, url: "mqtt://broker", client_id: edge-01}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      scrap: {source: floor, topic: plant-a/L01/scrap, json_schema: scrap.json, time: at}
      lot: {source: floor, topic: plant-a/L01/lot, field: number}
    run: {key: lot, product: "{lot}"}
    scrap_yield: {entries: [{count: scrap.qty, raw_data: {scrap: "{n}"}}]}
"""


@pytest.mark.parametrize(
    ("fields", "more", "where", "words"),
    [
        ({"qty": {"type": "integer"}, "at": {}}, {}, None, ""),
        ({"at": {}}, {}, None, ""),
        ({"quantity": {}, "at": {}}, {"additionalProperties": False}, "10:37", "no message that fits scrap.json has"),
        ({"typ": {}, "at": {}}, {}, None, ""),
        ({"qyt": {}, "at": {}}, {}, "10:37", "knows 'qyt', and no field 'qty'"),
        ({"qty": {"type": "string"}, "at": {}}, {}, "10:37", "write `number: text` in the input 'scrap'"),
        ({"qty": {"type": ["string", "integer"]}, "at": {}}, {}, None, ""),
        ({"qty": {}, "date": {}}, {"additionalProperties": False}, "7:87", "has the field 'at'"),
        ({"at": {}}, {"additionalProperties": False, "allOf": [{"properties": {"qty": {}}}]}, None, ""),
    ],
)
def test_p10_fields_that_the_schema_has_otherwise(
    fields: Any, more: Any, where: str | None, words: str, tmp_path: Path
) -> None:
    """What an input looks for in messages that, as the schema says, have it not."""
    path = written(tmp_path / "c", COUNTED)
    document = {"type": "object", "properties": fields, **more}
    path.with_name("scrap.json").write_text(json.dumps(document), encoding="utf-8")
    problems = check(path).problems
    assert len(problems) == (where is not None)
    assert all(f"gateway.yaml:{where}: warning: " in problem and words in problem for problem in problems)
