"""Derived inputs: what follows from others, in which order, and how often that is looked at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.expressions import parse, parse_value
from gateway.mapping.line import dump, load, step
from gateway.model import Sample
from tests.mapping.recording import T0, message, play, tag, tick

SPEED: Mapping[str, Any] = {"source": "plc", "node": "Speed"}
FAULT: Mapping[str, Any] = {"source": "plc", "node": "Fault"}


def line(inputs: Mapping[str, Any], **sections: Any) -> LinePlan:
    given = {
        "factory": "F",
        "line": "L",
        "inputs": inputs,
        "states": {"ladder": [{"when": "running", "category": "Up"}], "other": {"category": "Down"}},
        **sections,
    }
    return compile_line(Line.model_validate(given), ("lines", 0))


def faults(inputs: Mapping[str, Any], **sections: Any) -> dict[str, str]:
    """The faults by their places, as dotted text."""
    with pytest.raises(InvalidConfig) as caught:
        line({"running": {"source": "plc", "node": "R"}, **inputs}, **sections)
    return {".".join(map(str, fault.loc)): fault.text for fault in caught.value.faults}


@dataclass
class Counting:
    """A program that counts how often it is executed, and with what."""

    given: list[dict[str, object]] = field(default_factory=list)

    def execute(self, context: dict[str, object]) -> object:
        self.given.append(context)
        return True

    def variables(self) -> list[str]:
        return []

    def functions(self) -> list[str]:
        return []


def test_it_is_looked_at_only_when_an_input_of_it_changed() -> None:
    """Equal values, other inputs and time do not evaluate the expression."""
    plan = line({"speed": SPEED, "other": {"source": "plc", "node": "Other"}, "running": {"expr": "speed > 5"}})
    counting = Counting()
    (derived,) = plan.derived
    assert derived.expression is not None
    derived = replace(derived, expression=replace(derived.expression, program=counting, decimal=None))
    plan = replace(plan, derived=(derived,))
    play(
        plan,
        tag(1, "Speed", 1),
        tag(2, "Speed", 1),
        tag(3, "Other", 5),
        tick(4),
        tag(5, "Speed", 2),
        tag(6, "Other", 6),
    )
    assert counting.given == [{"speed": 1}, {"speed": 2}]


def test_only_the_named_fields_of_a_message_are_handed_over() -> None:
    """A large message costs no more than the fields that the expression names."""
    message = {"code": 7, "by": {"name": "Ann", "id": 3}, "rest": list(range(1000))}
    counting = Counting()
    replace(parse('scrap.code == 7 && scrap.by.name == "Ann"', ["scrap"]), program=counting).holds({"scrap": message})
    assert counting.given == [{"scrap": {"code": 7, "by": {"name": "Ann"}}}]


def test_a_value_is_known_when_all_inputs_of_it_are() -> None:
    """Before that there is no value, and no state is told."""
    plan = line({"speed": SPEED, "fault": FAULT, "running": {"expr": "speed > 5 && !fault"}})
    assert play(plan, tag(1, "Speed", 10), tick(5)).texts == []
    assert play(plan, tag(1, "Speed", 10), tag(7, "Fault", False)).texts == ["start STATE 1 at 7: Up"]


def test_another_expression_is_another_value() -> None:
    """After the expression was changed in the file the value is found anew, from what is known of the inputs."""
    inputs = {"speed": SPEED, "beat": {"source": "plc", "node": "Beat"}}
    before = line({**inputs, "running": {"expr": "speed > 5"}})
    after = line({**inputs, "running": {"expr": "speed > 50"}})
    state = play(before, tag(1, "Speed", 10)).state
    loaded = load(after, dump(state))
    assert "running" not in loaded.inputs
    result = step(after, loaded, tag(9, "Beat", 1))
    assert result.state.inputs["running"].value is False


def test_a_memory_of_an_earlier_version_is_understood() -> None:
    """What an input's memory did not hold before has its usual value."""
    plan = line({"speed": SPEED, "running": {"expr": "speed > 5"}})
    known = {"origin": "plc Speed", "value": 10, "at": T0, "quality": "good", "clock": True}
    state = load(plan, json.dumps({"now": T0, "seq": 0, "inputs": {"speed": known}}))
    assert step(plan, state, tag(1, "Speed", 10)).state.inputs["running"].value is True


