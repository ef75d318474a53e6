"""P13: what was told of output of late is known, so that what stays where it is can be listed with its amounts."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.line import Tick
from gateway.mapping.told_amounts import MOST_ENTRIES, MOST_KINDS, in_words
from gateway.model import Output, Sample, StartInterval
from tests.mapping.laws import examples
from tests.mapping.recording import PLC, T0, fed, order, plan, play, scrap, tag, tick

LINE = plan(states=None)
MADE = st.lists(st.tuples(st.integers(20, 90), st.sampled_from(["order", "good", "scrap"])), max_size=25)


@given(MADE, st.integers(0, 2000))
@examples(40)
def test_p13_what_was_told_since_a_time_is_known_by_run(made: Sequence[tuple[int, str]], since: int) -> None:
    """It is the sum of the entries with later time stamps, of runs that have names of their own."""
    times = [*accumulate((pause for pause, _ in made), initial=10)][1:]
    events: list[Sample] = [order(0, "A0"), tag(1, "Good", 0)]
    for number, (at, (_, what)) in enumerate(zip(times, made, strict=True), 1):
        if what == "order":
            events.append(order(at, f"A{number}"))
        else:
            events.append(tag(at, "Good", number) if what == "good" else scrap(at, 1 + number % 3))
    played = fed(LINE, *events, tick((times or [0])[-1] + 200))
    names = {each.key: each.name for each in played.records if isinstance(each, StartInterval)}
    sums = Counter[tuple[str | None, str]]()
    for each in played.records:
        if isinstance(each, Output) and each.timestamp > T0 + since:
            for name in each.amounts:
                kind = name if name == "yield" else f"scrap {each.raw_data['scrap_code']}"
                sums[names[each.interval], kind] += int(str(each.raw_data[name]))
    want = {f"{amount} {kind} of {run}" for (run, kind), amount in sums.items()}
    assert {*filter(None, in_words(played.state.told, T0 + since).split(", "))} == want


def test_p13_what_comes_late_within_what_is_remembered_is_told_there() -> None:
    """The corrected amounts are known, not those that were told first."""
    counts = [tag(at, "Good", at) for at in range(1, 300, 10)]
    played = fed(LINE, order(0, "A"), *counts, order(300, "B", at=150), tick(500))
    assert in_words(played.state.told, T0) == "140 yield of A, 150 yield of B"


def test_p13_output_is_known_by_the_run_that_had_it_also_where_others_are_over_by_then() -> None:
    """Time that passes in one go tells it of the same run as time that passes bit by bit."""
    line = plan(
        states=None,
        inputs={
            **PLC,
            "running": {"source": "plc", "node": "Running"},
            "good": {**PLC["good"], "counter": {"rollover": 1000}},
        },
        run={"key": "running", "product": "P", "name": "{order}", "end": {"idle": "30s"}},
        scrap_yield={"every": "10s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    )
    events = [order(0, "A"), tag(1, "Running", True), tag(46, "State", 0), tag(46, "Good", 991)]
    events.append(tag(91, "Good", 0, initial=True))
    last: list[Sample | Tick] = [tag(136, "State", 0), tick(236)]
    in_one_go, bit_by_bit = play(line, *events, *last), play(line, *events, tick(118.5), *last)
    assert in_one_go.texts == bit_by_bit.texts
    assert in_one_go.state.told == bit_by_bit.state.told
    assert in_words(in_one_go.state.told, T0) == "9 yield of A"


def test_p12_what_is_known_of_it_is_bounded() -> None:
    """However many runs and windows there are."""
    orders = [order(at, f"A{at}") for at in range(0, 30_000, 400)]
    counts = [tag(at + 0.5, "Good", at) for at in range(0, 30_000, 30)]
    played = fed(LINE, *sorted([*orders, *counts], key=lambda sample: sample.received), tick(31_000))
    assert len(played.state.told) == MOST_KINDS
    long = fed(LINE, order(0, "A"), *counts, tick(31_000)).state.told
    assert [len(each.entries) for each in long] == [MOST_ENTRIES]
