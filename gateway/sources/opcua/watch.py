"""What runs beside a session's messages: the audit of all tags, and reading the server's clock where it is not told."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.clock import Clock
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.sources.base import SourceHealth
from gateway.sources.opcua.audit import Auditor, grace
from gateway.sources.opcua.connection import Connection
from gateway.sources.opcua.decode import Decoded
from gateway.sources.opcua.inbox import Finding
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.server_clock import reading_interval
from gateway.sources.opcua.services import UNREADABLE, Link, LinkLost, read_values, standard
from gateway.sources.opcua.translation import reason_of
from gateway.sources.opcua.wire import Reading

log = structlog.get_logger()

UNREADABLE_EVERY = 60.0
"""Seconds between two looks at tags whose values could not be read, where nothing else is audited."""

_UNEVEN = 0.08
"""By such a share pauses differ: else a bit that toggles could be looked at in the same place each time."""
_BUSY = 10.0  # times as long as a reading took is the least pause before the next
_CLOCK = 2258

Tell = Callable[[Finding], Awaitable[None]]


class Audit:
    """Reads all tags once in `every` seconds, in chunks that are spread evenly, and tells of those that are deaf.

    `every` 0: only tags whose values could not be read are looked at.
    """

    def __init__(
        self,
        link: Link,
        items: WatchedItems,
        auditor: Auditor,
        unreadable: set[str],
        every: float,
        clock: Clock,
    ) -> None:
        self._link = link
        self._items = items
        self._auditor = auditor
        self._unreadable = unreadable
        self._every = every
        self._clock = clock
        self._took = 0.0
        """How long the longest answer since the last pause took."""

    async def run(self, tell: Tell) -> None:
        """For ever. A server that refuses or does not answer in time costs the audit a turn, and nothing else."""
        while True:
            watched = [node for node in self._items.nodes if self._is_watched(node)] if self._every else []
            nodes = [node for node in watched if not self._items.is_events(node)]
            size = self._items.limits.read
            chunks = [nodes[begin : begin + size] for begin in range(0, len(nodes), size)]
            pause = (self._every or UNREADABLE_EVERY) / max(1, len(chunks))
            for chunk in chunks or [[]]:
                await asyncio.sleep(max(pause * random.uniform(1 - _UNEVEN, 1 + _UNEVEN), _BUSY * self._took))
                self._took = 0.0
                await self._look(chunk, tell)
            await self._look_at_notifiers([node for node in watched if self._items.is_events(node)], tell)
            await self._look_at_unreadable(tell)

    async def _look(self, nodes: Sequence[str], tell: Tell) -> None:
        wait = grace(self._items.publishing, self._items.slowest)
        now = self._clock.monotonic()
        read_of = await self._read(nodes)
        doubtful = [
            node
            for node, read in read_of
            if self._is_watched(node) and self._auditor.doubt(node, read, now, wait, self._items.deadband(node))
        ]
        if not doubtful:
            return
        await asyncio.sleep(wait * random.uniform(1.0, 1 + _UNEVEN))
        again = await self._read(doubtful)
        before, now = now, self._clock.monotonic()
        if not self._auditor.has_taken(before - wait, now):
            return
        deaf = tuple(
            node
            for node, read in again
            if self._is_watched(node) and self._auditor.is_deaf(node, read, now, wait, self._items.deadband(node))
        )
        mute = tuple(node for node, _ in again if self._is_watched(node) and self._auditor.is_mute(node))
        if deaf:
            log.warning("opcua_deaf", tags=len(deaf), first=deaf[0])
        if deaf or mute:
            await tell(Finding(deaf=deaf, mute=mute))

    async def _look_at_notifiers(self, nodes: Sequence[str], tell: Tell) -> None:
        """Tell of nodes that are gone, of which events would never come again."""
        read_of = await self._read(nodes)
        gone = tuple(node for node, read in read_of if isinstance(read, Decoded) and read.quality == "bad")
        if gone:
            log.warning("opcua_deaf", tags=len(gone), first=gone[0])
            await tell(Finding(deaf=gone))

    async def _look_at_unreadable(self, tell: Tell) -> None:
        readable = tuple(node for node, read in await self._read(sorted(self._unreadable)) if read != UNREADABLE)
        if readable:
            await tell(Finding(readable=readable))

    async def _read(self, nodes: Sequence[str]) -> list[tuple[str, Reading]]:
        """What the server answers for `nodes`; nothing where it does not."""
        begun = self._clock.monotonic()
        try:
            values = await read_values(self._link, [self._items.wanted[node] for node in nodes], self._items.limits)
        except (UaStatusCodeError, TimeoutError) as error:
            log.info("opcua_audit_skipped", reason=reason_of(error))
            return []
        finally:
            self._took = max(self._took, self._clock.monotonic() - begun)
        return list(zip(nodes, values, strict=True))

    def _is_watched(self, node: str) -> bool:
        return node in self._items.wanted and node not in self._items.missing and node not in self._unreadable


async def read_clock(connection: Connection, items: WatchedItems, clock: Clock, health: SourceHealth) -> None:
    """Read the server's clock while there is a subscription that cannot be judged by it, and say so, or while the
    session would end between two words of it; see what the connection is concerned about, and what has become of the
    files that protect it. For ever; raises SourceError where the server does not answer, or the session cannot go on as
    it is."""
    every = reading_interval(connection.session_timeout)
    while True:
        health.certificate_ends = connection.certificate_ends
        concern = items.concern
        otherwise: dict[KindName, str] = {"watched_otherwise": concern} if concern is not None else {}
        health.concerns = {**connection.concerns(clock.now()), **otherwise}
        await asyncio.sleep(every)
        await connection.heed_files(clock.now())
        if await connection.is_ill(clock.now()):
            raise SourceError("the server says that it is not well: another is looked for")
        now = clock.monotonic()
        pulses = [subscription.pulse for subscription in items.subscriptions.values()]
        watched = all(pulse.is_watched(now) for pulse in pulses)
        if watched and max(pulse.interval for pulse in pulses) <= connection.session_timeout / 2:
            continue
        try:
            await read_values(connection, [standard(_CLOCK)], items.limits)
        except UaStatusCodeError:  # an answer is an answer
            pass
        except OSError as error:
            raise LinkLost(f"the server does not answer ({reason_of(error)})") from None
        if not health.connected:
            health.set_connected(clock.now())
        if not watched:
            health.detail = f"connected; the server does not tell of its clock, so it is read every {every:g} s"
