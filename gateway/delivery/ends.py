"""When ends go before the next start: what the user chose, and what this Oden has shown that it wants."""

from collections import Counter
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from typing import Literal

from gateway.clock import Clock
from gateway.delivery.learned import AGAIN, Learned

EndsOrder = Literal["auto", "bulk", "before_next"]
"""auto: as bulk, until Oden refuses a start because of the interval before it. bulk: ends share requests, and one may
come after the next start. before_next: each goes before it."""

SUSPECT = 3
"""So many starts in a row that failed, were not there, and were taken after the ends before them: that is no chance."""


class EndsFirst:
    """Which types of intervals have to be ended before the next begins: as the user has `chosen`, or was `learned`.
    What is suspected is in memory only."""

    def __init__(self, clock: Clock, chosen: EndsOrder, learned: Callable[[], Learned]) -> None:
        self._clock = clock
        self._chosen = chosen
        self._learned = learned
        self._suspected: Counter[str] = Counter()
        self._tried: dict[str, float] = {}
        """Intervals whose ends were refused and sent once more, and when (monotonic)."""

    @property
    def always(self) -> bool:
        """Whether the user wants it of all types."""
        return self._chosen == "before_next"

    @property
    def minds_refusals(self) -> bool:
        """Whether a start that is refused waits for the ends before it, and is sent again then."""
        return self._chosen != "bulk"

    @property
    def types(self) -> AbstractSet[str]:
        """The types of which it was learned."""
        return frozenset(self._learned().wants_ends_first(self._clock.now()) if self._chosen == "auto" else ())

    def was_learned(self, interval_type: str) -> bool:
        """Whether it is known of that type, be it that it is time to try anew: while an interval stays open, no start
        can show it once more."""
        return self.always or interval_type in self._learned().ends_first

    def untried(self, intervals: Collection[str]) -> Collection[str]:
        """Those of `intervals` whose ends, which were refused, have not been sent once more today; they are now."""
        now = self._clock.monotonic()
        self._tried = {key: at for key, at in self._tried.items() if at > now - AGAIN}
        untried = [key for key in intervals if key not in self._tried]
        self._tried |= dict.fromkeys(untried, now)
        return untried

    def suspect(self, interval_type: str) -> bool:
        """A start of that type failed without a refusal, and was taken after the ends before it: perhaps by chance.
        Whether it was so too often for that."""
        self._suspected[interval_type] += 1
        return self._suspected[interval_type] >= SUSPECT

    def suspects(self, interval_type: str) -> bool:
        """Whether a start of that type failed so lately."""
        return interval_type in self._suspected

    def acquit(self, interval_type: str) -> None:
        """A start of that type was taken while one before it was open at Oden."""
        del self._suspected[interval_type]
