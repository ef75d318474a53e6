"""Sparkplug devices against a real broker and an edge node with an encoder of its own.

The sources go by a clock that stands still until a test moves it, so that no birth comes too late on a busy machine.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Sample
from gateway.sources.mqtt import MqttSource
from gateway.sources.sparkplug import REQUEST_PAUSE, Interpretation, SparkplugHost
from tests import edge_node as wire
from tests.edge_node import EdgeNode
from tests.peers import Link, Mosquitto, free_port, wait_until
from tests.sources.harness import HandClock, Intake, mqtt_config, running

PRESS = "Plant A/Edge 1/Press 7"
ADDRESS = f"spBv1.0/{PRESS}"
METRICS = ("State", "Counts/Good", "Order")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker."""
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def edge(broker: Mosquitto) -> Iterator[EdgeNode]:
    """An edge node with a press, not connected yet."""
    edge = EdgeNode(broker.port)
    edge.add("Press 7", State=(wire.INT32, 6), Counts__Good=(wire.UINT32, 100), Order=(wire.STRING, "4711"))
    edge.add("Oven", Heat=(wire.FLOAT, 180.5))
    yield edge
    edge.stop()


def source(
    broker: Mosquitto,
    *topics: str,
    url: str | None = None,
    devices: dict[str, tuple[str, ...]] | None = None,
    clock: HandClock | None = None,
    **more: Any,
) -> MqttSource:
    clock = clock or HandClock()
    host = SparkplugHost("floor", devices or {PRESS: METRICS}, clock)
    return MqttSource("floor", mqtt_config(url or broker.url, **more), topics, clock, host)


def reported(intake: Intake, name: str) -> list[tuple[object, str, bool]]:
    """What has been handed over of a metric of the press: value, quality, and whether it was a first value."""
    of_press = [(sample, values(sample)) for sample in intake.samples if sample.address == ADDRESS]
    return [(fields[name], sample.quality, sample.initial) for sample, fields in of_press if name in fields]


def values(sample: Sample) -> dict[str, object]:
    assert isinstance(sample.value, dict)
    return sample.value


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("aliases", [True, False])
async def test_births_are_asked_for_and_changes_follow(broker: Mosquitto, version: str, aliases: bool) -> None:
    """A node that sent its births before the gateway came is asked for them; then changes count, by alias or by name.
    What one message says is one sample."""
    edge, intake = EdgeNode(broker.port, aliases=aliases), Intake()
    edge.add("Press 7", State=(wire.INT32, 6), Counts__Good=(wire.UINT32, 100), Order=(wire.STRING, "4711"))
    edge.start()
    try:
        async with running(source(broker, version=version), intake):
            await wait_until(lambda: reported(intake, "Order"))
            edge.change("Press 7", Counts__Good=107, Order="4712", at=1_767_592_800.25)
            await wait_until(lambda: len(reported(intake, "Order")) == 2)
    finally:
        edge.stop()
    assert edge.asked == 1
    assert {name: reported(intake, name)[0] for name in METRICS} == {
        "State": (6, "good", True),
        "Counts/Good": (100, "good", True),
        "Order": ("4711", "good", True),
    }
    last = intake.samples[-1]
    assert (last.value, last.source_time, last.initial) == (
        {"Counts/Good": 107, "Order": "4712"},
        1_767_592_800.25,
        False,
    )


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


async def test_what_a_metric_can_hold(broker: Mosquitto, edge: EdgeNode) -> None:
    """Bad quality and null are no values, what was kept from before is left out, what is not plain is refused once."""
    edge.start()
    intake, floor = Intake(), source(broker)
    async with running(floor, intake):
        await wait_until(lambda: reported(intake, "State"))
        bad = wire.metric(7, wire.INT32, name="State", more=wire.quality(0))
        old = wire.metric(90, wire.UINT32, name="Counts/Good", more=wire.put(5, 1))
        edge.send("DDATA", "Press 7", bad, old, wire.metric(None, wire.STRING, name="Order"))
        await wait_until(lambda: reported(intake, "Order")[-1] == (None, "bad", False))
        assert reported(intake, "State")[-1] == (None, "bad", False)
        assert reported(intake, "Counts/Good") == [(100, "good", True)]
        edge.send("DDATA", "Press 7", old)
        assert ["left out" in notice.text for notice in intake.notices] == [True]
        for _ in range(2):
            edge.send("DDATA", "Press 7", wire.metric(b"x", wire.BYTES, name="State"))
        edge.send("DDATA", "Press 7", wire.metric(101, wire.UINT32, name="Counts/Good"))
        await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (101, "good", False))
        assert "row of bytes" in floor.health.failed[f"{ADDRESS}#State"]
        assert [notice.kind for notice in intake.notices] == ["gap", "reject"]
        edge.change("Press 7", State=2)
        await wait_until(lambda: reported(intake, "State")[-1] == (2, "good", False))
        assert not floor.health.failed


