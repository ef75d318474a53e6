"""What an earlier version remembered of a line is read by this one, and the line goes on."""

from pathlib import Path

from gateway.mapping.line import dump, load
from tests.mapping.recording import order, plan, play, tag, tick

STORED = (Path(__file__).parent / "stored" / "line_state.json").read_text()
"""Of the example's line, stored before there were batches and custom intervals: a run is on since 50, its order has just changed to
one without a product; a jam since 70, and since 90 another state that has yet to hold."""


def test_p2_memory_of_an_earlier_version_is_read() -> None:
    """Runs and states go on as if nothing had happened: one end, one start, no second start of what was on."""
    line = plan()
    state = load(line, STORED)
    assert state.runs.current is not None
    assert state.runs.current.start == state.runs.earliest - 1
    assert load(line, dump(state)) == state
    played = play(line, tick(100), order(120, "C", "HOSE", at=121), tag(200, "State", 2), tick(300), state=state)
    assert played.texts == [
        "output of 1 at 89: yield 11, scrap 2, scrap_code Splice",
        "end RUN 1 at 90",
        "end STATE 2 at 90",
        "start STATE 3 at 90: Planned Downtime, Changeover",
        "start RUN 4 at 90: C, HOSE",
    ]


def test_run_of_an_earlier_version_is_not_corrected() -> None:
    """It is not known what Oden was told of that run, so nothing is told anew."""
    line = plan(run={"key": "order", "product": "{product}", "name": "{order} {state}", "correct": "10h"})
    played = play(line, order(91, "B", "NEW"), tick(300), state=load(line, STORED))
    assert not [text for text in played.texts if text.startswith("update")]
