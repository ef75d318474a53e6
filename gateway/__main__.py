"""The command `oden-gateway`; `python -m gateway` is the same."""

import argparse
import os
import sys
from collections.abc import Sequence

from gateway.build import described
from gateway.cli import (
    browse,
    call,
    check,
    clock,
    demo,
    explain,
    init,
    outbox,
    pki,
    record,
    rejects,
    replay,
    run,
    schema,
    simulate,
    support_bundle,
    tail,
)
from gateway.cli.startup import found_config
from gateway.errors import ConfigError, GatewayError


def command_line() -> argparse.ArgumentParser:
    """The command with all its subcommands and options; each subcommand's function is its default `call`."""
    parser = argparse.ArgumentParser(
        prog="oden-gateway",
        description="Turns PLC tags and line events into runs, states and scrap/yield at Oden, each exactly once.",
        epilog="example:\n  oden-gateway check -c /etc/oden-gateway/gateway.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (
        run,
        init,
        check,
        browse,
        tail,
        record,
        replay,
        explain,
        outbox,
        rejects,
        clock,
        pki,
        call,
        support_bundle,
        demo,
        schema,
        simulate,
    ):
        group.register(commands)
    version = commands.add_parser("version", help="print the version", epilog="example:\n  oden-gateway version")
    version.set_defaults(call=_version)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for a failure, 2 for a wrong configuration or usage."""
    arguments = command_line().parse_args(argv)
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
