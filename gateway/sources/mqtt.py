"""MQTT: a persistent session at QoS 1 whose messages are acknowledged only after they are committed (P1).

Each message becomes one Arrival that carries its Receipt and, as `done`, its PUBACK on the connection it came by. What
a lost connection had already brought is still delivered; the broker sends it again, and the receipts tell, until the
broker has confirmed the PUBACKs. What messages of Sparkplug edge nodes mean is decided in `sparkplug`.
"""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG
from gateway.config.schema import MqttConfig
from gateway.model import Moment, Notice, Sample
from gateway.sources.base import TURN, Arrival, Connected, Receipt, Source, SourceHealth, Take, moments_of
from gateway.sources.mqtt_confirmation import TOLD, Confirmation
from gateway.sources.mqtt_connection import Confirmed, MqttConnection, Publish, Suback, address_of
from gateway.sources.mqtt_decode import decode, excerpt

if TYPE_CHECKING:  # its library is imported only where a device is named
    from gateway.sources.sparkplug import SparkplugHost

log = structlog.get_logger()

_RETRY = 2.0  # seconds until a topic that was not granted is asked for again, doubling to
_RETRY_LONGEST = 30.0


class MqttSource(Source):
    """The topics of one broker, and its Sparkplug devices where `host` is given."""

    def __init__(
        self,
        name: str,
        config: MqttConfig,
        topics: Sequence[str],
        clock: Clock,
        host: "SparkplugHost | None" = None,
    ) -> None:
        super().__init__(name, clock, SourceHealth(failed=host.failed if host is not None else {}))
        self._config = config
        self._host = host
        self._topics = dict.fromkeys(topics)
        self._had_session = False
        self._confirmation = Confirmation()

    async def _serve(self, take: Take) -> NoReturn:
        connection = MqttConnection(self._config, self._clock, self._lost, self._confirmation)
        try:
            with self._waiting():
                connack = await connection.open()
            self._connected()
            host, port = address_of(self._config)
            session = f"{self._config.client_id} at {host}:{port}"
            connected = Connected(session, connack.resumed, self._clock.monotonic())
            await take(Arrival(self.name, notices=self._session_lost(resumed=connack.resumed), connected=connected))
            self._had_session = True
            for topic in self._topics:
                self.health.failed.pop(topic, None)
            if self._host is not None:
                await self._report_gap(take, SPARKPLUG)
            await self._deliver(connection, take)
        finally:
            self._heard_at = connection.heard_at
            connection.close()

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        """Messages are kept by the broker, but not those of edge nodes."""
        return self._host.connection_lost(now) if self._host is not None else ()

    def _lost(self, reason: str) -> None:
        """Shown at once, although messages that came before may still wait to be taken."""
        self.health.set_disconnected(self._clock.now(), reason)
        self.health.unconfirmed = None

    def _session_lost(self, *, resumed: bool) -> tuple[Notice, ...]:
        """A first connection may be the first ever; a later one without its session is a gap."""
        if resumed or not self._had_session:
            return ()
        text = "the broker has forgotten the session; messages since the connection was lost may be missing"
        return (Notice("gap", self._clock.now(), self.name, "", text),)

    async def _deliver(self, connection: MqttConnection, take: Take) -> NoReturn:
        """Hand over what arrives, and ask again for topics that are not granted (yet); ends by raising why."""
        missing = dict.fromkeys((*self._topics, *(self._host.topics if self._host is not None else ())))
        if missing:
            connection.subscribe(missing)
        else:
            self._show_connected()
        pause = _RETRY
        retry_at = self._clock.monotonic() + pause
        while True:
            self._turn()
            host_due = await self._serve_host(connection, take)
            now = self._clock.monotonic()
            self._note_unconfirmed(now)
            if missing and retry_at <= now:
                connection.subscribe(missing)
                pause = min(2 * pause, _RETRY_LONGEST)
                retry_at = now + pause
                continue
            wake = min(now + TURN, host_due, retry_at if missing else math.inf)
            try:
                async with asyncio.timeout(wake - now):
                    packet = await connection.next()
            except TimeoutError:
                continue
            if isinstance(packet, Publish):
                arrival = self._arrival(packet, connection)
                if arrival.moments or arrival.notices or arrival.receipt:
                    await take(arrival)
            elif isinstance(packet, Confirmed):
                await take(Arrival(self.name, confirmed=packet.numbers))
            elif isinstance(packet, Suback):
                self._note(packet, missing)

    def _note_unconfirmed(self, now: float) -> None:
        overdue = self._confirmation.overdue(now)
        text = f"it has not answered for more than {TOLD:.0f} s whether it has taken acknowledgements"
        self.health.unconfirmed = text if overdue else None

    async def _serve_host(self, connection: MqttConnection, take: Take) -> float:
        """Say which devices are gone, and ask edge nodes for their births, where that is due.

        Returns when it is due the next time, on the monotonic clock.
        """
        if self._host is None:
            return math.inf
        gone = self._host.give_up_awaited()
        if gone:
            await take(Arrival(self.name, moments_of(gone)))
        for topic, payload in self._host.birth_requests():
            connection.publish(topic, payload)
            log.info("births_requested", source=self.name, topic=topic)
        return self._host.due

    def _note(self, suback: Suback, missing: dict[str, None]) -> None:
        """Take over what the broker has granted; with its first answer the source counts as connected.

        `missing` are the topics that are not granted yet.
        """
        for topic, refusal in suback.refusals.items():
            if refusal is None:
                missing.pop(topic, None)
                self.health.failed.pop(topic, None)
                if self._host is not None and topic in self._host.topics:
                    self._host.subscribed(topic)
            else:
                self.health.failed[topic] = refusal
        if not self.health.connected:
            self._show_connected()

    def _show_connected(self) -> None:
        self.health.set_connected(self._clock.now())
        devices = self._host.devices if self._host is not None else 0
        failed = len(self.health.failed)
        log.info("source_connected", source=self.name, topics=len(self._topics), devices=devices, failed=failed)

    def _arrival(self, publish: Publish, connection: MqttConnection) -> Arrival:
        moments, notices = self._interpret(publish)
        if moments:
            self.health.last_sample_at = publish.received
        if publish.packet_id is None:
            return Arrival(self.name, moments, notices)
        receipt = Receipt(publish.packet_id, _digest(publish), publish.dup, publish.at)
        done = partial(connection.acknowledge, publish.packet_id, publish.number)
        return Arrival(self.name, moments, notices, receipt, done)

    def _interpret(self, publish: Publish) -> tuple[tuple[Moment, ...], tuple[Notice, ...]]:
        """What the message says; nothing where nobody wants it."""
        if self._host is not None and publish.topic.startswith(f"{SPARKPLUG}/"):
            if publish.retained:  # none that follows the specification is; who knows how old it is
                return (), ()
            reported = self._host.interpret(publish.topic, publish.payload, publish.received)
            return moments_of(reported.samples), reported.notices
        if publish.topic not in self._topics:  # the session can hold subscriptions of an earlier configuration
            return (), ()
        try:
            value = decode(publish.payload)
        except ValueError as error:
            text = f"the payload {error}: {excerpt(publish.payload)}"
            return (), (Notice("reject", publish.received, self.name, publish.topic, text),)
        sample = Sample(self.name, publish.topic, value, publish.received, retained=publish.retained)
        return (Moment((sample,)),), ()


def _digest(publish: Publish) -> str:
    digest = hashlib.blake2b(publish.topic.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(publish.payload)
    return digest.hexdigest()
