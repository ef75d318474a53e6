"""Processes that a test starts: commands of the gateway by name, killed and started again; what each says; the end."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.cli import demo_parts
from tests.config.command import environment
from tests.peers import PATIENCE

ANSWER = 60.0
"""Seconds for one answer of the gateway; a test that waits for what it is to say asks several times within PATIENCE."""


class Commands:
    """The `commands` of the gateway, each a process that runs in `folder` from its `start` until its `kill`."""

    def __init__(self, folder: Path, commands: Mapping[str, Sequence[str]]) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder, self._commands = folder, commands

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "gateway", *self._commands[name]]
        variables = environment(ODEN_STAND_IN_TOKEN="a-token-that-nobody-may-see")
        self.processes[name] = subprocess.Popen(
            command, cwd=self._folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)


def status_json(port: int) -> Any:
    """What `/api/status` of the gateway answers, however busy the machine is; None where nobody answers on `port`."""
    return demo_parts.status_json(port, ANSWER)


def listens_at(path: Path) -> bool:
    """Whether somebody takes connections at the socket `path`: that it is there does not say so."""
    with socket.socket(socket.AF_UNIX) as us:
        return us.connect_ex(str(path)) == 0


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that somebody may be writing to: without one of which only a part is there yet."""
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1].decode().splitlines()


def next_line(process: "subprocess.Popen[str]", pipe: IO[str] | None = None) -> str:
    """What it says next on its standard output, or on `pipe`; "" where it has ended. One that is silent is killed."""
    pipe = pipe or process.stdout
    assert pipe is not None
    silent = threading.Event()

    def too_long() -> None:
        silent.set()
        process.kill()

    timer = threading.Timer(PATIENCE, too_long)
    timer.start()
    try:
        line = pipe.readline()
    finally:
        timer.cancel()
    if silent.is_set():
        pytest.fail(f"it has said nothing more for {PATIENCE} s: {process.args!r}")
    return line


def end_all(processes: Iterable["subprocess.Popen[Any]"]) -> None:
    """Kill those that still run, and read what they have left in their pipes."""
    for process in processes:
        process.kill()
        process.communicate()
