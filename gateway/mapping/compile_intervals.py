"""Runs, batches and custom intervals as configured, as the plans that they are recognised by."""

from collections.abc import Sequence
from datetime import time

from gateway.config.schema_intervals import Batches, Begin, Calendar, End, Interval, PerformanceTarget, Run, weekdays
from gateway.frozen import replace
from gateway.mapping import hearing
from gateway.mapping.intervals import (
    ByCondition,
    ByCount,
    ByEvent,
    ByIdleness,
    ByKey,
    EndPlan,
    IntervalPlan,
    StartPlan,
)
from gateway.mapping.passed_starts import BATCH_NUMBER
from gateway.mapping.sampled import Held
from gateway.mapping.scope import Loc, Scope
from gateway.mapping.shifts import ShiftCalendar, ShiftPlan
from gateway.mapping.templates import NumberTemplate, Pattern, Reference, Template, TextTemplate, inputs_of
from gateway.model import BUILT_IN, Scalar

IntervalSection = Run | Batches | Interval
NO_PATTERN = Pattern(())


def compile_run(scope: Scope, run: Run, loc: Loc) -> IntervalPlan | None:
    """The plan of `run`, which stands at `loc`; None where it has a fault that leaves nothing to work by."""
    _check_one_of(scope, loc, ("key", run.key), ("start", run.start))
    start = _start(scope, run, loc)
    metadata: dict[str, Template] = {"product": product_template(scope, run.product, run.product_id, loc)}
    if run.target is not None:
        metadata["target"] = target_template(scope, run.target, (*loc, "target"))
    until_known = {"product": run.unknown_product} if run.unknown_product is not None else None
    return _interval(scope, "RUN", run, start, loc, metadata, frozenset({"product"}), until_known)


def product_template(scope: Scope, name: str | None, oden_id: str | None, loc: Loc) -> Template:
    """The product that is said at `loc`, by its name or its id; as metadata and settings have it."""
    if (name is None) == (oden_id is None):
        scope.missing(loc, "say which product it is: write either 'product' or 'product_id'", "product", "product_id")
    by_name = TextTemplate(scope.pattern(name or "", (*loc, "product")) or NO_PATTERN)
    if oden_id is not None:
        return {"id": TextTemplate(scope.pattern(oden_id, (*loc, "product_id")) or NO_PATTERN)}
    return by_name


def compile_batches(scope: Scope, batches: Batches, loc: Loc, *, with_run: bool) -> IntervalPlan | None:
    """The plan of `batches`, which stand at `loc`."""
    _check_one_of(scope, loc, ("key", batches.key), ("start", batches.start), ("every", batches.every))
    if not with_run and not batches.without_run:
        remedy = "say under 'run' how runs are recognised, or write 'without_run: true'"
        scope.fault(loc, f"batches are inside runs: {remedy}", rests_on=[(*loc[:2], "run")])
    start = _start(scope, batches, loc)
    if (batches.every is None) != (batches.count is None):
        scope.missing(loc, "'every' and 'count' belong together: so many of what are a batch?", "every", "count")
    elif batches.every is not None and batches.count is not None:
        _check_counter(scope, batches.count, (*loc, "count"))
        start = ByCount(batches.count, batches.every)
    return _interval(scope, "BATCH", batches, start, loc, {}, inside=with_run and not batches.without_run)


def compile_intervals(
    scope: Scope, intervals: Sequence[Interval], loc: Loc, *, with_run: bool
) -> tuple[IntervalPlan, ...]:
    """The plans of custom intervals, whose list stands at `loc`."""
    plans: list[IntervalPlan] = []
    seen: set[str] = set()
    for index, interval in enumerate(intervals):
        at = (*loc, index)
        if interval.type.upper() in BUILT_IN:
            scope.fault(
                (*at, "type"), f"{interval.type} is one of Oden's own: write it under 'run', 'batches' or 'states'"
            )
        if interval.type in seen:
            scope.fault((*at, "type"), "this type is there already: a line has one interval of a type at a time")
        seen.add(interval.type)
        _check_one_of(scope, at, ("key", interval.key), ("start", interval.start), ("calendar", interval.calendar))
        if interval.inside_run and not with_run:
            text = "there are no runs: say under 'run' how they are recognised"
            scope.fault((*at, "inside_run"), text, rests_on=[(*loc[:2], "run")])
        start = _start(scope, interval, at)
        if interval.calendar is not None:
            start = _calendar(scope, interval.calendar, (*at, "calendar"))
            if interval.end is not None or interval.inside_run:
                scope.fault(at, "the calendar says when a shift ends: leave out 'end' and 'inside_run'")
        plan = _interval(scope, interval.type, interval, start, at, {}, inside=interval.inside_run)
        plans += [plan] if plan is not None else []
    return tuple(plans)


def _interval(
    scope: Scope,
    kind: str,
    section: IntervalSection,
    start: StartPlan | None,
    loc: Loc,
    metadata: dict[str, Template],
    needed: frozenset[str] = frozenset(),
    until_known: dict[str, str] | None = None,
    *,
    inside: bool = False,
) -> IntervalPlan | None:
    extra = (BATCH_NUMBER,) if isinstance(section, Batches) else ()
    name = scope.pattern(section.name, (*loc, "name"), *extra) if section.name is not None else None
    for key, value in section.metadata.items():
        if key in metadata:
            scope.fault((*loc, "metadata", key), f"'{key}' is told already, by '{key}' itself")
        else:
            metadata[key] = value_template(scope, value, (*loc, "metadata", key), *extra)
    end = _end(scope, section.end, (*loc, "end")) if section.end is not None else None
    if start is None:
        return None
    inputs = frozenset([*inputs_of(metadata), *inputs_of(name)])
    heeds = inputs.union(hearing.inputs_of(start), hearing.inputs_of(end) if end is not None else ())
    plan = IntervalPlan(kind, start, section.settle, end, name, metadata, inputs, needed, until_known, section.correct)
    return replace(plan, inside=inside, heeds=heeds)


