"""A line's state as rows says what the state says, and only what has changed is written."""

import json
from typing import Any

import pytest

from gateway.mapping.line import LineState, load, step
from gateway.mapping.state_rows import HEAD, WHOLE, StateRows
from gateway.model import Sample
from tests.mapping.recording import GOLDEN, golden, plan
from tests.mapping.test_kept_states import STATES, STORED


def applied(stored: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**stored, **changes}.items() if text is not None}


@pytest.mark.parametrize("kept", STATES, ids=lambda kept: f"{kept['case']} after {kept['after']}")
def test_rows_say_the_state(kept: dict[str, Any]) -> None:
    """Of every field that a state can have: what is read from its rows is the state."""
    line, _ = golden(GOLDEN / kept["case"])
    state = load(line, json.dumps(kept["state"]))
    stored = applied({}, StateRows({}).changes(state))
    assert StateRows(stored).state(line) == state


def test_only_what_has_changed_is_written() -> None:
    """A sample that moves one input writes the row of that input and the head; nothing is written twice; what is
    written is what the state is, step by step."""
    line, state, stored = plan(), LineState(), dict[str, str]()
    rows = StateRows(stored)
    for second in range(50):
        sample = Sample("plc", "State", 1 + second // 20, 100.0 + second, source_time=100.0 + second)
        state = step(line, state, sample).state
        changes = rows.changes(state)
        assert rows.changes(state) == {}
        stored = applied(stored, changes)
        assert StateRows(stored).state(line) == state
        if second % 20 not in (0, 1):
            assert set(changes) <= {HEAD, "input state", "states"}


def test_p2_the_row_of_an_earlier_version_is_read_and_goes() -> None:
    """While the whole state is in one row, it counts; with the first change all rows are there and that one is none."""
    line = plan()
    rows = StateRows({WHOLE: STORED, HEAD: '{"now": 1}'})
    state = rows.state(line)
    assert state == load(line, STORED)
    changes = rows.changes(state)
    assert changes[WHOLE] is None
    assert StateRows(applied({WHOLE: STORED}, changes)).state(line) == state


def test_an_input_that_is_gone_leaves_no_row() -> None:
    """What the configuration no longer has is dropped with the next change, so that it never comes back by name."""
    line = plan()
    state = load(line, STORED)
    stored = applied({}, StateRows({}).changes(state)) | {"input gone": '{"origin":"plc gone","value":7}'}
    assert StateRows(stored).changes(StateRows(stored).state(line))["input gone"] is None


def test_a_line_that_was_never_seen_begins_anew() -> None:
    """Without rows the state is that of a new line."""
    assert StateRows({}).state(plan()) == LineState()
