"""A running stand-in for the tests here, and what made bodies were answered, at the end."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.simulator.oden.held_stand_in import StandIn

Post = Callable[[str, object], Awaitable[tuple[int, Any]]]
"""Sends a JSON body to `object/action`; gives the status and the JSON answered."""


@pytest.fixture
def model() -> OdenModel:
    return OdenModel(Organization())


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


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "oden.jsonl")


@dataclass
class Answered:
    """What made bodies were answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    endpoints: set[str] = field(default_factory=set)

    def count(self, endpoint: str, status: int) -> None:
        self.statuses[status] += 1
        self.endpoints.add(endpoint)


ANSWERED = pytest.StashKey[Answered]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many made bodies there were."""
    made = config.stash.get(ANSWERED, None)
    if made is not None:
        how = ", ".join(f"{count:,} with {status}" for status, count in sorted(made.statuses.items()))
        summary = f"{made.statuses.total():,} made bodies for {len(made.endpoints)} endpoints, answered {how}"
        terminalreporter.write_line(f"Oden stand-in: {summary}")
