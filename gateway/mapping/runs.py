"""When runs begin and end: decisions over a key that changes, conditions that hold, and events. Batches and custom intervals
begin and end by the same decisions.

Two clocks meet here. *When* something is decided is the gateway's time (`due`), so that a recording gives the same
result however it is cut. *What* is decided is in the plant's time (`at`): when the key changed, when the condition
became true. Where samples arrive late and close together, as they do after an outage, what has held for long enough in the plant's
time counts, although it did not in the gateway's.

Rules for the whole seconds that Oden sees: a run starts at the second in which it began, but never before the
previous run's end and never in the second of the previous start; an end lies at least one second after its start;
a run that follows directly on another starts where that one ends. So runs never overlap, never share a start and
never have a length of zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import NamedTuple

from pydantic import JsonValue

from gateway.mapping.values import Number, text
from gateway.model import Scalar

PAST_KEYS = 32
"""How many keys of earlier runs are remembered."""

NAMELESS = "#"
"""The key of a run that a condition, an event or a count began."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is on; `start`, `name` and `details` are what Oden is told, `begun` is when it was said to
    begin. `details` or `begun` None: it was told by an older version, which did not remember that, or stands in for none."""

    interval: str
    start: int
    name: str | None = None
    details: Mapping[str, JsonValue] | None = None
    begun: float | None = None

    @property
    def product(self) -> str:
        """The name of the product, or its id where it goes by that; empty where it is not known."""
        product = (self.details or {}).get("product", "")
        return str(product["id"] if isinstance(product, dict) else product)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended: `ended` is exact, `start` and `end` what Oden sees."""

    interval: str
    start: int
    end: int
    ended: float
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The key changed to `key` (empty: no run) at `at`; it counts when it still holds at `due`.

    `left`: when the key before was left, where there was none in between.
    """

    key: str
    at: float
    due: float
    left: float | None = None

    @property
    def gone(self) -> float:
        """When the run before ends, should this change count."""
        return self.at if self.left is None else self.left


@dataclass(frozen=True, slots=True)
class Held:
    """The end condition is true since `since`; it counts when it still is at `due`."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that began at `begun` but cannot be told yet: its product is not known, or a batch has no run to be in."""

    key: str
    begun: float


