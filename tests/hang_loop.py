"""The gateway, whose event loop hangs when it gets SIGUSR1: the handler of a signal runs in it, and does not return."""

import signal
import sys
import time

from gateway.__main__ import main


def hangs(*_: object) -> None:
    """For longer than any limit."""
    time.sleep(100_000)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, hangs)
    sys.exit(main())
