"""How long to wait after the n-th failure in a row: exponential with full jitter, bounded. Pure but for the dice."""

import random

FIRST = 2.0
LONGEST = 300.0


def backoff(failures: int, retry_after: float | None = None, longest: float = LONGEST) -> float:
    """Seconds to wait after `failures` (>= 1) failures; never less than `retry_after`."""
    span = min(longest, FIRST * 2 ** min(failures - 1, 16))
    return max(random.uniform(1.0, span), retry_after or 0.0)
