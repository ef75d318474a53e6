"""P13: conditions, and derived inputs, that look at the run that is on."""

from typing import Any

import pytest

from gateway.errors import InvalidConfig
from gateway.mapping.line import Tick
from gateway.model import Contact, Sample
from tests.mapping.recording import T0, back, fed, lost, message, plan, play, tag, tick

INPUTS: dict[str, Any] = {
    "state": {"source": "plc", "node": "State"},
    "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
    "sku": {"source": "mes", "topic": "order", "field": "sku"},
    "done": {"source": "mes", "topic": "done", "time": "at"},
}
RUN = {"key": "order", "product": "{sku}", "name": "order {order}", "settle": "0s"}
LADDER = {
    "ladder": [
        {"when": 'run.key == ""', "category": "Planned Downtime", "reason": "No order"},
        {"when": "state == 1", "category": "Uptime"},
    ],
    "other": {"category": "Unplanned Downtime"},
}


def order(at: float, number: str, sku: str = "Film", late: float = 0.0) -> Sample:
    return message(at + late, "order", {"number": number, "sku": sku, "at": T0 + at})


def done(at: float, number: str) -> Sample:
    return message(at, "done", {"order": number, "at": T0 + at})


@pytest.mark.parametrize("end", [{"event": "done", "when": "done.order == run.key"}, {"when": "done.order == run.key"}])
def test_p13_a_stop_that_names_another_order_ends_nothing(end: dict[str, str]) -> None:
    """As an event whose condition reads the run, and as a condition. What ended a run is not what begins it anew, and
    what was said of an order that ran before does not end it as it begins again."""
    line = plan(inputs=INPUTS, run={**RUN, "end": end}, states=None, scrap_yield=None)
    events: list[Sample | Tick] = [
        order(1, "A"),
        done(50, "X"),
        done(60, "A"),
        tick(100),
        order(110, "B"),
        order(120, "A"),
        tick(200),
    ]
    assert fed(line, *events).texts == [
        "start RUN 1 at 1: order A, Film",
        "end RUN 1 at 60",
        "start RUN 2 at 110: order B, Film",
        "end RUN 2 at 120",
        "start RUN 3 at 120: order A, Film",
    ]


def test_p13_a_ladder_that_reads_the_run_follows_it() -> None:
    """From when a run began or ended, also where that is heard late, and over restarts."""
    line = plan(inputs=INPUTS, run=RUN, states=LADDER, scrap_yield=None)
    events: list[Sample | Tick] = [
        tag(0, "State", 1),
        order(10, "A"),
        tag(20, "State", 2),
        order(30, ""),
        order(50, "B"),
        tick(60),
    ]
    played = fed(line, *events)
    states = [text for text in played.texts if "STATE" in text]
    assert states == [
        "start STATE 1 at 0: Planned Downtime, No order",
        "end STATE 1 at 10",
        "start STATE 3 at 10: Uptime",
        "end STATE 3 at 20",
        "start STATE 4 at 20: Unplanned Downtime",
        "end STATE 4 at 30",
        "start STATE 5 at 30: Planned Downtime, No order",
        "end STATE 5 at 50",
        "start STATE 7 at 50: Unplanned Downtime",
    ]
    assert play(line, *events, restarts=True).records == play(line, *events).records


def test_p13_an_order_that_is_heard_late_moves_the_state_that_reads_it() -> None:
    """The end of an order, 30 s late: the state without an order begins when it ended."""
    line = plan(inputs=INPUTS, run=RUN, states=LADDER, scrap_yield=None)
    played = fed(line, tag(0, "State", 1), order(10, "A"), tag(40, "State", 1), order(30, "", late=30), tick(90))
    assert {*played.texts[-3:]} == {
        "end STATE 3 at 30",
        "end RUN 2 at 30",
        "start STATE 4 at 30: Planned Downtime, No order",
    }


