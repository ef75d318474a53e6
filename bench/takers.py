"""The two by which the durable path is measured, each as a process that can be asked what it has used: the script
`yardstick` and a gateway; with the plant that talks to them, and the broker between.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.cli.demo_parts import Part, listens, status_json
from tests.peers import free_port

ROOT = Path(__file__).parents[1]
LINES = 40
PATIENCE = 300.0
_AT_ONCE = 20_000
"""Messages that are given to the publisher before it is waited for: it refuses more than there are packet ids."""
SHOWN = 4.0
"""Seconds after which the gateway's status shows what it has taken."""

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: bench, rate: 1/s, allow_faster_for_tests: true}}
sources:
  {source}
templates:
  press:
    factory: Factory A
    inputs:
      {inputs}
    run: {{key: order, product: Film, name: "{{order}}", settle: 0s}}
    states:
      input: state
      codes: {{1: {{category: Uptime}}, 2: {{category: Unplanned Downtime, reason: Jam}}}}
    scrap_yield:
      every: {every}
      entries:
        - {{count: good, raw_data: {{yield: "{{n}}"}}}}
        {scrap}
    rules: {rules}
lines:
{lines}
outbox: {{directory: "{folder}/outbox", min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""
KNOWN_AT_ODEN = """
categories: [Uptime, Unplanned Downtime]
reasons: [Jam]
products: [Film]
quality_schemas: [{id: "66", factory: Factory A}]
"""
MQTT_SOURCE = 'floor: {{type: mqtt, url: "mqtt://127.0.0.1:{mqtt}", client_id: bench}}'
MQTT_INPUTS = """
      order: {source: floor, topic: "${plc}/order", field: number}
      state: {source: floor, topic: "${plc}/state", field: code}
      good: {source: floor, topic: "${plc}/good", field: value, counter: {rollover: 65536, max_rate: 100/s}}
      scrap: {source: floor, topic: "${plc}/scrap"}
      lab: {source: floor, topic: "${plc}/lab"}"""
SCRAP = '- {count: scrap.qty, raw_data: {scrap: "{n}", scrap_code: "{scrap.code}"}}'
RULES = '[{set: quality_test, event: lab, quality_schema: 66, raw_data: {torque: "{lab.torque}"}}]'
OPCUA_SOURCE = 'plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{opcua}", publishing_interval: 500ms}}'
OPCUA_INPUTS = """
      order: {source: plc, node: "nsu=urn:acme:line;s=${plc}.Order"}
      state: {source: plc, node: "nsu=urn:acme:line;s=${plc}.State"}
      good: {source: plc, node: "nsu=urn:acme:line;s=${plc}.Good", counter: {rollover: 65536, max_rate: 100/s}}"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: bytes written to the disk, seconds of the processor."""

    written: int
    cpu: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
        written = next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return cls(written, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))

    def since(self, before: "Usage") -> "Usage":
        return Usage(self.written - before.written, self.cpu - before.cpu)


class Taker(ABC):
    """One of the two that are measured, in a folder of its own."""

    name: str
    look: float
    """Seconds between two looks at what it has taken."""

    @property
    @abstractmethod
    def pid(self) -> int: ...

    @abstractmethod
    def start(self) -> None:
        """Start it; returns once it takes messages."""

    @abstractmethod
    def stored(self) -> int:
        """How many events it has taken."""

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def be_steady(self) -> None:
        """Wait until what it has taken is where it is to go, and go on as it does for years."""

    def usage(self) -> Usage:
        return Usage.of(self.pid)


class Script(Taker):
    """The yardstick."""

    name = "script"
    look = 0.05

    def __init__(self, folder: Path, mqtt: int) -> None:
        folder.mkdir()
        self._log = folder / "script.log"
        self._command = [sys.executable, str(ROOT / "bench" / "yardstick.py"), str(mqtt), str(folder / "events.db")]

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until("the script is subscribed", self._said)

    def stored(self) -> int:
        return int(self._said()[-1])

    def _said(self) -> list[str]:
        if self._process.poll() is not None:
            sys.exit(f"the script has ended:\n{self._log.read_text(encoding='utf-8')}")
        return self._log.read_text(encoding="utf-8").split()

    def be_steady(self) -> None:
        """It keeps nothing back."""

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Gateway(Taker):
    """A gateway of so many lines, from MQTT or OPC UA, and the stand-in that it delivers to."""

    name = "gateway"
    look = 0.25  # its status takes as long as dozens of events

    def __init__(self, folder: Path, mqtt: int, *, every: str = "1h", opcua: int = 0, number: int = LINES) -> None:
        folder.mkdir()
        ports = {"oden": free_port(), "status": free_port(), "mqtt": mqtt, "opcua": opcua}
        lines = "\n".join(f"  - {{line: Line {n:02}, use: press, with: {{plc: L{n:02}}}}}" for n in range(number))
        text = CONFIG.format(
            source=(OPCUA_SOURCE if opcua else MQTT_SOURCE).format(**ports),
            inputs=OPCUA_INPUTS if opcua else MQTT_INPUTS,
            scrap="" if opcua else SCRAP,
            rules="[]" if opcua else RULES,
            lines=lines,
            folder=folder,
            every=every,
            **ports,
        )
        (folder / "gateway.yaml").write_text(text, encoding="utf-8")
        self.ledger = folder / "ledger.jsonl"
        self._page, self._oden_port = ports["status"], ports["oden"]
        names = ", ".join(f"Line {n:02}" for n in range(number))
        plant = f"factories: [{{name: Factory A, lines: [{names}]}}]\n{KNOWN_AT_ODEN}"
        (folder / "plant.yaml").write_text(plant, encoding="utf-8")
        serve = ["simulate", "oden", "--port", str(ports["oden"]), "--ledger", str(self.ledger)]
        serve += ["--plant", str(folder / "plant.yaml")]
        environment = os.environ | {"ODEN_STAND_IN_TOKEN": "bench", "RUNTIME_DIRECTORY": str(folder)}
        self._oden = Part("the stand-in", serve, folder / "oden.log", environment)
        run = ["run", "-c", str(folder / "gateway.yaml")]
        fast = environment | {"ODEN_GATEWAY_ODEN__RATE": "100/s"}
        self._process = Part(self.name, run, folder / "gateway.log", fast)
        self._slow = Part(self.name, run, folder / "gateway.log", environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._oden.start()
        until("the stand-in listens", lambda: listens(self._oden_port))
        self._process.start()
        until("the gateway is connected", self._is_connected)

    def be_steady(self) -> None:
        time.sleep(SHOWN)
        until("all is at the stand-in", lambda: not self.waiting())
        self._process.stop()
        self._process = self._slow
        self._process.start()
        until("the gateway is connected", self._is_connected)

    def stop(self) -> None:
        self._process.stop()
        self._oden.stop()

    def _is_connected(self) -> bool:
        status = status_json(self._page)
        return status is not None and all(one["connected"] for one in status["sources"])

    def stored(self) -> int:
        status = status_json(self._page)
        return 0 if status is None else sum(one["samples"]["good"] for one in status["sources"])

    def waiting(self) -> int:
        """Records that are not at the stand-in yet."""
        status: Any = status_json(self._page)
        records = {} if status is None else status["outbox"]["records"]
        return sum(records.get(state, 1) for state in ("waiting", "sending", "in_doubt"))

    def resident(self) -> float:
        """What is resident, in MiB."""
        return self._kib()["Rss"] / 1024

    def _kib(self) -> dict[str, int]:
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}

    def memory(self) -> str:
        """What is resident, and the part that is its own: the rest are the files of libraries, which the kernel can
        read again."""
        kib = self._kib()
        return f"{kib['Rss'] / 1024:.0f} MiB resident, {kib['Anonymous'] / 1024:.0f} of them its own"


def until(what: str, holds: Callable[[], object], look: float = 0.05) -> None:
    """Wait until it holds, which is `what`; `look` are the seconds between two looks."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"this did not happen within {PATIENCE:.0f} s: {what}")
        time.sleep(look)


@contextlib.contextmanager
def mosquitto(folder: Path, window: int = 0) -> Iterator[int]:
    """A broker that keeps any number of messages, in memory, and sends so many before they are acknowledged, 0: as many
    as there are; its port."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed")
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages {window}\n"
    )
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        until("the broker listens", lambda: listens(port))
        yield port
    finally:
        process.terminate()
        process.wait()


