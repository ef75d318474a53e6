"""`oden-gateway check`: is the configuration right, what will the gateway do, and how many requests does that take?

What happens on a line is not in its configuration. So the number of requests rests on assumptions on how often runs,
states, batches and events come, which the output names. Lines that do the same are described once.
"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from operator import attrgetter

from gateway.cli import check_lateness, check_live
from gateway.cli.phrases import listed, number, span
from gateway.cli.startup import add_config_option, configure_logging, read_config
from gateway.cli.summary import summary
from gateway.config.loader import Loaded
from gateway.config.model_files import yaml_text
from gateway.config.schema import Line
from gateway.config.schema_intervals import Calendar, weekdays
from gateway.config.schema_io import Entry
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_process import Log
from gateway.config.schema_walk import Loc
from gateway.config.tree import Key, Tree
from gateway.errors import ConfigError, Diagnostic
from gateway.live.findings import Finding, Level
from gateway.mapping.compile import LinePlan
from gateway.model import CREATED_ONCE
from gateway.secret_forms import shown_address

HOUR = 3600.0
HOURS_A_WEEK = 168.0
RUNS, STATES, OTHERS = 1.0, 30.0, 1.0
"""Assumed for each hour: runs, changes of the state, and each of whatever else the configuration does not tell."""

NAME_KEYS = {"factory", "line", "id"}
"""Keys of a line that say which line it is."""
ADDRESS_KEYS = {"source", "node", "topic", "device", "metric"}
"""Keys of an input that say where it comes from."""
CONDITION_KEYS = {"expr", "when"}
"""Keys whose text is not sent to Oden but decides what the line does."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `check`."""
    parser = commands.add_parser(
        "check",
        help="check the configuration and say what the gateway will do",
        description="Check the configuration and say in plain words what the gateway will do with it.\n"
        "Connects to no source and not to Oden, unless --live is given; asks a gateway that runs how late messages "
        "came.\nExit code 0: right; 2: wrong, each problem as file:line:column "
        "on\nstandard error. What may be wrong is a warning, at its place as well.",
        epilog="examples:\n  oden-gateway check -c /etc/oden-gateway/gateway.yaml\n"
        "  oden-gateway check -c gateway.yaml --live",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 if there are warnings as well, as for pipelines"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument(
        "--expanded",
        action="store_true",
        help="print the configuration as if all of it stood in one file, with templates, tables and the environment "
        "worked in",
    )
    check_live.add_options(parser)
    parser.set_defaults(call=check)


def check(arguments: argparse.Namespace) -> int:
    """Print what is wrong (exit code 2) or what the gateway will do (0)."""
    try:
        loaded, plans = read_config(arguments.config, os.environ)
    except ConfigError as error:
        return _refuse(error.diagnostics, error.warnings, as_json=arguments.json)
    if arguments.strict and loaded.warnings:
        return _refuse((), loaded.warnings, as_json=arguments.json)
    if not arguments.json:
        _print_warnings(loaded.warnings)
    if arguments.live:
        configure_logging(Log(level="error"))
        budget = check_live.Budget(" ".join(_budget(loaded)), list(_beyond_budget(loaded)))
        return check_live.check_live(loaded, plans, arguments.config, arguments.seconds, budget, as_json=arguments.json)
    if arguments.expanded:
        expanded = loaded.expanded()
        print(json.dumps(expanded) if arguments.json else yaml_text(expanded).rstrip("\n"))
        return 0
    lateness = check_lateness.seen(loaded.config.outbox.directory, plans)
    if arguments.json:
        print(json.dumps(_as_json(loaded, plans, lateness)))
    else:
        late = [] if lateness is None else ["", *check_lateness.sentences(lateness, plans)]
        print("\n".join([f"{arguments.config} is right.", *_connections(loaded), *_lines(loaded, plans), *late]))
    return 0


def _refuse(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic], *, as_json: bool) -> int:
    """Say what is wrong and what may be; the exit code."""
    if as_json:
        print(json.dumps({"ok": False, "problems": _written(problems), "warnings": _written(warnings)}))
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        _print_warnings(warnings)
    return 2


def _written(diagnostics: Sequence[Diagnostic]) -> list[dict[str, str]]:
    return [asdict(diagnostic) for diagnostic in diagnostics]


def _print_warnings(warnings: Sequence[Diagnostic]) -> None:
    for warning in warnings:
        print(f"{warning.where}: warning: {warning.text}", file=sys.stderr)


