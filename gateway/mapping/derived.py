"""Derived inputs: what follows from others by an expression, from several words of a PLC, from their silence, or from
all that they have said: a table that learns. And the run that is on, as expressions read it."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping import counters
from gateway.mapping.hearing import inputs_of
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, notice_of
from gateway.mapping.intervals import KEYLESS, IntervalPlan, IntervalsState
from gateway.mapping.values import excerpt, find, number, scalar, text
from gateway.model import Learned, Sample

LONGEST_ROW = 2_000
"""How long a message may be that a table learns, as JSON in characters: it is kept in the line's memory."""
TORN = 2.0
"""So long, in seconds, the words of a count may take to follow each other."""

RUN = "run"
"""What expressions call it, unless an input has that name."""
RUN_FIELDS = ("key", "name", "product")
"""What there is to know of it; all are empty where none is on."""
MOST_NEWS = 8
"""So often another run is made known within one step: what begins a run because none is on, and ends it because one is,
would go on for ever."""


class Cause(NamedTuple):
    """Why a derived input is looked at: `plan` has changed at `at` by `sample`; `before` is what was known of all that
    has changed."""

    plan: InputPlan
    sample: Sample
    at: float
    before: Sequence[InputMemory] = ()


def derive(
    plan: InputPlan, known: InputMemory | None, memory: Mapping[str, InputMemory], cause: Cause, now: float
) -> Reading | None:
    """What follows from `memory` for a derived input; None where that cannot be told yet."""
    if known is None or known.origin != plan.origin:
        known = InputMemory(plan.origin)
    if plan.learned is not None:
        return _learn(plan, plan.learned, known, memory, cause, now)
    if plan.stale_of is not None:
        watched = memory.get(plan.stale_of)
        return _reading(plan, known, watched is not None and watched.stale, cause, now)
    values = {name: memory[name].value if name in memory else None for name in _names(plan)}
    if None in values.values():
        return None
    if plan.words:
        value: object = _combined([*values.values()], plan.word_bits, plan.counter)
    else:
        value = plan.expression.value(values) if plan.expression is not None else None
    problem = _why_unusable(plan, value)
    if problem is not None:
        operands = ", ".join(f"{name} = {excerpt(operand)}" for name, operand in values.items())
        notice = notice_of("reject", cause.plan, now, f"{plan.name}: {problem} for {operands}")
        notices = (notice,) if known.quality != "bad" else ()
        return Reading(cause.sample, known, replace(known, quality="bad"), usable=False, notices=notices)
    if plan.words and plan.counter is not None and _is_torn(plan, plan.counter, known, value):
        since = cause.at if known.torn_since is None else known.torn_since
        if 0 <= cause.at - since <= TORN:
            return Reading(cause.sample, known, replace(known, torn_since=since), usable=False)
    return _reading(plan, known, value, cause, now)


def _names(plan: InputPlan) -> tuple[str, ...]:
    return plan.words if plan.expression is None else plan.expression.names


def _why_unusable(plan: InputPlan, value: object) -> str | None:
    """What is wrong with a value that follows, as a sentence."""
    if value is None:
        return f'"{describe(plan)}" has no value'
    if plan.counter is None:
        return None
    count = number(value)
    problem = "is not a number, which a counter is" if count is None else counters.refusal(plan.counter, count)
    return f"{excerpt(value)} {problem}" if problem is not None else None


def describe(plan: InputPlan) -> str:
    """From what it follows, as the configuration has it."""
    return plan.expression.source if plan.expression is not None else " ".join(plan.words)


def _reading(plan: InputPlan, known: InputMemory, value: object, cause: Cause, now: float) -> Reading:
    if plan.counter is None:
        return Reading(cause.sample, known, InputMemory(plan.origin, value, cause.at), usable=True)
    lost = [memory.bad_since for memory in cause.before if memory.bad_since is not None]
    after = InputMemory(
        plan.origin,
        value,
        cause.at,
        clock_trusted=all(memory.clock_trusted for memory in cause.before),
        restart_basis=known.restart_basis,
        received=now,
        reset_at=known.reset_at,
        counting=known.counting,
    )
    return Reading(cause.sample, replace(known, bad_since=min(lost, default=None)), after, usable=True)


# Tables that learn


