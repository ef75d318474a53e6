"""Records as typed requests, asserted as tables."""

import json
from dataclasses import replace

import pytest
from pydantic import JsonValue

from gateway import record_kinds
from gateway.model import RECORD, Output, Record, StartInterval, UpdateInterval
from gateway.oden.requests import DEFAULT, Wording, can_share, look_up, request_for

START, END = 1_800_000_000, 1_800_000_060
T0, T1, T20 = "2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z", "2027-01-15T08:00:20Z"
RUN = StartInterval("K1", "L", 1.0, "RUN", START, "order 7", {"product": "Film 20"})
STATE = StartInterval("K2", "L", 1.0, "STATE", START, None, {"category": "Uptime", "reason": "None"}, END)
WASH = StartInterval("K3", "L", 1.0, "WASH", START, "wash", {"program": "hot"}, END)
OUTPUT = Output("K4", "L", 1.0, "RUN", "K1", START + 20, {"yield": 12, "code": "A"}, ("yield",))
MARKED = Wording(reference="gateway_key")
PLACE = {"line": {"id": "line-1"}}


def update(key: str, end: int | None = END, **details: str) -> UpdateInterval:
    return UpdateInterval("U" + key, "L", 2.0, "RUN", key, end, details.pop("name", None), details)


@pytest.mark.parametrize(
    ("record", "wording", "endpoint", "body"),
    [
        pytest.param(
            RUN,
            DEFAULT,
            "interval/set",
            {
                "type": {"name": "RUN"},
                "start_time": T0,
                "metadata": {"product": {"name": "Film 20"}},
                "name": "order 7",
            },
            id="open run",
        ),
        pytest.param(
            replace(RUN, type="BATCH", name=None, metadata={}),
            DEFAULT,
            "interval/set",
            {"type": {"name": "BATCH"}, "start_time": T0, "metadata": {}},
            id="a start says its metadata also where there are none",
        ),
        pytest.param(
            STATE,
            DEFAULT,
            "interval/set",
            {
                "type": {"name": "STATE"},
                "start_time": T0,
                "end_time": T1,
                "metadata": {"category": {"name": "Uptime"}, "reason": {"name": "None"}},
            },
            id="closed state",
        ),
        pytest.param(
            WASH,
            MARKED,
            "interval/set",
            {
                "type": {"name": "WASH"},
                "start_time": T0,
                "end_time": T1,
                "metadata": {"program": "hot", "gateway_key": "K3"},
                "name": "wash",
            },
            id="custom, with a reference",
        ),
        pytest.param(
            update("K1"),
            MARKED,
            "interval/set",
            {"type": {"name": "RUN"}, "id": "id-1", "end_time": T1},
            id="an end says only the end",
        ),
        pytest.param(
            update("K1", None, product="Film 30", name="order 8"),
            DEFAULT,
            "interval/set",
            {"type": {"name": "RUN"}, "id": "id-1", "metadata": {"product": {"name": "Film 30"}}, "name": "order 8"},
            id="what changed",
        ),
    ],
)
def test_intervals_as_requests(record: Record, wording: Wording, endpoint: str, body: dict[str, object]) -> None:
    """One record as the body of `interval/set`: exactly these fields, and what is not known is not there."""
    request = request_for([record], "line-1", ["id-1"], wording)
    assert request.endpoint.path == endpoint
    assert json.loads(request.text()) == PLACE | body


@pytest.mark.parametrize("wording", [DEFAULT, MARKED, Wording("string"), Wording("string", "gateway_key")])
def test_output_as_a_request(wording: Wording) -> None:
    """`raw_data` as an object or as text, with the reference where one is wanted; the interval by id, type and line."""
    request = request_for([OUTPUT], "line-1", ["id-1"], wording)
    body = json.loads(request.text())
    raw = body["data"].pop("raw_data")
    assert isinstance(raw, str) == (wording.raw_data == "string")
    wanted = {"yield": 12, "code": "A"} | ({"gateway_key": "K4"} if wording.reference else {})
    assert (json.loads(raw) if isinstance(raw, str) else raw) == wanted
    assert request.endpoint.path == "scrap_yield/set"
    assert body == {"data": {"timestamp": T20}, "interval": {"id": "id-1", "type": {"name": "RUN"}, **PLACE}}


