"""`oden-gateway explain`: from a record back to the samples, the rule and the line of the configuration that made it."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.cli.check import DEFAULT_CONFIG, read_config
from gateway.cli.replay import lines_named, wording
from gateway.config.loader import Loaded
from gateway.config.shape import Loc
from gateway.errors import GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.provenance import PROVENANCE, Provenance
from gateway.oden.requests import iso
from gateway.outbox.control_handlers import QUESTION, Question
from gateway.outbox.listing import Filter
from gateway.sources import recording
from gateway.trial import asked
from gateway.trial.play import Shown, play, requests, shown

WHERE = {
    "waiting": "it waits to be sent",
    "sending": "it is being sent",
    "again": "it is to be sent again",
    "doubt": "Oden may have it, which is looked up",
    "parked": "it waits for its interval to be known at Oden",
    "dead": "Oden has refused it: `oden-gateway outbox show {key}`",
}
GONE = (
    "it is not in the outbox: Oden has it, or what it says was merged into a record that waited, and is sent with that"
)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `explain`."""
    explain = commands.add_parser(
        "explain",
        help="say which samples and which part of the configuration made a record",
        description="Says from which samples, by which rule and by which line of the configuration a record was made: one of the last of each\n"
        "line, of which the running gateway is asked, or one of a recording. `oden-gateway outbox list` shows the keys of what waits.",
        epilog='example:\n  oden-gateway explain --last "Line 01"\n'
        '  oden-gateway explain -c gateway.yaml --recording monday.jsonl --last "Line 01"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("-c", "--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    explain.add_argument("record", nargs="?", metavar="KEY", help="the record's key, or its beginning")
    explain.add_argument("--last", metavar="LINE", help="the newest record of this line")
    explain.add_argument("--recording", type=Path, metavar="FILE", help="of a recording, not of the running gateway")
    explain.set_defaults(call=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    if (arguments.record is None) == (arguments.last is None):
        print("oden-gateway explain: give the KEY of a record, or --last LINE", file=sys.stderr)
        return 2
    loaded, plans = read_config(arguments.config, os.environ)
    wanted = [plan.key for plan in lines_named(plans, arguments.last)] if arguments.last is not None else []
    key = arguments.record.upper() if arguments.record is not None else ""
    if arguments.recording is not None:
        print("\n".join(_reasons(_recorded(arguments.recording, loaded, plans, wanted, key), loaded, plans)))
    else:
        print("\n".join(_lately(loaded, plans, wanted, key)))
    return 0


def _recorded(file: Path, loaded: Loaded, plans: Sequence[LinePlan], wanted: Sequence[str], key: str) -> Shown:
    made = requests(play(plans, recording.read(file)).made, plans, wording(loaded))
    fits = [one for one in made if (one.made.record.key.startswith(key) if key else one.made.record.line in wanted)]
    if not fits:
        raise GatewayError("the recording makes no such record; `oden-gateway replay --json` lists all with their keys")
    return fits[-1]


def _lately(loaded: Loaded, plans: Sequence[LinePlan], wanted: Sequence[str], key: str) -> Iterator[str]:
    """What the running gateway remembers of a record, and where that is now."""
    questions = [asked.Asked(key=key)] if key else [asked.Asked(line=line) for line in wanted]
    found = [
        PROVENANCE.validate_python(item["cause"])
        for one in questions
        for item in _answered(loaded, asked.COMMAND, asked.ASKED.dump_python(one))
    ]
    if not found:
        what = f"no record whose key begins with {key}" if key else "no record of this line"
        raise GatewayError(
            f"the running gateway remembers {what}: it knows what made the last records of each line since it was started. "
            "`oden-gateway record` and `explain --recording` go further back."
        )
    cause = max(found, key=lambda one: one.record.at)
    plan = next((plan for plan in plans if plan.key == cause.record.line), None)
    if plan is None:
        raise GatewayError(f"the configuration has no line {cause.record.line}: is it that of the running gateway?")
    yield from _reasons(shown(cause, plan, f"<{cause.record.interval}>", wording(loaded)), loaded, plans)
    question = QUESTION.dump_python(Question(Filter(keys=frozenset({cause.record.key}))), mode="json")
    listed = [item["record"] for item in _answered(loaded, "list", question) if isinstance(item.get("record"), dict)]
    where = str(listed[0]["where"]) if listed else ""  # type: ignore[index] # it is a dict
    yield f"  now      {WHERE.get(where, GONE).format(key=cause.record.key)}"


def _answered(loaded: Loaded, command: str, question: object) -> list[dict[str, object]]:
    """The answer of the running gateway."""
    from gateway import control  # noqa: PLC0415 - its libraries cost 0.3 s, also where a recording is explained

    directory = loaded.config.outbox.directory.absolute()

    async def ask() -> list[dict[str, object]]:
        return [item async for item in control.ask(directory, control.places(directory), command, question)]

    try:
        return asyncio.run(ask())
    except control.NoGateway as error:
        raise GatewayError(f"{error}; of a recording, `--recording FILE` says the same") from None


def _reasons(one: Shown, loaded: Loaded, plans: Sequence[LinePlan]) -> Iterator[str]:
    made: Provenance = one.made
    record, event = made.record, made.event
    line = [plan.key for plan in plans].index(record.line)
    yield str(one)
    yield f"  record   {record.key}, line {record.line}"
    yield f"  rule     {_rule(made, loaded, plans[line], ('lines', line, made.section))}"
    if event is None:
        yield "  cause    time passing: a wait or a window was over"
    else:
        when = f", its own time {_exact(event.source_time)}" if event.source_time is not None else ""
        yield f"  cause    {event.source} {event.address} = {event.value} at {_exact(event.received)}{when}"
    yield "  inputs"
    for name, seen in made.inputs.items():
        where = loaded.where(("lines", line, "inputs", name))
        since = f", since {_exact(seen.at)}" if seen.at else ", which has not come yet"
        yield f"    {name} = {seen.value}{_each(loaded, line, name)}{since}, {where}"


def _rule(made: Provenance, loaded: Loaded, plan: LinePlan, section: Loc) -> str:
    """The section at `section` that says so or, where that is a list, the item of it; with its place."""
    item = made.item(plan)
    if item is None:
        return f"{made.section}, {loaded.where(section)}"
    place, kind = item
    return f"{made.section}, {kind}, {loaded.where((*section, place))}"


def _each(loaded: Loaded, line: int, name: str) -> str:
    """What one of a counter stands for, where it is said."""
    given = loaded.config.lines[line].inputs.get(name)
    counter = given.counter if given is not None else None
    return f", each {counter.scale:g} {counter.unit}" if counter is not None and counter.unit is not None else ""


def _exact(seconds: float) -> str:
    return f"{iso(int(seconds))[:-1]}.{int(seconds % 1 * 1000):03}Z"
