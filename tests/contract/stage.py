"""A stand-in that holds what the examples of the document name, and requests for what has no example."""

import json

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import (
    Dashboard,
    Factory,
    Line,
    MetricGroup,
    Module,
    Organization,
    QualitySchema,
    derived_id,
    factory_id,
    type_id,
)
from tests.contract.document import Example

SHARED = "2fc8b5e5-fb88-48a7-9c35-4a763206608c"
"""The examples' id of a factory, of its Line 01, of a product and of a type of intervals."""
COMMON = "0012ab4d-1234-123a-8c76-6ea2344be6df"
"""The examples' id of another line, of another product and of a work order."""
OTHER = "0012ab4d-1234-123a-8c76-6ea9904be6df"
"""The examples' id of a factory and of a metric group."""
RECORD = "16a8fa1f-ba0a-4040-81c9-ac4dd054bdbb"
"""The examples' id of a record of output and of a quality test."""
LONG_NAME = "line name (name only also requires factory)"

DASHBOARD = Dashboard(
    "Overview", (Module("Shifts", "SELECT name, start_time FROM 'operator id'"), Module("Broken", "not a query"))
)
PLANT = Organization(
    factories=(
        Factory(
            "Factory A",
            ("Line 01", "Line 02", "Line 03"),
            secondary_name="Factory A Secondary",
            secondary_names=(("Line 01", "Line 01 Secondary"),),
        ),
        Factory("Factory E", ("Line 01",)),
        Factory("Factory N", (LONG_NAME,)),
    ),
    interval_types=("operator id",),
    products=("Film 20", "EX0PRODNAME", "2AFBCA5E"),
    metric_groups=(MetricGroup("metric group name"),),
    quality_schemas=(QualitySchema("23", "Factory A"), QualitySchema("66", "Factory E")),
    dashboards=(DASHBOARD,),
    ids={
        ("factory", SHARED): factory_id("Factory A"),
        ("factory", "e32d004e-ce8b-40bf-bbc1-14fd907d2f47"): factory_id("Factory E"),
        ("factory", OTHER): factory_id("Factory N"),
        ("line", SHARED): Line("Factory A", "Line 01").id,
        ("line", "4787d6fb-f01e-405b-a38d-db23e32fa0d1"): Line("Factory A", "Line 02").id,
        ("line", COMMON): Line("Factory A", "Line 03").id,
        ("interval_type", SHARED): type_id("operator id"),
        ("interval_type", "e07da9a8-f2fd-480c-a315-d4c84fcac08c"): type_id("BATCH"),
        ("product", SHARED): derived_id("product", 1),
        ("product", COMMON): derived_id("product", 2),
        ("product", "b5da7b1f-3c16-5084-a5da-95b2eba5a4db"): derived_id("product", 3),
        ("metric_group", OTHER): MetricGroup("metric group name").id,
        ("scrap_yield", "a4356a39-212b-4846-aa1d-08f4a5d3c296"): derived_id("scrap_yield", 1),
        ("scrap_yield", RECORD): derived_id("scrap_yield", 2),
        ("quality_test", RECORD): derived_id("quality_test", 1),
        ("quality_tests", RECORD): derived_id("quality_test", 1),
        ("maintenance_work_order", COMMON): derived_id("maintenance_work_order", 1),
    },
)

LINE = {"name": "Line 01", "factory": {"name": "Factory A"}}
RUN, BATCH, STATE, CUSTOM = ({"type": {"name": name}} for name in ("RUN", "BATCH", "STATE", "operator id"))
UPTIME, IDLE = ({"metadata": {"category": {"name": name}}} for name in ("Uptime", "No Data"))
APRIL_6, APRIL_10, MAY_7 = (
    {"start_time": time} for time in ("2021-04-06T07:36:00Z", "2021-04-10T02:35:00Z", "2022-05-07T08:00:22Z")
)
"""In milliseconds and hexadecimal these are the ids 178a61c0f00, 178b9a1ec20 and 1809d88adf0."""
FIRST_BATCH = {**BATCH, "line": LINE, "id": "178b9a1ec20"}

