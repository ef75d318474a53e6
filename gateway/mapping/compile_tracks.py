"""Runs, batches and custom intervals as configured, as the plans that they are recognised by."""

from collections.abc import Sequence
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config.schema_runs import Batches, Begin, End, Interval, Run, Target, weekdays
from gateway.config.schema_runs import Calendar as CalendarSection
from gateway.mapping.details import Amount, Template, Words, inputs_of
from gateway.mapping.naming import Loc, Names
from gateway.mapping.patterns import Pattern, Reference
from gateway.mapping.shifts import Calendar, Shift
from gateway.mapping.track_plan import (
    NUMBER,
    ByCondition,
    ByCount,
    ByEvent,
    ByIdleness,
    ByKey,
    TrackPlan,
)
from gateway.mapping.track_plan import End as EndPlan
from gateway.mapping.track_plan import Start as StartPlan
from gateway.model import BUILT_IN, Scalar

Kind = Run | Batches | Interval
NO_PATTERN = Pattern(())


def compile_run(names: Names, run: Run, loc: Loc) -> TrackPlan | None:
    """The plan of `run`, which stands at `loc`; None where it has a fault that leaves nothing to work by."""
    _one_of(names, loc, ("key", run.key), ("start", run.start))
    start = _keyed_or_begun(names, run, loc)
    details: dict[str, Template] = {"product": product_of(names, run.product, run.product_id, loc)}
    if run.target is not None:
        details["target"] = limits(names, run.target, (*loc, "target"))
    until_known = {"product": run.unknown_product} if run.unknown_product is not None else None
    return _track(names, "RUN", run, start, loc, details, frozenset({"product"}), until_known)


def product_of(names: Names, name: str | None, oden_id: str | None, loc: Loc) -> Template:
    """The product that is said at `loc`, by its name or its id; as details and settings have it."""
    if (name is None) == (oden_id is None):
        names.fault(loc, "say which product it is: write either 'product' or 'product_id'")
    if oden_id is not None:
        return {"id": Words(names.pattern(oden_id, (*loc, "product_id")) or NO_PATTERN)}
    return Words(names.pattern(name or "", (*loc, "product")) or NO_PATTERN)


def compile_batches(names: Names, batches: Batches, loc: Loc, *, with_run: bool) -> TrackPlan | None:
    """The plan of `batches`, which stand at `loc`."""
    _one_of(names, loc, ("key", batches.key), ("start", batches.start), ("every", batches.every))
    if not with_run and not batches.without_run:
        names.fault(
            loc, "batches are inside runs: say under 'run' how runs are recognised, or write 'without_run: true'"
        )
    start = _keyed_or_begun(names, batches, loc)
    if (batches.every is None) != (batches.count is None):
        names.fault(loc, "'every' and 'count' belong together: so many of what are a batch?")
    elif batches.every is not None and batches.count is not None:
        _counter(names, batches.count, (*loc, "count"))
        start = ByCount(batches.count, batches.every)
    return _track(names, "BATCH", batches, start, loc, {}, inside=with_run and not batches.without_run)


def compile_intervals(
    names: Names, intervals: Sequence[Interval], loc: Loc, *, with_run: bool
) -> tuple[TrackPlan, ...]:
    """The plans of custom intervals, whose list stands at `loc`."""
    plans: list[TrackPlan] = []
    seen: set[str] = set()
    for index, interval in enumerate(intervals):
        at = (*loc, index)
        if interval.type.upper() in BUILT_IN:
            names.fault(
                (*at, "type"), f"{interval.type} is one of Oden's own: write it under 'run', 'batches' or 'states'"
            )
        if interval.type in seen:
            names.fault((*at, "type"), "this type is there already: a line has one interval of a type at a time")
        seen.add(interval.type)
        _one_of(names, at, ("key", interval.key), ("start", interval.start), ("calendar", interval.calendar))
        if interval.inside_run and not with_run:
            names.fault((*at, "inside_run"), "there are no runs: say under 'run' how they are recognised")
        start = _keyed_or_begun(names, interval, at)
        if interval.calendar is not None:
            start = _calendar(names, interval.calendar, (*at, "calendar"))
            if interval.end is not None or interval.inside_run:
                names.fault(at, "the calendar says when a shift ends: leave out 'end' and 'inside_run'")
        plan = _track(names, interval.type, interval, start, at, {}, inside=interval.inside_run)
        plans += [plan] if plan is not None else []
    return tuple(plans)


