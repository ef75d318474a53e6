"""What the durable path costs, beside a script of 35 lines that keeps nothing but the messages (`yardstick`): disk,
processor, rates and latency.

A mosquitto, the Oden stand-in, and in turns the script and a gateway of 40 lines, each as a process. Per scenario the
bytes that the kernel was made to write (`/proc/PID/io`), the seconds of the processor, and events a second, each beside
the script's from the same run, with what the ratio may be at most or must be at least. The scenarios, of which some can
be named as arguments:

spaced     40 quality tests a second, one after another: each makes a record
counted    40 messages of counters a second
states     40 changes of state in 10 s: each makes records
steady     40 lines with a counter each second and a scrap event every 20 s, for a minute
steady10   the same of 10 lines
steady100  the same of 100 lines
tags       the same counters and states as changes of tags of an OPC UA server
summed     20,000 scrap events that wait at the broker, to be summed
recorded   10,000 quality tests that wait at the broker
queued     200,000 scrap events that wait at the broker: what memory the gateway takes while it takes them in
latency    single events with an empty outbox, from the publisher to the stand-in

Exits with 1 where a ratio is on the wrong side of its limit.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from takers import LINES, SHOWN, Gateway, Plant, Script, Taker, Usage, mosquitto, until

from tests.peers import OpcuaServer, free_port

TURNS = 2
"""How often the script and the gateway take turns."""
SECONDS = 15.0
"""Of a scenario in which events come one after another."""
LIMITS = {
    "spaced disk": 1.5,
    "counted disk": 0.1,
    "recorded cpu": 6.0,
    "summed rate": 0.6,
    "recorded rate": 0.25,
}
"""Of the gateway's figure over the script's: `rate` at least, the others at most."""
STEADY_GB, STEADY_CPU = 0.3, 4.0
"""GB an hour, and per cent of a core, at most."""
QUEUED, GROWTH = 200_000, 8.0
"""Events that wait at the broker; and MiB by which what is resident may grow after the first tenth of them."""
FLASH = {"an eMMC of 16 GB, 1,000 cycles": 16_000, "an SD card of 32 GB, 300 cycles": 9_600}
"""GB that can be written in all, where the card writes no more than it is told to."""


@dataclass(slots=True)
class Figure:
    """What one turn has shown, for each event; `rate` in events a second."""

    disk: float
    cpu: float
    rate: float


def spaced(taker: Taker, plant: Plant, what: str, rate: float = 40.0) -> Figure:
    """Events one after another, once what the plant has said before is at Oden."""
    taker.start()
    known = plant.begin()
    until("all is taken", lambda: taker.stored() >= known)
    taker.be_steady()
    time.sleep(2.0)
    before, begun, known = taker.usage(), time.monotonic(), taker.stored()
    number = plant.spaced(what, rate, SECONDS)
    until("all is taken", lambda: taker.stored() >= known + number)
    used = taker.usage().since(before)
    taker.stop()
    return Figure(used.written / number, used.cpu / number, number / (time.monotonic() - begun))


def backlog(taker: Taker, plant: Plant, what: str, number: int) -> Figure:
    """Events that wait at the broker, because the one that takes them stood still."""
    taker.start()
    known = plant.begin()
    until("all is taken", lambda: taker.stored() >= known)
    taker.be_steady()
    time.sleep(2.0)
    known = taker.stored()
    os.kill(taker.pid, signal.SIGSTOP)
    plant.at_once(what, number)
    before, begun = taker.usage(), time.monotonic()
    os.kill(taker.pid, signal.SIGCONT)
    until("all is taken", lambda: taker.stored() >= known + number, taker.look)
    seconds, used = time.monotonic() - begun, taker.usage().since(before)
    taker.stop()
    return Figure(used.written / number, used.cpu / number, number / seconds)


def main() -> int:
    """Run what is named, or everything."""
    wanted = sys.argv[1:] or [*SCENARIOS]
    failed = False
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        for scenario in wanted:
            (folder / scenario).mkdir()
            failed |= not SCENARIOS[scenario](folder / scenario, scenario)
    return failed


def beside(folder: Path, scenario: str, measure: Callable[[Taker, Plant], Figure]) -> bool:
    """Let the script and the gateway take turns, and compare."""
    figures: dict[str, list[Figure]] = {"script": [], "gateway": []}
    for turn in range(TURNS):
        for kind in (Script, Gateway):
            place = folder / f"{kind.name}-{turn}"
            place.mkdir()
            with mosquitto(place) as port:
                plant = Plant(port)
                figures[kind.name].append(measure(kind(place / "taker", port), plant))
                plant.close()
    script, gateway = (_median(figures[name]) for name in ("script", "gateway"))
    right = True
    for name, unit, scale in (("disk", "bytes an event", 1.0), ("cpu", "us an event", 1e6), ("rate", "events/s", 1.0)):
        theirs, ours = getattr(script, name), getattr(gateway, name)
        limit = LIMITS.get(f"{scenario} {name}")
        ratio = ours / theirs if theirs else float("inf")
        verdict = ""
        if limit is not None:
            holds = ratio >= limit if name == "rate" else ratio <= limit
            right &= holds
            verdict = f"; {'at least' if name == 'rate' else 'at most'} {limit}: {'yes' if holds else 'NO'}"
        print(
            f"{scenario:9} {name:4} script {theirs * scale:9.0f}, gateway {ours * scale:9.0f} {unit}, "
            f"{ratio:.2f} times{verdict}",
            flush=True,
        )
    return right


def _median(figures: list[Figure]) -> Figure:
    return Figure(*(statistics.median(getattr(one, name) for one in figures) for name in ("disk", "cpu", "rate")))


def queued(folder: Path, scenario: str) -> bool:
    """So many events that wait at the broker, because the gateway stood still. One that does not keep to our window, as
    mosquitto, confirms nothing before all that it has sent is read, so that up to 65,535 receipts are held."""
    with mosquitto(folder, window=1_000) as port:
        plant, gateway = Plant(port), Gateway(folder / "taker", port)
        gateway.start()
        known = plant.begin()
        until("all is taken", lambda: gateway.stored() >= known)
        gateway.be_steady()
        known = gateway.stored()
        os.kill(gateway.pid, signal.SIGSTOP)
        plant.at_once("scrap", QUEUED)
        before, most, begun = gateway.resident(), list[float](), time.monotonic()
        os.kill(gateway.pid, signal.SIGCONT)
        for tenth in range(1, 11):
            until("a tenth is taken", lambda: gateway.stored() >= known + QUEUED * tenth // 10, gateway.look)  # noqa: B023
            most.append(gateway.resident())
        seconds = time.monotonic() - begun
        gateway.stop()
        plant.close()
    grown = max(most) - most[0]
    print(
        f"{scenario:9} {QUEUED / seconds:,.0f} events/s; {before:.0f} MiB before, {most[0]:.0f} after a tenth, "
        f"then up to {grown:.1f} more (at most {GROWTH}): {'yes' if grown <= GROWTH else 'NO'}",
        flush=True,
    )
    return grown <= GROWTH


def steady(folder: Path, scenario: str, lines: int = LINES) -> bool:
    """So many lines for a minute."""
    with mosquitto(folder) as port:
        plant, gateway = Plant(port, lines), Gateway(folder / "taker", port, every="60s", number=lines)
        gateway.start()
        known = plant.begin()
        until("all is taken", lambda: gateway.stored() >= known)
        gateway.be_steady()
        time.sleep(2.0)
        before, begun = gateway.usage(), time.monotonic()
        for second in range(60):
            for line in range(lines):
                time.sleep(max(0.0, begun + second + line / lines - time.monotonic()))
                plant.event("good", line)
                if (second + line) % 20 == 0:
                    plant.event("scrap", line)
        used, seconds = gateway.usage().since(before), time.monotonic() - begun
        memory = gateway.memory()
        gateway.stop()
        plant.close()
    return _steadily(scenario, used, seconds, memory) or lines > LINES


def _steadily(scenario: str, used: Usage, seconds: float, memory: str) -> bool:
    hourly, share = used.written * 3600 / seconds / 1e9, 100 * used.cpu / seconds
    right = hourly <= STEADY_GB and share <= STEADY_CPU
    print(
        f"{scenario:9} {hourly:.2f} GB an hour (at most {STEADY_GB}), {share:.1f} % of a core (at most {STEADY_CPU}): ",
        end="",
    )
    print(f"{'yes' if right else 'NO'}; {memory}")
    for name, cycled in FLASH.items():
        print(f"{scenario:9} {cycled / (hourly * 24 * 365):.0f} years of {name}", flush=True)
    return right


def tags(folder: Path, scenario: str) -> bool:
    """Forty lines with OPC UA, for a minute."""
    return asyncio.run(_tags(folder, scenario))


async def _tags(folder: Path, scenario: str) -> bool:
    server = OpcuaServer(free_port())
    values = {
        f"L{line:02}.{tag}": value
        for line in range(LINES)
        for tag, value in (("Order", "A"), ("State", 1), ("Good", 0))
    }
    await server.start()
    for name, value in values.items():
        await server.add(name, value)
    gateway = Gateway(folder / "taker", 0, every="60s", opcua=server.port)
    await asyncio.to_thread(gateway.start)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(gateway.be_steady)
    before, begun = gateway.usage(), time.monotonic()
    for second in range(60):
        for line in range(LINES):
            await asyncio.sleep(max(0.0, begun + second + line / LINES - time.monotonic()))
            await server.write(f"L{line:02}.Good", second)
            if (second + line) % 20 == 0:
                await server.write(f"L{line:02}.State", 1 + second // 20 % 2)
    used, seconds = gateway.usage().since(before), time.monotonic() - begun
    memory = gateway.memory()
    await asyncio.to_thread(gateway.stop)
    await server.stop()
    return _steadily(scenario, used, seconds, memory)


def latency(folder: Path, scenario: str) -> bool:
    """From the publisher to the stand-in's ledger."""
    with mosquitto(folder) as port:
        plant, gateway = Plant(port), Gateway(folder / "taker", port)
        gateway.start()
        plant.begin()
        until("all is taken", lambda: gateway.stored() >= 3 * LINES)
        time.sleep(SHOWN)
        until("all is at the stand-in", lambda: not gateway.waiting())
        took: list[float] = []
        for one in range(100):
            begun, known = time.time(), gateway.ledger.stat().st_size
            plant.event("lab", one % LINES)
            until("the event is at the stand-in", lambda: gateway.ledger.stat().st_size > known)  # noqa: B023
            time.sleep(0.2)
            last = json.loads(gateway.ledger.read_bytes().splitlines()[-1])
            took.append(last["received_at"] - begun)
        gateway.stop()
        plant.close()
    ordered = sorted(took)
    print(f"{scenario:9} event to Oden: p50 {ordered[50] * 1000:.1f} ms, p99 {ordered[98] * 1000:.1f} ms", flush=True)
    return True


SCENARIOS: dict[str, Callable[[Path, str], bool]] = {
    "spaced": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "lab")),
    "counted": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "good")),
    "states": lambda folder, name: beside(folder, name, lambda taker, plant: spaced(taker, plant, "state", 4.0)),
    "summed": lambda folder, name: beside(folder, name, lambda taker, plant: backlog(taker, plant, "scrap", 20_000)),
    "recorded": lambda folder, name: beside(folder, name, lambda taker, plant: backlog(taker, plant, "lab", 10_000)),
    "queued": queued,
    "steady": steady,
    "steady10": lambda folder, name: steady(folder, name, 10),
    "steady100": lambda folder, name: steady(folder, name, 100),
    "tags": tags,
    "latency": latency,
}

if __name__ == "__main__":
    sys.exit(main())
