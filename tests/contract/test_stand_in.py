"""What the stand-in answers: to any sequence of requests, every answer is one that the document describes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from gateway.simulator.oden.faults import Reply, read_fault
from gateway.simulator.oden.model import ENDPOINTS
from tests.contract.bodies import Made, broken
from tests.contract.document import Node, operations, resolved
from tests.contract.quirks import METADATA, UNDESCRIBED, answer_faults, reading, request_faults
from tests.contract.stage import COMMON, DASHBOARD, FIRST_BATCH, RECORD, stand_in

PATHS = [path.removeprefix("/v2/") for path in ENDPOINTS]
MANY = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
SAME = {
    "IntervalTypeSet.id": "IntervalType.id",
    "quality_tests/delete.ids": "QualityTest.id",
    "maintenance_work_order/search.id": "MaintenanceWorkOrder.id",
    "maintenance_work_order/search.external_id": "MaintenanceWorkOrder.external_id",
}
"""Properties that mean what another one means."""


EVERYWHERE = {"factory": {"match": "all"}, "match": "all"}
LOOKS: list[tuple[str, Node]] = [
    ("factory/search", {"match": "all"}),
    ("line/search", EVERYWHERE),
    ("interval_type/search", {"match": "all"}),
    ("metric_group/search", {"match": "all"}),
    ("product_mapping/search", {"match": "all"}),
    ("target/search", {"match": "all"}),
    ("scrap_yield/search", {"interval": FIRST_BATCH, "data": {"match": "all"}}),
    ("quality_test/search", {"id": RECORD}),
    ("quality_schema/search", {"factory": {"name": "Factory E"}}),
    ("maintenance_work_order/search", {"id": COMMON}),
    *[
        ("interval/search", {"type": {"name": kind}, "line": EVERYWHERE, "match": "all"})
        for kind in (*METADATA, "operator id")
    ],
]
"""What a conversation begins with, so that there is something to talk about."""


class Conversation:
    """A stand-in, and what it has told so far: values by `Schema.property`, from which requests are made."""

    def __init__(self) -> None:
        self.model = stand_in()
        self.known: dict[str, list[Any]] = {}
        for path, body in LOOKS:
            assert self.ask(path, body)[0] == 200
        self.known |= {
            "DashboardExecuteRequest.dashboard": [{"id": DASHBOARD.id}],
            "OQLQuery.query": ["SELECT * FROM RUN", "SELECT name FROM 'operator id' LIMIT 1"],
            "Interval.start_time": [f"2021-04-04T08:00:0{second}Z" for second in range(4)],
            "Interval.metadata": [{"product": {"name": "P1"}, "category": {"name": "Planned Downtime"}}],
        }

    def made(self) -> Made:
        return Made(reading("request"), self.known | {name: self.known.get(same, ()) for name, same in SAME.items()})

    def ask(self, path: str, body: object) -> tuple[int, object]:
        answer = self.model.answer(f"/v2/{path}", json.dumps(body).encode())
        told = json.loads(json.dumps(answer.body))
        assert answer_faults(path, answer.status, told) == []
        if answer.status == 200:
            described = resolved(SOURCE, operations(SOURCE)[path]["responses"]["200"]).get("content")
            self._learn(described["application/json"]["schema"] if described else UNDESCRIBED.get(path, {}), told, "")
        return answer.status, told

    def _learn(self, schema: Node, value: Any, place: str) -> None:
        """Remember what `value` holds, by `Schema.property`; of what has an id, also what names it again, by
        `Schema`."""
        if "$ref" in schema:
            place = schema["$ref"].rpartition("/")[2]
        schema = resolved(SOURCE, schema)
        if isinstance(value, list):
            for one in value:
                self._learn(schema.get("items", {}), one, place)
            return
        if isinstance(value, dict):
            for name, one in value.items():
                self._learn(schema.get("properties", {}).get(name, {}), one, f"{place}.{name}")
            value = {name: value[name] for name in ("id", *schema.get("required", ())) if name in value}
        if value and value not in self.known.setdefault(place, []):
            self.known[place].append(value)


SOURCE = reading("answer")


def request_schema(path: str) -> Node:
    schema: Node = operations(reading("request"))[path]["requestBody"]["content"]["application/json"]["schema"]
    return schema


@MANY
@given(data=st.data())
def test_every_answer_to_valid_requests_fits(data: st.DataObject) -> None:
    """Sequences of requests that fit the document, about what the stand-in has told before: each answer has a status
    and a body that the document describes for the endpoint."""
    oden = Conversation()
    for _ in range(data.draw(st.integers(1, 12))):
        path = data.draw(st.sampled_from(PATHS))
        body = data.draw(oden.made().bodies(request_schema(path), path))
        assume(request_faults(path, body) == [])
        status, _ = oden.ask(path, body)
        event(f"{path} {status}")


@MANY
@given(data=st.data())
def test_every_answer_to_any_request_fits(data: st.DataObject) -> None:
    """The same with requests in which one place holds something else."""
    oden = Conversation()
    for _ in range(data.draw(st.integers(1, 6))):
        path = data.draw(st.sampled_from(PATHS))
        oden.ask(path, broken(data.draw(oden.made().bodies(request_schema(path), path)), data.draw))


FAILURES = [
    (path, int(status)) for path, one in operations(SOURCE).items() for status in one["responses"] if status != "200"
]


@pytest.mark.parametrize(("path", "status"), FAILURES)
def test_every_failure_that_it_is_told_to_answer_fits(path: str, status: int) -> None:
    """The fault `error` gives each status that the document lists for an endpoint the body that it describes."""
    told = read_fault(f"error status={status} at={path}").sees
    assert isinstance(told, Reply)
    assert answer_faults(path, told.status, json.loads(told.body)) == []
