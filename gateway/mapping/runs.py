"""When runs begin and end: decisions over a key that changes and a condition that holds.

Two clocks meet here. *When* something is decided is the gateway's time (`due`), so that a recording gives the same
result however it is cut. *What* is decided is in the plant's time (`at`): when the key changed, when the condition
became true.

Rules for the whole seconds that Oden sees: a run starts at the second in which it began, but never before the
previous run's end and never in the second of the previous start; an end lies at least one second after its start;
a run that follows directly on another starts where that one ends. So runs never overlap, never share a start and
never have a length of zero.
"""

from dataclasses import dataclass, replace
from math import floor
from typing import NamedTuple

from gateway.mapping.values import text
from gateway.model import Scalar

PAST_KEYS = 32
"""How many keys of earlier runs are remembered."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is on; `start` is what Oden sees."""

    interval: str
    start: int
    product: str
    name: str | None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended: `ended` is exact, `start` and `end` what Oden sees."""

    interval: str
    start: int
    end: int
    ended: float


@dataclass(frozen=True, slots=True)
class Change:
    """The key changed to `key` (empty: no run) at `at`; it counts when it still holds at `due`."""

    key: str
    at: float
    due: float


@dataclass(frozen=True, slots=True)
class Held:
    """The end condition is true since `since`; it counts when it still is at `due`."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that began at `begun` but whose product is not known yet."""

    key: str
    begun: float


@dataclass(frozen=True, slots=True)
class RunsState:
    """What is known of a line's runs.

    `key` is the key that counts at the moment (empty: none), `change` one that has yet to settle. `idle` is the end
    condition as it was last known. `parked`: the condition ended the run while its key stayed. `last` is the
    run before `current`; older ones are forgotten. `earliest` is the first second in which a run can start.
    `past` are the newest PAST_KEYS keys that counted before `key`.
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


class Turn(NamedTuple):
    """A decision: the state after it, and the times at which the run that is on ends and another begins."""

    state: RunsState
    end: float | None = None
    begin: float | None = None


def key_text(value: Scalar) -> str:
    """The key of a run as text, so that 4711 and "4711" are one; empty where it says that no run is on."""
    written = "" if value is False else text(value).strip()
    return "" if written == "0" else written


def key_seen(state: RunsState, key: str, at: float, due: float) -> Turn:
    """The key is `key` since `at`: a change begins to settle, goes on settling, or is taken back."""
    change = state.change
    if key == state.key:
        if change is None:
            return Turn(state)
        wanted = bool(key) and state.current is None and state.waiting is None and not state.parked
        return Turn(replace(state, change=None), begin=at if wanted else None)
    if change is not None and change.key == key:
        return Turn(state)
    return Turn(replace(state, change=Change(key, at, due)))


def is_past(state: RunsState, key: str) -> bool:
    """Whether `key` is that of an earlier run and of none that is on or about to begin."""
    return key in state.past and key != state.key and (state.change is None or key != state.change.key)


def key_settled(state: RunsState, change: Change) -> Turn:
    """The change has held for long enough: the old run ends where the new one begins."""
    past = state.past
    if state.key:
        past = (*(key for key in past if key != state.key), state.key)[-PAST_KEYS:]
    after = replace(state, key=change.key, change=None, waiting=None, parked=False, past=past)
    return Turn(after, end=change.at, begin=change.at if change.key else None)


def idle_seen(state: RunsState, idle: bool, at: float, due: float) -> Turn:  # noqa: FBT001
    """The end condition is `idle` since `at`. When it turns false, a run that it ended begins anew."""
    if idle == state.idle:
        return Turn(state)
    if idle:
        return Turn(replace(state, idle=True, held=Held(at, due)))
    again = state.parked and state.change is None
    return Turn(replace(state, idle=False, held=None, parked=False), begin=at if again else None)


def idle_held(state: RunsState, held: Held) -> Turn:
    """The end condition has held for long enough: the run ended when it became true.

    While a change of the key from before that time is settling, it is not known yet which run that is: wait for it.
    """
    change = state.change
    if change is not None and change.at <= held.since:
        return Turn(replace(state, held=Held(held.since, change.due)))
    if state.current is None:
        return Turn(replace(state, held=None))
    return Turn(replace(state, held=None, parked=True), end=held.since)


def closed(state: RunsState, run: Run, end: float) -> tuple[RunsState, EndedRun]:
    """End `run`, the current one, at `end`: it becomes the last."""
    ended = EndedRun(run.interval, run.start, max(floor(end), state.earliest), end)
    return replace(state, current=None, last=ended, earliest=ended.end), ended


def start_of(state: RunsState, begun: float) -> int:
    """The second in which a run that begins at `begun` starts."""
    return max(floor(begun), state.earliest)


def opened(state: RunsState, run: Run, begun: float) -> RunsState:
    """The run is on. A condition that was true before it began does not end it: it has yet to begin to work."""
    held = state.held if state.held is not None and state.held.since >= begun else None
    return replace(state, current=run, waiting=None, held=held, earliest=run.start + 1)


def owner(state: RunsState, at: float) -> Run | EndedRun | None:
    """The run that was on at `at`; None where that is yet to be decided or where the next run is to have it.

    A moment between two runs belongs to the later one; one before all that is known, to the earliest that is known.
    """
    if state.last is not None and at < state.last.ended:
        return state.last
    if state.current is not None and state.change is not None and at >= state.change.at:
        return None
    return state.current
