"""`oden-gateway explain`: which samples, and which rule at which line of the configuration, made a record."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.cli.replay import lines_named, print_coverage, wording
from gateway.cli.startup import add_config_option, read_config
from gateway.config.loader import Loaded
from gateway.config.schema_walk import Loc
from gateway.control_places import places
from gateway.errors import GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.provenance import Provenance, SampleExcerpt, provenance_adapter
from gateway.oden.exchange import iso
from gateway.outbox.control_handlers import QUESTION, Question
from gateway.outbox.listing import Filter
from gateway.sources import recording
from gateway.trial.control_handlers import COMMAND, EXPLAIN_QUESTION, ExplainQuestion
from gateway.trial.play import RequestPreview, play, preview, previews

WHERE = {
    "waiting": "it waits to be sent",
    "sending": "it is being sent",
    "again": "it is to be sent again",
    "doubt": "Oden may have it, which is looked up",
    "parked": "it waits for its interval to be known at Oden",
    "dead": "Oden has refused it: `oden-gateway outbox show {key}`",
    "unsettled": "it may be at Oden, which could not be looked up: `oden-gateway outbox show {key}`",
}
GONE = (
    "it is not in the outbox: Oden has it, or what it says was merged into a record that waited, and is sent with that"
)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `explain`."""
    explain = commands.add_parser(
        "explain",
        help="say which samples and which part of the configuration made a record",
        description="Says from which samples, by which rule and by which line of the configuration a record was "
        "made: one of the last of each\n"
        "line, of which the running gateway is asked, or one of a recording. `oden-gateway outbox list` shows the "
        "keys of what waits.",
        epilog="example:\n"
        '  oden-gateway explain --last "Line 01"\n'
        '  oden-gateway explain -c gateway.yaml --recording monday.jsonl --last "Line 01"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(explain)
    explain.add_argument("record", nargs="?", metavar="KEY", help="the record's key, or its beginning")
    explain.add_argument("--last", metavar="LINE", help="the newest record of this line")
    explain.add_argument("--recording", type=Path, metavar="FILE", help="of a recording, not of the running gateway")
    explain.set_defaults(call=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    if (arguments.record is None) == (arguments.last is None):
        print("oden-gateway explain: give the KEY of a record, or --last LINE", file=sys.stderr)
        return 2
    loaded, plans = read_config(arguments.config, os.environ, though_absent=True)
    lines = [plan.key for plan in lines_named(plans, arguments.last)] if arguments.last is not None else []
    key = arguments.record.upper() if arguments.record is not None else ""
    if arguments.recording is not None:
        request = _from_recording(arguments.recording, loaded, plans, lines, key)
        print("\n".join(_explanation(request, loaded, plans)))
    else:
        print("\n".join(_from_gateway(loaded, plans, lines, key)))
    return 0


def _from_recording(
    file: Path, loaded: Loaded, plans: Sequence[LinePlan], lines: Sequence[str], key: str
) -> RequestPreview:
    """The last request of a recording whose record's key begins with `key` or, without a key, that is of `lines`."""
    playback = play(plans, recording.read(file))
    print_coverage(playback.coverage, plans)
    requests = previews(playback.causes, plans, wording(loaded))
    records = ((request, request.cause.record) for request in requests)
    matches = [request for request, record in records if (record.key.startswith(key) if key else record.line in lines)]
    if not matches:
        raise GatewayError("the recording makes no such record; `oden-gateway replay --json` lists all with their keys")
    return matches[-1]


def _from_gateway(loaded: Loaded, plans: Sequence[LinePlan], lines: Sequence[str], key: str) -> Iterator[str]:
    """What the running gateway remembers of a record, and where that record is now."""
    questions = [ExplainQuestion(key=key)] if key else [ExplainQuestion(line=line) for line in lines]
    causes = [
        provenance_adapter().validate_python(item["cause"])
        for question in questions
        for item in _ask(loaded, COMMAND, EXPLAIN_QUESTION.dump_python(question))
    ]
    if not causes:
        wanted = f"no record whose key begins with {key}" if key else "no record of this line"
        raise GatewayError(
            f"the running gateway remembers {wanted}: it knows what made the last records of each line since it was "
            "started. `oden-gateway record` and `explain --recording` go further back."
        )
    cause = max(causes, key=lambda cause: cause.record.at)
    plan = next((plan for plan in plans if plan.key == cause.record.line), None)
    if plan is None:
        raise GatewayError(f"the configuration has no line {cause.record.line}: is it that of the running gateway?")
    request = preview(cause, plan, f"<{cause.record.interval}>", wording(loaded))
    yield from _explanation(request, loaded, plans)
    listing = QUESTION.dump_python(Question(Filter(keys=frozenset({cause.record.key}))), mode="json")
    records = [item["record"] for item in _ask(loaded, "list", listing) if isinstance(item.get("record"), dict)]
    where = str(records[0]["where"]) if records else ""  # type: ignore[index] # it is a dict
    yield f"  now      {WHERE.get(where, GONE).format(key=cause.record.key)}"


def _ask(loaded: Loaded, command: str, question: object) -> list[dict[str, object]]:
    """The answer of the running gateway."""
    from gateway import control  # noqa: PLC0415 - its libraries cost 0.3 s, also where a recording is explained

    directory = loaded.config.outbox.directory.absolute()

    async def ask() -> list[dict[str, object]]:
        return [item async for item in control.ask(directory, places(directory), command, question)]

    try:
        return asyncio.run(ask())
    except control.NoGateway as error:
        raise GatewayError(f"{error}; of a recording, `--recording FILE` says the same") from None


def _explanation(request: RequestPreview, loaded: Loaded, plans: Sequence[LinePlan]) -> Iterator[str]:
    cause = request.cause
    record, event = cause.record, cause.event
    line = [plan.key for plan in plans].index(record.line)
    yield str(request)
    yield f"  record   {record.key}, line {record.line}"
    yield f"  rule     {_rule(cause, loaded, plans[line], ('lines', line, cause.section))}"
    made_by = _seen(event) if event is not None else "time passing: a wait or a window was over"
    yield f"  cause    {made_by}{', behind which are' if cause.behind else ''}"
    yield from (f"           {_seen(sample)}" for sample in cause.behind)
    if cause.because:
        yield f"  because  {cause.because}"
    yield "  inputs"
    for name, seen in cause.inputs.items():
        where = loaded.where(("lines", line, "inputs", name))
        since = f", since {_exact(seen.at)}" if seen.at else ", which has not come yet"
        yield f"    {name} = {seen.value}{_unit(loaded, line, name)}{since}, {where}"


def _rule(cause: Provenance, loaded: Loaded, plan: LinePlan, section: Loc) -> str:
    """The section at `section` that made the record or, where that is a list, the item of it; with its position."""
    item = cause.item(plan)
    if item is None:
        return f"{cause.section}, {loaded.where(section)}"
    index, kind = item
    return f"{cause.section}, {kind}, {loaded.where((*section, index))}"


def _seen(sample: SampleExcerpt) -> str:
    """The sample with where it came from and when, and its own time where that is another."""
    time = sample.source_time
    own = f", its own time {_exact(time)}" if time is not None and time != sample.received else ""
    return f"{sample.source} {sample.address} = {sample.value} at {_exact(sample.received)}{own}"


def _unit(loaded: Loaded, line: int, name: str) -> str:
    """What each count of the input `name` stands for, where the configuration says it."""
    given = loaded.config.lines[line].inputs.get(name)
    counter = given.counter if given is not None else None
    return f", each {counter.scale:g} {counter.unit}" if counter is not None and counter.unit is not None else ""


def _exact(seconds: float) -> str:
    return f"{iso(int(seconds))[:-1]}.{int(seconds % 1 * 1000):03}Z"
