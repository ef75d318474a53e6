"""What several tags of one server decide, which it looks at one by one: for how long it must be so where nothing is
said of that, and that no contradiction of a moment becomes a state or ends a run."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.config.schema_base import Watched
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.intervals import ByCondition
from gateway.mapping.line import dump, load
from gateway.mapping.sampled import NOT_WATCHED, Watching
from gateway.model import Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, fed, play, tag, tick

WATCHING = {"plc": Watched(0.05, 0.25), "robot": Watched(0.5, 1.0), "hasty": Watched(0.0, 0.1)}
INPUTS: dict[str, Any] = {
    "a": {"source": "plc", "node": "A"},
    "b": {"source": "plc", "node": "B"},
    "slow": {"source": "plc", "node": "Slow", "sampling": "2s", "publishing_interval": "3s"},
    "third": {"source": "robot", "node": "Third"},
    "one": {"source": "hasty", "node": "One"},
    "two": {"source": "hasty", "node": "Two"},
    "order": {"source": "mes", "topic": "o", "field": "number"},
    "both": {"expr": "a && b"},
    "high": {"source": "plc", "node": "High"},
    "low": {"source": "plc", "node": "Low"},
    "word": {"words": ["high", "low"]},
    "why": {"source": "plc", "node": "Why"},
}


def line(watching: Watching = WATCHING, **sections: Any) -> LinePlan:
    given = {"factory": "F", "line": "L", "inputs": INPUTS, **sections}
    return compile_line(Line.model_validate(given), ("lines", 0), watching=watching)


def states(when: str, **more: Any) -> dict[str, Any]:
    return {"states": {"ladder": [{"when": when, "category": "Up"}], "other": {"category": "Down"}, **more}}


def codes(**code: str) -> dict[str, Any]:
    return {"states": {"input": "a", "codes": {1: {"category": "Up", **code}}}}


@pytest.mark.parametrize(
    ("sections", "hold", "wait"),
    [
        (states("a && b"), 0.05, 0.3),
        (states("a"), 0.0, 0.0),  # one tag contradicts nothing
        (states("a && third"), 0.0, 0.0),  # of two servers
        (states("a && order == ''"), 0.0, 0.0),  # a message comes whole
        (states("a && third && b"), 0.05, 0.3),  # only the server counts that has several of them
        (states("a && slow"), 2.0, 5.0),  # the longest of them
        (states("both"), 0.05, 0.3),  # what follows from others
        (states("word == 3"), 0.05, 0.3),
        (states("one && two"), 0.0, 0.0),  # how fast it looks at them is not known
        (states("a && b", hold="0s"), 0.0, 0.0),  # what is written counts
        (states("a && b", hold="2s"), 2.0, 2.0),
        (states("a && slow", short_stops={"under": "2s", "during": ["Up"]}), 0.0, 0.0),
        (codes(), 0.0, 0.0),
        (codes(reason="{why}"), 0.05, 0.3),  # another reason is another state
        (codes(comment="{why}"), 0.0, 0.0),
        ({"states": {"preset": "packml", "input": "a", "mode": "b"}}, 0.05, 0.3),
    ],
)
def test_for_how_long_a_state_must_be_on(sections: dict[str, Any], hold: float, wait: float) -> None:
    plan = line(**sections)
    assert plan.states is not None
    assert (plan.states.hold, plan.states.wait) == (hold, wait)


def test_for_how_long_what_begins_and_ends_a_run_must_hold() -> None:
    run = {"start": {"when": "a && b"}, "end": {"when": "!a && !b", "for": "0s"}, "product": "P"}
    plan = line(run=run).run
    assert plan is not None
    assert isinstance(plan.start, ByCondition)
    assert isinstance(plan.end, ByCondition)
    assert (plan.start.hold, plan.start.wait, plan.end.hold) == (0.05, 0.3, 0.0)


def test_only_where_it_counts_otherwise_is_the_plan_another() -> None:
    """So no line begins its trail anew for a server's sampling that changes nothing of it."""
    for sections in (states("a"), states("a && b", hold="1s"), {"run": {"key": "order", "product": "P"}}):
        assert line(**sections).digest == line(NOT_WATCHED, **sections).digest
    faster = {**WATCHING, "plc": Watched(0.02, 0.25)}
    seldom = {**WATCHING, "plc": Watched(0.05, 5.0)}
    digests = {line(watching, **states("a && b")).digest for watching in (NOT_WATCHED, WATCHING, faster, seldom)}
    assert len(digests) == 4


