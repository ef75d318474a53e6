"""From a line's configuration to the plan that `step` works by; every faulty name, pattern and expression is found.

A plan is compiled once and never changes. It holds nothing of what happens on the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.config import schema
from gateway.errors import Fault, FaultyConfig
from gateway.mapping.compile_inputs import compile_inputs
from gateway.mapping.compile_output import compile_output
from gateway.mapping.compile_rules import compile_rules
from gateway.mapping.compile_states import compile_states
from gateway.mapping.compile_tracks import compile_batches, compile_intervals, compile_run
from gateway.mapping.inputs import InputPlan
from gateway.mapping.naming import Loc, Names
from gateway.mapping.output import OutputPlan
from gateway.mapping.rules import RulePlan
from gateway.mapping.states import Ladder, StatesPlan
from gateway.mapping.track_plan import ByKey, TrackPlan
from gateway.model import NO_LOOKUPS, Lookups

REMEMBERED = 8
"""Runs, and batches, that have ended and of which a quality test can still be told."""


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A line as configured. `subscriptions` says which inputs a source's address feeds: nothing else is subscribed.

    `derived` are the inputs that follow from others, each after those; `watched` those of which something is expected in time.
    """

    key: str
    factory: str
    line: str
    id: str | None
    inputs: Mapping[str, InputPlan]
    subscriptions: Mapping[tuple[str, str], tuple[InputPlan, ...]]
    run: TrackPlan | None
    states: StatesPlan | None
    output: OutputPlan | None
    batches: TrackPlan | None = None
    intervals: tuple[TrackPlan, ...] = ()
    batch_output: OutputPlan | None = None
    derived: tuple[InputPlan, ...] = ()
    watched: tuple[InputPlan, ...] = ()
    rules: tuple[RulePlan, ...] = ()


def compile_lines(lines: Sequence[schema.Line], lookups: Lookups) -> list[LinePlan]:
    """The plans of all lines, with `lookups` as they are now. Raises FaultyConfig with the faults of all."""
    plans: list[LinePlan] = []
    faults: list[Fault] = []
    for index, line in enumerate(lines):
        try:
            plans.append(compile_line(line, ("lines", index), lookups))
        except FaultyConfig as error:
            faults += error.faults
    if faults:
        raise FaultyConfig(faults)
    return plans


def compile_line(line: schema.Line, loc: Loc, lookups: Lookups = NO_LOOKUPS) -> LinePlan:
    """The plan of `line`, which stands at `loc` in the configuration, with `lookups` as they are now.

    Raises FaultyConfig with all its faults.
    """
    names, with_run = Names(line.inputs, lookups), line.run is not None
    inputs = compile_inputs(names, (*loc, "inputs"))
    run = compile_run(names, line.run, (*loc, "run")) if line.run is not None else None
    batches = None
    if line.batches is not None:
        batches = compile_batches(names, line.batches, (*loc, "batches"), with_run=with_run)
    states = compile_states(names, line.states, (*loc, "states")) if line.states is not None else None
    intervals = compile_intervals(names, line.intervals, (*loc, "intervals"), with_run=with_run)
    output = batch_output = None
    if line.scrap_yield is not None:
        at = (*loc, "scrap_yield")
        output = compile_output(names, line.scrap_yield, at, of="run", possible=with_run)
        batch_output = compile_output(names, line.scrap_yield, at, of="batch", possible=line.batches is not None)
    possible: Mapping[Literal["run", "batch"], bool] = {"run": with_run, "batch": line.batches is not None}
    rules = compile_rules(names, line.rules, (*loc, "rules"), possible=possible)
    if names.faults:
        raise FaultyConfig(names.faults)
    tested = {rule.of for rule in rules if rule.set == "quality_test"}
    run = replace(run, remembered=REMEMBERED) if run is not None and "run" in tested else run
    batches = replace(batches, remembered=REMEMBERED) if batches is not None and "batch" in tested else batches
    tracks = [*filter(None, (run, batches)), *intervals]
    plain = {track.start.input for track in tracks if isinstance(track.start, ByKey)}
    if states is not None and not isinstance(states.rule, Ladder):
        plain |= {*states.rule.inputs}
    booked = {name for one in (output, batch_output) if one is not None for name in one.entries}
    booked |= {rule.event for rule in rules if rule.event is not None}
    booked |= {states.said.input} if states is not None and states.said is not None else set()
    inputs = {
        name: replace(plan, plain=name in plain, booked=name in booked and plan.counter is None)
        for name, plan in inputs.items()
    }
    fed: dict[tuple[str, str], tuple[InputPlan, ...]] = {}
    for plan in inputs.values():
        if plan.source:
            address = (plan.source, plan.address)
            fed[address] = (*fed.get(address, ()), plan)
    return LinePlan(
        line.key,
        line.factory,
        line.line,
        line.id,
        inputs,
        fed,
        run,
        states,
        output,
        batches,
        intervals,
        batch_output,
        tuple(plan for plan in inputs.values() if plan.expression is not None or plan.stale_of is not None),
        tuple(plan for plan in inputs.values() if plan.patience is not None),
        rules,
    )
