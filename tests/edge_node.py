"""A Sparkplug B edge node for tests: its own encoder, its own session at a real broker, and faults on purpose.

It writes protobuf by hand, from the field numbers of Sparkplug 3.0.0 (6.4.1), so that it shares nothing with what it
tests.
"""

import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.peers import PATIENCE

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 = range(1, 9)
FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT = range(9, 15)
DATASET, BYTES, FILE, TEMPLATE = range(16, 20)
BOOLEAN_ARRAY, STRING_ARRAY = 32, 33

_LONG = {INT64, UINT64, DATETIME}


def varint(number: int) -> bytes:
    """A base 128 varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def put(number: int, value: int | bytes) -> bytes:
    """One field: an int as varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def quality(code: int) -> bytes:
    """The property Quality of a metric."""
    return put(9, put(1, b"Quality") + put(2, put(1, INT32) + put(3, code)))


def metric(
    value: Any,
    datatype: int,
    *,
    name: str | None = None,
    alias: int | None = None,
    at: float | None = None,
    typed: bool = True,
    more: bytes = b"",
) -> bytes:
    """A metric as it stands in a payload; None is a null."""
    out = put(1, name.encode()) if name is not None else b""
    out += put(2, alias) if alias is not None else b""
    out += put(3, int(at * 1000)) if at is not None else b""
    out += put(4, datatype) if typed else b""
    out += more
    if value is None:
        out += put(7, 1)
    elif datatype == FLOAT:
        out += varint(12 << 3 | 5) + struct.pack("<f", value)
    elif datatype == DOUBLE:
        out += varint(13 << 3 | 1) + struct.pack("<d", value)
    elif datatype == BOOLEAN:
        out += put(14, int(value))
    elif datatype in (STRING, TEXT):
        out += put(15, value.encode())
    elif datatype in (BYTES, DATASET, TEMPLATE):
        out += put({BYTES: 16, DATASET: 17, TEMPLATE: 18}[datatype], value)
    elif datatype in _LONG:
        out += put(11, value & 0xFFFF_FFFF_FFFF_FFFF)
    else:
        out += put(10, value & 0xFFFF_FFFF)
    return put(2, out)


def compressed(content: bytes) -> bytes:
    """A payload inside one that says that it is compressed (6.4.30)."""
    algorithm = metric("DEFLATE", STRING, name="algorithm")
    return algorithm + put(4, b"SPBV1.0_COMPRESSED") + put(5, zlib.compress(content))


def payload(metrics: Iterable[bytes], seq: int | None, at: float | None = None) -> bytes:
    """A payload."""
    out = put(1, int(at * 1000)) if at is not None else b""
    return out + b"".join(metrics) + (put(3, seq) if seq is not None else b"")


@dataclass
class Tag:
    """A metric of the node or a device as it is now; `at` is when it changed."""

    datatype: int
    value: Any
    at: float
    alias: int | None = None


