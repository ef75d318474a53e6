"""One connection to an MQTT broker: paho's protocol engine, driven by the event loop.

paho's own network thread is not used. Without it there is no thread that can die unseen while `is_connected()` stays
true: what goes wrong in a callback reaches the reader of `next`. Nor is there a hand-over between threads. Only
`connect` (name, TCP, TLS) runs in a worker thread, because paho does it blocking.

Bounded: beyond HELD_MESSAGES or HELD_BYTES that nobody has read yet, nothing more is read from the socket and the
broker has to wait. It takes QoS 0 or a broker that ignores the window to get there. If that lasts longer than the
keep-alive, the connection is given up; the broker sends again what was not acknowledged.

After PUBACKs the broker is asked whether it has processed them (`mqtt_confirmation`).
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock
from gateway.config.schema import MqttConfig
from gateway.errors import SourceError
from gateway.sources.mqtt_confirmation import PING, Confirmation
from gateway.sources.mqtt_engine import Engine, tls_context

WINDOW = 500
"""Messages that an MQTT 5 broker may send without an acknowledgement (ReceiveMaximum)."""

HELD_MESSAGES = 2 * WINDOW
HELD_BYTES = 16 * 2**20

NEVER_SUBSCRIBED = "oden-gateway/never/subscribed"
"""The filter of which an UNSUBSCRIBE asks whether PUBACKs are processed."""

_CONNECT_TIMEOUT = 10.0
_TICK = 1.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_EXPIRY = 0xFFFF_FFFF
_NO_ANSWER = 0x8D
_GRANTED = 1


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker takes the connection; `resumed`: it still has our session."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class Suback:
    """The answer to a SUBSCRIBE: topic -> None where it is granted, else why not."""

    refusals: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Publish:
    """A message. `packet_id` is None at QoS 0, where there is nothing to acknowledge; else `number` is how many
    messages at QoS 1 the connection has brought with it. `at` is when it was read, on the monotonic clock."""

    topic: str
    payload: bytes
    packet_id: int | None
    dup: bool
    retained: bool
    received: float
    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The broker has processed the PUBACKs of the messages with these numbers."""

    numbers: tuple[int, ...]


Packet = Connack | Suback | Publish | Confirmed
"""What comes from the broker, in the order in which it sent it."""


