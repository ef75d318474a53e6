"""The command `oden-gateway`; `python -m gateway` is the same."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from gateway.build import described
from gateway.cli.startup import found_config
from gateway.errors import ConfigError, GatewayError

COMMANDS = (
    "run",
    "init",
    "check",
    "browse",
    "tail",
    "record",
    "replay",
    "explain",
    "outbox",
    "rejects",
    "clock",
    "pki",
    "call",
    "support_bundle",
    "demo",
    "schema",
    "simulate",
)
"""The modules in `gateway.cli` that have the commands of these names, or some more."""


def command_line(only: str | None = None) -> argparse.ArgumentParser:
    """The command with all its subcommands and options; each subcommand's function is its default `call`. `only`: with
    the subcommands of this module alone, so that the service does not hold in memory what others are made of."""
    parser = argparse.ArgumentParser(
        prog="oden-gateway",
        description="Turns PLC tags and line events into runs, states and scrap/yield at Oden, each exactly once.",
        epilog="example:\n  oden-gateway check -c /etc/oden-gateway/gateway.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if only is None else (only,):
        import_module(f"gateway.cli.{name}").register(commands)
    version = commands.add_parser("version", help="print the version", epilog="example:\n  oden-gateway version")
    version.set_defaults(call=_version)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for a failure, 2 for a wrong configuration or usage."""
    argv = sys.argv[1:] if argv is None else argv
    modules = {name.replace("_", "-"): name for name in COMMANDS}
    arguments = command_line(modules.get(argv[0]) if argv else None).parse_args(argv)
    if getattr(arguments, "config", arguments) is None:
        arguments.config = found_config(os.environ)
    try:
        code: int = arguments.call(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has read enough (`check | head`); what is still to be written goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except GatewayError as error:
        print(f"oden-gateway: {error}", file=sys.stderr)
        return 1
    return code


def _version(_: argparse.Namespace) -> int:
    print(f"oden-gateway {described()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