def _as_json(loaded: Loaded, plans: Sequence[LinePlan], lateness: check_lateness.Seen | None) -> dict[str, object]:
    config = loaded.config
    lines = [
        {
            "factory": line.factory,
            "line": line.line,
            "does": [*chain(*summary(line, plan.held).values())],
            "requests_an_hour": asdict(hourly_requests(line, config.outbox.merge_span)),
            "lateness": lateness.as_json(plan.key) if lateness is not None else None,
        }
        for line, plan in zip(config.lines, plans, strict=True)
    ]
    warnings = _written(loaded.warnings)
    return {
        "ok": True,
        "problems": [],
        "warnings": warnings,
        "lines": lines,
        "requests_an_hour": config.oden.rate * HOUR,
    }


def _connections(loaded: Loaded) -> Iterator[str]:
    config = loaded.config
    yield f"Sends to Oden at {config.oden.shown_url}; keeps in {config.outbox.directory} what is not there yet."
    for name, source in config.sources.items():
        used = sum(given.source == name for line in config.lines for given in line.inputs.values())
        kind = "OPC UA server" if source.type == "opcua" else "MQTT broker"
        uses = f"{used} inputs" if used else "which no input uses"
        yield f"Source {name}: {kind} {shown_address(source.url)}, {uses}."
        if isinstance(source, MqttConfig):
            yield _queue(source.broker_queue)
    for name, table in loaded.lookups.items():
        if table.learned is not None:
            keep = f"the newest {table.learned.keep} rows are kept"
            yield f"Table {name}: each line learns it from the messages of its {table.learned.input}; {keep}."
            continue
        yield f"Table {name}: {len(table.rows)} rows of {config.tables[name].file}, read again when the file changes."


def _queue(stated: int | None) -> str:
    """For how long a broker keeps everything while the gateway is away."""
    if stated is None:
        text = "How many messages the broker keeps while the gateway is away is not stated (`broker_queue`)"
        return f"  {text}; mosquitto keeps 1,000 unless told and drops later ones: {span(1000)} at one a second."
    return (
        f"  The broker keeps {stated:,} messages while the gateway is away: {span(stated)} at one a second, "
        f"{span(stated * 60)} at one a minute. The page says how long that is at the rate that comes."
    )


def _lines(loaded: Loaded, plans: Sequence[LinePlan]) -> Iterator[str]:
    config = loaded.config
    requests = [hourly_requests(line, config.outbox.merge_span) for line in config.lines]
    yield from _budget(loaded)
    groups: dict[tuple[str, HourlyRequests, tuple[tuple[Loc, float], ...]], list[Line]] = {}
    for line, plan, needed, trees in zip(config.lines, plans, requests, loaded.line_trees(), strict=True):
        groups.setdefault((behaviour_key(*trees), needed, (*plan.held.items(),)), []).append(line)
    for (_, needed, held), lines in groups.items():
        yield f"\n{_line_names(lines)}:"
        if len(lines) > 1:
            yield (
                f"  {len(lines)} lines alike, but for addresses and texts that are filled in: below they are those of "
                f"{lines[0].line}."
            )
        for heading, sentences in summary(lines[0], dict(held)).items():
            yield f"  {heading}"
            yield from (f"    {sentence}" for sentence in sentences)
        each = " for each of them" if len(lines) > 1 else ""
        yield "  Requests"
        yield f"    About {number(needed.sent)} an hour{each}; {number(needed.least)} suffice when they have to."


def _line_names(lines: Collection[Line]) -> str:
    """`Line 01 and Line 02 of Factory A; Line 01 of Factory B`."""
    by_factory = groupby(lines, attrgetter("factory"))
    return "; ".join(f"{listed(line.line for line in group)} of {factory}" for factory, group in by_factory)


# Which lines do the same


def behaviour_key(expanded: Tree, unsubstituted: Tree) -> str:
    """A text that is equal for lines that do the same.

    It has all of the line's configuration but its names, the addresses of its inputs, and the parameters in texts that
    are only sent to Oden. `expanded` is the line written out, `unsubstituted` the same with texts as its template has
    them.
    """
    inputs = expanded.get("inputs") if isinstance(expanded, dict) else None
    return json.dumps(_shared(expanded, unsubstituted, (), inputs if isinstance(inputs, dict) else ()))


def _shared(expanded: Tree, unsubstituted: Tree, loc: Loc, inputs: Collection[Key]) -> Tree:
    if isinstance(expanded, dict) and isinstance(unsubstituted, dict):
        return {key: _shared(item, unsubstituted[key], (*loc, key), inputs) for key, item in expanded.items()}
    if isinstance(expanded, list) and isinstance(unsubstituted, list):
        pairs = zip(expanded, unsubstituted, strict=True)
        return [_shared(*pair, (*loc, index), inputs) for index, pair in enumerate(pairs)]
    match loc:
        case (key,) if key in NAME_KEYS:
            return None
        case ("inputs", _, key) if key in ADDRESS_KEYS:
            return None
    names_input = isinstance(expanded, str) and expanded.split(".")[0] in inputs
    return expanded if names_input or loc[-1] in CONDITION_KEYS else unsubstituted


