"""States as configured, as the plan that they are recognised by."""

import math
from collections.abc import Iterable
from dataclasses import replace

from gateway.config.schema_states import Operator, StateCode, States
from gateway.mapping import presets
from gateway.mapping.expressions import Condition
from gateway.mapping.naming import Loc, Names
from gateway.mapping.patterns import Pattern
from gateway.mapping.states import (
    Bits,
    CodePlan,
    Codes,
    Ladder,
    Offline,
    Rule,
    Said,
    ShortStops,
    StatesPlan,
    Table,
)
from gateway.mapping.values import text


def compile_states(names: Names, states: States, loc: Loc) -> StatesPlan | None:
    """The plan of `states`, which stands at `loc`; None where it has a fault that leaves nothing to work by."""
    rule = _rule(names, states, loc)
    offline = None
    if states.offline is not None:
        offline = Offline(states.offline.after, _code(names, states.offline, (*loc, "offline")))
    short_stops = None
    if states.short_stops is not None:
        short_stops = ShortStops(states.short_stops.under, frozenset(states.short_stops.during))
        if states.short_stops.under <= states.hold:
            names.fault(
                (*loc, "short_stops", "under"), "must be more than 'hold': what is shorter than that is not told at all"
            )
    said = _operator(names, states.operator, (*loc, "operator")) if states.operator is not None else None
    if rule is None:
        return None
    if states.short_stops is not None:
        codes = (*rule.all_codes, *([offline.code] if offline is not None else []))
        _known(names, codes, states.short_stops.during, (*loc, "short_stops", "during"))
    named = {reference.input for code in rule.all_codes for reference in code.references}
    return StatesPlan(rule, states.hold, frozenset(named | {*rule.inputs}), short_stops, offline, said)


def _known(names: Names, codes: Iterable[CodePlan], categories: Iterable[str], loc: Loc) -> None:
    """Whether one of `codes` has each of `categories`; where one has inputs in its category, that cannot be told."""
    patterns = [code.category for code in codes]
    if any(pattern.references for pattern in patterns):
        return
    there = sorted({str(pattern.render(lambda _: None)) for pattern in patterns})
    for place, category in enumerate(categories):
        if category not in there:
            names.fault((*loc, place), f"no state has the category {category!r}; there are: {', '.join(there)}")


def _rule(names: Names, states: States, loc: Loc) -> Rule | None:
    ways = {"codes": states.codes or states.preset, "bits": states.bits, "ladder": states.ladder}
    given = [name for name, way in ways.items() if way]
    if len(given) != 1:
        what = "how states are recognised is missing" if not given else "states are recognised in one way only"
        names.fault(loc, f"{what}: write 'codes', 'bits', 'ladder' or 'preset'")
        return None
    if states.mode is not None and states.preset is None:
        names.fault((*loc, "mode"), "'mode' belongs to 'preset'")
    if states.input is None and not states.ladder:
        names.fault(loc, "the key 'input' is missing: which input holds the state?")
        return None
    if states.input is not None:
        names.input(states.input, (*loc, "input"))
        if states.ladder:
            names.fault((*loc, "input"), "a ladder looks at the inputs that its conditions name: remove 'input'")
    other = _code(names, states.other, (*loc, "other")) if states.other is not None else None
    if states.input is not None and not (states.bits or states.ladder):
        return Codes(_tables(names, states, states.input, loc), other)
    if other is None:
        names.fault(loc, f"the key 'other' is missing: which state is on when none of the {given[0]} says one?")
        return None
    if states.bits:
        bits = [(bit.bit, _code(names, bit, (*loc, "bits", index))) for index, bit in enumerate(states.bits)]
        return Bits(states.input or "", tuple(bits), other)
    rungs: list[tuple[Condition, CodePlan]] = []
    for index, rung in enumerate(states.ladder):
        condition = names.condition(rung.when, (*loc, "ladder", index, "when"))
        code = _code(names, rung, (*loc, "ladder", index))
        rungs += [(condition, code)] if condition is not None else []
    return Ladder(tuple(rungs), other)


def _tables(names: Names, states: States, input_: str, loc: Loc) -> tuple[Table, ...]:
    own: dict[str, CodePlan] = {}
    for value, code in states.codes.items():
        at = (*loc, "codes", value)
        if text(value) in own:
            names.fault(at, f"the code {value} is there twice: as a number and as text it is the same")
        own[text(value)] = _code(names, code, at)
    if states.preset is None:
        return (Table(input_, own),)
    meant = dict(presets.codes(presets.PACKML, states.categories))
    preset = {value: _code(names, code, loc) for value, code in meant.items()}
    for value in own.keys() & meant.keys():
        own[value] = replace(own[value], otherwise=meant[value].reason if own[value].reason is not None else None)
    table = Table(input_, preset | own)
    if states.mode is None:
        return (table,)
    names.input(states.mode, (*loc, "mode"))
    modes = {value: _code(names, code, loc) for value, code in presets.codes(presets.PACKML_MODES, states.categories)}
    return (Table(states.mode, modes), table)


def _operator(names: Names, given: Operator, loc: Loc) -> Said:
    names.input(given.event, (*loc, "event"))
    when = names.condition(given.when, (*loc, "when")) if given.when is not None else None
    if given.category is None and given.reason is None and given.comment is None:
        names.fault(loc, "write what is said: at least one of 'category', 'reason' and 'comment'")
    return Said(
        given.event,
        when,
        _pattern(names, given.category, (*loc, "category")),
        _pattern(names, given.reason, (*loc, "reason")),
        _pattern(names, given.comment, (*loc, "comment")),
        frozenset(given.of),
        given.within if given.within is not None else math.inf,
    )


def _code(names: Names, code: StateCode, loc: Loc) -> CodePlan:
    category = names.pattern(code.category, (*loc, "category")) or Pattern(())
    return CodePlan(
        category, _pattern(names, code.reason, (*loc, "reason")), _pattern(names, code.comment, (*loc, "comment"))
    )


def _pattern(names: Names, pattern: str | None, loc: Loc) -> Pattern | None:
    return names.pattern(pattern, loc) if pattern is not None else None
