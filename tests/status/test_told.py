"""What a person is told, from outside: the gateway as a process, with what goes wrong in a plant, and Oden away."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import status_json, whole_lines

CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
sources:
  plc:   {{type: opcua, url: "{opcua}"}}
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
      good:  {{source: plc, node: "nsu=urn:acme:line;s=L01.Good", counter: {{rollover: 65536, max_rate: 1000/s}}}}
      order: {{source: floor, topic: l01/order, field: number}}
      scrap: {{source: floor, topic: l01/scrap}}
    run: {{key: order, product: "Film", settle: 100ms}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
    scrap_yield:
      every: 1s
      entries:
        - {{count: good, raw_data: {{yield: "{{n}}"}}}}
        - {{count: scrap.qty, raw_data: {{scrap: "{{n}}", scrap_code: "{{scrap.code}}"}}}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


class Plant:
    """A gateway between a broker and a PLC that lacks a tag, with nobody where Oden should be."""

    def __init__(self, folder: Path) -> None:
        self.opcua, self.broker = OpcuaServer(), Mosquitto(folder / "mosquitto")
        self.port = free_port()
        self.log = folder / "gateway.log"
        self._config = folder / "gateway.yaml"
        names = {"nobody": free_port(), "status": self.port, "folder": folder}
        self._config.write_text(CONFIG.format(opcua=self.opcua.url, mqtt=self.broker.url, **names))

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "gateway", "run", "-c", str(self._config)]
        secrets = {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": "secret-of-the-plant"}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stderr=log, env=os.environ | secrets)

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in whole_lines(self.log))
        return [line for line in lines if line["event"] == event]

    def said(self) -> Any:
        return status_json(self.port)

    async def say(self, topic: str, *messages: object) -> None:
        await self.broker.publish(topic, *(json.dumps(message) for message in messages))


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    plant = Plant(tmp_path)
    await plant.opcua.start(L01__State=1)
    try:
        with plant.broker:
            yield plant
    finally:
        await plant.opcua.stop()


async def test_what_goes_wrong_is_told_in_the_log_and_on_the_page(plant: Plant) -> None:
    """A missing tag, rejected messages, output between runs and an absent Oden: each told in words, none in a flood."""
    process = plant.start()
    try:
        await wait_until(lambda: plant.logged("address_refused"))
        [refused] = plant.logged("address_refused")
        assert (refused["level"], refused["source"]) == ("warning", "plc")
        assert refused["address"].endswith("L01.Good")
        await wait_until(lambda: plant.said() and all(source["connected"] for source in plant.said()["sources"]))
        assert plant.said()["healthy"] is False
        assert any("L01.Good is not received" in problem for problem in plant.said()["problems"])

        await plant.opcua.add("L01.Good", 10)
        await wait_until(lambda: plant.logged("address_accepted_again"))

        await plant.say("l01/scrap", *({"qty": "many"} for _ in range(200)))
        await plant.say("l01/scrap", {"qty": 3, "code": "Splice"}, {"qty": 4, "code": "Jam"})
        await wait_until(lambda: plant.said()["lines"][0]["without_run"] == {"scrap": 7})
        await wait_until(lambda: plant.said()["rejects_total"] == 200)
        await wait_until(lambda: plant.logged("payload_rejected"))
        rejected, *_ = plant.logged("payload_rejected")
        assert (rejected["level"], rejected["source"], rejected["address"]) == ("warning", "floor", "l01/scrap")
        assert "not a number" in rejected["text"]
        [hint] = plant.said()["hints"]
        assert "values or messages could not be used" in hint

        await plant.say("l01/order", {"number": "A1"})
        await wait_until(lambda: plant.said()["lines"][0]["without_run"] == {})
        await wait_until(lambda: "connection refused" in plant.said()["headline"])
        headline = plant.said()["headline"]
        assert headline.startswith("Oden cannot be reached (connection refused); ")
        assert "safe on disk; tried again " in headline
        assert plant.said()["oden"]["last_error_at"] is not None
        await wait_until(lambda: plant.logged("request_failed"))
        failed, *_ = plant.logged("request_failed")
        assert "ClientConnectorError" not in failed["reason"]
        assert "ClientConnectorError" in failed["detail"]
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, PATIENCE)
    # What was withheld is counted at the end.
    lines = plant.logged("payload_rejected")
    assert sum(1 + line.get("withheld", 0) for line in lines) == 200
    assert len(lines) <= 3


async def test_a_crash_takes_neither_totals_nor_times_from_the_page(plant: Plant) -> None:
    """What was told of the run stands on the page again after a kill, and goes on; a stop of the PLC greys the line."""
    await plant.opcua.add("L01.Good", 10)

    def line() -> Any:
        return (plant.said() or {"lines": [{"totals": [], "unknown_since": None}]})["lines"][0]

    def scrap() -> Any:
        return next((total for total in line()["totals"] if (total["of"], total["name"]) == ("RUN", "scrap")), None)

    def kept() -> bool:
        file = plant.log.parent / "outbox" / "page-history.jsonl"
        return any('"scrap":{"Splice":3' in text for text in whole_lines(file))

    process = plant.start()
    try:
        await wait_until(lambda: plant.said() and all(source["connected"] for source in plant.said()["sources"]))
        await plant.say("l01/order", {"number": "A1"})
        await plant.say("l01/scrap", {"qty": 3, "code": "Splice"})
        await wait_until(kept)
        process.kill()
        await asyncio.to_thread(process.wait, PATIENCE)
        process = plant.start()
        await wait_until(lambda: scrap() is not None)
        assert scrap() == {"of": "RUN", "name": "scrap", "amount": 3, "details": {"Splice": 3}}
        await plant.say("l01/scrap", {"qty": 4, "code": "Jam"})
        await wait_until(lambda: (scrap() or {}).get("details") == {"Splice": 3, "Jam": 4})
        await wait_until(lambda: line()["unknown_since"] is None)
        await plant.opcua.stop()
        await wait_until(lambda: line()["unknown_since"] is not None)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, PATIENCE)
