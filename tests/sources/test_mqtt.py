"""The MQTT source against a real broker."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.sources.base import TURN
from gateway.sources.mqtt import MqttSource
from gateway.sources.mqtt_connection import HELD_MESSAGES, WINDOW, MqttConnection, Publish, Subscribed
from tests.links import Link
from tests.peers import PATIENCE, Mosquitto, wait_until
from tests.sources.harness import Intake, mqtt_config, mqtt_source, running

ORDER = "plant-a/L01/events/order"
SCRAP = "plant-a/L01/events/scrap"
BOTH = pytest.mark.parametrize("version", ["5", "3.1.1"])


@BOTH
async def test_a_json_message_arrives_as_one_sample(broker: Mosquitto, version: str) -> None:
    """One message is one sample with its topic as address, its JSON as value, and a receipt that is no redelivery."""
    source, intake = mqtt_source(broker, ORDER, version=version), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, json.dumps({"number": 4711, "sku": "A-1"}))
        await wait_until(lambda: intake.samples)
    ((arrival, _),) = intake.verdicts
    (sample,) = arrival.samples
    assert (sample.source, sample.address, sample.retained) == ("floor", ORDER, False)
    assert sample.value == {"number": 4711, "sku": "A-1"}
    assert arrival.receipt is not None
    assert not arrival.receipt.dup
    assert source.health.last_sample_at == sample.received


@BOTH
async def test_p1_what_was_not_done_is_sent_again_and_marked(broker: Mosquitto, version: str) -> None:
    """No PUBACK before `done`: a gateway that dies in between gets the message again, marked as redelivered."""
    first = Intake(acknowledge=False)
    source = mqtt_source(broker, ORDER, version=version)
    async with running(source, first):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1", "2")
        await wait_until(lambda: first.values(ORDER) == [1, 2])
    second = Intake()
    async with running(mqtt_source(broker, ORDER, version=version), second):
        await wait_until(lambda: second.values(ORDER) == [1, 2])
    assert [a.receipt.dup for a in second.arrivals if a.receipt] == [True, True]
    assert [a.receipt.digest for a in second.arrivals if a.receipt] == [
        a.receipt.digest for a in first.arrivals if a.receipt
    ]
    assert second.new_sessions == [False]


@BOTH
async def test_p1_what_was_done_is_not_sent_again(broker: Mosquitto, version: str) -> None:
    """`done` reaches the broker as a PUBACK, also when the gateway ends right after it."""
    first = Intake(acknowledge=False)
    source = mqtt_source(broker, ORDER, version=version)
    async with running(source, first):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1", "2")
        await wait_until(lambda: first.values(ORDER) == [1, 2])
        done = first.verdicts[0][0].done
        assert done is not None
        done()
    second = Intake()
    async with running(mqtt_source(broker, ORDER, version=version), second):
        await wait_until(lambda: second.values(ORDER) == [2])


async def test_p1_an_acknowledgement_for_an_older_connection_is_dropped(broker: Mosquitto) -> None:
    """A PUBACK belongs to the connection that its message came by; sent on a later one it would acknowledge another."""
    link = Link(broker.port)
    await link.start()
    source = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{link.port}")
    intake = Intake(acknowledge=False)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
        old = intake.verdicts[-1][0]
        link.cut()
        await wait_until(lambda: intake.values(ORDER) == [1, 1])
        assert old.receipt is not None
        again = intake.verdicts[-1][0].receipt
        assert again is not None
        assert (again.packet_id, again.dup) == (old.receipt.packet_id, True)
        assert old.done is not None
        old.done()
        await broker.publish(ORDER, "2")
        await wait_until(lambda: intake.values(ORDER) == [1, 1, 2])
        link.cut()
        await wait_until(lambda: intake.values(ORDER) == [1, 1, 2, 1, 2])
    await link.stop()


@BOTH
async def test_p1_a_resumed_session_brings_what_was_published_meanwhile(broker: Mosquitto, version: str) -> None:
    """The broker keeps messages while the gateway is away; they come in order and are no redeliveries."""
    first = Intake()
    source = mqtt_source(broker, ORDER, version=version)
    async with running(source, first):
        await wait_until(lambda: source.health.connected)
    assert (len(first.arrivals), first.new_sessions) == (1, [True])
    await broker.publish(ORDER, "1", "2", "3")
    second = Intake()
    async with running(mqtt_source(broker, ORDER, version=version), second):
        await wait_until(lambda: second.values(ORDER) == [1, 2, 3])
    assert second.new_sessions == [False]
    assert not any(a.receipt.dup for a in second.arrivals if a.receipt)


async def test_p2_a_lost_session_is_said_before_anything_else(broker: Mosquitto) -> None:
    """A broker that has forgotten us makes earlier receipts void: that comes first, and is a listed gap."""
    source, intake = mqtt_source(broker, ORDER), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        broker.stop()
        broker.forget()
        await wait_until(lambda: not source.health.connected)
        broker.start()
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
    said = [[contact.state for contact in a.contacts] for a in intake.arrivals[:4]]
    assert said == [["back"], ["lost"], ["back"], []]
    assert [bool(a.connected) for a in intake.arrivals[:4]] == [True, False, True, False]
    assert intake.new_sessions == [True, True]
    assert [[n.kind for n in a.notices] for a in intake.arrivals[:4]] == [[], [], ["gap"], []]


@BOTH
async def test_p2_a_retained_message_is_marked(broker: Mosquitto, version: str) -> None:
    """What the broker had kept from before the subscription is told apart from what happens now."""
    await broker.publish(ORDER, "1", retain=True)
    intake = Intake()
    async with running(mqtt_source(broker, ORDER, version=version), intake):
        await wait_until(lambda: intake.values(ORDER) == [1])
        await broker.publish(ORDER, "2", retain=True)
        await wait_until(lambda: intake.values(ORDER) == [1, 2])
    assert [s.retained for s in intake.samples] == [True, False]


async def test_a_message_at_qos_0_needs_no_acknowledgement(broker: Mosquitto) -> None:
    """QoS 0 has no packet id: no receipt, nothing to acknowledge."""
    source, intake = mqtt_source(broker, ORDER), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1", qos=0)
        await wait_until(lambda: intake.values(ORDER) == [1])
    (arrival,) = (arrival for arrival in intake.arrivals if arrival.moments)
    assert (arrival.receipt, arrival.done) == (None, None)


async def test_a_payload_that_cannot_be_used_is_a_notice_and_is_acknowledged(broker: Mosquitto) -> None:
    """Garbage makes a notice with topic, reason and a short excerpt, no sample, and does not come back."""
    source, intake = mqtt_source(broker, ORDER), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, b"\xff\xfe" + b"x" * 500, '{"qty": 1, "qty": 2}', "x" * 300_000, "5")
        await wait_until(lambda: intake.values(ORDER) == [5])
        await wait_until(lambda: len(intake.session) == 0)  # the broker has all acknowledgements
    assert [(n.kind, n.source, n.address) for n in intake.notices] == [("reject", "floor", ORDER)] * 3
    for notice, reason in zip(intake.notices, ("not UTF-8", "'qty' twice", "300000 bytes"), strict=True):
        assert reason in notice.text
        assert len(notice.text) < 300
    again = Intake()
    source = mqtt_source(broker, ORDER)
    async with running(source, again):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "6")
        await wait_until(lambda: 6 in again.values(ORDER))  # the broker sends first what was not acknowledged
    assert again.notices == []
    assert again.values(ORDER) == [6]


@BOTH
async def test_p12_a_message_of_20_mb_is_a_reject(broker: Mosquitto, version: str) -> None:
    """It is acknowledged and told with its size, where the protocol lets the broker send it; what follows is taken."""
    source, intake = mqtt_source(broker, ORDER, version=version), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, b"x" * 2_000_000, b"x" * 20_000_000, "5")
        await wait_until(lambda: intake.values(ORDER) == [5])
        await wait_until(lambda: len(intake.session) == 0)
    sizes = [2_000_000, 20_000_000] if version == "3.1.1" else [2_000_000]
    assert [notice.text.partition(" bytes")[0] for notice in intake.notices] == [
        f"the payload has {size}" for size in sizes
    ]


async def test_a_broker_of_which_no_input_wants_anything(broker: Mosquitto) -> None:
    """A source that is configured before its inputs are is connected, and asks for nothing."""
    source = mqtt_source(broker)
    async with running(source, Intake()) as errors:
        await wait_until(lambda: source.health.connected)
    assert errors == []


async def test_the_broker_may_start_later(tmp_path: Path) -> None:
    """A gateway that starts before its broker connects when the broker is there."""
    broker = Mosquitto(tmp_path / "broker")
    source, intake = mqtt_source(broker, ORDER), Intake()
    async with running(source, intake):
        await wait_until(lambda: "cannot connect" in source.health.detail)
        with broker:
            await wait_until(lambda: source.health.connected)
            await broker.publish(ORDER, "1")
            await wait_until(lambda: intake.values(ORDER) == [1])
    assert intake.notices == []


@BOTH
async def test_the_broker_may_go_and_come_back(broker: Mosquitto, version: str) -> None:
    """A restart of a broker that keeps its sessions is no gap; messages flow again by themselves."""
    source, intake = mqtt_source(broker, ORDER, version=version), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.values(ORDER) == [1])
        broker.stop()
        await wait_until(lambda: not source.health.connected)
        broker.start()
        await broker.publish(ORDER, "2")
        # The broker may have gone before the first acknowledgement reached it.
        await wait_until(lambda: intake.first_deliveries() == [1, 2])
    assert intake.new_sessions.count(True) == 1
    assert intake.notices == []


async def test_p9_a_broker_that_falls_silent_is_noticed(broker: Mosquitto) -> None:
    """A connection that stays open but answers no ping is given up and built anew."""
    link = Link(broker.port)
    await link.start()
    source, intake = mqtt_source(broker, ORDER, url=f"mqtt://127.0.0.1:{link.port}", keepalive="5s"), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        link.freeze()
        await wait_until(lambda: not source.health.connected)
        link.resume()
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, "1")
        await wait_until(lambda: intake.first_deliveries() == [1])
    await link.stop()


def rules(broker: Mosquitto, *refused: str) -> None:
    """Let the broker refuse subscriptions to `refused`; takes effect when it starts."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    path = broker.directory / "rules.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    acls = [{"acltype": "subscribeLiteral", "topic": topic, "priority": 1, "allow": False} for topic in refused]
    allowed = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    path.write_text(
        json.dumps(
            {
                "defaultACLAccess": dict.fromkeys(allowed, True),
                "anonymousGroup": "everybody",
                "groups": [{"groupname": "everybody", "roles": [{"rolename": "reader"}]}],
                "roles": [{"rolename": "reader", "acls": acls}],
                "clients": [],
            }
        )
    )
    broker.settings = [f"plugin {plugin}", f"plugin_opt_config_file {path}"]


