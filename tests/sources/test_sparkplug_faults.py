"""Sparkplug: what dies, is lost or never was there, as the inputs are told of it, against a real broker."""

from gateway.sources.mqtt import MqttSource
from gateway.sources.sparkplug import REQUEST_PAUSE, SparkplugHost
from tests import edge_node as wire
from tests.edge_node import EdgeNode
from tests.links import Link
from tests.peers import Mosquitto, free_port, wait_until
from tests.sources.harness import HandClock, Intake, mqtt_config, running
from tests.sources.sparkplug_source import ADDRESS, METRICS, PRESS, reported, source


async def test_p2_a_dead_node_and_its_return(broker: Mosquitto, edge: EdgeNode) -> None:
    """An edge node that is cut off takes its devices with it, which is said once; its births are first values again."""
    edge.start()
    intake, floor = Intake(), source(broker)
    async with running(floor, intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.stop()
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
        assert floor.health.failed == {
            "spBv1.0/Plant A/Edge 1": "the edge node is offline",
            ADDRESS: "its edge node is offline",
        }
        edge.add("Press 7", Counts__Good=(wire.UINT32, 130))
        edge.start()
        await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (130, "good", True))
        assert not floor.health.failed
    assert [quality for _, quality, _ in reported(intake, "State")].count("bad") == 1


async def test_a_device_that_dies_alone(broker: Mosquitto, edge: EdgeNode) -> None:
    """The death of a device is no death of the node: other devices go on."""
    edge.start()
    intake, floor = Intake(), source(broker, devices={PRESS: METRICS, "Plant A/Edge 1/Oven": ("Heat",)})
    async with running(floor, intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.device_died("Press 7")
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
        edge.change("Oven", Heat=0.1)
        await wait_until(lambda: intake.values("spBv1.0/Plant A/Edge 1/Oven")[-1] == {"Heat": 0.1})
        assert list(floor.health.failed) == [ADDRESS]
        edge.device_born("Press 7")
        await wait_until(lambda: reported(intake, "State")[-1] == (6, "good", True))
        assert not floor.health.failed
    assert edge.asked == 1


async def test_p2_a_message_that_was_lost(broker: Mosquitto, edge: EdgeNode) -> None:
    """Where a message is missing, nothing counts until births have come: a number could mean another metric by then."""
    edge.start()
    intake, clock = Intake(), HandClock()
    async with running(source(broker, clock=clock), intake):
        await wait_until(lambda: reported(intake, "State"))
        asked = edge.asked
        edge.change("Press 7", Counts__Good=110, lose=True)
        edge.change("Press 7", State=2)
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: edge.asked > asked)
        await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (110, "good", True))
    assert reported(intake, "State") == [(6, "good", True), (None, "bad", False), (2, "good", True)]
    (gap,) = [notice for notice in intake.notices if notice.kind == "gap"]
    assert "missing" in gap.text


async def test_p2_a_connection_that_was_lost(broker: Mosquitto, edge: EdgeNode) -> None:
    """Nothing keeps what edge nodes send while the gateway is away: devices are gone once, births are first values."""
    edge.start()
    intake = Intake()
    link = Link(broker.port)
    await link.start()
    try:
        async with running(source(broker, url=f"mqtt://127.0.0.1:{link.port}"), intake):
            await wait_until(lambda: reported(intake, "State"))
            await link.stop()
            await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
            edge.change("Press 7", Counts__Good=150)
            await link.start()
            await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (150, "good", True))
    finally:
        await link.stop()
    assert [quality for _, quality, _ in reported(intake, "State")].count("bad") == 1
    assert any("not connected since" in notice.text for notice in intake.notices)


async def test_the_death_of_an_earlier_connection(broker: Mosquitto, edge: EdgeNode) -> None:
    """A broker that notices late that the old connection is dead sends its will after the new birth: the node lives."""
    edge.start()
    old = edge.death()
    intake, clock = Intake(), HandClock()
    async with running(source(broker, clock=clock), intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.stop()
        await wait_until(lambda: reported(intake, "State")[-1][1] == "bad")
        edge.start()
        await wait_until(lambda: reported(intake, "State")[-1][1] == "good")
        asked = edge.asked
        clock.advance(REQUEST_PAUSE)
        edge.publish(edge.topic("NDEATH"), old)
        await wait_until(lambda: edge.asked > asked)
        edge.change("Press 7", State=3)
        await wait_until(lambda: reported(intake, "State")[-1][0] == 3)
    assert [quality for _, quality, _ in reported(intake, "State")].count("bad") == 1


async def test_p9_a_death_with_a_wrong_number(broker: Mosquitto, edge: EdgeNode) -> None:
    """A node that counts its births wrongly dies: it does not answer, so that its devices are gone a little later."""
    edge.start()
    intake, clock = Intake(), HandClock()
    async with running(source(broker, clock=clock), intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.deaf, asked = True, edge.asked
        clock.advance(REQUEST_PAUSE)
        edge.publish(edge.topic("NDEATH"), wire.payload([wire.metric(77, wire.INT64, name="bdSeq")], None))
        await wait_until(lambda: edge.asked > asked)
        assert reported(intake, "State")[-1][1] == "good"
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))