@dataclass(frozen=True, slots=True)
class RunsState:
    """What is known of a line's runs, of its batches, or of its intervals of one type.

    `key` is the key that counts at the moment (empty: none), `change` one that has yet to settle. `on` is the start condition as
    it was last known, `idle` the end condition. `parked`: the end came while the key stayed. `last` is the
    run before `current`; older ones are forgotten. `earliest` is the first second in which a run can start.
    `past` are the newest PAST_KEYS keys that counted before `key`. `amend` is when it is looked at whether what was told of the
    run is still right. `recent` are the newest that have ended, where that is wanted. `number` counts batches in their run, `counted` what was made in the one that is on,
    `later` what was made while it settles whether another run has begun.
    `heard` are the newest PAST_KEYS changes of what was said of the key, and `events` digests of the newest messages that were events
    by which something began or ended, with their times.
    """

    key: str = ""
    change: Change | None = None
    current: Run | None = None
    last: EndedRun | None = None
    waiting: Waiting | None = None
    idle: bool = False
    held: Held | None = None
    parked: bool = False
    earliest: int = 0
    past: tuple[str, ...] = ()
    on: bool = False
    amend: float | None = None
    number: int = 0
    counted: Number = 0
    recent: tuple[EndedRun, ...] = ()
    heard: tuple[tuple[float, str], ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    later: Number = 0


class Turn(NamedTuple):
    """A decision: the state after it, and the times at which the run that is on ends and another begins."""

    state: RunsState
    end: float | None = None
    begin: float | None = None


def key_text(value: Scalar) -> str:
    """The key of a run as text, so that 4711 and "4711" are one; empty where it says that no run is on."""
    written = "" if value is False else text(value).strip()
    return "" if written == "0" else written


def key_seen(state: RunsState, key: str, at: float, due: float, settle: float) -> Turn:
    """The key is `key` since `at`: a change begins to settle, goes on settling, or is taken back."""
    if key != (state.heard[-1][1] if state.heard else ""):
        state = replace(state, heard=(*state.heard, (at, key))[-PAST_KEYS:])
    change = state.change
    if key == state.key:
        if change is None:
            return Turn(state)
        wanted = bool(key) and state.current is None and state.waiting is None and not state.parked
        return Turn(replace(state, change=None), begin=at if wanted else None)
    if change is not None and change.key == key:
        return Turn(state)
    empty = change is not None and not change.key and at - change.at >= settle
    left = change.at if change is not None and empty else None
    return Turn(replace(state, change=Change(key, at, due, left)))


def is_past(state: RunsState, key: str) -> bool:
    """Whether `key` is that of an earlier run and of none that is on or about to begin."""
    return key in state.past and key != state.key and (state.change is None or key != state.change.key)


def key_settled(state: RunsState, change: Change) -> Turn:
    """The change has held for long enough: the old run ends where the new one begins."""
    past = state.past
    if state.key:
        past = (*(key for key in past if key != state.key), state.key)[-PAST_KEYS:]
    after = replace(state, key=change.key, change=None, waiting=None, parked=False, past=past)
    return Turn(after, end=change.gone, begin=change.at if change.key else None)


def idle_seen(state: RunsState, idle: bool, at: float, due: float) -> Turn:  # noqa: FBT001
    """The end condition is `idle` since `at`. When it turns false, a run that it ended begins anew."""
    if idle == state.idle:
        return Turn(state)
    if idle:
        return Turn(replace(state, idle=True, held=Held(at, due)))
    again = state.parked and state.change is None
    return Turn(replace(state, idle=False, held=None, parked=False), begin=at if again else None)


def idle_held(state: RunsState, held: Held, *, keyed: bool) -> Turn:
    """The end condition has held for long enough: the run ended when it became true.

    While a change of the key from before that time is settling, it is not known yet which run that is: wait for it.
    """
    change = state.change
    if change is not None and change.at <= held.since:
        return Turn(replace(state, held=Held(held.since, change.due)))
    if state.current is None:
        return Turn(replace(state, held=None))
    return ended(replace(state, held=None), held.since, keyed=keyed)


def ended(state: RunsState, at: float, *, keyed: bool) -> Turn:
    """The run ends at `at` although no other begins. Where a key says which run is on, its key stays (`keyed`)."""
    return Turn(replace(state, parked=keyed and bool(state.key), key=state.key if keyed else "", waiting=None), end=at)


def closed(state: RunsState, run: Run, end: float, keep: int = 0) -> tuple[RunsState, EndedRun]:
    """End `run`, the current one, at `end`: it becomes the last, and one of the newest `keep` that are remembered."""
    after = EndedRun(run.interval, run.start, max(floor(end), state.earliest), end, run.name)
    recent = (*state.recent, after)[-keep:] if keep else ()
    return replace(state, current=None, last=after, earliest=after.end, amend=None, recent=recent), after


def start_of(state: RunsState, begun: float) -> int:
    """The second in which a run that begins at `begun` starts."""
    return max(floor(begun), state.earliest)


def opened(state: RunsState, run: Run, begun: float) -> RunsState:
    """The run is on. A condition that was true before it began does not end it: it has yet to begin to work."""
    held = state.held if state.held is not None and state.held.since >= begun else None
    return replace(
        state, current=run, waiting=None, held=held, earliest=run.start + 1, number=state.number + 1, counted=0
    )


def owner(state: RunsState, at: float) -> Run | EndedRun | None:
    """The run that was on at `at`; None where that is yet to be decided or where the next run is to have it.

    A moment between two runs belongs to the later one; one before all that is known, to the earliest that is known.
    """
    if state.last is not None and at < state.last.ended:
        return state.last
    if state.current is not None and state.change is not None and at >= state.change.gone:
        return None
    return state.current


def undecided(state: RunsState, at: float) -> bool:
    """Whether another run may have begun by `at`: a change is settling, or one waits to be told."""
    begun = state.waiting is not None and at >= state.waiting.begun
    return begun or (state.change is not None and at >= state.change.gone)
