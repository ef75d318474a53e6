"""The database of the store: diskcache's file, connection and settings, and in it two tables of our own.

Why each setting differs from the library's default: eviction and its size limit would delete records; values above
`disk_min_file_size` would become files that are never fsynced; synchronous=FULL makes every commit an fsync of the
write-ahead log; memory-mapped reads turn an I/O error into a crash of the process; pickles run code when read. Free
pages are given back to the disk in steps (auto_vacuum=INCREMENTAL), instead of with every commit; the log's file is cut
back where a large change has made it long.

The library's own table costs three triggers and two indices a row. It holds what says how the file is to be read:
`format`, and `journal`, the number of the first change that is not in place. `Rows` has the rows in the order in which
they were first put, and an index of their keys; `Journal` the changes that are not in place yet (`journal`). Earlier
formats had their rows in the library's table: they are moved, some in each transaction, by the first start.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from diskcache import Cache, Disk
from diskcache.core import MODE_RAW

DATABASE = "cache.db"
FORMAT = "3"
MOVED = "2"
"""The format of which rows are moved where they are."""
_NEVER_A_FILE = 2**40
_LOG_KEPT = 2**24
"""Bytes of the log's file that stay when it begins anew."""
_ROWS_AT_ONCE = 500
_FREE_KEPT = 2048
"""Free pages within the database that are kept for what comes next."""
_GIVEN_BACK = 1024
"""Pages that one transaction gives back at the most, so that it stays short."""
_SEAL = 8
"""Hexadecimal digits of the checksum before each value."""
_LAST = "\U0010ffff"


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


Stored = tuple[bytes, object]
"""A key, and the value as it is stored."""


class Database(Cache):  # type: ignore[misc]  # diskcache has no types
    """The library's cache with the settings above, and the tables of our own. It belongs to the calling thread."""

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
            sqlite_cache_size=512,
            sqlite_auto_vacuum=2,
            sqlite_journal_size_limit=_LOG_KEPT,
        )
        with self.transact():
            self._sql("CREATE TABLE IF NOT EXISTS Rows (place INTEGER PRIMARY KEY, key TEXT NOT NULL, value)")
            self._sql("CREATE UNIQUE INDEX IF NOT EXISTS Rows_key ON Rows (key)")
            self._sql("CREATE TABLE IF NOT EXISTS Journal (slot INTEGER PRIMARY KEY, block BLOB NOT NULL)")
            if self.named("format") is None:
                self.name("format", FORMAT)
        while self.named("format") == MOVED:
            self._move()

    def number(self, pragma: str) -> int:
        """One of SQLite's own figures."""
        return int(self._sql(f"PRAGMA {pragma}").fetchall()[0][0])

    # What says how the file is to be read

    def named(self, name: str) -> str | None:
        """What the library's table has under a name; None where it is not there, or not as it was written."""
        rows = self._sql("SELECT CAST(value AS BLOB) FROM Cache WHERE key = ? AND raw = 1", (name,)).fetchall()
        return unsealed(name.encode(), rows[0][0]) if rows else None

    def name(self, name: str, text: str) -> None:
        """Put a text under a name of the library's table."""
        self.set(name, sealed(name, text))

    # Rows

    def values(self, keys: Sequence[str]) -> list[Stored]:
        """The rows with these keys that are there."""
        one = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM Rows WHERE key = ?"
        some = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM Rows WHERE key IN (SELECT value FROM json_each(?))"
        statement, given = (one, keys[0]) if len(keys) == 1 else (some, json.dumps(keys))
        rows: list[Stored] = self._sql(statement, (given,)).fetchall()
        return rows

    def values_under(self, prefix: str) -> list[Stored]:
        """The rows whose keys begin like this."""
        select = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM Rows WHERE key >= ? AND key < ?"
        rows: list[Stored] = self._sql(select, (prefix, prefix + _LAST)).fetchall()
        return rows

    def rows_after(self, place: int) -> list[tuple[int, bytes, object]]:
        """The next rows in the order in which they were put: where, key and stored value."""
        select = "SELECT place, CAST(key AS BLOB), CAST(value AS BLOB) FROM Rows WHERE place > ? ORDER BY place LIMIT ?"
        rows: list[tuple[int, bytes, object]] = self._sql(select, (place, _ROWS_AT_ONCE)).fetchall()
        return rows

    def put_in_place(self, rows: Mapping[str, str | None]) -> None:
        """Put rows, and drop those without a text. Within a transaction."""
        dropped = [(key,) for key, text in rows.items() if text is None]
        put = ((key, sealed(key, text)) for key, text in rows.items() if text is not None)
        self._con.executemany("DELETE FROM Rows WHERE key = ?", dropped)
        insert = "INSERT INTO Rows (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._con.executemany(insert, put)

    # The journal

    def slots(self) -> Iterator[object]:
        """What is in the slots of the journal, in their order."""
        for (block,) in self._sql("SELECT block FROM Journal ORDER BY slot").fetchall():
            yield block

    def put_blocks(self, slot: int, blocks: Iterable[bytes]) -> None:
        """Put blocks into the slots from `slot` on. Within a transaction."""
        insert = (
            "INSERT INTO Journal (slot, block) VALUES (?, ?) ON CONFLICT (slot) DO UPDATE SET block = excluded.block"
        )
        self._con.executemany(insert, enumerate(blocks, slot))

    def drop_blocks(self) -> None:
        """Empty all slots, and give their room back. Within a transaction."""
        self._sql("DELETE FROM Journal")

    # Space

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

    def _move(self) -> None:
        """Move some rows of an earlier format out of the library's table; with the last of them the format is the
        present one."""
        others = "FROM Cache WHERE key NOT IN ('format', 'journal')"
        with self.transact():
            some = f"SELECT rowid {others} ORDER BY rowid LIMIT {_ROWS_AT_ONCE}"
            ((last,),) = self._sql(f"SELECT max(rowid) FROM ({some})").fetchall()  # noqa: S608
            if last is None:
                self.name("format", FORMAT)
                self.put_in_place({"format": FORMAT})
            else:
                self._sql(f"INSERT INTO Rows (key, value) SELECT key, value {others} AND rowid <= ?", (last,))
                self._sql(f"DELETE {others} AND rowid <= ?", (last,))
