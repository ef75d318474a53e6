"""Opening the outbox in the gateway's directory: new, whole, of the previous format, or damaged.

In the directory, `outbox` is the store. A store is made in `outbox-building`, and moved to `outbox-ready` once it is whole and on
the disk; then the one before, if there is one, is moved aside, and the new one into its place. So there is a whole store under
one of the two names after a crash at any point. What was damaged stays in `outbox-damaged-<UTC time>`, for a person; of
these folders the last few are kept.
"""

import errno
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.errors import OutboxError, OutboxFull
from gateway.outbox.ballast import free_bytes, sync_directory
from gateway.outbox.damage import DAMAGE, FORMATS, DamageReport, Lost, Salvage, inspect, report, reports
from gateway.outbox.disk import BALLAST, CHECK, DiskRows
from gateway.outbox.leftover import essential, joined
from gateway.outbox.lock import DirectoryLock, refuse_unwritable
from gateway.outbox.migrate import translated
from gateway.outbox.rebuild import rebuild, unsure

STORE = "outbox"
_BUILDING, _READY, _OLD, _COPIES = "outbox-building", "outbox-ready", "outbox-old", "outbox-copies"
_AT_ONCE = 500
"""Rows that are written together when a store is made from another."""
_MOST_ASIDE = 5
"""Folders of damaged files that are kept, the newest."""
_MOST_REPORTS = 100
_NO_ROOM = (
    "the disk had no room for the records in it, which are taken over at the first start that finds room for a copy"
)
_LITTLE_ROOM = 2**20
"""Bytes; with less, the ballast goes before anything is tried."""


def open_rows(
    directory: Path,
    *,
    limit: int | None = None,
    min_free: float | None = None,
    ballast: int = 0,
    now: Callable[[], float] = time.time,
) -> tuple[DiskRows, list[DamageReport]]:
    """The rows in `directory`, held by this process alone, and the reports of damage that nobody has acknowledged yet.

    A store of the previous format is brought to the present one; a damaged one is set aside, and what can be read of it is taken
    over. Raises OutboxError where the directory cannot be written or is in use, the disk is full, or the store is of a later format.
    """
    lock = DirectoryLock(directory)
    try:
        try:
            _prepare(directory, now)
            rows = _opened(directory, limit, min_free, ballast, lock, now)
        except OSError as error:
            raise OutboxError(f"the outbox in {directory} cannot be opened: {error}") from error
        return rows, DAMAGE.validate_json(rows.get("damage") or "[]")
    except BaseException:
        lock.release()
        raise


def _opened(
    directory: Path,
    limit: int | None,
    min_free: float | None,
    ballast: int,
    lock: DirectoryLock,
    now: Callable[[], float],
) -> DiskRows:
    store = directory / STORE
    try:
        return DiskRows(store, limit, min_free, ballast, lock)
    except OutboxError as error:
        # A large store is not checked whole before: its damage may show only now.
        if not (store / CHECK).exists():
            raise
        _replace(directory, str(error), now())
        return DiskRows(store, limit, min_free, ballast, lock)


def _prepare(directory: Path, now: Callable[[], float]) -> None:
    """Make `outbox` a whole store of the present format."""
    store = directory / STORE
    _finish(directory)
    if not store.exists():
        _build(directory)
        _move(directory, directory / _READY, store)
        return
    refuse_unwritable(store)
    if free_bytes(directory) < _LITTLE_ROOM:
        (store / BALLAST).unlink(missing_ok=True)
    found = inspect(store)
    if found.damage is not None or found.format != FORMATS[-1]:
        _replace(directory, found.damage, now())
    elif any(one.left for one in reports(store)):
        _take_up(directory)
    (store / CHECK).unlink(missing_ok=True)


def _finish(directory: Path) -> None:
    """End what a crash has interrupted."""
    for name in (_BUILDING, _COPIES):
        _remove(directory / name)
    if (directory / STORE).exists():
        _remove(directory / _READY)
        _remove(directory / _OLD)
    elif (directory / _READY).exists():
        _move(directory, directory / _READY, directory / STORE)
        _remove(directory / _OLD)


