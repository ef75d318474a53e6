"""A sample of the stories of faults; `python -m tests.sources.opcua.faults 200` tells more."""

import pytest

from tests.campaign.virtual import simulate
from tests.sources.opcua.faults import tell


@pytest.mark.parametrize("seed", range(6))
def test_p2_p9_p13_counters_are_exact_whatever_happens_to_the_server(seed: int) -> None:
    """Each value comes once and in order, or a gap is listed; in the end all is as it was, in one session."""
    simulate(tell(seed))
