"""The machine as a whole: time, memory as JSON, plans that change, recordings with their expected records."""

from itertools import permutations
from pathlib import Path

import pytest
from ulid import ULID

from gateway.mapping.line import LineState, Tick, due, dump, load, step
from gateway.model import RECORD, Moment, Output, Sample, StartInterval
from tests.mapping.recording import GOLDEN, LINE, PLC, T0, fed, golden, next_due, order, plan, play, scrap, tag, tick

EXAMPLE = plan()
SHIFT = (
    tag(1, "State", 1),
    tag(2, "Good", 65500),
    order(10, "A"),
    tag(20, "Good", 65530),
    scrap(30, 2),
    tag(70, "Good", 10),
    tag(80, "State", 3),
    scrap(85, 1, "Gel"),
    order(100, "B", "PIPE"),
    tag(101, "State", 1),
    tag(110, "Good", 20),
)
"""A bit of everything."""


@pytest.mark.parametrize("folder", sorted(GOLDEN.iterdir()), ids=lambda folder: folder.name)
def test_golden(folder: Path) -> None:
    """A line's configuration and a recording give exactly these records and notices, and the same where the gateway
    restarts after each event."""
    line, events = golden(folder)
    played = fed(line, *events)
    texts = [
        *played.texts,
        *(f"{notice.kind} {notice.source} {notice.address}: {notice.text}" for notice in played.notices),
    ]
    assert texts == (folder / "expected.txt").read_text().splitlines()
    stepped, restarted = play(line, *events), play(line, *events, restarts=True)
    assert (restarted.records, restarted.notices) == (stepped.records, stepped.notices)


def test_p2_restart_anywhere_changes_nothing() -> None:
    """The same records, to the key, whether the state stayed in memory or went through its text after each event."""
    assert play(EXAMPLE, *SHIFT, tick(500), restarts=True).records == play(EXAMPLE, *SHIFT, tick(500)).records


def test_ticks_change_nothing() -> None:
    """Timers fire at their own times, whoever looks and when."""
    ticked: list[Sample | Tick] = []
    for sample in SHIFT:
        ticked += [sample, *(Tick(sample.received + part) for part in (0.1, 0.4, 0.9))]
    often = play(EXAMPLE, *ticked, *(tick(111 + number / 7) for number in range(2000)), tick(500))
    once = play(EXAMPLE, *SHIFT, tick(500))
    assert often.records == once.records
    assert often.state == once.state


def test_due_is_when_something_happens() -> None:
    """A tick just before `due` does nothing; one at `due` does."""
    played = play(EXAMPLE, *SHIFT)
    while (time := due(EXAMPLE, played.state)) is not None:
        before = step(EXAMPLE, played.state, Tick(time - 1e-3))
        assert not before.records
        after = step(EXAMPLE, played.state, Tick(time))
        assert due(EXAMPLE, after.state) != time
        played.state = after.state
    assert next_due(EXAMPLE, played.state) is None


def test_records_have_keys_of_their_own_in_order() -> None:
    """Keys are unique, follow from the line and the time, and are the same each time: of an interval the time of its
    start, of any other record that at which it was made, and its number."""
    records = play(EXAMPLE, *SHIFT, tick(500)).records
    keys = [record.key for record in records]
    assert len(set(keys)) == len(keys) > 5
    times = [record.start if isinstance(record, StartInterval) else record.at for record in records]
    assert [ULID.from_str(key).timestamp for key in keys] == pytest.approx(times, abs=1e-3)
    other = play(plan(line="Line 02"), *SHIFT, tick(500)).records
    assert not set(keys) & {record.key for record in other}
    assert play(EXAMPLE, *SHIFT, tick(500)).state.seq == len(records)
    assert all(RECORD.validate_json(RECORD.dump_json(record)) == record for record in records)


def test_output_of_a_run_precedes_its_end_and_the_next_start() -> None:
    """What one step emits is in the order in which Oden needs it."""
    played = play(EXAMPLE, *SHIFT[:9])
    result = step(EXAMPLE, played.state, tick(200))
    kinds = [record.kind for record in result.records if record.type == "RUN"]
    assert kinds[: kinds.index("start") + 1] == ["output", "update", "start"]


def test_state_is_an_end_before_a_start() -> None:
    """Closing the old state is a record of its own, before the new one begins."""
    records = [record for record in play(EXAMPLE, *SHIFT, tick(500)).records if record.type == "STATE"]
    assert [record.kind for record in records] == ["start", "update", "start", "update", "start"]
    assert [record.at for record in records][1] == T0 + 85


def test_foreign_sample_is_only_time() -> None:
    """What feeds no input of the line moves its clock and nothing else."""
    played = play(EXAMPLE, order(10, "A"), Sample("plc", "Other", 5, T0 + 11))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert played.state.now == T0 + 11


