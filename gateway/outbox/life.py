"""Which memory of the outbox is the newest: a *life*, known by a ULID and by how many transactions were made, goes on
from one opening to the next. Both are in the outbox, and once more in the runtime directory, which forgets at a reboot
and is in no backup.

Where the two fit, the outbox is as the last opening has left it, and the life goes on. Where they do not, it may be a
copy from before: a backup that was put back, a machine that was rolled back, a new box. What waits in it may have been
delivered since, so all of that is unsure: it is looked up before it is sent, as after a damage.
"""

import hashlib
import json
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from pydantic import TypeAdapter
from ulid import ULID

from gateway.outbox import left_open
from gateway.outbox.lanes import DEAD
from gateway.outbox.ready_set import RESTING
from gateway.outbox.store import Outbox
from gateway.outbox.transaction import Transaction
from gateway.own_files import open_own
from gateway.record_kinds import creates

log = structlog.get_logger()

UNCOMPARED = "uncompared"


@dataclass(frozen=True, slots=True)
class Life:
    """Its ULID, and how many transactions the outbox had seen."""

    id: str
    transactions: int = 0
    compared: bool = True
    """What Oden shows was compared with what counters still have to tell."""
    noted: bool = True
    """What the memory knew when it began is in the row `uncompared`, until all of it is compared."""


LIFE = TypeAdapter(Life)


class LifeMark:
    """The memory of the last life of the outbox in `directory`, by whatever way one comes there, in the folder
    `runtime`."""

    def __init__(self, directory: Path, runtime: Path) -> None:
        name = hashlib.blake2b(os.fsencode(os.path.realpath(directory)), digest_size=8).hexdigest()
        self._path = runtime / f"life-{name}"
        self._file: int | None = None
        self._failed = False

    def read(self) -> Life | None:
        """What is remembered; None where nothing is."""
        try:
            return LIFE.validate_json(self._path.read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, life: Life) -> None:
        """Remember it. Where that fails, nothing is remembered any more, which is said once."""
        text = LIFE.dump_json(life).ljust(128)
        try:
            if self._file is None:
                self._file = open_own(self._path, os.O_WRONLY)
            os.pwrite(self._file, text, 0)
        except OSError as error:
            if not self._failed and isinstance(error, FileNotFoundError):
                log.info("no_runtime_directory", path=str(self._path.parent))
            elif not self._failed:
                log.warning("life_not_remembered", path=str(self._path), reason=error.strerror)
            self._failed = True
            with suppress(OSError):
                self._path.unlink()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def keep_life(outbox: Outbox, mark: LifeMark) -> None:
    """A command has opened the outbox: what it changes belongs to the last life, if that is remembered."""
    life = _last(outbox, mark)
    if life is not None:
        _follow(outbox, mark, life)


def begin_life(
    outbox: Outbox, mark: LifeMark, now: float = 0.0, *, settle: float = 0.0, is_other: bool = False
) -> bool:
    """The outbox was opened at `now` (epoch); answers whether that begins another life, which is certain where it
    `is_other`: then all that waits is unsure, and nothing of it is looked up for `settle` seconds, because the
    last life may have sent something just now. What that has left open at Oden has yet to be seen to, also where the
    outbox is new. From here on `mark` follows each transaction."""
    rest_until = now + settle
    last, was_here = _last(outbox, mark), mark.read() is not None
    is_unknown = is_other or last is None
    if last is not None and not is_other:
        _follow(outbox, mark, last)  # a kill between two marks, in what comes, must find them one transaction apart
    # One that nothing was put into yet remembers what counters have shown.
    is_other = is_unknown and (bool(outbox.lanes) or outbox.row("life") is not None)
    known = not is_other
    number = str(ULID()) if is_unknown or last is None else last.id
    life = Life(number, compared=known and is_compared(outbox), noted=known and is_noted(outbox))
    with outbox.transaction() as transaction:
        transaction.put["life"] = LIFE.dump_json(life).decode()
        if life.compared and resting(outbox):  # what is left of a damaged outbox, say: nobody would ever end it
            transaction.drop.add(RESTING)
            transaction.changes_all = True
        if is_unknown:
            # An outbox that is new may stand in the place of one that was lost.
            left_open.begin(transaction, now, rest_until if is_other or was_here else 0.0)
        if is_other:
            outbox.rest_until = max(outbox.rest_until, rest_until)
            make_unsure(outbox, transaction)
    _follow(outbox, mark, life)
    if is_other:
        log.warning("another_life", reason="the outbox may be a copy, or the machine was started anew")
    return is_other


