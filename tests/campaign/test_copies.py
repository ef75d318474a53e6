"""Lines of which an older copy of the outbox is put back: a sample; `python -m tests.campaign copies` runs more."""

import pytest

from tests.campaign.copies import copied_schedule, keyless_schedule
from tests.campaign.run import run

SAMPLE = (0, 3, 6, 13, 14, 18, 19, 27, 37, 39, 46, 53, 60, 64, 155, 426)


@pytest.mark.parametrize("seed", SAMPLE)
def test_p4_a_copy_that_is_put_back_tells_nothing_twice(seed: int) -> None:
    """Whatever goes wrong beside it: each interval is at Oden once, and of each kind there is what was made."""
    result = run(copied_schedule(seed))
    assert not result.wrong, "\n".join([f".venv/bin/python -m tests.campaign copies {seed}", *result.wrong])


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_p4_without_our_keys_at_oden_nothing_is_told_twice_either(seed: int) -> None:
    """As it is by default: what is another life's is known by its time alone."""
    result = run(keyless_schedule(seed))
    assert not result.wrong, "\n".join([f".venv/bin/python -m tests.campaign keyless {seed}", *result.wrong])
