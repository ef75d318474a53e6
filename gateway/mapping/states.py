"""Which state a line is in, by a table of codes, by bits or by conditions, and what Oden is told of it.

A state is what Oden shows of it: category and reason. Two codes with the same ones are one state. It is recorded only
after it held for `hold`, with its true start; one that flickers and goes back leaves nothing. It has held when it still is so
after that time, or when the plant's own times show that it was, or when somebody has said something of it. As with runs, the
start is the second in which it began, but never the second of the previous start: states never overlap and the end
of one is the start of the next.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.mapping.expressions import Condition
from gateway.mapping.patterns import Look, Pattern, Reference
from gateway.mapping.values import number, scalar, text

HISTORY = 16
"""So many states are remembered, for what a person says of them later."""
PARTS = 32
"""A stop with more states than these is no short one."""


@dataclass(frozen=True, slots=True)
class CodePlan:
    """What a code means. `otherwise` is the reason while `reason` cannot be filled in."""

    category: Pattern
    reason: Pattern | None = None
    comment: Pattern | None = None
    otherwise: str | None = None

    @property
    def references(self) -> tuple[Reference, ...]:
        patterns = (self.category, self.reason, self.comment)
        return tuple(reference for pattern in patterns if pattern is not None for reference in pattern.references)


class Choice(NamedTuple):
    """The code that is on; None where there is none for what the inputs say. `known`: they say something."""

    known: bool
    code: CodePlan | None = None


UNKNOWN = Choice(known=False)
Value = Callable[[str], object]


class Rule(Protocol):
    """How the inputs say which state is on."""

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def all_codes(self) -> tuple[CodePlan, ...]: ...

    def choose(self, value: Value, holds: Callable[[Condition], bool | None]) -> Choice: ...


@dataclass(frozen=True, slots=True)
class Table:
    """The codes of one input, by their text."""

    input: str
    codes: Mapping[str, CodePlan]


@dataclass(frozen=True, slots=True)
class Codes:
    """Tables of codes: the first in which the value of its input is decides, else `other`.

    A boolean is looked up as `true` or `false`, then as 1 or 0.
    """

    tables: tuple[Table, ...]
    other: CodePlan | None

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(table.input for table in self.tables)

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        known = [code for table in self.tables for code in table.codes.values()]
        return (*known, *((self.other,) if self.other is not None else ()))

    def choose(self, value: Value, holds: Callable[[Condition], bool | None]) -> Choice:
        for table in self.tables:
            code = scalar(value(table.input))
            if code is None:
                return UNKNOWN
            found = table.codes.get(text(code))
            if found is None and isinstance(code, bool):
                found = table.codes.get(str(int(code)))
            if found is not None:
                return Choice(known=True, code=found)
        return Choice(known=True, code=self.other)


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

    def choose(self, value: Value, holds: Callable[[Condition], bool | None]) -> Choice:
        said = value(self.input)
        word = int(said) if isinstance(said, bool) else number(said)
        if said is None:
            return UNKNOWN
        if not isinstance(word, int):
            return Choice(known=True)
        return Choice(known=True, code=next((code for bit, code in self.bits if word >> bit & 1), self.other))


@dataclass(frozen=True, slots=True)
class Ladder:
    """Conditions: the first that is true decides, else `other`. While one before it cannot be told, nothing can."""

    rungs: tuple[tuple[Condition, CodePlan], ...]
    other: CodePlan

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for condition, _ in self.rungs for name in condition.names))

    @property
    def all_codes(self) -> tuple[CodePlan, ...]:
        return (*(code for _, code in self.rungs), self.other)

    def choose(self, value: Value, holds: Callable[[Condition], bool | None]) -> Choice:
        for condition, code in self.rungs:
            true = holds(condition)
            if true is None:
                return UNKNOWN
            if true:
                return Choice(known=True, code=code)
        return Choice(known=True, code=self.other)


@dataclass(frozen=True, slots=True)
class ShortStops:
    """What interrupts states of the categories `during` for less than `under` seconds, all together, is counted in the state before."""

    under: float
    during: frozenset[str]


@dataclass(frozen=True, slots=True)
class Offline:
    """The state of a line whose source is gone for `after` seconds."""

    after: float
    code: CodePlan


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a state, by an event of `input`: of the newest state, among those of `categories` where there are
    any, that was on at the time of the event or before it, and had not been over for more than `within` seconds."""

    input: str
    when: Condition | None
    category: Pattern | None
    reason: Pattern | None
    comment: Pattern | None
    categories: frozenset[str]
    within: float = math.inf


@dataclass(frozen=True, slots=True)
class StatesPlan:
    """States as configured; `names` are all inputs that they look at. `hold` in seconds."""

    rule: Rule
    hold: float
    names: frozenset[str]
    short_stops: ShortStops | None = None
    offline: Offline | None = None
    said: Said | None = None


class Meaning(NamedTuple):
    """What a state is at Oden."""

    category: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state since `at` that is recorded when it still holds at `due`. `said`: what a person said of it meanwhile, `heard` the time of the
    newest of that."""

    meaning: Meaning
    at: float
    due: float
    comment: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    heard: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """A state that was recorded: since when it was on, exactly, what a person said of it, and the time of the newest of that."""

    interval: str
    at: float
    category: str
    said: Mapping[str, str] = field(default_factory=dict)
    heard: float = 0.0


def said_of(one: Candidate | Told, words: Mapping[str, str], at: float) -> Mapping[str, str]:
    """What is said of a state after somebody said `words` at `at`: what is older, as when it is sent again, changes nothing that is newer."""
    return {**one.said, **words} if at >= one.heard else {**words, **one.said}


@dataclass(frozen=True, slots=True)
class Dark:
    """The source is gone since `since`; the line is offline when it still is at `due`."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class StatesState:
    """The state that was recorded last, and the one that may follow it. `earliest` is where it can start.

    `stop` are the states since the one that is on was interrupted, as long as that can be a short stop; `stops` and `stopped` are how
    many short stops there were in it and how many seconds they took. `offline`: it was recorded because the source is gone.
    `told` are the newest states, newest last.
    """

    interval: str | None = None
    meaning: Meaning | None = None
    candidate: Candidate | None = None
    earliest: int = 0
    stop: tuple[Candidate, ...] = ()
    stops: int = 0
    stopped: float = 0.0
    dark: Dark | None = None
    offline: bool = False
    told: tuple[Told, ...] = ()


def words(code: CodePlan, look: Look) -> tuple[Meaning, str | None] | None:
    """What a code means, and its comment; None where its category cannot be filled in yet."""
    category = code.category.words(look)
    if category is None:
        return None
    reason = code.reason.words(look) if code.reason is not None else None
    return Meaning(category, reason or code.otherwise), code.comment.words(look) if code.comment is not None else None
