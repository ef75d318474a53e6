"""Judging requests and answers by the schemas of the document: OpenAPI 3.0 read as JSON Schema, formats included.

How the document is read where it contradicts itself stands in `quirks`, nowhere else; what is here takes it by its
word. It is stricter in one thing: a field that the document does not name is a fault, where it does not say
`additionalProperties: true`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker

from tests.contract.document import Node

Direction = Literal["request", "answer"]


def _time(value: object) -> bool:
    """Times are written one way in the whole API (overview, "Schema")."""
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) is not None


def _uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value.lower()


def _json(value: object) -> bool:
    if isinstance(value, str):
        json.loads(value)
    return True


def _int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


FORMATS = FormatChecker(formats=())
for _name, _fits in {"date-time": _time, "uuid": _uuid, "json": _json, "int32": _int32}.items():
    FORMATS.checks(_name, raises=ValueError)(_fits)


def json_schema(node: Any, direction: Direction) -> Any:
    """A part of the document as JSON Schema: `nullable` is a second type there, and `readOnly` is not for requests."""
    if isinstance(node, list):
        return [json_schema(item, direction) for item in node]
    if not isinstance(node, Mapping):
        return node
    if node.get("readOnly") is True and direction == "request":
        return False
    schema = {key: json_schema(value, direction) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        schema["type"] = [node["type"], "null"]
    if node.get("type") == "object" and "properties" in node:
        schema.setdefault("additionalProperties", False)
    return schema


class Judge:
    """Judges by one reading of the document, in one direction."""

    def __init__(self, source: Node, direction: Direction) -> None:
        self._components = json_schema(source["components"], direction)
        self._direction = direction
        self._validators: dict[str, Draft202012Validator] = {}

    def faults(self, schema: Node, value: object) -> list[str]:
        """What is wrong with `value` by `schema`, a part of the document; empty where it fits. A line each, with its
        place."""
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {"components": self._components, **json_schema(schema, self._direction)}
            self._validators[key] = Draft202012Validator(whole, format_checker=FORMATS)
        return [f"{error.json_path}: {error.message}" for error in self._validators[key].iter_errors(value)]
