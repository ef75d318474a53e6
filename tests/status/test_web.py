"""The status server on a real socket."""

import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import aiohttp
import pytest

from gateway.errors import GatewayError
from gateway.model import StartInterval, UpdateInterval
from gateway.status.history import History, Trend
from gateway.status.snapshot import InputStatus, RunStatus, Snapshot
from gateway.status.web import STATIC, StatusServer
from tests.status.conftest import NOW, problem
from tests.status.served import PATHS, SCRIPTS, Gateway, Served


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
    assert headers["Cache-Control"] == ("no-cache" if path in STATIC else "no-store")
    assert headers["Server"] == "oden-gateway"
    assert "Access-Control-Allow-Origin" not in headers


# What has changed


async def messages(answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    """What an open page is told."""
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_an_open_page_is_told_what_changes(served: Served, encoding: str) -> None:
    """First everything, then only the fields that are others; a line that is gone is null."""
    async with served.client.get(served.url + "/api/changes", headers={"Accept-Encoding": encoding}) as answer:
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        told = messages(answer)
        first = await anext(told)
        assert first["parts"]["line/Factory A/Line 01"]["run"]["name"] == "4711"
        assert "inputs" not in first["parts"]["line/Factory A/Line 01"]
        line, _ = served.gateway.snapshot.lines
        served.gateway.snapshot = replace(served.gateway.snapshot, lines=(replace(line, tone="running", run=None),))
        second = await anext(told)
        assert second["parts"] == {
            "line/Factory A/Line 01": {"run": None, "tone": "running"},
            "line/Factory A/Line 02": None,
        }


async def test_open_pages_are_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is told to come back."""
    monkeypatch.setattr("gateway.status.web.MOST_STREAMS", 1)
    async with served.client.get(served.url + "/api/changes") as answer:
        await anext(messages(answer))
        other = await served.ask("/api/changes")
        assert (other.status, "Retry-After" in other.headers) == (503, True)


async def test_the_inputs_of_one_line(served: Served) -> None:
    """They are asked for only where somebody unfolds them."""
    answer = json.loads((await served.ask("/api/line?key=Factory%20A/Line%2002")).text)
    assert (answer["line"], answer["inputs"]["good"]["value"]) == ("Line 02", 65530)
    assert (await served.ask("/api/line?key=nobody")).status == 404


async def test_the_timeline_of_a_line(picture: Snapshot) -> None:
    """Its states and runs; of all lines, or of those that are asked for."""
    history = History()
    history.take(
        [StartInterval(f"s{n}", "Factory A/Line 02", 1, "STATE", n, None, {"category": "Uptime"}) for n in range(3)]
    )
    history.take([StartInterval("o", "Factory A/Line 02", 1, "Operator", 1)])
    async with (
        StatusServer("127.0.0.1:0", lambda: picture, lambda: None, history=history) as server,
        aiohttp.ClientSession() as client,
    ):
        served = Served(Gateway(picture), server.url, client)
        everything = json.loads((await served.ask("/api/timeline")).text)
        packed = {"Accept-Encoding": "gzip"}
        async with served.client.get(served.url + "/api/timeline", headers=packed) as answer:
            assert int(answer.headers["Content-Length"]) > 0  # by which the page knows what it has cost
        assert [*everything["lines"]] == ["Factory A/Line 01", "Factory A/Line 02"]
        shown = everything["lines"]["Factory A/Line 02"]
        assert [span["start"] for span in shown] == [0, 1, 2]
        one = json.loads((await served.ask("/api/timeline?key=Factory%20A/Line%2002&key=nobody")).text)
        assert one["lines"] == {"Factory A/Line 02": shown, "nobody": []}
        since = f"/api/timeline?since={everything['revision']}"
        assert json.loads((await served.ask(since)).text) == {"revision": everything["revision"], "lines": {}}
        history.take([UpdateInterval("u", "Factory A/Line 02", 1, "STATE", "s1", end=9)])
        later = json.loads((await served.ask(since)).text)
        assert later["lines"] == {"Factory A/Line 02": [shown[1] | {"end": 9}]}
        assert later["revision"] > everything["revision"]
        assert (await served.ask("/api/timeline?since=yesterday")).status == 400


async def test_the_trend_is_told_from_a_minute_on(picture: Snapshot) -> None:
    """An open page asks once for all, then for what is new."""
    trend = Trend()
    for minute in range(3):
        trend.take(replace(picture, now=NOW + 60 * minute))
    async with (
        StatusServer("127.0.0.1:0", lambda: picture, lambda: None, trend=trend) as server,
        aiohttp.ClientSession() as client,
    ):
        served = Served(Gateway(picture), server.url, client)
        everything = json.loads((await served.ask("/api/trend")).text)
        assert everything == [[NOW + 60 * minute, 19, 0, 19.0] for minute in range(3)]
        assert json.loads((await served.ask(f"/api/trend?since={NOW + 60}")).text) == everything[1:]
        for odd in ("nan", "inf", "-inf", "1e999"):
            assert (await served.ask(f"/api/trend?since={odd}")).status == 200
        assert (await served.ask("/api/trend?since=yesterday")).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_the_files_of_the_page_are_fetched_once(served: Served, encoding: str) -> None:
    """A browser that has one asks whether it is another by now; data are never kept."""
    for path in STATIC:
        first = await served.ask(path, **{"Accept-Encoding": encoding})
        again = await served.ask(path, **{"Accept-Encoding": encoding, "If-None-Match": first.headers["Etag"]})
        assert (again.status, again.text, again.headers["Etag"]) == (304, "", first.headers["Etag"])
        for other in ('"x"', "*", "W/", first.headers["Etag"][:-2]):
            assert (await served.ask(path, **{"If-None-Match": other})).status == 200
    assert "Etag" not in (await served.ask("/api/status")).headers


async def test_the_first_paint_is_small(served: Served) -> None:
    """The page with forty lines, with all that it needs, is under 100 KB on the wire."""
    line = served.gateway.snapshot.lines[0]
    lines = tuple(replace(line, key=f"Factory A/Line {number}") for number in range(40))
    served.gateway.snapshot = replace(served.gateway.snapshot, lines=lines)
    size = 0
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for path in PATHS[1:-3]:
            async with client.get(served.url + path) as answer:
                size += len(await answer.read())
        async with client.get(served.url + "/api/changes", headers={"Accept-Encoding": "gzip"}) as answer:
            size += len(await answer.content.readany())
    assert size < 100_000


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
    """The scripts have none of the ways by which a value could become markup or code."""
    script = "".join(map(static, SCRIPTS))
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
    """Every list that the scripts fill is in index.html, and so is each template that it copies; neither has one
    unused.
    """
    calls = re.findall(r'\blist\(\w+, "(\w+)", "(\w+)"', "".join(map(static, SCRIPTS)))
    assert {name for name, _ in calls} == Page().named("data-list")
    drawn = {"bar", "gap"}  # of the timeline, which has as many as it needs
    assert {template for _, template in calls} | drawn == set(
        re.findall(r'<template id="(\w+)">', static("index.html"))
    )
