"""The gateway as its own process at a real OPC UA server that tells one moment of the plant in two responses."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.oden.store import ScrapYieldRecord
from tests.peers import wait_until
from tests.test_machines_path import TAG, Machine

LINES = f"""
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: plc, node: "{TAG}.Order", publishing_interval: FIRST}}
      sku:   {{source: plc, node: "{TAG}.Sku", publishing_interval: SECOND}}
      state: {{source: plc, node: "{TAG}.State", publishing_interval: FIRST}}
      cause: {{source: plc, node: "{TAG}.Cause", publishing_interval: SECOND}}
      good:  {{source: plc, node: "{TAG}.Good", publishing_interval: SECOND, counter: {{max_rate: 1000/s}}}}
      again: {{source: plc, node: "{TAG}.Again", publishing_interval: SECOND, counter: {{restarts_with: order}}}}
    run: {{key: order, product: "{{sku}}", name: "{{order}}", settle: 3s}}
    states:
      input: state
      codes: {{1: {{category: Uptime}}, 3: {{category: Unplanned Downtime, reason: "{{cause}}"}}}}
      hold: 3s
    scrap_yield:
      every: 60s
      entries:
        - {{count: good,  raw_data: {{yield: "{{n}}"}}}}
        - {{count: again, raw_data: {{again: "{{n}}"}}}}
"""


class Scanned(Machine):
    """A machine whose PLC stamps all that it finds in one scan with one time."""

    async def scan(self, **tags: Any) -> None:
        now = datetime.now(UTC)
        for name, value in tags.items():
            await self.opcua.write(f"L01.{name}", value, time=now)
        await asyncio.sleep(4.5)

    def output(self) -> dict[str, tuple[str | None, int, int]]:
        """Of each run its product, and what each of the counters has counted in it."""
        model = self.oden()
        runs = [(run, model.output(run)) for run in model.intervals("RUN", "Factory A", "Line 01")]
        return {
            str(run.name): (run.product, self._sum(entries, "yield"), self._sum(entries, "again"))
            for run, entries in runs
        }

    @staticmethod
    def _sum(entries: Sequence[ScrapYieldRecord], name: str) -> int:
        return sum(int(str(entry.raw_data.get(name, 0))) for entry in entries)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Scanned]:
    machine = Scanned(tmp_path)
    try:
        yield machine
    finally:
        await machine.close()


@pytest.mark.parametrize(("first", "second"), [("250ms", "250ms"), ("100ms", "2s"), ("2s", "100ms")])
async def test_p13_one_moment_that_two_subscriptions_tell_is_one(machine: Scanned, first: str, second: str) -> None:
    """Whichever comes first: parts of the moment in which the order changes are of the order that ended, its product is
    that of the moment, and a stop has the cause that was said with it."""
    machine.configure(LINES.replace("FIRST", first).replace("SECOND", second))
    await machine.begin(L01__Order="", L01__Sku="", L01__State=1, L01__Cause="", L01__Good=100, L01__Again=50)
    await machine.scan(Order="A", Sku="Film", Again=0)
    await machine.scan(Good=110, Again=10)
    await machine.scan(Good=117, Order="B", Sku="Bag", State=3, Cause="Jam", Again=3)
    await machine.scan(Good=120, State=1, Cause="", Again=6)
    await machine.scan(Good=125, State=3, Cause="Door")
    await machine.scan(Order="", Sku="", Good=126)
    stops = [("Unplanned Downtime", "Jam"), ("Uptime", None), ("Unplanned Downtime", "Door")]
    await wait_until(lambda: machine.output() == {"A": ("Film", 17, 10), "B": ("Bag", 9, 6)})
    await wait_until(lambda: machine.states_told()[1:] == stops)
