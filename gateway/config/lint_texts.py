"""Texts that look right and are not: an input's name without its braces, quotes and blanks that are part of a text, and
numbers that were most likely written with a point between the thousands, which is for decimals here."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel

from gateway.config.error_messages import one_slip_apart
from gateway.config.invisible import CURLY_QUOTES, in_curly_quotes
from gateway.config.schema import Line
from gateway.config.schema_intervals import Categories, Interval, Operator, PerformanceTarget, StateCode
from gateway.config.schema_io import Input
from gateway.config.schema_rules import WorkOrderRule
from gateway.config.schema_walk import Loc, section_keys
from gateway.config.tree import Finding, Key, Node, quoted
from gateway.errors import ConfigFault

_TOLD = frozenset({"product", "product_id"})
"""Keys whose text is certainly meant to come from an input, where it is the name of one."""
_NAMES = frozenset({"product", "product_id", "external_id", "name", "named"})
"""Keys whose text is rarely the same for all that a line does."""
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
_FOREIGN = re.compile(
    r"\$\(([A-Za-z_]\w*)\)|%([A-Za-z_]\w*)%|<([A-Za-z_]\w*)>|[$@]([A-Za-z_]\w*)"
    r"|\A\[([A-Za-z_]\w*)\]\Z|\A\(([A-Za-z_]\w*)\)\Z"
)
_PART = r"(?:\"[^\"]*\"|'[^']*'|[A-Za-z_]\w*(?:\.\w+)*)"
_SUM = re.compile(rf"\s*{_PART}(?:\s*[+&]\s*{_PART})+\s*")
_WORDS = re.compile(_PART)
_STAND_IN = re.compile(r"\|([A-Za-z_]\w*)\}")
_FIELD = re.compile(r"\{([A-Za-z_]\w*)\.[A-Za-z_]")
_LOOKED_UP = re.compile(r"[A-Za-z_]\w*\[([A-Za-z_]\w*)(?:\.\w+)*\]\.\w+(?:\.\w+)*")
_MOST_COMPARED = 200
"""Names of a kind of which each is compared with each."""
_SLIPS_IN = ("category", "reason", "factory", "metric group", "type")
USUAL_CATEGORIES = ("Uptime", "Planned Downtime", "Unplanned Downtime", "No Data")
"""What state categories are called at Oden, where a factory has no others."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_FILLED = re.compile(r"\{[^{}]*\}")