def _track(
    names: Names,
    kind: str,
    given: Kind,
    start: StartPlan | None,
    loc: Loc,
    details: dict[str, Template],
    needed: frozenset[str] = frozenset(),
    until_known: dict[str, str] | None = None,
    *,
    inside: bool = False,
) -> TrackPlan | None:
    also = (NUMBER,) if isinstance(given, Batches) else ()
    name = names.pattern(given.name, (*loc, "name"), *also) if given.name is not None else None
    for key, value in given.metadata.items():
        if key in details:
            names.fault((*loc, "metadata", key), f"'{key}' is told already, by '{key}' itself")
        else:
            details[key] = filled_in(names, value, (*loc, "metadata", key), *also)
    end = _end(names, given.end, (*loc, "end")) if given.end is not None else None
    if start is None:
        return None
    named = frozenset([*inputs_of(details), *inputs_of(name)])
    return TrackPlan(kind, start, given.settle, end, name, details, named, needed, until_known, given.correct, inside)


def _one_of(names: Names, loc: Loc, *ways: tuple[str, object]) -> None:
    """One of several keys says what begins an interval."""
    given = [name for name, value in ways if value is not None]
    if len(given) != 1:
        choice = " or ".join(f"'{name}'" for name, _ in ways)
        names.fault(loc, f"what begins it is missing: write {choice}" if not given else f"write only one of {choice}")


def _keyed_or_begun(names: Names, given: Kind, loc: Loc) -> StartPlan | None:
    if given.key is not None:
        names.input(given.key, (*loc, "key"))
        return ByKey(given.key, given.empty_for)
    return _occasion(names, given.start, (*loc, "start")) if given.start is not None else None


def _occasion(names: Names, given: Begin | End, loc: Loc) -> ByCondition | ByEvent | None:
    """An event or a condition."""
    when = names.condition(given.when, (*loc, "when")) if given.when is not None else None
    if given.event is not None:
        names.input(given.event, (*loc, "event"))
        if given.for_:
            names.fault((*loc, "for"), "an event does not last: leave out 'for', or 'event'")
        return ByEvent(given.event, when)
    return ByCondition(when, given.for_) if when is not None else None


def _end(names: Names, end: End, loc: Loc) -> EndPlan | None:
    if end.idle is None:
        if end.when is None and end.event is None:
            names.fault(loc, "write one of 'when', 'event' and 'idle'")
        if end.count:
            names.fault((*loc, "count"), "'count' belongs to 'idle': for how long must nothing have been counted?")
        return _occasion(names, end, loc)
    if end.when is not None or end.event is not None or end.for_:
        names.fault(loc, "'idle' stands alone: leave out 'when', 'for' and 'event'")
    for index, name in enumerate(end.count):
        _counter(names, name, (*loc, "count", index))
    counters = end.count or [name for name, given in names.inputs.items() if given.counter is not None]
    if not counters:
        names.fault((*loc, "idle"), "no input of this line is a counter")
    return ByIdleness(frozenset(counters), end.idle)


def _counter(names: Names, name: str, loc: Loc) -> None:
    given = names.input(name, loc)
    if given is not None and given.counter is None:
        names.fault(loc, f'"{name}" is not a counter: add `counter: {{}}` to it if it is a running count')


def limits(names: Names, target: Target, loc: Loc) -> dict[str, Template]:
    """The fields of `target`, which stands at `loc`, as Oden's schema Target has them."""
    group = names.pattern(target.metric_group, (*loc, "metric_group")) or NO_PATTERN
    found: dict[str, Template] = {"metric_group": {"name": Words(group)}}
    for key, name in (("value", "target_value"), ("lsl", "lsl"), ("usl", "usl")):
        value = getattr(target, key)
        if isinstance(value, str):
            found[name] = Amount(names.pattern(value, (*loc, key)) or NO_PATTERN)
        elif value is not None:
            found[name] = value
    return found


def filled_in(names: Names, value: Scalar, loc: Loc, *also: Reference) -> Template:
    """A value that stands at `loc`: text can have inputs in it."""
    return names.pattern(value, loc, *also) if isinstance(value, str) else value


def _calendar(names: Names, given: CalendarSection, loc: Loc) -> Calendar | None:
    try:
        zone = ZoneInfo(given.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        names.fault((*loc, "zone"), "this time zone is not known; write one such as Europe/Berlin or America/Chicago")
        return None
    shifts = tuple(
        Shift(shift.name, weekdays(shift.days), time.fromisoformat(shift.from_), time.fromisoformat(shift.to))
        for shift in given.shifts
    )
    calendar = Calendar(zone, shifts)
    both = calendar.overlap()
    if both is not None:
        names.fault((*loc, "shifts"), f"{both[0]} and {both[1]} are on at one time; a line has one shift at a time")
    return calendar
