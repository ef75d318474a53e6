"""Bursts of MQTT events, in each of which the gateway is killed; what of each event is at Oden in the end.

The gateway is a process with its outbox on disk, the broker is mosquitto, Oden its stand-in. Half of the events are
quality tests, which make a record each, and are told apart by a number. The others are scrap that is summed, where a
total could hide that one is lost and another doubled. So the amounts under one code are powers of BASE: each digit of
the sum says how often its event counts.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.cli.demo_parts import listens
from gateway.simulator.oden.organization_file import read_organization
from gateway.simulator.oden.persistence import read_ledger, replay
from tests.peers import PATIENCE, Mosquitto, free_port, wait_for
from tests.processes import status_json

LINES = 10
BASE, DIGITS = 16, 10
"""Amounts under one code: a float holds their sum exactly."""
CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: a, rate: 500/s, allow_faster_for_tests: true, settle: 1s}}
sources:
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
templates:
  press:
    factory: Factory A
    inputs:
      order: {{source: floor, topic: "${{plc}}/order", field: number}}
      scrap: {{source: floor, topic: "${{plc}}/scrap"}}
      lab:   {{source: floor, topic: "${{plc}}/lab"}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 0s}}
    scrap_yield:
      every: 2s
      entries: [{{count: scrap.qty, raw_data: {{scrap: "{{n}}", scrap_code: "{{scrap.code}}"}}}}]
    rules: [{{set: quality_test, event: lab, quality_schema: 66, raw_data: {{number: "{{lab.number}}"}}}}]
lines:
{lines}
outbox: {{directory: "{folder}/outbox", min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a line: a quality test by its `number`; or scrap, the `digit` of the sum under its `code`."""

    line: int
    number: int
    code: str = ""
    digit: int = 0

    @property
    def topic(self) -> str:
        return f"L{self.line:02}/{'scrap' if self.code else 'lab'}"

    @property
    def payload(self) -> str:
        said: dict[str, object] = {"qty": BASE**self.digit, "code": self.code} if self.code else {"number": self.number}
        return json.dumps(said)


