"""Taps on a TCP connection between the gateway and a peer: they delay, withhold and cut, and one of them reads MQTT.

A tap is transparent until told otherwise, keeps the order within a direction, and carries any number of connections.
Directions are named by who receives: TO_GATEWAY is what the peer sends.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from gateway.listening import stop_listening

QUEUED = 256
"""Pieces of data that may wait in one direction of a connection; the sender has to wait beyond that."""

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds; closing such a socket sends RST


class Direction(Enum):
    """Who receives."""

    TO_GATEWAY = "to gateway"
    TO_PEER = "to peer"


TO_GATEWAY, TO_PEER = Direction.TO_GATEWAY, Direction.TO_PEER


class Cut(Exception):
    """Raised by what judges data, to have the connection reset in place of passing it on."""


class Connection:
    """Both halves of one connection through a tap, and its number, counted from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.writers: list[asyncio.StreamWriter] = []

    def reset(self) -> None:
        """End it with RST in both directions; what waits to be sent is lost."""
        for writer in self.writers:
            own = writer.get_extra_info("socket")
            if own is not None:
                with suppress(OSError):
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class ByteTap:
    """Carries bytes as they come from its own `port` on 127.0.0.1 to `target` there.

    The port stays the same for ever. `target` may be changed, which counts for the next connection. While nobody
    listens there, a connection is reset at once, as the peer's own machine would.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.latency = {TO_GATEWAY: 0.0, TO_PEER: 0.0}
        self.refusing = False
        self._open = {direction: asyncio.Event() for direction in Direction}
        self._connections: dict[int, Connection] = {}
        self._joining: set[asyncio.Task[None]] = set()
        self._count = 0
        self._server: asyncio.Server | None = None
        for event in self._open.values():
            event.set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    @property
    def accepted(self) -> int:
        """How many there have been."""
        return self._count

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Reset everything and listen no more."""
        if self._server is not None:
            await stop_listening(self._server)
            self.thaw()
            self.cut()
            for task in self._joining:
                task.cancel()  # also of a connection that has not got through to the peer yet
            await asyncio.gather(*self._joining, return_exceptions=True)
            self._server = None

    def freeze(self, *directions: Direction) -> None:
        """Let nothing through in `directions`, both where none is given: half-open, a dead switch. Nothing is lost
        by it.
        """
        for direction in directions or Direction:
            self._open[direction].clear()

    def thaw(self, *directions: Direction) -> None:
        """Let what was withheld through, and what comes."""
        for direction in directions or Direction:
            self._open[direction].set()

    def cut(self) -> None:
        """Reset all connections; new ones are taken. What was withheld in them is lost."""
        for connection in list(self._connections.values()):
            connection.reset()

    def _pieces(self, connection: Connection, direction: Direction) -> "Pieces":
        """What splits the bytes of one direction of a new connection into pieces."""
        return Pieces()

    async def _judge(self, connection: Connection, direction: Direction, piece: bytes) -> bool:
        """Whether `piece` is passed on; raises Cut to reset the connection. Called when it is its turn."""
        return True

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        self._count += 1
        connection = Connection(self._count)
        connection.writers.append(writer)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, asyncio.CancelledError) as error:
            connection.reset()
            if not isinstance(error, OSError):
                raise
            return
        connection.writers.append(far_writer)
        for one in connection.writers:
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.number] = connection
        try:
            await asyncio.gather(
                self._carry(connection, TO_PEER, reader, far_writer),
                self._carry(connection, TO_GATEWAY, far_reader, writer),
            )
        finally:
            del self._connections[connection.number]

    async def _carry(
        self, connection: Connection, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One direction, until its sender ends or the connection is cut. An orderly end is passed on as one."""
        queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(QUEUED)
        sending = asyncio.create_task(self._send(connection, direction, queue, writer))
        pieces = self._pieces(connection, direction)
        try:
            while data := await reader.read(65536):
                due = time.monotonic() + self.latency[direction]
                for piece in pieces.split(data):
                    await queue.put((due, piece))
            await queue.put(None)
            await sending
        except OSError:
            connection.reset()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    async def _send(
        self,
        connection: Connection,
        direction: Direction,
        queue: "asyncio.Queue[tuple[float, bytes] | None]",
        writer: asyncio.StreamWriter,
    ) -> None:
        broken = False
        while (item := await queue.get()) is not None:
            if broken:
                continue
            due, piece = item
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._open[direction].wait()
            try:
                if await self._judge(connection, direction, piece):
                    writer.write(piece)
                    await writer.drain()
            except (Cut, OSError):
                connection.reset()
                broken = True


class Pieces:
    """Splits a stream of bytes; this one takes them as they come."""

    def split(self, data: bytes) -> Iterator[bytes]:
        yield data


class MqttPieces(Pieces):
    """Splits a stream into whole MQTT packets."""

    def __init__(self) -> None:
        self._rest = b""

    def split(self, data: bytes) -> Iterator[bytes]:
        data, begin = self._rest + data, 0
        while (end := _packet_end(data, begin)) is not None and end <= len(data):
            yield data[begin:end]
            begin = end
        self._rest = data[begin:]


Kind = Literal[
    "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
    "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
    "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
)  # fmt: skip
"""By the type in the fixed header, which counts from 1."""

_WITH_ID = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK"}


@dataclass(frozen=True, slots=True)
class Packet:
    """One MQTT packet as the tap saw it; topic and payload are a PUBLISH's. `passed`: it was sent on."""

    at: float
    connection: int
    direction: Direction
    kind: Kind
    packet_id: int | None = None
    qos: int = 0
    dup: bool = False
    retain: bool = False
    topic: str = ""
    payload: bytes = b""
    passed: bool = True


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer at `at` and where it ends, None where it is not whole; ValueError where it is none."""
    value = 0
    for count in range(4):
        if at + count >= len(data):
            return None
        value |= (data[at + count] & 0x7F) << 7 * count
        if data[at + count] < 0x80:
            return value, at + count + 1
    raise ValueError("a remaining length of more than four bytes")


def _packet_end(data: bytes, begin: int) -> int | None:
    length = _varint(data, begin + 1)
    return None if length is None else length[0] + length[1]


def read_packet(piece: bytes, connection: int, direction: Direction, version: int) -> Packet:
    """Read one whole packet; `version` is the protocol level of its connection: 4 is 3.1.1, 5 is 5."""
    kind, flags = KINDS[(piece[0] >> 4) - 1], piece[0] & 0x0F
    header = _varint(piece, 1)
    assert header is not None
    at, now = header[1], time.monotonic()
    if kind in _WITH_ID:
        return Packet(now, connection, direction, kind, packet_id=struct.unpack_from("!H", piece, at)[0])
    if kind != "PUBLISH":
        return Packet(now, connection, direction, kind)
    (length,) = struct.unpack_from("!H", piece, at)
    topic = piece[at + 2 : at + 2 + length].decode(errors="replace")
    at += 2 + length
    qos, packet_id = (flags >> 1) & 3, None
    if qos:
        (packet_id,) = struct.unpack_from("!H", piece, at)
        at += 2
    if version >= 5:
        properties = _varint(piece, at)
        assert properties is not None
        at = sum(properties)
    return Packet(now, connection, direction, kind, packet_id, qos, bool(flags & 8), bool(flags & 1), topic, piece[at:])


Action = Literal["swallow", "cut", "pass and cut"]


@dataclass(slots=True)
class Rule:
    """From the `first`-th packet of `kind` in `direction` on, counted from when the rule was made: do `action`.

    It ends by itself after `times` packets where that is given. `met` counts the packets that it was about, `done`
    those on which it acted.
    """

    direction: Direction
    kind: Kind
    action: Action
    first: int = 1
    times: int | None = None
    matching: Callable[[Packet], bool] = lambda _: True
    met: int = 0
    done: int = 0

    def decide(self, packet: Packet) -> Action | None:
        """What to do with it, None where this rule has nothing to say."""
        if packet.direction is not self.direction or packet.kind != self.kind or not self.matching(packet):
            return None
        self.met += 1
        if self.met < self.first or (self.times is not None and self.done >= self.times):
            return None
        self.done += 1
        return self.action


class MqttTap(ByteTap):
    """A tap that reads MQTT: it keeps a log of all packets and follows rules about them."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.log: list[Packet] = []
        self._rules: list[Rule] = []
        self._versions: dict[int, int] = {}

    def swallow(
        self,
        direction: Direction,
        kind: Kind,
        *,
        first: int = 1,
        times: int | None = None,
        matching: Callable[[Packet], bool] = lambda _: True,
    ) -> Rule:
        """Take packets out of the stream, on all connections, until `relent`."""
        return self._add(Rule(direction, kind, "swallow", first, times, matching))

    def cut_at(self, direction: Direction, kind: Kind, nth: int = 1, *, passing: bool = False) -> Rule:
        """Reset the connection once, at the nth packet of that kind from now on; `passing`: after passing it on."""
        return self._add(Rule(direction, kind, "pass and cut" if passing else "cut", nth, 1))

    def relent(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    def seen(self, direction: Direction, kind: Kind, *, since: int = 0, passed: bool | None = None) -> list[Packet]:
        """Packets of a kind in the log from its index `since` on; with `passed`, only those passed on or not."""
        return [
            packet
            for packet in self.log[since:]
            if packet.direction is direction and packet.kind == kind and passed in (None, packet.passed)
        ]

    def _add(self, rule: Rule) -> Rule:
        self._rules.append(rule)
        return rule

    def _pieces(self, connection: Connection, direction: Direction) -> Pieces:
        return MqttPieces()

    async def _judge(self, connection: Connection, direction: Direction, piece: bytes) -> bool:
        if piece[0] >> 4 == 1:  # CONNECT: the protocol's level stands behind its name
            header = _varint(piece, 1)
            assert header is not None
            (length,) = struct.unpack_from("!H", piece, header[1])
            self._versions[connection.number] = piece[header[1] + 2 + length]
        packet = read_packet(piece, connection.number, direction, self._versions.get(connection.number, 4))
        actions = [action for rule in self._rules if (action := rule.decide(packet)) is not None]
        passed = not {"swallow", "cut"} & set(actions)
        self.log.append(packet if passed else replace(packet, passed=False))
        if "cut" in actions:
            raise Cut
        if "pass and cut" in actions:
            await self._pass_and_cut(connection, direction, piece)
        return passed

    async def _pass_and_cut(self, connection: Connection, direction: Direction, piece: bytes) -> None:
        writer = connection.writers[1 if direction is TO_PEER else 0]
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)  # RST throws away what the receiver has not read yet
        raise Cut
