"""Which state a line is in, by a table of codes, by bits or by conditions: what is configured, and what is remembered.
Pure.

A state is what Oden shows of it: category and reason. Two codes with the same ones are one state. It is recorded only
after it held for `hold`, with its true start; one that flickers and goes back leaves nothing. It has held when it still
is so after that time, or when the plant's own times show that it was, or when somebody has described it. As with runs,
the start is the second in which it began, but never the second of the previous start: states never overlap and the end
of one is the start of the next.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Annotated, NamedTuple, Protocol

from pydantic import Field

from gateway.frozen import dataclass
from gateway.mapping.expressions import Condition
from gateway.mapping.templates import Pattern, Reference, Resolver
from gateway.mapping.values import number, scalar, text

REMEMBERED_STATES = 16
"""So many states are remembered, for what a person says of them later."""
MOST_PARTS = 32
"""A stop of more states than these is no short one."""


# What is configured


@dataclass(frozen=True, slots=True)
class CodePlan:
    """What a code means. `default_reason` is the reason while `reason` cannot be filled in."""

    category: Pattern
    reason: Pattern | None = None
    comment: Pattern | None = None
    default_reason: str | None = None

    @property
    def references(self) -> tuple[Reference, ...]:
        """The inputs that it depends on."""
        patterns = (self.category, self.reason, self.comment)
        return tuple(reference for pattern in patterns if pattern is not None for reference in pattern.references)


class StateChoice(NamedTuple):
    """The code that is on; None where there is none for what the inputs say. `known`: they say something."""

    known: bool
    code: CodePlan | None = None


UNKNOWN = StateChoice(known=False)
Value = Callable[[str], object]
Holds = Callable[[Condition], bool | None]


class StateSelector(Protocol):
    """How the inputs say which state is on."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that it looks at."""

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        """Every code that it can choose."""

    def choose(self, value: Value, holds: Holds) -> StateChoice:
        """The code that is on, by the values of the inputs and the conditions over them."""


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The codes of one input, by their text."""

    input: str
    codes: Mapping[str, CodePlan]


@dataclass(frozen=True)
class Codes:
    """Tables of codes: the first in which the value of its input is decides, else `other`.

    A boolean is looked up as `true` or `false`, then as 1 or 0.
    """

    tables: tuple[CodeTable, ...]
    other: CodePlan | None

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return tuple(table.input for table in self.tables)

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        codes = [code for table in self.tables for code in table.codes.values()]
        return (*codes, *((self.other,) if self.other is not None else ()))

    def choose(self, value: Value, holds: Holds) -> StateChoice:
        for table in self.tables:
            plain = scalar(value(table.input))
            if plain is None:
                return UNKNOWN
            code = table.codes.get(text(plain).strip())  # PLCs fill texts up with blanks
            if code is None and isinstance(plain, bool):
                code = table.codes.get(str(int(plain)))
            if code is not None:
                return StateChoice(known=True, code=code)
        return StateChoice(known=True, code=self.other)


@dataclass(frozen=True, slots=True)
class Bits:
    """A word whose bits are faults and the like: the first of `bits` that is set decides, else `other`."""

    input: str
    bits: tuple[tuple[int, CodePlan], ...]
    other: CodePlan

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        return (*(code for _, code in self.bits), self.other)

    def choose(self, value: Value, holds: Holds) -> StateChoice:
        raw = value(self.input)
        word = int(raw) if isinstance(raw, bool) else number(raw)
        if raw is None:
            return UNKNOWN
        if not isinstance(word, int):
            return StateChoice(known=True)
        return StateChoice(known=True, code=next((code for bit, code in self.bits if word >> bit & 1), self.other))


@dataclass(frozen=True)
class Ladder:
    """Conditions: the first that is true decides, else `other`. While one before it cannot be told, nothing can."""

    rungs: tuple[tuple[Condition, CodePlan], ...]
    other: CodePlan

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for condition, _ in self.rungs for name in condition.names))

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        return (*(code for _, code in self.rungs), self.other)

    def choose(self, value: Value, holds: Holds) -> StateChoice:
        for condition, code in self.rungs:
            is_true = holds(condition)
            if is_true is None:
                return UNKNOWN
            if is_true:
                return StateChoice(known=True, code=code)
        return StateChoice(known=True, code=self.other)


@dataclass(frozen=True, slots=True)
class ShortStopsPlan:
    """What interrupts states of the categories `during` for less than `under` seconds, all
    together, is counted in the state before."""

    under: float
    during: frozenset[str]


@dataclass(frozen=True, slots=True)
class OfflinePlan:
    """The state of a line whose source is lost for `after` seconds."""

    after: float
    code: CodePlan


@dataclass(frozen=True, slots=True)
class DescriptionPlan:
    """How a person describes a state, by an event of `input`.

    Meant is the newest state, among those of `categories` where there are any, that was on at the time of the event or
    before it, and had not been over for more than `within` seconds.
    """

    input: str
    when: Condition | None
    category: Pattern | None
    reason: Pattern | None
    comment: Pattern | None
    categories: frozenset[str]
    within: float = math.inf


@dataclass(frozen=True, slots=True)
class StatesPlan:
    """States as configured; `inputs` are all that they look at. One must be on for `hold` seconds by the plant's time,
    or `wait` by ours. `hints` say of codes that mean no state what may be wrong."""

    selector: StateSelector
    hold: float
    wait: float
    inputs: frozenset[str]
    short_stops: ShortStopsPlan | None = None
    offline: OfflinePlan | None = None
    description: DescriptionPlan | None = None
    hints: Mapping[str, str] = field(default_factory=dict)


# What is remembered


class Meaning(NamedTuple):
    """What a state is at Oden."""

    category: str
    reason: str | None


StateDescription = Mapping[str, str]
"""What a person said of a state: its `category`, `reason` and `comment`, as far as they were said."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state since `at` that is recorded when it still holds at `due`.

    `description`: what a person said of it meanwhile; `described_at`: the time of the newest of that.
    """

    meaning: Meaning
    at: float
    due: float
    comment: str | None = None
    description: Annotated[StateDescription, Field(alias="said")] = field(default_factory=dict)
    described_at: Annotated[float, Field(alias="heard")] = 0.0


@dataclass(frozen=True, slots=True)
class RecordedState:
    """A state that was recorded: since when it was on, exactly, what a person said of it, and the
    time of the newest of that."""

    interval: str
    at: float
    category: str
    description: Annotated[StateDescription, Field(alias="said")] = field(default_factory=dict)
    described_at: Annotated[float, Field(alias="heard")] = 0.0


@dataclass(frozen=True, slots=True)
class SourceLoss:
    """The source is lost since `since`; the line is offline when it still is at `due`."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class StatesState:
    """The state that was recorded last, and the one that may follow it, the `candidate`.

    `earliest_start` is the first second in which a state can start. `interruption` are the states since the one that is
    on was interrupted, as long as that can be a short stop; `short_stops` and `short_stop_seconds` are how many short
    stops there were in the state that is on, and how long they took. `source_loss` is a loss that may make the line
    offline; `offline`: the state that is on was recorded because the source is lost. `recorded` are the newest states
    that were recorded, newest last.
    """

    interval: str | None = None
    meaning: Meaning | None = None
    candidate: Candidate | None = None
    earliest_start: Annotated[int, Field(alias="earliest")] = 0
    interruption: Annotated[tuple[Candidate, ...], Field(alias="stop")] = ()
    short_stops: Annotated[int, Field(alias="stops")] = 0
    short_stop_seconds: Annotated[float, Field(alias="stopped")] = 0.0
    source_loss: Annotated[SourceLoss | None, Field(alias="dark")] = None
    offline: bool = False
    recorded: Annotated[tuple[RecordedState, ...], Field(alias="told")] = ()


# What is decided


def merged_description(state: Candidate | RecordedState, said: StateDescription, at: float) -> StateDescription:
    """The description of a state after somebody said `said` at `at`: what is older, as when it is
    sent again, changes nothing newer."""
    return {**state.description, **said} if at >= state.described_at else {**said, **state.description}


def meaning_of(code: CodePlan, resolve: Resolver) -> tuple[Meaning, str | None] | None:
    """What a code means, and its comment; None where its category cannot be filled in yet."""
    category = code.category.text_of(resolve)
    if category is None:
        return None
    reason = code.reason.text_of(resolve) if code.reason is not None else None
    comment = code.comment.text_of(resolve) if code.comment is not None else None
    return Meaning(category, reason or code.default_reason), comment
