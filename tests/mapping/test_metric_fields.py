"""Parts of what a Sparkplug metric holds, as inputs: elements of arrays, members of templates, rows of data sets."""

import pytest

from gateway.config.schema import Line
from gateway.mapping.compile import compile_line
from gateway.mapping.line import LineState, step
from gateway.model import Sample

HELD = {
    "Rejects": [3, 0, 4],
    "Shot": {"Order": "4711", "Times": [0.5, 1.5]},
    "Codes": [{"code": "Gel", "qty": 3}, {"code": "Gauge", "qty": 1}],
}


@pytest.mark.parametrize(
    ("metric", "field", "value"),
    [
        ("Rejects", "[2]", 4),
        ("Rejects", "[-1]", 4),
        ("Rejects", "sum()", 7),
        ("Shot", "Order", "4711"),
        ("Shot", "Times[1]", 1.5),
        ("Shot", "sum(Times)", 2.0),
        ("Codes", "[0].code", "Gel"),
        ("Codes", "sum(qty)", 4),
        ("Rejects", None, [3, 0, 4]),
    ],
)
def test_a_part_of_a_metric_is_an_input(metric: str, field: str | None, value: object) -> None:
    """By the same paths as in JSON messages; one device feeds inputs of several metrics."""
    given = {"source": "floor", "device": "G/E/D", "metric": metric} | ({"field": field} if field else {})
    line = Line.model_validate({"factory": "F", "line": "L", "inputs": {"x": given}})
    plan = compile_line(line, ("lines", 0))
    ((_, address),) = plan.subscriptions
    assert {fed.metric for inputs in plan.subscriptions.values() for fed in inputs} == {metric}
    result = step(plan, LineState(), Sample("floor", address, HELD, 1_800_000_000.0))
    assert result.state.inputs["x"].value == value
    assert not result.notices
