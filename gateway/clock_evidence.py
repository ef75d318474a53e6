"""What confirms a time, and in which rank: NTP, Oden's own clock, the machine's sleep, the clocks of devices. Pure.

A machine's clock can be set wrong by anybody, and one wrong hour at Oden is an hour of work for somebody. So neither
the clock at boot nor a leap of it is believed for itself: something else has to say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
    agree = sum(abs(ahead - machine) <= OF_DEVICES for ahead in evidence.devices)
    if not _is_quarters(machine) and agree and 2 * agree > len(evidence.devices):
        return Verdict("devices", machine)
    return None


def _is_quarters(seconds: float) -> bool:
    quarters = round(seconds / QUARTER)
    return quarters != 0 and abs(seconds - quarters * QUARTER) <= OF_DEVICES
