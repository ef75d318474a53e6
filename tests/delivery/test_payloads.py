"""Records as requests and answers as facts, asserted as tables."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import record_kinds
from gateway.model import Output, Record, StartInterval, UpdateInterval
from gateway.oden import payloads
from gateway.oden.payloads import DEFAULT, Wording

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
    request = payloads.request_for([record], "line-1", ["id-1"], wording)
    assert request.endpoint.path == endpoint
    assert json.loads(request.body) == PLACE | body


@pytest.mark.parametrize("wording", [DEFAULT, MARKED, Wording("string"), Wording("string", "gateway_key")])
def test_output_as_a_request(wording: Wording) -> None:
    """`raw_data` as an object or as text, with the reference where one is wanted; the interval by id, type and line."""
    request = payloads.request_for([OUTPUT], "line-1", ["id-1"], wording)
    body = json.loads(request.body)
    raw = body["data"].pop("raw_data")
    assert isinstance(raw, str) == (wording.raw_data == "string")
    wanted = {"yield": 12, "code": "A"} | ({"gateway_key": "K4"} if wording.reference else {})
    assert (json.loads(raw) if isinstance(raw, str) else raw) == wanted
    assert request.endpoint.path == "scrap_yield/set"
    assert body == {"data": {"timestamp": T20}, "interval": {"id": "id-1", "type": {"name": "RUN"}, **PLACE}}


def test_many_as_one_request() -> None:
    """Type and line once, then each interval: by id where it is there already, without where it is made."""
    request = payloads.request_for([update("K1"), update("K9", None, name="x")], "line-1", ["id-1", "id-9"], DEFAULT)
    assert request.endpoint.path == "intervals/update"
    items: list[dict[str, object]] = [{"id": "id-1", "end_time": T1}, {"id": "id-9", "name": "x"}]
    assert json.loads(request.body) == PLACE | {"type": {"name": "RUN"}, "intervals": items}
    request = payloads.request_for([WASH, replace(WASH, key="K5", start=START + 1)], "line-1", [None, None], DEFAULT)
    assert request.endpoint.path == "intervals/set"
    body = json.loads(request.body)
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
        (update("K1", None, name="x"), True, False),
        (OUTPUT, False, True),
    ],
)
def test_what_may_share_a_request_and_what_must_not_be_repeated(record: Record, packs: bool, creates: bool) -> None:
    """Oden makes custom intervals in bulk and no others; all but updates make something new each time they are sent."""
    assert (payloads.packable(record), record_kinds.creates(record)) == (packs, creates)


def test_look_ups() -> None:
    """Around the starts, a second wide on both sides, or all output of one interval."""
    request = payloads.look_up([WASH, replace(WASH, start=END)], "line-1", None)
    times = {"start_time": "2027-01-15T07:59:59Z", "end_time": "2027-01-15T08:01:01Z"}
    assert request.endpoint.path == "interval/search"
    assert json.loads(request.body) == PLACE | times | {"type": {"name": "WASH"}, "match": "all"}
    request = payloads.look_up([OUTPUT], "line-1", "id-1")
    assert request.endpoint.path == "scrap_yield/search"
    interval = {"id": "id-1", "type": {"name": "RUN"}, **PLACE}
    assert json.loads(request.body) == {"interval": interval, "data": {"match": "all"}}


def entry(time: object = T20, **raw: object) -> dict[str, object]:
    return {"id": "e", "timestamp": time, "raw_data": {"yield": 12, **raw}}


FOUND = [
    # the answer, whether OUTPUT is there, and the same where it carries a reference
    pytest.param([], False, False, id="none"),
    pytest.param([entry()], True, True, id="its time stamp, and no reference at all"),
    pytest.param([entry(T0)], False, False, id="another time stamp"),
    pytest.param([entry(T0), entry()], True, True, id="one of several"),
    pytest.param([entry(gateway_key="K4")], True, True, id="its own reference"),
    pytest.param([entry(gateway_key="other")], True, False, id="the reference of another"),
    pytest.param([entry(gateway_key="other"), entry(gateway_key="K4")], True, True, id="both"),
    pytest.param([entry() | {"raw_data": '{"gateway_key": "other"}'}], True, False, id="raw data as text"),
    pytest.param([entry() | {"raw_data": "not JSON"}], True, True, id="raw data as any text"),
    pytest.param({"results": [entry()]}, True, True, id="wrapped"),
    pytest.param({"results": [], "count": 0}, False, False, id="nothing, wrapped"),
    pytest.param([entry(START + 20)], True, True, id="time as a number"),
    pytest.param([entry((START + 20) * 1000)], True, True, id="time in milliseconds"),
    pytest.param([entry("2027-01-15T09:00:20+01:00")], True, True, id="time with another offset"),
    pytest.param([entry("yesterday")], None, None, id="a time that is none"),
    pytest.param([entry(T0), {"id": "x"}], None, None, id="an entry without a time"),
    pytest.param({"found": 1}, None, None, id="no list"),
    pytest.param({"a": [], "b": []}, None, None, id="two lists"),
    pytest.param(None, None, None, id="null"),
    pytest.param("none", None, None, id="text"),
]


@pytest.mark.parametrize(("answer", "plain", "marked"), FOUND)
def test_p4_whether_it_is_there(answer: object, plain: bool | None, marked: bool | None) -> None:
    """There by its time stamp; a reference confirms it or says that it is another's; not there only where all could be read."""
    assert payloads.is_there(answer, OUTPUT) is plain
    assert payloads.is_there(answer, OUTPUT, MARKED) is marked


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**400), 10**400)
        | st.floats()
        | st.sampled_from([T0, T20, "id", "K4", "other"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "timestamp", "start_time", "raw_data", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_p4_no_answer_is_too_strange_to_be_read(answer: object) -> None:
    """Whatever JSON comes, it means there, not there, or not known; and an id is a text or absent."""
    for record in (OUTPUT, WASH):
        assert payloads.is_there(answer, record, MARKED) in (True, False, None)
    assert isinstance(payloads.interval_id(answer, WASH, MARKED), str | None)
    assert isinstance(payloads.line_id(answer), str | None)
    assert len(payloads.created_ids(answer, 2)) == 2
    refused = payloads.refused_ids(answer, ["a"]) or {}
    assert all(isinstance(text, str) for pair in refused.items() for text in pair)


@pytest.mark.parametrize(
    ("answer", "plain", "marked"),
    [
        ([{"id": "i1", "start_time": T0}], "i1", "i1"),
        ([{"id": 7, "start_time": T0}], "7", "7"),
        ([{"id": "i1", "start_time": T1}], None, None),
        ([{"start_time": T0}], None, None),
        ({"intervals": [{"id": "i1", "start_time": T0}]}, "i1", "i1"),
        ([{"id": "i1", "start_time": T0, "metadata": {"gateway_key": "other"}}], "i1", None),
        (
            [
                {"id": "i1", "start_time": T0, "metadata": {"gateway_key": "other"}},
                {"id": "i2", "start_time": T0, "metadata": {"gateway_key": "K3"}},
            ],
            "i1",
            "i2",
        ),
    ],
)
def test_ids_of_intervals(answer: object, plain: str | None, marked: str | None) -> None:
    """That of the interval with the same start, which is not another's by its reference."""
    assert (payloads.interval_id(answer, WASH), payloads.interval_id(answer, WASH, MARKED)) == (plain, marked)


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        (["a", "b"], ["a", "b"]),
        ([1, 2], ["1", "2"]),
        (["a"], [None, None]),
        (["a", "b", "c"], [None, None]),
        ([{"id": "a"}, {"id": "b"}], [None, None]),
        ({}, [None, None]),
    ],
)
def test_ids_of_many(answer: object, ids: list[str | None]) -> None:
    """Only a list of as many ids as were asked for says whose is whose."""
    assert payloads.created_ids(answer, 2) == ids


