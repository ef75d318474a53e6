"""Mends the times that a wrong clock has stamped: of what is remembered of lines, and of what waits for Oden."""

from collections.abc import Sequence

import structlog

from gateway.clock_watch import Retiming
from gateway.mapping.compile import LinePlan
from gateway.mapping.retime import retimed
from gateway.mapping.state_rows import StateRows
from gateway.outbox.retime import retime
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()


async def mend(outbox: OutboxThread, plans: Sequence[LinePlan], retiming: Retiming) -> None:
    """Mend all of them, in one transaction, before anything is mapped or sent."""
    by, states = round(retiming.by), dict[str, dict[str, str | None]]()
    for plan in plans:
        stored = await outbox(Outbox.line_state, plan.key)
        if stored:
            rows = StateRows(stored)
            states[plan.key] = rows.changes(retimed(rows.state(plan), retiming.since, by))
    number = await outbox(retime, retiming.since, by, states)
    log.warning("times_mended", seconds=by, records=number)
