"""The outbox's directory and its disk: made, checked and held by one process, with space kept back for a full disk."""

import errno
import fcntl
import os
import pwd
import shlex
import shutil
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from gateway.errors import OutboxError
from gateway.own_files import open_own

log = structlog.get_logger()


class DirectoryLock:
    """Holds `directory` for this process: created if absent, private to its owner, refused to a second daemon."""

    def __init__(self, directory: Path) -> None:
        """Raise OutboxError, saying exactly why, where the directory is unwritable or held by another process."""
        path = directory / "lock"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = open_own(path, os.O_RDWR)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutboxError(
                    f"cannot write to the outbox directory {directory}: somebody has put a link in the place of its "
                    "file 'lock', and what that leads to would be written over. Remove the link."
                ) from error
            whose = _whose(directory) or _whose(path)
            raise OutboxError(f"cannot write to the outbox directory {directory}: {error.strerror}.{whose}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise OutboxError(
                f"the outbox directory {directory} is in use by another oden-gateway (process {holder}). "
                "Stop that one first, or give this one its own directory."
            ) from error
        try:
            os.pwrite(self._file, f"{os.getpid()}\n".ljust(32).encode(), 0)
        except OSError:
            # Only the message to a second gateway needs it, and a full disk is dealt with where records are written.
            os.ftruncate(self._file, 0)

    def release(self) -> None:
        os.close(self._file)


def make_folder(path: Path) -> None:
    """Make a folder that is private to its owner, where root makes it to the owner of the one around it: that user can
    remove it with all that is in it, also where root was stopped. Raises OSError."""
    path.mkdir(mode=0o700)
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


LEFTOVER = "outbox-leftover-"
"""How the names begin under which things lie that this user may not remove."""


def clear(path: Path) -> Path | None:
    """Remove what was left at `path`, a folder, a file or a link; nothing may be there. What another user has made, and
    this one may not remove, is moved out of the way, and the log says what removes it: answers where it is then. Raises
    OSError where that cannot be done either."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except PermissionError as error:
        if not path.name.startswith(LEFTOVER):
            free = (path.with_name(f"{LEFTOVER}{number}") for number in count(1))
            path = path.rename(next(name for name in free if not os.path.lexists(name)))
            sync_directory(path.parent)
        remove = f"sudo rm -r {shlex.quote(str(path))}"
        log.warning("leftover_not_removed", path=str(path), reason=error.strerror, remove=remove)
        return path
    return None


def refuse_unwritable(store: Path) -> None:
    """Raise OutboxError where a file of the store cannot be read or written by this user, or is a link, which SQLite
    would follow."""
    _refuse(store)
    for path in store.iterdir() if store.is_dir() else ():
        if path.is_symlink():
            raise OutboxError(f"cannot write to {path}: somebody has put a link in its place. Remove the link.")
        _refuse(path)


def _refuse(path: Path) -> None:
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if not os.access(path, wanted, effective_ids=True):
        raise OutboxError(f"cannot write to {path}: {_reason(path)}.{_whose(path)}")


def _reason(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    return f"permission denied (mode {stat.filemode(path.stat().st_mode)})"


def _whose(path: Path) -> str:
    """Whose `path` is, where it is not this process's user's, and what to do about that."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    try:
        owner = path.stat().st_uid
    except OSError:
        return ""
    user = os.geteuid()
    if owner == user:
        return ""
    return (
        f" {path} belongs to {_name(owner)}, and the gateway runs as {_name(user)}: "
        "give it to that user (chown), or start the gateway as the other."
    )


def _name(user: int) -> str:
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except KeyError:
        return f"uid {user}"


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


REMOVED = "somebody has removed the outbox's files"
"""How the reason begins where that is why nothing is taken in."""


def reserve(whole: int, wanted: int) -> int:
    """How many bytes of a disk of the size `whole` are held back: what is `wanted`, or an eighth of a small disk, which
    could otherwise never have twice as much free."""
    return min(wanted, whole // 8)


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
            status = self._path.stat()
        except OSError:
            return False
        return status.st_size == self.size and status.st_blocks * 512 >= self.size

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
        handle = open_own(self._path, os.O_WRONLY | os.O_TRUNC)
        try:
            os.posix_fallocate(handle, 0, self.size)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(self._path.parent)
