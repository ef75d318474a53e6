"""What holds for output of any plant, however its counters are configured: no part is lost or invented."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Tick, dump
from gateway.model import Notice, Output, Record, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, Played, order, plan, play, scrap, tag

RATE = 5
INPUTS: dict[str, Any] = {
    "good": {"source": "plc", "node": "Good", "counter": {"rollover": 1000, "max_rate": f"{RATE}/s"}},
    "net": {"source": "plc", "node": "Net", "counter": {"backwards": "count", "rollover": 1000, "scale": 0.5}},
    "ordered": {"source": "plc", "node": "Ordered", "counter": {"restarts_with": "order"}},
    "toggle": {"source": "plc", "node": "Toggle", "edge": "any"},
    "lot": {"source": "plc", "node": "Lot"},
    "beat": {"source": "plc", "node": "Good", "heartbeat": "30s"},
    "weight": {"expr": "good * 2"},
    "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    "product": {"source": "mes", "topic": "order", "field": "sku"},
    "scrap": {"source": "mes", "topic": "scrap", "time": "at"},
}
ENTRIES: list[dict[str, Any]] = [
    {"count": "good", "factor": 12, "raw_data": {"good": "{n}"}},
    {"count": "net", "of": "batch", "raw_data": {"net": "{n}"}},
    {"count": "ordered", "min": 20, "raw_data": {"ordered": "{n}"}},
    {"count": "toggle", "of": "batch", "min": 3, "raw_data": {"toggle": "{n}"}},
    {"count": "scrap.qty", "factor": -1, "raw_data": {"scrap": "{n}", "code": "{codes[scrap.code].name}"}},
]
AMOUNTS = ("good", "net", "ordered", "toggle", "scrap")


def line(align: str, between: str, gaps: str, every: str) -> LinePlan:
    return plan(
        inputs=INPUTS,
        run={"key": "order", "product": "{product}", "name": "{order}"},
        batches={"key": "lot"},
        states=None,
        scrap_yield={
            "every": every,
            "align": align,
            "between_runs": between,
            "gaps": gaps,
            "codes": {"a": "Gel"},
            "entries": ENTRIES,
        },
    )


lines = st.sampled_from(
    [
        line(align, between, gaps, every)
        for align in ("clock", "run")
        for between in ("next", "unassigned", "report")
        for gaps in ("start", "end")
        for every in ("7s", "60s")
    ]
)


@dataclass
class Plant:
    """A random plant: what happened, the samples that tell of it, and what of it can be known, by the name in
    `raw_data`. Between two sightings no counter moves by half its width."""

    now: float = 0.0
    orders: int = 0
    on: bool = True
    good: int = 990
    net: int = 997
    ordered: int = 0
    shown: int = 0
    shown_at: float = 0.0
    toggle: bool = False
    hidden: int = 0
    """What was made since the tags were last seen."""
    watched: bool = True
    samples: list[Sample] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)

    def show(self, *, initial: bool = False) -> None:
        """The tags say what they hold."""
        self.shown, self.shown_at, self.hidden = self.ordered, self.now, 0
        for node, value in (("Good", self.good % 1000), ("Net", self.net % 1000), ("Ordered", self.ordered)):
            self.samples.append(tag(self.now, node, value, initial=initial))
        self.samples.append(tag(self.now, "Toggle", self.toggle, initial=initial))

    def count(self, parts: int, taken_back: int, flips: int) -> None:
        """Parts are made, no faster than the line can, and some taken back; a bit toggles."""
        parts = min(parts, int((self.now - self.shown_at) * RATE) - self.hidden, 480 - self.hidden)
        self.hidden += parts
        self.good += parts
        self.net += parts - taken_back
        self.ordered += parts
        self.made["good"] += 12 * parts
        self.made["net"] += parts - taken_back
        self.made["ordered"] += parts
        for _ in range(flips if self.watched else 0):
            self.toggle = not self.toggle
            self.made["toggle"] += 1
            self.samples.append(tag(self.now, "Toggle", self.toggle))
        if self.watched:
            self.show()

    def change_order(self, on: bool) -> None:
        """Another order, or none: the counter of the order begins at zero, what it had not shown is lost with it.

        Orders are not gone back to while nobody watches: that could not be told.
        """
        if not on and not (self.on and self.watched):
            return
        self.orders, self.on = self.orders + 1, on
        self.made["ordered"] -= self.ordered - self.shown
        self.samples.append(order(self.now, f"A{self.orders}" if on else ""))
        self.ordered = self.shown = 0
        if self.watched:
            self.show()

    def change_lot(self, lot: str) -> None:
        if self.watched:
            self.samples.append(tag(self.now, "Lot", lot))

    def lose(self, noticed: bool) -> None:
        """The connection is lost, or the gateway itself is without power."""
        if self.watched and noticed:
            self.samples += [tag(self.now, node, None, quality="bad") for node in ("Good", "Net", "Ordered", "Toggle")]
        self.watched = False

    def connect(self) -> None:
        if not self.watched:
            self.show(initial=True)
        self.watched = True

    def book(self, qty: int, lateness: float) -> None:
        self.made["scrap"] -= qty
        self.samples.append(scrap(self.now, qty, "ab"[qty % 2], at=self.now - lateness))


acts = st.one_of(
    st.tuples(st.just(Plant.count), st.integers(0, 60), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just(Plant.count), st.integers(0, 60), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just(Plant.change_order), st.sampled_from([True, True, False])),
    st.tuples(st.just(Plant.change_lot), st.sampled_from(["L1", "L2", ""])),
    st.tuples(st.just(Plant.lose), st.booleans()),
    st.tuples(st.just(Plant.connect)),
    st.tuples(st.just(Plant.book), st.integers(-3, 5), st.sampled_from([0.0, 3.0, 90.0])),
)


@st.composite
def plants(draw: st.DrawFn) -> Plant:
    """Plants in which something happens 20 to 60 times; all is shown at the end."""
    plant = Plant()
    plant.change_order(False)
    waits = st.sampled_from([0.3, 1.0, 4.0, 9.0, 40.0])
    for wait, (act, *how) in draw(st.lists(st.tuples(waits, acts), min_size=20, max_size=60)):
        plant.now = round(plant.now + wait, 3)
        act(plant, *how)
    plant.now += 1
    plant.connect()
    return plant


def reported(records: Sequence[Record], played: Played) -> Counter[str]:
    """What was reported and what waits, by the name of the amount."""
    sums: Counter[str] = Counter()
    for record in records:
        if isinstance(record, Output):
            for name in record.amounts:
                sums[name] += record.raw_data[name]  # type: ignore[assignment,operator]
    for amount in (*played.state.output.pending, *played.state.batch_output.pending):
        sums[amount.key.amount_names[0]] += amount.amount  # type: ignore[assignment]
    return sums


def left_out(notices: Sequence[Notice]) -> float:
    """What was only said, because no run or batch was on."""
    matches = (re.match(r"(-?[\d.]+) were made while no (run|batch) was on", notice.text) for notice in notices)
    return sum(float(match[1]) for match in matches if match)


@examples(120)
@given(lines, plants(), st.booleans())
def test_p2_p4_what_is_reported_is_what_was_made(example: LinePlan, plant: Plant, restarts: bool) -> None:
    """Entries plus what waits are what counters, edges and events really moved: through rollovers, parts taken back,
    counters that begin with the order, gaps that were noticed or not, restarts, late events, windows of any kind and
    minimum quantities."""
    played = play(example, *plant.samples, Tick(T0 + plant.now + 100), restarts=restarts)
    sums = reported(played.records, played)
    expected = Counter(plant.made)
    expected["net"] = expected["net"] / 2  # type: ignore[assignment]
    unowned = left_out(played.notices)
    if not unowned:
        assert {name: sums[name] for name in AMOUNTS} == {name: expected[name] for name in AMOUNTS}
    assert sum(sums.values()) + unowned == sum(expected.values())


@examples(80)
@given(lines, plants(), st.lists(st.floats(0, 1), max_size=15))
def test_p2_records_do_not_depend_on_how_a_recording_is_cut(example: LinePlan, plant: Plant, cuts: list[float]) -> None:
    """With ticks anywhere and the state through its text at each event: the same records, notices and memory."""
    ticks = [Tick(T0 + cut * (plant.now + 100)) for cut in cuts]
    events: list[Sample | Tick] = [*plant.samples, *ticks]
    events.sort(key=lambda event: event.at if isinstance(event, Tick) else event.received)
    end = Tick(T0 + plant.now + 100)
    whole, cut = play(example, *plant.samples, end), play(example, *events, end, restarts=True)
    assert cut.records == whole.records
    assert cut.notices == whole.notices
    assert dump(cut.state) == dump(whole.state)


@examples(80)
@given(lines, plants())
def test_p4_stamps_are_unique_in_each_run_and_batch(example: LinePlan, plant: Plant) -> None:
    """No two entries of an interval have the same second, none is before its start, and each
    interval is told before its output."""
    played = play(example, *plant.samples, Tick(T0 + plant.now + 100))
    starts: dict[str, tuple[str, int]] = {}
    stamps = set()
    for record in played.records:
        if isinstance(record, StartInterval):
            starts[record.key] = (record.type, record.start)
        elif isinstance(record, Output):
            kind, start = starts[record.interval]
            assert kind == record.type
            assert start <= record.timestamp
            assert (record.interval, record.timestamp) not in stamps
            stamps.add((record.interval, record.timestamp))