async def test_p2_births_that_another_host_has_asked_for(broker: Mosquitto, edge: EdgeNode) -> None:
    """A node that lives sends its births once more: nothing is gone meanwhile, and what they say counts."""
    edge.start()
    intake = Intake()
    async with running(source(broker), intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.add("Press 7", State=(wire.INT32, 3))
        edge.born()
        await wait_until(lambda: reported(intake, "State")[-1] == (3, "good", True))
        edge.change("Press 7", State=4)
        await wait_until(lambda: reported(intake, "State")[-1] == (4, "good", False))
    assert [quality for _, quality, _ in reported(intake, "State")].count("bad") == 0


async def test_a_metric_that_the_device_does_not_have(broker: Mosquitto, edge: EdgeNode) -> None:
    """A name that is written wrongly is shown, with the one that may be meant, and the others work."""
    edge.start()
    intake, floor = Intake(), source(broker, devices={PRESS: ("Count/Good", "State")})
    async with running(floor, intake):
        await wait_until(lambda: reported(intake, "State"))
        ((address, reason),) = floor.health.failed.items()
    assert address == f"{ADDRESS}#Count/Good"
    assert 'no metric "Count/Good"' in reason
    assert "nearest are Counts/Good" in reason


async def test_the_gateway_cannot_ask_for_births(broker: Mosquitto, edge: EdgeNode) -> None:
    """A node whose births do not come, because the broker does not let the gateway ask: it is said what to look at."""
    edge.deaf = True
    edge.start()
    intake, floor = Intake(), source(broker)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        edge.change("Press 7", State=2)
        await wait_until(lambda: "asked for" in floor.health.failed.get("spBv1.0/Plant A/Edge 1", ""))
        assert "spBv1.0/Plant A/NCMD/Edge 1" in floor.health.failed["spBv1.0/Plant A/Edge 1"]
    assert not intake.values(ADDRESS)


async def test_p9_an_edge_node_that_is_not_there(broker: Mosquitto) -> None:
    """Of a node that is off when the gateway starts, or written wrongly, nothing comes: its devices are gone."""
    intake, clock = Intake(), HandClock()
    floor = source(broker, clock=clock)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: reported(intake, "State"))
    assert reported(intake, "State") == [(None, "bad", False)]
    assert "nothing has come of edge node Edge 1 in group Plant A" in floor.health.failed["spBv1.0/Plant A/Edge 1"]


async def test_p9_a_broker_that_is_not_there() -> None:
    """Where the broker cannot be reached when the gateway starts, devices are gone, which is said once."""
    clock, intake = HandClock(), Intake()
    floor = MqttSource(
        "floor",
        mqtt_config(f"mqtt://127.0.0.1:{free_port()}"),
        (),
        clock,
        SparkplugHost("floor", {PRESS: METRICS}, clock),
    )
    async with running(floor, intake) as errors:
        await wait_until(lambda: len(errors) > 1)
    assert reported(intake, "State") == [(None, "bad", False)]


async def test_p9_a_fault_of_ours_takes_the_devices_with_it(broker: Mosquitto, edge: EdgeNode) -> None:
    """Whatever ends the connection, the mapping knows that nothing is known of the devices before it is built anew."""
    edge.start()
    intake, floor = Intake(), source(broker)
    async with running(floor, intake) as errors:
        await wait_until(lambda: reported(intake, "State"))
        intake.fault = RuntimeError("a fault")
        edge.change("Press 7", State=2)
        await wait_until(lambda: len(reported(intake, "State")) == 3)
    assert [type(error) for error in errors] == [RuntimeError]
    assert reported(intake, "State") == [(6, "good", True), (None, "bad", False), (2, "good", True)]
    assert any("not connected since" in notice.text for notice in intake.notices)


async def test_p9_a_device_that_was_dead_before_the_gateway_came(broker: Mosquitto, edge: EdgeNode) -> None:
    """The births of its node do not speak of it: it is gone, and the others are not."""
    edge.start()
    edge.device_died("Press 7")
    intake, clock = Intake(), HandClock()
    floor = source(broker, devices={PRESS: METRICS, "Plant A/Edge 1/Oven": ("Heat",)}, clock=clock)
    async with running(floor, intake):
        await wait_until(lambda: intake.values("spBv1.0/Plant A/Edge 1/Oven"))
        assert not reported(intake, "State")
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: reported(intake, "State"))
        assert list(floor.health.failed.items()) == [(ADDRESS, "its edge node has not said that the device is there")]
    assert reported(intake, "State") == [(None, "bad", False)]
    assert intake.values("spBv1.0/Plant A/Edge 1/Oven") == [{"Heat": 180.5}]
