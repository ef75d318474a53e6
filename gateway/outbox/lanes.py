"""What a lane holds and how it is called: the record as it is stored, the bounds of the lane, its name. Pure.

A lane is a queue of one line: `<line>/<family>`, where the family is told by the record's kind. The lane of dead
letters is of no line.
"""

from dataclasses import field
from typing import Annotated

from pydantic import Field, TypeAdapter

from gateway.frozen import dataclass, replace
from gateway.model import RECORD, Record
from gateway.record_kinds import KINDS, SETTING_FAMILIES, kind_of, start_family, update_family

DEAD = "dead"
"""The lane of dead letters."""

_LATE = '"late":true,'
_UNSURE = '"unsure":true,'
_ORDERED = tuple(f"/{family}" for kind in KINDS for family in kind.ordered_families)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record, and what the outbox itself has to remember of it.

    As text it is the record's JSON; what is remembered stands before the record's own members, and only where it is
    true.
    """

    record: Record
    late: bool = False
    """A part of an interval that came after the interval's end: the end does not wait for it."""
    unsure: bool = False
    """Oden may have it, and a damage, or an older copy, made the outbox forget: it is looked up before it is sent, and
    nothing is merged into it."""

    def text(self) -> str:
        """As the row has it."""
        record = RECORD.dump_json(self.record).decode()
        return f"{{{_LATE if self.late else ''}{_UNSURE if self.unsure else ''}{record[1:]}"


def stored_record(text: str) -> StoredRecord:
    """What `StoredRecord.text` wrote. Raises ValueError where it is no record."""
    late = text.startswith(_LATE, 1)
    return StoredRecord(RECORD.validate_json(text), late, text.startswith(_UNSURE, 1 + len(_LATE) * late))


@dataclass(slots=True)
class Lane:
    """A queue of records at positions up to but excluding `tail`. No position is used twice.

    The live part begins at `head`; `backlog` are earlier parts, each from its first position up to but excluding its
    last. Within a part, everything before its beginning is gone or carried by one of `attempts`, which are known by
    their first positions. `waiting` counts all records of the lane, carried or not. `closed` are intervals that are
    delivered to their end and still known, oldest first. `open` are the positions of starts without an end that wait
    and that no attempt carries, oldest first. Creates before `unsure_to` were there when another life of the outbox
    began, so that Oden may have them.
    """

    line: str
    tail: int = 0
    head: int = 0
    backlog: list[tuple[int, int]] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    waiting: int = 0
    closed: list[str] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    unsure_to: Annotated[int, Field(exclude_if=lambda to: not to)] = 0

    def copy(self) -> "Lane":
        closed, still_open = [*self.closed], [*self.open]
        return replace(self, backlog=[*self.backlog], attempts=[*self.attempts], closed=closed, open=still_open)

    def parts(self) -> list[tuple[int, int, bool]]:
        """From where to where records may wait, and whether that is the live part, which comes first."""
        return [(self.head, self.tail, True), *((first, last, False) for first, last in self.backlog)]

    def stored(self, position: int, text: str) -> StoredRecord:
        """The record at `position`, which the row there has as `text`."""
        stored = stored_record(text)
        if position < self.unsure_to and not stored.unsure and kind_of(stored.record).look_up == "in_doubt":
            return replace(stored, unsure=True)
        return stored

    def holds(self, position: int) -> bool:
        """Whether a record that no attempt carries may be at `position`."""
        return any(first <= position < last for first, last, _ in self.parts())


LANE = TypeAdapter(Lane)


def lane_of(record: Record) -> str:
    """The lane that keeps `record` in order."""
    return f"{record.line}/{kind_of(record).family(record)}"


def starts_lane(line: str, interval_type: str) -> str:
    """The lane of the starts of intervals of one type."""
    return f"{line}/{start_family(interval_type)}"


def updates_lane(line: str, interval_type: str) -> str:
    """The lane of what is known of intervals of one type since their starts."""
    return f"{line}/{update_family(interval_type)}"


def output_lanes(line: str) -> tuple[str, str]:
    """The lanes of the output of a line: what was made, and what corrects that."""
    return f"{line}/output", f"{line}/corrections"


def parked_lane(line: str) -> str:
    """Where the records of `line` are that wait for an interval whose start is stalled."""
    return f"{line}/parked"


def is_parked(name: str) -> bool:
    """Whether the lane is one of parked records."""
    return name.endswith("/parked")


def takes_turns(name: str) -> bool:
    """Whether records of the lane wait to be sent: they are neither parked nor dead letters."""
    return name != DEAD and not is_parked(name)


def keeps_order(name: str) -> bool:
    """Whether each record of the lane is sent only when those before it are at Oden: they may be about one thing."""
    return name.endswith(_ORDERED)


def goes_after(name: str) -> str | None:
    """The lane of which nothing may wait when something new of this one is begun: intervals of the factory's own types
    need their type."""
    line, custom, _ = name.rpartition("/custom ")
    return f"{line}/{SETTING_FAMILIES['interval_type']}" if custom else None


def resumed(lane: Lane, head: int, most: int) -> Lane:
    """The lane after delivery went wrong for a while: what waits before `head` is backlog from now on.

    At most `most` parts are told apart.
    """
    backlog = [*lane.backlog, (lane.head, head)] if lane.head < head else [*lane.backlog]
    while len(backlog) > most:
        backlog[:2] = [(backlog[0][0], backlog[1][1])]
    return replace(lane, head=head, backlog=backlog)
