"""The service manager: what systemd is told, by its protocol of datagrams (sd_notify(3), sd_watchdog_enabled(3)), the
watchdog, and what is made of starts that do not last.

The service manager starts the service again at once, for ever. One that ends soon after each start begins again ever
more seldom, and fills no log with the same lines. What is kept from one start to the next is how many in a row have not
lasted: in a file of the runtime directory, which a start of the machine empties.
"""

import asyncio
import contextlib
import faulthandler
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from gateway.own_files import write_anew

log = structlog.get_logger()


class Systemd:
    """The service manager that started this process, if one did; otherwise every call does nothing.

    No call raises: what it says is news, and the gateway works on without a listener.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@name" is the text form of an abstract socket, whose real name begins with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_interval = _watchdog_interval(environ)
        """Seconds between two calls of `watchdog`, a quarter of what systemd allows; None where none are expected."""

    @property
    def listens(self) -> bool:
        """Whether there is a service manager that is told anything."""
        return bool(self._address)

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def starting(self, seconds: float) -> None:
        """The start goes on, and takes up to so many seconds more."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def hung(self) -> None:
        """This process is to be ended and started again, as if it had not called `watchdog` for too long."""
        self._send("WATCHDOG=trigger")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)  # a full queue must not stop the event loop for good
            sock.sendto(message.encode(errors="replace"), self._address)


LIMIT = 20.0
"""Seconds without `alive` after which a process that no service manager watches ends itself."""
HELD = 3600.0
"""The same where the interpreter's lock is held, so that nothing of ours can count, or the process is stopped."""
PULSE = 1.0
"""Seconds from one count to the next."""
SAID = 0.5
"""Seconds from the line in the log that says what hangs to the end of the process."""


class Watchdog:
    """Ends this process where it is not said to be alive: by systemd where that expects it, else by itself.

    In a container nobody restarts a process that hangs, only one that ends. So a thread that does not need the event
    loop counts the time, writes where every thread stands to standard error and ends the process with exit code 1. It
    counts only while it turns itself: a process that was stopped for a while, as a container that is paused, goes on.
    Behind it is a timer of the interpreter's own that does not need its lock.
    """

    def __init__(self, systemd: Systemd, limit: float = LIMIT) -> None:
        self._systemd = systemd
        self._limit = limit
        self._fed_at = -math.inf
        self._hung_since: float | None = None
        self._unfed = 0.0
        """Seconds since `alive`, as far as the thread has turned."""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def alive(self) -> None:
        """Feed the watchdog where it is time for that; may be called as often as one likes."""
        self._unfed = 0.0
        self._hung_since = None
        now, interval = time.monotonic(), self._systemd.watchdog_interval
        if now - self._fed_at < (HELD / 4 if interval is None else interval):
            return
        self._fed_at = now
        if interval is not None:
            self._systemd.watchdog()
            return
        faulthandler.dump_traceback_later(HELD, exit=True)
        if self._thread is None:
            self._thread = threading.Thread(target=self._count, name="watchdog", daemon=True)
            self._thread.start()

    async def feed(self, lives: Callable[[], bool]) -> None:
        """Call `alive` about once a PULSE for as long as the loop turns, where `lives` says so; until cancelled."""
        while True:
            if lives():
                self.alive()
            await asyncio.sleep(PULSE)

    def hung(self, reason: str) -> None:
        """Something in this process hangs that cannot be mended from within: whoever started it starts it again."""
        if self._hung_since is None:
            self._hung_since = time.monotonic()
            log.critical("loop_hung", reason=reason)
            self._systemd.status(f"Ended, because it hangs: {reason}")
        elif time.monotonic() - self._hung_since >= SAID:
            if self._systemd.watchdog_interval is not None:
                self._systemd.hung()
            else:
                _end_at_once()

    def end(self) -> None:
        """The process ends in order: nothing is watched any more."""
        self._ended.set()
        if self._systemd.watchdog_interval is None:
            faulthandler.cancel_dump_traceback_later()

    def _count(self) -> None:
        pulse, last = min(PULSE, self._limit / 4), time.monotonic()
        while not self._ended.wait(pulse):
            now = time.monotonic()
            self._unfed += min(now - last, 2 * pulse)
            last = now
            if self._unfed >= self._limit:
                _end_at_once()


def _end_at_once() -> None:
    """Write where every thread stands to standard error, and end the process with exit code 1."""
    try:
        faulthandler.dump_traceback()
    finally:
        os._exit(1)


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    meant_for, allowed = environ.get("WATCHDOG_PID", ""), environ.get("WATCHDOG_USEC", "")
    if (meant_for and meant_for != str(os.getpid())) or not allowed.isdecimal() or int(allowed) == 0:
        return None
    return int(allowed) / 4_000_000


STEADY = 60.0
"""Seconds that it has to work for the starts before it to be forgotten."""
AT_ONCE = 3
"""Starts in a row that are made without a pause."""
FIRST = 10.0
LONGEST = 300.0
"""Seconds of the first pause, and of the longest; each is twice as long as the one before."""
FILE = "restarts"


def pause_after(starts: int) -> float:
    """Seconds to wait where so many starts in a row have not lasted."""
    return 0.0 if starts < AT_ONCE else min(FIRST * 2.0 ** min(starts - AT_ONCE, 10), LONGEST)


class Restarts:
    """The starts in a row that have not lasted, as `directory` knows them; None: nobody remembers any. No call raises:
    without a place to remember it, each start is the first."""

    def __init__(self, directory: Path | None) -> None:
        self._file = None if directory is None else directory / FILE

    def begin(self) -> int:
        """A start: how many there were in a row before it. It counts as one that has not lasted until `forget`."""
        if self._file is None:
            return 0
        before = 0
        with contextlib.suppress(OSError, ValueError):
            before = max(0, int(self._file.read_text(encoding="ascii")[:9]))
        with contextlib.suppress(OSError):
            write_anew(self._file, str(before + 1))
        return before

    def forget(self) -> None:
        """It has worked for long enough, or ends in order, or a person has to mend why it cannot begin."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
