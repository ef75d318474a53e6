"""One body for each endpoint of the stand-in that it accepts, and what must be there before."""

import json
from collections.abc import Iterator

from gateway.simulator.oden.store import Dashboard, derived_id, type_id

LINE_01 = {"name": "Line 01", "factory": {"name": "Factory A"}}
RUNS: dict[str, object] = {"type": {"name": "RUN"}, "line": LINE_01}
FIRST = {**RUNS, "id": "1789be55000"}
EIGHT, NINE = "2021-04-04T08:00:00Z", "2021-04-04T09:00:00Z"
SHIFTS: dict[str, object] = {"type": {"name": "shift"}, "line": LINE_01}


def beginning() -> Iterator[tuple[str, bytes]]:
    """Requests that make something of every kind, so that made bodies have what to be about."""
    for second in range(4):
        at = f"2021-04-04T08:00:0{second}Z"
        metadata = {"product": {"name": "a"}, "category": {"name": "Uptime"}}
        about: dict[str, object] = {
            "type": {"name": "RUN"},
            "line": LINE_01,
            "id": format(1_617_523_200_000 + 1000 * second, "x"),
        }
        order = {"name": "a", "line": LINE_01, "external_id": "a", "started_at": at}
        for endpoint, body in (
            *(
                ("interval/set", {"type": {"name": kind}, "line": LINE_01, "start_time": at, "metadata": metadata})
                for kind in ("RUN", "STATE", "BATCH", "shift")
            ),
            ("scrap_yield/set", {"interval": about, "data": {"raw_data": {"yield": 1}}}),
            ("quality_test/set", {"interval": about, "raw_data": {"leak": 1}, "timestamp": at}),
            ("maintenance_work_order/set", order),
            ("product_attribute/set", {"product": {"name": "a"}, "name": "a", "value": "a"}),
            ("target/set", {"product": {"name": "a"}, "line": LINE_01, "metric_group": {"name": "Speed"}, "lsl": 1}),
        ):
            yield f"/v2/{endpoint}", json.dumps(body).encode()


ACCEPTED: dict[str, object] = {
    "dashboard/execute": {"dashboard": {"id": Dashboard("d").id}},
    "factory/search": {"match": "all"},
    "interval/delete": FIRST,
    "interval/search": {**RUNS, "match": "all"},
    "interval/set": {**RUNS, "start_time": NINE, "metadata": {"product": {"name": "b"}}},
    "interval/update": {**FIRST, "name": "b"},
    "interval_type/delete": {"id": type_id("shift")},
    "interval_type/search": {"match": "all"},
    "interval_type/set": {"name": "crew"},
    "intervals/delete": {**SHIFTS, "start_time": EIGHT, "end_time": NINE},
    "intervals/set": {**SHIFTS, "intervals": [{"start_time": NINE}]},
    "intervals/update": {**RUNS, "intervals": [{"id": FIRST["id"], "name": "b"}]},
    "line/search": {"factory": {"name": "Factory A"}, "match": "all"},
    "maintenance_work_order/delete": {"id": derived_id("maintenance_work_order", 1)},
    "maintenance_work_order/search": {"id": derived_id("maintenance_work_order", 1)},
    "maintenance_work_order/set": {"id": derived_id("maintenance_work_order", 1), "name": "b"},
    "metric_group/search": {"match": "all"},
    "oql/query": {"query": "SELECT id, yield FROM RUN"},
    "product/delete": {"name": "a"},
    "product/search": {"name": "a"},
    "product/set": {"name": "b"},
    "product_attribute/search": {"product": {"name": "a"}},
    "product_attribute/set": {"product": {"name": "a"}, "name": "a", "value": "b"},
    "product_mapping/search": {"line": LINE_01},
    "product_mapping/set": {"line": LINE_01, "product": {"name": "b"}},
    "quality_schema/search": {"factory": {"name": "Factory A"}},
    "quality_test/delete": {"id": derived_id("quality_test", 1)},
    "quality_test/search": {"interval": FIRST},
    "quality_test/set": {"id": derived_id("quality_test", 1), "raw_data": {"leak": 2}},
    "quality_tests/delete": {"ids": [derived_id("quality_test", 1)]},
    "scrap_yield/delete": {"interval": {"line": LINE_01}, "data": {"id": derived_id("scrap_yield", 1)}},
    "scrap_yield/search": {"interval": FIRST, "data": {"match": "all"}},
    "scrap_yield/set": {"interval": FIRST, "data": {"raw_data": {"scrap": 1}}},
    "target/search": {"product": {"name": "a"}},
    "target/set": {"product": {"name": "b"}, "line": LINE_01, "metric_group": {"name": "Speed"}, "usl": 2},
}
"""Endpoint -> body."""
