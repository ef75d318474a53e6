"""Bodies, by hypothesis: everything that a schema of the document admits, and everything that a model of ours lets a
caller build."""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from gateway.oden.models import Model
from gateway.oden.models.base import JsonText
from tests.contract.document import Node, resolved

Known = Mapping[str, Sequence[object]]
"""`Schema`, or `Schema.property`, -> values that it shall have more often than others; a schema without a name goes by
its place."""

Bodies = st.SearchStrategy[Any]

TEXT = st.text(max_size=12)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALAR, lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXT, one, max_size=3), max_leaves=5
)
TIME = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(  # noqa: DTZ001 - the format adds UTC
    lambda moment: f"{moment.replace(microsecond=0, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0")
)
FORMATS: dict[str, Bodies] = {
    "date-time": TIME,
    "uuid": st.uuids().map(str),
    "json": st.sampled_from(["{}", '{"a": [1, null]}', "3"]),
    "int32": st.integers(-(2**31), 2**31 - 1),
}
TYPES: dict[str, Bodies] = {
    "string": TEXT,
    "integer": st.integers(),
    "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
}


class Made:
    """Strategies for the parts of one reading of the document."""

    def __init__(self, source: Node, known: Known | None = None) -> None:
        self._source = source
        self._known = known or {}
        self._components: dict[str, Bodies] = {}

    def bodies(self, schema: Node, owner: str = "") -> Bodies:
        """Values that `schema` admits, but for rules between its fields (`allOf`), which the caller has to look
        after."""
        if "$ref" in schema:
            return self._component(schema["$ref"])
        made = self._plain(schema, owner)
        return st.none() | made if schema.get("nullable") is True else made

    def _component(self, ref: str) -> Bodies:
        if ref not in self._components:
            schema = resolved(self._source, {"$ref": ref})
            name = ref.rpartition("/")[2]
            made = st.deferred(lambda: self.bodies(schema, name))
            self._components[ref] = self._rather(self._known.get(name), made)
        return self._components[ref]

    def _plain(self, schema: Node, owner: str) -> Bodies:
        for several in ("anyOf", "oneOf"):
            if several in schema and "properties" not in schema:
                return st.one_of([self.bodies(one, owner) for one in schema[several]])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "format" in schema and schema["format"] in FORMATS:
            return FORMATS[schema["format"]]
        if schema.get("type") == "array":
            return st.lists(self._field(owner, schema["items"]), max_size=3)
        if schema.get("type") == "object":
            return self._object(schema, schema.get("title", owner))
        return TYPES[schema["type"]]

    def _object(self, schema: Node, owner: str) -> Bodies:
        properties: dict[str, Node] = schema.get("properties", {})
        fields = {name: self._field(f"{owner}.{name}", one) for name, one in properties.items()}
        choices = [
            set(schema.get("required", ())) | set(one["required"]) for one in schema.get("anyOf", ({"required": ()},))
        ]
        made = st.one_of(
            [
                st.fixed_dictionaries(
                    {name: fields[name] for name in sorted(needed)},
                    optional={name: one for name, one in fields.items() if name not in needed},
                )
                for needed in choices
            ]
        )
        if "properties" in schema and schema.get("additionalProperties") is not True:
            return made
        more = st.dictionaries(TEXT.filter(lambda name: name not in properties), JSON, max_size=2)
        return st.builds(lambda extra, named: {**extra, **named}, more, made)

    def _field(self, place: str, schema: Node) -> Bodies:
        return self._rather(self._known.get(place), self.bodies(schema, place))

    def _rather(self, known: Sequence[object] | None, made: Bodies) -> Bodies:
        """Mostly one of what is `known`."""
        return st.integers(0, 3).flatmap(lambda one: st.sampled_from(known) if one else made) if known else made


def requests(model: type[Model]) -> Bodies:
    """Requests that `model` lets a caller build, whatever the document says.

    Left out is what a caller has from Oden and does not make up: ids are UUIDs, whole numbers fit 32 bits, and there is
    no `metadata_type`. Nulls are left out too: to send one is to say so.
    """
    model.model_rebuild()
    given = {name: field.annotation for name, field in model.model_fields.items() if name != "metadata_type"}
    fields = {name: _typed(annotation, name) for name, annotation in given.items()}
    needed = {name: made for name, made in fields.items() if model.model_fields[name].is_required()}
    optional = {name: made for name, made in fields.items() if name not in needed}
    made = st.fixed_dictionaries(needed, optional=optional).map(lambda given: _built(model, given))
    return made.filter(lambda one: one is not None)


def _built(model: type[Model], given: dict[str, Any]) -> Model | None:
    """None where the model refuses it."""
    try:
        return model(**given)
    except ValidationError:
        return None


def _typed(annotation: Any, name: str) -> Bodies:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is JsonValue:
        return JSON
    if annotation == JsonText:
        return FORMATS["json"] | FORMATS["json"] | TEXT
    if origin is typing.Annotated:
        return _typed(inner[0], name)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_typed(one, name) for one in inner if one is not type(None)])
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is list:
        return st.lists(_typed(inner[0], name), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, _typed(inner[1], name), max_size=3)
    if issubclass(annotation, Model):
        return st.deferred(lambda: requests(annotation))
    return _PLAIN[annotation] if annotation is not str or name not in _IDS else FORMATS["uuid"]


_IDS = ("id", "ids", "product_ids", "product_attribute_value_ids", "scrap_categories")
_PLAIN: dict[Any, Bodies] = {
    str: TEXT | st.sampled_from(["RUN", "BATCH", "STATE"]),
    int: FORMATS["int32"],
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.timezones()),
}


def broken(whole: Any, draw: Callable[[Bodies], Any]) -> Any:
    """`whole` with another value at one place of it, or with one more field."""
    if isinstance(whole, list) and whole and draw(st.booleans()):
        place = draw(st.integers(0, len(whole) - 1))
        return [*whole[:place], broken(whole[place], draw), *whole[place + 1 :]]
    if isinstance(whole, dict) and whole and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(whole)))
        return {**whole, name: broken(whole[name], draw)}
    if isinstance(whole, dict) and draw(st.booleans()):
        return {**whole, draw(TEXT): draw(JSON)}
    return draw(JSON)
