"""A store that is not as it was written: how that is noticed, and what can still be read of it.

A store up to `CHECKED_WHOLE` bytes is checked whole when it is opened: SQLite's own check of its structure, and the
checksum of every row. Of a larger one, the log, the rows that hold the structure, and the oldest and newest rows are
checked then, and the rest when it is read; where that meets damage, the next start checks the whole store.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from pydantic import TypeAdapter

from gateway.errors import OutboxError
from gateway.outbox import journal
from gateway.outbox.database import DATABASE, FORMAT, sealed, unsealed
from gateway.outbox.sqlite_store import CHECK, IN_USE, LOG, SqliteStore
from gateway.outbox.wal import PAGE, log_fault, mended_copy

CHECKED_WHOLE = 4 * 2**20
FORMATS = ("1", "2", FORMAT)
"""What this version can read, the newest last."""
_EDGE = 1_000
"""Rows at either end of a large store that are checked."""
_STRUCTURE = ("attempt/", "commit", "format", "lane/", "lanes", "totals")
_AT_ONCE = 500
_GIVEN_UP = 100_000
"""Places that are tried, one after another, for a row that follows unreadable ones."""
_NEAR = 10_000
"""How far from where it was looked for a row that is not whole may be to be believed about its place."""
_KEYS_NAMED = 50
_NOT_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)


@dataclass(frozen=True, slots=True)
class DamageReport:
    """What was found and done at `at`: `folder` holds the damaged files, `read` rows were taken from them.

    `lost` are those that were there and could not be read, by kind (the first part of their keys), as far as that can
    be told; `keys` names the first of them.
    """

    at: float
    folder: str
    reason: str
    read: int
    lost: dict[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    left: bool = False
    """The records are still in the folder: the disk had no room for them."""


DAMAGE = TypeAdapter(list[DamageReport])


class Finding(NamedTuple):
    """The format of a store, and what is wrong with it."""

    format: str
    damage: str | None
    begun: bool = False
    """Some of it may have been brought to the present format already."""


class Lost:
    """Rows that were there and could not be read."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.keys: list[str] = []

    def add(self, key: object) -> None:
        name = str(key, "utf-8", "replace") if isinstance(key, bytes) else "unknown"
        self.kinds[name.split("/")[0]] += 1
        if len(self.keys) < _KEYS_NAMED:
            self.keys.append(name)

    def merge(self, others: "Lost") -> None:
        self.kinds += others.kinds
        self.keys = [*self.keys, *others.keys][:_KEYS_NAMED]


def damage_report(at: float, folder: str, reason: str, read: int, lost: Lost, *, left: bool) -> DamageReport:
    """The report on a damaged store, of which `read` rows were taken over. `left`: its records were not, because there
    was no room for them yet."""
    return DamageReport(at, folder, reason, read, dict(sorted(lost.kinds.items())), tuple(lost.keys), left)


def inspect(store: Path) -> Finding:
    """Look at a store without changing it. Raises OutboxError where it cannot be used, although it may be whole."""
    damage = missing(store)
    if damage is not None:
        return Finding("", damage)
    try:
        with closing(connected(store / DATABASE)) as connection:
            version = _format(connection)
            if version and version not in FORMATS:
                raise OutboxError(
                    f"the outbox in {store} has format {version}, and this version reads up to format {FORMATS[-1]}. "
                    "Install the version that wrote it, or a newer one."
                )
            damage = log_fault(store) or _faulty(connection, store, sealed=version != FORMATS[0])
            return Finding(version, damage, begun=_has(connection, "Rows"))
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGE:
            raise OutboxError(f"the outbox in {store} cannot be opened: {error}") from error
        return Finding("", str(error))


def damage_reports(store: Path) -> list[DamageReport]:
    """The reports of damage in a whole store that nobody has acknowledged."""
    with closing(connected(store / DATABASE)) as connection:
        for change in reversed([*_changes(connection)]):
            if change is not None and "damage" in change[0]:
                return DAMAGE.validate_json(change[0]["damage"])
        for table in _tables(connection):
            select = f"SELECT value FROM {table} WHERE key = 'damage'"  # noqa: S608 - of constants
            for (value,) in connection.execute(select).fetchall():
                return DAMAGE.validate_json(unsealed(b"damage", value) or "[]")
    return []


def missing(store: Path) -> str | None:
    """Which file is missing that must be there; None where none is."""
    if not store.is_dir():
        return "it is not a folder"
    database = store / DATABASE
    if not database.is_file():
        return "its database is missing"
    if not database.stat().st_size:
        return "its database is empty"
    if (store / IN_USE).exists() and not (store / LOG).exists():
        return "its log is missing: what was written last is lost, and what was delivered last may wait again"
    return None


