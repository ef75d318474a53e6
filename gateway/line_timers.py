"""What is remembered of each line, with the first of the timers of all. Intake asks for that before and after each
message, so it costs by what has changed since, not by how many lines there are."""

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence

from gateway.frozen import replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import due
from gateway.mapping.line import after_absence
from gateway.mapping.trail import Feed


class Lines(MutableMapping[str, Feed]):
    """By its key, what is remembered of a line. `due` says when the next timer of one fires, if any does."""

    def __init__(self, due: Callable[[LinePlan, Feed], float | None] = due) -> None:
        self._due = due
        self._feeds: dict[str, Feed] = {}
        self._plans: dict[str, LinePlan] = {}
        self._resting: dict[str, float] = {}
        self._known: dict[str, tuple[Feed, float | None]] = {}
        """When the next timer fires of a line as it was when somebody asked last."""
        self._next: dict[str, float] = {}
        """When those fire of the lines that have some."""
        self._moved: set[str] = set()
        """Lines of which `_next` is yet to be told."""

    def __getitem__(self, key: str) -> Feed:
        return self._feeds[key]

    def __setitem__(self, key: str, line: Feed) -> None:
        self._feeds[key] = line
        self._moved.add(key)

    def __delitem__(self, key: str) -> None:
        del self._feeds[key]
        self._moved.add(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def follow(self, plans: Sequence[LinePlan]) -> None:
        """Lines are mapped by these plans from now on. A line that none of them is of has no timers."""
        self._plans = {plan.key: plan for plan in plans}
        self._known = {}
        self._next = {}
        self._moved = {*self._feeds}

    def rest(self, key: str, until: float) -> None:
        """The timers of a line, which cannot be mapped, are not tried before."""
        self._resting[key] = until
        self._known.pop(key, None)
        self._moved.add(key)

    def unheard(self, back: float) -> None:
        """Nobody has heard what was said until `back`: no wait has run out."""
        for key, plan in self._plans.items():
            self[key] = replace(self[key], state=after_absence(plan, self[key].state, back=back))

    def heard_until(self, source: str) -> float | None:
        """Until when lines have heard `source`, which keeps what it has to say, first of all; None where none has."""
        states = [self[key].state for key, plan in self._plans.items() if source in plan.keepers]
        times = (state.lost[source].until if source in state.lost else state.now for state in states)
        return min((at for at in times if at), default=None)

    def first(self) -> float:
        """When the first timer of all fires; infinity where there is none."""
        for key in self._moved:
            line = self._feeds.get(key)
            at = None if line is None else self._timer(key, line)
            if at is None:
                self._next.pop(key, None)
            else:
                self._next[key] = at
        self._moved.clear()
        return min(self._next.values(), default=math.inf)

    def fired(self, changed: Mapping[str, Feed], now: float) -> list[LinePlan]:
        """Of which lines a timer has fired by `now`, where those `changed` are as a batch has them."""
        fired: set[str] = set()
        if self.first() <= now:
            fired = {key for key, at in self._next.items() if at <= now and key not in changed}
        for key, line in changed.items():
            at = self._timer(key, line)
            if at is not None and at <= now:
                fired.add(key)
        return [plan for key, plan in self._plans.items() if key in fired] if fired else []

    def _timer(self, key: str, line: Feed) -> float | None:
        known = self._known.get(key)
        if known is not None and known[0] is line:
            return known[1]
        plan = self._plans.get(key)
        at = None if plan is None else self._due(plan, line)
        if at is not None and key in self._resting:
            at = max(at, self._resting[key])
        self._known[key] = line, at
        return at
