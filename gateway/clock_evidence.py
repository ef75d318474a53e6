"""What confirms a time, and in which rank: NTP, Oden's own clock, the machine's sleep, the clocks of devices; and what
is remembered of that from one life of the gateway to the next. Pure.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Literal

By = Literal["NTP", "Oden", "sleep", "devices", "a person"]
"""What a time is confirmed by: the synchronised state of NTP; the `Date` of Oden's answers over TLS; that the machine
slept for as long; the times that devices give; `oden-gateway clock accept`."""

DRIFT = 2.0
"""Seconds between two clocks that count as the same time."""
OF_ODEN = 5.0
"""The same where one of them is known by answers to requests only."""
OF_DEVICES = 60.0
"""The same where one of them is a device's."""
QUARTER = 900.0
"""A device that is off by whole quarters of an hour is in another time zone, or in summer time."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the clocks show, each in seconds ahead of the gateway's own.

    `machine` is the machine's; `ntp` whether that is synchronised, None where nobody can tell; `oden` is Oden's, None
    where too few answers told; `devices` are those of devices that gave a time just now; `slept` is for how long the
    machine has slept since the gateway's clock was set.
    """

    machine: float
    ntp: bool | None = None
    oden: float | None = None
    slept: float = 0.0
    devices: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The right time is `correction` seconds ahead of the gateway's, says `by`."""

    by: By
    correction: float

    @property
    def agrees(self) -> bool:
        """Whether the gateway's time is right."""
        return abs(self.correction) <= DRIFT


def judge(evidence: Evidence) -> Verdict | None:
    """The right time by what ranks highest; None where nothing confirms any.

    Devices say whether a leap of the machine's clock is true. They never overrule a clock that did not leap, for many
    devices share one wrong clock, and they never confirm a leap by whole quarters of an hour.
    """
    machine = evidence.machine
    if evidence.ntp:
        return Verdict("NTP", machine)
    if evidence.oden is not None:
        # The machine's clock is the finer one of the two where they agree; so is the gateway's.
        finer = (near for near in (0.0, machine) if abs(evidence.oden - near) <= OF_ODEN)
        return Verdict("Oden", next(finer, evidence.oden))
    if abs(machine) <= DRIFT:
        return None
    if evidence.slept > DRIFT and abs(machine - evidence.slept) <= DRIFT:
        return Verdict("sleep", machine)
    # A device that is nearer to the gateway's clock says that there was no leap.
    agree = sum(abs(ahead - machine) <= min(OF_DEVICES, abs(ahead)) for ahead in evidence.devices)
    if not _is_quarters(machine) and agree and 2 * agree > len(evidence.devices):
        return Verdict("devices", machine)
    return None


def _is_quarters(seconds: float) -> bool:
    quarters = round(seconds / QUARTER)
    return quarters != 0 and abs(seconds - quarters * QUARTER) <= OF_DEVICES


WITHIN = 600.0
"""Seconds for which an answer counts."""
OVER = 60.0
"""Seconds that the answers must span."""
FEWEST = 3
SPREAD = 5.0
"""Seconds by which they may differ: `Date` has whole seconds, and an answer takes its time."""
MOST_KEPT = 600


class ServerTime:
    """What is known of the server's clock, as its distance from the monotonic one."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=MOST_KEPT)
        """When an answer came (monotonic), and what has to be added to that for the server's time."""
        self.answers = 0
        """Answers that could have told, whether they did or not."""

    def note(self, date: str | None, at: float, seconds: float) -> None:
        """An answer came `at` a time on the monotonic clock, `seconds` after its request, with this `Date`."""
        self.answers += 1
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        # It was written in the middle, at some time of its second.
        self._seen.append((at, told + 0.5 - (at - seconds / 2)))

    def latest(self, now: float) -> float | None:
        """The distance by the last answer; None where none has told lately."""
        return self._seen[-1][1] if self._seen and self._seen[-1][0] > now - WITHIN else None

    def distance(self, now: float) -> float | None:
        """The distance on which several answers over a minute agree; None where they are too few, or differ."""
        while self._seen and self._seen[0][0] < now - WITHIN:
            self._seen.popleft()
        if len(self._seen) < FEWEST or self._seen[-1][0] - self._seen[0][0] < OVER:
            return None
        distances = [distance for _, distance in self._seen]
        middle = median(distances)
        return middle if all(abs(distance - middle) <= SPREAD for distance in distances) else None


@dataclass(frozen=True, slots=True)
class KnownTime:
    """The last time that was `confirmed`; `since` when what was stamped is not confirmed, None where all is, and from
    when on that was by the same clock (`begun`); that clock's time when the machine was `started`, in the start named
    `boot`. Seconds since 1970."""

    confirmed: float = 0.0
    since: float | None = None
    begun: float | None = None
    started: float = 0.0
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Retiming:
    """Times from `since` on, a whole second, are to be `by` seconds later, or earlier where that is negative."""

    since: int
    by: float


def of_what_is_ahead(known: KnownTime, seen_until: float, now: float) -> Retiming | None:
    """What is to be mended at a start by another clock than that of the life before, where the latest time that was
    stored, `seen_until`, is yet to come: that clock was ahead, or this one is behind, and nobody has confirmed either.
    What was stamped by it ends `now`; what was stamped before it by others, too, if all of that is yet to come."""
    if seen_until <= now:
        return None
    first = known.since if known.since is not None and (known.since > now or known.begun is None) else known.begun
    return Retiming(math.floor(now if first is None else first), now - seen_until)
