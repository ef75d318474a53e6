"""Failures of a task that is started again and again: each goes on being counted, and ever fewer are lines of the log.

A broker that is away for a weekend is tried every half minute. Of each reason the first SAME failures are told, then
one after a minute, two minutes, four, and so on up to LONGEST, each with how many were withheld. Another reason is told
at once, and all begins anew once the task has run steadily. Pure.
"""

import re
from dataclasses import dataclass

SAME = 3
FIRST = 60.0
LONGEST = 3600.0
"""Seconds from one line to the next of the same task and reason."""
MOST_KINDS = 200
"""Tasks and reasons that are told apart, whatever numbers stand in a reason; beyond them all begin anew."""
_NUMBERS = re.compile(r"(?<!HTTP )(?<![Ee]rrno )(?<![\dx])\d+(?:\.\d+)?")
"""Those that say how much or where, and not which failure it is."""


@dataclass(slots=True)
class _Kind:
    due: float
    told: int = 0
    pause: float = FIRST
    withheld: int = 0


class FewerFailures:
    """What has been told; times are in seconds on a clock that never goes back."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def withheld(self, task: str, reason: str, now: float) -> int | None:
        """A failure: how many were withheld since the last line like it, where this one is to be told; else None."""
        name = task, _NUMBERS.sub("#", reason)
        if name not in self._kinds and len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        kind = self._kinds.setdefault(name, _Kind(now))
        if kind.told >= SAME:
            if now < kind.due:
                kind.withheld += 1
                return None
            kind.due, kind.pause = now + kind.pause, min(kind.pause * 2, LONGEST)
        kind.told += 1
        if kind.told == SAME:
            kind.due, kind.pause = now + kind.pause, kind.pause * 2
        withheld, kind.withheld = kind.withheld, 0
        return withheld

    def forget(self, task: str) -> None:
        """It has run steadily: what it fails for next is news."""
        for name in [name for name in self._kinds if name[0] == task]:
            del self._kinds[name]
