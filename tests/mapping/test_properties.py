"""What holds for any plant: nothing is lost or invented, intervals never overlap, time is cut as one likes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.line import LineState, Tick, dump, load, step
from gateway.mapping.output import Amount
from gateway.model import RECORD, Output, Record, Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, PLC, T0, message, order, plan, play, scrap, tag

ROLLOVER, RATE = 100, 5
WIDTHS = {
    "good": {**PLC["good"], "counter": {"rollover": ROLLOVER, "max_rate": f"{RATE}/s"}},
    "total": {"source": "plc", "node": "Total", "counter": {}},
}
ENTRIES = [
    {"count": "good", "raw_data": {"yield": "{n}"}},
    {"count": "total", "raw_data": {"scrap": "{n}", "scrap_code": "Total"}},
    {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "scrap_code": "{scrap.code}"}},
]


def line(settle: str = "500ms", every: str = "10s", hold: str = "2s") -> Any:
    """The example line with a narrow counter, one without rollover, and short times."""
    return plan(
        inputs={**PLC, **WIDTHS},
        run={**LINE["run"], "settle": settle, "end": {"when": "state == 0", "for": "30s"}},
        states={**LINE["states"], "hold": hold},
        scrap_yield={"every": every, "entries": ENTRIES},
    )


lines = st.sampled_from(
    [
        line(settle, every, hold)
        for settle in ("0s", "500ms", "20s")
        for every in ("1s", "10s", "60s")
        for hold in ("0s", "2s")
    ]
)


@dataclass
class Plant:
    """A random plant: what really happened, and the samples that tell of it in the order of their arrival."""

    now: float = 0.0
    good: int = 90
    shown_at: float = 0.0
    shown_good: int = 90
    total: int = 7
    code: int = 1
    number: str = ""
    samples: list[Sample] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    amounts: list[tuple[float, int]] = field(default_factory=list)
    """When parts were seen by the good counter, and how many."""
    orders: list[tuple[float, str]] = field(default_factory=list)
    largest: int = 0
    """The most parts that the plain counter has shown at once."""
    arrived: float = 0.0

    def tell(self, sample: Sample) -> None:
        self.samples.append(sample)

    def arrival(self, lateness: float) -> float:
        """When a message arrives that is `lateness` s under way; messages do not overtake each other."""
        self.arrived = max(self.arrived, self.now + lateness)
        return self.arrived

    def show(self) -> None:
        made = self.good - self.shown_good
        if made:
            self.amounts.append((self.now, made))
        self.made["yield"] += made
        self.shown_at, self.shown_good = self.now, self.good
        self.tell(tag(self.now, "Good", self.good % ROLLOVER))
        self.tell(tag(self.now, "Total", self.total))

    def count(self, parts: int) -> None:
        """Parts are made, no faster than the line can, and seen."""
        parts = min(parts, int((self.now - self.shown_at) * RATE), ROLLOVER - 1)
        if self.total == 0 and self.largest:  # else what it shows after a reset could as well be the end of a glitch
            parts = min(parts, self.largest)
        self.largest = max(self.largest, parts)
        self.good += parts
        self.total += parts
        self.made["Total"] += parts
        self.show()

    def reset(self) -> None:
        """The plain counter is set to zero and the PLC shows it."""
        self.total = 0
        self.show()

    def reconnect(self) -> None:
        """Bad quality, then the values that are known already, with the time of their last change."""
        self.tell(tag(self.now, "Good", None, quality="bad"))
        self.tell(tag(self.now, "Good", self.good % ROLLOVER, source=self.shown_at))
        self.tell(tag(self.now, "State", self.code, source=self.shown_at))
        self.tell(scrap(self.now, 50, retained=True, at=self.now - 5))

    def change_order(self, number: str, lateness: float) -> None:
        if number != self.number:
            self.orders.append((self.now, number))
        self.number = number
        self.tell(order(self.arrival(lateness), number, at=self.now))

    def change_state(self, code: int) -> None:
        self.code = code
        self.tell(tag(self.now, "State", code))

    def book(self, qty: int, lateness: float) -> None:
        """An operator books scrap of one of three codes."""
        code = f"Code {qty % 3}"
        self.made[code] += qty
        self.tell(scrap(self.arrival(lateness), qty, code, at=self.now))

    @property
    def in_order_of_arrival(self) -> list[Sample]:
        return sorted(self.samples, key=lambda sample: sample.received)


def plants(gap: float = 0.0, latest: float = 40.0) -> st.SearchStrategy[Plant]:
    """Plants in which something happens 20 to 80 times, `gap` s apart at least, with messages up to `latest` s late."""
    late = st.floats(0, latest).map(lambda value: round(value, 3))
    acts = st.one_of(
        st.tuples(st.just(Plant.count), st.integers(0, 60)),
        st.tuples(st.just(Plant.count), st.integers(0, 60)),
        st.tuples(st.just(Plant.change_order), st.sampled_from(["A", "B", "C", ""]), late),
        st.tuples(st.just(Plant.change_state), st.sampled_from([0, 1, 2, 3, 9])),
        st.tuples(st.just(Plant.book), st.integers(-2, 5), late),
        st.tuples(st.just(Plant.reset)),
        st.tuples(st.just(Plant.reconnect)),
    )
    waits = st.sampled_from([gap, gap + 0.2, gap + 0.6, gap + 1.3, gap + 7.0, gap + 61.0])
    return st.lists(st.tuples(waits, acts), min_size=20, max_size=80).map(plant_of)


def plant_of(acts: Sequence[tuple[float, tuple[Any, ...]]]) -> Plant:
    plant = Plant()
    plant.show()
    plant.made.clear()
    plant.amounts.clear()
    for wait, (act, *how) in acts:
        plant.now = round(plant.now + wait, 3)
        act(plant, *how)
    return plant


def counted(records: Sequence[Record], pending: Sequence[Amount]) -> Counter[str]:
    """What was reported and what waits, by code."""
    sums: Counter[str] = Counter()
    for record in records:
        if isinstance(record, Output):
            sums["yield"] += int(record.raw_data.get("yield") or 0)
            sums[str(record.raw_data.get("scrap_code"))] += int(record.raw_data.get("scrap") or 0)
    for amount in pending:
        sums[str(dict(amount.key.raw_data).get("scrap_code", "yield"))] += int(amount.amount)
    return sums


def without_zeros(sums: Counter[str]) -> dict[str, int]:
    return {code: amount for code, amount in sums.items() if amount}


@examples(200)
@given(lines, plants(), st.booleans())
def test_p2_p4_nothing_is_lost_or_invented(example: Any, plant: Plant, restarts: bool) -> None:
    """Reported plus waiting is what counters and events really moved, by code: through restarts, rollovers, resets,
    new subscriptions, bad quality, retained messages and late ones."""
    played = play(example, *plant.in_order_of_arrival, Tick(T0 + plant.now + 100), restarts=restarts)
    assert without_zeros(counted(played.records, played.state.output.pending)) == without_zeros(plant.made)
    again = play(
        example,
        *plant.in_order_of_arrival[-1:],
        order(plant.now + 200, "Last"),
        Tick(T0 + plant.now + 400),
        state=played.state,
    )
    if plant.in_order_of_arrival[-1].address != "scrap":
        assert without_zeros(counted([*played.records, *again.records], [])) == without_zeros(plant.made)


@examples(150)
@given(lines, plants())
def test_intervals_never_overlap(example: Any, plant: Plant) -> None:
    """Intervals of one type do not overlap, share no start second, end after their start, and close before the next."""
    played = play(example, *plant.in_order_of_arrival, Tick(T0 + plant.now + 100))
    for kind in ("RUN", "STATE"):
        spans: dict[str, list[int]] = {}
        for record in played.records:
            if isinstance(record, StartInterval) and record.type == kind:
                assert all(len(span) == 2 for span in spans.values())
                spans[record.key] = [record.start]
            elif isinstance(record, UpdateInterval) and record.type == kind and record.end is not None:
                assert spans[record.interval][0] < record.end
                spans[record.interval].append(record.end)
        for (first, *end), (second, *_) in pairwise(spans.values()):
            assert first < second
            assert end[0] <= second


@examples(150)
@given(lines, plants())
def test_p4_stamps_of_output_are_unique(example: Any, plant: Plant) -> None:
    """No two entries of a run have the same whole second, and none is before the run's start."""
    played = play(example, *plant.in_order_of_arrival, Tick(T0 + plant.now + 100))
    starts = {record.key: record.start for record in played.records if isinstance(record, StartInterval)}
    stamps = [(record.interval, record.timestamp) for record in played.records if isinstance(record, Output)]
    assert len(set(stamps)) == len(stamps)
    assert all(starts[interval] <= stamp for interval, stamp in stamps)


