"""Manners by themselves, and searches that see what was written only some time later."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.oden.manners import MANNERS, MannerError, Manners, read_manners
from gateway.simulator.oden.model import LaggingModel, OdenModel
from gateway.simulator.oden.store import Organization

SET = "/v2/interval/set"
RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 01", "factory": {"name": "Factory A"}},
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}
SEARCH = json.dumps({"type": RUN["type"], "line": RUN["line"], "match": "all"}).encode()

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([SET, "/v2/interval/search", "/v2/scrap_yield/set"]),
        st.sampled_from([json.dumps(RUN).encode(), b'{"line": {"name": "Line 02"}}', b"4711", b"\xff"]),
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    "given_",
    [{"range": "inside"}, {"nothing": 200}, {"ids": "maybe"}, {"bulk_update": 500}, {"search_lag": -1}, {"more": 1}],
)
def test_a_wrong_mode_is_refused(given_: Mapping[str, object]) -> None:
    """The message names the mode and what it can be."""
    with pytest.raises(MannerError) as error:
        read_manners(given_)
    assert next(iter(given_)) in str(error.value)


def test_modes_are_read_as_words_and_as_values() -> None:
    """Flags give words, the admin port gives JSON values; what is not given stays."""
    words = {"nothing": "404", "range": "start", "ids": "no", "bulk_update": "501", "search_lag": "2.5"}
    values = {"nothing": "404", "range": "start", "ids": "no", "bulk_update": 501, "search_lag": 2.5}
    assert read_manners(words) == read_manners(values) == Manners("404", "start", "no", 501, 2.5)
    assert read_manners({"range": "start"}, Manners(search_lag=1)) == Manners(range="start", search_lag=1)


def test_searches_lag_by_exactly_the_time_that_is_set() -> None:
    """A write at 10 s with a lag of 5 s is not seen before 15 s, and is at 15 s, also where modes changed meanwhile."""
    model = OdenModel(Organization(), Manners(search_lag=5))
    lagging = LaggingModel(model)
    made: Any = lagging.answer(SET, json.dumps(RUN).encode(), 10.0).body
    interval: dict[str, object] = made[0]
    end = {"id": interval["id"], "end_time": "2021-04-04T09:00:00Z"}
    update = {"type": RUN["type"], "line": RUN["line"], "intervals": [end]}
    lagging.answer("/v2/intervals/update", json.dumps(update).encode(), 11.0)
    model.manners = Manners(search_lag=5, bulk_update=404)

    def seen(now: float) -> object:
        return lagging.answer("/v2/interval/search", SEARCH, now).body

    assert seen(14.9) == []
    assert seen(15.0) == [interval]
    assert seen(16.0) == [interval | {"end_time": "2021-04-04T09:00:00Z"}]
    model.manners = Manners()
    assert seen(16.0) == lagging.model.answer("/v2/interval/search", SEARCH).body


@given(REQUESTS, st.floats(0.1, 20))
def test_in_the_end_searches_see_what_is_there(requests: list[tuple[str, bytes]], lag: float) -> None:
    """Whatever was sent: once the lag has passed, a lagging stand-in answers as one that never lagged."""
    lagging, plain = LaggingModel(OdenModel(Organization(), Manners(search_lag=lag))), OdenModel(Organization())
    lagging.answer("/v2/interval/search", SEARCH, 0.0)
    for now, (path, body) in enumerate(requests):
        lagging.answer(path, body, float(now))
        plain.answer(path, body)
    assert lagging.model == plain
    late = lagging.answer("/v2/interval/search", SEARCH, len(requests) + lag)
    assert late == plain.answer("/v2/interval/search", SEARCH)


def test_every_manner_says_what_it_does_and_reads_its_default() -> None:
    """A row has words for a person, and reads what is not changed as what it was."""
    for name, value in asdict(Manners()).items():
        assert MANNERS[name].does
        assert read_manners({name: value}) == Manners()
    assert MANNERS.keys() == asdict(Manners()).keys()
