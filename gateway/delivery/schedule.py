"""What to send next. Pure: from what can be gone on with, the holds and the time, to one choice or the time to ask
again.

The order is decided here and nowhere else. A lane does one thing at a time, and nothing is offered before what it
depends on is at Oden, so two requests that depend on each other are never under way together. Nothing is held back:
whatever can be sent is sent when no better use of the slot is there.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

from gateway.model import Addition, Output, StartInterval, UpdateInterval
from gateway.outbox.entries import Work
from gateway.outbox.merge import window
from gateway.record_kinds import about, kind_of

PATIENCE = 300.0
"""Seconds that updates may wait while there is something of more use; those that come meanwhile share their request."""
STARVED = 3600.0
"""Seconds after which they are as urgent as anything: more states come than one token can carry."""

ENDS_WAIT = 120.0
"""Seconds after which a start that waits for ends is sent again without them: what keeps them back may wait for what
comes after the start."""

Step = Literal["send", "resend", "look_up", "find_line", "see_to", "park", "bury"]
"""send: a new attempt. resend: an attempt's stored body. look_up: is the attempt in doubt at Oden? find_line: the
line's id must be learned first. see_to: what another life may have left open at Oden is seen to first. park: the
interval is a dead letter or in doubt. bury: it is not known at all."""

WORN = 4
"""Steps of an attempt, sent or looked up, after which others go first: a few that Oden refuses without saying so must
not take the slots of all others, for only what becomes of those shows that it is about them."""
MOST_PATIENT = 12
"""By how many times PATIENCE such an attempt lets others go first at the most."""

SETTING_ASIDE, URGENT, WAITED, BACKLOG, BACKLOG_REST, FRESH, CORRECTION, LAST = range(8)
"""Classes, best first. URGENT: runs, batches and states, live. WAITED: live output into which nothing more
can be merged, and live updates that have waited for PATIENCE.
BACKLOG: intervals of an outage; BACKLOG_REST: its output and updates. FRESH: the other live records.
CORRECTION: what corrects output and updates that were told before. LAST: attempts that are worn."""

NO_PROBES: Mapping[str, int] = MappingProxyType({})
"""Nothing is held, so that no line or lane has had its turn."""

OTHERS = 3
"""After a correction, so many requests of others go first, if there are so many: corrections have a quarter at most."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Do `step` for `work`."""

    step: Step
    work: Work


@dataclass(frozen=True, slots=True)
class Plan:
    """The choice, where there is one; else `wake`, the next time (epoch) at which waiting alone changes something."""

    choice: Choice | None
    wake: float | None


def plan(
    works: Iterable[Work],
    now: float,
    *,
    busy: frozenset[str],
    held: Mapping[str, float],
    has_line: Callable[[str], bool],
    ends_first: bool = False,
    ends_first_of: Container[str] = (),
    span: float,
    correction_due: bool = False,
    left_open: Callable[[Work], float | None] = lambda _: None,
    probes: Mapping[str, int] = NO_PROBES,
) -> Plan:
    """The next step over all lanes; within a class the oldest goes first. `span` is the time resolution of output in
    seconds.

    `correction_due`: a correction may go before others now. `busy` are lanes with a request under way, `held` lines
    and what records are about, and when each may be tried again, `has_line` says whether a line's id at Oden is known.
    The end of an interval that is open at Oden since before an outage goes before any later start of its lane; any end
    does with `ends_first`, of the types `ends_first_of`, and while a start waits for ends for the first time.
    `left_open` says from when on what another life may have left open can be seen to, where that has to go before the
    work. `probes` are those since all is held, by line and by lane: the next is one of the line that had the fewest,
    and of its lane that had.
    """
    works = list(works)
    awaited = {_family(work) for work in works if _awaits_ends(work, now) and work.attempt and work.attempt.tries <= 2}

    def goes_first(work: Work) -> bool:
        return ends_first or work.records[0].type in ends_first_of or _family(work) in awaited

    ending = awaited | {_family(work) for work in works if _ends_first(work, ends_first=goes_first(work))}
    best: tuple[tuple[int, int, int, float, str, int], Choice] | None = None
    wake: float | None = None
    finding = {work.line for work in works if work.lane in busy and not has_line(work.line)}
    # One look shows until when the whole line was known: before anything of this life is there.
    seeing = {work.line for work in works if work.lane in busy and left_open(work) is not None}
    for work in works:
        if work.lane in busy or work.line in finding:
            continue
        if isinstance(work.records[0], StartInterval) and work.attempt is None and _family(work) in ending:
            continue
        step = _step(work, has_line=has_line)
        see_to_at = left_open(work) if step == "send" else None
        if step is None or _awaits_ends(work, now) or (see_to_at is not None and work.line in seeing):
            continue
        step = step if see_to_at is None else "see_to"
        not_before = work.attempt.not_before if work.attempt else see_to_at or 0.0
        ready_at = max(held.get(work.line, 0.0), held.get(about(work.records[0]), 0.0), not_before)
        if ready_at > now and step not in ("park", "bury"):
            wake = ready_at if wake is None else min(wake, ready_at)
            continue
        first = SETTING_ASIDE if step in ("park", "bury") else _class(work, now, span, ends_first=goes_first(work))
        first = WAITED if first == CORRECTION and correction_due else first
        first = LAST if _is_worn(work, now) else first
        turns = (probes.get(work.line, 0), probes.get(work.lane, 0)) if first != SETTING_ASIDE else (-1, -1)
        rank = (*turns, first, _made(work, now), work.lane, work.positions[0])
        if best is None or rank < best[0]:
            best = (rank, Choice(step, work))
    return Plan(best[1] if best else None, wake)