def test_p13_a_derived_input_can_read_the_run() -> None:
    """Its key, its name and its product; and a custom interval goes by it."""
    inputs = {**INPUTS, "pipe": {"expr": 'run.product == "Pipe" ? run.name : ""'}}
    intervals = [{"type": "Pipe", "key": "pipe", "name": "{pipe}", "settle": "0s"}]
    line = plan(inputs=inputs, run=RUN, states=None, scrap_yield=None, intervals=intervals)
    texts = fed(line, order(1, "A"), order(50, "B", "Pipe"), order(90, ""), tick(100)).texts
    assert [text for text in texts if "Pipe" in text.split()[1]] == [
        "start Pipe 3 at 50: order B",
        "end Pipe 3 at 90",
    ]


def test_p13_a_run_whose_source_is_not_heard_is_not_known() -> None:
    """A condition that reads the run rests on what says which run is on: no wait runs out meanwhile."""
    states = {**LADDER, "hold": "10s"}
    line = plan(inputs=INPUTS, run=RUN, states=states, scrap_yield=None)
    events: list[Sample | Contact | Tick] = [
        tag(0, "State", 1),
        order(10, "A"),
        tick(30),
        order(50, ""),
        lost(52, "mes"),
        tick(400),
    ]
    assert not any("at 50" in text for text in fed(line, *events).texts if "STATE" in text)
    after = fed(line, *events, back(401, "mes"), order(58, "B", late=343), tick(500)).texts
    assert "start STATE 4 at 50: Planned Downtime, No order" not in after


def test_a_run_that_begins_because_none_is_on_does_not_go_on_for_ever() -> None:
    """What contradicts itself ends within a step."""
    run = {"start": {"when": 'state == 1 && run.name == ""'}, "product": "P", "name": "x", "settle": "0s"}
    line = plan(inputs=INPUTS, run=run, states=None, scrap_yield=None)
    texts = fed(line, tag(0, "State", 0), tag(10, "State", 1), tag(30, "State", 0), tag(40, "State", 1), tick(60)).texts
    assert texts == ["start RUN 1 at 10: x, P"]


@pytest.mark.parametrize("when", ['run.sku == "A"', 'run == "A"', 'run.key.part == "A"'])
def test_p10_of_the_run_there_is_what_the_docs_name(when: str) -> None:
    """Anything else is a fault with its place."""
    with pytest.raises(InvalidConfig, match=r"run\.key, run\.name, run\.product"):
        plan(inputs=INPUTS, run={**RUN, "end": {"when": when}}, states=None, scrap_yield=None)


def test_an_input_of_that_name_is_meant_where_there_is_one() -> None:
    """`run` is an input of this line."""
    line = plan(
        inputs={**INPUTS, "run": {"source": "plc", "node": "Run"}},
        run={**RUN, "end": {"when": "run == 0"}},
        scrap_yield=None,
    )
    assert not line.inputs["run"].of_run


@pytest.mark.parametrize("hold", [{}, {"for": "5s"}])
@pytest.mark.parametrize("word", ["run", "batch", "n", "at", "codes", "key", "name", "product", "state"])
def test_what_an_input_is_called_makes_no_difference(word: str, hold: dict[str, str]) -> None:
    """Also by a word that means something elsewhere: what begins and ends by it does so, and is counted."""

    def told(called: str) -> list[str]:
        by = {"start": {"when": called, **hold}, "end": {"when": f"!{called}", **hold}}
        line = plan(
            inputs={called: {"source": "plc", "node": "R"}, "parts": {"source": "plc", "node": "P", "counter": {}}},
            run={**by, "product": "P", "name": "R"},
            batches={**by, "name": "B"},
            intervals=[{"type": "Tool", **by, "name": "T"}],
            states={"ladder": [{"when": called, "category": "Up"}], "other": {"category": "Down"}},
            scrap_yield={"entries": [{"count": "parts", "raw_data": {"yield": "{n}"}}]},
        )
        bits = [tag(at, "R", at in range(50, 200) or at > 300) for at in range(0, 400, 50)]
        counts = [tag(at + 1, "P", at) for at in range(0, 400, 50)]
        return fed(line, *sorted([*bits, *counts], key=lambda each: each.received), tick(500)).texts

    expected = told("ready")
    assert sum(text.startswith("end") for text in expected) >= 6
    assert told(word) == expected
