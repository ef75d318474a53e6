"""diskcache, set up so that nothing it is given is ever lost, evicted, pickled or left un-synced.

Why each setting differs from the library's default: eviction and its size limit would delete records; values above
`disk_min_file_size` would become files that are never fsynced; synchronous=FULL makes every commit an fsync of the
write-ahead log; memory-mapped reads turn an I/O error into a crash of the process; pickles run code when read.
"""

import fcntl
import os
from pathlib import Path
from typing import Any, NoReturn

from diskcache import Cache, Disk
from diskcache.core import MODE_RAW

from gateway.errors import OutboxError

_NEVER_A_FILE = 2**40


class TextDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keys and values are text, stored as they are in the database; anything else is refused."""

    def put(self, key: object) -> tuple[str, bool]:
        return _text(key), True

    def get(self, key: object, raw: bool) -> str:  # noqa: FBT001 - diskcache's signature
        return _text(key) if raw else _refuse(key)

    def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, None, str]:  # noqa: FBT001
        return 0, MODE_RAW, None, _text(value)

    def fetch(self, mode: int, filename: object, value: object, read: bool) -> str:  # noqa: FBT001
        return _text(value) if mode == MODE_RAW else _refuse(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _refuse(value)


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"the outbox stores text only, not {type(value).__name__}")


def open_cache(directory: Path) -> Any:
    """The cache in `directory`. It belongs to the calling thread: SQLite's connections do."""
    return Cache(
        str(directory),
        disk=TextDisk,
        disk_min_file_size=_NEVER_A_FILE,
        eviction_policy="none",
        cull_limit=0,
        statistics=0,
        tag_index=0,
        size_limit=2**62,
        sqlite_synchronous=2,
        sqlite_mmap_size=0,
        sqlite_cache_size=512,
    )


class DirectoryLock:
    """Holds `directory` for this process: created if absent, private to its owner, refused to a second daemon."""

    def __init__(self, directory: Path) -> None:
        """Raise OutboxError, saying exactly why, where the directory is unwritable or held by another process."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutboxError(
                f"cannot write to the outbox directory {directory}: {error.strerror}. It must belong to the user that "
                f"the gateway runs as (uid {os.getuid()})."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise OutboxError(
                f"the outbox directory {directory} is in use by another oden-gateway (process {holder}). "
                "Stop that one first, or give this one its own directory."
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._file)
