"""Whether the machine's clock is synchronised by NTP, asked where a sandbox and a container allow it.

The kernel keeps that state (adjtimex(2)), and reading it needs no right; a container asks it so. The unit filters the
call (ProtectClock=yes), so there systemd is asked, which reads the same and works with chrony, ntpd and
systemd-timesyncd. Where there is no D-Bus either, the mark of systemd-timesyncd is left.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

COMMAND = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
LONGEST = 5.0
"""Seconds for which systemd's answer is waited for. It may have to start systemd-timedated, which answers."""
EAGER, PAUSE, CALM_PAUSE = 12, 10.0, 300.0
"""Systemd is asked so often with a pause of so many seconds, then with the longer one: a question starts a process, and
each one after half a minute of quiet also systemd-timedated, which is a line in the journal."""
SET = 1.0
"""Seconds by which a clock has leapt that somebody has set."""
TIMESYNC = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd whenever it has synchronised the clock (systemd-timesyncd.service(8))."""
TIMESYNC_AGE = 2 * 2048.0
"""Seconds; it polls every 2048 s at the latest."""
MOST_ERROR = 16_000_000
"""Microseconds; the kernel's greatest error means that nobody disciplines the clock. So systemd has it too."""

Way = Callable[[], Awaitable[bool | None]]
"""Whether NTP says that the machine's clock is right; None where it cannot tell. It takes LONGEST at the most."""


class Synchronised:
    """Asks the ways in their rank: the first that can tell has told."""

    def __init__(self, ways: Sequence[Way] | None = None) -> None:
        self._ways = (kernel, Systemd(), Mark(TIMESYNC)) if ways is None else ways

    async def __call__(self) -> bool | None:
        """Whether NTP says that the machine's clock is right; None where nobody can tell."""
        for way in self._ways:
            if (answer := await way()) is not None:
                return answer
        return None


class _Timex(ctypes.Structure):
    """`struct timex` of the C library, as far as it is read; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


async def kernel() -> bool | None:
    """By the call itself, where no filter forbids it."""
    state = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(state)) < 0:
        return None
    return int(state.maxerror) < MOST_ERROR


class Systemd:
    """By systemd, over D-Bus. The last answer is kept for a pause, but not beyond a time at which the clock was set."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._set = _Set()
        self._asked = 0
        """How often since the start, or since the clock was set."""
        self._due = float("-inf")
        self._answer: bool | None = None

    async def __call__(self) -> bool | None:
        if self._set.since_last():
            self._asked, self._due = 0, float("-inf")
        if self._monotonic() >= self._due:
            self._answer = await _ask_systemd()
            self._asked += 1
            self._due = self._monotonic() + (PAUSE if self._asked < EAGER else CALM_PAUSE)
        return self._answer


async def _ask_systemd() -> bool | None:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        asking = await asyncio.create_subprocess_exec(*COMMAND, stdin=nowhere, stdout=pipe, stderr=nowhere)
    except OSError:
        return None
    try:
        async with asyncio.timeout(LONGEST):
            told, _ = await asking.communicate()
    except TimeoutError:
        return None
    finally:
        if asking.returncode is None:
            with suppress(ProcessLookupError):
                asking.kill()
            await asking.wait()
    return {b"yes": True, b"no": False}.get(told.strip())


class Mark:
    """By the mark of systemd-timesyncd. One that is older than its longest pause, lies in the future, or was there
    before the clock was set, tells nothing."""

    def __init__(self, timesync: Path) -> None:
        self._timesync = timesync
        self._set = _Set()
        self._touched = self._when()
        self._void: float | None = None
        """When the mark was touched that tells nothing any more."""

    async def __call__(self) -> bool | None:
        before, self._touched = self._touched, self._when()
        if self._set.since_last() and self._touched == before:
            self._void = before
        if self._touched is None or self._touched == self._void:
            return None
        return True if 0.0 <= time.time() - self._touched <= TIMESYNC_AGE else None

    def _when(self) -> float | None:
        try:
            return self._timesync.stat().st_mtime
        except OSError:
            return None


class _Set:
    """Notices that the machine's clock was set."""

    def __init__(self) -> None:
        self._began = _began()

    def since_last(self) -> bool:
        """Whether it was since this was asked last."""
        before, self._began = self._began, _began()
        return abs(self._began - before) > SET


def _began() -> float:
    """When the machine was started, as its clock has it at the moment."""
    return time.time() - uptime()


SYSTEM = Path("/sys")
_OF_HOST = ("kvm-clock", "xen", "hyperv")
"""Clock sources of virtual machines, which begin with the time of their host."""


def has_clock_of_its_own(system: Path = SYSTEM) -> bool:
    """Whether the machine has a clock that runs while it is off, or a host that has one."""
    with suppress(OSError):
        if any((system / "class/rtc").iterdir()):
            return True
    with suppress(OSError):
        sources = (system / "devices/system/clocksource/clocksource0/available_clocksource").read_text()
        return any(name in sources for name in _OF_HOST)
    return False


def uptime() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


BOOT_VARIABLE = "BOOT_ID"
"""The environment variable by which the unit tells what its sandbox (ProcSubset=pid) hides."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """A name that no other start of the machine has; "" where neither the unit nor the kernel tells one."""
    told = os.environ.get(BOOT_VARIABLE, "")
    if not told:
        with suppress(OSError):
            told = BOOT.read_text()
    return told.strip().replace("-", "")  # systemd has it without
