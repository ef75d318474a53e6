"""The commands that look at a plant, at OPC UA servers of other makers: `browse`, `tail`, `check --live`, `record` and
`replay`, by themselves and through a gateway that runs."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.config.command import TOKEN, Answer
from tests.live.site import Site
from tests.live.test_tail import Tail
from tests.peers import PATIENCE, free_port, wait_until
from tests.processes import whole_lines
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer

NODE = "nsu=urn:acme:line;s="
STATE, GOOD, ORDER, LOST = (f"{NODE}L01.{name}" for name in ("State", "Good", "Order", "Lost"))
CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
sources: {{plc: {{type: opcua, url: "{url}", security: none, publishing_interval: 100ms}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "{node}L01.State"}}
      good: {{source: plc, node: "/Objects/{path}L01.Good", counter: {{}}}}
      order: {{source: plc, node: "{node}L01.Order"}}
      lost: {{source: plc, node: "{node}L01.Lost", counter: {{}}}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 0s}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
    scrap_yield:
      every: 1s
      entries: [{{count: good, raw_data: {{yield: "{{n}}"}}}}, {{count: lost, raw_data: {{scrap: "{{n}}"}}}}]
"""


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    """Each server, with a press. node-opcua has one session."""
    settings = {"capabilities": {"maxSessions": 1}} if request.param == NodeOpcua.name else {}
    server = SERVERS[request.param](tmp_path / "server", **settings)
    try:
        await server.start(L01__State=1, L01__Good=65_530, L01__Order="A1")
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def site(server: OpcuaPeer, tmp_path: Path) -> AsyncIterator[Site]:
    """A configuration with an input that the server does not have."""
    site = Site(tmp_path)
    ports = {"nobody": free_port(), "status": free_port()}
    site.configure(CONFIG.format(url=server.url, node=NODE, path="nsu=urn:acme:line;", **ports))
    yield site
    await site.end()


async def until_left(server: OpcuaPeer) -> None:
    """Wait until the server has no session of ours."""
    async with asyncio.timeout(PATIENCE):
        while (await server.ask(do="sessions"))["sessions"]:
            await asyncio.sleep(0.1)


def tree(answer: Answer) -> dict[str, dict[str, Any]]:
    """The variables that `browse` has found, by their nodes."""
    assert answer.code == 0, answer
    found = [json.loads(line) for line in answer.output.splitlines()]
    return {each["node"]: each for each in found if each["variable"]}


def findings(answer: Answer) -> set[tuple[str, str]]:
    """What `check --live` has found of the source and its inputs: nobody answers for Oden here."""
    found = {(each["kind"], each["about"]) for each in json.loads(answer.output)["findings"]}
    return {each for each in found if each[1] != "Oden"}


async def test_a_server_is_looked_at_by_itself(server: OpcuaPeer, site: Site) -> None:
    """By its address alone, as inputs to paste, as live values, as findings; each look leaves no session behind, so
    that a server with one session takes the next."""
    whole = tree(await site.run("browse", server.url, "--json", "--from", "/Objects", "--match", "urn:acme:line"))
    assert {node: (found["type"], found["value"]) for node, found in whole.items()} == {
        STATE: ("Int32", 1),
        GOOD: ("Int32", 65_530),
        ORDER: ("String", "A1"),
    }
    await until_left(server)
    pasted = await site.run("browse", server.url, "--yaml", "--match", "urn:acme:line")
    assert pasted.output.splitlines()[0] == "inputs:"
    assert all(node in pasted.output for node in (STATE, GOOD, ORDER))
    await until_left(server)
    tail = Tail(await site.start("tail", "-c", "gateway.yaml", "--json"))
    first = await tail.until(input="good", value=65_530)
    assert (first["quality"], first["known"], first["age"] > -5) == ("good", False, True)
    await server.write("L01.Good", 65_531)
    await tail.until(input="good", value=65_531)
    await server.write("L01.State", 1, status="BadNotConnected")
    await tail.until(input="state", quality="bad")
    assert await tail.end() == 0
    await until_left(server)
    await server.write("L01.State", 1)
    checked = await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "4", "--json")
    assert findings(checked) == {("node_missing", "Factory A/Line 01 lost")}, checked
    await until_left(server)


async def test_a_gateway_that_runs_looks_for_them(server: OpcuaPeer, site: Site) -> None:
    """With its own session: a server with one has room for no other."""
    await site.gateway()
    told: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(PATIENCE):
        while not told:
            answer = await site.run("browse", "-c", "gateway.yaml", "plc", "--json", "--match", "urn:acme:line")
            assert not answer.code or "not connected" in answer.problems[-1], answer
            told = tree(answer) if not answer.code else {}
    assert told[GOOD]["value"] == 65_530
    assert (await server.ask(do="sessions"))["sessions"] == 1
    tail = Tail(await site.start("tail", "-c", "gateway.yaml", "plc", "--json"))
    known = await tail.until(input="good", value=65_530)
    assert known["quality"] == "good"
    await server.write("L01.Good", 65_531)
    new = await tail.until(input="good", value=65_531)
    assert new["known"] is False
    assert await tail.end() == 0
    checked = await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "4", "--json")
    assert findings(checked) == {("node_missing", "Factory A/Line 01 lost")}, checked
    assert (await server.ask(do="sessions"))["sessions"] == 1


async def test_what_was_recorded_is_what_oden_would_be_told(server: OpcuaPeer, site: Site) -> None:
    """Each count, the state and the order; what was not received is named with the server's reason, and replay says
    what never had a value."""
    out = site.config.parent / "out.jsonl"

    def came(value: object) -> bool:
        return out.exists() and any(json.loads(line).get("value") == value for line in whole_lines(out))

    recorder = await site.start("record", "-c", "gateway.yaml", "out.jsonl", "--json")
    await wait_until(lambda: came(65_530) and came("A1") and came(1))
    for number in range(1, 31):
        await server.write("L01.Good", 65_530 + number)
        await asyncio.sleep(0.1)
    await server.write("L01.Order", "A2")
    await wait_until(lambda: came(65_560) and came("A2"))
    recorder.send_signal(signal.SIGINT)
    output, errors = await recorder.communicate()
    assert recorder.returncode == 0, errors
    told = json.loads(output)
    assert told["not_received"]["plc"].keys() == {LOST}
    assert "BadNodeIdUnknown" in told["not_received"]["plc"][LOST]
    assert TOKEN not in out.read_text()
    await until_left(server)
    answer = await site.run("replay", "-c", "gateway.yaml", "out.jsonl", "--json")
    assert answer.code == 0, answer
    bodies = [json.loads(line)["body"] for line in answer.output.splitlines()]
    runs = [body["name"] for body in bodies if body.get("type") == {"name": "RUN"} and "id" not in body]
    assert runs[0] == "A1"
    assert sum(body["data"]["raw_data"].get("yield", 0) for body in bodies if "data" in body) == 30
    assert any("lost never had a value" in line for line in answer.problems), answer.problems
