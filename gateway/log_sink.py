"""The end of the log that never raises: a line that cannot be written is counted, and the program goes on.

Stderr may be closed, its pipe broken, or the disk of the log full; a value may refuse to be rendered. None of that
may end what the gateway does, so `configure` of the commands wraps its logger class in `fail_safe`.
"""

import time
from dataclasses import dataclass
from typing import Any

import structlog


@dataclass(slots=True)
class LostLines:
    """Lines of the log that could not be written, in this process."""

    count: int = 0
    reason: str = ""
    at: float = 0.0
    """When the last one was lost, on the monotonic clock."""

    def add(self, error: Exception) -> None:
        """One more, because of `error`."""
        self.count += 1
        self.reason = str(error) or type(error).__name__
        self.at = time.monotonic()


lost_lines = LostLines()
"""The log belongs to the whole process, and so does this."""


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
