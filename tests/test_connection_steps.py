"""The log at level debug follows each connection step by step: to a server, to brokers over TLS and WebSocket, to Oden.

A real gateway as a process, and real peers. What it tells of the steps holds no secret.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.oden.test_transport import site
from tests.peers import Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import end_all, whole_lines

CONFIG = """
oden: {{url: "https://localhost:{oden}/v2", token: PlantedToken, ca: "{ca}"}}
sources:
  plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{plc}", security: none}}
  plain: {{type: mqtt, url: "mqtt://127.0.0.1:{plain}", client_id: plain}}
  secured: {{type: mqtt, url: "mqtts://127.0.0.1:{secured}", client_id: secured, ca: "{ca}"}}
  web:
    {{type: mqtt, url: "ws://localhost:{web}/mqtt?key=PlantedKey", client_id: web, username: u, password: PlantedWord}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {{source: plc, node: "nsu=urn:acme:line;s=State"}}
      first: {{source: plain, topic: first}}
      second: {{source: secured, topic: second}}
      third: {{source: web, topic: third}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: "{folder}/outbox", min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
log: {{level: debug, format: json}}
"""
MQTT = ["connect", "mqtt_connected", "mqtt_subscribing", "mqtt_subscribed"]
STEPS = {
    "plc": ["opcua_connecting", "tcp", "hello", "secure_channel", "session", "activated", "subscribed"],
    "plain": ["mqtt_connecting", "tcp", *MQTT],
    "secured": ["mqtt_connecting", "tcp", "tls", *MQTT],
    "web": ["mqtt_connecting", "dns", "tcp", "websocket", *MQTT],
    "oden": ["dns", "tcp", "tls", "request_answered"],
}
"""What has to be in the log of each peer, in this order; of what comes again, the first counts."""


def whose(entry: dict[str, object], ports: dict[str, int]) -> set[str]:
    """The peers that a line of the log may be of: TLS and look-ups of names know the host alone."""
    if "source" in entry:
        return {str(entry["source"])}
    to = str(entry.get("to") or entry.get("url"))
    if "endpoint" in entry or to == "localhost":
        return {"oden", "web"} if entry.get("step") == "dns" else {"oden"}
    return {"secured"} if to == "127.0.0.1" else {name for name, port in ports.items() if f":{port}" in to}


def steps_of(log: Path, ports: dict[str, int]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {name: [] for name in STEPS}
    for line in whole_lines(log):
        entry = json.loads(line)
        step = str(entry.get("step", entry["event"]))
        for name in whose(entry, ports) & told.keys():
            if step in STEPS[name] and step not in told[name]:
                told[name].append(step)
    return told


async def test_p8_p9_each_step_of_each_connection_is_in_the_log_and_no_secret(tmp_path: Path) -> None:
    """P8, P9: in the order in which they are made, so that the last one says where a connection hangs."""
    ca, context = site(tmp_path)
    ports = {name: free_port() for name in ("oden", "plc", "plain", "secured", "web", "status")}
    tls = [
        f"listener {ports['secured']} 127.0.0.1",
        f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.pem",
    ]
    listeners = [*tls, f"listener {ports['web']} 127.0.0.1", "protocol websockets"]
    text = CONFIG.format(**ports, ca=ca, folder=tmp_path)
    (tmp_path / "gateway.yaml").write_text(text)
    log = tmp_path / "log"
    model = OdenModel(Organization())
    async with AsyncExitStack() as stack:
        stack.enter_context(Mosquitto(tmp_path / "broker", listeners, ports["plain"]))
        plc = OpcuaServer(ports["plc"])
        await plc.start(State=1)
        stack.push_async_callback(plc.stop)
        app = make_app(model, "PlantedToken")
        await stack.enter_async_context(listening(app, "127.0.0.1", ports["oden"], context))
        with log.open("wb") as file:
            command = [sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "gateway.yaml")]
            process = await asyncio.to_thread(subprocess.Popen, command, stderr=file)
        stack.callback(end_all, [process])
        await wait_until(lambda: all(len(told) == len(STEPS[name]) for name, told in steps_of(log, ports).items()))
        assert steps_of(log, ports) == STEPS
    assert "Planted" not in log.read_text()