@BOTH
async def test_p9_a_refused_topic_is_shown_and_asked_for_again(tmp_path: Path, version: str) -> None:
    """One topic that the broker refuses costs neither the connection nor the other topics."""
    broker = Mosquitto(tmp_path / "broker")
    rules(broker, SCRAP)
    with broker:
        source, intake = mqtt_source(broker, ORDER, SCRAP, version=version), Intake()
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            assert list(source.health.failed) == [SCRAP]
            assert "refuses" in source.health.failed[SCRAP]
            await broker.publish(ORDER, "1")
            await wait_until(lambda: intake.values(ORDER) == [1])
            broker.stop()
            rules(broker)
            broker.start()
            await wait_until(lambda: source.health.connected and not source.health.failed)
            await broker.publish(SCRAP, "2")
            await wait_until(lambda: intake.values(SCRAP) == [2])


async def test_two_clients_with_one_name_are_told_so(broker: Mosquitto) -> None:
    """Two gateways with the same client_id throw each other out for ever: where that repeats, the reason names it."""
    first, second = mqtt_source(broker, ORDER), mqtt_source(broker, ORDER)
    async with running(first, Intake()):
        await wait_until(lambda: first.health.connected)
        async with running(second, Intake()):
            await wait_until(lambda: "another client has the client_id edge-test" in first.health.detail)


