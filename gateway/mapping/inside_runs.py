"""What is inside runs and changes before it is known which run is on: what has to be kept of it. Pure."""

from math import inf

from gateway.frozen import replace
from gateway.mapping.context import StepContext
from gateway.mapping.intervals import (
    KEYLESS,
    ByKey,
    IntervalPlan,
    IntervalsState,
    PendingChange,
    PendingEnd,
    PendingStart,
)
from gateway.mapping.passed_starts import MOST_PASSED, PassedStart, said_by
from gateway.mapping.templates import Resolver
from gateway.mapping.times import clock, second_of
from gateway.mapping.whose import is_undecided, with_untold


def as_inside(state: IntervalsState, runs: IntervalsState) -> IntervalsState:
    """What is known of intervals inside runs, as far as their output is concerned: where it settles whether the run has
    ended, that is so of them too."""
    ends = [] if runs.pending_change is None else [runs.pending_change.previous_end]
    ends += [end.since for end in (runs.pending_end, state.pending_end) if end is not None]
    if runs.pending_change is None and runs.pending_end is None:
        return state
    return replace(state, pending_end=PendingEnd(min(ends), inf))


def with_said(
    plan: IntervalPlan, state: IntervalsState, before: PendingChange | None, resolve: Resolver
) -> IntervalsState:
    """The state that knows of a change that has begun to settle what was said before it, by `resolve`, or before the
    change that it replaces: of that something may have to be told by then."""
    change = state.pending_change
    if change is None or change is before or (state.current is None and state.pending_start is None):
        return state
    said = before.said if before is not None else None
    said = said if said is not None else said_by(plan.name, plan.metadata, resolve)
    return replace(state, pending_change=replace(change, said=said))


def with_untold_inside(plan: IntervalPlan, state: IntervalsState, begun: float, ended: float) -> IntervalsState:
    """The state that knows that what was on in a run from `begun` to `ended` is never recorded, as that is not."""
    untold = [PendingStart(one.key, one.begun) for one in state.passed if one.begun < ended and one.ended > begun]
    if state.pending_start is not None and state.pending_start.begun < ended:
        untold.append(state.pending_start)
    for one in untold:
        state = with_untold(state, one, second_of(max(one.begun, begun)), plan.remembered)
    return state


def passed_by(
    plan: IntervalPlan, state: IntervalsState, runs: IntervalsState, end: float, context: StepContext
) -> tuple[PassedStart, ...]:
    """Those that have passed once one ends at `end`: that one too, where it is not known yet in which run that was. Of
    one that is forgotten for it notice is given."""
    on, run = state.pending_start, runs.pending_change
    goes_on = isinstance(plan.start, ByKey) and not state.parked  # in the next run
    if on is None and state.current is not None and run is not None and goes_on:
        on = PendingStart(state.key, run.previous_end, state.current.named)
    if on is None or on.begun >= end or not is_undecided(runs, end):
        return state.passed
    said = state.pending_change.said if state.pending_change is not None else None
    said = said if said is not None else said_by(plan.name, plan.metadata, context.resolve)
    passed = (*state.passed, PassedStart(on.key, on.begun, end, said, on.named))
    for one in passed[:-MOST_PASSED]:
        title = " ".join(filter(None, [plan.type.lower(), one.key.replace(KEYLESS, "")]))
        why = f"more than {MOST_PASSED} ended before it was known which run was on"
        text = f"{title} from {clock(one.begun)} to {clock(one.ended)} is not reported, because {why}"
        context.notice("gap", plan.main_input, text)
    return passed[-MOST_PASSED:]
