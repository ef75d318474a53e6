"""Whether what a server says of changes is what it answers when it is asked: the pure part of the audit.

A tag can be deaf: its item exists, its subscription lives, and nothing comes of it any more (a deleted node dies in
silence on two of three servers). So all tags are read now and then and compared with what came of them. A difference is
no proof: what was read may be on its way, or may change faster than it is sampled. A tag is deaf only if it differs in
two readings with enough time between them for a message to come, nothing came of it meanwhile, and its value has stood
for as long. A value that moves all the time has not stood, so that a noisy one is never called deaf; nor is one that
stands within its deadband, of which the server was asked to tell nothing.
"""

from dataclasses import dataclass

from gateway.sources.opcua.decode import Decoded, Raw
from gateway.sources.opcua.wire import Reading

_ROUNDED = 1e-6  # of a deadband: the server compares other bits than we do

INTERVALS = 3
"""Publishing intervals in which a change must have come."""
LEAST_GRACE = 1.0
"""Seconds that a change has at the least to come."""


def grace(publishing: float, sampling: float) -> float:
    """How long, in seconds, a change may take from the machine to us, with the revised intervals."""
    return max(LEAST_GRACE, INTERVALS * publishing + sampling)


@dataclass(frozen=True, slots=True)
class _Suspicion:
    read_at: float
    reading: Decoded


class Auditor:
    """Compares. `heard` takes what came of a node, `doubt` and `is_deaf` judge what was read of it."""

    def __init__(self) -> None:
        self._told: dict[str, Reading] = {}
        self._suspected: dict[str, _Suspicion] = {}
        self._replaced: dict[str, tuple[object, object]] = {}

    def heard(self, node: str, reading: Reading) -> None:
        """Something came of `node`."""
        self._told[node] = reading
        if self._suspected:
            self._suspected.pop(node, None)

    def told(self, node: str) -> Reading | None:
        """What came of `node` last."""
        return self._told.get(node)

    def doubt(self, node: str, read: Reading, now: float, grace: float, deadband: float = 0.0) -> bool:
        """Whether what was read of `node` at `now` differs, by more than its `deadband`, from what came of it, so that
        it must be read once more, `grace` seconds later."""
        if isinstance(read, str) or not self._differs(node, read, deadband) or not _has_stood(read, grace):
            self._suspected.pop(node, None)
            return False
        self._suspected[node] = _Suspicion(now, read)
        return True

    def is_deaf(self, node: str, read: Reading, now: float, grace: float, deadband: float = 0.0) -> bool:
        """Whether `node`, of which there was doubt, is deaf: `read` is the second reading; the rest as in `doubt`."""
        first = self._suspected.pop(node, None)
        if first is None or isinstance(read, str) or now < first.read_at + grace:
            return False
        if not self._differs(node, read, deadband) or not _has_stood(read, grace):
            return False
        if read.status != first.reading.status:
            return False
        if (read.source_time is None) and not _is_same(read.value, first.reading.value):  # it may not have stood
            return False
        seen = _content(self._told.get(node)), _content(read)
        if self._replaced.get(node) == seen:  # a new item has said the same as the one before: it is no help
            return False
        self._replaced[node] = seen
        return True

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


def _has_stood(read: Decoded, grace: float) -> bool:
    """Whether the value is as old as that. A bad one has no time; one without a time may be."""
    if read.source_time is None or read.server_time is None or read.quality == "bad":
        return True
    return read.server_time - read.source_time >= grace
