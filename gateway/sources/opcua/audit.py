"""Whether what a server says of changes is what it answers when it is asked: the pure part of the audit.

A tag can be deaf: its item exists, its subscription lives, and nothing comes of it any more (a deleted node dies in
silence on two of three servers, and one that comes back has other items). So all tags are read now and then and
compared with what came of them. A difference is no proof: what was read may be on its way, or may change faster than it
is sampled. A tag is deaf only if it differs in two readings with enough time between them for a message to come, and
nothing came of it meanwhile, and either its status is another, or its value has stood for as long, or it differed in
three audits, all without a word of it. Those need not be in a row where its times show that it moves: a bit that
toggles is as often what was told as not. A value that moves all the time has not stood, and is told of in between if
its item lives, so that a noisy one is never called deaf; nor is one that stays within its deadband, of which the server
was asked to tell nothing. While nobody takes what the server tells, nothing can be said.
"""

import math
from dataclasses import dataclass

from gateway.sources.opcua.decode import Decoded, Raw
from gateway.sources.opcua.wire import Reading

_ROUNDED = 1e-6  # of a deadband: the server compares other bits than we do

INTERVALS = 3
"""Publishing intervals in which a change must have come."""
LEAST_GRACE = 1.0
"""Seconds that a change has at the least to come."""
AUDITS = 3
"""Without a word of a value that differs each time, or moves meanwhile, after which it need not have stood: of a live
one that is told as seldom as it is looked at, no word can come between two."""
_SHORT = 0.5
"""Seconds for which a message may wait until it is taken, and nothing is said by that."""


def grace(publishing: float, sampling: float) -> float:
    """How long, in seconds, a change may take from the machine to us, with the revised intervals."""
    return max(LEAST_GRACE, INTERVALS * publishing + sampling)


@dataclass(frozen=True, slots=True)
class _Suspicion:
    read_at: float
    reading: Decoded
    often: bool
    """It differed in enough audits before."""


@dataclass(slots=True)
class _Differences:
    """Audits in which a tag differed from `told`, the first at `since`; `needed` are enough."""

    told: Reading | None
    since: float
    needed: int = AUDITS
    number: int = 0
    replaced: bool = False
    """`told` is what the item before said."""


