"""Sparkplug edge nodes as others have built them, through births, deaths, gaps and restarts, up to Oden."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.peers import PATIENCE, wait_until
from tests.real_peers.brokers import Mosquitto
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.processes import PREPARED, PeerProcess, program
from tests.real_peers.tap import TO_PEER, MqttTap

_HERE = Path(__file__).parent
_LINE = """
    inputs:
      order: {source: floor, device: Plant A/Edge 1/Press 7, metric: Order}
      good: {source: floor, device: Plant A/Edge 1/Press 7, metric: Good, counter: {rollover: 65536, max_rate: 10000/s}}
    run: {key: order, product: Film, name: "{order}", settle: 100ms}
    scrap_yield: {every: 1s, entries: [{count: good, raw_data: {yield: "{n}"}}]}
"""


class Edge:
    """The program of an edge node, by the name of its library, behind `port`; `good` is what its device has made."""

    def __init__(self, library: str, folder: Path, port: int) -> None:
        self.library, self.port, self.good = library, port, 0
        self.process = PeerProcess("edge", folder)

    async def start(self) -> None:
        """Returns once it has connected, or will."""
        said = [str(self.port), str(self.good)]
        if self.library == "sparkplug-client":
            modules = {"NODE_PATH": str(PREPARED / "node_modules")}
            self.process.launch([program("node"), str(_HERE / "node" / "edge_node.js"), *said], modules, talk=True)
        else:
            python = program(str(PREPARED / "sparkplug" / "bin" / "python"))
            self.process.launch([python, str(_HERE / "edge_node_programs.py"), self.library, *said], talk=True)
        assert await self._answer() == {"ready": True}

    async def kill(self) -> None:
        """The broker finds out, and tells its death."""
        await self.process.end(signal.SIGKILL)

    async def make(self, parts: int) -> None:
        """One after another, each told."""
        for _ in range(parts):
            self.good += 1
            await self.ask(do="set", good=self.good)

    async def ask(self, **command: object) -> None:
        pipe = self.process.popen.stdin
        assert pipe is not None
        pipe.write(json.dumps(command).encode() + b"\n")
        pipe.flush()
        assert (await self._answer()).get("ok"), command

    async def _answer(self) -> Any:
        """The next line that is an answer; libraries print other things on the same stream."""
        pipe = self.process.popen.stdout
        assert pipe is not None
        while True:
            async with asyncio.timeout(PATIENCE):
                line = await asyncio.to_thread(pipe.readline)
            assert line, f"{self.library} ended: {self.process.told()}"
            if line.startswith(b"{"):
                return json.loads(line)


@pytest.mark.parametrize("library", ["sparkplug-client", "pysparkplug", "mqtt-spb-wrapper"])
async def test_p2_p4_each_part_is_at_oden_once_whatever_an_edge_node_goes_through(library: str, tmp_path: Path) -> None:
    """The gateway is killed, the device dies and is born, a message is lost, the node is killed, the broker is
    restarted. A device of mqtt-spb-wrapper has no node; sparkplug-client calls metrics by numbers after births."""
    broker = Mosquitto(tmp_path / "broker")
    tap = MqttTap(broker.port)
    births = "optional" if library == "mqtt-spb-wrapper" else "needed"
    source = f'sources: {{floor: {{type: mqtt, url: "{broker.url}", client_id: edge-peers, node_birth: {births}}}}}'
    run = GatewayRun(tmp_path / "gateway", source, _LINE)

    async def told() -> None:
        """All that was made is at Oden."""
        await wait_until(lambda: run.amount("yield") == edge.good)

    def well(status: Any) -> bool:
        return all(source["connected"] and not source["failed"] for source in status["sources"])

    try:
        await tap.start()
        await broker.start()
        edge = Edge(library, tmp_path, tap.port)
        await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        await edge.start()
        await wait_until(lambda: run.intervals("RUN"))
        await edge.make(20)
        await told()

        await run.kill_gateway()
        await edge.make(15)
        run.start_gateway()
        await run.until_connected()
        await edge.make(1)  # a device without a node cannot be asked for its birth
        await told()

        await edge.ask(do="die")
        await run.until(lambda status: not well(status), "told of a device that is gone")
        await edge.ask(do="born")
        await run.until(well, "well")
        await edge.make(5)
        await told()

        lost = tap.swallow(TO_PEER, "PUBLISH", times=1)
        await edge.make(1)
        await wait_until(lambda: lost.done)
        await edge.make(4)
        await told()

        await edge.kill()
        await run.until(lambda status: not well(status), "told of a node that is gone")
        edge.good += 10
        await edge.start()
        await run.until(well, "well")
        await edge.make(3)
        await told()

        await broker.restart()
        await run.until(well, "well")
        await edge.make(2)
        await told()
        assert edge.good == 61
        assert [str(interval["name"]) for interval in run.intervals("RUN")] == ["A"]
    finally:
        await edge.process.end(signal.SIGKILL)
        await run.close()
        await broker.kill()
        await tap.stop()
