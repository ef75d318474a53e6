"""`oden-gateway check --live`: connects to every source, asks Oden, and says what is wrong with its cure."""

import argparse
import asyncio
import json
import secrets
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gateway.cli.phrases import span
from gateway.clock import AnchoredClock
from gateway.config.difference import marks
from gateway.config.loader import Loaded
from gateway.config.schema import Config
from gateway.config.schema_mqtt import MqttConfig
from gateway.control_places import places
from gateway.errors import GatewayError, SourceError
from gateway.live.findings import Finding, Level, not_running, source_findings, unheard
from gateway.live.look import SECONDS, SOURCE_LOOK, LookDifference, LookQuestion, SourceLook, look
from gateway.live.tail import InputReading, Onlookers, Present
from gateway.live.visit import acknowledge, visit, visiting, visitor
from gateway.mapping.compile import LinePlan

if TYPE_CHECKING:
    from gateway.oden.objects import Objects

LONGEST_AROUND = 5.0
"""Seconds for which all topics of a broker are listened to where one is silent."""
LONGEST_VALUE = 60
"""Characters of a value that are shown."""


_LABELS: Mapping[Level, str] = {"wrong": "WRONG", "unheard": "silent", "note": "note"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check` that are about what is live."""
    parser.add_argument(
        "--live",
        action="store_true",
        help="connect to every source and ask Oden what it knows; exit code 1 where something will not work",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help="with --live: how long to wait; default: %(default)g",
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """The requests that are expected beside those that Oden may be sent: in `words`, and what is wrong with them."""

    words: str
    findings: Sequence[Finding]


def check_live(
    loaded: Loaded, plans: Sequence[LinePlan], path: Path, seconds: float, budget: Budget, *, as_json: bool
) -> int:
    """Print what is found, as JSON with the warnings of the file; 1 where something will not work, else 0."""
    looks, findings = asyncio.run(_looked(loaded, plans, path, seconds))
    findings += budget.findings
    wrong = sum(finding.level == "wrong" for finding in findings)
    if as_json:
        sources = [SOURCE_LOOK.dump_python(each, mode="json") for each in looks]
        told = {
            "ok": not wrong,
            "findings": [*map(asdict, findings)],
            "warnings": [*map(asdict, loaded.warnings)],
            "sources": sources,
            "requests": budget.words,
        }
        print(json.dumps(told))
    else:
        print("\n".join(_text(loaded.config, looks, findings, wrong, budget, AnchoredClock().now())))
    return 1 if wrong else 0


async def _looked(
    loaded: Loaded, plans: Sequence[LinePlan], path: Path, seconds: float
) -> tuple[list[SourceLook], list[Finding]]:
    from gateway.cli.call import oden_of  # noqa: PLC0415 - its libraries cost every other command 0.3 s
    from gateway.live.oden_look import ask_oden  # noqa: PLC0415

    clock = AnchoredClock()
    oden: Objects = oden_of(loaded, path)
    option = f" -c {shlex.quote(str(path))}"
    asking = asyncio.create_task(ask_oden(oden, loaded.config, clock.now(), option))
    looks, differs = await _looks(loaded, plans, clock, seconds)
    around = await _around(loaded.config, looks, clock, seconds)
    findings = [
        finding
        for each in looks
        for finding in source_findings(each, loaded.config, seconds, option, clock.now(), around.get(each.name))
    ]
    return looks, [*findings, *await asking, *not_running(differs)]


async def _around(
    config: Config, looks: Sequence[SourceLook], clock: AnchoredClock, seconds: float
) -> dict[str, Collection[str]]:
    """By broker at which a topic is silent, the topics that are heard there when all are listened to; without those
    that do not let anybody."""
    from gateway.sources.mqtt_topics import EVERYTHING, listen  # noqa: PLC0415 - as above

    async def listened(section: MqttConfig) -> Collection[str] | None:
        try:
            heard = await listen(visitor(section), clock, [EVERYTHING], min(seconds, LONGEST_AROUND))
        except SourceError:
            return None
        return None if heard.refused else heard.topics

    sections = {each.name: config.sources[each.name] for each in looks if unheard(each, config)}
    brokers = {name: section for name, section in sections.items() if isinstance(section, MqttConfig)}
    told = await asyncio.gather(*map(listened, brokers.values()))
    return {name: topics for name, topics in zip(brokers, told, strict=True) if topics is not None}


async def _looks(
    loaded: Loaded, plans: Sequence[LinePlan], clock: AnchoredClock, seconds: float
) -> tuple[list[SourceLook], LookDifference | None]:
    """The sources, in the order of the file: as the running gateway sees them, as far as it runs by what the file says
    of them; the others, or all where none runs, as seen from here. And how the file differs from what runs."""
    from gateway import control  # noqa: PLC0415 - as above

    directory = await asyncio.to_thread(loaded.config.outbox.directory.absolute)
    salt = secrets.token_hex(16)
    question = LookQuestion(
        seconds=seconds, salt=salt, marks=marks(loaded.config, loaded.lookups, loaded.schemas, salt)
    )
    answer = control.ask(directory, places(directory), "look", question.model_dump(mode="json"))

    async def seen() -> list[SourceLook]:
        return [SOURCE_LOOK.validate_python(item["look"]) async for item in answer]

    async with aclosing(answer):
        try:
            first: dict[str, object] = await anext(answer, {})
            differs = LookDifference.model_validate(first.get("differs"))
        except control.NoGateway:
            return await _visited(loaded.config, loaded.config.sources, plans, clock, seconds), None
        except ValidationError:
            raise GatewayError(
                "the running gateway does not say by which configuration it goes: it is of another version; restart it"
            ) from None
        others = {*differs.sources.new, *differs.sources.changed}
        both = await asyncio.gather(seen(), _visited(loaded.config, others, plans, clock, seconds))
    of = {each.name: each for looks in both for each in looks}
    return [of[name] for name in loaded.config.sources], differs


async def _visited(
    given: Config, names: Collection[str], plans: Sequence[LinePlan], clock: AnchoredClock, seconds: float
) -> list[SourceLook]:
    """The sources of these names as seen from here, by clients of their own."""
    from gateway.children import make_sources  # noqa: PLC0415 - as above

    if not names:
        return []
    config = visiting(given)
    made = make_sources(config, plans, clock, clean=True)
    sources = {name: source for name, source in made.items() if name in names}
    stop = asyncio.Event()
    onlookers = Onlookers(acknowledge)
    visiting_them = asyncio.create_task(visit(sources.values(), onlookers.take, clock, stop, None))
    try:
        return await look(Present(config, plans, sources, onlookers), clock, seconds)
    finally:
        stop.set()
        await visiting_them


def _text(
    config: Config, looks: Sequence[SourceLook], findings: Sequence[Finding], wrong: int, budget: Budget, now: float
) -> Iterator[str]:
    inputs = [(f"{line.factory}/{line.line}", name) for line in config.lines for name in line.inputs]
    places = {each: place for place, each in enumerate(inputs)}
    for each in looks:
        clock = f", its clock {each.clock_ahead:+.1f} s" if each.clock_ahead is not None else ""
        seen = ", as the running gateway sees it" if each.by_gateway else ""
        yield f"{each.name}: {each.url} ({each.protection}): {each.detail}{clock}{seen}"
        if each.granted:
            yield f"  granted: {', '.join(_granted(each))}"
        for reading in sorted(each.readings, key=lambda reading: places.get((reading.line, reading.input), 0)):
            yield f"  {_input(reading, each, now)}"
    if not budget.findings:  # which say the same
        yield budget.words
    for finding in findings:
        yield ""
        yield f"{_LABELS[finding.level]}  {finding.about}: {finding.text}"
        yield f"       {finding.cure}"
    yield ""
    silent = sum(finding.level == "unheard" for finding in findings)
    things, were = "thing" if wrong == 1 else "things", "was" if silent == 1 else "were"
    yield (
        f"{wrong} {things} will not work, {silent} {were} not heard, {len(findings) - wrong - silent} to know."
        if findings
        else "All sources and Oden are as they should be."
    )


_GRANTED: Mapping[str, str] = {
    "publishing_interval": "told every {} s",
    "sampling": "looked at every {} s",
    "queue": "{} values of a tag kept",
    "session": "the session kept for {} s",
    "keepalive": "a sign of life every {} s",
}


def _granted(look: SourceLook) -> Iterator[str]:
    """What the server has made of what was asked of it."""
    for name, (least, most) in look.granted.items():
        if name in _GRANTED:
            yield _GRANTED[name].format(f"{least:g}" if least == most else f"{least:g} to {most:g}")


def _input(reading: InputReading, look: SourceLook, now: float) -> str:
    value = json.dumps(reading.value, ensure_ascii=False)
    if len(value) > LONGEST_VALUE:
        value = f"{value[:LONGEST_VALUE]}…"
    unit = look.units.get(reading.address)
    kind = look.types.get(reading.address)
    parts = [
        *([kind] if kind else []),
        reading.quality,
        f"{span(max(0.0, round(now - (reading.at or reading.received))))} old",
    ]
    return f"{reading.line} {reading.input} = {value}{f' {unit}' if unit else ''} ({', '.join(parts)})"
