"""What a campaign in real time is made of: processes that can be killed, and a disk that can be full."""

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from gateway.outbox.directory import free_bytes
from tests.peers import PATIENCE

DISK = 96 * 2**20
"""Bytes of a disk of our own."""


class Process:
    """One command of ours as it is installed. What it says goes through a pipe into `log`, so that no full disk stops
    it.

    It does not outlive this process. With `at_once`, it goes before whatever else this machine has to do, where this
    user may ask for that: then the times that it notes are not late because the machine is busy.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] = MappingProxyType({}),
        *,
        at_once: bool = False,
    ) -> None:
        self.log = log
        self._arguments = arguments
        self._at_once = at_once
        self._environment = {**os.environ, "NO_PROXY": "127.0.0.1", **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._telling: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """None unless it is running."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit code where it has ended by itself."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it; returns before it has done anything."""
        command = [sys.executable, "-m", "gateway.cli.tethered", str(os.getpid()), *self._arguments]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self._environment
        )
        self._telling = asyncio.create_task(self._tell(self._process))
        if self._at_once:
            with suppress(PermissionError):
                os.sched_setscheduler(self._process.pid, os.SCHED_RR, os.sched_param(1))

    async def end(self, how: signal.Signals = signal.SIGKILL) -> int | None:
        """Send it `how` and wait until it is gone; its exit code. None where it was not running."""
        process, self._process = self._process, None
        if process is None or self._telling is None:
            return None
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._telling
        finally:
            if process.returncode is None:
                process.kill()
        return await process.wait()

    async def _tell(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self.log.open("ab", buffering=0) as log:
            while said := await process.stdout.read(65536):
                log.write(said)
        await process.wait()


class Disk(Protocol):
    """Where the outbox is."""

    kind: str

    def fill(self) -> None:
        """Let there be no room any more, until `free`; to be called again and again where others take what becomes
        free.
        """

    def free(self) -> None:
        """Let there be room again."""

    def leave(self) -> None:
        """Forget it."""


class OwnDisk:
    """A small disk in memory, mounted at `directory`."""

    kind = "a disk of its own"

    def __init__(self, directory: Path) -> None:
        """Raises CalledProcessError where this user may not mount anything."""
        directory.mkdir()
        options = f"size={DISK},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True, capture_output=True)
        self._directory = directory
        self._fillers = 0

    def fill(self) -> None:
        free = free_bytes(self._directory)
        if free:
            self._fillers += 1
            with (self._directory / f"filler-{self._fillers}").open("wb") as file, suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, free)

    def free(self) -> None:
        for path in self._directory.glob("filler-*"):
            path.unlink()

    def leave(self) -> None:
        """The files stay where the disk was."""
        kept = self._directory.with_name(f"{self._directory.name}-kept")
        shutil.copytree(self._directory, kept, ignore=shutil.ignore_patterns("ballast", "filler-*", "*.sock"))
        subprocess.run(["umount", "--lazy", self._directory], check=True)
        self._directory.rmdir()
        kept.rename(self._directory)


class NoMoreWrites:
    """Where nothing can be mounted: `process` may write to no file any more, which is what a full disk is to it."""

    kind = "a limit on what may be written"

    def __init__(self, process: Process) -> None:
        self._process = process

    def fill(self) -> None:
        self._limit(0)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def leave(self) -> None:
        """There is nothing to forget."""

    def _limit(self, size: int) -> None:
        if self._process.pid is not None:
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))


def disk_for(directory: Path, process: Process) -> Disk:
    """A disk at `directory`, on which `process` keeps its outbox."""
    try:
        return OwnDisk(directory)
    except (subprocess.CalledProcessError, FileNotFoundError):
        directory.rmdir()
        return NoMoreWrites(process)