def test_what_an_edge_node_had_kept_is_handed_over_at_its_own_times() -> None:
    """Values of one time are one sample, each message is told apart from the next; live values beside them are live.
    What has no time, or one that lies ahead, has no place, which is said once."""
    clock = HandClock()
    host = SparkplugHost("floor", {PRESS: METRICS}, clock, keeps=True)
    now = float(int(clock.now()))
    known = [wire.metric(1, wire.INT32, name=name, alias=place) for place, name in enumerate(METRICS)]
    host.interpret("spBv1.0/Plant A/NBIRTH/Edge 1", wire.payload([], 0), now)
    host.interpret("spBv1.0/Plant A/DBIRTH/Edge 1/Press 7", wire.payload(known, 1), now)

    def old(value: int, alias: int, ago: float | None) -> bytes:
        at = None if ago is None else now - ago
        return wire.metric(value, wire.INT32, alias=alias, at=at, typed=False, more=wire.put(5, 1))

    def told(seq: int, *metrics: bytes) -> Interpretation:
        return host.interpret("spBv1.0/Plant A/DDATA/Edge 1/Press 7", wire.payload(metrics, seq), now)

    first = told(2, old(5, 1, 60), old(4, 1, 90), old(2, 0, 90), wire.metric(9, wire.INT32, alias=1, typed=False))
    assert [each.value for each in first.samples] == [{"Counts/Good": 9}]
    assert not first.notices
    assert first.recovered is not None
    assert (first.recovered.in_part, first.recovered.since) == (True, now - 90)
    moments = [[(each.received - now, each.value) for each in moment.samples] for moment in first.recovered.moments]
    assert moments == [[(-90, {"Counts/Good": 4, "State": 2})], [(-60, {"Counts/Good": 5})]]
    second = told(3, old(6, 1, 50), old(7, 1, None), old(8, 1, -10))
    assert second.recovered is not None
    assert second.recovered.received > first.recovered.received
    assert [sample.value for moment in second.recovered.moments for sample in moment.samples] == [{"Counts/Good": 6}]
    assert ["no time that can be" in notice.text for notice in second.notices] == [True]
    third = told(4, old(8, 1, None))
    assert (third.recovered, third.notices, third.samples) == (None, (), ())


async def test_two_values_of_a_metric_in_one_message(broker: Mosquitto, edge: EdgeNode) -> None:
    """What a node has gathered comes one after the other, in the order of its times."""
    edge.start()
    intake = Intake()
    async with running(source(broker), intake):
        await wait_until(lambda: reported(intake, "State"))
        t0 = 1_767_592_800.0
        three = [wire.metric(n, wire.INT32, name="State", at=t0 + n) for n in (3, 1, 2)]
        edge.send("DDATA", "Press 7", *three, wire.metric("4712", wire.STRING, name="Order", at=t0 + 2))
        await wait_until(lambda: len(reported(intake, "State")) == 4)
    assert [(sample.value, sample.source_time) for sample in intake.samples[-3:]] == [
        ({"State": 1}, t0 + 1),
        ({"State": 2, "Order": "4712"}, t0 + 2),
        ({"State": 3}, t0 + 3),
    ]