def test_p13_where_a_line_stands_among_others_makes_no_other_plan() -> None:
    """Another line above it does not let its trail begin anew."""
    given = Line.model_validate({"factory": "F", "line": "L", "inputs": INPUTS, **states("a && b")})
    first, second = (compile_line(given, ("lines", index), watching=WATCHING) for index in (0, 1))
    assert first.held
    assert (first.held, first.digest) == (second.held, second.digest)


def test_what_an_earlier_version_remembered_goes_on() -> None:
    """A state that was about to be told at once by what counted then."""
    before, now = line(NOT_WATCHED, **states("a && b")), line(**states("a && b"))
    stored = dump(play(before, tag(0, "A", True), tag(0, "B", True), tag(50, "A", False)).state)
    played = play(now, tag(50.04, "A", True), tag(60, "A", False), tick(100), state=load(now, stored))
    assert played.texts[-2:] == ["end STATE 2 at 60", "start STATE 3 at 60: Down"]


# The law


STATION: dict[str, Any] = {
    **states("a && !b"),
    "run": {"start": {"when": "a || b"}, "end": {"when": "!a && !b"}, "product": "P", "settle": "0s"},
}
STATION["states"]["ladder"].append({"when": "b", "category": "Jam"})
TOGETHER, ONE_BY_ONE = line(NOT_WATCHED, **STATION), line(**STATION)
Scan = tuple[int, tuple[bool, bool], tuple[int, int], int]
"""After how many seconds the machine is otherwise, what the tags are then, how many milliseconds later the server looks
at each, and how many later it reports."""
SCANS = st.lists(
    st.tuples(
        st.integers(2, 9),
        st.tuples(st.booleans(), st.booleans()),
        st.tuples(st.integers(0, 49), st.integers(0, 49)),
        st.integers(0, 249),
    ),
    min_size=1,
    max_size=12,
)


def seen(scans: Sequence[Scan], *, one_by_one: bool) -> list[Sample]:
    """The values as they come: each tag when it was looked at, with the report after that; or all when they were so."""
    known: tuple[bool | None, bool | None] = (None, None)
    at, samples = 0, list[Sample]()
    for after, values, lags, phase in scans:
        at += after * 1000
        for node, value, old, lag in zip("AB", values, known, lags, strict=True):
            if value == old:
                continue
            source = at + lag if one_by_one else at
            report = math.ceil((source - phase) / 250) * 250 + phase if one_by_one else at
            samples.append(tag(report / 1000, node, value, source=source / 1000))
        known = values
    return sorted(samples, key=lambda sample: (sample.received, sample.source_time or 0.0))


def told(plan: LinePlan, scans: Sequence[Scan], *, one_by_one: bool) -> list[tuple[str, str, str, int]]:
    records = fed(plan, *seen(scans, one_by_one=one_by_one), tick(200), ticks=True).records
    return [
        ("start", record.type, str(record.metadata.get("category", "")), record.start - int(T0))
        if isinstance(record, StartInterval)
        else ("end", record.type, "", (record.end or 0) - int(T0))
        for record in records
        if isinstance(record, StartInterval | UpdateInterval)
    ]


@examples(60)
@given(SCANS)
def test_p13_tags_that_are_looked_at_one_by_one_tell_what_they_tell_together(scans: Sequence[Scan]) -> None:
    """Whenever in its interval the server looks at each, and however its reports cut that."""
    of_one_moment = sorted(told(TOGETHER, scans, one_by_one=False))
    assert sorted(told(ONE_BY_ONE, scans, one_by_one=True)) == of_one_moment
