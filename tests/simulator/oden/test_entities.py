"""Products, targets, quality tests, work orders, deletions and queries, against the running server."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import ConfigError
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import read_fault
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.organization_file import read_organization
from gateway.simulator.oden.server import listening, make_app

from .conftest import Post
from .endpoint_rig import EIGHT, LINE, NINE, TEN, made, run, state

PLANT = """
factories:
  - name: Factory A
    id: f-a
    secondary_name: Plant 1
    lines: [{name: Line 01, id: l-1, secondary_name: Extruder 1}, Line 02]
  - {name: Factory B, lines: [Line 01]}
interval_types: [Operator, {name: BATCH, id: t-b}]
reasons: [Jam]
products: [{name: Pipe, id: p-1}, Film]
metric_groups: [{name: Speed, id: g-1, description: how fast, unit_kind_of_quantity: velocity}]
quality_schemas: [{id: "66", factory: Factory A, description: leak test}]
scrap_yield_schemas: [{factory: Factory A, scrap_unit: kg, yield_unit: m, scrap_conversion_factor: 0.5}]
dashboards:
  - name: Shift report
    id: d-1
    modules: [{name: Runs, query: "SELECT name FROM RUN"}, {name: Odd, query: "What?"}]
"""


@pytest.fixture
def model(tmp_path: Path) -> OdenModel:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT, encoding="utf-8")
    return OdenModel(read_organization(path))


async def test_a_plant_has_the_ids_that_its_file_gives(post: Post) -> None:
    """They are answered, and things are found by them and by their secondary names; others follow from the names."""
    _, (line,) = await post("line/search", {"id": "l-1"})
    plain = {"id": "l-1", "name": "Line 01", "factory": {"id": "f-a", "name": "Factory A"}}
    assert line == {**plain, "secondary_name": "Extruder 1"}
    assert await post("line/search", {"secondary_name": "Extruder 1", "factory": {"id": "f-a"}}) == (200, [line])
    _, (factory,) = await post("factory/search", {"secondary_name": "Plant 1"})
    assert (factory["id"], factory["secondary_name"]) == ("f-a", "Plant 1")
    _, (other,) = await post("line/search", {"name": "Line 02", "factory": {"name": "Factory A"}})
    assert await post("line/search", {"id": other["id"]}) == (200, [other])
    assert (await post("product/search", {"id": "p-1"}))[1] == [{"id": "p-1", "name": "Pipe"}]
    batch = await made(post, run(type={"id": "t-b"}, line={"id": "l-1"}, metadata={}))
    assert (batch["type"], batch["line"]["id"]) == ({"id": "t-b", "name": "BATCH"}, "l-1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "plant.yaml:1:1"),
        ("factories: []", "1:12: factories"),
        ("factories: [{name: A, lines: [L], zone: x}]", "factories.0.zone"),
        ("factories: [{name: A, lines: [L]}]\nquality_schemas: [{id: 66, factory: A}]", "2:24: quality_schemas.0.id"),
        ("factories: [", "plant.yaml:1:"),
        ("factories: [{name: A, lines: [L, M, L]}]", "1:37: factories.0.lines.2: 'L' is there already"),
        ("factories: [{name: A, lines: [{name: L, id: x}, {name: M, id: x}]}]", "factories.0.lines.1.id: 'x'"),
        ("factories: [{name: A, lines: [L]}]\nreasons: [Jam, Jam]", "2:16: reasons.1"),
        ("factories: [{name: A, lines: [L]}]\nproducts: [{name: P, secondary_name: Q}]", "products.0.secondary_name"),
        ("factories: [{name: A, lines: [L]}]\nscrap_yield_schemas: [{factory: B}]", "no factory 'B'"),
        ("factories: [{name: A, lines: [L]}]\nquality_schemas: [{id: '1', factory: B}]", "no factory 'B'"),
        ("factories: [{name: A, lines: [L]}]\nquality_schemas: [{id: '1', factory: A, schema: x}]", "must be JSON"),
    ],
)
def test_a_plant_file_that_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    """file:line:column, and what is wrong."""
    path = tmp_path / "plant.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_organization(path)
    assert why in str(caught.value)


def test_all_that_is_wrong_is_named_from_the_top(tmp_path: Path) -> None:
    """Not only the first, and in the order of the file."""
    path = tmp_path / "plant.yaml"
    path.write_text("products: [P, P]\nfactories: [{name: A, lines: [L, L]}]", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_organization(path)
    assert [problem.where for problem in caught.value.diagnostics] == [f"{path}:1:15", f"{path}:2:34"]


async def test_a_fault_strikes_a_line_by_the_id_that_it_was_given(model: OdenModel, tmp_path: Path) -> None:
    """As a fault names it, and as a request does."""
    injector = FaultInjector(read_organization(tmp_path / "plant.yaml"))
    for words in ("error line=l-1", "error line='Line 01'"):
        injector.clear()
        injector.add(read_fault(words))
        for line, struck in (({"id": "l-1"}, True), (LINE, True), ({**LINE, "name": "Line 02"}, False)):
            decision = injector.decide("/v2/interval/set", json.dumps(run(line=line)).encode(), 0)
            assert (decision.commit is None) == struck, (words, line)


async def test_products_are_made_renamed_and_deleted(post: Post) -> None:
    """A name that exists is that product; a deleted one is found no more, and its runs still name it."""
    _, tube = await post("product/set", {"name": "Tube"})
    assert await post("product/set", {"name": "Tube"}) == (200, tube)
    assert await post("product/set", {"id": tube["id"], "name": "Hose"}) == (200, {**tube, "name": "Hose"})
    assert (await post("product/set", {"id": "nobody", "name": "Hose"}))[0] == 400
    await made(post, run(metadata={"product": {"name": "Hose"}}))
    assert (await post("product/delete", {"name": "Hose"}))[0] == 200
    assert await post("product/search", {"name": "Hose"}) == (200, [])
    assert (await post("product/delete", {"name": "Hose"}))[0] == 404
    _, (kept,) = await post("interval/search", {"type": {"name": "RUN"}, "line": LINE})
    assert kept["metadata"]["product"]["name"] == "Hose"


async def test_a_run_maps_its_product_and_brings_its_target(post: Post) -> None:
    """What a run makes on a line can be made there from then on; its target is that of product, line and group."""
    target = {"lsl": 1, "target_value": 2, "usl": 3, "metric_group": {"name": "Speed"}}
    await made(post, run(metadata={"product": {"name": "Tube"}, "target": target}))
    _, (mapping,) = await post("product_mapping/search", {"line": LINE, "match": "all"})
    assert (mapping["product"]["name"], mapping["line"]["name"]) == ("Tube", "Line 01")
    wanted = {"line": LINE, "metric_group": {"id": "g-1"}, "product": {"name": "Tube"}}
    _, (target,) = await post("target/search", wanted)
    assert (target["lsl"], target["target_value"], target["usl"]) == (1, 2, 3)
    assert target["metric_group"]["name"] == "Speed"
    status, changed = await post("target/set", {**wanted, "usl": 4})
    assert (status, changed) == (200, {**target, "usl": 4})
    assert (await post("target/set", {**wanted, "lsl": 9, "usl": 4}))[0] == 400
    assert (await post("target/search", {**wanted, "product": {"name": "Film"}}))[0] == 404


async def test_attributes_of_products(post: Post) -> None:
    """A value is made with its attribute, replaced by another, and found by product, by shown name and by id."""
    red = {"product": {"id": "p-1"}, "name": "colour", "display_name": "Colour", "value": "red"}
    _, (attribute,) = await post("product_attribute/set", red)
    assert (attribute["value"], attribute["product"]["name"], attribute["rule_based"]) == ("red", "Pipe", False)
    await post("product_attribute/set", {**red, "value": "blue"})
    for search in ({"product": {"name": "Pipe"}}, {"display_name": "Colour"}, {"id": attribute["id"]}):
        assert await post("product_attribute/search", search) == (200, [{**attribute, "value": "blue"}])
    assert await post("product_attribute/search", {"display_name": "Size"}) == (200, [])
    assert (await post("product_attribute/set", {**red, "product": {"name": "unknown"}}))[0] == 400


async def test_quality_tests(post: Post) -> None:
    """Made for a run, changed field by field, found by id and by interval, deleted one by one, by ids and by time."""
    interval = await made(post, run())
    about = {"type": {"name": "RUN"}, "line": LINE, "id": interval["id"]}
    body = {"interval": about, "quality_schema": {"id": "66"}, "raw_data": {"leak": 1}, "timestamp": NINE}
    _, (test,) = await post("quality_test/set", body)
    assert (test["raw_data"], test["timestamp"], test["quality_schema"]["id"]) == ({"leak": 1}, NINE, "66")
    _, (changed,) = await post("quality_test/set", {"id": test["id"], "raw_data": {"leak": 2}})
    assert changed == {**test, "raw_data": {"leak": 2}}
    assert await post("quality_test/search", {"id": test["id"]}) == (200, [changed])
    await post("quality_test/set", body)
    assert len((await post("quality_test/search", {"interval": about, "match": "all"}))[1]) == 2
    assert (await post("quality_test/delete", {"interval": about}))[0] == 409
    assert await post("quality_test/delete", {"id": test["id"]}) == (200, [changed])
    assert await post("quality_tests/delete", {"line": LINE, "start_time": TEN, "end_time": TEN}) == (200, [])
    assert len((await post("quality_tests/delete", {"line": LINE, "start_time": EIGHT, "end_time": NINE}))[1]) == 1
    assert await post("quality_tests/delete", {"ids": [test["id"]]}) == (200, [])
    assert (await post("quality_test/set", {**body, "quality_schema": {"id": "67"}}))[0] == 400
    _, (schema,) = await post("quality_schema/search", {"factory": {"name": "Factory A"}})
    assert (schema["id"], schema["description"]) == ("66", "leak test")


async def test_work_orders(post: Post) -> None:
    """Made, changed field by field, found by id, by external id and by time, deleted."""
    body = {"name": "Oil", "external_id": "W-1", "line": LINE, "started_at": EIGHT, "metadata": '{"by": "Ann"}'}
    _, order = await post("maintenance_work_order/set", body)
    assert (order["metadata"], "completed_at" in order) == ({"by": "Ann"}, False)
    _, done = await post("maintenance_work_order/set", {"id": order["id"], "completed_at": NINE})
    assert done == {**order, "completed_at": NINE}
    between = {"line": LINE, "start_time": NINE, "end_time": TEN, "match": "all"}
    for search in ({"id": order["id"]}, {"external_id": "W-1", "line": LINE}, between):
        assert await post("maintenance_work_order/search", search) == (200, [done])
    assert await post("maintenance_work_order/search", {**between, "start_time": TEN}) == (200, [])
    assert (await post("maintenance_work_order/set", {**body, "external_id": None}))[0] == 400
    assert await post("maintenance_work_order/delete", {"external_id": "W-1"}) == (200, [done])
    assert (await post("maintenance_work_order/delete", {"external_id": "W-1"}))[0] == 404


async def test_intervals_are_updated_and_deleted(post: Post) -> None:
    """Only those that exist; with an interval goes what belongs to it. In bulk, what starts in the range; no runs."""
    interval = await made(post, run())
    about = {"type": {"name": "RUN"}, "line": LINE, "id": interval["id"]}
    _, (changed,) = await post("interval/update", {**about, "name": "other"})
    assert changed == {**interval, "name": "other"}
    assert (await post("interval/update", {**about, "id": "x"}))[0] == 404
    await post("scrap_yield/set", {"interval": about, "data": {"raw_data": {"yield": 1}}})
    assert await post("interval/delete", about) == (200, [changed])
    assert (await post("interval/delete", about))[0] == 404
    assert (await post("scrap_yield/search", {"interval": about, "data": {"match": "all"}}))[0] == 404
    for at in (EIGHT, NINE, TEN):
        await made(post, state(start_time=at))
    span = {"type": {"name": "STATE"}, "line": LINE, "start_time": EIGHT, "end_time": NINE}
    assert await post("intervals/delete", span) == (200, {"num_deleted": 2, "failed_intervals": []})
    assert (await post("intervals/delete", {**span, "type": {"name": "RUN"}}))[0] == 400
    assert (await post("intervals/delete", {**span, "end_time": "2021-06-04T08:00:00Z"}))[0] == 400


async def test_output_is_deleted_by_id_and_line(post: Post) -> None:
    """The interval's total is without it then."""
    interval = await made(post, run())
    about = {"type": {"name": "RUN"}, "line": LINE, "id": interval["id"]}
    _, entry = await post("scrap_yield/set", {"interval": about, "data": {"raw_data": {"yield": 1}}})
    assert entry["schema"]["scrap_unit"] == {"symbol": "kg"}
    assert await post("scrap_yield/delete", {"interval": {"line": LINE}, "data": {"id": entry["id"]}}) == (200, entry)
    assert (await post("scrap_yield/delete", {"interval": {"line": LINE}, "data": {"id": entry["id"]}}))[0] == 404


