"""Conditions in CEL."""

import subprocess
import sys
from typing import Any

import pytest

from gateway.mapping.expressions import FUNCTIONS, ExpressionError, parse
from tests.peers import PATIENCE

INPUTS = ("state", "speed", "scrap", "name")


@pytest.mark.parametrize(
    ("source", "values", "holds"),
    [
        ("state == 0", {"state": 0}, True),
        ("state == 0", {"state": 0.0}, True),
        ("state == 0", {"state": 3}, False),
        ("state == 0", {"state": "off"}, False),
        ("state == 0", {"state": None}, None),
        ("state < 1", {"state": "off"}, None),
        ("state < 1", {"state": {"a": 1}}, None),
        ("state % 0 == 1", {"state": 1}, None),
        ("speed * 2 > 10", {"speed": 5.5}, True),
        ("speed * 0.5 > 2.4", {"speed": 5}, True),
        ("state / 2 == 2.5", {"state": 5}, True),
        ("state % 2 == 1 && state * 2 > 5", {"state": 3}, True),
        ('name + "2" == "12"', {"name": "1"}, True),
        ("size(name) + 1 == 3", {"name": "12"}, True),
        ("scrap.qty * 2 > 5 && has(scrap.code)", {"scrap": {"qty": 3, "code": "x"}}, True),
        ("scrap.by.name.contains(name)", {"scrap": {"by": {"name": "Ann"}}, "name": "A"}, True),
        ('scrap["code"] == "x"', {"scrap": {"code": "x"}}, True),
        ('scrap.code == "scrap.qty 5"', {"scrap": {"code": "scrap.qty 5"}}, True),
        ("speed < 0.5 || state in [0, 4]", {"speed": 2.5, "state": 4}, True),
        ('scrap.code == "Splice"', {"scrap": {"code": "Splice"}}, True),
        ('scrap.code == "Splice"', {"scrap": {}}, None),
        ('scrap.code == "Splice"', {"scrap": 5}, None),
        ("has(scrap.code)", {"scrap": {}}, False),
        ('name.startsWith("X")', {"name": "X1"}, True),
        ("state", {"state": True}, True),
        ("state", {"state": 5}, None),
        ("state == 18446744073709551615u", {"state": 2**64 - 1}, True),
    ],
)
def test_holds(source: str, values: dict[str, Any], holds: bool | None) -> None:
    """True, false, or not known: without a value, or where operands do not fit together."""
    assert parse(source, INPUTS).holds(values) is holds


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("state ==", "something is missing at the end"),
        ("state = 0", 'write "=="'),
        ("", "nothing is written here"),
        ("stat == 0", '"stat" is not an input of this line; its inputs are: name, scrap, speed, state'),
        ("state == 0 && foo(state)", 'there is no function "foo"'),
        ("Bit(state, 3)", "did you mean 'bit'?"),
        ("timestamp(state) > timestamp(0)", 'there is no function "timestamp"'),
        ("1 == 1", "names no input"),
        ("state + 1", "never true or false"),
        ("size(name)", "never true or false"),
    ],
)
def test_faults_are_sentences(source: str, problem: str) -> None:
    """What can never be a condition is refused when it is compiled, with what is wrong and where."""
    with pytest.raises(ValueError, match=r"input|expression|function|never") as caught:
        parse(source, INPUTS)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        (
            "stat = 0 and sped > 0,5",
            ('6: write "=="', '10: write "&&"', "21: write the number", '1: "stat" is', '14: "sped" is'),
        ),
        ("not stat", ('1: write "!"', '"stat" is not an input')),
        ("if(speeed, 1, 0)", ('for "if"', '"speeed" is not an input')),
        ("xyz == 1 or state == 2", ('for "or"', '"xyz" is not an input')),
        ("speed > 5 m/s", ("without its unit",)),
        ("state == 'Stat and nam", ("never closed",)),
        ("state in 1", ('after "in" comes a list',)),
        ("NULL = nam", ('write "=="', '"nam" is not an input')),
        ("state between 1 and 5 )", ('for "between"',)),
        ("state = 1 && 5 < speed < 10", ('write "=="', "two can be compared at a time")),
        ("state = 1 && speed = 5", ('7 and 20: write "=="',)),
        ("infed = 1", ('7: write "=="', '"infed" is not an input')),
        ("speed greater than or equal to 5", ('write ">="',)),
        ("speed kleiner oder gleich 5", ('write "<="',)),
        ("state is not 1", ('write "!="',)),
        ("state in (1,2)", ("brackets",)),
        ("state in [1,2 and speed > 1", ("a ']' is missing", 'write "&&"')),
        ("speed > 1,000,000", ("between its thousands",)),
    ],
)
def test_all_that_is_wrong_with_an_expression_is_told_at_once(source: str, problems: tuple[str, ...]) -> None:
    """Each sign of another language, and each name that is none, also where the expression cannot be read."""
    with pytest.raises(ExpressionError) as caught:
        parse(source, INPUTS)
    faults = [(fault.at, fault.text.removeprefix("this is not an expression: ")) for fault in caught.value.faults]
    messages = [f"{' and '.join(str(at + 1) for at in places)}: {text}" for places, text in faults]
    assert all(any(problem in text for text in messages) for problem in problems), messages
    assert len(messages) == len(problems)


def test_what_can_never_hold_hides_nothing() -> None:
    """Neither an unknown name, nor what makes no expression of it."""
    with pytest.raises(ExpressionError) as caught:
        parse("state == null and sped > 5 and bit(state, 99)", INPUTS)
    messages = [fault.text for fault in caught.value.faults]
    assert len(messages) == 4
    for problem in ("can never hold", "no bit 99", 'write "&&"', '"sped" is not an input'):
        assert any(problem in text for text in messages)


@pytest.mark.parametrize(
    "call",
    [
        'name.contains("1")',
        "double(name) > 1.0",
        'name.endsWith("2")',
        "int(name) == 12",
        'name.matches("1+")',
        "size(name) == 2",
        'name.startsWith("1")',
        'string(state) == "1"',
        "uint(state) == 1u",
    ],
)
def test_functions_work(call: str) -> None:
    """The functions that are let in exist and do what their names say."""
    assert any(function in call for function in FUNCTIONS)
    assert parse(call, INPUTS).holds({"name": "12", "state": 1}) is True


def test_cel_is_loaded_only_for_an_expression() -> None:
    """A configuration without expressions does not pay the memory of the CEL library."""
    program = (
        "import sys, gateway.mapping.line\n"
        "assert 'cel' not in sys.modules\n"
        "from gateway.mapping.expressions import parse\n"
        "parse('a == 1', ['a'])\n"
        "assert 'cel' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)
