"""MQTT: a persistent session at QoS 1 whose messages are acknowledged only after they are committed (P1).

Each message becomes one Arrival that carries its Receipt and, as `done`, its PUBACK on the connection it came by. What a
lost connection had already brought is still delivered; the broker sends it again, and the receipts tell. What messages of
Sparkplug edge nodes mean is decided in `sparkplug`.
"""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gateway.clock import Clock
from gateway.config.device import SPARKPLUG
from gateway.config.schema import MqttSource as MqttConfig
from gateway.errors import SourceError
from gateway.model import Notice, Sample
from gateway.sources.base import Arrival, Receipt, SourceHealth, Take, not_connected, supervise
from gateway.sources.mqtt_connection import Answered, Message, MqttConnection
from gateway.sources.mqtt_decode import decode, excerpt

if TYPE_CHECKING:  # its library is imported only where a device is named
    from gateway.sources.sparkplug import SparkplugHost

log = structlog.get_logger()

_RETRY = 2.0  # seconds until a topic that was not granted is asked for again, doubling to
_RETRY_LONGEST = 30.0


class MqttSource:
    """The topics of one broker, and its Sparkplug devices where `host` is given."""

    def __init__(
        self,
        name: str,
        config: MqttConfig,
        topics: Sequence[str],
        clock: Clock,
        host: "SparkplugHost | None" = None,
    ) -> None:
        self.name = name
        self.health = SourceHealth(failed=host.failed if host is not None else {})
        self._config = config
        self._clock = clock
        self._host = host
        self._topics = dict.fromkeys(topics)
        self._was_connected = False
        self._lost_at: float | None = None

    async def run(self, take: Take) -> None:
        await supervise(self.name, self.health, self._clock, partial(self._connect, take))

    async def _connect(self, take: Take) -> None:
        """One connection; once it is lost, no metric of a device has a good value, which is said once. Messages are
        kept by the broker, but not those of edge nodes."""
        try:
            await self._serve(take)
        except SourceError:
            if self._host is not None:
                gone = self._host.lost()
                if gone:
                    await take(Arrival(self.name, gone))
            raise

    async def _serve(self, take: Take) -> None:
        """One connection, from its first byte until it is lost."""
        connection = MqttConnection(self._config, self._clock, lambda why: self.health.down(self._clock.now(), why))
        try:
            connected = await connection.open()
            if not connected.resumed:
                await take(Arrival(self.name, notices=self._lost_session(), new_session=True))
            self._was_connected = True
            for topic in self._topics:
                self.health.failed.pop(topic, None)
            await self._report_gap(take)
            try:
                await self._deliver(connection, take, resumed=connected.resumed)
            finally:
                self._lost_at = self._clock.now()
        finally:
            connection.close()

    def _lost_session(self) -> tuple[Notice, ...]:
        """A first connection may be the first ever; a later one without its session is a gap."""
        if not self._was_connected:
            return ()
        text = "the broker has forgotten the session; messages since the connection was lost may be missing"
        return (Notice("gap", self._clock.now(), self.name, "", text),)

    async def _report_gap(self, take: Take) -> None:
        if self._host is not None and self._lost_at is not None:
            now = self._clock.now()
            text = not_connected(self._lost_at, now)
            await take(Arrival(self.name, notices=(Notice("gap", now, self.name, SPARKPLUG, text),)))

    async def _deliver(self, connection: MqttConnection, take: Take, *, resumed: bool) -> None:
        """Hand over what arrives, and ask again for topics that are not granted (yet); ends by raising why."""
        missing = dict.fromkeys((*self._topics, *(self._host.topics if self._host is not None else ())))
        connection.subscribe(missing)
        pause = _RETRY
        retry_at = self._clock.monotonic() + pause
        while True:
            due = await self._attend(connection, take)
            now = self._clock.monotonic()
            if missing and retry_at <= now:
                connection.subscribe(missing)
                pause = min(2 * pause, _RETRY_LONGEST)
                retry_at = now + pause
                continue
            wake = min(retry_at if missing else math.inf, due)
            try:
                async with asyncio.timeout(wake - now if wake < math.inf else None):
                    event = await connection.next()
            except TimeoutError:
                continue
            if isinstance(event, Message):
                arrival = self._arrival(event, connection, resumed=resumed)
                if arrival.samples or arrival.notices or arrival.receipt:
                    await take(arrival)
            elif isinstance(event, Answered):
                self._note(event, missing)

    async def _attend(self, connection: MqttConnection, take: Take) -> float:
        """Ask edge nodes for their births, and say what was missed, where that is due; when it is the next time, on the monotonic clock."""
        if self._host is None:
            return math.inf
        missed = self._host.missed()
        if missed:
            await take(Arrival(self.name, missed))
        for topic, payload in self._host.requests():
            connection.publish(topic, payload)
            log.info("births_requested", source=self.name, topic=topic)
        return self._host.due

    def _note(self, answer: Answered, missing: dict[str, None]) -> None:
        for topic, refusal in answer.refusals.items():
            if refusal is None:
                missing.pop(topic, None)
                self.health.failed.pop(topic, None)
                if self._host is not None and topic in self._host.topics:
                    self._host.subscribed(topic)
            else:
                self.health.failed[topic] = refusal
        if not self.health.connected:
            self.health.up(self._clock.now())
            devices = self._host.devices if self._host is not None else 0
            failed = len(self.health.failed)
            log.info("source_connected", source=self.name, topics=len(self._topics), devices=devices, failed=failed)

    def _arrival(self, message: Message, connection: MqttConnection, *, resumed: bool) -> Arrival:
        samples, notices = self._told(message)
        if samples:
            self.health.last_sample_at = message.received
        if message.packet_id is None:
            return Arrival(self.name, samples, notices)
        receipt = Receipt(message.packet_id, _digest(message), redelivered=message.dup and resumed)
        return Arrival(self.name, samples, notices, receipt, partial(connection.acknowledge, message.packet_id))

    def _told(self, message: Message) -> tuple[tuple[Sample, ...], tuple[Notice, ...]]:
        """What the message says."""
        if self._host is not None and message.topic.startswith(f"{SPARKPLUG}/"):
            if message.retained:  # none that follows the specification is; who knows how old it is
                return (), ()
            told = self._host.take(message.topic, message.payload, message.received)
            return told.samples, told.notices
        if message.topic not in self._topics:  # the session can hold subscriptions of an earlier configuration
            return (), ()
        try:
            value = decode(message.payload)
        except ValueError as error:
            text = f"the payload {error}: {excerpt(message.payload)}"
            return (), (Notice("reject", message.received, self.name, message.topic, text),)
        return (Sample(self.name, message.topic, value, message.received, retained=message.retained),), ()


def _digest(message: Message) -> str:
    digest = hashlib.blake2b(message.topic.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(message.payload)
    return digest.hexdigest()
