"""What is wrong with a JSON Schema, in plain words: what does not fit the standard, and what is nearly a keyword."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from gateway.config.error_messages import nearest
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
_NEAR = 0.82
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
    for pattern in [written] if isinstance(written, str) else []:
        try:
            re.compile(pattern)
        except re.error as error:
            return f"this is no pattern (a regular expression), from its character {(error.pos or 0) + 1} on"
    return "this is no pattern (a regular expression)"


def near_keywords(resource: Any, keywords: Collection[str]) -> Iterator[tuple[Any, str, str]]:
    """What a schema, or one inside it, has that means nothing and is nearly one of the `keywords`, or of those that
    check nothing: the schema, the word, and what is said."""
    known = {*keywords, *_WITHOUT_CHECK}
    for word in resource.contents if isinstance(resource.contents, dict) else ():
        meant = nearest(word, sorted(known), _NEAR) if word not in known else None
        if meant is not None:
            text = f"{quoted(word)} means nothing in a schema, so that it checks nothing; did you mean '{meant}'?"
            yield resource.contents, word, text
    for inner in resource.subresources():
        yield from near_keywords(inner, keywords)
