"""The gateway as its own process, in a container whose kernel tells nothing of NTP, on a machine whose clock is wrong:
what a user sees, and what comes to Oden."""

import asyncio
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
HOUR = 3600.0
DAY = 86_400.0
YEAR = 366 * DAY
NEAR = 5.0


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

    def reboot(self) -> None:
        """The gateway's next start is after a start of the machine."""
        (self.folder / "boot").write_text("another start")

    def start_gateway(self) -> None:
        config = ["run", "-c", str(self.folder / "gateway.yaml")]
        self._start("tests.contained", str(self.folder / "ahead"), *config)

    def kill_gateway(self) -> None:
        """That which was started last is no more, all at once."""
        process = self.processes.pop()
        process.kill()
        process.wait(PATIENCE)

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

    def run(self) -> str | None:
        """The name of the run that the line is in."""
        run = [line["run"] for line in self.status().get("lines", ()) if line["run"]]
        return str(run[0]["name"]) if run else None

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


@pytest.mark.parametrize("ahead", [-3000.0, YEAR])
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


class SecureOden:
    """The stand-in over TLS, whose answers show the right time, at a port at which nobody is until it listens."""

    def __init__(self, machine: Machine) -> None:
        """The gateway of `machine` is configured for it."""
        ca, self._context = site(machine.folder)
        self.model = OdenModel(Organization())
        self._port = machine.ports["oden"]
        config = machine.folder / "gateway.yaml"
        old, url = f"http://127.0.0.1:{self._port}/v2", f"https://localhost:{self._port}/v2"
        config.write_text(config.read_text().replace(f'url: "{old}"', f'url: "{url}", ca: "{ca}"'))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with listening(make_app(self.model, TOKEN), "127.0.0.1", self._port, self._context):
            yield

    def runs(self) -> list[Interval]:
        return self.model.intervals("RUN", "Factory A", "Line 01")

    def scrap(self) -> int:
        entries = (entry for run in self.runs() for entry in self.model.output(run))
        return sum(int(str(entry.raw_data["scrap"])) for entry in entries)

    def is_right(self, since: float) -> bool:
        """Whether nothing of it was before `since`, nor is yet to come. Oden's clock tells whole seconds."""
        stamps = [entry.timestamp or 0 for run in self.runs() for entry in self.model.output(run)]
        times = [*stamps, *(run.start for run in self.runs()), *(run.end for run in self.runs() if run.end)]
        return all(since - NEAR <= at <= time.time() + NEAR for at in times)


@pytest.mark.parametrize("ahead", [YEAR, -HOUR])
async def test_p11_a_clock_that_is_wrong_at_boot_is_put_right_by_odens_own(machine: Machine, ahead: float) -> None:
    """No NTP, nobody who sets the clock: it is taken in at once, nothing that holds a time is sent before Oden has said
    what time it is, and then all times there are right."""
    machine.set_clock(ahead)
    machine.mosquitto.start()
    oden = SecureOden(machine)
    async with oden.listening():
        machine.start_gateway()
        await wait_until(machine.takes_in)
        began = time.time()
        await machine.mosquitto.publish("l01/order", json.dumps({"number": "4711"}))
        await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 3}))
        await wait_until(lambda: oden.scrap() == 3)
        assert [run.name for run in oden.runs()] == ["4711"]
        assert oden.is_right(began)
        assert json.loads(machine.clock("show", "--json"))["confirmed_by"] == "Oden"


