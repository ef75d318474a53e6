"""The log of what a person should know about data: notices, bounded in rate, tags or topics that are refused, and once
an hour what was done.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from gateway.model import Notice
from gateway.status.snapshot import Snapshot, SourceStatus

log = structlog.get_logger()

WINDOW = 60.0
"""Seconds in which notices of one kind, source and address become one line of the log."""

HOUR = 3600.0
"""Seconds between two summaries of what was done."""

EVENTS: Final = {
    "gap": "data_gap",
    "reject": "payload_rejected",
    "loss": "output_lost",
    "time": "time_not_used",
    "oden": "seen_at_oden",
}


class LogLine(NamedTuple):
    """One line of the log: a notice, and how many like it were withheld since the line before."""

    notice: Notice
    withheld: int


@dataclass(slots=True)
class _Window:
    """What came since the last line of one kind, source and address; the next line is due at `ends`."""

    ends: float
    newest: Notice | None = None
    count: int = 0


class Throttle:
    """Lets the first notice of a kind, source and address through at once, then the newest one of each WINDOW.

    Every notice is told or counted as withheld. It remembers as many windows as the configuration has addresses.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str, str], _Window] = {}

    def tell(self, notices: Sequence[Notice], now: float) -> list[LogLine]:
        """What to write now that `notices` came; `now` in seconds on any clock. Without notices: what has become
        due.
        """
        told = self._due(now)
        for notice in notices:
            window = self._windows.get((notice.kind, notice.source, notice.address))
            if window is None:
                self._windows[notice.kind, notice.source, notice.address] = _Window(now + WINDOW)
                told.append(LogLine(notice, notice.count - 1))
            else:
                window.newest = notice
                window.count += notice.count
        return told

    def _due(self, now: float) -> list[LogLine]:
        told = []
        for key, window in list(self._windows.items()):
            if window.ends > now:
                continue
            if window.newest is None:
                del self._windows[key]
            else:
                told.append(LogLine(window.newest, window.count - 1))
                self._windows[key] = _Window(now + WINDOW)
        return told


class Refusals:
    """Remembers which addresses are refused, to tell when one becomes so and when it is right again."""

    def __init__(self) -> None:
        self._refused: set[tuple[str, str]] = set()

    def change(self, sources: Sequence[SourceStatus]) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
        """The (source, address) that are newly refused, with the reason, and those that no longer are.

        A source that is not connected changes nothing: what it cannot have is not known until it asks again.
        """
        connected = {source.name for source in sources if source.connected}
        seen = {
            (source.name, address): why
            for source in sources
            if source.connected
            for address, why in source.failed.items()
        }
        new = {key: why for key, why in seen.items() if key not in self._refused}
        over = {key for key in self._refused if key[0] in connected and key not in seen}
        self._refused = (self._refused | new.keys()) - over
        return new, over


def counts(picture: Snapshot) -> Counter[str]:
    """What has been done so far, as the summary of an hour names it."""
    return Counter(
        samples=sum(number for source in picture.sources for number in source.samples.values()),
        records=sum(picture.records_total.values()),
        merged=picture.merged_total,
        requests=sum(picture.oden.requests.values()),
        delivered=sum(number for (*_, outcome), number in picture.oden.requests.items() if outcome == "delivered"),
        rejected=picture.rejects_total,
        gaps=sum(source.gaps for source in picture.sources),
    )


class Journal:
    """Writes to the log. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._throttle = Throttle()
        self._refusals = Refusals()
        self._summed_at = clock()
        self._summed: Counter[str] | None = None
        self._fills_until = -math.inf
        """Until when it counts as said that the outbox fills up."""

    def noticed(self, notices: Sequence[Notice]) -> None:
        """Log `notices`, which have been stored."""
        _write(self._throttle.tell(notices, self._clock()))

    def look(self, picture: Snapshot) -> None:
        """Log what has become due, and what has changed about addresses; for about once a second."""
        self.noticed(())
        self._sum_up(picture)
        self._fills(picture)
        new, over = self._refusals.change(picture.sources)
        for (source, address), why in new.items():
            log.warning("address_refused", source=source, address=address, text=why)
        for source, address in sorted(over):
            log.info("address_accepted_again", source=source, address=address)

    def _sum_up(self, picture: Snapshot) -> None:
        """Log once an hour what was done in it."""
        now = self._clock()
        if self._summed is not None and now < self._summed_at + HOUR:
            return
        before, self._summed, self._summed_at = self._summed, counts(picture), now
        if before is not None:
            done = {name: number - before[name] for name, number in self._summed.items()}
            log.info("hour", **done, waiting=picture.outbox.to_do, text=picture.headline)

    def _fills(self, picture: Snapshot) -> None:
        """Log that the outbox fills up, and that again only where it has had room for an hour: at the edge it comes and
        goes."""
        now = self._clock()
        for problem in picture.problems:
            if problem.kind == "outbox_filling":
                if now >= self._fills_until:
                    log.warning("outbox_filling", text=problem.text)
                self._fills_until = now + HOUR

    def close(self) -> None:
        """Log what is still withheld."""
        _write(self._throttle.tell((), float("inf")))


def _write(lines: Sequence[LogLine]) -> None:
    for notice, withheld in lines:
        words = {"source": notice.source, "address": notice.address, "text": notice.text}
        log.warning(EVENTS[notice.kind], **words, **({"withheld": withheld} if withheld else {}))