class Plant:
    """Publishes what lines say."""

    def __init__(self, port: int, lines: int = LINES) -> None:
        self._lines = lines
        self._client = Client(CallbackAPIVersion.VERSION2, "plant", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._number = itertools.count()
        self._good = 0

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, line: int, what: str, **fields: object) -> None:
        self._client.publish(f"L{line:02}/{what}", json.dumps(fields), qos=1)

    def begin(self) -> int:
        """Each line has an order and a state; how many messages that are."""
        for line in range(self._lines):
            self.say(line, "order", number=f"A{line}")
            self.say(line, "state", code=1)
            self.say(line, "good", value=0)
        return 3 * self._lines

    def event(self, what: str, line: int) -> None:
        """One message that a line sends."""
        number = next(self._number)
        match what:
            case "lab":
                self.say(line, "lab", torque=number / 1000)
            case "good":
                self._good += line == 0
                self.say(line, "good", value=self._good % 65536)
            case "state":
                self.say(line, "state", code=1 + number // LINES % 2 if number % LINES == line else 2)
            case "scrap":
                self.say(line, "scrap", qty=1, code=f"code {number % 4}")

    def spaced(self, what: str, rate: float, seconds: float) -> int:
        """Events one after another, over all lines; how many."""
        begun, number = time.monotonic(), int(rate * seconds)
        for one in range(number):
            time.sleep(max(0.0, begun + one / rate - time.monotonic()))
            self.event(what, one % LINES)
        return number

    def at_once(self, what: str, number: int) -> None:
        """As many events as fast as the broker takes them; returns once it has them."""
        for one in range(number):
            self.event(what, one % LINES)
            if one % _AT_ONCE == _AT_ONCE - 1:
                self._until_sent()
        self._until_sent()

    def _until_sent(self) -> None:
        until("the broker has all", lambda: not self._client._out_messages)  # noqa: SLF001 - paho has no other word for it
