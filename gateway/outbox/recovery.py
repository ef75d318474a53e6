"""Opening the outbox in the gateway's directory: new, whole, of the previous format, or damaged.

In the directory, `outbox` is the store. A store is made in `outbox-building`, and moved to `outbox-ready` once it is
whole and on the disk; then the one before, if there is one, is moved aside, and the new one into its place. So there is
a whole store under one of the two names after a crash at any point. What was damaged stays in
`outbox-damaged-<UTC time>`, for a person. One of an earlier format stays beside the new one for a while (`upgrade`).
What a person has put back is in `outbox-wanted` from the moment on from which it counts, until what was there is in
`outbox-replaced-<UTC time>`. Of either the last few are kept. What another user has left is moved out of the way.

Where the disk has no room to take a damaged store over, recovery of its records is deferred: the gateway goes on with
what it needs to take data in, and the records stay in the folder that was set aside. At a later start with room enough
both become one store: first the records from the folder, where each one that makes something counts as one that Oden
may have already, then those that came since.
"""

import errno
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.errors import OutboxError, OutboxFull
from gateway.frozen import replace
from gateway.outbox.directory import (
    LEFTOVER,
    DirectoryLock,
    clear,
    free_bytes,
    make_folder,
    refuse_unwritable,
    sync_directory,
)
from gateway.outbox.entries import ATTEMPT, INTERVAL
from gateway.outbox.migrate import translated
from gateway.outbox.reindex import reindex, unsure
from gateway.outbox.salvage import DAMAGE, FORMATS, DamageReport, Lost, Salvage, damage_report, damage_reports, inspect
from gateway.outbox.sqlite_store import BALLAST, CHECK, SqliteStore
from gateway.outbox.upgrade import COPYING, keep

Rows = Callable[[], Iterator[tuple[str, str]]]

STORE = "outbox"
_BUILDING, _READY, _OLD, _COPIES = "outbox-building", "outbox-ready", "outbox-old", "outbox-copies"
_WANTED = "outbox-wanted"
_AT_ONCE = 500
"""Rows that are written together when a store is made from another."""
_MOST_ASIDE = 5
"""Folders that are kept of damaged stores, and of replaced ones: the newest."""
_MOST_REPORTS = 100
_NO_ROOM = (
    "the disk had no room for the records in it, which are taken over at the first start that finds room for a copy"
)
_WITH_RECORDS = ("record", "attempt", "lane", "lanes")
"""Kinds of rows that wait for room where recovery is deferred."""
_OF_PRESENT = (
    *(
        "line",
        "lines-at-oden",
        "session",
        "receipts",
        "receipt",
        "ids",
        "notice",
        "reject",
        "payload",
        "totals",
        "damage",
        "format",
        "commit",
        "clock",
        "life",
        "learned",
        "left-open",
        "uncompared",
        "resting",
        "pause",
    ),
)
"""Kinds of rows of which the store that went on has the later ones."""
_LITTLE_ROOM = 2**20
"""Bytes; with less, the ballast goes before anything is tried."""


def open_store(
    directory: Path,
    *,
    limit: int | None = None,
    min_free: float | None = None,
    ballast: int = 0,
    now: Callable[[], float] = time.time,
) -> tuple[SqliteStore, list[DamageReport]]:
    """The rows in `directory`, held by this process alone, and the reports of damage that nobody has acknowledged yet.

    A store of an earlier format is brought to the present one; a damaged one is set aside, and what can be read of it
    is taken over. Raises OutboxError where the directory cannot be written or is in use, the disk is full, or the store
    is of a later format.
    """
    lock = DirectoryLock(directory)
    try:
        try:
            _prepare(directory, now, partial(keep, directory / STORE, min_free=min_free, reserve=ballast))
            rows = _opened(directory, limit, min_free, ballast, lock, now)
        except OSError as error:
            raise OutboxError(f"the outbox in {directory} cannot be opened: {error}") from error
        return rows, DAMAGE.validate_json(rows.get("damage") or "[]")
    except BaseException:
        lock.release()
        raise


def restore(directory: Path, rows: Rows, at: float) -> str | None:
    """Put a store with the `rows` of a backup, which are read twice, in the place of the one in `directory`; answers in
    which folder that is now. Raises OutboxError where the directory is in use, cannot be written, or the rows cannot be
    read to their end: then all is as it was."""
    for _ in rows():
        pass
    return _put_back(directory, at, lambda: _build(directory, rows()))


def restore_folder(directory: Path, folder: Path, at: float) -> str | None:
    """As `restore`, with the store that was kept or set aside in `folder`, which is in `directory`. Its format stays,
    also where that is an earlier one; it is there no longer then. Raises OutboxError also where it is not whole."""
    if folder.absolute().parent.resolve() != directory.resolve():
        raise OutboxError(f"{folder} is not in {directory}: a folder can only be put back where it was set aside")

    def whole() -> Path:
        damage = inspect(folder).damage
        if damage is not None:
            raise OutboxError(f"{folder} is no outbox that is whole: {damage}")
        return folder

    return _put_back(directory, at, whole)


