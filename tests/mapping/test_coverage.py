"""What of a configuration has come to nothing."""

from typing import Any

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.coverage import Coverage, missed, unlearned
from gateway.model import Learned, Lookup
from gateway.trial.play import play
from tests.mapping.recording import LINE, T0, message, tag

INPUTS: dict[str, Any] = {
    "state": {"source": "plc", "node": "State"},
    "spare": {"source": "plc", "node": "Spare"},
    "mode": {"source": "plc", "node": "Mode", "default": "auto"},
    "scrap": {"source": "mes", "topic": "events", "only": {"type": "scrap"}},
    "sum": {"expr": "spare + 1"},
}
STATES = {"input": "state", "codes": {1: {"category": "Uptime"}}, "other": {"category": "{alarms[state].text|Down}"}}
TABLE = Lookup(frozenset({"text"}), {"7": {"text": "Door"}})
PLAN = compile_line(
    Line.model_validate({**LINE, "inputs": INPUTS, "run": None, "scrap_yield": None, "states": STATES}),
    ("lines", 0),
    {"alarms": TABLE},
)


def test_what_came_to_nothing_is_said() -> None:
    """Messages of a kind or address that no input takes, inputs that never had a value of their own, and what a table
    does not have: each once, however often it came."""
    samples = [tag(1, "State", 7), tag(2, "State", 9), tag(3, "State", 9), tag(4, "Else", 1), tag(5, "State", 8)]
    events = [message(10 + number, "events", {"type": "rework"}) for number in range(3)]
    coverage = play([PLAN], [*samples, *events, T0 + 100]).coverage
    assert [*coverage.sentences([PLAN])] == [
        "mes events: 3 that no input takes",
        "plc Else: 1 that no input takes",
        "line Line 01: spare, scrap, sum never had a value",
        "line Line 01: of mode nothing came, and its default counts",
        "line Line 01: the table alarms has nothing for 9, 8",
    ]


def test_of_tables_it_is_said_what_they_lack() -> None:
    """A row, or a value in a row that is there; and that one which learns has learned nothing."""
    inputs = {
        "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
        "sku": {"source": "plc", "node": "Sku"},
        "announced": {"source": "mes", "topic": "announced", "time": "at"},
    }
    metadata = {"due": "{orders[order].due}", "resin": "{products[sku].resin}", "colour": "{products[sku].colour}"}
    run = {"key": "order", "product": "{orders[order].sku}", "metadata": metadata, "settle": "0s"}
    section = {**LINE, "inputs": inputs, "run": run, "states": None, "scrap_yield": None}
    products = Lookup(frozenset({"resin", "colour"}), {"7": {"resin": "PP"}, "8": {"colour": "red"}})
    tables = {
        "orders": Lookup(frozenset({"sku", "due"}), {}, Learned("announced", ("number",), 500)),
        "products": products,
    }
    plan = compile_line(Line.model_validate(section), ("lines", 0), tables)
    samples = [tag(0, "Sku", 7), message(1, "order", {"number": "A", "at": T0 + 1})]
    samples += [tag(5, "Sku", 9), message(6, "order", {"number": "B", "at": T0 + 6}), tag(20, "Sku", 8)]
    without = play([plan], [*samples, T0 + 100]).coverage
    assert [*without.sentences([plan])] == [
        "line Line 01: announced never had a value",
        "line Line 01: nothing came of announced, so that the table orders has learned nothing",
        "line Line 01: the table orders has nothing for A, B",
        "line Line 01: the table products has nothing for 7 (no colour), 9, 8 (no resin)",
    ]
    announced = message(0, "announced", {"number": "A", "sku": "Film", "at": T0})
    told = [*play([plan], [announced, *samples, T0 + 100]).coverage.sentences([plan])]
    assert told[0] == "line Line 01: the table orders has nothing for A (no due), B"


def test_what_is_used_is_not_said() -> None:
    """Over several recordings: what had a value in any of them."""
    coverage = Coverage()
    play([PLAN], [tag(1, "State", 1), tag(1, "Spare", 2), tag(1, "Mode", "auto")], coverage)
    play([PLAN], [message(1, "events", {"type": "scrap"})], coverage)
    assert [*coverage.sentences([PLAN])] == []


def test_tags_that_cannot_be_read_are_not_what_nobody_takes() -> None:
    """A lost connection says nothing of what the configuration names."""
    coverage = Coverage()
    play([PLAN], [tag(1, "Else", None, quality="bad")], coverage)
    assert not coverage.unmatched


