"""What has come of a session and waits to be used, in its order and within bounds."""

import asyncio
from dataclasses import dataclass

from asyncua.common.utils import Buffer

RESPONSES = 4
"""Responses that wait to be used; those behind them wait in the publish loops and at the server."""
MOST_KEPT = 16 * 2**20
"""Bytes of responses that wait while the history of a server is read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the audit found: tags of which nothing comes although they have changed; of these, such of which nothing
    came at all since they are watched anew; and tags that can be read again."""

    deaf: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()


Incoming = Buffer | Finding | Exception
"""What comes of a session: a publish response, a finding of the audit, or in the end why there is no more."""


class Inbox(asyncio.Queue[Incoming]):
    """A queue that usually holds RESPONSES, so that a server is slowed down by whoever uses them.

    While `keeps` is set it holds as many as are MOST_KEPT bytes: what is told cannot be used yet, and the queues of the
    server are short. They are not acknowledged meanwhile, so that a crash loses none. To be set while nobody waits to
    put anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keeps = False
        self._bytes = 0

    def full(self) -> bool:
        """Whether what comes next has to wait."""
        return self.qsize() >= RESPONSES and not (self.keeps and self._bytes < MOST_KEPT)

    def clear(self) -> None:
        """Forget what waits."""
        while not self.empty():
            self.get_nowait()

    def _put(self, item: Incoming) -> None:
        self._bytes += _size(item)
        super()._put(item)

    def _get(self) -> Incoming:
        item: Incoming = super()._get()
        self._bytes -= _size(item)
        return item


def _size(item: Incoming) -> int:
    return len(item) if isinstance(item, Buffer) else 0
