"""The gateway as its own process, which somebody stops for two minutes and lets go on, between real peers."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers import wait_until
from tests.processes import status_json
from tests.test_whole_path import Line

LONG = 120.0


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    line = Line(tmp_path)
    try:
        yield line
    finally:
        for name in list(line.processes):
            line.end(name)
        line.mosquitto.stop()
        await line.opcua.stop()


def gaps(line: Line) -> list[dict[str, Any]]:
    status = status_json(line.ports["status"]) or {"notices": []}
    return [notice for notice in status["notices"] if notice["kind"] == "gap"]


async def test_p2_p9_a_process_that_is_stopped_for_two_minutes_has_a_gap_of_two_minutes(line: Line) -> None:
    """As a container that is paused. What the PLC said meanwhile is a gap with its length, nothing else is missed or
    told twice, and once it is over nothing is said to be wrong: what came while it stood still is late no more."""
    line.start("gateway")
    await line.serve_opcua()
    line.mosquitto.start()
    line.start("oden")
    await wait_until(line.ready)
    await wait_until(line.has_begun)
    await line.order("A1")
    await line.make(20, 3)
    await wait_until(lambda: line.at_oden() == line.made())
    heard, process = time.time(), line.processes["gateway"]
    process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    await line.make(10, 1)
    await asyncio.sleep(LONG)
    process.send_signal(signal.SIGCONT)
    for_long = time.monotonic() - stopped
    await wait_until(lambda: gaps(line))
    [gap] = gaps(line)
    assert gap["source"] == "plc"
    seconds = re.search(r"not connected since \S+, for (\d+) s", gap["text"])
    assert seconds is not None, gap["text"]
    assert for_long - 1 <= int(seconds[1]) <= time.time() - heard + LONG / 10
    await wait_until(line.ready)
    await wait_until(lambda: line.at_oden() == line.made())
    headline = str((status_json(line.ports["status"]) or {})["headline"])
    assert headline == "Working, but in the last hour data may have been missed once (gaps)."
    await line.order("A2")
    await line.make(5, 2)
    await wait_until(lambda: line.at_oden() == line.made())
    assert len(gaps(line)) == 1
