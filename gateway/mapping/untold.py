"""What is made in runs that are over before they can be recorded, as where their product never came: it is listed, or
told of one that stands in for them; the next run never has it. Pure.
"""

from collections.abc import Iterable, Sequence
from math import floor

from gateway.frozen import replace
from gateway.mapping.context import Recorder, Share
from gateway.mapping.intervals import IntervalsState
from gateway.mapping.output import (
    STAND_IN,
    Amount,
    EntryShape,
    OutputPlan,
    OutputState,
    Passed,
    Untold,
    packed,
    rounded_total,
)
from gateway.mapping.values import Number

MOST_PASSED = 8
"""Runs that were not recorded, of which it is remembered when they were on: the newest."""


def without_untold(
    state: OutputState,
    intervals: IntervalsState,
    plan: OutputPlan,
    run: tuple[float, float, int],
    now: float,
) -> tuple[OutputState, str]:
    """Without what is of a `run` that is not recorded, which began and ended at these times and would have started at
    that second; and in words what becomes of it. A run is to stand in for it where the plan says so. What was made
    before it, while none was on, is its, as that of any run; of batches, what was made in it is of none."""
    begun, ended, start = run
    before = intervals.last.ended if intervals.last is not None else 0.0
    passed = Passed(begun if plan.between == "report" or plan.type != "RUN" else before, ended, start)
    made, rest = _parted(state.pending, passed)
    state = replace(state, pending=rest, passed=(*state.passed, passed)[-MOST_PASSED:])
    words = _words(made)
    if plan.untold_after is None:
        return state, words and f"nor is what was made in {'it' if plan.type == 'RUN' else 'its batches'}: {words}"
    stand_in = Untold(now + plan.untold_after, start, max(floor(ended), start + 1), made)
    state = replace(state, untold=(*state.untold, stand_in))
    return state, words and f"and {STAND_IN} gets what was made in it: {words}"


def without_passed(state: OutputState, amounts: Sequence[Amount]) -> tuple[OutputState, tuple[Amount, ...], list[str]]:
    """What is left of `amounts` without those that are of runs that were not recorded: where others stand in for these,
    they have them. And in words what is told of none."""
    rest, texts = tuple(amounts), list[str]()
    for passed in state.passed:
        made, rest = _parted(rest, passed)
        stand_in = next((untold for untold in state.untold if untold.start == passed.start), None)
        if made and stand_in is not None:
            more = stand_in._replace(made=_summed((*stand_in.made, *made)))
            state = replace(state, untold=tuple(more if one is stand_in else one for one in state.untold))
        elif made:
            texts.append(f"{_words(made)} made in one that is not reported: nor is that")
    return state, rest, texts


def _parted(amounts: Sequence[Amount], passed: Passed) -> tuple[tuple[Share, ...], tuple[Amount, ...]]:
    """What of the amounts is of a run, and the others."""
    own = [amount for amount in amounts if passed.since <= amount.at < passed.until]
    if not own:
        return (), tuple(amounts)
    rest = tuple(amount for amount in amounts if not passed.since <= amount.at < passed.until)
    return _summed(_shares(own)), rest


def _shares(amounts: Sequence[Amount]) -> Iterable[Share]:
    return ((amount.key.raw_data, amount.key.amount_names, amount.amount) for amount in amounts)


def _summed(shares: Iterable[Share]) -> tuple[Share, ...]:
    sums: dict[EntryShape, list[Number]] = {}
    for raw_data, names, amount in shares:
        sums.setdefault((raw_data, names), []).append(amount)
    return tuple((*shape, rounded_total(amounts)) for shape, amounts in sums.items())


def _words(made: Iterable[Share]) -> str:
    return ", ".join(
        " ".join((f"{amount} {' and '.join(names)}", *(f"({key} {value})" for key, value in raw_data)))
        for raw_data, names, amount in made
    )


def record_stand_in(untold: Untold, plan: OutputPlan, now: float, recorder: Recorder) -> None:
    """Record a run that stands in for one that was not recorded, with what was made in that, where anything was."""
    entries = packed(untold.made)
    if not entries:
        return
    interval = recorder.start(now, plan.type, untold.start, STAND_IN, {"product": STAND_IN})
    for place, entry in enumerate(entries, max(untold.start, untold.end - len(entries))):
        recorder.output(now, plan.type, interval, place, entry, name=STAND_IN)
    recorder.end(now, plan.type, interval, untold.end)
