"""How the MQTT source gets to its broker: addresses, versions, certificates, WebSocket, presence, and many topics."""

import asyncio
import gc
import random
import socket
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from gateway.clock import AnchoredClock
from gateway.errors import SourceError
from gateway.listening import stop_listening
from gateway.sources.mqtt import MqttSource
from gateway.sources.mqtt_stream import open_stream, tls_context
from gateway.sources.mqtt_subscriptions import LEFT, MANY, SMALL, Subscriptions
from tests.links import Link
from tests.outbox.test_sqlite_store import other_user
from tests.peers import PATIENCE, Mosquitto, free_port, wait_until
from tests.receipts.models import KeepsIds
from tests.sources.harness import Intake, mqtt_config, mqtt_source, running
from tests.sources.scripted_broker import ScriptedBroker, packet_of
from tests.sources.test_mqtt_security import certificates, client_certificate

ORDER = "plant-a/L01/events/order"


# Versions and addresses


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""])
async def test_a_broker_that_does_not_take_mqtt_5_gets_3_1_1(answer: bytes) -> None:
    """Whether it says so in its own words, in those of MQTT 5, or only ends the connection."""
    async with ScriptedBroker(KeepsIds()) as broker:
        broker.no_5 = answer
        source, intake = MqttSource("floor", mqtt_config(broker.url), [ORDER], AnchoredClock()), Intake()
        async with running(source, intake) as errors:
            await wait_until(lambda: source.health.connected)
            broker.publish((ORDER, b"1"))
            await wait_until(lambda: intake.values(ORDER) == [1])
    assert broker.levels == [5, 4]
    assert "the next attempt is made with MQTT 3.1.1" in str(errors[0])


async def test_a_version_that_is_chosen_is_kept_to() -> None:
    """`version: "5"`: a broker that does not speak it is away, and says why."""
    async with ScriptedBroker(KeepsIds()) as broker:
        broker.no_5 = b"\x20\x02\x00\x01"
        source = MqttSource("floor", mqtt_config(broker.url, version="5"), [ORDER], AnchoredClock())
        async with running(source, Intake()):
            await wait_until(lambda: len(broker.levels) >= 3)
    assert set(broker.levels) == {5}
    assert source.health.detail == "the broker refuses the connection: it does not speak this version of MQTT"


async def test_the_next_address_is_tried_where_one_is_not_there(broker: Mosquitto) -> None:
    """Of two addresses the one that answers is used, with the session and its receipts; the first again when it is
    back and the second is gone."""
    first, intake = free_port(), Intake()
    source = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{first}", alternatives=[broker.url])
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
        broker.stop()
        moved = Mosquitto(broker.directory, port=first)
        with moved:
            await wait_until(lambda: len(intake.new_sessions) == 2 and source.health.connected)
            await moved.publish(ORDER, "2")
            await wait_until(lambda: intake.first_deliveries() == [1, 2])
        broker.start()
    assert intake.new_sessions[:2] == [True, False]
    assert len({arrival.connected.session for arrival in intake.arrivals if arrival.connected}) == 1


@pytest.mark.parametrize("version", ["auto", "5", "3.1.1"])
async def test_the_next_address_is_tried_where_what_answers_ends_each_connection(
    broker: Mosquitto, version: str
) -> None:
    """A load balancer, or a forwarded port, takes connections also while its broker is away, and ends them."""
    ended = 0

    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        ended += 1
        writer.close()

    balancer = await asyncio.start_server(end, "127.0.0.1", 0)
    url, intake = f"mqtt://127.0.0.1:{balancer.sockets[0].getsockname()[1]}", Intake()
    source = mqtt_source(broker, ORDER, url=url, alternatives=[broker.url], version=version)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
    assert ended == (2 if version == "auto" else 1)
    await stop_listening(balancer)