@pytest.mark.parametrize(("ahead", "reboots"), [(YEAR, False), (-HOUR, False), (YEAR, True), (-HOUR, True)])
async def test_p11_a_clock_that_is_wrong_for_45_seconds_stops_nothing(
    machine: Machine, ahead: float, reboots: bool
) -> None:
    """While the gateway works, which is killed meanwhile and begins anew by the wrong clock, or keeps its own where the
    machine was not started anew: all the time it takes in, and all times at Oden are right. After the next start, too.
    A clock that is behind what is stored after a start of the machine has the gateway wait for a right one, and go on
    without it: what was stamped before may be as late as that took."""
    machine.set_clock(0.0)
    machine.mosquitto.start()
    oden, began = SecureOden(machine), time.time()
    ordered: dict[str, float] = {}

    async def makes(number: str) -> None:
        """An order has to hold for a while to be a run: until it is one, none may follow it; until it is on disk, or at
        Oden, the process may not be killed."""
        await wait_until(machine.takes_in)
        waited = machine.waits()
        ordered[number] = time.time()
        await machine.mosquitto.publish("l01/order", json.dumps({"number": number}))
        await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 1}))
        await wait_until(lambda: machine.run() == number)
        await wait_until(lambda: machine.waits() > waited or number in [run.name for run in oden.runs()])

    async with oden.listening():
        machine.start_gateway()
        await makes("4711")
        await wait_until(lambda: oden.scrap() == 1)
        machine.set_clock(ahead)
        until = time.monotonic() + 45.0
        await makes("4712")
        machine.kill_gateway()
        if reboots:
            machine.reboot()
        machine.start_gateway()
        await makes("4713")
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        await makes("4714")
        machine.set_clock(0.0)
        await makes("4715")
        await wait_until(lambda: [run.name for run in oden.runs()] == ["4711", "4712", "4713", "4714", "4715"])
        await wait_until(lambda: oden.scrap() == 5)
        machine.kill_gateway()
        machine.start_gateway()
        await makes("4716")
        await wait_until(lambda: oden.scrap() == 6)
        await wait_until(lambda: [run.end is None for run in oden.runs()] == [False] * 5 + [True])
        assert oden.is_right(began)
        assert machine.status()["outbox"]["records"]["dead"] == 0
        log = (machine.folder / "log").read_text()
        assert ("waiting_for_clock" in log) == (reboots and ahead < 0)
        assert ("clock_kept" in log) == (not reboots)
        runs = oden.runs()
        if ahead > 0 or not reboots:
            assert [run.end for run in runs[:-1]] == [run.start for run in runs[1:]]
        if not reboots:
            assert [run.start for run in runs] == pytest.approx(list(ordered.values()), abs=PATIENCE / 10)


async def test_p11_a_firewall_that_is_away_for_two_days_holds_nothing_up(machine: Machine) -> None:
    """Neither NTP nor Oden can be asked, and the power fails meanwhile; the machine has a clock of its own, which is
    right. What is made is taken in all the time, also after that start, which waits for nothing, and is at Oden with
    its right times once the firewall is back."""
    machine.set_clock(-2 * DAY)
    machine.mosquitto.start()
    oden = SecureOden(machine)
    machine.start_gateway()
    await wait_until(machine.takes_in)
    assert "counts as confirmed" in machine.clock("accept")
    await wait_until(lambda: json.loads(machine.clock("show", "--json"))["confirmed_by"] == "a person")
    began = time.time()
    await machine.mosquitto.publish("l01/order", json.dumps({"number": "4711"}))
    await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 3}))
    await wait_until(lambda: machine.waits() >= 2)
    machine.kill_gateway()
    machine.set_clock(0.0)
    machine.reboot()
    machine.start_gateway()
    await wait_until(machine.takes_in)
    assert "waiting_for_clock" not in (machine.folder / "log").read_text()
    back = time.time()
    await machine.mosquitto.publish("l01/scrap", json.dumps({"qty": 4}))
    await machine.mosquitto.publish("l01/order", json.dumps({"number": "4712"}))
    await wait_until(lambda: machine.waits() >= 4)
    async with oden.listening():
        await wait_until(lambda: oden.scrap() == 7 and len(oden.runs()) == 2 and oden.runs()[0].end is not None)
        first, second = oden.runs()
        assert abs(first.start - (began - 2 * DAY)) < PATIENCE
        assert (first.end, second.start) == (second.start, second.start)
        assert back - NEAR <= second.start <= time.time() + NEAR
        assert oden.is_right(began - 2 * DAY)
