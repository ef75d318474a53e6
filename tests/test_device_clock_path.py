"""The gateway as its own process at a real OPC UA server whose tags are stamped by a clock that is set back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua.ua.status_codes import StatusCodes

from tests.peers import wait_until
from tests.processes import status_json
from tests.test_machines_path import TAG, Machine

LINES = f"""
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: plc, node: "{TAG}.Order"}}
      state: {{source: plc, node: "{TAG}.State"}}
      good:  {{source: plc, node: "{TAG}.Good", counter: {{max_rate: 1000/s}}}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 0s}}
    states: {{input: state, codes: {{1: {{category: Uptime}}, 3: {{category: Unplanned Downtime, reason: Jam}}}}}}
    scrap_yield:
      every: 60s
      entries: [{{count: good, raw_data: {{yield: "{{n}}"}}}}]
"""
BACK = 20.0
EXACT = 2.0
"""Seconds by which the start of anything may be off: whole seconds, and a busy machine."""


class Stamped(Machine):
    """A machine whose tags are stamped by one clock, which shows `behind` seconds too little."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.behind = 0.0
        self.began: dict[str, float] = {}
        """When each value was written in truth."""

    async def stamp(self, name: str, value: Any) -> None:
        now = datetime.now(UTC)
        await self.opcua.write(f"L01.{name}", value, time=now - timedelta(seconds=self.behind))
        self.began[str(value)] = now.timestamp()
        if name == "Order":
            self.orders.append(value)

    async def count(self, parts: int) -> None:
        for _ in range(parts):
            self.total += 1
            await self.stamp("Good", 100 + self.total)
            await asyncio.sleep(0.1)

    def begins(self, kind: str, name: str) -> float:
        """When the last interval of this name or category begins at Oden."""
        intervals = self.oden().intervals(kind, "Factory A", "Line 01")
        return [each.start for each in intervals if name in (each.name, each.category)][-1]

    def output(self) -> dict[str, int]:
        model = self.oden()
        return {
            str(run.name): sum(int(str(entry.raw_data["yield"])) for entry in model.output(run))
            for run in model.intervals("RUN", "Factory A", "Line 01")
        }


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Stamped]:
    machine = Stamped(tmp_path)
    machine.configure(LINES)
    try:
        yield machine
    finally:
        await machine.close()


async def test_p13_values_whose_clock_goes_back_are_no_late_ones(machine: Stamped) -> None:
    """Of one tag the order of arrival counts, so a time that goes back shows that its clock was set back: what it
    stamps, also of tags that have not changed for long, is so when it comes. No part goes to an order that was not on,
    none counts twice, and nothing begins before it did."""
    await machine.begin(L01__Order="A", L01__State=1, L01__Good=100)
    await machine.stamp("Order", "A1")
    await machine.count(30)
    machine.behind = BACK
    await machine.count(5)
    await machine.stamp("Order", "B1")
    await machine.stamp("State", 3)
    await machine.count(20)
    await machine.stamp("State", 1)
    await machine.stamp("Order", "C1")
    await machine.count(2)
    machine.behind = 0.0
    await machine.count(3)
    await machine.stamp("State", 3)
    await machine.stamp("Order", "D1")
    await machine.count(1)
    await machine.stamp("Order", "E1")
    made = {"A": 0, "A1": 35, "B1": 20, "C1": 5, "D1": 1, "E1": 0}
    await wait_until(lambda: machine.output() == made)
    assert [name for name in machine.orders if abs(machine.begins("RUN", name) - machine.began[name]) > EXACT] == []
    assert machine.begins("STATE", "Uptime") - machine.began["1"] == pytest.approx(0.0, abs=EXACT)
    assert machine.begins("STATE", "Unplanned Downtime") - machine.began["3"] == pytest.approx(0.0, abs=EXACT)
    [text] = [text for text in machine.rejects() if "was set back" in text]
    assert "it is 20 s behind, which is added to the times that it says" in text


async def test_p2_an_uncertain_value_of_a_counter_counts_nothing(machine: Stamped) -> None:
    """The last value of a sensor that has failed: taken for a reset, it would make 219 of 120."""
    await machine.begin(L01__Order="A", L01__State=1, L01__Good=100)
    await machine.opcua.write("L01.Good", 1, status=StatusCodes.UncertainLastUsableValue, time=datetime.now(UTC))
    await asyncio.sleep(1)
    await machine.stamp("Good", 220)
    await asyncio.sleep(1)
    await machine.stamp("Order", "B")
    await wait_until(lambda: machine.output() == {"A": 120, "B": 0})


async def test_p9_what_a_server_grants_stands_with_the_source(machine: Stamped) -> None:
    """In `/api/status`, of which the page is made: also of settings that nobody has written."""
    await machine.begin(L01__Order="A", L01__State=1, L01__Good=100)
    status = status_json(machine.ports["status"])
    assert status is not None
    granted = {source["name"]: source["granted"] for source in status["sources"]}
    assert granted["floor"] == {}
    assert granted["plc"].keys() == {"publishing_interval", "sampling", "queue", "keepalive", "session"}
    assert granted["plc"]["publishing_interval"] == [0.25, 0.25]
    assert granted["plc"]["queue"] == [100, 100]
    assert granted["plc"]["keepalive"] == [5, 5]
