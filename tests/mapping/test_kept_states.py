"""What an earlier version remembered of a line is read by this one, and the line goes on."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.mapping.counters import NOTHING_KNOWN
from gateway.mapping.intervals import IntervalsState
from gateway.mapping.line import LineState, dump, load
from gateway.mapping.output import OutputState
from tests.mapping.recording import GOLDEN, golden, order, plan, play, tag, texts_of, tick

KEPT = Path(__file__).parent / "kept"
"""What versions before this one have stored. These files are never written anew: they are the proof
that a store can be opened."""

STORED = (KEPT / "line_state_before_batches.json").read_text()
"""Of the example's line, stored before there were batches and custom intervals: a run is on since 50, its order has
just changed to one without a product; a jam since 70, and since 90 another state that has yet to hold."""


def test_p2_memory_of_an_earlier_version_is_read() -> None:
    """Runs and states go on as if nothing had happened: one end, one start, no second start of what was on."""
    line = plan()
    state = load(line, STORED)
    assert state.runs.current is not None
    assert state.runs.current.start == state.runs.earliest_start - 1
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


STATES = [json.loads(line) for line in (KEPT / "line_states.jsonl").read_text().splitlines()]
"""Stored in the middle of recordings of `golden/`, `after` so many events; among them every field
that a state can have."""


KEY = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")
"""The key of an interval, in a state as text."""


def in_its_terms(state: LineState) -> LineState:
    """The state with the times of amounts in milliseconds: what a counter moved by is just before the moment at
    which it was read, which an earlier version did not say. Nor did it remember how far a
    counter usually moves, or take what is null for empty, or remember what it had told of output, or hold
    back that of a batch while the order of its run settles, or remember what is called so that cannot be told yet.
    """

    def rounded(output: OutputState) -> OutputState:
        return replace(output, pending=tuple(each._replace(at=round(each.at, 3)) for each in output.pending))

    inputs = {
        name: replace(memory, value=None if memory.value == "" else memory.value, counting=NOTHING_KNOWN)
        for name, memory in state.inputs.items()
    }
    output, batch_output = rounded(state.output), rounded(state.batch_output)
    if state.runs.pending_change is not None:
        batch_output = replace(batch_output, flush_at=None)
    state = replace(state, runs=_unnamed(state.runs), batches=_unnamed(state.batches))
    return replace(state, inputs=inputs, output=output, batch_output=batch_output, told=())


def _unnamed(known: IntervalsState) -> IntervalsState:
    waiting = known.pending_start
    return known if waiting is None else replace(known, pending_start=replace(waiting, name=None))


def with_keys_of(state: LineState, text: str) -> str:
    """The stored state with the keys that intervals have now, which followed from something else then."""
    then, now = ([*dict.fromkeys(KEY.findall(each))] for each in (text, dump(state)))
    return KEY.sub(lambda key: now[then.index(key[0])], text)


@pytest.mark.parametrize("kept", STATES, ids=lambda kept: f"{kept['case']} after {kept['after']}")
def test_p2_kept_state_goes_on_equal(kept: dict[str, Any]) -> None:
    """A state that an earlier version stored is the one that this version has at that place; from
    it come the same records."""
    line, events = golden(GOLDEN / kept["case"])
    before = play(line, *events[: kept["after"]])
    state = load(line, with_keys_of(before.state, json.dumps(kept["state"])))
    assert in_its_terms(state) == in_its_terms(before.state)
    after = play(line, *events[kept["after"] :], state=state)
    assert texts_of([*before.records, *after.records]) == play(line, *events).texts


@pytest.mark.parametrize("kept", STATES, ids=lambda kept: f"{kept['case']} after {kept['after']}")
def test_kept_state_is_stored_by_the_same_names(kept: dict[str, Any]) -> None:
    """What is stored has the names that it had: a gateway that goes back to the earlier version can read it too."""
    line, _ = golden(GOLDEN / kept["case"])
    assert json.loads(dump(load(line, json.dumps(kept["state"])))) == kept["state"]
