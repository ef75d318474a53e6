"""Made bodies for every endpoint of the stand-in: plausible ones, such with one wrong place, and garbage."""

import json
from typing import Any

from hypothesis import strategies as st

from gateway.simulator.oden.store import (
    Dashboard,
    MetricGroup,
    Module,
    Organization,
    QualitySchema,
    ScrapYieldSchema,
    derived_id,
    type_id,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=10)

LINE = st.sampled_from([{"name": f"Line {number:02}", "factory": {"name": "Factory A"}} for number in (1, 2)])
TIME = st.sampled_from([f"2021-04-04T08:00:0{second}Z" for second in range(4)])
IDS = st.sampled_from([format(1_617_523_200_000 + 1000 * second + more, "x") for second in range(4) for more in (0, 1)])


def known(kind: str) -> st.SearchStrategy[str]:
    """The id of one of the first things that are made of a kind, or none."""
    return st.sampled_from([*(derived_id(kind, number) for number in (1, 2, 3)), "x"])


NAMES = st.sampled_from(["a", "b", "\ud800", "ö/\n"])
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "product": st.fixed_dictionaries({"name": NAMES}),
        "category": st.fixed_dictionaries({"name": st.sampled_from(["Uptime", "No Data", "Holiday"])}),
        "reason": st.fixed_dictionaries({}, optional={"name": NAMES, "id": st.integers(0, 2)}),
        "target": st.none() | st.just({}),
    },
)
MATCH = st.sampled_from(["unique", "all", "ALL", "first", "last", "unique", "some"])
INTERVAL = st.fixed_dictionaries(
    {"type": st.fixed_dictionaries({"name": st.sampled_from(["RUN", "STATE", "BATCH", "shift"])}), "line": LINE},
    optional={"id": IDS, "name": NAMES, "start_time": TIME, "end_time": TIME, "metadata": METADATA, "match": MATCH},
)
OUTPUT = st.fixed_dictionaries(
    {"interval": INTERVAL},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "raw_data": st.sampled_from([{"yield": 1}, {"scrap": "1e308", "yield": 10**400}]) | JSON,
                "timestamp": TIME | st.none(),
                "match": MATCH,
            },
        )
    },
)
CREATE = st.fixed_dictionaries(
    {
        "type": st.sampled_from([{"name": "RUN"}, {"name": "STATE"}]),
        "line": LINE,
        "start_time": TIME,
        "metadata": st.fixed_dictionaries(
            {"product": st.fixed_dictionaries({"name": NAMES}), "category": st.just({"name": "Uptime"})},
            optional={"reason": st.fixed_dictionaries({"name": NAMES}), "target": st.none(), "comment": st.none()},
        ),
    },
    optional={"end_time": TIME},
)
CUSTOM = st.fixed_dictionaries({"name": st.sampled_from(["shift", "shift", "RUN", "crew"])})
TYPE = st.fixed_dictionaries({"name": st.sampled_from(["shift", "crew"])}, optional={"tags": st.just(["a"])})
ITEM = st.fixed_dictionaries({}, optional={"name": NAMES, "end_time": TIME, "metadata": METADATA})
BULK_SET = st.fixed_dictionaries(
    {
        "type": CUSTOM,
        "line": LINE,
        "intervals": st.lists(st.builds(lambda item, start: {**item, "start_time": start}, ITEM, TIME), max_size=3),
    }
)
BULK_UPDATE = st.fixed_dictionaries(
    {
        "type": st.fixed_dictionaries({"name": st.sampled_from(["RUN", "STATE", "shift"])}),
        "line": LINE,
        "intervals": st.lists(st.builds(lambda item, one: {**item, "id": one}, ITEM, IDS), max_size=3),
    }
)
PRODUCT = st.fixed_dictionaries({}, optional={"name": NAMES, "id": known("product"), "match": MATCH})
GROUP = st.fixed_dictionaries({}, optional={"name": st.sampled_from(["Speed", "Heat"]), "match": MATCH})
NUMBERS = st.integers(-3, 3) | st.floats(-2, 2)
TARGET = st.fixed_dictionaries(
    {"line": LINE, "metric_group": GROUP, "product": PRODUCT},
    optional={"lsl": NUMBERS, "target_value": NUMBERS, "usl": NUMBERS, "match": MATCH},
)
MAPPING = st.fixed_dictionaries({}, optional={"line": LINE, "product": PRODUCT, "match": MATCH})
ATTRIBUTE = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "display_name": NAMES, "value": NAMES, "product": PRODUCT, "match": MATCH}
)
SPAN = st.fixed_dictionaries({"line": LINE}, optional={"start_time": TIME, "end_time": TIME, "match": MATCH})
BULK_DELETE = st.fixed_dictionaries(
    {"type": CUSTOM, "line": LINE}, optional={"start_time": TIME, "end_time": TIME, "hard_delete": st.booleans()}
)
TEST = st.fixed_dictionaries(
    {},
    optional={
        "interval": INTERVAL,
        "raw_data": st.just({"leak": 1}) | JSON,
        "timestamp": TIME,
        "quality_schema": st.fixed_dictionaries({"id": st.sampled_from(["66", "67"])}),
        "match": MATCH,
        "id": known("quality_test"),
    },
)
ORDER = st.fixed_dictionaries(
    {"name": NAMES, "line": LINE, "external_id": NAMES, "started_at": TIME},
    optional={
        "id": known("maintenance_work_order"),
        "completed_at": TIME,
        "description": NAMES,
        "metadata": st.just('{"a": 1}') | JSON,
    },
)
WORDS = st.sampled_from(
    ["SELECT", "*", "name", "yield", ",", "FROM", "RUN", "'shift'", "WHERE", "=", "'a'", "AND", "LIMIT", "1", "'"]
)
QUERY = st.fixed_dictionaries(
    {
        "query": st.sampled_from(["SELECT * FROM RUN", "SELECT name FROM shift WHERE line = 'Line 01' LIMIT 1"])
        | st.lists(WORDS, max_size=12).map(" ".join)
    }
)
DASHBOARD = st.fixed_dictionaries(
    {"dashboard": st.fixed_dictionaries({"id": st.sampled_from([Dashboard("d").id, "x"])})},
    optional={
        "range": st.fixed_dictionaries({}, optional={"start": TIME, "end": TIME, "anchor": NAMES}),
        "filters": st.fixed_dictionaries({}, optional={"lines": st.lists(LINE, max_size=2)}),
    },
)
PLANT = Organization(
    interval_types=("shift",),
    metric_groups=(MetricGroup("Speed"),),
    quality_schemas=(QualitySchema("66", "Factory A"),),
    scrap_yield_schemas=(ScrapYieldSchema("Factory A", "kg", "m", scrap_conversion_factor=0.5),),
    dashboards=(Dashboard("d", (Module("runs", "SELECT * FROM RUN"), Module("odd", "?"))),),
)

