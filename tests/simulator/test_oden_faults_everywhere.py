"""Every fault at every endpoint: what the client sees, and whether the request took effect."""

import asyncio
import json
from collections.abc import AsyncIterator
from copy import deepcopy

import aiohttp
import pytest

from gateway.simulator.oden_api import listening, make_app
from gateway.simulator.oden_body import without_ids
from gateway.simulator.oden_faults import KINDS, Reply, read_fault, reply_of
from gateway.simulator.oden_model import ENDPOINTS, OdenModel
from gateway.simulator.oden_plan import FaultPlan
from gateway.simulator.oden_wire import carrying_out

from .accepted import ACCEPTED, beginning
from .bodies import PLANT

STATUSES = (400, 401, 403, 404, 409, 429, 500, 501, 503)
FAULTS = (
    *("latency seconds=0.001", "redirect", "truncated", "content_type", "no_id"),
    *(f"error status={status} commit=no" for status in STATUSES),
    *(f"{kind} commit={when}" for kind in ("error", "html", "hang", "close") for when in ("no", "yes", "0.001")),
)
PATIENCE = {"hang": 0.05}
"""Seconds after which a client leaves, where not 10."""
PATHS = [f"/v2/{endpoint}" for endpoint in sorted(ACCEPTED)] + ["/v2/oql/query?format=csv", "/v2/oql/query?format=json"]


def start() -> OdenModel:
    """A model in which there is something of every kind."""
    model = OdenModel(PLANT)
    for request in beginning():
        assert model.answer(*request).status == 200
    return model


START = start()


class Running:
    """A stand-in with faults, and a client of it."""

    def __init__(self, address: str, client: aiohttp.ClientSession, model: OdenModel, plan: FaultPlan) -> None:
        self.address, self.client, self.model, self.plan = address, client, model, plan

    async def seen(self, path: str, body: bytes, patience: float) -> tuple[int, str, bytes] | str:
        """Status, content type and body; or what came in their place."""
        try:
            timeout = aiohttp.ClientTimeout(total=patience)
            async with self.client.post(
                self.address + path, data=body, allow_redirects=False, timeout=timeout
            ) as answer:
                return answer.status, answer.content_type, await answer.read()
        except aiohttp.ServerDisconnectedError:
            return "closed"
        except aiohttp.ClientPayloadError:
            return "cut"
        except TimeoutError:
            return "nothing"


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    model, plan = OdenModel(PLANT), FaultPlan(PLANT)
    async with (
        listening(make_app(model, "secret", None, [carrying_out(plan)]), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(headers={"Authorization": "Token secret"}) as client,
    ):
        yield Running(address.removesuffix("/v2"), client, model, plan)


def test_there_is_a_body_for_every_endpoint_and_a_fault_of_every_kind() -> None:
    """So that nothing is left out below."""
    assert {f"/v2/{endpoint}" for endpoint in ACCEPTED} == set(ENDPOINTS)
    assert {words.partition(" ")[0] for words in FAULTS} == set(KINDS)


@pytest.mark.parametrize("path", PATHS)
def test_the_bodies_are_accepted(path: str) -> None:
    """And change what is there, where the endpoint does."""
    model = deepcopy(START)
    reads = path.partition("?")[0].endswith(("/search", "/query", "/execute"))
    assert model.answer(path, body_of(path)).status == 200
    assert (model == START) == reads


def body_of(path: str) -> bytes:
    return json.dumps(ACCEPTED[path.removeprefix("/v2/").partition("?")[0]]).encode()


@pytest.mark.parametrize("words", FAULTS)
async def test_a_fault_at_every_endpoint(running: Running, words: str) -> None:
    """The client sees the same at each; where the fault commits, and only there, the request takes effect.

    For what reads there is no effect, so `commit` makes no difference but for whether the genuine answer is made.
    """
    running.plan.add(read_fault(words))
    kind = words.partition(" ")[0]
    for path in PATHS:
        body, after = body_of(path), deepcopy(START)
        genuine = reply_of(after.answer(path, body))
        running.model.load(START.saved())
        seen = await running.seen(path, body, PATIENCE.get(kind, 10))
        match kind:
            case "latency":
                assert seen == (200, genuine.content_type, genuine.body)
            case "truncated":
                assert seen == "cut"
            case "content_type":
                assert seen == (200, "text/plain", genuine.body)
            case "no_id" if genuine.content_type == "text/csv":
                assert seen == (200, "text/csv", genuine.body)
            case "no_id":
                assert seen == (200, "application/json", json.dumps(without_ids(json.loads(genuine.body))).encode())
            case "redirect":
                assert seen == (302, "text/html", b"")
            case "close":
                assert seen == "closed"
            case "hang":
                assert seen == "nothing"
            case "html":
                assert isinstance(seen, tuple)
                assert seen[:2] == (502, "text/html")
            case "error":
                sees = read_fault(words).sees
                assert isinstance(sees, Reply)
                assert seen == (sees.status, "application/json", sees.body)
                assert {"error", "retryable"} <= json.loads(sees.body).keys()
        if "commit=no" in words or kind == "redirect":
            assert running.model == START
        else:
            async with asyncio.timeout(10):
                while running.model != after:
                    await asyncio.sleep(0.001)
