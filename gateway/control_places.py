"""Where the control socket of a gateway can be, by the folder of its outbox; apart from it, because its libraries take
long to load."""

import os
from contextlib import suppress
from pathlib import Path

RUNTIME = Path("/run/oden-gateway")
"""Made by systemd (RuntimeDirectory) and by the compose file."""
USERS = Path("/run/user")
"""A folder for each user who is logged in, for that user alone: gone with the last log-out, and at a reboot
(pam_systemd(8))."""
NAME = "control.sock"


def runtime_directory(runtime: Path = RUNTIME, users: Path = USERS) -> Path:
    """Where files lie that no start of the machine leaves: what systemd says, else `runtime` where it may be written
    to, else a folder of this user's own, which is made. Where there is none of these, `runtime`, which is not there.

    The folder is found by the user's number and never by the environment, so that gateway and commands agree on it.
    """
    if told := os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(told)
    own = users / str(os.geteuid()) / runtime.name
    if not os.access(runtime, os.W_OK | os.X_OK) and own.parent.is_dir():
        with suppress(OSError):
            own.mkdir(mode=0o700, exist_ok=True)
            return own
    return runtime


def places(directory: Path, runtime: Path = RUNTIME) -> list[Path]:
    """Where the control socket of the gateway with the outbox in `directory` can be, best first."""
    return [runtime / NAME, directory / NAME]
