"""Waits until a schedule is over: until all that was said is delivered, and nothing more comes of it."""

import asyncio
from collections.abc import Callable

from gateway.outbox.life import is_compared
from gateway.outbox.store import Outbox
from tests.campaign.storage import InLine

PATIENCE = 24 * 3600.0
"""Seconds of the loop in which everything must be delivered once nothing goes wrong any more."""
IDLE = 60.0
"""Seconds without anything to do after which nothing more will come."""
VISIT = 600.0
"""Seconds for which nothing is in doubt after which a person settles what is unsettled: others may wait for that."""


async def delivered(outbox: InLine, is_said: Callable[[], bool], quiet: float, *, has_a_person: bool) -> None:
    """Wait until everything has been said and delivered, and nothing has come of it for a while; or, where there is a
    person for that, until something has to be settled first, for which the comparison of counters may wait as well.
    Nothing goes wrong after `quiet` (seconds of the loop)."""
    loop = asyncio.get_running_loop()
    idle_since = certain_since = quiet = max(quiet, loop.time())
    while (now := loop.time()) < quiet or now - idle_since < IDLE:
        if now > quiet + PATIENCE:
            return
        counts, said = await outbox(Outbox.counts), is_said()
        is_certain = said and not (counts.sending or counts.in_doubt)
        certain_since = certain_since if is_certain else now
        is_idle = is_certain and not counts.waiting and await outbox(is_compared)
        idle_since = idle_since if is_idle else now
        if has_a_person and counts.unsettled and now - certain_since > VISIT:
            return
        await asyncio.sleep(5.0)