class Auditor:
    """Compares. `heard` takes what came of a node, `doubt` and `is_deaf` judge what was read of it."""

    def __init__(self) -> None:
        self._told: dict[str, Reading] = {}
        self._suspected: dict[str, _Suspicion] = {}
        self._different: dict[str, _Differences] = {}
        self._replaced: dict[str, tuple[object, object]] = {}
        self._mute: set[str] = set()
        self._takes_from = -math.inf
        self._waits_from = math.inf

    def heard(self, node: str, reading: Reading) -> None:
        """Something came of `node`."""
        self._told[node] = reading
        if self._suspected:
            self._suspected.pop(node, None)
        if self._mute:
            self._mute.discard(node)

    def told(self, node: str) -> Reading | None:
        """What came of `node` last."""
        return self._told.get(node)

    def waits(self, now: float) -> None:
        """What came last is taken by nobody yet, from `now` on."""
        self._waits_from = now

    def takes(self, now: float) -> None:
        """It is taken, and what comes next will be."""
        if now - self._waits_from > _SHORT:
            self._takes_from = now
        self._waits_from = math.inf

    def has_taken(self, since: float, now: float) -> bool:
        """Whether all was taken that came from `since` until `now`: what the server has told would be known."""
        return self._takes_from <= since and now - self._waits_from <= _SHORT

    def doubt(self, node: str, read: Reading, now: float, grace: float, deadband: float = 0.0) -> bool:
        """Whether what was read of `node` at `now` differs, by more than its `deadband`, from what came of it, so that
        it must be read once more, `grace` seconds later. To be asked once in an audit."""
        self._suspected.pop(node, None)
        if isinstance(read, str):
            return False
        if not self._differs(node, read, deadband):
            self._agrees(node, read)
            return False
        often = self._is_often(node, now, grace)
        if not (often or self._is_otherwise(node, read) or _has_stood(read, grace)):
            return False
        self._suspected[node] = _Suspicion(now, read, often)
        return True

    def is_deaf(self, node: str, read: Reading, now: float, grace: float, deadband: float = 0.0) -> bool:
        """Whether `node`, of which there was doubt, is deaf: `read` is the second reading; the rest as in `doubt`."""
        first = self._suspected.pop(node, None)
        if first is None or isinstance(read, str) or now < first.read_at + grace:
            return False
        if read.status != first.reading.status:
            return False
        told, differs = self._told.get(node), self._differs(node, read, deadband)
        if differs and self._is_otherwise(node, read):
            seen: tuple[object, object] = isinstance(told, Decoded) and told.status, read.status
        elif differs and _has_stood(read, grace) and not _moves(first.reading, read):
            seen = _content(told), _content(read)
        else:
            is_deaf = first.often and (differs or _has_moved(first.reading, read))
            if is_deaf:  # a new item that says no more than its first value was no help
                differences = self._different[node]
                self._different[node] = _Differences(told, now, 2 * differences.needed, replaced=True)
            return is_deaf
        if self._replaced.get(node) == seen:  # a new item has said the same as the one before: it is no help
            if told is None:
                self._mute.add(node)
            return False
        self._replaced[node] = seen
        return True

    def is_mute(self, node: str) -> bool:
        """Whether nothing ever came of `node`, also after it was watched anew, although it can be read."""
        return node in self._mute

    def _agrees(self, node: str, read: Decoded) -> None:
        """What was told of `node` is so: its item lives, if it is a new one, unless it has moved and is so again."""
        self._replaced.pop(node, None)
        told = self._told.get(node)
        if isinstance(told, Decoded) and _has_moved(told, read):
            return
        differences = self._different.get(node)
        if differences is not None:
            differences.number = 0

    def _is_often(self, node: str, now: float, grace: float) -> bool:
        """Note an audit in which `node` differed. Whether they are enough, with nothing told of it since the first."""
        told = self._told.get(node)
        differences = self._different.get(node)
        if differences is None or differences.told is not told:
            needed = differences.needed if differences is not None and differences.replaced else AUDITS
            differences = self._different[node] = _Differences(told, now, needed)
        if not differences.number:
            differences.since = now
        differences.number += 1
        return differences.number >= differences.needed and now >= differences.since + grace

    def _is_otherwise(self, node: str, read: Decoded) -> bool:
        """Whether its status was never told."""
        told = self._told.get(node)
        return not isinstance(told, Decoded) or read.status != told.status

    def _differs(self, node: str, read: Decoded, deadband: float) -> bool:
        told = self._told.get(node)
        if told is None:
            return read.quality != "bad"
        if isinstance(told, str):
            return False
        if read.status != told.status:
            return True
        if read.quality == "bad" or _is_same(told.value, read.value):
            return False
        return not _is_within(deadband, told.value, read.value)


def _is_within(deadband: float, told: object, read: object) -> bool:
    """Whether the server was asked not to tell of such a difference; of what are no plain numbers, any can be one."""
    if not deadband:
        return False
    plain = isinstance(told, int | float) and isinstance(read, int | float)
    return not plain or abs(read - told) <= deadband * (1 + _ROUNDED)  # type: ignore[operator]


def _is_same(told: object, read: object) -> bool:
    """Whether two values say the same. An array can have elements that are no number, which are unlike themselves."""
    return told == read or (isinstance(told, Raw) and isinstance(read, Raw) and repr(told) == repr(read))


def _content(reading: Reading | None) -> object:
    if not isinstance(reading, Decoded):
        return reading
    return repr(reading.value) if isinstance(reading.value, Raw) else reading.value, reading.status


def _moves(first: Decoded, read: Decoded) -> bool:
    """Whether a value without a time is another in the second reading."""
    return read.source_time is None and not _is_same(read.value, first.value)


def _has_moved(before: Decoded, read: Decoded) -> bool:
    """Whether the value was written since, as far as it has a time."""
    return before.source_time is not None and read.source_time is not None and read.source_time > before.source_time


def _has_stood(read: Decoded, grace: float) -> bool:
    """Whether the value is as old as that. A bad one has no time; one without a time may be."""
    if read.source_time is None or read.server_time is None or read.quality == "bad":
        return True
    return read.server_time - read.source_time >= grace
