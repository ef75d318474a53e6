"""What is wrong with a JSON Schema, in plain words: what does not fit the standard, what is nearly a keyword, and what
leaves nothing that fits."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.config.near_words import nearest
from gateway.config.patterns import why_no_pattern
from gateway.config.tree import quoted

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_KINDS = {
    "string": "text in double quotes",
    "number": "a number without quotes",
    "integer": "a whole number without quotes",
    "boolean": "true or false without quotes",
    "array": "a list in square brackets: [...]",
    "object": "an object: {...}",
}
_SCHEMA = 'write a schema here, an object such as {"type": "string"}'
_SCHEMA_OR_NOT = f"{_SCHEMA}, or true or false without quotes"
_NAMES_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")
_HOLD_SCHEMAS = ("items", "additionalItems", "dependencies")
_WITHOUT_CHECK = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$id", "id"}
    | {"$defs", "definitions", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$schema", "format"}
    | {"if", "then", "else", "minContains", "maxContains", "contentEncoding", "contentMediaType", "contentSchema"}
)
"""Keywords of the standard that check nothing by themselves."""
_CONDITIONS = ("not", "if")
"""Keywords whose schema may be one that nothing fits: then all fits the schema around it."""
_NEAR = 0.82
_NEAR_FIELD = 0.79
"""How alike a field that is required and one that is not are, of which the one is most likely a slip."""
"""How alike a word and a keyword are of which the one is most likely a slip of the other."""


def why_no_schema(error: Any) -> str:
    """What must stand where the library's `error` says that a schema does not fit the standard."""
    wanted = error.validator_value
    keyword = str(error.absolute_path[-1]) if error.absolute_path else ""
    match error.validator:
        case _ if keyword == "type":
            given = error.instance if isinstance(error.instance, list) else [error.instance]
            wrong = next((str(each) for each in given if each not in TYPES), "")
            near = nearest(wrong, TYPES, 0.5)
            meant = f"; did you mean '{near}'?" if near is not None else ""
            return f"a type is one of {', '.join(TYPES)}, in double quotes, or a list of some{meant}"
        case "type" if isinstance(wanted, list) and "object" in wanted:
            return _SCHEMA_OR_NOT
        case "type" if wanted == "object" and keyword not in {
            "properties",
            "patternProperties",
            "$defs",
            "definitions",
        }:
            return _SCHEMA
        case "type" if isinstance(wanted, str) and wanted in _KINDS:
            return f"write {_KINDS[wanted]}"
        case "anyOf" | "oneOf":
            return _SCHEMA if keyword in _HOLD_SCHEMAS else _SCHEMA_OR_NOT
        case "format" if wanted == "regex":
            return _why_no_pattern(error.instance)
        case "minimum":
            return f"must be at least {wanted}"
        case "exclusiveMinimum":
            return f"must be more than {wanted}"
        case "minItems" | "minProperties":
            return f"this must have at least {wanted}"
        case "uniqueItems":
            return "one of these is there twice; remove it"
        case "enum":
            return f"write one of {', '.join(map(str, wanted))}"
        case "dependencies" | "dependentRequired":
            missing, beside = re.findall(r"'([^']*)'", f"{error.message}''")[:2]
            return f"the keyword '{missing}' is missing, which '{beside}' needs beside it"
    return f"{quoted(error.instance)} cannot stand here in a schema"


def _why_no_pattern(written: object) -> str:
    text, at = (why_no_pattern(written) if isinstance(written, str) else None) or ("", None)
    where = f", from its character {at + 1} on" if at is not None else ""
    return f"this is no pattern (a regular expression){where}{text and f': {text}'}"