async def test_a_connection_that_is_given_up_while_it_begins_leaves_nothing_open(broker: Mosquitto) -> None:
    """At whichever step of it: the gateway ends just then, or the broker is one that is visited for seconds."""
    config = mqtt_config(broker.url)
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        for steps in range(10_000):
            opening = asyncio.create_task(open_stream(broker.url, config, lambda _: None, lambda _: None))
            for _ in range(steps):
                await asyncio.sleep(0)
            if opening.done():
                break
            opening.cancel()
            await asyncio.wait({opening})
        stream = await opening
        stream.close()
        await stream.gone(PATIENCE)
        del opening
        gc.collect()
    assert steps > 3
    assert [str(each.message) for each in left_open] == []


# TLS


async def test_a_client_certificate_and_renewed_ones(tmp_path: Path) -> None:
    """A broker that asks for a certificate gets the gateway's; a renewed one is used at the next connection."""
    ca, settings = certificates(tmp_path)
    port = free_port()
    demanding = [f"listener {port} 127.0.0.1", *settings, f"cafile {ca}", "require_certificate true"]
    demanding += ["use_identity_as_username true"]
    client_certificate(tmp_path, "first name")
    with Mosquitto(tmp_path / "broker", demanding) as broker:
        files = {"ca": ca, "certificate": tmp_path / "own.pem", "key": tmp_path / "own.key"}
        bare = mqtt_source(broker, ORDER, url=f"mqtts://127.0.0.1:{port}", ca=ca)
        async with running(bare, Intake()) as errors:
            await wait_until(lambda: errors)
        assert not bare.health.connected
        source, intake = mqtt_source(broker, ORDER, url=f"mqtts://127.0.0.1:{port}", **files), Intake()
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            client_certificate(tmp_path, "second name")
            broker.stop()
            broker.start()
            await wait_until(lambda: source.health.connected and len(intake.new_sessions) == 2)
    log = (tmp_path / "broker" / "mosquitto.log").read_text()
    assert "u'first name'" in log
    assert "u'second name'" in log


