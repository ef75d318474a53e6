"""What is right by itself, and there for another purpose: counts that are to name a run, halves of a number the wrong
way round, work orders and batches that are all one, categories in the place of reasons, the mode in that of the state,
amounts that are good and bad at once."""

import re
from collections.abc import Iterator

from gateway.config.lint_texts import USUAL_CATEGORIES, sections_of
from gateway.config.schema import Line
from gateway.config.schema_intervals import End, StateCode
from gateway.config.schema_rules import WorkOrderRule
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_LOW = frozenset({"low", "lower", "lo", "lsw", "lsb", "lw"})
_HIGH = frozenset({"high", "higher", "upper", "hi", "msw", "msb", "hw"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PLACEHOLDER = re.compile(r"\{[^{}]*")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_GOOD = frozenset({"yield", "good", "ok"})
_BAD = frozenset({"scrap", "reject", "rejects", "rejected", "bad", "nok", "waste"})
_NO_REASONS = frozenset(USUAL_CATEGORIES[:3])
"""Categories that say nothing of why; "No Data" does."""


def find_other_purposes(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """What of `line`, which stands at `loc`, is most likely meant for something else."""
    for section, at in sections_of(line, loc):
        key = getattr(section, "key", None)
        given = line.inputs.get(key) if isinstance(key, str) and not isinstance(section, End) else None
        if given is not None and given.counter is not None:
            text = f"{quoted(key)} is a running count, and each of its values another one: is another input meant?"
            yield ConfigFault((*at, "key"), text, warning=True, rests_on=((*loc, "inputs", str(key)),))
        if isinstance(section, WorkOrderRule) and "{" not in section.external_id:
            text = f"all events would be of one work order, {quoted(section.external_id)}: name what tells them apart,"
            yield ConfigFault((*at, "external_id"), f'{text} such as "{{work.number}}"', warning=True, rests_on=())
        if isinstance(section, StateCode) and section.reason in _NO_REASONS and section.category != section.reason:
            text = f"{quoted(section.reason)} is a category, and here it is the reason"
            cure = "write why" if section.category in USUAL_CATEGORIES else "are the two exchanged?"
            yield ConfigFault((*at, "reason"), f"{text}: {cure}", warning=True, rests_on=())
    yield from _turned_words(line, loc)
    yield from _exchanged(line, loc)
    yield from _both_ways(line, loc)
    yield from _of_one_name(line, loc)
    if "late_max" in line.model_fields_set and line.late_max < line.late:
        text = f"this is less than 'late', {line.late:g} s, which counts then: write more, or leave it out"
        yield ConfigFault((*loc, "late_max"), text, warning=True, rests_on=((*loc, "late"),))


def _turned_words(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Numbers in several words of which the first is called the lower."""
    for name, given in line.inputs.items():
        if len(given.words) < 2:
            continue
        first, last = ({word.casefold() for word in _WORD.findall(part)} for part in (given.words[0], given.words[-1]))
        if first & _LOW and last & _HIGH:
            turned = ", ".join(reversed(given.words))
            text = f"the highest comes first, and {quoted(given.words[0])} is called the lower: write [{turned}]"
            yield ConfigFault((*loc, "inputs", name, "words"), text, warning=True, rests_on=())


def _exchanged(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """The mode in the place of the state, and the state in that of the mode, as their own names say."""
    states = line.states
    if states is None or states.input is None or states.mode is None or states.input == states.mode:
        return
    says = [_called(line, name) for name in (states.input, states.mode)]
    if all({"mode", "state"} & words for words in says) and "state" not in says[0] and "mode" not in says[1]:
        text = f"{quoted(states.input)} is called as a mode, {quoted(states.mode)} as a state: are the two exchanged?"
        yield ConfigFault((*loc, "states", "input"), text, warning=True, rests_on=())


def _called(line: Line, name: str) -> set[str]:
    """The words in the name of an input and in where it comes from."""
    given = line.inputs.get(name)
    last = re.split(r"[./]", (given.field or given.address) if given is not None else "")[-1]
    return {word.casefold() for word in (*_WORD.findall(name), *_WORD.findall(last))}


def _both_ways(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Amounts that are told as good and as bad at once."""
    output, at = line.scrap_yield, (*loc, "scrap_yield")
    for index, entry in enumerate(output.entries if output is not None else ()):
        whole = [key for key, value in entry.raw_data.items() if value == "{n}"]
        good = next((key for key in whole if _GOOD & {*map(str.casefold, _WORD.findall(key))}), None)
        bad = next((key for key in whole if _BAD & {*map(str.casefold, _WORD.findall(key))}), None)
        if good is not None and bad is not None:
            later = max(good, bad, key=whole.index)
            text = f"all that is counted would be told as {quoted(good)} and as {quoted(bad)}: write an entry for each"
            yield ConfigFault((*at, "entries", index, "raw_data", later), text, warning=True, rests_on=())


def _of_one_name(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """A name that all batches have, or all of a run."""
    batches = line.batches
    if batches is None or batches.name is None or "{batch" in batches.name:
        return
    if "{" not in batches.name or (batches.every is not None and _says_the_run(line, batches.name)):
        which = "all batches of a run" if "{" in batches.name else "all batches"
        cure = f'"{batches.name}-{{batch}}"'
        text = f"{which} would have this name: write what tells them apart, such as {cure}"
        yield ConfigFault((*loc, "batches", "name"), text, warning=True, rests_on=())


def _says_the_run(line: Line, name: str) -> bool:
    """Whether all that a text says is what makes a run another one, or names it."""
    run = line.run
    said = {run.key or "", *_names_in(run.name or "")} if run is not None else set[str]()
    return said.issuperset(_names_in(name))


def _names_in(text: str) -> list[str]:
    return _NAME.findall(" ".join(_PLACEHOLDER.findall(text)))
