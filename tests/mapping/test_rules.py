"""Facts, quality tests and work orders: told once each, of the right run, whatever order things come in."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import REMEMBERED_INTERVALS, LinePlan, compile_line
from gateway.mapping.line import Tick
from gateway.mapping.rules import MOST_TEST_STAMPS, MOST_WAITING_TESTS
from gateway.model import Output, Sample, Setting, StartInterval
from tests.mapping.recording import LINE, PLC, T0, message, order, play, tag, tick

INPUTS = {
    **PLC,
    "lab": {"source": "mes", "topic": "lab", "time": "at"},
    "speed": {"source": "plc", "node": "Speed"},
}
TORQUE = {"set": "quality_test", "event": "lab", "quality_schema": 66, "raw_data": {"torque": "{lab.value}"}}
SPEED = {"set": "target", "product": "{product}", "metric_group": "Speed", "value": "{speed}"}


Events = list[Sample | Tick]


def plan(*rules: dict[str, Any], **changes: Any) -> LinePlan:
    given = {**LINE, "inputs": INPUTS, "states": None, "scrap_yield": None, "rules": list(rules), **changes}
    return compile_line(Line.model_validate(given), ())


def lab(seconds: float, value: object, at: float | None = None, **more: Any) -> Sample:
    return message(seconds, "lab", {"value": value, "at": T0 + (seconds if at is None else at), **more})


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("lab"), st.integers(-40, 0)),
            st.tuples(st.just("order"), st.integers(0, 3)),
            st.tuples(st.just("wait"), st.integers(1, 30)),
        ),
        max_size=40,
    )
)
@settings(max_examples=150, deadline=None)
def test_each_test_is_told_once(happenings: list[tuple[str, int]]) -> None:
    """Each test that came is told once, in a second of its own, never earlier than it was, of the newest run that had
    begun by then, or said to be of none; through restarts after each sample the same."""
    now, results = 1.0, 0
    events: Events = []
    for kind, number in happenings:
        now += 0.25
        if kind == "lab":
            results += 1
            events.append(lab(now, results, max(0.0, now + number)))
        elif kind == "order":
            events.append(order(now, number or ""))
        else:
            now += number
    last: Events = [order(now + 1, "last"), tick(now + 10)]
    played = play(plan(TORQUE), *events, *last)
    assert play(plan(TORQUE), *events, *last, restarts=True).records == played.records
    tests = [record for record in played.records if isinstance(record, Output)]
    starts = {record.key: record.start for record in played.records if isinstance(record, StartInterval)}
    torques = [record.raw_data["torque"] for record in tests]
    refused = [notice for notice in played.notices if "no run that is known had begun by its time" in notice.text]
    assert len(set(torques)) == len(torques) == results - len(refused)
    assert len({(record.interval, record.timestamp) for record in tests}) == len(tests)
    asked: dict[object, float] = {}
    for event in events:
        if isinstance(event, Sample) and isinstance(event.value, dict) and event.address == "lab":
            asked[event.value["value"]] = event.value["at"]
    for record in tests:
        at = asked[record.raw_data["torque"]]
        assert record.timestamp >= int(at)
        later = [start for start in starts.values() if starts[record.interval] < start <= int(at) - 2]
        assert not later, "a newer run had begun"
        assert starts[record.interval] <= at


def test_stamps_stay_apart_however_many() -> None:
    """Of one interval more tests than are remembered, also with old times: no two share a second."""
    events = [lab(10 + n / 100, n, 5 + n % 7) for n in range(3 * MOST_TEST_STAMPS)]
    played = play(plan(TORQUE), order(1, "A"), tick(3), *events)
    stamps = [record.timestamp for record in played.records if isinstance(record, Output)]
    assert len(set(stamps)) == len(stamps) == 3 * MOST_TEST_STAMPS


def test_p12_tests_that_wait_are_bounded() -> None:
    """While no run has ever begun, tests wait up to a limit; what is beyond it is a loss that is said."""
    late = order(300, "A", at=0)
    played = play(plan(TORQUE), *(lab(n, n) for n in range(1, MOST_WAITING_TESTS + 4)), late, tick(302))
    assert sum(isinstance(record, Output) for record in played.records) == MOST_WAITING_TESTS
    assert [notice.kind for notice in played.notices] == ["loss"] * 3


def test_a_test_from_before_all_runs_is_of_none() -> None:
    """What was tested before the first run that is known began is of no run, and that is said."""
    played = play(plan(TORQUE), lab(5, 1), order(60, "A"), tick(70))
    assert not [record for record in played.records if isinstance(record, Output)]
    assert ["had begun by its time" in notice.text for notice in played.notices] == [True]


def test_a_test_in_the_instant_in_which_a_run_begins_waits_for_that_run() -> None:
    """Of two runs the later one has it, also where that is not recorded yet, because its product is not known."""
    began_without_product = order(100, "B", sku=None)
    played = play(plan(TORQUE), order(1, "A"), began_without_product, tick(105), lab(110, 7, at=100), order(120, "B"))
    starts = {record.key: record.name for record in played.records if isinstance(record, StartInterval)}
    assert [starts[record.interval] for record in played.records if isinstance(record, Output)] == ["B"]


def test_a_run_is_known_by_its_name_for_a_while() -> None:
    """The newest runs can be tested by name, whatever the time of the test; older ones are said not to be known."""
    runs = [order(10 * n, f"O{n}") for n in range(1, REMEMBERED_INTERVALS + 3)]
    last = 10 * (REMEMBERED_INTERVALS + 2)
    named = TORQUE | {"named": "{lab.order}"}
    late = [lab(last + 5, n, order=f"O{n}") for n in (1, 2, REMEMBERED_INTERVALS + 2)]
    played = play(plan(named), *runs, tick(last + 4), *late, tick(last + 20))
    names = {record.key: record.name for record in played.records if isinstance(record, StartInterval)}
    tests = [
        (names[record.interval], record.raw_data["torque"]) for record in played.records if isinstance(record, Output)
    ]
    assert tests == [("O2", 2), (f"O{REMEMBERED_INTERVALS + 2}", REMEMBERED_INTERVALS + 2)]
    assert ["the run O1 is not told" in notice.text for notice in played.notices] == [True]


def test_p2_a_fact_is_told_once() -> None:
    """A fact is told when its inputs agree and when it changes, not by reconnects, restarts, other rules or another
    place in the file; a rule that is new is told without a change."""
    begin: Events = [order(1, "A", "FILM"), tag(2, "Speed", 100), tick(4)]
    first = play(plan(SPEED), *begin, restarts=True)
    assert [record.fields for record in first.records if isinstance(record, Setting)] == [
        {"product": {"name": "FILM"}, "metric_group": {"name": "Speed"}, "target_value": 100}
    ]
    mapped = {"set": "product_mapping", "product": "{product}"}
    again: Events = [tag(10, "Speed", 100, initial=True), tag(20, "Speed", 101), tag(20.1, "Speed", 100), tick(30)]
    then = play(plan(mapped, SPEED), *again, state=first.state, restarts=True)
    assert [record.type for record in then.records if isinstance(record, Setting)] == ["product_mapping"]


def test_p2_a_fact_without_inputs_is_told_once() -> None:
    """What never changes is told at the first sample, and never again, over restarts too; another
    text in the configuration is told."""
    kind = {"set": "interval_type", "name": "Tool", "metadata_schema": '{"type": "object"}', "tags": ["shop"]}
    events: Events = [order(1, "A", "FILM"), tick(4), order(10, "B", "PIPE"), tick(20)]
    first = play(plan(kind), *events, restarts=True)
    assert [(record.type, record.fields) for record in first.records if isinstance(record, Setting)] == [
        ("interval_type", {"name": "Tool", "metadata_schema": '{"type": "object"}', "tags": ["shop"]})
    ]
    then = play(plan({**kind, "tags": []}), order(30, "C", "FILM"), tick(40), state=first.state)
    assert [record.fields["tags"] for record in then.records if isinstance(record, Setting)] == [[]]


@pytest.mark.parametrize(
    ("rule", "loc", "text"),
    [
        (SPEED | {"product_id": "{product}"}, (), "write either 'product' or 'product_id'"),
        ({"set": "target", "product": "{product}", "metric_group": "M"}, (), "at least one of"),
        (SPEED | {"event": "lab", "settle": "1s"}, ("settle",), "an event does not settle"),
        (SPEED | {"value": "{sped}"}, ("value",), '"sped" is not an input'),
        (SPEED | {"when": "speed > "}, ("when",), ""),
        (TORQUE | {"event": "labs"}, ("event",), '"labs" is not an input'),
        (TORQUE | {"of": "batch"}, ("of",), "say under 'batches'"),
        (TORQUE | {"raw_data": {"at": "{at}"}}, ("raw_data", "at"), '"at" is not an input'),
    ],
)
def test_p10_what_is_wrong_is_said_where_it_stands(rule: dict[str, Any], loc: tuple[str, ...], text: str) -> None:
    """A rule that can tell nothing, or names what is not there, is refused at its place."""
    with pytest.raises(InvalidConfig) as caught:
        plan(rule)
    (fault,) = caught.value.faults
    assert fault.loc == ("rules", 0, *loc)
    assert text in fault.text


FACT_TAGS = {
    "sort": {"source": "plc", "node": "Sort"},
    "limit": {"source": "plc", "node": "Limit"},
    "on": {"source": "plc", "node": "On"},
}
FACT = {"set": "target", "product": "{sort}", "metric_group": "Speed", "value": "{limit}", "when": "on"}
CHANGES = st.one_of(
    st.tuples(st.just("Sort"), st.sampled_from(["", "FILM", "PIPE"])),
    st.tuples(st.just("Limit"), st.sampled_from([None, 10, 20, "n/a"])),
    st.tuples(st.just("On"), st.booleans()),
    st.tuples(st.just("again"), st.none()),
)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.6, 3.0]), CHANGES), max_size=40), st.lists(st.floats(0, 1)))
@settings(max_examples=150, deadline=None)
def test_p2_what_was_told_last_is_so(acts: list[tuple[float, tuple[str, Any]]], cuts: list[float]) -> None:
    """Whatever the tags do, through new subscriptions, ticks anywhere and restarts: no fact is told twice in a row, and
    once all has settled, the one that was told last is the one that is so."""
    line = plan(FACT, inputs={**INPUTS, **FACT_TAGS})
    now, known, events = 1.0, dict[str, Any](), Events()
    for wait, (node, value) in acts:
        now = round(now + wait, 3)
        if node == "again":
            events += [tag(now, name, None, quality="bad") for name in known]
            events += [tag(now, name, value, initial=True) for name, value in known.items()]
            continue
        events.append(tag(now, node, value))
        if value is not None:
            known[node] = value
    played = play(line, *events, tick(now + 10))
    mixed: Events = [*events, *(tick(1 + cut * (now + 9)) for cut in cuts)]
    mixed.sort(key=lambda event: event.at if isinstance(event, Tick) else event.received)
    assert play(line, *mixed, tick(now + 10), restarts=True).records == played.records
    facts = [record.fields for record in played.records if isinstance(record, Setting)]
    assert all(before != after for before, after in pairwise(facts))
    if known.get("On") and known.get("Sort") and isinstance(known.get("Limit"), int):
        so = {"product": {"name": known["Sort"]}, "metric_group": {"name": "Speed"}, "target_value": known["Limit"]}
        assert facts[-1] == so