async def test_p8_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file that holds no certificate, or none that belongs to the key: its name is in the reason."""
    client_certificate(tmp_path, "name")
    (tmp_path / "own.key").write_text("nothing")
    config = mqtt_config("mqtts://127.0.0.1:1", certificate=tmp_path / "own.pem", key=tmp_path / "own.key")
    source = MqttSource("floor", config, [ORDER], AnchoredClock())
    async with running(source, Intake()) as errors:
        await wait_until(lambda: errors)
    assert f"cannot use the client certificate {tmp_path / 'own.pem'}" in str(errors[0])


def test_p8_a_file_of_another_user_is_told_with_who_must_be_able_to_read_it(open_folder: Path) -> None:
    """Of what others are trusted by, and of our own."""
    client_certificate(open_folder, "name")
    for name in ("own.pem", "own.key"):
        (open_folder / name).chmod(0o600)
    own = {"certificate": open_folder / "own.pem", "key": open_folder / "own.key"}
    for files, denied in ((own, "own.key"), ({"ca": open_folder / "own.pem"}, "own.pem")):
        config = mqtt_config("mqtts://127.0.0.1:1", **files)
        with other_user(open_folder / denied), pytest.raises(SourceError, match="must be able to read it"):
            tls_context(config)


# WebSocket


@asynccontextmanager
async def websocket(broker: Mosquitto, seed: int = 0) -> AsyncIterator[str]:
    """MQTT under WebSocket in front of `broker`; what it sends comes in messages that begin and end anywhere."""
    chance = random.Random(seed)

    async def serve(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse(protocols=("mqtt",))
        await answer.prepare(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)

        async def down() -> None:
            while data := await reader.read(chance.randint(1, 3000)):
                await answer.send_bytes(data)
            await answer.close()

        task = asyncio.create_task(down())
        async for message in answer:
            if message.type is WSMsgType.BINARY:
                writer.write(message.data)
        task.cancel()
        writer.close()
        return answer

    app = web.Application()
    app.router.add_get("/mqtt", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    own = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, own).start()
    try:
        yield f"ws://127.0.0.1:{own.getsockname()[1]}/mqtt"
    finally:
        await runner.cleanup()
        own.close()


async def test_messages_under_websocket(broker: Mosquitto) -> None:
    """Each once and in order, whatever the messages of the WebSocket make of the packets; and on after a cut."""
    async with websocket(broker) as url:
        source, intake = mqtt_source(broker, ORDER, url=url), Intake()
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            await broker.publish(ORDER, *(f'"{number:0500}"' for number in range(700)))
            await wait_until(lambda: len(intake.samples) >= 700)
            broker.stop()
            await wait_until(lambda: not source.health.connected)
            broker.start()
            await broker.publish(ORDER, '"last"')
            await wait_until(lambda: "last" in intake.first_deliveries())
    assert intake.first_deliveries() == [*(f"{number:0500}" for number in range(700)), "last"]


async def test_what_is_no_websocket_is_told(broker: Mosquitto) -> None:
    """A web server without one, and nobody."""
    async with websocket(broker) as url:
        wrong = mqtt_source(broker, ORDER, url=url.replace("/mqtt", "/else"))
        async with running(wrong, Intake()) as errors:
            await wait_until(lambda: errors)
        assert str(errors[0]) == "cannot connect: no WebSocket is served there (HTTP 404)"
    nobody = mqtt_source(broker, ORDER, url=f"ws://127.0.0.1:{free_port()}/mqtt")
    async with running(nobody, Intake()) as errors:
        await wait_until(lambda: errors)
    assert "cannot connect:" in str(errors[0])


# Presence


async def test_p14_presence_is_a_retained_message_and_a_will(broker: Mosquitto) -> None:
    """Online while it is connected; offline when it stops, and when the broker loses it. Nothing else is published."""
    topic, intake = "plant-a/gateway", Intake()
    watcher = mqtt_source(broker, topic, client_id="watcher")
    async with running(watcher, intake):
        await wait_until(lambda: watcher.health.connected)
        source = mqtt_source(broker, ORDER, presence={"topic": topic})
        async with running(source, Intake()):
            await wait_until(lambda: intake.values(topic) == ["online"])
        await wait_until(lambda: intake.values(topic) == ["online", "offline"])
        link = Link(broker.port)
        await link.start()
        lost = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{link.port}", presence={"topic": topic})
        async with running(lost, Intake()):
            await wait_until(lambda: intake.values(topic)[2:] == ["online"])
            link.cut()
            await wait_until(lambda: intake.values(topic)[3:] == ["offline", "online"])
        await link.stop()
    assert set(intake.values(topic)) == {"online", "offline"}


# Topics


async def test_ten_thousand_topics(broker: Mosquitto) -> None:
    """All are granted, in a few packets, and each brings its messages."""
    topics = [f"plant-a/line {number}/scrap" for number in range(10_000)]
    source, intake = mqtt_source(broker, *topics), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        assert source.health.failed == {}
        for topic in (topics[0], topics[5_000], topics[-1]):
            await broker.publish(topic, "1")
        await wait_until(lambda: len(intake.samples) == 3)


class ListeningBroker:
    """A broker of 3.1.1 that takes at most `most` topics in a SUBSCRIBE: of more it refuses all, or ends the
    connection. It never grants `forbidden`."""

    forbidden = "topic 7"

    def __init__(self, most: int, *, ends: bool) -> None:
        self.most, self.ends = most, ends
        self.asked: list[int] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                first, body = await packet_of(reader)
                if first >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                if first >> 4 != 8:
                    continue
                topics, at = list[str](), 2
                while at < len(body):
                    length = int.from_bytes(body[at : at + 2], "big")
                    topics.append(body[at + 2 : at + 2 + length].decode())
                    at += 3 + length
                self.asked.append(len(topics))
                if len(topics) > self.most and self.ends:
                    break
                granted = [len(topics) <= self.most and topic != self.forbidden for topic in topics]
                codes = bytes(1 if each else 0x80 for each in granted)
                length = len(codes) + 2
                head = bytes([length]) if length < 128 else bytes([length % 128 | 128, length // 128])
                writer.write(b"\x90" + head + body[:2] + codes)
        writer.close()


@pytest.mark.parametrize("ends", [False, True])
async def test_a_broker_that_takes_eight_topics_at_a_time(ends: bool) -> None:
    """AWS IoT: refused or cut off for more, they are asked for in eights, and only what is refused then is shown."""
    broker = ListeningBroker(8, ends=ends)
    async with await asyncio.start_server(broker.serve, "127.0.0.1", 0) as server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        topics = [f"topic {number}" for number in range(300)]
        source = MqttSource("floor", mqtt_config(url, version="3.1.1"), topics, AnchoredClock())
        async with running(source, Intake()):
            await wait_until(lambda: source.health.connected)
            assert source.health.failed == {"topic 7": "the broker refuses it: it gives no reason"}
    assert broker.connections == 1 + ends
    assert broker.asked[: 2 - ends] == [250, 50][: 2 - ends]
    assert set(broker.asked[2:40]) <= {8, 300 % 8, 250 % 8, 50 % 8}


def test_what_is_asked_when() -> None:
    """Many at once, what was refused in eights at once, what is refused again after 2, 4, 8 ... 30 s; a long SUBSCRIBE
    that was never answered is not repeated on the next connection."""
    topics = [f"topic {number}" for number in range(MANY + 10)]
    subscriptions = Subscriptions(topics)
    asked = [*subscriptions.ask(0.0)]
    assert [len(part) for part in asked] == [MANY, 10]
    assert (subscriptions.complete, subscriptions.due) == (False, float("inf"))
    assert subscriptions.answer(asked[0], b"\x01" * MANY, 0.0) == tuple(topics[:MANY])
    subscriptions.answer(asked[1], b"\x80" * 10, 0.0)
    assert (subscriptions.failed, subscriptions.due) == ({}, float("-inf"))
    again = [*subscriptions.ask(0.0)]
    assert [len(part) for part in again] == [SMALL, 2]
    for part in again:
        subscriptions.answer(part, b"\x87" * len(part), 1.0)
    assert subscriptions.complete
    assert set(subscriptions.failed) == set(topics[MANY:])
    pauses, now = [], 1.0
    for _ in range(6):
        pauses.append(subscriptions.due - now)
        now = subscriptions.due
        for part in subscriptions.ask(now):
            subscriptions.answer(part, b"\x87" * len(part), now)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    subscriptions.begin(now)
    assert len(next(subscriptions.ask(now))) == MANY  # the connection had answered
    subscriptions.begin(now)
    assert len(next(subscriptions.ask(now))) == SMALL


@pytest.mark.parametrize("forbidden", [{3}, {0, 20}, {0, 1, 2, 9, 299}, set(range(40, 48))])
def test_a_topic_for_which_the_broker_ends_the_connection_is_found(forbidden: set[int]) -> None:
    """It answers in order, up to the first topic that it does not allow. After some connections all others are granted,
    and stay so; what is not allowed is told, asked for alone after a long time, and granted once it is."""
    topics = [f"topic {number}" for number in range(300)]
    wrong = {topics[number] for number in forbidden}
    subscriptions, now, granted = Subscriptions(topics), 0.0, set[str]()

    def connect() -> bool:
        """Whether the connection stays."""
        granted.clear()
        subscriptions.begin(now)
        return goes_on()

    def goes_on() -> bool:
        while subscriptions.due <= now:
            for part in [*subscriptions.ask(now)]:
                if wrong & {*part}:
                    return False
                granted.update(subscriptions.answer(part, b"\x01" * len(part), now))
        return True

    connections = next(number for number in range(1, 100) if connect())
    assert connections <= 3 + 4 * len(wrong)
    assert granted == {*topics} - wrong
    assert subscriptions.complete
    assert {*subscriptions.failed} == wrong
    assert subscriptions.due == now + LEFT
    now += LEFT
    assert not goes_on()
    wrong.clear()
    assert connect()
    now += LEFT
    assert goes_on()
    assert (granted, subscriptions.failed, subscriptions.due) == ({*topics}, {}, float("inf"))