def burst(place: int, events: int, random: Random) -> list[Event]:
    """The events of one burst, in an order of their own."""
    first = place * events
    tests = [Event(number % LINES, number) for number in range(first, first + events // 2)]
    scrap = [
        Event(number % LINES, number, f"burst {place} code {number // LINES // DIGITS}", number // LINES % DIGITS)
        for number in range(events - events // 2)
    ]
    together = tests + scrap
    random.shuffle(together)
    return together


class Rig:
    """The gateway between broker and stand-in, and a plant that publishes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self._broker = Mosquitto(folder / "mosquitto", ["autosave_on_changes false", "autosave_interval 3600"])
        self._ports = {"oden": free_port(), "status": free_port()}
        lines = "\n".join(f"  - {{line: Line {one:02}, use: press, with: {{plc: L{one:02}}}}}" for one in range(LINES))
        text = CONFIG.format(mqtt=self._broker.url, folder=folder, lines=lines, **self._ports)
        (folder / "gateway.yaml").write_text(text, encoding="utf-8")
        names = ", ".join(f"Line {one:02}" for one in range(LINES))
        plant = f"factories: [{{name: Factory A, lines: [{names}]}}]\nproducts: [Film]\n"
        (folder / "plant.yaml").write_text(f'{plant}quality_schemas: [{{id: "66", factory: Factory A}}]\n')
        self._organization = read_organization(folder / "plant.yaml")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, "plant", protocol=MQTTProtocolVersion.MQTTv5)

    @contextmanager
    def running(self) -> Iterator["Rig"]:
        """All of it, with an order on each line."""
        try:
            self._broker.start()
            self._start("oden")
            wait_for(lambda: listens(self._ports["oden"]))
            self.start()
            self._client.max_inflight_messages_set(100)
            self._client.connect("127.0.0.1", self._broker.port)
            self._client.loop_start()
            for line in range(LINES):
                self._publish(f"L{line:02}/order", f'{{"number": "A{line}"}}')
            wait_for(lambda: self._taken() == LINES)
            yield self
        finally:
            self._client.disconnect()
            self._client.loop_stop()
            for name in [*self._processes]:
                self.end(name)
            self._broker.stop()

    def start(self) -> None:
        """Start the gateway; returns once it is connected to the broker."""
        self._start("gateway")
        wait_for(self._is_connected)

    def publish(self, event: Event) -> None:
        """Returns once the broker has the event."""
        self._publish(event.topic, event.payload)

    def end(self, name: str = "gateway", how: signal.Signals = signal.SIGKILL) -> None:
        process = self._processes.pop(name)
        process.send_signal(how)
        process.wait(PATIENCE)

    def finish(self) -> None:
        """Returns once all is at Oden: each line begins another run, and the one before gets what was made in it."""
        for line in range(LINES):
            self._publish(f"L{line:02}/order", f'{{"number": "B{line}"}}')
        while not self._is_all_told():
            wait_for(partial(self._is_told_more, self.ledger.stat().st_size))

    def counted(self) -> Counter[Event]:
        """How often each event counts at Oden."""
        counted: Counter[Event] = Counter()
        for entry in read_ledger(self.ledger):
            if entry.took_effect and entry.path.startswith("/v2/quality_test/set"):
                body: Any = entry.body
                number = int(body["raw_data"]["number"])
                counted[Event(number % LINES, number)] += 1
        model = replay(self.ledger, self._organization)
        for line in range(LINES):
            sums: Counter[str] = Counter()
            for run in model.intervals("RUN", "Factory A", f"Line {line:02}"):
                for output in model.output(run):
                    sums[str(output.raw_data["scrap_code"])] += int(str(output.raw_data["scrap"]))
            for code, total in sums.items():
                group = int(code.rpartition(" ")[2])
                for digit in range(DIGITS):
                    number = (group * DIGITS + digit) * LINES + line
                    counted[Event(line, number, code, digit)] = total // BASE**digit % BASE
        return +counted

    def _start(self, name: str) -> None:
        plant = ["--plant", str(self.folder / "plant.yaml")]
        commands = {
            "oden": ["simulate", "oden", "--port", str(self._ports["oden"]), "--ledger", str(self.ledger), *plant],
            "gateway": ["run", "-c", str(self.folder / "gateway.yaml")],
        }
        environment = os.environ | {"ODEN_STAND_IN_TOKEN": "a", "RUNTIME_DIRECTORY": str(self.folder)}
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "gateway.cli.tethered", str(os.getpid()), *commands[name]]
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def _is_connected(self) -> bool:
        assert self._processes["gateway"].poll() is None, (self.folder / "gateway.log").read_text()
        status = status_json(self._ports["status"])
        return status is not None and all(source["connected"] for source in status["sources"])

    def _taken(self) -> int:
        status = status_json(self._ports["status"])
        return 0 if status is None else sum(source["samples"]["good"] for source in status["sources"])

    def _publish(self, topic: str, payload: str) -> None:
        info = self._client.publish(topic, payload, qos=1)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), "the broker did not acknowledge"

    def _is_told_more(self, known: int) -> bool:
        return self.ledger.stat().st_size > known or self._is_all_told()

    def _is_all_told(self) -> bool:
        """Whether each line has its second run at Oden, and the gateway has nothing more to tell."""
        if self._waiting():
            return False
        model = replay(self.ledger, self._organization)
        return all(len(model.intervals("RUN", "Factory A", f"Line {line:02}")) == 2 for line in range(LINES))

    def _waiting(self) -> int:
        """Records that are not at Oden yet."""
        status = status_json(self._ports["status"])
        records = {} if status is None else status["outbox"]["records"]
        return sum(records.get(state, 1) for state in ("waiting", "sending", "in_doubt"))


def killed_in_bursts(folder: Path, bursts: int, events: int, seed: int) -> list[str]:
    """Kill the gateway once inside each of so many bursts, after an event that `seed` says: what is wrong in the end,
    event by event."""
    random = Random(seed)
    sent: list[Event] = []
    with Rig(folder).running() as rig:
        for place in range(bursts):
            together = burst(place, events, random)
            last = random.randrange(events // 8, events - events // 8)
            for number, event in enumerate(together):
                rig.publish(event)
                if number == last:
                    rig.end()
            sent += together
            rig.start()
        rig.finish()
        counted = rig.counted()
    wrong = [f"{event} counts {counted[event]} times" for event in sent if counted[event] != 1]
    return wrong + [f"{event} was never sent, and counts" for event in counted.keys() - {*sent}]
