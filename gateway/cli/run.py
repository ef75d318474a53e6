"""`oden-gateway run`: the service itself."""

import argparse
import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from gateway.cli.startup import add_config_option, configure_logging, read_config

log = structlog.get_logger()

if TYPE_CHECKING:
    from gateway.app import App

MOST_LOOK_UPS = 64
"""Threads for name look-ups: each that hangs takes one with it, and the others must still get theirs."""
EXIT_WITHIN = 5.0
"""Seconds after everything has ended in which the process ends too."""


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

    loaded, plans = read_config(arguments.config, os.environ)
    log_stream = configure_logging(loaded.config.log)
    for warning in loaded.warnings:
        log.warning("configuration_warning", where=warning.where, text=warning.text)
    code = 1
    try:
        asyncio.run(_run_until_stopped(App(loaded, plans, lambda: read_config(arguments.config, os.environ))))
        code = 0
    finally:
        log_stream.end()
        # A name look-up that hangs cannot be ended, and the interpreter would wait for it.
        exiting = threading.Timer(EXIT_WITHIN, os._exit, (code,))
        exiting.daemon = True
        exiting.start()
    return code


async def _run_until_stopped(app: "App") -> None:
    asyncio.get_running_loop().set_default_executor(_LookUps(MOST_LOOK_UPS, "look-up"))
    await app.run()


class _LookUps(ThreadPoolExecutor):
    """The threads in which libraries look up names and connect: many, because one that hangs takes its thread with it.
    Nobody waits for them at the end."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        super().shutdown(wait=False, cancel_futures=True)