def _replace(directory: Path, damage: str | None, at: float) -> None:
    """Put a store in the place of `outbox` that has all of its rows that can be read; where the disk has no room for that, those
    without which the gateway cannot go on."""
    store, copies = directory / STORE, directory / _COPIES
    if store.is_dir():
        (store / BALLAST).unlink(missing_ok=True)
    aside = directory / _OLD if damage is None else _free_name(directory, at)
    try:
        copies.mkdir()
        salvage = Salvage(store, copies)
        if damage is None:
            _build(directory, _rows_of(salvage), rebuild)
        else:
            finish = partial(_salvaged, salvage, (at, aside.name, damage), left=False)
            _build(directory, unsure(_rows_of(salvage)), finish)
    except (OutboxFull, OSError) as error:
        if damage is None or not _is_full(error):
            raise
        for name in (_BUILDING, _COPIES):
            _remove(directory / name)
        copies.mkdir()
        finish = partial(_salvaged, None, (at, aside.name, f"{damage}; {_NO_ROOM}"), left=True)
        _build(directory, _essential_of(store, copies), finish)
    _remove(copies)
    _move(directory, store, aside)
    _move(directory, directory / _READY, store)
    _remove(directory / _OLD)
    _forget_oldest(directory)


def _take_up(directory: Path) -> None:
    """Take the records over that were left in folders for want of room, where there is room now."""
    store, copies = directory / STORE, directory / _COPIES
    for one in reports(store):
        folder = directory / one.folder
        if not one.left or not folder.is_dir() or free_bytes(directory) < _size(folder) + _size(store):
            continue
        told = [replace(other, left=other.left and other != one) for other in reports(store)]
        try:
            (copies / "left").mkdir(parents=True)
            left, present = Salvage(folder, copies / "left"), Salvage(store, copies)
            _build(directory, joined(partial(_rows_of, left), present.rows), partial(_taken_up, told))
        except (OutboxFull, OSError) as error:
            if not _is_full(error):
                raise
            _finish(directory)  # it stays where it is
            return
        _remove(copies)
        _move(directory, store, directory / _OLD)
        _move(directory, directory / _READY, store)
        _remove(directory / _OLD)


def _build(
    directory: Path,
    items: Iterable[tuple[str, str]] = (),
    finish: Callable[[DiskRows], object] = lambda _: None,
) -> None:
    """Make `outbox-ready` of `items`; `finish` makes them an outbox."""
    building = directory / _BUILDING
    rows = DiskRows(building)
    try:
        _fill(rows, items)
        finish(rows)
        rows.apply({"format": FORMATS[-1]})
    finally:
        rows.close()
    sync_directory(building)
    _move(directory, building, directory / _READY)


def _rows_of(salvage: Salvage) -> Iterator[tuple[str, str]]:
    """What can be read, in the present format."""
    return translated(salvage.rows) if salvage.format == FORMATS[0] else salvage.rows()


def _essential_of(store: Path, copies: Path) -> Iterator[tuple[str, str]]:
    """Nothing where even that cannot be read without a copy."""
    try:
        salvage = Salvage(store, copies)
    except OSError as error:
        if not _is_full(error):
            raise
        return
    yield from essential(_rows_of(salvage))


def _salvaged(salvage: Salvage | None, damaged: tuple[float, str, str], rows: DiskRows, *, left: bool) -> None:
    """Make the rows an outbox, and report on them; `damaged`: when, which folder, why."""
    read = sum(1 for _ in rows.items())
    senseless = rebuild(rows, damaged=True)
    lost = salvage.lost() if salvage is not None else Lost()
    for key in senseless:
        lost.add(key.encode())
    told = DAMAGE.validate_json(rows.get("damage") or "[]")
    told.append(report(*damaged, read - len(senseless), lost, left=left))
    rows.apply({"damage": DAMAGE.dump_json(told[-_MOST_REPORTS:]).decode()})


def _taken_up(told: list[DamageReport], rows: DiskRows) -> None:
    rebuild(rows)
    rows.apply({"damage": DAMAGE.dump_json(told).decode()})


def _forget_oldest(directory: Path) -> None:
    """Remove what was set aside before the last few damages; what still has records that were not taken over stays."""
    left = {one.folder for one in reports(directory / STORE) if one.left}
    aside = sorted(path for path in directory.glob("outbox-damaged-*") if path.name not in left)
    for path in aside[:-_MOST_ASIDE]:
        _remove(path)


def _is_full(error: Exception) -> bool:
    return isinstance(error, OutboxFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _fill(rows: DiskRows, items: Iterable[tuple[str, str]]) -> None:
    """Put all items."""
    some = dict[str, str]()
    for key, text in items:
        some[key] = text
        if len(some) == _AT_ONCE:
            rows.apply(some)
            some = {}
    rows.apply(some)


def _move(directory: Path, path: Path, to: Path) -> None:
    path.rename(to)
    sync_directory(directory)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _free_name(directory: Path, at: float) -> Path:
    name = f"outbox-damaged-{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H-%M-%S}"
    names = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(directory / one for one in names if not (directory / one).exists())
