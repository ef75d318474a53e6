"""The status server on a real socket."""

import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from importlib.resources import files

import aiohttp
import pytest

from gateway.errors import GatewayError
from gateway.status.snapshot import InputStatus, RunStatus, Snapshot
from gateway.status.web import StatusServer
from tests.status.conftest import problem

PATHS = ("/", "/style.css", "/page.js", "/icon.svg", "/api/status", "/healthz", "/readyz", "/metrics")


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


@pytest.fixture
async def served(picture: Snapshot) -> AsyncIterator[Served]:
    gateway = Gateway(picture)
    async with (
        StatusServer("127.0.0.1:0", lambda: gateway.snapshot, lambda: gateway.stuck) as server,
        aiohttp.ClientSession() as client,
    ):
        yield Served(gateway, server.url, client)


async def test_api_status_is_the_snapshot_of_now(served: Served) -> None:
    """`/api/status` is JSON of the picture taken for this request."""
    first = await served.ask("/api/status")
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(first.text)["healthy"] is True
    served.gateway.snapshot = replace(served.gateway.snapshot, problems=(problem("Oden refuses the token."),))
    second = json.loads((await served.ask("/api/status")).text)
    assert (second["healthy"], second["problems"]) == (False, ["Oden refuses the token."])


async def test_healthz_asks_whether_the_process_turns(served: Served) -> None:
    """200 with problems all around, as waiting is by design; 503 with the reason once a loop is stuck."""
    served.gateway.snapshot = replace(
        served.gateway.snapshot, ready=False, problems=(problem("Oden cannot be reached."),)
    )
    well = await served.ask("/healthz")
    assert (well.status, well.text) == (200, "ok")
    served.gateway.stuck = "The delivery loop has not turned for 45 s."
    stuck = await served.ask("/healthz")
    assert (stuck.status, stuck.text) == (503, "The delivery loop has not turned for 45 s.")


async def test_readyz_says_why_it_is_not_ready(served: Served) -> None:
    """A problem alone does not make the gateway unready; what stops it does, and is named."""
    served.gateway.snapshot = replace(served.gateway.snapshot, problems=(problem("A tag is not received."),))
    assert (await served.ask("/readyz")).status == 200
    served.gateway.snapshot = replace(served.gateway.snapshot, ready=False, not_ready="Oden cannot be reached.")
    unready = await served.ask("/readyz")
    assert (unready.status, unready.text) == (503, "not ready: Oden cannot be reached.")


async def test_metrics_are_served(served: Served) -> None:
    """`/metrics` answers in the format and with the content type that the scraper asks for."""
    plain = await served.ask("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "\noden_gateway_dead_letters 3.0\n" in plain.text
    openmetrics = await served.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_every_answer_is_hardened(served: Served, path: str) -> None:
    """Each answer, an error too, forbids foreign scripts and framing, is not stored, and names no library version."""
    headers = (await served.ask(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "oden-gateway"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_for_reading_only(served: Served, path: str) -> None:
    """HEAD answers like GET without a body; everything that could mean a change is refused."""
    head = await served.ask(path, "HEAD")
    assert (head.status, head.text) == (200, "")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert (await served.ask(path, method)).status == 405


async def test_a_made_up_host_is_not_repeated(served: Served) -> None:
    """The Host header, which the asker makes up, appears nowhere in an answer."""
    for path in (*PATHS, "/nothing"):
        answer = await served.ask(path, Host="evil.example")
        assert "evil.example" not in answer.text + "".join(answer.headers.values())


async def test_hostile_values_stay_data(served: Served) -> None:
    """A product named like a script comes back as that text, in an answer that no browser takes for a page."""
    [line, *others] = served.gateway.snapshot.lines
    name = "</script><script>alert(1)</script>"
    hostile = replace(line, run=RunStatus(name, name, 0.0), inputs={name: InputStatus(name + "\ud800", None, "good")})
    served.gateway.snapshot = replace(served.gateway.snapshot, lines=(hostile, *others))
    answer = await served.ask("/api/status")
    said = json.loads(answer.text)["lines"][0]
    assert said["run"]["product"] == name
    assert said["inputs"][name]["value"] == name + "\ud800"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert name not in (await served.ask("/metrics")).text


async def test_forty_lines(served: Served) -> None:
    """A plant of forty lines comes back whole and in the order of the configuration."""
    [line, *_] = served.gateway.snapshot.lines
    lines = tuple(replace(line, key=f"line {number}") for number in range(40))
    served.gateway.snapshot = replace(served.gateway.snapshot, lines=lines)
    said = json.loads((await served.ask("/api/status")).text)
    assert [line["key"] for line in said["lines"]] == [f"line {number}" for number in range(40)]


async def test_a_busy_port_is_said_in_a_sentence(picture: Snapshot) -> None:
    """A port that another program holds raises GatewayError with the address and the way out, and leaves nothing
    open.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(GatewayError, match=rf"{re.escape(listen)} .*in use.*status\.listen"):
            async with StatusServer(listen, lambda: picture, lambda: None):
                pass


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "203.0.113.7:0"])
async def test_an_address_that_cannot_be(picture: Snapshot, listen: str) -> None:
    """A port that does not exist, or an address of another machine, is a GatewayError too."""
    with pytest.raises(GatewayError, match=re.escape(listen)):
        async with StatusServer(listen, lambda: picture, lambda: None):
            pass


async def test_it_lets_go_of_its_port(picture: Snapshot) -> None:
    """After the block nobody listens any more, and the same address can be taken again at once."""
    async with StatusServer("127.0.0.1:0", lambda: picture, lambda: None) as server:
        listen = server.url.removeprefix("http://")
    async with StatusServer(listen, lambda: picture, lambda: None) as again:
        assert again.url == f"http://{listen}"


async def test_ipv6(picture: Snapshot) -> None:
    """An IPv6 address is written in brackets, in the configuration and in `url`."""
    async with (
        StatusServer("[::1]:0", lambda: picture, lambda: None) as server,
        aiohttp.ClientSession() as client,
        client.get(server.url + "/healthz") as answer,
    ):
        assert server.url.startswith("http://[::1]:")
        assert answer.status == 200


# The page itself


def static(name: str) -> str:
    return (files("gateway.status") / "static" / name).read_text(encoding="utf-8")


class Page(HTMLParser):
    """The attributes in index.html."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str]] = []
        self.feed(static("index.html"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def named(self, *names: str) -> set[str]:
        return {value for name, value in self.attributes if name in names}


def test_the_page_takes_texts_for_texts() -> None:
    """page.js has none of the ways by which a value could become markup or code."""
    script = static("page.js")
    assert "textContent" in script
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "setAttribute"):
        assert way not in script


async def test_the_page_needs_nobody_else(served: Served) -> None:
    """All that the page loads or links to is served here, and it has no inline script or style that the policy
    forbids.
    """
    page = Page()
    for target in page.named("src", "href"):
        assert (await served.ask(f"/{target}")).status == 200
    assert "url(" not in static("style.css")
    assert "@import" not in static("style.css")
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]


def test_the_script_finds_its_places() -> None:
    """Every list that page.js fills is in index.html, and so is each template that it copies; neither has one
    unused.
    """
    calls = re.findall(r'\blist\(\w+, "(\w+)", "(\w+)"', static("page.js"))
    assert {name for name, _ in calls} == Page().named("data-list")
    assert {template for _, template in calls} == set(re.findall(r'<template id="(\w+)">', static("index.html")))
