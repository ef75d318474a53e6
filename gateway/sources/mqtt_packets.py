"""MQTT packets as bytes, those that a client sends and those that it receives, of 3.1.1 and 5. Pure.

A PUBLISH is read by the length of its parts: its properties are passed over, however many there are, and of one that
is longer than WHOLE only the beginning is kept, with a digest of the rest. So neither a flood of properties nor a
message of 256 MB costs memory. Whatever else does not follow the specification raises Malformed, which says what.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from gateway.secret_forms import without
from gateway.sources.mqtt_reasons import Foreign, Malformed, reason

Version = Literal["5", "3.1.1"]

WHOLE = 2**20
"""Bytes of a packet up to which it is kept whole."""
LONGEST = 16 * 2**20
"""What a broker is told to be the longest packet that we take (MQTT 5): it discards longer ones, as it must."""
_BEGINNING = 2 * 2**16
"""Of a longer one: topic (at most 64 KiB) and packet id are in here, and the beginning of the payload as a rule."""

CONNACK = "\x20"
"""What the first answer of a broker begins with."""
PINGREQ = b"\xc0\x00"

SHORTEST_PASSWORD = 4
"""Characters of a password that is looked for in what a broker says; a shorter one would be found in words."""

_PUBLISH = 3
_NAMES = (
    "a packet of type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
    "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
)  # fmt: skip

_SESSION_EXPIRY, _SERVER_KEEP_ALIVE, _REASON_STRING = 0x11, 0x13, 0x1F
_RECEIVE_MAXIMUM, _MAXIMUM_QOS, _MAXIMUM_PACKET_SIZE = 0x21, 0x24, 0x27
_NUMBERS = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
"""How many bytes the number of a property has."""
_TEXTS = {**dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), 1), 0x26: 2}
"""How many texts a property has."""
_WILL_QOS_1_RETAINED = 0x2C


class Connack(NamedTuple):
    """The answer to CONNECT. `refusal`: why the broker does not take the connection, None where it does.
    `other_version`: because it does not speak this version of MQTT. `resumed`: it still has our session, which it keeps
    for `expiry` seconds where it says another time than it was asked for. `keep_alive` is the longest silence that it
    bears, where it says another. `most_qos`: the highest QoS that it knows."""

    resumed: bool
    refusal: str | None = None
    other_version: bool = False
    expiry: int | None = None
    keep_alive: int | None = None
    most_qos: int = 2


class Publish(NamedTuple):
    """A message. `packet_id` is None at QoS 0. What is no UTF-8 in the topic is escaped as Python does (surrogates).
    `left_out` are bytes of the payload that were too many to be kept, `rest` a digest of them."""

    topic: str
    payload: bytes
    packet_id: int | None
    dup: bool
    retained: bool
    left_out: int = 0
    rest: bytes = b""


class Suback(NamedTuple):
    """The answer to SUBSCRIBE, a code for each filter."""

    packet_id: int
    codes: bytes


class Unsuback(NamedTuple):
    """The answer to UNSUBSCRIBE, whatever it says."""

    packet_id: int


class Pingresp(NamedTuple):
    """The answer to PINGREQ."""


class Disconnect(NamedTuple):
    """The broker ends the connection, and says why."""

    reason: str


Incoming = Connack | Publish | Suback | Unsuback | Pingresp | Disconnect


class Will(NamedTuple):
    """What the broker publishes, retained, once it has lost us without a farewell."""

    topic: str
    payload: bytes


# What is sent


def connect(
    version: Version,
    client_id: str,
    keep_alive: int,
    *,
    username: str | None = None,
    password: str | None = None,
    will: Will | None = None,
    session_expiry: int = 0,
    window: int = 0,
    clean: bool = False,
) -> bytes:
    """CONNECT for the session of before, or a new one; with `clean` always a new one.

    `session_expiry` in seconds, and `window`, the messages that may be sent without an acknowledgement, are of MQTT 5.
    """
    is_v5 = version == "5"
    flags = 0x80 * (username is not None) | 0x40 * (password is not None) | (_WILL_QOS_1_RETAINED if will else 0)
    flags |= 0x02 * clean
    parts = [_text("MQTT"), bytes([5 if is_v5 else 4, flags]), keep_alive.to_bytes(2, "big")]
    if is_v5:
        parts.append(
            _block(
                bytes([_SESSION_EXPIRY]) + session_expiry.to_bytes(4, "big"),
                bytes([_RECEIVE_MAXIMUM]) + window.to_bytes(2, "big"),
                bytes([_MAXIMUM_PACKET_SIZE]) + LONGEST.to_bytes(4, "big"),
            )
        )
    parts.append(_text(client_id))
    if will is not None:
        parts += [b"\0" if is_v5 else b"", _text(will.topic), len(will.payload).to_bytes(2, "big"), will.payload]
    parts += [_text(given) for given in (username, password) if given is not None]
    return _packet(0x10, *parts)


def subscribe(version: Version, packet_id: int, filters: Sequence[str], qos: Literal[0, 1] = 1) -> bytes:
    """SUBSCRIBE at `qos`."""
    return _asking(0x82, version, packet_id, [_text(topic) + bytes([qos]) for topic in filters])


def unsubscribe(version: Version, packet_id: int, filters: Sequence[str]) -> bytes:
    """UNSUBSCRIBE."""
    return _asking(0xA2, version, packet_id, [_text(topic) for topic in filters])


def publish(version: Version, topic: str, payload: bytes, *, retain: bool = False, packet_id: int = 0) -> bytes:
    """PUBLISH, at QoS 1 where it has a packet id."""
    number = packet_id.to_bytes(2, "big") if packet_id else b""
    first = 0x30 | 0x02 * bool(packet_id) | retain
    return _packet(first, _text(topic), number, b"\0" if version == "5" else b"", payload)


def puback(packet_id: int) -> bytes:
    """PUBACK of success."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def disconnect() -> bytes:
    """DISCONNECT in order: the will is not published."""
    return b"\xe0\x00"


