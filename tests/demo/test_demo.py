"""The demo as a person runs it: a process, its output, its exit code, and what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.simulator.oden.persistence import read_ledger, replay
from gateway.simulator.oden.store import Organization
from gateway.simulator.plant import EVENT
from gateway.simulator.truth import TAKEN_UP, compare, oden_account, plant_account, taken_up_late

DEADLINE = 300.0


class DemoProcess:
    """A demo whose output is read as it comes; temporary files go to `directory`."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(directory)},
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for `condition`; fails with the output so far."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, self.output
            time.sleep(0.05)

    def said(self, pattern: str) -> str:
        """Wait until a line matches `pattern`, and give its first group."""
        self.until(lambda: re.search(pattern, self.output) or self.process.poll() is not None)
        match = re.search(pattern, self.output)
        assert match is not None, self.output
        return match[1] if match.groups() else match[0]

    def exit_code(self) -> int:
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def parts(self) -> list[int]:
        """The processes that it has started and that still run."""
        pids = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == self.process.pid and state != "Z":
                pids.append(int(stat.parent.name))
        return pids

    def close(self) -> None:
        self.process.kill()
        self.exit_code()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))


Start = Callable[..., DemoProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[DemoProcess] = []

    def start(*arguments: str) -> DemoProcess:
        started.append(DemoProcess(tmp_path, *arguments))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_the_demo_adds_up_and_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    """`demo --seconds 25` ends by itself with exit code 0, a comparison that is all right, no process and no file."""
    demo = start("--seconds", "25")
    demo.said("the line begins its work")
    parts = demo.parts()
    assert len(parts) == 3
    assert demo.exit_code() == 0, demo.output
    assert "It adds up" in demo.output
    assert "WRONG" not in demo.output
    assert re.search(r"run WO-1001 .* ok", demo.output)
    assert not any(map(runs, parts))
    assert list(tmp_path.iterdir()) == []


def test_p4_the_demo_adds_up_although_the_gateway_is_killed(start: Start, tmp_path: Path) -> None:
    """With two SIGKILLs on the way Oden has everything once, by the demo's own verdict and by the files it keeps.

    The demo has no given end here: after Ctrl-C the line finishes, and everything still reaches Oden.
    """
    demo = start("--kills", "2", "--seed", "3", "--keep", str(tmp_path / "kept"))
    demo.until(lambda: demo.output.count("The gateway was killed") == 2 or demo.process.poll() is not None)
    demo.process.send_signal(signal.SIGINT)
    assert demo.exit_code() == 0, demo.output
    ledger, truth = tmp_path / "kept/ledger.jsonl", tmp_path / "kept/truth.jsonl"
    events = [EVENT.validate_json(line) for line in truth.read_bytes().splitlines()]
    received = [request.received_at for request in read_ledger(ledger)]
    oden = oden_account(replay(ledger, Organization()))
    assert compare(plant_account(events), oden, received, 0).ok
    assert oden.good > 0
    assert taken_up_late(received) <= TAKEN_UP


def test_a_gateway_that_dies_by_itself_fails_the_demo(start: Start, tmp_path: Path) -> None:
    """When the gateway crashes, the demo shows its last lines, keeps the files, ends its parts, and exits with 1."""
    demo = start("--seconds", "60")
    gateway = int(demo.said(r"kill -9 (\d+)"))
    demo.said("the line begins its work")
    parts = demo.parts()
    os.kill(gateway, signal.SIGSEGV)
    assert demo.exit_code() == 1, demo.output
    assert "The gateway has ended with code -11" in demo.output
    (kept,) = tmp_path.iterdir()
    assert str(kept) in "".join(demo.lines)
    last = (kept / "gateway.log").read_text().splitlines()[-1]
    assert " ".join(last.split()) in " ".join(demo.output.split()), "long lines are wrapped"
    assert (kept / "ledger.jsonl").exists()
    assert not any(map(runs, parts))


def test_no_part_outlives_a_killed_demo(start: Start) -> None:
    """SIGKILL to the demo itself ends all its parts with it."""
    demo = start()
    demo.said("the line begins its work")
    parts = demo.parts()
    assert len(parts) == 3
    demo.process.kill()
    demo.until(lambda: not any(map(runs, parts)))


def test_files_that_are_there_are_not_mixed_with_new_ones(start: Start, tmp_path: Path) -> None:
    """`--keep` refuses a directory that exists, with exit code 2, before anything is started."""
    demo = start("--keep", str(tmp_path))
    assert demo.exit_code() == 2
    assert "needs a new directory" in demo.output
    assert list(tmp_path.iterdir()) == []
