"""What is wrong with the gateway, in one registry, and its health as one pure function of that.

Whoever notices something says it here and nowhere else: page, `/api/status` and systemd's status line read the same
answer. A problem has a kind, the object that it is about (a source, a line, a file; empty where it is the whole
gateway), since when it has been so, a sentence for the person in front of the page, and its remedy. There are two
ways in:

- `Problems.set_conditions` takes what is wrong at present, as a whole: what is no longer named is over.
- `Problems.note` takes what happened at a moment; it is shown for `SHOWN_FOR`, or until `clear`.

`KINDS` is the table: which kinds there are, the gravest first, what each stops, and what a person can do.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from gateway.clock import Clock
from gateway.ways import BY_SYSTEMD, Ways

SHOWN_FOR = 3600.0
"""Seconds that what happened at a moment, and was mended, stays among the problems."""
OVER = 60.0
"""Seconds after which what happened at a moment counts as over: it is shown, and no longer the headline."""
MOST_NOTED = 200
"""Momentary problems that are remembered, the newest."""
PATIENCE = 300.0
"""Seconds for which delivery may wait by design and the gateway still counts as ready."""

Flow = Literal["taking_in", "delivering"]
"""The two things the gateway does."""
State = Literal["yes", "no", "waiting"]
"""yes: it works. no: it does not. waiting: it waits by design for something outside, and goes on by itself."""


KindName = Literal[
    "not_turning",
    "clock_wrong",
    "outbox_removed",
    "outbox_full",
    "outbox_unwritable",
    "intake_failing",
    "outbox_unreadable",
    "delivery_failing",
    "delivery_paused",
    "certificate_dates",
    "oden_refuses",
    "oden_held",
    "oden_silent",
    "sources_away",
    "task_failed",
    "line_not_mapped",
    "configuration_refused",
    "outbox_damaged",
    "outbox_filling",
    "line_held",
    "kept_back",
    "source_away",
    "line_unknown",
    "source_waits",
    "unconfirmed",
    "session_short",
    "address_refused",
    "source_late",
    "watched_otherwise",
    "certificate_expires",
    "page_certificate",
    "source_unprotected",
    "unsettled",
    "deleted_at_oden",
    "dead_letters",
    "table_wrong",
    "clock_unconfirmed",
    "clock_set",
    "output_lost",
    "log_unwritable",
    "restart_needed",
]
"""The kinds of problems, the gravest first: the order in which they are shown. What stops a flow goes before what does
not, so that the headline never says less than that nothing is taken in, or delivered."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: which flows it stops as a whole, whether that is waiting by design, and what to do about it,
    with the names of `Ways` for what depends on how the gateway was started.
    """

    name: KindName
    stops: frozenset[Flow] = frozenset()
    by_design: bool = False
    remedy: str = ""


_IN: frozenset[Flow] = frozenset({"taking_in"})
_OUT: frozenset[Flow] = frozenset({"delivering"})

KINDS: dict[KindName, Kind] = {
    kind.name: kind
    for kind in (
        Kind("not_turning", _IN | _OUT, remedy="{log}"),
        Kind("clock_wrong", _IN | _OUT, by_design=True, remedy="timedatectl"),
        Kind("outbox_removed", _IN, remedy="{restart}"),
        Kind("outbox_full", _IN, by_design=True, remedy="{command} outbox stats"),
        Kind("outbox_unwritable", _IN, remedy="{log}"),
        Kind("intake_failing", _IN, remedy="{log}"),
        Kind("outbox_unreadable", _OUT, remedy="{command} outbox verify"),
        Kind("delivery_failing", _OUT, remedy="{log}"),
        Kind("delivery_paused", _OUT, by_design=True, remedy="{command} outbox resume"),
        Kind("certificate_dates", _OUT, by_design=True, remedy="timedatectl"),
        Kind("oden_refuses", _OUT, remedy="{command} outbox list --where dead"),
        Kind("oden_held", _OUT, by_design=True, remedy="{command} outbox stats"),
        Kind("oden_silent", _OUT, by_design=True, remedy="{command} outbox stats"),
        Kind("sources_away", _IN, by_design=True, remedy="{log}"),
        Kind("task_failed", remedy="{log}"),
        Kind("line_not_mapped", remedy="{command} check"),
        Kind("configuration_refused", remedy="{command} check"),
        Kind("outbox_damaged", remedy="{command} outbox verify"),
        Kind("outbox_filling", remedy="{command} outbox stats"),
        Kind("line_held", remedy="{command} outbox list"),
        Kind("kept_back", remedy="{command} outbox list"),
        Kind("source_away", remedy="{log}"),
        Kind("line_unknown", remedy="{command} tail"),
        Kind("source_waits", remedy="{command} outbox stats"),
        Kind("unconfirmed", remedy="{log}"),
        Kind("session_short", remedy="{command} check"),
        Kind("address_refused", remedy="{command} check"),
        Kind("source_late", remedy="{log}"),
        Kind("watched_otherwise", remedy="{command} check"),
        Kind("certificate_expires", remedy="{command} pki list"),
        Kind("page_certificate", remedy="{command} check"),
        Kind("source_unprotected", remedy="{command} pki create"),
        Kind("unsettled", remedy="{command} outbox list --where unsettled"),
        Kind("deleted_at_oden", remedy="{command} outbox list --where deleted"),
        Kind("dead_letters", remedy="{command} outbox list --where dead"),
        Kind("table_wrong", remedy="{command} check"),
        Kind("clock_unconfirmed", remedy="{command} clock show"),
        Kind("clock_set", remedy="{command} clock show"),
        Kind("output_lost", remedy="{command} outbox stats"),
        Kind("log_unwritable", remedy="df -h"),
        Kind("restart_needed", remedy="{restart}"),
    )
}
"""What is to be known of each kind."""

_RANK = {name: rank for rank, name in enumerate(get_args(KindName))}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now: its kind, the object, and a sentence."""

    kind: KindName
    object: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition with what to do about it. `since` (epoch) is when it was first seen; of what was noted, since when it
    has happened again and again. `over`: it happened at a moment, and has not happened again for OVER seconds."""

    kind: KindName
    object: str
    since: float
    text: str
    remedy: str
    over: bool = False


class Problems:
    """The registry; `ways` are those of the process that it is of."""

    def __init__(self, clock: Clock, ways: Ways = BY_SYSTEMD) -> None:
        self._clock, self._ways = clock, ways
        self._lasting: dict[tuple[KindName, str], Problem] = {}
        self._noted: dict[tuple[KindName, str], tuple[float, Problem]] = {}

    def set_conditions(self, conditions: Iterable[Condition]) -> None:
        """What is wrong at present, all of it; several of one kind and object are one problem, the first sentence
        counts.
        """
        now, before = self._clock.now(), self._lasting
        self._lasting = {}
        for condition in conditions:
            key = condition.kind, condition.object
            if key not in self._lasting:
                since = before[key].since if key in before else now
                self._lasting[key] = self._problem(condition, since)

    def note(self, kind: KindName, object_: str, text: str) -> None:
        """Something happened, and may be over already."""
        key = kind, object_
        _, before = self._noted.pop(key, (0.0, None))
        since = before.since if before is not None else self._clock.now()
        self._noted[key] = self._clock.monotonic(), self._problem(Condition(kind, object_, text), since)
        if len(self._noted) > MOST_NOTED:
            del self._noted[next(iter(self._noted))]

    def current(self) -> tuple[Problem, ...]:
        """Every problem, the gravest first; of one kind the oldest first."""
        recent = self._clock.monotonic() - SHOWN_FOR
        self._noted = {key: (at, problem) for key, (at, problem) in self._noted.items() if at > recent}
        over = self._clock.monotonic() - OVER
        noted = [
            replace(problem, over=at < over) for key, (at, problem) in self._noted.items() if key not in self._lasting
        ]
        return tuple(
            sorted([*self._lasting.values(), *noted], key=lambda problem: (_RANK[problem.kind], problem.since))
        )

    def _problem(self, condition: Condition, since: float) -> Problem:
        remedy = self._ways.filled(KINDS[condition.kind].remedy)
        return Problem(condition.kind, condition.object, since, condition.text, remedy)


@dataclass(frozen=True, slots=True)
class FlowHealth:
    """Whether a flow works, and the sentence of the problem because of which it does not, and since when (epoch); empty
    and None where it does.
    """

    state: State
    because: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the gateway takes in, and whether it delivers."""

    taking_in: FlowHealth
    delivering: FlowHealth

    def not_ready(self, now: float) -> str | None:
        """Why the gateway is not ready at `now` (epoch): it does not take in, or does not deliver, or has waited with
        delivery for PATIENCE. None where it is. An outage of Oden's of a minute is no reason to call anybody.
        """
        if self.taking_in.state != "yes":
            return self.taking_in.because
        delivering = self.delivering
        waited = 0.0 if delivering.since is None else now - delivering.since
        if delivering.state == "no" or (delivering.state == "waiting" and waited >= PATIENCE):
            return delivering.because
        return None


def health(problems: Sequence[Problem], delivered_nothing_since: float = math.inf) -> Health:
    """The health that follows from `problems`, the gravest first, and from the time (epoch) since which something has
    waited for Oden and nothing was delivered: reasons come and go while that goes on. Pure."""
    return Health(_flow("taking_in", problems, math.inf), _flow("delivering", problems, delivered_nothing_since))


def _flow(flow: Flow, problems: Sequence[Problem], stands_since: float) -> FlowHealth:
    stopping = [problem for problem in problems if flow in KINDS[problem.kind].stops]
    if not stopping:
        return FlowHealth("yes")
    # A fault outweighs a wait: it does not end by itself.
    worst = min(stopping, key=lambda problem: KINDS[problem.kind].by_design)
    # Since when the flow has stood, whatever it was that stopped it first.
    since = min(stands_since, *(problem.since for problem in stopping))
    return FlowHealth("waiting" if KINDS[worst.kind].by_design else "no", worst.text, since)
