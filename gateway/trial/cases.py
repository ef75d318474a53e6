"""Test cases of a configuration: reads `given` samples and `expect`ed requests, plays the samples and compares.

A file holds one case or a list of them:

    name: an order change closes the run
    line: Line 01
    given:
      - {at: 0s, set: {state: 1, good: 100}}
      - {at: 5s, topic: plant-a/L01/events/order, message: {number: "4711", sku: FILM}}
      - {at: 70s}
    expect:
      - interval/set: {type: {name: RUN}, name: "4711"}

`set` gives values to inputs that are tags or metrics of devices, by name, with their own time where `source_time` says
one; a message goes to its topic. `gone` names a source, or a device, that cannot be reached any more; `back` a source
that can be reached again, which is also taken to be so as soon as something comes from it. `expect` lists all requests
in order; of each body only what is written there must be the same, and what is null there must not be. `never` has
requests of which none may come.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gateway.config.addresses import SPARKPLUG
from gateway.config.model_files import config_error, read_model_file
from gateway.config.schema_base import Duration
from gateway.config.schema_messages import Form
from gateway.config.schema_walk import Loc
from gateway.config.tree import Node
from gateway.errors import ConfigError, ConfigFault, Diagnostic, GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import Coverage
from gateway.mapping.inputs import form_of
from gateway.model import Contact, Notice, Quality, Sample
from gateway.oden.requests import Wording
from gateway.rejects import payload_of
from gateway.sources.mqtt_forms import Topics
from gateway.trial.play import RequestPreview, play, previews

BEGIN = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""When a case begins that does not say when: a Monday."""


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(value) if isinstance(value, str) else None
    if time is None or time.tzinfo is None:
        raise ValueError("write a time with its zone, such as 2026-01-05T06:00:00Z")
    return time


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


NotActive = Literal["BadStateNotActive", "Bad_StateNotActive"]
"""The quality of a state machine inside another that does not count at present (OPC UA): it is known to be empty."""


class Given(_Part):
    """What happens at the time `at`, counted from the beginning of the case.

    Tags and metrics change, a message arrives, a source or device cannot be reached any more, a source can be reached
    again, or only time passes. The devices' own time, `source_time`, is counted like `at`.
    """

    at: Duration
    set: dict[str, Any] = Field(default_factory=dict)
    source_time: Duration | None = None
    gone: str | None = None
    back: str | None = None
    topic: str | None = None
    message: Any = None
    source: str | None = None
    quality: Quality | NotActive = "good"
    retained: bool = False
    initial: bool = False

    @model_validator(mode="after")
    def _has_a_quality_of_its_kind(self) -> "Given":
        if self.quality not in ("good", "uncertain", "bad") and self.topic is not None:
            raise ValueError(f"a message has no quality {self.quality}: give it with 'set'")
        return self


