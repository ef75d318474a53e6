"""JSON Schemas (https://json-schema.org) that messages have to fit: read from their files, and asked about a message.

A schema is asked about whatever comes, while everything else waits. So what would look for something elsewhere or could
take for ever is refused when it is read: references to other files and servers, circles, patterns that repeat too much;
and what it is asked about is bounded. The library is imported only where a schema is named.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.config.files import NoFileError, as_named, read_text
from gateway.config.json_schema_words import doubts_of, why_no_schema
from gateway.config.json_text import JsonFlaws, Places, Way, places_of, read_all
from gateway.config.patterns import MOST_REPEATS, repeats_too_much
from gateway.config.schema import Line
from gateway.config.tree import BrokenFileError, Finding, LineIndex
from gateway.errors import ConfigFault

MOST_VALUES = 10_000
"""Values in a message; one with more does not fit any schema."""
LONGEST_MATCHED = 500
"""Characters of a name, and of a text in which a pattern is looked for; a longer one does not fit."""
MOST_REMEMBERED, LONGEST_REMEMBERED = 256, 500
"""Answers, and characters of what was asked, that are remembered."""
_TOO_LONG = "?" * (LONGEST_REMEMBERED + 1)
_LONGEST_REASON = 200


class SchemaFlaw(ValueError):
    """A schema cannot be used: `flaws` say why, each with the way to what is wrong, the first of them as the message;
    `doubts` are what else of it is most likely not meant so."""

    def __init__(self, flaws: Sequence[tuple[Way, str]], doubts: Sequence[tuple[Way, str]] = ()) -> None:
        self.flaws, self.doubts = flaws, doubts
        self.at, text = flaws[0]
        super().__init__(text)


class MessageSchema:
    """The schema in a file; two with the same name and text are equal."""

    def __init__(self, name: str, text: str) -> None:
        """Raises JsonFlaws where `text` is no JSON, SchemaFlaw where its schema cannot be used."""
        self.name = name
        self.text = text
        self.doubts: Sequence[tuple[Way, str]] = ()
        """Where something of it is most likely not meant so, and what is."""
        self._answers: dict[str, str | None] = {}
        """What was answered lately, by what was asked: a sender that is wrong says the same thousands of times."""
        try:
            document, self.places = read_all(text)
            self._validator, self.doubts = _validator(document)
            self._first_error(None)
        except RecursionError:
            raise SchemaFlaw([((), "the schema refers to itself without end")]) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageSchema) and (other.name, other.text) == (self.name, self.text)

    def __hash__(self) -> int:
        return hash(self.text)

    def misfit(self, value: object) -> str | None:
        """Where and why a message that says `value`, which was JSON, does not fit; None where it does."""
        said = _TOO_LONG
        try:
            said = repr(value)  # unlike the value it tells 1 from 1.0 and true
            if said in self._answers:
                return self._answers[said]
            why = _too_much(value) or self._first_error(value)
        except RecursionError:
            why = ": it is nested too deeply"
        answer = None if why is None else f"the message does not fit {self.name}{why}"
        if len(said) <= LONGEST_REMEMBERED:
            if len(self._answers) >= MOST_REMEMBERED:
                self._answers.clear()
            self._answers[said] = answer
        return answer

    def _first_error(self, value: object) -> str | None:
        """The first is enough, and there can be very many. Of alternatives the one that fits best says why."""
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - it is there: the validator was made

        error = best_match(islice(self._validator.iter_errors(value), 1))
        return None if error is None else f"{_place(error.absolute_path)}: {_cut(error.message)}"


Schemas = Mapping[Path, MessageSchema]
"""By their files."""
NO_SCHEMAS: Schemas = {}


def gather_schemas(lines: Iterable[Line], folder: Path) -> tuple[Schemas, list[ConfigFault], list[Finding]]:
    """The schemas that inputs of a configuration in `folder` name, as they are on the disk now, and what is wrong with
    where they are and with themselves."""
    schemas: dict[Path, MessageSchema] = {}
    faults: list[ConfigFault] = []
    findings: list[Finding] = []
    named: dict[Path, tuple[str | int, ...]] = {}
    for index, line in enumerate(lines):
        for name, given in line.inputs.items():
            if given.json_schema is not None:
                named.setdefault(given.json_schema, ("lines", index, "inputs", name, "json_schema"))
    for path, loc in named.items():
        shown = as_named(path, folder)
        try:
            text = read_text(path)
        except NoFileError as error:
            faults.append(ConfigFault(loc, f"{shown}: {error}", absent=error.absent))
            continue
        except BrokenFileError as error:
            findings.append(error.finding._replace(position=replace(error.finding.position, file=shown)))
            continue
        places = LineIndex(text, shown)
        try:
            schema = schemas[path] = MessageSchema(path.name, text)
        except JsonFlaws as error:
            findings += [Finding(places.position(flaw.at), str(flaw)) for flaw in error.flaws]
        except SchemaFlaw as error:
            in_text = places_of(text)
            findings += [Finding(places.position(_index(at, in_text)), flaw) for at, flaw in error.flaws]
            findings += [Finding(places.position(_index(at, in_text)), each, warning=True) for at, each in error.doubts]
        else:
            for at, doubt in schema.doubts:
                findings.append(Finding(places.position(_index(at, schema.places)), doubt, warning=True))
    return schemas, faults, findings


def _index(at: Way, places: Places) -> int:
    """Where what is on the way `at` stands, or what is around it."""
    return next(places[at[:depth]] for depth in range(len(at), -1, -1) if at[:depth] in places)


def _validator(document: object) -> tuple[Any, Sequence[tuple[Way, str]]]:
    """What asks the schema `document`, and what of it is doubtful. Raises SchemaFlaw where it cannot be used."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - see above
    from referencing.jsonschema import specification_with  # noqa: PLC0415

    if not isinstance(document, dict):
        raise SchemaFlaw([((), "a schema of messages is an object: {...}")])
    version = document.get("$schema", Draft202012Validator.META_SCHEMA["$schema"])
    kind: Any = validators.validator_for({"$schema": version}, default=None) if isinstance(version, str) else None
    if kind is None:
        known = "write https://json-schema.org/draft/2020-12/schema, or leave it out"
        raise SchemaFlaw([(("$schema",), f"this version of JSON Schema is not known; {known}")])
    misfits = _misfits(kind, document)
    flaws = [*misfits.items()]
    rest = _without(document, (), misfits) if misfits else document
    if misfits and (() in misfits or _misfits(kind, rest)):  # so that nothing can be said of the rest
        raise SchemaFlaw(flaws)
    resource = specification_with(kind.META_SCHEMA.get("$schema", version)).create_resource(rest)
    registry = validators.SPECIFICATIONS.with_resource(resource.id() or "", resource).crawl()
    ways = {id(value): way for way, value in _objects(rest)}
    for schema, keyword, problem in _problems(resource, registry.resolver_with_root(resource)):
        flaws.append(((*ways.get(id(schema), ()), *keyword), problem))
    found = [((*ways.get(id(each.schema), ()), each.word), each) for each in doubts_of(resource, kind.VALIDATORS)]
    flaws += [(way, doubt.text) for way, doubt in found if doubt.certain]
    doubts = [((*way, None), doubt.text) for way, doubt in found if not doubt.certain]
    if flaws:
        raise SchemaFlaw(flaws, doubts)
    checks = {"uniqueItems": _unique, "multipleOf": _multiple, "pattern": _pattern}
    checks = {keyword: check for keyword, check in checks.items() if keyword in kind.VALIDATORS}
    return validators.extend(kind, checks)(document, registry=registry), doubts


