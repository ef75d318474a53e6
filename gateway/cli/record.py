"""`oden-gateway record`: writes live samples into a file, for `replay`."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from gateway.cli.replay import print_coverage
from gateway.cli.startup import add_config_option, configure_logging, duration, read_config
from gateway.clock import AnchoredClock
from gateway.config.schema import Config
from gateway.errors import GatewayError
from gateway.live.visit import visit, visiting
from gateway.mapping.compile import LinePlan
from gateway.sources import recording
from gateway.sources.base import Arrival
from gateway.sources.recording import line_of
from gateway.trial.play import play


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `record`."""
    parser = commands.add_parser(
        "record",
        help="write what the sources say into a file",
        description="Connects to the sources of the configuration and writes every sample into a file until "
        "Ctrl-C, or for a time.\n"
        "Nothing is sent to Oden, and a gateway that runs is not disturbed: the broker sees another client.\n"
        "At the end it says which inputs never had a value, and what no input takes.\n"
        "The file holds what the plant says, such as order numbers; it never holds a password or token of the "
        "configuration.",
        epilog="example:\n  oden-gateway record -c gateway.yaml monday.jsonl --for 8h",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--for", dest="seconds", type=duration, metavar="TIME", help="how long, such as 30m or 8h")
    parser.set_defaults(call=_record)


def _record(arguments: argparse.Namespace) -> int:
    loaded, plans = read_config(arguments.config, os.environ)
    configure_logging(loaded.config.log)
    try:
        file = arguments.file.open("x", encoding="utf-8")
    except FileExistsError:
        raise GatewayError(f"{arguments.file} exists already; recordings are never overwritten") from None
    except OSError as error:
        raise GatewayError(f"{arguments.file} cannot be written: {error.strerror}") from None
    with file:
        count = asyncio.run(_record_until_stopped(loaded.config, plans, file, arguments.seconds))
    print(f"{count} samples in {arguments.file}", file=sys.stderr)
    print_coverage(play(plans, recording.read(arguments.file)).coverage, plans)
    return 0


async def _record_until_stopped(config: Config, plans: Sequence[LinePlan], file: TextIO, seconds: float | None) -> int:
    """Write samples until a signal comes or `seconds` are over, and return how many they were."""
    from gateway.children import make_sources  # noqa: PLC0415 - the sources' libraries cost every other command 0.3 s

    clock, count, last = AnchoredClock(), 0, 0.0
    lost: set[str] = set()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def take(arrival: Arrival) -> None:
        nonlocal count, last
        for contact in arrival.contacts:
            if contact.state == "lost" or contact.source in lost:
                last = max(last, contact.received)
                file.write(line_of(contact) + "\n")
            (lost.add if contact.state == "lost" else lost.discard)(contact.source)
        for sample in arrival.samples:
            last = max(last, sample.received)
            file.write(line_of(sample) + "\n")
            count += 1
        file.flush()
        if arrival.done:
            arrival.done()

    config = visiting(config, f"record-{int(time.time())}")
    try:
        await visit(make_sources(config, plans, clock).values(), take, clock, stop, seconds)
    finally:
        file.write(line_of(max(clock.now(), last)) + "\n")
    return count
