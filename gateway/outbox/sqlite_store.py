"""The key-value store on disk: SQLite by way of diskcache, set up so that nothing it is given is ever lost, evicted,
pickled or left un-synced (`database`).

A transaction is a change in the journal: a few pages, however many rows it is about (`journal`). What the journal holds
is held in memory too, so that what moves often is read from there. Once its slots are used up, and where a transaction
is large, all rows that have changed are put in place in one transaction.

What was measured, in bytes written for each commit that makes a record, 40 a second from 40 lines, beside a table of
plain messages that writes 8.3 KB: rows that are put in place with each commit 40 to 50 KB; a journal that grows and is
emptied 12 to 15 KB, because of the pages that are taken and freed; slots that are written over 10 KB, with pages of
4,096 bytes. A larger journal or a longer log save less than a tenth more, and make a start after a crash longer. So
SQLite's own limit of a log stays: it puts 1,000 pages, 4 MiB, into the database at once.

Beside SQLite's own files, the folder holds `ballast`; `in-use`, while it is open, which says that a log must be there;
and `check`, once damage was met, which has the whole store checked when it is opened next.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from diskcache import Timeout

from gateway.errors import DamagedRow, DamagedStore, OutboxError, OutboxFull
from gateway.outbox import journal
from gateway.outbox.database import DATABASE, Database, Stored, unsealed
from gateway.outbox.directory import (
    REMOVED,
    Ballast,
    DirectoryLock,
    free_bytes,
    in_words,
    make_folder,
    sync_directory,
    whole_bytes,
)
from gateway.outbox.key_value import SCARCE
from gateway.own_files import open_own

LOG = "cache.db-wal"
IN_USE = "in-use"
CHECK = "check"
BALLAST = "ballast"

_LARGE = 2**18
"""Characters of a transaction that is put in place at once: more than some hundred lines move in a second."""
_ROW = 32
"""Bytes that a row takes beside its key and text."""
_MOST_HELD = 2**19
"""Bytes of rows that are held in memory, because they are not in place yet."""
_MOST_DROPPED = 100
"""Rows that are dropped and still take their room."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
        self._newest: dict[str, str | None] | None = None
        """What the journal says of rows, None of one that is dropped. None: it is to be read again."""
        self._held = 0
        """What the rows in `_newest` will take in place."""
        self._number = self._slot = self._dropped = 0
        """Of the next change, and where in the journal it goes; how many rows that are in place are to be dropped."""
        try:
            self._database = self._open()
        except OutboxFull:
            if not self._ballast.release():
                raise
            self._database = self._open()
        self._opened = _file(directory / DATABASE)
        self._ballast.make()

    def get(self, key: str) -> str | None:
        newest = self._journal()
        if key in newest:
            return newest[key]
        with self._translated("read"):
            rows = self._database.values((key,))
        return self._text(*rows[0]) if rows else None

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        newest = self._journal()
        texts = {key: text for key in keys if (text := newest.get(key)) is not None}
        others = [key for key in keys if key not in newest]
        return texts | self._read(lambda: self._database.values(others)) if others else texts

    def get_under(self, prefix: str) -> dict[str, str]:
        newest = self._journal()
        texts = self._read(lambda: self._database.values_under(prefix))
        for key, text in newest.items():
            if key.startswith(prefix):
                texts.pop(key, None)
                texts |= {key: text} if text is not None else {}
        return texts

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        drop = tuple(drop)
        try:
            self._write(put, drop)
        except OutboxFull:
            if not self._ballast.release():
                self._begin_log_anew()
            self._write(put, drop)
        with suppress(sqlite3.Error):
            # The rows are written. What goes wrong here keeps pages in the file; damage is met by the next call too.
            self._database.give_back()

    def items(self) -> Iterator[tuple[str, str]]:
        newest = dict(self._journal())
        place = 0
        while True:
            with self._translated("read"):
                rows = self._database.rows_after(place)
            for place, key, value in rows:  # noqa: B007 - where the next rows begin
                name = str(key, "utf-8", "replace") if isinstance(key, bytes) else "unknown"
                if name not in newest:
                    yield name, self._text(key, value)
                elif (text := newest.pop(name)) is not None:
                    yield name, text
            if not rows:
                break
        yield from ((key, text) for key, text in newest.items() if text is not None)

    def used(self) -> int:
        """Bytes of pages in use, and of what is not in place yet: a file of SQLite's keeps free pages for what comes
        next."""
        self._journal()
        with self._translated("read"):
            pages = self._database.number("page_count") - self._database.number("freelist_count")
            return pages * self._database.number("page_size") + self._held

    def full(self) -> str | None:
        if _file(self._directory / DATABASE) != self._opened:
            # Gone, or another has come back in its place, into which nothing that is written here comes.
            return (
                f"{REMOVED} in {self._directory}: what waits is only in files that are "
                "gone once this process ends. Let it deliver what it can, then restart it"
            )
        if not self._ballast.make():
            size = in_words(self._ballast.size)
            return (
                f"the disk of {self._directory} is full: the reserve of {size} had to be used. "
                f"Free some space: it goes on by itself once {in_words(2 * self._ballast.size)} are free"
            )
        if self._min_free is not None:
            share = self._free() / whole_bytes(self._directory)
            if share < self._min_free:
                return (
                    f"{share:.1%} of the disk of {self._directory} are free, and {self._min_free:.1%} shall stay free"
                )
        return None

    def above_limit(self) -> str | None:
        if self._limit is None or self.used() < self._limit:
            return None
        if self._journal():
            # What was dropped takes its room until that is in place.
            self._put_in_place(self._journal())
        if (used := self.used()) < self._limit:
            return None
        return f"the outbox takes {in_words(used)}, and {in_words(self._limit)} are allowed"

    def scarce(self) -> str | None:
        if self._limit is None:
            return None
        used, least = self.used(), SCARCE * self._limit
        left = f"it takes {in_words(used)}, and"
        if self._limit - used < least:
            return f"{left} {in_words(self._limit)} are allowed (`size_limit`)"
        on_disk = self._free() - (self._min_free or 0.0) * whole_bytes(self._directory)
        if on_disk < least:
            return f"{left} the disk of {self._directory} has room for {in_words(max(on_disk, 0.0))} more"
        return None

    def _free(self) -> int:
        """Bytes that can still be written: on the disk, and within the file, which keeps free pages for what comes."""
        with self._translated("read"):
            within = self._database.number("freelist_count") * self._database.number("page_size")
            return free_bytes(self._directory) + within

    def close(self) -> None:
        """What the journal holds is put in place; SQLite puts its log into the database and removes it."""
        with suppress(OutboxError):
            self._put_in_place(self._journal(), clean=True)
        with suppress(OSError):
            # Before the log goes, so that no crash leaves the mark without a log.
            (self._directory / IN_USE).unlink(missing_ok=True)
            sync_directory(self._directory)
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    def _open(self) -> Database:
        with self._translated("opened"):
            if not self._directory.exists():
                make_folder(self._directory)
                sync_directory(self._directory.parent)
            database = Database(self._directory)
            sync_directory(self._directory)
            (self._directory / IN_USE).touch()
            sync_directory(self._directory)
        return database

    def _journal(self) -> dict[str, str | None]:
        """What the journal says of rows."""
        if self._newest is None:
            newest: dict[str, str | None] = {}
            with self._translated("read"):
                first = int(self._database.named("journal") or 0)
                changes = list(journal.changes(self._database.slots(), first))
            self._number, self._slot, self._dropped = first, 0, 0
            for change in changes:
                if change is None:
                    self._damaged("journal")
                self._slot += len(journal.blocks(self._number, *change))
                self._number += 1
                newest |= _rows(*change)
            self._newest = newest
            self._held = sum(_room(key, text) for key, text in newest.items())
        return self._newest

    def _write(self, put: Mapping[str, str], drop: tuple[str, ...]) -> None:
        newest = self._journal()
        # What is no text fails here, before anything is changed.
        large = sum(map(str.__len__, put.values())) > _LARGE
        blocks = [] if large else journal.blocks(self._number, put, drop)
        dropped = self._dropped + sum(key not in newest for key in drop)
        rows = _rows(put, drop)
        held = self._held + sum(_room(key, text) - _room(key, newest.get(key)) for key, text in rows.items())
        used_up = held > _MOST_HELD or dropped > _MOST_DROPPED or self._slot + len(blocks) > journal.SLOTS
        if large or used_up:
            self._put_in_place({**newest, **rows})
            return
        self._newest = None  # until it is written, nobody knows what is there
        with self._transaction():
            self._database.put_blocks(self._slot, blocks)
        newest |= rows
        self._newest, self._held = newest, held
        self._number, self._slot, self._dropped = self._number + 1, self._slot + len(blocks), dropped

    def _put_in_place(self, rows: Mapping[str, str | None], *, clean: bool = False) -> None:
        """Put what the journal holds, and what else is in `rows`, in place; the journal begins anew, without its slots
        where it is to be `clean`."""
        self._newest = None
        with self._transaction():
            self._database.put_in_place(rows)
            if clean:
                self._database.drop_blocks()
            self._database.name("journal", str(self._number + 1))
        self._newest, self._held = {}, 0
        self._number, self._slot, self._dropped = self._number + 1, 0, 0

    def _begin_log_anew(self) -> None:
        """Let SQLite put its log into the database, so that the next transaction needs no more room for it."""
        with self._translated("written"):
            self._database.number("wal_checkpoint(RESTART)")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated("written"):
            try:
                with self._database.transact():
                    yield
            finally:
                self._database.abandon()

    def _read(self, select: Callable[[], list[Stored]]) -> dict[str, str]:
        with self._translated("read"):
            rows = select()
        return {str(key, "utf-8", "replace"): self._text(key, value) for key, value in rows}

    def _text(self, key: bytes, value: object) -> str:
        text = unsealed(key, value) if isinstance(key, bytes) else None
        return self._damaged(str(key, "utf-8", "replace")) if text is None else text

    def _damaged(self, key: str) -> NoReturn:
        self._have_checked()
        raise DamagedRow(f"the row {key} of the outbox in {self._directory} is not as it was written")

    def _have_checked(self) -> None:
        check = self._directory / CHECK
        with suppress(OSError):
            try:
                check.touch()
            except OSError as error:
                # On a full disk the reserve makes room for it: what is not marked is not repaired.
                if error.errno not in _NO_ROOM or not self._ballast.release():
                    raise
                check.touch()

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
            with os.fdopen(open_own(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(os.urandom(2**16))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return None


def _file(path: Path) -> tuple[int, int] | None:
    """Which file is there, whatever it holds; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _rows(put: Mapping[str, str], drop: Iterable[str]) -> dict[str, str | None]:
    return {**dict.fromkeys(drop), **put}


def _room(key: str, text: str | None) -> int:
    """About how many bytes a row takes in place, with its key in the index."""
    return 0 if text is None else len(text) + 2 * len(key) + _ROW


def _first(error: BaseException) -> BaseException:
    """What went wrong first: the library's Timeout, and the failure of its ROLLBACK, hide it."""
    while isinstance(error.__context__, sqlite3.Error | OSError):
        error = error.__context__
    return error
