"""What keeps one message that can be mapped and cannot be stored from stopping all others. No I/O.

A commit is made again as it is, however often it fails. Where it fails TRIES times in a row, it is its content that
cannot be stored, because of a fault of our own. Then all parts begin anew, as after a crash: what was not acknowledged
comes again, and so do the present values of tags. For CAREFUL seconds each commit then has one cause, which is known
where it fails: an arrival, a moment of the values of tags, or the timers of one line, which come before the arrival
that they would else be mapped with. When the cause comes again, something else is stored in its place:

- Of an arrival its values, as messages that could not be used; where even that fails, that they are lost.
- Of a moment of several tags each value by itself, to know which it is.
- Of a line's timers the line's state, and that what they made is lost. Where even that fails, the line stands still:
  its timers rest, and what it is to take is kept as what it could not use.

An arrival comes again as what says the same. A counter has moved meanwhile: so where an address has failed with two
values, it is the address. Nobody else is kept out, and nothing without a notice. All others are taken.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator

import structlog

from gateway.errors import DamagedRow, OutboxError
from gateway.frozen import replace
from gateway.model import Moment, Notice, Reject, Sample
from gateway.rejects import payload_of
from gateway.sources.base import Arrival

log = structlog.get_logger()

TRIES = 3
CAREFUL = 60.0
OF_A_PART = 0.1
"""Seconds more for each part of an arrival that has many, as the one with all tags after a connection has,"""
MOST_CAREFUL = 600.0
"""but no longer than so many seconds in all."""
MOST_KEPT_OUT = 1_000
WHY = "internal error: what it means cannot be stored"
OF_TIME = "internal error: what its timers mean cannot be stored"


class Fence:
    """Lives as long as the process. `anew` is set when all parts are to begin anew; times are monotonic, in seconds."""

    def __init__(self) -> None:
        self.anew = asyncio.Event()
        self._failed = 0
        """Times since the commit with the number `_after` was stored."""
        self._after = -1
        self._suspects: list[Arrival | str] = []
        """What was taken last, after the commit with the number `_suspected`."""
        self._suspected = -1
        self._careful_until = self._careful_at_most = -math.inf
        self._culprits: Counter[Hashable] = Counter()
        """How often a cause could not be stored, by its names."""
        self._single: set[tuple[str, str]] = set()
        """Sources and addresses whose values are to be a moment of their own."""

    def begin(self) -> None:
        """All parts begin anew."""
        self.anew.clear()
        self._failed = 0
        self._suspects = []

    def suspect(self, causes: Iterable[Arrival | str], after: int) -> None:
        """`causes`, arrivals or the key of a line whose timers fire, are mapped next; the last commit that is stored
        has the number `after`."""
        self._suspects, self._suspected = [*causes], after

    def failed(self, error: Exception, after: int, now: float) -> None:
        """What has come of them could not be stored."""
        if isinstance(error, DamagedRow | OutboxError):  # these are not of the content
            return
        self._failed = self._failed + 1 if after == self._after else 1
        self._after = after
        if self._failed < TRIES or self.anew.is_set():
            return
        if not self.is_careful(now):
            self._culprits.clear()
            self._single.clear()
        elif self._suspected == after and len(self._suspects) == 1 and len(self._culprits) < MOST_KEPT_OUT:
            self._convict(self._suspects[0])
        self._careful_until, self._careful_at_most = now + CAREFUL, now + MOST_CAREFUL
        log.error("begins_anew", reason="a commit cannot be stored")
        self.anew.set()

    def _convict(self, cause: Arrival | str) -> None:
        if isinstance(cause, Arrival) and _can_part(cause) and len(said := [*cause.samples]) > 1:
            self._single.update((sample.source, sample.address) for sample in said)
            return
        for name in _names(cause) if isinstance(cause, Arrival) else (cause,):
            self._culprits[name] += 1
        if isinstance(cause, Arrival):
            log.error("message_kept_out", source=cause.source)
        else:
            log.error("timers_kept_out", line=cause)

    def is_careful(self, now: float) -> bool:
        """Whether each cause is to be a commit of its own."""
        return now < self._careful_until

    @property
    def convicts(self) -> bool:
        """Whether anything is known that could not be stored."""
        return bool(self._culprits)

    def times(self, line: str, now: float) -> int:
        """How often what the timers of a line have made could not be stored: once, then it is dropped; or its state
        could not either, then the line stands still."""
        return self._culprits[line] if self._culprits and self.is_careful(now) else 0

    def passed(self, line: str) -> None:
        """What was stored in place of what its timers had made stands: what they make from here on is tried again."""
        if self._culprits[line] == 1:
            del self._culprits[line]

    def admitted(self, arrival: Arrival, now: float) -> list[Arrival]:
        """`arrival`, in parts where each is to be a commit of its own, or what is taken in the place of one that could
        not be stored. Later, one that says the same is tried again: another state of the plant may have been part of
        it."""
        if not self.is_careful(now):
            return [arrival]
        parts = [self._instead(part) for part in self._parts(arrival)]
        until = min(now + OF_A_PART * len(parts), self._careful_at_most)
        self._careful_until = max(self._careful_until, until)
        return parts

    def _parts(self, arrival: Arrival) -> list[Arrival]:
        if not _can_part(arrival):
            return [arrival]
        first = replace(arrival, moments=(), recovered=None, done=None, weight=0)
        parts = [first] if first != Arrival(arrival.source) else []
        if arrival.recovered is not None:
            parts.append(Arrival(arrival.source, recovered=arrival.recovered))
        parts += [Arrival(arrival.source, (each,)) for moment in arrival.moments for each in self._moments(moment)]
        parts = parts or [first]
        return [*parts[:-1], replace(parts[-1], done=arrival.done)]

    def _moments(self, moment: Moment) -> Iterator[Moment]:
        if any((sample.source, sample.address) in self._single for sample in moment.samples):
            yield from (Moment((sample,)) for sample in moment.samples)
        else:
            yield moment

    def _instead(self, arrival: Arrival) -> Arrival:
        said, *speaks = _names(arrival) or ("",)
        times = max(self._culprits[said], *(self._culprits[name] - 1 for name in speaks), 0)
        if not times:
            return arrival
        bare = replace(arrival, moments=(), recovered=None, rejects=(), notices=(), contacts=())
        samples = [*_samples(arrival)]
        if arrival.replay is not None:  # it stays in the store
            return bare
        if times == 1 and samples:
            first = samples[0]
            notice = Notice("reject", first.received, first.source, first.address, WHY, len(samples))
            rejects = (*arrival.rejects, *map(_kept, samples))
            return replace(arrival, moments=(), recovered=None, rejects=rejects, notices=(*arrival.notices, notice))
        times_of = [*(each.received for each in samples), *(each.received for each in arrival.contacts)]
        times_of += [*(each.at for each in arrival.rejects), *(each.at for each in arrival.notices)]
        lost = len(samples) + len(arrival.rejects) + len(arrival.contacts)
        return replace(bare, notices=(Notice("loss", min(times_of), arrival.source, "", WHY, max(lost, 1)),))


def _can_part(arrival: Arrival) -> bool:
    """Whether its moments speak for themselves: not those of one message, which is known by its ids too."""
    if arrival.receipt is not None or arrival.replay is not None or arrival.clock_set:
        return False
    return not any(sample.part for sample in arrival.samples)


def _samples(arrival: Arrival) -> Iterator[Sample]:
    if arrival.recovered is not None:
        for moment in arrival.recovered.moments:
            yield from moment.samples
    yield from arrival.samples


def _payload(sample: Sample) -> bytes:
    return payload_of(sample.value) if not sample.part else json.dumps(sample.value).encode()


def _kept(sample: Sample) -> Reject:
    said = sample.source, sample.address, _payload(sample), sample.received, WHY
    return Reject(*said, retained=sample.retained, part=sample.part)


def _names(arrival: Arrival) -> tuple[Hashable, ...]:
    """By what an arrival, or what is taken in its place, is known when it comes again: what it says, and what of its
    source speaks, where that may say something else by then. Nothing where it says nothing."""
    if arrival.receipt is not None:
        return ((arrival.source, arrival.receipt.digest),)
    said = [(sample.address, _payload(sample)) for sample in _samples(arrival)]
    said = said or [(reject.address, reject.payload) for reject in arrival.rejects]
    if said:
        return (arrival.source, *said), (arrival.source, frozenset(address for address, _ in said))
    told = (*(contact.state for contact in arrival.contacts), *(notice.text for notice in arrival.notices))
    return ((arrival.source, *told),) if told else ()