_OTHER_WORDS: Mapping[str, tuple[type | tuple[type, ...], Sequence[str]]] = {
    "minimum": ((int, float), ("min", "minvalue", "minval")),
    "maximum": ((int, float), ("max", "maxvalue", "maxval")),
    "minLength": (int, ("minlen", "minchars")),
    "maxLength": (int, ("maxlen", "maxchars", "length")),
    "exclusiveMinimum": ((int, float), ("exclusivemin", "greaterthan", "morethan")),
    "exclusiveMaximum": ((int, float), ("exclusivemax", "lessthan")),
    "minItems": (int, ("minsize", "mincount")),
    "maxItems": (int, ("maxsize", "maxcount")),
    "enum": (list, ("values", "allowed", "allowedvalues", "options", "choices", "possiblevalues")),
    "pattern": (str, ("regex", "regexp", "matches")),
    "properties": (dict, ("fields", "props")),
    "required": ((list, bool), ("mandatory", "requiredfields")),
    "additionalProperties": (bool, ("additional", "allowadditional", "additionalfields", "allowunknown")),
    "items": (dict, ("elements", "itemtype")),
    "multipleOf": ((int, float), ("multiple", "divisibleby")),
    "type": (str, ("datatype",)),
}
"""Keyword -> the words of other tools for it, without signs, and what stands behind them then."""
_MEANT = {word: (keyword, kind) for keyword, (kind, words) in _OTHER_WORDS.items() for word in words}
_OF_TYPE: Mapping[str, Collection[str]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "pattern"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
}
"""Type -> the keywords that check nothing of values of other types."""
_RANGES = (
    ("minimum", "maximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


class Doubt(NamedTuple):
    """What is not meant in `schema`, or one inside it: the word where it stands, and what is said. `certain`: nothing
    can be meant by it."""

    schema: Mapping[str, Any]
    word: str
    text: str
    certain: bool = False


def doubts_of(resource: Any, keywords: Collection[str]) -> Iterator[Doubt]:
    """What a schema, or one inside it, has that means nothing and is nearly one of the `keywords`, or of those that
    check nothing; and what does not fit together."""
    yield from _doubts(resource, keywords, sorted({*keywords, *_WITHOUT_CHECK}))


def _doubts(resource: Any, keywords: Collection[str], known: Sequence[str]) -> Iterator[Doubt]:
    schema = resource.contents
    for word in schema if isinstance(schema, dict) else ():
        if word in known:
            continue
        other, kind = _MEANT.get(re.sub(r"[\W_]", "", word).casefold(), ("", object))
        is_other = other in keywords and other not in schema and isinstance(schema[word], kind)
        meant = other if is_other else nearest(word, known, _NEAR)
        if meant is not None:
            text = f"{quoted(word)} means nothing in a schema, so that it checks nothing; did you mean '{meant}'?"
            yield Doubt(schema, word, text)
    if isinstance(schema, dict):
        yield from _misfits(schema)
    for inner in resource.subresources():
        is_condition = isinstance(schema, dict) and any(inner.contents is schema.get(word) for word in _CONDITIONS)
        found = _doubts(inner, keywords, known)
        yield from (doubt for doubt in found if not (is_condition and doubt.certain))


def _misfits(schema: Mapping[str, Any]) -> Iterator[Doubt]:
    """Keywords of one schema of which one leaves nothing to the other."""
    for low, high in _RANGES:
        least: Any = schema.get(low)
        most: Any = schema.get(high)
        is_without = "exclusive" in low + high
        if _is_number(least) and _is_number(most) and (least > most or (is_without and least == most)):
            text = f"'{low}' leaves nothing below '{high}', so that nothing fits: are they exchanged?"
            yield Doubt(schema, low, text, certain=True)
    types = schema.get("type")
    given = [types] if isinstance(types, str) else types if isinstance(types, list) else list(TYPES)
    if not {*map(str, given)} <= {*TYPES}:  # of an older draft
        return
    for kind, words in _OF_TYPE.items():
        is_of = kind in given or (kind == "number" and "integer" in given)
        for word in words if not is_of else ():
            if word in schema:
                text = f"'{word}' is for {_KINDS_OF[kind]}, and checks nothing where the type is {' or '.join(given)}"
                yield Doubt(schema, word, text)
    for word in ("enum", "const"):
        values = schema.get(word) if word == "enum" else [schema[word]] if word in schema else None
        if isinstance(values, list) and values and not any(_is_of(value, given) for value in values):
            text = f"nothing here is of the type {' or '.join(given)}, so that nothing fits"
            yield Doubt(schema, word, f"{text}: write numbers without quotes, texts with them", certain=True)
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        for name in required:
            others = [other for other in properties if other not in required]
            near = nearest(name, others, _NEAR_FIELD) if name not in properties else None
            if near is not None:
                text = f"{quoted(name)} is required, and among 'properties' stands {quoted(near)}: are these two?"
                yield Doubt(schema, "required", text)


_KINDS_OF = {"number": "numbers", "string": "texts", "array": "arrays", "object": "objects"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of(value: object, types: Collection[str]) -> bool:
    """Whether a value is of one of the `types`."""
    match value:
        case None:
            return "null" in types
        case bool():
            return "boolean" in types
        case int() | float():
            is_whole = isinstance(value, int) or value.is_integer()
            return "number" in types or ("integer" in types and is_whole)
        case str():
            return "string" in types
        case list():
            return "array" in types
    return "object" in types
