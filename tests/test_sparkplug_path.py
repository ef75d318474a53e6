"""Sparkplug through the whole path: broker, gateway and stand-in as processes, of which each goes away in turn."""

import asyncio
import time
from pathlib import Path

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import replay
from gateway.simulator.oden.store import Organization
from tests import edge_node as wire
from tests.config.command import written
from tests.edge_node import EdgeNode
from tests.peers import Mosquitto, free_port, wait_until
from tests.processes import Commands, status_json

CONFIG = """
oden:
  url: "http://127.0.0.1:{oden}/v2"
  token: "${{secret:oden_token}}"
  settle: 1s
  rate: 4/s
  allow_faster_for_tests: true
sources: {{floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test, node_birth: {node_birth}, history: {history}}}}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}"}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: floor, device: Plant A/Edge 1/Press 7, metric: Order}}
      state: {{source: floor, device: Plant A/Edge 1/Press 7, metric: Status/State}}
      good:
        source: floor
        device: Plant A/Edge 1/Press 7
        metric: Counts/Good
        counter: {{rollover: 1000, max_rate: 1000/s}}
    run: {{key: order, product: Film, name: "{{order}}", settle: 100ms}}
    states: {{input: state, codes: {{1: {{category: Uptime}}, 3: {{category: Unplanned Downtime}}}}}}
    scrap_yield: {{every: 2s, entries: [{{count: good, raw_data: {{yield: "{{n}}"}}}}]}}
"""


class Floor(Commands):
    """The processes, and what the press has made."""

    def __init__(self, folder: Path, node_birth: str = "needed", history: str = "off") -> None:
        self.folder = folder
        self.broker = Mosquitto(folder / "mosquitto")
        ports = {"oden": free_port(), "status": free_port()}
        config = written(
            folder / "gateway", CONFIG.format(mqtt=self.broker.url, node_birth=node_birth, history=history, **ports)
        )
        self.status_port = ports["status"]
        self.ledger = folder / "ledger.jsonl"
        commands = {
            "oden": ["simulate", "oden", "--port", str(ports["oden"]), "--ledger", str(self.ledger)],
            "gateway": ["run", "-c", str(config)],
        }
        super().__init__(folder / "gateway", commands)
        self.edge = EdgeNode(self.broker.port)
        self.count, self.total = 990, 0
        self.edge.add(
            "Press 7", Order=(wire.STRING, "A"), Status__State=(wire.UINT8, 1), Counts__Good=(wire.UINT16, 990)
        )

    async def make(self, parts: int) -> None:
        for _ in range(parts):
            self.count, self.total = (self.count + 1) % 1000, self.total + 1
            self.edge.change("Press 7", Counts__Good=self.count)
            await asyncio.sleep(0.005)

    def heard(self) -> bool:
        """Whether the gateway is connected, and has what it wants of the device."""
        status = status_json(self.status_port)
        return status is not None and all(
            source["connected"] and not source["failed"] and source["last_sample_at"] for source in status["sources"]
        )

    def connected(self) -> bool:
        status = status_json(self.status_port)
        return status is not None and all(source["connected"] for source in status["sources"])

    async def ready(self) -> None:
        await wait_until(self.heard)

    def oden(self) -> OdenModel:
        return replay(self.ledger, Organization()) if self.ledger.exists() else OdenModel(Organization())

    def at_oden(self) -> tuple[list[str], list[str], int]:
        model = self.oden()
        runs = model.intervals("RUN", "Factory A", "Line 01")
        made = sum(int(str(entry.raw_data.get("yield", 0))) for run in runs for entry in model.output(run))
        states = model.intervals("STATE", "Factory A", "Line 01")
        return [str(run.name) for run in runs], [str(state.category) for state in states], made


async def test_p2_p4_an_edge_node_through_every_outage(tmp_path: Path) -> None:
    """Whatever goes away, edge node, broker or gateway, each part, run and state that is made is at Oden once."""
    floor = Floor(tmp_path)
    try:
        with floor.broker:
            floor.start("oden")
            floor.edge.start()
            floor.start("gateway")
            await floor.ready()
            await wait_until(lambda: floor.at_oden()[0] == ["A"])
            await floor.make(30)

            floor.kill("gateway")
            await floor.make(25)
            floor.edge.change("Press 7", Order="B")
            await floor.make(5)
            floor.start("gateway")
            await wait_until(lambda: floor.at_oden()[0] == ["A", "B"])
            await floor.make(10)

            floor.edge.stop()
            await wait_until(lambda: not floor.heard())
            await floor.make(40)
            floor.edge.start()
            await floor.ready()
            floor.edge.change("Press 7", Status__State=3)
            await wait_until(lambda: len(floor.at_oden()[1]) == 2)

            floor.broker.kill()
            await floor.make(20)
            floor.edge.stop()
            floor.broker.start()
            floor.edge.start()
            await floor.ready()
            floor.edge.change("Press 7", Order="C", Status__State=1)
            await floor.make(15)
            expected = (["A", "B", "C"], ["Uptime", "Unplanned Downtime", "Uptime"], floor.total)
            await wait_until(lambda: floor.at_oden() == expected)
        assert floor.total == 145
    finally:
        floor.edge.stop()
        for name in [*floor.processes]:
            floor.kill(name)


