"""Runs, batches and custom intervals as configured: what begins them, what ends them, what is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.mapping.details import Template
from gateway.mapping.expressions import Condition
from gateway.mapping.patterns import Pattern, Reference
from gateway.mapping.shifts import Calendar
from gateway.mapping.values import Number
from gateway.model import IntervalType

NUMBER = Reference("batch")
"""The placeholder for the number of a batch in its run."""


@dataclass(frozen=True, slots=True)
class ByKey:
    """Each value of an input is an interval. One that is empty for less than `empty_for` seconds has not changed."""

    input: str
    empty_for: float


@dataclass(frozen=True, slots=True)
class ByCondition:
    """Begins when the condition has been true for `hold` seconds."""

    condition: Condition
    hold: float


@dataclass(frozen=True, slots=True)
class ByEvent:
    """Begins with each event of an input for which `when` is true."""

    input: str
    when: Condition | None


@dataclass(frozen=True, slots=True)
class ByCount:
    """Begins whenever the counter `input` has moved by `every` since it began."""

    input: str
    every: Number


Start = ByKey | ByCondition | ByEvent | ByCount | Calendar


@dataclass(frozen=True, slots=True)
class ByIdleness:
    """Ends when none of the counters has moved for `hold` seconds: at the last movement."""

    inputs: frozenset[str]
    hold: float


End = ByCondition | ByEvent | ByIdleness


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """One kind of interval; times in seconds.

    `settle` is how long other inputs may follow a change. `needed` names the details without which nothing is told, or, where
    they are in `until_known`, what is told instead. `names` are the inputs that `name` and `details` look at; what they say
    later corrects what was told for `correct` seconds from the start. `inside`: only while a run is on, with which it ends. So many
    that have ended are `remembered`.
    """

    type: IntervalType
    start: Start
    settle: float
    end: End | None
    name: Pattern | None
    details: Mapping[str, Template]
    names: frozenset[str]
    needed: frozenset[str] = frozenset()
    until_known: Mapping[str, str] | None = None
    correct: float = 0.0
    inside: bool = False
    remembered: int = 0