def _put_back(directory: Path, at: float, make: Callable[[], Path]) -> str | None:
    """Put the store that `make` answers, while nobody else has the directory, in the place of `outbox`."""
    lock = DirectoryLock(directory)
    try:
        _finish(directory, at)
        _move(directory, make(), directory / _WANTED)
        return _take_wanted(directory, at)
    except OSError as error:
        raise OutboxError(f"the backup cannot be put into {directory}: {error}") from error
    finally:
        lock.release()


def _take_wanted(directory: Path, at: float) -> str | None:
    """Have what a person has put back count; answers in which folder what was there before is now."""
    store, aside = directory / STORE, None
    if store.exists():
        aside = _free_name(directory, at, "replaced")
        _move(directory, store, aside)
    _move(directory, directory / _WANTED, store)
    if aside is not None:
        _forget_oldest(directory, "replaced", aside)
    return aside.name if aside is not None else None


def _opened(
    directory: Path,
    limit: int | None,
    min_free: float | None,
    ballast: int,
    lock: DirectoryLock,
    now: Callable[[], float],
) -> SqliteStore:
    store = directory / STORE
    try:
        return SqliteStore(store, limit, min_free, ballast, lock)
    except OutboxError as error:
        # A large store is not checked whole before: its damage may show only now.
        if not (store / CHECK).exists():
            raise
        _replace(directory, str(error), now())
        return SqliteStore(store, limit, min_free, ballast, lock)


def _prepare(directory: Path, now: Callable[[], float], keep_earlier: Callable[[str], None]) -> None:
    """Make `outbox` a whole store of the present format. What an earlier version has left is kept before."""
    store = directory / STORE
    _finish(directory, now())
    if not store.exists():
        _build(directory)
        _move(directory, directory / _READY, store)
        return
    refuse_unwritable(store)
    if free_bytes(directory) < _LITTLE_ROOM:
        (store / BALLAST).unlink(missing_ok=True)
    finding = inspect(store)
    if finding.damage is None and finding.format != FORMATS[-1] and not finding.begun:
        keep_earlier(finding.format)
    if finding.damage is not None or finding.format == FORMATS[0]:
        _replace(directory, finding.damage, now())
    elif any(report.left for report in damage_reports(store)):
        _take_up(directory)
    (store / CHECK).unlink(missing_ok=True)


def _finish(directory: Path, at: float) -> None:
    """End what a crash has interrupted."""
    for path in (*(directory / name for name in (_BUILDING, _COPIES, COPYING)), *directory.glob(f"{LEFTOVER}*")):
        clear(path)
    if (directory / _WANTED).exists():
        _take_wanted(directory, at)
    if (directory / STORE).exists():
        clear(directory / _READY)
        clear(directory / _OLD)
    elif (directory / _READY).exists():
        _move(directory, directory / _READY, directory / STORE)
        clear(directory / _OLD)


def _replace(directory: Path, damage: str | None, at: float) -> None:
    """Put a store in the place of `outbox` that has all of its rows that can be read; where the disk has no room for
    that, those without which the gateway cannot go on."""
    store, copies = directory / STORE, directory / _COPIES
    if store.is_dir():
        (store / BALLAST).unlink(missing_ok=True)
    aside = directory / _OLD if damage is None else _free_name(directory, at)
    try:
        make_folder(copies)
        salvage = Salvage(store, copies)
        if damage is None:
            _build(directory, _rows_of(salvage), reindex)
        else:
            finish = partial(_salvaged, salvage, (at, aside.name, damage), left=False)
            _build(directory, unsure(_rows_of(salvage)), finish)
    except (OutboxFull, OSError) as error:
        if damage is None or not _is_full(error):
            raise
        for name in (_BUILDING, _COPIES):
            clear(directory / name)
        make_folder(copies)
        finish = partial(_salvaged, None, (at, aside.name, f"{damage}; {_NO_ROOM}"), left=True)
        _build(directory, _essential_of(store, copies), finish)
    clear(copies)
    _move(directory, store, aside)
    _move(directory, directory / _READY, store)
    clear(directory / _OLD)
    _forget_oldest(directory, "damaged", aside)


def _take_up(directory: Path) -> None:
    """Take the records over that were left in folders for want of room, where there is room now."""
    store, copies = directory / STORE, directory / _COPIES
    for deferred in damage_reports(store):
        folder = directory / deferred.folder
        if not deferred.left or not folder.is_dir() or free_bytes(directory) < _size(folder) + _size(store):
            continue
        after = [replace(report, left=report.left and report != deferred) for report in damage_reports(store)]
        try:
            make_folder(copies)
            (copies / "left").mkdir()
            left, present = Salvage(folder, copies / "left"), Salvage(store, copies)
            _build(directory, joined(partial(_rows_of, left), present.rows), partial(_taken_up, after))
        except (OutboxFull, OSError) as error:
            if not _is_full(error):
                raise
            for name in (_BUILDING, _COPIES):
                clear(directory / name)  # it stays where it is
            return
        clear(copies)
        _move(directory, store, directory / _OLD)
        _move(directory, directory / _READY, store)
        clear(directory / _OLD)


