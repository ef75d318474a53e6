"""SQLite's files below SQL: whether its log is whole, and a copy of damaged files that SQLite can read again.

After "The Database File Format" and "WAL-mode File Format" of SQLite's documentation. A write-ahead log is a header and
frames, each with a checksum over everything before it, so that SQLite does not see what follows a damaged frame. That
is right after a power cut, where only the last, unfinished transaction can follow; where more does, the log was damaged
later.
"""

import shutil
import struct
from pathlib import Path

from gateway.outbox.database import DATABASE
from gateway.outbox.sqlite_store import LOG

PAGE = 4096
INDEX = "cache.db-shm"
_LOG_HEAD = 32
_FRAME_HEAD = 24
_FRAME = _FRAME_HEAD + PAGE
_LITTLE, _BIG = 0x377F0682, 0x377F0683
"""A log's first word; it says in which order of bytes the checksums are."""
_UNFINISHED = 1
"""Transactions that may follow the end of a log: the one that was under way."""


def log_fault(store: Path) -> str | None:
    """What is wrong with the log, None where nothing is. To be asked while a connection is open that has read
    something."""
    log = store / LOG
    if not log.is_file() or log.stat().st_size <= _LOG_HEAD:
        return None
    with log.open("rb") as file:
        head = file.read(_LOG_HEAD)
        if not _is_whole(head):
            first = file.read(_FRAME_HEAD)
            return "its log is damaged at the beginning" if any(first) else None
        _, _, seen = struct.unpack_from("=III", (store / INDEX).read_bytes(), 8)
        commits = 0
        file.seek(_LOG_HEAD + seen * _FRAME)
        while len(frame := file.read(_FRAME)) == _FRAME:
            commits += frame[8:16] == head[16:24] and any(frame[4:8])
    return f"its log is damaged after {seen} pages" if commits > _UNFINISHED else None


def mended_copy(store: Path, to: Path, page_one: bytes) -> None:
    """A copy of the store's files in which the log is valid throughout.

    With `page_one`, the database's first page is that, which holds the schema.
    """
    to.mkdir(mode=0o700)
    database = to / DATABASE
    if (store / DATABASE).is_file():
        shutil.copyfile(store / DATABASE, database)
    else:
        database.touch()
    log, pages = b"", 0
    if (store / LOG).is_file():
        log, pages = _mended_log((store / LOG).read_bytes())
    (to / LOG).write_bytes(log)
    with database.open("r+b") as file:
        size = max(database.stat().st_size, pages * PAGE)
        file.truncate(-(-size // PAGE) * PAGE)
        if page_one:
            file.write(page_one[:28] + struct.pack(">I", max(1, -(-size // PAGE))) + page_one[32:])


def _is_whole(head: bytes) -> bool:
    magic, version, page = struct.unpack_from(">III", head)
    if magic not in (_LITTLE, _BIG) or (version, page) != (3007000, PAGE):
        return False
    return struct.pack(">II", *_sum(magic, head[:24], (0, 0))) == head[24:32]


def _mended_log(log: bytes) -> tuple[bytes, int]:
    """The log with checksums made anew, up to its last whole transaction, and how many pages the database has after
    it."""
    frames = [log[at : at + _FRAME] for at in range(_LOG_HEAD, len(log) - _FRAME + 1, _FRAME)]
    if not frames:
        return b"", 0
    head = log[:_LOG_HEAD]
    salts = head[16:24] if _is_whole(head) else frames[0][8:16]
    head = struct.pack(">IIII", _LITTLE, 3007000, PAGE, 0) + salts
    sums = _sum(_LITTLE, head, (0, 0))
    out, whole, pages = [head + struct.pack(">II", *sums)], 1, 0
    for frame in frames:
        number, after = struct.unpack_from(">II", frame)
        if frame[8:16] != salts or not number:
            continue
        sums = _sum(_LITTLE, frame[:8] + frame[_FRAME_HEAD:], sums)
        out.append(frame[:16] + struct.pack(">II", *sums) + frame[_FRAME_HEAD:])
        if after:
            whole, pages = len(out), after
    return b"".join(out[:whole]), pages


def _sum(magic: int, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """The log's checksum over `data`, going on from `sums`."""
    one, two = sums
    words = struct.unpack(f"{'<' if magic == _LITTLE else '>'}{len(data) // 4}I", data)
    for left, right in zip(words[::2], words[1::2], strict=True):
        one = (one + left + two) & 0xFFFFFFFF
        two = (two + right + one) & 0xFFFFFFFF
    return one, two
