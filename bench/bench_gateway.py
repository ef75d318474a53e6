"""What the running gateway costs: memory, and how long it takes from its start to its first subscribed values.

Runs the demo's plant and stand-in, starts the gateway on them several times, and asks its status API and the kernel.
Prints medians. The machine is part of every figure, so a bare Python start is measured in the same run, for the ratio.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.cli.demo_parts import Part, example, ports, status_json

STARTS = 5
PATIENCE = 60.0
"""Seconds for one start."""


def resident(pid: int) -> float:
    """MiB of resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def subscribed(status: Any) -> bool:
    """Whether OPC UA has delivered values and MQTT is connected, by the gateway's own word."""
    return status is not None and all(
        source["connected"] and (source["type"] == "mqtt" or source["samples"]["good"]) for source in status["sources"]
    )


def started(part: Part, page: int) -> float:
    """Seconds from the start of the gateway to its first values."""
    begun = time.monotonic()
    part.start()
    while not subscribed(status_json(page)):
        if part.has_ended() or time.monotonic() - begun > PATIENCE:
            sys.exit("the gateway did not come up")
        time.sleep(0.02)
    return time.monotonic() - begun


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ports() as free:
        folder = Path(name)
        oden, opcua, mqtt, page = free["oden"], free["opcua"], free["mqtt"], free["status"]
        plant = ["simulate", "plant", "--opcua-port", str(opcua), "--mqtt-port", str(mqtt)]
        environment = os.environ | {
            "ODEN_GATEWAY_ODEN__URL": f"http://127.0.0.1:{oden}/v2",
            "ODEN_GATEWAY_SECRET_ODEN_TOKEN": "demo-token",
            "ODEN_GATEWAY_SOURCES__PRESS_PLC__URL": f"opc.tcp://127.0.0.1:{opcua}",
            "ODEN_GATEWAY_SOURCES__FLOOR__URL": f"mqtt://127.0.0.1:{mqtt}",
            "ODEN_GATEWAY_OUTBOX__DIRECTORY": str(folder / "outbox"),
            "ODEN_GATEWAY_STATUS__LISTEN": f"127.0.0.1:{page}",
        }
        peers = [
            Part("the stand-in", ["simulate", "oden", "--port", str(oden)], folder / "oden.log", environment),
            Part("the plant", plant, folder / "plant.log", environment),
        ]
        run = ["run", "-c", str(example("demo.yaml"))]
        gateway = Part("the gateway", run, folder / "gateway.log", environment)
        bare, seconds, memory = [], [], []
        try:
            for peer in peers:
                peer.start()
            started(gateway, page)  # the peers' own start is not the gateway's
            gateway.stop()
            for _ in range(STARTS):
                begun = time.monotonic()
                subprocess.run([sys.executable, "-c", "pass"], check=True)
                bare.append(time.monotonic() - begun)
                seconds.append(started(gateway, page))
                time.sleep(5.0)
                memory.append(resident(gateway.pid))
                gateway.stop()
        finally:
            for part in (gateway, *peers):
                part.stop()
    start, python = statistics.median(seconds), statistics.median(bare)
    print(
        f"start to first subscribed values: {start:.2f} s, "
        f"{start / python:.0f} times a bare Python start ({python:.3f} s)"
    )
    print(f"resident memory after 5 s, one line, OPC UA and MQTT: {statistics.median(memory):.0f} MiB")


if __name__ == "__main__":
    main()