def _class(work: Work, now: float, span: float, *, ends_first: bool) -> int:
    record = work.records[0]
    if isinstance(record, StartInterval):
        return URGENT if work.live and not record.corrects else BACKLOG
    if _ends_first(work, ends_first=ends_first) or _awaited(work, ends_first=ends_first):
        return URGENT
    if is_correction(work):
        return CORRECTION
    if not work.live:
        return BACKLOG_REST
    if now - _made(work, now) >= STARVED:
        return URGENT
    return WAITED if _is_complete(work, now, span) else FRESH


def _made(work: Work, now: float) -> float:
    """When its first record was made. What seems to be made later than now was made before, by a clock that ran
    ahead."""
    at = work.records[0].at
    return at if at <= now + PATIENCE else -inf


def is_correction(work: Work) -> bool:
    """Whether it corrects output or an interval that was told before."""
    record = work.records[0]
    return isinstance(record, Output | UpdateInterval) and record.corrects


def _is_worn(work: Work, now: float) -> bool:
    """Whether others go before an attempt that was tried often, and has not been due for long."""
    attempt = work.attempt
    if attempt is None or (steps := attempt.tries + attempt.looks) < WORN:
        return False
    return now < max(attempt.begun, attempt.not_before) + PATIENCE * min(steps, MOST_PATIENT)


def _is_complete(work: Work, now: float, span: float) -> bool:
    """Whether waiting for longer saves no requests: nothing more will be merged into output, and updates have waited
    enough."""
    record, interval = work.records[0], work.interval
    if not isinstance(record, Addition) or interval is None:
        return now - _made(work, now) >= PATIENCE
    windows = window(record.timestamp, interval.start, span) + 1
    return interval.ended or now >= interval.start + windows * span


def _ends_first(work: Work, *, ends_first: bool) -> bool:
    """Whether it is an end that later starts of the lane have to wait for."""
    record = work.records[0]
    is_end = isinstance(record, UpdateInterval) and record.end is not None
    return is_end and not work.stuck and (ends_first or not work.live) and work.attempt is None


def _awaited(work: Work, *, ends_first: bool) -> bool:
    """Whether it is output that such an end waits for."""
    interval = work.interval
    if kind_of(work.records[0]).interval != "adds" or interval is None:
        return False
    return interval.ended and not interval.closed and (ends_first or not work.live)


def _awaits_ends(work: Work, now: float) -> bool:
    """Whether it is a start that is not sent again yet, because Oden may want the ends before it first."""
    return work.awaits_ends and work.attempt is not None and now < work.attempt.begun + ENDS_WAIT


def _family(work: Work) -> tuple[str, str]:
    """What intervals follow each other in: a line and a type."""
    return work.line, work.records[0].type


def _step(work: Work, *, has_line: Callable[[str], bool]) -> Step | None:
    if work.attempt is not None and work.attempt.phase == "in_doubt" and not has_line(work.line):
        return "find_line"  # it is looked up by the line's id
    if work.attempt is not None and work.attempt.phase == "in_doubt":
        return "look_up"
    if work.attempt is not None:
        return "resend" if work.attempt.phase == "retry" else None
    if work.stuck:
        return "bury" if work.interval is None else "park"
    return "send" if has_line(work.line) else "find_line"
