"""What answers say of records, asserted as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Output, StartInterval
from gateway.oden.answer_parts import entries_of
from gateway.oden.answers import created_id, created_ids, interval_id, line_id, refused_ids, shows_output, shows_start

START, END = 1_800_000_000, 1_800_000_060
T0, T1, T20 = "2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z", "2027-01-15T08:00:20Z"
WASH = StartInterval("K3", "L", 1.0, "WASH", START, "wash", {"program": "hot"}, END)
OUTPUT = Output("K4", "L", 1.0, "RUN", "K1", START + 20, {"yield": 12, "code": "A"}, ("yield",))
REFERENCE = "gateway_key"


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
    pytest.param([entry(T0, gateway_key="K4")], False, True, id="its own reference, grown since"),
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
    """There by its time stamp; a reference confirms it or says that it is another's; not there only where all could be
    read."""
    assert shows_output(answer, OUTPUT) is plain
    assert shows_output(answer, OUTPUT, REFERENCE) is marked


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
    assert shows_output(answer, OUTPUT, REFERENCE) in (True, False, None)
    assert shows_start(answer, WASH, REFERENCE) in (True, False, None)
    assert isinstance(interval_id(answer, WASH, REFERENCE), str | None)
    assert isinstance(line_id(answer), str | None)
    assert len(created_ids(answer, 2)) == 2
    refused = refused_ids(answer, ["a"]) or {}
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
    assert (interval_id(answer, WASH), interval_id(answer, WASH, REFERENCE)) == (plain, marked)


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
    assert created_ids(answer, 2) == ids


def test_refused_ids() -> None:
    """By id, with the reason cut short."""
    failed = [{"id": "a", "error": "no"}, {"id": 7}, "x", {"id": "b", "error": "y" * 1000}]
    refused = refused_ids({"failed_intervals": failed, "num_failed": 3}, ["a", "b", "c", "7"])
    assert refused == {"a": "no", "7": "no reason given", "b": "y" * 500}
    assert refused_ids({"num_updated": 2, "failed_intervals": None}, ["a", "b"]) == {}
    assert refused_ids({"updated_intervals": [], "num_failed": 0, "failed_intervals": []}, ["a"]) == {}


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
    assert refused_ids(answer, ["a", "b"]) is None


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
    assert line_id(answer) == found


ONE = {"id": "a", "start_time": T0, "tags": ["night"]}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([ONE], [ONE]),
        ({"results": [ONE], "errors": []}, [ONE]),
        ({"intervals": [ONE], "warnings": [{"message": "old"}]}, [ONE]),
        ({"status": "ok", "data": {"items": [ONE], "meta": {"total": 1}}}, [ONE]),
        ({"id": "request", "data": [ONE]}, [ONE]),
        ({"data": {"items": []}}, []),
        (ONE, [ONE]),
        ({"id": "a", "tags": []}, [{"id": "a", "tags": []}]),
        ({"one": [ONE], "other": [ONE]}, None),
        ({"name": "Line 01", "factory": {"id": "f", "lines": []}}, None),
        ({"code": 404, "message": "not found"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_entries_of_an_answer_are_found_however_they_are_wrapped(answer: object, found: object) -> None:
    """And what is no list of them is not taken for "none"."""
    assert entries_of(answer) == found


@pytest.mark.parametrize("named", [None, ""])
def test_an_id_that_says_nothing_is_none(named: object) -> None:
    """It was taken for an id, under which Oden knew nothing."""
    answer = [{"id": named, "start_time": T0, "name": "wash"}]
    assert (created_id(answer, WASH), interval_id(answer, WASH), line_id(answer)) == (None, None, None)
