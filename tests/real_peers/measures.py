"""How quickly a large server is listed and watched, and whether a hundred reconnects leave anything behind.

`python -m tests.real_peers.measures browse|connect|reconnects [SERVER]` prints the figures, with the server's own CPU,
and exits with 1 where one is above its limit: 20,000 nodes listed, 5,000 inputs watched, and the memory, sockets and
sessions of a source whose way to the server was cut a hundred times, each tenth time with its session forgotten where
the server (node-opcua, asyncua or o6) can do that.
"""

import asyncio
import gc
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client

from gateway.clock import AnchoredClock
from gateway.live.browse import BrowseQuestion, browse
from gateway.sources.found import TreeNode
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import wait_until
from tests.real_peers.load import cpu, say
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tags, running

NODES, INPUTS, RECONNECTS = 20_000, 5_000, 100
FIRST_PAGE, WHOLE, CONNECTED = 1.0, 20.0, 5.0
"""Seconds of CPU, so that a busy machine makes no difference: of us and the server, which work one after the other when
they list nodes; the last of us alone."""
GROWN = 4.0
"""MiB of memory that ninety reconnects may cost, for what the allocator does."""
NODE = "nsu=urn:acme:line;s=n"
_SESSIONS = 2277
_PATIENCE = 300.0


async def list_all(server: OpcuaPeer) -> bool:
    """Every node of the server."""
    began, used, of_server = time.monotonic(), time.process_time(), cpu(server.process.popen.pid)

    def spent() -> float:
        return time.process_time() - used + cpu(server.process.popen.pid) - of_server

    first = first_spent = 0.0
    found: Counter[str] = Counter()
    async for page, _ in browse(opcua_config(server.url), BrowseQuestion("plc"), AnchoredClock()):
        if not found:
            first, first_spent = time.monotonic() - began, spent()
        found.update(each.name for each in page if isinstance(each, TreeNode))
    took, whole = time.monotonic() - began, spent()
    say(f"{len(found):,} nodes listed: the first page after {first:.2f} s, all after {took:.1f} s; this is")
    say(f"  {first_spent:.2f} and {whole:.1f} s of CPU, of which {time.process_time() - used:.1f} s are ours")
    each_once = all(found[f"n{number}"] == 1 for number in range(NODES))
    return each_once and first_spent < FIRST_PAGE and whole < WHOLE


async def connect(server: OpcuaPeer) -> bool:
    """A source with many tags, until each has said how it is."""
    config = opcua_config(server.url)
    tags = opcua_tags([f"{NODE}{number}" for number in range(INPUTS)], config)
    source, intake = OpcuaSource("plc", config, tags, AnchoredClock()), Intake()
    began, used = time.monotonic(), time.process_time()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected and _good(intake) >= INPUTS, _PATIENCE)
        spent, took = time.process_time() - used, time.monotonic() - began
    say(f"{INPUTS:,} inputs connected after {took:.1f} s, {spent:.1f} s of CPU")
    return spent < CONNECTED


def _good(intake: Intake) -> int:
    return sum(sample.quality == "good" for sample in intake.samples)


async def reconnect(server: OpcuaPeer) -> bool:
    """A way that is cut again and again."""
    link = Link(server.port)
    await link.start()
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}")
    source, intake = OpcuaSource("plc", config, opcua_tags([f"{NODE}0"], config), AnchoredClock()), Intake()
    before, seen = (0.0, 0, 0), (0.0, 0, 0)
    async with running(source, intake):
        for number in range(1, RECONNECTS + 1):
            if number % 10 == 0 and isinstance(server, NodeOpcua):
                await server.ask(do="forget")
            link.cut()
            await server.write("n0", number)
            await wait_until(lambda: number in intake.values(f"{NODE}0"), _PATIENCE)  # noqa: B023 - awaited at once
            intake.arrivals.clear()
            intake.verdicts.clear()
            if number in {10, RECONNECTS}:
                gc.collect()
                before, seen = seen, (_memory(), _open_files(), await _sessions(server))
                say(f"after {number} reconnects: {seen[0]:.1f} MiB, {seen[1]} sockets and files, {seen[2]} sessions")
    await link.stop()
    return seen[0] - before[0] <= GROWN and seen[1] <= before[1] and seen[2] <= before[2]


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def _sessions(server: OpcuaPeer) -> int:
    """The sessions that the server says it has, without the one that asks; 0 where it does not count."""
    async with Client(server.url) as client:
        told = await client.get_node(ua.NodeId(ua.Int32(_SESSIONS), ua.Int16(0))).read_value()
    return max(0, int(told or 0) - 1)


MEASURES: dict[str, tuple[int, Callable[[OpcuaPeer], Awaitable[bool]]]] = {
    "browse": (NODES, list_all),
    "connect": (INPUTS, connect),
    "reconnects": (1, reconnect),
}
"""How many variables the server has, and what is done."""


async def main(what: str, name: str) -> bool:
    """One of them; whether it is within its limits."""
    many, measure = MEASURES[what]
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[name](Path(folder), counting={"n": [many, 1000]})
        try:
            await server.start()
            return await measure(server)
        finally:
            await server.kill()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the library tells of each refusal
    what, name = [*sys.argv[1:], "node-opcua"][:2]
    sys.exit(0 if asyncio.run(main(what, name)) else 1)
