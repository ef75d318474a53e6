"""What a reading costs does not grow with what else its line counts, nor what a late message does with how many come
late together, or with how much is remembered; and a line at rest is not looked through for timers again. Calls are
counted: they are the same on every machine, and each call of the interpreter takes about as long as another. Nor does a
step leave anything in memory that must be looked for.
"""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from gateway.config.schema import Line
from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import due, feed, settled
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Moment, Sample
from tests.mapping.recording import GOLDEN, golden

T0 = 1_767_592_800.0
SECONDS = 20


def counting(number: int) -> LinePlan:
    """A line of which so many counters are told."""
    names = [f"c{place}" for place in range(number)]
    inputs: dict[str, dict[str, Any]] = {
        name: {"source": "plc", "node": f"ns=2;s={name}", "counter": {}} for name in names
    }
    given = {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {**inputs, "order": {"source": "plc", "node": "ns=2;s=Order"}},
        "run": {"key": "order", "product": "Film"},
        "scrap_yield": {"entries": [{"count": name, "raw_data": {"yield": "{n}"}} for name in names]},
    }
    return compile_line(Line.model_validate(given), ("lines", 0))


def calls(run: Callable[[], object]) -> int:
    """How many calls `run` makes."""
    made = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return made


def calls_a_reading(number: int) -> float:
    plan = counting(number)

    def run() -> None:
        line = Feed(LineState())
        for second in range(SECONDS):
            at = T0 + second
            said = [Sample("plc", f"ns=2;s=c{place}", second, at, source_time=at) for place in range(number)]
            line, _ = feed(plan, line, Moment((*said, Sample("plc", "ns=2;s=Order", "4711", at, source_time=at))))

    return calls(run) / (number * SECONDS)


def test_a_line_with_many_counters() -> None:
    """A reading of one counter among two hundred costs what one among twenty does."""
    assert calls_a_reading(200) < 1.5 * calls_a_reading(20)


def calls_a_late_message(number: int) -> float:
    """What each of so many messages costs that come late, in the wrong order, and are put in their places together."""
    plan = of_messages()
    said = [T0 + 1 + place * 7 % number / number * 50 for place in range(number)]
    late = [Sample("mes", f"m{place % 20}", {"n": at - T0, "at": at}, T0 + 60) for place, at in enumerate(said)]

    def run() -> None:
        line, _ = feed(plan, Feed(LineState()), Sample("mes", "m0", {"n": 0, "at": T0}, T0))
        line, _ = feed(plan, line, Sample("mes", "m1", {"n": 1, "at": T0 + 55}, T0 + 55))
        for each in late:
            line, _ = feed(plan, line, each)
        assert len(line.late) == number
        at_once(settled(plan, line))

    return calls(run) / number


def of_messages() -> LinePlan:
    names = [f"m{place}" for place in range(20)]
    inputs: dict[str, dict[str, Any]] = {
        name: {"source": "mes", "topic": name, "field": "n", "time": "at"} for name in names
    }
    run = {"key": "m0", "product": "Film"}
    return compile_line(Line.model_validate({"factory": "F", "line": "L", "inputs": inputs, "run": run}), ())


def test_many_messages_that_come_late() -> None:
    """One among six hundred costs what one among a hundred and fifty does."""
    assert calls_a_late_message(601) < 1.5 * calls_a_late_message(151)


def calls_to_find_repeats(remembered: int) -> float:
    """What each of a hundred late messages costs on a topic of which so many are remembered; from where they belong,
    two hundred others are taken again."""
    plan = of_messages()
    said = [T0 + 1 + place / 10 for place in range(remembered)]
    late = [Sample("mes", "m1", {"n": -1, "at": said[-200] + place / 1000}, said[-1] + 2) for place in range(100)]
    line = Feed(LineState())
    for place, at in enumerate(said):
        line, _ = feed(plan, line, Sample("mes", "m1", {"n": place, "at": at}, at))
    for each in late:
        line, _ = feed(plan, line, each)
    return calls(lambda: at_once(settled(plan, line))) / len(late)


def test_messages_that_come_late_on_a_topic_that_says_a_lot() -> None:
    """One where two thousand are remembered costs what one where five hundred are does."""
    assert calls_to_find_repeats(2000) < 1.5 * calls_to_find_repeats(500)


def test_a_line_at_rest_is_looked_through_once() -> None:
    """After a reading it is known when the next timer fires: asking for that, and a reading before then, look through
    the line no more."""
    plan = counting(20)
    line, _ = feed(plan, Feed(LineState()), Sample("plc", "ns=2;s=c0", 1, T0, source_time=T0))
    unknown = Feed(line.state, line.plan)
    assert due(plan, unknown) == due(plan, line)
    assert calls(lambda: due(plan, line)) < calls(lambda: due(plan, unknown)) / 4


def test_a_step_leaves_nothing_that_refers_to_itself() -> None:
    """All that a step has made, and that is not the line's state, is gone when it returns: whatever the line has."""
    recordings = [golden(folder) for folder in sorted(GOLDEN.iterdir())]
    gc.collect()
    gc.disable()
    try:
        for plan, events in recordings:
            line = Feed(LineState())
            for event in events:
                line, _ = feed(plan, line, event)
                due(plan, Feed(line.state))
        assert gc.collect() == 0
    finally:
        gc.enable()
