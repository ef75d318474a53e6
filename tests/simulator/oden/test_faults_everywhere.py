"""Every fault at every endpoint: what the client sees, and whether the request took effect."""

import asyncio
import json
from collections.abc import AsyncIterator
from copy import deepcopy

import aiohttp
import pytest

from gateway.simulator.oden.bodies import without_ids
from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.faults import KINDS, Reply, read_fault, reply_of
from gateway.simulator.oden.model import ENDPOINTS, OdenModel
from gateway.simulator.oden.server import listening, make_app
from tests.peers import PATIENCE

from .accepted import ACCEPTED, beginning
from .bodies import PLANT

STATUSES = (400, 401, 403, 404, 409, 429, 500, 501, 503)
FAULTS = (
    *("latency seconds=0.001", "redirect", "truncated", "content_type", "no_id"),
    *(f"error status={status} commit=no" for status in STATUSES),
    *(
        f"{kind} commit={when}"
        for kind in ("error", "foreign", "swallow", "html", "hang", "close")
        for when in ("no", "yes", "0.001")
    ),
)
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

    def __init__(self, address: str, client: aiohttp.ClientSession, model: OdenModel, injector: FaultInjector) -> None:
        self.address, self.client, self.model, self.injector = address, client, model, injector

    async def seen_until_struck(self, path: str, body: bytes) -> tuple[int, str, bytes] | str:
        """As `seen`, by a client that leaves as soon as a fault has struck its request."""
        (active,) = self.injector.active.values()
        before = active.struck
        asked = asyncio.create_task(self.seen(path, body))
        async with asyncio.timeout(PATIENCE):
            while active.struck == before:
                await asyncio.sleep(0.001)
        await asyncio.wait({asked}, timeout=0.01)
        if asked.done():
            return await asked
        asked.cancel()
        await asyncio.wait({asked})
        return "nothing"

    async def seen(self, path: str, body: bytes) -> tuple[int, str, bytes] | str:
        """Status, content type and body; or what came in their place."""
        try:
            timeout = aiohttp.ClientTimeout(total=PATIENCE)
            async with self.client.post(
                self.address + path, data=body, allow_redirects=False, timeout=timeout
            ) as answer:
                return answer.status, answer.content_type, await answer.read()
        except aiohttp.ServerDisconnectedError:
            return "closed"
        except aiohttp.ClientPayloadError:
            return "cut"


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    model, injector = OdenModel(PLANT), FaultInjector(PLANT)
    async with (
        listening(make_app(model, "secret", None, [inject_faults(injector)]), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(headers={"Authorization": "Token secret", "Content-Type": "application/json"}) as client,
    ):
        yield Running(address.removesuffix("/v2"), client, model, injector)


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
    running.injector.add(read_fault(words))
    kind = words.partition(" ")[0]
    for path in PATHS:
        body, after = body_of(path), deepcopy(START)
        genuine = reply_of(after.answer(path, body))
        running.model.restore(START.snapshot())
        seen = await (running.seen_until_struck if kind == "hang" else running.seen)(path, body)
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
            case "foreign":
                assert isinstance(seen, tuple)
                assert seen[:2] == (404, "application/json")
                assert json.loads(seen[2]).keys() == {"message"}
            case "swallow":
                assert seen == (200, "application/json", b"")
            case "error":
                sees = read_fault(words).sees
                assert isinstance(sees, Reply)
                assert seen == (sees.status, "application/json", sees.body)
                assert {"error", "retryable"} <= json.loads(sees.body).keys()
        if "commit=no" in words or kind == "redirect":
            assert running.model == START
        else:
            async with asyncio.timeout(PATIENCE):
                while running.model != after:
                    await asyncio.sleep(0.001)
