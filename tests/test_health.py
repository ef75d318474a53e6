"""The registry of problems, and the health that follows from it."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health import (
    KINDS,
    MOST_NOTED,
    OVER,
    PATIENCE,
    SHOWN_FOR,
    Condition,
    FlowHealth,
    Health,
    KindName,
    Problem,
    Problems,
    health,
)
from gateway.status import findings
from gateway.ways import BY_SYSTEMD


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def slept(self) -> float:
        return 0.0


def texts(problems: Problems) -> list[str]:
    return [problem.text for problem in problems.current()]


def test_what_is_observed_lasts_from_its_beginning_to_its_end() -> None:
    """`since` is when it was first seen, though its words change; what is no longer observed is over."""
    clock = Clock()
    problems = Problems(clock)
    problems.set_conditions([Condition("source_away", "floor", "refused"), Condition("source_away", "plc", "silent")])
    begun = clock.at
    clock.at += 30
    problems.set_conditions([Condition("source_away", "floor", "timed out")])
    assert problems.current() == (Problem("source_away", "floor", begun, "timed out", BY_SYSTEMD.log),)
    problems.set_conditions([])
    assert problems.current() == ()


def test_what_happened_is_shown_for_an_hour() -> None:
    """The newest word of a kind and object counts; one that is also observed is shown once."""
    clock = Clock()
    problems = Problems(clock)
    problems.note("task_failed", "page", "first")
    problems.note("task_failed", "page", "second")
    problems.note("clock_set", "", "set back")
    assert texts(problems) == ["second", "set back"]
    problems.set_conditions([Condition("clock_set", "", "is set back")])
    assert texts(problems) == ["second", "is set back"]
    problems.set_conditions([])
    clock.at += SHOWN_FOR + 1
    assert texts(problems) == []


def test_what_happened_once_is_over_after_a_minute() -> None:
    """Where it happens again and again it goes on; what is observed is never over."""
    clock = Clock()
    problems = Problems(clock)
    problems.set_conditions([Condition("source_away", "plc", "silent")])
    problems.note("clock_set", "", "set")
    assert [problem.over for problem in problems.current()] == [False, False]
    clock.at += OVER + 1
    assert [problem.over for problem in problems.current()] == [False, True]
    problems.note("clock_set", "", "set again")
    assert [problem.over for problem in problems.current()] == [False, False]


def test_p12_the_registry_is_bounded() -> None:
    """However many things happen, the newest are remembered."""
    problems = Problems(Clock())
    for number in range(2 * MOST_NOTED):
        problems.note("task_failed", f"task {number}", str(number))
    assert texts(problems) == [str(number) for number in range(MOST_NOTED, 2 * MOST_NOTED)]


CONDITIONS = st.lists(st.builds(Condition, st.sampled_from(sorted(KINDS)), st.sampled_from("ab"), st.text(max_size=3)))


@given(CONDITIONS)
def test_the_gravest_comes_first_and_decides(conditions: list[Condition]) -> None:
    """The order is that of the table, in which what stops a flow goes before what does not, so that the headline tells
    it; a flow that is stopped is never `yes`, one that nothing stops always is."""
    problems = Problems(Clock())
    problems.set_conditions(conditions)
    current = problems.current()
    order = list(get_args(KindName))
    ranks = [(order.index(problem.kind), problem.since) for problem in current]
    assert ranks == sorted(ranks)
    stopping = [bool(KINDS[problem.kind].stops) for problem in current]
    assert stopping == sorted(stopping, reverse=True)
    result = health(current)
    for flow, state in (("taking_in", result.taking_in), ("delivering", result.delivering)):
        kinds = [KINDS[condition.kind] for condition in conditions if flow in KINDS[condition.kind].stops]
        if not kinds:
            assert state == FlowHealth("yes")
        else:
            assert state.state == ("waiting" if all(kind.by_design for kind in kinds) else "no")
            assert state.because in [condition.text for condition in conditions]
            assert state.since is not None


@given(CONDITIONS, st.floats(0, 2 * PATIENCE))
def test_a_wait_is_as_long_as_nothing_was_delivered(conditions: list[Condition], seconds: float) -> None:
    """Whatever reasons have come and gone meanwhile; what is taken in, and what works, has nothing to do with it."""
    clock = Clock()
    problems = Problems(clock)
    problems.set_conditions(conditions)
    current, since = problems.current(), clock.at - seconds
    told = health(current, since)
    assert told.taking_in == health(current).taking_in
    assert replace(told.delivering, since=None) == replace(health(current).delivering, since=None)
    assert told.delivering.since == (None if told.delivering.state == "yes" else since)


@pytest.mark.parametrize(
    ("kind", "taking_in", "delivering"),
    [
        ("outbox_full", "waiting", "yes"),
        ("outbox_unwritable", "no", "yes"),
        ("clock_wrong", "waiting", "waiting"),
        ("oden_refuses", "yes", "no"),
        ("oden_held", "yes", "waiting"),
        ("oden_silent", "yes", "waiting"),
        ("sources_away", "waiting", "yes"),
        ("not_turning", "no", "no"),
        ("source_away", "yes", "yes"),
        ("dead_letters", "yes", "yes"),
    ],
)
def test_what_each_problem_stops(kind: KindName, taking_in: str, delivering: str) -> None:
    """The right-hand side of the table, for the kinds that stop something and some that do not."""
    result = health([Problem(kind, "", 0.0, "why", "")])
    assert isinstance(result, Health)
    assert (result.taking_in.state, result.delivering.state) == (taking_in, delivering)


@pytest.mark.parametrize(
    ("kind", "after", "ready"),
    [
        ("oden_held", PATIENCE - 1, True),
        ("oden_held", PATIENCE, False),
        ("oden_silent", PATIENCE - 1, True),
        ("oden_silent", PATIENCE, False),
        ("delivery_failing", 0, False),
        ("oden_refuses", 0, False),
        ("outbox_full", 0, False),
        ("outbox_unwritable", 0, False),
        ("clock_wrong", 0, False),
        ("sources_away", 0, False),
        ("source_away", 86_400, True),
        ("line_held", 86_400, True),
        ("dead_letters", 86_400, True),
        ("not_turning", 0, False),
    ],
)
def test_ready_is_taking_in_and_delivering_or_waiting_for_less_than_five_minutes(
    kind: KindName, after: float, ready: bool
) -> None:
    """Whoever watches is called where nothing is taken in, and where delivery has waited for long."""
    result = health([Problem(kind, "", 1000.0, "why", "")])
    assert result.not_ready(1000.0 + after) == (None if ready else "why")
    assert health([]).not_ready(1000.0) is None


def test_a_wait_begins_with_the_first_that_stopped_the_flow() -> None:
    """Another reason that follows does not make the five minutes begin anew."""
    problems = [Problem("oden_held", "", 1250.0, "401", ""), Problem("oden_silent", "", 1000.0, "silent", "")]
    assert health(problems).not_ready(1000.0 + PATIENCE) == "401"


def test_every_kind_has_a_remedy() -> None:
    """A person who reads of a problem is told what to do."""
    assert set(KINDS) == set(get_args(KindName))
    assert [kind.name for kind in KINDS.values() if not BY_SYSTEMD.filled(kind.remedy)] == []


def test_p9_an_outbox_that_cannot_be_read_goes_before_all_that_waits_by_design() -> None:
    """What is in it cannot be delivered, whatever Oden and the sources do."""
    problems = Problems(Clock())
    problems.set_conditions(
        [
            Condition("oden_held", "", "Oden cannot be reached"),
            Condition("sources_away", "floor", "refused"),
            *findings.unreadable("disk I/O error"),
        ]
    )
    first, *_ = problems.current()
    assert first.text == "The outbox cannot be read, so nothing is delivered: disk I/O error"
    assert health(problems.current()).delivering == FlowHealth("no", first.text, first.since)
