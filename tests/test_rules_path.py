"""Rules through the whole path: a real broker, a gateway and a stand-in that are killed, each thing at Oden once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.simulator.oden.organization_file import read_organization
from gateway.simulator.oden.persistence import replay
from tests.config.command import written
from tests.peers import Mosquitto, free_port, wait_until
from tests.processes import Commands, status_json, whole_lines

PLANT = """
factories: [{name: Factory A, lines: [Line 01]}]
metric_groups: [{name: Line speed}]
quality_schemas: [{id: "66", factory: Factory A, schema: "{}"}]
"""
CONFIG = """
oden:
  {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", settle: 1s,
    rate: 4/s, allow_faster_for_tests: true}}
sources: {{floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}"}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order:  {{source: floor, topic: order, field: number, time: at}}
      speed:  {{source: floor, topic: order, field: speed}}
      lab:    {{source: floor, topic: lab, time: at}}
      work:   {{source: floor, topic: work, time: at}}
    run: {{key: order, product: "P{{order}}", name: "{{order}}", settle: 100ms}}
    rules:
      - {{set: interval_type, name: Tool}}
      - {{set: product, name: "P{{order}}"}}
      - {{set: target, product: "P{{order}}", metric_group: Line speed, value: "{{speed}}", settle: 100ms}}
      - {{set: product_attribute, product: "P{{order}}", name: speed, value: "{{speed}}", settle: 1s}}
      - {{set: quality_test, event: lab, named: "{{lab.order}}", quality_schema: 66,
          raw_data: {{torque: "{{lab.torque}}"}}}}
      - {{set: maintenance_work_order, event: work, when: "!has(work.done)", external_id: "{{work.number}}",
          name: Blade, started_at: "{{at}}"}}
      - {{set: maintenance_work_order, event: work, when: "has(work.done)", external_id: "{{work.number}}",
          completed_at: "{{at}}"}}
"""


class Floor(Commands):
    """The processes, and what was said to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Mosquitto(folder / "mosquitto")
        self.ports = {"oden": free_port(), "status": free_port()}
        config = written(folder / "gateway", CONFIG.format(mqtt=self.broker.url, **self.ports))
        (folder / "plant.yaml").write_text(PLANT)
        self.ledger = folder / "ledger.jsonl"
        oden = ["simulate", "oden", "--port", str(self.ports["oden"]), "--ledger", str(self.ledger)]
        commands = {
            "oden": [*oden, "--plant", str(folder / "plant.yaml")],
            "gateway": ["run", "-c", str(config)],
        }
        super().__init__(folder / "gateway", commands)

    async def say(self, topic: str, **fields: object) -> None:
        await self.broker.publish(topic, json.dumps({**fields, "at": datetime.now(UTC).isoformat()}))

    def held(self) -> dict[str, Any]:
        """What Oden holds."""
        plant = read_organization(self.folder / "plant.yaml")
        return dict(replay(self.ledger, plant).snapshot()) if self.ledger.exists() else {}

    def taken(self, path: str) -> int:
        """How many requests to `path` have reached Oden."""
        return sum(json.loads(line)["path"].endswith(path) for line in whole_lines(self.ledger))

    def status(self, name: str) -> Any:
        status = status_json(self.ports["status"])
        return None if status is None else status[name]

    def all_sent(self) -> bool:
        outbox = self.status("outbox")
        return outbox is not None and not any(outbox["records"][name] for name in ("waiting", "sending", "in_doubt"))


async def test_p4_rules_through_kills(tmp_path: Path) -> None:
    """Tests, targets, attributes and work orders that a line speaks of while the gateway, then Oden, is killed: each is
    there once, with the last word."""
    floor = Floor(tmp_path)
    try:
        with floor.broker:
            floor.start("oden")
            floor.start("gateway")
            await wait_until(lambda: all(one["connected"] for one in floor.status("sources") or [{"connected": False}]))
            await floor.say("order", number="A", speed=100)
            await floor.say("work", number=17)
            for torque in (1, 2, 3):
                await floor.say("lab", order="A", torque=torque)
            await wait_until(lambda: floor.taken("quality_test/set"))
            floor.kill("gateway")
            await floor.say("order", number="B", speed=90)
            await floor.say("lab", order="A", torque=4)
            await floor.say("lab", order="B", torque=5)
            await floor.say("work", number=18)
            floor.start("gateway")
            await wait_until(lambda: floor.taken("quality_test/set") >= 4)
            floor.kill("oden")
            await floor.say("work", number=17, done=True)
            await floor.say("order", number="B", speed=95)
            floor.start("oden")
            await wait_until(
                lambda: len(floor.held().get("orders", [])) == 2 and "completed_at" in floor.held()["orders"][0]
            )
            await wait_until(lambda: [one.get("target_value") for one in floor.held().get("targets", [])] == [100, 95])
            await wait_until(floor.all_sent)
        held = floor.held()
    finally:
        for name in [*floor.processes]:
            floor.kill(name)
    names = {one["id"]: one["name"] for one in held["products"]}
    assert (held["types"], sorted(names.values())) == (["Tool"], ["PA", "PB"])
    runs = {one["id"]: one["name"] for one in held["intervals"]}
    assert sorted((runs[one["interval"]], one["raw_data"]["torque"]) for one in held["tests"]) == [
        *(("A", torque) for torque in (1, 2, 3, 4)),
        ("B", 5),
    ]
    assert [(names[one["product"]], one["target_value"]) for one in held["targets"]] == [("PA", 100), ("PB", 95)]
    assert [(names[one["product"]], one["value"]) for one in held["values"]] == [("PA", "100"), ("PB", "95")]
    assert [(one["external_id"], "completed_at" in one) for one in held["orders"]] == [("17", True), ("18", False)]
