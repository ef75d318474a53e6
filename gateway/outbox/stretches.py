"""Stretches of a lane that need not be looked through again. In memory only: positions are never used twice."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from zlib import crc32

MOST_GAPS = 256
"""Per lane; beyond that the shortest is forgotten, and found again when somebody looks there."""
STRETCH = 256
"""Positions in a blocked stretch at the most: so many are looked at again where one of its intervals changes."""
BITS = 1024
"""What is kept of the intervals of a blocked stretch."""


class Gaps:
    """Stretches of a lane at which nothing waits any more, so that they are not looked through again.

    They are disjoint, each from its first position up to but excluding its end. Positions are never used twice, so a
    gap stays one for ever. In memory only.
    """

    def __init__(self, most: int = MOST_GAPS) -> None:
        self._most = most
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
        if len(self._firsts) > self._most:
            lengths = [end - first for first, end in zip(self._firsts, self._ends, strict=True)]
            shortest = lengths.index(min(lengths))
            del self._firsts[shortest], self._ends[shortest]


class Blocked:
    """Stretches of a lane in which nothing can be gone on with, before one of the intervals that it waits for changes.

    They are disjoint and in order. Of those intervals a stretch keeps a few bits alone, whatever their number, so that
    all that waits takes less than a byte a record: another interval may be taken for one of them, which costs a look.
    """

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []
        self._bits: list[int] = []

    def after(self, position: int) -> int:
        """The first position from `position` on that is in no stretch."""
        at = bisect_right(self._firsts, position) - 1
        while 0 <= at < len(self._firsts) and self._firsts[at] <= position < self._ends[at]:
            position, at = self._ends[at], at + 1
        return position

    def add(self, position: int, interval: str, since: int) -> None:
        """What is at `position`, which is in no stretch, waits for `interval`; from `since` to there is nothing but
        such stretches and gaps."""
        at = bisect_right(self._firsts, position) - 1
        if at >= 0 and self._ends[at] >= since and position - self._firsts[at] < STRETCH:
            self._ends[at] = position + 1
            self._bits[at] |= _bit(interval)
        else:
            self._firsts.insert(at + 1, position)
            self._ends.insert(at + 1, position + 1)
            self._bits.insert(at + 1, _bit(interval))

    def change(self, intervals: Iterable[str]) -> bool:
        """`intervals` have changed: what may wait for one of them is looked at again. Whether there is any."""
        bits = 0
        for interval in intervals:
            bits |= _bit(interval)
        left = [at for at, of_stretch in enumerate(self._bits) if not of_stretch & bits]
        if len(left) == len(self._bits):
            return False
        self._firsts = [self._firsts[at] for at in left]
        self._ends = [self._ends[at] for at in left]
        self._bits = [self._bits[at] for at in left]
        return True


def _bit(interval: str) -> int:
    return 1 << crc32(interval.encode()) % BITS
