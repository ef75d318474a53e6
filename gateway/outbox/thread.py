"""The outbox on a thread of its own, so that the event loop never waits for a disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from gateway.outbox.store import Outbox

P = ParamSpec("P")
T = TypeVar("T")


class OutboxThread:
    """Runs calls to one `Outbox` one after another, in the order in which they were made."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._outbox: Outbox | None = None

    async def open(self, directory: Path) -> None:
        """Raises what `Outbox` raises."""
        self._outbox = await asyncio.get_running_loop().run_in_executor(self._pool, Outbox, directory)

    async def __call__(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`await outbox(Outbox.commit, commit)`: the call's result, once it is on disk."""
        if self._outbox is None:
            raise RuntimeError("the outbox is not open")
        outbox = self._outbox
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(outbox, *args, **kwargs))

    async def close(self) -> None:
        if self._outbox is not None:
            await self(Outbox.close)
        self._pool.shutdown()
