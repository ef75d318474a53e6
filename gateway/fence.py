"""What keeps one message that can be mapped and cannot be stored from stopping all others. No I/O.

A commit is made again as it is, however often it fails. Where it fails TRIES times in a row, it is its content that
cannot be stored, because of a fault of our own. Then all parts begin anew, as after a crash: what was not acknowledged
comes again. For CAREFUL seconds each arrival is then a commit of its own, and the one that fails is known. When it
comes again it is stored as a message that could not be used; where even that fails, it is only acknowledged. All others
are taken.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Iterable

import structlog

from gateway.errors import DamagedRow, OutboxError
from gateway.frozen import replace
from gateway.model import Notice, Reject, Sample
from gateway.rejects import payload_of
from gateway.sources.base import Arrival

log = structlog.get_logger()

TRIES = 3
CAREFUL = 60.0
MOST_KEPT_OUT = 1_000
WHY = "internal error: what it means cannot be stored"


class Fence:
    """Lives as long as the process. `anew` is set when all parts are to begin anew; times are monotonic, in seconds."""

    def __init__(self) -> None:
        self.anew = asyncio.Event()
        self._failed = 0
        """Times since the commit with the number `_after` was stored."""
        self._after = -1
        self._suspects: list[Arrival] = []
        """What was taken last, after the commit with the number `_suspected`."""
        self._suspected = -1
        self._careful_until = -math.inf
        self._culprits: Counter[str] = Counter()
        """How often an arrival could not be stored, by what it says."""

    def begin(self) -> None:
        """All parts begin anew."""
        self.anew.clear()
        self._failed = 0

    def suspect(self, arrivals: Iterable[Arrival], after: int) -> None:
        """`arrivals` are mapped next, if there are any; the last commit that is stored has the number `after`."""
        if taken := [*arrivals]:
            self._suspects, self._suspected = taken, after

    def failed(self, error: Exception, after: int, now: float) -> None:
        """What has come of them could not be stored."""
        if isinstance(error, DamagedRow | OutboxError):  # these are not of the content
            return
        self._failed = self._failed + 1 if after == self._after else 1
        self._after = after
        if self._failed < TRIES or self.anew.is_set():
            return
        suspects = self._suspects if self._suspected == after else []
        if self.is_careful(now) and len(suspects) == 1 and len(self._culprits) < MOST_KEPT_OUT:
            self._culprits[_name(suspects[0])] += 1
            log.error("message_kept_out", source=suspects[0].source)
        self._careful_until = now + CAREFUL
        log.error("begins_anew", reason="a commit cannot be stored")
        self.anew.set()

    def is_careful(self, now: float) -> bool:
        """Whether each arrival is to be a commit of its own."""
        return now < self._careful_until

    def admitted(self, arrival: Arrival, now: float) -> Arrival:
        """`arrival`, or what is taken in its place where it could not be stored. Later, one that says the same is tried
        again: another state of the plant may have been part of it."""
        if self._culprits and not self.is_careful(now):
            self._culprits.clear()
        times = self._culprits[_name(arrival)] if self._culprits else 0
        if not times:
            return arrival
        bare = replace(arrival, moments=(), recovered=None, rejects=(), notices=())
        kept = arrival.recovered.moments if arrival.recovered is not None else ()
        samples = [sample for moment in (*arrival.moments, *kept) for sample in moment.samples]
        if times > 1 or not samples:
            return bare
        first = samples[0]
        notice = Notice("reject", first.received, first.source, first.address, WHY)
        return replace(bare, rejects=tuple(map(_kept, samples)), notices=(notice,))


def _kept(sample: Sample) -> Reject:
    payload = payload_of(sample.value) if not sample.part else json.dumps(sample.value).encode()
    said = sample.source, sample.address, payload, sample.received, WHY
    return Reject(*said, retained=sample.retained, part=sample.part)


def _name(arrival: Arrival) -> str:
    if arrival.receipt is not None:
        return f"{arrival.source}: {arrival.receipt.digest}"
    return f"{arrival.source}: {[(sample.address, sample.value) for sample in arrival.samples]!r}"
