"""Output as configured, as the plans that it is counted by: one for what belongs to runs, one for what belongs to batches."""

from typing import Literal

from gateway.config.schema_inputs import Input
from gateway.config.schema_output import Entry, ScrapYield
from gateway.mapping.naming import Loc, Names
from gateway.mapping.output import EntryPlan, OutputPlan
from gateway.mapping.patterns import Pattern, Reference
from gateway.mapping.values import text
from gateway.model import NO_LOOKUPS, Lookup, Lookups, Scalar

AMOUNT = Reference("n")
"""The placeholder for the amount in `raw_data`."""

CODES = "codes"
"""The name of the code table in patterns, and of its only column `name`."""

Of = Literal["run", "batch"]


def compile_output(names: Names, output: ScrapYield, loc: Loc, *, of: Of, possible: bool) -> OutputPlan | None:
    """The plan of what belongs to runs, or to batches; None where nothing does. `possible`: there are such intervals."""
    codes: Lookups = NO_LOOKUPS
    if output.codes:
        codes = {
            CODES: Lookup(frozenset({"name"}), {text(code): {"name": name} for code, name in output.codes.items()})
        }
        if names.has_table(CODES) and of == "run":
            names.fault((*loc, CODES), f"there is a table of the name '{CODES}' under 'tables': rename that")
    entries: dict[str, tuple[EntryPlan, ...]] = {}
    least = {}
    for order, entry in enumerate(output.entries):
        if entry.of != of:
            continue
        plan = _entry(names, order, entry, (*loc, "entries", order), codes)
        entries[plan.input] = (*entries.get(plan.input, ()), plan)
        if entry.min:
            least[order] = entry.min
    if not entries:
        return None
    if not possible:
        names.fault(
            loc, f"output belongs to a {of}: say under '{'run' if of == 'run' else 'batches'}' how they are recognised"
        )
    between = output.between_runs
    if of == "batch":
        return OutputPlan("BATCH", output.every, entries, output.align == "run", "next", output.gaps == "start", least)
    return OutputPlan("RUN", output.every, entries, output.align == "run", between, output.gaps == "start", least)


def _entry(names: Names, order: int, entry: Entry, loc: Loc, codes: Lookups) -> EntryPlan:
    name, *path = entry.count.split(".")
    given = names.input(name, (*loc, "count"))
    if given is not None:
        _countable(names, name, path, given, entry, loc)
    fixed: list[tuple[str, Scalar]] = []
    filled: list[tuple[str, Pattern]] = []
    counts: list[str] = []
    for key, value in entry.raw_data.items():
        at = (*loc, "raw_data", key)
        pattern = names.pattern(value, at, AMOUNT, lookups=codes) if isinstance(value, str) else None
        if pattern is None:
            fixed.append((key, value))
        elif pattern.parts == (AMOUNT,):
            counts.append(key)
        elif pattern.references:
            filled.append((key, pattern))
            if AMOUNT in pattern.references:
                names.fault(at, 'the amount stands alone: write "{n}" without anything around it')
        else:
            fixed.append((key, pattern.render(lambda _: None)))
    if not counts:
        names.fault((*loc, "raw_data"), 'the amount is missing: one value must be "{n}"')
    each = 1 if given is not None and given.edge is not None else entry.each
    return EntryPlan(order, name, tuple(path), tuple(fixed), tuple(filled), tuple(counts), each, entry.factor)


def _countable(names: Names, name: str, path: list[str], given: Input, entry: Entry, loc: Loc) -> None:
    """Whether there is anything to count in this input."""
    at = (*loc, "count")
    if given.counter is not None or given.edge is not None:
        what = "a counter" if given.counter is not None else "counted by its edges"
        if path:
            names.fault(at, f'"{name}" is {what} and has no fields: write "{name}"')
        if entry.each is not None:
            names.fault(
                (*loc, "each"), f"\"{name}\" is {what}, which says how many: write 'factor' for what one stands for"
            )
    elif given.topic is None:
        wanted = f'"{name}" is a tag without `counter`: add `counter: {{}}` to it if it is a running count'
        if given.source is None:
            wanted = f'"{name}" is derived: count the inputs that it follows from, each with its `factor`'
        names.fault(at, f"{wanted}, or `edge: rising` if each change is one")
    elif path and entry.each is not None:
        names.fault((*loc, "each"), "the message says how many: leave out 'each', or the field in 'count'")
