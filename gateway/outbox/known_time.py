"""What the outbox keeps of the time, so that the next start knows which of its times can be trusted."""

from pydantic import TypeAdapter

from gateway.clock_watch import KnownTime
from gateway.outbox.store import Outbox

KNOWN_TIME = TypeAdapter(KnownTime)


def known_time(outbox: Outbox) -> KnownTime:
    """What was kept last."""
    return KNOWN_TIME.validate_json(outbox.row("clock") or "{}")


def keep_time(outbox: Outbox, known: KnownTime) -> None:
    """Keep it."""
    with outbox.transaction() as transaction:
        transaction.put["clock"] = KNOWN_TIME.dump_json(known).decode()
