"""`oden-gateway run`: the service itself."""

import argparse
import asyncio
import faulthandler
import gc
import os
import resource
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.cli.startup import add_config_option, configure_logging, read_config
from gateway.config.loader import Loaded
from gateway.errors import ConfigError, NotThereYet
from gateway.mapping.compile import LinePlan
from gateway.status.notify import STEADY, Restarts, Systemd, pause_after
from gateway.ways import here

log = structlog.get_logger()

if TYPE_CHECKING:
    from gateway.app import App

MOST_LOOK_UPS = 64
"""Threads for name look-ups: each that hangs takes one with it, and the others must still get theirs."""
FIRST_PAUSE = 4.0
PATIENCE = 60.0
"""Seconds before what a configuration names is looked for again, twice as many each time, and for how long."""
EXIT_WITHIN = 5.0
"""Seconds after everything has ended in which the process ends too."""
UNREACHABLE = (20_000, 5, 5)
"""After how many new objects it is looked for such as refer to each other and nobody else does, and how often among
older ones. Python's own 700 is less than one message of a large server makes and soon has no use for: what is only
under way would be looked through again and again, as if it were to stay."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `run`."""
    parser = commands.add_parser(
        "run",
        help="run the gateway until it is stopped",
        description="Runs the gateway until SIGTERM or SIGINT. Refuses to start with a wrong configuration (exit "
        "code 2).",
        epilog="example:\n  oden-gateway run -c /etc/oden-gateway/gateway.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace) -> int:
    from gateway.app import App  # noqa: PLC0415 - the service's libraries cost every other command 0.3 s
    from gateway.children import import_libraries  # noqa: PLC0415

    systemd = Systemd()
    runtime = os.environ.get("RUNTIME_DIRECTORY") if systemd.listens else None
    restarts = Restarts(Path(runtime) if runtime else None)
    _rest(systemd, restarts)
    try:
        loaded, plans = _read_patiently(arguments.config)
    except ConfigError:
        restarts.forget()
        raise
    lasts = threading.Timer(STEADY, restarts.forget)
    lasts.daemon = True
    lasts.start()
    log_stream = configure_logging(loaded.config.log)
    for warning in loaded.warnings:
        log.warning("configuration_warning", where=warning.where, text=warning.text)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what is in memory, secrets too, goes into no file
    with suppress(OSError, ValueError):  # standard error need not be a file
        faulthandler.enable()  # where every thread stood when systemd ended what hangs
    code = 1
    try:
        import_libraries(loaded.config)  # before anything turns that is watched, and before it is frozen below
        app = App(loaded, plans, lambda: read_config(arguments.config, os.environ))
        gc.collect()  # what is garbage by now would stay for good
        gc.freeze()  # what is there for good is not looked through again and again: a seventh of a busy processor
        gc.set_threshold(*UNREACHABLE)
        asyncio.run(_run_until_stopped(app))
        restarts.forget()
        code = 0
    finally:
        log_stream.end()
        # A name look-up that hangs cannot be ended, and the interpreter would wait for it.
        exiting = threading.Timer(EXIT_WITHIN, os._exit, (code,))
        exiting.daemon = True
        exiting.start()
    return code


def _rest(systemd: Systemd, restarts: Restarts) -> None:
    """Wait where the starts before this one have not lasted. Whoever stops the service meanwhile has it begin at once
    when it is started again."""
    starts = restarts.begin()
    pause = pause_after(starts)
    if not pause:
        return

    def stopped(*_: object) -> None:
        restarts.forget()
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, stopped)
    text = f"It has ended {starts} times in a row soon after its start, and begins again in {pause:.0f} s."
    print(f"oden-gateway: {text}", file=sys.stderr, flush=True)
    systemd.starting(pause + PATIENCE)
    systemd.status(f"{text} At once: {here().restart}")
    time.sleep(pause)
    signal.signal(signal.SIGTERM, before)


def _read_patiently(path: Path) -> tuple[Loaded, list[LinePlan]]:
    """The configuration, for a service once all that it names is there: after a power cut, the server of a share may
    start later than this machine. Raises NotThereYet after PATIENCE, so that the service is started anew, as systemd
    hands over secrets only then; and ConfigError at once where anything else is wrong, or where a person waits.
    """
    systemd, waited, pause, told = Systemd(), 0.0, FIRST_PAUSE, ""
    while True:
        try:
            return read_config(path, os.environ)
        except ConfigError as error:
            if not error.may_pass or not systemd.listens:
                raise
            if waited >= PATIENCE:
                raise NotThereYet(str(error)) from None
            systemd.status(f"Waiting for what is not there yet: {error.diagnostics[0]}")
            if str(error) != told:
                told = str(error)
                print(f"{error}\nIt is looked for again for {PATIENCE:.0f} s.", file=sys.stderr)
        time.sleep(pause)
        waited, pause = waited + pause, pause * 2


async def _run_until_stopped(app: "App") -> None:
    asyncio.get_running_loop().set_default_executor(_LookUps(MOST_LOOK_UPS, "look-up"))
    await app.run()


class _LookUps(ThreadPoolExecutor):
    """The threads in which libraries look up names and connect: many, because one that hangs takes its thread with it.
    Nobody waits for them at the end."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        super().shutdown(wait=False, cancel_futures=True)
