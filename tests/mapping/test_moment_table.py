"""P13: the table of docs/mapping.md, row by row: what becomes of what is said at the very time at which the order
changes, in whichever order it comes.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from gateway.mapping.line import Tick
from gateway.model import Sample
from tests.mapping.recording import T0, fed, message, plan, tag, tick

RUN = {"key": "order", "product": "P", "name": "{order}", "settle": "0s"}
ORDER_TAG = {"source": "plc", "node": "order"}
ORDER = {"source": "mes", "topic": "order", "field": "v", "time": "at"}
GOOD = {"source": "plc", "node": "good", "counter": {}}
RESTARTS = {"source": "plc", "node": "good", "counter": {"restarts_with": "order"}}


def said(at: float, topic: str, **fields: object) -> Sample:
    return message(at, topic, {**fields, "at": T0 + at})


def amounts(inputs: dict[str, Any], count: str, events: list[Sample | Tick]) -> dict[str, int]:
    """What each run has in the end, by the name of its order."""
    entries = [{"count": count, "raw_data": {"n": "{n}"}}]
    made = plan(inputs=inputs, run=RUN, states=None, scrap_yield={"entries": entries})
    played = fed(made, *events, tick(1000))
    names = {f"{text.split()[2]}": text.split(": ")[1].split(",")[0] for text in played.texts if text[:5] == "start"}
    sums: dict[str, int] = {}
    for text in played.texts:
        if text.startswith("output"):
            name = names[text.split()[2]]
            sums[name] = sums.get(name, 0) + int(text.rsplit(" ", 1)[1])
    return sums


TAGS_BEFORE: list[Sample | Tick] = [tag(0, "order", "A"), tag(1, "good", 10), tag(50, "good", 30)]
ROWS: dict[str, tuple[dict[str, Any], str, list[Sample | Tick], list[Sample], list[Sample | Tick], dict[str, int]]] = {
    "what a counter moved by": (
        {"order": ORDER_TAG, "good": GOOD},
        "good",
        TAGS_BEFORE,
        [tag(100, "order", "B"), tag(100, "good", 37)],
        [tag(150, "good", 40)],
        {"A": 27, "B": 3},
    ),
    "restarts_with in two tags, less than before": (
        {"order": ORDER_TAG, "good": RESTARTS},
        "good",
        TAGS_BEFORE,
        [tag(100, "order", "B"), tag(100, "good", 4)],
        [tag(150, "good", 9)],
        {"A": 20, "B": 9},
    ),
    "restarts_with in two tags, more than before": (
        {"order": ORDER_TAG, "good": RESTARTS},
        "good",
        TAGS_BEFORE,
        [tag(100, "order", "B"), tag(100, "good", 37)],
        [tag(150, "good", 40)],
        {"A": 27, "B": 3},
    ),
    "scrap": (
        {"order": ORDER, "scrap": {"source": "mes", "topic": "scrap", "time": "at"}},
        "scrap.qty",
        [said(0, "order", v="A"), said(50, "scrap", qty=2)],
        [said(100, "order", v="B"), said(100, "scrap", qty=3)],
        [said(150, "scrap", qty=4)],
        {"A": 2, "B": 7},
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_p13_what_is_said_at_the_time_of_a_change(row: str) -> None:
    """It makes no difference which is first."""
    inputs, count, before, moment, after, expected = ROWS[row]
    for together in permutations(moment):
        events = [*before, *together, *after]
        assert amounts(inputs, count, events) == expected


@pytest.mark.parametrize(("shown", "expected"), [(4, {"A": 20, "B": 4}), (44, {"A": 20, "B": 44})])
def test_p13_what_restarts_in_one_message_with_the_order_is_the_new_orders(
    shown: int, expected: dict[str, int]
) -> None:
    """All that it shows, also where that is more than before."""
    inputs = {"order": ORDER, "good": {**ORDER, "field": "n", "counter": {"restarts_with": "order"}}}
    events: list[Sample | Tick] = [said(0, "order", v="A", n=0), said(50, "order", v="A", n=20)]
    events.append(said(100, "order", v="B", n=shown))
    assert amounts(inputs, "good", events) == expected


@pytest.mark.parametrize(("before", "expected"), [(0.5, {"A": 20, "B": 7}), (1.9, {"A": 20, "B": 7})])
def test_p13_a_reset_right_before_the_order_is_the_change(before: float, expected: dict[str, int]) -> None:
    """What is counted after it is the new order's, up to two seconds."""
    inputs = {"order": ORDER_TAG, "good": RESTARTS}
    events = [*TAGS_BEFORE, tag(100 - before, "good", 2), tag(100, "order", "B"), tag(150, "good", 7)]
    assert amounts(inputs, "good", events) == expected


