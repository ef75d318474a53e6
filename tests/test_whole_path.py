"""The gateway as its own process between real peers: mosquitto, an OPC UA server, Oden's stand-in. Each goes away."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import read_ledger, replay
from gateway.simulator.oden.store import Organization
from tests.links import Tap
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import status_json, whole_lines

ROOT = Path(__file__).parent.parent
TOKEN = "a-token-that-nobody-may-see"
CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", settle: 2s}}
sources:
  plc:   {{type: opcua, url: "{opcua}", security: none}}
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
      good:  {{source: plc, node: "nsu=urn:acme:line;s=L01.Good", counter: {{rollover: 65536, max_rate: 200/s}}}}
      order: {{source: floor, topic: l01/order, field: number, time: at}}
      scrap: {{source: floor, topic: l01/scrap, time: at}}
    run: {{key: order, product: "Film", name: "{{order}}", settle: 200ms}}
    states: {{input: state, codes: {{1: {{category: Uptime}}, 3: {{category: Unplanned Downtime, reason: Jam}}}}}}
    scrap_yield:
      every: 2s
      entries:
        - {{count: good, raw_data: {{yield: "{{n}}"}}}}
        - {{count: scrap.qty, raw_data: {{scrap: "{{n}}", scrap_code: "{{scrap.code}}"}}}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


class Line:
    """A line with all its peers, and what it has really made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"oden": free_port(), "status": free_port()}
        self.tap = Tap(self.ports["oden"])
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.opcua = OpcuaServer()
        self.good = 65_500
        self.total = 0
        self.scrap = 0
        self.published = 0
        self.orders: list[str] = []
        self.states: list[int] = [1]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ledger = folder / "ledger.jsonl"
        (folder / "secrets").mkdir()
        (folder / "secrets" / "oden_token").write_text(TOKEN + "\n")
        values = {"opcua": self.opcua.url, "mqtt": self.mosquitto.url, "folder": folder, **self.ports} | {
            "oden": self.tap.port
        }
        (folder / "gateway.yaml").write_text(CONFIG.format(**values))

    def start(self, name: str) -> None:
        commands = {
            "oden": ["simulate", "oden", "--port", str(self.ports["oden"]), "--ledger", str(self.ledger)],
            "gateway": ["run", "-c", str(self.folder / "gateway.yaml")],
        }
        environment = os.environ | {"ODEN_STAND_IN_TOKEN": TOKEN, "ODEN_GATEWAY_LOG__LEVEL": "debug"}
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "gateway", *commands[name]]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        if name == "oden":
            self.tap.start()

    def end(self, name: str, how: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(how)
        if name == "oden":
            self.tap.stop()
        return process.wait(PATIENCE)

    async def serve_opcua(self) -> None:
        await self.opcua.start(L01__State=self.states[-1], L01__Good=self.good)

    async def order(self, number: str) -> None:
        self.orders.append(number)
        await self._publish("l01/order", number=number)

    async def make(self, parts: int, scrap: int) -> None:
        """Produce, one part at a time as the PLC counts, and report scrap."""
        for _ in range(parts):
            self.good = (self.good + 1) % 65_536
            self.total += 1
            await self.opcua.write("L01.Good", self.good, time=datetime.now(UTC))
            await asyncio.sleep(0.01)
        self.scrap += scrap
        await self._publish("l01/scrap", qty=scrap, code="Splice")

    async def state(self, code: int) -> None:
        self.states.append(code)
        await self.opcua.write("L01.State", code, time=datetime.now(UTC))

    async def _publish(self, topic: str, **fields: object) -> None:
        at = datetime.now(UTC).isoformat()
        self.published += 1
        await self.mosquitto.publish(topic, json.dumps({**fields, "at": at}))

    def oden(self) -> OdenModel:
        return replay(self.ledger, Organization()) if self.ledger.exists() else OdenModel(Organization())

    def at_oden(self) -> tuple[list[str], list[str], int, int]:
        """Names of runs and categories of states in order, yield and scrap."""
        model = self.oden()
        runs = model.intervals("RUN", "Factory A", "Line 01")
        states = model.intervals("STATE", "Factory A", "Line 01")
        entries = [entry.raw_data for run in runs for entry in model.output(run)]
        total = {key: sum(int(str(entry.get(key, 0))) for entry in entries) for key in ("yield", "scrap")}
        return [str(run.name) for run in runs], [str(s.category) for s in states], total["yield"], total["scrap"]

    def made(self) -> tuple[list[str], list[str], int, int]:
        names = {1: "Uptime", 3: "Unplanned Downtime"}
        return self.orders, [names[code] for code in self.states], self.total, self.scrap

    def ready(self) -> bool:
        """Whether the gateway is connected to both sources."""
        status = status_json(self.ports["status"])
        return status is not None and all(source["connected"] for source in status["sources"])

    def has_begun(self) -> bool:
        """Whether the gateway has stored what the tags said first: nobody can know what a counter showed before."""
        status = status_json(self.ports["status"])
        if status is None or not {"state", "good"} <= status["lines"][0]["inputs"].keys():
            return False
        return status["lines"][0]["waiting"] > 0 or bool(self.at_oden()[1])

    def told(self) -> str:
        """Everything that any process has written."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    line = Line(tmp_path)
    try:
        yield line
    finally:
        for name in list(line.processes):
            line.end(name)
        line.mosquitto.stop()
        await line.opcua.stop()


@asynccontextmanager
async def at_work(line: Line) -> AsyncIterator[None]:
    """The line works before, the block is the outage, it works after; then Oden has exactly what was made."""
    line.start("gateway")  # before its peers: they may start later than the gateway
    await line.serve_opcua()
    if not line.mosquitto.running:
        line.mosquitto.start()
    line.start("oden")
    await wait_until(line.ready)
    await wait_until(line.has_begun)
    await line.order("A1")
    await line.make(50, 3)
    yield
    await wait_until(line.ready)
    await line.order("A2")
    await line.make(20, 2)
    await line.state(3)
    with suppress(AssertionError):  # the comparison tells what differs
        await wait_until(lambda: line.at_oden() == line.made())
    assert line.at_oden() == line.made()
    assert len(line.tap.written) >= len(list(read_ledger(line.ledger)))
    assert line.tap.least_gap >= 1.0
    assert line.end("gateway", signal.SIGTERM) == 0
    assert line.at_oden() == line.made()
    assert TOKEN not in line.told()


Outage = Callable[[Line], Awaitable[None]]


async def oden_away(line: Line) -> None:
    """Oden is gone for a while, the line works on."""
    line.end("oden")
    await line.make(30, 4)
    await line.state(3)
    await line.order("B1")
    await line.make(5, 1)
    await line.state(1)
    await asyncio.sleep(3)
    line.start("oden")


async def broker_away(line: Line) -> None:
    """The broker loses its power; it comes back with its sessions."""
    line.mosquitto.kill()
    await asyncio.sleep(2)
    line.mosquitto.start()
    await line.make(10, 5)


async def plc_away(line: Line) -> None:
    """The PLC restarts, and its counter has moved meanwhile."""
    await line.opcua.stop()
    line.good += 7
    line.total += 7
    await asyncio.sleep(1)
    await line.serve_opcua()


async def gateway_away(line: Line) -> None:
    """The gateway is killed; the line works on, the broker keeps what it missed."""
    await line.make(3, 1)
    line.end("gateway")
    await line.make(25, 6)
    await line.state(3)
    line.start("gateway")
    await wait_until(line.ready)
    await line.state(1)


@pytest.mark.parametrize("outage", [oden_away, broker_away, plc_away, gateway_away])
async def test_p2_p4_an_outage_loses_and_doubles_nothing(line: Line, outage: Outage) -> None:
    """Every run, every state, every part and every scrap event is at Oden once, although a peer went away."""
    async with at_work(line):
        await outage(line)


@contextmanager
def heard(broker: Mosquitto) -> Iterator[list[str]]:
    """The topics of all messages that anybody publishes, until the block ends."""
    topics: list[str] = []
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _client, _data, message: topics.append(message.topic)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", broker.port)
    client.subscribe("#", 1)
    client.loop_start()
    try:
        assert subscribed.wait(PATIENCE)
        yield topics
    finally:
        client.disconnect()
        client.loop_stop()


async def test_p14_at_the_plant_we_only_read(line: Line) -> None:
    """Over a restart of the gateway and of the PLC, only the line has published, written a tag or called a method."""
    line.mosquitto.start()
    with heard(line.mosquitto) as topics:
        async with at_work(line):
            await gateway_away(line)
            await wait_until(
                lambda: line.at_oden() == line.made()
            )  # what a PLC showed just before it went is not known
            await plc_away(line)
        await wait_until(lambda: len(topics) >= line.published)
    assert {*topics} == {"l01/order", "l01/scrap"}
    assert len(topics) == line.published
    assert line.opcua.asked_to_act == []


def told_of(line: Line, word: str) -> list[dict[str, Any]]:
    """The lines of the log in which `word` stands, as `grep` finds them."""
    lines = whole_lines(line.folder / "gateway.log")
    return [json.loads(written) for written in lines if word in written and written.startswith("{")]


def is_followed(line: Line, record: str) -> None:
    """One name leads from what has come to the answer of Oden's that settles it."""
    told = told_of(line, record)
    (made,) = [entry for entry in told if entry["event"] == "record_made"]
    at_once = made.get("sample")
    for sample in [*([at_once] if at_once else ()), *(behind["sample"] for behind in made.get("behind", ()))]:
        (taken,) = [entry for entry in told_of(line, sample) if entry["event"] == "sample_taken"]
        assert sample != at_once or record in taken["records"]  # so it is of the others of its moment
    answered = [entry for entry in told if entry["event"] == "request_answered"][-1]
    assert (answered["outcome"], record in answered["records"]) == ("delivered", True)
    (sent,) = [entry for entry in told if entry["event"] == "request_sent" and entry["request"] == answered["request"]]
    assert (sent["records"], sent["line"]) == (answered["records"], made["line"])
    assert made["timestamp"] < sent["timestamp"] < answered["timestamp"]


async def test_an_event_can_be_followed_to_oden_in_the_log(line: Line) -> None:
    """At level debug: what has come, what it made, each request that carried it and the answer, under one name, as
    docs/log.md shows it; what was merged leads to what it is sent with; never a word of a token."""
    line.mosquitto.start()
    async with at_work(line):
        pass
    logged = told_of(line, "{")
    assert TOKEN not in (line.folder / "gateway.log").read_text()
    made = {entry["record"]: entry for entry in logged if entry["event"] == "record_made"}
    carried = {
        record
        for entry in logged
        if entry["event"] == "request_answered" and entry["outcome"] == "delivered"
        for record in entry["records"]
    }
    assert carried
    assert carried <= made.keys()
    states = [entry for entry in made.values() if entry.get("address", "").endswith("L01.State")]
    assert {entry["record"] for entry in states} & carried
    for record in carried:
        is_followed(line, record)
    merged = {entry["record"]: entry["into"] for entry in logged if entry["event"] == "record_merged"}
    assert made.keys() - carried - merged.keys() == set()
    waited = {key: entry for key, entry in made.items() if "sample" not in entry}
    runs = [key for key, entry in waited.items() if entry["kind"] == "start" and "l01/order" in str(entry)]
    shown = [json.loads(told) for told in re.findall(r"^{.*}$", (ROOT / "docs" / "log.md").read_text(), re.MULTILINE)]
    told = told_of(line, [key for key in runs if key in carried][-1])
    of_line = {"timestamp", "level"}
    assert [(entry["event"], entry.keys()) for entry in shown] == [
        (entry["event"], entry.keys() - of_line) for entry in told if entry["event"] != "connection_step"
    ]