def rest_at_most(outbox: Outbox, until: float) -> None:
    """Nothing that is unsure rests for longer than `until` (epoch): the time until which it does was told by the clock
    as it was when the life began."""
    if outbox.rest_until > until:
        with outbox.transaction() as transaction:
            transaction.changes_all = True
            outbox.rest_until = until


def is_compared(outbox: Outbox) -> bool:
    """Whether counters need not be compared with what Oden shows."""
    text = outbox.row("life")
    return LIFE.validate_json(text).compared if text else True


def is_noted(outbox: Outbox) -> bool:
    """Whether it is known what the memory knew when this life began, or need not be."""
    text = outbox.row("life")
    return LIFE.validate_json(text).noted if text else True


def uncompared(outbox: Outbox) -> str | None:
    """What has yet to be compared, as it was kept; None where that is nothing."""
    return outbox.row(UNCOMPARED)


def resting(outbox: Outbox) -> frozenset[str]:
    """The lines of which output that is unsure is not sent before they are compared."""
    return frozenset(json.loads(outbox.row(RESTING) or "[]"))


def keep_uncompared(outbox: Outbox, text: str | None, lines: Collection[str] = ()) -> None:
    """Keep what has yet to be compared, None where that is nothing, and of which `lines` output that is unsure is not
    sent before."""
    is_changed = resting(outbox) != frozenset(lines)
    with outbox.transaction() as transaction:
        transaction.changes_all = is_changed
        if lines:
            transaction.put[RESTING] = json.dumps(sorted(lines))
        elif is_changed:
            transaction.drop.add(RESTING)
        life = replace(LIFE.validate_json(outbox.row("life") or ""), compared=text is None, noted=True)
        transaction.put["life"] = LIFE.dump_json(life).decode()
        if text is not None:
            transaction.put[UNCOMPARED] = text
        elif outbox.row(UNCOMPARED) is not None:
            transaction.drop.add(UNCOMPARED)


def _last(outbox: Outbox, mark: LifeMark) -> Life | None:
    """The last life, where the outbox is as that has left it."""
    text, seen = outbox.row("life"), mark.read()
    stored = LIFE.validate_json(text) if text else None
    if stored is None or seen is None or seen.id != stored.id:
        return None
    # A kill comes between a transaction and its mark.
    return stored if 0 <= outbox.totals.transactions - seen.transactions <= 1 else None


def _follow(outbox: Outbox, mark: LifeMark, life: Life) -> None:
    outbox.after = lambda: mark.write(replace(life, transactions=outbox.totals.transactions))
    outbox.after()


def make_unsure(outbox: Outbox, transaction: Transaction) -> None:
    """All that waits may be at Oden: it is looked up before it is sent. Dead letters are a person's business."""
    transaction.changes_all = True
    for name in outbox.lanes:
        if name == DEAD:
            continue
        lane = transaction.lane(name)
        lane.unsure_to = lane.tail
    for work in outbox.work():
        attempt = work.attempt
        if attempt is not None and attempt.body and attempt.phase == "retry" and creates(work.records[0]):
            doubt = replace(attempt, phase="in_doubt", not_before=0.0, rests_since=0.0)
            transaction.attempts[attempt.lane, attempt.number] = doubt
