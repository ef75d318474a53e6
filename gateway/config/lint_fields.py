"""Fields that are named where a message has none: of an input that is one field itself, behind the name of an input
where the message's own fields are meant, beside one that is nearly called so, and where the JSON Schema that the
messages have to fit does not know them, or knows them as something else.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.config.lint_expressions import without_texts
from gateway.config.lint_texts import sections_of, texts_of
from gateway.config.message_schemas import Schemas
from gateway.config.near_words import one_slip_of_fields
from gateway.config.schema import Line
from gateway.config.schema_intervals import End
from gateway.config.schema_io import Input
from gateway.config.schema_messages import OwnTime
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_ALONE = re.compile(r"(?:(?<![{|])\{|\[)([A-Za-z_]\w*)(?=[|}\]])")
"""An input without a field, in braces or as the key of a table; not behind a bar, where it stands for what is not
known."""
_WITH_FIELD = re.compile(r"[{\[]([A-Za-z_]\w*)\.(\w+(?:\.\w+)*)")
_IN_CONDITION = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\.(\w+(?:\.\w+)*)(?![\w(])")

_ELSEWHERE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"})
"""Keywords by which a schema may know more fields than those that it lists."""


def find_lost_fields(line: Line, loc: Loc, expressions: Iterable[tuple[Loc, str]]) -> Iterator[ConfigFault]:
    """The fields that `line`, which stands at `loc`, names in vain in its texts, `expressions` and inputs."""
    texts, expressions = [*texts_of(line, loc)], [*expressions]
    yield from _of_one_field(line, loc, texts, expressions)
    yield from _near_others(line, loc, texts, expressions)
    referred: defaultdict[str, set[str]] = defaultdict(set)
    """By input, the fields by which others speak of it."""
    for _, text in texts:
        for match in _WITH_FIELD.finditer(text):
            referred[match[1]].add(_first(match[2]))
    for name, path in (entry.amount for entry in (line.scrap_yield.entries if line.scrap_yield is not None else ())):
        referred[name].update(path[:1])
    for name, given in line.inputs.items():
        paths = _paths(given, (*loc, "inputs", name)) if given.topic is not None else []
        if any("." in path and _first(path) in line.inputs for _, path in paths):
            yield from _own_paths(given, line, paths, referred)


def _of_one_field(
    line: Line, loc: Loc, texts: Iterable[tuple[Loc, str]], expressions: Iterable[tuple[Loc, str]]
) -> Iterator[ConfigFault]:
    """Fields of an input that is one field of its message, and elsewhere a plain value, which has none. Where
    only texts have it plain, it may be a text in one message and have fields in another."""
    in_texts = {match[1] for _, text in texts for match in _ALONE.finditer(text)}
    plain: set[str] = set()
    for section, _ in sections_of(line, loc):
        keys = ("input",) if isinstance(section, End) else ("key", "input")
        plain |= {str(getattr(section, key, None)) for key in keys}
    of_one = {name for name in (plain | in_texts) & line.inputs.keys() if _is_one_field(line.inputs[name])}
    found = [(at, text, _WITH_FIELD) for at, text in texts]
    found += [(at, without_texts(source), _IN_CONDITION) for at, source in expressions]
    for at, text, pattern in found if of_one else ():
        for match in pattern.finditer(text):
            name, path = match.groups()
            is_either = text.startswith(f"|{{{name}}}", match.end()) or text[: match.start()].endswith("|")
            if name not in of_one or is_either:  # where one is not known, the other is
                continue
            given = line.inputs[name]
            same = next((other for other, each in line.inputs.items() if _is_field(each, given, path)), None)
            cure = (
                f"that is the input {quoted(same)}" if same else f"take it by an input of its own, with `field: {path}`"
            )
            said = f"{quoted(name)} is the field {quoted(given.field)} of its message, one value without {quoted(path)}"
            rests_on: tuple[Loc, ...] = ((*loc, "inputs", name),)
            certain = name in plain
            yield ConfigFault(at, f"{said}: {cure}", rests_on=rests_on, at=(match.start(1),), warning=not certain)


def _near_others(
    line: Line, loc: Loc, texts: Iterable[tuple[Loc, str]], expressions: Iterable[tuple[Loc, str]]
) -> Iterator[ConfigFault]:
    """Fields of the messages of one topic of which one is a slip of another: that which is named less often, else the
    later. What a schema says of its messages is told by that; and two inputs that are a field each are meant to be two.
    """
    named: list[tuple[str, str, Loc, int | None]] = []
    for name, given in line.inputs.items():
        at: Loc = (*loc, "inputs", name)
        named += [(name, given.field, (*at, "field"), None)] if given.field is not None else []
        named += [(name, path, place, None) for place, path in _paths(given, at)]
    for place, text, pattern in (
        *((place, text, _WITH_FIELD) for place, text in texts),
        *((place, without_texts(source), _IN_CONDITION) for place, source in expressions),
    ):
        named += [(match[1], match[2], place, match.start(2)) for match in pattern.finditer(text)]
    for index, entry in enumerate(line.scrap_yield.entries if line.scrap_yield is not None else ()):
        name, way = entry.amount
        named.append((name, ".".join(way), (*loc, "scrap_yield", "entries", index, "count"), None))
    topics: defaultdict[tuple[object, ...], defaultdict[str, list[tuple[Loc, int | None]]]]
    topics = defaultdict(lambda: defaultdict(list))
    for name, path, place, begin in named:
        other = line.inputs.get(name)
        is_own = other is not None and place[len(loc) : len(loc) + 2] == ("inputs", name)
        if other is None or other.topic is None or other.json_schema is not None or other.binary is not None:
            continue
        if path and path.isidentifier() and (is_own or other.field is None):
            topics[other.source, other.topic, repr(other.split)][path].append((place, begin))
    for fields in topics.values():
        known: list[str] = []
        for path in sorted(fields, key=lambda each: -len(fields[each])):
            alike = (other for other in known if path[0] == other[0] and one_slip_of_fields(path, other))
            meant = next((other for other in alike if not _are_inputs([*fields[path], *fields[other]])), None)
            known.append(path)
            for place, begin in fields[path] if meant is not None else ():
                text = f"others look at the field {quoted(meant)} of these messages: is it meant here too?"
                found = (begin,) if begin is not None else ()
                yield ConfigFault(place, text, at_key=place[-2] == "only", at=found, warning=True, rests_on=())


def _are_inputs(places: Iterable[tuple[Loc, int | None]]) -> bool:
    return all(place[-1] == "field" for place, _ in places)


def _is_one_field(given: Input) -> bool:
    return given.has_fields and given.field is not None


def _is_field(one: Input, other: Input, path: str) -> bool:
    """Whether an input is the field `path` of the messages of another."""
    return (one.source, one.topic, one.event, one.field) == (other.source, other.topic, other.event, path)


def _paths(given: Input, loc: Loc) -> list[tuple[Loc, str]]:
    """The fields of its messages that an input names but for its value, with their places."""
    time: Loc = (*loc, "time", "field") if isinstance(given.time, OwnTime) else (*loc, "time")
    paths: list[tuple[Loc, str]] = [(time, given.time_field or "")]
    paths += [((*loc, "only", path), path) for path in given.only]
    several = len(given.id) > 1
    paths += [((*loc, "id", *((place,) if several else ())), str(path)) for place, path in enumerate(given.id)]
    return paths


def _own_paths(
    given: Input, line: Line, paths: Sequence[tuple[Loc, str]], referred: Mapping[str, Collection[str]]
) -> Iterator[ConfigFault]:
    """Those of `paths` that begin with the name of an input, where what others say of its topic shows that the messages
    have other fields, and nothing that is called so."""
    own = {each for each, other in line.inputs.items() if (other.source, other.topic) == (given.source, given.topic)}
    others = {_first(line.inputs[each].field or "") for each in own}.union(*(referred.get(each, ()) for each in own))
    known = others.union(_first(path) for _, path in paths) - {""}
    for at, path in paths:
        first, dot, rest = path.partition(".")
        if dot and first in own and first not in others and known - {first}:
            text = f"{quoted(first)} is the name of an input, and the field is looked for in the message itself: if"
            text += f" that has no {quoted(first)}, write {quoted(rest)}"
            yield ConfigFault(at, text, at_key=at[-2] == "only", warning=True)


def _first(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def find_unfit_fields(line: Line, loc: Loc, schemas: Schemas) -> Iterator[ConfigFault]:
    """The fields that `line`, which stands at `loc`, looks for in messages of which `schemas` say otherwise."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    amounts: dict[str, list[tuple[Loc, str]]] = {}
    for index, entry in enumerate(entries):
        name, way = entry.amount
        if len(way) == 1:
            amounts.setdefault(name, []).append(((*loc, "scrap_yield", "entries", index, "count"), way[0]))
    for name, given in line.inputs.items():
        schema = schemas.get(given.json_schema) if given.json_schema is not None else None
        if schema is None or given.split is not None or "+" in (given.topic or ""):
            continue  # what the schema is asked about has other fields than the message
        document: Any = json.loads(schema.text)
        fields = document.get("properties") if isinstance(document, dict) else None
        if not isinstance(fields, dict) or not _ELSEWHERE.isdisjoint(document):
            continue
        at: Loc = (*loc, "inputs", name)
        counted = amounts.get(name, [])
        for place, path in (*_named(given, at), *counted):
            if path not in fields and path.isidentifier():
                near = next((each for each in fields if one_slip_of_fields(path, each)), None)
                meant = f"; did you mean {quoted(near)}?" if near is not None else ""
                if document.get("additionalProperties") is False:
                    text = f"no message that fits {schema.name} has the field {quoted(path)}{meant}"
                    yield ConfigFault(place, text, warning=True, rests_on=(at,))
                elif near is not None:
                    text = f"{schema.name} knows {quoted(near)}, and no field {quoted(path)}: is that one meant?"
                    yield ConfigFault(place, text, warning=True, rests_on=(at,))
        for place, path in counted if given.number is None else ():
            field = fields.get(path)
            if isinstance(field, dict) and field.get("type") == "string":
                text = f"by {schema.name} {quoted(path)} is text, of which nothing is counted: write `number: text` in"
                yield ConfigFault(place, f"{text} the input {quoted(name)}", warning=True, rests_on=(at,))


def _named(given: Input, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The fields that an input itself names, but for those by which it takes only some messages."""
    if given.field is not None:
        yield (*loc, "field"), given.field
    if given.time_field is not None:
        yield ((*loc, "time", "field") if isinstance(given.time, OwnTime) else (*loc, "time")), given.time_field
