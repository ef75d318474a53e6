"""A peer that is a process: it can be ended, killed, frozen and started again, and does not outlive the tests."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from tests.peers import PATIENCE

PREPARED = Path(os.environ.get("REAL_PEERS", Path(__file__).parents[2] / ".peers")).absolute()
"""The folder in which `.ci/peers` has installed what comes from npm and PyPI."""


def program(name: str) -> str:
    """The path of an installed program; AssertionError where `.ci/peers` has not been run."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found is not None, f"{name} is not installed: run .ci/peers"
    return found


class PeerProcess:
    """One process with a log of its own in `directory`, leader of a process group to which all signals go.

    It is killed when the thread that started it ends, so `start` is for the main thread.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def popen(self) -> "subprocess.Popen[bytes]":
        """AssertionError unless it has been started and not been ended."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process

    @property
    def pid(self) -> int:
        return self.popen.pid

    def launch(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, talk: bool = False
    ) -> None:
        """Start `command`, which replaces nothing of this process's environment but what is given. `talk`: with pipes
        for its standard input and output."""
        assert not self.running, f"{self.name} runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program("setpriv"), "--pdeathsig", "KILL", *command],
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                cwd=self.directory,
                start_new_session=True,
            )

    def send(self, how: signal.Signals) -> None:
        """To the whole group; nothing where it has ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, how)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    async def end(self, how: signal.Signals, timeout: float = 30.0) -> int | None:
        """Send `how` and wait until it is gone; its exit code, None where it was not running.

        What has not ended after `timeout` seconds is killed, which is an AssertionError.
        """
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
            os.killpg(process.pid, signal.SIGCONT)
        try:
            return await asyncio.to_thread(process.wait, timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout:g} s of {how.name}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def listens_at(self) -> set[str]:
        """The IP addresses at which its process group takes TCP connections."""
        inodes: set[str] = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getpgid(int(process.name)) == self.pid:
                    inodes |= {str(link.readlink()) for link in (process / "fd").iterdir() if link.is_symlink()}
        rows = [
            line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
        ]
        listening = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        return {_address(text) for text in listening}

    def told(self, most: int = 4_000) -> str:
        """The last that it has said."""
        return self.log.read_text(errors="replace")[-most:] if self.log.exists() else ""


def _address(text: str) -> str:
    """An address as the kernel writes it: words of four bytes in the order of this machine."""
    words = [bytes.fromhex(text[begin : begin + 8]) for begin in range(0, len(text), 8)]
    return str(ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)))


async def until_takes_connections(peer: PeerProcess, port: int, timeout: float = PATIENCE) -> None:
    """AssertionError with the peer's last words where it ends or does not listen on `port` in time."""
    deadline = time.monotonic() + timeout
    while True:
        assert peer.running, f"{peer.name} ended: {peer.told()}"
        assert time.monotonic() < deadline, f"{peer.name} does not take connections on port {port}: {peer.told()}"
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
