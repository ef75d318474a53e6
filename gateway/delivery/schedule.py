"""What to send next. Pure: from the lanes as they stand, the holds and the time, to one choice or the time to ask again.

The order (runs, batches and states before output; oldest first within a class) is decided here and nowhere else. A lane
does one thing at a time, so two requests that depend on each other are never under way together.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model import EndInterval, Output, StartInterval
from gateway.outbox.entries import LaneView

Step = Literal["send", "resend", "look_up", "find_line", "park"]
"""send: a new attempt for the lane's first record. resend: its attempt's stored body. look_up: is the attempt in doubt at
Oden? find_line: the line's id must be learned first. park: the record's interval is dead or forgotten."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Do `step` for the first record, or the attempt, of `view`."""

    step: Step
    view: LaneView


@dataclass(frozen=True, slots=True)
class Plan:
    """The choice, where there is one; else `wake`, the next time (epoch) at which waiting alone changes something."""

    choice: Choice | None
    wake: float | None


def plan(
    views: Iterable[LaneView],
    now: float,
    *,
    busy: frozenset[str],
    held: Mapping[str, float],
    has_line: Callable[[str], bool],
) -> Plan:
    """The next step over all lanes.

    `busy` are lanes with a request under way, `held` lines and when each may be tried again, `has_line` says whether a line's
    id at Oden is known. Interval starts and ends come first; so does output that such an end waits for.
    """
    views = list(views)
    ending = {view.records[0].interval for view in views if isinstance(view.records[0], EndInterval)}
    best: tuple[tuple[int, float, str], Choice] | None = None
    wake: float | None = None
    finding = {view.line for view in views if view.name in busy and not has_line(view.line)}
    for view in views:
        if view.name in busy or view.line in finding:
            continue
        record = view.records[0]
        ready_at = max(held.get(view.line, 0.0), view.attempt.not_before if view.attempt else 0.0)
        step = _step(view, has_line=has_line)
        if step is None:
            continue
        if ready_at > now and step != "park":
            wake = ready_at if wake is None else min(wake, ready_at)
            continue
        urgent = not isinstance(record, Output) or record.interval in ending
        rank = (0 if step == "park" else 1 if urgent else 2, record.at, view.name)
        if best is None or rank < best[0]:
            best = (rank, Choice(step, view))
    return Plan(best[1] if best else None, wake)


def _step(view: LaneView, *, has_line: Callable[[str], bool]) -> Step | None:
    record, interval = view.records[0], view.interval
    if view.attempt:
        return {"doubt": "look_up", "again": "resend", "sending": None}[view.attempt.phase]
    if interval is None or (interval.dead and not isinstance(record, StartInterval)):
        return "park"
    if not has_line(view.line):
        return "find_line"
    if isinstance(record, StartInterval):
        return "send"
    if interval.oden_id is None or (isinstance(record, EndInterval) and interval.outputs):
        return None
    return "send"