def connected(database: Path, *, lenient: bool = False) -> sqlite3.Connection:
    """A connection that changes nothing, nor puts the log into the database; texts come as bytes. `lenient`: also where
    the file is too short."""
    connection = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA cell_size_check = ON")
    if lenient:
        connection.execute("PRAGMA writable_schema = ON")
    return connection


def _format(connection: sqlite3.Connection) -> str:
    """The format of the store; empty where it cannot be told."""
    rows = connection.execute("SELECT value FROM Cache WHERE key = 'format' AND raw = 1").fetchall()
    if not rows:
        # The first version made the store first and wrote the format then.
        return "" if connection.execute("SELECT 1 FROM Cache NOT INDEXED LIMIT 1").fetchall() else FORMATS[0]
    value = rows[0][0]
    if isinstance(value, bytes) and value.isdigit() and len(value) < len(sealed("", "")):
        return value.decode()
    return unsealed(b"format", value) or ""


def _faulty(connection: sqlite3.Connection, store: Path, *, sealed: bool) -> str | None:
    """What is wrong with the content of the database."""
    whole = (store / CHECK).exists() or (store / DATABASE).stat().st_size <= CHECKED_WHOLE
    if whole:
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
        if verdict != b"ok":
            return str(verdict, "utf-8", "replace").replace("\n", " ")
    if any(change is None for change in _changes(connection)):
        return "its journal is not as it was written"
    for key, value in _to_check(connection, whole=whole) if sealed else ():
        if not isinstance(key, bytes) or unsealed(key, value) is None:
            name = str(key, "utf-8", "replace") if isinstance(key, bytes) else "unknown"
            return f"the row {name} is not as it was written"
    if sealed and not connection.execute("SELECT 1 FROM Cache WHERE key = 'format' AND raw = 1").fetchall():
        return "the row format is missing"
    return None


def _newest(changes: Iterable[journal.Change]) -> dict[str, str | None]:
    """What changes say of rows, None of one that is dropped."""
    newest: dict[str, str | None] = {}
    for put, drop in changes:
        newest |= {**dict.fromkeys(drop), **put}
    return newest


def _tables(connection: sqlite3.Connection) -> list[str]:
    """The tables that have rows: the library's table, which alone had them in the first formats, and our own."""
    return ["Cache"] if _format(connection) in FORMATS[:2] and not _has(connection, "Rows") else ["Cache", "Rows"]


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall())


def _changes(connection: sqlite3.Connection) -> Iterator[journal.Change | None]:
    """The changes that are not in place; None for what is not as it was written."""
    if not _has(connection, "Journal"):
        return
    named = connection.execute("SELECT value FROM Cache WHERE key = 'journal' AND raw = 1").fetchall()
    first = unsealed(b"journal", named[0][0]) if named else "0"
    if first is None:
        yield None
    else:
        blocks = (block for (block,) in connection.execute("SELECT block FROM Journal ORDER BY slot"))
        yield from journal.changes(blocks, int(first))


def _to_check(connection: sqlite3.Connection, *, whole: bool) -> Iterator[tuple[object, object]]:
    for table in _tables(connection):
        rows = f"SELECT key, value FROM {table}"  # noqa: S608 - of constants
        if whole:
            yield from connection.execute(f"{rows} ORDER BY rowid")
            continue
        for prefix in _STRUCTURE:
            yield from connection.execute(f"{rows} WHERE key >= ? AND key < ?", (prefix, prefix + "\x7f"))
        for order in ("ASC", "DESC"):
            yield from connection.execute(f"{rows} ORDER BY rowid {order} LIMIT {_EDGE}")


_INDICES = {"Cache": "Cache_key_raw", "Rows": "Rows_key"}
"""The index of keys of each table."""