MADE: tuple[tuple[str, object], ...] = (
    ("interval/set", {**RUN, "line": LINE, **APRIL_10, "metadata": {"product": {"id": SHARED}}}),
    ("interval/set", {**BATCH, "line": LINE, **APRIL_10}),
    ("interval/set", {**BATCH, "line": LINE, **MAY_7, "name": "example-batch-interval"}),
    ("interval/set", {**BATCH, "line": {"name": "Line 01", "factory": {"name": "Factory E"}}, **APRIL_6}),
    ("interval/set", {**STATE, "line": LINE, **APRIL_6, **UPTIME}),
    ("interval/set", {**STATE, "line": LINE, **APRIL_6, **IDLE}),
    ("interval/set", {**STATE, "line": {"id": "4787d6fb-f01e-405b-a38d-db23e32fa0d1"}, **APRIL_6, **UPTIME}),
    ("interval/set", {**CUSTOM, "line": LINE, **MAY_7, "name": "Ann"}),
    ("interval/set", {**CUSTOM, "line": LINE, **MAY_7, "name": "Bob"}),
    ("scrap_yield/set", {"interval": FIRST_BATCH, "data": {"raw_data": {"scrap": 1}}}),
    ("scrap_yield/set", {"interval": FIRST_BATCH, "data": {"raw_data": {"yield": 2}}}),
    (
        "quality_test/set",
        {
            "interval": {**BATCH, "line": LINE, "id": "1809d88adf0"},
            "raw_data": {"fdr": "1"},
            "timestamp": "2022-05-07T09:00:00Z",
        },
    ),
    ("product_mapping/set", {"line": {"id": SHARED}, "product": {"name": "2AFBCA5E"}}),
    (
        "product_attribute/set",
        {
            "product": {"name": "2AFBCA5E"},
            "name": "cable_color",
            "display_name": "Cable Color",
            "value": "Blue",
        },
    ),
    ("target/set", {"line": {"id": COMMON}, "metric_group": {"id": OTHER}, "product": {"id": COMMON}, "lsl": 1}),
    (
        "maintenance_work_order/set",
        {"name": "Belt", "external_id": "MWO-12345", "line": {"id": COMMON}, "started_at": "2021-04-05T08:00:00Z"},
    ),
)  # fmt: skip
"""What was there before, as requests."""

BEFORE: dict[str, tuple[str, object]] = {
    "interval_type/set: create": ("interval_type/delete", {"id": SHARED}),
}
"""What must not be there before an example, though others name it."""

OURS = (
    Example("product/search", "ours, by name", {"name": "2AFBCA5E"}),
    Example("quality_tests/delete", "ours, by ids", {"ids": [RECORD]}),
    Example("oql/query", "ours", {"query": "SELECT * FROM BATCH"}),
    Example(
        "dashboard/execute",
        "ours, with filters",
        {
            "dashboard": {"id": DASHBOARD.id},
            "range": {"start": "2022-05-04T08:00:04Z", "end": "2022-05-10T08:00:04Z"},
            "filters": {
                "lines": [{"name": "Line 01"}],
                "shifts": [1],
                "product_ids": [COMMON],
                "states": {"state_types": ["uptime"], "state_category_and_reasons": [{"state_category": 1}]},
                "custom_intervals": [{"type": "operator id", "value_contains": "a"}],
            },
        },
    ),
    Example(
        "scrap_yield/set",
        "ours, with its schema",
        {
            "interval": FIRST_BATCH,
            "data": {
                "raw_data": '{"scrap": 3}',
                "schema": {"scrap_conversion_factor": 0.5, "scrap_unit": {"id": 1, "symbol": "kg"}},
                "timestamp": "2022-06-15T08:00:00Z",
            },
        },
    ),
)
"""Requests for the endpoints that have no example, and for the schemas that no example holds."""


def stand_in(example: Example | None = None) -> OdenModel:
    """A fresh one, as it must be before `example`."""
    model = OdenModel(PLANT)
    for path, body in (*MADE, *([BEFORE[str(example)]] if str(example) in BEFORE else ())):
        answer = model.answer(f"/v2/{path}", json.dumps(body).encode())
        if answer.status != 200:
            raise AssertionError(f"{path} {body}: {answer.body}")
    return model
