"""What fails by itself: requests about one thing, an interval or a setting, to which no answer of Oden's comes while it
answers those about others. That is no reason to hold up the others. Pure: the times are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LATELY = 600.0
"""Seconds for which Oden's word about others shows that it is there: what fails by itself is tried again within
these."""
SHOWN_AFTER = 3
"""Failures after which a person is told: one passes by itself."""
MOST = 256
"""Things of which it is remembered that they fail, the newest."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Requests about one thing of `line` fail by themselves: the endpoint of the last one and what that said, in words,
    why it failed and when, and since when how many have (epoch)."""

    line: str
    path: str
    said: str
    reason: str
    since: float
    at: float
    failures: int = 1


class FailsApart:
    """What fails by itself, by what it is about (`record_kinds.about`)."""

    def __init__(self) -> None:
        self._failing: dict[str, Apart] = {}
        self._answered: dict[str, float] = {}
        """When Oden said something of its own about the last two things that it did of."""

    def answered(self, what: str, path: str, now: float) -> None:
        """Oden itself has answered a request about `what` to the endpoint `path`."""
        if what in self._failing and self._failing[what].path == path:
            del self._failing[what]
        self._answered.pop(what, None)
        self._answered[what] = now
        if len(self._answered) > 2:
            del self._answered[next(iter(self._answered))]

    def failed(self, what: str, line: str, path: str, said: str, reason: str, now: float) -> bool:
        """No answer of Oden's came to a request about `what` to `path`, which `said` something in words. Whether that
        fails by itself: it had failed before, and Oden has answered others since, and lately."""
        before = self._failing.pop(what, None)
        since, failures = (before.since, before.failures) if before else (now, 0)
        self._failing[what] = Apart(line, path, said, reason, since, now, failures + 1)
        if len(self._failing) > MOST:
            del self._failing[next(iter(self._failing))]
        return before is not None and self._others_answered(what, since, now)

    def settled(self, what: str) -> None:
        """Something about `what` is at Oden, or given up."""
        self._failing.pop(what, None)

    def shown(self, now: float) -> Sequence[Apart]:
        """What a person is told of, the longest first."""
        return [
            apart
            for what, apart in self._failing.items()
            if apart.failures >= SHOWN_AFTER
            and apart.at > now - LATELY
            and self._others_answered(what, apart.since, now)
        ]

    def _others_answered(self, what: str, since: float, now: float) -> bool:
        return any(at > max(since, now - LATELY) for other, at in self._answered.items() if other != what)
