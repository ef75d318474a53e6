"""The parts of the demo: child processes, their ports, the files that they write, and the gateway's status."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gateway
from gateway.errors import GatewayError

STOPPED = frozenset({0, -signal.SIGTERM, -signal.SIGKILL})
"""Exit codes of a process that was stopped from outside. Any other means that it failed."""

PATIENCE = 10.0
"""Seconds for which a part may take to end when it is asked to."""
LAST_LINES = 80
"""Of the log of a part that has failed: where a crash shows where each thread stood, also what it said before."""


class PartFailed(GatewayError):
    """A part of the demo has failed."""


class Part:
    """One process of the demo, which runs one of the gateway's commands; its output goes to the file `log`."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        takes_commands: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self._stdin = subprocess.PIPE if takes_commands else subprocess.DEVNULL
        self._arguments = [sys.executable, "-m", "gateway.cli.tethered", str(os.getpid()), *arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only the demo, which ends its parts in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._arguments,
                stdin=self._stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def has_ended(self) -> bool:
        """Whether somebody has stopped it. Raises PartFailed where it has failed."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return False
        if code not in STOPPED:
            raise PartFailed(f"{self.name} has ended with code {code}. Its last lines:\n{self._last_lines(LAST_LINES)}")
        return True

    def kill(self) -> None:
        """Send SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def say(self, line: str) -> None:
        """Write a line to the standard input of a part that takes commands."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()

    def stop(self) -> None:
        """Ask it to end, and kill it where it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _last_lines(self, number: int) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-number:])


class Tail:
    """Reads the complete lines of a growing file, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def lines(self) -> Iterator[bytes]:
        """The lines that have come since the last call; none while the file does not exist."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                yield line


USUAL_PORTS: Mapping[str, int] = {"oden": 8399, "opcua": 48410, "mqtt": 18830, "status": 8321}
"""The preferred port of each part, as in `config/demo.yaml`."""


@contextmanager
def ports() -> Iterator[dict[str, int]]:
    """Ports on 127.0.0.1 for the parts: the usual ones where they are free and no other demo runs."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind("\0oden-gateway-demo")  # unix(7), an abstract name: it goes with the process that holds it
            usual = USUAL_PORTS
        except OSError:
            usual = dict.fromkeys(USUAL_PORTS, 0)
        yield {part: _free(number) for part, number in usual.items()}


def _free(preferred: int) -> int:
    """The port `preferred` where it is free, else one that is."""
    for candidate in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            port: int = probe.getsockname()[1]
            return port
    raise GatewayError("No port is free on 127.0.0.1.")


def example(name: str) -> Path:
    """The path of the example configuration `name`: in a checkout beside the package, else where the wheel puts it."""
    checkout = Path(gateway.__file__).parent.parent / "config" / name
    return checkout if checkout.exists() else Path(sysconfig.get_path("data"), "share/oden-gateway/examples", name)


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """The gateway's own status: records in the outbox, the time to send them, why delivery waits and until when."""

    waiting: int
    drain_seconds: float | None
    held: str | None
    retry_at: float | None


def status_json(status_port: int, within: float = 1.0) -> Any:
    """The answer of `/api/status`; None where the gateway does not answer `within` so many seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", status_port, timeout=within)
    try:
        connection.request("GET", "/api/status")
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def gateway_status(status_port: int) -> GatewayStatus | None:
    """What `/api/status` says of delivery; None while the gateway does not answer."""
    answer = status_json(status_port)
    if answer is None:
        return None
    outbox, oden = answer["outbox"], answer["oden"]
    retry_at = oden["retry_at"] and datetime.fromisoformat(oden["retry_at"]).timestamp()
    return GatewayStatus(sum(outbox["records"].values()), outbox["drain_seconds"], oden["held"], retry_at)


def listens(number: int) -> bool:
    """Whether something on 127.0.0.1 takes connections at this port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=1.0):
        return True
    return False
