"""States as configured, with the tables of the standards, as the plan that they are recognised by."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from gateway.config.near_words import most_alike, nearest
from gateway.config.schema_intervals import Categories, Operator, StateCode, States
from gateway.config.state_presets import ALSO_CALLED, PACKML, PACKML_MODES, TMC, TMC_MODES, Table
from gateway.mapping.expressions import Condition
from gateway.mapping.sampled import Held
from gateway.mapping.scope import Loc, Scope
from gateway.mapping.states import (
    Bits,
    CodePlan,
    Codes,
    CodeTable,
    DescriptionPlan,
    Ladder,
    OfflinePlan,
    ShortStopsPlan,
    StateSelector,
    StatesPlan,
)
from gateway.mapping.templates import Pattern
from gateway.mapping.values import text


@dataclass(frozen=True, slots=True)
class StatePreset:
    """A standard's states and unit modes. `title` is what people call it; `hints` say of codes that it does not have
    what they may mean."""

    title: str
    states: Table
    modes: Table
    hints: Mapping[str, str] = field(default_factory=dict)


_NO_PACKML = "; PackML has no state 0: TMC (OPC 30060) counts from 0, which `preset: tmc` knows"

PRESETS: Mapping[Literal["packml", "tmc"], StatePreset] = MappingProxyType(
    {
        "packml": StatePreset("PackML", PACKML, PACKML_MODES, {"0": _NO_PACKML}),
        "tmc": StatePreset("TMC", TMC, TMC_MODES),
    }
)

_NEAR_CATEGORY = 0.7
TMC_NAMESPACE = "/UA/TMC/"
"""Stands in the node ids of servers by OPC 30060."""


def preset_codes(table: Table, categories: Categories) -> Iterator[tuple[str, StateCode]]:
    """The states by number and by name, as the names are usually written."""
    for number, name, kind in table:
        code = StateCode(category=getattr(categories, kind), reason=None if kind == "uptime" else name)
        yield str(number), code
        for spelling in (name, *ALSO_CALLED.get(name, ())):
            yield from ((written, code) for written in (spelling, spelling.upper(), spelling.lower()))


def compile_states(scope: Scope, states: States, loc: Loc) -> StatesPlan | None:
    """The plan of `states`, which stands at `loc`; None where it has a fault that leaves nothing to work by."""
    selector = _selector(scope, states, loc)
    offline = None
    if states.offline is not None:
        offline = OfflinePlan(states.offline.after, _code(scope, states.offline, (*loc, "offline")))
    short_stops = None
    if states.short_stops is not None:
        short_stops = ShortStopsPlan(states.short_stops.under, frozenset(states.short_stops.during))
        if states.short_stops.under <= states.hold:
            scope.fault(
                (*loc, "short_stops", "under"), "must be more than 'hold': what is shorter than that is not told at all"
            )
    description = _operator(scope, states.operator, (*loc, "operator")) if states.operator is not None else None
    if selector is None:
        return None
    if states.short_stops is not None:
        codes = (*selector.all_codes, *([offline.code] if offline is not None else []))
        _check_categories(scope, codes, states.short_stops.during, (*loc, "short_stops", "during"))
    named = {reference.input for code in selector.all_codes for reference in code.references}
    hints: Mapping[str, str] = PRESETS[states.preset].hints if states.preset is not None else {}
    inputs = frozenset(named | {*selector.inputs})
    held = (
        Held(states.hold, states.hold)
        if "hold" in states.model_fields_set
        else _by_default(scope, selector, short_stops, loc)
    )
    return StatesPlan(selector, *held, inputs, short_stops, offline, description, hints)


def _by_default(scope: Scope, selector: StateSelector, short_stops: ShortStopsPlan | None, loc: Loc) -> Held:
    """How long a state must be on where `hold` does not say it: less than what counts as a short stop."""
    decide = [pattern for code in selector.all_codes for pattern in (code.category, code.reason) if pattern is not None]
    names = {*selector.inputs, *(reference.input for pattern in decide for reference in pattern.references)}
    return scope.held_by_default(names, loc, below=short_stops.under if short_stops is not None else math.inf)


def _check_categories(scope: Scope, codes: Iterable[CodePlan], categories: Iterable[str], loc: Loc) -> None:
    """Whether one of `codes` has each of `categories`; where one has inputs in its category, that cannot be told."""
    patterns = [code.category for code in codes]
    if any(pattern.references for pattern in patterns):
        return
    known = sorted({str(pattern.render(lambda _: None)) for pattern in patterns})
    for place, category in enumerate(categories):
        if category not in known:
            near = nearest(category.replace(" ", ""), [name.replace(" ", "") for name in known], _NEAR_CATEGORY)
            meant = next((f"; did you mean {name!r}?" for name in known if name.replace(" ", "") == near), "")
            text = f"no state has the category {category!r}{meant or f'; there are: {most_alike(category, known)}'}"
            if ";" in category:
                text = f"{category!r} is one category here: write ',' in the place of ';'"
            scope.fault((*loc, place), text, rests_on=[(*loc[:-2], part) for part in ("codes", "bits", "ladder")])


def _selector(scope: Scope, states: States, loc: Loc) -> StateSelector | None:
    ways = {"codes": states.codes or states.preset, "bits": states.bits, "ladder": states.ladder}
    used = [name for name, way in ways.items() if way]
    if len(used) != 1:
        problem = "how states are recognised is missing" if not used else "states are recognised in one way only"
        scope.missing(loc, f"{problem}: write 'codes', 'bits', 'ladder' or 'preset'", *ways, "preset")
    if states.mode is not None and states.preset is None:
        scope.fault((*loc, "mode"), "'mode' belongs to 'preset'")
    if states.input is None and not states.ladder:
        scope.missing(loc, "the key 'input' is missing: which input holds the state?", "input")
    if states.input is not None:
        scope.input(states.input, (*loc, "input"))
        if states.ladder:
            scope.fault((*loc, "input"), "a ladder looks at the inputs that its conditions name: remove 'input'")
    other = _code(scope, states.other, (*loc, "other")) if states.other is not None else None
    tables = _tables(scope, states, states.input or "", loc) if "codes" in used else ()
    bits = [(bit.bit, _code(scope, bit, (*loc, "bits", index))) for index, bit in enumerate(states.bits)]
    rungs: list[tuple[Condition, CodePlan]] = []
    for index, rung in enumerate(states.ladder):
        condition = scope.condition(rung.when, (*loc, "ladder", index, "when"))
        code = _code(scope, rung, (*loc, "ladder", index))
        rungs += [(condition, code)] if condition is not None else []
    if len(used) != 1 or (states.input is None and not states.ladder):
        return None
    if tables:
        return Codes(tables, other)
    if other is None:
        scope.missing(
            loc, f"the key 'other' is missing: which state is on when none of the {used[0]} says one?", "other"
        )
        return None
    return Bits(states.input or "", tuple(bits), other) if bits else Ladder(tuple(rungs), other)


def _tables(scope: Scope, states: States, input_: str, loc: Loc) -> tuple[CodeTable, ...]:
    own: dict[str, CodePlan] = {}
    for value, code in states.codes.items():
        at = (*loc, "codes", value)
        if text(value) in own:
            scope.fault(at, f"the code {value} is there twice: as a number and as text it is the same")
        own[text(value)] = _code(scope, code, at)
    if states.preset is None:
        return (CodeTable(input_, own),)
    node = scope.inputs[input_].node if input_ in scope.inputs else None
    if states.preset == "packml" and node is not None and TMC_NAMESPACE in node:
        problem = (
            f"the node of '{input_}' is one of TMC (OPC 30060), whose numbers are not PackML's: write 'preset: tmc'"
        )
        scope.fault((*loc, "preset"), problem)
    standard = PRESETS[states.preset]
    codes = dict(preset_codes(standard.states, states.categories))
    preset = {value: _code(scope, code, loc) for value, code in codes.items()}
    for value in own.keys() & codes.keys():
        own[value] = replace(own[value], default_reason=codes[value].reason if own[value].reason is not None else None)
    table = CodeTable(input_, preset | own)
    if states.mode is None:
        return (table,)
    scope.input(states.mode, (*loc, "mode"))
    modes = {value: _code(scope, code, loc) for value, code in preset_codes(standard.modes, states.categories)}
    return (CodeTable(states.mode, modes), table)


def _operator(scope: Scope, section: Operator, loc: Loc) -> DescriptionPlan:
    scope.input(section.event, (*loc, "event"))
    when = scope.condition(section.when, (*loc, "when")) if section.when is not None else None
    if section.category is None and section.reason is None and section.comment is None:
        scope.fault(loc, "write what is said: at least one of 'category', 'reason' and 'comment'")
    return DescriptionPlan(
        section.event,
        when,
        _pattern(scope, section.category, (*loc, "category")),
        _pattern(scope, section.reason, (*loc, "reason")),
        _pattern(scope, section.comment, (*loc, "comment")),
        frozenset(section.of),
        section.within if section.within is not None else math.inf,
    )


def _code(scope: Scope, code: StateCode, loc: Loc) -> CodePlan:
    category = scope.pattern(code.category, (*loc, "category")) or Pattern(())
    return CodePlan(
        category, _pattern(scope, code.reason, (*loc, "reason")), _pattern(scope, code.comment, (*loc, "comment"))
    )


def _pattern(scope: Scope, pattern: str | None, loc: Loc) -> Pattern | None:
    return scope.pattern(pattern, loc) if pattern is not None else None
