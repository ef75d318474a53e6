"""`oden-gateway check`: is the configuration right, and what will the gateway do with it?"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.config.check import faults
from gateway.config.loader import Loaded, load
from gateway.config.schema import Line
from gateway.config.schema_inputs import Counter
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
        lines = [{"factory": line.factory, "line": line.line, "does": list(_does(line))} for line in config.lines]
        print(json.dumps({"ok": True, "problems": [], "lines": lines}))
    else:
        print("\n".join([f"{arguments.config} is right.", *_connections(loaded), *_lines(config.lines)]))
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


def _lines(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield f"\n{line.line} of {line.factory}:"
        yield from (f"  {sentence}" for sentence in _does(line))


def _does(line: Line) -> Iterator[str]:
    """What the gateway does for the line, in sentences."""
    if line.run is not None:
        named = f', named "{line.run.name}"' if line.run.name else ""
        yield f'A run of "{line.run.product}"{named} starts when {line.run.key} changes, after {span(line.run.settle)}.'
        end = line.run.end
        held = f" for {span(end.for_)}" if end and end.for_ else ""
        yield f"It ends when {line.run.key} is empty or 0" + (f", or when {end.when}{held}." if end else ".")
    if line.states is not None:
        states = line.states
        codes = "; ".join(
            f"{code} is {' / '.join(filter(None, [to.category, to.reason]))}" for code, to in states.codes.items()
        )
        yield f"The state comes from {states.input}: {codes}."
        other = states.other and " / ".join(filter(None, [states.other.category, states.other.reason]))
        yield f"Any other code is {other}." if other else "Any other code is reported and changes nothing."
        if states.hold:
            yield f"A state that lasts less than {span(states.hold)} is not sent."
    if line.scrap_yield is not None:
        between = _BETWEEN_RUNS[line.scrap_yield.between_runs]
        yield f"What is made while no run is on {between}."
        for entry in line.scrap_yield.entries:
            data = ", ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in entry.raw_data.items())
            yield f"While a {entry.of} is on, {entry.count} is sent every {span(line.scrap_yield.every)} as {data}."
    for name, given in line.inputs.items():
        if given.counter is not None:
            yield _bridged(name, given.counter)


_BETWEEN_RUNS = {
    "next": "goes to the next run",
    "unassigned": 'gets a run of its own, named "Unassigned"',
    "report": "is not sent, but listed as a gap",
}

_ROUND = {2**bits for bits in (8, 15, 16, 31, 32)} | {10**digits for digits in range(2, 10)}
"""What counters usually roll over at."""


def _bridged(name: str, counter: Counter) -> str:
    """How long the counter can be out of sight."""
    if counter.rollover is not None and counter.rollover + 1 in _ROUND:
        return (
            f"{name} rolls over at {counter.rollover}: is that not {counter.rollover + 1}? "
            "The rollover is the first value that is never shown."
        )
    if counter.rollover is None:
        return f"{name} never rolls over: what it counts in a gap is never lost, unless it is reset in the gap."
    if counter.max_rate is None:
        return f"{name} rolls over at {counter.rollover}: give it a max_rate, so that a reset is told from a rollover."
    gap = span(counter.rollover / counter.max_rate)
    return f"{name} is exact over a gap of up to {gap} ({counter.rollover} at {counter.max_rate:g} a second)."


def span(seconds: float) -> str:
    """A duration as a person says it: `3 h 38 min`."""
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{amount:g} {unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if amount]
    whole = round(rest, 3) if not parts else int(rest)
    return " ".join([*parts, *([f"{whole:g} s"] if whole else [])][:2]) or "0 s"