@examples(150)
@given(lines, plants(), st.lists(st.floats(0, 1), max_size=20), st.booleans())
def test_p13_records_do_not_depend_on_how_time_is_cut(
    example: Any, plant: Plant, cuts: list[float], restarts: bool
) -> None:
    """Ticks anywhere and the state through its text at any event: the same records, keys and notices."""
    end = Tick(T0 + plant.now + 100)
    ticks = [Tick(T0 + cut * (plant.now + 100)) for cut in cuts]
    events: list[Sample | Tick] = [*plant.in_order_of_arrival, *ticks]
    events.sort(key=lambda event: event.at if isinstance(event, Tick) else event.received)
    whole, cut = play(example, *plant.in_order_of_arrival, end), play(example, *events, end, restarts=restarts)
    assert cut.records == whole.records
    assert cut.notices == whole.notices
    assert dump(cut.state) == dump(whole.state)


@examples(150)
@given(plants(gap=1.0, latest=0.4))
def test_what_was_made_goes_to_the_run_that_was_on(plant: Plant) -> None:
    """Split exactly by the time of the sample: each run gets what was seen while its order was on, and what was
    seen since the run before it ended."""
    example = plan(
        inputs={**PLC, **WIDTHS},
        run={**LINE["run"], "settle": "500ms", "end": None},
        states=None,
        scrap_yield={"every": "10s", "entries": ENTRIES[:1]},
    )
    played = play(example, *plant.in_order_of_arrival, Tick(T0 + plant.now + 100))
    expected = [0 for _, number in plant.orders if number]
    for at, parts in plant.amounts:
        before = [number for time, number in plant.orders if time <= at]
        on = len([number for number in before if number]) - (1 if before and before[-1] else 0)
        if on < len(expected):
            expected[on] += parts
    runs = [record.key for record in played.records if isinstance(record, StartInterval)]
    got = Counter(dict.fromkeys(runs, 0))
    for record in played.records:
        if isinstance(record, Output):
            got[record.interval] += int(record.raw_data["yield"] or 0)
    assert [got[key] for key in runs] == expected


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 2**64, -(2**70), 10**300])
    | st.integers(4400, 5000).map(lambda digits: 10**digits)
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["\ud800", "0", "A", "{order}", "2026-01-05T06:00:01Z", "x" * 20_000])
    | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "sku", "qty", "code", "at"]), inner, max_size=5)
    ),
    max_leaves=6,
)
qualities = st.sampled_from(["good", "good", "good", "uncertain", "bad"])


