"""A small MQTT broker for the demo: MQTT 5 and 3.1.1, QoS 0 and 1, sessions that outlive their connection.

What it keeps to the letter is what the demo's exact totals rest on (MQTT 5, 4.4 and 4.6): a QoS 1 message for a
session that is away waits for it; one that was sent and not acknowledged is sent again with DUP and the same
packet id when the client comes back, before anything newer; all in order. Sessions live as long as the object,
also while it is stopped, as they do in a broker that stores them.

What it leaves out: QoS 2 (a subscription is granted QoS 1), retained messages, wills, TLS, passwords, and MQTT 5
properties: it reads past them. A session is kept where the client did not ask for a clean start.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from uuid import uuid4

import structlog

from gateway.listening import stop_listening

log = structlog.get_logger()

WINDOW = 20
"""QoS 1 messages sent and not yet acknowledged, per session; MQTT 5 clients may ask for no fewer than this."""

LONGEST_QUEUE = 10_000
"""Messages that wait for one session; further ones are dropped and logged."""

LARGEST_PACKET = 1_000_000

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

_CAPABILITIES = bytes((0x24, 1, 0x25, 0))
"""The properties of CONNACK for an MQTT 5 client: maximum QoS 1, no retained messages (3.2.2.3.4, 3.2.2.3.5)."""


class ProtocolError(Exception):
    """The client sent what this broker does not understand; the connection is closed."""


@dataclass(frozen=True, slots=True)
class Message:
    """One published message."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Session:
    """What the broker keeps for one client id, also while that client is away."""

    filters: dict[str, int] = field(default_factory=dict)
    waiting: deque[Message] = field(default_factory=deque)
    inflight: dict[int, Message] = field(default_factory=dict)
    last_id: int = 0
    connection: "Connection | None" = None

    def next_id(self) -> int:
        """A packet id that is not in flight."""
        while True:
            self.last_id = self.last_id % 65535 + 1
            if self.last_id not in self.inflight:
                return self.last_id


class PacketReader:
    """Reads the fields of one packet one after the other (MQTT 5, 1.5)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise ProtocolError("a packet is shorter than its fields")
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        return self.take(self.number(2)).decode()

    def skip_properties(self) -> None:
        size = shift = 0
        while True:
            byte = self.number(1)
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        self.take(size)

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def __bool__(self) -> bool:
        return self._at < len(self._data)


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """A control packet: fixed header, remaining length, body (MQTT 5, 2.1)."""
    head, size = bytearray([kind << 4 | flags]), len(body)
    while True:
        head.append(size % 128 | (0x80 if size > 127 else 0))
        size //= 128
        if not size:
            return bytes(head) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def matches(topic: str, pattern: str) -> bool:
    """Whether `topic` is named by the topic filter `pattern` (MQTT 5, 4.7)."""
    levels, pattern_levels = topic.split("/"), pattern.split("/")
    if topic.startswith("$") and pattern_levels[0] in ("+", "#"):
        return False
    for number, level in enumerate(pattern_levels):
        if level == "#":
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(levels) == len(pattern_levels)


@dataclass(slots=True)
class Connection:
    """One client's connection: what is written to it."""

    writer: asyncio.StreamWriter
    level: int
    client_id: str
    assigned: str
    """The id that the broker chose, where the client gave none."""
    keeps_session: bool

    def _properties(self, properties: bytes = b"") -> bytes:
        return bytes([len(properties)]) + properties if self.level == 5 else b""

    def connack(self, *, session_present: bool) -> None:
        assigned = b"\x12" + _text(self.assigned) if self.assigned else b""
        self._send(CONNACK, 0, bytes([session_present, 0]) + self._properties(_CAPABILITIES + assigned))

    def publish(self, message: Message, packet_id: int | None, *, duplicate: bool = False) -> None:
        head, flags = _text(message.topic), 0
        if packet_id is not None:
            head, flags = head + packet_id.to_bytes(2, "big"), 0b0010 | (0b1000 if duplicate else 0)
        self._send(PUBLISH, flags, head + self._properties() + message.payload)

    def puback(self, packet_id: int) -> None:
        self._send(PUBACK, 0, packet_id.to_bytes(2, "big"))

    def suback(self, packet_id: int, granted: bytes) -> None:
        self._send(SUBACK, 0, packet_id.to_bytes(2, "big") + self._properties() + granted)

    def unsuback(self, packet_id: int, codes: bytes) -> None:
        codes = codes if self.level == 5 else b""
        self._send(UNSUBACK, 0, packet_id.to_bytes(2, "big") + self._properties() + codes)

    def pingresp(self) -> None:
        self._send(PINGRESP, 0, b"")

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(packet(kind, flags, body))


