"""Space that is held back on the disk, to be given up when it is full: delivering records needs room too."""

import os
from contextlib import suppress
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make durable which files `directory` holds under which names. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(directory: Path) -> int:
    """What this user may still write on the disk of `directory`."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def whole_bytes(directory: Path) -> int:
    """The size of the disk of `directory`."""
    disk = os.statvfs(directory)
    return disk.f_blocks * disk.f_frsize


def in_words(size: float) -> str:
    """Bytes, as a person reads them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


class Ballast:
    """The file `path`, which holds `size` bytes of the disk. With `size` 0 there is none, and none is missed."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._path = path

    def held(self) -> bool:
        """Whether the space is held back: all of it, not a file with holes."""
        if not self.size:
            return True
        try:
            found = self._path.stat()
        except OSError:
            return False
        return found.st_size == self.size and found.st_blocks * 512 >= self.size

    def make(self) -> bool:
        """Hold the space back, where as much would still be free beside it; answers whether it is held."""
        if self.held():
            return True
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            if free_bytes(self._path.parent) >= 2 * self.size:
                self._write()
        if not self.held():
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the space up; answers whether there was any."""
        try:
            self._path.unlink()
            sync_directory(self._path.parent)
        except OSError:
            return False
        return True

    def _write(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, self.size)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(self._path.parent)
