"""The end of the log: it never raises, and never waits.

Standard error may be closed, its pipe broken or not read, the disk of the log full; a value may refuse to be rendered.
None of that may end or hold up what the gateway does. So lines go through a queue to a thread that writes them
(`LogStream`), the logger's class is wrapped in `fail_safe`, and every line that is lost on the way is counted.
"""

import io
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, TextIO

import structlog

MOST_WAITING = 10_000
"""Pieces of text that wait to be written; more are lost."""
AT_THE_END = 2.0
"""Seconds that the thread gets at the end to write what waits."""


@dataclass(slots=True)
class LostLines:
    """Lines of the log that could not be written, in this process."""

    count: int = 0
    reason: str = ""

    def add(self, error: Exception) -> None:
        """One more, because of `error`."""
        self.count += 1
        self.reason = str(error) or type(error).__name__


lost_lines = LostLines()
"""The log belongs to the whole process, and so does this."""


class LogStream(io.TextIOBase):
    """Writes to `target` in a thread of its own. `write` never waits and never raises."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._waiting: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            lost_lines.add(TimeoutError("nobody reads it"))
        return len(text)

    def flush(self) -> None:
        """The thread flushes."""

    def end(self) -> None:
        """Let the thread write what waits, as far as it can."""
        until = time.monotonic() + AT_THE_END
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)

    def _write_all(self) -> None:
        while True:
            text = self._waiting.get()
            try:
                self._target.write(text)
                if self._waiting.empty():
                    self._target.flush()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the log, the gateway has other work
                lost_lines.add(error)
            finally:
                self._waiting.task_done()


def fail_safe(logger: type[structlog.typing.BindableLogger]) -> type[structlog.typing.BindableLogger]:
    """`logger`, a class of structlog's, whose methods count what they cannot write in `lost_lines` instead of
    raising.
    """
    base: Any = logger

    class FailSafe(base):  # type: ignore[misc]  # the library makes the class at run time
        def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **words: Any) -> Any:
            try:
                return super()._proxy_to_logger(method_name, event, *args, **words)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the log, the caller has other work
                lost_lines.add(error)
                return None

    return FailSafe
