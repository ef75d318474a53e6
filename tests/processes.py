"""Processes that a test starts: commands of the gateway by name, killed and started again; and the end of all."""

import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.config.command import environment
from tests.peers import PATIENCE


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


def end_all(processes: Iterable["subprocess.Popen[Any]"]) -> None:
    """Kill those that still run, and read what they have left in their pipes."""
    for process in processes:
        process.kill()
        process.communicate()
