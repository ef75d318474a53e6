"""The systemd protocol, with a datagram socket in systemd's place."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.status.notify import Systemd
from tests.peers import PATIENCE


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
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval(environ: dict[str, str], interval: float | None) -> None:
    """Half of what systemd allows; none where it expects nothing, or expects it of another process."""
    assert Systemd(environ).watchdog_interval == interval
