"""The admin port: faults and modes while the stand-in runs."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import aiohttp
import pytest

from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.manners import Manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_admin, make_app
from gateway.simulator.oden.store import Organization


class Client:
    """Talks to a stand-in and to its admin port."""

    def __init__(self, session: aiohttp.ClientSession, api: str, admin: str) -> None:
        self.session, self.api, self.admin = session, api, admin

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(method, f"{self.admin}{path}", data=data) as answer:
            return answer.status, await answer.json()

    async def search(self) -> int:
        async with self.session.post(
            f"{self.api}/factory/search", json={"match": "all"}, headers={"Authorization": "Token secret"}
        ) as answer:
            return answer.status


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    model, injector = OdenModel(Organization()), FaultInjector(Organization())
    async with (
        listening(make_app(model, "secret", middlewares=[inject_faults(injector)]), "127.0.0.1", 0) as api,
        listening(make_admin(injector, model), "127.0.0.1", 0) as admin,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, api, admin.removesuffix("/v2"))


async def test_faults_are_added_listed_with_counts_and_ended(client: Client) -> None:
    """POST adds and answers the number, GET lists what struck how often and counts requests, DELETE ends."""
    assert await client.search() == 200
    fault = {"kind": "error", "status": 503, "retryable": True, "times": 2, "at": "factory/search"}
    assert await client.ask("POST", "/faults", fault) == (200, {"number": 1})
    assert await client.ask("POST", "/faults", {"kind": "error", "status": 429}) == (200, {"number": 2})
    assert [await client.search() for _ in range(3)] == [503, 503, 429]
    assert await client.ask("GET", "/faults") == (
        200,
        {
            "faults": [
                {"number": 1, "fault": "error status=503 retryable=yes times=2 at=factory/search", "struck": 2},
                {"number": 2, "fault": "error status=429", "struck": 1},
            ],
            "requests": {"factory/search": 4},
        },
    )
    assert await client.ask("DELETE", "/faults/2") == (200, {})
    assert await client.search() == 200
    assert await client.ask("POST", "/faults", {"kind": "error"}) == (200, {"number": 3})
    assert await client.search() == 500
    assert await client.ask("DELETE", "/faults") == (200, {})
    assert await client.search() == 200
    assert (await client.ask("GET", "/faults"))[1]["faults"] == []


async def test_manners_are_changed_and_shown(client: Client) -> None:
    """POST changes what it gives and answers all; GET shows them, also under the address of before."""
    status, manners = await client.ask("POST", "/manners", {"range": "start", "bulk_update": 501})
    assert (status, manners) == (200, asdict(Manners(range="start", bulk_update=501)))
    assert await client.ask("GET", "/manners") == await client.ask("GET", "/modes") == (200, manners)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", b"{", 400),
        ("POST", "/faults", b"\xff", 400),
        ("POST", "/faults", [], 400),
        ("POST", "/faults", {}, 400),
        ("POST", "/faults", {"kind": []}, 400),
        ("POST", "/faults", {"kind": "explode"}, 400),
        ("POST", "/faults", {"kind": "close", "commit": [5]}, 400),
        ("POST", "/faults", {"kind": "close", "line": {"name": "Line 01"}}, 400),
        ("DELETE", "/faults/7", None, 404),
        ("POST", "/modes", {"range": "inside"}, 400),
        ("POST", "/modes", [], 400),
    ],
)
async def test_wrong_requests_are_told_why_and_change_nothing(
    client: Client, method: str, path: str, body: object, status: int
) -> None:
    """JSON with `error`; no fault is in force and no mode has changed."""
    before = await client.ask("GET", "/modes")
    answered, answer = await client.ask(method, path, body)
    assert (answered, answer.keys()) == (status, {"error"})
    assert await client.ask("GET", "/faults") == (200, {"faults": [], "requests": {}})
    assert await client.ask("GET", "/modes") == before
