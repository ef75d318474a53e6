"""Fields of messages that an input names, and that the JSON Schema which these messages have to fit does not know, or
knows as something else."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.config.message_schemas import Schemas
from gateway.config.near_words import one_slip_of_fields
from gateway.config.schema import Line
from gateway.config.schema_io import Input
from gateway.config.schema_messages import OwnTime
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_ELSEWHERE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"})
"""Keywords by which a schema may know more fields than those that it lists."""


def find_unfit_fields(line: Line, loc: Loc, schemas: Schemas) -> Iterator[ConfigFault]:
    """The fields that `line`, which stands at `loc`, looks for in messages of which `schemas` say otherwise."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    amounts: dict[str, list[tuple[Loc, str]]] = {}
    for index, entry in enumerate(entries):
        name, way = entry.amount
        if len(way) == 1:
            amounts.setdefault(name, []).append(((*loc, "scrap_yield", "entries", index, "count"), way[0]))
    for name, given in line.inputs.items():
        schema = schemas.get(given.json_schema) if given.json_schema is not None else None
        if schema is None or given.split is not None or "+" in (given.topic or ""):
            continue  # what the schema is asked about has other fields than the message
        document: Any = json.loads(schema.text)
        fields = document.get("properties") if isinstance(document, dict) else None
        if not isinstance(fields, dict) or not _ELSEWHERE.isdisjoint(document):
            continue
        at: Loc = (*loc, "inputs", name)
        counted = amounts.get(name, [])
        for place, path in (*_named(given, at), *counted):
            if path not in fields and path.isidentifier():
                near = next((each for each in fields if one_slip_of_fields(path, each)), None)
                meant = f"; did you mean {quoted(near)}?" if near is not None else ""
                if document.get("additionalProperties") is False:
                    text = f"no message that fits {schema.name} has the field {quoted(path)}{meant}"
                    yield ConfigFault(place, text, warning=True, rests_on=(at,))
                elif near is not None:
                    text = f"{schema.name} knows {quoted(near)}, and no field {quoted(path)}: is that one meant?"
                    yield ConfigFault(place, text, warning=True, rests_on=(at,))
        for place, path in counted if given.number is None else ():
            field = fields.get(path)
            if isinstance(field, dict) and field.get("type") == "string":
                text = f"by {schema.name} {quoted(path)} is text, of which nothing is counted: write `number: text` in"
                yield ConfigFault(place, f"{text} the input {quoted(name)}", warning=True, rests_on=(at,))


def _named(given: Input, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The fields that an input itself names, but for those by which it takes only some messages."""
    if given.field is not None:
        yield (*loc, "field"), given.field
    if given.time_field is not None:
        yield ((*loc, "time", "field") if isinstance(given.time, OwnTime) else (*loc, "time")), given.time_field
