"""The request budget that `check` prints: sums by hand, for lines whose needs can be told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.check import HourlyRequests, hourly_requests, request_budget
from gateway.config.schema import Line
from tests.config.command import GOOD, check, written

INPUTS = {
    "state": {"source": "plc", "node": "State"},
    "order": {"source": "plc", "node": "Order"},
    "good": {"source": "plc", "node": "Good", "counter": {"max_rate": "2/s"}},
    "bad": {"source": "plc", "node": "Bad", "counter": {}},
}
RUN = {"key": "order", "product": "P"}
CODES = {"input": "state", "codes": {1: {"category": "Uptime"}}}
SHIFTS = {"zone": "UTC", "shifts": [{"name": str(n), "from": f"{n:02}:00", "to": f"{n + 1:02}:00"} for n in range(12)]}
YIELD = {"count": "good", "raw_data": {"yield": "{n}"}}
SCRAP = {"count": "bad", "raw_data": {"scrap": "{n}", "scrap_code": "Auto"}}
JAM = {"count": "bad", "raw_data": {"scrap": "{n}", "scrap_code": "Jam"}}


def line(**sections: Any) -> Line:
    return Line.model_validate({"factory": "F", "line": "L", "inputs": INPUTS, **sections})


@pytest.mark.parametrize(
    ("sections", "sent", "least"),
    [
        ({"run": RUN}, 2, 1),  # start and end
        ({"states": CODES}, 60, 30),
        ({"run": RUN, "batches": {"every": 600, "count": "good"}}, 2 + 24, 1 + 12),
        ({"intervals": [{"type": "Shift", "calendar": SHIFTS}]}, 1, 0.5),
        ({"run": RUN, "scrap_yield": {"entries": [YIELD]}}, 62, 5),
        ({"run": RUN, "scrap_yield": {"every": "30m", "entries": [YIELD]}}, 4, 3),
        ({"run": RUN, "scrap_yield": {"entries": [YIELD, SCRAP]}}, 62, 5),  # share one raw_data
        ({"run": RUN, "scrap_yield": {"entries": [YIELD, SCRAP, JAM]}}, 122, 9),
        ({"run": RUN, "scrap_yield": {"entries": [YIELD, YIELD | {"factor": -1}]}}, 62, 5),  # one sum
        ({"rules": [{"set": "product_mapping", "product": "{order}"}]}, 1, 1),
    ],
)
def test_what_a_line_needs(sections: dict[str, Any], sent: float, least: float) -> None:
    """Requests an hour with output merged over 15 minutes, as summed by hand."""
    assert hourly_requests(line(**sections), 900.0) == HourlyRequests(sent, least)


def test_too_much_is_said() -> None:
    """What fits, what fits when it is merged, and what does not fit whatever is done: three different sentences."""
    assert len(list(request_budget([HourlyRequests(100, 40)], 1.0))) == 1
    assert "40 an hour suffice" in list(request_budget([HourlyRequests(100, 40)], 0.02))[1]
    assert "That is too many" in list(request_budget([HourlyRequests(100, 40)] * 100, 1.0))[1]


def test_check_says_it(tmp_path: Path) -> None:
    """The sum stands above the lines, the share of each line with it; a slower rate counts."""
    slow = written(tmp_path / "a", GOOD.replace("oden:", "oden:\n  rate: 0.02/s", 1))
    answer = check(slow)
    assert answer.code == 0, answer.problems
    assert "of the 72 that Oden may be sent" in answer.output
    assert "suffice" in answer.output


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("", ["is not stated (`broker_queue`)", "mosquitto keeps 1,000 unless told", "16 min 40 s at one a second"]),
        ("broker_queue: 7200, ", ["keeps 7,200 messages", "2 h at one a second", "5 d at one a minute"]),
    ],
)
def test_check_says_how_long_a_broker_keeps_what_comes(stated: str, told: list[str], tmp_path: Path) -> None:
    """While the gateway is away; a broker with less room drops what comes then without a word."""
    answer = check(written(tmp_path, GOOD.replace("type: mqtt, ", f"type: mqtt, {stated}", 1)))
    assert answer.code == 0, answer.problems
    assert [text for text in told if text not in " ".join(answer.output.split())] == []


def test_check_says_for_how_long_what_several_tags_decide_must_be_so(tmp_path: Path) -> None:
    """Per line, or once for those that are alike; a line whose server looks more seldom is not alike. What is written
    counts, and nothing more is said of that."""
    content = """
oden: {token: "${secret:oden_token}"}
sources:
  quick: {type: opcua, url: "opc.tcp://a:4840"}
  slow: {type: opcua, url: "opc.tcp://b:4840", sampling: 1s}
templates:
  station:
    inputs:
      running: {source: "${plc}", node: ns=2;s=Running}
      jammed: {source: "${plc}", node: ns=2;s=Jammed}
    run: {start: {when: running}, end: {when: "!running && !jammed"}, product: P}
    states:
      ladder: [{when: "running && !jammed", category: Uptime}]
      other: {category: Unplanned Downtime}
lines:
  - {factory: F, line: L1, use: station, with: {plc: quick}}
  - {factory: F, line: L2, use: station, with: {plc: quick}}
  - {factory: F, line: L3, use: station, with: {plc: slow}}
  - {factory: F, line: L4, use: station, with: {plc: slow}, states: {hold: 0s}}
"""
    path = written(tmp_path / "a", content)
    answer = check(path)
    assert answer.code == 0, answer.problems
    parts = re.split(r"\n\n(?=L\d)", answer.output)[1:]
    assert [part.partition(" of F:")[0] for part in parts] == ["L1 and L2", "L3", "L4"]
    why = "because a server looks at its tags one by one and several decide"
    state, end = f"A state that lasts less than {{}} is not sent, {why}", f"What ends a run must hold for {{}}, {why}"
    for part, span in zip(parts, ("50 ms", "1 s", "1 s"), strict=True):
        assert part.count(end.format(span)) == 1
        assert part.count(state.format(span)) == (not part.startswith("L4"))
        assert "What begins a run" not in part
    does = [line["does"] for line in json.loads(check(path, "--json").output)["lines"]]
    assert [any(state.format("50 ms") in sentence for sentence in each) for each in does] == [True, True, False, False]
