"""Machines whose clocks are wrong: a sample; `python -m tests.campaign clocks 0..499` runs more."""

import pytest

from tests.campaign.clocks import clocks, run
from tests.campaign.quiet import silent


@pytest.mark.parametrize("seed", range(12))
def test_p11_the_time_is_right_wherever_something_confirms_one(seed: int) -> None:
    """By NTP or by the `Date` of Oden's answers; what nobody confirms is not followed; what was stamped before is
    mended; intake waits for two minutes at the most."""
    with silent():
        wrong = run(clocks(seed))
    assert not wrong, "\n".join([f".venv/bin/python -m tests.campaign clocks {seed}", *wrong])
