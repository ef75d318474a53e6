"""Whether NTP has synchronised the clock: asked of the kernel, under the unit's own filter too."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway import ntp
from tests.packaging.test_unit_file import settings
from tests.peers import PATIENCE

ASK = "from gateway import ntp; print(ntp.synchronised())"

FILTERED = """
import ctypes, sys
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(seccomp.seccomp_init(0x7FFF0000))
for name in sys.argv[1].split():
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        seccomp.seccomp_rule_add(context, 0x00050000 | 1, number, 0)
assert seccomp.seccomp_load(context) == 0
"""
"""Has the kernel refuse the calls that are named (EPERM), as systemd has it done."""


def members(name: str) -> set[str]:
    """The system calls of a set, by systemd's own tables."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(members, words))


def refused_by_the_unit() -> set[str]:
    """The calls around clocks that the unit's filter does not let pass."""
    service = settings("Service")
    allowed = set[str]()
    for setting in service["SystemCallFilter"]:
        named = set().union(*map(members, setting.removeprefix("~").split()))
        allowed = allowed - named if setting.startswith("~") else allowed | named
    refused = members("@clock") - allowed
    return refused | members("@clock") if service.get("ProtectClock") == ["yes"] else refused


def ask(refused: set[str]) -> str:
    program = FILTERED + ASK
    command = [sys.executable, "-c", program, " ".join(sorted(refused))]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()


def test_p11_the_kernel_is_asked_under_the_units_own_filter() -> None:
    """The answer is the same as without, while calls that set the clock are refused."""
    refused = refused_by_the_unit()
    assert {"clock_settime", "settimeofday"} <= refused
    assert ask(refused) == ask(set()) in ("True", "False")


def test_p11_where_the_call_is_filtered_nobody_can_tell() -> None:
    """As in some containers: that is no error, and no yes."""
    if ntp.TIMESYNC.exists():
        assert ask(members("@clock")) == "True"
    else:
        assert ask(members("@clock")) == "None"


@pytest.mark.parametrize(("age", "says"), [(10.0, True), (3000.0, True), (86_400.0, None), (-3600.0, None)])
def test_p11_timesyncds_mark_counts_while_it_is_new(age: float, says: bool | None, tmp_path: Path) -> None:
    """One from before, or from after, the present time is of before somebody set the clock."""
    mark = tmp_path / "synchronized"
    assert ntp.marked(mark) is None
    mark.touch()
    os.utime(mark, (time.time() - age, time.time() - age))
    assert ntp.marked(mark) == says


def test_a_machine_with_a_clock_of_its_own(tmp_path: Path) -> None:
    """By the kernel's list of clocks, or because its host has one."""
    assert not ntp.has_clock_of_its_own(tmp_path)
    sources = tmp_path / "devices/system/clocksource/clocksource0"
    sources.mkdir(parents=True)
    (sources / "available_clocksource").write_text("arch_sys_counter \n")
    assert not ntp.has_clock_of_its_own(tmp_path)
    (tmp_path / "class/rtc/rtc0").mkdir(parents=True)
    assert ntp.has_clock_of_its_own(tmp_path)
