"""What is remembered of the time from one life of the gateway to the next, and what of that has to be mended. Pure."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownTime:
    """The last time that was `confirmed`; `since` when what was stamped is not confirmed, None where all is, and from
    when on that was by the same clock (`begun`); that clock's time when the machine was `started`, in the start named
    `boot`. Seconds since 1970."""

    confirmed: float = 0.0
    since: float | None = None
    begun: float | None = None
    started: float = 0.0
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Retiming:
    """Times from `since` on, a whole second, are to be `by` seconds later, or earlier where that is negative."""

    since: int
    by: float


def of_what_is_ahead(known: KnownTime, seen_until: float, now: float) -> Retiming | None:
    """What is to be mended at a start by another clock than that of the life before, where the latest time that was
    stored, `seen_until`, is yet to come: that clock was ahead, or this one is behind, and nobody has confirmed either.
    What was stamped by it ends `now`; what was stamped before it by others, too, if all of that is yet to come."""
    if seen_until <= now:
        return None
    first = known.since if known.since is not None and (known.since > now or known.begun is None) else known.begun
    return Retiming(math.floor(now if first is None else first), now - seen_until)
