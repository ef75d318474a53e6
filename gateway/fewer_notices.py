"""Messages that could not be used, told without being in the way: of each kind the first few, then how many more. Pure.

A sender that is wrong sends the same rubbish again and again, up to thousands of times a second. A notice of its own
have only the first SAME of its kind; one says every EVERY seconds how many others there were.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.frozen import replace
from gateway.kept_rejects import kind_of_reason
from gateway.model import Notice

SAME = 3
EVERY = 60.0
MOST_KINDS = 1_000
"""Kinds that are told apart; beyond them all others are one."""
SWEEP = 1.0
"""Seconds between two looks, where there are as many, for those of which nothing has come for a while."""

_Name = tuple[str, str, str]
_OTHERS: _Name = ("", "", "")


@dataclass(slots=True)
class _Kind:
    since: float
    told: int = 0
    more: int = 0
    last: Notice | None = None


class FewerNotices:
    """What has been said lately; times are in seconds on a clock that never goes back."""

    def __init__(self) -> None:
        self._kinds: dict[_Name, _Kind] = {}
        self._swept = -math.inf
        self.due: float | None = None
        """When there is something to be told; None where nothing is."""

    def add(self, notices: Iterable[Notice], now: float) -> list[Notice]:
        """Those of `notices` that are to be told at once. Gaps and losses are all: each is a time of its own. Of
        rejects, those of one source and address are of one kind whose reasons differ in numbers and quoted values
        alone."""
        told: list[Notice] = []
        for notice in notices:
            if notice.kind != "reject":
                told.append(notice)
                continue
            name = notice.source, notice.address, kind_of_reason(notice.text.partition(": ")[0])
            kind = self._kinds.get(name) or self._begun(name, now)
            if kind.last is None and kind.since + EVERY <= now:
                kind.since, kind.told = now, 0
            if kind.told < SAME:
                kind.told += 1
                told.append(notice)
                continue
            kind.more += notice.count
            if kind.last is None:
                self.due = min(self.due if self.due is not None else math.inf, kind.since + EVERY)
            kind.last = notice
        return told

    def _begun(self, name: _Name, now: float) -> _Kind:
        if len(self._kinds) >= MOST_KINDS and now >= self._swept + SWEEP:
            self._swept = now
            self._kinds = {
                known: kind for known, kind in self._kinds.items() if kind.last is not None or kind.since + EVERY > now
            }
        return self._kinds.setdefault(name if len(self._kinds) < MOST_KINDS else _OTHERS, _Kind(now))

    def more(self, now: float, *, all_: bool = False) -> list[Notice]:
        """How many more there were of each kind of which that is to be told now, or with `all_` of each."""
        told: list[Notice] = []
        for kind in self._kinds.values():
            if kind.last is None or (kind.since + EVERY > now and not all_):
                continue
            text = f"{kind.more:,} more in the last {now - kind.since:.0f} s; the last: {kind.last.text}"
            told.append(replace(kind.last, text=text, count=kind.more))
            kind.since, kind.more, kind.last = now, 0, None
        self.due = min((kind.since + EVERY for kind in self._kinds.values() if kind.last is not None), default=None)
        return told