# How many requests the lines need


@dataclass(frozen=True, slots=True)
class HourlyRequests:
    """Requests in an hour: `sent` while there is room, and `least` when what waits has to be merged."""

    sent: float
    least: float

    def __add__(self, other: "HourlyRequests") -> "HourlyRequests":
        return HourlyRequests(self.sent + other.sent, self.least + other.least)


def request_budget(requests: Sequence[HourlyRequests], rate: float) -> Iterator[str]:
    """Sentences that compare the requests of all lines with `rate`, the requests per second that the token may make."""
    total, allowed = sum(requests, HourlyRequests(0.0, 0.0)), rate * HOUR
    share = f"{100 * total.sent / allowed:.0f} %" if total.sent < 10 * allowed else "many times"
    yield (
        f"Requests: about {number(total.sent)} an hour are expected, {share} of the {number(allowed)} that Oden may be "
        f"sent, with {RUNS:g} run and {STATES:g} changes of the state an hour on a line."
    )
    if total.least > allowed:
        yield (
            f"That is too many: also when all that waits is merged, {number(total.least)} an hour are left. Report "
            "output less often (`every`), use `hold` and `short_stops` for states, or give some lines a token of their "
            "own."
        )
    elif total.sent > allowed:
        yield f"What does not fit waits and is merged: {number(total.least)} an hour suffice then."


def _budget(loaded: Loaded) -> Iterator[str]:
    """What `request_budget` says of all lines."""
    config = loaded.config
    requests = [hourly_requests(line, config.outbox.merge_span) for line in config.lines]
    yield from request_budget(requests, config.oden.rate)


def _beyond_budget(loaded: Loaded) -> Iterator[Finding]:
    """That more requests are expected than Oden may be sent."""
    config = loaded.config
    requests = [hourly_requests(line, config.outbox.merge_span) for line in config.lines]
    total, allowed = sum(requests, HourlyRequests(0.0, 0.0)), config.oden.rate * HOUR
    cure = "report output less often (`every`), use `hold` and `short_stops`, or give some lines a token of their own"
    if total.sent > allowed:
        level: Level = "wrong" if total.least > allowed else "note"
        yield Finding("budget", level, "Oden", " ".join(_budget(loaded)), cure)


def hourly_requests(line: Line, merge_span: float) -> HourlyRequests:
    """The requests that one line is expected to need; `merge_span` in seconds, as `outbox.merge_span`."""
    return sum(_by_section(line, merge_span), HourlyRequests(0.0, 0.0))


def _by_section(line: Line, merge_span: float) -> Iterator[HourlyRequests]:
    if line.run is not None:
        yield _of_intervals(RUNS)
    if line.states is not None:
        yield _of_intervals(STATES)
    if line.batches is not None:
        yield _of_intervals(_batches_an_hour(line))
    for interval in line.intervals:
        yield _of_intervals(OTHERS if interval.calendar is None else _shifts_an_hour(interval.calendar))
    if line.scrap_yield is not None:
        entries, every = line.scrap_yield.entries, line.scrap_yield.every
        for of in ("run", "batch"):
            count = _requests_for([entry for entry in entries if entry.of == of])
            yield HourlyRequests(count * HOUR / every, count * min(HOUR / every, HOUR / merge_span))
    for rule in line.rules:
        # What may exist at Oden already is searched for first.
        requests = 2 * OTHERS if rule.set in CREATED_ONCE else OTHERS
        yield HourlyRequests(requests, requests)


def _of_intervals(intervals: float) -> HourlyRequests:
    """Each interval has a request for its start and one for its end; where these have to wait, they become one."""
    return HourlyRequests(2 * intervals, intervals)


def _batches_an_hour(line: Line) -> float:
    if line.batches is None or line.batches.every is None or line.batches.count is None:
        return OTHERS
    counter = line.inputs[line.batches.count].counter
    if counter is None or counter.max_rate is None:
        return OTHERS
    return counter.max_rate * counter.scale * HOUR / line.batches.every


def _shifts_an_hour(calendar: Calendar) -> float:
    return sum(len(weekdays(shift.days)) for shift in calendar.shifts) / HOURS_A_WEEK


def _requests_for(entries: Sequence[Entry]) -> int:
    """How many requests hold one of each entry. Entries without a common key share one; equal ones are one sum."""
    distinct: list[dict[str, object]] = []
    for entry in entries:
        data: dict[str, object] = dict(entry.raw_data)
        if data not in distinct:
            distinct.append(data)
    requests: list[set[str]] = []
    for data in distinct:
        room = next((keys for keys in requests if not keys & data.keys()), None)
        if room is None:
            requests.append({*data})
        else:
            room.update(data)
    return len(requests)