def _learn(
    plan: InputPlan,
    learned: Learned,
    known: InputMemory,
    memory: Mapping[str, InputMemory],
    cause: Cause,
    now: float,
) -> Reading | None:
    """The table with what the message says; None where nothing has been heard yet.

    What two messages say of one key is one row: of each field, what the later one by the plant's time says.
    """
    if learned.input not in memory:
        return None
    message = memory[learned.input].value
    key = text(scalar(find(message, learned.key))).strip()
    problem = None
    if not isinstance(message, dict) or not key:
        problem = f"has no {'.'.join(learned.key)}, by which '{plan.name}' would know it"
    elif len(json.dumps(message)) > LONGEST_ROW:
        problem = f"is longer than {LONGEST_ROW} characters, which '{plan.name}' does not keep"
    if problem is not None or not isinstance(message, dict):
        text_ = f"{learned.input} {problem}: {excerpt(message)}"
        return Reading(cause.sample, known, known, usable=False, notices=(notice_of("reject", cause.plan, now, text_),))
    rows = known.value if isinstance(known.value, dict) else {}
    learned_at = known.learned or {}
    row, at = rows.get(key, {}), learned_at.get(key)
    merged = {**row, **message} if at is None or at <= cause.at else {**message, **row}
    times = {**learned_at, key: max(cause.at, at if at is not None else cause.at)}
    kept = sorted(times, key=lambda other: (times[other], other))[-learned.keep :]
    after = InputMemory(
        plan.origin,
        {other: merged if other == key else rows[other] for other in kept},
        max(cause.at, known.at),
        learned={other: times[other] for other in kept},
    )
    return Reading(cause.sample, known, after, usable=True)


# Several words


def _combined(words: Sequence[object], bits: int, counter: Counter | None) -> int | None:
    """The number that stands in the words, the highest first, with a sign where it is of a counter that has one; None
    where one is no word of so many bits."""
    total = 0
    for word in words:
        value = number(word)
        if not isinstance(value, int) or not -(1 << (bits - 1)) <= value < 1 << bits:
            return None
        total = (total << bits) | (value & ((1 << bits) - 1))
    width = bits * len(words)
    is_negative = counter is not None and counter.signed == width and total >> (width - 1)
    return total - (1 << width) if is_negative else total


def _is_torn(plan: InputPlan, counter: Counter, known: InputMemory, value: object) -> bool:
    """Whether one word has changed and another that must follow has not: a higher one without all below it, or a
    lower one that has gone back."""
    before, after = number(known.value), number(value)
    if not isinstance(before, int) or not isinstance(after, int):
        return False
    mask = (1 << plan.word_bits) - 1
    changed = [
        (before >> (place * plan.word_bits)) & mask != (after >> (place * plan.word_bits)) & mask
        for place in range(len(plan.words))
    ]
    if all(changed) or not any(changed):
        return False
    highest = max(place for place, is_changed in enumerate(changed) if is_changed)
    return not all(changed[:highest]) or counters.is_before(counter, after, before)


# The run that is on


def run_input(inputs: Mapping[str, InputPlan], run: IntervalPlan) -> InputPlan:
    """The plan of the input. It relies on all with a source that say when runs begin and end."""
    names, found = [*inputs_of(run.start), *(inputs_of(run.end) if run.end is not None else ())], dict[str, None]()
    while names:
        plan = inputs.get(names.pop())
        if plan is not None and plan.name not in found:
            found[plan.name] = None
            names += plan.relies_on if not plan.source else ()
    relies_on = tuple(name for name in found if inputs[name].source)
    return InputPlan(RUN, "", "", "the run that is on", of_run=True, relies_on=relies_on)


def news_of_run(plan: InputPlan, known: InputMemory | None, runs: IntervalsState, now: float) -> Reading | None:
    """What is to be known of the run that is on by now; None where that is known."""
    at, value = _run_that_is_on(runs, now)
    if known is not None and known.value == value:
        return None
    sample = Sample(plan.source, plan.address, None, now)
    memory = InputMemory(plan.origin, value, at, received=now)
    return Reading(sample, known or InputMemory(plan.origin), memory, usable=True)


def _run_that_is_on(runs: IntervalsState, now: float) -> tuple[float, dict[str, str]]:
    """Since when which run is on: its key or what its event named, its name and its product. One whose product is not
    known yet is on."""
    current, waiting = runs.current, runs.pending_start
    known = {"key": "", "name": "", "product": ""}
    if current is None and waiting is None:
        return runs.last.ended if runs.last is not None else now, known
    key = runs.key if runs.key != KEYLESS else ""
    if current is None:
        return waiting.begun if waiting is not None else now, known | {"key": key}
    said = {"key": key or current.named or "", "name": current.name or "", "product": current.product}
    return current.begun if current.begun is not None else float(current.start), said
