"""What everybody on this machine may do with a file: such a secret is none, and who may change the configuration
decides what the gateway does and where its secrets are sent."""

import stat
from pathlib import Path


def all_may_read(path: Path) -> bool:
    """Whether every user of this machine may read it."""
    return _all_may(path, stat.S_IROTH)


def all_may_change(path: Path) -> bool:
    """Whether every user of this machine may write to it."""
    return _all_may(path, stat.S_IWOTH)


def _all_may(path: Path, right: int) -> bool:
    """Also by the folders above it, which everybody has to be let into. What cannot be looked at is not for all."""
    try:
        path = path.resolve()
        allowed = path.stat().st_mode & right
        return bool(allowed) and all(map(_lets_all_in, path.parents))
    except OSError:
        return False


def _lets_all_in(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
