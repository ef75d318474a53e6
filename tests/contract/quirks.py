"""How the document is read where it contradicts itself. The one place: what is not here is taken by its word.

Each quirk changes the document into what is meant, names the examples of the document that break its own schemas
without that, and, where no example shows it, gives requests and answers of ours that do. A quirk that nothing needs
makes a test fail.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

from tests.contract.document import Example, Node, document, operations, resolved
from tests.contract.judge import Direction, Judge


@dataclass(frozen=True, slots=True)
class Quirk:
    """One contradiction: what the document says, how it is read, and what shows that this is needed."""

    name: str
    says: str
    read: str
    change: Callable[[Node], None]
    examples: frozenset[str] = frozenset()
    """Request examples that break without it, as `object/action: name`."""
    shown: tuple[Example, ...] = ()
    """Requests, and answers with a status, of ours that break without it."""
    answers: bool = False
    """Whether answers are read so too; requests are."""


LINE = {"id": "2fc8b5e5-fb88-48a7-9c35-4a763206608c"}
METADATA = {"RUN": "RunMetadata", "BATCH": "BatchMetadata", "STATE": "StateMetadata"}


def _schemas(source: Node) -> Node:
    schemas: Node = source["components"]["schemas"]
    return schemas


def _ref(schema: str) -> Node:
    return {"$ref": f"#/components/schemas/{schema}"}


def _by_type(then: Callable[[Node], Node]) -> list[Node]:
    """`then` of the metadata's schema, for each name that the field `type` may hold; nothing for a type that has no
    name there."""
    named: Node = {"properties": {"type": {"required": ["name"]}}, "required": ["type"]}
    rules: list[Node] = [
        {"if": {**named, "properties": {"type": {"required": ["name"], "properties": {"name": {"const": name}}}}},
         "then": then(_ref(schema))}
        for name, schema in METADATA.items()
    ]  # fmt: skip
    custom = {"type": {"required": ["name"], "properties": {"name": {"not": {"enum": list(METADATA)}}}}}
    return [*rules, {"if": {**named, "properties": custom}, "then": then(_ref("CustomMetadata"))}]


def _metadata_by_type(source: Node) -> None:
    interval = _schemas(source)["Interval"]
    metadata = interval["properties"]["metadata"]
    metadata["anyOf"] = metadata.pop("oneOf")
    interval["allOf"] = _by_type(lambda ref: {"properties": {"metadata": ref}})
    for bulk in ("IntervalBulkCreate", "IntervalBulkUpdate"):
        _schemas(source)[bulk]["allOf"] = _by_type(
            lambda ref: {"properties": {"intervals": {"items": {"properties": {"metadata": ref}}}}}
        )


def _bulk_items(source: Node) -> None:
    item = {key: value for key, value in _schemas(source)["Interval"].items() if key != "required"} | {
        "title": "Interval"
    }
    for bulk in ("IntervalBulkCreate", "IntervalBulkUpdate"):
        _schemas(source)[bulk]["properties"]["intervals"]["items"] = deepcopy(item)


def _output_deleted_by_line(source: Node) -> None:
    content = operations(source)["scrap_yield/delete"]["requestBody"]["content"]["application/json"]
    content["schema"]["properties"]["interval"] = {
        **deepcopy(_schemas(source)["Interval"]),
        "required": ["line"],
        "title": "Interval",
    }


def _or(other: Node, *places: tuple[str, str]) -> Callable[[Node], None]:
    """In `places` (schema, property), `other` is as good as what is declared."""

    def apply(source: Node) -> None:
        for schema, name in places:
            properties = _schemas(source)[schema]["properties"]
            properties[name] = {"anyOf": [properties[name], other]}

    return apply


def _match_in_capitals(source: Node) -> None:
    _schemas(source)["Match"]["enum"].append("ALL")


def _metadata_type_sent(source: Node) -> None:
    for schema in (*METADATA.values(), "CustomMetadata"):
        del _schemas(source)[schema]["properties"]["metadata_type"]["readOnly"]


QUIRKS = (
    Quirk(
        "metadata is not one of four",
        "An interval's metadata fits exactly one of four schemas, told apart by `metadata_type`. But all four admit any"
        " field, and the examples leave `metadata_type` out.",
        "The name of the interval's type says which schema it is; in bulk, the type beside the list. A type known by"
        " its id alone, or none: any of them.",
        _metadata_by_type,
        examples=frozenset(
            {
                "interval/set: Create a Run, full schema",
                "interval/set: Create a Run, full schema, with target",
                "interval/set: Create a Run, UUIDs only",
                "interval/set: Create a Run, names only",
                "interval/set: Create a Run with a corresponding deletion example",
                "interval/set: Create a State with a corresponding deletion example",
                "interval/update: Update a Run interval's product",
                "interval/update: Update a Run interval with target",
                "interval/update: Update a State interval",
                "intervals/update: Update multiple State intervals",
            }
        ),
    ),
    Quirk(
        "metadata_type is sent back",
        "`metadata_type` is for answers only (readOnly).",
        "Nothing of ours adds it to a request, but metadata that was read may be sent back as it is.",
        _metadata_type_sent,
        shown=(
            Example(
                "interval/update",
                "what was read, sent back",
                {
                    "id": "178b9a1ec20",
                    "type": {"name": "BATCH"},
                    "line": LINE,
                    "metadata": {"metadata_type": "batch", "colour": "red"},
                },
            ),
        ),
    ),
    Quirk(
        "in bulk, type and line stand outside",
        "Every interval needs `type` and `line`; those of a bulk request are intervals, and its examples give both"
        " once, outside.",
        "The intervals of a bulk request need neither.",
        _bulk_items,
        examples=frozenset(
            {
                "intervals/set: Create a set of intervals",
                "intervals/update: Update multiple custom intervals",
                "intervals/update: Update multiple State intervals",
            }
        ),
    ),
    Quirk(
        "output is deleted without the interval's type",
        "`scrap_yield/delete` takes an interval, which needs `type`; its description and example name the line alone.",
        "The line is enough.",
        _output_deleted_by_line,
        examples=frozenset({"scrap_yield/delete: Delete scrap yield record by id and line"}),
    ),
    Quirk(
        "a text that holds JSON is an object",
        "`raw_data` of scrap and yield, and `schema` of a quality schema, are texts that hold JSON; every example of"
        " `raw_data` is an object.",
        "Either, for both.",
        _or({"type": "object"}, ("ScrapYieldData", "raw_data"), ("QualitySchema", "schema")),
        examples=frozenset(
            {
                "scrap_yield/set: Create new scrap/yield record",
                "scrap_yield/set: Update existing scrap/yield record",
            }
        ),
        shown=(
            Example("scrap_yield/set", "the record, as the stand-in answers it", {"raw_data": {"scrap": 1}}, "200"),
            Example("quality_schema/search", "a schema as an object", [{"id": "66", "schema": {}}], "200"),
        ),
        answers=True,
    ),
    Quirk(
        "ALL is all",
        "`match` is written small; one example writes `ALL`.",
        "`ALL` is taken too, and means `all`.",
        _match_in_capitals,
        examples=frozenset({"scrap_yield/search: Search for scrap yield data by interval"}),
    ),
    Quirk(
        "a work order's metadata is a text",
        "`metadata` of a maintenance work order is an object; one of its two examples gives a text that holds one.",
        "Either, in requests. Answers give an object.",
        _or({"type": "string", "format": "json"}, ("MaintenanceWorkOrder", "metadata")),
        examples=frozenset({"maintenance_work_order/set: Create a maintenance work order"}),
    ),
)


UNDESCRIBED: dict[str, Node] = {
    "product/set": _ref("Product"),
    "scrap_yield/set": _ref("ScrapYieldData"),
    "scrap_yield/delete": _ref("ScrapYieldData"),
    **{
        path: {"type": "array", "items": _ref(schema)}
        for path, schema in {
            "product/delete": "Product",
            "product_mapping/set": "ProductMapping",
            "scrap_yield/search": "ScrapYieldData",
            "quality_schema/search": "QualitySchema",
            "quality_test/search": "QualityTest",
            "quality_test/set": "QualityTest",
            "quality_test/delete": "QualityTest",
            "quality_tests/delete": "QualityTest",
        }.items()
    },
    "oql/query": {},
}
"""Endpoints whose success the document leaves open, and what the stand-in answers there."""


@cache
def judge(direction: Direction, without: str | None = None) -> Judge:
    """By the document as it is meant, but for the quirk `without`."""
    return Judge(reading(direction, without), direction)


@cache
def reading(direction: Direction, without: str | None = None) -> Node:
    """The document as it is meant in `direction`, but for the quirk `without`."""
    source = deepcopy(document())
    for quirk in QUIRKS:
        if quirk.name != without and (quirk.answers or direction == "request"):
            quirk.change(source)
    return source


def request_faults(path: str, body: object, without: str | None = None) -> list[str]:
    """What is wrong with `body` as a request to `path` (`object/action`)."""
    content = operations(reading("request", without))[path]["requestBody"]["content"]["application/json"]
    return judge("request", without).faults(content["schema"], body)


def answer_faults(path: str, status: int, body: object, without: str | None = None) -> list[str]:
    """What is wrong with an answer of `path` (`object/action`); a status that the document does not list is wrong
    too."""
    source = reading("answer", without)
    answers = operations(source)[path]["responses"]
    if str(status) not in answers:
        return [f"{status} is not among the answers of {path}: {', '.join(answers)}"]
    content = resolved(source, answers[str(status)]).get("content")
    schema = content["application/json"]["schema"] if content else UNDESCRIBED[path]
    return judge("answer", without).faults(schema, body)


def faults(example: Example, without: str | None = None) -> list[str]:
    """What is wrong with a request or an answer."""
    if example.status is None:
        return request_faults(example.path, example.value, without)
    return answer_faults(example.path, int(example.status), example.value, without)
