"""A gateway as a process in situations of all kinds, and what each place says of it: page, readiness, metrics, systemd
and the log."""

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.answering_oden import Oden
from tests.peers import Mosquitto, free_port, wait_for, wait_until
from tests.processes import status_json, whole_lines

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: t0k3n}}
sources: {{floor: {{type: mqtt, url: "{broker}", client_id: situations}}}}
lines:
  - factory: Factory A
    line: Line 01
    id: l1
    inputs: {{order: {{source: floor, topic: plant/order, field: number}}}}
    run: {{key: order, product: Film, settle: 0s}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


@dataclass(frozen=True)
class Told:
    """What is to be said: the flows, the kind of the gravest problem, a word of the headline; and by which event the
    log says it, with which priority for the journal."""

    taking_in: str
    delivering: str
    kind: str | None
    headline: str
    event: str | None = None
    priority: str = "<4>"
    orders: int = 1
    """How many of them it takes."""


class Systemd:
    """What is said to the service manager; `status` is the last line for `systemctl status`."""

    def __init__(self, path: Path) -> None:
        self.path, self.status = path, ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096).decode():
            if message.startswith("STATUS="):
                self.status = message.removeprefix("STATUS=")

    def end(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as us:
            us.sendto(b"", str(self.path))
        self._thread.join()
        self._socket.close()


class Rig:
    """A gateway, its broker and its Oden, and the service manager that it tells how it is."""

    def __init__(self, folder: Path, broker: Mosquitto, oden: Oden) -> None:
        self.status_port, self.broker, self.oden = free_port(), broker, oden
        self.systemd = Systemd(folder / "notify")
        text = CONFIG.format(oden=oden.server_port, broker=broker.url, folder=folder, status=self.status_port)
        (folder / "gateway.yaml").write_text(text)
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *module: str, log: str | None = None) -> None:
        """By another module than the gateway's own, with its arguments, where one is given; `log` in the place of its
        log."""
        words = module or ("gateway",)
        command = [sys.executable, "-m", *words, "run", "-c", str(self.log.parent / "gateway.yaml")]
        with Path(log or self.log).open("wb") as log_file:
            held = os.fstat(log_file.fileno())
            environment = os.environ | {
                "JOURNAL_STREAM": f"{held.st_dev}:{held.st_ino}",
                "NOTIFY_SOCKET": str(self.systemd.path),
            }
            self.process = subprocess.Popen(command, stderr=log_file, env=environment)

    def command(self, *words: str) -> str:
        """What a command says that is given beside the gateway."""
        command = [sys.executable, "-m", "gateway", *words, "-c", str(self.log.parent / "gateway.yaml")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def status(self) -> Any:
        return status_json(self.status_port) or {"problem_details": [], "sources": [], "healthy": None}

    def kinds(self) -> list[str]:
        return [problem["kind"] for problem in self.status()["problem_details"]]

    def get(self, path: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=60)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        raise AssertionError(name)

    def logged(self, word: str) -> list[str]:
        """The whole lines of its log so far in which `word` stands."""
        return [line for line in whole_lines(self.log) if word in line]

    def is_connected(self) -> bool:
        return any(source["connected"] for source in self.status()["sources"])


@contextmanager
def situation(folder: Path) -> Iterator[Rig]:
    """A gateway that is to be started, with a broker and an Oden."""
    oden = Oden()
    serving = threading.Thread(target=oden.serve_forever, daemon=True)
    serving.start()
    with Mosquitto(folder / "broker") as broker:
        rig = Rig(folder, broker, oden)
        yield rig
        oden.let_go.set()
        if rig.process is not None:
            rig.process.kill()
            rig.process.wait()
        rig.systemd.end()
    oden.shutdown()
    oden.server_close()


def says_the_same(rig: Rig, told: Told) -> None:
    """systemd's status line, JSON, readiness, liveness and metrics agree with the table's row."""
    wait_for(lambda: told.headline in rig.systemd.status)
    status = rig.status()
    assert status["taking_in"]["state"] == told.taking_in
    assert status["delivering"]["state"] == told.delivering
    assert told.headline in status["headline"]
    assert status["healthy"] == (told.kind is None)
    assert rig.metric("oden_gateway_healthy") == (told.kind is None)
    assert rig.metric("oden_gateway_taking_in") == (told.taking_in == "yes")
    assert rig.metric("oden_gateway_delivering") == (told.delivering == "yes")
    if told.kind is not None:
        assert rig.metric("oden_gateway_problem", kind=told.kind) == 1
        [remedy] = {problem["remedy"] for problem in status["problem_details"] if problem["kind"] == told.kind}
        assert remedy.startswith(("oden-gateway ", "journalctl ", "df ", "timedatectl"))
    assert rig.get("/healthz")[0] == 200
    ready = told.taking_in == "yes" and told.delivering != "no"  # it may wait for five minutes
    code, text = rig.get("/readyz")
    assert (code, text == "ok") == ((200, True) if ready else (503, False))


async def priorities(rig: Rig, word: str) -> set[str]:
    """Those of the lines of the log in which `word` stands, once there is one: the log is written beside all else."""
    await wait_until(lambda: rig.logged(word))
    return {line[:3] for line in rig.logged(word)}
