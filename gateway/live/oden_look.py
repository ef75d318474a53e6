"""What Oden knows of what the configuration names: factories, lines, types of intervals, quality schemas, categories,
reasons.

Nothing is written there. What past states do not show cannot be verified, which is said as that; a question that fails
says why, and is not taken for an answer.
"""

import json
import shlex
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway.config.schema import Config, Line
from gateway.config.schema_rules import QualityTestRule
from gateway.live.cures import FindingKind
from gateway.live.findings import Finding, nearest_name
from gateway.oden import models
from gateway.oden.answer_parts import entries_of
from gateway.oden.errors import Forbidden, NotFound, NotSent, OdenError, Unauthorized
from gateway.oden.exchange import iso
from gateway.oden.objects import Objects

DAYS = 7
"""How far back past states are looked at."""

Model = TypeVar("Model", bound=models.Model)


async def ask_oden(oden: Objects, config: Config, now: float, option: str) -> list[Finding]:
    """What Oden does not know, or could not be asked; `now` in seconds since 1970, `option` how a command names the
    configuration. One request for the factories, one for the types of intervals, for each factory one for its lines and
    one for its quality schemas, and one for the states of each line."""
    findings: list[Finding] = []
    types: set[str] | None = None
    lines: dict[str, set[str]] = {}
    schemas: dict[str, Mapping[str, str]] = {}
    try:
        factories = _names(await _found(oden.factory.search(models.Factory(match="all"))))
    except OdenError as error:
        return [_failed(error, "Oden")]
    for line in config.lines:
        about = f"{line.factory}/{line.line}"
        if line.factory not in factories and line.id is None:
            text = f"Oden knows no factory {line.factory}{_nearest(line.factory, factories)}"
            findings.append(Finding("factory_unknown", "wrong", about, text, "write `factory` as it is at Oden"))
            continue
        try:
            if line.factory not in lines:
                wanted = models.Line(factory=models.Factory(name=line.factory), match="all")
                lines[line.factory] = _names(await _found(oden.line.search(wanted)))
            if line.line not in lines[line.factory] and line.id is None:
                text = f"Oden knows no line {line.line} in {line.factory}{_nearest(line.line, lines[line.factory])}"
                findings.append(Finding("line_unknown", "wrong", about, text, "write `line` as it is at Oden"))
                continue
            if line.intervals:
                if types is None:
                    types = _names(await _found(oden.interval_type.search(models.IntervalType(match="all"))))
                findings += _types(line, about, types, option)
            if wanted_schemas := _schemas_of(line):
                if line.factory not in schemas:
                    question = models.QualitySchema(factory=models.Factory(name=line.factory), match="all")
                    schemas[line.factory] = await _schemas_at(oden, question)
                findings += _schemas(wanted_schemas, about, schemas[line.factory])
            if line.states is not None:
                findings += _states(line, about, await _past_states(oden, line, now))
        except OdenError as error:
            findings.append(_failed(error, about))
            if not isinstance(error, Forbidden):
                break  # it is the same for the others
    return findings


async def _found(answer: Awaitable[Sequence[Model]]) -> list[Model]:
    """What a search finds; Oden may say 404 where that is nothing."""
    try:
        return list(await answer)
    except NotFound:
        return []


def _names(found: Sequence[Any]) -> set[str]:
    return {each.name for each in found if each.name}


def _failed(error: OdenError, about: str) -> Finding:
    """A question that failed, in the words of what went wrong: it says nothing of what Oden knows."""
    text = f"could not be asked at Oden: {error}"
    if isinstance(error, Unauthorized):
        return Finding("token_refused", "wrong", about, text, "put a token that is valid in the place of `oden.token`")
    if isinstance(error, Forbidden):
        return Finding("forbidden", "wrong", about, text, "let the token have this line at Oden")
    if isinstance(error, NotSent):
        return Finding("oden_unreachable", "wrong", about, text, "see that `oden.url` can be reached; set `oden.proxy`")
    return Finding("oden_failed", "wrong", about, text, "ask again later; what Oden knows is not known by this answer")


def _nearest(name: str, known: Collection[str]) -> str:
    near = nearest_name(name, known)
    if near is not None:
        return f"; did you mean {near}?"
    return f"; it knows {', '.join(sorted(known)[:10])}" if known else "; this token sees none"


