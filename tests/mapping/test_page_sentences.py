"""What docs/mapping.md says of late messages, clocks and moments that no other test shows."""

from typing import Any

import pytest

from gateway.config.schema import Line
from gateway.config.schema_base import Watched
from gateway.mapping.clocks import with_message
from gateway.mapping.compile import compile_line
from gateway.mapping.line import Tick
from gateway.model import Output, Sample, StartInterval, UpdateInterval
from tests.mapping.recording import PLC, T0, fed, message, order, plan, tag, tick

T = 60.0
"""A window ends then."""


def corrections(*events: Sample | Tick) -> list[Output]:
    return [one for one in fed(plan(), *events, ticks=True).records if isinstance(one, Output) and one.corrects]


@pytest.mark.parametrize(("heard", "moved"), [(T - 0.1, []), (T + 0.5, [{"yield": -20}, {"yield": 20}])])
def test_p13_parts_are_moved_because_of_a_second_only_where_a_window_ended_in_it(
    heard: float, moved: list[dict[str, int]]
) -> None:
    """The order is of half a second before the end of the window."""
    counted = [tag(2, "Good", 5), tag(10, "Good", 25), tag(T - 0.3, "Good", 45), tag(T + 20, "Good", 50)]
    events = sorted([order(1, "A"), *counted, order(heard, "B", at=T - 0.5)], key=lambda sample: sample.received)
    told = corrections(*events, tick(200))
    assert sorted((dict(one.raw_data) for one in told), key=repr) == moved


@pytest.mark.parametrize(("late", "listed"), [(4.9, 0), (5.1, 1)])
def test_p13_a_correction_is_listed_where_its_message_came_more_than_five_seconds_late(
    late: float, listed: int
) -> None:
    """It is made in either case, and no end of a run is told that Oden had not heard otherwise."""
    counted = [tag(at, "Good", at) for at in range(2, 200, 2)]
    said = 117.5
    events = sorted([order(1, "A"), *counted, order(said + late, "B", at=said)], key=lambda sample: sample.received)
    played = fed(plan(), *events, tick(300), ticks=True)
    ends = [one for one in played.records if isinstance(one, UpdateInterval) and one.type == "RUN"]
    assert len(ends) == 1
    assert [one for one in played.records if isinstance(one, Output) and one.corrects]
    said_of_it = [notice for notice in played.notices if "late and corrects" in notice.text]
    assert [(one.kind, one.address) for one in said_of_it] == [("time", "order")] * listed


def test_p2_an_edge_that_happened_while_nobody_watched_is_one() -> None:
    """However often it did: the bit was off when the connection was lost, and is on when it is back."""
    inputs = {**PLC, "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"}}
    inputs["part"] = {"source": "plc", "node": "Eye", "edge": "rising"}
    output = {"entries": [{"count": "part", "raw_data": {"yield": "{n}"}}]}
    line = plan(inputs=inputs, run={"key": "order", "product": "P"}, states=None, scrap_yield=output)
    begun = [message(1, "order", {"number": "A", "at": T0 + 1}), tag(2, "Eye", False)]
    told = fed(line, *begun, tag(500, "Eye", True, initial=True), tick(700))
    assert [one.raw_data for one in told.records if isinstance(one, Output)] == [{"yield": 1}]


def test_p13_by_less_than_a_tenth_of_a_second_a_clock_is_right() -> None:
    """Of what is said so much ahead nothing is taken off."""
    assert [with_message(None, T0, -ahead, is_live=True).ahead for ahead in (0.05, 0.09, 0.2)] == [0, 0, 0.2]


def test_p13_what_counts_by_itself_keeps_the_time_that_it_says() -> None:
    """Though all of it comes five minutes late: a person may book what was then. Orders that did would begin when they
    are heard."""
    booked = [message(at + 300, "scrap", {"qty": 1, "code": "Gel", "at": T0 + at}) for at in range(800, 1400, 100)]
    events = sorted([order(1, "A"), order(1050, "B"), *booked], key=lambda sample: sample.received)
    played = fed(plan(), *events, tick(3000), ticks=True)
    names = {one.key: one.name for one in played.records if isinstance(one, StartInterval)}
    sums = dict[str | None, float]()
    for one in played.records:
        if isinstance(one, Output):
            sums[names[one.interval]] = sums.get(names[one.interval], 0) + float(str(one.raw_data["scrap"]))
    assert sums == {"A": 3, "B": 3}