def find_doubtful_texts(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """The texts of `line`, which stands at `loc`, that are certainly or probably not meant as they are."""
    types = {interval.type for interval in line.intervals}
    for at, value in _texts(line, loc):
        yield from _quotes_and_blanks(value, at)
        if value in types:
            continue  # the name of a type, as that of an input may be
        if not _FILLED_IN.isdisjoint(at[len(loc) :]) and at[2:3] != ("inputs",):
            yield from _placeholders(value, at, line.inputs)


def find_repeated_entries(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Entries of output that are there twice or count whole messages, and targets that are no numbers."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    for index, entry in enumerate(entries):
        if entry in entries[:index]:
            text = "this entry is there already: what is counted would be told twice; remove one of them"
            yield ConfigFault((*loc, "scrap_yield", "entries", index), text, warning=True, rests_on=())
        name, path = entry.amount
        if entry.each is None and not path and name in line.inputs and _is_object(line.inputs[name]):
            text = (
                f"{quoted(name)} is a whole message with fields, which is no amount: it counts nothing. Name the field "
                f'that says how many, such as "{name}.qty", or write `each: 1` where each message is one'
            )
            rests_on = ((*loc, "inputs", name),)
            yield ConfigFault((*loc, "scrap_yield", "entries", index, "count"), text, warning=True, rests_on=rests_on)
    yield from _wrong_inputs(line, loc)
    for section, at in _sections(line, loc):
        for key in ("value", "lsl", "usl") if isinstance(section, PerformanceTarget) else ():
            value = getattr(section, key)
            if isinstance(value, str) and not _may_be_number(value):
                text = "a target is a number, without a unit and with a point: write it as 12.5"
                yield ConfigFault((*at, key), text, rests_on=())
        for key in ("started_at", "completed_at") if isinstance(section, WorkOrderRule) else ():
            value = getattr(section, key)
            if value is not None and "{" not in value and not any(map(str.isdigit, value)):
                text = 'this is no time: write "{at}" for that of the event, or the field that says it, "{work.from}"'
                yield ConfigFault((*at, key), text, rests_on=())
        if isinstance(section, PerformanceTarget):
            lowest, highest = section.lsl, section.usl
            if isinstance(lowest, int | float) and isinstance(highest, int | float) and lowest > highest:
                text = f"the lower limit, {lowest:g}, is above the upper one, {highest:g}: are they exchanged?"
                yield ConfigFault((*at, "lsl"), text, warning=True, rests_on=())


def _wrong_inputs(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Whole messages that are to name a run or an interval, and counts that are to name a state."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    with_fields = {name for name, path in (entry.amount for entry in entries) if path}
    with_fields |= {match[1] for _, value in _texts(line, loc) for match in _FIELD.finditer(value)}
    for section, at in _sections(line, loc):
        key = getattr(section, "key", None)
        given = line.inputs.get(key) if isinstance(key, str) else None
        if given is None or given.event is not None or given.node is not None or not _is_whole(given):
            continue
        if _is_object(given) or key in with_fields:
            text = (
                f"{quoted(key)} is a whole message with fields, which names nothing: each would be rejected. Name the "
                f"field in an input of its own, by 'field', and write that one here"
            )
            yield ConfigFault((*at, "key"), text, rests_on=((*loc, "inputs", str(key)),))
    states = line.states
    counted = line.inputs.get(states.input) if states is not None and states.input is not None else None
    if states is not None and counted is not None and counted.counter is not None:
        text = (
            f"{quoted(states.input)} is a running count, and each of its values another state: is another input meant?"
        )
        yield ConfigFault(
            (*loc, "states", "input"), text, warning=True, rests_on=((*loc, "inputs", str(states.input)),)
        )


def _is_object(given: Input) -> bool:
    """Whether all that comes of an input are messages with fields: other keys of it name some."""
    named = given.time is not None or given.only or given.id or given.event is not None
    return bool(named) and _is_whole(given)


def _is_whole(given: Input) -> bool:
    """Whether what comes is the value as it is, not a part or a count of it."""
    parts = (given.field, given.capture, given.counter, given.edge, given.binary)
    return all(part is None for part in parts)


def _may_be_number(text: str) -> bool:
    """Whether `text` is a number, or can be one once its placeholders are filled in."""
    around = text
    while (outside := _FILLED.sub("", around)) != around:  # placeholders stand in placeholders: {a|{b}}
        around = outside
    if around == text:
        return "{" in text or _NUMBER.fullmatch(text) is not None
    return re.search(r"[^\s\d.eE+{}-]", around) is None


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
    if in_curly_quotes(value):
        yield ConfigFault(loc, CURLY_QUOTES)
    elif value != value.strip():
        place = "end" if value != value.rstrip() else "beginning"
        yield ConfigFault(loc, f"there is a blank at the {place} of this text; remove it", warning=True)
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
    for kind in _SLIPS_IN:
        yield from _slips(kind, seen.get(kind, {}), rank)
    categories = {name: loc for names in seen.get("category", {}).values() for name, loc in names.items()}
    yield from _nearly_usual(categories, tones)


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
    yield f"line of {line.factory}", line.line, (*loc, "line")
    for section, at in _sections(line, loc):
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


def _slips(
    kind: str, groups: Mapping[str, Mapping[str, Loc]], rank: Callable[[str], tuple[bool, bool, int]]
) -> Iterator[ConfigFault]:
    """Names of a kind, by what is equal in them, that are one slip apart: that of the lower `rank`, else
    the later."""
    known: list[str] = []
    for name in (next(iter(names)) for names in islice(groups.values(), _MOST_COMPARED)):
        first = next(
            (other for other in known if abs(len(name) - len(other)) < 2 and one_slip_apart(name, other)), None
        )
        known.append(name)
        if first is not None:
            slip, other = (first, name) if rank(first) < rank(name) else (name, first)
            loc = groups[_folded(slip)][slip]
            text = f"{kind} {quoted(slip)} is one letter apart from {quoted(other)}: are these two?"
            yield ConfigFault(loc, text, at_key=loc[0] == "status", warning=True)


_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_EMPTY_DECIMALS = re.compile(r"[1-9]\d{0,2}\.000")
"""Scales with three decimals show 2.500; nobody writes decimals that are all noughts."""


def find_thousands(root: Node) -> Iterator[Finding]:
    """What the lines of the configuration `root` have as decimals that were most likely thousands."""
    lines = _entries(root).get("lines")
    for line in _items(lines):
        for given in _entries(_entries(line).get("inputs")).values():
            counter = _entries(_entries(given).get("counter"))
            yield from _doubtful(counter.get("rollover"), _THOUSANDS)
            yield from _doubtful(counter.get("scale"), _EMPTY_DECIMALS)
        for entry in _items(_entries(_entries(line).get("scrap_yield")).get("entries")):
            yield from _doubtful(_entries(entry).get("max"), _EMPTY_DECIMALS)
            yield from _doubtful(_entries(entry).get("min"), _EMPTY_DECIMALS)
            yield from _doubtful(_entries(entry).get("factor"), _EMPTY_DECIMALS)


def _doubtful(node: Node | None, pattern: re.Pattern[str]) -> Iterator[Finding]:
    if node is not None and isinstance(node.value, float) and pattern.fullmatch(node.written):
        text = f"this is {node.value:g}, because a point is for decimals: is {node.written.replace('.', '')} meant?"
        yield Finding(node.position, text, warning=True)


def _entries(node: Node | None) -> Mapping[Key, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []
