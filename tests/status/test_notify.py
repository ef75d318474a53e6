"""The systemd protocol, with a datagram socket in systemd's place."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.status.notify import Systemd, Watchdog
from tests.peers import PATIENCE
from tests.processes import next_line


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A bound socket, and its address as $NOTIFY_SOCKET gives it."""
    path = str(tmp_path / "notify")
    name = path if request.param == "path" else f"@{path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0"))
        sock.settimeout(PATIENCE)
        yield sock, name


def test_each_call_is_one_datagram(systemd: tuple[socket.socket, str]) -> None:
    """Ready, status, watchdog and stopping arrive as the protocol writes them, at either kind of address."""
    sock, name = systemd
    us = Systemd({"NOTIFY_SOCKET": name})
    us.ready()
    us.status("2 sources connected,\n0 records wait – all is well")
    us.watchdog()
    us.stopping()
    assert [sock.recv(4096).decode() for _ in range(4)] == [
        "READY=1",
        "STATUS=2 sources connected, 0 records wait – all is well",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_cannot_say_more_than_a_status(systemd: tuple[socket.socket, str]) -> None:
    """A line break in a text (a product's name, say) does not become an assignment of its own; odd characters pass."""
    sock, name = systemd
    Systemd({"NOTIFY_SOCKET": name}).status("order\nMAINPID=1\r\udc80")
    assert sock.recv(4096) == b"STATUS=order MAINPID=1 ?"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    """Started by hand, or with systemd's socket gone, every call returns and none raises."""
    us = Systemd(environ)
    us.ready()
    us.status("well")
    us.watchdog()
    us.stopping()


def test_a_listener_that_does_not_read_stops_nobody(systemd: tuple[socket.socket, str]) -> None:
    """With systemd's queue full, a call gives up instead of blocking the gateway for ever."""
    sock, name = systemd
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        filled = 0
        while filled < 100_000:
            try:
                other.sendto(b"noise", name.replace("@", "\0"))
            except BlockingIOError:
                break
            filled += 1
    Systemd({"NOTIFY_SOCKET": name}).watchdog()
    assert {sock.recv(64) for _ in range(filled)} == {b"noise"}


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 7.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 7.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval(environ: dict[str, str], interval: float | None) -> None:
    """A quarter of what systemd allows; none where it expects nothing, or expects it of another process."""
    assert Systemd(environ).watchdog_interval == interval


HANGS = """
import time
from gateway.status.notify import Systemd, Watchdog
def hangs():
    time.sleep(1000)
Watchdog(Systemd({}), limit=0.5).alive()
hangs()
"""
LIVES = """
import sys
import time
from gateway.status.notify import Systemd, Watchdog
watchdog = Watchdog(Systemd({}), limit=3.0)
for _ in range(20):
    watchdog.alive()
    print("alive", flush=True)
    time.sleep(0.1)
watchdog.end()
"""
ENDS = """
import time
from gateway.status.notify import Systemd, Watchdog
watchdog = Watchdog(Systemd({}), limit=2.0)
for _ in range(30):
    watchdog.alive()
    time.sleep(0.1)
watchdog.end()
time.sleep(2.5)
"""


def ended(program: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_p9_a_process_that_hangs_in_a_container_ends_itself() -> None:
    """Without a service manager's watchdog: exit code 1, and where every thread stands on standard error."""
    process = ended(HANGS)
    assert process.returncode == 1
    assert "in hangs" in process.stderr


def test_p9_a_process_that_was_stopped_for_a_while_goes_on() -> None:
    """A container that is paused, for longer than a process may hang: nobody could turn meanwhile."""
    with subprocess.Popen([sys.executable, "-c", LIVES], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert next_line(process) == "alive\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(5.0)
        process.send_signal(signal.SIGCONT)
        rest = process.stdout.read().split()
        assert process.wait(PATIENCE) == 0
    assert len(rest) == 19


def test_a_process_that_ends_in_order_is_not_watched_any_more() -> None:
    """Neither while it is fed, nor after its end was announced."""
    process = ended(ENDS)
    assert (process.returncode, process.stderr) == (0, "")


def test_systemd_is_fed_as_often_as_it_expects(systemd: tuple[socket.socket, str]) -> None:
    """However often the process says that it is alive."""
    sock, name = systemd
    watchdog = Watchdog(Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000000"}))
    for _ in range(100):
        watchdog.alive()
    Systemd({"NOTIFY_SOCKET": name}).status("the end")
    assert [sock.recv(64), sock.recv(64)] == [b"WATCHDOG=1", b"STATUS=the end"]


def test_p9_systemd_is_asked_to_end_what_hangs(systemd: tuple[socket.socket, str]) -> None:
    """Once the log has had time to say what: it need not wait until it misses a beat."""
    sock, name = systemd
    watchdog = Watchdog(Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000000"}))
    said, deadline = b"", time.monotonic() + PATIENCE
    while said != b"WATCHDOG=trigger":
        assert time.monotonic() < deadline, "systemd is not asked to end it"
        watchdog.hung("intake has not turned for 20 s")
        time.sleep(0.05)
        sock.setblocking(False)
        with suppress(BlockingIOError):
            said = sock.recv(200)
            assert said in (b"STATUS=Ended, because it hangs: intake has not turned for 20 s", b"WATCHDOG=trigger")


HANGS_IN_PART = """
import time
from gateway.status.notify import Systemd, Watchdog
watchdog = Watchdog(Systemd({}))
while True:
    watchdog.hung("intake has not turned for 20 s")
    time.sleep(0.1)
"""


def test_p9_a_part_that_hangs_in_a_container_ends_the_process() -> None:
    """Exit code 1, with the line that says what hangs, and where every thread stands."""
    process = ended(HANGS_IN_PART)
    assert process.returncode == 1
    assert "loop_hung" in process.stdout
    assert "in hung" in process.stderr
