"""How many made plants each law of mapping is tried on."""

import os

from hypothesis import settings

TIMES = int(os.environ.get("ODEN_LAWS", "1"))
"""How many times as many as usual; `make laws` tries 25 times as many."""


def examples(number: int) -> settings:
    """So many, or `TIMES` as many."""
    return settings(max_examples=number * TIMES)
