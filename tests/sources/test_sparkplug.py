"""Sparkplug devices against a real broker and an edge node with an encoder of its own.

The sources go by a clock that stands still until a test moves it, so that no birth comes too late on a busy machine.
"""

import pytest

from gateway.sources.sparkplug import REQUEST_PAUSE, Interpretation, SparkplugHost
from tests import edge_node as wire
from tests.edge_node import EdgeNode
from tests.peers import Mosquitto, wait_until
from tests.sources.harness import HandClock, Intake, running
from tests.sources.sparkplug_source import ADDRESS, METRICS, PRESS, reported, source


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
