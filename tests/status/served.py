"""The status server on a real socket, as tests ask it."""

import base64
from dataclasses import dataclass

import aiohttp

from gateway.status.snapshot import Snapshot

SCRIPTS = ("words.js", "timeline.js", "charts.js", "actions.js", "lines.js", "page.js")
PATHS = (
    "/",
    "/wall",
    "/style.css",
    *(f"/{name}" for name in SCRIPTS),
    "/icon.svg",
    "/api/status",
    "/api/timeline",
    "/api/trend",
    "/healthz",
    "/readyz",
    "/metrics",
)


@dataclass
class Gateway:
    """What the server looks at; tests change it while it serves."""

    snapshot: Snapshot
    stuck: str | None = None


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Served:
    gateway: Gateway
    url: str
    client: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        async with self.client.request(method, self.url + path, headers=headers) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.text())


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