def test_refused_ids() -> None:
    """By id, with the reason cut short."""
    failed = [{"id": "a", "error": "no"}, {"id": 7}, "x", {"id": "b", "error": "y" * 1000}]
    refused = payloads.refused_ids({"failed_intervals": failed, "num_failed": 3}, ["a", "b", "c", "7"])
    assert refused == {"a": "no", "7": "no reason given", "b": "y" * 500}
    assert payloads.refused_ids({"num_updated": 2, "failed_intervals": None}, ["a", "b"]) == {}
    assert payloads.refused_ids({"updated_intervals": [], "num_failed": 0, "failed_intervals": []}, ["a"]) == {}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"num_failed": 2, "failed_intervals": [{"id": "a"}]},
        {"num_failed": 1},
        {"num_updated": 0, "failed_intervals": [{"error": "no"}]},
        {"num_failed": 1, "failed_intervals": [{"id": "another"}]},
    ],
)
def test_p4_an_update_that_is_not_understood_is_not_believed(answer: object) -> None:
    """Where the answer does not tell which intervals were not updated, each is updated again."""
    assert payloads.refused_ids(answer, ["a", "b"]) is None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"id": "l", "name": "Line 01", "factory": {"id": "f"}}, "l"),
        ([{"id": "l", "factory": {"id": "f"}}], "l"),
        ({"lines": [{"id": "l"}]}, "l"),
        ([{"name": "Line 01", "factory": {"id": "f"}}], None),
        ({"name": "Line 01", "factory": {"id": "f"}}, None),
        ([], None),
    ],
)
def test_the_id_of_a_line(answer: object, found: str | None) -> None:
    """Its own, never that of its factory: with that everything sent for the line would be refused."""
    assert payloads.line_id(answer) == found