def test_what_relies_on_what_is_gone_is_gone() -> None:
    """A state that is derived from a tag of a lost source is offline as if it came from the tag itself."""
    states = {
        "ladder": [{"when": "running", "category": "Up"}],
        "other": {"category": "Down"},
        "offline": {"after": "5s", "category": "No Data"},
    }
    plan = line({"speed": SPEED, "running": {"expr": "speed > 5"}}, states=states)
    lost = Sample("plc", "Speed", None, T0 + 10, "bad")
    assert play(plan, tag(1, "Speed", 10), lost, tick(20)).texts == [
        "start STATE 1 at 1: Up",
        "end STATE 1 at 10",
        "start STATE 2 at 10: No Data",
    ]


def test_each_heartbeat_of_a_source_speaks_for_it() -> None:
    """With two heartbeats, one that is quiet is enough, for the state as for an input that is derived."""
    states = {
        "ladder": [{"when": "running", "category": "Up"}],
        "other": {"category": "Down"},
        "offline": {"after": "5s", "category": "No Data"},
    }
    beats = {name: {"source": "plc", "node": name, "heartbeat": "10s"} for name in ("b1", "b2")}
    plan = line({"speed": SPEED, **beats, "running": {"expr": "speed > 5"}}, states=states)
    events = [
        tag(1, "Speed", 10),
        tag(1, "b1", 0),
        tag(1, "b2", 0),
        *(tag(second, "b2", second) for second in range(2, 20)),
    ]
    assert play(plan, *events).texts == ["start STATE 1 at 1: Up", "end STATE 1 at 11", "start STATE 2 at 11: No Data"]


def test_a_message_again_is_news_and_a_heartbeat_again_is_none() -> None:
    """`fresh` waits for anything, `heartbeat` for another value; each silence is said once."""
    plan = line(
        {
            "running": {"source": "mes", "topic": "running", "fresh": "10s"},
            "beat": {"source": "mes", "topic": "beat", "heartbeat": "10s"},
        }
    )
    events = [message(second, topic, True) for second in range(0, 40, 5) for topic in ("running", "beat")]
    played = play(plan, *events, tick(44))
    assert [notice.text for notice in played.notices] == ["beat has not changed for 10 s"]
    played = play(plan, tick(200), state=played.state, restarts=True)
    assert [notice.text for notice in played.notices] == ["running has said nothing for 10 s"]