class Salvage:
    """What can be read from the damaged store in `store`; `work` is a place for copies, where they are needed."""

    def __init__(self, store: Path, work: Path) -> None:
        self.format = FORMATS[-1]
        self._failed, self._read = Lost(), Counter[str]()
        self._store = store
        self._database = self._usable(store, work)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Every row that is whole, as the journal has it where it is there. Can be asked for again."""
        self._failed, self._read = Lost(), Counter()
        newest: dict[str, str | None] = {}
        if self._database is not None:
            with closing(connected(self._database, lenient=True)) as connection:
                newest = _newest(self._changes(connection))
                for table in _tables(connection):
                    for key, text in self._readable(connection, table):
                        known = newest.pop(key, text)
                        if known is not None and not (table == "Cache" and key == "journal"):
                            yield key, known
        if not self._read and not newest:
            newest = _newest(self._loose_changes())
        yield from ((key, text) for key, text in newest.items() if text is not None)

    def lost(self) -> Lost:
        """The rows that were there and are not among `rows`, as far as SQLite's index of keys tells."""
        lost = Lost()
        if self._database is None:
            return lost
        with closing(connected(self._database, lenient=True)) as connection:
            replaced = {key.encode() for put, drop in self._changes(connection) for key in (*put, *drop)}
            for table in _tables(connection):
                found = Lost()
                index = f"SELECT key, rowid FROM {table} INDEXED BY {_INDICES[table]} ORDER BY key"  # noqa: S608
                try:
                    for key, rowid in connection.execute(index):
                        if key not in replaced and not self._is_whole(connection, table, rowid):
                            found.add(key)
                except sqlite3.DatabaseError:
                    found = max(found, self._failed, key=lambda rows: rows.kinds.total())
                lost.merge(found)
            with suppress(sqlite3.DatabaseError):
                # diskcache keeps count of its rows: there may be some that no longer have a key.
                for (number,) in connection.execute("SELECT value FROM Settings WHERE key = 'count'"):
                    nameless = number - self._read["Cache"] - lost.kinds.total() if isinstance(number, int) else 0
                    lost.kinds.update({"unknown": nameless} if nameless > 0 else {})
            with suppress(sqlite3.DatabaseError):
                for _ in range(sum(change is None for change in _changes(connection))):
                    lost.add(b"journal")
        return lost

    def _usable(self, store: Path, work: Path) -> Path | None:
        """A database that SQLite can read rows from: the store's own, or a copy that was mended for that."""
        if missing(store) is None and self._begins(store / DATABASE):
            with closing(connected(store / DATABASE, lenient=True)) as connection, suppress(sqlite3.Error, OSError):
                connection.execute("SELECT 1 FROM Cache LIMIT 1").fetchall()
                if log_fault(store) is None:
                    return store / DATABASE
        if not store.is_dir():
            return None
        mended_copy(store, work / "log", b"")
        if self._begins(work / "log" / DATABASE):
            return work / "log" / DATABASE
        SqliteStore(work / "new").close()
        mended_copy(store, work / "schema", (work / "new" / DATABASE).read_bytes()[:PAGE])
        return work / "schema" / DATABASE if self._begins(work / "schema" / DATABASE) else None

    def _begins(self, database: Path) -> bool:
        """Whether SQLite finds the tables of rows; takes note of their format."""
        try:
            with closing(connected(database, lenient=True)) as connection:
                for table in _tables(connection):
                    connection.execute(f"SELECT rowid FROM {table} NOT INDEXED WHERE rowid < 0").fetchall()  # noqa: S608
                with suppress(sqlite3.DatabaseError):
                    self.format = FORMATS[0] if _format(connection) == FORMATS[0] else FORMATS[-1]
        except sqlite3.DatabaseError:
            return False
        return True

    def _changes(self, connection: sqlite3.Connection) -> Iterator[journal.Change]:
        """The changes of the journal that are whole."""
        with suppress(sqlite3.DatabaseError):
            for change in _changes(connection):
                if change is not None:
                    yield change

    def _loose_changes(self) -> Iterator[journal.Change]:
        """The changes in blocks of the journal that lie in the files of a store, whatever else is left of that."""
        files = [path.read_bytes() for name in (DATABASE, LOG) if (path := self._store / name).is_file()]
        blocks = [block for content in files for block in journal.found(content)]
        return filter(None, journal.changes(blocks, journal.first_of(blocks)))

    def _is_whole(self, connection: sqlite3.Connection, table: str, rowid: int) -> bool:
        try:
            rows = connection.execute(f"SELECT key, value FROM {table} WHERE rowid = ?", (rowid,)).fetchall()  # noqa: S608
        except sqlite3.DatabaseError:
            return False
        return bool(rows) and self._text(*rows[0]) is not None

    def _text(self, key: object, value: object) -> str | None:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            return None
        if self.format != FORMATS[0]:
            return unsealed(key, value)
        try:
            key.decode()
            return value.decode()
        except UnicodeDecodeError:
            return None

    def _readable(self, connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
        """The rows that SQLite can get at and that are whole; what is not is stepped over."""
        select = f"SELECT rowid, key, value FROM {table} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT ?"  # noqa: S608
        rowid, most, tried = 0, _AT_ONCE, 0
        while tried < _GIVEN_UP:
            # Far from a readable row the steps grow, because keys that are gone leave large gaps.
            step = 1 + tried // 1000
            try:
                rows = connection.execute(select, (rowid, most)).fetchall()
            except sqlite3.DatabaseError:
                rowid, tried = (rowid + step, tried + 1) if most == 1 else (rowid, tried)
                most = 1
                continue
            if not rows:
                return
            most = min(2 * most, _AT_ONCE)
            for place, key, value in rows:
                text = self._text(key, value)
                if place < rowid or (text is None and place > rowid + _NEAR):
                    # A damaged page may say anything about where its rows are.
                    rowid, tried, most = rowid + step, tried + 1, 1
                    break
                rowid = place + 1
                if text is None:
                    self._failed.add(key)
                else:
                    tried = 0
                    self._read[table] += 1
                    yield str(key, "utf-8"), text
