"""What every command that uses a configuration begins with: the option that names it, reading it, and logging."""

import argparse
import atexit
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO, cast

import structlog

from gateway.config.check import find_faults
from gateway.config.lint import find_doubts
from gateway.config.loader import Loaded, read
from gateway.config.schema import SourceConfig
from gateway.config.schema_base import Duration
from gateway.config.schema_process import Log
from gateway.errors import InvalidConfig
from gateway.log_sink import LogStream, fail_safe
from gateway.mapping.compile import LinePlan, compile_lines

DEFAULT_CONFIG = Path("/etc/oden-gateway/gateway.yaml")
CONFIG_VARIABLE = "ODEN_GATEWAY_CONFIG"
"""Names the configuration file for commands that are given none."""

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # local variables can hold a token
)


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `-c`, which names the configuration file; None where it is not given: see `found_config`."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        help=f"default: {DEFAULT_CONFIG}; where there is none, {DEFAULT_CONFIG.name} in this folder",
    )


def found_config(environ: Mapping[str, str], usual: Path = DEFAULT_CONFIG) -> Path:
    """The configuration of a command that is given none: what CONFIG_VARIABLE names, else `usual` or, where there is
    none, a file of its name in this folder. Which it is is said on standard error unless it is `usual`."""
    here = Path(usual.name)
    if named := environ.get(CONFIG_VARIABLE):
        path, why = Path(named), CONFIG_VARIABLE
    elif os.path.exists(usual) or not here.is_file():  # noqa: PTH110 - Path.exists raises where it may not look
        return usual
    else:
        path, why = here, f"there is no {usual}"
    print(f"oden-gateway: the configuration is {path.absolute()} ({why})", file=sys.stderr)
    return path


def add_subcommand(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]",
    command: str,
    name: str,
    call: Callable[[argparse.Namespace], int],
    about: str,
    example: str,
) -> argparse.ArgumentParser:
    """Add `name` to the `group` of a `command`, with the option `-c`; `example` are its options in its help. The parser
    is among the arguments that `call` is given."""
    parser: argparse.ArgumentParser = group.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=f"example:\n  oden-gateway {command} {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.set_defaults(call=call, parser=parser)
    return parser


def say_beside(sentence: str, *, as_json: bool) -> None:
    """Say something beside what a command prints, on standard error: a sentence or, with `--json`, that as JSON."""
    print(json.dumps({"said": sentence}, ensure_ascii=False) if as_json else sentence, file=sys.stderr, flush=True)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")


def duration(text: str) -> float:
    """The seconds of an option such as `--for 30m`; argparse.ArgumentTypeError for anything else."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only where the option is given

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError("write a duration with its unit, such as 30m or 8h") from None


def read_config(
    path: Path, environ: Mapping[str, str], *, though_absent: bool = False
) -> tuple[Loaded, list[LinePlan]]:
    """The configuration at `path`, fully checked, and the plans of its lines.

    Raises ConfigError with all that is wrong with it. `though_absent` is for commands that only ask the running
    gateway: secrets and files that this user may not read are not missed.
    """
    draft = read(path, environ)
    if draft.config is None:
        return draft.finished(()), []
    doubts = find_doubts(draft.config, draft.lookups, draft.overridden, draft.schemas, path.absolute().parent)
    faults = [*find_faults(draft.config, draft.unread), *doubts]
    plans: list[LinePlan] = []
    try:
        plans = compile_lines(
            draft.config.lines, draft.lookups, draft.config.keepers, draft.schemas, draft.config.watching
        )
    except InvalidConfig as error:
        told = {fault.loc for fault in faults if not fault.warning}
        faults += (fault for fault in error.faults if told.isdisjoint(fault.rests_on or ()))
    return draft.finished(faults, though_absent=though_absent), plans


def read_sources(path: Path, environ: Mapping[str, str]) -> tuple[Mapping[str, SourceConfig], Path]:
    """The sources of the configuration at `path`, which need have nothing else yet, and the folder of the outbox of the
    gateway that runs by it, if one does. Raises ConfigError with what is wrong with them.
    """
    draft = read(path, environ)
    sources = draft.sources(find_faults(draft.config, draft.unread) if draft.config is not None else ())
    return sources, draft.config.outbox.directory if draft.config is not None else path.parent


_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of each level, the priority by which `journalctl -p` chooses: syslog(3)."""


def _is_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is systemd's journal, which names the device and inode of what it hands over."""
    try:
        held = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{held.st_dev}:{held.st_ino}"


def _prioritized(render: structlog.typing.Processor) -> structlog.typing.Processor:
    """`render`, and before each line of what it makes the priority that the journal reads and takes away."""

    def prefixed(logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict) -> str:
        prefix = f"<{_PRIORITIES.get(str(event.get('level')), 6)}>"
        return prefix + str(render(logger, name, event)).replace("\n", f"\n{prefix}")

    return prefixed


def configure_logging(options: Log) -> LogStream:
    """Set up logging for the process: to standard error, as text on a terminal, else one JSON object on each line; in
    the journal each line has its priority.

    Of the libraries' own log messages, warnings and above are shown. Answers the stream to which all of it is written.
    """
    is_journal = _is_journal(os.environ)
    end = LogStream(sys.stderr)
    atexit.register(end.end)
    stream = cast("TextIO", end)
    level = getattr(logging, options.level.upper())
    is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    as_text = options.format == "text" or (options.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=is_coloured, exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    if is_journal:
        last[-1] = _prioritized(last[-1])
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=fail_safe(structlog.make_filtering_bound_logger(level)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.raiseExceptions = False  # what a library cannot log is nobody's business to trip over
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # The sources report lost connections themselves, once each and in plain words.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    return end