def test_many_as_one_request() -> None:
    """Type and line once, then each interval: by id where it is there already, without where it is made."""
    request = request_for([update("K1"), update("K9", None, name="x")], "line-1", ["id-1", "id-9"], DEFAULT)
    assert request.endpoint.path == "intervals/update"
    items: list[dict[str, object]] = [{"id": "id-1", "end_time": T1}, {"id": "id-9", "name": "x"}]
    assert json.loads(request.text()) == PLACE | {"type": {"name": "RUN"}, "intervals": items}
    request = request_for([WASH, replace(WASH, key="K5", start=START + 1)], "line-1", [None, None], DEFAULT)
    assert request.endpoint.path == "intervals/set"
    body = json.loads(request.text())
    assert [item["start_time"] for item in body["intervals"]] == [T0, "2027-01-15T08:00:01Z"]
    assert all("id" not in item for item in body["intervals"])


@pytest.mark.parametrize(
    ("record", "packs", "creates"),
    [
        (RUN, False, True),
        (STATE, False, True),
        (WASH, True, True),
        (replace(WASH, end=None), False, True),
        (update("K1"), True, False),
        (update("K1", None, name="x"), False, False),
        (OUTPUT, False, True),
    ],
)
def test_what_may_share_a_request_and_what_must_not_be_repeated(record: Record, packs: bool, creates: bool) -> None:
    """Oden makes custom intervals in bulk and no others; all but updates make something new each time they are sent."""
    assert (can_share(record), record_kinds.creates(record)) == (packs, creates)


def test_look_ups() -> None:
    """Around the starts, a second wide on both sides, or all output of one interval."""
    request = look_up([WASH, replace(WASH, start=END)], "line-1", None)
    times = {"start_time": "2027-01-15T07:59:59Z", "end_time": "2027-01-15T08:01:01Z"}
    assert request.endpoint.path == "interval/search"
    assert json.loads(request.text()) == PLACE | times | {"type": {"name": "WASH"}, "match": "all"}
    request = look_up([OUTPUT], "line-1", "id-1")
    assert request.endpoint.path == "scrap_yield/search"
    interval = {"id": "id-1", "type": {"name": "RUN"}, **PLACE}
    assert json.loads(request.text()) == {"interval": interval, "data": {"match": "all"}}


TARGET: JsonValue = {"metric_group": {"name": "Speed"}, "target_value": 42.5, "lsl": 40}


def test_target_and_attributes_of_a_run() -> None:
    """A target goes as the object that it is, attributes as plain values, the product by its name."""
    details: dict[str, JsonValue] = {"product": "FILM", "target": TARGET, "lot": "L1", "pilot": True}
    record = StartInterval("K", "L", 0.0, "RUN", 0, "A", details)
    assert RECORD.validate_json(RECORD.dump_json(record)) == record
    body = json.loads(request_for([record], "id", [None], DEFAULT).text())
    assert body["metadata"] == {"product": {"name": "FILM"}, "target": TARGET, "lot": "L1", "pilot": True}


def test_comment_and_counts_of_a_state() -> None:
    """Category and reason are objects with a name; the comment is text, counts are numbers."""
    record = UpdateInterval("K", "L", 0.0, "STATE", "I", 5, None, {"reason": "Jam", "comment": "x", "short_stops": 2})
    body = json.loads(request_for([record], "id", ["i"], DEFAULT).text())
    assert body["metadata"] == {"reason": {"name": "Jam"}, "comment": "x", "short_stops": 2}


def test_details_of_a_custom_interval_are_the_factorys_own() -> None:
    """Nothing in it is taken for a name that Oden knows."""
    record = StartInterval("K", "L", 0.0, "Operator", 0, "Ann", {"product": "FILM", "badge": 7})
    body = json.loads(request_for([record], "id", [None], DEFAULT).text())
    assert body["metadata"] == {"product": "FILM", "badge": 7}
