"""The outbox without its thread, on rows that outlive the gateway: transactions fail, and lives end in the middle of
one.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, Literal, NamedTuple, ParamSpec, TypeVar

from gateway.errors import OutboxError
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import Life, LifeMark
from gateway.outbox.store import Outbox
from tests.campaign.fuse import AFTER_DISK, BEFORE_DISK, Fuse

P = ParamSpec("P")
T = TypeVar("T")


class Trouble(NamedTuple):
    """From `since` to `until` (seconds of the loop) the disk is full for new records, or refuses every transaction."""

    kind: Literal["full", "refuses"]
    since: float
    until: float


class Remembered(LifeMark):
    """What a machine remembers of the last life until it is started anew."""

    def __init__(self, life: Life | None = None) -> None:
        super().__init__(Path("/outbox"), Path("/nowhere"))
        self._life = life

    def read(self) -> Life | None:
        return self._life

    def write(self, life: Life) -> None:
        self._life = life


class MortalStore:
    """What one life sees of `rows`."""

    def __init__(self, rows: MemoryStore, fuse: Fuse, troubles: Sequence[Trouble] = ()) -> None:
        self._rows, self._fuse, self.troubles = rows, fuse, troubles

    def get(self, key: str) -> str | None:
        self._fuse.check()
        return self._rows.get(key)

    def get_all(self, keys: Sequence[str]) -> dict[str, str]:
        self._fuse.check()
        return self._rows.get_all(keys)

    def get_under(self, prefix: str) -> dict[str, str]:
        self._fuse.check()
        return self._rows.get_under(prefix)

    def apply(self, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
        self._fuse.reach(BEFORE_DISK)
        if self._in_trouble("refuses"):
            raise OutboxError("the disk refuses to be written")
        self._rows.apply(put, drop)
        self._fuse.reach(AFTER_DISK)

    def items(self) -> Iterator[tuple[str, str]]:
        self._fuse.check()
        return self._rows.items()

    def used(self) -> int:
        return self._rows.used()

    def full(self) -> str | None:
        return "the disk is full" if self._in_trouble("full") else None

    def above_limit(self) -> str | None:
        return self._rows.above_limit()

    def scarce(self) -> str | None:
        return self._rows.scarce()

    def close(self) -> None:
        """The rows outlive the life."""

    def _in_trouble(self, kind: str) -> bool:
        now = asyncio.get_running_loop().time()
        return any(one.kind == kind and one.since <= now < one.until for one in self.troubles)


def copied(rows: MemoryStore) -> MemoryStore:
    """A copy of `rows` as they are now."""
    copy = MemoryStore()
    copy.apply(dict(rows.items()))
    return copy


class InLine:
    """Calls to one outbox, one after another, each after the time that a disk takes: stands where OutboxThread does.

    As there, a call that has begun is carried out even where nobody waits for it any more.
    """

    def __init__(self, outbox: Outbox, chances: random.Random | None = None) -> None:
        """Without `chances`, calls take no time."""
        self.outbox = outbox
        self._chances = chances
        self._turn = asyncio.Lock()

    async def __call__(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._chances is None:
            return call(self.outbox, *args, **kwargs)
        task = asyncio.ensure_future(self._in_turn(lambda: call(self.outbox, *args, **kwargs)))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # the caller may have left
        return await asyncio.shield(task)

    async def _in_turn(self, call: Callable[[], T]) -> T:
        async with self._turn:
            if self._chances is not None:
                await asyncio.sleep(self._chances.choice((0.0, 0.001, 0.005, 0.03, 0.2)))
            return call()
