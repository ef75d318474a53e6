"""One connection to an MQTT broker: what it brings in packets, what it is sent.

All runs on the event loop. What goes wrong while packets are read reaches the reader of `pop`, behind what came before.

Bounded: beyond HELD_MESSAGES or HELD_BYTES that nobody has taken yet, nothing more is read from the socket and the
broker has to wait. It takes QoS 0, large messages or a broker that ignores the window to get there. Meanwhile pings go
on, and the broker is not called dead: what it has to say waits in the kernel.

After PUBACKs the broker is asked whether it has processed them (`mqtt_confirmation`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from gateway.clock import Clock
from gateway.config.schema_mqtt import MqttConfig
from gateway.connection_steps import note_step
from gateway.errors import SourceError
from gateway.sources import mqtt_packets as packets
from gateway.sources.mqtt_confirmation import PING, Confirmation, KeepAlive
from gateway.sources.mqtt_packets import Connack, Disconnect, Incoming, Pingresp, Suback, Unsuback, Version
from gateway.sources.mqtt_presence import announcement
from gateway.sources.mqtt_reasons import Malformed
from gateway.sources.mqtt_stream import CONNECT_TIMEOUT, FAREWELL, Stream, open_stream, unanswered

WINDOW = 1_000
"""Messages that an MQTT 5 broker may send without an acknowledgement (Receive Maximum)."""
HELD_MESSAGES = 2_000
HELD_BYTES = 16 * 2**20

NEVER_SUBSCRIBED = "oden-gateway/never/subscribed"
"""The filter of which an UNSUBSCRIBE asks whether PUBACKs are processed."""

CLOSED = "the broker closed the connection"

_TICK = 1.0
_LONGEST_EXPIRY = 0xFFFF_FFFF
_MOST_IDS = 0xFFFF


class OtherVersion(SourceError):
    """The broker does not speak this version of MQTT."""


class NoAnswer(SourceError):
    """The broker has ended the connection in place of an answer to CONNECT."""


class Publish(NamedTuple):
    """A message, and `number`: how many messages at QoS 1 the connection has brought with it. `received` and `at` are
    when it was read, `at` on the monotonic clock."""

    message: packets.Publish
    received: float
    number: int
    at: float


class Subscribed(NamedTuple):
    """The answer to the SUBSCRIBE of these topics."""

    topics: tuple[str, ...]
    codes: bytes


class Unsubscribed(NamedTuple):
    """The topics are not subscribed any more."""

    topics: tuple[str, ...]


class Confirmed(NamedTuple):
    """The broker has processed the PUBACKs of the messages with these numbers."""

    numbers: tuple[range, ...]


Packet = Connack | Publish | Subscribed | Unsubscribed | Confirmed
"""What comes from the broker, in the order in which it sent it."""


class MqttConnection:
    """A connection, from `open` to `close`, which must follow; never used again after that.

    `on_loss` is called at once with the reason when the connection is lost, while what arrived before may still
    wait in `pop`. `confirmation` is that of the broker, over all connections to it. `closed` is what is said when the
    broker closes the connection without a word. `clean`: the session is a new one, at QoS 0, that ends with it.
    """

    def __init__(
        self,
        config: MqttConfig,
        clock: Clock,
        on_loss: Callable[[str], None],
        confirmation: Confirmation | None = None,
        *,
        version: Version = "5",
        url: str | None = None,
        closed: str = CLOSED,
        clean: bool = False,
    ) -> None:
        self._config, self._clock, self._on_loss = config, clock, on_loss
        self._version, self._url, self._closed, self._clean = version, url or config.url, closed, clean
        self._announced = announcement(config, clock.now())
        self._confirmation = confirmation or Confirmation()
        self._confirmation.begin()
        self._loop = asyncio.get_running_loop()
        self._password = config.password.get_secret_value() if config.password is not None else None
        self._reader = packets.Reader(version, self._password or "")
        self._stream: Stream | None = None
        self._inbox: deque[Packet] = deque()
        self._filled = asyncio.Event()
        self._number = self._last_id = self._held_bytes = 0
        self._lost: Exception | None = None
        self._asked_for: dict[int, tuple[str, ...]] = {}
        """The topics of requests that are not answered, by packet id."""
        self._out: list[bytes] = []
        self._sending: asyncio.Handle | None = None
        self._asking: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        # The broker may be silent for half the time, and its answer is awaited for the other half.
        self._keep_alive = KeepAlive(max(1, int(config.keepalive / 2)), clock.monotonic())
        self.heard_at = clock.now()
        """When anything last came of the broker, be it the end of the connection."""
        self._greeted = self.closed_without_a_word = False
        """The broker has ended a connection that stood, and did not say why."""
        self.lost_at: float | None = None
        self.paused_since: float | None = None
        """When it was lost, and since when nothing is read, on the monotonic clock; None while it stands, and is."""

    @property
    def held(self) -> int:
        """Packets that have arrived and wait to be taken."""
        return len(self._inbox)

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and are not read."""
        return self._reader.unread + (self._stream.waiting if self._stream is not None else 0)

    async def open(self) -> Connack:
        """Connect. SourceError when the broker cannot be reached, does not answer, or refuses."""
        config = self._config
        self._stream = stream = await open_stream(self._url, config, self._received, self._ended)
        expiry = min(int(config.session_expiry), _LONGEST_EXPIRY)
        stream.write(
            packets.connect(
                self._version,
                config.client_id,
                int(self._keep_alive.interval),
                username=config.username,
                password=self._password,
                will=self._announced.will if self._announced is not None else None,
                session_expiry=expiry if self._version == "5" and not self._clean else 0,
                window=WINDOW,
                clean=self._clean,
            )
        )
        note_step(self._url, "connect", version=self._version)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._filled.wait()
        except TimeoutError:
            raise SourceError("cannot connect: the broker does not answer") from None
        packet = self.pop()
        if not isinstance(packet, Connack):
            raise SourceError("cannot connect: the broker does not answer CONNECT first")
        if packet.refusal is not None:
            kind = OtherVersion if packet.other_version else SourceError
            raise kind(f"the broker refuses the connection: {packet.refusal}")
        if packet.keep_alive:
            self._keep_alive.interval = min(self._keep_alive.interval, packet.keep_alive)
        self._timer = self._loop.call_later(_TICK, self._tick)
        return packet

    # What is sent

    def subscribe(self, topics: tuple[str, ...]) -> None:
        """Ask for `topics` at QoS 1, or 0 in a clean session; the broker's answer comes as Subscribed."""
        self._send(packets.subscribe(self._version, self._request(topics), topics, 0 if self._clean else 1))

    def unsubscribe(self, topics: tuple[str, ...]) -> None:
        """Ask for `topics` no more; the broker's answer comes as Unsubscribed."""
        self._send(packets.unsubscribe(self._version, self._request(topics), topics))

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message at QoS 0; it is lost where the connection is."""
        self._send(packets.publish(self._version, topic, payload))

    def announce(self) -> None:
        """Say that we are there, where that is wanted."""
        if self._announced is not None:
            self._send(self._announced.hello(self._version, self._free_id()))

    def acknowledge(self, packet_id: int, number: int) -> None:
        """A message is stored: send the PUBACKs that are due; none if this connection is gone, because its packet ids
        may mean other messages by now. All of a turn of the loop go together, and then the broker is asked about them.
        """
        if self._lost is None and self._stream is not None:
            due = self._confirmation.acknowledge(packet_id, number, self._clock.monotonic())
            self._send(b"".join(map(packets.puback, due)))

    async def close(self) -> None:
        """Say farewell, after which the broker keeps the session, and end the connection; returns once it has ended."""
        self._stop()
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if self._lost is None:
            if self._announced is not None and self._greeted:  # the farewell unsays the will
                self._out.append(self._announced.farewell(self._version, self._free_id(), self._clock.now()))
            stream.write(b"".join((*self._out, packets.disconnect())))
        stream.close()
        await stream.gone(FAREWELL if self._lost is None else 0.0)

    def _request(self, topics: tuple[str, ...]) -> int:
        """The packet id of a request about `topics`."""
        packet_id = self._free_id()
        self._asked_for[packet_id] = topics
        return packet_id

    def _free_id(self) -> int:
        packet_id = self._last_id % _MOST_IDS + 1
        while packet_id in self._asked_for:
            packet_id = packet_id % _MOST_IDS + 1
        self._last_id = packet_id
        return packet_id

    def _send(self, data: bytes) -> None:
        self._out.append(data)
        if self._sending is None:
            self._sending = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what there is to be sent, and the question behind it where it is time."""
        self._sending = None
        if self._lost is not None or self._stream is None:
            return
        now = self._clock.monotonic()
        wait = self._confirmation.wait(now)
        if wait == 0.0:
            self._out.append(self._question(now))
        elif wait is not None and wait < _TICK and self._asking is None:
            self._asking = self._loop.call_later(wait, self._ask)
        if self._out:
            self._stream.write(b"".join(self._out))
            self._out.clear()
            self._keep_alive.sent(now)

    def _ask(self) -> None:
        self._asking = None
        self._flush()

    def _question(self, now: float) -> bytes:
        if self._confirmation.by_ping:
            return self._ping(now)
        packet_id = self._request((NEVER_SUBSCRIBED,))
        self._confirmation.asked(packet_id, now)
        return packets.unsubscribe(self._version, packet_id, (NEVER_SUBSCRIBED,))

    def _ping(self, now: float) -> bytes:
        self._confirmation.asked(PING, now)
        self._keep_alive.pinged(now)
        return packets.PINGREQ

    def _tick(self) -> None:
        """Keep-alive: send a ping, or notice that the broker is dead. Ask once more where that is due."""
        now = self._clock.monotonic()
        if self.paused_since is not None or self.waiting:
            self._keep_alive.heard()
        if self._keep_alive.dead(now):
            self._lose(SourceError("the broker does not answer any more"))
            return
        if self._keep_alive.due(now, _TICK):
            self._send(self._ping(now))
        elif self._sending is None:
            self._flush()
        self._timer = self._loop.call_later(_TICK, self._tick)

    # What comes

    async def wait(self, longest: float) -> None:
        """Wait until there is something to `pop`, for `longest` seconds at most."""
        if not self._filled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    await self._filled.wait()

    def pop(self) -> Packet | None:
        """The next packet, None where there is none yet. Once the connection is lost and all that came before is taken,
        raises why."""
        if not self._inbox:
            if self._lost is not None:
                raise self._lost
            self._filled.clear()
            return None
        packet = self._inbox.popleft()
        if isinstance(packet, Publish):
            self._held_bytes -= len(packet.message.payload)
            few = len(self._inbox) <= HELD_MESSAGES // 2 and self._held_bytes <= HELD_BYTES // 2
            if self.paused_since is not None and few:
                self._go_on()
        return packet

    def _received(self, data: bytes) -> None:
        self.heard_at = self._clock.now()
        self._reader.feed(data)
        self._keep_alive.heard()
        if not self._greeted and not (beginning := self._reader.beginning).startswith(packets.CONNACK):
            self._lose(SourceError(f"cannot connect: no MQTT is spoken there: it sent {ascii(beginning)[1:-1]}"))
        self._read()

    def _read(self) -> None:
        """Take in the packets that are whole, as many as may be held."""
        now, at = self._clock.now(), self._clock.monotonic()
        try:
            while self._lost is None and (packet := self._reader.next()) is not None:
                if isinstance(packet, packets.Publish):
                    self._number += packet.packet_id is not None
                    self._confirmation.came(packet.packet_id, dup=packet.dup)
                    self._inbox.append(Publish(packet, now, self._number, at))
                    self._held_bytes += len(packet.payload)
                    if len(self._inbox) >= HELD_MESSAGES or self._held_bytes >= HELD_BYTES:
                        self._pause(at)
                        break
                else:
                    self._take(packet, at)
        except Exception as error:  # noqa: BLE001  # not handled here: `pop` raises it in front of the supervisor
            self._lose(SourceError(error.reason) if isinstance(error, Malformed) else error)
        if self._inbox:
            self._filled.set()

    def _take(self, packet: Incoming, now: float) -> None:
        match packet:
            case Connack() if not self._greeted:
                self._greeted = True
                self._inbox.append(packet)
            case Pingresp():
                self._answered(PING, now)
            case Suback() if packet.packet_id in self._asked_for:
                self._inbox.append(Subscribed(self._asked_for.pop(packet.packet_id), packet.codes))
            case Unsuback() if packet.packet_id in self._asked_for:
                topics = self._asked_for.pop(packet.packet_id)
                if topics == (NEVER_SUBSCRIBED,):
                    self._answered(packet.packet_id, now)
                else:
                    self._inbox.append(Unsubscribed(topics))
            case Disconnect():
                self._lose(SourceError(f"the broker ended the connection: {packet.reason}"))
            case Connack():
                raise Malformed("CONNACK a second time")

    def _answered(self, packet_id: int, now: float) -> None:
        numbers = self._confirmation.answered(packet_id, now)
        if numbers:
            self._inbox.append(Confirmed(numbers))
        self._send(b"".join(map(packets.puback, self._confirmation.due(now))))

    def _pause(self, now: float) -> None:
        if self.paused_since is None and self._stream is not None:
            self.paused_since = now
            self._stream.pause()

    def _go_on(self) -> None:
        self.paused_since = None
        self._read()
        if self.paused_since is None and self._stream is not None:
            self._stream.resume()

    def _ended(self, why: str) -> None:
        """The stream has ended."""
        if not why:
            self.heard_at = self._clock.now()
        early = "" if self._greeted else unanswered(self._url)
        ending = f"the connection was lost{early}: {why}" if why else f"{CLOSED}{early}"
        if early:
            self._lose(NoAnswer(f"cannot connect: {ending}"))
        elif self.paused_since is not None:
            self._lose(SourceError(f"{ending}, while it had to wait because nothing is taken in"))
        else:
            self.closed_without_a_word = not why and self._lost is None
            self._lose(SourceError(ending if why else self._closed))

    def _lose(self, error: Exception) -> None:
        if self._lost is None:  # the first reason is the one that says most
            self._lost = error
            self._stop()
            if self._stream is not None:
                self._stream.close()
            self.lost_at = self._clock.monotonic()
            self._confirmation.lost(self.lost_at)
            self._on_loss(str(error))
        self._filled.set()

    def _stop(self) -> None:
        for handle in filter(None, (self._sending, self._asking, self._timer)):
            handle.cancel()
