"""`oden-gateway simulate plant`: a production line on OPC UA and MQTT, to try a configuration without a factory."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.clock import AnchoredClock

if TYPE_CHECKING:
    from gateway.simulator.plant import Event
    from gateway.simulator.plant_server import PlantServer


def register(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `plant` to what can be simulated."""
    parser = kinds.add_parser(
        "plant",
        help="an extrusion line on OPC UA and MQTT",
        description="Simulate an extrusion line: an OPC UA server with its tags, an MQTT broker with its events.\n"
        "The line stands idle until a gateway listens to all of them.",
        epilog="example:\n"
        "  oden-gateway simulate plant --opcua-port 4840 --mqtt-port 1883 --truth truth.jsonl\n\n"
        "While it runs it takes commands on standard input, a line each:\n"
        f"  {', '.join(COMMANDS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--opcua-port", type=int, required=True, help="port of the OPC UA server")
    parser.add_argument("--mqtt-port", type=int, required=True, help="port of the MQTT broker")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write what really happens to FILE, a line each")
    parser.add_argument("--seconds", type=float, metavar="N", help="end the line's work after N seconds; serve on")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another shift (default: %(default)s)")
    parser.set_defaults(call=simulate_plant)


COMMANDS = ("finish", "stop opcua", "start opcua", "stop broker", "start broker")


def simulate_plant(arguments: argparse.Namespace) -> int:
    """Serve the line until SIGTERM or SIGINT: 0. 1 where a port or the file cannot be used."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns of every client that comes without encryption
    try:
        asyncio.run(_serve(arguments))
    except OSError as error:
        print(f"The plant cannot start: {error}.", file=sys.stderr)
        return 1
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    # Here and not above, because every other command would pay half a second for the OPC UA library.
    from gateway.simulator.plant_server import PlantServer, TruthFile  # noqa: PLC0415

    truth = TruthFile(arguments.truth) if arguments.truth else None
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def tell(event: "Event") -> None:
        if truth is not None:
            truth.append(event)

    plant = PlantServer(arguments.opcua_port, arguments.mqtt_port, AnchoredClock(), tell)
    try:
        await plant.start()
        print(
            f"OPC UA on opc.tcp://127.0.0.1:{arguments.opcua_port}, MQTT on 127.0.0.1:{arguments.mqtt_port}", flush=True
        )
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(plant.produce(arguments.seed, arguments.seconds))
            obey = tasks.create_task(_obey(plant))
            await stop.wait()
            work.cancel()
            obey.cancel()
    finally:
        with suppress(OSError):
            await plant.stop()
        if truth is not None:
            truth.close()


async def _obey(plant: "PlantServer") -> None:
    """Carry out the commands that come on standard input."""
    commands: Mapping[str, Callable[[], Awaitable[None]]] = {
        "stop opcua": plant.stop_opcua,
        "start opcua": plant.start_opcua,
        "stop broker": plant.stop_broker,
        "start broker": plant.start_broker,
    }
    lines = _standard_input()
    while True:
        line = await lines.get()
        if line == "finish":
            plant.finish()
        elif line in commands:
            await commands[line]()
        else:
            print(f"Unknown command {line!r}; there is: {', '.join(COMMANDS)}.", file=sys.stderr)


def _standard_input() -> asyncio.Queue[str]:
    """The lines of standard input, read by a thread: a terminal, a pipe and /dev/null cannot all be polled."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        rest = b""
        # os.read and not sys.stdin, whose lock a thread that waits in it would hold when the process ends
        with suppress(OSError, RuntimeError):  # no input, or the loop has ended
            while data := os.read(0, 1024):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").strip())

    threading.Thread(target=read, daemon=True).start()
    return lines
