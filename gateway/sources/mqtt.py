"""MQTT: a persistent session at QoS 1 whose messages are acknowledged only after they are committed (P1).

Each message becomes one Arrival that carries its Receipt and, as `done`, its PUBACK on the connection it came by. What
a lost connection had already brought is still delivered; the broker sends it again, and the receipts tell, until the
broker has confirmed the PUBACKs. What messages of Sparkplug edge nodes mean is decided in `sparkplug`.
"""

import asyncio
import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG
from gateway.config.schema_messages import PLAIN, Form
from gateway.config.schema_mqtt import MqttConfig
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.model import Moment, Notice, Reject, Sample
from gateway.receipt_table import DIGEST
from gateway.secret_forms import shown_address
from gateway.sources.base import TURN, Arrival, Connected, Receipt, Source, SourceHealth, Take, moments_of
from gateway.sources.mqtt_confirmation import TOLD, Confirmation
from gateway.sources.mqtt_connection import (
    CLOSED,
    Confirmed,
    MqttConnection,
    NoAnswer,
    OtherVersion,
    Packet,
    Publish,
    Subscribed,
    Unsubscribed,
)
from gateway.sources.mqtt_forms import Topics
from gateway.sources.mqtt_messages import Busiest, Messages
from gateway.sources.mqtt_packets import Connack, Version
from gateway.sources.mqtt_presence import PrimaryHost
from gateway.sources.mqtt_stream import address_of
from gateway.sources.mqtt_subscriptions import SMALL, FilterFile, Subscriptions

if TYPE_CHECKING:  # its library is imported only where a device is named
    from gateway.sources.sparkplug import SparkplugHost

log = structlog.get_logger()

_VERSIONS = 2
"""Versions of MQTT that are tried at an address."""
_AT_ONCE = 500
"""Packets that are handed over before others of the process have their turn."""
_WATCH = 1.0
_SHORT, _FEW = 30.0, 3
_LASTING = 5.0
"""Seconds after which it is told that a broker has to wait."""


