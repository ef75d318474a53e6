"""The gateway, made to hang: the event loop when it gets SIGUSR1, intake alone when it gets SIGUSR2."""

import asyncio
import os
import signal
import sys
import time

from gateway.__main__ import main
from gateway.intake import Intake


def hangs(*_: object) -> None:
    """For longer than any limit, which is said first: the handler of a signal runs in the event loop."""
    os.write(2, b"it hangs\n")
    time.sleep(100_000)


async def never(_: Intake) -> None:
    """Comes back."""
    await asyncio.Event().wait()


def intake_hangs(*_: object) -> None:
    """From its next turn on."""
    Intake._turn = never  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, hangs)
    signal.signal(signal.SIGUSR2, intake_hangs)
    sys.exit(main())
