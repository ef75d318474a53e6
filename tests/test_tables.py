"""Tables in which inputs are looked up, changed while the gateway runs between a real broker and the Oden stand-in."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.simulator.oden.persistence import replay
from gateway.simulator.oden.store import Organization
from tests.peers import Mosquitto, free_port, wait_until
from tests.processes import end_all, status_json

TOKEN = "a-token-that-nobody-may-see"
CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", settle: 2s}}
sources:
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
tables:
  products: {{file: products.csv, key: sku}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: floor, topic: order, field: number}}
      sku: {{source: floor, topic: order, field: sku}}
    run: {{key: order, product: "{{products[sku].name}}", name: "{{order}}", settle: 100ms}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


class Plant01:
    """A line that gets orders by MQTT, a table of products, and what Oden has been told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.oden, self.status = free_port(), free_port()
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.mosquitto.start()
        self.ledger = folder / "ledger.jsonl"
        (folder / "secrets").mkdir()
        (folder / "secrets" / "oden_token").write_text(TOKEN)
        text = CONFIG.format(oden=self.oden, status=self.status, mqtt=self.mosquitto.url)
        (folder / "gateway.yaml").write_text(text)
        self.table("sku,name\n100,Pipe\n")
        self.processes: list[subprocess.Popen[bytes]] = []

    def table(self, text: str) -> None:
        """Put a new table in the place of the old one."""
        fresh = self.folder / "products.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "products.csv")

    def start(self) -> None:
        oden = ["simulate", "oden", "--port", str(self.oden), "--ledger", str(self.ledger)]
        gateway = ["run", "-c", str(self.folder / "gateway.yaml")]
        environment = os.environ | {"ODEN_STAND_IN_TOKEN": TOKEN}
        with (self.folder / "log").open("ab") as log:
            for command in (oden, gateway):
                process = [sys.executable, "-m", "gateway", *command]
                self.processes.append(subprocess.Popen(process, stdout=log, stderr=log, env=environment))

    async def order(self, number: str, sku: str) -> None:
        await self.mosquitto.publish("order", json.dumps({"number": number, "sku": sku}))

    def products(self) -> list[tuple[str, str]]:
        """Name and product of each run at Oden, in order."""
        if not self.ledger.exists():
            return []
        model = replay(self.ledger, Organization())
        runs = model.intervals("RUN", "Factory A", "Line 01")
        return [(str(run.name), str(run.product)) for run in runs]

    def said(self, event: str) -> bool:
        """Whether the gateway has logged the event."""
        return event in (self.folder / "log").read_text()

    def connected(self) -> bool:
        status = status_json(self.status)
        return status is not None and all(source["connected"] for source in status["sources"])

    def problems(self) -> str:
        status = status_json(self.status)
        return "" if status is None else "\n".join(status["problems"])

    def stop(self) -> None:
        end_all(self.processes)
        self.mosquitto.stop()


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant01]:
    plant = Plant01(tmp_path)
    try:
        yield plant
    finally:
        plant.stop()


async def test_p10_tables_are_read_again_without_a_restart(plant: Plant01) -> None:
    """A new row counts for the next run; a wrong file is not taken, is reported while it is wrong, and the rows from
    before count.
    """
    plant.start()
    await wait_until(plant.connected)
    await plant.order("1", "100")
    await wait_until(lambda: plant.products() == [("1", "Pipe")])
    assert not plant.said("tables_read_again")

    plant.table("sku,name\n100,Pipe\n200,Hose\n")
    await wait_until(lambda: plant.said("tables_read_again"))
    await plant.order("2", "200")
    await wait_until(lambda: plant.products()[1:] == [("2", "Hose")])

    plant.table("sku,title\n100,Pipe\n")
    await wait_until(lambda: plant.said("tables_refused"))
    await wait_until(lambda: 'has no column "name"' in plant.problems())
    assert "gateway.yaml:13:" in plant.problems()
    await plant.order("3", "100")
    await wait_until(lambda: plant.products()[2:] == [("3", "Pipe")])

    plant.table("sku,name\n100,Long pipe\n")
    await wait_until(lambda: not plant.problems())
    await plant.order("4", "100")
    await wait_until(lambda: plant.products()[3:] == [("4", "Long pipe")])
