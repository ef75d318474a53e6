"""What of a configuration has come to nothing, for the person who has written it. Pure.

That is: messages that no input takes, inputs that never had a value, and what was looked up in vain.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.config.addresses import SUM
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState
from gateway.mapping.values import ABSENT, find, scalar
from gateway.model import Sample

MOST_SHOWN = 20
"""So many names or keys are shown in one sentence; of others only how many they are."""
NEVER = ("never had a value", "and its default counts", "has learned nothing")
"""The ends of sentences about what has not come so far, and may come yet."""


@dataclass(slots=True)
class Coverage:
    """What has been seen so far. `unmatched` counts samples by source and address; by line, `valued` are inputs that
    had a value, and `missed` keys that tables did not have."""

    unmatched: Counter[tuple[str, str]] = field(default_factory=Counter)
    valued: dict[str, set[str]] = field(default_factory=dict)
    missed: dict[str, dict[str, dict[str, None]]] = field(default_factory=dict)
    fields: dict[str, set[tuple[str, tuple[str, ...]]]] = field(default_factory=dict)
    """By line, the fields of messages that had a value, each with its input."""

    def sample(self, plans: Sequence[LinePlan], sample: Sample) -> None:
        """Something was received."""
        if sample.value is None:
            return
        if not is_taken(plans, sample):
            self.unmatched[sample.source, sample.address] += 1
        for plan in plans:
            for fed in plan.fed_by(sample) if plan.fields else ():
                value = find(sample.value, fed.field)
                for path in plan.fields.get(fed.name, ()):
                    if find(value, path) not in (None, ABSENT):
                        self.fields.setdefault(plan.key, set()).add((fed.name, path))

    def line(self, plan: LinePlan, state: LineState) -> None:
        """What a line knows by now."""
        without = {*without_value(plan, state)}
        self.valued.setdefault(plan.key, set()).update(plan.inputs.keys() - without)
        tables = self.missed.setdefault(plan.key, {})
        for table, keys in missed(plan, state).items():
            tables.setdefault(table, {}).update(dict.fromkeys(keys))

    def sentences(self, plans: Sequence[LinePlan]) -> Iterator[str]:
        """What came to nothing, for a person; nothing where all is used."""
        for (source, address), count in self.unmatched.most_common(MOST_SHOWN):
            yield f"{source} {address}: {count} that no input takes"
        if len(self.unmatched) > MOST_SHOWN:
            yield f"{len(self.unmatched) - MOST_SHOWN} more addresses of which no input takes anything"
        for plan in plans:
            seen = self.valued.get(plan.key)
            never = [each for name, each in plan.inputs.items() if seen is not None and name not in seen]
            by_default = [each.name for each in never if each.default is not None]
            others = [each.name for each in never if each.default is None and each.learned is None]
            others += self._lost_fields(plan, seen or set())
            if others:
                yield f"line {plan.line}: {_shown(others)} never had a value"
            if by_default:
                yield f"line {plan.line}: of {_shown(by_default)} nothing came, and its default counts"
            learning = [(each.name, each.learned.input) for each in never if each.learned is not None]
            for name, of in learning:
                yield f"line {plan.line}: nothing came of {of}, so that the table {name} has learned nothing"
            for table, keys in self.missed.get(plan.key, {}).items():
                yield f"line {plan.line}: the table {table} has nothing for {_shown([*keys])}"

    def _lost_fields(self, plan: LinePlan, valued: Collection[str]) -> Iterator[str]:
        """The fields that the line names and that no message had, of inputs of which messages came."""
        known = self.fields.get(plan.key, set())
        for name in plan.inputs:
            for path in sorted(plan.fields.get(name, ()) if name in valued else ()):
                if (name, path) not in known and plan.inputs[name].source:
                    yield text_of_path(name, path)


def text_of_path(name: str, path: Sequence[str]) -> str:
    """How the field at `path` of an input is written."""
    if path[:1] == (SUM,):
        return f"sum({text_of_path(name, path[1:])})"
    return name + "".join(part if part.startswith("[") else f".{part}" for part in path)


def is_taken(plans: Sequence[LinePlan], sample: Sample) -> bool:
    """Whether any input takes the sample."""
    for plan in plans:  # noqa: SIM110 - it is asked of each sample
        if plan.fed_by(sample):
            return True
    return False


def without_value(plan: LinePlan, state: LineState) -> Iterator[str]:
    """The inputs that never had a value of their own; one whose default holds is among them."""
    for name, input_plan in plan.inputs.items():
        known = state.inputs.get(name)
        by_default = known is not None and input_plan.default is not None and not known.received
        if not input_plan.of_run and (known is None or known.value is None or by_default):
            yield name


def unlearned(plan: LinePlan, state: LineState) -> Mapping[str, str]:
    """The tables that have learned nothing, each with the input of which nothing has come."""
    tables = {name: each.learned.input for name, each in plan.inputs.items() if each.learned is not None}
    return {name: tables[name] for name in without_value(plan, state) if name in tables}


def missed(plan: LinePlan, state: LineState) -> Mapping[str, Sequence[str]]:
    """What was looked up and not found, by table, and still is not there: neither learned since nor, in a file that was
    read again, added. Where there is a row for it, what that lacks stands behind: `4711 (no due)`."""
    tables: dict[str, dict[str, list[str]]] = {}
    for each in state.missed:
        table = plan.tables.get(each.table)
        if table is None:
            continue
        value, has_row = table.find(each.key, each.column), each.key in table.rows
        if table.learned is not None:
            known = state.inputs.get(each.table)
            rows = known.value if known is not None else None
            value = scalar(find(rows, (each.key, *each.column.split("."))))
            has_row = isinstance(rows, Mapping) and each.key in rows
        if value is None:
            lacks = tables.setdefault(each.table, {}).setdefault(each.key, [])
            lacks += [each.column] if has_row else []
    return {
        name: [f"{key} (no {', '.join(sorted(lacks))})" if lacks else key for key, lacks in keys.items()]
        for name, keys in tables.items()
    }


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