LAB = {"source": "mes", "topic": "lab", "time": "at"}
TANK = {"source": "mes", "topic": "tank", "field": "v", "time": "at"}
STATE = {"source": "mes", "topic": "state", "field": "v", "time": "at"}


def told_of_a_change(moment: Sequence[Sample], **sections: Any) -> list[str]:
    """What is told of order A from 0 s on, B from 100 s on, and what else is said at that time."""
    inputs = {"order": ORDER, "lab": LAB, "tank": TANK, "state": STATE}
    made = plan(**{"inputs": inputs, "run": RUN, "states": None, "scrap_yield": None, **sections})
    before = [said(0, "order", v="A"), said(1, "tank", v="T1"), said(2, "state", v=1)]
    return fed(made, *before, *moment, tick(500)).texts


@pytest.mark.parametrize("lab_topic", ["order", "lab"])
def test_p13_a_test_of_the_time_of_a_change_is_of_the_new_order(lab_topic: str) -> None:
    """In one message with it, or in a later one of that time."""
    rule = {"set": "quality_test", "event": "lab", "when": "has(lab.test)", "quality_schema": 65}
    inputs = {"order": ORDER, "lab": {**LAB, "topic": lab_topic}}
    moment = [said(100, "order", v="B"), said(100, "lab", test=3)]
    if lab_topic == "order":
        moment = [said(100, "order", v="B", test=3)]
    texts = told_of_a_change(moment, inputs=inputs, rules=[{**rule, "raw_data": {"v": "{lab.test}"}}])
    assert [text for text in texts if not text.startswith("end")] == [
        "start RUN 1 at 0: A, P",
        "start RUN 2 at 100: B, P",
        "test 65 of 2 at 100: v 3",
    ]


@pytest.mark.parametrize("order_first", [True, False])
def test_p13_a_batch_that_begins_at_the_time_of_a_change_is_the_new_orders(order_first: bool) -> None:
    """In one message with it, or in another, whichever is first; no batch of a second is left."""
    batches = {"key": "tank", "name": "{tank}"}
    right = ["start RUN at 0: A, P", "start BATCH at 0: T1", "end BATCH at 100", "end RUN at 100"]
    right += ["start RUN at 100: B, P", "start BATCH at 100: T2"]
    run = {**RUN, "settle": "500ms"}
    inputs = {"order": ORDER, "tank": {**TANK, "topic": "order", "field": "tank"}}
    together = [said(0, "order", v="A", tank="T1"), said(100, "order", v="B", tank="T2")]
    made = plan(inputs=inputs, run=run, states=None, scrap_yield=None, batches=batches)
    assert [without_number(text) for text in fed(made, *together, tick(500)).texts] == right
    apart = [said(0, "order", v="A"), said(0, "tank", v="T1")]
    apart += [said(100, "order", v="B"), said(100, "tank", v="T2")][:: 1 if order_first else -1]
    made = plan(inputs={"order": ORDER, "tank": TANK}, run=run, states=None, scrap_yield=None, batches=batches)
    assert [without_number(text) for text in fed(made, *apart, tick(500)).texts] == right


def without_number(text: str) -> str:
    """The words without the third, which is the interval's number."""
    words = text.split()
    return " ".join((*words[:2], *words[3:]))


def test_p13_a_state_goes_on_when_the_order_changes() -> None:
    """One that begins at that time begins then."""
    states = {"input": "state", "codes": {1: {"category": "Uptime"}, 2: {"category": "Unplanned Downtime"}}}
    texts = told_of_a_change([said(100, "order", v="B")], states=states)
    assert [text for text in texts if "STATE" in text] == ["start STATE 2 at 2: Uptime"]
    texts = told_of_a_change([said(100, "order", v="B"), said(100, "state", v=2)], states=states)
    assert [text for text in texts if "STATE" in text][1:] == [
        "end STATE 2 at 100",
        "start STATE 4 at 100: Unplanned Downtime",
    ]


def test_p13_the_part_that_fills_a_batch_is_in_it() -> None:
    """The next begins with the next part."""
    made = plan(
        inputs={"order": ORDER_TAG, "good": GOOD},
        run=RUN,
        states=None,
        batches={"every": 10, "count": "good", "name": "{batch}"},
        scrap_yield={"entries": [{"count": "good", "of": "batch", "raw_data": {"n": "{n}"}}]},
    )
    events = [tag(0, "order", "A"), tag(1, "good", 0), tag(50, "good", 10), tag(80, "good", 13), tag(99, "order", "")]
    texts = fed(made, *events, tick(500)).texts
    numbers = [text.split()[2] for text in texts if text.startswith("start BATCH")]
    sums = dict.fromkeys(numbers, 0)
    for text in texts:
        if text.startswith("output"):
            sums[text.split()[2]] += int(text.rsplit(" ", 1)[1])
    assert [*sums.values()] == [10, 3]
