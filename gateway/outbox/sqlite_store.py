"""The key-value store on disk: SQLite by way of diskcache, set up so that nothing it is given is ever lost, evicted,
pickled or left un-synced.

Why each setting differs from the library's default: eviction and its size limit would delete records; values above
`disk_min_file_size` would become files that are never fsynced; synchronous=FULL makes every commit an fsync of the
write-ahead log; memory-mapped reads turn an I/O error into a crash of the process; pickles run code when read. Free
pages are given back to the disk in steps (auto_vacuum=INCREMENTAL), instead of with every commit; the log's file is cut
back where a large change has made it long.

Beside SQLite's own files, the folder holds `ballast`; `in-use`, while it is open, which says that a log must be there;
and `check`, once damage was met, which has the whole store checked when it is opened next.
"""

import errno
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from diskcache import Cache, Disk, Timeout
from diskcache.core import MODE_RAW

from gateway.errors import DamagedRow, DamagedStore, OutboxError, OutboxFull
from gateway.outbox.directory import Ballast, DirectoryLock, free_bytes, in_words, sync_directory, whole_bytes

DATABASE = "cache.db"
LOG = "cache.db-wal"
IN_USE = "in-use"
CHECK = "check"
BALLAST = "ballast"

_NEVER_A_FILE = 2**40
_LOG_KEPT = 2**24
"""Bytes of the log's file that stay when it begins anew."""
_ROWS_AT_ONCE = 500
_FREE_KEPT = 2048
"""Free pages within the database that are kept for what comes next."""
_GIVEN_BACK = 1024
"""Pages that one transaction gives back at the most, so that it stays short."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SEAL = 8
"""Hexadecimal digits of the checksum before each value."""


def sealed(key: str, text: str) -> str:
    """`text` as it is stored: with a checksum (CRC-32) over it and its key, which finds any altered bit."""
    return f"{_checksum(key.encode(), text.encode()):0{_SEAL}x}{text}"


def unsealed(key: bytes, value: object) -> str | None:
    """The text of what was stored; None where it, or its key, is not as it was written."""
    if not isinstance(value, bytes):
        return None
    text = value[_SEAL:]
    if value[:_SEAL] != b"%08x" % _checksum(key, text):
        return None
    return text.decode()


def _checksum(key: bytes, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(key + b"\n"))


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


class _TextCache(Cache):  # type: ignore[misc]  # diskcache has no types
    """The library's cache with the settings above, and what its interface lacks. It belongs to the calling thread."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
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
            sqlite_cache_size=2048,
            sqlite_auto_vacuum=2,
            sqlite_journal_size_limit=_LOG_KEPT,
        )

    def number(self, pragma: str) -> int:
        """One of SQLite's own figures."""
        ((number,),) = self._sql(f"PRAGMA {pragma}").fetchall()
        return int(number)

    def values(self, key: str) -> list[tuple[object]]:
        """The stored value of `key`, if there is one. Nothing that could be altered beside it is looked at."""
        select = "SELECT CAST(value AS BLOB) FROM Cache WHERE key = ? AND raw = 1"
        rows: list[tuple[object]] = self._sql(select, (key,)).fetchall()
        return rows

    def rows_after(self, rowid: int) -> list[tuple[int, bytes, object]]:
        """The next rows in the order in which they were put: where, key and stored value. SQLite reads them in one go,
        while the library's own iteration by key begins anew for every hundred."""
        select = (
            "SELECT rowid, CAST(key AS BLOB), CAST(value AS BLOB) FROM Cache WHERE rowid > ? ORDER BY rowid LIMIT ?"
        )
        rows: list[tuple[int, bytes, object]] = self._sql(select, (rowid, _ROWS_AT_ONCE)).fetchall()
        return rows

    def give_back(self) -> None:
        """Return pages to the disk where more than half of the file is free."""
        free = self.number("freelist_count")
        if free > max(_FREE_KEPT, self.number("page_count") // 2):
            # A script, because a statement without columns is carried on with only once: that gives back a single page.
            self._con.executescript(f"PRAGMA incremental_vacuum({_GIVEN_BACK})")

    def abandon(self) -> None:
        """End a transaction that a failed COMMIT has left open."""
        if self._con.in_transaction:
            self._sql("ROLLBACK")


class SqliteStore:
    """Rows in the folder `directory`, for one thread.

    `limit` is what the rows may take in bytes; `min_free` the share of the disk that shall stay free; `ballast` the
    bytes that are held back: 8 MiB or more, because SQLite keeps up to 4 MiB in its log before it makes the database
    larger by as much. `lock` is let go of by `close`. A transaction that was refused because the disk failed while it
    was being synced may nevertheless be there after a crash.
    """

    def __init__(
        self,
        directory: Path,
        limit: int | None = None,
        min_free: float | None = None,
        ballast: int = 0,
        lock: DirectoryLock | None = None,
    ) -> None:
        """Open it, or create it where there is none. Raises OutboxError."""
        self._directory = directory
        self._limit = limit
        self._min_free = min_free
        self._lock = lock
        self._ballast = Ballast(directory / BALLAST, ballast)
        try:
            self._cache = self._open()
        except OutboxFull:
            if not self._ballast.release():
                raise
            self._cache = self._open()
        self._ballast.make()

    def get(self, key: str) -> str | None:
        with self._translated("read"):
            values = self._cache.values(key)
        if not values:
            return None
        text = unsealed(key.encode(), values[0][0])
        return self._damaged(key) if text is None else text

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        drop = tuple(drop)
        try:
            self._write(put, drop)
        except OutboxFull:
            if not self._ballast.release():
                raise
            self._write(put, drop)
        with suppress(sqlite3.Error):
            # The rows are written. What goes wrong here keeps pages in the file; damage is met by the next call too.
            self._cache.give_back()

    def items(self) -> Iterator[tuple[str, str]]:
        rowid = 0
        while True:
            with self._translated("read"):
                rows = self._cache.rows_after(rowid)
            if not rows:
                return
            for rowid, key, value in rows:  # noqa: B007 - where the next rows begin
                text = unsealed(key, value) if isinstance(key, bytes) else None
                name = str(key, "utf-8", "replace") if isinstance(key, bytes) else "unknown"
                yield name, self._damaged(name) if text is None else text

    def used(self) -> int:
        """Bytes of pages in use: a file of SQLite's keeps free pages for what comes next."""
        with self._translated("read"):
            pages = self._cache.number("page_count") - self._cache.number("freelist_count")
            return pages * self._cache.number("page_size")

    def full(self) -> str | None:
        if not (self._directory / DATABASE).exists():
            return (
                f"somebody has removed the outbox's files in {self._directory}: what waits is only in files that are "
                "gone once this process ends. Let it deliver what it can, then restart it"
            )
        if not self._ballast.make():
            size = in_words(self._ballast.size)
            return (
                f"the disk of {self._directory} is full: the reserve of {size} had to be used. "
                f"Free some space: it goes on by itself once {in_words(2 * self._ballast.size)} are free"
            )
        if self._limit is not None and (used := self.used()) >= self._limit:
            return f"the outbox takes {in_words(used)}, and {in_words(self._limit)} are allowed"
        if self._min_free is not None:
            with self._translated("read"):
                within = self._cache.number("freelist_count") * self._cache.number("page_size")
                share = (free_bytes(self._directory) + within) / whole_bytes(self._directory)
            if share < self._min_free:
                return (
                    f"{share:.1%} of the disk of {self._directory} are free, and {self._min_free:.1%} shall stay free"
                )
        return None

    def close(self) -> None:
        """SQLite puts its log into the database and removes it."""
        with suppress(OSError):
            # Before the log goes, so that no crash leaves the mark without a log.
            (self._directory / IN_USE).unlink(missing_ok=True)
            sync_directory(self._directory)
        self._cache.close()
        if self._lock is not None:
            self._lock.release()

    def _open(self) -> _TextCache:
        with self._translated("opened"):
            if not self._directory.exists():
                self._directory.mkdir(mode=0o700)
                sync_directory(self._directory.parent)
            cache = _TextCache(self._directory)
            sync_directory(self._directory)
            (self._directory / IN_USE).touch()
            sync_directory(self._directory)
        return cache

    def _write(self, put: Mapping[str, str], drop: tuple[str, ...]) -> None:
        with self._translated("written"):
            try:
                with self._cache.transact():
                    for key in drop:
                        self._cache.delete(key)
                    for key, text in put.items():
                        self._cache.set(key, sealed(key, text))
            finally:
                self._cache.abandon()

    def _damaged(self, key: str) -> NoReturn:
        self._have_checked()
        raise DamagedRow(f"the row {key} of the outbox in {self._directory} is not as it was written")

    def _have_checked(self) -> None:
        with suppress(OSError):
            (self._directory / CHECK).touch()

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, Timeout) as error:
            first = _first(error)
            code = getattr(first, "sqlite_errorcode", 0) & 0xFF
            reason = str(first)
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._have_checked()
                where = f"the outbox in {self._directory}"
                text = f"{where} is damaged, and is repaired when the gateway starts next ({first})"
                raise DamagedStore(text) from error
            if isinstance(first, OSError) or code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
                # SQLite tells neither a used-up quota from a broken disk, nor the system's reason.
                obstacle = first if isinstance(first, OSError) else self._obstacle()
                if obstacle is not None:
                    code = sqlite3.SQLITE_FULL if obstacle.errno in _NO_ROOM else code
                    reason = f"{obstacle.strerror} ({first})"
            if code == sqlite3.SQLITE_FULL:
                raise OutboxFull(f"the disk of the outbox in {self._directory} is full: {reason}") from error
            raise OutboxError(f"the outbox in {self._directory} cannot be {done}: {reason}") from error

    def _obstacle(self) -> OSError | None:
        """What keeps this process from writing a file here."""
        path = self._directory / "trial"
        try:
            with path.open("wb") as file:
                file.write(os.urandom(2**16))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return None


def _first(error: BaseException) -> BaseException:
    """What went wrong first: the library's Timeout, and the failure of its ROLLBACK, hide it."""
    while isinstance(error.__context__, sqlite3.Error | OSError):
        error = error.__context__
    return error