def test_what_is_added_to_a_table_is_missed_no_more() -> None:
    """A file that was read again, and codes that a new configuration has; what a line no longer asks for is not missed
    either. What is still not there is."""
    entries = [{"count": "scrap.qty", "raw_data": {"scrap": "{n}", "code": "{codes[scrap.code].name}"}}]
    output = {"every": "60s", "entries": entries, "codes": {1: "Gel"}}
    inputs = {**INPUTS, "order": {"source": "mes", "topic": "order"}}
    base = {**LINE, "inputs": inputs, "run": {"key": "order", "product": "P"}, "states": STATES}

    def plan(rows: dict[str, Any], codes: dict[int, str]) -> LinePlan:
        line = Line.model_validate({**base, "scrap_yield": {**output, "codes": codes}})
        return compile_line(line, ("lines", 0), {"alarms": Lookup(frozenset({"text"}), rows)})

    before = plan({"7": {"text": "Door"}}, {1: "Gel"})
    scraps = [message(3 + code, "events", {"type": "scrap", "qty": 1, "code": code}) for code in (1, 2, 3)]
    samples = [message(0, "order", "A"), tag(1, "State", 8), tag(2, "State", 9), *scraps]
    state = play([before], [*samples, T0 + 200]).states[before.key]
    assert missed(before, state) == {"alarms": ["8", "9"], "codes": ["2", "3"]}
    after = plan({"7": {"text": "Door"}, "9": {"text": "Jam"}}, {1: "Gel", 3: "Edge"})
    assert missed(after, state) == {"alarms": ["8"], "codes": ["2"]}
    assert missed(PLAN, state) == {"alarms": ["8", "9"]}


def of_a_field(product: str) -> LinePlan:
    """A line whose order is one field of its message, and whose product is looked up."""
    inputs = {"order": {"source": "mes", "topic": "order", "field": "number"}}
    run = {"key": "order", "product": product, "settle": "0s"}
    line = Line.model_validate({**LINE, "inputs": inputs, "run": run, "states": None, "scrap_yield": None})
    return compile_line(line, ("lines", 0), {"products": Lookup(frozenset({"name"}), {"7": {"name": "Film"}})})


def test_a_field_of_what_is_no_message_is_a_missed_look_up() -> None:
    """`{products[order.sku].name}`, where `order` is one field itself: nothing can be found by it, which is listed."""
    samples: list[Any] = [
        message(1, "order", {"number": "A", "sku": 7}),
        message(50, "order", {"number": "B", "sku": 7}),
        T0 + 100,
    ]
    plan = of_a_field("{products[order.sku].name}")
    told = play([plan], [*samples, T0 + 100])
    assert told.causes == []
    assert [notice.text for notice in told.notices if notice.kind == "reject"] == [
        'the table products has no name for order "order.sku"'
    ]
    assert [*told.coverage.sentences([plan])] == [
        "line Line 01: order.sku never had a value",
        "line Line 01: the table products has nothing for order.sku",
    ]
    assert missed(plan, told.states[plan.key]) == {"products": ["order.sku"]}
    spared = play([of_a_field("{products[order.sku].name|Other}")], [*samples, T0 + 100])
    assert [cause.record.kind for cause in spared.causes] == ["start", "update", "start"]
    assert spared.coverage.missed == told.coverage.missed


def test_fields_that_no_message_has_are_said() -> None:
    """In texts, conditions and amounts, once some message has come; over several recordings, what any of them has."""
    entries = [
        {"count": "scrap.qty", "raw_data": {"scrap": "{n}", "code": "{scrap.cod}"}},
        {"count": "sum(scrap.bad.qty)", "raw_data": {"bad": "{n}"}},
    ]
    inputs = {**INPUTS, "order": {"source": "mes", "topic": "order"}, "late": {"expr": "scrap.shift == 3"}}
    section = {**LINE, "inputs": inputs, "run": {"key": "order", "product": "P"}, "states": None}
    plan = compile_line(Line.model_validate({**section, "scrap_yield": {"entries": entries}}), ("lines", 0), {})
    scrap = {"type": "scrap", "qty": 1, "code": 4}
    coverage = play([plan], [message(0, "order", "A"), message(1, "events", scrap), T0 + 100]).coverage
    first, *_ = coverage.sentences([plan])
    lost = "sum(scrap.bad.qty), scrap.cod, scrap.shift"
    assert first == f"line Line 01: state, spare, sum, late, {lost} never had a value"
    whole = {**scrap, "cod": 4, "shift": 1, "bad": [{"qty": 1}]}
    play([plan], [message(1, "events", whole), T0 + 100], coverage)
    assert "scrap." not in "".join(coverage.sentences([plan]))


def test_tables_that_learned_nothing_name_what_did_not_come() -> None:
    inputs = {"order": {"source": "mes", "topic": "order"}, "announced": {"source": "mes", "topic": "announced"}}
    run = {"key": "order", "product": "{orders[order].sku}", "settle": "0s"}
    line = Line.model_validate({**LINE, "inputs": inputs, "run": run, "states": None, "scrap_yield": None})
    tables = {"orders": Lookup(frozenset({"sku"}), {}, Learned("announced", ("number",), 500))}
    plan = compile_line(line, ("lines", 0), tables)
    assert unlearned(plan, play([plan], [message(1, "order", "A"), T0 + 10]).states[plan.key]) == {
        "orders": "announced"
    }
    announced = message(0, "announced", {"number": "A", "sku": "Film"})
    assert unlearned(plan, play([plan], [announced, T0 + 10]).states[plan.key]) == {}
