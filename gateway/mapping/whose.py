"""Whose a moment of the plant is: the interval that was on then, be it told or not. Pure."""

from collections.abc import Sequence
from math import floor

from gateway.frozen import replace
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval, PendingStart, UntoldInterval


def owner(state: IntervalsState, at: float) -> OpenInterval | EndedInterval | None:
    """The interval that was on at `at`; None where that is yet to be decided or where the next one is to have it.

    A moment between two intervals belongs to the later one; one before all that is known, to the earliest that is
    known.
    """
    change, ended = state.pending_change, state.pending_end
    if state.last is not None and at < state.last.ended:
        return state.last
    is_decided = (change is None or at < change.previous_end) and (ended is None or at < ended.since)
    return state.current if is_decided else None


def is_undecided(state: IntervalsState, at: float) -> bool:
    """Whether another interval may have begun by `at`: a change is settling, or a start cannot be recorded yet."""
    change, start = state.pending_change, state.pending_start
    return (start is not None and at >= start.begun) or (change is not None and at >= change.previous_end)


def known_intervals(state: IntervalsState) -> Sequence[OpenInterval | EndedInterval | UntoldInterval]:
    """What is on and what was, the newest first; also what was and is never recorded."""
    on = () if state.current is None else (state.current,)
    told = (*on, *reversed(state.recently_ended))
    return told if not state.untold else sorted((*told, *state.untold), key=lambda one: -one.start)


def last_begun(
    state: IntervalsState, at: float, name: str | None = None
) -> OpenInterval | EndedInterval | UntoldInterval | None:
    """The interval, of that `name` where one is given, that was on `at` a time, or the last that had begun before."""
    begun = (one for one in known_intervals(state) if one.start <= at)
    return next((one for one in begun if name is None or one.name == name), None)


def with_untold(
    state: IntervalsState, untold: PendingStart, start: int, remembered: int, ended: float | None = None
) -> IntervalsState:
    """The state that knows of an interval that it will never be recorded, which would have started at the second
    `start`, and where it has its place among others, `ended` then."""
    known = (*state.untold, UntoldInterval(start, untold.name))[-remembered:] if remembered else ()
    earliest = state.earliest_start if ended is None else max(start + 1, floor(ended))
    return replace(state, untold=known, earliest_start=earliest)
