"""Texts that look right and are not: an input's name without its braces, quotes and blanks that are part of a text, and
numbers that were most likely written with a point between the thousands, which is for decimals here."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from gateway.config.invisible import CURLY_QUOTES, in_curly_quotes, looks_like, mixed_letter
from gateway.config.near_words import nearest, one_slip_apart, seen_as, without_signs
from gateway.config.schema import Line
from gateway.config.schema_intervals import Categories, Interval, Operator, PerformanceTarget, StateCode
from gateway.config.schema_rules import IntervalTypeRule, ProductAttributeRule
from gateway.config.schema_walk import Loc, section_keys
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_TOLD = frozenset({"product", "product_id"})
"""Keys whose text is certainly meant to come from an input, where it is the name of one."""
_NAMES = frozenset({"product", "product_id", "external_id", "name", "named"})
"""Keys whose text is rarely the same for all that a line does."""
_NAMES_AT_ODEN = frozenset({"factory", "line", "category", "reason", "metric_group", "type", "product", "name"})
"""Keys whose text Oden compares with names that it has."""
_FILLED_IN = (
    frozenset(
        {"name", "named", "category", "reason", "comment", "value", "lsl", "usl", "metric_group", "external_id"}
        | {"description", "started_at", "completed_at", "metadata", "raw_data", "display_name"}
    )
    | _TOLD
)
"""Keys under which texts are filled in from inputs."""
_NAMED_BY_AN_END = ("end", "key")
"""The key path at which an input may stand without braces as well, so that those alone are looked at."""
_AS_WRITTEN = frozenset({"when", "expr", "metadata_schema", "node", "topic", "field", "time", "device", "metric"})
"""Keys whose texts are checked elsewhere, or are no words."""
_LISTS = frozenset({"of", "tags"})
"""Lists of names, of which any can have any sign in it."""
_DOUBLE = re.compile(r"(?<!\{)\{\{\s*([A-Za-z_]\w*)((?:\.\w+)*)\s*\}\}(?!\})")
_FOREIGN = re.compile(
    r"\$\(([A-Za-z_]\w*)\)|%([A-Za-z_]\w*)%|<([A-Za-z_]\w*)>|[$@]([A-Za-z_]\w*)"
    r"|\A\[([A-Za-z_]\w*)\]\Z|\A\(([A-Za-z_]\w*)\)\Z"
)
_PART = r"(?:\"[^\"]*\"|'[^']*'|[A-Za-z_]\w*(?:\.\w+)*)"
_SUM = re.compile(rf"\s*{_PART}(?:\s*[+&]\s*{_PART})+\s*")
_WORDS = re.compile(_PART)
_STAND_IN = re.compile(r"\|([A-Za-z_]\w*)\}")
_LOOKED_UP = re.compile(r"[A-Za-z_]\w*\[([A-Za-z_]\w*)(?:\.\w+)*\]\.\w+(?:\.\w+)*")
_MOST_COMPARED = 200
"""Names of a kind of which each is compared with each."""
_LINES_OF = "line of "
"""Names of lines are meant to be nearly the same, and are looked at for what looks the same alone."""
_NEAR_TYPE = 0.7
"""How alike the name that a rule has and a type of intervals are, of which the one is most likely a slip."""
USUAL_CATEGORIES = ("Uptime", "Planned Downtime", "Unplanned Downtime", "No Data")
"""What state categories are called at Oden, where a factory has no others."""


def find_doubtful_texts(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """The texts of `line`, which stands at `loc`, that are certainly or probably not meant as they are."""
    types = {interval.type for interval in line.intervals}
    for at, value in texts_of(line, loc):
        yield from _quotes_and_blanks(value, at)
        if value in types or _is_type_of_rule(line, at[len(loc) :]):
            continue  # the name of a type, as that of an input may be
        if at[2:3] == ("inputs",):
            continue
        if at[-2:] == _NAMED_BY_AN_END:
            yield from _double_braces(value, at, line.inputs, certain=True)
        elif not _FILLED_IN.isdisjoint(at[len(loc) :]):
            yield from _placeholders(value, at, line.inputs)


def _is_type_of_rule(line: Line, at: Loc) -> bool:
    """Whether at `at` of `line` stands the name of a type of intervals that a rule makes, whichever line has some."""
    match at:
        case ("rules", int() as place, "name"):
            return isinstance(line.rules[place], IntervalTypeRule)
    return False


def texts_of(section: BaseModel, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The texts of a section, but for addresses and expressions, with their places."""
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
            yield from texts_of(value, loc)
        case Mapping():
            for key, item in value.items():
                yield from _of_value(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from _of_value(item, (*loc, index))


def joined_by(text: str) -> int | None:
    """At which character of `text` stands the sign that other programs put between the items of a list; None: there is
    none."""
    match = re.search(r"(?<=\w)\s*([;|])\s*(?=\w)", text)
    return match.start(1) if match is not None else None


def _quotes_and_blanks(value: str, loc: Loc) -> Iterator[ConfigFault]:
    if in_curly_quotes(value):
        yield ConfigFault(loc, CURLY_QUOTES)
    elif isinstance(loc[-1], int) and loc[-2] in _LISTS and (sign := joined_by(value)) is not None:
        text = f"this is one text with a '{value[sign]}' in it: between the items of a list stands ','"
        yield ConfigFault(loc, text, warning=True, at=(sign,))
    elif value != value.strip():
        place = "end" if value != value.rstrip() else "beginning"
        yield ConfigFault(loc, f"there is a blank at the {place} of this text; remove it", warning=True)
    elif loc[-1] in _NAMES_AT_ODEN and "  " in value:
        yield ConfigFault(loc, "there are two blanks in a row in this name: with one it is another name", warning=True)
    elif loc[-1] in _NAMES_AT_ODEN and not value.isascii() and (letter := mixed_letter(value)) is not None:
        yield ConfigFault(loc, f"{letter} among Latin letters, which makes it another name: type it anew", warning=True)
    elif len(value) > 1 and value[-1] in ",;":
        text = f"the '{value[-1]}' at its end is part of this text; remove it: a line ends by itself"
        yield ConfigFault(loc, text, warning=True)
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
    elif loc[-1] in _NAMES and (meant := _meant_input(value.strip(), inputs)) is not None:
        text = f'{quoted(value.strip())} is text, and nearly the name of an input: if that is meant write "{{{meant}}}"'
        yield ConfigFault(loc, text, warning=True)
    yield from _put_together(value, loc, inputs)
    looked_up = _LOOKED_UP.fullmatch(value.strip())
    if looked_up is not None and looked_up[1] in inputs:
        text = f'here this is text: an input is looked up in a table where that stands in braces, "{{{looked_up[0]}}}"'
        yield ConfigFault(loc, text, warning=True)
    yield from _double_braces(value, loc, inputs)
    foreign = next(
        (found for match in _FOREIGN.finditer(value) if (found := match[match.lastindex or 0]) in inputs), None
    )
    if foreign is not None:
        text = f'{quoted(foreign)} is the name of an input: it is filled in where it stands in braces, "{{{foreign}}}"'
        yield ConfigFault(loc, text, warning=True)


def _double_braces(value: str, loc: Loc, inputs: Collection[str], *, certain: bool = False) -> Iterator[ConfigFault]:
    """Braces that stand for themselves around what is an input, or nearly one; or around all of a text, which is no
    words. `certain`: a text without an input is of no use here."""
    found = [*_DOUBLE.finditer(value)]
    names = [match for match in found if match[1] in inputs or match[1] == "n"]
    near = [match for match in found if _meant_input(match[1], inputs) is not None]
    whole = [match for match in found if certain or match[0] == value.strip()]
    for match in (names or near or whole)[:1]:
        name = match[1] if names else _meant_input(match[1], inputs) or match[1]
        text = f'double braces stand for the braces themselves: write "{{{name}{match[2]}}}"'
        if not names and not near:
            text = f"{text} with the name of an input, or without any braces where this is a text"
            if not match[1].isascii():
                text = f"double braces are braces in the text: write {match[1]} without any, no input is called so"
        yield ConfigFault(loc, text, warning=not names and not certain)


def _put_together(value: str, loc: Loc, inputs: Collection[str]) -> Iterator[ConfigFault]:
    """Inputs named where text stands: in a sum as of an expression, and behind the bar of a placeholder."""
    words = _WORDS.findall(value) if _SUM.fullmatch(value) else []
    if any(word.partition(".")[0] in inputs for word in words):
        parts = [word[1:-1] if word[0] in "\"'" else f"{{{word}}}" for word in words]
        text = f'this is text, and nothing is put together here: write "{"".join(parts)}"'
        yield ConfigFault(loc, text, warning=True)
    stand_in = next((match[1] for match in _STAND_IN.finditer(value) if match[1] in inputs), None)
    if stand_in is not None:
        text = f'behind the bar, {quoted(stand_in)} is text: an input has braces of its own there, "|{{{stand_in}}}}}"'
        yield ConfigFault(loc, text, warning=True)


def _meant_input(text: str, inputs: Collection[str]) -> str | None:
    """The input whose name `text` is but for its case, signs or one slip."""
    if "{" in text:
        return None
    name, dot, field = text.partition(".")
    word = _folded(name)
    found = (other for other in inputs if _folded(other) == word or one_slip_apart(name, other))
    meant = next(found, None)
    return None if meant is None else f"{meant}{dot}{field}"


def find_near_misses(lines: Collection[Line], tones: Collection[str]) -> Iterator[ConfigFault]:
    """Names that differ from others only in their case, blanks or signs, or by one slip of the keyboard, so that Oden
    would have them twice. `tones` are the categories of which `status.categories` says how they are shown."""
    seen: dict[str, dict[str, dict[str, Loc]]] = {}
    times: Counter[str] = Counter()
    named = (named for index, line in enumerate(lines) for named in _names(line, ("lines", index)))
    shown = (("category", name, ("status", "categories", name)) for name in tones)
    for kind, name, loc in (*named, *shown):
        seen.setdefault(kind, {}).setdefault(_folded(name), {}).setdefault(name, loc)
        times[name] += 1

    def rank(name: str) -> tuple[bool, bool, int]:
        return name in USUAL_CATEGORIES, name in tones, times[name]

    for kind, groups in seen.items():
        for names in groups.values():
            first = max(names, key=rank)
            for name in names.keys() - {first}:
                text = f"this {kind} is written {quoted(first)} elsewhere: are these two? Write both alike"
                yield ConfigFault(names[name], text, at_key=names[name][0] == "status", warning=True)
    for kind, groups in seen.items():
        yield from _slips(kind, groups, rank)
    yield from _types_of_rules(lines)
    categories = {name: loc for names in seen.get("category", {}).values() for name, loc in names.items()}
    yield from _nearly_usual(categories, tones)


def _types_of_rules(lines: Collection[Line]) -> Iterator[ConfigFault]:
    """Types of intervals that a rule names and no line has, but one that is called nearly so: short names too, since
    the one is there for the other."""
    types = {interval.type for line in lines for interval in line.intervals}
    for index, line in enumerate(lines):
        for place, rule in enumerate(line.rules):
            if not isinstance(rule, IntervalTypeRule) or rule.name in types or "{" in rule.name:
                continue
            near = nearest(rule.name, types, _NEAR_TYPE)
            if near is not None and _folded(near) != _folded(rule.name) and not one_slip_apart(near, rule.name):
                text = f"no intervals have the type {quoted(rule.name)}; did you mean {quoted(near)}?"
                yield ConfigFault(("lines", index, "rules", place, "name"), text, warning=True)


def _nearly_usual(categories: Mapping[str, Loc], known: Collection[str]) -> Iterator[ConfigFault]:
    """Categories that are nearly one of those that Oden usually has, where nobody writes that one itself: else they are
    near misses of each other. `known` are those that the factory has."""
    for usual in USUAL_CATEGORIES:
        for name, loc in categories.items() if usual not in categories else ():
            if name not in known and (_folded(name) == _folded(usual) or one_slip_apart(name, usual)):
                text = (
                    f"{quoted(name)} is nearly {quoted(usual)}, as Oden usually has it: if that is meant write it so; "
                    f"if your factory has this one, name it under `status: {{categories: ...}}`"
                )
                yield ConfigFault(loc, text, warning=True)


def _names(line: Line, loc: Loc) -> Iterator[tuple[str, str, Loc]]:
    yield "factory", line.factory, (*loc, "factory")
    yield f"{_LINES_OF}{line.factory}", line.line, (*loc, "line")
    for section, at in sections_of(line, loc):
        match section:
            case StateCode():
                yield "category", section.category, (*at, "category")
                if section.reason is not None:
                    yield "reason", section.reason, (*at, "reason")
            case Categories():
                yield from (("category", getattr(section, name), (*at, name)) for name in section.model_fields_set)
            case PerformanceTarget():
                yield "metric group", section.metric_group, (*at, "metric_group")
            case Operator():
                yield from (("category", name, (*at, "of", index)) for index, name in enumerate(section.of))
            case Interval():
                yield "type", section.type, (*at, "type")
            case IntervalTypeRule() if "{" not in section.name:
                yield "type", section.name, (*at, "name")
            case ProductAttributeRule() if "{" not in section.name:
                yield "attribute", section.name, (*at, "name")


def sections_of(value: Any, loc: Loc) -> Iterator[tuple[BaseModel, Loc]]:
    """The sections in a part of the configuration but for inputs, with their places."""
    match value:
        case BaseModel():
            yield value, loc
            for name, info in type(value).model_fields.items():
                if name != "inputs":
                    yield from sections_of(getattr(value, name), (*loc, info.alias or name))
        case Mapping():
            for key, item in value.items():
                yield from sections_of(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from sections_of(item, (*loc, index))


def _folded(name: str) -> str:
    return without_signs(looks_like(name)) or name


def _slips(
    kind: str, groups: Mapping[str, Mapping[str, Loc]], rank: Callable[[str], tuple[bool, bool, int]]
) -> Iterator[ConfigFault]:
    """Names of a kind, by what is equal in them, that look alike or, but for those of lines, are one slip apart: that
    of the lower `rank`, else the later."""
    seen: dict[str, str] = {}
    known: list[str] = []
    for number, name in enumerate(next(iter(names)) for names in groups.values()):
        first: str | None = seen.setdefault(seen_as(name), name)
        if first == name:
            near = (other for other in known if abs(len(name) - len(other)) < 2 and one_slip_apart(name, other))
            first = next(near, None)
        if number < _MOST_COMPARED and not kind.startswith(_LINES_OF):
            known.append(name)
        if first is not None:
            slip, other = (first, name) if rank(first) < rank(name) else (name, first)
            loc = groups[_folded(slip)][slip]
            text = f"{kind} {quoted(slip)} is one letter apart from {quoted(other)}: are these two?"
            yield ConfigFault(loc, text, at_key=loc[0] == "status", warning=True)