async def test_rubbish_between(broker: Mosquitto, edge: EdgeNode) -> None:
    """A payload that cannot be read is rejected, and the births are asked for, because it may have been any message."""
    edge.start()
    intake, clock = Intake(), HandClock()
    async with running(source(broker, clock=clock), intake):
        await wait_until(lambda: reported(intake, "State"))
        edge.publish(edge.topic("DDATA", "Press 7"), b"{}")
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: reported(intake, "State")[-1] == (6, "good", True))
    assert len(reported(intake, "State")) == 3
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("reject", edge.topic("DDATA", "Press 7"))]


async def test_metrics_of_the_node_itself_and_plain_topics_beside(broker: Mosquitto, edge: EdgeNode) -> None:
    """One connection carries devices, the node's own metrics, and messages of others."""
    edge.add(None, Mode=(wire.INT16, -2))
    edge.start()
    intake, floor = Intake(), source(broker, "plant-a/order", devices={"Plant A/Edge 1": ("Mode",)})
    async with running(floor, intake):
        await wait_until(lambda: intake.values("spBv1.0/Plant A/Edge 1"))
        await broker.publish("plant-a/order", '{"number": "4711"}')
        edge.change(None, Mode=5)
        await wait_until(lambda: intake.values("spBv1.0/Plant A/Edge 1")[-1] == {"Mode": 5})
        await wait_until(lambda: intake.values("plant-a/order") == [{"number": "4711"}])
        assert not floor.health.failed
    assert intake.values("spBv1.0/Plant A/Edge 1")[0] == {"Mode": -2}


async def test_p1_a_death_is_acknowledged_after_the_commit(broker: Mosquitto, edge: EdgeNode) -> None:
    """A will comes at QoS 1: the broker sends it again to a gateway that died before it was committed."""
    edge.start()
    first = Intake(acknowledge=False)
    async with running(source(broker), first):
        await wait_until(lambda: reported(first, "State"))
        edge.stop()
        await wait_until(lambda: reported(first, "State")[-1][1] == "bad")
    assert first.verdicts
    second = Intake()
    async with running(source(broker), second):
        await wait_until(lambda: any(arrival.receipt for arrival in second.arrivals))
    again = next(arrival.receipt for arrival in second.arrivals if arrival.receipt)
    assert again.dup


async def test_p2_a_birth_that_the_broker_had_kept(broker: Mosquitto, edge: EdgeNode) -> None:
    """Some nodes let the broker keep births: nobody knows how old they are, so the node is asked nevertheless."""
    kept = wire.payload([wire.metric(0, wire.INT64, name="bdSeq")], 0)
    await broker.publish(edge.topic("NBIRTH"), kept, retain=True)
    stale = wire.payload([wire.metric(99, wire.INT32, name="State")], 1)
    await broker.publish(edge.topic("DBIRTH", "Press 7"), stale, retain=True)
    intake, clock = Intake(), HandClock()
    floor = source(broker, clock=clock)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        clock.advance(REQUEST_PAUSE)
        await wait_until(lambda: floor.health.failed)
        edge.start()
        await wait_until(lambda: (6, "good", True) in reported(intake, "State"))
    assert {value for value, _, _ in reported(intake, "State")} <= {None, 6}


async def test_a_birth_with_very_many_metrics(broker: Mosquitto, edge: EdgeNode) -> None:
    """A node with 20,000 metrics, whose birth has a megabyte: what is wanted of it is read, by alias too."""
    names = [f"Unit {number // 100}/A metric with a long name {number}" for number in range(20_000)]
    edge.start()
    intake = Intake()
    async with running(source(broker), intake):
        await wait_until(lambda: reported(intake, "State"))
        many = [wire.metric(number, wire.INT32, name=name, alias=number) for number, name in enumerate(names)]
        wanted = [wire.metric(5, wire.INT32, name=name, alias=30_000 + n) for n, name in enumerate(METRICS)]
        edge.send("DBIRTH", "Press 7", *many, *wanted)
        await wait_until(lambda: reported(intake, "State")[-1] == (5, "good", True))
        edge.send("DDATA", "Press 7", wire.metric(7, wire.INT32, alias=30_000), wire.metric(1, wire.INT32, alias=17))
        await wait_until(lambda: reported(intake, "State")[-1] == (7, "good", False))
    assert len(str(intake.samples[-1].value)) < 100
