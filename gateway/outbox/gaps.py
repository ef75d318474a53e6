"""Stretches of a lane at which nothing waits any more, so that they are not looked through again. Pure, and in memory only.

Positions are never used twice, so a gap stays one for ever.
"""

from bisect import bisect_left, bisect_right

MOST_GAPS = 256
"""Per lane; beyond that the shortest is forgotten, and found again when somebody looks there."""


class Gaps:
    """Disjoint stretches of positions, each from its first up to but excluding its end."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []

    def after(self, position: int) -> int:
        """The first position from `position` on that is in no gap."""
        at = bisect_right(self._firsts, position) - 1
        return max(position, self._ends[at]) if at >= 0 else position

    def before(self, position: int) -> int:
        """The last position up to `position` that is in no gap."""
        at = bisect_right(self._firsts, position) - 1
        return self._firsts[at] - 1 if at >= 0 and position < self._ends[at] else position

    def add(self, first: int, end: int) -> None:
        """Nothing waits from `first` up to but excluding `end`."""
        # All that this touches becomes one.
        low, high = bisect_left(self._ends, first), bisect_right(self._firsts, end)
        if low < high:
            first, end = min(first, self._firsts[low]), max(end, self._ends[high - 1])
        self._firsts[low:high], self._ends[low:high] = [first], [end]
        if len(self._firsts) > MOST_GAPS:
            lengths = [end - first for first, end in zip(self._firsts, self._ends, strict=True)]
            shortest = lengths.index(min(lengths))
            del self._firsts[shortest], self._ends[shortest]
