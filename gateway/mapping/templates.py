"""What is filled in from inputs: patterns, which are text with inputs in braces, and templates of JSON values made of
patterns.

`"{order}"`, `"PLC code {state}"`, `"{scrap.code}"` name inputs and fields of them; `"{products[sku].name}"` is what a
table says of an input; in `"{products[sku].name|{sku}}"` what is behind the bar stands for it where it is not known. A
pattern is parsed once, when the configuration is compiled. `{{` and `}}` stand for the braces themselves.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime
from itertools import chain
from math import floor
from typing import NamedTuple

from pydantic import JsonValue

from gateway.config.invisible import foreign_letter
from gateway.config.near_words import suggestion
from gateway.errors import TextError
from gateway.frozen import dataclass
from gateway.mapping.times import epoch_seconds
from gateway.mapping.values import number, number_in, text
from gateway.model import NO_LOOKUPS, Lookup, Lookups, Scalar

_PIECE = re.compile(r"\{\{|\}\}|\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}|[{}]|[^{}]+")
_UNCLOSED = re.compile(r"\{[A-Za-z_]\w*(?:\.\w+)*(?P<other>[\])>])?")
_SECOND_BAR = re.compile(r"(?:[^{}|]|\{(?:[^{}]|\{[^{}]*\})*\})*\|")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_NEARLY_LOOKED_UP = re.compile(
    r"(?P<table>[A-Za-z_]\w*)"
    r"[\[(][\s\"'{$]*(?P<key>[A-Za-z_][\w.]*)[\s\"'}]*[\])](?:\.(?P<column>\w+))?"
)
"""A table with its key in other brackets, quotes or braces, or without the column."""
_LOOKED_UP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[([^\[\]]*)\]\.(.+)")


class PatternError(TextError):
    """A text is no pattern. `table` is the table that there is not, or not with such a column; empty: it is none
    whatever tables there are. `more` is what else is wrong with it, `rest` what of it can be read."""

    def __init__(self, text: str, at: int, table: str = "") -> None:
        self.table = table
        self.more: tuple[PatternError, ...] = ()
        self.rest = Pattern(())
        super().__init__(text, at)


@dataclass(frozen=True, slots=True)
class Reference:
    """One placeholder: an input and, for a message, the field of it."""

    input: str
    path: tuple[str, ...] = ()
    at: int = field(default=0, compare=False)
    """The character of the pattern, from 0, at which it stands."""

    def __str__(self) -> str:
        return ".".join((self.input, *self.path))


Resolver = Callable[[Reference], Scalar]
"""Finds what a placeholder stands for at the moment; None where that is not known."""


class Missed(NamedTuple):
    """The row `key`, by the value of an input, that a table does not have, or not with that column."""

    table: str
    column: str
    key: str
    input: str


@dataclass(frozen=True, slots=True)
class NotingResolver:
    """A resolver that notes what is not found in tables."""

    find: Resolver
    missed: dict[Missed, bool]

    def __call__(self, reference: Reference) -> Scalar:
        return self.find(reference)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A placeholder for what the table `name` has in `column` for the value of `reference`."""

    reference: Reference
    name: str
    table: Lookup
    column: str

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it depends on; a table that learns changes too."""
        return (self.reference, *([Reference(self.name)] if self.table.learned is not None else []))

    def value(self, resolve: Resolver) -> Scalar:
        """The value in the table; None where the input is not known or the table has nothing for it."""
        said = resolve(self.reference)
        if said is None:
            self._note_plain(resolve)
            return None
        key = text(said).strip()  # as the keys of tables are: PLCs fill texts up with blanks
        if self.table.learned is not None:
            value = resolve(Reference(self.name, (key, *self.column.split("."))))
        else:
            value = self.table.find(key, self.column)
        if value is None and isinstance(resolve, NotingResolver) and key:
            resolve.missed.setdefault(Missed(self.name, self.column, key, self.reference.input), False)
        return value

    def _note_plain(self, resolve: Resolver) -> None:
        """Note a field of an input that is known and is no message: nothing can ever be looked up by it."""
        key, whole = self.reference, Reference(self.reference.input)
        if key.path and isinstance(resolve, NotingResolver) and resolve(whole) is not None:
            resolve.missed.setdefault(Missed(self.name, self.column, str(key), key.input), False)


@dataclass(frozen=True, slots=True)
class OrElse:
    """A placeholder with what stands for it where it is not known."""

    known: "Reference | LookedUp"
    otherwise: "Pattern"


Part = str | Reference | LookedUp | OrElse


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: literal text and placeholders in order."""

    parts: tuple[Part, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The inputs that it depends on."""
        return tuple(chain.from_iterable(map(_references, self.parts)))

    @property
    def lookups(self) -> tuple[LookedUp, ...]:
        """What it looks up in tables."""
        parts = (part.known if isinstance(part, OrElse) else part for part in self.parts)
        return tuple(part for part in parts if isinstance(part, LookedUp))

    def render(self, resolve: Resolver) -> Scalar:
        """The pattern filled in; None where a placeholder is not known.

        A pattern that is exactly one placeholder keeps the type of its value.
        """
        if len(self.parts) == 1 and not isinstance(part := self.parts[0], str):
            return resolve(part) if isinstance(part, Reference) else _value(part, resolve)
        values = [_value(part, resolve) for part in self.parts]
        return None if None in values else "".join(map(text, values))

    def why_unknown(self, resolve: Resolver) -> str:
        """Why it cannot be filled in: the first placeholder that is not known, as the end of a
        sentence; empty where it can."""
        for part in self.parts:
            if (
                isinstance(part, LookedUp)
                and part.value(resolve) is None
                and (key := resolve(part.reference)) is not None
            ):
                return f"its table has nothing for {text(key)}"
            if isinstance(part, OrElse) and _value(part, resolve) is None:
                return part.otherwise.why_unknown(resolve)
            if not isinstance(part, str) and _value(part, resolve) is None:
                return f"{part.reference if isinstance(part, LookedUp) else part} is not known"
        return ""

    def text_of(self, resolve: Resolver) -> str | None:
        """The pattern filled in, as text; None where a placeholder is not known or nothing but blanks results."""
        return text(self.render(resolve)).strip() or None


def _references(part: Part) -> tuple[Reference, ...]:
    match part:
        case Reference():
            return (part,)
        case LookedUp():
            return part.references
        case OrElse():
            return (*_references(part.known), *part.otherwise.references)
    return ()


def _value(part: Part, resolve: Resolver) -> Scalar:
    match part:
        case Reference():
            return resolve(part)
        case OrElse():
            known = _value(part.known, resolve)
            is_known = known is not None and text(known).strip() != ""
            return known if is_known else part.otherwise.render(resolve)
        case LookedUp():
            return part.value(resolve)
    return part


def parse(pattern: str, lookups: Lookups = NO_LOOKUPS, at: int = 0) -> Pattern:
    """Parse `pattern`, which may look inputs up in `lookups`, and is written from the character `at` on. Raises
    PatternError, with a sentence, for braces that enclose no name."""
    parts: list[Part] = []
    wrong: list[PatternError] = []
    for match in _PIECE.finditer(pattern):
        piece, name = match[0], match[1]
        if piece in {"{", "}"}:
            wrong.append(PatternError(_lone_brace(pattern, match), at + match.start()))
            continue
        if name is not None:
            try:
                parts.append(_placeholder(name, lookups, at + match.start(1)))
            except PatternError as error:
                wrong += (error, *error.more)
            continue
        literal = piece[0] if piece in {"{{", "}}"} else piece
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)
    if wrong:
        first, *more = wrong
        first.more, first.rest = tuple(more), Pattern(tuple(parts))
        raise first
    return Pattern(tuple(parts))


def _lone_brace(pattern: str, brace: re.Match[str]) -> str:
    """What is said of a brace that is not one of a pair."""
    if (meant := _UNCLOSED.match(pattern, brace.start())) is None:
        return f'a lone "{brace[0]}": write "{brace[0] * 2}" for the character itself'
    cure = f'a "}}" is missing behind "{meant[0]}"'
    if meant["other"]:
        cure = f'write "}}" in the place of "{meant["other"]}" behind "{meant[0][:-1]}"'
    return f'a lone "{{": {cure}, or write "{{{{" for the character itself'


def _placeholder(name: str, lookups: Lookups, at: int) -> Reference | LookedUp | OrElse:
    name, bar, otherwise = name.partition("|")
    behind = at + len(name) + len(bar)
    if bar and (otherwise.startswith("|") or name != name.strip()):
        text = f'one "|" without a blank before it, as in "{{{name.strip()}|unknown}}"'
        raise PatternError(text, behind if otherwise.startswith("|") else at + len(name.rstrip()))
    if (second := _SECOND_BAR.match(otherwise)) is not None:
        text = f'one "|"; a second one has braces of its own, as in "{{{name}|{{other|unknown}}}}"'
        raise PatternError(text, behind + second.end() - 1)
    known = _known(name, lookups, at)
    return OrElse(known, parse(otherwise, lookups, behind)) if bar else known


def _known(name: str, lookups: Lookups, at: int) -> Reference | LookedUp:
    match = _LOOKED_UP.fullmatch(name)
    if match and _NAME.fullmatch(match[2]):
        table = lookups.get(match[1])
        if table is None:
            raise PatternError(f'"{match[1]}" is not one of the tables{suggestion(match[1], lookups)}', at, match[1])
        if match[3] not in table.columns:
            near = suggestion(match[3], sorted(table.columns))
            raise PatternError(f'"{match[1]}" has no column "{match[3]}"{near}', at + match.start(3), match[1])
        return LookedUp(_reference(match[2], at + match.start(2)), match[1], table, match[3])
    _refuse_near_look_ups(name, lookups, at)
    return _reference(name, at)


def _refuse_near_look_ups(name: str, lookups: Lookups, at: int) -> None:
    """Raise PatternError for what is looked up in one of the tables and is written otherwise."""
    near = _NEARLY_LOOKED_UP.fullmatch(name)
    if near is not None and (table := lookups.get(near["table"])) is not None:
        written = look_up_is_written(near["table"], table, near["key"], near["column"])
        raise PatternError(f'"{{{name}}}" is not a placeholder: {written}', at, near["table"])


def look_up_is_written(name: str, table: Lookup, key: str, column: str | None) -> str:
    """How the value in `column` of a table is written; None: that is not known."""
    columns = sorted(table.columns)
    written = f"{{{name}[{key}].{column or (columns[0] if columns else 'column')}}}"
    return f'what a table has is written "{written}" (possible columns: {", ".join(columns) or "any"})'


def _reference(name: str, at: int) -> Reference:
    if not _NAME.fullmatch(name):
        foreign = foreign_letter(name)
        if foreign is not None:
            raise PatternError(f'"{{{name}}}" is not a placeholder: {foreign}, type it anew', at)
        alone = name.strip()
        example = f"without blanks, {{{alone}}}" if _NAME.fullmatch(alone) else 'such as "{order}"'
        raise PatternError(f'"{{{name}}}" is not a placeholder: write the name of an input, {example}', at)
    first, *path = name.split(".")
    return Reference(first, tuple(path), at)


@dataclass(frozen=True, slots=True)
class NumberTemplate:
    """A value that is a number at Oden, also where it is written as text, as behind a bar: what is none is left out."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A value that is text at Oden, also where it is filled in from a number."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class TimeTemplate:
    """A value that is a time at Oden, in whole seconds: what is none is left out."""

    pattern: Pattern


Template = TextTemplate | NumberTemplate | TimeTemplate | Pattern | Scalar | tuple[str, ...] | Mapping[str, "Template"]
"""What is to be filled in; a mapping keeps only what is known. Plain values, and lists of texts, are as they are."""


def filled(template: Template, resolve: Resolver) -> JsonValue:
    """The template by what is known now; None where nothing of it is."""
    match template:
        case TextTemplate(pattern):
            return pattern.text_of(resolve)
        case NumberTemplate(pattern):
            value = pattern.render(resolve)
            return number_in(value) if isinstance(value, str) else number(value)
        case TimeTemplate(pattern):
            at = epoch_seconds(pattern.render(resolve))
            return None if at is None else datetime.fromtimestamp(floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Pattern():
            value = template.render(resolve)
            return value.strip() or None if isinstance(value, str) else value
        case Mapping():
            return filled_mapping(template, resolve) or None
        case tuple():
            return [*template]
    return template


def filled_mapping(templates: Mapping[str, Template], resolve: Resolver) -> dict[str, JsonValue]:
    """The templates that are known now, by name."""
    return {name: value for name, template in templates.items() if (value := filled(template, resolve)) is not None}


def inputs_of(template: Template) -> Iterator[str]:
    """The inputs that the template looks at."""
    match template:
        case TextTemplate(pattern) | NumberTemplate(pattern) | TimeTemplate(pattern):
            yield from inputs_of(pattern)
        case Pattern():
            yield from (reference.input for reference in template.references)
        case Mapping():
            for part in template.values():
                yield from inputs_of(part)