class MqttSource(Source):
    """The topics of one broker, and its Sparkplug devices where `host` is given."""

    def __init__(
        self,
        name: str,
        config: MqttConfig,
        topics: Mapping[str, Form] | Iterable[str],
        clock: Clock,
        host: "SparkplugHost | None" = None,
        directory: Path | None = None,
        *,
        clean: bool = False,
    ) -> None:
        """`topics` are as the configuration writes them, with the forms of their messages where they have some.
        `directory` is where the topics that the session has subscribed are kept; nowhere, where there is none.
        `clean`: each connection has a session of its own, at QoS 0, of which the broker keeps nothing."""
        super().__init__(name, clock, SourceHealth(failed=host.failed if host is not None else {}))
        self._config = config
        self._host = host
        self._topics = Topics(topics if isinstance(topics, Mapping) else dict.fromkeys(topics, PLAIN))
        self._messages = Messages(name, self._topics, host, self.health.unwanted)
        self._had_session = False
        self._confirmation = Confirmation()
        self._clean = clean
        self._primary = PrimaryHost(config.host_id, self.health.failed)
        topics_of_host = (*host.topics, *self._primary.topics) if host is not None else self._primary.topics
        self._subscriptions = Subscriptions((*self._topics.filters, *topics_of_host), 0 if clean else 1)
        self._session = "{} at {}:{}".format(config.client_id, *address_of(config.url))
        self._file = FilterFile(directory, self._session)
        self._leaving: set[str] = set()
        """Topics that are to be unsubscribed."""
        self._busiest = Busiest()
        self._addresses = (config.url, *config.alternatives)
        self._address = 0
        """The one that is tried, or stands."""
        self._version: Version = "3.1.1" if config.version == "3.1.1" else "5"
        self._versions_failed = 0
        """Versions in a row that what answers at this address has not taken."""
        self._short = 0
        """Connections in a row that stood, and were closed soon without a word."""
        self._handing_over_since: float | None = None
        self._ended_at: float | None = None
        """When a connection that stood was last lost, on the monotonic clock."""
        self._away: bool | None = None
        """The broker has closed the connection in order, or could not be connected to since, as where it is started
        anew; None before anything was tried."""

    async def _serve(self, take: Take) -> NoReturn:
        url = self._addresses[self._address]
        connection = MqttConnection(
            self._config,
            self._clock,
            self._lost,
            self._confirmation,
            version=self._version,
            url=url,
            closed=self._closed(),
            clean=self._clean,
        )
        stood_at = math.inf
        watching = asyncio.create_task(self._watch(connection))
        try:
            log.debug("mqtt_connecting", source=self.name, url=shown_address(url), version=self._version)
            with self._waiting():
                connack = await self._open(connection)
            log.debug("mqtt_connected", source=self.name, session_kept=connack.resumed)
            self._connected()
            stood_at = self._clock.monotonic()
            connected = Connected(self._session, connack.resumed, self._clock.monotonic(), self._ended_at, self._away)
            self._away = False
            await take(Arrival(self.name, notices=self._session_lost(resumed=connack.resumed), connected=connected))
            self._had_session = True
            self._note_expiry(connack)
            connection.announce()
            self._subscriptions.lossy = connack.most_qos == 0
            if self._host is not None:
                await self._report_gap(take, SPARKPLUG)
            await self._unsubscribe(connection, resumed=connack.resumed)
            await self._deliver(connection, take)
        finally:
            watching.cancel()
            self.health.heard_at = connection.heard_at
            self._ended_at = connection.lost_at if stood_at < math.inf else self._ended_at
            self._away = self._away or connection.closed_without_a_word
            short = self._clock.monotonic() - stood_at < _SHORT and connection.closed_without_a_word
            self._short = self._short + 1 if short else 0
            await connection.close()

    def _closed(self) -> str:
        """What is said where the broker closes the connection without a word: what other reason would it have for
        doing so again and again, right after the connection stood?"""
        if self._short < _FEW:
            return CLOSED
        often = f"{CLOSED}, for the {self._short + 1}th time shortly after it stood"
        if self._subscriptions.in_doubt:
            return f"{often}: topics that it may not allow are asked for one by one"
        causes = [f"where another client has the client_id {self._config.client_id}"]
        if self._host is not None and self._config.rebirth == "auto":  # mosquitto 2.0.11 does so, and AWS IoT
            causes.append("that take no requests for births from us")
        twin = f"as brokers do {', or '.join(causes)}"
        return f"{often}, {twin}"

    async def _open(self, connection: MqttConnection) -> Connack:
        """Connect; where that fails, the next attempt is made with another version of MQTT, where that can be the
        reason, or at another address: also where what answers there ends the connection whatever the version, as a load
        balancer whose broker is away."""
        try:
            connack = await connection.open()
        except SourceError as error:
            self._away = True
            can_be_version = self._config.version == "auto" and isinstance(error, OtherVersion | NoAnswer)
            self._versions_failed = self._versions_failed + 1 if can_be_version else _VERSIONS
            if self._versions_failed >= _VERSIONS:
                self._versions_failed = 0
                self._address = (self._address + 1) % len(self._addresses)
            if not can_be_version:
                raise
            self._version = "3.1.1" if self._version == "5" else "5"
            raise SourceError(f"{error}; the next attempt is made with MQTT {self._version}") from error
        self._versions_failed = 0
        return connack

    async def _watch(self, connection: MqttConnection) -> None:
        """Tell what lasts: the broker has to wait for us, or we for its answer."""
        while True:
            await asyncio.sleep(_WATCH)
            now = self._clock.monotonic()
            since = min(filter(None, (self._handing_over_since, connection.paused_since)), default=now)
            self._concern("source_waits", _waits(self._clock.now() - (now - since)) if now - since > _LASTING else None)
            overdue = self._confirmation.overdue(now) and not connection.paused_since and not connection.waiting
            text = f"it has not answered for more than {TOLD:.0f} s whether it has taken acknowledgements"
            self.health.unconfirmed = text if overdue else None
            queue = self._config.broker_queue
            self.health.room = self._busiest.lasts(queue, now) if queue is not None else None

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        """Messages are kept by the broker, but not those of edge nodes."""
        return self._host.connection_lost(now) if self._host is not None else ()

    def _lost(self, reason: str) -> None:
        """Shown at once, although messages that came before may still wait to be taken."""
        self.health.set_disconnected(self._clock.now(), reason)
        self.health.unconfirmed = None
        self._concern("source_waits", None)

    def _concern(self, kind: KindName, text: str | None) -> None:
        others = {other: said for other, said in self.health.concerns.items() if other != kind}
        self.health.concerns = others | ({kind: text} if text is not None else {})

    def _session_lost(self, *, resumed: bool) -> tuple[Notice, ...]:
        """A first connection may be the first ever; a later one without its session is a gap."""
        if resumed or not self._had_session:
            return ()
        text = "the broker has forgotten the session; messages since the connection was lost may be missing"
        return (Notice("gap", self._clock.now(), self.name, "", text),)

    def _note_expiry(self, connack: Connack) -> None:
        asked = self._config.session_expiry
        short = connack.expiry is not None and connack.expiry < int(asked)
        text = (
            f"the broker keeps messages for {connack.expiry} s while the gateway is away, not for the {asked:.0f} s of "
            "session_expiry; what comes later is lost there"
        )
        self._concern("session_short", text if short else None)

    async def _unsubscribe(self, connection: MqttConnection, *, resumed: bool) -> None:
        """Let topics go that the session still has from an earlier configuration. What is about to be subscribed is on
        the list before."""
        wanted = set(self._subscriptions.topics)
        kept = await asyncio.to_thread(self._file.read)
        self._leaving = {*kept} - wanted if resumed else set()
        if wanted | self._leaving != kept:
            await asyncio.to_thread(self._file.write, wanted | self._leaving)
        leaving = sorted(self._leaving)
        for first in range(0, len(leaving), SMALL):
            connection.unsubscribe(tuple(leaving[first : first + SMALL]))
        if leaving:
            log.info("topics_unsubscribed", source=self.name, topics=len(leaving), first=leaving[0])

    async def _deliver(self, connection: MqttConnection, take: Take) -> NoReturn:
        """Hand over what arrives, and ask again for topics that are not granted (yet); ends by raising why."""
        self._subscriptions.begin(self._clock.monotonic())
        self.health.failed.update(self._subscriptions.failed)
        while True:
            self._turn()
            host_due = await self._serve_host(connection, take)
            now = self._clock.monotonic()
            for topics in self._subscriptions.ask(now):
                log.debug("mqtt_subscribing", source=self.name, topics=len(topics))
                connection.subscribe(topics)
            if not self.health.connected and self._subscriptions.complete:
                self._show_connected()
            await connection.wait(min(now + TURN, host_due, self._subscriptions.due) - now)
            self._handing_over_since = self._clock.monotonic()
            for _ in range(_AT_ONCE):
                packet = connection.pop()
                if packet is None:
                    break
                await self._hand(packet, connection, take)
            else:
                await asyncio.sleep(0)
            self._handing_over_since = None

    async def _hand(self, packet: Packet, connection: MqttConnection, take: Take) -> None:
        match packet:
            case Publish() if packet.message.topic in self._primary.topics:
                await self._hear_host(packet, connection, take)
            case Publish():
                arrival = self._arrival(packet, connection)
                if not arrival.says_nothing:
                    await take(arrival)
            case Confirmed():
                await take(Arrival(self.name, confirmed=packet.numbers))
            case Subscribed():
                self._note(packet)
            case Unsubscribed() if self._leaving:
                self._leaving -= {*packet.topics}
                if not self._leaving:
                    await asyncio.to_thread(self._file.write, self._subscriptions.topics)

    async def _hear_host(self, publish: Publish, connection: MqttConnection, take: Take) -> None:
        """A STATE. That the host is offline which the gateway is, is the word of an earlier connection."""
        is_offline = self._primary.hear(publish.message.topic, publish.message.payload)
        if is_offline and self._config.primary_host:
            connection.announce()
        packet_id = publish.message.packet_id
        if packet_id is not None:
            receipt = Receipt(packet_id, _digest(publish), publish.message.dup, publish.at)
            await take(
                Arrival(self.name, receipt=receipt, done=partial(connection.acknowledge, packet_id, publish.number))
            )

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

    def _note(self, subscribed: Subscribed) -> None:
        """Take over what the broker has granted and refused."""
        granted = self._subscriptions.answer(subscribed.topics, subscribed.codes, self._clock.monotonic())
        refused = len(subscribed.topics) - len(granted)
        log.debug("mqtt_subscribed", source=self.name, granted=len(granted), refused=refused)
        for topic in subscribed.topics:
            self.health.failed.pop(topic, None)
        self.health.failed.update(self._subscriptions.failed)
        for topic in granted:
            if self._host is not None and topic in self._host.topics:
                self._host.subscribed(topic)

    def _show_connected(self) -> None:
        self.health.set_connected(self._clock.now())
        devices = self._host.devices if self._host is not None else 0
        failed = len(self.health.failed)
        log.info(
            "source_connected",
            source=self.name,
            version=self._version,
            topics=len(self._topics),
            devices=devices,
            failed=failed,
        )

    def _arrival(self, publish: Publish, connection: MqttConnection) -> Arrival:
        said = self._messages.interpret(publish.message, publish.received)
        if said.moments or said.recovered:
            self.health.last_sample_at = publish.received
        packet_id = publish.message.packet_id
        weight = len(publish.message.payload) // 1024
        if packet_id is None:
            return Arrival(
                self.name,
                said.moments,
                said.notices,
                weight=weight,
                rejects=said.rejects,
                recovered=said.recovered,
            )
        self._busiest.add(publish.at)
        receipt = Receipt(packet_id, _digest(publish), publish.message.dup, publish.at)
        done = partial(connection.acknowledge, packet_id, publish.number)
        return Arrival(
            self.name,
            said.moments,
            said.notices,
            receipt,
            done,
            weight=weight,
            rejects=said.rejects,
            recovered=said.recovered,
        )

    def read_again(self, reject: Reject, now: float) -> tuple[tuple[Moment, ...], str]:
        """As the base class says."""
        return self._messages.read_again(reject, now)


def _digest(publish: Publish) -> bytes:
    digest = hashlib.blake2b(publish.message.topic.encode("utf-8", "surrogateescape"), digest_size=DIGEST)
    digest.update(b"\0")
    digest.update(publish.message.payload)
    digest.update(publish.message.rest)
    return digest.digest()


def _waits(since: float) -> str:
    at = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"since {at} nothing more is taken from the broker, which has to wait: intake takes nothing"
