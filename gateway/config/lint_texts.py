"""Texts that look right and are not: an input's name without its braces, quotes and blanks that are part of a text."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from gateway.config.schema import Line
from gateway.config.schema_intervals import PerformanceTarget, StateCode
from gateway.config.schema_walk import Loc, section_keys
from gateway.config.yaml_tree import quoted
from gateway.errors import ConfigFault

_TOLD = frozenset({"product", "product_id"})
"""Keys whose text is certainly meant to come from an input, where it is the name of one."""
_FILLED_IN = (
    frozenset(
        {"name", "named", "category", "reason", "comment", "value", "lsl", "usl", "metric_group", "external_id"}
        | {"description", "started_at", "completed_at", "metadata", "raw_data"}
    )
    | _TOLD
)
"""Keys under which texts are filled in from inputs."""
_AS_WRITTEN = frozenset({"when", "expr", "metadata_schema", "node", "topic", "field", "time", "device", "metric"})
"""Keys whose texts are checked elsewhere, or are no words."""
_DOUBLE = re.compile(r"(?<!\{)\{\{\s*([A-Za-z_]\w*)((?:\.\w+)*)\s*\}\}(?!\})")
_FOREIGN = re.compile(r"\$\(([A-Za-z_]\w*)\)|%([A-Za-z_]\w*)%|<([A-Za-z_]\w*)>|[$@]([A-Za-z_]\w*)")
_MOST_COMPARED = 200
"""Categories of which each is compared with each."""
_OPENING = frozenset("“”„«‘‚‹")
_CLOSING = frozenset("”“»’›")


def find_doubtful_texts(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """The texts of `line`, which stands at `loc`, that are certainly or probably not meant as they are."""
    for at, value in _texts(line, loc):
        yield from _quotes_and_blanks(value, at)
        if not _FILLED_IN.isdisjoint(at[len(loc) :]) and at[2:3] != ("inputs",):
            yield from _placeholders(value, at, line.inputs)


def _texts(section: BaseModel, loc: Loc) -> Iterator[tuple[Loc, str]]:
    for key, info in section_keys(type(section)).items():
        if key in _AS_WRITTEN or key == "inputs":
            continue
        name = next(name for name, other in type(section).model_fields.items() if other is info)
        yield from _of_value(getattr(section, name), (*loc, key))


def _of_value(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    match value:
        case str():
            yield loc, value
        case BaseModel():
            yield from _texts(value, loc)
        case Mapping():
            for key, item in value.items():
                yield from _of_value(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from _of_value(item, (*loc, index))


def _quotes_and_blanks(value: str, loc: Loc) -> Iterator[ConfigFault]:
    if len(value) > 1 and value[0] in _OPENING and value[-1] in _CLOSING:
        yield ConfigFault(loc, 'these curly quotes are part of the text; write straight ones ("), or none')
    elif value != value.strip():
        place = "end" if value != value.rstrip() else "beginning"
        yield ConfigFault(loc, f"there is a blank at the {place} of this text; remove it", warning=True)
    elif value[:1] != value[-1:] and (value[:1] in {'"', "'"} or value[-1:] == '"'):
        place = "beginning" if value[0] in "\"'" else "end"
        yield ConfigFault(
            loc, f"this text has a quote at its {place} alone; remove it, or the other is missing", warning=True
        )


def _placeholders(value: str, loc: Loc, inputs: Collection[str]) -> Iterator[ConfigFault]:
    name, _, field = value.strip().partition(".")
    if name in inputs and (not field or field.replace(".", "").isidentifier()):
        text = f'{quoted(value)} is the name of an input, but here it is text: write "{{{value.strip()}}}"'
        yield ConfigFault(loc, text, warning=loc[-1] not in _TOLD)
    double = _DOUBLE.search(value)
    if double is not None:
        known = double[1] in inputs or double[1] == "n"
        text = f'double braces stand for the braces themselves: write "{{{double[1]}{double[2]}}}"'
        yield ConfigFault(loc, text, warning=not known)
    foreign = next(
        (found for match in _FOREIGN.finditer(value) if (found := match[match.lastindex or 0]) in inputs), None
    )
    if foreign is not None:
        text = f'{quoted(foreign)} is the name of an input: it is filled in where it stands in braces, "{{{foreign}}}"'
        yield ConfigFault(loc, text, warning=True)


def find_near_misses(lines: Collection[Line]) -> Iterator[ConfigFault]:
    """Names that differ from others only in their case, blanks or signs, so that Oden would have them twice."""
    seen: dict[str, dict[str, dict[str, Loc]]] = {}
    for index, line in enumerate(lines):
        for kind, name, loc in _names(line, ("lines", index)):
            seen.setdefault(kind, {}).setdefault(_folded(name), {}).setdefault(name, loc)
    for kind, groups in seen.items():
        for names in groups.values():
            first, *others = names
            for name in others:
                text = f"this {kind} is written {quoted(first)} elsewhere: are these two? Write both alike"
                yield ConfigFault(names[name], text, warning=True)
    yield from _slips(seen.get("category", {}))


def _names(line: Line, loc: Loc) -> Iterator[tuple[str, str, Loc]]:
    yield "factory", line.factory, (*loc, "factory")
    yield f"line of {line.factory}", line.line, (*loc, "line")
    for section, at in _sections(line, loc):
        match section:
            case StateCode():
                yield "category", section.category, (*at, "category")
                if section.reason is not None:
                    yield "reason", section.reason, (*at, "reason")
            case PerformanceTarget():
                yield "metric group", section.metric_group, (*at, "metric_group")


def _sections(value: Any, loc: Loc) -> Iterator[tuple[BaseModel, Loc]]:
    match value:
        case BaseModel():
            yield value, loc
            for name, info in type(value).model_fields.items():
                if name != "inputs":
                    yield from _sections(getattr(value, name), (*loc, info.alias or name))
        case Mapping():
            for key, item in value.items():
                yield from _sections(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from _sections(item, (*loc, index))


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold() or name


def _slips(categories: Mapping[str, Mapping[str, Loc]]) -> Iterator[ConfigFault]:
    """Categories that are one letter apart."""
    known = list(categories)[:_MOST_COMPARED]
    for number, word in enumerate(known):
        for other in known[:number]:
            if min(len(word), len(other)) > 5 and _one_apart(word, other):
                name, loc = next(iter(categories[word].items()))
                first = next(iter(categories[other]))
                text = f"category {quoted(name)} is one letter apart from {quoted(first)}: are these two?"
                yield ConfigFault(loc, text, warning=True)


def _one_apart(word: str, other: str) -> bool:
    """Whether one letter, no digit, makes one word of the other."""
    begin = 0
    while begin < min(len(word), len(other)) and word[begin] == other[begin]:
        begin += 1
    end = 0
    while end < min(len(word), len(other)) - begin and word[-1 - end] == other[-1 - end]:
        end += 1
    rest = word[begin : len(word) - end], other[begin : len(other) - end]
    return all(len(part) <= 1 and not part.isdigit() for part in rest)
