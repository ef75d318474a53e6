"""When runs, batches and custom intervals begin and end: what is configured of one kind of them, what is remembered of
it, and the decisions over a key that changes, conditions that hold, and events. Pure; `interval_track` carries the
decisions out.

Two clocks meet here. *When* something is decided is the gateway's time (`due`), so that a recording gives the same
result however it is cut. *What* is decided is in the plant's time (`at`): when the key changed, when the condition
became true. Where samples arrive late and close together, as they do after an outage, what has held for long enough in
the plant's time counts, although it did not in the gateway's.

Rules for the whole seconds that Oden sees: an interval starts at the second in which it began, but never before the
previous one's end and never in the second of the previous start; an end lies at least one second after its start; an
interval that follows directly on another starts where that one ends. So intervals of one kind never overlap, never
share a start and never have a length of zero.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Protocol

from pydantic import Field, JsonValue

from gateway.frozen import dataclass, replace
from gateway.mapping.expressions import Condition
from gateway.mapping.passed_starts import PassedStart, Said
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.templates import Pattern, Template
from gateway.mapping.times import second_of
from gateway.mapping.values import Number, text
from gateway.model import IntervalType, Scalar

PAST_KEYS = 32
"""How many keys of earlier runs are remembered, and how many changes of the key, and events."""

KEYLESS = "#"
"""The key of an interval that a condition, an event or a count began."""

OwnerKind = Literal["run", "batch"]
"""What output and quality tests belong to."""


# What is configured


@dataclass(frozen=True, slots=True)
class ByKey:
    """Each value of an input is an interval. One that is empty for less than `empty_for` seconds has not changed."""

    input: str
    empty_for: float


@dataclass(frozen=True, slots=True)
class ByCondition:
    """Begins, or ends, when the condition has been true for `hold` seconds by the plant's time, or `wait` by ours."""

    condition: Condition
    hold: float
    wait: float


@dataclass(frozen=True, slots=True)
class ByEvent:
    """Begins, or ends, with each event of an input for which `when` is true. An event that says by `named` that it is
    of another interval than the one that is on ends nothing.
    """

    input: str
    when: Condition | None
    named: Pattern | None = None


@dataclass(frozen=True, slots=True)
class ByCount:
    """Begins whenever the counter `input` has moved by `every` since it began."""

    input: str
    every: Number


@dataclass(frozen=True, slots=True)
class ByIdleness:
    """Ends when none of the counters has moved for `hold` seconds: at the last movement."""

    inputs: frozenset[str]
    hold: float


StartPlan = ByKey | ByCondition | ByEvent | ByCount | ShiftCalendar
EndPlan = ByCondition | ByEvent | ByIdleness


@dataclass(frozen=True, slots=True)
class IntervalPlan:
    """One kind of interval as configured; times in seconds.

    `settle` is how long other inputs may follow a change. `needed` names the metadata without which no start is
    recorded, or, where it is in `until_known`, what is recorded instead. `inputs` are those that `name` and `metadata`
    look at; what they say later corrects what was recorded for `correct` seconds from the start. `inside`: only while a
    run is on, with which it ends. The newest `remembered` intervals that have ended are known by name. `heeds` are all
    inputs by which anything of an interval changes.
    """

    type: IntervalType
    start: StartPlan
    settle: float
    end: EndPlan | None
    name: Pattern | None
    metadata: Mapping[str, Template]
    inputs: frozenset[str]
    needed: frozenset[str] = frozenset()
    until_known: Mapping[str, str] | None = None
    correct: float = 0.0
    inside: bool = False
    remembered: int = 0
    heeds: frozenset[str] = frozenset()

    @property
    def main_input(self) -> str:
        """The input that says most of when intervals begin."""
        if isinstance(self.start, ByKey | ByEvent | ByCount):
            return self.start.input
        return self.start.condition.names[0] if isinstance(self.start, ByCondition) else min(self.inputs)

    def settle_time(self, key: str) -> float:
        """For how many seconds a change to `key` must hold."""
        empty_for = self.start.empty_for if isinstance(self.start, ByKey) and not key else 0.0
        return max(self.settle, empty_for)


# What is remembered


@dataclass(frozen=True, slots=True)
class OpenInterval:
    """An interval that is on: `start` (a whole second), `name` and `metadata` are what Oden is told, `begun` is when it
    began. `named` is what an event that ends it names, where the plan says so.

    `metadata` or `begun` None: it was recorded by an older version, which did not remember that, or stands in for none.
    """

    interval: str
    start: int
    name: str | None = None
    metadata: Annotated[Mapping[str, JsonValue] | None, Field(alias="details")] = None
    begun: float | None = None
    named: Annotated[str | None, Field(exclude_if=lambda named: named is None)] = None

    @property
    def product(self) -> str:
        """The name of the product, or its id where it goes by that; empty where it is not known."""
        product = (self.metadata or {}).get("product", "")
        return str(product["id"] if isinstance(product, dict) else product)


