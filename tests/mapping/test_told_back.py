"""What another life has told of a run that was over is told back there, where the counters have shown it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry
from gateway.mapping.line import LineState
from gateway.mapping.told_back import Over, shown_counts, told_back
from tests.mapping.recording import LINE, T0, order, plan, play, scrap, tag, tick

EXAMPLE = plan()
ENTRIES = LINE["scrap_yield"]["entries"]


def counting(entries: list[dict[str, Any]], **counter: Any) -> LinePlan:
    """The example with other entries, and another counter of good ones."""
    inputs = {**LINE["inputs"], "good": {"source": "plc", "node": "Good", "counter": counter}}
    return plan(inputs=inputs, scrap_yield={"every": "60s", "entries": entries})


def seen(line: LinePlan, *values: int) -> LineState:
    """The line after its counter has shown these values."""
    samples = [tag(10 * place, "Good", value) for place, value in enumerate(values, 1)]
    return play(line, tag(1, "Reject", 0), order(2, "A"), *samples, tick(500)).state


def over(line: LinePlan, before: LineState, *entries: Entry, interval: str = "run") -> Over:
    """A run that was over when the memory was as `before`, and what it was told since."""
    times = frozenset({int(T0) + 5, *(at for at, _ in entries)})
    return Over(interval, "RUN", entries, times, shown_counts(line, before))


told = st.lists(st.tuples(st.integers(1, 90), st.integers(0, 9)), min_size=1, max_size=4)


@given(first=told, second=told, moved=st.integers(0, 400))
def test_p4_all_is_told_back_or_nothing(
    first: list[tuple[int, int]], second: list[tuple[int, int]], moved: int
) -> None:
    """What a counter has told is taken back from each run that has it, under time stamps of its own, where it has moved
    by as much in all; what messages have told stays."""
    before, after = seen(EXAMPLE, 100), seen(EXAMPLE, 100, 100 + moved)
    runs = []
    for name, entries in (("one", first), ("two", second)):
        raws = [{"yield": good} | ({"scrap": bad, "scrap_code": "Gel"} if bad else {}) for good, bad in entries]
        shown = [(int(T0) + 600 + place, raw) for place, raw in enumerate(raws)]
        runs.append(over(EXAMPLE, before, *shown, interval=name))
    records, left = told_back(EXAMPLE, after, runs, T0 + 1000)
    total = sum(good for good, _ in (*first, *second))
    assert -sum(int(str(one.raw_data["yield"])) for one in records) == (total if total <= moved else 0)
    assert len({one.key for one in records}) == len(records)
    for run in runs:
        stamps = [one.timestamp for one in records if one.interval == run.interval]
        assert len({*stamps, *run.times}) == len(stamps) + len(run.times)
    expected = [
        (at, {name: value for name, value in raw.items() if total > moved or name != "yield"})
        for run in runs
        for at, raw in run.entries
    ]
    assert left == {"RUN": expected}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (EXAMPLE, (65_500, 10)),  # it rolled over: by how often nobody can tell from what it shows
        (counting(ENTRIES), (5000, 30)),  # it was reset
        (counting(ENTRIES, backwards="count"), (5000, 5400)),
    ],
    ids=["rolled over", "reset", "both ways"],
)
def test_p4_where_it_is_not_sure_that_a_counter_has_shown_it_nothing_is_told_back(
    line: LinePlan, values: tuple[int, int]
) -> None:
    """It is left to be taken off what is counted next."""
    entry: Entry = (int(T0) + 600, {"yield": 300})
    found = told_back(line, seen(line, *values), [over(line, seen(line, values[0]), entry)], T0 + 1000)
    assert found == ((), {"RUN": [entry]})


@pytest.mark.parametrize(
    ("line", "values", "said"),
    [
        (counting(ENTRIES, direction="down"), (5000, 4700), {"yield": 300}),
        (counting([{**ENTRIES[0], "factor": 2}]), (5000, 5150), {"yield": 300}),
        (
            counting([{**ENTRIES[0], "raw_data": {"yield": "{n}", "shift": "{order}"}}]),
            (5000, 5300),
            {"yield": 300, "shift": "A"},
        ),
    ],
    ids=["down", "factor", "filled in"],
)
def test_p4_it_is_told_back_with_the_same_raw_data(
    line: LinePlan, values: tuple[int, int], said: dict[str, object]
) -> None:
    """Whichever way it counts, and whatever was filled in."""
    entry: Entry = (int(T0) + 600, {**said, "gateway_key": "another"})
    (record,), left = told_back(line, seen(line, *values), [over(line, seen(line, values[0]), entry)], T0 + 1000)
    assert (record.raw_data, record.timestamp, record.corrects) == ({**said, "yield": -300}, int(T0) + 601, True)
    assert "yield" not in left["RUN"][0][1]


def test_p4_what_messages_have_told_is_never_told_back() -> None:
    """A message comes to one life alone."""
    state = play(EXAMPLE, tag(1, "Good", 100), order(2, "A"), scrap(10, 3, "Gel"), tick(100)).state
    entry: Entry = (int(T0) + 600, {"scrap": 3, "scrap_code": "Gel"})
    assert told_back(EXAMPLE, state, [over(EXAMPLE, state, entry)], T0 + 1000) == ((), {"RUN": [entry]})