def test_p13_in_a_moment_it_makes_no_difference_which_is_first() -> None:
    """State, counters and order of one scan, in each order, are one step with one result."""
    tags = {"source": "plc", "node": "Order"}
    line = plan(inputs={**PLC, "order": tags, "product": {"source": "plc", "node": "Product"}})
    before = play(line, tag(0, "Order", "A"), tag(0, "Product", "FILM"), tag(1, "Good", 0), tag(1, "State", 1)).state
    change = (tag(50, "Order", "B"), tag(50, "Product", "PIPE"), tag(50, "Good", 10), tag(50, "State", 3))
    results = [step(line, before, Moment(samples)) for samples in permutations(change)]
    assert all((result.records, result.state) == (results[0].records, results[0].state) for result in results)
    played = play(line, tag(60, "Good", 15), tick(200), state=results[0].state)
    assert [text for text in played.texts if "output" in text] == [
        "output of 1 at 49: yield 10",
        "output of 2 at 120: yield 5",
    ]


@pytest.mark.parametrize(("reset", "of_old"), [(48.5, 10), (47.5, 12)], ids=["within two seconds", "longer before"])
def test_p13_a_reset_just_before_the_order_is_the_orders(reset: float, of_old: int) -> None:
    """Also where a window ends in between: what is counted since waits for two seconds."""
    made = {"source": "plc", "node": "Good", "counter": {"restarts_with": "order"}}
    line = plan(
        inputs={**PLC, "good": made, "order": {"source": "plc", "node": "Order"}},
        run={"key": "order", "product": "P", "settle": "0s"},
        scrap_yield={"every": "7s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    )
    counts = (tag(1, "Good", 0), tag(30, "Good", 10), tag(reset, "Good", 2))
    played = play(line, tag(0, "Order", "A"), *counts, tag(50, "Order", "B"), tag(55, "Good", 6), tick(100))
    sums: dict[str, int] = {}
    for record in played.records:
        if isinstance(record, Output):
            sums[record.interval] = sums.get(record.interval, 0) + int(str(record.raw_data["yield"]))
    assert [*sums.values()] == [of_old, 16 - of_old]


def test_time_does_not_go_back() -> None:
    """A sample that was received before what was already seen counts at the newest time."""
    played = play(EXAMPLE, order(10, "A"), tick(100), Sample("plc", "State", 3, T0 + 50))
    assert played.state.now == T0 + 100
    assert play(EXAMPLE, tick(105), state=played.state).texts == ["start STATE 1 at 100: Unplanned Downtime, Jam"]


def test_memory_of_an_input_that_is_gone_is_dropped() -> None:
    """A plan without an input loads what was known of the others; one with more starts those from nothing."""
    text = dump(play(EXAMPLE, *SHIFT).state)
    fewer = plan(inputs={name: example_line for name, example_line in PLC.items() if name != "scrap"}, scrap_yield=None)
    state = load(fewer, text)
    assert set(state.inputs) == {"state", "good", "reject", "order", "product"} & set(load(EXAMPLE, text).inputs)
    assert "scrap" not in state.inputs
    more = plan(inputs={**PLC, "speed": {"source": "plc", "node": "Speed"}})
    assert play(more, tag(300, "Speed", 5), tick(500), state=load(more, text)).state.inputs["speed"].value == 5


def test_sections_that_are_gone_keep_quiet() -> None:
    """Timers of a section that was taken out do not fire, and what was counted is still reported."""
    played = play(EXAMPLE, *SHIFT[:8])
    bare = plan(run=None, states=None, scrap_yield=None)
    rest = play(bare, order(400, "Z"), tick(9000), state=load(bare, dump(played.state)))
    assert rest.texts == ["output of 1 at 120: yield 16, scrap 1, scrap_code Gel"]
    assert due(bare, rest.state) is None


def test_load_refuses_what_is_no_state() -> None:
    """Damaged text is an error that names it, not an empty memory."""
    with pytest.raises(ValueError, match="LineState"):
        load(EXAMPLE, '{"now": "soon"}')
    assert load(EXAMPLE, dump(LineState())) == LineState()


def test_step_leaves_the_given_state_alone() -> None:
    """States are values: stepping from one twice gives the same twice."""
    state = play(EXAMPLE, *SHIFT[:6]).state
    text = dump(state)
    first, second = step(EXAMPLE, state, SHIFT[6]), step(EXAMPLE, state, SHIFT[6])
    assert first == second
    assert dump(state) == text


def test_settings_of_the_example_are_used() -> None:
    """The example's `settle`, `hold` and `every` are what the timers wait for."""
    assert next_due(EXAMPLE, play(EXAMPLE, order(10, "A")).state) == pytest.approx(10 + 0.5)
    assert next_due(EXAMPLE, play(EXAMPLE, tag(10, "State", 1)).state) == 15
    assert LINE["run"]["settle"] == "500ms"