async def test_the_total_of_an_interval_is_the_sum_of_its_records(post: Post) -> None:
    """Also of texts that are numbers, and of offsets, times the schema's factor; what is no number does not count."""
    interval = await made(post, run())
    about = {"type": {"name": "RUN"}, "line": LINE, "id": interval["id"]}
    query = {"query": "SELECT scrap, yield FROM RUN"}
    assert (await post("oql/query?format=json", query))[1] == [{"scrap": None, "yield": None}]
    for raw_data in ({"scrap": 50}, {"scrap": "50", "yield": 7}, {"scrap": -10, "yield": "many"}, {"yield": True}):
        await post("scrap_yield/set", {"interval": about, "data": {"raw_data": raw_data}})
    assert (await post("oql/query?format=json", query))[1] == [{"scrap": 45, "yield": 7}]
    for number in (1e308, 1e308, 10**400):
        await post("scrap_yield/set", {"interval": about, "data": {"raw_data": {"yield": number}}})
    assert (await post("oql/query?format=json", query))[1] == [{"scrap": 45, "yield": None}]


async def test_output_needs_a_schema_where_the_plant_has_any(post: Post) -> None:
    """400 for a line of another factory."""
    other = {"name": "Line 01", "factory": {"name": "Factory B"}}
    interval = await made(post, run(line=other))
    about = {"type": {"name": "RUN"}, "line": other, "id": interval["id"]}
    status, answer = await post("scrap_yield/set", {"interval": about, "data": {"raw_data": {"yield": 1}}})
    assert (status, answer["name"]) == (400, "interval.line")