@pytest.mark.parametrize(
    ("inputs", "where", "text"),
    [
        ({"a": {"expr": "b > 1"}, "b": {"expr": "a > 1"}}, "lines.0.inputs.a.expr", "a and b need each other"),
        ({"a": {"expr": "a > 1"}}, "lines.0.inputs.a.expr", "a needs itself"),
        ({"a": {"expr": "sped > 1"}}, "lines.0.inputs.a.expr", '"sped" is not an input of this line'),
        ({"a": {"expr": "running +"}}, "lines.0.inputs.a.expr", "missing at the end"),
        ({"a": {"expr": "now() > 1"}}, "lines.0.inputs.a.expr", 'there is no function "now"'),
        (
            {"c": {"source": "plc", "node": "C", "counter": {}}, "a": {"expr": 'c.startsWith("x")'}},
            "lines.0.inputs.a.expr",
            '"c" is a number',
        ),
        (
            {"c": {"source": "plc", "node": "C", "counter": {}}, "b": {"expr": "c > 1"}, "a": {"expr": "b + 1 > 2"}},
            "lines.0.inputs.a.expr",
            '"b" is true or false',
        ),
        ({"a": {"stale": "running"}}, "lines.0.inputs.a.stale", "'running' is never quiet"),
        ({"a": {"stale": "rung"}}, "lines.0.inputs.a.stale", '"rung" is not an input'),
        (
            {"a": {"source": "plc", "node": "A", "fresh": "5s", "heartbeat": "5s"}},
            "lines.0.inputs.a.heartbeat",
            "'fresh' or 'heartbeat'",
        ),
        ({"a": {"source": "plc", "node": "A", "counter": {}, "edge": "any"}}, "lines.0.inputs.a.edge", "leave out"),
        (
            {"a": {"source": "plc", "node": "A", "counter": {"restarts_with": "ordr"}}},
            "lines.0.inputs.a.counter.restarts_with",
            '"ordr" is not an input',
        ),
        (
            {"a": {"source": "plc", "node": "A", "counter": {"signed": 16, "rollover": 32768}}},
            "lines.0.inputs.a.counter.rollover",
            "rolls over at 65536: leave out 'rollover'",
        ),
        (
            {"a": {"source": "plc", "node": "A", "counter": {"direction": "down", "backwards": "ignore"}}},
            "lines.0.inputs.a.counter.backwards",
            "counts up",
        ),
        (
            {"a": {"source": "plc", "node": "A"}, "b": {"expr": "a > 5", "counter": {}}},
            "lines.0.inputs.b.counter",
            "is always true or false, and a counter is a number",
        ),
        (
            {"a": {"source": "plc", "node": "A"}, "b": {"words": ["a", "hihg"]}},
            "lines.0.inputs.b.words.1",
            '"hihg" is not an input',
        ),
        (
            {"a": {"source": "plc", "node": "A"}, "b": {"words": ["a", "b"]}},
            "lines.0.inputs.b.words",
            "follows from itself",
        ),
    ],
)
def test_faults_of_inputs_are_sentences_at_their_places(inputs: Mapping[str, Any], where: str, text: str) -> None:
    """What makes no sense is refused when the file is loaded, where it is written."""
    all_faults = faults(inputs)
    assert text in all_faults[where]
    assert len(all_faults) == 1


COUNTED: Mapping[str, Any] = {
    "good": {"source": "plc", "node": "Good", "counter": {}},
    "bit": {"source": "plc", "node": "Bit"},
    "eye": {"source": "plc", "node": "Eye", "edge": "any"},
    "camera": {"source": "mes", "topic": "camera"},
    "fast": {"expr": "bit > 5"},
}


@pytest.mark.parametrize(
    ("entry", "where", "text"),
    [
        ({"count": "bit"}, "count", "edge: rising"),
        ({"count": "fast"}, "count", "is derived"),
        ({"count": "eye.x"}, "count", "has no fields"),
        ({"count": "good", "each": 1}, "each", "factor"),
        ({"count": "camera.n", "each": 1}, "each", "leave out 'each'"),
        ({"count": "good", "of": "batch"}, "", "output belongs to a batch"),
        ({"count": "good", "raw_data": {"n": "{n}", "code": "{codes[bit].nam}"}}, "raw_data.code", 'no column "nam"'),
    ],
)
def test_faults_of_entries_are_sentences_at_their_places(entry: Mapping[str, Any], where: str, text: str) -> None:
    """What cannot be counted is refused when the file is loaded, where it is written."""
    output = {"codes": {1: "Gel"}, "entries": [{"raw_data": {"n": "{n}"}, **entry}]}
    all_faults = faults(COUNTED, run={"key": "bit", "product": "X"}, scrap_yield=output)
    at = f"lines.0.scrap_yield.entries.0.{where}" if where else "lines.0.scrap_yield"
    assert text in all_faults[at]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("c * 0.1", "number"),
        ("c > 5", "truth"),
        ('"PLC " + string(c)', "text"),
        ("c > 5 ? 1 : 2", "number"),
        ("x", None),
    ],
)
def test_the_kind_of_a_result_is_known_where_it_is_always_the_same(source: str, kind: str | None) -> None:
    """So that what is built on it can be checked as well."""
    assert parse_value(source, ["c", "x"], {"c": "number"})[1] == kind


def test_an_expression_is_bounded() -> None:
    """An expression of thousands of characters is refused: each change of an input evaluates it."""
    with pytest.raises(ValueError, match="up to 1000 characters"):
        parse(" || ".join(["a == 1"] * 1000), ["a"])
