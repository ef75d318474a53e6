"""From a line's configuration to the plan that `step` works by; every faulty name, pattern and expression is found.

A plan is compiled once and never changes. It holds nothing of what happens on the line.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.config import schema
from gateway.errors import Fault, FaultyConfig
from gateway.mapping import expressions, patterns
from gateway.mapping.expressions import Condition
from gateway.mapping.inputs import InputPlan
from gateway.mapping.output import EntryPlan, OutputPlan
from gateway.mapping.patterns import Pattern, Reference
from gateway.mapping.states import CodePlan, StatesPlan
from gateway.mapping.values import text
from gateway.model import Scalar

Loc = tuple[str | int, ...]
Compiled = TypeVar("Compiled")

AMOUNT = Reference("n")
"""The placeholder for the amount in `raw_data`."""


@dataclass(frozen=True, slots=True)
class EndPlan:
    """The condition that ends a run, and how long it must hold, in seconds."""

    condition: Condition
    hold: float


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Runs as configured; `settle` in seconds."""

    key: str
    product: Pattern
    name: Pattern | None
    settle: float
    end: EndPlan | None


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A line as configured. `subscriptions` says which inputs a source's address feeds: nothing else is subscribed."""

    key: str
    factory: str
    line: str
    id: str | None
    inputs: Mapping[str, InputPlan]
    subscriptions: Mapping[tuple[str, str], tuple[InputPlan, ...]]
    run: RunPlan | None
    states: StatesPlan | None
    output: OutputPlan | None


def compile_line(line: schema.Line, loc: Loc) -> LinePlan:
    """The plan of `line`, which stands at `loc` in the configuration. Raises FaultyConfig with all its faults."""
    return _Compiler(line).compile(loc)


