"""How one stops the gateway, has it read its configuration anew and sees its log: as whoever started it does it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.health import KINDS
from gateway.ways import BY_SYSTEMD, Ways, ways
from tests.peers import PATIENCE, wait_for

ID = "0123456789ab" + "c" * 52
MOUNTS = {
    "docker": f"718 695 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n",
    "podman": f"718 695 0:45 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",
    "the machine": f"26 22 0:2 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n"
    "27 22 8:1 / / rw - ext4 /dev/sda1 rw\n",
}
SOCKET = {"NOTIFY_SOCKET": "/run/notify"}


def files(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.parametrize("environ", [{}, SOCKET])
@pytest.mark.parametrize("process", [1, 7])
def test_in_a_container_its_engine_is_named_with_the_number(
    engine: str, environ: dict[str, str], process: int, tmp_path: Path
) -> None:
    """Also where the engine hands a socket of systemd's in, and where a first process of its own begins ours."""
    root = files(
        tmp_path, {f"proc/{process}/mountinfo": MOUNTS[engine], f"proc/{process}/stat": f"{process} (a) b) S 1 7"}
    )
    if engine == "podman":
        files(root, {"run/.containerenv": ""})
    found = ways(environ, root, process)
    assert found == Ways(
        stop=f"{engine} stop 0123456789ab",
        restart=f"{engine} restart 0123456789ab",
        reload=f"{engine} kill --signal HUP 0123456789ab",
        log=f"{engine} logs --tail 200 0123456789ab",
        command=f"{engine} exec 0123456789ab oden-gateway",
        idle=f"{engine} run --rm --volumes-from 0123456789ab $({engine} inspect -f '{{{{.Image}}}}' 0123456789ab)",
    )
    assert found.filled(KINDS["dead_letters"].remedy) == f"{found.command} outbox list --where dead"


@pytest.mark.parametrize(
    ("mounts", "parent", "more"),
    [("the machine", "1", {}), ("docker", "1", {"run/systemd/system/x": ""}), ("docker", "99", {})],
)
def test_what_systemd_or_a_person_has_started_is_none_although_there_are_containers(
    mounts: str, parent: str, more: dict[str, str], tmp_path: Path
) -> None:
    """On a machine with containers of others; within one that has systemd; from a shell within one."""
    root = files(tmp_path, {"proc/7/mountinfo": MOUNTS[mounts], "proc/7/stat": f"7 (a) S {parent} 7", **more})
    assert ways(SOCKET, root, 7) == BY_SYSTEMD
    assert ways({}, root, 7).reload == "kill -HUP 7"


@contextmanager
def started(folder: Path, log: int) -> Iterator[subprocess.Popen[bytes]]:
    """Something that a person has started in `folder`, and that notes its starts and hang-ups there."""
    code = (
        "import pathlib, signal, time\n"
        "note = lambda text: pathlib.Path('notes').open('a').write(text)\n"
        "signal.signal(signal.SIGHUP, lambda *_: note('reload '))\n"
        "note('start ')\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "an argument"], cwd=folder, stderr=log)
    try:
        wait_for(lambda: (folder / "notes").exists() and (folder / "notes").read_text())
        yield process
    finally:
        process.kill()
        process.wait()


def test_what_a_person_has_started_is_ended_and_started_as_it_was(tmp_path: Path) -> None:
    """The commands do what they say, whatever the folder is called."""
    folder = tmp_path / "the plant's"
    folder.mkdir()
    notes = folder / "notes"
    with (folder / "a log").open("wb") as log, started(folder, log.fileno()) as process:
        found = ways({}, Path("/"), process.pid)
        assert subprocess.run(["sh", "-c", found.log], check=True, capture_output=True).stdout == b""
        assert found.log.startswith("tail -n 200 ")
        subprocess.run(["sh", "-c", found.reload], check=True)
        wait_for(lambda: notes.read_text() == "start reload ")
        restarting = subprocess.Popen(["bash", "-c", f"exec 2>/dev/null; {found.restart}"], start_new_session=True)
        process.wait(PATIENCE)
        wait_for(lambda: notes.read_text() == "start reload start ")
        os.killpg(restarting.pid, signal.SIGKILL)
        restarting.wait()


def test_a_log_that_nobody_keeps_is_where_it_was_started(tmp_path: Path) -> None:
    """A pipe, for instance."""
    with started(tmp_path, subprocess.PIPE) as process:
        assert ways({}, Path("/"), process.pid).log == "the log is where oden-gateway was started"
        assert process.stderr is not None
        process.stderr.close()
