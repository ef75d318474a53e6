"""Sparkplug devices that connect without an edge node, and names of metrics with and without `DATA/` before them."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.sparkplug import SparkplugHost
from tests import edge_node as wire
from tests.peers import Mosquitto, wait_until
from tests.sources.harness import HandClock, Intake, mqtt_source, running
from tests.sources.sparkplug_source import ADDRESS, METRICS, PRESS, reported, source, values

OVEN = "Plant A/Edge 1/Oven"
NODE = "spBv1.0/Plant A/Edge 1"


def topic(kind: str, device: str = "Press 7") -> str:
    return f"spBv1.0/Plant A/{kind}/Edge 1/{device}"


def good(number: int, name: str = "Counts/Good") -> bytes:
    return wire.metric(number, wire.UINT32, name=name)


STATE, ORDER = wire.metric(6, wire.INT32, name="State"), wire.metric("4711", wire.STRING, name="Order")


async def test_devices_without_a_node_count_for_themselves(broker: Mosquitto) -> None:
    """Each has numbers of its own for its messages, which say nothing of the other's; one dies alone, and is born
    again. Nothing is published but the request for births that is always made."""
    devices = {PRESS: METRICS, OVEN: ("Heat",)}
    watcher, seen = mqtt_source(broker, "spBv1.0/+g/NCMD/#", "spBv1.0/+g/DCMD/#", client_id="watcher"), Intake()
    intake, floor = Intake(), source(broker, devices=devices, alone=True)
    async with running(watcher, seen):
        await wait_until(lambda: watcher.health.connected)
        async with running(floor, intake):
            await wait_until(lambda: floor.health.connected)
            await broker.publish(topic("DBIRTH"), wire.payload([STATE, good(100), ORDER], 0))
            await broker.publish(topic("DBIRTH", "Oven"), wire.payload([wire.metric(1, wire.INT32, name="Heat")], 0))
            await wait_until(lambda: not floor.health.failed and intake.values(f"spBv1.0/{OVEN}"))
            await broker.publish(topic("DDATA"), wire.payload([good(107)], 77))
            await broker.publish(topic("DDATA", "Oven"), wire.payload([wire.metric(2, wire.INT32, name="Heat")], 1))
            await wait_until(lambda: intake.values(f"spBv1.0/{OVEN}")[-1] == {"Heat": 2})
            assert reported(intake, "Counts/Good") == [(100, "good", True), (107, "good", False)]
            await broker.publish(topic("DDEATH"), wire.payload([wire.metric(0, wire.INT64, name="bdSeq")], None))
            await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
            assert floor.health.failed == {ADDRESS: "the device is offline"}
            await broker.publish(topic("DDATA", "Oven"), wire.payload([wire.metric(3, wire.INT32, name="Heat")], 2))
            await broker.publish(topic("DBIRTH"), wire.payload([STATE, good(120), ORDER], 5))
            await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (120, "good", True))
            assert intake.values(f"spBv1.0/{OVEN}")[-1] == {"Heat": 3}
            assert not floor.health.failed
            assert not intake.notices
    assert len(seen.samples) <= 1


async def test_a_device_that_was_born_before_the_gateway_came(broker: Mosquitto) -> None:
    """It counts from the first value on that comes under its name; of each metric that one is a first value. A number
    whose type nobody has said is none: by itself -1 cannot be told from 4294967295."""
    intake, floor = Intake(), source(broker, alone=True)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        await broker.publish(topic("DDATA"), wire.payload([good(100)], 9))
        await wait_until(lambda: reported(intake, "Counts/Good"))
        assert not floor.health.failed
        await broker.publish(topic("DDATA"), wire.payload([good(101), ORDER], 11))
        await broker.publish(topic("DDATA"), wire.payload([wire.metric(-1, wire.INT32, name="State", typed=False)], 12))
        await wait_until(lambda: reported(intake, "State"))
        assert "says which type" in floor.health.failed[f"{ADDRESS}#State"]
        await broker.publish(topic("DBIRTH"), wire.payload([STATE, good(101), ORDER], 13))
        await broker.publish(topic("DDATA"), wire.payload([wire.metric(-1, wire.INT32, name="State", typed=False)], 14))
        await wait_until(lambda: reported(intake, "State")[-1] == (-1, "good", False))
        assert not floor.health.failed
    assert reported(intake, "Counts/Good")[:2] == [(100, "good", True), (101, "good", False)]
    assert reported(intake, "Order")[0] == ("4711", "good", True)


async def test_numbers_of_metrics_do_not_count_without_a_node(broker: Mosquitto) -> None:
    """A number could mean another metric since a birth that was lost, which no sequence shows. That is told."""
    intake, floor = Intake(), source(broker, alone=True)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        born = [wire.metric(6, wire.INT32, name="State", alias=3), good(100), ORDER]
        await broker.publish(topic("DBIRTH"), wire.payload(born, 0))
        await broker.publish(topic("DDATA"), wire.payload([wire.metric(7, wire.INT32, alias=3)], 1))
        await wait_until(lambda: reported(intake, "State")[-1:] == [(None, "bad", False)])
        assert "`node_birth`" in floor.health.failed[f"{ADDRESS}#State"]
        await broker.publish(topic("DDATA"), wire.payload([wire.metric(8, wire.INT32, name="State", alias=3)], 2))
        await wait_until(lambda: reported(intake, "State")[-1] == (8, "good", False))
        assert not floor.health.failed


async def test_where_a_birth_of_the_node_is_needed_it_is_said_what_to_write(broker: Mosquitto) -> None:
    """What such a device says does not count, and the page names the setting with which it does."""
    intake, floor = Intake(), source(broker)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        await broker.publish(topic("DBIRTH"), wire.payload([STATE, good(100), ORDER], 0))
        await wait_until(lambda: "`node_birth: optional`" in floor.health.failed.get(NODE, ""))
    assert not [sample for sample in intake.samples if sample.quality == "good"]


async def test_the_end_of_a_node_ends_its_devices(broker: Mosquitto) -> None:
    """Where a node has a last will, though it sends no birth; the next value of a device says that this one lives. What
    cannot be read is listed as rejected, and ends nothing."""
    intake, floor = Intake(), source(broker, alone=True)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        await broker.publish(topic("DBIRTH"), wire.payload([STATE, good(100), ORDER], 0))
        await broker.publish(topic("DDATA"), b"{}")
        await wait_until(lambda: [notice.kind for notice in intake.notices] == ["reject"])
        assert [quality for _, quality, _ in reported(intake, "State")] == ["good"]
        await broker.publish("spBv1.0/Plant A/NDEATH/Edge 1", wire.payload([], None))
        await wait_until(lambda: reported(intake, "State")[-1] == (None, "bad", False))
        await broker.publish(topic("DDATA"), wire.payload([good(103)], 2))
        await wait_until(lambda: reported(intake, "Counts/Good")[-1] == (103, "good", True))
        assert not floor.health.failed


async def test_names_with_a_folder_in_the_birth_and_without_it_later(broker: Mosquitto) -> None:
    """As mqtt-spb-wrapper has it; an input can be written as in either."""
    wanted: dict[str, tuple[str, ...]] = {PRESS: ("DATA/State", "Counts/Good")}
    intake, floor = Intake(), source(broker, devices=wanted, alone=True)
    async with running(floor, intake):
        await wait_until(lambda: floor.health.connected)
        born = [good(7, "ATTR/State"), good(6, "DATA/State"), good(100, "DATA/Counts/Good")]
        await broker.publish(topic("DBIRTH"), wire.payload(born, 0))
        await broker.publish(topic("DDATA"), wire.payload([good(8, "State"), good(101)], 1))
        await wait_until(lambda: len(reported(intake, "Counts/Good")) == 2)
        assert not floor.health.failed
    assert reported(intake, "DATA/State") == [(6, "good", True), (8, "good", False)]
    assert reported(intake, "Counts/Good") == [(100, "good", True), (101, "good", False)]


SPELLINGS = st.sampled_from(["a", "DATA/a"])


@given(st.sets(SPELLINGS, min_size=1), st.sets(SPELLINGS, min_size=1), st.lists(SPELLINGS), st.booleans())
def test_which_metric_a_name_means(wanted: set[str], born: set[str], later: list[str], aliases: bool) -> None:
    """Where the birth has both names they are two metrics, and each is only what is written so. Where it has one, that
    is meant however it is written, in the inputs, in later messages, and by its number."""
    clock = HandClock()
    host = SparkplugHost("floor", {"G/E/D": wanted}, clock)
    numbers = {name: place for place, name in enumerate(sorted(born))}
    metrics = [wire.metric(place, wire.INT32, name=name, alias=place) for name, place in numbers.items()]
    host.interpret("spBv1.0/G/NBIRTH/E", wire.payload([], 0), clock.now())
    first = host.interpret("spBv1.0/G/DBIRTH/E/D", wire.payload(metrics, 1), clock.now())
    meant = {name: name if name in born else next(iter(born)) for name in wanted}
    assert [sample.value for sample in first.samples] == [{name: numbers[meant[name]] for name in wanted}]
    assert not host.failed
    for place, name in enumerate(later):
        its_own = name if name in born else next(iter(born))
        number = numbers[its_own] if aliases else None
        changed = wire.metric(10 + place, wire.INT32, name=None if aliases else name, alias=number)
        said = host.interpret("spBv1.0/G/DDATA/E/D", wire.payload([changed], 2 + place), clock.now())
        told = {name: value for sample in said.samples for name, value in values(sample).items()}
        assert told == {name: 10 + place for name in wanted if meant[name] == its_own}