def test_p13_an_event_of_several_tags_is_not_held() -> None:
    """Both bits were seen on between two looks of the server: that is an event, however short it was; a state it is
    not."""
    given: dict[str, Any] = {
        "factory": "F",
        "line": "L",
        "inputs": {
            "a": {"source": "plc", "node": "A"},
            "b": {"source": "plc", "node": "B"},
            "both": {"expr": "a && b", "edge": "rising"},
            "order": {"source": "mes", "topic": "order", "field": "number"},
        },
        "run": {"key": "order", "product": "P"},
        "states": {"ladder": [{"when": "a && b", "category": "Up"}], "other": {"category": "Down"}},
        "scrap_yield": {"entries": [{"count": "both", "raw_data": {"yield": "{n}"}}]},
    }
    line = compile_line(Line.model_validate(given), ("lines", 0), watching={"plc": Watched(0.05, 0.25)})
    begun = [message(1, "order", {"number": "A"}), tag(2, "A", False), tag(2, "B", True)]
    played = fed(line, *begun, tag(10, "A", True), tag(10.02, "B", False), tick(100))
    assert [one.raw_data for one in played.records if isinstance(one, Output)] == [{"yield": 1}]
    states = [one.metadata for one in played.records if isinstance(one, StartInterval) and one.type == "STATE"]
    assert states == [{"category": "Down"}]


def station(heard: float, at: float, name: str, said: object) -> Sample:
    return message(heard, "scrap/+station", {"station": name, "qty": said, "at": T0 + at})


def test_p13_a_clock_that_is_ahead_moves_nothing_of_other_topics_of_its_input() -> None:
    """Station a is four seconds ahead; what station b says two seconds after an order began is of that order."""
    order_input = {"source": "mes", "topic": "order", "field": "number", "time": "at"}
    inputs = {"order": order_input, "scrap": {"source": "mes", "topic": "scrap/+station", "time": "at"}}
    output = {"entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]}
    run = {"key": "order", "product": "P", "name": "{order}", "settle": "0s"}
    line = plan(inputs=inputs, run=run, states=None, scrap_yield=output)
    orders = [message(at, "order", {"number": name, "at": T0 + at}) for at, name in ((1, "A"), (100, "B"))]
    events = [orders[0], station(50, 54, "a", 1), orders[1], station(102, 102, "b", 3)]
    told = [one for one in fed(line, *events, tick(200)).records if isinstance(one, StartInterval | Output)]
    names = {one.key: one.name for one in told if isinstance(one, StartInterval)}
    made = [(names[one.interval], one.raw_data["scrap"]) for one in told if isinstance(one, Output)]
    assert made == [("A", 1), ("B", 3)]


def test_p13_a_clock_that_is_wrong_is_found_out_beside_others_on_topics_of_its_input() -> None:
    """Station a is an hour behind and b is right, turn by turn: from its fifth message on what a says is of when it
    came, and it is listed once."""
    inputs = {
        name: {"source": "mes", "topic": "scrap/+station", "only": {"station": name}, "field": "qty", "time": "at"}
        for name in ("a", "b")
    }
    kinds = [{"type": name.upper(), "key": name, "name": f"{{{name}}}"} for name in inputs]
    line = plan(inputs=inputs, run=None, states=None, scrap_yield=None, intervals=kinds)
    events: list[Sample] = []
    for at in range(4000, 4480, 60):
        events += [station(at, at - 3600, "a", f"a{at}"), station(at + 10, at + 10, "b", f"b{at}")]
    played = fed(line, *events, tick(6000))
    starts = {one.name: one.start - T0 for one in played.records if isinstance(one, StartInterval)}
    assert [starts[f"a{at}"] for at in range(4240, 4480, 60)] == [*range(4240, 4480, 60)]
    assert [starts[f"b{at}"] for at in range(4000, 4480, 60)] == [*range(4010, 4490, 60)]
    assert len([one for one in played.notices if "3600 s behind" in one.text]) == 1