class Case(_Part):
    """One case as the file has it."""

    name: str | None = None
    line: str | None = None
    begin: Annotated[datetime, BeforeValidator(_time)] = BEGIN
    given: list[Given] = Field(min_length=1)
    expect: list[dict[str, dict[str, Any]]] | None = None
    never: list[dict[str, dict[str, Any]]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> "Case":
        if self.expect is None and not self.never:
            raise ValueError("write 'expect', the requests that are to come, or 'never', those that are not")
        return self


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The outcome of a case. `differences` are sentences, none where all is as expected.

    `notices` tell which samples could not be used, `came` the requests. `where` is the file and line of the case.
    """

    name: str
    where: str
    differences: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
    came: tuple[RequestPreview, ...] = ()


_CASES: TypeAdapter[list[Case]] = TypeAdapter(Annotated[list[Case], BeforeValidator(_as_list)])


def run_cases(
    path: Path, plans: Sequence[LinePlan], wording: Wording, coverage: Coverage | None = None
) -> Iterator[CaseResult]:
    """Play each case of the file at `path`; `coverage` takes what they have seen. Raises ConfigError, with positions,
    where the file holds no cases."""
    cases, root = read_model_file(path, _CASES)
    nodes = root.value if isinstance(root.value, list) else [root]
    for number, (case, node) in enumerate(zip(cases, nodes, strict=True), 1):
        where = f"{path}:{node.position.line}"
        plan = _plan(case, plans, where)
        playback = play([plan], _Samples(case, plan, node), coverage)
        requests = tuple(previews(playback.causes, [plan], wording))
        differences = () if case.expect is None else tuple(_differences(case.expect, requests))
        differences = (*differences, *_forbidden(case.never, requests))
        yield CaseResult(case.name or f"case {number}", where, differences, tuple(playback.notices), requests)


def _plan(case: Case, plans: Sequence[LinePlan], where: str) -> LinePlan:
    matches = [plan for plan in plans if case.line in (None, plan.line, plan.key, plan.id)]
    if len(matches) != 1:
        names = ", ".join(plan.key for plan in plans)
        text = f"write which line the case is about, as 'line: NAME'; there are: {names}"
        raise ConfigError([Diagnostic(where, text)])
    return matches[0]


class _Samples:
    """The samples, and times, that a case describes for the line of `plan`; `node` is the case with its positions."""

    def __init__(self, case: Case, plan: LinePlan, node: Node) -> None:
        self._case = case
        self._plan = plan
        self._node = node

    def __iter__(self) -> Iterator[Sample | Contact | float]:
        begin = self._case.begin.timestamp()
        for index, given in enumerate(self._case.given):
            at, loc = begin + given.at, ("given", index)
            yield from self._lost(given.gone, at, (*loc, "gone"))
            yield from self._back(given.back, at, (*loc, "back"))
            yield from self._set(given, at, (*loc, "set"))
            if given.topic is not None:
                yield from self._message(given, given.topic, at, (*loc, "topic"))
            yield at

    @property
    def _sources(self) -> dict[str, None]:
        """The names of the line's sources."""
        return dict.fromkeys(source for source, _ in self._plan.subscriptions)

    def _lost(self, gone: str | None, at: float, loc: Loc) -> Iterator[Sample | Contact]:
        """What comes when `gone`, a source or a device, cannot be reached any more: its tags cannot be read either."""
        if gone is None:
            return
        tags = [tag for tag in self._plan.inputs.values() if tag.source and not tag.message]
        lost = [tag for tag in tags if gone in (tag.source, tag.address.removeprefix(f"{SPARKPLUG}/"))]
        if gone in self._sources:
            yield Contact(gone, at, "lost", at)
        elif not lost:
            devices = dict.fromkeys(tag.address.removeprefix(f"{SPARKPLUG}/") for tag in tags if tag.metric)
            of_tags = dict.fromkeys(tag.source for tag in tags)
            known = ", ".join((*of_tags, *devices)) or "none"
            others = ", ".join(source for source in self._sources if source not in of_tags)
            text = f"no tags come from {gone}; sources and devices of tags: {known}"
            raise self._error(loc, f"{text}; sources of messages: {others}" if others else text)
        for source, address in dict.fromkeys((tag.source, tag.address) for tag in lost):
            metrics = {tag.metric: None for tag in lost if tag.address == address and tag.metric}
            yield Sample(source, address, metrics or None, at, quality="bad")

    def _back(self, back: str | None, at: float, loc: Loc) -> Iterator[Contact]:
        """What comes when the source `back` can be reached again."""
        if back is None:
            return
        if back not in self._sources:
            raise self._error(loc, f"nothing comes from {back}; sources: {', '.join(self._sources)}")
        yield Contact(back, at, "back", at)

    def _set(self, given: Given, at: float, loc: Loc) -> Iterator[Sample]:
        devices: dict[tuple[str, str], dict[str, Any]] = {}
        for name, written in given.set.items():
            value = _NO_NUMBERS.get(written, written) if isinstance(written, str) else written
            known = self._plan.inputs.get(name)
            if known is None or (known.field and not known.metric):
                names = ", ".join(name for name, tag in self._plan.inputs.items() if tag.metric or not tag.field)
                why = "is a field of a message: give 'topic' and 'message'"
                raise self._error((*loc, name), f"{name} {why if known else f'is no input; there are: {names}'}")
            if known.metric:
                devices.setdefault((known.source, known.address), {})[known.metric] = value
                continue
            sample = _sample(given, known.source, known.address, value, at)
            if not known.accepts(sample):
                raise self._error((*loc, name), f"{name} does not take this message: 'only' says which it takes")
            yield sample
        for (device_source, address), values in devices.items():
            yield _sample(given, device_source, address, values, at)

    def _message(self, given: Given, topic: str, at: float, loc: Loc) -> Iterator[Sample]:
        """What a message says: several samples where its topic is split."""
        forms: dict[str, dict[str, Form]] = {}
        for (source, address), fed in self._plan.subscriptions.items():
            forms.setdefault(source, {})[address] = form_of(fed)
        wanted = {source: Topics(of_source) for source, of_source in forms.items()}
        sources = [source for source, topics in wanted.items() if topics.wants(topic)]
        if not sources or given.source not in (None, *sources):
            topics = ", ".join(sorted({address for _, address in self._plan.subscriptions}))
            raise self._error(loc, f"no input has this topic; there are: {topics}")
        source = given.source or sources[0]
        try:
            parts = [*wanted[source].parts(topic, payload_of(given.message))]
        except ValueError as error:
            raise self._error(loc, f"the message {error}") from error
        for part in parts:
            if part.flaw:
                raise self._error(loc, part.flaw)
            yield replace(_sample(given, source, part.address, part.value, at), part=part.place)

    def _error(self, loc: Loc, text: str) -> ConfigError:
        return config_error(self._node, [ConfigFault(loc, text)])


_NO_NUMBERS = {".nan": math.nan, ".inf": math.inf, "-.inf": -math.inf}
"""What a tag shows in the place of a number, as YAML writes it."""


def _sample(given: Given, source: str, address: str, value: Any, at: float) -> Sample:
    own = at - given.at + given.source_time if given.source_time is not None else None
    if given.quality in ("good", "uncertain", "bad"):
        return Sample(source, address, value, at, given.quality, own, given.retained, given.initial)
    return Sample(source, address, "", at, "good", own, given.retained, given.initial)


def _differences(
    expected: Sequence[Mapping[str, Mapping[str, Any]]], actual: Sequence[RequestPreview]
) -> Iterator[str]:
    """Sentences about each request that is not as expected."""
    wanted = [(path, body) for request in expected for path, body in request.items()]
    for index in range(max(len(wanted), len(actual))):
        want = wanted[index] if index < len(wanted) else None
        request = actual[index] if index < len(actual) else None
        if want is None:
            yield f"request {index + 1} is not expected: {request}"
        elif request is None:
            yield f"request {index + 1} is missing: {want[0]} {dict(want[1])}"
        elif want[0] != request.path:
            yield f"request {index + 1} is {request}, expected was {want[0]}"
        else:
            for where, wanted_value, value in _unequal(want[1], request.body, ""):
                yield f"request {index + 1}, {request.path}: {where} is {value!r}, expected was {wanted_value!r}"


def _forbidden(never: Sequence[Mapping[str, Mapping[str, Any]]], actual: Sequence[RequestPreview]) -> Iterator[str]:
    """Sentences about each request that must not be."""
    for path, body in [entry for request in never for entry in request.items()]:
        for number, request in enumerate(actual, 1):
            if request.path == path and not any(_unequal(body, request.body, "")):
                yield f"request {number} must never be: {request}"


_NONE = "nothing"


def _unequal(wanted: object, actual: object, where: str) -> Iterator[tuple[str, object, object]]:
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        for name, value in wanted.items():
            yield from _unequal(value, actual.get(name, _NONE), f"{where}.{name}".lstrip("."))
    elif wanted is None and actual == _NONE:
        return
    elif wanted != actual or isinstance(wanted, bool) != isinstance(actual, bool):
        yield where, wanted, actual


def accept(path: Path, results: Sequence[CaseResult]) -> None:
    """Let the cases of the file at `path`, of which these are the results in their order, expect what came where it was
    not as expected. All else in the file stays, with its comments. Raises GatewayError where it cannot be written.
    """
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    try:
        cases = yaml.load(path.read_text(encoding="utf-8-sig"))
        for case, result in zip(cases if isinstance(cases, list) else [cases], results, strict=True):
            if result.differences:
                case["expect"] = CommentedSeq([_flow({request.path: request.body}) for request in result.came])
        text = StringIO()
        yaml.dump(cases, text)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text.getvalue(), encoding="utf-8")
        os.replace(beside, path)  # noqa: PTH105 - as everywhere that a file is replaced
    except OSError as error:
        raise GatewayError(f"{path} cannot be written: {error.strerror}") from None


def _flow(value: Mapping[str, Any]) -> CommentedMap:
    made = CommentedMap(value)
    made.fa.set_flow_style()
    return made