_OUTPUT_BY_ID = st.fixed_dictionaries(
    {"interval": INTERVAL, "data": st.fixed_dictionaries({"id": known("scrap_yield")})}
)
PLAUSIBLE: dict[str, st.SearchStrategy[object]] = {
    "dashboard/execute": DASHBOARD,
    "factory/search": LINE,
    "interval/delete": INTERVAL,
    "interval/search": INTERVAL,
    "interval/set": CREATE | INTERVAL,
    "interval/update": INTERVAL,
    "interval_type/delete": st.just({"id": type_id("shift")}) | TYPE,
    "interval_type/search": TYPE,
    "interval_type/set": TYPE,
    "intervals/delete": BULK_DELETE,
    "intervals/set": BULK_SET,
    "intervals/update": BULK_UPDATE,
    "line/search": LINE,
    "maintenance_work_order/delete": ORDER,
    "maintenance_work_order/search": SPAN | ORDER,
    "maintenance_work_order/set": ORDER,
    "metric_group/search": GROUP,
    "oql/query": QUERY,
    "product/delete": PRODUCT,
    "product/search": PRODUCT,
    "product/set": PRODUCT,
    "product_attribute/search": ATTRIBUTE,
    "product_attribute/set": ATTRIBUTE,
    "product_mapping/search": MAPPING,
    "product_mapping/set": MAPPING,
    "quality_schema/search": LINE,
    "quality_test/delete": TEST,
    "quality_test/search": TEST,
    "quality_test/set": TEST,
    "quality_tests/delete": SPAN,
    "scrap_yield/delete": OUTPUT | _OUTPUT_BY_ID,
    "scrap_yield/search": OUTPUT | _OUTPUT_BY_ID,
    "scrap_yield/set": OUTPUT,
    "target/search": TARGET,
    "target/set": TARGET,
}
"""Endpoint -> bodies that it may well accept."""

PARAMETERS = {
    "oql/query": ["", "?format=json", "?format=csv", "?format=xml"],
    "scrap_yield/set": ["", "?pattern=contains", "?pattern=regex", "?pattern=like", "?%ff=%00&&="],
}
"""Endpoint -> what its address may have after it."""


def bodies(endpoint: str) -> st.SearchStrategy[tuple[str, bytes]]:
    """A path to `endpoint` and what is posted to it, from plausible to garbage."""
    plausible = PLAUSIBLE[endpoint]
    whole = (plausible | broken(plausible) | JSON).map(json.dumps).map(str.encode)
    paths = st.sampled_from([f"/v2/{endpoint}{parameters}" for parameters in PARAMETERS.get(endpoint, [""])])
    return st.tuples(paths, whole | st.binary(max_size=60))


@st.composite
def broken(draw: st.DrawFn, plausible: st.SearchStrategy[object]) -> object:
    """Like what is `plausible`, with something else in one place."""
    body: Any = json.loads(json.dumps(draw(plausible)))
    place = body
    while True:
        if not place:
            return draw(JSON)
        key = draw(st.sampled_from(range(len(place)) if isinstance(place, list) else sorted(place)))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(JSON)
    return body


Request = tuple[str, bytes]


@st.composite
def requests(draw: st.DrawFn, *, wrong: bool = True) -> Request:
    """A path and a plausible body or, if `wrong`, one with a wrong place; often such that make something."""
    endpoint = draw(
        st.sampled_from([*sorted(PLAUSIBLE), *["interval/set"] * 15, *["scrap_yield/set", "quality_test/set"] * 4])
    )
    plausible = PLAUSIBLE[endpoint]
    return f"/v2/{endpoint}", json.dumps(draw(plausible | broken(plausible) if wrong else plausible)).encode()
