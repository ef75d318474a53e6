"""Inputs, amounts, limits and codes that fit the schema each by itself, and make no sense where they stand."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from gateway.config.lint_expressions import comparisons
from gateway.config.lint_inputs import truth_word
from gateway.config.lint_texts import joined_by, sections_of, texts_of
from gateway.config.near_words import nearest, one_slip_apart
from gateway.config.schema import Line
from gateway.config.schema_intervals import End, PerformanceTarget, StateCode, States
from gateway.config.schema_io import Counter, Input
from gateway.config.schema_rules import WorkOrderRule
from gateway.config.schema_walk import Loc
from gateway.config.state_presets import PRESET_NAMES
from gateway.config.tree import quoted
from gateway.errors import ConfigFault
from gateway.model import Lookups, Scalar

_FIELD = re.compile(r"[\[{]([A-Za-z_]\w*)\.[A-Za-z_]")
_WHOLE_KEY = re.compile(r"\{([A-Za-z_]\w*)\[([A-Za-z_]\w*)\]\.")
_WHOLE = re.compile(r"(?<![{|])\{([A-Za-z_]\w*)(?!\|\{\1\.)(?=[|}])")
"""An input in braces, but where a field of it stands for a message that has some."""
_COLUMN = re.compile(r"([A-Za-z_]\w*)\[[^\[\]]*\]\.(\w+)(?=[|}])")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?")
_FILLED = re.compile(r"\{[^{}]*\}")
_ALL_OTHERS = frozenset({"else", "default", "other", "others", "any"})
_IN_BASE = re.compile(r"(?:0[xX]|(?P<base>2|8|16)#)(?P<digits>[0-9A-Fa-f_]+)")
_BITS = frozenset({16, 32, 64})
"""How many a counter has, and not the number after which it begins again."""
_TOO_OFTEN = 2.0
"""Seconds: a counter that is over sooner has turned more than once between two looks."""
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_OF_MACHINES = frozenset({"cleaning"})
"""States of machines that are nearly one of the standard's and another."""
_NEAR_CATEGORY = 0.8
_NEAR_STATE = 0.85
"""How alike a text and the name of a state are of which the one is most likely a slip of the other."""


def find_senseless(line: Line, loc: Loc, lookups: Lookups) -> Iterator[ConfigFault]:
    """What of `line`, which stands at `loc`, makes no sense together or with the tables `lookups`: an error where that
    is certain."""
    learned_from = {table.learned.input for table in lookups.values() if table.learned is not None}
    yield from _entries(line, loc)
    yield from _windows(line, loc)
    yield from _whole_messages(line, loc, learned_from)
    yield from _states(line, loc)
    yield from _targets_and_times(line, loc, lookups)
    yield from _names_with_blanks(line, loc)
    for name, given in line.inputs.items():
        if given.counter is not None:
            yield from _counter(given.counter, line, (*loc, "inputs", name, "counter"))


