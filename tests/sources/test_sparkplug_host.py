"""What a host makes of edge nodes whose messages are lost, reordered, or come from two connections: by property."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Sample
from gateway.sources.sparkplug import LONGEST_PAUSE, SparkplugHost
from tests import edge_node as wire
from tests.sources.harness import HandClock

NAMES = ("a", "b", "c")


@dataclass
class Edge:
    """An edge node with one device whose three metrics have numbers that are shuffled at each birth."""

    truth: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    seq: int = 0
    birth: int = 0
    shift: int = 0

    def births(self) -> list[tuple[str, bytes]]:
        self.shift += 1
        self.seq = 1
        metrics = [
            wire.metric(self.truth[name], wire.INT32, name=name, alias=self.alias(name)) for name in sorted(self.truth)
        ]
        death = wire.metric(self.birth, wire.INT64, name="bdSeq")
        return [
            ("spBv1.0/G/NBIRTH/E", wire.payload([death], 0)),
            ("spBv1.0/G/DBIRTH/E/D", wire.payload(metrics, 1)),
        ]

    def alias(self, name: str) -> int:
        return (NAMES.index(name) + self.shift) % len(NAMES)

    def change(self, name: str, value: int) -> list[tuple[str, bytes]]:
        self.truth[name] = value
        self.seq = (self.seq + 1) % 256
        metric = wire.metric(value, wire.INT32, alias=self.alias(name), typed=False)
        return [("spBv1.0/G/DDATA/E/D", wire.payload([metric], self.seq))]

    def death(self) -> list[tuple[str, bytes]]:
        return [
            ("spBv1.0/G/NDEATH/E", wire.payload([wire.metric(self.birth, wire.INT64, name="bdSeq")], None)),
        ]


Event = tuple[str, str, int, bool]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["change", "change", "change", "births", "restart", "disconnect"]),
        st.sampled_from(NAMES),
        st.integers(-100, 100),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(EVENTS)
def test_p2_never_a_value_of_another_metric_and_the_last_is_the_true_one(events: list[Event]) -> None:
    """A good value is the one that the device has at that moment, whatever is lost on the way.

    The last part of an event says whether its first message is lost. Once nothing is lost any more and requests for
    births are answered, the last values are the true ones.
    """
    clock, edge = HandClock(), Edge()
    host = SparkplugHost("floor", {"G/E/D": NAMES}, clock)
    last: dict[str, object] = {}

    def learn(samples: tuple[Sample, ...]) -> None:
        for sample in samples:
            assert isinstance(sample.value, dict)
            for name, value in sample.value.items():
                assert sample.quality == "bad" or value == edge.truth[name]
            last.update(sample.value)

    def deliver(messages: list[tuple[str, bytes]]) -> None:
        for topic, content in messages:
            clock.advance(0.01)
            learn(host.interpret(topic, content, clock.now()).samples)

    def connect() -> None:
        for topic in host.topics:
            host.subscribed(topic)

    connect()
    for kind, name, value, lost in events:
        clock.advance(1.0)
        learn(host.give_up_awaited())
        if kind == "disconnect":
            learn(host.connection_lost(clock.now()))
            connect()
            continue
        if kind == "change":
            messages = edge.change(name, value)
        elif kind == "births":
            messages = edge.births()
        else:
            messages = edge.death()
            edge.birth += 1
            messages += edge.births()
        deliver(messages[1:] if lost else messages)
        if not lost:
            deliver([message for _ in list(host.birth_requests()) for message in edge.births()])
    deliver(edge.change("a", edge.truth["a"]))
    clock.advance(LONGEST_PAUSE)
    deliver([message for _ in list(host.birth_requests()) for message in edge.births()])
    assert last == edge.truth
    assert not host.failed


def test_requests_do_not_flood_a_node_that_never_answers() -> None:
    """A node is asked at once, then less and less often: not 40 times in the hour of 1,800 unusable messages."""
    clock, edge = HandClock(), Edge()
    host = SparkplugHost("floor", {"G/E/D": NAMES}, clock)
    for topic in host.topics:
        host.subscribed(topic)
    asked = []
    for number in range(1800):
        asked += [clock.time for _ in host.birth_requests()]
        for topic, content in edge.change("a", number):
            assert host.interpret(topic, content, clock.now()).samples == ()
        clock.advance(2.0)
    assert asked[0] == HandClock().time
    assert 10 < len(asked) < 25
    assert "NCMD" in host.failed["spBv1.0/G/E"]


def test_a_node_that_keeps_losing_messages_is_not_asked_all_the_time() -> None:
    """On a link where each second message is lost births are asked for less and less, and count when they come."""
    clock, edge = HandClock(), Edge()
    host = SparkplugHost("floor", {"G/E/D": NAMES}, clock)
    for topic in host.topics:
        host.subscribed(topic)
    asked = good = 0
    for number in range(3600):
        for _ in list(host.birth_requests()):
            asked += 1
            for topic, content in edge.births():
                good += sum(sample.quality == "good" for sample in host.interpret(topic, content, clock.now()).samples)
        (message,) = edge.change("a", number)
        if number % 2:
            host.interpret(*message, clock.now())
        clock.advance(1.0)
    assert good == asked
    assert 10 < asked < 25


def births(count: int) -> list[tuple[str, bytes]]:
    """The births of a node with a device of `count` metrics, of which "a" is the last."""
    others = [wire.metric(number, wire.INT32, name=f"Cell {number % 20}/Value {number}") for number in range(count - 1)]
    device = [*others, wire.metric(7, wire.INT32, name="a", alias=1)]
    return [
        ("spBv1.0/G/NBIRTH/E", wire.payload([wire.metric(0, wire.INT64, name="bdSeq")], 0)),
        ("spBv1.0/G/DBIRTH/E/D", wire.payload(device, 1)),
    ]


def test_the_birth_of_a_big_device_is_taken() -> None:
    """A birth holds all metrics of a device: one with 10,000, of some 300 kB, is read as any other."""
    clock = HandClock()
    host = SparkplugHost("floor", {"G/E/D": ("a",)}, clock)
    interpretations = [host.interpret(topic, payload, clock.now()) for topic, payload in births(10_000)]
    assert [sample.value for sample in interpretations[-1].samples] == [{"a": 7}]
    assert not interpretations[-1].notices
    assert not host.failed


def test_p12_metrics_without_end_are_refused() -> None:
    """Metrics of two bytes each would take up far more memory than the message: more than 50,000 are a reject."""
    clock = HandClock()
    host = SparkplugHost("floor", {"G/E/D": ("a",)}, clock)
    interpretation = host.interpret("spBv1.0/G/NBIRTH/E", b"\x12\x00" * 60_000, clock.now())
    assert [(notice.kind, notice.text) for notice in interpretation.notices] == [
        ("reject", "the payload has 60000 metrics; at most 50000 are taken")
    ]


def test_p14_where_nothing_may_be_asked_for_the_next_birth_is_waited_for() -> None:
    """Nothing is to be published, whatever is missing, and it is said why nothing is known; a birth ends that."""
    clock, edge = HandClock(), Edge()
    host = SparkplugHost("floor", {"G/E/D": ("a",)}, clock, asks=False)
    host.subscribed(host.topics[0])
    edge.births()  # before the gateway came
    for topic, content in edge.change("a", 1):
        assert host.interpret(topic, content, clock.now()).samples == ()
    clock.advance(10.0)
    assert [*host.birth_requests()] == []
    assert "its next birth is waited for" in host.failed["spBv1.0/G/E"]
    births = edge.births()
    samples = [sample for topic, content in births for sample in host.interpret(topic, content, clock.now()).samples]
    assert [sample.value for sample in samples if sample.quality == "good"] == [{"a": 1}]
    assert not host.failed
