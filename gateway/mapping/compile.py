"""From a line's configuration to the plan that `step` works by; every faulty name, pattern and expression is found.

A plan is compiled once and never changes. It holds nothing of what happens on the line.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.config import schema
from gateway.config.message_schemas import NO_SCHEMAS, Schemas
from gateway.config.schema_io import Counter
from gateway.errors import ConfigFault, InvalidConfig
from gateway.mapping.compile_inputs import Identity, codes_of, compile_ids, compile_inputs, compile_output
from gateway.mapping.compile_intervals import compile_batches, compile_intervals, compile_run
from gateway.mapping.compile_rules import compile_rules
from gateway.mapping.compile_states import compile_states
from gateway.mapping.counting import is_plain
from gateway.mapping.derived import RUN, run_input
from gateway.mapping.inputs import InputPlan
from gateway.mapping.intervals import ByKey, IntervalPlan, OwnerKind
from gateway.mapping.output import OutputPlan
from gateway.mapping.rules import RulePlan
from gateway.mapping.sampled import NOT_WATCHED, Held, Watching
from gateway.mapping.scope import Loc, Scope
from gateway.mapping.states import Ladder, StatesPlan
from gateway.model import NO_LOOKUPS, Lookups, Sample

REMEMBERED_INTERVALS = 8
"""Runs, and batches, that have ended and of which a quality test can still be told."""


@dataclass(frozen=True)
class LinePlan:
    """A line as configured.

    `subscriptions` says which inputs a source's address feeds: nothing else is subscribed. `ids` are the fields that
    together tell a message of an address from all others, where something is said of that. `derived` are the inputs
    that follow from others, each after those; `watched` those of which something is expected in time; `lacking` those
    of them that the machine may lack. `timed` are the addresses whose messages have a time of their own, so that they
    can come late; `zoned` those of which that can be a local time of a zone. `keepers` are the sources that keep what
    they have to say while they are not heard.
    """

    key: str
    factory: str
    line: str
    id: str | None
    inputs: Mapping[str, InputPlan]
    subscriptions: Mapping[tuple[str, str], tuple[InputPlan, ...]]
    run: IntervalPlan | None
    states: StatesPlan | None
    output: OutputPlan | None
    batches: IntervalPlan | None = None
    intervals: tuple[IntervalPlan, ...] = ()
    batch_output: OutputPlan | None = None
    derived: tuple[InputPlan, ...] = ()
    watched: tuple[InputPlan, ...] = ()
    lacking: tuple[InputPlan, ...] = ()
    rules: tuple[RulePlan, ...] = ()
    ids: Mapping[tuple[str, str], tuple[Identity, ...]] = field(default_factory=dict)
    timed: frozenset[tuple[str, str]] = frozenset()
    zoned: frozenset[tuple[str, str]] = frozenset()
    keepers: frozenset[str] = frozenset()
    late: float = 900.0
    """For so many seconds at least samples are remembered, so that messages that come late can be put in their places;
    0: none are."""
    deletes_withdrawn: bool = False
    """What was told and never was is to be deleted at Oden."""
    late_max: float = 28_800.0
    """While a source is not heard, samples are remembered since then, for so many seconds at most."""
    tables: Lookups = field(default_factory=dict)
    """Those in which it looks up what inputs say, as they are now."""
    fields: Mapping[str, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    """The fields of messages that it names, by their inputs."""
    held: Mapping[Loc, float] = field(default_factory=dict)
    """By its place in the line's configuration, for how many seconds something must be so that is decided by several
    tags of one server, and of which the configuration says nothing."""
    digest: str = ""
    """Of all that the plan was made from: the same for the same."""

    @cached_property
    def remembers(self) -> bool:
        """Whether samples are remembered: something can come late, and is to be put in its place."""
        return bool(self.timed or self.keepers) and self.late > 0

    @cached_property
    def read_by(self) -> Mapping[tuple[str, str], str]:
        """How the times of messages are read, by the addresses of those that have some."""
        ways: dict[tuple[str, str], list[str]] = {}
        for plan in self.inputs.values():
            if plan.time is not None:
                way = (".".join(plan.time), str(plan.zone or ""), f"{plan.clock_offset:g}".removeprefix("0"))
                ways.setdefault((plan.source, plan.address), []).append(" ".join(filter(None, way)))
        return {address: " ".join(sorted({*each})) for address, each in ways.items()}

    @cached_property
    def has_schemas(self) -> bool:
        """Whether messages must fit a schema."""
        return any(plan.schema is not None for plan in self.inputs.values())

    @cached_property
    def rests_on(self) -> frozenset[str]:
        """The inputs on which state, run and output rest; where none do, all."""
        names = {*self.states.inputs} if self.states is not None else set()
        names |= {self.run.main_input} if self.run is not None else set()
        names |= {*self.output.entries} if self.output is not None else set()
        return frozenset(names & self.inputs.keys() or self.inputs)

    @cached_property
    def rests_on_sources(self) -> frozenset[str]:
        """The sources that feed these inputs."""
        fed = self.subscriptions.items()
        return frozenset(source for (source, _), plans in fed if any(plan.name in self.rests_on for plan in plans))

    @cached_property
    def reads_run(self) -> bool:
        """Whether something looks at the run that is on."""
        return any(plan.of_run for plan in self.inputs.values())

    @cached_property
    def counters(self) -> Mapping[str, Counter]:
        """The inputs that are counters, by their names."""
        return {name: plan.counter for name, plan in self.inputs.items() if plan.counter is not None}

    @cached_property
    def plain_counters(self) -> Mapping[str, Counter]:
        """Those that restart with nothing, are always heard and say what they show as a number."""
        return {
            name: counter
            for name, counter in self.counters.items()
            if counter.restarts_with is None and is_plain(self.inputs[name])
        }

    @cached_property
    def _shared(self) -> frozenset[tuple[str, str]]:
        """The addresses of which it depends on the sample which inputs it is about."""
        fed = self.subscriptions.items()
        return frozenset(at for at, plans in fed if any(plan.metric is not None or plan.only for plan in plans))

    def fed_by(self, sample: Sample) -> tuple[InputPlan, ...]:
        """The inputs that `sample` is about."""
        address = sample.source, sample.address
        fed = self.subscriptions.get(address, ())
        return fed if address not in self._shared else tuple([plan for plan in fed if plan.accepts(sample)])

    def takes(self, sample: Sample) -> bool:
        """Whether any input has the address of `sample`."""
        return (sample.source, sample.address) in self.subscriptions

    def timed_by(self, message: Sample) -> str:
        """The first of the inputs that take the message and have a time from it; empty where none has."""
        return next((plan.name for plan in self.fed_by(message) if plan.time is not None), "")

    def counts_each(self, message: Sample) -> bool:
        """Whether the message counts each time that it comes, also where it says the same again."""
        return any(plan.counts_each for plan in self.fed_by(message))


def compile_lines(
    lines: Sequence[schema.Line],
    lookups: Lookups,
    keepers: frozenset[str] = frozenset(),
    schemas: Schemas = NO_SCHEMAS,
    watching: Watching = NOT_WATCHED,
) -> list[LinePlan]:
    """The plans of all lines, with `lookups` and `schemas` as they are now; `keepers` as in a plan,
    `watching` is how sources watch their tags. Raises InvalidConfig with the faults of all."""
    plans: list[LinePlan] = []
    faults: list[ConfigFault] = []
    for index, line in enumerate(lines):
        try:
            plans.append(compile_line(line, ("lines", index), lookups, keepers, schemas, watching))
        except InvalidConfig as error:
            faults += error.faults
    if faults:
        raise InvalidConfig(faults)
    return plans


def compile_line(
    line: schema.Line,
    loc: Loc,
    lookups: Lookups = NO_LOOKUPS,
    keepers: frozenset[str] = frozenset(),
    schemas: Schemas = NO_SCHEMAS,
    watching: Watching = NOT_WATCHED,
) -> LinePlan:
    """The plan of `line`, which stands at `loc` in the configuration, with `lookups` and `schemas` as they are now;
    `keepers` as in a plan, `watching` is how sources watch their tags.

    Raises InvalidConfig with all its faults.
    """
    with_run = line.run is not None
    scope = Scope(line.inputs, lookups, schemas, watching, with_run=with_run)
    inputs = compile_inputs(scope, (*loc, "inputs"))
    ids = compile_ids(scope, (*loc, "inputs"))
    run = compile_run(scope, line.run, (*loc, "run")) if line.run is not None else None
    batches = None
    if line.batches is not None:
        batches = compile_batches(scope, line.batches, (*loc, "batches"), with_run=with_run)
    states = compile_states(scope, line.states, (*loc, "states")) if line.states is not None else None
    intervals = compile_intervals(scope, line.intervals, (*loc, "intervals"), with_run=with_run)
    output = batch_output = None
    if line.scrap_yield is not None:
        at = (*loc, "scrap_yield")
        output = compile_output(scope, line.scrap_yield, at, of="run", possible=with_run)
        batch_output = compile_output(scope, line.scrap_yield, at, of="batch", possible=line.batches is not None)
    possible: Mapping[OwnerKind, bool] = {"run": with_run, "batch": line.batches is not None}
    rules = compile_rules(scope, line.rules, (*loc, "rules"), possible=possible)
    if scope.faults:
        raise InvalidConfig(scope.faults)
    tested = {rule.of for rule in rules if rule.set == "quality_test"}
    if run is not None and "run" in tested:
        run = replace(run, remembered=REMEMBERED_INTERVALS)
    if batches is not None and "batch" in tested:
        batches = replace(batches, remembered=REMEMBERED_INTERVALS)
    tracks = [*filter(None, (run, batches)), *intervals]
    plain = {track.start.input for track in tracks if isinstance(track.start, ByKey)}
    if states is not None and not isinstance(states.selector, Ladder):
        plain |= {*states.selector.inputs}
    counting = {name for plan in (output, batch_output) if plan is not None for name in plan.entries}
    counting |= {rule.event for rule in rules if rule.event is not None}
    counting |= {learned.input for learned in scope.learned.values()}
    counting |= {states.description.input} if states is not None and states.description is not None else set()
    if output is not None and line.run is not None and line.run.untold == "unassigned":
        can_be_late = any(plan.time is not None for plan in inputs.values())
        output = replace(output, untold_after=line.late if can_be_late else 0.0)
    output, batch_output = _with_restarts(output, inputs), _with_restarts(batch_output, inputs)
    if run is not None and scope.reads_run:
        inputs[RUN] = run_input(inputs, run)
    inputs = {
        name: replace(plan, plain=name in plain, counts_each=name in counting and plan.counter is None)
        for name, plan in inputs.items()
    }
    subscriptions: dict[tuple[str, str], tuple[InputPlan, ...]] = {}
    for plan in inputs.values():
        if plan.source:
            address = (plan.source, plan.address)
            subscriptions[address] = (*subscriptions.get(address, ()), plan)
    keepers &= {source for source, _ in subscriptions}
    held = {at[len(loc) :]: each for at, each in scope.held.items()}
    return LinePlan(
        key=line.key,
        factory=line.factory,
        line=line.line,
        id=line.id,
        inputs=inputs,
        subscriptions=subscriptions,
        run=run,
        states=states,
        output=output,
        batches=batches,
        intervals=intervals,
        batch_output=batch_output,
        derived=tuple(plan for plan in inputs.values() if not plan.source and not plan.of_run),
        watched=tuple(plan for plan in inputs.values() if plan.quiet_after is not None or plan.default is not None),
        lacking=tuple(plan for plan in inputs.values() if plan.default is not None),
        rules=rules,
        ids=ids,
        timed=frozenset((plan.source, plan.address) for plan in inputs.values() if plan.time is not None),
        zoned=frozenset((plan.source, plan.address) for plan in inputs.values() if plan.zone is not None),
        late=line.late,
        deletes_withdrawn=line.late_withdraw == "delete",
        late_max=max(line.late, line.late_max),
        keepers=keepers,
        tables=lookups if line.scrap_yield is None else {**lookups, **codes_of(line.scrap_yield)},
        fields={name: frozenset(paths) for name, paths in scope.fields.items()},
        held={at: each.hold for at, each in held.items()},
        digest=_digest(line, lookups, keepers, inputs, held),
    )


def _with_restarts(output: OutputPlan | None, inputs: Mapping[str, InputPlan]) -> OutputPlan | None:
    """Output that knows which of its counters restart with which input."""
    if output is None:
        return None
    restarts: dict[str, tuple[str, ...]] = {}
    for name in output.entries:
        counter = inputs[name].counter
        if counter is not None and counter.restarts_with is not None:
            restarts[counter.restarts_with] = (*restarts.get(counter.restarts_with, ()), name)
    return replace(output, restarts=restarts)


def _digest(
    line: schema.Line,
    lookups: Lookups,
    keepers: frozenset[str],
    inputs: Mapping[str, InputPlan],
    held: Mapping[Loc, Held],
) -> str:
    """The digest of a plan. Where the line stands among others is nothing to it: `held` is by places within it."""
    named = [plan.schema.text for plan in inputs.values() if plan.schema is not None]
    tables = sorted((name, sorted(table.columns), sorted(table.rows.items())) for name, table in lookups.items())
    by_default = [sorted(held.items())] if held else []  # where there is none, the digest is that of earlier versions
    text = line.model_dump_json() + json.dumps([tables, sorted(keepers), *named, *by_default], default=repr)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
