"""`oden-gateway tail`: what the sources say, as it comes, with quality and age."""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.startup import add_config_option, configure_logging, duration, read_config, say_beside
from gateway.clock import AnchoredClock
from gateway.config.loader import Loaded
from gateway.config.schema_process import Log
from gateway.control_places import places
from gateway.errors import GatewayError
from gateway.live.tail import READING, InputReading, Onlookers, Present, as_json, tail
from gateway.live.visit import acknowledge, visit, visiting
from gateway.mapping.compile import LinePlan
from gateway.sources.base import Source

LONGEST_VALUE = 120
"""Characters of a value that are shown."""

Show = Callable[[InputReading | int | str], None]
"""Shows a reading, how many were left out, or a sentence about a source."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `tail`."""
    parser = commands.add_parser(
        "tail",
        help="show what the sources say, as it comes",
        description="Shows each value of the inputs as it comes, with its quality and how old it was by then, until "
        "Ctrl-C or for a\ntime. A gateway that runs is asked, and first says what it knows; where none runs, the "
        "sources are connected to by\na client of another name, for which a broker keeps nothing. Nothing is sent to "
        "Oden.",
        epilog="examples:\n  oden-gateway tail -c gateway.yaml\n"
        "  oden-gateway tail -c gateway.yaml floor --for 1m --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="only this source")
    parser.add_argument("--for", dest="seconds", type=duration, metavar="TIME", help="how long, such as 30s or 5m")
    parser.add_argument("--json", action="store_true", help="print JSON, one value a line")
    parser.set_defaults(call=_tail)


def _tail(arguments: argparse.Namespace) -> int:
    loaded, _ = read_config(arguments.config, os.environ, though_absent=True)
    configure_logging(Log(level="warning"))
    if arguments.source is not None and arguments.source not in loaded.config.sources:
        names = ", ".join(loaded.config.sources)
        raise GatewayError(f"there is no source {arguments.source}; there are: {names}")
    clock = AnchoredClock()
    shown = 0

    def show(reading: InputReading | int | str) -> None:
        nonlocal shown
        shown += not isinstance(reading, str)
        if isinstance(reading, str):
            say_beside(reading, as_json=arguments.json)
        elif isinstance(reading, int):
            say_beside(f"{reading} values are left out: more came than can be shown", as_json=arguments.json)
        elif arguments.json:
            age = reading.received - reading.at if reading.at is not None else None
            print(json.dumps({**as_json(reading), "age": age}, ensure_ascii=False), flush=True)
        else:
            print(line_of(reading, clock.now()), flush=True)

    asyncio.run(_show(arguments.config, loaded, arguments.source, arguments.seconds, show, clock))
    if not shown:
        say_beside("no value came: wait longer, or see `oden-gateway check --live`", as_json=arguments.json)
    return 0


async def _show(
    file: Path,
    loaded: Loaded,
    source: str | None,
    seconds: float | None,
    show: Show,
    clock: AnchoredClock,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    showing = asyncio.create_task(_shown(file, loaded, source, show, clock))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({showing, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if showing.done():
        showing.result()
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)


async def _shown(
    file: Path,
    loaded: Loaded,
    source: str | None,
    show: Show,
    clock: AnchoredClock,
) -> None:
    async with aclosing(_of_gateway(loaded, source)) as told:
        async for reading in told:
            if reading is None:
                break
            show(reading)
        else:
            return
    await _of_own(*read_config(file, os.environ), source, show, clock)  # now its secrets are needed


async def _of_gateway(loaded: Loaded, source: str | None) -> AsyncGenerator[InputReading | int | None]:
    """What the running gateway says; None where none runs."""
    from gateway import control  # noqa: PLC0415 - its libraries cost every other command 0.3 s

    directory = await asyncio.to_thread(loaded.config.outbox.directory.absolute)
    try:
        async with aclosing(control.ask(directory, places(directory), "tail", {"source": source})) as items:
            async for item in items:
                left_out = item.get("left_out")
                yield left_out if isinstance(left_out, int) else READING.validate_python(item["reading"])
    except control.NoGateway:
        yield None


async def _of_own(
    loaded: Loaded,
    plans: list[LinePlan],
    source: str | None,
    show: Show,
    clock: AnchoredClock,
) -> None:
    """What comes to sessions of this process, which say on standard error how they are."""
    from gateway.children import make_sources  # noqa: PLC0415 - the sources' libraries cost every other command 0.3 s

    config = visiting(loaded.config)
    sources = {
        name: each
        for name, each in make_sources(config, plans, clock, clean=True).items()
        if source in {None, name} and any(name == fed for plan in plans for fed, _ in plan.subscriptions)
    }
    onlookers = Onlookers(acknowledge)
    present = Present(config, plans, sources, onlookers)
    async with asyncio.TaskGroup() as group:
        group.create_task(visit(sources.values(), onlookers.take, clock, asyncio.Event(), None))
        group.create_task(_tell_states(sources, show))
        async with aclosing(tail(lambda: present, source)) as readings:
            async for reading in readings:
                show(reading)


async def _tell_states(sources: dict[str, Source], show: Show) -> None:
    """Say how each source is whenever that changes."""
    before: dict[str, str] = {}
    while True:
        for name, source in sources.items():
            health = source.health
            failed = "".join(f"\n  {address}: {why}" for address, why in health.failed.items())
            said = f"{name}: {health.detail}{failed}"
            if said != before.get(name) and health.since:
                before[name] = said
                show(said)
        await asyncio.sleep(0.2)


def line_of(reading: InputReading, now: float) -> str:
    """A reading on a line of text."""
    at = datetime.fromtimestamp(reading.received, UTC).strftime("%H:%M:%S.%f")[:-3]
    value = json.dumps(reading.value, ensure_ascii=False)
    if len(value) > LONGEST_VALUE:
        value = f"{value[:LONGEST_VALUE]}…"
    name = f"{reading.line} {reading.input}" if reading.input else "(no input)"
    since = now if reading.known else reading.received
    age = f", {max(0.0, since - reading.at):.1f} s old" if reading.at is not None else ""
    known = ", known before" if reading.known else ""
    problem = f"  ({reading.problem})" if reading.problem else ""
    text = f"{at}Z  {name} = {value}  {reading.quality}{age}{known}{problem}  {reading.source} {reading.address}"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