@BOTH
async def test_a_thousand_messages_arrive_in_order(broker: Mosquitto, version: str) -> None:
    """More than a window of messages passes, in order, each once."""
    source, intake = mqtt_source(broker, ORDER, version=version), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, *(str(n) for n in range(1000)))
        await wait_until(lambda: len(intake.samples) >= 1000)
    assert intake.values(ORDER) == list(range(1000))
    assert not any(a.receipt.dup for a in intake.arrivals if a.receipt)


async def test_p12_while_nothing_is_taken_no_more_than_a_window_is_fetched(broker: Mosquitto) -> None:
    """A full intake holds the broker back: what exceeds the window stays there until it is taken."""
    source, intake = mqtt_source(broker, ORDER), Intake(acknowledge=False)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        await broker.publish(ORDER, *(str(n) for n in range(2 * WINDOW)))
        await wait_until(lambda: len(intake.samples) >= WINDOW)
        await broker.publish(ORDER, '"no window for me"', qos=0)
        await wait_until(lambda: "no window for me" in intake.values(ORDER))
        assert len(intake.samples) == WINDOW + 1
        intake.acknowledge = True
        for arrival in list(intake.arrivals):
            if arrival.done is not None:
                arrival.done()
        await wait_until(lambda: len(intake.samples) >= 2 * WINDOW + 1)
    assert [v for v in intake.values(ORDER) if isinstance(v, int)] == list(range(2 * WINDOW))


