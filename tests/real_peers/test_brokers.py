"""The gateway with brokers of other makers: every event once, and that the brokers themselves are what the scenarios
need.

`python -m tests.real_peers all all` plays every scenario at every broker, and says what becomes of each event.
"""

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.peers import PATIENCE, wait_until
from tests.real_peers.brokers import BROKERS, Broker
from tests.real_peers.scenarios import perform

EACH = ["mosquitto", "mosquitto-3.1.1", "rabbitmq", "nats", "aedes"]
# Not aedes on LevelDB: now and then it keeps a message unsent until the next connect, also in calm weather.
DURABLE = ["mosquitto", "rabbitmq", "nats"]
CUT = ["swallow-and-cut", "puback-lost-and-cut", "never-received-and-cut", "gateway-killed", "frozen-and-killed"]
"""What goes wrong between the two."""
FULL = ["restart-while-full", "blocked"]
MATRIX = [*CUT, "broker-killed", "many-unacknowledged", *FULL]
"""What is tried on each of EACH."""
INSTEAD = {
    ("many-unacknowledged", "mosquitto-3.1.1"): "mosquitto-unlimited",
    ("restart-while-full", "mosquitto-3.1.1"): "mosquitto-unlimited",
    ("many-unacknowledged", "rabbitmq"): "rabbitmq-wide",
}
"""The broker as it must be set up to send much without acknowledgement."""


def on(broker: str, *scenarios: str) -> list[tuple[str, str]]:
    """Scenarios, each with the broker as it must be for it."""
    return [(scenario, INSTEAD.get((scenario, broker), broker)) for scenario in scenarios]


KEEP_IDS = [
    *(each for broker in ("mosquitto", "mosquitto-3.1.1") for each in on(broker, *MATRIX)),
    # Not a kill of aedes: its sessions are in memory, and with LevelDB it loses messages itself.
    *on("aedes", *CUT, "many-unacknowledged", *FULL),
    *(("broker-restarted", broker) for broker in ("mosquitto", "mosquitto-3.1.1")),
    ("schedule", "mosquitto"),
]
USE_IDS_AGAIN = [
    *on("rabbitmq", *MATRIX, "broker-restarted"),
    # Not frozen-and-killed, nor a kill: without an id, equal events in flight can be lost there, or count twice
    # (docs/mqtt.md).
    *on("nats", *CUT[:-1], "many-unacknowledged", *FULL, "broker-restarted"),
    # It begins each connection with an id by chance, which now and then meets those that are not confirmed.
    ("schedule", "aedes"),
]
WITH_ID = [each for broker in ("rabbitmq", "nats") for each in on(broker, *MATRIX, "schedule")]


class Subscriber:
    """A client with a session that lasts, which acknowledges what it gets; `resumed` says of each connection if it
    was there.
    """

    def __init__(self, port: int) -> None:
        self.payloads: list[bytes] = []
        self.resumed: list[bool] = []
        self.subscribed = 0
        self._confirmed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="other",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._granted
        self._client.on_unsubscribe = lambda *_: self._confirmed.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """End the connection once the broker has taken all acknowledgements: it answers in order."""
        self._client.unsubscribe("nothing")
        assert self._confirmed.wait(PATIENCE)
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, _: object, flags: ConnectFlags, *__: object) -> None:
        self.resumed.append(flags.session_present)
        client.subscribe("l01/scrap", 1)

    def _granted(self, *_: object) -> None:
        self.subscribed += 1

    def _message(self, client: Client, _: object, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        self.payloads.append(bytes(message.payload))


@pytest.fixture(params=DURABLE)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    """Each broker, running, for nobody but this machine."""
    broker = BROKERS[request.param](tmp_path / "broker")
    try:
        await broker.start()
        for process in broker.processes:
            assert process.listens_at() in ({"127.0.0.1"}, {"127.0.0.1", "::1"}), process.name
        yield broker
    finally:
        await broker.kill()


async def test_a_broker_keeps_sessions_over_an_end_and_a_kill(broker: Broker) -> None:
    """What was published while a subscriber was away reaches it in order, however the broker has ended in between."""
    subscriber = Subscriber(broker.port)
    await wait_until(lambda: subscriber.subscribed)  # what is published before nobody is told
    await broker.publish(("l01/scrap", b"first"))
    await wait_until(lambda: subscriber.payloads == [b"first"])
    subscriber.close()
    assert subscriber.resumed == [False]
    for end in (broker.stop, broker.kill):
        expected = [f"{end.__name__} {number}".encode() for number in range(5)]
        await broker.publish(*[("l01/scrap", payload) for payload in expected])
        await broker.until_saved()
        await end()
        await broker.start()
        again = Subscriber(broker.port)
        await wait_until(lambda: len(again.payloads) >= 5, 120)  # noqa: B023 - it is over before the next round
        again.close()
        assert (again.resumed, again.payloads) == ([True], expected)


@pytest.mark.parametrize("broker", EACH)
async def test_p4_in_calm_weather_every_event_arrives_once(broker: str, tmp_path: Path) -> None:
    """Events with payloads of their own and equal ones, through a tap that does nothing."""
    verdict = await perform("calm", broker, tmp_path)
    assert verdict.exact, verdict.told()


@pytest.mark.parametrize(("scenario", "broker"), KEEP_IDS)
async def test_p1_p2_p4_exact_where_packet_ids_are_kept(scenario: str, broker: str, tmp_path: Path) -> None:
    """Connections, gateway and broker fail in between; every event is at Oden once all the same, also equal ones."""
    verdict = await perform(scenario, broker, tmp_path)
    assert verdict.exact, verdict.told()


@pytest.mark.parametrize(("scenario", "broker"), USE_IDS_AGAIN)
async def test_p1_p2_p4_nothing_is_doubled_where_ids_are_used_again(scenario: str, broker: str, tmp_path: Path) -> None:
    """Events that differ from the others are exact; of equal ones few are lost for each cut (docs/mqtt.md)."""
    verdict = await perform(scenario, broker, tmp_path)
    assert verdict.nearly_exact, verdict.told()


@pytest.mark.parametrize(("scenario", "broker"), WITH_ID)
async def test_p1_p2_p4_with_an_id_it_is_exact_there_too(scenario: str, broker: str, tmp_path: Path) -> None:
    """Also after a kill of NATS, which sends again without a flag what was not acknowledged."""
    verdict = await perform(scenario, broker, tmp_path, identified=True)
    assert verdict.exact, verdict.told()
