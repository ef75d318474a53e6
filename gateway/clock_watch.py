"""Watches the machine's clock beside the gateway's own, which never steps by itself.

Before anything is taken in, the machine's clock must show a time that is possible at all: time stamps could not be
mended afterwards. While the gateway runs, a clock that was set forward and stays so is followed, which reorders
nothing; one that was set back is not, and both are said.
"""

import asyncio

import structlog

from gateway.clock import AnchoredClock
from gateway.health import Condition, Problems

log = structlog.get_logger()

EARLIEST = 1_793_000_000.0
"""2026-10: no clock of a machine that runs this version can rightly show less."""
DRIFT = 2.0
"""Seconds between the machine's clock and the gateway's that count as the clock having been set."""
LASTING = 30.0
"""Seconds that a clock must stay ahead before it is followed: what a slip of a hand or a bad server did is soon put
right.
"""
EVERY = 1.0
"""Seconds between two looks."""


class ClockWatch:
    """Owns `clock`: the only one who anchors it again. What it notices goes into `problems`."""

    def __init__(self, clock: AnchoredClock, problems: Problems) -> None:
        self._clock = clock
        self._problems = problems
        self._ahead_since: float | None = None
        self._waiting = False
        self.turned_at = clock.monotonic()

    async def wait_until_possible(self, seen_until: float) -> None:
        """Return once the clock shows a possible time, which is not before `seen_until`, the last one that was
        stored.
        """
        while self._clock.now() < max(EARLIEST, seen_until):
            if not self._waiting:
                self._waiting = True
                log.warning("waiting_for_clock", now=self._clock.now(), last_seen=seen_until)
            await asyncio.sleep(EVERY)
            self._clock.anchor()
            self.turned_at = self._clock.monotonic()
        self._waiting = False

    async def run(self) -> None:
        """Follow the machine's clock, for ever."""
        while True:
            self.turned_at = self._clock.monotonic()
            self._look()
            await asyncio.sleep(EVERY)

    def conditions(self) -> list[Condition]:
        """What is wrong with the clock at present."""
        text = "Waiting for the clock: this machine's time is before the last one that was stored."
        return [Condition("clock_wrong", "", text)] if self._waiting else []

    def _look(self) -> None:
        drift, now = self._clock.drift(), self._clock.monotonic()
        if drift <= DRIFT:
            self._ahead_since = None
        elif self._ahead_since is None:
            self._ahead_since = now
        if self._ahead_since is not None and now - self._ahead_since >= LASTING:
            self._ahead_since = None
            log.warning("clock_set_forward", seconds=round(drift, 1))
            text = f"The machine's clock was set forward by {drift:.0f} s, which the gateway has followed."
            self._problems.note("clock_set", "", text)
            self._clock.anchor()
        elif drift < -DRIFT:
            text = f"The machine's clock was set back by {-drift:.0f} s; the gateway goes on by its own."
            self._problems.note("clock_set", "", text)