def _build(
    directory: Path,
    items: Iterable[tuple[str, str]] = (),
    finish: Callable[[SqliteStore], object] = lambda _: None,
) -> Path:
    """Make `outbox-ready` of `items`, and answer it; `finish` makes them an outbox."""
    building = directory / _BUILDING
    rows = SqliteStore(building)
    try:
        _fill(rows, items)
        finish(rows)
        rows.apply({"format": FORMATS[-1]})
    finally:
        rows.close()
    sync_directory(building)
    return _move(directory, building, directory / _READY)


def _rows_of(salvage: Salvage) -> Iterator[tuple[str, str]]:
    """What can be read, in the present format."""
    return translated(salvage.rows) if salvage.format == FORMATS[0] else salvage.rows()


def _essential_of(store: Path, copies: Path) -> Iterator[tuple[str, str]]:
    """The rows without records that the gateway cannot go on without; none where even these cannot be read without a
    copy."""
    try:
        salvage = Salvage(store, copies)
    except OSError as error:
        if not _is_full(error):
            raise
        return
    yield from essential(_rows_of(salvage))


def _salvaged(salvage: Salvage | None, damaged: tuple[float, str, str], rows: SqliteStore, *, left: bool) -> None:
    """Make the rows an outbox, and report on them; `damaged`: when, which folder, why."""
    read = sum(1 for _ in rows.items())
    senseless = reindex(rows, damaged=True)
    lost = salvage.lost() if salvage is not None else Lost()
    for key in senseless:
        lost.add(key.encode())
    damages = DAMAGE.validate_json(rows.get("damage") or "[]")
    damages.append(damage_report(*damaged, read - len(senseless), lost, left=left))
    rows.apply({"damage": DAMAGE.dump_json(damages[-_MOST_REPORTS:]).decode()})


def _taken_up(damages: list[DamageReport], rows: SqliteStore) -> None:
    reindex(rows)
    rows.apply({"damage": DAMAGE.dump_json(damages).decode()})


def _forget_oldest(directory: Path, what: str, newest: Path) -> None:
    """Of folders set aside as `what`, keep the last few, `newest` among them, and those with records to take over."""
    left = {report.folder for report in damage_reports(directory / STORE) if report.left}
    aside = [path for path in directory.glob(f"outbox-{what}-*") if path.name not in left]
    aside.sort(key=lambda path: (path == newest, path.name))
    for path in aside[:-_MOST_ASIDE]:
        clear(path)


def _is_full(error: Exception) -> bool:
    return isinstance(error, OutboxFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _fill(rows: SqliteStore, items: Iterable[tuple[str, str]]) -> None:
    """Put all items."""
    batch = dict[str, str]()
    for key, text in items:
        batch[key] = text
        if len(batch) == _AT_ONCE:
            rows.apply(batch)
            batch = {}
    rows.apply(batch)


def _move(directory: Path, path: Path, to: Path) -> Path:
    path.rename(to)
    sync_directory(directory)
    return to


def _free_name(directory: Path, at: float, what: str = "damaged") -> Path:
    name = f"outbox-{what}-{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H-%M-%S}"
    names = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(directory / free for free in names if not (directory / free).exists())


def essential(rows: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Rows without records: line states, receipts, and the intervals that Oden knows, because more will come for
    these."""
    for key, text in rows:
        kind = key.partition("/")[0]
        if kind == "interval":
            with suppress(ValueError):
                if INTERVAL.validate_json(text).oden_id is not None:
                    yield key, text
        elif kind not in _WITH_RECORDS:
            yield key, text


def joined(left: Rows, present: Rows) -> Iterator[tuple[str, str]]:
    """The rows of both; `reindex` makes the bounds. `left` is read twice. Records of `present` get places after those
    of `left`; attempts of `left` are dropped, because what they carried is looked up as everything else."""
    places: dict[str, int] = defaultdict(int)
    for key, _ in left():
        kind, _, rest = key.partition("/")
        lane, _, number = rest.rpartition("/")
        if kind == "record" and number.isdecimal():
            places[lane] = max(places[lane], int(number) + 1)
    for key, text in unsure(left()):
        kind = key.partition("/")[0]
        if kind in ("record", "interval"):
            yield key, text
    for key, text in present():
        kind, _, rest = key.partition("/")
        lane, _, number = rest.rpartition("/")
        if kind == "record":
            yield f"record/{lane}/{int(number) + places[lane]}", text
        elif kind == "attempt":
            attempt = ATTEMPT.validate_json(text)
            attempt = replace(attempt, positions=tuple(at + places[lane] for at in attempt.positions))
            yield f"attempt/{lane}/{attempt.number}", ATTEMPT.dump_json(attempt).decode()
        elif kind in ("interval", *_OF_PRESENT):
            yield key, text
