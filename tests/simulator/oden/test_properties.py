"""What holds for every request, by hypothesis, against the running server.

`ODEN_BODIES` is how many made bodies are sent (350), in equal parts to each endpoint; without it, always the same ones.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.oden import persistence
from gateway.simulator.oden.bodies import Fields, to_external_ids, to_internal_ids
from gateway.simulator.oden.model import ENDPOINTS, OdenModel
from gateway.simulator.oden.oql import COLUMNS, Query, QueryError, read_query
from gateway.simulator.oden.persistence import Ledger, replay
from gateway.simulator.oden.server import listening, make_app

from .accepted import beginning
from .bodies import PLANT, PLAUSIBLE, Request, bodies, requests
from .conftest import ANSWERED, Answered

BODIES = int(os.environ.get("ODEN_BODIES", "350"))
EACH = -(-BODIES // len(ENDPOINTS))
"""Bodies for each endpoint."""
LONGEST_WAIT = 60
"""Seconds after which an answer is missing: a hang."""

Ask = Callable[[str, bytes], tuple[int, str, str]]


@asynccontextmanager
async def asking(ledger: Path) -> AsyncIterator[tuple[OdenModel, aiohttp.ClientSession, str]]:
    """A fresh stand-in: its model, a client with the token, and where it listens."""
    model, book = OdenModel(PLANT), Ledger(ledger)
    async with (
        listening(make_app(model, "secret", book), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(
            headers={"Authorization": "Token secret", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=LONGEST_WAIT),
        ) as session,
    ):
        yield model, session, address.removesuffix("/v2")
    book.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def ask(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Posts to one stand-in that lives as long as the tests of this module; gives status, content type and text."""
    stand_in = asking(tmp_path_factory.mktemp("ledger") / "oden.jsonl")
    _, session, address = runner.run(stand_in.__aenter__())

    async def send(path: str, body: bytes) -> tuple[int, str, str]:
        async with session.post(address + path, data=body) as answer:
            return answer.status, answer.content_type, await answer.text()

    for path, body in beginning():
        assert runner.run(send(path, body))[0] == 200
    yield lambda path, body: runner.run(send(path, body))
    runner.run(stand_in.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def answered(request: pytest.FixtureRequest) -> Answered:
    """Where made bodies are counted, which is printed at the end."""
    return request.config.stash.setdefault(ANSWERED, Answered())


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_bodies_are_made_for_every_endpoint() -> None:
    """For those that there are, and no others."""
    assert {f"/v2/{endpoint}" for endpoint in PLAUSIBLE} == set(ENDPOINTS)


@pytest.mark.parametrize("endpoint", sorted(PLAUSIBLE))
@given(data=st.data())
@settings(max_examples=EACH, deadline=None, derandomize="ODEN_BODIES" not in os.environ)
def test_a_made_body_gets_a_proper_answer(ask: Ask, answered: Answered, endpoint: str, data: st.DataObject) -> None:
    """Whatever is posted, in time: no 5xx, and JSON (or the table asked for) with `error` where it is no success."""
    path, body = data.draw(bodies(endpoint))
    status, kind, text = ask(path, body)
    answered.count(endpoint, status)
    if kind == "text/csv":
        assert (status, path) == (200, "/v2/oql/query?format=csv")
        return
    answer = json.loads(text, parse_constant=refuse)
    assert (status, kind) in {(status, "application/json") for status in (200, 400, 404, 409)}
    if status == 200:
        assert isinstance(answer, list | dict)
    else:
        assert isinstance(answer["error"], str)
        assert answer["retryable"] is False
        assert status != 400 or isinstance(answer["name"], str)
        assert status != 409 or answer["num_matches"] > 1


@given(st.lists(requests(), max_size=25))
@settings(max_examples=40, deadline=None)
def test_replaying_a_ledger_gives_an_equal_model(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory, sent: list[Request]
) -> None:
    """Whatever was posted, accepted or refused: the ledger's successes alone make the same model, with the same ids."""
    ledger = tmp_path_factory.mktemp("ledger") / "oden.jsonl"

    async def play() -> OdenModel:
        async with asking(ledger) as (model, session, address):
            for path, body in sent:
                async with session.post(address + path, data=body):
                    pass
            return model

    model = runner.run(play())
    assert len(list(persistence.read_ledger(ledger))) == len(sent)
    assert replay(ledger, PLANT) == model


@given(st.lists(requests(wrong=False), max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_same_requests_give_the_same_answers(sent: list[Request]) -> None:
    """The model is deterministic: two fresh ones answer alike all the way, and end equal."""
    first, second = OdenModel(PLANT), OdenModel(PLANT)
    for request in sent:
        assert first.answer(*request) == second.answer(*request)
    assert first == second


@given(st.lists(requests(wrong=False), max_size=25), requests())
@settings(max_examples=60, deadline=None)
def test_what_is_refused_changes_nothing(sent: list[Request], last: Request) -> None:
    """After a refused request the model equals one that never got it."""
    first, second = OdenModel(PLANT), OdenModel(PLANT)
    for request in [*sent, last]:
        if first.answer(*request).status == 200:
            second.answer(*request)
    assert first == second


@given(st.lists(requests(), max_size=25), st.lists(requests(), max_size=10))
@settings(max_examples=100, deadline=None)
def test_a_model_goes_on_from_its_saved_state(before: list[Request], after: list[Request]) -> None:
    """What it holds goes through JSON unchanged, and from then on both answer alike, to the last id."""
    first, second = OdenModel(PLANT), OdenModel(PLANT)
    for request in before:
        first.answer(*request)
    second.restore(json.loads(json.dumps(first.snapshot())))
    assert second == first
    for request in after:
        assert second.answer(*request) == first.answer(*request)
    assert second == first


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="'"), max_size=10)
QUERIES = st.builds(
    Query,
    st.lists(st.sampled_from(COLUMNS), min_size=1).map(tuple),
    WORDS,
    st.lists(st.tuples(st.sampled_from(COLUMNS), WORDS)).map(tuple),
    st.none() | st.integers(0, 999_999),
)


@given(QUERIES, st.sampled_from([" ", "\n", "  "]), st.sampled_from([str.upper, str.lower]))
def test_a_query_that_is_written_is_read_again(query: Query, space: str, case: Callable[[str], str]) -> None:
    """In any case and with any space between the words."""
    where = f" {case('and')} ".join(f"{column} = '{value}'" for column, value in query.where)
    parts = [
        *(case("select"), ",".join(map(case, query.columns)), case("from"), f"'{query.type}'"),
        *([case("where"), where] if query.where else []),
        *([] if query.limit is None else [case("limit"), str(query.limit)]),
    ]
    assert read_query(space.join(parts)) == query


@given(
    st.text()
    | st.lists(st.sampled_from(["SELECT", "*", ",", "FROM", "WHERE", "=", "'", "LIMIT", "AND", "1", "id"])).map(
        " ".join
    )
)
def test_any_text_is_a_query_or_refused(text: str) -> None:
    """With the one error that says so, and no other."""
    try:
        read = read_query(text)
    except QueryError:
        return
    assert set(read.columns) <= set(COLUMNS)


def test_a_long_query_that_is_wrong_is_refused_at_once(ask: Ask) -> None:
    """Also one that is made to keep a search for patterns busy."""
    for query in ("SELECT" + " " * 100_000, "SELECT " + "id," * 100_000, "SELECT * FROM RUN WHERE " + "'" * 100_000):
        assert ask("/v2/oql/query", json.dumps({"query": query}).encode())[0] == 400


GIVEN = {("line", "a"): "made 1", ("product", "a"): "made 2", ("factory", "b"): "made 3"}
PARTS = st.recursive(
    st.fixed_dictionaries({}, optional={"id": st.sampled_from("abc"), "name": st.sampled_from("ab")}),
    lambda inner: (
        st.dictionaries(st.sampled_from(["line", "product", "factory"]), inner)
        | st.fixed_dictionaries({"line": inner, "id": st.just("c")})
    ),
)


@given(PARTS)
def test_given_ids_come_back_as_they_were_given(part: dict[str, object]) -> None:
    """Whatever stands where: what a request means is to_external_ids with the same ids, and each kind has its own."""
    read = to_internal_ids(Fields(part), "line", GIVEN)
    assert to_external_ids(dict(read.values), GIVEN) == part
    assert "made 1" not in str(to_internal_ids(Fields({"product": {"id": "a"}}), "line", GIVEN).values)
