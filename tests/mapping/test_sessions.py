"""P13: a message without a time that had to wait keeps its place among those of its session that have one."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.feeder import feed, prepared, settled
from gateway.mapping.line import LineState, Tick, dump, load
from gateway.mapping.trail import Feed
from gateway.mapping.trail_log import addition, beginning, restored
from gateway.model import Contact, Output, Record, Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, back, fed, lost, message, plan, tag, tick
from tests.mapping.test_late_properties import effective, facts

INPUTS: Mapping[str, Mapping[str, Any]] = {
    "order": {"source": "mes", "topic": "order", "field": "v", "time": "at"},
    "scrap": {"source": "mes", "topic": "scrap"},
    "good": {"source": "plc", "node": "good", "counter": {}},
}
Event = Sample | Contact | Tick
RUN = {"key": "order", "product": "P", "name": "{order}"}
OUTPUT = {
    "entries": [
        {"count": "good", "raw_data": {"yield": "{n}"}},
        {"count": "scrap.qty", "raw_data": {"scrap": "{n}"}},
    ]
}
LINE = plan(inputs=INPUTS, run=RUN, states=None, scrap_yield=OUTPUT)


def order(at: float, number: str, heard: float | None = None) -> Sample:
    return message(at if heard is None else heard, "order", {"v": number, "at": T0 + at})


def scrap(heard: float, qty: int) -> Sample:
    return message(heard, "scrap", {"qty": qty})


def scraps(events: Sequence[Event], line: LinePlan = LINE) -> dict[float, float]:
    """By the start of a run, what was scrapped in it."""
    played = fed(line, *events)
    starts = {record.key: record.start - T0 for record in played.records if isinstance(record, StartInterval)}
    sums = Counter[float]()
    for record in played.records:
        if isinstance(record, Output) and "scrap" in record.amounts:
            sums[starts[record.interval]] += int(str(record.raw_data["scrap"]))
    return {start: amount for start, amount in sums.items() if amount}


def test_p13_a_message_without_a_time_stays_before_one_with_a_time() -> None:
    """The order took 0.4 s, the scrap that was heard before it no longer than that; what is heard later is its own."""
    events: list[Event] = [
        order(0, "A"),
        tag(99.9, "good", 5),
        scrap(100.2, 3),
        order(99.9, "B", 100.3),
        scrap(100.4, 4),
    ]
    assert scraps([*events, order(200, "C"), tick(300)]) == {0: 3, 99: 4}


def test_p13_a_message_that_lacks_its_time_is_one_without() -> None:
    """Others of its topic have one."""
    made = plan(inputs={**INPUTS, "scrap": {**INPUTS["scrap"], "time": "at"}}, run=RUN, states=None, scrap_yield=OUTPUT)
    before: list[Event] = [order(0, "A"), lost(400, "mes"), back(1000, "mes"), order(500, "B", 1000.1)]
    timed = message(1000.1, "scrap", {"qty": 8, "at": T0 + 450})
    assert scraps([*before, scrap(1000.1, 1), timed, order(700, "C", 1000.1), tick(1300)], made) == {0: 8, 500: 1}


def test_p13_a_timed_message_that_waited_elsewhere_moves_none_without_a_time() -> None:
    """It is a minute late, while others came at once."""
    events: list[Event] = [order(0, "A"), scrap(90, 3), scrap(150, 4), order(100, "B", 160), order(200, "C"), tick(300)]
    assert scraps(events) == {0: 3, 100: 4}


def test_p13_a_timed_message_that_comes_again_moves_none_without_a_time() -> None:
    """Its sender says it once more within seconds, after an operator has logged in; that each counts changes nothing of
    that."""
    inputs = {"who": {"source": "mes", "topic": "login"}, "waste": {"source": "mes", "topic": "waste", "time": "at"}}
    output = {"entries": [{"count": "waste.qty", "raw_data": {"scrap": "{n}"}}]}
    operators = {"type": "Operator", "key": "who", "name": "{who}"}
    made = plan(inputs={**INPUTS, **inputs}, run=RUN, states=None, scrap_yield=output, intervals=[operators])
    events = [order(0, "A"), message(1, "login", "Ann"), message(10.1, "waste", {"qty": 1, "at": T0 + 10})]
    again = message(12.2, "waste", {"qty": 1, "at": T0 + 10})
    assert fed(made, *events, message(12, "login", "Bob"), again, tick(60)).texts == [
        "start RUN 1 at 0: A, P",
        "start Operator 2 at 1: Ann",
        "end Operator 2 at 12",
        "start Operator 3 at 12: Bob",
        "output of 1 at 60: scrap 2",
    ]


BACKLOG = [scrap(1000.1, 1), order(500, "B", 1000.1), scrap(1000.1, 2), scrap(1000.1, 4), order(700, "C", 1000.1)]
"""What waited at the broker: all of it is read at one time."""


@pytest.mark.parametrize("live", [True, False])
def test_p13_what_waited_at_the_broker_keeps_its_places(live: bool) -> None:
    """Whether or not another source was heard meanwhile; what is last in the backlog came when it came."""
    others = [tag(at, "good", at) for at in range(10, 990, 10)] if live else []
    after: list[Event] = [scrap(1000.1, 8), order(1100, "D"), tick(1300)]
    assert scraps([order(0, "A"), *others, lost(985, "mes", since=400), back(1000, "mes"), *BACKLOG, *after]) == {
        0: 1,
        500: 6,
        700: 8,
    }


def test_p13_a_backlog_that_is_older_than_others_before_it_moves_none() -> None:
    """The third order was late when the broker got it."""
    backlog = [order(500, "B", 1000.1), scrap(1000.1, 2), order(450, "X", 1000.1), scrap(1000.1, 4)]
    before: list[Event] = [order(0, "A"), lost(400, "mes"), back(1000, "mes")]
    assert scraps([*before, *backlog, order(1000.5, "C"), tick(1300)]) == {500: 6}


def test_p13_what_waited_keeps_its_place_over_a_restart() -> None:
    """At each step of it the process is killed, and goes on with what is stored."""
    events: list[Event] = [
        order(0, "A"),
        lost(400, "mes"),
        tag(410, "good", 5),
        tag(990, "good", 9),
        back(1000, "mes"),
        *BACKLOG,
    ]
    events += [tick(1003), tag(1004, "good", 9), order(1100, "D"), tick(1300)]
    want = facts(effective(fed(LINE, *events).records))
    for killed in range(4, len(events)):
        line, before, told, stored, begun = Feed(LineState()), None, list[Record](), list[dict[str, Any]](), ""
        for place, event in enumerate(events):
            if place == killed:
                line = at_once(restored(LINE, load(LINE, dump(line.state)), begun, json.loads(json.dumps(stored))))
                line, result = at_once(prepared(LINE, line, tick(0)))
                told += result.records
            line, result = feed(LINE, line, event)
            told += result.records
            begun = begun or beginning(line) or ""
            stored.append(addition(before, line))
            before = line
        line, result = at_once(settled(LINE, line))
        assert facts(effective([*told, *result.records])) == want, killed


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4)), min_size=1, max_size=12), st.integers(0, 12))
@examples(40)
def test_p13_an_outage_leaves_what_came_in_order_in_its_runs(steps: list[tuple[int, int]], until: int) -> None:
    """Orders, with scrap without times between them: of all but the last order that waited, the same runs get the same
    as if nothing had been away."""
    at, said = 100.0, list[Sample]()
    for number, (pause, booked) in enumerate(steps):
        said += [scrap(at + 0.5 + each / 10, 1 + each) for each in range(booked)]
        at += pause
        said.append(order(at, f"B{number}"))
    ended = at + 1000
    late = [message(ended + 1, each.address, each.value) for each in said]
    rest: list[Event] = [order(ended + 100, ""), tick(ended + 300)]
    away: list[Event] = [order(0, "A"), lost(until, "mes"), back(ended, "mes")]
    assert scraps([*away, *late, *rest]) == scraps([order(0, "A"), *said, *rest])


OPERATED = plan(
    inputs={"order": INPUTS["order"], "operator": {"source": "mes", "topic": "operator", "field": "v"}},
    run=RUN,
    states=None,
    scrap_yield=None,
    intervals=[{"type": "Operator", "key": "operator", "name": "{operator}"}],
)
"""Orders have times, operators none."""


def operator(heard: float, name: str) -> Sample:
    return message(heard, "operator", {"v": name})


def test_p13_what_keeps_its_place_before_one_of_a_whole_second_begins_in_that_second() -> None:
    """The order of half past was heard after the operator: he was there by then, and stayed until the next, so that
    nothing is said of his having come and gone."""
    away: list[Event] = [order(0, "A"), operator(1, "ann"), lost(400, "mes"), back(1000, "mes")]
    played = fed(OPERATED, *away, operator(1000.1, "bob"), order(500, "B", 1000.1), operator(1000.2, "cyd"), tick(1300))
    starts = {each.name: each.start - T0 for each in played.records if isinstance(each, StartInterval)}
    assert starts == {"A": 0, "ann": 1, "B": 500, "bob": 500, "cyd": 1000}
    ends = {each.end - T0 for each in played.records if isinstance(each, UpdateInterval) and each.end is not None}
    assert ends == {500, 1000}
    assert played.notices == []


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.01, 0.15])), min_size=1, max_size=10),
    st.lists(st.integers(1, 90), min_size=10, max_size=10),
)
@examples(60)
def test_p13_each_operator_of_an_outage_is_told_or_listed_by_name(
    backlog: list[tuple[bool, float]], pauses: list[int]
) -> None:
    """Never both, and none is forgotten, whatever orders of which time come between them."""
    heard, said, events = 1000.1, 410, list[Event]([order(0, "A"), operator(1, "ann"), lost(400, "mes")])
    events.append(back(1000, "mes"))
    names = {"ann"}
    for number, ((timed, pause), later) in enumerate(zip(backlog, pauses, strict=False)):
        heard, said = heard + pause, said + later
        if timed and said < 990:
            events.append(order(said, f"B{number}", heard))
        else:
            events.append(operator(heard, f"op{number}"))
            names.add(f"op{number}")
    played = fed(OPERATED, *events, tick(1300))
    told = {
        each.name for each in effective(played.records) if isinstance(each, StartInterval) and each.type == "Operator"
    }
    listed = {notice.text.split()[1] for notice in played.notices if "came and went" in notice.text}
    assert told | listed == names
    assert not told & listed


TIMED = plan(
    inputs={"order": INPUTS["order"], "operator": {"source": "mes", "topic": "operator", "field": "v", "time": "at"}},
    run=RUN,
    states=None,
    scrap_yield=None,
    intervals=[{"type": "Operator", "key": "operator", "name": "{operator}"}],
)
"""Operators have times."""


def timed(heard: float, name: str, said: float) -> Sample:
    return message(heard, "operator", {"v": name, "at": T0 + said})


@given(st.lists(st.tuples(st.sampled_from([0.2, 30]), st.sampled_from([0, 0.1, 10])), min_size=1, max_size=8))
@examples(60)
def test_p13_who_was_listed_and_had_been_there_by_what_is_heard_later_is_listed_as_no_such(
    backlog: list[tuple[float, float]],
) -> None:
    """Operators of an outage, some of them for a moment; of some it is heard once all that had waited is heard that
    they had come before. Each is told, or listed last as one that came and went, never both."""
    events: list[Event] = [order(0, "A"), timed(1, "ann", 1), lost(400, "mes"), back(1000, "mes")]
    said, later = 500.0, list[Sample]()
    for number, (pause, before) in enumerate(backlog):
        said += pause
        events.append(timed(1000.1, f"op{number}", said))
        if 0 < before < pause:
            later.append(timed(1004 + 4 * number, f"op{number}", said - before))
    played = fed(TIMED, *events, *later, tick(1300))
    told = {
        each.name for each in effective(played.records) if isinstance(each, StartInterval) and each.type == "Operator"
    }
    listed = set[str]()
    for notice in played.notices:
        denial, _, name = notice.text.partition(" came and went")[0].rpartition("operator ")
        if "came and went" in notice.text and denial:
            assert denial == "by what is known now it is not so: "
            listed.remove(name)
        elif "came and went" in notice.text:
            listed.add(name)
    assert not told & listed
    assert told | listed == {"ann", *(f"op{number}" for number in range(len(backlog)))}
