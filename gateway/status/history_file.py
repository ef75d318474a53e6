"""Keeps the history of the lines, and the trend of what waits, in a file, every few seconds; where that fails, it goes
on in memory and says so.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from gateway.own_files import open_own, write_anew
from gateway.status.history import History, Trend

log = structlog.get_logger()

HISTORY_FILE = "page-history.jsonl"
"""In the directory of the outbox."""
EVERY = 10.0
"""Seconds between two writes."""
SPARE = 5_000
"""Lines of the file that may be out of date before it is written anew."""


class Chronicle:
    """History and trend, as the file at `path` has them."""

    def __init__(self, path: Path) -> None:
        self.history = History()
        self.trend = Trend()
        self._file = HistoryFile(path)
        self._kept_at = 0.0
        self._fails = False

    async def load(self) -> None:
        """Read the file. One that cannot be read is begun anew."""
        try:
            lines = await asyncio.to_thread(lambda: [*self._file.read()])
            self.history.load(lines)
            self.trend.load(lines)
        except OSError as error:
            log.warning("page_history_unreadable", reason=str(error))

    async def keep(self, now: float) -> None:
        """Forget what is old, and write what has changed, where the last time was EVERY seconds ago."""
        if abs(now - self._kept_at) >= EVERY:
            self._kept_at = now
            self.history.forget(now)
            await self.save()

    async def save(self) -> None:
        """Write what has changed."""
        kept = self.history, self.trend
        whole = self._fails or self._file.has_much_more_than(sum(each.size for each in kept))
        lines = [line for each in kept for line in each.unsaved()]
        if whole:
            lines = [line for each in kept for line in each.all_lines()]
        if not lines:
            return
        try:
            await asyncio.to_thread(self._file.write if whole else self._file.append, lines)
            self._fails = False
        except OSError as error:
            if not self._fails:
                log.warning("page_history_unwritable", reason=str(error))
            self._fails = True


class HistoryFile:
    """The file of a history. Its calls block, and raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0

    def read(self) -> Iterator[str]:
        """Its lines; none where there is no file yet."""
        try:
            with self._path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._written += 1
                    yield line
        except FileNotFoundError:
            return

    def has_much_more_than(self, spans: int) -> bool:
        """Whether most of it is out of date."""
        return self._written > spans + SPARE

    def append(self, lines: Sequence[str]) -> None:
        """Add lines. After half a line, as a cut can leave it, they begin anew."""
        with os.fdopen(open_own(self._path, os.O_RDWR | os.O_APPEND), "a+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell() and not _ends_a_line(file.fileno(), file.tell()):
                file.write(b"\n")
            file.write("".join(f"{line}\n" for line in lines).encode())
        self._written += len(lines)

    def write(self, lines: Sequence[str]) -> None:
        """Write it anew."""
        write_anew(self._path, "".join(f"{line}\n" for line in lines))
        self._written = len(lines)


def _ends_a_line(file: int, size: int) -> bool:
    return os.pread(file, 1, size - 1) == b"\n"
