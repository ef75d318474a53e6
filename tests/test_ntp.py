"""Whether NTP has synchronised the clock: asked of systemd under the unit's own filter, of the kernel elsewhere."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway import ntp
from tests.packaging.test_unit_file import settings
from tests.peers import PATIENCE

ASK = f"import asyncio; from gateway import ntp; ntp.LONGEST = {PATIENCE}; print(asyncio.run(ntp.Synchronised()()))"

FILTERED = "import sys; from tests.refused_calls import refuse; refuse(sys.argv[1].split()); "
"""The calls that are named are refused, as systemd has it done."""


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


def ask(refused: set[str], systemd: Path) -> str:
    """What is answered while these calls are refused, on a machine whose `timedatectl` is the one in `systemd`."""
    program = FILTERED + ASK
    command = [sys.executable, "-c", program, " ".join(sorted(refused))]
    environment = {**os.environ, "PATH": f"{systemd}:/usr/bin:/bin"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    return done.stdout.strip()


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    """A folder with a `timedatectl` that says what stands in the file `says` beside it, or nothing where that is not
    there, and counts how often it was asked in `asked`."""
    command = tmp_path / "systemd" / "timedatectl"
    command.parent.mkdir()
    command.write_text(
        f"#!/bin/sh\n[ \"$*\" = '{' '.join(ntp.COMMAND[1:])}' ] || exit 2\n"
        f"echo . >>{command.parent}/asked\n[ -e {command.parent}/hangs ] && exec sleep 600\ncat {command.parent}/says\n"
    )
    command.chmod(0o755)
    return command.parent


def test_p11_under_the_units_own_filter_the_kernel_does_not_answer_and_systemd_is_asked(systemd: Path) -> None:
    """The calls are refused, not punished by death, and those that set the clock with them."""
    refused = refused_by_the_unit()
    assert {"adjtimex", "clock_adjtime", "clock_settime", "settimeofday"} <= refused
    assert settings("Service")["SystemCallErrorNumber"] == ["EPERM"]
    for says, answer in (("yes", "True"), ("no", "False")):
        (systemd / "says").write_text(says + "\n")
        assert ask(refused, systemd) == answer
    assert ask(refused - {"adjtimex", "clock_adjtime"}, systemd) == ask(set(), systemd)


def test_p11_where_nobody_answers_nobody_can_tell(systemd: Path) -> None:
    """As in some containers: that is no error, and no yes."""
    marked = "True" if asyncio.run(ntp.Mark(ntp.TIMESYNC)()) else "None"
    assert ask(members("@clock"), systemd) == marked, "it fails"
    (systemd / "timedatectl").unlink()
    assert ask(members("@clock"), systemd) == marked, "it is not there"


def test_p11_the_first_way_that_can_tell_has_told() -> None:
    """A no is told as well as a yes."""
    asked = []

    def way(name: str, says: bool | None) -> ntp.Way:
        async def answer() -> bool | None:
            asked.append(name)
            return says

        return answer

    ways = ntp.Synchronised([way("kernel", None), way("systemd", False), way("mark", True)])
    assert asyncio.run(ways()) is False
    assert asked == ["kernel", "systemd"]


def test_p11_systemd_is_asked_anew_after_a_pause_and_when_the_clock_was_set(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ten seconds for the first two minutes, then every five minutes: a question is a process."""
    monkeypatch.setenv("PATH", f"{systemd}:/usr/bin:/bin")
    monkeypatch.setattr(ntp, "LONGEST", PATIENCE)
    (systemd / "says").write_text("no\n")
    now, began = 1000.0, 500.0
    monkeypatch.setattr(ntp, "_began", lambda: began)
    way = ntp.Systemd(lambda: now)

    def look() -> tuple[bool | None, int]:
        return asyncio.run(way()), (systemd / "asked").read_text().count(".")

    assert [look(), look()] == [(False, 1), (False, 1)]
    for times in range(2, ntp.EAGER + 1):
        now += ntp.PAUSE
        assert look() == (False, times)
    (systemd / "says").write_text("yes\n")
    now += ntp.CALM_PAUSE - 1.0
    assert look() == (False, ntp.EAGER)
    now += 1.0
    assert look() == (True, ntp.EAGER + 1)
    began += 0.5
    assert look() == (True, ntp.EAGER + 1), "a clock that is slewed was not set"
    (systemd / "says").write_text("no\n")
    began -= 3600.0
    assert look() == (False, ntp.EAGER + 2)
    now += ntp.PAUSE
    assert look() == (False, ntp.EAGER + 3)


def test_p11_a_systemd_that_does_not_answer_is_waited_for_only_so_long(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody can tell, and its process is ended. The loop turns meanwhile."""
    monkeypatch.setenv("PATH", f"{systemd}:/usr/bin:/bin")
    monkeypatch.setattr(ntp, "LONGEST", 0.5)
    (systemd / "hangs").touch()
    assert asyncio.run(ntp.Systemd()()) is None
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(("age", "says"), [(10.0, True), (3000.0, True), (86_400.0, None), (-3600.0, None)])
def test_p11_timesyncds_mark_counts_while_it_is_new(age: float, says: bool | None, tmp_path: Path) -> None:
    """One from before, or from after, the present time is of before somebody set the clock."""
    mark = tmp_path / "synchronized"
    way = ntp.Mark(mark)
    assert asyncio.run(way()) is None
    mark.touch()
    os.utime(mark, (time.time() - age, time.time() - age))
    assert asyncio.run(way()) == says


def test_p11_timesyncds_mark_does_not_count_once_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour ahead, set by hand just after it: the mark looks half an hour old, and confirms nothing until it is
    touched again."""
    mark = tmp_path / "synchronized"
    mark.touch()
    way, began = ntp.Mark(mark), ntp._began()
    assert asyncio.run(way()) is True
    monkeypatch.setattr(ntp, "_began", lambda: began + 1800.0)
    assert [asyncio.run(way()), asyncio.run(way())] == [None, None]
    os.utime(mark, (time.time() - 1.0, time.time() - 1.0))
    assert asyncio.run(way()) is True


def test_p11_which_start_of_the_machine_it_is_is_known_under_the_unit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit's sandbox hides what the kernel says of it, so the unit tells it; both are the same name."""
    service = settings("Service")
    assert (service["ProcSubset"], service["Environment"]) == (["pid"], [f"{ntp.BOOT_VARIABLE}=%b"])
    monkeypatch.delenv(ntp.BOOT_VARIABLE, raising=False)
    by_kernel = ntp.boot()
    told = subprocess.run(["systemd-id128", "boot-id"], check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert by_kernel == told.stdout.strip(), "as systemd writes %b"
    monkeypatch.setattr(ntp, "BOOT", tmp_path / "hidden")
    assert ntp.boot() == ""
    monkeypatch.setenv(ntp.BOOT_VARIABLE, told.stdout.strip())
    assert ntp.boot() == by_kernel


def test_a_machine_with_a_clock_of_its_own(tmp_path: Path) -> None:
    """By the kernel's list of clocks, or because its host has one."""
    assert not ntp.has_clock_of_its_own(tmp_path)
    sources = tmp_path / "devices/system/clocksource/clocksource0"
    sources.mkdir(parents=True)
    (sources / "available_clocksource").write_text("arch_sys_counter \n")
    assert not ntp.has_clock_of_its_own(tmp_path)
    (tmp_path / "class/rtc/rtc0").mkdir(parents=True)
    assert ntp.has_clock_of_its_own(tmp_path)