def _asking(first: int, version: Version, packet_id: int, parts: Sequence[bytes]) -> bytes:
    return _packet(first, packet_id.to_bytes(2, "big"), b"\0" if version == "5" else b"", *parts)


def _packet(first: int, *parts: bytes) -> bytes:
    return bytes([first]) + _block(*parts)


def _block(*parts: bytes) -> bytes:
    """Parts behind their length as a variable byte integer."""
    content = b"".join(parts)
    length, left = bytearray(), len(content)
    while not length or left:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
    return bytes(length) + content


def _text(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(2, "big") + content


# What is received


class Reader:
    """Takes bytes as they come, and gives packets. What the broker says in words is told without the `password`."""

    def __init__(self, version: Version, password: str = "") -> None:
        self._is_v5 = version == "5"
        self._password = password
        self._data = b""
        self._at = 0
        self._skipping: _Skipping | None = None

    @property
    def unread(self) -> int:
        """Bytes that are not given as packets yet."""
        return len(self._data) - self._at

    @property
    def beginning(self) -> str:
        """What is not read yet, at most 60 bytes of it, each as a character."""
        password = self._password.encode().decode("latin-1")
        return _without(self._data[self._at : self._at + 1024].decode("latin-1"), password)[:60]

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def next(self) -> Incoming | None:
        """The next packet; None where it is not whole yet. Raises Malformed, after which nothing more is to be read."""
        while True:
            if self._skipping is not None:
                publish = self._skipped(self._skipping)
                if publish is not None or self._skipping is not None:
                    return publish
            data, at = self._data, self._at
            header = _varint(data, at + 1)
            if header is None:
                return None
            length, body = header
            end = body + length
            kind = data[at] >> 4
            if end - at > WHOLE:
                if kind != _PUBLISH:
                    raise Malformed(f"{_NAMES[kind]} of {length} bytes")
                if len(data) - body < _BEGINNING:
                    return None
                self._begin_skipping(data, body, end)
                continue
            if end > len(data):
                return None
            self._at = end
            if kind == _PUBLISH:
                return self._publish(data[at], data, body, end)
            packet = self._other(kind, data[body:end])
            if packet is not None:
                return packet

    def _publish(self, first: int, data: bytes, at: int, end: int) -> Publish:
        """The PUBLISH whose variable header begins at `at` and whose payload ends at `end`."""
        topic_end = at + 2 + (data[at] << 8 | data[at + 1]) if end - at >= 2 else end + 1
        qos = first >> 1 & 3
        payload = topic_end + 2 if qos else topic_end
        packet_id = None
        if payload <= end and qos:
            packet_id = data[topic_end] << 8 | data[topic_end + 1]
        if self._is_v5 and payload < end:
            properties = _varint(data, payload, end)
            payload = sum(properties) if properties is not None else end + 1
        elif self._is_v5:
            payload = end + 1
        if payload > end:
            raise Malformed("PUBLISH that is longer inside than outside")
        if qos == 2:
            raise Foreign("a message at QoS 2")
        if qos > 2:
            raise Malformed("PUBLISH at QoS 3, which there is not")
        if packet_id == 0:
            raise Malformed("PUBLISH with the packet id 0")
        topic = data[at + 2 : topic_end].decode("utf-8", "surrogateescape")
        if not topic:
            raise Malformed("PUBLISH without a topic")
        return Publish(topic, data[payload:end], packet_id, first & 8 > 0, first & 1 > 0)

    def _begin_skipping(self, data: bytes, body: int, end: int) -> None:
        kept = min(body + _BEGINNING, len(data))
        publish = self._publish(data[self._at], data, body, kept)
        self._skipping = _Skipping(publish, end - kept)
        self._at = kept

    def _skipped(self, skipping: "_Skipping") -> Publish | None:
        """Pass over what has come of a long PUBLISH; the PUBLISH once all of it has."""
        part = self._data[self._at : self._at + skipping.left]
        skipping.digest.update(part)
        skipping.left -= len(part)
        self._at += len(part)
        if skipping.left:
            return None
        self._skipping = None
        return skipping.publish._replace(left_out=skipping.length, rest=skipping.digest.digest())

    def _other(self, kind: int, body: bytes) -> Incoming | None:
        """A packet of another kind; None where it says nothing to us."""
        match kind:
            case 13:
                return Pingresp()
            case 4:
                return None  # what is published is said anew with the next connection
            case 11 if len(body) >= 2:
                return Unsuback(_number(body, 0))
            case 9 if len(body) >= 2:
                return Suback(_number(body, 0), body[self._after_properties(body, 2) :])
            case 2 if len(body) >= 2:
                return self._connack(body)
            case 14:
                _, texts = _properties(body, 1)
                return Disconnect(reason(body[0] if body else 0, self._said(texts)))
            case 2 | 9 | 11:
                raise Malformed(f"{_NAMES[kind]} of {len(body)} bytes")
            case _:
                raise Malformed(f"{_NAMES[kind]}, which no broker sends to a client of our kind")

    def _connack(self, body: bytes) -> Connack:
        code = body[1]
        numbers, texts = _properties(body, 2) if self._is_v5 else ({}, {})
        refusal = reason(code, self._said(texts), connack=True) if code else None
        expiry, keep_alive = numbers.get(_SESSION_EXPIRY), numbers.get(_SERVER_KEEP_ALIVE)
        most_qos = numbers.get(_MAXIMUM_QOS, 2)
        return Connack(body[0] & 1 > 0, refusal, code in (0x01, 0x84), expiry, keep_alive, most_qos)

    def _said(self, texts: Mapping[int, str]) -> str:
        """What the broker says beside its answer, if anything."""
        return _without(texts.get(_REASON_STRING, ""), self._password)

    def _after_properties(self, body: bytes, at: int) -> int:
        if not self._is_v5:
            return at
        length = _varint(body, at)
        if length is None or sum(length) > len(body):
            raise Malformed("properties that are longer than their packet")
        return sum(length)


def _without(text: str, password: str) -> str:
    return without(text, password, "(the password)") if len(password) >= SHORTEST_PASSWORD else text


class _Skipping:
    """A PUBLISH of which the rest is passed over."""

    def __init__(self, publish: Publish, length: int) -> None:
        self.publish, self.length, self.left = publish, length, length
        self.digest = hashlib.blake2b(digest_size=16)


def _varint(data: bytes, at: int, end: int | None = None) -> tuple[int, int] | None:
    """A variable byte integer at `at`, and where it ends; None where it is not whole."""
    end = len(data) if end is None else end
    value = 0
    for count in range(4):
        if at + count >= end:
            return None
        digit = data[at + count]
        value |= (digit & 0x7F) << 7 * count
        if digit < 0x80:
            return value, at + count + 1
    raise Malformed("a length of more than four bytes")


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _properties(body: bytes, at: int) -> tuple[dict[int, int], dict[int, str]]:
    """The properties at `at`, numbers and texts, of those that come more than once the last; none where the packet ends
    before them."""
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    if at >= len(body):
        return numbers, texts
    length = _varint(body, at)
    if length is None or sum(length) > len(body):
        raise Malformed("properties that are longer than their packet")
    end, at = sum(length), length[1]
    while at < end:
        name, at = body[at], at + 1
        if name in _NUMBERS:
            numbers[name] = _number(body, at, _NUMBERS[name])
            at += _NUMBERS[name]
        elif name in _TEXTS:
            for _ in range(_TEXTS[name]):
                size = _number(body, at)
                texts[name] = body[at + 2 : at + 2 + size].decode("utf-8", "replace")
                at += 2 + size
        else:
            raise Malformed(f"the property {name}, which is not one of a broker's answers")
    if at > end:
        raise Malformed("properties that are longer than their packet")
    return numbers, texts
