"""`oden-gateway simulate`: stand-ins for the systems around the gateway."""

import argparse
import asyncio
import errno
import gc
import os
import signal
from pathlib import Path

from gateway.cli import simulate_plant
from gateway.errors import GatewayError
from gateway.simulator.oden_api import listening, make_app
from gateway.simulator.oden_ledger import Ledger, LedgerError, replay
from gateway.simulator.oden_model import OdenModel, Plant

VARIABLE = "ODEN_STAND_IN_TOKEN"
DEFAULT_TOKEN = "demo-token"  # noqa: S105 - no secret: the stand-in guards nothing


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
        description="Serve a stand-in for the Oden API, with Factory A and Factory B of 40 lines each.\n"
        "It keeps everything in memory; with a ledger it starts again where it ended.",
        epilog="example:\n"
        "  oden-gateway simulate oden --port 8400 --ledger oden.jsonl\n\n"
        "Then set in the gateway's configuration:\n"
        "  oden: {url: http://127.0.0.1:8400/v2, token: demo-token}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    oden.add_argument("--port", type=_port, required=True, help="port to listen on; 0 takes a free one")
    oden.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    oden.add_argument("--ledger", type=Path, metavar="FILE", help="write every request to this file, a line each")
    oden.add_argument("--token", help=f"the token to ask for (default: environment {VARIABLE}, else {DEFAULT_TOKEN})")
    oden.set_defaults(call=simulate_oden)
    simulate_plant.register(kinds)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def simulate_oden(arguments: argparse.Namespace) -> int:
    """Serve the Oden stand-in until SIGTERM or SIGINT; GatewayError where it cannot listen or use the ledger."""
    token = arguments.token or os.environ.get(VARIABLE) or DEFAULT_TOKEN
    path: Path | None = arguments.ledger
    try:
        model = replay(path, Plant()) if path and path.exists() else OdenModel(Plant())
        ledger = Ledger(path) if path else None
    except OSError as error:
        raise LedgerError(f"The ledger {path} cannot be used: {error.strerror}.") from None
    try:
        asyncio.run(_until_stopped(model, token, ledger, arguments.host, arguments.port))
    except OSError as error:
        taken = "another program has it; take another with --port"
        why = taken if error.errno == errno.EADDRINUSE else error.strerror
        raise GatewayError(f"Cannot listen on {arguments.host} port {arguments.port}: {why}.") from None
    finally:
        if ledger:
            ledger.close()
    return 0


async def _until_stopped(model: OdenModel, token: str, ledger: Ledger | None, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(make_app(model, token, ledger), host, port) as address:
        gc.freeze()  # what is there for good is not looked at again: long collections would falsify arrival times
        print(f"Oden stand-in listens on {address}", flush=True)
        await stop.wait()