async def test_a_target_that_is_added_to_a_run_is_that_of_its_product(post: Post) -> None:
    """Without naming the product again."""
    interval = await made(post, run(metadata={"product": {"name": "Tube"}}))
    target = {"usl": 3, "metric_group": {"name": "Speed"}}
    about = {"type": {"name": "RUN"}, "line": LINE, "id": interval["id"]}
    assert (await post("interval/update", {**about, "metadata": {"target": target}}))[0] == 200
    _, (target,) = await post("target/search", {"product": {"name": "Tube"}})
    assert (target["usl"], target["line"]["id"]) == (3, "l-1")


async def test_an_interval_is_found_by_its_name_as_the_pattern_says(post: Post) -> None:
    """`exact` is the rule; `contains` and simple expressions are understood."""
    await made(post, run(name="order 4711"))
    data = {"raw_data": {"yield": 1}}

    async def status(pattern: str, name: str) -> int:
        interval = {"type": {"name": "RUN"}, "line": LINE, "name": name}
        return (await post(f"scrap_yield/set?pattern={pattern}", {"interval": interval, "data": data}))[0]

    assert [await status("exact", name) for name in ("order 4711", "4711")] == [200, 404]
    assert [await status("contains", name) for name in ("4711", "4712")] == [200, 404]
    assert [await status("regex", name) for name in ("^order", "^4711", "(a+)+$", "[[a", "a?a", "\\")] == [
        200,
        404,
        *[400] * 4,
    ]
    assert await status("like", "4711") == 400


