"""Fields of messages: elements and sums of arrays, and amounts and factors that a message says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.addresses import SUM, path_of, written_path
from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import compile_line
from gateway.mapping.line import LineState, Tick, step
from gateway.mapping.values import ABSENT, find
from gateway.model import Moment, Output, Sample

NOW = 1_800_000_000.0
SHOT = {"rejects": [3, 0, 4], "cavities": 8, "parts": [{"qty": 1}, {"qty": 2.5}], "deep": [[1, 2], [3]], "no": None}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("cavities", ("cavities",), 8),
        ("rejects[2]", ("rejects", "[2]"), 4),
        ("rejects[-1]", ("rejects", "[-1]"), 4),
        ("rejects[3]", ("rejects", "[3]"), ABSENT),
        ("cavities[0]", ("cavities", "[0]"), ABSENT),
        ("parts[1].qty", ("parts", "[1]", "qty"), 2.5),
        ("deep[0][1]", ("deep", "[0]", "[1]"), 2),
        ("no[0]", ("no", "[0]"), None),
        ("sum(rejects)", (SUM, "rejects"), 7),
        ("sum(parts.qty)", (SUM, "parts", "qty"), 3.5),
        ("sum(parts[0].qty)", (SUM, "parts", "[0]", "qty"), 1),
        ("sum(deep[0])", (SUM, "deep", "[0]"), 3),
        ("sum(cavities)", (SUM, "cavities"), 8),
        ("sum(nothing)", (SUM, "nothing"), ABSENT),
        ("sum(no)", (SUM, "no"), None),
        ("sum(parts.scrap)", (SUM, "parts", "scrap"), [None, None]),
        ("sum(parts)", (SUM, "parts"), SHOT["parts"]),
        ("Speed [rpm]", ("Speed [rpm]",), ABSENT),
    ],
)
def test_a_field_of_a_message(text: str, path: tuple[str, ...], value: object) -> None:
    """What it says, or that it is not there; a sum of what are not all numbers is none."""
    assert path_of(text) == path
    assert find(SHOT, path) == value
    assert written_path(path) == text


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    """Nothing else is raised, and any path finds something or nothing."""
    try:
        path = path_of(text)
    except ValueError:
        return
    find(SHOT, path)


def line(count: str, **entry: Any) -> Line:
    return Line.model_validate(
        {
            "factory": "Factory A",
            "line": "Line 01",
            "inputs": {
                "shot": {"source": "floor", "topic": "shot"},
                "cavities": {"source": "floor", "topic": "mould", "field": "cavities"},
                "order": {"source": "floor", "topic": "order", "field": "number"},
            },
            "run": {"key": "order", "product": "P", "settle": "0s"},
            "scrap_yield": {"every": "1s", "entries": [{"count": count, "raw_data": {"scrap": "{n}"}, **entry}]},
        }
    )


def counted(count: str, *messages: tuple[str, object], **entry: Any) -> tuple[float, list[str], int]:
    """What is told of `messages` in a run; the rejects, and how many of the messages were of no use at all."""
    plan = compile_line(line(count, **entry), ("lines", 0))
    state, made, rejects, refused = LineState(), 0.0, list[str](), 0
    events = [("order", {"number": "A"}), *messages]
    for place, (topic, value) in enumerate(events):
        result = step(plan, state, Moment((Sample("floor", topic, value, NOW + place),)))
        state, refused = result.state, refused + len(result.refused)
        rejects += [notice.text for notice in result.notices if notice.kind == "reject"]
        made += sum(float(str(r.raw_data["scrap"])) for r in result.records if isinstance(r, Output))
    result = step(plan, state, Tick(NOW + 100))
    made += sum(float(str(r.raw_data["scrap"])) for r in result.records if isinstance(r, Output))
    return made, rejects, refused


def test_an_element_or_the_sum_is_counted() -> None:
    """Of each message."""
    assert counted("shot.rejects[2]", ("shot", SHOT), ("shot", SHOT)) == (8, [], 0)
    assert counted("sum(shot.rejects)", ("shot", SHOT)) == (7, [], 0)
    assert counted("sum(shot)", ("shot", [1, 2, 3])) == (6, [], 0)


def test_what_is_no_amount_is_a_reject() -> None:
    """Also null, and a sum of which a part is none; a field that is not there is nothing that was made."""
    made, rejects, refused = counted("shot.qty", ("shot", {"qty": None}), ("shot", {}), ("shot", {"qty": 2}))
    assert (made, refused) == (2, 1)
    assert rejects == ['shot.qty is not a number, so nothing is counted: {"qty": null}']
    made, rejects, refused = counted("sum(shot.rejects)", ("shot", {"rejects": [1, "x"]}), ("shot", SHOT))
    assert (made, refused, len(rejects)) == (7, 1, 1)
    assert rejects[0].startswith("sum(shot.rejects) is not a number")


def test_the_message_says_the_factor() -> None:
    """The one of the message itself, or of another input; unknown, nothing is counted, and it can be replayed."""
    messages = (("shot", {"n": 2, "cavities": 8}), ("shot", {"n": 2, "cavities": "4"}))
    assert counted("shot.n", *messages, factor="{shot.cavities}") == (24, [], 0)
    made, rejects, refused = counted("shot.n", ("shot", {"n": 2}), factor="{cavities}")
    assert (made, refused) == (0, 1)
    assert rejects == ["shot is not counted: cavities is not known"]
    assert counted("shot.n", ("mould", {"cavities": 4}), ("shot", {"n": 2}), factor="{cavities}") == (8, [], 0)
    made, rejects, _ = counted("shot.n", ("shot", {"n": 2, "cavities": 10**7}), factor="{shot.cavities}")
    assert (made, rejects) == (0, ["shot is not counted: shot.cavities is 10000000, which is no factor"])


@pytest.mark.parametrize("factor", ["8", "{shot.cavities} x", "{shots.cavities}", "{shot.cavities"])
def test_a_factor_that_is_none_is_refused(factor: str) -> None:
    """Where the configuration is read."""
    with pytest.raises(InvalidConfig):
        compile_line(line("shot.n", factor=factor), ("lines", 0))