@examples(200)
@given(
    lines,
    st.lists(
        st.tuples(
            st.sampled_from(
                [("plc", "State"), ("plc", "Good"), ("plc", "Total"), ("mes", "order"), ("mes", "scrap"), ("x", "y")]
            ),
            anything,
            qualities,
            st.none() | st.floats(),
            st.booleans(),
        ),
        max_size=25,
    ),
)
def test_p5_any_value_is_taken(
    example: Any, rubbish: list[tuple[tuple[str, str], object, Any, float | None, bool]]
) -> None:
    """No value of any sample, whatever its times, stops a line, and all that comes of it can be stored as text."""
    state = LineState()
    for number, (where, value, quality, source_time, retained) in enumerate(rubbish):
        result = step(example, state, Sample(*where, value, T0 + number, quality, source_time, retained))
        state = load(example, dump(result.state))
        assert state == result.state
        for record in result.records:
            assert RECORD.validate_json(RECORD.dump_json(record)) == record
        for notice in result.notices:
            notice.text.encode()


@examples(100)
@given(anything, anything)
def test_p5_a_line_works_after_any_message(first: object, second: object) -> None:
    """Whatever was said before, the next order that makes sense becomes a run."""
    example = line()
    played = play(example, message(1, "order", first), message(2, "order", second), order(10, "Z"), Tick(T0 + 20))
    starts = [record for record in played.records if isinstance(record, StartInterval) and record.name == "Z"]
    assert len(starts) == 1
