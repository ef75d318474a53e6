"""Cases next to the configuration: `given` samples, `expect` requests. They are read, played, and compared; pure but for reading.

A file holds one case or a list of them:

    name: an order change closes the run
    line: Line 01
    given:
      - {at: 0s, set: {state: 1, good: 100}}
      - {at: 5s, topic: plant-a/L01/events/order, message: {number: "4711", sku: FILM}}
      - {at: 70s}
    expect:
      - interval/set: {type: {name: RUN}, name: "4711"}

`gone` names a source of tags, or a device, that cannot be reached; `set` with `initial: true` brings it back. `set` gives inputs that are tags or metrics of devices their values, by name; a message goes to its topic. `expect` lists all requests in order;
of each body only what is written must be the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from gateway.config.beside import read_beside, wrong
from gateway.config.device import SPARKPLUG
from gateway.config.document import Node
from gateway.config.shape import Loc
from gateway.config.units import Duration
from gateway.errors import ConfigError, Fault, Problem
from gateway.mapping.compile import LinePlan
from gateway.model import Notice, Quality, Sample
from gateway.oden.requests import Wording
from gateway.trial.play import Shown, play, requests

BEGIN = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""When cases begin that do not say it: a Monday."""


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(value) if isinstance(value, str) else None
    if time is None or time.tzinfo is None:
        raise ValueError("write a time with its zone, such as 2026-01-05T06:00:00Z")
    return time


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Given(_Part):
    """What happens `at` a time after the beginning: tags and metrics change, a message arrives, a source or device is gone, or nothing but
    time passes."""

    at: Duration
    set: dict[str, Any] = Field(default_factory=dict)
    gone: str | None = None
    topic: str | None = None
    message: Any = None
    source: str | None = None
    quality: Quality = "good"
    retained: bool = False
    initial: bool = False


class Case(_Part):
    """One case as it is written."""

    name: str | None = None
    line: str | None = None
    begin: Annotated[datetime, BeforeValidator(_time)] = BEGIN
    given: list[Given] = Field(min_length=1)
    expect: list[dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case: `differences` are lines for a person, none where all is as expected; `notices` say what could not be used."""

    name: str
    where: str
    differences: tuple[str, ...]
    notices: tuple[Notice, ...] = ()


_CASES: TypeAdapter[list[Case]] = TypeAdapter(Annotated[list[Case], BeforeValidator(_several)])


def judged(path: Path, plans: Sequence[LinePlan], wording: Wording) -> Iterator[Verdict]:
    """Play each case of the file. Raises ConfigError, with positions, where the file is not one of cases."""
    cases, root = read_beside(path, _CASES)
    nodes = root.value if isinstance(root.value, list) else [root]
    for number, (case, node) in enumerate(zip(cases, nodes, strict=True)):
        where = f"{path}:{node.place.line}"
        plan = _plan(case, plans, where)
        samples = [one for at, given in enumerate(case.given) for one in _samples(case, given, plan, path, node, at)]
        played = play([plan], samples)
        differences = tuple(_differences(case.expect, list(requests(played.made, [plan], wording))))
        yield Verdict(case.name or f"case {number + 1}", where, differences, tuple(played.notices))


def _plan(case: Case, plans: Sequence[LinePlan], where: str) -> LinePlan:
    fits = [plan for plan in plans if case.line in (None, plan.line, plan.key, plan.id)]
    if len(fits) != 1:
        names = ", ".join(plan.key for plan in plans)
        raise ConfigError([Problem(where, f"write which line the case is about, as 'line: NAME'; there are: {names}")])
    return fits[0]


def _samples(case: Case, given: Given, plan: LinePlan, path: Path, node: Node, number: int) -> Iterator[Sample | float]:
    at = case.begin.timestamp() + given.at
    how: dict[str, Any] = {"quality": given.quality, "retained": given.retained, "initial": given.initial}
    loc = ("given", number)
    yield from _lost(given.gone, plan, at, path, node, (*loc, "gone"))
    devices: dict[tuple[str, str], dict[str, Any]] = {}
    for name, value in given.set.items():
        known = plan.inputs.get(name)
        if known is None or (known.field and not known.metric):
            names = ", ".join(one for one, has in plan.inputs.items() if has.metric or not has.field)
            why = "is a field of a message: give 'topic' and 'message'" if known else f"is no input; there are: {names}"
            raise wrong(path, node, [Fault((*loc, "set", name), f"{name} {why}")])
        if known.metric:
            devices.setdefault((known.source, known.address), {})[known.field[0]] = value
        else:
            sample = Sample(known.source, known.address, value, at, **how)
            if not known.accepts(sample):
                text = f"{name} does not take this message: 'only' says which it takes"
                raise wrong(path, node, [Fault((*loc, "set", name), text)])
            yield sample
    for (device_source, address), values in devices.items():
        yield Sample(device_source, address, values, at, **how)
    if given.topic is not None:
        sources = {source for source, address in plan.subscriptions if address == given.topic}
        source = given.source or next(iter(sources), None)
        if source is None or source not in sources:
            topics = ", ".join(sorted({address for _, address in plan.subscriptions}))
            raise wrong(path, node, [Fault((*loc, "topic"), f"no input has this topic; there are: {topics}")])
        yield Sample(source, given.topic, given.message, at, **how)
    yield at


def _lost(gone: str | None, plan: LinePlan, at: float, path: Path, node: Node, loc: Loc) -> Iterator[Sample]:
    """What a source says when the tags of `gone`, a source or a device, cannot be read any more."""
    if gone is None:
        return
    tags = [one for one in plan.inputs.values() if one.source and not one.message]
    lost = [one for one in tags if gone in (one.source, one.address.removeprefix(f"{SPARKPLUG}/"))]
    if not lost:
        names = dict.fromkeys(
            name for one in tags for name in (one.source, one.address) if one.metric or name == one.source
        )
        there = ", ".join(name.removeprefix(f"{SPARKPLUG}/") for name in names) or "none"
        raise wrong(path, node, [Fault(loc, f"no tags come from {gone}; sources and devices of tags: {there}")])
    for source, address in dict.fromkeys((one.source, one.address) for one in lost):
        names = {one.field[0]: None for one in lost if one.address == address and one.metric}
        yield Sample(source, address, names or None, at, quality="bad")


def _differences(expected: Sequence[Mapping[str, Mapping[str, Any]]], got: Sequence[Shown]) -> Iterator[str]:
    wanted = [(path, body) for one in expected for path, body in one.items()]
    for number in range(max(len(wanted), len(got))):
        want = wanted[number] if number < len(wanted) else None
        have = got[number] if number < len(got) else None
        if want is None:
            yield f"request {number + 1} is not expected: {have}"
        elif have is None:
            yield f"request {number + 1} is missing: {want[0]} {dict(want[1])}"
        elif want[0] != have.path:
            yield f"request {number + 1} is {have}, expected was {want[0]}"
        else:
            for where, wish, is_ in _unlike(want[1], have.body, ""):
                yield f"request {number + 1}, {have.path}: {where} is {is_!r}, expected was {wish!r}"


_NONE = "nothing"


def _unlike(want: object, have: object, where: str) -> Iterator[tuple[str, object, object]]:
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for name, value in want.items():
            yield from _unlike(value, have.get(name, _NONE), f"{where}.{name}".lstrip("."))
    elif want != have or isinstance(want, bool) != isinstance(have, bool):
        yield where, want, have
