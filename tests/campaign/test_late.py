"""The law of laws through intake, outbox, delivery and the Oden stand-in, in simulated time; and what becomes of a
correction that fails at any of its steps. `make laws` tries 200 lines, and more ways to fail."""

from dataclasses import replace
from functools import cache

import pytest

from gateway.simulator.oden.manners import Manners
from tests.campaign.fuse import AFTER_DISK, AFTER_WRITE, AT_ANSWER, BEFORE_DISK, BEFORE_WRITE
from tests.campaign.late import corrected_story, late_schedule
from tests.campaign.run import Result, run
from tests.campaign.schedule import Life, Schedule
from tests.mapping.laws import TIMES


@pytest.mark.parametrize("seed", range(8 * TIMES))
def test_p13_law_of_laws_through_the_whole_delivery(seed: int) -> None:
    """Late, again, in bursts, around outages and kills, with an Oden that fails: at rest the same intervals, details
    and sums; and nothing is taken from an interval before another has it."""
    result = run(late_schedule(seed))
    assert not result.wrong, "\n".join([f".venv/bin/python -m tests.campaign late {seed}", *result.wrong])


HEARD, TOLD = 203.0, 219.0
"""The late order has come before the first; its correction has been delivered by the second where nothing fails."""
CALM = Schedule(
    seed=7,
    length=100.0,
    mapped=1,
    recorded=0,
    modes=Manners(),
    timeout=5.0,
    settle=60.0,
    in_order=False,
    faults=("latency seconds=0.05",),
    restarts=(),
    troubles=(),
    lives=(Life(),),
    late=True,
)
"""Nothing fails."""


def corrected(*faults: str, lives: tuple[Life, ...] = (Life(),)) -> Result:
    """What comes of it where `faults` hit the correction of what was told before an order was heard."""
    schedule = replace(CALM, faults=(*CALM.faults, *faults), lives=lives)
    return run(schedule, stories=[corrected_story("Line 01")])


@cache
def _steps() -> list[tuple[int, float]]:
    """The requests of the correction: which of all they are, and when they are written."""
    written = corrected().trace
    return [(number, at) for number, at in enumerate(written, 1) if HEARD <= at < TOLD]


def _transactions() -> range:
    """The transactions from when the late order is heard until it is told."""
    first, last = (corrected(lives=(Life(seconds=at), Life())).passed[0][AFTER_DISK] for at in (HEARD, TOLD))
    return range(first + 1, last + 2)


def test_p13_a_correction_takes_few_requests() -> None:
    """The run before ends, the late one begins and ends, and each kind of raw data goes from the one to the other."""
    assert not corrected().wrong
    assert 5 <= len(_steps()) <= 12


DOUBTS = ("close commit=yes", "close commit=no")
MORE = (
    "error status=409 retryable=yes commit=no",
    "close commit=30",
    "hang commit=yes",
    "error status=500 commit=yes",
    "error status=503 retryable=yes commit=no",
    "no_id",
)
"""What else may become of a request."""


@pytest.mark.parametrize("fate", DOUBTS if TIMES == 1 else (*DOUBTS, *MORE))
def test_p13_a_doubt_at_each_step_of_a_correction(fate: str) -> None:
    """The request was taken or not, and nobody knows, or it is to be sent again: at rest all is as it should be, and
    never too little before."""
    for _, at in _steps():
        result = corrected(f"{fate} since={at - 0.01:.3f} times=1")
        assert not result.wrong, (fate, at, result.wrong)


def test_p13_a_revoked_token_at_each_step_of_a_correction() -> None:
    """For two minutes every request is answered with 401."""
    for _, at in _steps():
        result = corrected(f"error status=401 since={at - 0.01:.3f} until={at + 120:.3f}")
        assert not result.wrong, (at, result.wrong)


@pytest.mark.parametrize("point", [BEFORE_WRITE, AFTER_WRITE, AT_ANSWER])
def test_p13_a_kill_at_each_request_of_a_correction(point: str) -> None:
    """And the process starts again."""
    for number, at in _steps():
        result = corrected(lives=(Life(point, number), Life()))
        assert not result.wrong, (at, result.wrong)


@pytest.mark.parametrize("point", [BEFORE_DISK, AFTER_DISK])
def test_p13_a_kill_at_each_transaction_of_a_correction(point: str) -> None:
    """And the process starts again."""
    for number in _transactions():
        result = corrected(lives=(Life(point, number), Life()))
        assert not result.wrong, (number, result.wrong)


def test_p13_a_dead_letter_at_each_step_of_a_correction() -> None:
    """Oden refuses one request of it for good: that is listed, and Oden shows nothing too little; once a person has it
    sent once more, all is as it should be."""
    for _, at in _steps():
        refused = f"error status=400 since={at - 0.01:.3f} times=1"
        left = corrected(refused)
        assert left.dead or not left.wrong, (at, left.wrong)
        assert not left.too_little, (at, left.too_little)
        mended = corrected(refused, lives=(Life(seconds=600.0, gently=True), Life(retries=True)))
        assert not mended.wrong, (at, mended.wrong)
