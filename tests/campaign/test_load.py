"""What one token carries, in simulated time. `python -m tests.campaign lines` and `outage` measure it over a day and
a night.
"""

import pytest

from tests.campaign.load import carry
from tests.campaign.outage import drain


@pytest.mark.parametrize(
    ("lines", "codes", "bulk", "hours"),
    [
        (75, 1, True, 1.0),
        (62, 3, True, 3.0),
        (46, 1, False, 1.0),
    ],  # with three codes, falling behind takes hours to show
    ids=["one code", "three", "no update"],
)
def test_lines_that_one_token_carries(lines: int, codes: int, bulk: bool, hours: float) -> None:
    """So many lines are carried with new states and runs at Oden within 15 s and output within 15 min (95 of 100),
    and what waits does not grow; with one scrap code, with three, and where Oden has no `intervals/update`.
    """
    load = carry(lines, hours, codes=codes, bulk=bulk)
    assert load.sustained, str(load)


def test_a_plain_queue_carries_less_than_half_of_them() -> None:
    """What is merged and chosen makes the difference: first in, first out falls behind with 37 lines."""
    assert not carry(37, 1.0, plain=True).sustained


def test_the_least_number_of_requests_after_an_outage() -> None:
    """A backlog is delivered with at most 1.02 of the fewest requests that the API permits; without merging it shows
    the same at Oden for three times as many.
    """
    ours, plain = drain(10, 2.0), drain(10, 2.0, plain=True)
    assert ours.complete
    assert plain.complete
    assert ours.requests <= 1.02 * ours.least
    assert plain.requests > 3 * ours.requests


@pytest.mark.parametrize("latency", [0.05, 0.5, 3.0])
def test_p3_every_slot_is_used_and_none_too_soon(latency: float) -> None:
    """Under backlog of 20 lines, however slow the API: over 2,000 requests none comes within a second of another, and
    at least 0.98 of the slots are used.
    """
    drained = drain(20, 2.7, latency=latency)
    assert drained.requests > 2000
    assert drained.gap >= 1.0
    assert drained.used >= 0.98
