"""A service that ends soon after each start begins again ever more seldom, and fills no log with the same lines.

The service manager starts it again at once, for ever. What is kept from one start to the next is how many in a row have
not lasted: in a file of the runtime directory, which a start of the machine empties.
"""

import contextlib
from pathlib import Path

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
            self._file.write_text(str(before + 1), encoding="ascii")
        return before

    def forget(self) -> None:
        """It has worked for long enough, or ends in order, or a person has to mend why it cannot begin."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
