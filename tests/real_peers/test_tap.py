"""The taps and the judgement of events: what every other test of this package relies on."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.peers import wait_until
from tests.real_peers.gateway_run import Events, judge
from tests.real_peers.tap import TO_GATEWAY, TO_PEER, ByteTap, MqttPieces, MqttTap, Packet, read_packet


def publish(packet_id: int, payload: bytes, *, version: int = 4, dup: bool = False) -> bytes:
    """A PUBLISH at QoS 1 to the topic `t`."""
    properties = b"\0" if version == 5 else b""
    body = struct.pack("!H", 1) + b"t" + struct.pack("!H", packet_id) + properties + payload
    assert len(body) < 128
    return bytes([0x32 | (8 if dup else 0), len(body)]) + body


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + struct.pack("!H", packet_id)


class Peer:
    """Listens, remembers what came, and can answer."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.received += data
            self.ended.append("in order")
        except ConnectionResetError:
            self.ended.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def through(
    kind: type[ByteTap],
) -> AsyncIterator[tuple[ByteTap, Peer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A peer, a tap before it, and a connection through the tap."""
    peer = Peer()
    tap = kind(await peer.start())
    await tap.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
    await wait_until(lambda: peer.writers)
    try:
        yield tap, peer, reader, writer
    finally:
        writer.close()
        await tap.stop()
        assert peer.server is not None
        peer.server.close()


async def test_bytes_pass_in_both_directions_and_the_end_too() -> None:
    """A tap that is told nothing changes nothing."""
    async with through(ByteTap) as (tap, peer, reader, writer):
        writer.write(b"there")
        await wait_until(lambda: peer.received == b"there")
        peer.writers[0].write(b"back")
        assert await reader.readexactly(4) == b"back"
        writer.close()
        await wait_until(lambda: peer.ended == ["in order"])
        await wait_until(lambda: tap.connections == 0)
        assert tap.accepted == 1


@pytest.mark.parametrize("frozen", [TO_GATEWAY, TO_PEER])
async def test_one_direction_can_be_frozen(frozen: object) -> None:
    """Half-open: nothing passes in one direction while the other works; what was withheld comes when it thaws."""
    async with through(ByteTap) as (tap, peer, reader, writer):
        tap.freeze(TO_GATEWAY if frozen is TO_GATEWAY else TO_PEER)
        if frozen is TO_GATEWAY:
            peer.writers[0].write(b"late")
            writer.write(b"now")
            await wait_until(lambda: peer.received == b"now")
            waiting = asyncio.create_task(reader.readexactly(4))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
            tap.thaw()
            assert await waiting == b"late"
        else:
            writer.write(b"late")
            peer.writers[0].write(b"now")
            assert await reader.readexactly(3) == b"now"
            assert peer.received == b""
            tap.thaw()
            await wait_until(lambda: peer.received == b"late")


async def test_a_cut_resets_both_sides_and_loses_what_was_withheld() -> None:
    """RST, not an orderly end; the tap takes new connections."""
    async with through(ByteTap) as (tap, peer, reader, writer):
        tap.freeze(TO_PEER)
        writer.write(b"lost")
        tap.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        await wait_until(lambda: peer.ended == ["reset"])
        assert peer.received == b""
        tap.thaw()
        _, again = await asyncio.open_connection("127.0.0.1", tap.port)
        again.write(b"new")
        await wait_until(lambda: peer.received == b"new")
        again.close()


async def test_latency_delays_and_does_not_limit() -> None:
    """Each piece comes later by the latency; many at once come as late as one."""
    async with through(ByteTap) as (tap, peer, _, writer):
        tap.latency[TO_PEER] = 0.2
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(50):
            writer.write(b"x")
            await asyncio.sleep(0)
        await wait_until(lambda: len(peer.received) == 50)
        assert 0.2 <= loop.time() - began < 2


def test_packets_are_read_whole_however_they_come() -> None:
    """The stream is split at the packets' ends, not where the network splits it."""
    stream = publish(1, b"a") + puback(1) + publish(2, b"b" * 100) + b"\xc0\x00"
    for step in (1, 3, 7, len(stream)):
        pieces = MqttPieces()
        parts = [stream[begin : begin + step] for begin in range(0, len(stream), step)]
        assert b"".join(split := [piece for part in parts for piece in pieces.split(part)]) == stream
        assert [piece[0] >> 4 for piece in split] == [3, 4, 3, 12]


@pytest.mark.parametrize("version", [4, 5])
def test_a_publish_is_understood(version: int) -> None:
    """Packet id, DUP, QoS, topic and payload, with and without the properties of MQTT 5."""
    packet = read_packet(publish(513, b"hello", version=version, dup=True), 1, TO_GATEWAY, version)
    assert (packet.kind, packet.packet_id, packet.dup, packet.qos) == ("PUBLISH", 513, True, 1)
    assert (packet.topic, packet.payload) == ("t", b"hello")
    assert read_packet(puback(7), 1, TO_PEER, version).packet_id == 7


async def test_packets_of_a_kind_are_swallowed_in_one_direction() -> None:
    """A rule takes out what it is about, nothing else, and the log tells what passed."""
    async with through(MqttTap) as (tap, peer, _, writer):
        assert isinstance(tap, MqttTap)
        rule = tap.swallow(TO_PEER, "PUBACK", first=2, times=1)
        writer.write(puback(1) + puback(2) + puback(3) + b"\xc0\x00")
        await wait_until(lambda: peer.received == puback(1) + puback(3) + b"\xc0\x00")
        assert rule.done == 1
        seen: list[Packet] = tap.seen(TO_PEER, "PUBACK")
        assert [(packet.packet_id, packet.passed) for packet in seen] == [(1, True), (2, False), (3, True)]


@pytest.mark.parametrize(("passing", "expected"), [(False, puback(1)), (True, puback(1) + puback(2))])
async def test_the_connection_is_cut_at_the_nth_packet(passing: bool, expected: bytes) -> None:
    """The packet at which it is cut has come or not, as asked for; nothing after it has."""
    async with through(MqttTap) as (tap, peer, reader, writer):
        assert isinstance(tap, MqttTap)
        tap.cut_at(TO_PEER, "PUBACK", 2, passing=passing)
        writer.write(puback(1))
        await wait_until(lambda: peer.received == puback(1))
        writer.write(puback(2) + puback(3))
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        await wait_until(lambda: peer.ended == ["reset"])
        assert peer.received == expected


def test_losses_and_doubles_do_not_cancel() -> None:
    """Each name is judged by itself, however right the total is."""
    events = Events()
    events.distinct(2)
    name = Events.name_of(events.equal(3)[0])
    verdict = judge(events.made, {"one-00001": 2, name: 3})
    assert not verdict.exact
    assert (verdict.published, verdict.lost, verdict.doubled) == (5, {"one-00000": 1}, {"one-00001": 1})
    assert judge(events.made, {"one-00000": 1, "one-00001": 1, name: 3}).exact
    assert judge(events.made, {"one-00000": 1, "one-00001": 1, name: 3, "other": 1}).strange == {"other": 1}
