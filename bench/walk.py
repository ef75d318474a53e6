"""The way of one MQTT message through the gateway, from the socket to Oden: which of our functions it enters, in order.

A gateway as it is installed, with a configuration of one line, runs in this process between the demo's broker and the
Oden stand-in. One message of an order is published, which begins one run, which is one request; the functions of the
`gateway` package that are entered until the answer is settled on disk are noted by the interpreter's profiling hook.
What happens beside that (a look at the status, a keep-alive) is left out by walking several times, each time with a new
gateway and an empty outbox: only what is entered every time is on the way. Functions that wait in an `await` and go on
count as entered; comprehensions and lambdas do not count, and neither do the peers.

`mapping/` is counted apart: what one step of a line does is a matter of its own.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from silence import silent

import gateway
from gateway.app import App
from gateway.cli.demo_parts import ports
from gateway.cli.startup import read_config
from gateway.simulator.broker import Broker
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization

PACKAGE = Path(gateway.__file__).parent
PEERS = "simulator"
"""The folder of what stands for the plant and for Oden: not on the way."""
APART = "mapping"
"""The folder that is counted apart."""

WALKS = 4
QUIET = 0.25
"""Seconds without any step of the gateway after which it counts as at rest."""
PATIENCE = 120.0
"""Seconds that any step may take."""
TOKEN = "walk"  # noqa: S105 - the stand-in's
FACTORY, LINE = "Factory A", "Line 01"
CONFIG = """
oden: {{url: "{oden}", token: "${{secret:oden_token}}", rate: 200/s, allow_faster_for_tests: true}}
sources: {{floor: {{type: mqtt, url: "mqtt://127.0.0.1:{mqtt}", client_id: walk}}}}
lines:
  - factory: {factory}
    line: {line}
    inputs:
      order: {{source: floor, topic: order, field: number}}
      state: {{source: floor, topic: state, field: code}}
    run: {{key: order, product: "{{order}}", settle: 0s}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


@dataclass(frozen=True, order=True)
class Function:
    """One function of the gateway: `file` below the package, and the name within it."""

    file: str
    name: str

    @property
    def apart(self) -> bool:
        return self.file.startswith(f"{APART}/")


class Steps:
    """What the profiling hook has seen: the functions entered since `forget`, in order, and when the last was."""

    def __init__(self) -> None:
        self._known: dict[CodeType, Function | None] = {}
        self._entered: dict[Function, None] = {}
        self._last = time.monotonic()

    def hook(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code not in self._known:
            self._known[code] = _function(code)
        function = self._known[code]
        if function is not None:
            self._last = time.monotonic()
            self._entered[function] = None

    def forget(self) -> None:
        self._entered = {}

    @property
    def entered(self) -> list[Function]:
        return list(self._entered)

    async def rest(self) -> None:
        """Wait until nothing of the gateway has been entered for QUIET seconds."""
        await _until(lambda: time.monotonic() - self._last >= QUIET)


def _function(code: CodeType) -> Function | None:
    """The function of ours that `code` is; None for the code of others, of the peers, and of what has no name."""
    path = Path(code.co_filename)
    if not path.is_relative_to(PACKAGE) or code.co_name.startswith("<"):
        return None
    file = path.relative_to(PACKAGE).as_posix()
    return None if file.startswith(f"{PEERS}/") else Function(file, code.co_qualname)


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside only
            await asyncio.sleep(0.01)


def _publish(port: int, topic: str, **fields: object) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, json.dumps(fields), qos=1).wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()


async def _walk(folder: Path, steps: Steps, mqtt: int, status: int) -> list[Function]:
    """One gateway's life: a message that is not measured, so that the line's id is known, then the one that is."""
    model = OdenModel(Organization())
    broker = Broker(mqtt)
    await broker.start()
    try:
        async with listening(make_app(model, TOKEN), "127.0.0.1", 0) as oden:
            text = CONFIG.format(oden=oden, mqtt=mqtt, status=status, folder=folder, factory=FACTORY, line=LINE)
            (folder / "gateway.yaml").write_text(text)
            environment = {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN}
            read = partial(read_config, folder / "gateway.yaml", environment)
            running = asyncio.create_task(App(*read(), read).run())
            await _until(lambda: running.done() or (broker.has_subscriber("order") and broker.has_subscriber("state")))
            await asyncio.to_thread(_publish, mqtt, "state", code=1)
            await _until(lambda: running.done() or model.intervals("STATE", FACTORY, LINE))
            await steps.rest()
            steps.forget()
            await asyncio.to_thread(_publish, mqtt, "order", number="A1")
            await _until(lambda: running.done() or model.intervals("RUN", FACTORY, LINE))
            await steps.rest()
            entered = steps.entered
            if not running.done():
                os.kill(os.getpid(), signal.SIGTERM)  # as a service manager ends it
            await running
            return entered
    finally:
        await broker.stop()


def walk() -> list[Function]:
    """The functions on the way, in the order in which they are entered first."""
    steps = Steps()
    threading.setprofile(steps.hook)
    sys.setprofile(steps.hook)
    try:
        walks = []
        for _ in range(WALKS):
            with tempfile.TemporaryDirectory() as name, ports() as free:
                walks.append(asyncio.run(_walk(Path(name), steps, free["mqtt"], free["status"])))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    always = set.intersection(*map(set, walks))
    return [function for function in walks[0] if function in always]


def main() -> None:
    """Print the way, and how long it is."""
    silent()
    way = walk()
    for number, function in enumerate(way, 1):
        print(f"{number:>4}  {function.file:<36} {function.name}")
    ours = [function for function in way if not function.apart]
    step = [function for function in way if function.apart]
    print(f"\n{len(ours)} functions in {len({one.file for one in ours})} files", end="")
    print(f"; beside them {APART}/ with {len(step)} functions in {len({one.file for one in step})} files")


if __name__ == "__main__":
    main()
