"""When a life of the gateway ends by SIGKILL: at one of these points, or at a time."""

import asyncio
from collections import Counter

BEFORE_DISK = "before a transaction"
AFTER_DISK = "after a transaction"
BEFORE_WRITE = "before a request is written"
AFTER_WRITE = "after a request is written"
AT_ANSWER = "as an answer arrives"
POINTS = (BEFORE_DISK, AFTER_DISK, BEFORE_WRITE, AFTER_WRITE, AT_ANSWER)


class Killed(BaseException):
    """The process is no more. Not an Exception: nothing of the gateway may catch it and go on."""


class Fuse:
    """Burns when `point` is reached for the `number`th time, or when somebody burns it; then nothing works any more."""

    def __init__(self, point: str | None = None, number: int = 1) -> None:
        self.point, self.number = point, number
        self.passed: Counter[str] = Counter()
        self.burnt = asyncio.Event()

    def reach(self, point: str) -> None:
        """The life has come to `point`."""
        self.check()
        self.passed[point] += 1
        if point == self.point and self.passed[point] == self.number:
            self.burnt.set()
            raise Killed

    def check(self) -> None:
        """Nothing can be done in a life that is over."""
        if self.burnt.is_set():
            raise Killed
