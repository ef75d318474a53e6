"""What the gateway does with a line, in plain sentences for the person who configured it. Pure.

Each part of a line's configuration has a function that describes it. A new part is a new row of PARTS.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from gateway.cli.phrases import listed, literal, one_line, pairs, span
from gateway.cli.summary_io import event, inputs, output
from gateway.config.schema import Line
from gateway.config.schema_intervals import (
    Batches,
    Begin,
    Calendar,
    End,
    Interval,
    Operator,
    PerformanceTarget,
    Run,
    StateCode,
    States,
)
from gateway.config.schema_rules import Fact, IntervalTypeRule, QualityTestRule, Rule, WorkOrderRule
from gateway.config.schema_walk import Loc
from gateway.mapping.compile_states import PRESETS, StatePreset


def summary(line: Line, held: Mapping[Loc, float] = MappingProxyType({})) -> dict[str, list[str]]:
    """The sentences about a line, by the headings that have any. `held` as of its plan."""
    sentences = {heading: list(describe(line)) for heading, describe in PARTS.items()}
    for place, hold in held.items():
        sentences[HEADINGS[place[0]]].append(_held(line, place, hold))
    if not any(texts for heading, texts in sentences.items() if heading != "Inputs"):
        text = "Nothing becomes of these inputs: say under 'run', 'states' and the like what they mean."
        sentences["Inputs"].append(text)
    return {heading: texts for heading, texts in sentences.items() if texts}


# Runs, batches and custom intervals


def runs(line: Line) -> Iterator[str]:
    """What a run is, when it begins and ends, and what is sent of it."""
    run = line.run
    if run is None:
        return
    yield from _bounds(line, "A run", run)
    unknown = "until that is known the run is not told; then it is, with its true start"
    if run.unknown_product is not None:
        unknown = f"until that is known it is {literal(run.unknown_product)}"
    product = run.product or run.product_id or ""
    by_id = "" if run.product else "the one with the id "
    yield f"Its product is {by_id}{literal(product)}{f'; {unknown}' if '{' in product else ''}."
    if run.untold != "list":
        yield f"What was made in one whose product never came is told as {run.untold}, {span(line.late)} later."
    yield from _content(run)
    if run.target is not None:
        yield f"Its target for {run.target.metric_group} is {_target(run.target)}."


def batches(line: Line) -> Iterator[str]:
    """What a batch is, when it begins and ends, and what is sent of it."""
    if line.batches is not None:
        inside = line.run is not None and not line.batches.without_run
        yield from _bounds(line, "A batch", line.batches, inside=inside)
        yield from _content(line.batches)


def intervals(line: Line) -> Iterator[str]:
    """The same of each type of custom interval."""
    for interval in line.intervals:
        if interval.calendar is not None:
            yield _shifts(interval.type, interval.calendar)
        else:
            yield from _bounds(line, f"An interval of type {interval.type}", interval, inside=interval.inside_run)
        yield from _content(interval)


def _bounds(line: Line, noun: str, section: Run | Batches | Interval, *, inside: bool = False) -> Iterator[str]:
    """When an interval begins and ends; `noun` is what the sentences call it, `inside` whether it ends with its run."""
    begins, ends_before = _begin(line, noun, section)
    key = section.key
    yield begins
    if key is not None and section.empty_for:
        yield f"While {key} is empty for less than {span(section.empty_for)} and then the same again, it goes on."
    if section.settle and (key is not None or section.start is not None):
        yield f"It is decided {span(section.settle)} later, so that the other inputs can follow."
    ends = [f"when {key} changes, also to empty, 0 or false"] if key is not None else []
    ends += ["when the next begins"] if ends_before else []
    ends += list(_ends(line, section.end)) if section.end is not None else []
    ends += ["when its run ends"] if inside else []
    yield f"It ends {', or '.join(ends)}."
    if inside:
        yield "There is none without a run."


def _begin(line: Line, noun: str, section: Run | Batches | Interval) -> tuple[str, bool]:
    """The sentence that says when an interval begins, and whether its begin ends the one before."""
    if section.key is not None:
        return f"{noun} begins when {section.key} changes; while that is empty, 0 or false there is none.", False
    if isinstance(section, Batches) and section.every is not None:
        counter = line.inputs[section.count].counter if section.count is not None else None
        unit = f" {counter.unit}" if counter is not None and counter.unit is not None else ""
        return f"{noun} is {section.every}{unit} of {section.count}; the first begins with the run.", True
    start = section.start or Begin()
    if start.event is not None:
        return f"{noun} begins with each {event(line, start.event)}{_for_which(start.when)}.", True
    more = "while one is on no other begins" if section.end is not None else "each time is the next"
    return f"{noun} begins when {_holds(start.when, start.for_)}; {more}.", section.end is None


def _ends(line: Line, end: End) -> Iterator[str]:
    if end.event is not None:
        named = f" that names it ({end.key})" if end.key is not None else ""
        yield f"with each {event(line, end.event)}{_for_which(end.when)}{named}"
    elif end.when is not None:
        yield f"when {_holds(end.when, end.for_)}"
    if end.idle is not None:
        names = end.count or [name for name, given in line.inputs.items() if given.counter is not None]
        yield f"when {listed(names)} did not count for {span(end.idle)}, with the time of the last count"


def _holds(when: str | None, hold: float) -> str:
    condition = one_line(when or "")
    if hold:
        return f"{condition} has held for {span(hold)}, with the time when that began"
    return f"{condition} becomes true"


def _for_which(when: str | None) -> str:
    return f" for which {one_line(when)}" if when is not None else ""


def _content(section: Run | Batches | Interval) -> Iterator[str]:
    if section.name is not None:
        yield f"Its name is {literal(section.name)}."
    if section.metadata:
        yield f"Told with it: {pairs(section.metadata)}."
    if section.correct:
        yield (
            f"What changes within {span(section.correct)} of its start corrects it; what was not known is filled in "
            "whenever it comes."
        )


def _target(target: PerformanceTarget) -> str:
    parts = {"value": target.value, "lower limit": target.lsl, "upper limit": target.usl}
    return pairs({name: value for name, value in parts.items() if value is not None}) or "not given"


def _shifts(interval_type: str, calendar: Calendar) -> str:
    shifts = "; ".join(f"{shift.name} {shift.days} from {shift.from_} to {shift.to}" for shift in calendar.shifts)
    clock = f"the wall clock of {calendar.zone}"
    return f"An interval of type {interval_type} follows the calendar, by {clock}: {shifts}."


# States


def states(line: Line) -> Iterator[str]:
    """What decides which state is on, when it is sent, and what can be said of it later."""
    given = line.states
    if given is None:
        return
    yield from _state_rule(given)
    if given.hold:
        yield f"A state that lasts less than {span(given.hold)} is not sent."
    if given.short_stops is not None:
        under, during = span(given.short_stops.under), listed(given.short_stops.during, "or")
        yield f"A stop of less than {under} during {during} is not sent, but counted in that state."
    if given.offline is not None:
        yield (
            f"When the source has been gone for {span(given.offline.after)} the state is {_state(given.offline)}, "
            "from when it was lost."
        )
    if given.operator is not None:
        yield _operator(line, given.operator)


def _state(code: StateCode) -> str:
    """`Unplanned Downtime / Jam`."""
    comment = f", with the comment {literal(code.comment)}" if code.comment else ""
    return " / ".join(filter(None, [code.category, code.reason])) + comment


def _state_rule(given: States) -> Iterator[str]:
    other = _state(given.other) if given.other is not None else None
    if given.ladder:
        rungs = "; ".join(f"{_state(rung)} if {one_line(rung.when)}" for rung in given.ladder)
        yield f"The first of these that is true is the state: {rungs}."
        yield f"If none is, it is {other}."
    elif given.bits:
        bits = "; ".join(f"{_state(bit)} if bit {bit.bit} is set" for bit in given.bits)
        yield f"The first of these that is true of {given.input} is the state: {bits}."
        yield f"If none of them is set, it is {other}."
    else:
        if given.preset is not None:
            yield from _by_standard(given, PRESETS[given.preset])
        if given.codes:
            codes = "; ".join(f"{code} is {_state(to)}" for code, to in given.codes.items())
            yield f"{'But' if given.preset else f'The state comes from {given.input}:'} {codes}."
        yield f"Any other code is {other}." if other else "Any other code is reported and changes nothing."


def _by_standard(given: States, standard: StatePreset) -> Iterator[str]:
    by_category: dict[str, list[str]] = {}
    for _, name, kind in standard.states:
        by_category.setdefault(getattr(given.categories, kind), []).append(name)
    meanings = "; ".join(
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} {category}" for category, names in by_category.items()
    )
    yield f"The state comes from {given.input}, as {standard.title} numbers and names it: {meanings}."
    if given.mode is not None:
        modes = listed((f"{name} ({number})" for number, name, _ in standard.modes), "or")
        yield f"While {given.mode} is {modes}, that is the state: {given.categories.planned}."


def _held(line: Line, place: Loc, hold: float) -> str:
    """How long something must be so that several tags decide, where the configuration does not say it."""
    why = "because a server looks at its tags one by one and several decide"
    if place[0] == "states":
        return f"A state that lasts less than {span(hold)} is not sent, {why}; `hold` can say otherwise."
    interval = (
        line.intervals[place[1]].type if isinstance(place[1], int) else "a batch" if place[0] == "batches" else "a run"
    )
    ends = "ends" if place[-1] == "end" else "begins"
    return f"What {ends} {interval} must hold for {span(hold)}, {why}; `for` can say otherwise."


def _operator(line: Line, operator: Operator) -> str:
    parts = {"category": operator.category, "reason": operator.reason, "comment": operator.comment}
    changes = pairs({name: value for name, value in parts.items() if value is not None})
    entry = f"{event(line, operator.event)}{_for_which(operator.when)}"
    of = f" of {listed(operator.of, 'or')}" if operator.of else ""
    within = ""
    if operator.within is not None:
        within = f", unless it was over for more than {span(operator.within)}"
    return f"Each {entry} changes the newest state{of} that had begun by then{within}: {changes}."


# Rules

_DESCRIBED_KEYS = {"set", "event", "when", "settle", "of", "named", "quality_schema", "raw_data"}
"""Keys of a rule that have words of their own in its sentence."""


def rules(line: Line) -> Iterator[str]:
    """Each rule: what is sent, and when."""
    for rule in line.rules:
        yield f"{_subject(rule)} is told {_occasion(line, rule)}: {_fields(rule)}."


def _subject(rule: Rule) -> str:
    if isinstance(rule, QualityTestRule):
        named = f" named {literal(rule.named)}" if rule.named is not None else " that was on"
        return f"A quality test of schema {rule.quality_schema}, of the {rule.of}{named},"
    if isinstance(rule, WorkOrderRule):
        return "A maintenance work order"
    return f"{'An' if isinstance(rule, IntervalTypeRule) else 'A'} {rule.set.replace('_', ' ')}"


def _occasion(line: Line, rule: Rule) -> str:
    if rule.event is not None:
        return f"with each {event(line, rule.event)}{_for_which(rule.when)}"
    settle = f", {span(rule.settle)} later" if isinstance(rule, Fact) and rule.settle else ""
    condition = f", while {one_line(rule.when)}" if rule.when is not None else ""
    return f"when it changes{settle}{condition}"


def _fields(rule: Rule) -> str:
    if isinstance(rule, QualityTestRule):
        return pairs(rule.raw_data)
    given = rule.model_dump(exclude=_DESCRIBED_KEYS, exclude_none=True, exclude_defaults=True)
    metadata = given.pop("metadata", {})
    return pairs({**given, **metadata})


PARTS: Mapping[str, Callable[[Line], Iterator[str]]] = {
    "Inputs": inputs,
    "Runs": runs,
    "Batches": batches,
    "States": states,
    "Intervals": intervals,
    "Scrap and yield": output,
    "Rules": rules,
}
"""Heading -> the function that describes this part of a line; it yields nothing where the line has no such part."""
HEADINGS: Mapping[str | int, str] = {"run": "Runs", "batches": "Batches", "states": "States", "intervals": "Intervals"}
"""Under which heading a section of a line is described."""
