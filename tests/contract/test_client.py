"""What is sent to Oden: every request that can be built with the client, and every one that the gateway makes of its
records."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Output, Record, StartInterval, UpdateInterval
from gateway.oden import exchange
from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.errors import InvalidRequest
from gateway.oden.requests import Request, Wording, can_share, find_line, look_up, request_for
from tests.contract.bodies import TEXT, requests
from tests.contract.quirks import request_faults

MANY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

LINE = "2fc8b5e5-fb88-48a7-9c35-4a763206608c"
WORDING = st.builds(Wording, st.sampled_from(["object", "string"]), st.sampled_from([None, "gateway_key"]))
SECONDS = st.integers(0, 4_000_000_000)
NAME = st.none() | TEXT
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DETAILS = {
    "RUN": st.fixed_dictionaries({"product": TEXT}),
    "BATCH": st.just({}),
    "STATE": st.fixed_dictionaries({"category": TEXT}, optional={"reason": TEXT}),
    "shift": st.dictionaries(TEXT.filter(lambda name: name != "metadata_type"), TEXT, max_size=2),
}


def starts(kind: str) -> st.SearchStrategy[Record]:
    return st.builds(
        lambda start, name, details, length: StartInterval(
            "K", "L", 1.0, kind, start, name, details, None if length is None else start + length
        ),
        SECONDS,
        NAME,
        DETAILS[kind],
        st.none() | st.integers(0, 100_000),
    )


def updates(kind: str) -> st.SearchStrategy[Record]:
    return st.builds(
        lambda end, name, details: UpdateInterval("K", "L", 1.0, kind, "K", end, name, details),
        st.none() | SECONDS,
        NAME,
        st.just({}) | DETAILS[kind],
    )


def outputs(kind: str) -> st.SearchStrategy[Record]:
    return st.builds(
        lambda stamp, raw: Output("K", "L", 1.0, kind, "K", stamp, raw),
        SECONDS,
        st.dictionaries(TEXT, SCALAR, min_size=1, max_size=3),
    )


ALONE = st.one_of([make(kind) for make in (starts, updates) for kind in DETAILS] + [outputs("RUN"), outputs("BATCH")])
TOGETHER = st.one_of(
    st.lists(starts("shift").filter(can_share), min_size=2, max_size=4),
    *[st.lists(updates(kind), min_size=2, max_size=4) for kind in DETAILS],
)


def fits(request: Request) -> bool:
    return request_faults(request.endpoint.path, json.loads(request.text())) == []


@pytest.mark.parametrize("path", ENDPOINTS)
@MANY
@given(data=st.data())
def test_every_request_that_can_be_built_fits(path: str, data: st.DataObject) -> None:
    """Whatever a caller puts together from the models either is refused before it is sent, or fits the endpoint's
    schema."""
    endpoint = ENDPOINTS[path]
    request = data.draw(requests(endpoint.takes))
    try:
        body = exchange.fields(endpoint, request)
    except InvalidRequest:
        return
    assert request_faults(path, json.loads(exchange.text(endpoint, body))) == []


@MANY
@given(records=ALONE.map(lambda one: [one]) | TOGETHER, wording=WORDING)
def test_every_request_made_of_records_fits(records: list[Record], wording: Wording) -> None:
    """Starts, updates and output of every type, alone or packed, with either form of raw data, with and without a
    reference."""
    ids = [format(number, "x") for number in range(len(records))]
    assert fits(request_for(records, LINE, ids, wording))


@MANY
@given(records=ALONE.filter(lambda one: not isinstance(one, UpdateInterval)).map(lambda one: [one]))
def test_every_look_up_fits(records: list[Record]) -> None:
    """The search that settles what became of a lost answer."""
    assert fits(look_up(records, LINE, "178b9a1ec20"))


@MANY
@given(factory=TEXT, line=TEXT)
def test_the_search_for_a_line_fits(factory: str, line: str) -> None:
    """The search that gives a line's id."""
    assert fits(find_line(factory, line))
