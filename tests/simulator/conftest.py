"""A running stand-in for the tests here."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from gateway.simulator.oden_api import listening, make_app
from gateway.simulator.oden_model import OdenModel, Plant

Post = Callable[[str, object], Awaitable[tuple[int, Any]]]
"""Sends a JSON body to `object/action`; gives the status and the JSON answered."""


@pytest.fixture
def model() -> OdenModel:
    return OdenModel(Plant())


@pytest.fixture
async def post(model: OdenModel) -> AsyncIterator[Post]:
    """A client of a running stand-in with the default plant."""
    headers = {"Authorization": "Token secret"}
    async with (
        listening(make_app(model, "secret"), "127.0.0.1", 0) as address,
        aiohttp.ClientSession(headers=headers) as session,
    ):

        async def send(endpoint: str, body: object) -> tuple[int, Any]:
            async with session.post(f"{address}/{endpoint}", json=body) as answer:
                return answer.status, await answer.json()

        yield send
