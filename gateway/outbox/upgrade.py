"""The store of an earlier format, kept beside the one that is made of it, so that one can go back to that version.

Before anything of such a store is changed, its files are copied to `outbox-of-format-<N>`, whole and on the disk before
the folder has that name. It is kept until Oden has the first record by the new version: from then on a copy of before
is one like any backup, and each further hour makes it a worse one. Whatever keeps the copy from being made keeps the
gateway from nothing: what waits is brought to the present format safely with or without it.
"""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import structlog

from gateway.outbox.database import DATABASE
from gateway.outbox.directory import clear, free_bytes, in_words, make_folder, sync_directory, whole_bytes
from gateway.outbox.sqlite_store import IN_USE, LOG
from gateway.outbox.store import Outbox
from gateway.ways import here

log = structlog.get_logger()

COPYING = "outbox-copying"
"""A copy that is not whole yet, or is being removed."""
_KEPT = "outbox-of-format-"
_AT_ONCE = 2**20


def keep(store: Path, version: str, *, min_free: float | None, reserve: int) -> None:
    """Copy the `store` of the format `version`, which nobody has open, where the disk has room for that: beside the
    copy there must be as much again, in which the present format is made, and what is never to be used up."""
    directory = store.parent
    kept, copying = directory / f"{_KEPT}{version}", directory / COPYING
    files = [path for name in (DATABASE, LOG, IN_USE) if (path := store / name).exists()]
    try:
        _clear(kept, copying)
        wanted = 2 * sum(path.stat().st_size for path in files)
        left = free_bytes(directory) - max(2 * reserve, int((min_free or 0.0) * whole_bytes(directory)))
        if left < wanted:
            room = f"it takes {in_words(wanted)} beside what is to stay free, and there are {in_words(max(left, 0))}"
            _say_not_kept(store, version, room)
            return
        make_folder(copying)
        for path in files:
            _copy(path, copying / path.name)
        sync_directory(copying)
        copying.rename(kept)
        sync_directory(directory)
    except OSError as error:
        shutil.rmtree(copying, ignore_errors=True)
        _say_not_kept(store, version, error.strerror or str(error))
        return
    log.info(
        "outbox_kept",
        folder=str(kept),
        format=version,
        until="Oden has the first record by this version",
        go_back=f"{here().stop}; {here().idle} outbox restore {shlex.quote(str(kept))}; "
        "then install the version before",
    )


def await_first_delivery(outbox: Outbox, directory: Path) -> None:
    """Have what is kept in `directory` removed as soon as Oden has a record by this opening of the outbox."""
    if not any(_kept(directory)):
        return

    def remove() -> None:
        outbox.after_delivery = lambda: None
        for folder in list(_kept(directory)):
            try:
                if _clear(folder, directory / COPYING) is None:
                    log.info("outbox_kept_removed", folder=str(folder))
            except OSError as error:
                log.warning("outbox_kept_not_removed", folder=str(folder), reason=error.strerror)

    outbox.after_delivery = remove


def _kept(directory: Path) -> Iterator[Path]:
    return directory.glob(f"{_KEPT}*")


def _clear(kept: Path, way: Path) -> Path | None:
    """Remove `kept` by `way` of another name, so that what is left of it after a crash is not taken for a copy; answers
    as `clear`."""
    clear(way)
    if not kept.exists():
        return None
    kept.rename(way)
    sync_directory(way.parent)
    return clear(way)


def _copy(path: Path, to: Path) -> None:
    """Copy a file, and have it on the disk."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        at = 0
        while part := os.pread(source, _AT_ONCE, at):
            at += os.pwrite(target, part, at)
        os.fsync(target)
    finally:
        os.close(source)
        os.close(target)


def _say_not_kept(store: Path, version: str, reason: str) -> None:
    log.warning(
        "outbox_not_kept",
        outbox=str(store),
        format=version,
        reason=reason,
        then="it is taken over all the same; the version before can be gone back to by a backup alone",
    )
