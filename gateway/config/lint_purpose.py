"""What is right by itself, and there for another purpose: counts that are to name a run, halves of a number the wrong
way round, work orders that are all one, categories in the place of reasons, slips in what tells messages apart."""

import re
from collections.abc import Iterator

from gateway.config.lint_texts import USUAL_CATEGORIES, sections_of
from gateway.config.near_words import one_slip_of_fields
from gateway.config.schema import Line
from gateway.config.schema_intervals import End, StateCode
from gateway.config.schema_rules import WorkOrderRule
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_LOW = frozenset({"low", "lower", "lo", "lsw", "lsb", "lw"})
_HIGH = frozenset({"high", "higher", "upper", "hi", "msw", "msb", "hw"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
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
    yield from _told_apart(line, loc)
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


def _told_apart(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Fields by which inputs of one topic tell its messages apart, of which one is a slip of the other: that which
    fewer have, else the later."""
    topics: dict[tuple[object, ...], dict[str, list[Loc]]] = {}
    for name, given in line.inputs.items():
        for path in given.only:
            places = topics.setdefault((given.source, given.address), {}).setdefault(path, [])
            places.append((*loc, "inputs", name, "only", path))
    for fields in topics.values():
        known: list[str] = []
        for path in sorted(fields, key=lambda each: -len(fields[each])):
            meant = next((other for other in known if one_slip_of_fields(path, other)), None)
            known.append(path)
            for at in fields[path] if meant is not None else ():
                text = f"other inputs of this topic look at the field {quoted(meant)}: is it meant here too?"
                yield ConfigFault(at, text, at_key=True, warning=True, rests_on=())
