"""A counter that counts on as usual is read at once: as what it says is read and counted otherwise."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.frozen import replace
from gateway.mapping.counting import is_plain, read_on, with_count
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, read
from gateway.model import Sample
from tests.mapping.laws import examples
from tests.mapping.recording import plan

NOW = 1_767_600_000.0
COUNTERS: list[dict[str, Any]] = [
    {},
    {"rollover": 1000},
    {"rollover": 1000, "max_rate": "5/s"},
    {"max_rate": "5/s", "too_fast": "ignore", "scale": 0.5},
    {"backwards": "count"},
    {"backwards": "ignore", "scale": 12},
    {"direction": "down"},
    {"signed": 16},
    {"number": "text"},
]
SHAPES: list[dict[str, Any]] = [
    {"source": "plc", "node": "Good"},
    {"source": "plc", "node": "Good", "uncertain": "ignore"},
    {"source": "mes", "topic": "good"},
    {"source": "mes", "topic": "good", "field": "n", "time": "at"},
]


def counting(shape: dict[str, Any], counter: dict[str, Any]) -> InputPlan:
    inputs = {"good": {**shape, "counter": counter}, "order": {"source": "plc", "node": "Order"}}
    entries = [{"count": "good", "raw_data": {"yield": "{n}"}}]
    run = {"key": "order", "product": "FILM"}
    return plan(inputs=inputs, run=run, states=None, scrap_yield={"entries": entries}).inputs["good"]


INPUTS = [counting(shape, counter) for shape in SHAPES for counter in COUNTERS]
VALUES: st.SearchStrategy[object] = st.one_of(
    st.integers(0, 30), st.integers(-3, 2000), st.sampled_from([7.0, 7.5, 2**63, 2**64, True, None, "", "12", "x", []])
)


@st.composite
def said(draw: st.DrawFn, field: bool) -> tuple[object, float | None, bool, bool, str, float]:
    """A value, the device's time, whether it was kept, or is the first, its quality, and the seconds since the one
    before."""
    seconds = draw(st.sampled_from([0.0, 0.5, 1.0, 7.0, 90.0]))
    value: object = draw(VALUES)
    if field:
        at = draw(st.sampled_from([-1.0, -100.0, 0.0, 400.0, 1e7, "x", None]))
        value = draw(st.sampled_from([{"n": value, "at": at if isinstance(at, str | None) else NOW + at}, value]))
    time = draw(st.sampled_from([None, -0.25, -3.0, -5_000.0, -100_000.0, 3.0, 60.0]))
    rare = st.sampled_from([False] * 9 + [True])
    quality = draw(st.sampled_from(["good"] * 8 + ["uncertain", "bad"]))
    return value, time, draw(rare), draw(rare), quality, seconds


@given(st.data(), st.sampled_from(INPUTS))
@examples(100)
def test_it_is_read_as_any(data: st.DataObject, given: InputPlan) -> None:
    """Whatever it has shown, and whenever: what is read at once is the same, to the last field."""
    counter, memory, now = given.counter, None, NOW
    assert counter is not None
    if data.draw(st.booleans()):
        memory = InputMemory(
            given.origin, 5, NOW - 2, received=NOW - 1, untimed=data.draw(st.sampled_from([None, True]))
        )
    for value, time, retained, initial, quality, seconds in data.draw(st.lists(said(bool(given.time)), max_size=12)):
        now += seconds
        sample = Sample(
            given.source, given.address, value, now, quality, None if time is None else now + time,  # type: ignore[arg-type]
            retained=retained, initial=initial,
        )  # fmt: skip
        usual = _usual(given, memory, sample, now)
        at_once = read_on(given, counter, memory, sample, now) if is_plain(given) else None
        assert at_once in (None, usual)
        memory = usual.memory
        if data.draw(st.sampled_from([False] * 9 + [True])):
            memory = replace(memory, origin="elsewhere", restart_basis="A")


def test_what_counts_on_is_read_at_once() -> None:
    """Of whole numbers that grow, nearly all: the first, and the first two moves aside, that is a fraction of what
    reading them otherwise costs."""
    given, memory, at_once = INPUTS[0], None, 0
    assert given.counter is not None
    for second in range(100):
        sample = Sample("plc", "Good", second, NOW + second, source_time=NOW + second - 0.1)
        at_once += read_on(given, given.counter, memory, sample, sample.received) is not None
        memory = _usual(given, memory, sample, sample.received).memory
    assert at_once == 99


def _usual(given: InputPlan, memory: InputMemory | None, sample: Sample, now: float) -> Reading:
    assert given.counter is not None
    reading = read(given, memory, sample, now)
    return with_count(given, given.counter, reading, now, now - 1, None, None) if reading.usable else reading