@dataclass(frozen=True, slots=True)
class EndedInterval:
    """An interval that has ended: `ended` is exact, `start` and `end` are the whole seconds that Oden sees."""

    interval: str
    start: int
    end: int
    ended: float
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PendingChange:
    """The key changed to `key` (empty: none is on) at `at`; the change counts when it still holds at `due`.

    `left`: when the key before was left, where none was on in between. `said`: what was said of that, inside runs.
    """

    key: str
    at: float
    due: float
    left: float | None = None
    said: Annotated[Said | None, Field(exclude_if=lambda said: said is None)] = None

    @property
    def previous_end(self) -> float:
        """When the interval before ends, should this change count."""
        return self.at if self.left is None else self.left


@dataclass(frozen=True, slots=True)
class PendingEnd:
    """The end condition is true since `since`; it counts when it still is at `due`."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class PendingStart:
    """An interval that began at `begun` but cannot be recorded yet: its product is not known, or a
    batch has no run to be in. `named` is what an event that ends it would name, `name` what it would be called.
    """

    key: str
    begun: float
    named: Annotated[str | None, Field(exclude_if=lambda named: named is None)] = None
    name: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None


@dataclass(frozen=True, slots=True)
class UntoldInterval:
    """An interval that was over before it could be recorded: it would have started at the second `start`."""

    start: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class IntervalsState:
    """What is remembered of a line's runs, of its batches, or of its intervals of one type.

    What is on:
    - `key` is the key that counts at the moment (empty: none), `pending_change` one that has yet to settle;
    - `current` is the interval that is on, `pending_start` one that cannot be recorded yet, `last` the one before
      `current`;
    - `passed` are those before `pending_start` that were over before it was known which run is on;
    - `recently_ended` are the newest that have ended, and `untold` those that will never be recorded, where the plan
      wants them;
    - `earliest_start` is the first second in which an interval can start;
    - `correction_due` is when it is looked at whether what was recorded of `current` is still right.

    Conditions: `start_holds` and `end_holds` are the start and the end condition as they were last known, `pending_end`
    is an end condition that has yet to hold for long enough. `parked`: the end came while the key stayed.

    Counts: `number` counts batches in their run, `counted` what was made in the one that is on, `counted_undecided`
    what was made while it settles whether another run has begun.

    Repeats: `past_keys` are the newest PAST_KEYS keys that counted before `key`, each once; `key_history` the newest
    PAST_KEYS changes of what was said of the key, with their times; `past_events` the times and digests of the newest
    PAST_KEYS messages that were events by which something began or ended. `missed` are the keys that came and went
    while their source was not heard, until it has been heard out.
    """

    key: str = ""
    pending_change: Annotated[PendingChange | None, Field(alias="change")] = None
    current: OpenInterval | None = None
    last: EndedInterval | None = None
    pending_start: Annotated[PendingStart | None, Field(alias="waiting")] = None
    end_holds: Annotated[bool, Field(alias="idle")] = False
    pending_end: Annotated[PendingEnd | None, Field(alias="held")] = None
    parked: bool = False
    earliest_start: Annotated[int, Field(alias="earliest")] = 0
    past_keys: Annotated[tuple[str, ...], Field(alias="past")] = ()
    start_holds: Annotated[bool, Field(alias="on")] = False
    correction_due: Annotated[float | None, Field(alias="amend")] = None
    number: int = 0
    counted: Number = 0
    recently_ended: Annotated[tuple[EndedInterval, ...], Field(alias="recent")] = ()
    key_history: Annotated[tuple[tuple[float, str], ...], Field(alias="heard")] = ()
    past_events: Annotated[tuple[tuple[float, str], ...], Field(alias="events")] = ()
    counted_undecided: Annotated[Number, Field(alias="later")] = 0
    passed: Annotated[tuple[PassedStart, ...], Field(exclude_if=lambda passed: not passed)] = ()
    missed: Annotated[tuple[str, ...], Field(exclude_if=lambda missed: not missed)] = ()
    untold: Annotated[tuple[UntoldInterval, ...], Field(exclude_if=lambda untold: not untold)] = ()


class IntervalListener(Protocol):
    """What goes along with the intervals of a track: output and batches with runs."""

    def on_closing(self, end: float) -> None:
        """The interval that is on is about to end."""

    def on_closed(self, ended: EndedInterval) -> None:
        """It has ended; its end is yet to be recorded."""

    def on_opened(self, begun: float) -> None:
        """An interval has begun, and its start is recorded."""

    def on_untold(self, begun: float, ended: float, start: int) -> str:
        """An interval that was on from `begun` to `ended`, and would have started at the second `start`, will never be
        recorded: what was made in it is nobody's. Answers in words what becomes of that; empty where it is nothing."""


# What is decided


