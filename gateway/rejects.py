"""Which of the messages that could not be used are kept whole, and which are told by a notice of their own: so many of
each kind in a stretch of time, and only a number of the others. Pure.

A sender that is wrong can send thousands of messages a second. What it says is known after a few of them; each more
would wear the flash and push out what other topics have said. So to be kept, each message needs a token of its kind,
one of all, and as many as it has bytes; tokens come back slowly. What gets none is only counted. A notice of their own
have only the first SAME of a kind; one says every EVERY seconds how many others there were.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway.frozen import replace
from gateway.mapping.values import excerpt
from gateway.model import Notice, Reject
from gateway.sources.mqtt_forms import decode

MOST_OF_KIND, OF_KIND_PER_MINUTE = 20, 2.0
MOST_AT_ONCE, PER_MINUTE = 100, 10.0
MOST_BYTES_AT_ONCE, BYTES_PER_MINUTE = 4 * 2**20, 256 * 2**10
LARGEST = 2**19
"""Bytes of a payload; a larger one is only counted."""
MOST_KINDS = 1_000
"""Kinds that are told apart; beyond them, those are forgotten first that have rested longest."""

KINDS_REMEMBERED = 4_096
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9]+")


@lru_cache(KINDS_REMEMBERED)
def kind_of_reason(reason: str) -> str:
    """The reason without what differs from message to message: what stands behind a colon, numbers, quoted values."""
    return _VALUES.sub("#", reason)


@dataclass(slots=True)
class _Bucket:
    """`tokens` as they were at `at`; `rate` a second come back, up to `most`."""

    most: float
    rate: float
    tokens: float
    at: float

    def fill(self, now: float) -> float:
        self.tokens = min(self.most, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        return self.tokens


class Allowance:
    """How much may be kept; times are seconds on one clock that never goes back."""

    def __init__(self) -> None:
        self._of_all = _Bucket(MOST_AT_ONCE, PER_MINUTE / 60, MOST_AT_ONCE, 0.0)
        self._bytes = _Bucket(MOST_BYTES_AT_ONCE, BYTES_PER_MINUTE / 60, MOST_BYTES_AT_ONCE, 0.0)
        self._kinds: dict[tuple[str, str, str], _Bucket] = {}

    def admits(self, reject: Reject, now: float) -> bool:
        """Whether `reject` is kept; then it has used its tokens."""
        size = len(reject.payload)
        kind = reject.source, reject.address, kind_of_reason(reject.reason.partition(": ")[0])
        bucket = self._kinds.pop(kind, None) or _Bucket(MOST_OF_KIND, OF_KIND_PER_MINUTE / 60, MOST_OF_KIND, now)
        self._kinds[kind] = bucket  # the last one now
        if len(self._kinds) > MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]
        if bucket.fill(now) < 1.0 or size > LARGEST:
            return False
        needed = ((bucket, 1.0), (self._of_all, 1.0), (self._bytes, float(size)))
        enough = [each.fill(now) >= number for each, number in needed]
        if not all(enough):
            return False
        for each, number in needed:
            each.tokens -= number
        return True


def payload_of(value: object) -> bytes:
    """A message that says `value`: its text, where it is one that would be read as that, else JSON."""
    if isinstance(value, str):
        plain = value.encode("utf-8", "replace")
        try:
            if decode(plain) == value:
                return plain
        except ValueError:
            pass
    try:
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")
    except (ValueError, RecursionError):  # nobody can write down what holds itself, or is nested without an end
        return excerpt(value).encode()


SAME = 3
EVERY = 60.0
THE_LAST = "; the last: "
"""What stands before the text of the last notice, where one tells how many there were."""
MOST_KINDS_TOLD = 1_000
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
        if len(self._kinds) >= MOST_KINDS_TOLD and now >= self._swept + SWEEP:
            self._swept = now
            self._kinds = {
                known: kind for known, kind in self._kinds.items() if kind.last is not None or kind.since + EVERY > now
            }
        return self._kinds.setdefault(name if len(self._kinds) < MOST_KINDS_TOLD else _OTHERS, _Kind(now))

    def more(self, now: float, *, all_: bool = False) -> list[Notice]:
        """How many more there were of each kind of which that is to be told now, or with `all_` of each."""
        told: list[Notice] = []
        for kind in self._kinds.values():
            if kind.last is None or (kind.since + EVERY > now and not all_):
                continue
            text = f"{kind.more:,} more in the last {now - kind.since:.0f} s{THE_LAST}{kind.last.text}"
            told.append(replace(kind.last, text=text, count=kind.more))
            kind.since, kind.more, kind.last = now, 0, None
        self.due = min((kind.since + EVERY for kind in self._kinds.values() if kind.last is not None), default=None)
        return told
