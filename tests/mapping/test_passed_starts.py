"""Intervals inside runs that were over before it was known which run is on."""

import pytest

from gateway.config.schema import Line
from gateway.mapping.compile import compile_line
from gateway.mapping.passed_starts import MOST_PASSED
from gateway.mapping.times import clock
from gateway.model import StartInterval
from tests.mapping.recording import T0, fed, message, tick

LINE = {
    "factory": "F",
    "line": "L",
    "inputs": {
        "order": {"source": "mes", "topic": "o", "field": "number"},
        "op": {"source": "mes", "topic": "p", "field": "who"},
    },
    "run": {"key": "order", "product": "P", "settle": "1h"},
    "intervals": [{"type": "Operator", "key": "op", "name": "{op}", "settle": "0s", "inside_run": True}],
}


@pytest.mark.parametrize("changes", [MOST_PASSED, MOST_PASSED + 3])
def test_p12_more_than_are_remembered_while_the_order_settles_are_listed(changes: int) -> None:
    """What is forgotten is named with its time, each once."""
    line = compile_line(Line.model_validate(LINE), ("lines", 0))
    said = [message(10.0, "o", {"number": "A"})]
    said += [message(20.0 + 10 * number, "p", {"who": f"W{number}"}) for number in range(changes + 1)]
    played = fed(line, *said, tick(8000.0), ticks=True)
    told = [one.name for one in played.records if isinstance(one, StartInterval) and one.type == "Operator"]
    gaps = [notice.text for notice in played.notices if notice.kind == "gap"]
    lost = changes - MOST_PASSED
    assert told == [f"W{number}" for number in range(lost, changes + 1)]
    assert [text.split(",")[0] for text in gaps] == [
        f"operator W{number} from {clock(begun)} to {clock(begun + 10)} is not reported"
        for number, begun in ((number, T0 + 20 + 10 * number) for number in range(lost))
    ]
