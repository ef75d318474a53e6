"""Has the kernel refuse this process system calls, as the unit's filter and that of a container do."""

import ctypes
from collections.abc import Iterable

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
CLOCK = ("adjtimex", "clock_adjtime", "clock_adjtime64")
"""The calls that tell whether NTP has synchronised the clock."""


def refuse(names: Iterable[str]) -> None:
    """From now on the calls of these names fail with EPERM; what this machine does not have is left out."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, REFUSE, number, 0)
    if seccomp.seccomp_load(context) != 0:
        raise OSError("the filter was not taken")
