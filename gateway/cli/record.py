"""`oden-gateway record`: writes live samples into a file, for `replay`."""

import argparse
import asyncio
import json
import math
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from gateway.cli.startup import add_config_option, configure_logging, duration, read_config
from gateway.clock import AnchoredClock
from gateway.config.schema import Config
from gateway.errors import GatewayError
from gateway.frozen import replace
from gateway.live.visit import visit, visiting
from gateway.mapping.compile import LinePlan
from gateway.model import Notice
from gateway.rejects import FewerNotices
from gateway.sources import recording
from gateway.sources.base import Arrival, Source
from gateway.sources.recording import line_of
from gateway.trial.play import begun, play, rejected

_LOOK = 0.5
"""Seconds between two looks at why something is not received."""
_MOST_NAMED = 5
"""Addresses that are named of those that are not received for one reason."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `record`."""
    parser = commands.add_parser(
        "record",
        help="write what the sources say into a file",
        description="Connects to the sources of the configuration and writes every sample into a file until "
        "Ctrl-C, or for a time.\n"
        "Nothing is sent to Oden, and a gateway that runs is not disturbed: the broker sees another client.\n"
        "At the end it says what was not received and why, which inputs never had a value, what no input takes, what\n"
        "could not be used, and which run had just begun.\n"
        "The file holds what the plant says, such as order numbers; it never holds a password or token of the "
        "configuration.",
        epilog="example:\n  oden-gateway record -c gateway.yaml monday.jsonl --for 8h",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument("--for", dest="seconds", type=duration, metavar="TIME", help="how long, such as 30m or 8h")
    parser.add_argument("--json", action="store_true", help="print as JSON what is said at the end")
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
        recorded = asyncio.run(_record_until_stopped(loaded.config, plans, file, arguments.seconds))
    playback = play(plans, recording.read(arguments.file))
    said = [
        *playback.coverage.sentences(plans),
        *rejected(playback.notices),
        *begun(plans, playback.states),
    ]
    if arguments.json:
        about = {"samples": recorded.samples, "file": str(arguments.file)}
        print(json.dumps({**about, "not_received": recorded.not_received, "said": said}, ensure_ascii=False))
        return 0
    print(f"{recorded.samples} samples in {arguments.file}", file=sys.stderr)
    for source, reasons in recorded.not_received.items():
        for sentence in not_received(source, reasons):
            print(sentence, file=sys.stderr)
    for sentence in said:
        print(sentence, file=sys.stderr)
    return 0


def not_received(source: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """Why addresses of a source were not received, in sentences; many for one reason are told in one."""
    alike: dict[str, list[str]] = defaultdict(list)
    for address, reason in reasons.items():
        alike[reason].append(address)
    for reason, addresses in alike.items():
        if len(addresses) > _MOST_NAMED:
            some = ", ".join(addresses[:_MOST_NAMED])
            yield f"{source} {some} and {len(addresses) - _MOST_NAMED} more: {reason}"
        else:
            yield from (f"{' '.join(filter(None, (source, address)))}: {reason}" for address in addresses)


@dataclass(slots=True)
class _Recorded:
    """What came of a recording. `not_received` says by source and address why something was not received in the end, at
    the address "" why the source was not connected to."""

    samples: int = 0
    not_received: dict[str, dict[str, str]] = field(default_factory=dict)
    fewer: FewerNotices = field(default_factory=FewerNotices)


async def _record_until_stopped(
    config: Config, plans: Sequence[LinePlan], file: TextIO, seconds: float | None
) -> _Recorded:
    """Write samples until a signal comes or `seconds` are over."""
    from gateway.children import make_sources  # noqa: PLC0415 - the sources' libraries cost every other command 0.3 s

    clock, recorded, last = AnchoredClock(), _Recorded(), 0.0
    lost: set[str] = set()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def tell(rejects: Sequence[Notice]) -> None:
        nonlocal last
        for reject in rejects:
            last = max(last, reject.at)
            file.write(line_of(replace(reject, at=last)) + "\n")

    async def take(arrival: Arrival) -> None:
        nonlocal last
        now = clock.monotonic()
        tell(recorded.fewer.add((one for one in arrival.notices if one.kind == "reject"), now))
        tell(recorded.fewer.more(now))
        for contact in arrival.contacts:
            if contact.state == "lost" or contact.source in lost:
                last = max(last, contact.received)
                file.write(line_of(contact) + "\n")
            (lost.add if contact.state == "lost" else lost.discard)(contact.source)
        for sample in arrival.samples:
            last = max(last, sample.received)
            file.write(line_of(sample) + "\n")
            recorded.samples += 1
        file.flush()
        if arrival.done:
            arrival.done()

    config = visiting(config, f"record-{int(time.time())}")
    sources = make_sources(config, plans, clock)
    ends = math.inf if seconds is None else clock.monotonic() + seconds
    visiting_them = asyncio.create_task(visit(sources.values(), take, clock, stop, seconds))
    try:
        # Not while it ends: that connections are given up then is no reason why something was not received
        while not visiting_them.done() and not stop.is_set() and clock.monotonic() < ends:
            recorded.not_received = {name: _not_received(source) for name, source in sources.items()}
            await asyncio.wait({visiting_them}, timeout=_LOOK)
        await visiting_them
    finally:
        tell(recorded.fewer.more(clock.monotonic(), all_=True))
        file.write(line_of(max(clock.now(), last)) + "\n")
    return recorded


def _not_received(source: Source) -> dict[str, str]:
    health = source.health
    return dict(health.failed) if health.connected or not health.since else {"": health.detail, **health.failed}
