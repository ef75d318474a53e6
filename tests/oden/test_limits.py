"""The rules of Oden's document that are checked before anything is sent."""

from typing import Any

import pytest

from gateway.oden import exchange
from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.errors import InvalidRequest

LINE = {"id": "2fc8b5e5-fb88-48a7-9c35-4a763206608c"}
RUN, STATE, OWN = {"name": "RUN"}, {"name": "STATE"}, {"name": "operator id"}
PLACE = {"type": OWN, "line": LINE}
ITEM = {"id": "1", "start_time": "2026-11-02T08:00:00Z", "end_time": "2026-11-02T09:00:00Z"}


def days(number: int, seconds: int = 0) -> dict[str, str]:
    return {
        "start_time": "2026-11-01T00:00:00Z",
        "end_time": f"2026-{11 + number // 30}-{1 + number % 30:02}T00:00:{seconds:02}Z",
    }


ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("interval/set", PLACE),
    ("interval/set", {**PLACE, "match": "last"}),
    ("intervals/set", {**PLACE, "intervals": [ITEM] * 2500}),
    ("intervals/update", {"type": RUN, "line": LINE, "intervals": [ITEM] * 2500}),
    ("intervals/delete", {**PLACE, **days(30)}),
    ("intervals/delete", {"type": STATE, "line": LINE, **days(0)}),
    ("interval_type/set", {"name": "operator id"}),
    ("interval_type/set", {"id": "1", "tags": None}),
    ("scrap_yield/delete", {"data": {"id": "1"}, "interval": {"line": LINE}}),
    ("quality_test/search", {"id": "1"}),
    ("quality_tests/delete", {"ids": ["1"]}),
    ("quality_tests/delete", {"line": LINE, **days(1)}),
    ("maintenance_work_order/search", {"external_id": "MWO-1"}),
    ("maintenance_work_order/set", {"id": "1"}),
    ("dashboard/execute", {"dashboard": {"id": "1"}}),
    ("dashboard/execute", {"dashboard": {"id": "1"}, "range": {"anchor": "now", "offset": "-7D"}}),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("interval/set", {"line": LINE}, "`type` must be given"),
    ("interval/set", {"type": RUN}, "`line` must be given"),
    ("interval/set", {**PLACE, "match": "all"}, "`match`"),
    ("interval/update", PLACE, "`id` must be given"),
    ("interval/delete", PLACE, "`id` must be given"),
    ("interval/search", {"line": LINE}, "`type` must be given"),
    ("intervals/set", {**PLACE, "intervals": [ITEM] * 2501}, "2501 intervals are more than the 2500"),
    ("intervals/set", {"type": RUN, "line": LINE, "intervals": []}, "not for intervals of the type RUN"),
    (
        "intervals/set",
        {"type": {"name": "BATCH"}, "line": LINE, "intervals": []},
        "not for intervals of the type BATCH",
    ),
    ("intervals/set", {"type": STATE, "line": LINE, "intervals": []}, "not for intervals of the type STATE"),
    ("intervals/update", {**PLACE, "intervals": [ITEM] * 2501}, "2501 intervals"),
    ("intervals/update", {**PLACE, "intervals": [ITEM, {}]}, "missing in number 2"),
    ("intervals/update", {"intervals": []}, "`type` must be given; .*`line` must be given"),
    ("intervals/delete", {**PLACE, **days(30, seconds=1)}, "30 days"),
    ("intervals/delete", {**PLACE, "start_time": "2026-11-02T00:00:01Z", "end_time": "2026-11-02T00:00:00Z"}, "before"),
    ("intervals/delete", {"type": RUN, "line": LINE, **days(1)}, "not for intervals of the type RUN"),
    ("intervals/delete", PLACE, "`start_time` must be given"),
    ("interval_type/set", {"name": "RUN"}, "built-in"),
    ("interval_type/set", {"name": "BATCH", "id": "1"}, "built-in"),
    ("interval_type/set", {"name": "operator id", "id": "1"}, "cannot be renamed"),
    ("interval_type/set", {}, "give `name`"),
    ("interval_type/delete", {"name": "operator id"}, "`id` must be given"),
    ("interval_type/delete", {"id": "1", "name": "STATE"}, "built-in"),
    ("product/set", {"id": "1"}, "`name` must be given"),
    ("product/delete", {}, "`id` or `name` must be given"),
    ("product_mapping/set", {"line": LINE}, "`product` must be given"),
    ("product_attribute/set", {"display_name": "Colour"}, "`product` must be given"),
    ("target/set", {"line": LINE, "product": {"id": "1"}}, "`metric_group` must be given"),
    ("scrap_yield/set", {"data": {}, "interval": {"line": LINE}}, "`interval.type` must be given"),
    ("scrap_yield/search", {}, "interval: it must be given"),
    ("scrap_yield/delete", {"data": {}, "interval": {"line": LINE}}, "`data.id` must be given"),
    ("quality_test/set", {"interval": {"type": STATE, "line": LINE}}, "not of a state"),
    ("quality_test/set", {"interval": {"line": LINE}}, "`interval.type` must be given"),
    ("quality_tests/delete", {"line": LINE}, "give `ids`"),
    ("quality_schema/search", {}, "`factory` must be given"),
    ("maintenance_work_order/search", {"line": LINE}, "`start_time` and `end_time`"),
    ("maintenance_work_order/set", {"name": "Oil"}, "`line` must be given.*`started_at` must be given"),
    ("maintenance_work_order/delete", {"name": "Oil"}, "`id` or `external_id` must be given"),
    ("maintenance_work_order/delete", {"id": "1", "match": "all"}, "`match`"),
    (
        "dashboard/execute",
        {"dashboard": {"id": "1"}, "range": {"anchor": "now", "start": "2026-11-01T00:00:00Z"}},
        "not both",
    ),
    ("dashboard/execute", {"dashboard": {"id": "1"}, "range": {"anchor": "now"}}, "`range` needs"),
    ("dashboard/execute", {"dashboard": {"id": "1"}, "filters": {"lines": [{}]}}, "`filters.lines`"),
    ("oql/query", {}, "query: it must be given"),
    (
        "interval/set",
        {"type": {"name": "BATCH"}, "line": LINE, "metadata": {"run": {"id": "1"}}},
        "`metadata.run.type` must be given; `metadata.run.line` must be given",
    ),
    (
        "intervals/update",
        {"type": {"name": "BATCH"}, "line": LINE, "intervals": [{"id": "1", "metadata": {"run": {"type": RUN}}}]},
        "`intervals.0.metadata.run.line` must be given",
    ),
    (
        "scrap_yield/set",
        {"data": {"raw_data": "scrap 100"}, "interval": PLACE},
        "data.raw_data: a text here must hold JSON$",
    ),
    ("interval/set", {**PLACE, "start_time": "2026-11-01T00:00:00"}, "start_time: a time needs its zone"),
    (
        "interval/set",
        {"type": RUN, "line": LINE, "metadata": {"product": "P"}},
        "metadata.product: it must be an object",
    ),
    ("target/set", {"lsl": "low"}, "lsl: it must be a number"),
]


@pytest.mark.parametrize(("path", "body"), ALLOWED)
def test_what_the_document_allows_is_sent(path: str, body: dict[str, Any]) -> None:
    """Requests at the very limit are made, and hold what was given."""
    assert exchange.fields(ENDPOINTS[path], exchange.request(ENDPOINTS[path], body)) == body


@pytest.mark.parametrize(("path", "body", "why"), REFUSED)
def test_what_the_document_forbids_is_not_sent(path: str, body: dict[str, Any], why: str) -> None:
    """The error names what is wrong, says that nothing was sent, and that trying again does not help."""
    with pytest.raises(InvalidRequest, match=why) as caught:
        exchange.fields(ENDPOINTS[path], exchange.request(ENDPOINTS[path], body))
    error = caught.value
    assert (error.certainty, error.retryable, error.status, error.endpoint) == ("not sent", False, None, path)
