"""What another life has told of an interval that was over, told back there. Pure.

A life that began from an older copy of the memory went on with a run that had ended by then, and told it what the
counters moved by. Those have shown the same to this life, which tells it of the run that it was made in. Found out only
then, it is too much of the run that was over: that is where it is taken from. Where it is not sure that the counters
have shown it, as after a reset, it is left to be taken off what they count next (`credit`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count

from gateway.frozen import dataclass
from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry, Kind, counters_of, kinds_of, rounded, scalar, told_by_kind
from gateway.mapping.line import LineState
from gateway.mapping.values import Number, number
from gateway.model import IntervalType, Output, record_key

Counts = Mapping[str, float]
"""What each counter shows."""


@dataclass(frozen=True, slots=True)
class Over:
    """An interval that was over when the memory was written, and the `entries` that another life has told of it all the
    same; the time stamps of all that it has (`times`); and what each counter had shown by then."""

    interval: str
    type: IntervalType
    entries: tuple[Entry, ...]
    times: frozenset[int]
    counts: Counts


def shown_counts(plan: LinePlan, state: LineState) -> dict[str, float]:
    """What the counters of the line's output have shown to its memory."""
    outputs = [output for output in (plan.output, plan.batch_output) if output is not None]
    names = {name for output in outputs for name in output.entries if plan.inputs[name].counter is not None}
    shown = {name: number(state.inputs[name].value) for name in names & state.inputs.keys()}
    return {name: float(value) for name, value in sorted(shown.items()) if value is not None}


def told_back(
    plan: LinePlan, state: LineState, over: Sequence[Over], now: float
) -> tuple[tuple[Output, ...], dict[IntervalType, list[Entry]]]:
    """What tells back, at `now`, what was told of the intervals that were `over`; and their entries without that."""
    records, left = list[Output](), defaultdict[IntervalType, list[Entry]](list)
    for output in (plan.output, plan.batch_output):
        ours = [one for one in over if output is not None and one.type == output.type]
        if output is None or not ours:
            continue
        kinds = kinds_of(output)
        parts = [(one, entry, told_by_kind(plan, kinds, [entry[1]])) for one in ours for entry in one.entries]
        sums = {
            kind: rounded(sum(told for _, _, found in parts for of, _, told in found if of == kind)) for kind in kinds
        }
        backed = [kind for kind in kinds if all(_shows(plan, state, kind, one.counts, sums[kind]) for one in ours)]
        taken = {one.interval: {*one.times} for one in ours}
        for one, (at, raw), found in parts:
            rest = dict(raw)
            for kind, _, told in found:
                if kind not in backed:
                    continue
                names = kind[0].amount_names
                said = {*dict(kind[0].fixed), *(name for name, _ in kind[0].patterns)} & raw.keys()
                stamp = next(second for second in count(at + 1) if second not in taken[one.interval])
                taken[one.interval].add(stamp)
                raw_data = {name: scalar(raw[name]) for name in sorted(said)} | dict.fromkeys(names, -told)
                key = record_key(f"{plan.key} {one.interval} {' '.join(names)}", stamp, now)
                records.append(
                    Output(key, plan.key, now, one.type, one.interval, stamp, raw_data, names, corrects=True)
                )
                rest = {name: value for name, value in rest.items() if name not in names}
            left[one.type].append((at, rest))
    return tuple(records), left


def _shows(plan: LinePlan, state: LineState, kind: Kind, before: Counts, told: Number) -> bool:
    """Whether the counters of a kind show that they have counted as much since they showed what they did `before`."""
    now, moved = shown_counts(plan, state), 0.0
    if not counters_of(plan, kind):
        return False
    for entry in kind:
        counter = plan.inputs[entry.input].counter
        if counter is None or not isinstance(entry.factor, int | float):
            return False
        if counter.backwards == "count" or entry.input not in now or entry.input not in before:
            return False
        more = now[entry.input] - before[entry.input] if counter.direction == "up" else 0.0
        more = before[entry.input] - now[entry.input] if counter.direction == "down" else more
        moved += abs(max(more, 0.0) * entry.factor * counter.scale)
    return abs(told) <= moved
