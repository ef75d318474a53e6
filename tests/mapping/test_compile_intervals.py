"""Compiling runs, batches, states and custom intervals: every fault is found at its place; what is
absent is as it was."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import compile_line
from gateway.model import Lookup
from tests.mapping.recording import LINE, PLC, order, plan, play, tag, tick

RUN = LINE["run"]
STATES = LINE["states"]
BY_EVENT = {"event": "scrap"}
SHIFT = {"name": "Early", "from": "06:00", "to": "14:00"}


def run(**changes: Any) -> dict[str, Any]:
    return {"run": {**RUN, **changes}}


def states(**changes: Any) -> dict[str, Any]:
    return {"states": {**STATES, **changes}}


def custom(**section: Any) -> dict[str, Any]:
    return {"intervals": [{"type": "Tool", **section}]}


def shifts(*section: dict[str, Any], zone: str = "Europe/Berlin") -> dict[str, Any]:
    return custom(calendar={"zone": zone, "shifts": list(section)})


@pytest.mark.parametrize(
    ("changes", "loc", "text"),
    [
        (run(key=None), ("run",), "what begins it is missing: write 'key' or 'start'"),
        (run(start=BY_EVENT), ("run",), "write only one of 'key' or 'start'"),
        (run(key=None, start={"event": "x"}), ("run", "start", "event"), '"x" is not an input'),
        (run(key=None, start={"when": "x > 1"}), ("run", "start", "when"), '"x" is not an input'),
        (run(key=None, start={"event": "scrap", "for": "5s"}), ("run", "start", "for"), "does not last"),
        (run(end={}), ("run", "end"), "write one of 'when', 'event' and 'idle'"),
        (run(end={"idle": "5m", "when": "state == 0"}), ("run", "end"), "stands alone"),
        (run(end={"idle": "5m", "count": ["state"]}), ("run", "end", "count", 0), "is not a counter"),
        (run(end={"when": "state == 0", "count": ["good"]}), ("run", "end", "count"), "belongs to 'idle'"),
        (run(target={"metric_group": "{x}"}), ("run", "target", "metric_group"), '"x" is not an input'),
        (run(target={"metric_group": "G", "lsl": "{x}"}), ("run", "target", "lsl"), '"x" is not an input'),
        (run(metadata={"lot": "{x}"}), ("run", "metadata", "lot"), '"x" is not an input'),
        (run(metadata={"product": "A"}), ("run", "metadata", "product"), "told already"),
        ({"batches": {"key": "x"}}, ("batches", "key"), '"x" is not an input'),
        ({"batches": {}}, ("batches",), "'key' or 'start' or 'every'"),
        ({"batches": {"every": 5}}, ("batches",), "belong together"),
        ({"batches": {"every": 5, "count": "state"}}, ("batches", "count"), "is not a counter"),
        ({"batches": {"key": "order", "name": "{batches}"}}, ("batches", "name"), '"batches" is not an input'),
        ({"batches": {"key": "order"}, "run": None, "scrap_yield": None}, ("batches",), "are inside runs"),
        (custom(key="order", name="{batch}"), ("intervals", 0, "name"), '"batch" is not an input'),
        (custom(), ("intervals", 0), "'key' or 'start' or 'calendar'"),
        ({"intervals": [{"type": "State", "key": "order"}]}, ("intervals", 0, "type"), "one of Oden's own"),
        ({"intervals": [{"type": "A", "key": "order"}] * 2}, ("intervals", 1, "type"), "there already"),
        (
            {**custom(key="state", inside_run=True), "run": None, "scrap_yield": None},
            ("intervals", 0, "inside_run"),
            "there are no runs",
        ),
        (shifts(SHIFT, zone="Berlin"), ("intervals", 0, "calendar", "zone"), "not known"),
        (shifts(SHIFT, zone="../etc/passwd"), ("intervals", 0, "calendar", "zone"), "not known"),
        (
            shifts(SHIFT, {"name": "Long", "from": "13:00", "to": "22:00"}),
            ("intervals", 0, "calendar", "shifts"),
            "Early and Long are on at one time",
        ),
        (
            shifts({"name": "Night", "days": "sun", "from": "22:00", "to": "07:00"}, {**SHIFT, "days": "mon"}),
            ("intervals", 0, "calendar", "shifts"),
            "Night and Early",
        ),
        (states(codes={}), ("states",), "how states are recognised is missing"),
        (states(bits=[{"bit": 1, "category": "A"}]), ("states",), "in one way only"),
        (states(input=None), ("states",), "which input holds the state?"),
        (states(mode="state"), ("states", "mode"), "belongs to 'preset'"),
        (states(preset="packml", mode="x"), ("states", "mode"), '"x" is not an input'),
        (
            states(codes={}, other=None, bits=[{"bit": 1, "category": "A"}]),
            ("states",),
            "when none of the bits says one",
        ),
        (
            states(codes={}, ladder=[{"when": "order == 1", "category": "A"}]),
            ("states", "input"),
            "remove 'input'",
        ),
        (
            states(codes={}, input=None, ladder=[{"when": "x", "category": "A"}]),
            ("states", "ladder", 0, "when"),
            '"x" is not an input',
        ),
        (states(short_stops={"under": "5s", "during": ["Uptime"]}), ("states", "short_stops", "under"), "more than"),
        (states(offline={"category": "{x}"}), ("states", "offline", "category"), '"x" is not an input'),
        (states(operator={"event": "scrap"}), ("states", "operator"), "write what is said"),
        (states(operator={"event": "x", "reason": "A"}), ("states", "operator", "event"), '"x" is not an input'),
    ],
)
def test_p10_fault_at_its_place(changes: dict[str, Any], loc: tuple[str | int, ...], text: str) -> None:
    """What cannot work is refused where it stands, in a sentence that says what would."""
    with pytest.raises(InvalidConfig) as caught:
        compile_line(Line.model_validate({**LINE, **changes}), ())
    assert [fault.loc for fault in caught.value.faults] == [loc]
    assert text in caught.value.faults[0].text


@pytest.mark.parametrize("days", ["", "mon-", "monday", "mon;tue", "1-5", "-"])
def test_p10_days_that_mean_none(days: str) -> None:
    """Days are written in one way only."""
    with pytest.raises(ValidationError, match="mon-fri"):
        Line.model_validate({**LINE, **shifts({**SHIFT, "days": days})})


@pytest.mark.parametrize("clock", ["6:00", "24:00", "06:60", "0600", "noon", "06:00:00"])
def test_p10_times_that_no_clock_shows(clock: str) -> None:
    """Times are written as a clock with 24 hours shows them."""
    with pytest.raises(ValidationError, match="24 hours"):
        Line.model_validate({**LINE, **shifts({**SHIFT, "to": clock})})


def test_product_from_a_table() -> None:
    """A product, a target and an attribute that a table has for the order's article number."""
    table = Lookup(
        frozenset({"name", "speed"}), {"FILM": {"name": "Film 50 my", "speed": 42}, "PIPE": {"name": "Pipe"}}
    )
    run_section = {
        "key": "order",
        "product": "{products[product].name}",
        "target": {"metric_group": "Speed", "value": "{products[product].speed}"},
        "name": "{order}",
    }
    section = Line.model_validate({**LINE, "run": run_section, "states": None, "scrap_yield": None})
    line = compile_line(section, (), {"products": table})
    texts = play(line, order(10, "A"), order(100, "B", "PIPE"), order(200, "C", "HOSE"), tick(300)).texts
    assert texts == [
        'start RUN 1 at 10: A, Film 50 my, target {"metric_group": {"name": "Speed"}, "target_value": 42}',
        "end RUN 1 at 100",
        'start RUN 2 at 100: B, Pipe, target {"metric_group": {"name": "Speed"}}',
        "end RUN 2 at 200",
    ]


def test_a_word_of_a_tag() -> None:
    """An operator's reason from a panel's tag: its change is what is said, and an empty one says nothing."""
    inputs = {**PLC, "panel": {"source": "plc", "node": "Panel"}}
    line = plan(
        inputs=inputs, run=None, scrap_yield=None, **states(hold="0s", operator={"event": "panel", "reason": "{panel}"})
    )
    events = (
        tag(1, "Panel", "Old"),
        tag(10, "State", 3),
        tag(20, "Panel", ""),
        tag(30, "Panel", "Knife"),
        tag(40, "Panel", "Knife", initial=True),
    )
    assert play(line, *events).texts == ["start STATE 1 at 10: Unplanned Downtime, Jam", "update STATE 1: Knife"]
