"""Counters: what two sightings and the time between them say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema_io import Counter
from gateway.mapping.counters import delta, refusal


def counter(rollover: int | None = None, rate: str | None = None) -> Counter:
    return Counter.model_validate({"rollover": rollover, **({"max_rate": rate} if rate else {})})


@pytest.mark.parametrize(
    ("spec", "last", "value", "elapsed", "amount", "gap"),
    [
        (counter(), 10, 10, 1.0, 0, None),
        (counter(), 10, 14, 1.0, 4, None),
        (counter(), 0.5, 0.75, 1.0, 0.25, None),
        (counter(), 10, 4, 1.0, 4, "reset"),
        (counter(), 10, 0, 1.0, 0, "reset"),
        (counter(100), 99, 1, 1.0, 2, None),
        (counter(100), 99, 0, 1.0, 1, None),
        (counter(100), 50, 49, 1.0, 99, None),
        (counter(100, "5/s"), 99, 1, 1.0, 2, None),
        (counter(100, "5/s"), 50, 3, 1.0, 3, "reset"),
        (counter(100, "5/s"), 95, 5, 1.0, 10, None),
        (counter(100, "5/s"), 95, 6, 1.0, 11, None),
        (counter(100, "5/s"), 95, 7, 1.0, 7, "reset"),
        (counter(100, "5/s"), 10, 60, 1.0, 50, "faster"),
        (counter(100, "5/s"), 10, 60, 10.0, 50, None),
        (counter(100, "5/s"), 10, 60, -10.0, 50, "faster"),
        (counter(100, "5/s"), 10, 14, -10.0, 4, None),
        (counter(100, "5/s"), 10, 60, 21.0, 50, "whole turn"),
        (counter(100, "5/s"), 60, 10, 21.0, 50, "whole turn"),
        (counter(None, "5/s"), 10, 60, 3600.0, 50, None),
        (counter(50), 70, 10, 1.0, 10, "reset"),
    ],
)
def test_p2_moved(spec: Counter, last: float, value: float, elapsed: float, amount: float, gap: str | None) -> None:
    """Difference, rollover where it is plausible, else reset; what is doubtful is a gap with its reason."""
    move = delta(spec, last, value, elapsed, watched=False)
    assert move.amount == amount
    assert (move.gap is None) == (gap is None)
    assert (gap or "") in (move.gap or "")


def policy(**given: Any) -> Counter:
    return Counter.model_validate(given)


@pytest.mark.parametrize(
    ("spec", "last", "value", "amount", "gap"),
    [
        (policy(backwards="ignore"), 10, 4, 0, "set to another value"),
        (policy(backwards="ignore"), 10, 14, 4, None),
        (policy(backwards="ignore", rollover=100), 99, 4, 5, None),
        (policy(backwards="ignore", rollover=100, max_rate="2/s"), 50, 4, 0, "set to another value"),
        (policy(backwards="count"), 10, 7, -3, None),
        (policy(backwards="count"), 2, -3, -5, None),
        (policy(backwards="count", rollover=100), 2, 98, -4, None),
        (policy(backwards="count", rollover=100), 98, 2, 4, None),
        (policy(backwards="count", max_rate="2/s"), 90, 10, -80, "faster"),
        (policy(max_rate="2/s"), 500, 300, 0, "not a reset to zero"),
        (policy(max_rate="2/s"), 500, 5, 5, "taken as a reset"),
        (policy(max_rate="2/s", too_fast="ignore"), 5, 500, 0, "not counted"),
        (policy(rollover=100, max_rate="2/s", too_fast="ignore"), 95, 99, 4, None),
        (policy(restarts_with="order"), 10, 4, 4, None),
        (policy(rollover=1000), 999.5, 0.25, 0.75, None),
    ],
)
def test_p2_policies(spec: Counter, last: float, value: float, amount: float, gap: str | None) -> None:
    """What a step back and a jump mean is as configured; what is left out or doubtful is a gap with its reason."""
    move = delta(spec, last, value, 1.0, watched=True)
    assert move.amount == amount
    assert (move.gap is None) == (gap is None)
    assert (gap or "") in (move.gap or "")


def test_p2_a_restart_that_nobody_watched_counts_all_that_is_shown() -> None:
    """Although the value is larger than before; what the line cannot have made is still a gap."""
    spec = policy(restarts_with="order", max_rate="5/s")
    assert delta(spec, 100, 150, 60.0, watched=False, restarted=True).amount == 150
    assert "faster" in (delta(spec, 100, 900, 60.0, watched=False, restarted=True).gap or "")


@given(st.integers(2, 2**64), st.data())
def test_p2_the_shorter_way_is_exact_below_half_a_turn(rollover: int, data: st.DataObject) -> None:
    """A counter that is counted back as well: what it moved by in less than half a turn, either
    way, is found exactly."""
    last = data.draw(st.integers(0, rollover - 1))
    half = (rollover - 1) // 2
    made = data.draw(st.integers(-half, half))
    assert (
        delta(policy(rollover=rollover, backwards="count"), last, (last + made) % rollover, 1.0, watched=True).amount
        == made
    )


@given(st.integers(2, 2**64), st.data())
def test_p2_rollover_is_exact_below_one_turn(rollover: int, data: st.DataObject) -> None:
    """However wide a counter is, what it moved by in less than a turn is found exactly."""
    last = data.draw(st.integers(0, rollover - 1))
    made = data.draw(st.integers(0, rollover - 1))
    move = delta(counter(rollover), last, (last + made) % rollover, 1.0, watched=True)
    assert move.amount == made
    assert move.gap is None


@pytest.mark.parametrize(
    ("spec", "value", "problem"),
    [
        (counter(), 5.5, None),
        (counter(), -1, "negative"),
        (counter(100), 99, None),
        (counter(100), 100, "rollover"),
        (counter(100), 5.5, None),
    ],
)
def test_refusal(spec: Counter, value: Any, problem: str | None) -> None:
    """What a counter can never show is refused with the reason."""
    reason = refusal(spec, value)
    assert (reason is None) == (problem is None)
    assert (problem or "") in (reason or "")


def test_p2_a_counter_that_rests_while_it_is_watched_is_no_gap() -> None:
    """The first part in the morning is one part, without a notice; after a reconnect nobody knows about turns."""
    night = 14 * 3600.0
    assert delta(counter(65536, "5/s"), 10, 11, night, watched=True).gap is None
    assert "whole turn" in (delta(counter(65536, "5/s"), 10, 11, night, watched=False).gap or "")
