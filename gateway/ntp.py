"""Whether the machine's clock is synchronised by NTP, asked where a sandbox and a container allow it.

The kernel keeps that state (adjtimex(2)), and reading it needs no right. Some sandboxes filter the call nevertheless;
then systemd-timesyncd's mark is looked at, which it touches at each synchronisation. D-Bus is not needed for either.
"""

import ctypes
import time
from contextlib import suppress
from pathlib import Path

TIMESYNC = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd whenever it has synchronised the clock (systemd-timesyncd.service(8))."""
TIMESYNC_AGE = 2 * 2048.0
"""Seconds; it polls every 2048 s at the latest."""
MOST_ERROR = 16_000_000
"""Microseconds; the kernel's greatest error means that nobody disciplines the clock. So `timedatectl` has it too."""


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


def synchronised() -> bool | None:
    """Whether NTP says that the machine's clock is right; None where nobody can tell."""
    state = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(state)) >= 0:
        return int(state.maxerror) < MOST_ERROR
    return marked(TIMESYNC)


def marked(timesync: Path) -> bool | None:
    """The same by the mark of systemd-timesyncd. One that is older than its longest pause, or lies in the future, is of
    before somebody else has set the clock."""
    try:
        age = time.time() - timesync.stat().st_mtime
    except OSError:
        return None
    return True if 0.0 <= age <= TIMESYNC_AGE else None


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
