"""`oden-gateway simulate`: stand-ins for the systems around the gateway."""

import argparse
import asyncio
import errno
import gc
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from gateway.cli import simulate_plant
from gateway.errors import GatewayError
from gateway.simulator.oden.fault_injection import FaultInjector, inject_faults
from gateway.simulator.oden.faults import Fault, FaultError, read_fault
from gateway.simulator.oden.manners import MannerError, read_manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.organization_file import read_organization
from gateway.simulator.oden.persistence import Ledger, LedgerError, read_ledger, resume, save
from gateway.simulator.oden.server import listening, make_admin, make_app
from gateway.simulator.oden.store import BUILT_IN, Organization

VARIABLE = "ODEN_STAND_IN_TOKEN"
DEFAULT_TOKEN = "demo-token"  # noqa: S105 - no secret: the stand-in guards nothing

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
  also: redirect [to=], truncated, content_type [type=], no_id
  commit=no (default) | yes | SECONDS says whether and how long after the answer the request takes effect.
  at= (with *), line=, holding=, since=, until=, chance=, times= say which requests are struck.

modes: nothing=by_match|empty|404  range=overlap|start  ids=yes|no  bulk_update=200|404|501  search_lag=SECONDS

admin port:
  curl -d '{"kind": "close", "commit": 5, "times": 1}' http://127.0.0.1:8401/faults
  curl http://127.0.0.1:8401/faults                         what is in force, how often it struck, requests so far
  curl -X DELETE http://127.0.0.1:8401/faults               end all; /faults/3 ends one
  curl -d '{"range": "start"}' http://127.0.0.1:8401/modes
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `simulate` and its kinds to the command line."""
    parser = commands.add_parser(
        "simulate",
        help="stand in for the systems around the gateway",
        description="Stand in for the systems around the gateway, to try a configuration without a factory.",
        epilog="example:\n  oden-gateway simulate oden --port 8400 --ledger oden.jsonl",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    oden = kinds.add_parser(
        "oden",
        help="an Oden API that keeps everything in memory",
        description="Serve a stand-in for the Oden API: all its endpoints, with Factory A and Factory B of 40 lines each, or a\n"
        "plant of your own (docs/simulator.md). It keeps everything in memory; with a ledger or a state file it starts again\n"
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
        help="start with what this file holds, and save it at the end; with --ledger, what the ledger has after it follows",
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
        "--mode",
        type=_mode,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how it does what Oden's document leaves open",
    )
    oden.add_argument("--admin-port", type=_port, help="port for changing faults and modes while it runs")
    oden.set_defaults(call=simulate_oden)
    simulate_plant.register(kinds)


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


def _mode(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    try:
        read_manners({name: value})
    except MannerError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, value


def simulate_oden(arguments: argparse.Namespace) -> int:
    """Serve the Oden stand-in until SIGTERM or SIGINT; GatewayError where it cannot listen or use its files."""
    path: Path | None = arguments.ledger
    state: Path | None = arguments.state
    plant = read_organization(arguments.plant) if arguments.plant else Organization()
    plant = replace(plant, interval_types=tuple(dict.fromkeys([*plant.interval_types, *arguments.interval_type])))
    modes = read_manners(dict(arguments.mode))
    try:
        model, lines = resume(plant, state, path)
        ledger = Ledger(path) if path else None
    except OSError as error:
        raise LedgerError(f"The ledger {path} cannot be used: {error.strerror}.") from None
    model.manners = modes
    if state:
        save(state, model, lines)
    try:
        asyncio.run(_until_stopped(arguments, model, FaultInjector(plant, arguments.seed, arguments.fault), ledger))
    finally:
        if ledger:
            ledger.close()
    if state:
        save(state, model, sum(1 for _ in read_ledger(path)) if path else lines)
    return 0


async def _until_stopped(
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
        gc.freeze()  # what is there for good is not looked at again: long collections would falsify arrival times
        print(f"Oden stand-in listens on {address}", flush=True)
        if admin:
            print(f"Its admin port is {admin.removesuffix('/v2')}", flush=True)
        await stop.wait()
