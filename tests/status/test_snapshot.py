"""The JSON of a snapshot."""

import json
import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.status.snapshot import LONGEST_VALUE, InputStatus, LineStatus, Snapshot, to_json
from tests.status.conftest import problem

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda some: st.lists(some, max_size=5) | st.dictionaries(st.text(max_size=5), some, max_size=5),
    max_leaves=20,
)


def strict(text: str) -> Any:
    """What a reader that knows only real JSON makes of `text`."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def only_line(inputs: dict[str, InputStatus]) -> LineStatus:
    return LineStatus("l", "f", "l", None, None, None, None, inputs, {})


def test_the_whole_picture(picture: Snapshot) -> None:
    """Every field of the snapshot is in the JSON under its own name, and `healthy` and `headline` with them."""
    said = strict(to_json(picture))
    assert set(said) == {"healthy", "headline", "problem_details", *Snapshot.__dataclass_fields__}
    assert said["lines"][0] == {
        "key": "Factory A/Line 01",
        "factory": "Factory A",
        "line": "Line 01",
        "oden_id": "5f1c",
        "run": {"name": "4711", "product": "PVC pipe 20 mm", "since": "2026-11-22T06:00:00.000Z"},
        "state": {"category": "Unplanned Downtime", "reason": "Jam", "since": "2026-11-22T07:58:24.500Z"},
        "held": None,
        "inputs": {
            "good": {"value": 65530, "at": "2026-11-22T07:59:59.750Z", "quality": "good"},
            "state": {"value": None, "at": None, "quality": "bad"},
        },
        "without_run": {"scrap": 3},
        "waiting": 5,
        "without_value": [],
        "missed": {},
        "unlearned": {},
        "tone": "stopped",
        "unknown_since": "2026-11-22T07:59:00.000Z",
        "batch": {"name": "4711-2", "since": "2026-11-22T07:00:00.000Z"},
        "totals": [{"of": "RUN", "name": "scrap", "amount": 5, "details": {"Splice": 3, "": 2}}],
        "tones": {"Unplanned Downtime": "stopped"},
        "revision": 0,
        "lateness": {
            "order": {
                "messages": 200,
                "p50": 2.0,
                "p95": 40.0,
                "worst": 61.5,
                "corrections": 7,
                "requests": 14,
                "saved": {"10": 2, "30": 8, "60": 12},
            }
        },
        "corrections": 7,
        "intervals": {"Operator": {"name": "Anna", "since": "2026-11-22T06:00:00.000Z"}},
    }
    assert said["sources"][1]["failed"] == {"a/b": "not authorised"}
    assert said["sources"][1]["since"] is None
    assert said["oden"]["requests"][0] == {"object": "interval", "action": "set", "outcome": "delivered", "count": 40}
    assert said["oden"]["seconds"] == {"bounds": [0.1, 0.5, 1.0], "counts": [5, 30, 6, 1], "sum": 17.25}
    assert said["oden"]["last_error_at"] == "2026-11-22T07:59:30.000Z"
    assert said["outbox"]["oldest_at"] == "2026-11-22T07:58:58.500Z"
    assert said["notices"][0] == {
        "kind": "reject",
        "at": "2026-11-22T07:59:51.000Z",
        "source": "floor",
        "address": "a/b",
        "text": "not JSON",
        "count": 1,
    }
    assert said["dead_letters"][0]["error"] == "400: unknown scrap_code"


def test_healthy_needs_ready_and_no_problem(picture: Snapshot) -> None:
    """One problem, or one loop that does not run yet, and the gateway does not call itself healthy."""
    assert picture.healthy
    assert not replace(picture, ready=False).healthy
    assert not replace(picture, problems=(problem("Oden refuses the token."),)).healthy


def test_the_headline_says_the_worst(picture: Snapshot) -> None:
    """A problem before a hint, a hint before that all is well; a hint leaves the gateway healthy."""
    assert picture.headline == "All is well; 15 records wait for Oden."
    idle = replace(picture, outbox=replace(picture.outbox, records=dict.fromkeys(picture.outbox.records, 0)))
    assert idle.headline == "All is well; nothing waits for Oden."
    hinted = replace(picture, hints=("In the last hour data may have been missed once (gaps).",))
    assert hinted.headline == "Working, but in the last hour data may have been missed once (gaps)."
    assert hinted.healthy
    assert replace(hinted, problems=(problem("Oden refuses the token."),)).headline == "Oden refuses the token."
    was = replace(problem("A task failed."), over=True)
    assert replace(hinted, problems=(was, problem("Line 01 is held."))).headline == "Line 01 is held."
    assert replace(hinted, problems=(was,)).headline == "Working, but lately: A task failed."


def test_an_outbox_that_does_not_drain(picture: Snapshot) -> None:
    """Infinity, which JSON does not have, is null."""
    stuck = replace(picture, outbox=replace(picture.outbox, drain_seconds=math.inf))
    assert strict(to_json(stuck))["outbox"]["drain_seconds"] is None


def test_a_mapping_may_name_its_keys_like_times(picture: Snapshot) -> None:
    """An input, a reason or a tag called `at` or `since` is not taken for a time."""
    odd = replace(picture, lost_total={"since": 3}, lines=(only_line({"at": InputStatus(5, None, "good")}),))
    said = strict(to_json(odd))
    assert said["lost_total"] == {"since": 3}
    assert said["lines"][0]["inputs"]["at"]["value"] == 5


@given(value=ANYTHING, at=st.none() | st.floats())
def test_whatever_a_plc_says_is_shown(picture: Snapshot, value: object, at: float | None) -> None:
    """Any value and any time, also one that is no time, give real JSON of bounded length; numbers stay as they are."""
    odd = replace(picture, lines=(only_line({"x": InputStatus(value, at, "good")}),))
    said = strict(to_json(odd))["lines"][0]["inputs"]["x"]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        assert said["value"] == value
    else:
        assert isinstance(said["value"], str)
        assert len(said["value"]) <= LONGEST_VALUE
    assert said["at"] is None or said["at"].endswith("Z")
