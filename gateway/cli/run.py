"""`oden-gateway run`: the service itself."""

import argparse
import asyncio
import os

import structlog

from gateway.cli.startup import add_config_option, configure_logging, read_config

log = structlog.get_logger()


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
    configure_logging(loaded.config.log)
    for warning in loaded.warnings:
        log.warning("configuration_warning", where=warning.where, text=warning.text)
    asyncio.run(App(loaded, plans).run())
    return 0