async def test_types_are_deleted_but_the_built_in_ones(post: Post) -> None:
    """By id; what was of the type is found no more."""
    _, (kind,) = await post("interval_type/search", {"name": "Operator"})
    assert await post("interval_type/delete", {"id": kind["id"]}) == (200, kind)
    assert (await post("interval_type/delete", {"id": kind["id"]}))[0] == 404
    assert (await post("interval_type/delete", {"id": "t-b"}))[0] == 400


async def test_queries_in_three_formats(model: OdenModel) -> None:
    """The same rows as columns and rows, as objects and as comma-separated values; what is not understood is 400."""
    async with (
        listening(make_app(model, "secret"), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(headers={"Authorization": "Token secret"}) as session,
    ):

        async def ask(query: str, parameters: str = "") -> tuple[int, str, Any]:
            async with session.post(f"{address}/oql/query{parameters}", json={"query": query}) as answer:
                kind = answer.content_type
                return answer.status, kind, await (answer.text() if kind == "text/csv" else answer.json())

        async with session.post(f"{address}/interval/set", json=run(name="4711")) as answer:
            assert answer.status == 200
        query = "SELECT name, product FROM RUN WHERE line = 'Line 01' LIMIT 5"
        rows = [{"name": "4711", "product": "Pipe"}]
        columns = [{"name": "name", "type": "string"}, {"name": "product", "type": "string"}]
        assert await ask(query) == (200, "application/json", {"columns": columns, "rows": rows})
        assert await ask(query, "?format=json") == (200, "application/json", rows)
        assert await ask(query, "?format=csv") == (200, "text/csv", "name,product\r\n4711,Pipe\r\n")
        for wrong in ("SELECT", "SELECT colour FROM RUN", "SELECT * FROM nothing", "SELECT * FROM RUN WHERE name > 3"):
            assert (await ask(wrong))[0] == 400
        assert (await ask(query, "?format=xml"))[0] == 400
        async with session.post(f"{address}/interval/set", json=run(name="\ud800")) as answer:
            assert answer.status == 400


async def test_a_dashboard_tells_of_each_module(post: Post) -> None:
    """One that fails does not stop the others; the range and the lines are kept to."""
    await made(post, run(name="4711"))
    body = {
        "dashboard": {"id": "d-1"},
        "range": {"start": EIGHT, "end": NINE},
        "filters": {"lines": [{"name": "Line 01"}]},
    }
    _, (runs, odd) = await post("dashboard/execute", body)
    assert (runs["module_name"], runs["rows"], runs["error"]) == ("Runs", [{"name": "4711"}], None)
    assert (odd["rows"], odd["columns"]) == (None, None)
    assert "understands only" in odd["error"]
    _, (runs, _) = await post("dashboard/execute", {**body, "range": {"start": NINE, "end": TEN}})
    assert runs["rows"] == []
    for lines, names in (
        ([{"id": "l-1"}], ["Line 01"]),
        ([{"id": "l-1", "name": "Line 02"}], []),
        ([{"name": "x"}], []),
    ):
        _, (runs, _) = await post("dashboard/execute", {**body, "filters": {"lines": lines}})
        assert (runs["filters_applied"], len(runs["rows"])) == ({"lines": names}, len(names))
    assert (await post("dashboard/execute", {**body, "filters": {"lines": [{}]}}))[0] == 400
    assert (await post("dashboard/execute", {"dashboard": {"id": "x"}}))[0] == 404
    assert (await post("dashboard/execute", {**body, "range": {"anchor": "now", "offset": "-7D"}}))[0] == 400
