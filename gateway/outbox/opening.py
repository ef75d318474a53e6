"""Opening the outbox in the gateway's directory: new, whole, of the previous format, or damaged.

In the directory, `outbox` is the store. A store is made in `outbox-building`, and moved to `outbox-ready` once it is whole and on
the disk; then the one before, if there is one, is moved aside, and the new one into its place. So there is a whole store under
one of the two names after a crash at any point. What was damaged stays in `outbox-damaged-<UTC time>`, for a person.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import OutboxError
from gateway.outbox.ballast import free_bytes, sync_directory
from gateway.outbox.damage import DAMAGE, FORMATS, DamageReport, Salvage, inspect, report
from gateway.outbox.disk import BALLAST, CHECK, DiskRows
from gateway.outbox.lock import DirectoryLock, refuse_unwritable
from gateway.outbox.migrate import translated
from gateway.outbox.rebuild import rebuild

STORE = "outbox"
_BUILDING, _READY, _OLD, _COPIES = "outbox-building", "outbox-ready", "outbox-old", "outbox-copies"
_AT_ONCE = 500
"""Rows that are written together when a store is made from another."""
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
    """Put a store in the place of `outbox` that has all of its rows that can be read."""
    store, copies = directory / STORE, directory / _COPIES
    if store.is_dir():
        (store / BALLAST).unlink(missing_ok=True)
    aside = directory / _OLD if damage is None else _free_name(directory, at)
    copies.mkdir()
    salvage = Salvage(store, copies)
    _build(directory, salvage, None if damage is None else (at, aside.name, damage))
    _remove(copies)
    _move(directory, store, aside)
    _move(directory, directory / _READY, store)
    _remove(directory / _OLD)


def _build(
    directory: Path,
    salvage: Salvage | None = None,
    damaged: tuple[float, str, str] | None = None,
) -> None:
    """Make `outbox-ready`, with what can be read by `salvage`; `damaged`: when, which folder, why."""
    building = directory / _BUILDING
    rows = DiskRows(building)
    try:
        last = {"format": FORMATS[-1]}
        if salvage is not None:
            old = salvage.format == FORMATS[0]
            read = _fill(rows, translated(salvage.rows) if old else salvage.rows())
            senseless = rebuild(rows)
            if damaged is not None:
                lost = salvage.lost()
                for key in senseless:
                    lost.add(key.encode())
                reports = DAMAGE.validate_json(rows.get("damage") or "[]")
                reports.append(report(*damaged, read - len(senseless), lost))
                last["damage"] = DAMAGE.dump_json(reports).decode()
        rows.apply(last)
    finally:
        rows.close()
    sync_directory(building)
    _move(directory, building, directory / _READY)


def _fill(rows: DiskRows, items: Iterator[tuple[str, str]]) -> int:
    """Put all items; answers how many."""
    number, some = 0, dict[str, str]()
    for key, text in items:
        some[key] = text
        number += 1
        if len(some) == _AT_ONCE:
            rows.apply(some)
            some = {}
    rows.apply(some)
    return number


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
