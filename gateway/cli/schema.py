"""`oden-gateway schema`: the configuration file as a JSON Schema, for editors: they complete keys, show what each
means, mark what cannot be.

It is made from the same models that read the file, and says less than they do: whatever `oden-gateway check` takes, it
takes too. What the file may have beside the models: keys that are worked in before (`include`, `templates`, `use`, …);
`${NAME}`, which stands for a value of any kind; mappings and lists that are in a table, `{file: tags.csv}`; null for
what a line leaves out of its template. And a line that uses a template need not be whole, so that nothing is demanded.
"""

import argparse
import json
from typing import Any

from pydantic import BaseModel

from gateway.config.schema import Config, LineKeys, Template, TopLevelKeys

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "oden-gateway"

_PARAMETER: Schema = {"type": "string", "pattern": r"\$\{"}
"""A value that is filled in when the file is read."""
_TABLE: Schema = {"type": "string", "description": "The rows of this table, beside what stands here."}
_SCALAR = ["string", "number", "boolean"]
"""What YAML takes for a number or a truth value is text where text is meant."""


def json_schema() -> Schema:
    """The schema of a whole file, or of one that others include."""
    whole = Config.model_json_schema()
    parts = {**whole["$defs"], **TopLevelKeys.model_json_schema().get("$defs", {})}
    line = _with_keys(parts["Line"], LineKeys)
    template = _with_keys({**line, "description": str(Template.__doc__)}, Template)
    properties = {**whole["properties"], **TopLevelKeys.model_json_schema()["properties"]}
    properties["templates"] = {
        "type": "object",
        "description": str(TopLevelKeys.model_fields["templates"].description),
        "additionalProperties": {"$ref": "#/$defs/Template"},
    }
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": str(Config.__doc__),
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _lenient(value) for key, value in properties.items()},
        "$defs": {name: _lenient(part) for name, part in {**parts, "Line": line, "Template": template}.items()},
    }


def _with_keys(section: Schema, more: type[BaseModel]) -> Schema:
    """A section that may also have the keys of `more`."""
    return {**section, "properties": {**section["properties"], **more.model_json_schema()["properties"]}}


def _lenient(schema: Any) -> Any:
    """`schema` as the file may have it: with parameters, scalars as text, and nothing that has to be there."""
    if isinstance(schema, list):
        return [_lenient(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _part(key, value) for key, value in schema.items() if key not in {"required", "title", "default"}}
    kind = made.get("type")
    if "enum" in made or "const" in made or kind in {"integer", "number", "boolean"}:
        about = {key: made.pop(key) for key in ("description",) if key in made}
        return {**about, "anyOf": [made, _PARAMETER]}
    rows = made.get("additionalProperties")
    names = made.pop("patternProperties", {})  # of mappings whose keys are names
    for pattern, value in names.items():
        made["propertyNames"], rows = {"pattern": pattern}, value
    if kind == "object" and isinstance(rows, dict):
        made["additionalProperties"] = {"anyOf": [rows, {"type": "null"}]}
        made["properties"] = {"file": {"anyOf": [_TABLE, rows, {"type": "array"}]}}
        return {"anyOf": [made, _PARAMETER]}
    if kind == "array":
        return {"anyOf": [made, {"type": "object", "properties": {"file": _TABLE}}, _PARAMETER]}
    if kind == "string":
        # A pattern, and a least length, are said of text alone, so that they still hold there.
        made["type"] = _SCALAR
        if "pattern" in made:
            made["pattern"] = f"(?:{made['pattern']})|{_PARAMETER['pattern']}"
    return made


def _part(key: str, value: Any) -> Any:
    if key in {"properties", "patternProperties", "$defs"}:
        return {name: _lenient(part) for name, part in value.items()}
    if key in {"enum", "const", "discriminator", "description", "type", "pattern"}:
        return value
    return _lenient(value)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `schema`."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of the configuration file, for editors",
        description="Prints the JSON Schema of the configuration file. An editor that knows YAML and JSON Schema then "
        "completes keys, shows what they mean, and marks what cannot be. `oden-gateway check` finds more.",
        epilog="example:\n  oden-gateway schema > gateway.schema.json\n"
        "  and as the first line of gateway.yaml:\n"
        "  # yaml-language-server: $schema=gateway.schema.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(call=_schema)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(json_schema(), indent=1, ensure_ascii=False))
    return 0