class Broker:
    """The broker on 127.0.0.1:`port`; `start` and `stop` as often as wanted."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sessions: dict[str, Session] = {}
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Closes the port and every connection; sessions stay."""
        if self._server is not None:
            server, self._server = self._server, None
            await stop_listening(server)
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def has_subscriber(self, topic: str) -> bool:
        """Whether a client is connected that subscribes to `topic` with QoS 1."""
        return any(
            session.connection is not None and self._qos(session, topic) == 1 for session in self._sessions.values()
        )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await self._serve(reader, writer)
        except (ProtocolError, UnicodeDecodeError) as error:
            log.warning("mqtt_client_refused", reason=str(error))
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the client has gone, or the broker stops: either way the connection is over
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):  # `stop` may come in just here
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, _, body = await _read_packet(reader)
        if kind != CONNECT:
            raise ProtocolError("the first packet is not CONNECT")
        connection, patience = _connect(body, writer)
        session = self._open(connection)
        try:
            while True:
                async with asyncio.timeout(patience):
                    kind, flags, body = await _read_packet(reader)
                if kind == DISCONNECT:
                    return
                self._handle(session, connection, kind, flags, PacketReader(body))
                await writer.drain()
        finally:
            self._close(session, connection)

    def _open(self, connection: Connection) -> Session:
        """Finds or makes the session, takes it over from an older connection, and resumes it (MQTT 5, 3.1.4)."""
        session = self._sessions.get(connection.client_id)
        if session is not None and session.connection is not None:
            session.connection.writer.close()
        known = session is not None and connection.keeps_session
        if session is None or not known:
            session = self._sessions[connection.client_id] = Session()
        session.connection = connection
        connection.connack(session_present=known)
        for packet_id, message in session.inflight.items():
            connection.publish(message, packet_id, duplicate=True)
        _forward(session)
        return session

    def _close(self, session: Session, connection: Connection) -> None:
        if session.connection is not connection:
            return  # a newer connection has taken the session over
        session.connection = None
        if not connection.keeps_session and self._sessions.get(connection.client_id) is session:
            del self._sessions[connection.client_id]

    def _handle(self, session: Session, connection: Connection, kind: int, flags: int, fields: PacketReader) -> None:
        if kind == PUBLISH:
            self._published(connection, flags, fields)
        elif kind == PUBACK:
            session.inflight.pop(fields.number(2), None)
            _forward(session)
        elif kind in (SUBSCRIBE, UNSUBSCRIBE):
            packet_id = fields.number(2)
            if connection.level == 5:
                fields.skip_properties()
            codes = bytearray()
            while fields:
                pattern = fields.text()
                if kind == SUBSCRIBE:
                    session.filters[pattern] = min(fields.number(1) & 0b11, 1)
                    codes.append(session.filters[pattern])
                else:
                    codes.append(0 if session.filters.pop(pattern, None) is not None else 0x11)
            answer = connection.suback if kind == SUBSCRIBE else connection.unsuback
            answer(packet_id, bytes(codes))
        elif kind == PINGREQ:
            connection.pingresp()
        else:
            raise ProtocolError(f"packet type {kind} is not supported")

    def _published(self, connection: Connection, flags: int, fields: PacketReader) -> None:
        topic, qos = fields.text(), flags >> 1 & 0b11
        if qos > 1:
            raise ProtocolError("QoS 2 is not supported")
        packet_id = fields.number(2) if qos else None
        if connection.level == 5:
            fields.skip_properties()
        message = Message(topic, fields.rest())
        for session in self._sessions.values():
            granted = min(qos, self._qos(session, topic))
            if granted == 1:
                if len(session.waiting) < LONGEST_QUEUE:
                    session.waiting.append(message)
                    _forward(session)
                else:
                    log.warning("mqtt_message_dropped", topic=topic, reason="the session's queue is full")
            elif granted == 0 and session.connection is not None:
                session.connection.publish(message, None)
        if packet_id is not None:
            connection.puback(packet_id)

    @staticmethod
    def _qos(session: Session, topic: str) -> int:
        """The QoS that `session` wants `topic` with; -1 where it does not want it."""
        return max((qos for pattern, qos in session.filters.items() if matches(topic, pattern)), default=-1)


def _forward(session: Session) -> None:
    """Sends what waits, as far as the window allows."""
    while session.connection is not None and session.waiting and len(session.inflight) < WINDOW:
        packet_id = session.next_id()
        message = session.inflight[packet_id] = session.waiting.popleft()
        session.connection.publish(message, packet_id)


def _connect(body: bytes, writer: asyncio.StreamWriter) -> tuple[Connection, float | None]:
    """The connection that a CONNECT asks for (MQTT 5, 3.1), and how long its client may be silent."""
    fields = PacketReader(body)
    if fields.text() != "MQTT" or (level := fields.number(1)) not in (4, 5):
        raise ProtocolError("neither MQTT 5 nor 3.1.1")
    flags, keepalive = fields.number(1), fields.number(2)
    if level == 5:
        fields.skip_properties()
    client_id = fields.text()
    assigned = "" if client_id else f"auto-{uuid4().hex}"
    connection = Connection(writer, level, client_id or assigned, assigned, keeps_session=not flags & 0b10)
    return connection, keepalive * 1.5 or None


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Type, flags and body of the next packet; EOFError when the client has gone."""
    first = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 21:
            raise ProtocolError("the packet's length is malformed")
    if size > LARGEST_PACKET:
        raise ProtocolError(f"a packet of {size} bytes is too large")
    return first >> 4, first & 0x0F, await reader.readexactly(size)
