"""Output: amounts given to the run that was on, in windows aligned to the clock."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.mapping.context import Recorder
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval
from gateway.mapping.output import (
    Amount,
    AmountKey,
    OutputPlan,
    OutputState,
    report,
)
from gateway.mapping.stamps import MOST_STAMPS
from gateway.model import Output
from tests.mapping.output_rig import LINE_01
from tests.mapping.recording import LINE, PLC, T0, next_due, order, plan, play, scrap, tag, tick


def output(*entries: dict[str, Any], **inputs: Any) -> Any:
    section = {"every": "60s", "entries": list(entries) or LINE["scrap_yield"]["entries"]}
    return plan(states=None, run={**LINE["run"], "end": None}, scrap_yield=section, inputs={**PLC, **inputs})


def test_window_ends_on_the_clock() -> None:
    """What was counted is reported at the end of the minute, with one entry for what fits together."""
    events = (
        order(10, "A"),
        tag(20, "Good", 100),
        tag(30, "Good", 104),
        tag(31, "Good", 107),
        tag(31, "Reject", 5),
        tag(39, "Reject", 7),
    )
    played = play(LINE_01, *events, tick(59.9))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert next_due(LINE_01, played.state) == 60
    assert play(LINE_01, tick(60), state=played.state).texts == [
        "output of 1 at 60: yield 7, scrap 2, scrap_code Auto reject"
    ]


def test_no_window_without_output() -> None:
    """Nothing pending: no timer, no empty entry."""
    played = play(LINE_01, order(10, "A"), tag(20, "Good", 100), tag(30, "Good", 100), tick(300))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert next_due(LINE_01, played.state) is None


def test_first_value_is_a_baseline() -> None:
    """What a counter shows at first was made before the gateway knew it."""
    played = play(LINE_01, order(10, "A"), tag(20, "Good", 60000), tag(30, "Good", 60002), tick(60))
    assert played.texts[1:] == ["output of 1 at 60: yield 2"]


def test_p2_rollover_and_reset() -> None:
    """Over the rollover the difference is exact; a reset counts what was made since, and is a gap."""
    events = (tag(11, "Good", 65534), tag(13, "Good", 2), tag(20, "Good", 40), tag(21, "Good", 3))
    played = play(LINE_01, order(10, "A"), *events, tick(60))
    assert played.texts[1:] == ["output of 1 at 60: yield 45"]
    assert [(notice.kind, notice.address) for notice in played.notices] == [("gap", "Good")]
    assert "taken as a reset" in played.notices[0].text


def test_p2_counter_that_moved_while_away_is_counted_once() -> None:
    """After a restart the difference is found, and the same value again adds nothing."""
    played = play(
        LINE_01,
        order(10, "A"),
        tag(20, "Good", 100),
        tag(500, "Good", 150),
        tag(501, "Good", 150, source=500),
        restarts=True,
    )
    assert play(LINE_01, tick(540), state=played.state).texts == ["output of 1 at 540: yield 50"]


def test_two_values_of_one_instant_are_judged_by_the_device_s_time() -> None:
    """A counter that moves in no time at all is too fast, however long the gateway has waited for its second value."""
    played = play(LINE_01, order(1, "A"), tag(10, "Good", 100), tag(30, "Good", 120, source=10), tick(60))
    assert ["in 0.0 s, faster than its max_rate: counted" in notice.text for notice in played.notices] == [True]


def test_events_count_even_when_equal() -> None:
    """Two equal scrap messages are two events; a retained one is not one more."""
    events = (scrap(20, 3), scrap(21, 3), scrap(22, 3, retained=True))
    assert play(LINE_01, order(10, "A"), *events, tick(60)).texts[1:] == [
        "output of 1 at 60: scrap 6, scrap_code Splice"
    ]


def test_entries_share_where_they_do_not_collide() -> None:
    """Two scrap codes cannot share one raw_data: the second entry gets the next second."""
    events = (tag(11, "Good", 1), tag(12, "Good", 2), scrap(13, 1, "Gel"), scrap(14, 2), scrap(15, 3, "Gel"))
    assert play(LINE_01, order(10, "A"), *events, tick(60)).texts[1:] == [
        "output of 1 at 60: yield 1, scrap 4, scrap_code Gel",
        "output of 1 at 61: scrap 2, scrap_code Splice",
    ]


def test_equal_raw_data_of_two_entries_is_summed() -> None:
    """What Oden would show alike is one number, whichever rule it came from."""
    events = (tag(11, "Reject", 1), tag(12, "Reject", 2), scrap(13, 4, "Auto reject"))
    assert play(LINE_01, order(10, "A"), *events, tick(60)).texts[1:] == [
        "output of 1 at 60: scrap 5, scrap_code Auto reject"
    ]


def test_stamps_are_unique_per_run() -> None:
    """A stamp is the end of the window, or a second after the one before; at the end of the run its
    last second, or one before."""
    many = [scrap(11 + number, 1, f"Code {number}") for number in range(4)]
    played = play(
        output(every_entry()), order(10, "A"), *many, scrap(59, 1), tick(60), scrap(61, 1), order(61.5, "B"), tick(62)
    )
    stamps = [record.timestamp - T0 for record in played.records if record.kind == "output"]
    assert stamps == [60, 61, 62, 63, 64, 59]
    assert "end RUN 1 at 61" in played.texts


STATE: TypeAdapter[OutputState] = TypeAdapter(OutputState)
KINDS = st.integers(1, 9)


def reports(
    state: OutputState, run: OpenInterval | EndedInterval, kinds: int, now: float
) -> tuple[OutputState, list[int]]:
    """Report as many kinds of scrap to `run`, after a restart; the state then, and the time stamps."""
    state = STATE.validate_json(STATE.dump_json(state))
    runs = IntervalsState(current=run) if isinstance(run, OpenInterval) else IntervalsState(last=run)
    scraps = [Amount(run.start, 1, AmountKey(0, (("code", kind),), ("scrap",))) for kind in range(kinds)]
    recorder = Recorder("line", 0)
    state = report(replace(state, pending=tuple(scraps)), runs, OutputPlan("RUN", 60.0, {}), run, now, recorder)
    return state, [record.timestamp for record in recorder.records if isinstance(record, Output)]


@given(
    st.lists(st.tuples(st.integers(0, 100), KINDS), max_size=12),
    st.integers(1, 300),
    st.lists(st.tuples(st.integers(0, 400), KINDS), min_size=1, max_size=12),
)
def test_p4_late_output_is_stamped_inside_its_run(
    on: list[tuple[int, int]], length: int, late: list[tuple[int, int]]
) -> None:
    """What is booked for a run that has ended, by then or long after, lies in the run where one of its seconds is free,
    though its end came to light after later stamps; the nearest to the end first. No two are the same, through
    restarts."""
    state, now, taken = OutputState(), 1000, list[int]()
    for seconds, kinds in on:
        now += seconds
        state, stamps = reports(state, OpenInterval("R", 1000), kinds, now)
        taken += stamps
    ended = EndedInterval("R", 1000, 1000 + length, 1000.0 + length)
    now = max(now, ended.end)
    for seconds, kinds in late:
        now += seconds
        state, stamps = reports(state, ended, kinds, now)
        for stamp in stamps:
            free = set(range(ended.start, ended.end)) - {*taken}
            if len(taken) < MOST_STAMPS:
                assert stamp == max(free, default=stamp)
            assert stamp not in taken
            assert stamp >= ended.start
            taken.append(stamp)
    assert len(state.stamps["R"]) <= MOST_STAMPS


def test_p4_time_stamps_of_an_older_version_are_not_met_again() -> None:
    """It remembered the latest time stamp of a run only: all that come are later, also where they lie after the end."""
    state = STATE.validate_json('{"stamps": {"R": 1050}}')
    state, on = reports(state, OpenInterval("R", 1000), 2, 1049.0)
    state, late = reports(state, EndedInterval("R", 1000, 1054, 1054.0), 3, 1060.0)
    assert on == [1051, 1052]
    assert late == [1053, 1054, 1055]


def every_entry() -> dict[str, Any]:
    return {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "scrap_code": "{scrap.code}"}}


def test_corrections_and_zero() -> None:
    """Negative events are corrections; what sums up to nothing is not reported."""
    events = (scrap(20, 5), scrap(30, -2), scrap(31, 4, "Gel"), scrap(32, -4, "Gel"), scrap(33, 0, "None"))
    assert play(LINE_01, order(10, "A"), *events, tick(60)).texts[1:] == [
        "output of 1 at 60: scrap 3, scrap_code Splice"
    ]


@pytest.mark.parametrize(("made", "reported"), [(9, []), (10, [10]), (11, [11]), (-9, []), (-10, [-10])])
def test_amount_of_exactly_the_minimum_is_reported(made: int, reported: list[int]) -> None:
    """Less than `min`, forwards or back, waits for the next window; `min` itself does not."""
    entry = {"count": "scrap.qty", "min": 10, "raw_data": {"scrap": "{n}"}}
    line = plan(states=None, scrap_yield={"every": "60s", "entries": [entry]})
    played = play(line, order(10, "A"), scrap(20, made), tick(70))
    assert [record.raw_data["scrap"] for record in played.records if isinstance(record, Output)] == reported


def test_amounts_that_cancel_each_other_do_not_wait_for_a_minimum() -> None:
    """A booking that was taken back within its window leaves nothing that waits, and no window."""
    entry = {"count": "scrap.qty", "min": 10, "raw_data": {"scrap": "{n}"}}
    line = plan(states=None, scrap_yield={"every": "60s", "entries": [entry]})
    played = play(line, order(10, "A"), scrap(20, 5), scrap(30, -5), tick(70))
    assert not [record for record in played.records if isinstance(record, Output)]
    assert next_due(line, played.state) is None


def test_floats_do_not_drift() -> None:
    """A tenth ten times is one; a whole number stays whole."""
    line = output({"count": "mass", "raw_data": {"kg": "{n}"}}, mass={"source": "plc", "node": "Mass", "counter": {}})
    tenths = [tag(20 + number, "Mass", number / 10) for number in range(11)]
    played = play(line, order(10, "A"), *tenths, tick(60), tag(70, "Mass", 1.3), tick(120))
    assert played.texts[1:] == ["output of 1 at 60: kg 1", "output of 1 at 120: kg 0.3"]


def test_end_of_run_reports_first() -> None:
    """Output of the old run, its end, the start of the new one: in this order, split at the change."""
    events = (
        order(10, "A"),
        tag(20, "Good", 100),
        tag(30, "Good", 104),
        order(40, "B"),
        tag(40.2, "Good", 106),
        tick(50),
        tick(60),
    )
    assert play(LINE_01, *events).texts == [
        "start RUN 1 at 10: A, FILM",
        "output of 1 at 39: yield 4",
        "end RUN 1 at 40",
        "start RUN 2 at 40: B, FILM",
        "output of 2 at 60: yield 2",
    ]


def test_raw_data_keeps_types_and_constants() -> None:
    """Constants stay as written, a lone placeholder keeps its type, text around one makes text."""
    raw = {
        "scrap": "{n}",
        "machine": 7,
        "ok": False,
        "rate": 1.5,
        "none": None,
        "b": "{{x}}",
        "state": "{state}",
        "text": "PLC {state}",
    }
    line = output({"count": "good", "raw_data": raw})
    played = play(line, tag(1, "State", 3.0), tag(2, "Good", 1), order(10, "A"), tag(20, "Good", 2), tick(60))
    (record,) = [record for record in played.records if record.kind == "output"]
    assert record.raw_data == {
        "scrap": 1,
        "machine": 7,
        "ok": False,
        "rate": 1.5,
        "none": None,
        "b": "{x}",
        "state": 3.0,
        "text": "PLC 3",
    }
    assert isinstance(record.raw_data["state"], float)
