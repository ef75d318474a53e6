"""Recordings for the tests: lines as a configuration has them, samples, and what a line makes of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from gateway.config.lookups import read_lookups
from gateway.config.schema import Line, LookupTable
from gateway.config.schema_base import Watched
from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import Event, feed, settled, time_of
from gateway.mapping.line import LineState, Tick, due, dump, load, step
from gateway.mapping.sampled import Watching
from gateway.mapping.trail import Feed
from gateway.model import (
    NO_LOOKUPS,
    Contact,
    Lookups,
    Notice,
    Output,
    Record,
    Sample,
    Setting,
    StartInterval,
    UpdateInterval,
)
from gateway.sources.opcua.decode import decode, plain
from gateway.trial.play import moments

T0 = 1_767_592_800.0
"""2026-01-05T06:00:00Z: what times in the tests count from. A whole hour, so windows begin here."""

PLC: Mapping[str, Mapping[str, Any]] = {
    "state": {"source": "plc", "node": "State"},
    "good": {"source": "plc", "node": "Good", "counter": {"rollover": 65536, "max_rate": "5/s"}},
    "reject": {"source": "plc", "node": "Reject", "counter": {"rollover": 65536, "max_rate": "1/s"}},
    "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    "product": {"source": "mes", "topic": "order", "field": "sku"},
    "scrap": {"source": "mes", "topic": "scrap", "time": "at"},
}
LINE: Mapping[str, Any] = {
    "factory": "Factory A",
    "line": "Line 01",
    "inputs": PLC,
    "run": {
        "key": "order",
        "product": "{product}",
        "name": "{order}",
        "settle": "500ms",
        "end": {"when": "state == 0", "for": "30m"},
    },
    "states": {
        "input": "state",
        "codes": {
            1: {"category": "Uptime"},
            2: {"category": "Planned Downtime", "reason": "Changeover"},
            3: {"category": "Unplanned Downtime", "reason": "Jam"},
        },
        "other": {"category": "Unplanned Downtime", "reason": "PLC code {state}"},
        "hold": "5s",
    },
    "scrap_yield": {
        "every": "60s",
        "entries": [
            {"count": "good", "raw_data": {"yield": "{n}"}},
            {"count": "reject", "raw_data": {"scrap": "{n}", "scrap_code": "Auto reject"}},
            {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "scrap_code": "{scrap.code}"}},
        ],
    },
}
"""The example configuration's line."""

GOLDEN = Path(__file__).parent / "golden"
"""Recordings of whole lines: a configuration, samples, and the records and notices that come of them."""


def golden(folder: Path) -> tuple[LinePlan, list[Sample | Contact | Tick]]:
    """The line and the events of a golden recording."""
    line = Line.model_validate(YAML(typ="safe").load(folder / "line.yaml"))
    events = (folder / "samples.jsonl").read_text().splitlines()
    plan = compile_line(line, (), _tables(folder), watching=_watching(folder))
    return plan, [_event(json.loads(text)) for text in events]


def _watching(folder: Path) -> Watching:
    """How OPC UA sources of a golden recording watch their tags, where it says so."""
    file = folder / "watching.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    return {source: Watched(**watched) for source, watched in given.items()}


def _tables(folder: Path) -> Lookups:
    """The tables of a golden recording, where it has some: `tables` as a configuration has them."""
    file = folder / "tables.yaml"
    if not file.exists():
        return NO_LOOKUPS
    tables = TypeAdapter(dict[str, LookupTable]).validate_python(YAML(typ="safe").load(file), strict=False)
    paths = {name: table.file and folder / table.file for name, table in tables.items()}
    placed = {name: table.model_copy(update={"file": paths[name]}) for name, table in tables.items()}
    return read_lookups(placed, lambda loc: ".".join(map(str, loc)))


def _event(given: dict[str, Any]) -> Sample | Contact | Tick:
    """A line of a golden recording: `{"at", "from", "value"}` and what differs, or a source that is `lost` or `back`;
    times in seconds after T0. With a `status` of OPC UA it is what the source makes of a value with that."""
    at = T0 + given.pop("at")
    if not given:
        return Tick(at)
    if "lost" in given:
        return Contact(given["source"], at, "lost", T0 + given["lost"])
    if "back" in given:
        return Contact(given["source"], at, "back", at)
    source, address = given.pop("from")
    if "source_time" in given:
        given["source_time"] += T0
    value = given.pop("value", None)
    if "status" in given:
        status = ua.StatusCode(getattr(StatusCodes, given.pop("status")))
        decoded = decode(ua.DataValue(ua.Variant(value), status))
        value, given["quality"] = plain(decoded.value), decoded.quality
    return Sample(source, address, value, at, **given)


def plan(**changes: Any) -> LinePlan:
    """The plan of LINE with `changes` to its sections; None takes a section away."""
    return compile_line(Line.model_validate({**LINE, **changes}), ("lines", 0))


