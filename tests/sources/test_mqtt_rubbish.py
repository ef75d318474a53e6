"""The MQTT source and brokers that do not keep to MQTT, or whose answers say something else than expected."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway.clock import AnchoredClock
from gateway.errors import SourceError
from gateway.sources.mqtt import MqttSource
from tests.peers import PATIENCE, Mosquitto, wait_until
from tests.sources.harness import Intake, mqtt_config, running
from tests.sources.scripted_broker import packet_of

ORDER = "plant-a/L01/events/order"


@asynccontextmanager
async def answering(*answers: bytes, connack: bytes = b"\x20\x02\x00\x00") -> AsyncIterator[tuple[str, list[bytes]]]:
    """A broker (of 3.1.1, unless its CONNACK is one of 5) that takes any client, and answers the packets that follow
    CONNECT with `answers`, in order; the two zeros of an answer's packet id become that of the packet. Gives its
    address and what it has received."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            for answer in (connack, *answers):
                first, body = await packet_of(reader)
                received.append(bytes([first]) + body)
                writer.write(answer[:2] + body[:2] + answer[4:] if first >> 4 in (8, 10) else answer)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", received


async def test_p9_a_suback_of_the_wrong_length_is_told() -> None:
    """Three codes for one topic: nobody knows which is meant. The topic is shown as not received; nothing else ends."""
    async with answering(b"\x90\x05\x00\x00\x01\x01\x01") as (url, _):
        source = MqttSource("floor", mqtt_config(url, version="3.1.1"), [ORDER], AnchoredClock())
        async with running(source, Intake()) as errors:
            await wait_until(lambda: source.health.connected)
            assert source.health.failed == {ORDER: "the broker has answered a SUBSCRIBE of 1 topics with 3 codes"}
        assert errors == []


async def test_p9_a_topic_for_which_the_broker_ends_the_connection_is_named_and_the_others_flow() -> None:
    """AWS IoT, and others where they are told to: among 300 topics is one that they do not allow."""
    topics, granted = [f"topic {number}" for number in range(300)], set[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while (packet := await packet_of(reader))[0] >> 4 != 14:
                kind, body = packet[0] >> 4, packet[1]
                asked = [int(each.partition(b"\x01")[0]) for each in body[2:].split(b"topic ")[1:]]
                if kind == 8 and 7 in asked:
                    break
                if kind == 8:
                    granted.update(f"topic {number}" for number in asked)
                    length = len(asked) + 2
                    head = bytes([length % 128 | 128, length // 128]) if length > 127 else bytes([length])
                    writer.write(b"\x90" + head + body[:2] + b"\x01" * len(asked))
                elif kind == 1:
                    writer.write(b"\x20\x02\x01\x00")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = MqttSource("floor", mqtt_config(url, version="3.1.1"), topics, AnchoredClock())
        async with running(source, Intake()) as errors:
            await wait_until(lambda: source.health.connected)
            assert source.health.failed == {"topic 7": "the broker ends the connection when it is asked for"}
            assert granted == {*topics} - {"topic 7"}
    assert {str(error) for error in errors} <= {
        "the broker closed the connection",
        "the broker closed the connection, for the 4th time shortly after it stood: topics that it may not allow are "
        "asked for one by one",
    }


async def test_p9_a_session_that_another_program_has_used_at_qos_2_is_told(tmp_path: Path) -> None:
    """What it has subscribed waits there; nobody else can take it in, and what comes behind it neither."""
    with Mosquitto(tmp_path / "broker") as broker:
        other = Client(CallbackAPIVersion.VERSION2, "edge-test", clean_session=False, protocol=MQTTv311)
        granted = threading.Event()
        other.on_subscribe = lambda *_: granted.set()
        other.connect("127.0.0.1", broker.port)
        other.loop_start()
        other.subscribe(ORDER, 2)
        assert await asyncio.to_thread(granted.wait, PATIENCE)
        other.disconnect()
        other.loop_stop()
        await broker.publish(ORDER, "1", qos=2)
        source = MqttSource("floor", mqtt_config(broker.url, version="3.1.1"), [ORDER], AnchoredClock())
        async with running(source, Intake()) as errors:
            await wait_until(lambda: errors)
    assert str(errors[0]) == (
        "the broker sent a message at QoS 2, which another program has subscribed under this client_id: "
        "write one that no other program has used, or end its session at the broker"
    )


@pytest.mark.parametrize("granted", [60, 604_800, None])
async def test_p9_a_session_that_is_kept_for_less_than_asked_is_told(granted: int | None) -> None:
    """What comes later than that is lost at the broker; nobody would know. One that says nothing keeps to what it was
    asked for."""
    properties = b"\x05\x11" + granted.to_bytes(4, "big") if granted is not None else b"\x00"
    connack = b"\x20" + bytes([2 + len(properties)]) + b"\x00\x00" + properties
    async with answering(b"\x90\x04\x00\x00\x00\x01", connack=connack) as (url, _):
        source = MqttSource("floor", mqtt_config(url, version="5", session_expiry="7d"), [ORDER], AnchoredClock())
        async with running(source, Intake()):
            await wait_until(lambda: source.health.connected)
            told = source.health.concerns.get("session_short")
    if granted == 60:
        assert told is not None
        assert "keeps messages for 60 s while the gateway is away, not for the 604800 s" in told
    else:
        assert told is None


@pytest.mark.parametrize(
    ("rubbish", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no MQTT is spoken there: it sent HTTP/1.1 400 Bad Request"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "no MQTT is spoken there: it sent \\x15\\x03"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no MQTT is spoken there: it sent SSH-2.0"),
        (b"\x32\x06\x00\x01a\x00\x011", "no MQTT is spoken there: it sent 2"),
        (b"\x20\x02\x00\x00\x50\x02\x00\x07", "does not keep to MQTT: it sent PUBREC"),
        (b"\x20\x02\x00\x00\x34\x06\x00\x01a\x00\x011", "sent a message at QoS 2, which another program has"),
        (b"\x20\x02\x00\x00\x32\x03\x00\x09a", "does not keep to MQTT: it sent PUBLISH that is longer inside"),
        (b"\x20\x02\x00\x00\x32\xff\xff\xff\xff\x7f", "does not keep to MQTT: it sent a length of more than four"),
        (b"\x20\x02\x00\x00\x20\x02\x00\x00", "does not keep to MQTT: it sent CONNACK a second time"),
        (b"\x20\x02\x00\x00\x90\xff\xff\xff\x7f", "does not keep to MQTT: it sent SUBACK of 268435455 bytes"),
    ],
)
async def test_p9_a_broker_that_answers_rubbish_is_told_as_that(rubbish: bytes, told: str) -> None:
    """The reason says what came; the connection is made again, after a pause."""
    ended = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rubbish)
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = MqttSource("floor", mqtt_config(url, version="3.1.1"), [ORDER], AnchoredClock())
        async with running(source, Intake()) as errors:
            await wait_until(lambda: errors)
        ended.set()
        assert isinstance(errors[0], SourceError)
        assert told in str(errors[0])