def _types(line: Line, about: str, known: Collection[str], option: str) -> Iterator[Finding]:
    for interval in line.intervals:
        if interval.type not in known:
            text = f"Oden knows no type of intervals {interval.type}{_nearest(interval.type, known)}"
            body = shlex.quote(json.dumps({"name": interval.type}, ensure_ascii=False))
            cure = (
                f"write `type` as it is at Oden; or make it: oden-gateway call{option} interval_type set --body {body}"
            )
            yield Finding("interval_type_unknown", "wrong", about, text, cure)


def _schemas_of(line: Line) -> list[str]:
    """The ids of the quality schemas that its rules name."""
    rules = (rule for rule in line.rules if isinstance(rule, QualityTestRule))
    return list(dict.fromkeys(str(rule.quality_schema) for rule in rules))


async def _schemas_at(oden: Objects, question: models.QualitySchema) -> Mapping[str, str]:
    """What each quality schema of a factory is for, by its id: of what is answered, whose shape is not documented, what
    has an id of its own."""
    try:
        entries = entries_of(await oden.quality_schema.search(question)) or []
    except NotFound:
        return {}
    found = (entry for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("id"), str | int))
    return {str(entry["id"]): str(entry.get("description") or "") for entry in found}


def _schemas(wanted: Sequence[str], about: str, known: Mapping[str, str]) -> Iterator[Finding]:
    for each in wanted:
        if each in known:
            continue
        if not known:
            text = f"quality schema {each} cannot be verified: Oden shows none of this factory"
            yield Finding("quality_schema_unverified", "note", about, text, "compare the id with the one at Oden")
            continue
        there = ", ".join(f"{id_} ({what})" if what else id_ for id_, what in sorted(known.items())[:10])
        text = f"Oden knows no quality schema {each} in this factory; it knows {there}"
        yield Finding("quality_schema_unknown", "wrong", about, text, "write `quality_schema` as it is at Oden")


async def _past_states(oden: Objects, line: Line, now: float) -> list[tuple[str, str | None]]:
    """Categories and reasons of the states of the last days."""
    where = (
        models.Line(id=line.id) if line.id else models.Line(name=line.line, factory=models.Factory(name=line.factory))
    )
    request = models.Interval.model_validate(
        {
            "type": {"name": "STATE"},
            "line": where.fields(),
            "start_time": iso(int(now) - DAYS * 86_400),
            "end_time": iso(int(now)),
            "match": "all",
        }
    )
    seen: list[tuple[str, str | None]] = []
    for interval in await _found(oden.interval.search(request)):
        said = interval.metadata
        if isinstance(said, models.StateMetadata) and said.category is not None and said.category.name:
            seen.append((said.category.name, said.reason.name if said.reason is not None else None))
    return seen


def _states(line: Line, about: str, seen: Sequence[tuple[str, str | None]]) -> Iterator[Finding]:
    """Categories and reasons that the past does not show."""
    categories, reasons = {category for category, _ in seen}, {reason for _, reason in seen if reason}
    used = list(dict.fromkeys(_named(line.states)))
    if not seen:
        text = f"categories and reasons cannot be verified: Oden shows no states of the last {DAYS} days"
        cure = "compare with the names at Oden: " + ", ".join(dict.fromkeys(name for _, name in used))
        yield Finding("states_unverified", "note", about, text, cure)
        return
    for kind, name in used:
        known = categories if kind == "category" else reasons
        if name not in known:
            text = f"{kind} {name} cannot be verified: no state of the last {DAYS} days has it{_nearest(name, known)}"
            found: FindingKind = "category_unverified" if kind == "category" else "reason_unverified"
            yield Finding(found, "note", about, text, f"write the {kind} as it is at Oden, if it is not so")


def _named(part: object) -> Iterator[tuple[str, str]]:
    """The categories and reasons that a section writes out; those with placeholders are not known before."""
    if isinstance(part, BaseModel):
        for name, value in part:
            if name in {"category", "reason"} and isinstance(value, str) and "{" not in value:
                yield name, value
            else:
                yield from _named(value)
    elif isinstance(part, dict | list | tuple):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _named(each)
