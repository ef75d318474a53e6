"""MQTT: a persistent session at QoS 1 whose messages are acknowledged only after they are committed (P1).

Each message becomes one Arrival that carries its Receipt and, as `done`, its PUBACK on the connection it came by. What a
lost connection had already brought is still delivered; the broker sends it again, and the receipts tell.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial

import structlog

from gateway.clock import Clock
from gateway.config.schema import MqttSource as MqttConfig
from gateway.model import Notice, Sample
from gateway.sources.base import Arrival, Receipt, SourceHealth, Take, supervise
from gateway.sources.mqtt_connection import Answered, Message, MqttConnection
from gateway.sources.mqtt_decode import decode, excerpt

log = structlog.get_logger()

_RETRY = 2.0  # seconds until a topic that was not granted is asked for again, doubling to
_RETRY_LONGEST = 30.0


class MqttSource:
    """The topics of one broker."""

    def __init__(self, name: str, config: MqttConfig, topics: Sequence[str], clock: Clock) -> None:
        self.name = name
        self.health = SourceHealth()
        self._config = config
        self._clock = clock
        self._topics = tuple(dict.fromkeys(topics))
        self._was_connected = False

    async def run(self, take: Take) -> None:
        await supervise(self.name, self.health, self._clock, partial(self._serve, take))

    async def _serve(self, take: Take) -> None:
        """One connection, from its first byte until it is lost."""
        connection = MqttConnection(self._config, self._clock, lambda why: self.health.down(self._clock.now(), why))
        try:
            connected = await connection.open()
            if not connected.resumed:
                await take(Arrival(self.name, notices=self._lost_session(), new_session=True))
            self._was_connected = True
            self.health.failed.clear()
            await self._deliver(connection, take, resumed=connected.resumed)
        finally:
            connection.close()

    def _lost_session(self) -> tuple[Notice, ...]:
        """A first connection may be the first ever; a later one without its session is a gap."""
        if not self._was_connected:
            return ()
        text = "the broker has forgotten the session; messages since the connection was lost may be missing"
        return (Notice("gap", self._clock.now(), self.name, "", text),)

    async def _deliver(self, connection: MqttConnection, take: Take, *, resumed: bool) -> None:
        """Hand over what arrives, and ask again for topics that are not granted (yet); ends by raising why."""
        missing = dict.fromkeys(self._topics)
        connection.subscribe(missing)
        pause = _RETRY
        retry_at = self._clock.monotonic() + pause
        while True:
            wait = retry_at - self._clock.monotonic() if missing else None
            if wait is not None and wait <= 0:
                connection.subscribe(missing)
                pause = min(2 * pause, _RETRY_LONGEST)
                retry_at = self._clock.monotonic() + pause
                continue
            try:
                async with asyncio.timeout(wait):
                    event = await connection.next()
            except TimeoutError:
                continue
            if isinstance(event, Message):
                await take(self._arrival(event, connection, resumed=resumed))
            elif isinstance(event, Answered):
                self._note(event, missing)

    def _note(self, answer: Answered, missing: dict[str, None]) -> None:
        for topic, refusal in answer.refusals.items():
            if refusal is None:
                missing.pop(topic, None)
                self.health.failed.pop(topic, None)
            else:
                self.health.failed[topic] = refusal
        if not self.health.connected:
            self.health.up(self._clock.now())
            log.info("source_connected", source=self.name, topics=len(self._topics), failed=len(self.health.failed))

    def _arrival(self, message: Message, connection: MqttConnection, *, resumed: bool) -> Arrival:
        samples: tuple[Sample, ...] = ()
        notices: tuple[Notice, ...] = ()
        try:
            value = decode(message.payload)
        except ValueError as error:
            text = f"the payload {error}: {excerpt(message.payload)}"
            notices = (Notice("reject", message.received, self.name, message.topic, text),)
        else:
            samples = (Sample(self.name, message.topic, value, message.received, retained=message.retained),)
            self.health.last_sample_at = message.received
        if message.packet_id is None:
            return Arrival(self.name, samples, notices)
        receipt = Receipt(message.packet_id, _digest(message), redelivered=message.dup and resumed)
        return Arrival(self.name, samples, notices, receipt, partial(connection.acknowledge, message.packet_id))


def _digest(message: Message) -> str:
    digest = hashlib.blake2b(message.topic.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(message.payload)
    return digest.hexdigest()
