"""The time stamps of output: no two entries of an interval have the same whole second. Pure."""

from itertools import count
from math import floor
from typing import Annotated

from pydantic import BeforeValidator

from gateway.mapping.intervals import EndedInterval, OpenInterval

MOST_STAMPS = 64
"""Time stamps that are remembered of one run: the latest ones. So of these it is known which
seconds between them are free."""


def _stamps_of_older_version(stamps: object) -> object:
    """It remembered the latest one: none before that is known to be free, as where all that are
    remembered are this one."""
    return (stamps,) * MOST_STAMPS if isinstance(stamps, int) else stamps


Stamps = Annotated[tuple[int, ...], BeforeValidator(_stamps_of_older_version)]
"""The MOST_STAMPS latest time stamps of a run, in order; all of them where they are fewer."""


def with_stamp(taken: Stamps, stamp: int) -> Stamps:
    """The time stamps of an interval with one more."""
    return tuple(sorted((*taken, stamp))[-MOST_STAMPS:])


def free_stamp(interval: OpenInterval | EndedInterval, taken: Stamps, now: float) -> int:
    """The time stamp of the next entry of `interval`, of which `taken` are those that it has.

    While the interval is on that is the first second from `now` on that is free: entries of a life whose clock was
    ahead can have later ones. Once it has ended it is the last second of it that is free; where none is known to be,
    the second after the latest in both cases, which then lies at its end or after it.
    """
    newest = max(taken, default=interval.start - 1)
    if isinstance(interval, OpenInterval):
        first = max(floor(now), interval.start)
        if len(taken) >= MOST_STAMPS and first < min(taken):
            return newest + 1
        return next(second for second in count(first) if second not in taken)
    last = min(floor(now), interval.end - 1)
    first = interval.start if len(taken) < MOST_STAMPS else min(taken)
    return next((second for second in range(last, first - 1, -1) if second not in taken), max(last, newest + 1))
