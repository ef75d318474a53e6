"""What the durable path costs, beside a script of 35 lines that keeps nothing but the messages (`yardstick`): disk,
processor, rates and latency.

A mosquitto, the Oden stand-in, and in turns the script and a gateway of 40 lines, each as a process. Per scenario the
bytes that the kernel was made to write (`/proc/PID/io`), the seconds of the processor, and events a second, each beside
the script's from the same run, with what the ratio may be at most or must be at least. The scenarios, of which some can
be named as arguments:

spaced     40 quality tests a second, one after another: each makes a record
counted    40 messages of counters a second
states     40 changes of state in 10 s: each makes records
steady     40 lines with a counter each second and a scrap event every 20 s, for a minute
steady10   the same of 10 lines
steady100  the same of 100 lines
tags       the same counters and states as changes of tags of an OPC UA server
summed     20,000 scrap events that wait at the broker, to be summed
recorded   10,000 quality tests that wait at the broker
latency    single events with an empty outbox, from the publisher to the stand-in

Exits with 1 where a ratio is on the wrong side of its limit.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.cli.demo_parts import Part, listens, status_json

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.peers import OpcuaServer, free_port  # noqa: E402 - the tests are no package that is installed

LINES = 40
PATIENCE = 300.0
SHOWN = 4.0
"""Seconds after which the gateway's status shows what it has taken."""
TURNS = 2
"""How often the script and the gateway take turns."""
SECONDS = 15.0
"""Of a scenario in which events come one after another."""
LIMITS = {
    "spaced disk": 1.5,
    "counted disk": 0.1,
    "recorded cpu": 6.0,
    "summed rate": 0.6,
    "recorded rate": 0.25,
}
"""Of the gateway's figure over the script's: `rate` at least, the others at most."""
STEADY_GB, STEADY_CPU = 0.3, 4.0
"""GB an hour, and per cent of a core, at most."""
FLASH = {"an eMMC of 16 GB, 1,000 cycles": 16_000, "an SD card of 32 GB, 300 cycles": 9_600}
"""GB that can be written in all, where the card writes no more than it is told to."""

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

    def memory(self) -> str:
        """What is resident, and the part that is its own: the rest are the files of libraries, which the kernel can
        read again."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return f"{kib['Rss'] / 1024:.0f} MiB resident, {kib['Anonymous'] / 1024:.0f} of them its own"


def until(what: str, holds: Callable[[], object], look: float = 0.05) -> None:
    """Wait until it holds, which is `what`; `look` are the seconds between two looks."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"this did not happen within {PATIENCE:.0f} s: {what}")
        time.sleep(look)


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A broker that keeps any number of messages, in memory; its port."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed")
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
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
        until("the broker has all", lambda: not self._client._out_messages)  # noqa: SLF001 - paho has no other word for it


@dataclass(slots=True)
class Figure:
    """What one turn has shown, for each event; `rate` in events a second."""

    disk: float
    cpu: float
    rate: float


def spaced(taker: Taker, plant: Plant, what: str, rate: float = 40.0) -> Figure:
    """Events one after another, once what the plant has said before is at Oden."""
    taker.start()
    known = plant.begin()
    until("all is taken", lambda: taker.stored() >= known)
    taker.be_steady()
    time.sleep(2.0)
    before, begun, known = taker.usage(), time.monotonic(), taker.stored()
    number = plant.spaced(what, rate, SECONDS)
    until("all is taken", lambda: taker.stored() >= known + number)
    used = taker.usage().since(before)
    taker.stop()
    return Figure(used.written / number, used.cpu / number, number / (time.monotonic() - begun))


def backlog(taker: Taker, plant: Plant, what: str, number: int) -> Figure:
    """Events that wait at the broker, because the one that takes them stood still."""
    taker.start()
    known = plant.begin()
    until("all is taken", lambda: taker.stored() >= known)
    taker.be_steady()
    time.sleep(2.0)
    known = taker.stored()
    os.kill(taker.pid, signal.SIGSTOP)
    plant.at_once(what, number)
    before, begun = taker.usage(), time.monotonic()
    os.kill(taker.pid, signal.SIGCONT)
    until("all is taken", lambda: taker.stored() >= known + number, taker.look)
    seconds, used = time.monotonic() - begun, taker.usage().since(before)
    taker.stop()
    return Figure(used.written / number, used.cpu / number, number / seconds)


def main() -> int:
    """Run what is named, or everything."""
    wanted = sys.argv[1:] or [*SCENARIOS]
    failed = False
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        for scenario in wanted:
            (folder / scenario).mkdir()
            failed |= not SCENARIOS[scenario](folder / scenario, scenario)
    return failed


def beside(folder: Path, scenario: str, measure: Callable[[Taker, Plant], Figure]) -> bool:
    """Let the script and the gateway take turns, and compare."""
    figures: dict[str, list[Figure]] = {"script": [], "gateway": []}
    for turn in range(TURNS):
        for kind in (Script, Gateway):
            place = folder / f"{kind.name}-{turn}"
            place.mkdir()
            with mosquitto(place) as port:
                plant = Plant(port)
                figures[kind.name].append(measure(kind(place / "taker", port), plant))
                plant.close()
    script, gateway = (_median(figures[name]) for name in ("script", "gateway"))
    right = True
    for name, unit, scale in (("disk", "bytes an event", 1.0), ("cpu", "us an event", 1e6), ("rate", "events/s", 1.0)):
        theirs, ours = getattr(script, name), getattr(gateway, name)
        limit = LIMITS.get(f"{scenario} {name}")
        ratio = ours / theirs if theirs else float("inf")
        verdict = ""
        if limit is not None:
            holds = ratio >= limit if name == "rate" else ratio <= limit
            right &= holds
            verdict = f"; {'at least' if name == 'rate' else 'at most'} {limit}: {'yes' if holds else 'NO'}"
        print(
            f"{scenario:9} {name:4} script {theirs * scale:9.0f}, gateway {ours * scale:9.0f} {unit}, "
            f"{ratio:.2f} times{verdict}",
            flush=True,
        )
    return right