def _check_one_of(scope: Scope, loc: Loc, *ways: tuple[str, object]) -> None:
    """One of several keys says what begins an interval."""
    section = [name for name, value in ways if value is not None]
    if len(section) != 1:
        choice = " or ".join(f"'{name}'" for name, _ in ways)
        text = f"what begins it is missing: write {choice}" if not section else f"write only one of {choice}"
        scope.missing(loc, text, *(name for name, _ in ways))


def _start(scope: Scope, section: IntervalSection, loc: Loc) -> StartPlan | None:
    if section.key is not None:
        scope.input(section.key, (*loc, "key"))
        return ByKey(section.key, section.empty_for)
    return _event_or_condition(scope, section.start, (*loc, "start")) if section.start is not None else None


def _event_or_condition(scope: Scope, section: Begin | End, loc: Loc) -> ByCondition | ByEvent | None:
    """An event or a condition."""
    when = scope.condition(section.when, (*loc, "when")) if section.when is not None else None
    if section.event is not None:
        scope.input(section.event, (*loc, "event"))
        if section.for_:
            scope.fault((*loc, "for"), "an event does not last: leave out 'for', or 'event'")
        return ByEvent(section.event, when, _named(scope, section, (*loc, "key")))
    if when is None:
        return None
    by_default = "for_" not in section.model_fields_set
    return ByCondition(
        when, *(scope.held_by_default(when.names, loc) if by_default else Held(section.for_, section.for_))
    )


def _named(scope: Scope, section: Begin | End, loc: Loc) -> Pattern | None:
    """What an event names; a bare name is that of an input or a field of one."""
    key = section.key if isinstance(section, End) else None
    if key is None:
        return None
    if "{" in key:
        return scope.pattern(key, loc)
    return scope.pattern(f"{{{key}}}", loc, begin=-1)


def _end(scope: Scope, end: End, loc: Loc) -> EndPlan | None:
    if end.key is not None and end.event is None:
        scope.fault((*loc, "key"), "'key' belongs to 'event': what does the event name?")
    if end.idle is None:
        if end.when is None and end.event is None:
            scope.missing(loc, "write one of 'when', 'event' and 'idle'", "when", "event", "idle")
        if end.count:
            scope.fault((*loc, "count"), "'count' belongs to 'idle': for how long must nothing have been counted?")
        return _event_or_condition(scope, end, loc)
    if end.when is not None or end.event is not None or end.for_:
        scope.fault(loc, "'idle' stands alone: leave out 'when', 'for' and 'event'")
        _event_or_condition(scope, end, loc)
    for index, name in enumerate(end.count):
        _check_counter(scope, name, (*loc, "count", index))
    counters = end.count or [name for name, section in scope.inputs.items() if section.counter is not None]
    if not counters:
        scope.fault((*loc, "idle"), "no input of this line is a counter")
    return ByIdleness(frozenset(counters), end.idle)


def _check_counter(scope: Scope, name: str, loc: Loc) -> None:
    section = scope.input(name, loc)
    if section is not None and section.counter is None:
        scope.fault(loc, f'"{name}" is not a counter: add `counter: {{}}` to it if it is a running count')


def target_template(scope: Scope, target: PerformanceTarget, loc: Loc) -> dict[str, Template]:
    """The fields of `target`, which stands at `loc`, as Oden's schema Target has them."""
    group = scope.pattern(target.metric_group, (*loc, "metric_group")) or NO_PATTERN
    fields: dict[str, Template] = {"metric_group": {"name": TextTemplate(group)}}
    for key, name in (("value", "target_value"), ("lsl", "lsl"), ("usl", "usl")):
        value = getattr(target, key)
        if isinstance(value, str):
            fields[name] = NumberTemplate(scope.pattern(value, (*loc, key)) or NO_PATTERN)
        elif value is not None:
            fields[name] = value
    return fields


def value_template(scope: Scope, value: Scalar, loc: Loc, *extra: Reference) -> Template:
    """A value that stands at `loc`: text can have inputs in it."""
    return scope.pattern(value, loc, *extra) if isinstance(value, str) else value


def _calendar(scope: Scope, section: Calendar, loc: Loc) -> ShiftCalendar | None:
    zone = scope.zone(section.zone, (*loc, "zone"))
    if zone is None:
        return None
    shifts = tuple(
        ShiftPlan(shift.name, weekdays(shift.days), time.fromisoformat(shift.from_), time.fromisoformat(shift.to))
        for shift in section.shifts
    )
    calendar = ShiftCalendar(zone, shifts)
    overlap = calendar.overlap()
    if overlap is not None:
        times = [(*loc, "shifts", index, key) for index in range(len(shifts)) for key in ("days", "from", "to")]
        text = f"{overlap[0]} and {overlap[1]} are on at one time; a line has one shift at a time"
        scope.fault((*loc, "shifts"), text, rests_on=times)
    return calendar
