"""How whoever looks after this gateway ends it, starts it again, has it read its configuration anew, and sees its log.

That depends on who started it: systemd, a container engine, or a person. It is found out here and nowhere else, by the
gateway of itself; each remedy and hint that names such a command is made of it, so that it can be copied as it is.
"""

import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

UNIT = "oden-gateway"
LINES = 200
"""Of the log that are shown."""
_CONTAINER = re.compile(r"^(?:\S+ ){3}\S*containers/([0-9a-f]{64})/\S* /etc/hostname ", re.MULTILINE)
"""The line of proc_pid_mountinfo(5) by which an engine mounts its own file over that of the image, in each container:
its path on the machine has the container's number."""
_PODMAN = "run/.containerenv"
"""The file that podman makes in its containers."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Commands for a shell of the machine. `command` is how one of the gateway's own begins while it runs, `idle` while
    it does not."""

    stop: str
    restart: str
    reload: str
    log: str
    command: str = "oden-gateway"
    idle: str = "sudo oden-gateway"

    def filled(self, remedy: str) -> str:
        """`remedy` with the ways in the place of their names: `{log}`, `{command} outbox list`."""
        return remedy.format_map(asdict(self))


BY_SYSTEMD = Ways(
    stop=f"sudo systemctl stop {UNIT}",
    restart=f"sudo systemctl restart {UNIT}",
    reload=f"sudo systemctl reload {UNIT}",
    log=f"journalctl -u {UNIT} -n {LINES}",
)


@cache
def here() -> Ways:
    """Those of this process, if it is the gateway."""
    return ways(os.environ, Path("/"), os.getpid())


def ways(environ: Mapping[str, str], root: Path, process: int) -> Ways:
    """Those of the gateway that runs as `process` with the environment `environ`, on a machine whose files begin at
    `root`."""
    proc = root / "proc" / str(process)
    with suppress(OSError):
        number = _CONTAINER.search((proc / "mountinfo").read_text(errors="replace"))
        if number is not None and _is_whole(proc, root):
            return _in_container("podman" if (root / _PODMAN).exists() else "docker", number[1][:12])
    if environ.get("NOTIFY_SOCKET"):
        return BY_SYSTEMD
    return _by_hand(proc, process)


def _is_whole(process: Path, root: Path) -> bool:
    """Whether a process of a container is what the container is there for: its first, or begun by its first, unless
    that is systemd, which keeps services."""
    if process.name == "1":
        return True
    parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
    return parent == "1" and not (root / "run/systemd/system").exists()


def _in_container(engine: str, name: str) -> Ways:
    return Ways(
        stop=f"{engine} stop {name}",
        restart=f"{engine} restart {name}",
        reload=f"{engine} kill --signal HUP {name}",
        log=f"{engine} logs --tail {LINES} {name}",
        command=f"{engine} exec {name} oden-gateway",
        idle=f"{engine} run --rm --volumes-from {name} $({engine} inspect -f '{{{{.Image}}}}' {name})",
    )


def _by_hand(process: Path, number: int) -> Ways:
    """Its log is a file, or was never kept; it is started again as it was, once it has ended."""
    log, start = "the log is where oden-gateway was started", "oden-gateway run"
    with suppress(OSError):
        path = (process / "fd/2").readlink()
        if path.is_file():
            log = f"tail -n {LINES} {shlex.quote(str(path))}"
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        folder = shlex.quote(str((process / "cwd").readlink()))
        start = f"cd {folder} && {shlex.join(map(os.fsdecode, words))}"
    return Ways(
        stop=f"kill {number}",
        restart=f"kill {number}; tail --pid {number} -f /dev/null; {start}",
        reload=f"kill -HUP {number}",
        log=log,
        idle="oden-gateway",
    )
