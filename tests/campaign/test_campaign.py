"""A sample of the fault campaign; `make campaign` runs all of it. What fails here is run alone with its seed."""

from dataclasses import replace

import pytest

from tests.campaign.run import run
from tests.campaign.schedule import no_all_schedule, schedule

SAMPLE = (*range(30), 33, 54, 700)


@pytest.mark.parametrize("seed", SAMPLE)
def test_p4_everything_is_at_oden_exactly_once(seed: int) -> None:
    """Whatever goes wrong meanwhile: in the end the intervals at Oden are the plant's one for one, every total is
    exact to the last part, nothing is left or dead, and no two requests were closer than a second.
    """
    result = run(schedule(seed))
    assert not result.wrong, "\n".join([f".venv/bin/python -m tests.campaign {seed}", *result.wrong])


@pytest.mark.parametrize("seed", [0, 1, 6, 13, 41])
def test_p4_where_oden_refuses_to_show_all_that_fits_a_person_settles_what_is_in_doubt_and_nothing_else(
    seed: int,
) -> None:
    """Unsettled is what was sent and not answered, as seen on the wire, and nothing else; once a person has said what
    is there, and has sent again what was refused for overlapping that, everything is at Oden exactly once. In 41 no
    start is answered with an id, and none is taken before the one before it has ended."""
    result = run(no_all_schedule(seed))
    assert not result.wrong, "\n".join([f".venv/bin/python -m tests.campaign no_all {seed}", *result.wrong])


def test_a_seed_gives_the_same_requests_at_the_same_times() -> None:
    """What failed can be run again. A time since 1970 is known to the fourth part of a microsecond, and what is
    computed of such ones to a little less."""
    first, again = run(schedule(3)).trace, run(schedule(3)).trace
    assert len(first) > 100
    assert first == pytest.approx(again, abs=1e-4, rel=0)


def test_the_campaign_notices_a_gateway_that_looks_too_soon() -> None:
    """Where a request takes effect later than the gateway believes it can, some seed shows an interval or entry
    twice.
    """
    hasty = [replace(schedule(seed), settle=0.5) for seed in range(40)]
    assert any("should not be" in line or "too much" in line for one in hasty for line in run(one).wrong)
