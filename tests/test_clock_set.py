"""The gateway as its own process on a machine whose clock is wrong: what a user sees, and what comes to Oden."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import replay
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Interval, Organization
from tests.oden.test_transport import site
from tests.peers import PATIENCE, Mosquitto, free_port, wait_until
from tests.processes import end_all, status_json

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", settle: 2s}}
sources: {{floor: {{type: mqtt, url: "{mqtt}", client_id: edge-clock}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: floor, topic: l01/order, field: number}}
      scrap: {{source: floor, topic: l01/scrap}}
    run: {{key: order, product: "Film", name: "{{order}}", settle: 200ms}}
    scrap_yield: {{every: 2s, entries: [{{count: scrap.qty, raw_data: {{scrap: "{{n}}"}}}}]}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""
TOKEN = "a-token-for-tests"


class Machine:
    """A machine with a broker on it; its clock is set by `set_clock`, for the gateway alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"oden": free_port(), "status": free_port()}
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.ledger = folder / "ledger.jsonl"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN, "ODEN_STAND_IN_TOKEN": TOKEN}
        text = CONFIG.format(folder=folder, mqtt=self.mosquitto.url, **self.ports)
        (folder / "gateway.yaml").write_text(text)

    def set_clock(self, ahead: float) -> None:
        (self.folder / "ahead.new").write_text(str(ahead))
        (self.folder / "ahead.new").rename(self.folder / "ahead")

    def start_gateway(self) -> None:
        config = ["run", "-c", str(self.folder / "gateway.yaml")]
        self._start("tests.set_clock", str(self.folder / "ahead"), *config)

    def start_oden(self) -> None:
        port = str(self.ports["oden"])
        self._start("gateway", "simulate", "oden", "--port", port, "--ledger", str(self.ledger))

    def _start(self, module: str, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", module, *arguments]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=self.environment))

    def clock(self, *command: str) -> str:
        """What `oden-gateway clock` prints."""
        words = [sys.executable, "-m", "gateway", "clock", *command, "-c", str(self.folder / "gateway.yaml")]
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=self.environment, timeout=PATIENCE)
        return done.stdout

    def status(self) -> dict[str, Any]:
        return status_json(self.ports["status"]) or {}

    def waits(self) -> int:
        outbox = self.status().get("outbox")
        return outbox["records"]["waiting"] if outbox else 0

    def problems(self) -> str:
        return " ".join(self.status().get("problems", ()))

    def takes_in(self) -> bool:
        return bool(self.status().get("sources")) and self.status()["sources"][0]["connected"]

    def oden(self) -> OdenModel:
        return replay(self.ledger, Organization()) if self.ledger.exists() else OdenModel(Organization())

    def runs(self) -> list[Interval]:
        return self.oden().intervals("RUN", "Factory A", "Line 01")

    def scrap(self) -> int:
        model = self.oden()
        entries = [entry.raw_data for run in self.runs() for entry in model.output(run)]
        return sum(int(str(entry["scrap"])) for entry in entries)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    end_all(machine.processes)
    machine.mosquitto.stop()


@pytest.mark.parametrize("ahead", [-3000.0, 366 * 86_400.0])
async def test_p11_what_a_wrong_clock_stamped_at_boot_is_mended_once_the_right_one_is_accepted(
    machine: Machine, ahead: float
) -> None:
    """A box without NTP, and Oden away: it takes in at once. Then somebody sets its clock, which is held and shown
    until a person accepts it. When Oden comes, all times there are right, and nothing is lost or doubled."""
    machine.set_clock(ahead)
    machine.mosquitto.start()
    machine.start_gateway()
    await wait_until(machine.takes_in)
    began = time.time()
    await machine.mosquitto.publish("l01/order", json.dumps({"number": "4711"}))
    await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 3}))
    await wait_until(lambda: machine.waits() > 0)
    machine.set_clock(0.0)
    await wait_until(lambda: "nothing confirms it" in machine.problems())
    assert "nothing yet" in machine.clock("show")
    assert f"{-ahead:+.0f} s" in machine.clock("accept")
    await wait_until(lambda: json.loads(machine.clock("show", "--json"))["confirmed_by"] == "a person")
    await wait_until(machine.takes_in)
    await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 4}))
    await machine.mosquitto.publish("l01/order", json.dumps({"number": "4712"}))
    machine.start_oden()
    await wait_until(lambda: [run.name for run in machine.runs()] == ["4711", "4712"])
    await wait_until(lambda: machine.runs()[0].end is not None and machine.scrap() == 7)
    first, second = machine.runs()
    assert abs(first.start - began) < PATIENCE
    assert first.end == second.start
    assert "as a person confirms" in machine.problems()
    assert "nothing confirms it" not in machine.problems()


@asynccontextmanager
async def secure_oden(folder: Path) -> AsyncIterator[tuple[OdenModel, str, Path]]:
    """The stand-in over TLS, whose answers show the right time: what it holds, its address, and who vouches for it."""
    ca, context = site(folder)
    model = OdenModel(Organization())
    port = free_port()
    async with listening(make_app(model, TOKEN), "127.0.0.1", port, context):
        yield model, f"https://localhost:{port}/v2", ca


async def test_p11_a_clock_a_year_ahead_at_boot_is_put_right_by_odens_own(machine: Machine, tmp_path: Path) -> None:
    """No NTP, nobody who sets the clock: it is taken in at once, nothing that holds a time is sent before Oden has said
    what time it is, and then all times there are right."""
    machine.set_clock(366 * 86_400.0)
    machine.mosquitto.start()
    async with secure_oden(tmp_path) as (model, url, ca):
        config = tmp_path / "gateway.yaml"
        old = f"http://127.0.0.1:{machine.ports['oden']}/v2"
        config.write_text(config.read_text().replace(f'url: "{old}"', f'url: "{url}", ca: "{ca}"'))
        machine.start_gateway()
        await wait_until(machine.takes_in)
        began = time.time()
        await machine.mosquitto.publish("l01/order", json.dumps({"number": "4711"}))
        await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 3}))
        await wait_until(lambda: model.intervals("RUN", "Factory A", "Line 01"))
        [run] = model.intervals("RUN", "Factory A", "Line 01")
        await wait_until(lambda: model.output(run))
        assert (run.name, [entry.raw_data["scrap"] for entry in model.output(run)]) == ("4711", [3])
        assert abs(run.start - began) < PATIENCE
        assert json.loads(machine.clock("show", "--json"))["confirmed_by"] == "Oden"