class _Compiler:
    """Gathers the faults of one line, so that a person sees them all at once."""

    def __init__(self, line: schema.Line) -> None:
        self.line = line
        self.faults: list[Fault] = []

    def compile(self, loc: Loc) -> LinePlan:
        line = self.line
        run = self._run(line.run, (*loc, "run")) if line.run is not None else None
        states = self._states(line.states, (*loc, "states")) if line.states is not None else None
        output = self._output(line.scrap_yield, (*loc, "scrap_yield")) if line.scrap_yield is not None else None
        if self.faults:
            raise FaultyConfig(self.faults)
        plain = {part for part in (run and run.key, states and states.input) if part}
        inputs = {name: _input(name, given, plain=name in plain) for name, given in line.inputs.items()}
        fed: dict[tuple[str, str], tuple[InputPlan, ...]] = {}
        for plan in inputs.values():
            address = (plan.source, plan.address)
            fed[address] = (*fed.get(address, ()), plan)
        return LinePlan(line.key, line.factory, line.line, line.id, inputs, fed, run, states, output)

    def _run(self, run: schema.Run, loc: Loc) -> RunPlan | None:
        self._input_named(run.key, (*loc, "key"))
        product = self._pattern(run.product, (*loc, "product"))
        name = self._pattern(run.name, (*loc, "name")) if run.name is not None else None
        end = None
        if run.end is not None:
            source = run.end.when
            when = self._try((*loc, "end", "when"), lambda: expressions.parse(source, self.line.inputs))
            end = EndPlan(when, run.end.for_) if when is not None else None
        return RunPlan(run.key, product, name, run.settle, end) if product is not None else None

    def _states(self, states: schema.States, loc: Loc) -> StatesPlan:
        self._input_named(states.input, (*loc, "input"))
        codes: dict[str, CodePlan] = {}
        for value, code in states.codes.items():
            at = (*loc, "codes", value)
            if text(value) in codes:
                self.faults.append(
                    Fault(at, f"the code {value} is there twice: as a number and as text it is the same")
                )
            codes[text(value)] = self._code(code, at)
        other = self._code(states.other, (*loc, "other")) if states.other is not None else None
        named = (reference.input for code in (*codes.values(), other) if code is not None for reference in _named(code))
        return StatesPlan(states.input, codes, other, states.hold, frozenset(named) | {states.input})

    def _code(self, code: schema.StateCode, loc: Loc) -> CodePlan:
        category = self._pattern(code.category, (*loc, "category")) or Pattern(())
        return CodePlan(category, self._pattern(code.reason, (*loc, "reason")) if code.reason is not None else None)

    def _output(self, output: schema.ScrapYield, loc: Loc) -> OutputPlan:
        if self.line.run is None:
            self.faults.append(Fault(loc, "output belongs to a run: say under `run` how runs are recognised"))
        entries: dict[str, tuple[EntryPlan, ...]] = {}
        for order, entry in enumerate(output.entries):
            plan = self._entry(order, entry, (*loc, "entries", order))
            entries[plan.input] = (*entries.get(plan.input, ()), plan)
        return OutputPlan(output.every, entries)

    def _entry(self, order: int, entry: schema.Entry, loc: Loc) -> EntryPlan:
        name, *path = entry.count.split(".")
        given = self._input_named(name, (*loc, "count"))
        if given is not None:
            self._countable(name, path, given, (*loc, "count"))
        fixed: list[tuple[str, Scalar]] = []
        filled: list[tuple[str, Pattern]] = []
        counts: list[str] = []
        for key, value in entry.raw_data.items():
            pattern = self._pattern(value, (*loc, "raw_data", key), AMOUNT) if isinstance(value, str) else None
            if pattern is None:
                fixed.append((key, value))
            elif pattern.parts == (AMOUNT,):
                counts.append(key)
            elif pattern.references:
                filled.append((key, pattern))
                if AMOUNT in pattern.references:
                    text = 'the amount stands alone: write "{n}" without anything around it'
                    self.faults.append(Fault((*loc, "raw_data", key), text))
            else:
                fixed.append((key, pattern.render(lambda _: None)))
        if not counts:
            self.faults.append(Fault((*loc, "raw_data"), 'the amount is missing: one value must be "{n}"'))
        return EntryPlan(order, name, tuple(path), tuple(fixed), tuple(filled), tuple(counts))

    def _countable(self, name: str, path: list[str], given: schema.Input, loc: Loc) -> None:
        """Whether there is anything to count in this input."""
        if given.counter is not None and path:
            self.faults.append(Fault(loc, f'"{name}" is a counter and has no fields: write "{name}"'))
        elif given.counter is None and given.node is not None:
            text = f'"{name}" is a tag without `counter`: add `counter: {{}}` to it if it is a running count'
            self.faults.append(Fault(loc, text))

    def _input_named(self, name: str, loc: Loc) -> schema.Input | None:
        given = self.line.inputs.get(name)
        if given is None:
            self.faults.append(Fault(loc, self._unknown(name)))
        return given

    def _unknown(self, name: str) -> str:
        return f'"{name}" is not an input of this line; its inputs are: {", ".join(sorted(self.line.inputs))}'

    def _pattern(self, pattern: str, loc: Loc, *also: Reference) -> Pattern | None:
        """The parsed pattern; its placeholders are inputs, or one of `also`."""
        parsed = self._try(loc, lambda: patterns.parse(pattern))
        for reference in parsed.references if parsed is not None else ():
            given = self.line.inputs.get(reference.input)
            if given is None and reference not in also:
                self.faults.append(Fault(loc, self._unknown(reference.input)))
            elif reference.path and given is not None and (given.node is not None or given.counter is not None):
                text = f'"{reference.input}" is a plain value and has no fields: write "{{{reference.input}}}"'
                self.faults.append(Fault(loc, text))
        return parsed

    def _try(self, loc: Loc, parse: Callable[[], Compiled]) -> Compiled | None:
        try:
            return parse()
        except ValueError as error:
            self.faults.append(Fault(loc, str(error)))
            return None


def _input(name: str, given: schema.Input, *, plain: bool) -> InputPlan:
    address = given.node or given.topic or ""
    return InputPlan(
        name=name,
        source=given.source,
        address=address,
        origin=" ".join(filter(None, (given.source, address, given.field))),
        field=tuple(given.field.split(".")) if given.field else (),
        time=tuple(given.time.split(".")) if given.time else None,
        counter=given.counter,
        plain=plain,
    )


def _named(code: CodePlan) -> Iterator[Reference]:
    yield from code.category.references
    if code.reason is not None:
        yield from code.reason.references
