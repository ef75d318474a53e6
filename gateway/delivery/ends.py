"""When ends go before the next start: what the user chose, and what this Oden has shown that it wants."""

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Literal

import structlog

from gateway.clock import Clock

log = structlog.get_logger()

EndsOrder = Literal["auto", "bulk", "before_next"]
"""auto: as bulk, until Oden refuses a start because of the interval before it. bulk: ends share requests, and one may
come after the next start. before_next: each goes before it."""

SUSPECT = 3
"""So many starts in a row that failed, were not there, and were taken after the ends before them: that is no chance."""
ENDS_AGAIN = 86_400.0
"""Seconds after which it is tried anew whether ends may come later."""


class EndsFirst:
    """Which types of intervals have to be ended before the next begins. In memory only: a restart learns it again."""

    def __init__(self, clock: Clock, chosen: EndsOrder) -> None:
        self._clock = clock
        self._chosen = chosen
        self._until: dict[str, float] = {}
        self._suspected: Counter[str] = Counter()

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
        now = self._clock.now()
        return {kind for kind, until in self._until.items() if until > now}

    def suspect(self, interval_type: str) -> None:
        """A start of that type failed without a refusal, and was taken after the ends before it: perhaps by chance."""
        self._suspected[interval_type] += 1
        if self._suspected[interval_type] >= SUSPECT:
            self.learn(interval_type)

    def suspects(self, interval_type: str) -> bool:
        """Whether a start of that type failed so lately."""
        return interval_type in self._suspected

    def acquit(self, interval_type: str) -> None:
        """A start of that type was taken while one before it was open at Oden."""
        del self._suspected[interval_type]

    def learn(self, interval_type: str) -> None:
        """A start of that type was refused, and taken once the ends before it were at Oden."""
        if self._chosen == "auto" and interval_type not in self.types:
            self._until[interval_type] = self._clock.now() + ENDS_AGAIN
            log.info("ends_go_first", type=interval_type, for_seconds=ENDS_AGAIN)