def _median(figures: list[Figure]) -> Figure:
    return Figure(*(statistics.median(getattr(one, name) for one in figures) for name in ("disk", "cpu", "rate")))


def steady(folder: Path, scenario: str, lines: int = LINES) -> bool:
    """So many lines for a minute."""
    with mosquitto(folder) as port:
        plant, gateway = Plant(port, lines), Gateway(folder / "taker", port, every="60s", number=lines)
        gateway.start()
        known = plant.begin()
        until("all is taken", lambda: gateway.stored() >= known)
        gateway.be_steady()
        time.sleep(2.0)
        before, begun = gateway.usage(), time.monotonic()
        for second in range(60):
            for line in range(lines):
                time.sleep(max(0.0, begun + second + line / lines - time.monotonic()))
                plant.event("good", line)
                if (second + line) % 20 == 0:
                    plant.event("scrap", line)
        used, seconds = gateway.usage().since(before), time.monotonic() - begun
        memory = gateway.memory()
        gateway.stop()
        plant.close()
    return _steadily(scenario, used, seconds, memory) or lines > LINES


def _steadily(scenario: str, used: Usage, seconds: float, memory: str) -> bool:
    hourly, share = used.written * 3600 / seconds / 1e9, 100 * used.cpu / seconds
    right = hourly <= STEADY_GB and share <= STEADY_CPU
    print(
        f"{scenario:9} {hourly:.2f} GB an hour (at most {STEADY_GB}), {share:.1f} % of a core (at most {STEADY_CPU}): ",
        end="",
    )
    print(f"{'yes' if right else 'NO'}; {memory}")
    for name, cycled in FLASH.items():
        print(f"{scenario:9} {cycled / (hourly * 24 * 365):.0f} years of {name}", flush=True)
    return right


def tags(folder: Path, scenario: str) -> bool:
    """Forty lines with OPC UA, for a minute."""
    return asyncio.run(_tags(folder, scenario))


async def _tags(folder: Path, scenario: str) -> bool:
    server = OpcuaServer(free_port())
    values = {
        f"L{line:02}.{tag}": value
        for line in range(LINES)
        for tag, value in (("Order", "A"), ("State", 1), ("Good", 0))
    }
    await server.start()
    for name, value in values.items():
        await server.add(name, value)
    gateway = Gateway(folder / "taker", 0, every="60s", opcua=server.port)
    await asyncio.to_thread(gateway.start)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(gateway.be_steady)
    before, begun = gateway.usage(), time.monotonic()
    for second in range(60):
        for line in range(LINES):
            await asyncio.sleep(max(0.0, begun + second + line / LINES - time.monotonic()))
            await server.write(f"L{line:02}.Good", second)
            if (second + line) % 20 == 0:
                await server.write(f"L{line:02}.State", 1 + second // 20 % 2)
    used, seconds = gateway.usage().since(before), time.monotonic() - begun
    memory = gateway.memory()
    await asyncio.to_thread(gateway.stop)
    await server.stop()
    return _steadily(scenario, used, seconds, memory)


def latency(folder: Path, scenario: str) -> bool:
    """From the publisher to the stand-in's ledger."""
    with mosquitto(folder) as port:
        plant, gateway = Plant(port), Gateway(folder / "taker", port)
        gateway.start()
        plant.begin()
        until("all is taken", lambda: gateway.stored() >= 3 * LINES)
        time.sleep(SHOWN)
        until("all is at the stand-in", lambda: not gateway.waiting())
        took: list[float] = []
        for one in range(100):
            begun, known = time.time(), gateway.ledger.stat().st_size
            plant.event("lab", one % LINES)
            until("the event is at the stand-in", lambda: gateway.ledger.stat().st_size > known)  # noqa: B023
            time.sleep(0.2)
            last = json.loads(gateway.ledger.read_bytes().splitlines()[-1])
            took.append(last["received_at"] - begun)
        gateway.stop()
        plant.close()
    ordered = sorted(took)
    print(f"{scenario:9} event to Oden: p50 {ordered[50] * 1000:.1f} ms, p99 {ordered[98] * 1000:.1f} ms", flush=True)
    return True


SCENARIOS: dict[str, Callable[[Path, str], bool]] = {
    "spaced": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "lab")),
    "counted": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "good")),
    "states": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "state", 4.0)),
    "summed": lambda folder, name: beside(folder, name, lambda taker, plant: backlog(taker, plant, "scrap", 20_000)),
    "recorded": lambda folder, name: beside(folder, name, lambda taker, plant: backlog(taker, plant, "lab", 10_000)),
    "steady": steady,
    "steady10": lambda folder, name: steady(folder, name, 10),
    "steady100": lambda folder, name: steady(folder, name, 100),
    "tags": tags,
    "latency": latency,
}

if __name__ == "__main__":
    sys.exit(main())
