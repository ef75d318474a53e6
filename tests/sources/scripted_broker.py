"""A broker whose manners are those of a model (`tests.receipts.models`), on a real socket (MQTT 3.1.1, one client).

It can swallow what it sends, so that it takes for sent what nobody received, and leave what it receives unprocessed, as
when a connection breaks with bytes on their way.
"""

import asyncio
import random
from typing import Self

from gateway.listening import stop_listening
from tests.receipts.models import Model, Sent

_CONNECT, _PUBACK, _SUBSCRIBE, _UNSUBSCRIBE, _PINGREQ, _DISCONNECT = 1, 4, 8, 10, 12, 14


class ScriptedBroker:
    """Takes one client at a time and keeps its session. `swallow`: nothing that it sends arrives. `deaf`: it processes
    nothing but what a connection needs to begin. `answers`: it answers UNSUBSCRIBE and PINGREQ. `holds`: what is to be
    sent again is not sent yet. `no_5` is what it sends before it ends a connection of MQTT 5. `retains`: topics whose
    messages it sends as those that it had kept."""

    def __init__(self, model: Model, seed: int = 0) -> None:
        self._model = model
        self._chances = random.Random(seed)
        self.messages: list[tuple[str, bytes]] = []
        self.swallow = self.deaf = self.holds = False
        self.answers = True
        self.no_5 = b""
        self.retains: frozenset[str] = frozenset()
        self.levels: list[int] = []
        """Of MQTT, with which it was connected to: 4 is 3.1.1, 5 is 5."""
        self.sent: list[Sent] = []
        self.pubacks = 0
        """Received, processed or not."""
        self.questions: list[int] = []
        """The types of packets that ask for an answer, as they came."""
        self._known = False
        self._saved = model
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        self.cut()

    @property
    def done(self) -> bool:
        """Whether every message is acknowledged."""
        return self._model.done

    def publish(self, *messages: tuple[str, bytes]) -> None:
        for message in messages:
            self._model = self._model.publish(len(self.messages))
            self.messages.append(message)
        self.pump()

    def save(self) -> None:
        """Remember what is queued and pending at present."""
        self._saved = self._model

    def restore(self) -> None:
        """Be killed, and start again with what was saved."""
        self.cut()
        self._model = self._saved

    def cut(self) -> None:
        """Break the connection, with whatever is on its way; a broker that is started anew ends it in order."""
        if self._writer is not None:
            if self._model.away:
                self._writer.write_eof()
            else:
                self._writer.transport.abort()
            self._writer = None

    def pump(self) -> None:
        """Send what may be sent, in one of the orders that the model allows."""
        while self._writer is not None:
            steps = [step for step in self._model.sends() if not (self.holds and step[1].dup)]
            if not steps:
                return
            self._model, packet = self._chances.choice(steps)
            self.sent.append(packet)
            topic, payload = self.messages[packet.message]
            name = topic.encode()
            body = len(name).to_bytes(2, "big") + name + packet.packet_id.to_bytes(2, "big") + payload
            self._write((0x3A if packet.dup else 0x32) | (topic in self.retains), body)

    def _write(self, first: int, body: bytes) -> None:
        length, left = b"", len(body)
        while not length or left:
            left, digit = divmod(left, 128)
            length += bytes([digit | (0x80 if left else 0)])
        if self._writer is not None and not self.swallow:
            self._writer.write(bytes([first]) + length + body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first, body = await packet_of(reader)
                if not self._take(first >> 4, body, writer):
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None

    def _take(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if kind == _CONNECT:
            self.levels.append(body[6])
            if body[6] == 5:
                writer.write(self.no_5)
                return False
            self.cut()
            self._writer, self.swallow, self.deaf = writer, False, False
            self._model = self._model.connect()
            self._write(0x20, bytes([self._known, 0]))
            if self._known:
                self.pump()
            self._known = True
            return True
        if writer is not self._writer:
            return False
        self.pubacks += kind == _PUBACK
        if self.deaf:
            return True
        if kind == _PUBACK:
            self._model = self._model.acknowledge(int.from_bytes(body[:2], "big"))
        elif kind == _SUBSCRIBE:
            self._write(0x90, body[:2] + b"\x01" * _filters(body[2:]))
        elif kind in (_UNSUBSCRIBE, _PINGREQ):
            self.questions.append(kind)
            if self.answers:
                self._write(*((0xB0, body[:2]) if kind == _UNSUBSCRIBE else (0xD0, b"")))
        elif kind == _DISCONNECT:
            return False
        self.pump()
        return True


async def packet_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next packet: its first byte, and what follows its length."""
    first, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length += (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first, await reader.readexactly(length)


def _filters(body: bytes) -> int:
    number = 0
    while body:
        body = body[2 + int.from_bytes(body[:2], "big") + 1 :]
        number += 1
    return number