class Decision(NamedTuple):
    """The state after a decision, and the times at which the interval that is on ends and another begins."""

    state: IntervalsState
    end: float | None = None
    begin: float | None = None


def key_text(value: Scalar) -> str:
    """The key of a run as text, so that 4711 and "4711" are one; empty where it says that no run is on."""
    key = "" if value is False else text(value).strip()
    return "" if key == "0" else key


def on_key(state: IntervalsState, key: str, at: float, due: float, settle: float) -> Decision:
    """The key is `key` since `at`: a change begins to settle, goes on settling, or is taken back."""
    if key != (state.key_history[-1][1] if state.key_history else ""):
        state = replace(state, key_history=(*state.key_history, (at, key))[-PAST_KEYS:])
    change = state.pending_change
    if key == state.key:
        if change is None:
            return Decision(state)
        begins = bool(key) and state.current is None and state.pending_start is None and not state.parked
        return Decision(replace(state, pending_change=None), begin=at if begins else None)
    if change is not None and change.key == key:
        return Decision(state)
    left_for_none = change is not None and not change.key and at - change.at >= settle
    left = change.at if change is not None and left_for_none else None
    return Decision(replace(state, pending_change=PendingChange(key, at, due, left)))


def is_past_key(state: IntervalsState, key: str) -> bool:
    """Whether `key` is that of an earlier run and of none that is on or about to begin."""
    change = state.pending_change
    return key in state.past_keys and key != state.key and (change is None or key != change.key)


def on_key_settled(state: IntervalsState, change: PendingChange) -> Decision:
    """The change has held for long enough: the old interval ends where the new one begins."""
    past_keys = state.past_keys
    if state.key:
        past_keys = (*(key for key in past_keys if key != state.key), state.key)[-PAST_KEYS:]
    after = replace(state, key=change.key, pending_change=None, pending_start=None, parked=False, past_keys=past_keys)
    return Decision(after, end=change.previous_end, begin=change.at if change.key else None)


def on_end_condition(state: IntervalsState, holds: bool, at: float, due: float) -> Decision:  # noqa: FBT001
    """The end condition `holds` or not since `at`. When it turns false, a keyed interval that it ended begins anew."""
    if holds == state.end_holds:
        return Decision(state)
    if holds:
        return Decision(replace(state, end_holds=True, pending_end=PendingEnd(at, due)))
    begins_anew = state.parked and state.pending_change is None
    after = replace(state, end_holds=False, pending_end=None, parked=False)
    return Decision(after, begin=at if begins_anew else None)


def on_end_held(state: IntervalsState, pending_end: PendingEnd, hold: float, *, keyed: bool) -> Decision:
    """The end condition has held for long enough: the interval ended when it became true.

    While a change of the key from before it had held is settling, it is not known yet whether another interval had
    begun by then: wait for it. One that could not be recorded yet has ended too.
    """
    change = state.pending_change
    if change is not None and (change.at <= pending_end.since or change.at < pending_end.since + hold):
        return Decision(replace(state, pending_end=PendingEnd(pending_end.since, change.due)))
    if state.current is None and (state.pending_start is None or state.pending_start.begun > pending_end.since):
        return Decision(replace(state, pending_end=None))
    return end_without_successor(replace(state, pending_end=None), pending_end.since, keyed=keyed)


def end_without_successor(state: IntervalsState, at: float, *, keyed: bool) -> Decision:
    """The interval ends at `at` although no other begins. Where a key says which one is on, its key stays (`keyed`)."""
    parked = keyed and bool(state.key)
    return Decision(replace(state, parked=parked, key=state.key if keyed else "", pending_start=None), end=at)


def with_ended(
    state: IntervalsState, current: OpenInterval, end: float, remembered: int = 0
) -> tuple[IntervalsState, EndedInterval]:
    """End `current` at `end`: it becomes the last, and one of the newest `remembered` that are known by name."""
    ended = EndedInterval(current.interval, current.start, max(second_of(end), state.earliest_start), end, current.name)
    recently_ended = (*state.recently_ended, ended)[-remembered:] if remembered else ()
    after = replace(
        state,
        current=None,
        last=ended,
        earliest_start=ended.end,
        correction_due=None,
        recently_ended=recently_ended,
    )
    return after, ended


def start_second(state: IntervalsState, begun: float) -> int:
    """The second in which an interval that begins at `begun` starts."""
    return max(second_of(begun), state.earliest_start)


def with_open(state: IntervalsState, current: OpenInterval, begun: float) -> IntervalsState:
    """`current` is on. An end condition that was true before it began does not end it: it has yet to begin to work."""
    pending_end = state.pending_end
    return replace(
        state,
        current=current,
        pending_start=None,
        pending_end=pending_end if pending_end is not None and pending_end.since >= begun else None,
        earliest_start=current.start + 1,
        number=state.number + 1,
        counted=0,
    )
