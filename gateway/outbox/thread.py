"""The outbox on a thread of its own, so that the event loop never waits for a disk."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from gateway.outbox.directory import reserve, whole_bytes
from gateway.outbox.overflow import FROM
from gateway.outbox.recovery import open_store
from gateway.outbox.store import Outbox
from gateway.outbox.upgrade import await_first_delivery

P = ParamSpec("P")
T = TypeVar("T")

BALLAST = 16 * 2**20
"""Bytes kept back, so that what waits can still be delivered when the disk is full."""


def open_outbox(
    directory: Path,
    *,
    limit: int,
    min_free: float,
    span: float,
    drop_oldest_output: bool = False,
    live: Callable[[Outbox], object] = lambda _: None,
) -> Outbox:
    """The outbox in `directory`, which this process holds until it closes it.

    `limit` in bytes, `min_free` as a share of the disk, `span` in seconds; `drop_oldest_output` rather than take
    nothing in at the limit. `live` says which life of the outbox this is (`life`). Raises OutboxError where the
    directory is unwritable or held by another process.
    """
    rows, _ = open_store(directory, limit=limit, min_free=min_free, ballast=_ballast(directory))
    try:
        outbox = Outbox(rows, span, int(limit * FROM) if drop_oldest_output else None)
        live(outbox)
        await_first_delivery(outbox, directory)
    except BaseException:
        rows.close()
        raise
    return outbox


def sum_within(outbox: Outbox, span: float) -> None:
    """Output that waits, and what comes, is summed within windows of `span` seconds from now on."""
    outbox.span = span


def _ballast(directory: Path) -> int:
    """Bytes that are held back on the disk of `directory`, which may not be there yet."""
    there = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    return reserve(whole_bytes(there), BALLAST)


SLOW_DISK = 120.0
"""Seconds that one call may take before it counts as hanging: a worn card can hold up a write for long."""


class OutboxThread:
    """Runs calls to one `Outbox` one after another, in the order in which they were made."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._begun_at: float | None = None
        """When the call that is being carried out began."""
        self._waits: dict[object, float] = {}
        """Since when somebody waits for each call, in the order in which they were made."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._outbox: Outbox | None = None

    async def open(self, make: Callable[[], Outbox]) -> None:
        """Take over the outbox that `make` opens; raises what that raises."""
        self._outbox = await asyncio.get_running_loop().run_in_executor(self._pool, make)

    async def __call__(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`await outbox(Outbox.commit, commit)`: the call's result, once it is on disk."""
        if self._outbox is None:
            raise RuntimeError("the outbox is not open")
        outbox = self._outbox

        def carry_out() -> T:
            self._begun_at = self._monotonic()
            try:
                return call(outbox, *args, **kwargs)
            finally:
                self._begun_at = None

        self._waits[carry_out] = self._monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, carry_out)
        finally:
            del self._waits[carry_out]

    @property
    def waited_since(self) -> float:
        """Since when the one who has waited longest waits for a call: now, where nobody does. Monotonic."""
        return next(iter(self._waits.values()), self._monotonic())

    @property
    def turned_at(self) -> float:
        """When the thread last was between two calls: now, unless a call is being carried out. Monotonic."""
        begun_at = self._begun_at
        return self._monotonic() if begun_at is None else begun_at

    async def close(self) -> None:
        if self._outbox is not None:
            await self(Outbox.close)
        self._pool.shutdown()
