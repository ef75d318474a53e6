"""An event loop whose time is simulated: waiting costs nothing, and the same program gives the same times."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 1e-6
"""Seconds that one turn of the loop takes: computing is not free, and who looks at the clock again sees it move."""


class Stalled(Exception):
    """Everything waits for something that never comes."""


class _Leap(selectors.SelectSelector):
    """Never waits for files: goes to the time of the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled
        self.now += max(timeout, TURN)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at time 0. Single-threaded: nothing outside can wake it, and it reads no sockets."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def cancelled(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel them, in the order in which they were made, and wait until they have ended."""
    tasks = sorted(tasks, key=_order)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _order(task: "asyncio.Task[Any]") -> tuple[int, str]:
    """The order in which tasks were made, where their names tell; the same in every run."""
    number = task.get_name().removeprefix("Task-")
    return (int(number), "") if number.isdecimal() else (0, number)
