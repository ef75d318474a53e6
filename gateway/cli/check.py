"""`oden-gateway check`: is the configuration right, and what will the gateway do with it?"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from gateway.cli.alike import likeness, named
from gateway.cli.budget import HOUR, Need, need, said
from gateway.cli.phrases import number
from gateway.cli.summary import summary
from gateway.config.check import faults
from gateway.config.loader import Loaded, load
from gateway.config.schema import Line
from gateway.config.yaml_text import yaml_text
from gateway.errors import ConfigError, FaultyConfig
from gateway.mapping.compile import LinePlan, compile_lines

DEFAULT_CONFIG = Path("/etc/oden-gateway/gateway.yaml")


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `check`."""
    parser = commands.add_parser(
        "check",
        help="check the configuration and say what the gateway will do",
        description="Check the configuration and say in plain words what the gateway will do with it.\n"
        "Connects to nothing. Exit code 0: right; 2: wrong, each problem as file:line:column on standard error.",
        epilog="example:\n  oden-gateway check -c /etc/oden-gateway/gateway.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument(
        "--expanded",
        action="store_true",
        help="print the configuration as if all of it stood in one file, with templates, tables and the environment worked in",
    )
    parser.set_defaults(call=check)


def read_config(path: Path, environ: Mapping[str, str]) -> tuple[Loaded, list[LinePlan]]:
    """The configuration at `path`, checked through and through; ConfigError says all that is wrong with it."""
    loaded = load(path, environ)
    found = faults(loaded.config)
    plans: list[LinePlan] = []
    try:
        plans = compile_lines(loaded.config.lines, loaded.lookups)
    except FaultyConfig as error:
        found += error.faults
    if found:
        raise loaded.error(found)
    return loaded, plans


def check(arguments: argparse.Namespace) -> int:
    """Print what is wrong (2) or what the gateway will do (0)."""
    try:
        loaded, _ = read_config(arguments.config, os.environ)
    except ConfigError as error:
        if arguments.json:
            problems = [{"where": problem.where, "text": problem.text} for problem in error.problems]
            print(json.dumps({"ok": False, "problems": problems}))
        else:
            print(error, file=sys.stderr)
        return 2
    config = loaded.config
    if arguments.expanded:
        expanded = loaded.written_out()
        print(json.dumps(expanded) if arguments.json else yaml_text(expanded).rstrip("\n"))
    elif arguments.json:
        lines = [
            {
                "factory": line.factory,
                "line": line.line,
                "does": [*chain(*summary(line).values())],
                "requests_an_hour": asdict(need(line, config.outbox.merge_span)),
            }
            for line in config.lines
        ]
        print(json.dumps({"ok": True, "problems": [], "lines": lines, "requests_an_hour": config.oden.rate * HOUR}))
    else:
        print("\n".join([f"{arguments.config} is right.", *_connections(loaded), *_lines(loaded)]))
    return 0


def _connections(loaded: Loaded) -> Iterator[str]:
    config = loaded.config
    yield f"Sends to Oden at {config.oden.url}; keeps in {config.outbox.directory} what is not there yet."
    for name, source in config.sources.items():
        used = sum(given.source == name for line in config.lines for given in line.inputs.values())
        kind = "OPC UA server" if source.type == "opcua" else "MQTT broker"
        yield f"Source {name}: {kind} {source.url}, {f'{used} inputs' if used else 'which no input uses'}."
    for name, table in loaded.lookups.items():
        yield f"Table {name}: {len(table.rows)} rows of {config.tables[name].file}, read again when the file changes."


def _lines(loaded: Loaded) -> Iterator[str]:
    config = loaded.config
    needs = [need(line, config.outbox.merge_span) for line in config.lines]
    yield from said(needs, config.oden.rate)
    alike: dict[tuple[str, Need], list[Line]] = {}
    for line, one, trees in zip(config.lines, needs, loaded.lines(), strict=True):
        alike.setdefault((likeness(*trees), one), []).append(line)
    for (_, one), lines in alike.items():
        yield f"\n{named(lines)}:"
        if len(lines) > 1:
            yield (
                f"  {len(lines)} lines alike, but for addresses and texts that are filled in: below they are those of "
                f"{lines[0].line}."
            )
        for heading, sentences in summary(lines[0]).items():
            yield f"  {heading}"
            yield from (f"    {sentence}" for sentence in sentences)
        each = " for each of them" if len(lines) > 1 else ""
        yield f"  Requests\n    About {number(one.sent)} an hour{each}; {number(one.least)} suffice when they have to."
