"""`oden-gateway tail` as a process: by itself beside real peers, and through a gateway that runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli.tail import line_of
from gateway.live.tail import InputReading
from tests.live.site import Site
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import status_json

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = "plant-a/L01/order"
CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
sources:
  plc: {{type: opcua, url: "{opcua}", security: none, publishing_interval: 50ms}}
  floor:
    type: mqtt
    url: "{mqtt}"
    client_id: edge-test
    presence: {{topic: plant-a/gateway}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
      good: {{source: plc, node: "nsu=urn:acme:line;s=L01.Good", counter: {{}}}}
      order: {{source: floor, topic: {order}, field: number}}
      sku: {{source: floor, topic: {order}, field: sku}}
    run: {{key: order, product: "{{sku}}"}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
    scrap_yield: {{entries: [{{count: good, raw_data: {{yield: "{{n}}"}}}}]}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer()
    await server.start(L01__State=1, L01__Good=65530)
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.end()


def config(server: OpcuaServer, broker: Mosquitto) -> str:
    ports = {"nobody": free_port(), "status": free_port()}
    return CONFIG.format(opcua=server.url, mqtt=broker.url, order=ORDER, **ports)


class Tail:
    """The command, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """The next reading that is as `wanted`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                reading: dict[str, Any] = json.loads(line)
                if wanted.items() <= reading.items():
                    return reading
        assert self._process.stderr is not None
        raise AssertionError((await self._process.stderr.read()).decode())

    async def end(self) -> int:
        """Ctrl-C."""
        self._process.terminate()
        async with asyncio.timeout(PATIENCE):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode


async def test_p14_values_as_they_come(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """Without a gateway: each input with value, quality and age; the broker sees another client that tells nobody
    that the gateway is there or gone; the server's session is closed."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("plant-a/gateway", "online", retain=True)
        site.configure(config(server, broker))
        tail = Tail(await site.start("tail", "-c", "gateway.yaml", "--json"))
        first = await tail.until(input="good", value=65530)
        assert (first["line"], first["quality"], first["known"]) == ("Factory A/Line 01", "good", False)
        assert first["age"] >= 0
        await server.write("L01.Good", 65531)
        await tail.until(input="good", value=65531)
        await server.write("L01.State", 1, status=0x80020000)
        await tail.until(input="state", quality="bad")
        await server.write("L01.State", 1)
        await broker.publish(ORDER, '{"number": "4711", "sku": "FILM"}', retain=True)
        await tail.until(input="order", value="4711")
        await tail.until(input="sku", value="FILM")
        await broker.publish(ORDER, '{"number": {"a": 1}, "sku": "FILM"}')
        wrong = await tail.until(input="order", value=None)
        assert "order" in wrong["problem"]
        assert await tail.end() == 0
        listening = ("browse", broker.url, "--from", "plant-a/gateway", "--seconds", "1", "--json")
        presence = await site.until(lambda answer: answer.output, *listening)
        assert json.loads(presence.output)["fields"] == {"": "online"}
        log = (tmp_path / "broker" / "mosquitto.log").read_text()
        assert "edge-test-check" in log
        assert " as edge-test " not in log
    assert server.asked_to_act == []


async def test_what_waits_for_the_gateway_is_not_touched(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """A thousand messages that the broker keeps for the gateway are all there after a look, and come once."""
    with Mosquitto(tmp_path / "broker", ["log_type all"]) as broker:
        settings = config(server, broker)
        status_port = int(settings.split('listen: "127.0.0.1:')[1].split('"')[0])
        site.configure(settings)
        gateway = await site.gateway()
        await wait_until(
            lambda: f"edge-test 1 {ORDER}" in (tmp_path / "broker" / "mosquitto.log").read_text()
        )  # subscribed, at QoS 1
        gateway.terminate()
        await gateway.wait()
        await broker.publish(ORDER, *(f'{{"number": "{number}", "sku": "FILM"}}' for number in range(1000)))
        looks = (("tail", "--for", "2s"), ("browse", "floor", "--seconds", "1"), ("check", "--live", "--seconds", "2"))
        for look in looks:
            await site.run(look[0], "-c", "gateway.yaml", *look[1:])
        await site.gateway()
        tail = Tail(await site.start("tail", "-c", "gateway.yaml", "--json"))
        await tail.until(input="order", value="999")  # however far the gateway is when it is asked
        assert await tail.end() == 0
        await wait_until(lambda: _heard(status_port) == 1000)


def _heard(status_port: int) -> int | None:
    """How many messages the gateway has heard since it was started."""
    status = status_json(status_port)
    for each in status["sources"] if status else ():
        if each["name"] == "floor":
            return int(each["samples"].get("good", 0))
    return None


async def test_a_gateway_that_runs_says_what_it_knows(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """What is known first, then what comes; of one source where that is asked for; an unknown one is named."""
    with Mosquitto(tmp_path / "broker") as broker:
        site.configure(config(server, broker))
        await site.gateway()
        await server.write("L01.Good", 70000)
        tail = Tail(await site.start("tail", "-c", "gateway.yaml", "--json"))
        await tail.until(input="good", value=70000)
        assert await tail.end() == 0
        tail = Tail(await site.start("tail", "-c", "gateway.yaml", "plc", "--json"))
        known = await tail.until(input="good")
        assert (known["value"], known["known"]) == (70000, True)
        assert await tail.end() == 0
        told = "Factory A/Line 01 good = 70000"
        shown = await site.until(lambda answer: told in answer.output, "tail", "-c", "gateway.yaml", "--for", "5s")
        assert told in shown.output
        refused = await site.run("tail", "-c", "gateway.yaml", "press")
        assert (refused.code, refused.problems) == (
            1,
            ["oden-gateway: there is no source press; there are: plc, floor"],
        )
        (site.config.parent / "secrets" / "oden_token").unlink()
        for words in (("tail", "--for", "1s"), ("outbox", "list"), ("outbox", "stats"), ("rejects", "list")):
            asked = await site.run(*words, "-c", "gateway.yaml")
            assert asked.code == 0, asked  # who may look has no right to read the secrets
        asked = await site.run("explain", "-c", "gateway.yaml", "--last", "Line 01")
        assert asked.code == 0 or "no record of this line" in asked.problems[-1], asked
        assert (await site.run("check", "-c", "gateway.yaml")).code == 2


@pytest.mark.parametrize(
    ("reading", "line"),
    [
        (
            InputReading("A/L1", "good", "plc", "ns=2;s=G", 5, "good", 998.0, 1000.0),
            "00:16:40.000Z  A/L1 good = 5  good, 2.0 s old  plc ns=2;s=G",
        ),
        (
            InputReading("A/L1", "good", "plc", "ns=2;s=G", 5, "good", 998.0, 1000.0, known=True),
            "00:16:40.000Z  A/L1 good = 5  good, 102.0 s old, known before  plc ns=2;s=G",
        ),
        (
            InputReading("", "", "floor", "a/b\x1b[2J", {"x": "y" * 200}, "good", None, 1000.0, problem="too long"),
            f'00:16:40.000Z  (no input) = {{"x": "{"y" * 113}…  good  (too long)  floor a/b\ufffd[2J',
        ),
    ],
)
async def test_a_reading_on_a_line(reading: InputReading, line: str) -> None:
    """Its age by the plant's time; a long value in part; nothing that would steer a terminal."""
    assert line_of(reading, 1100.0) == line