class MqttConnection:
    """A connection, from `open` to `close`, which must follow; never used again after that.

    `on_loss` is called at once with the reason when the connection is lost, while what arrived before may still
    wait in `next`. `confirmation` is that of the broker, over all connections to it.
    """

    def __init__(
        self, config: MqttConfig, clock: Clock, on_loss: Callable[[str], None], confirmation: Confirmation | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._on_loss = on_loss
        self._confirmation = confirmation or Confirmation()
        self._confirmation.begin()
        self._asking: asyncio.Handle | None = None
        self._number = 0
        self.heard_at = clock.now()
        """When anything last came of the broker, be it the end of the connection."""
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Packet | Exception] = asyncio.Queue()
        self._held_bytes = 0
        self._paused = False
        self._usable = False
        self._lost = False
        self._subscribing: dict[int, list[str]] = {}
        self._socket = -1
        self._timer: asyncio.TimerHandle | None = None
        self._client = self._engine()

    @property
    def held(self) -> int:
        """Packets that have arrived and wait to be read."""
        return self._inbox.qsize()

    async def open(self) -> Connack:
        """Connect. SourceError when the broker cannot be reached, does not answer, or refuses."""
        connecting = asyncio.create_task(asyncio.to_thread(self._connect()))
        try:
            await asyncio.shield(connecting)
        except OSError as error:
            raise SourceError(f"cannot connect: {error.strerror or error}") from error
        except asyncio.CancelledError:
            # The thread cannot be stopped, and what it opens must be closed.
            await asyncio.gather(connecting, return_exceptions=True)
            raise
        self._watch()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                packet = await self.next()
        except TimeoutError:
            raise SourceError("cannot connect: the broker does not answer") from None
        if not isinstance(packet, Connack):
            raise SourceError("cannot connect: the broker does not keep to the protocol")
        return packet

    def subscribe(self, topics: Iterable[str]) -> None:
        """Ask for `topics` at QoS 1; the broker's answer comes as Suback."""
        filters = list(topics)
        _, mid = self._client.subscribe([(topic, 1) for topic in filters])
        if mid is not None:
            self._subscribing[mid] = filters

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message at QoS 0; it is lost where the connection is."""
        if self._usable:
            self._guarded(partial(self._client.publish, topic, payload))

    async def next(self) -> Packet:
        """The next packet. Once the connection is lost and all that came before is read, raises why."""
        packet = await self._inbox.get()
        if isinstance(packet, Exception):
            raise packet
        if isinstance(packet, Publish):
            self._held_bytes -= len(packet.payload)
            if self._paused and self.held <= HELD_MESSAGES // 2 and self._held_bytes <= HELD_BYTES // 2:
                self._paused = False
                if self._usable:
                    self._loop.add_reader(self._socket, self._readable)
                    self._loop.call_soon(self._readable)
        return packet

    def acknowledge(self, packet_id: int, number: int) -> None:
        """Send the PUBACK of a message; none if this connection is gone, because its packet ids may mean other
        messages by now. The broker is asked about it once this turn of the event loop is over, with all others of the
        batch.

        Never raises: should the engine fail, that ends the connection.
        """
        if self._usable:
            self._guarded(partial(self._client.ack, packet_id, 1))
            self._confirmation.wrote(number, self._clock.monotonic())
            if self._asking is None:
                self._asking = self._loop.call_soon(self._ask)

    def close(self) -> None:
        """Say farewell, after which the broker keeps the session, and close the socket."""
        self._unwatch()
        self._stop_asking()
        client = self._client
        client.on_disconnect = client.on_socket_close = None
        client.on_socket_register_write = client.on_socket_unregister_write = None
        sock = client.socket()
        if sock is not None:
            try:
                client.disconnect()
                client.loop_write()
            finally:
                sock.close()

    def _engine(self) -> Engine:
        config = self._config
        is_v5 = config.version == "5"
        client = Engine(
            self._pinged,
            self._pong,
            config.client_id,
            clean_session=None if is_v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_TIMEOUT
        if config.username is not None or config.password is not None:
            password = config.password.get_secret_value() if config.password is not None else None
            client.username_pw_set(config.username, password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> Callable[[], object]:
        """How to connect; to be called in a thread."""
        if urlsplit(self._config.url).scheme == "mqtts":
            self._client.tls_set_context(tls_context(self._config))
        # Half the configured time: the engine waits as long again for the answer to its ping.
        keepalive = max(1, int(self._config.keepalive / 2))
        address = (*address_of(self._config), keepalive)
        if self._config.version != "5":
            return partial(self._client.connect, *address)
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = min(int(self._config.session_expiry), _LONGEST_EXPIRY)
        properties.ReceiveMaximum = WINDOW
        return partial(self._client.connect, *address, clean_start=False, properties=properties)

    def _watch(self) -> None:
        """From here on the event loop turns the engine."""
        client = self._client
        sock = client.socket()
        if sock is None:
            raise SourceError("cannot connect: the broker closed the connection")
        self._socket = sock.fileno()
        with suppress(OSError):  # without it a question waits for the acknowledgement of the PUBACKs, 40 ms
            cast("socket.socket", sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._usable = True
        client.on_socket_close = lambda *_: self._unwatch()
        client.on_socket_register_write = lambda *_: self._loop.add_writer(self._socket, self._writable)
        client.on_socket_unregister_write = lambda *_: self._unwatch_writing()
        self._loop.add_reader(self._socket, self._readable)
        if client.want_write():
            self._loop.add_writer(self._socket, self._writable)
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _unwatch_writing(self) -> None:
        self._loop.remove_writer(self._socket)

    def _unwatch(self) -> None:
        if not self._usable:
            return
        self._usable = False
        self._loop.remove_reader(self._socket)
        self._unwatch_writing()
        if self._timer is not None:
            self._timer.cancel()

    def _readable(self) -> None:
        self.heard_at = self._clock.now()
        while self._usable and not self._paused:
            self._guarded(self._client.loop_read)
            sock = self._client.socket()
            if not isinstance(sock, ssl.SSLSocket) or not sock.pending():  # TLS may hold packets the loop cannot see
                return

    def _writable(self) -> None:
        self._guarded(self._client.loop_write)

    def _tick(self) -> None:
        """Keep-alive: send a ping, or notice that the last one was not answered. Ask once more where that is due."""
        self._guarded(self._client.loop_misc)
        if self._asking is None:
            self._ask()
        if self._usable:
            self._timer = self._loop.call_later(_TICK, self._tick)

    def _ask(self) -> None:
        """Ask whether the PUBACKs so far are processed, now or when it is time."""
        self._asking = None
        wait = self._confirmation.wait(self._clock.monotonic()) if self._usable else None
        if wait:
            if wait < _TICK:
                self._asking = self._loop.call_later(wait, self._ask)
        elif wait is not None:
            self._guarded(self._client.ping if self._confirmation.by_ping else self._unsubscribe)

    def _unsubscribe(self) -> None:
        _, mid = self._client.unsubscribe(NEVER_SUBSCRIBED)
        if mid is not None:
            self._confirmation.asked(mid, self._clock.monotonic())

    def _pinged(self) -> None:
        self._confirmation.asked(PING, self._clock.monotonic())

    def _pong(self) -> None:
        self._answered(PING)

    def _answered(self, packet_id: int) -> None:
        numbers = self._confirmation.answered(packet_id, self._clock.monotonic())
        if numbers:
            self._inbox.put_nowait(Confirmed(numbers))
        if self._asking is None:
            self._ask()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001  # not handled here: `next` raises it in front of the supervisor
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self._unwatch()
        if not self._lost:  # the first reason is the one that says most
            self._lost = True
            self._stop_asking()
            self._confirmation.lost(self._clock.monotonic())
            self._on_loss(str(error))
            self._inbox.put_nowait(error)

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._lose(SourceError(f"the broker refuses the connection: {code}"))
        else:
            self._inbox.put_nowait(Connack(flags.session_present))

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            text = f"the broker ended the connection: {code}"
        elif code.value == _NO_ANSWER:
            text = "the broker does not answer any more"
        else:  # not every broker says so when another client takes a session over
            text = "the connection was lost; if that goes on, see whether another client has the client_id "
            text += self._config.client_id
        self._lose(SourceError(text))

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        filters = self._subscribing.pop(mid, [])
        self._inbox.put_nowait(Suback({topic: _refusal(code) for topic, code in zip(filters, codes, strict=True)}))

    def _on_unsubscribe(
        self, client: Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._answered(mid)  # whatever it says

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        packet_id = message.mid if message.qos else None
        self._number += message.qos > 0
        payload = bytes(message.payload)
        now, at = self._clock.now(), self._clock.monotonic()
        self._inbox.put_nowait(
            Publish(message.topic, payload, packet_id, message.dup, message.retain, now, self._number, at)
        )
        self._held_bytes += len(message.payload)
        if not self._paused and (self.held >= HELD_MESSAGES or self._held_bytes >= HELD_BYTES):
            self._paused = True
            self._loop.remove_reader(self._socket)


def address_of(config: MqttConfig) -> tuple[str, int]:
    """Host and port of the broker."""
    url = urlsplit(config.url)
    return url.hostname or "", url.port or _PORTS[url.scheme]


def _refusal(code: ReasonCode) -> str | None:
    if code.value == _GRANTED:
        return None
    if code.is_failure:
        return f"the broker refuses it: {code}"
    return "the broker grants only QoS 0, where messages can be lost"