async def test_p2_a_device_without_an_edge_node_over_a_restart(tmp_path: Path) -> None:
    """With `node_birth: optional` it counts from its birth on, which has DATA/ before the names; after a restart of the
    gateway from what it says next, because it is not born again."""
    floor = Floor(tmp_path, "optional")
    device = "spBv1.0/Plant A/{}/Edge 1/Press 7"
    plain = {"Order": (wire.STRING, "A"), "Status/State": (wire.UINT8, 1)}

    async def says(kind: str, folder: str = "", **metrics: tuple[int, object]) -> None:
        told = {"Counts/Good": (wire.UINT16, floor.count), **metrics}
        sent = [wire.metric(value, datatype, name=f"{folder}{name}") for name, (datatype, value) in told.items()]
        await floor.broker.publish(device.format(kind), wire.payload(sent, 200))

    try:
        with floor.broker:
            floor.start("oden")
            floor.start("gateway")
            await wait_until(floor.connected)
            await says("DBIRTH", "DATA/", **plain)
            await wait_until(lambda: floor.at_oden()[0] == ["A"])
            assert floor.heard()
            floor.count = 998
            await says("DDATA")
            await wait_until(lambda: floor.at_oden()[2] == 8)

            floor.kill("gateway")
            floor.count = 3
            await says("DDATA")
            floor.start("gateway")
            await wait_until(floor.connected)
            floor.count = 5
            await says("DDATA", Order=(wire.STRING, "B"))
            await wait_until(lambda: floor.at_oden()[0] == ["A", "B"])
            floor.count = 7
            await says("DDATA")
            await wait_until(lambda: floor.at_oden()[2] == 17)
    finally:
        for name in [*floor.processes]:
            floor.kill(name)


async def test_p13_what_an_edge_node_had_stored_is_at_oden_in_its_own_time(tmp_path: Path) -> None:
    """An order, a stop and parts of while the node could not send, which it sends after its birth: at Oden each begins
    when it was so, and the parts are each order's own, though the birth had shown all of them as the last order's."""
    floor = Floor(tmp_path, history="auto")
    press = "Press 7"
    try:
        with floor.broker:
            floor.start("oden")
            floor.edge.start()
            floor.start("gateway")
            await floor.ready()
            await wait_until(lambda: floor.at_oden()[0] == ["A"])
            await floor.make(3)
            await wait_until(lambda: floor.at_oden()[2] == 3)

            floor.edge.stop()
            await wait_until(lambda: not floor.heard())
            lost = float(int(time.time())) + 1.0
            floor.edge.keep(press, lost + 1.0, Counts__Good=1)
            floor.edge.keep(press, lost + 2.0, Status__State=3)
            floor.edge.keep(press, lost + 3.0, Order="B", Status__State=1)
            floor.edge.keep(press, lost + 4.0, Counts__Good=6)
            floor.edge.keep(press, lost + 5.0, Counts__Good=13)
            await wait_until(lambda: time.time() > lost + 6.0)
            floor.edge.start()
            await floor.ready()
            floor.edge.send_kept()

            def told() -> list[tuple[str, float, int]]:
                model = floor.oden()
                runs = model.intervals("RUN", "Factory A", "Line 01")
                return [
                    (
                        str(run.name),
                        run.start - lost,
                        sum(int(str(entry.raw_data.get("yield", 0))) for entry in model.output(run)),
                    )
                    for run in runs
                ]

            def stopped() -> list[float]:
                states = floor.oden().intervals("STATE", "Factory A", "Line 01")
                return [state.start - lost for state in states if state.category != "Uptime"]

            await wait_until(lambda: [(name, made) for name, _, made in told()] == [("A", 11), ("B", 12)])
            assert told()[1][1] == 3.0
            await wait_until(lambda: stopped() == [2.0])
    finally:
        floor.edge.stop()
        for name in [*floor.processes]:
            floor.kill(name)


async def test_p9_a_compressed_message_is_refused_with_its_reason_and_nothing_is_missing(tmp_path: Path) -> None:
    """The page says what to switch off at which edge node; what the message had counted is found in the birth that is
    asked for, and the message is kept."""
    floor = Floor(tmp_path)
    try:
        with floor.broker:
            floor.start("oden")
            floor.edge.start()
            floor.start("gateway")
            await floor.ready()
            await floor.make(4)
            await wait_until(lambda: floor.at_oden() == (["A"], ["Uptime"], 4))
            births = floor.edge.births

            floor.count, floor.total = 999, 9
            floor.edge.change("Press 7", Counts__Good=999, pack=wire.compressed)
            await wait_until(lambda: floor.edge.births > births)
            await floor.make(2)
            await wait_until(lambda: floor.at_oden() == (["A"], ["Uptime"], 11))
            status = status_json(floor.status_port)
            told = [notice["text"] for notice in status["notices"] if notice["kind"] == "reject"]
            assert told == ["the payload is compressed; switch compression off at the edge node"]
            assert status["rejected"]["kept"] == 1
    finally:
        floor.edge.stop()
        for name in [*floor.processes]:
            floor.kill(name)