def tag(seconds: float, node: str, value: object, **more: Any) -> Sample:
    """A tag's value, seen and true `seconds` after T0; `source` is its own time where it differs."""
    source = T0 + more.pop("source", seconds)
    return Sample("plc", node, value, T0 + seconds, source_time=source, **more)


def message(seconds: float, topic: str, value: object, **more: Any) -> Sample:
    """A message received `seconds` after T0."""
    return Sample("mes", topic, value, T0 + seconds, **more)


def order(seconds: float, number: object, sku: str | None = "FILM", **more: Any) -> Sample:
    """An order's message; `at` is its own time in seconds after T0."""
    at = T0 + more.pop("at", seconds)
    return message(seconds, "order", {"number": number, "sku": sku, "at": at}, **more)


def scrap(seconds: float, qty: object, code: str = "Splice", **more: Any) -> Sample:
    """A scrap event; `at` is its own time in seconds after T0."""
    at = T0 + more.pop("at", seconds)
    return message(seconds, "scrap", {"qty": qty, "code": code, "at": at}, **more)


def lost(seconds: float, source: str, since: float | None = None) -> Contact:
    """A source is found to be lost; it was last heard at `since`, or just then."""
    return Contact(source, T0 + seconds, "lost", T0 + (seconds if since is None else since))


def back(seconds: float, source: str) -> Contact:
    """A source can be reached again."""
    return Contact(source, T0 + seconds, "back", T0 + seconds)


def tick(seconds: float) -> Tick:
    return Tick(T0 + seconds)


@dataclass
class Played:
    """What came out of a recording, and the state at its end."""

    state: LineState
    records: list[Record] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The records as a person reads them, times in seconds after T0."""
        return texts_of(self.records)


def play(
    line: LinePlan, *events: Sample | Contact | Tick, state: LineState | None = None, restarts: bool = False
) -> Played:
    """Step through `events`; with `restarts`, the state goes through its JSON text after each."""
    played = Played(LineState() if state is None else state)
    for event in events:
        result = step(line, played.state, event)
        played.state = load(line, dump(result.state)) if restarts else result.state
        played.records += result.records
        played.notices += result.notices
    return played


def fed(line: LinePlan, *events: Event, ticks: bool = False, state: LineState | None = None) -> Played:
    """What comes of `events` as they come to a line, each by itself: what comes late is put in its place, at the
    latest when no more events come. With `ticks`, time passes before each sample too, as in a running gateway."""
    played = Played(LineState() if state is None else state)
    known = Feed(played.state)

    def take(event: Event | None) -> None:
        nonlocal known
        known, result = at_once(settled(line, known)) if event is None else feed(line, known, event)
        assert known.rests_until(line) in (None, due(line, known.state) or inf), (
            "a step knows when the next timer fires"
        )
        played.records += result.records
        played.notices += result.notices

    for event in moments([line], events):
        if ticks and not isinstance(event, Tick):
            take(Tick(time_of(event)))
        take(event)
    take(None)
    played.state = known.state
    return played


def texts_of(records: Iterable[Record]) -> list[str]:
    """Records as `start RUN 1 at 10: A, FILM`, intervals counted from 1 in the order of their starts."""
    numbers: dict[str, int] = {}
    texts = []
    for record in records:
        if isinstance(record, Setting):
            texts.append(f"set {record.type} {json.dumps(record.fields)}")
            continue
        number = numbers.setdefault(record.interval, len(numbers) + 1)
        match record:
            case StartInterval():
                texts.append(f"start {record.type} {number} at {seconds(record.start)}: {known_of(record)}")
            case UpdateInterval():
                subject = (
                    f"{record.type} {number}"
                    if record.end is None
                    else f"{record.type} {number} at {seconds(record.end)}"
                )
                metadata = known_of(record)
                texts.append(
                    f"{'update' if record.end is None else 'end'} {subject}{': ' if metadata else ''}{metadata}"
                )
            case Output():
                subject = ", ".join(f"{name} {value}" for name, value in record.raw_data.items())
                kind = "output" if record.quality_schema is None else f"test {record.quality_schema}"
                texts.append(f"{kind} of {number} at {seconds(record.timestamp)}: {subject}")
    return texts


def known_of(record: StartInterval | UpdateInterval) -> str:
    """The name and the metadata of an interval; keys that are not known by a name of their own say what they are."""
    named = ("product", "category", "reason")
    metadata = (
        str(value) if key in named and isinstance(value, str) else f"{key} {json.dumps(value)}"
        for key, value in record.metadata.items()
    )
    return ", ".join(filter(None, (record.name, *metadata)))


def seconds(time: int) -> int:
    return time - int(T0)


def next_due(line: LinePlan, state: LineState) -> float | None:
    """When the next timer fires, in seconds after T0."""
    time = due(line, state)
    return None if time is None else time - T0
