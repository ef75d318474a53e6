"""A record as its lane keeps it: with what the outbox itself has to remember of it. Pure.

The row is the record's JSON; what is remembered stands before the record's own members, and only where it is true.
"""

from dataclasses import dataclass

from gateway.model import RECORD, Record

_LATE = '"late":true,'
_UNSURE = '"unsure":true,'


@dataclass(frozen=True, slots=True)
class Kept:
    """One record, and what is remembered of it."""

    record: Record
    late: bool = False
    """Output that came after the end of its interval: the end does not wait for it."""
    unsure: bool = False
    """Oden may have it, and a damage made the outbox forget: it is looked up before it is sent, and nothing is merged into it."""

    def text(self) -> str:
        """As the row has it."""
        record = RECORD.dump_json(self.record).decode()
        return f"{{{_LATE if self.late else ''}{_UNSURE if self.unsure else ''}{record[1:]}"


def kept(text: str) -> Kept:
    """What `Kept.text` wrote. Raises ValueError where it is no record."""
    late = text.startswith(_LATE, 1)
    return Kept(RECORD.validate_json(text), late, text.startswith(_UNSURE, 1 + len(_LATE) * late))
