"""The demo's MQTT broker, against paho-mqtt as a real client: what the demo's exact totals rest on."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.simulator.broker import WINDOW, Broker, matches
from tests.peers import free_port, wait_until

VERSIONS = [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311]
DEADLINE = 60.0


class Peer:
    """A paho client that acknowledges only when it is told to."""

    def __init__(self, port: int, client_id: str, version: MQTTProtocolVersion, *, clean: bool = False) -> None:
        self._port, self._clean = port, clean
        v5 = version == MQTTProtocolVersion.MQTTv5
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if v5 else clean,
            protocol=version,
            manual_ack=True,
        )
        self._v5 = v5
        self.got: list[MQTTMessage] = []
        self.resumed: bool | None = None
        self.subscribed = False
        self._client.on_message = lambda _client, _data, message: self.got.append(message)
        self._client.on_connect = lambda _client, _data, flags, _code, _properties: setattr(
            self, "resumed", flags.session_present
        )
        self._client.on_subscribe = lambda *_: setattr(self, "subscribed", True)

    async def connect(self) -> "Peer":
        """Connect, and wait for CONNACK."""
        clean = self._clean if self._v5 else MQTT_CLEAN_START_FIRST_ONLY
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port, clean_start=clean)
        self._client.loop_start()
        await wait_until(lambda: self.resumed is not None)
        return self

    async def subscribe(self, topic: str, qos: int = 1) -> "Peer":
        self._client.subscribe(topic, qos)
        await wait_until(lambda: self.subscribed)
        return self

    async def publish(self, topic: str, *payloads: str) -> None:
        """Publish with QoS 1, one after the other, each acknowledged by the broker."""
        for payload in payloads:
            await asyncio.to_thread(self._client.publish(topic, payload, qos=1).wait_for_publish, DEADLINE)

    def ack(self, message: MQTTMessage) -> None:
        self._client.ack(message.mid, 1)

    async def die(self) -> None:
        """Go without a word, as a killed process does."""
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.got]


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    broker = Broker(free_port())
    await broker.start()
    yield broker
    await broker.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_not_acknowledged_comes_again_with_dup_and_before_the_rest(
    broker: Broker, version: MQTTProtocolVersion
) -> None:
    """After a subscriber died, its session gives it the unacknowledged message (DUP, same id), then what waited."""
    source = await Peer(broker.port, "source", version, clean=True).connect()
    first = await (await Peer(broker.port, "gateway", version).connect()).subscribe("line/order")
    assert first.resumed is False
    await source.publish("line/order", "done", "open")
    await wait_until(lambda: len(first.got) == 2)
    first.ack(first.got[0])
    await wait_until(lambda: len(broker._sessions["gateway"].inflight) == 1)
    await source.publish("line/other", "nobody wants this")
    await first.die()
    await wait_until(lambda: not broker.has_subscriber("line/order"))
    await source.publish("line/order", "later", "last")
    second = await Peer(broker.port, "gateway", version).connect()
    await wait_until(lambda: len(second.got) == 3)
    assert second.resumed is True
    assert second.payloads() == ["open", "later", "last"]
    assert [message.dup for message in second.got] == [True, False, False]
    assert second.got[0].mid == first.got[1].mid
    assert not any(message.retain for message in second.got)
    await second.die()
    await source.die()


@pytest.mark.parametrize("version", VERSIONS)
async def test_sessions_outlive_the_broker_being_stopped(broker: Broker, version: MQTTProtocolVersion) -> None:
    """What waited for a session while its subscriber was away is still there after a stop and start of the broker."""
    await (await (await Peer(broker.port, "gateway", version).connect()).subscribe("a/+")).die()
    source = await Peer(broker.port, "source", version, clean=True).connect()
    await source.publish("a/b", "kept")
    await source.die()
    await broker.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", broker.port)
    await broker.start()
    again = await Peer(broker.port, "gateway", version).connect()
    await wait_until(lambda: again.payloads() == ["kept"])
    await again.die()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_clean_start_forgets(broker: Broker, version: MQTTProtocolVersion) -> None:
    """A client that asks for a clean start gets none of what its id had subscribed to or was owed."""
    await (await (await Peer(broker.port, "gateway", version).connect()).subscribe("a")).die()
    source = await Peer(broker.port, "source", version, clean=True).connect()
    await source.publish("a", "owed")
    fresh = await (await Peer(broker.port, "gateway", version, clean=True).connect()).subscribe("b")
    await source.publish("a", "not wanted")
    await source.publish("b", "wanted")
    await wait_until(lambda: fresh.payloads() == ["wanted"])
    assert fresh.resumed is False
    await fresh.die()
    await source.die()


async def test_no_more_than_a_window_is_under_way(broker: Broker) -> None:
    """A subscriber that does not acknowledge gets WINDOW messages; each acknowledgement lets one more through."""
    reader = await (await Peer(broker.port, "gateway", VERSIONS[0]).connect()).subscribe("a")
    source = await Peer(broker.port, "source", VERSIONS[0], clean=True).connect()
    sent = [str(number) for number in range(WINDOW + 3)]
    await source.publish("a", *sent)
    await wait_until(lambda: len(reader.got) == WINDOW)
    reader.ack(reader.got[0])
    await wait_until(lambda: len(reader.got) == WINDOW + 1)
    for message in reader.got[1:]:
        reader.ack(message)
    await wait_until(lambda: reader.payloads() == sent)
    await reader.die()
    await source.die()


async def test_nonsense_ends_only_its_own_connection(broker: Broker) -> None:
    """Bytes that are not MQTT, and packets cut short, close that connection; other clients notice nothing."""
    reader = await (await Peer(broker.port, "gateway", VERSIONS[0]).connect()).subscribe("a")
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\x05\x00\x04MQT", b"\x10\xff\xff\xff\xff\xff", b"\x30\x00"):
        stream, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.write(nonsense)
        writer.write_eof()
        async with asyncio.timeout(DEADLINE):
            assert await stream.read() == b""
        writer.close()
        await writer.wait_closed()
    source = await Peer(broker.port, "source", VERSIONS[1], clean=True).connect()
    await source.publish("a", "still here")
    await wait_until(lambda: reader.payloads() == ["still here"])
    await reader.die()
    await source.die()


@pytest.mark.parametrize(
    ("topic", "pattern", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a", False),
        ("a/b", "a/+", True),
        ("a/b/c", "a/+", False),
        ("a", "a/+", False),
        ("a/b/c", "a/#", True),
        ("a", "a/#", True),
        ("a/b", "#", True),
        ("$SYS/x", "#", False),
        ("$SYS/x", "$SYS/#", True),
        ("a//b", "a/+/b", True),
    ],
)
def test_topic_filters(topic: str, pattern: str, *, expected: bool) -> None:
    """Topic filters select what MQTT 5, section 4.7, says."""
    assert matches(topic, pattern) is expected


@given(st.lists(st.text("ab+", max_size=2).filter(lambda level: "+" not in level), min_size=1, max_size=4))
def test_a_topic_matches_itself_and_its_wildcards(levels: list[str]) -> None:
    """Every topic is selected by itself, by + for any one level, and by # for its end."""
    topic = "/".join(levels)
    assert matches(topic, topic)
    for number in range(len(levels)):
        assert matches(topic, "/".join([*levels[:number], "+", *levels[number + 1 :]]))
        assert matches(topic, "/".join([*levels[:number], "#"]))
