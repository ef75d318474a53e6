"""What holds for every request, by hypothesis, against the running server."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.oden_api import listening, make_app
from gateway.simulator.oden_ledger import Ledger, replay, requests
from gateway.simulator.oden_model import ENDPOINTS, OdenModel, Plant
from gateway.simulator.oden_store import Dashboard, MetricGroup, Module, QualitySchema, type_id

ENDPOINT = st.sampled_from(sorted(ENDPOINTS))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=10)

LINE = st.sampled_from([{"name": f"Line {number:02}", "factory": {"name": "Factory A"}} for number in (1, 2)])
TIME = st.sampled_from([f"2021-04-04T08:00:0{second}Z" for second in range(4)])
IDS = st.sampled_from([format(1_617_523_200_000 + 1000 * second + more, "x") for second in range(4) for more in (0, 1)])
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
MATCH = st.sampled_from(["all", "ALL", "first", "last", "unique", "some"])
INTERVAL = st.fixed_dictionaries(
    {"type": st.fixed_dictionaries({"name": st.sampled_from(["RUN", "STATE", "BATCH", "shift"])}), "line": LINE},
    optional={"id": IDS, "name": NAMES, "start_time": TIME, "end_time": TIME, "metadata": METADATA, "match": MATCH},
)
OUTPUT = st.fixed_dictionaries(
    {"interval": INTERVAL},
    optional={
        "data": st.fixed_dictionaries(
            {}, optional={"raw_data": st.just({"yield": 1}) | JSON, "timestamp": TIME | st.none(), "match": MATCH}
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
PRODUCT = st.fixed_dictionaries({}, optional={"name": NAMES, "id": st.just("x"), "match": MATCH})
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
    },
)
ORDER = st.fixed_dictionaries(
    {"name": NAMES, "line": LINE, "external_id": NAMES, "started_at": TIME},
    optional={"completed_at": TIME, "description": NAMES, "metadata": st.just('{"a": 1}') | JSON},
)
QUERY = st.fixed_dictionaries(
    {"query": st.sampled_from(["SELECT * FROM RUN", "SELECT name FROM shift WHERE line = 'Line 01' LIMIT 1", "SELECT"])}
)
DASHBOARD = st.fixed_dictionaries(
    {"dashboard": st.fixed_dictionaries({"id": st.sampled_from([Dashboard("d").id, "x"])})},
    optional={
        "range": st.fixed_dictionaries({}, optional={"start": TIME, "end": TIME, "anchor": NAMES}),
        "filters": st.fixed_dictionaries({}, optional={"lines": st.lists(LINE, max_size=2)}),
    },
)
PLANT = Plant(
    interval_types=("shift",),
    metric_groups=(MetricGroup("Speed"),),
    quality_schemas=(QualitySchema("66", "Factory A"),),
    dashboards=(Dashboard("d", (Module("runs", "SELECT * FROM RUN"), Module("odd", "?"))),),
)
BODIES = int(os.environ.get("ODEN_BODIES", "300"))
"""How many made bodies each of two tests sends; `make bodies` sends 10,000."""

PLAUSIBLE = st.one_of(
    st.tuples(st.just("/v2/intervals/set"), BULK_SET),
    st.tuples(st.just("/v2/intervals/update"), BULK_UPDATE),
    st.tuples(st.sampled_from(["/v2/interval_type/set", "/v2/interval_type/search"]), TYPE),
    st.tuples(st.just("/v2/interval/set"), CREATE),
    st.tuples(st.sampled_from(["/v2/interval/set", "/v2/interval/search"]), INTERVAL),
    st.tuples(st.sampled_from(["/v2/scrap_yield/set", "/v2/scrap_yield/search"]), OUTPUT),
    st.tuples(st.sampled_from(["/v2/factory/search", "/v2/line/search", "/v2/quality_schema/search"]), LINE),
    st.tuples(st.sampled_from(["/v2/product/search", "/v2/product/set", "/v2/product/delete"]), PRODUCT),
    st.tuples(st.sampled_from(["/v2/product_mapping/search", "/v2/product_mapping/set"]), MAPPING),
    st.tuples(st.sampled_from(["/v2/product_attribute/search", "/v2/product_attribute/set"]), ATTRIBUTE),
    st.tuples(st.just("/v2/metric_group/search"), GROUP),
    st.tuples(st.sampled_from(["/v2/target/search", "/v2/target/set"]), TARGET),
    st.tuples(st.sampled_from(["/v2/interval/update", "/v2/interval/delete"]), INTERVAL),
    st.tuples(st.just("/v2/intervals/delete"), BULK_DELETE),
    st.tuples(st.just("/v2/interval_type/delete"), st.just({"id": type_id("shift")}) | TYPE),
    st.tuples(st.just("/v2/scrap_yield/delete"), OUTPUT),
    st.tuples(st.sampled_from(["/v2/quality_test/search", "/v2/quality_test/set", "/v2/quality_test/delete"]), TEST),
    st.tuples(st.sampled_from(["/v2/quality_tests/delete", "/v2/maintenance_work_order/search"]), SPAN),
    st.tuples(st.sampled_from([f"/v2/maintenance_work_order/{one}" for one in ("search", "set", "delete")]), ORDER),
    st.tuples(st.sampled_from(["/v2/oql/query", "/v2/oql/query?format=json"]), QUERY),
    st.tuples(st.just("/v2/dashboard/execute"), DASHBOARD),
)


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, object]:
    """A plausible request in which one place holds something else."""
    path, whole = draw(PLAUSIBLE)
    body = json.loads(json.dumps(whole))
    place = body
    while True:
        if not place:
            return path, draw(JSON)
        key = draw(st.sampled_from(range(len(place)) if isinstance(place, list) else sorted(place)))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(JSON)
    return path, body


@asynccontextmanager
async def asking(ledger: Path) -> AsyncIterator[tuple[OdenModel, Callable[[str, bytes], Any]]]:
    """A fresh stand-in: its model, and a function that posts to it and gives status and text answered."""
    model, book = OdenModel(PLANT), Ledger(ledger)
    async with (
        listening(make_app(model, "secret", book), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(headers={"Authorization": "Token secret"}) as session,
    ):

        async def ask(path: str, body: bytes) -> tuple[int, str]:
            async with session.post(address.removesuffix("/v2") + path, data=body) as answer:
                return answer.status, await answer.text()

        yield model, ask
    book.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def ask(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, bytes], tuple[int, str]]]:
    """Posts to one stand-in that lives as long as the tests of this module."""
    stand_in = asking(tmp_path_factory.mktemp("ledger") / "oden.jsonl")
    _, send = runner.run(stand_in.__aenter__())
    yield lambda path, body: runner.run(send(path, body))
    runner.run(stand_in.__aexit__(None, None, None))


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def check(status: int, text: str) -> None:
    answer = json.loads(text, parse_constant=refuse)
    assert status in {200, 400, 404, 409}
    if status == 200:
        assert isinstance(answer, list | dict)
    else:
        assert isinstance(answer["error"], str)
        assert answer["retryable"] is False
        assert status != 400 or isinstance(answer["name"], str)
        assert status != 409 or answer["num_matches"] > 1


@given(ENDPOINT, st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_bytes_get_a_proper_answer(ask: Callable[[str, bytes], tuple[int, str]], path: str, body: bytes) -> None:
    """Whatever bytes are posted to any endpoint: no 5xx, and JSON with `error` where it is not a success."""
    check(*ask(path, body))


@given(ENDPOINT, JSON)
@settings(max_examples=BODIES // 5, deadline=None)
def test_any_json_gets_a_proper_answer(ask: Callable[[str, bytes], tuple[int, str]], path: str, body: object) -> None:
    """The same for any JSON (and what Python takes for JSON)."""
    check(*ask(path, json.dumps(body).encode()))


@given(broken())
@settings(max_examples=BODIES, deadline=None)
def test_a_request_with_one_wrong_place_gets_a_proper_answer(
    ask: Callable[[str, bytes], tuple[int, str]], request_: tuple[str, object]
) -> None:
    """The same for requests that are right but for one place, which reach deeper."""
    path, body = request_
    check(*ask(path, json.dumps(body).encode()))


@given(st.lists(PLAUSIBLE | broken(), max_size=25))
@settings(max_examples=40, deadline=None)
def test_replaying_a_ledger_gives_an_equal_model(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[str, object]]
) -> None:
    """Whatever was posted, accepted or refused: the ledger's successes alone make the same model, with the same ids."""
    ledger = tmp_path_factory.mktemp("ledger") / "oden.jsonl"

    async def play() -> OdenModel:
        async with asking(ledger) as (model, ask):
            for path, body in sent:
                await ask(path, json.dumps(body).encode())
            return model

    model = runner.run(play())
    assert len(list(requests(ledger))) == len(sent)
    assert replay(ledger, PLANT) == model


@given(st.lists(PLAUSIBLE, max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_same_requests_give_the_same_answers(sent: list[tuple[str, object]]) -> None:
    """The model is deterministic: two fresh ones answer alike all the way, and end equal."""
    one, other = OdenModel(PLANT), OdenModel(PLANT)
    for path, body in sent:
        data = json.dumps(body).encode()
        assert one.answer(path, data) == other.answer(path, data)
    assert one == other


@given(st.lists(PLAUSIBLE, max_size=25), broken())
@settings(max_examples=60, deadline=None)
def test_what_is_refused_changes_nothing(sent: list[tuple[str, object]], last: tuple[str, object]) -> None:
    """After a refused request the model equals one that never got it."""
    one, other = OdenModel(PLANT), OdenModel(PLANT)
    for path, body in sent:
        data = json.dumps(body).encode()
        if one.answer(path, data).status == 200:
            other.answer(path, data)
    path, body = last
    if one.answer(path, json.dumps(body).encode()).status == 200:
        other.answer(path, json.dumps(body).encode())
    assert one == other
