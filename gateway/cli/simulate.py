"""`oden-gateway simulate`: stand-ins for the systems around the gateway, to try a configuration without a factory.

`simulate oden` serves the Oden API, `simulate plant` a production line on OPC UA and MQTT.
"""

import argparse
import asyncio
import errno
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.clock import AnchoredClock
from gateway.errors import GatewayError
from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.faults import Fault, FaultError, read_fault
from gateway.simulator.oden.manners import MannerError, read_manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.organization_file import read_organization
from gateway.simulator.oden.persistence import Ledger, LedgerError, read_ledger, resume, save
from gateway.simulator.oden.server import listening, make_admin, make_app
from gateway.simulator.oden.store import BUILT_IN, Organization

if TYPE_CHECKING:
    from gateway.simulator.plant import Event
    from gateway.simulator.plant_server import PlantServer

VARIABLE = "ODEN_STAND_IN_TOKEN"
DEFAULT_TOKEN = "demo-token"  # noqa: S105 - no secret: the stand-in guards nothing

PLANT_COMMANDS = ("finish", "stop opcua", "start opcua", "stop broker", "start broker")
"""What `simulate plant` takes on standard input."""

FAULTS = """faults, each as often as you like:
  --fault "latency seconds=0.1..3"                          every request waits, by chance between 0.1 and 3 s
  --fault "error status=429 retry_after=5 times=3"          the first 3 requests are too many
  --fault "error status=503 retryable=yes commit=yes"       takes effect, and says that it did not
  --fault "close commit=5 at=interval/set chance=20%"       cuts a fifth of these; they take effect 5 s later
  --fault "hang since=60 until=120"                         one minute after the start, answers nothing for a minute
  --fault "error status=401"                                the token is no longer valid
  --fault "error status=403 line='Line 01'"                 one line is forbidden
  --fault "error status=400 holding=4711"                   a body that holds this text is refused
  --fault "html status=407"                                 a proxy, portal or load balancer answers instead of Oden
  --fault "swallow at=interval/set times=1"                 says 200 with an empty body, and does nothing
  --fault "foreign status=404 at=*/search"                 an ingress without a route for searches
  also: redirect [to=], truncated, content_type [type=], no_id
  commit=no (default) | yes | SECONDS says whether and how long after the answer the request takes effect.
  at= (with *), line=, holding=, since=, until=, chance=, times= say which requests are struck.

manners: nothing=by_match|empty|404  range=overlap|start  ids=yes|no|only  bulk_update=200|404|501  search_lag=SECONDS
  errors=documented|message|detail|text|framework|success  updated=whole|empty|text  overlap=200|400|409|422|500
  metadata=merge|replace  rounds=0|1|60  times=seconds|milliseconds|offset|number  names=any|unique|short
  over=200|400|409  orders=200|400|409  match=any|no_all|no_unique  refuse=TEXT

admin port:
  curl -d '{"kind": "close", "commit": 5, "times": 1}' http://127.0.0.1:8401/faults
  curl http://127.0.0.1:8401/faults                         what is in force, how often it struck, requests so far
  curl -X DELETE http://127.0.0.1:8401/faults               end all; /faults/3 ends one
  curl -d '{"range": "start"}' http://127.0.0.1:8401/manners
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `simulate` with its two kinds."""
    parser = commands.add_parser(
        "simulate",
        help="stand in for the systems around the gateway",
        description="Stand in for the systems around the gateway, to try a configuration without a factory.",
        epilog="example:\n  oden-gateway simulate oden --port 8400 --ledger oden.jsonl",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    _register_oden(kinds)
    _register_plant(kinds)


def _register_oden(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    oden = kinds.add_parser(
        "oden",
        help="an Oden API that keeps everything in memory",
        description="Serve a stand-in for the Oden API: all its endpoints, with Factory A and Factory B of 40 "
        "lines each, or a\n"
        "plant of your own (docs/simulator.md). It keeps everything in memory; with a ledger or a state file it "
        "starts again\n"
        "where it ended.",
        epilog="example:\n"
        "  oden-gateway simulate oden --port 8400 --ledger oden.jsonl\n\n"
        "Then set in the gateway's configuration:\n"
        "  oden: {url: http://127.0.0.1:8400/v2, token: demo-token}\n\n" + FAULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    oden.add_argument("--port", type=_port, required=True, help="port to listen on; 0 takes a free one")
    oden.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    oden.add_argument("--ledger", type=Path, metavar="FILE", help="write every request to this file, a line each")
    oden.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="start with what this file holds, and save it at the end; with --ledger, what the ledger has after "
        "it follows",
    )
    oden.add_argument("--token", help=f"the token to ask for (default: environment {VARIABLE}, else {DEFAULT_TOKEN})")
    oden.add_argument("--plant", type=Path, metavar="FILE", help="what is set up: factories, lines, types, … (YAML)")
    oden.add_argument(
        "--interval-type", type=_custom_type, action="append", default=[], metavar="NAME", help="a custom interval type"
    )
    oden.add_argument(
        "--fault", type=_fault, action="append", default=[], metavar="FAULT", help="make requests fail; see below"
    )
    oden.add_argument(
        "--seed", type=int, default=0, help="what faults with a chance follow from (default: %(default)s)"
    )
    oden.add_argument(
        "--manner",
        "--mode",
        dest="manner",
        type=_manner,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how it does what Oden's document leaves open",
    )
    oden.add_argument("--admin-port", type=_port, help="port for changing faults and manners while it runs")
    oden.set_defaults(call=simulate_oden)


def _register_plant(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "plant",
        help="an extrusion line on OPC UA and MQTT",
        description="Simulate an extrusion line: an OPC UA server with its tags, an MQTT broker with its events.\n"
        "The line stands idle until a gateway listens to all of them, so that nothing it makes is missed;\n"
        "with --at-once it works from the start, for `init`, `browse`, `tail` and `record`.",
        epilog="example:\n"
        "  oden-gateway simulate plant --opcua-port 4840 --mqtt-port 1883 --truth truth.jsonl\n\n"
        "While it runs it takes commands on standard input, a line each:\n"
        f"  {', '.join(PLANT_COMMANDS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--opcua-port", type=int, required=True, help="port of the OPC UA server")
    parser.add_argument("--mqtt-port", type=int, required=True, help="port of the MQTT broker")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write what really happens to FILE, a line each")
    parser.add_argument("--at-once", action="store_true", help="work from the start, whether a gateway listens or not")
    parser.add_argument("--seconds", type=float, metavar="N", help="end the line's work after N seconds; serve on")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another shift (default: %(default)s)")
    parser.set_defaults(call=simulate_plant)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def _custom_type(text: str) -> str:
    if not text or text in BUILT_IN:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a custom interval type")
    return text


def _fault(text: str) -> Fault:
    try:
        return read_fault(text)
    except FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _manner(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    try:
        read_manners({name: value})
    except MannerError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, value


def simulate_oden(arguments: argparse.Namespace) -> int:
    """Serve the Oden stand-in until SIGTERM or SIGINT. Raises GatewayError where it cannot listen or use its files."""
    path: Path | None = arguments.ledger
    state: Path | None = arguments.state
    plant = read_organization(arguments.plant) if arguments.plant else Organization()
    plant = replace(plant, interval_types=tuple(dict.fromkeys([*plant.interval_types, *arguments.interval_type])))
    manners = read_manners(dict(arguments.manner))
    try:
        model, lines = resume(plant, state, path)
        ledger = Ledger(path) if path else None
    except OSError as error:
        raise LedgerError(f"The ledger {path} cannot be used: {error.strerror}.") from None
    model.manners = manners
    if state:
        save(state, model, lines)
    try:
        asyncio.run(_serve_oden(arguments, model, FaultInjector(plant, arguments.seed, arguments.fault), ledger))
    finally:
        if ledger:
            ledger.close()
    if state:
        save(state, model, sum(1 for _ in read_ledger(path)) if path else lines)
    return 0


async def _serve_oden(
    arguments: argparse.Namespace, model: OdenModel, injector: FaultInjector, ledger: Ledger | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = arguments.token or os.environ.get(VARIABLE) or DEFAULT_TOKEN
    async with AsyncExitStack() as open_ports:

        async def listen(app: web.Application, port: int, option: str) -> str:
            try:
                return await open_ports.enter_async_context(listening(app, arguments.host, port))
            except OSError as error:
                taken = f"another program has it; take another with {option}"
                why = taken if error.errno == errno.EADDRINUSE else error.strerror
                raise GatewayError(f"Cannot listen on {arguments.host} port {port}: {why}.") from None

        address = await listen(make_app(model, token, ledger, [inject_faults(injector)]), arguments.port, "--port")
        admin = None
        if arguments.admin_port is not None:
            admin = await listen(make_admin(injector, model), arguments.admin_port, "--admin-port")
        gc.freeze()  # long collections of what stays for good would falsify arrival times
        print(f"Oden stand-in listens on {address}", flush=True)
        if admin:
            print(f"Its admin port is {admin.removesuffix('/v2')}", flush=True)
        await stop.wait()


def simulate_plant(arguments: argparse.Namespace) -> int:
    """Serve the line until SIGTERM or SIGINT (exit code 0); 1 where a port or the file cannot be used."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns of every client that comes without encryption
    try:
        asyncio.run(_serve_plant(arguments))
    except OSError as error:
        print(f"The plant cannot start: {error}.", file=sys.stderr)
        return 1
    return 0


async def _serve_plant(arguments: argparse.Namespace) -> None:
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
            work = tasks.create_task(plant.produce(arguments.seed, arguments.seconds, at_once=arguments.at_once))
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
            print(f"Unknown command {line!r}; there is: {', '.join(PLANT_COMMANDS)}.", file=sys.stderr)


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