async def test_p12_a_flood_at_qos_0_is_not_read_without_bound(broker: Mosquitto) -> None:
    """Where no window holds the broker back, the socket does; what waits in it is not lost."""
    connection = MqttConnection(mqtt_config(broker.url), AnchoredClock(), lambda _: None)
    number = HELD_MESSAGES + 1_000
    try:
        await connection.open()
        connection.subscribe((ORDER,))
        await wait_until(lambda: connection.held)
        assert isinstance(connection.pop(), Subscribed)
        await broker.publish(ORDER, *(str(n) for n in range(number)), qos=0)
        await wait_until(lambda: connection.held >= HELD_MESSAGES)
        assert connection.held == HELD_MESSAGES
        payloads: list[bytes] = []
        async with asyncio.timeout(PATIENCE):
            while len(payloads) < number:
                await connection.wait(PATIENCE)
                while packet := connection.pop():
                    assert isinstance(packet, Publish)
                    payloads.append(packet.message.payload)
        assert payloads == [str(n).encode() for n in range(number)]
    finally:
        await connection.close()


async def test_p2_dup_in_a_new_session_is_no_redelivery() -> None:
    """Packet ids of a session that the broker has forgotten mean nothing: what it marks as a duplicate is new to us."""

    async def forgetful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A broker that knows no session, and sends one message with DUP set."""
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x20\x03\x00\x00\x00")
        subscribe = await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x90\x04" + subscribe[:2] + b"\x00\x01")
        content = len(ORDER).to_bytes(2, "big") + ORDER.encode() + b"\x00\x07\x00" + b"1"
        writer.write(b"\x3a" + bytes([len(content)]) + content)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(forgetful, "127.0.0.1", 0) as server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        intake = Intake()
        async with running(MqttSource("floor", mqtt_config(url), [ORDER], AnchoredClock()), intake):
            await wait_until(lambda: intake.values(ORDER))
    ((arrival, verdict),) = intake.verdicts
    assert arrival.receipt is not None
    assert (arrival.receipt.packet_id, arrival.receipt.dup, verdict) == (7, True, "new")


async def test_p9_a_source_that_hears_nothing_turns(broker: Mosquitto) -> None:
    """A broker that has nothing to say does not make its source look stuck."""
    source = mqtt_source(broker, ORDER)
    async with running(source, Intake()):
        await wait_until(lambda: source.health.connected)
        before = source.turned_at
        await wait_until(lambda: source.turned_at > before + TURN / 2)