def find_doubtful_codes(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Codes of states and scrap that nothing shows as they are written."""
    if line.states is not None:
        others = line.states.other is not None
        yield from _codes(line.states.codes, (*loc, "states", "codes"), has_other=others)
        yield from _names_of_states(line.states, (*loc, "states", "codes"))
    if line.scrap_yield is not None:
        yield from _codes(line.scrap_yield.codes, (*loc, "scrap_yield", "codes"), has_other=True)


def find_meant_as_text(line: Line, loc: Loc, expressions: Iterable[tuple[Loc, str]]) -> Iterator[ConfigFault]:
    """Whole messages that are compared as if they were a value, in `expressions` with their places."""
    for at, source in expressions:
        for one in comparisons(source):
            given = line.inputs.get(one.path)
            if given is not None and one.literals and given.topic is not None and _is_object(given):
                text = f"{quoted(one.path)} is a whole message with fields, and is like nothing: name one of its fields"
                yield ConfigFault(at, f'{text}, such as "{one.path}.type"', rests_on=((*loc, "inputs", one.path),))


def _entries(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Entries of output that are there twice, count whole messages, or nothing."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    for index, entry in enumerate(entries):
        at: Loc = (*loc, "scrap_yield", "entries", index)
        if entry in entries[:index]:
            text = "this entry is there already: what is counted would be told twice; remove one of them"
            yield ConfigFault(at, text, warning=True, rests_on=())
        name, path = entry.amount
        if entry.each is None and not path and name in line.inputs and _is_object(line.inputs[name]):
            text = (
                f"{quoted(name)} is a whole message with fields, which is no amount: it counts nothing. Name the field "
                f'that says how many, such as "{name}.qty", or write `each: 1` where each message is one'
            )
            yield ConfigFault((*at, "count"), text, warning=True, rests_on=((*loc, "inputs", name),))
        if entry.factor == 0:
            text = "with a factor of 0 nothing is ever counted: write what one stands for, or remove the entry"
            yield ConfigFault((*at, "factor"), text, warning=True, rests_on=())


def _windows(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Windows by the clock that a day has no whole number of: each day they begin at other times."""
    output, at = line.scrap_yield, (*loc, "scrap_yield")
    if output is None or output.align != "clock" or _fits_a_day(output.every):
        return
    text = (
        f"windows of this length begin at other times each day, because a day is no multiple of it: write "
        f"{_nearest_window(output.every)}, the nearest that is, or `align: run` to count from the start of the run"
    )
    yield ConfigFault((*at, "every"), text, warning=True, rests_on=((*at, "align"),))


def _fits_a_day(seconds: float) -> bool:
    """Whether windows of `seconds` begin at the same times of each day, or each at the same time of a day."""
    ratio = max(_DAY / seconds, seconds / _DAY)
    return abs(ratio - round(ratio)) < 1e-9 * ratio


def _nearest_window(seconds: float) -> str:
    """The length nearest to `seconds` that fits a day, in the largest unit in which that is a whole number; of two that
    are as near, the longer."""
    if seconds > _DAY:
        return f"{round(seconds / _DAY)}d"
    unit, name = next(((unit, name) for unit, name in ((_HOUR, "h"), (_MINUTE, "m")) if seconds % unit == 0), (1, "s"))
    count = _DAY // unit
    fitting = (number for number in range(1, count + 1) if count % number == 0)
    return f"{min(fitting, key=lambda number: (abs(number * unit - seconds), -number))}{name}"


def _whole_messages(line: Line, loc: Loc, learned_from: Collection[str]) -> Iterator[ConfigFault]:
    """Whole messages that are to name a run or an interval, or to be looked up; counts that are looked up; and keys
    that are text where an input is meant."""
    entries = line.scrap_yield.entries if line.scrap_yield is not None else []
    texts = [*texts_of(line, loc)]
    with_fields = {*learned_from, *(name for name, path in (entry.amount for entry in entries) if path)}
    with_fields |= {match[1] for _, value in texts for match in _FIELD.finditer(value)}
    for section, at in sections_of(line, loc):
        key = getattr(section, "key", None)
        if isinstance(section, End) and isinstance(key, str) and key.partition(".")[0] in line.inputs:
            text = f'{quoted(key)} is the name of an input, but here it is text: write "{{{key}}}"'
            yield ConfigFault((*at, "key"), text, rests_on=())
        given = line.inputs.get(key) if isinstance(key, str) and not isinstance(section, End) else None
        if given is None or given.event is not None or given.node is not None or not _is_whole(given):
            continue
        if _is_object(given) or key in with_fields:
            text = (
                f"{quoted(key)} is a whole message with fields, which names nothing: each would be rejected. Name the "
                f"field in an input of its own, by 'field', and write that one here"
            )
            yield ConfigFault((*at, "key"), text, rests_on=((*loc, "inputs", str(key)),))
    for at, value in texts:
        for name in dict.fromkeys(_WHOLE.findall(value)):
            given = line.inputs.get(name)
            has_fields = given is not None and given.has_fields and _is_whole(given)
            if given is not None and has_fields and (_is_object(given) or name in with_fields):
                text = f"{quoted(name)} is a whole message with fields, and nothing is filled in for it: name one"
                rests_on = ((*loc, "inputs", name),)
                yield ConfigFault(at, f'{text} of its fields, such as "{{{name}.code}}"', rests_on=rests_on)
        for table, name in _WHOLE_KEY.findall(value):
            given = line.inputs.get(name)
            if given is None:
                continue
            rests_on = ((*loc, "inputs", name),)
            if given.has_fields and _is_whole(given) and (_is_object(given) or name in with_fields):
                text = f"{quoted(name)} is a whole message with fields, and no row is called so: name the field"
                yield ConfigFault(at, f'{text}, such as "{{{table}[{name}.number]...}}"', rests_on=rests_on)
            elif given.counter is not None:
                text = f"{quoted(name)} is a running count, and hardly what a row is called: is another input meant?"
                yield ConfigFault(at, text, warning=True, rests_on=rests_on)


def _states(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Inputs that hold something else than a state."""
    states, at = line.states, (*loc, "states")
    if states is not None:
        yield from _spoken_of(states, at)
    if states is None or states.input is None:
        return
    rests_on = ((*loc, "inputs", states.input),)
    given = line.inputs.get(states.input)
    if given is not None and given.counter is not None:
        text = (
            f"{quoted(states.input)} is a running count, and each of its values another state: is another input meant?"
        )
        yield ConfigFault((*at, "input"), text, warning=True, rests_on=rests_on)
    if given is not None and line.run is not None and line.run.key == states.input:
        text = f"{quoted(states.input)} says which run is on, and here which state is: is another input meant?"
        yield ConfigFault((*at, "input"), text, warning=True, rests_on=rests_on)
    if states.mode == states.input:
        text = "the mode and the state are one input here: in PackML these are UnitModeCurrent and StateCurrent"
        yield ConfigFault((*at, "mode"), text, rests_on=rests_on)


def _spoken_of(states: States, at: Loc) -> Iterator[ConfigFault]:
    """Categories of which a person is to say something, and that no state of the line has; not those that are nearly
    one, which is told of the whole plant."""
    if states.operator is None:
        return
    known = {section.category for section, _ in sections_of(states, at) if isinstance(section, StateCode)}
    known |= {states.operator.category} if states.operator.category is not None else set()
    known |= {*states.categories.model_dump().values()} if states.preset is not None else set()
    if any("{" in name for name in known):
        return
    for place, name in enumerate(states.operator.of):
        if name not in known and nearest(name, known, _NEAR_CATEGORY) is None and joined_by(name) is None:
            text = f"no state of this line has the category {quoted(name)}: nothing is ever said of it"
            yield ConfigFault((*at, "operator", "of", place), text, warning=True)


def _targets_and_times(line: Line, loc: Loc, lookups: Lookups) -> Iterator[ConfigFault]:
    """Targets that are no numbers or outside of their limits, and times that are none."""
    for section, at in sections_of(line, loc):
        for key in ("value", "lsl", "usl") if isinstance(section, PerformanceTarget) else ():
            value = getattr(section, key)
            if isinstance(value, str) and not _may_be_number(value):
                text = "a target is a number, without a unit and with a point: write it as 12.5"
                yield ConfigFault((*at, key), text, rests_on=())
            elif isinstance(value, str):
                yield from _columns_of_text(value, (*at, key), lookups)
        for key in ("started_at", "completed_at") if isinstance(section, WorkOrderRule) else ():
            value = getattr(section, key)
            if value is not None and "{" not in value and not any(map(str.isdigit, value)):
                text = 'this is no time: write "{at}" for that of the event, or the field that says it, "{work.from}"'
                yield ConfigFault((*at, key), text, rests_on=())
        if isinstance(section, PerformanceTarget):
            yield from _limits(section, at)


def _columns_of_text(value: str, loc: Loc, lookups: Lookups) -> Iterator[ConfigFault]:
    """Columns from which a target is taken, and in which no number stands. A warning: tables are exchanged while the
    gateway runs, and what one holds on a day is no reason not to start."""
    for name, column in _COLUMN.findall(value):
        rows = lookups[name].rows if name in lookups else {}
        said = {key: row[column] for key, row in rows.items() if column in row}
        if said and not any(_is_number(each) for each in said.values()):
            key, first = next(iter(said.items()))
            text = (
                f"a target is a number, and the column {quoted(column)} of {quoted(name)} has none, such as "
                f"{quoted(str(first))} for {quoted(key)}: name another column, or write numbers without a unit there"
            )
            yield ConfigFault(loc, text, warning=True, rests_on=(("tables", name),))


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is not None)


def _names_with_blanks(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Names of metadata and raw data that have a blank at an end, which is part of them at Oden."""
    for section, at in sections_of(line, loc):
        for key in ("metadata", "raw_data"):
            names = getattr(section, key, None)
            for name in names if isinstance(names, Mapping) else ():
                if name != name.strip():
                    text = "there is a blank at the end or beginning of this name, which Oden takes for a part of it"
                    yield ConfigFault((*at, key, name), f"{text}; remove it", at_key=True, warning=True, rests_on=())


def _limits(target: PerformanceTarget, at: Loc) -> Iterator[ConfigFault]:
    lowest, highest, value = (_plain(each) for each in (target.lsl, target.usl, target.value))
    if lowest is not None and highest is not None and lowest > highest:
        text = f"the lower limit, {lowest:g}, is above the upper one, {highest:g}: are they exchanged?"
        yield ConfigFault((*at, "lsl"), text, warning=True, rests_on=())
    elif value is not None and lowest is not None and value < lowest:
        text = f"the target, {value:g}, is below its lower limit, {lowest:g}: which of them is right?"
        yield ConfigFault((*at, "value"), text, warning=True, rests_on=())
    elif value is not None and highest is not None and value > highest:
        text = f"the target, {value:g}, is above its upper limit, {highest:g}: which of them is right?"
        yield ConfigFault((*at, "value"), text, warning=True, rests_on=())


def _plain(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _counter(counter: Counter, line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """A range that no counter has, or that is over before it is looked at again; another count as what it restarts
    with."""
    if counter.rollover in _BITS:
        bits = int(counter.rollover)
        text = f"does it begin again after {bits - 1}, or has it {bits} bits? Then write {1 << bits}"
        if bits in {16, 32}:
            text += f", or `signed: {bits}` where it goes on below zero"
        yield ConfigFault((*loc, "rollover"), text, warning=True, rests_on=())
    elif counter.turn is not None and counter.max_rate is not None and counter.turn < counter.max_rate * _TOO_OFTEN:
        seconds = counter.turn / counter.max_rate
        text = f"at this rate it begins again every {seconds:.2g} s, sooner than it is looked at: is another unit meant"
        rests_on = ((*loc, "rollover"), (*loc, "signed"))
        yield ConfigFault((*loc, "max_rate"), f'{text}, such as "300/min"?', warning=True, rests_on=rests_on)
    other = line.inputs.get(counter.restarts_with or "")
    if other is not None and other.counter is not None and other.counter is not counter:
        text = (
            f"{quoted(counter.restarts_with)} is a running count, which changes all the time: write the order, or what "
            f"else it starts again with"
        )
        of_other = ((*loc[:-2], str(counter.restarts_with)),)
        yield ConfigFault((*loc, "restarts_with"), text, warning=True, rests_on=of_other)


def _codes(codes: Mapping[Any, object], loc: Loc, *, has_other: bool) -> Iterator[ConfigFault]:
    """`has_other`: it is said what all others are, so that such a word is one of the machine's."""
    has_numbers = any(isinstance(code, int) for code in codes)
    for code in codes:
        text = None
        if not isinstance(code, str):
            continue
        if re.fullmatch(r"\s*\d+\s*(-|\.\.+|,|;|\+|to|or|and|/)\s*\d+.*", code):
            text = f"this is one code, the text {quoted(code)}: write a line for each number, or `ladder` for ranges"
        elif code in {"*", "_"} or (not has_other and code.casefold() in _ALL_OTHERS):
            text = f"this is one code, the text {quoted(code)}: for all others write `other` beside `codes`"
        elif re.fullmatch(r"[<>]=?\s*\d+", code):
            text = f"this is one code, the text {quoted(code)}: ranges are conditions of a `ladder`"
        elif re.fullmatch(r"0\d+|\d+\.0+", code) and has_numbers:
            text = f"a number is never shown as {quoted(code)}, only a text is: write {int(float(code))} for the number"
        elif (truth := truth_word(code)) is not None:
            text = f"a spreadsheet writes {quoted(code)} for {truth}, which is shown as that: write '{truth}' in quotes"
        elif (number := _in_base(code)) is not None:
            text = f"a number is never shown as {quoted(code)}, only a text is: write {number} for the number"
        if text is not None:
            yield ConfigFault((*loc, code), text, at_key=True, warning=True)


def _in_base(code: str) -> int | None:
    """The number that a text writes as PLC programs do: `16#1F`, `2#0001`; or as 0x1F."""
    match = _IN_BASE.fullmatch(code)
    try:
        return int(match["digits"].replace("_", ""), int(match["base"] or 16)) if match is not None else None
    except ValueError:
        return None


def _names_of_states(states: States, loc: Loc) -> Iterator[ConfigFault]:
    """Texts that are nearly the name of a state of the standard that is meant: of the preset, or of PackML where other
    codes are its names."""
    names = PRESET_NAMES[states.preset or "packml"]
    known = {name.casefold(): name for name in names}
    texts = [code for code in states.codes if isinstance(code, str) and code not in _spellings(names)]
    is_meant = states.preset is not None or len(texts) * 2 <= len(states.codes)
    for code in texts if is_meant and (states.preset is not None or _has_names(states, names)) else ():
        folded = re.sub(r"[\W_]+", "", code).casefold()
        near = next((name for name in names if one_slip_apart(code, name)), None)
        near = known.get(folded) or near or nearest(code, names, _NEAR_STATE)
        if near is not None and folded not in _OF_MACHINES and not re.search(r"\d", code):
            text = f"{quoted(code)} is no state of {_TITLES[states.preset or 'packml']}, and nearly {quoted(near)}"
            yield ConfigFault((*loc, code), f"{text}: if that is meant write it so", at_key=True, warning=True)


_TITLES = {"packml": "PackML", "tmc": "TMC"}


def _spellings(names: tuple[str, ...]) -> set[str]:
    return {written for name in names for written in (name, name.upper(), name.lower())}


def _has_names(states: States, names: tuple[str, ...]) -> bool:
    """Whether most codes that are texts are names of the standard."""
    texts = [code for code in states.codes if isinstance(code, str)]
    return bool(texts) and sum(code in _spellings(names) for code in texts) * 2 >= len(texts)


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
