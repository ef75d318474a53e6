"""Which of the messages that could not be used are kept whole: so many of each topic and reason, and so many in all, in
a stretch of time. Pure.

A sender that is wrong can send thousands of messages a second. What it says is known after a few of them; each more
would wear the flash and push out what other topics have said. So each message needs a token of its kind, one of all,
and as many as it has bytes; tokens come back slowly. What gets none is only counted.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from gateway.mapping.values import excerpt
from gateway.model import Reject
from gateway.sources.mqtt_decode import decode

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
