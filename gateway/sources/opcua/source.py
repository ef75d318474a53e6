"""OPC UA: one session per server, a monitored item per node (Part 4, 5.13 and 5.14).

asyncua's own reconnecting and its `Subscription` are not used: both hide a lost item behind a connection that says it
is fine. Here every connection starts from nothing, and what could not be monitored is asked for again, one by one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import NoReturn

import structlog

from gateway.clock import Clock
from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError
from gateway.model import Sample
from gateway.sources.base import TURN, Source, SourceHealth, Take
from gateway.sources.opcua.channel import Channel, Connection, reason_of, translated
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.pace import SetUps
from gateway.sources.opcua.publishing import OUTSTANDING, Publisher
from gateway.sources.opcua.services import read_limits
from gateway.sources.opcua.session import RESPONSES, Incoming, Session
from gateway.sources.opcua.tags import Tag
from gateway.sources.opcua.watch import Audit, read_clock

log = structlog.get_logger()


class OpcuaSource(Source):
    """The tags of one OPC UA server."""

    def __init__(
        self,
        name: str,
        config: OpcuaConfig,
        tags: Sequence[Tag],
        clock: Clock,
        connect: Callable[[OpcuaConfig], Connection] = Channel,
    ) -> None:
        super().__init__(name, clock, SourceHealth())
        self._config = config
        self._tags = tuple(tags)
        self._set_ups = SetUps()
        self._connect = connect

    async def _serve(self, take: Take) -> NoReturn:
        channel = self._connect(self._config)
        inbox: asyncio.Queue[Incoming] = asyncio.Queue(RESPONSES)
        beside: list[asyncio.Task[None]] = []
        self.health.concerns = channel.concerns(self._clock.now())
        try:
            await self._spare_the_server()
            with self._waiting():
                begun = self._clock.monotonic()
                await channel.open(self._clock.now())
                publisher = Publisher(channel, inbox.put)
                try:
                    items = await self._watch(channel, publisher)
                finally:
                    self._set_ups.add(begun, self._clock.monotonic() - begun)
            self._connected()
            await self._report_gap(take)
            self.health.set_connected(self._clock.now())
            log.info("source_connected", source=self.name, tags=len(items.nodes), failed=len(self.health.failed))
            session = Session(self.name, channel, items, publisher, inbox, self._clock, self.health, self._waiting)
            audit = Audit(channel, items, session.auditor, session.unreadable, self._config.audit, self._clock)
            clock = read_clock(channel, items, self._clock, self.health)
            work = [*(publisher.loop() for _ in range(OUTSTANDING)), channel.keep(), audit.run(inbox.put), clock]
            beside += [asyncio.create_task(self._beside(each, inbox)) for each in work]
            await session.deliver(take, self._turn, self._heard)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await channel.close()

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        return tuple(Sample(self.name, tag.address, None, now, quality="bad") for tag in self._tags)

    async def _spare_the_server(self) -> None:
        """Wait until a session may be set up again."""
        before = self.health.detail
        while (wait := self._set_ups.wait(self._clock.monotonic())) > 0:
            self._turn()
            reason = f"{before}; waits for {wait:.0f} s, so that setting up sessions does not burden the server"
            self.health.set_disconnected(self._clock.now(), reason)
            await asyncio.sleep(min(wait, TURN))

    async def _watch(self, channel: Connection, publisher: Publisher) -> WatchedItems:
        with translated("cannot subscribe"):
            limits = await read_limits(channel)
            items = WatchedItems(channel, self._tags, self.health.failed, publisher.follow, limits)
            interval, timeout = self._config.publishing_interval, self._config.timeout
            await items.start(interval, timeout, channel.session_timeout, self._clock.monotonic())
        return items

    async def _beside(self, work: Coroutine[None, None, None], inbox: "asyncio.Queue[Incoming]") -> None:
        """Do `work`; where it ends the session, say so at once, and to the consumer behind what has already arrived."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the consumer must know
            reason = str(error) if isinstance(error, SourceError) else f"the connection was lost ({reason_of(error)})"
            self.health.set_disconnected(self._clock.now(), reason)
            await inbox.put(SourceError(reason))
