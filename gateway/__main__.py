"""The command `oden-gateway`; `python -m gateway` is the same."""

import argparse
import codecs
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from gateway.build import described
from gateway.cli.command_parser import CommandParser
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
    parser = CommandParser(
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
    """Run one command; the exit code is 0, 1 for a failure, 2 for a wrong configuration or usage, 130 for Ctrl-C."""
    _open_streams()
    argv = sys.argv[1:] if argv is None else argv
    modules = {name.replace("_", "-"): name for name in COMMANDS}
    try:
        arguments = command_line(modules.get(argv[0]) if argv else None).parse_args(argv)
        if getattr(arguments, "config", arguments) is None:
            arguments.config = found_config(os.environ)
        code = _called(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has read enough (`check | head`).
        _end_output()
        return 1
    except GatewayError as error:
        print(f"oden-gateway: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        _end_output()
        where = f"{error.filename}: " if error.filename else ""
        print(f"oden-gateway: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _called(arguments: argparse.Namespace) -> int:
    """The command's exit code. Of failures of several tasks at once the first is told, as if it were the only one."""
    try:
        code: int = arguments.call(arguments)
    except ExceptionGroup as group:
        error: Exception = group
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return code


def _open_streams() -> None:
    """What was closed when the process began goes nowhere: its number must not become that of a file that matters, into
    which a word of a library's could be written. Letters that the locale does not have are written as JSON may have
    them, `\\u00e4`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as it lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("escaped", _escaped)
        sys.stdout.reconfigure(errors="escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Units of UTF-16 for what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end


def _end_output() -> None:
    """What is still to be written, and cannot be, goes nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(_: argparse.Namespace) -> int:
    print(f"oden-gateway {described()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
