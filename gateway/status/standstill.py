"""For how long Oden has taken nothing although something waits for it: told by what leaves the outbox, whatever the
requests are answered.
"""

from collections.abc import Collection

from gateway.outbox.statistics import Summary

STANDS = 60.0
"""Seconds without a record that is done with, after which a request that has failed meanwhile is why nothing is
delivered."""


class Standstill:
    """Looked at whenever the outbox has been read."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._done = 0

    def look(self, summary: Summary, held: Collection[str], monotonic: float) -> None:
        """What the outbox holds now. What waits of lines that are `held` by themselves does not count, nor does what
        waits because a person has paused delivery."""
        counts, totals = summary.counts, summary.totals
        waits = counts.waiting + counts.sending + counts.in_doubt > sum(counts.by_line.get(line, 0) for line in held)
        done = totals.delivered + totals.dead
        if not waits or summary.pause is not None:
            self._since = None
        elif self._since is None or done != self._done:
            self._since = monotonic
        self._done = done

    def seconds(self, monotonic: float) -> float | None:
        """For how long something has waited and nothing was done with; None where nothing waits."""
        return None if self._since is None else monotonic - self._since