def _misfits(kind: Any, document: object) -> dict[Way, str]:
    """What of a document does not fit the standard, by the ways to it: of each place what is found first."""
    meta = kind(kind.META_SCHEMA, format_checker=kind.FORMAT_CHECKER)
    found: dict[Way, str] = {}
    for error in meta.iter_errors(document):
        found.setdefault((*error.absolute_path,), why_no_schema(error))
    return found


_MAPS_OF_SCHEMAS = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_LISTS_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})


def _without(value: Any, way: Way, wrong: Collection[Way], *, by_names: bool = False) -> Any:
    """A schema, a part of it, or schemas `by_names`, without what is `wrong`, so that the rest can be looked at: in the
    place of a wrong schema among others stands one that everything fits, and a list of anything else goes as a whole.
    """
    if isinstance(value, list):
        return [{} if (*way, at) in wrong else _without(item, (*way, at), wrong) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    left: dict[str, Any] = {}
    for key, item in value.items():
        here = (*way, key)
        is_spoilt = isinstance(item, list) and any((*here, at) in wrong for at in range(len(item)))
        if here in wrong and by_names:
            left[key] = {}
        elif here not in wrong and (key in _LISTS_OF_SCHEMAS or not is_spoilt):
            left[key] = _without(item, here, wrong, by_names=not by_names and key in _MAPS_OF_SCHEMAS)
    return left


def _objects(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """All objects in a document, with the ways to them."""
    if isinstance(value, dict):
        yield way, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _objects(item, (*way, key))


def _problems(resource: Any, resolver: Any) -> Iterator[tuple[Any, Way, str]]:
    """What stands in a schema, and in those inside it, that cannot be used here: the schema, where in it, and why."""
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

    schema = resource.contents if isinstance(resource.contents, dict) else {}
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if keyword in schema:
            try:
                resolver.lookup(schema[keyword])
            except Unresolvable:
                what = _cut(str(schema[keyword]))
                yield schema, (keyword,), f"this refers to what is not in the file: {what}; put all of it into one file"
    patterns: list[tuple[Way, str]] = [(("pattern",), schema["pattern"])] if "pattern" in schema else []
    patterns += [(("patternProperties", each, None), each) for each in schema.get("patternProperties", ())]
    for way, pattern in patterns:
        if repeats_too_much(pattern):
            yield (
                schema,
                way,
                (
                    f"this pattern could take for ever: {_cut(pattern)}; single characters can be repeated, "
                    f"at most {MOST_REPEATS} times, with * or + or {{2,}}"
                ),
            )
    for inner in resource.subresources():
        yield from _problems(inner, resolver.in_subresource(inner))


def _too_much(value: object) -> str | None:
    """Why a schema is not asked about `value`, if so."""
    waiting, number = [value], 0
    while waiting:
        item = waiting.pop()
        number += 1
        if isinstance(item, dict):
            if any(len(name) > LONGEST_MATCHED for name in item):
                return f": it has a name of more than {LONGEST_MATCHED} characters"
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        if number + len(waiting) > MOST_VALUES:
            return f": it has more than {MOST_VALUES:,} values"
    return None


def _unique(validator: Any, wanted: Any, items: Any, _: Any) -> Iterator[Exception]:
    """The library compares each with each."""
    from jsonschema import ValidationError  # noqa: PLC0415 - see above

    if wanted and validator.is_type(items, "array"):
        texts = [json.dumps(_plain(item), sort_keys=True) for item in items]
        if len({*texts}) < len(texts):
            yield ValidationError("an element comes twice")


def _plain(value: Any) -> Any:
    """The same for equal values: for JSON, 1.0 is 1, and true is not."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _multiple(validator: Any, factor: Any, number: Any, _: Any) -> Iterator[Exception]:
    """As the numbers are written: 0.07 is a multiple of 0.01, which as floats it is not."""
    from jsonschema import ValidationError  # noqa: PLC0415 - see above

    if validator.is_type(number, "number") and Fraction(str(number)) % Fraction(str(factor)):
        yield ValidationError(f"{number} is not a multiple of {factor}")


def _pattern(validator: Any, pattern: Any, text: Any, _: Any) -> Iterator[Exception]:
    from jsonschema import ValidationError  # noqa: PLC0415 - see above

    if validator.is_type(text, "string"):
        if len(text) > LONGEST_MATCHED:
            yield ValidationError(f"{len(text)} characters are too many for a pattern to be looked for in them")
        elif not re.search(pattern, text):
            yield ValidationError(f"{text!r} does not match {pattern!r}")


def _place(path: Iterable[str | int]) -> str:
    """Where something stands, as the configuration writes it: `rejects[2].qty`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return f" at {_cut(text)}" if text else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