class EdgeNode:
    """The edge node `group/node`. `tags` are the metrics of the devices, those of the node itself under None.

    With `aliases`, metrics go by numbers after a birth, other numbers after each. Births are sent at the start and when
    asked for, unless `deaf`.
    """

    def __init__(self, port: int, group: str = "Plant A", node: str = "Edge 1", *, aliases: bool = True) -> None:
        self.port, self.group, self.node, self.aliases = port, group, node, aliases
        self.tags: dict[str | None, dict[str, Tag]] = {None: {}}
        self.deaf = False
        self.asked = 0
        self.births = 0
        self._seq = 0
        self._bd_seq = 0
        self._dead: set[str] = set()
        self._kept: list[tuple[str, str, Any, float]] = []
        self._lock = threading.Lock()
        self._client: Client | None = None

    def add(self, device: str | None, **tags: tuple[int, Any]) -> None:
        """Give a device metrics; `__` in a name stands for '/'."""
        known = self.tags.setdefault(device, {})
        for name, (datatype, value) in tags.items():
            known[name.replace("__", "/")] = Tag(datatype, value, time.time())

    def topic(self, kind: str, device: str | None = None) -> str:
        return "/".join(filter(None, ("spBv1.0", self.group, kind, self.node, device)))

    def start(self) -> None:
        """Connect, with a death as the will, and send the births; returns when the broker has taken them."""
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.will_set(self.topic("NDEATH"), self.death(), qos=1)
        client.on_message = self._on_command
        client.connect("127.0.0.1", self.port)
        client.subscribe(self.topic("NCMD"), 1)
        client.loop_start()
        self._client = client
        self.born()
        client.publish("edge/started", b"", 1).wait_for_publish(PATIENCE)  # the broker takes messages in their order

    def stop(self) -> None:
        """End the connection without a farewell, so that the broker sends the will."""
        client, self._client = self._client, None
        if client is not None:
            client.loop_stop()
            sock = client.socket()
            client.on_disconnect = None
            if sock is not None:
                sock.close()  # type: ignore[no-untyped-call, unused-ignore]
        self._bd_seq += 1

    def death(self) -> bytes:
        return payload([metric(self._bd_seq, INT64, name="bdSeq")], None, time.time())

    def born(self) -> None:
        """Send all births."""
        with self._lock:
            self.births += 1
            self._seq = -1
            known = [metric(self._bd_seq, INT64, name="bdSeq"), metric(False, BOOLEAN, name="Node Control/Rebirth")]
            self._send("NBIRTH", None, [*known, *self._named(None)])
            for device in self.tags:
                if device is not None and device not in self._dead:
                    self._send("DBIRTH", device, self._named(device))

    def change(
        self,
        device: str | None,
        *,
        at: float | None = None,
        lose: bool = False,
        pack: Callable[[bytes], bytes] = bytes,
        **values: Any,
    ) -> None:
        """Metrics have other values; with `lose`, the message is lost on its way; `pack` makes the payload another."""
        with self._lock:
            now = time.time() if at is None else at
            metrics = []
            for name, value in values.items():
                tag = self.tags[device][name.replace("__", "/")]
                tag.value, tag.at = value, now
                if self.aliases:
                    metrics.append(metric(value, tag.datatype, alias=tag.alias, at=now, typed=False))
                else:
                    metrics.append(metric(value, tag.datatype, name=name.replace("__", "/"), at=now))
            self._send("NDATA" if device is None else "DDATA", device, metrics, lose=lose, pack=pack)

    def keep(self, device: str, at: float, **values: Any) -> None:
        """Metrics have other values while the node cannot send, which it stores with their time."""
        for name, value in values.items():
            tag = self.tags[device][name.replace("__", "/")]
            tag.value, tag.at = value, at
            self._kept.append((device, name.replace("__", "/"), value, at))

    def send_kept(self) -> None:
        """Send what was stored, as historical values, one message for each time."""
        kept, self._kept = self._kept, []
        for device, at in dict.fromkeys((device, at) for device, _, _, at in kept):
            old = [(self.tags[device][name], value) for its, name, value, then in kept if (its, then) == (device, at)]
            more = put(5, 1)
            self.send(
                "DDATA",
                device,
                *(metric(value, tag.datatype, alias=tag.alias, at=at, typed=False, more=more) for tag, value in old),
            )

    def device_died(self, device: str) -> None:
        """The device cannot be reached any more."""
        with self._lock:
            self._dead.add(device)
            self._send("DDEATH", device, [])

    def device_born(self, device: str) -> None:
        """It is there again."""
        with self._lock:
            self._dead.discard(device)
            self._send("DBIRTH", device, self._named(device))

    def send(self, kind: str, device: str | None, *metrics: bytes) -> None:
        """Any message, in its place in the sequence."""
        with self._lock:
            self._send(kind, device, metrics)

    def publish(self, topic: str, content: bytes) -> None:
        """Anything at all."""
        assert self._client is not None
        info = self._client.publish(topic, content, 0)
        info.wait_for_publish(PATIENCE)

    def _named(self, device: str | None) -> list[bytes]:
        metrics = []
        for number, (name, tag) in enumerate(self.tags[device].items()):
            tag.alias = 1000 * self.births + 100 * list(self.tags).index(device) + number if self.aliases else None
            metrics.append(metric(tag.value, tag.datatype, name=name, alias=tag.alias, at=tag.at))
        return metrics

    def _send(
        self,
        kind: str,
        device: str | None,
        metrics: Iterable[bytes],
        *,
        lose: bool = False,
        pack: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._seq = (self._seq + 1) % 256
        if not lose and self._client is not None:
            self._client.publish(self.topic(kind, device), pack(payload(metrics, self._seq, time.time())), 0)

    def _on_command(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self.asked += 1
        if not self.deaf:
            self.born()
