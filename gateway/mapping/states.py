"""Which state a line is in: a code looked up in a table, held against chatter.

A state is what Oden shows of it: category and reason. Two codes with the same ones are one state. It is recorded only
after it held for `hold`, with its true start; one that flickers and goes back leaves nothing. As with runs, the
start is the second in which it began, but never the second of the previous start: states never overlap and the end
of one is the start of the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import NamedTuple

from gateway.mapping.patterns import Look, Pattern
from gateway.mapping.records import Recorder
from gateway.mapping.values import text
from gateway.model import Scalar


@dataclass(frozen=True, slots=True)
class CodePlan:
    """What a code means."""

    category: Pattern
    reason: Pattern | None


@dataclass(frozen=True, slots=True)
class StatesPlan:
    """States as configured: `codes` by their text; `names` are all inputs that they look at. `hold` in seconds."""

    input: str
    codes: Mapping[str, CodePlan]
    other: CodePlan | None
    hold: float
    names: frozenset[str]


class Meaning(NamedTuple):
    """What Oden is told of a state."""

    category: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state since `at` that is recorded when it still holds at `due`."""

    meaning: Meaning
    at: float
    due: float


@dataclass(frozen=True, slots=True)
class StatesState:
    """The state that was recorded last, and the one that may follow it. `earliest` is where it can start."""

    interval: str | None = None
    meaning: Meaning | None = None
    candidate: Candidate | None = None
    earliest: int = 0


def meaning(plan: StatesPlan, value: Scalar, look: Look) -> Meaning | None:
    """What the code `value` means; None where it is not in the table or its category cannot be filled in yet.

    A boolean is looked up as `true` or `false`, then as 1 or 0.
    """
    code = plan.codes.get(text(value))
    if code is None and isinstance(value, bool):
        code = plan.codes.get(str(int(value)))
    code = code or plan.other
    if code is None:
        return None
    category = code.category.words(look)
    if category is None:
        return None
    return Meaning(category, code.reason.words(look) if code.reason is not None else None)


def seen(state: StatesState, means: Meaning, at: float, due: float) -> StatesState:
    """The line is in this state since `at`."""
    candidate = state.candidate
    if means == state.meaning:
        return state if candidate is None else replace(state, candidate=None)
    if candidate is not None and candidate.meaning == means:
        return state
    return replace(state, candidate=Candidate(means, at, due))


def held(state: StatesState, candidate: Candidate, now: float, recorder: Recorder) -> StatesState:
    """The candidate has held for long enough: the previous state ends where it starts."""
    start = max(floor(candidate.at), state.earliest)
    if state.interval is not None:
        recorder.end(now, "STATE", state.interval, start)
    means = candidate.meaning
    details = {"category": means.category} | ({"reason": means.reason} if means.reason is not None else {})
    interval = recorder.start(now, "STATE", start, None, details)
    return StatesState(interval, means, None, start + 1)
