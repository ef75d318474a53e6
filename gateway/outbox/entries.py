"""What the outbox keeps beside the records themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import TypeAdapter

from gateway.model import Notice, Record

Phase = Literal["sending", "again", "doubt"]
"""sending: may be on its way. again: certainly not accepted, to be sent again. doubt: may have been accepted."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for the records at `positions` of `lane`; on disk before its first byte leaves.

    `body` is the exact text that is sent, also when it is sent again. `begun` is when it was first stored,
    `not_before` the earliest time of its next step (a repeat, or a look-up while in doubt), `tries` how often it was sent.
    """

    lane: str
    positions: tuple[int, ...]
    endpoint: str
    body: str
    begun: float
    tries: int = 0
    phase: Phase = "sending"
    not_before: float = 0.0
    reason: str = ""
    looks: int = 0
    """How often it was looked up without an answer that settles it."""
    confirmed: bool = False
    """Oden has said that it took it: it is looked up until its id is found, and never sent again."""


@dataclass(slots=True)
class Lane:
    """A queue of records: positions from `head` up to but excluding `tail`, some of which may be gone."""

    head: int = 0
    tail: int = 0
    waiting: int = 0
    closed: list[str] = field(default_factory=list)
    """Intervals that are delivered to their end and still known, oldest first."""


@dataclass(slots=True)
class Interval:
    """What later records need to know of an interval: its id at Oden, and what still waits for it."""

    oden_id: str | None = None
    dead: bool = False
    """Its start is a dead letter: what belongs to it is parked."""
    outputs: int = 0
    """Output records from before the end that wait or are under way; the end follows them."""
    ended: bool = False
    """The end has been appended."""
    late: int = 0
    """Output records from after the end that wait or are under way; nothing waits for them."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that Oden refused for good, with the request and the answer."""

    record: Record
    at: float
    error: str
    endpoint: str
    body: str
    tries: int


@dataclass(slots=True)
class Totals:
    """Counts that survive restarts."""

    records: dict[str, int] = field(default_factory=dict)
    """By kind, ever appended."""
    delivered: int = 0
    dead: int = 0
    parked: int = 0
    notices: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    """By source."""
    rejects: int = 0
    lost: int = 0
    """Amounts that found no room while they waited for a run."""
    receipts: dict[str, int] = field(default_factory=dict)
    """By source, ever stored: the ring's next place."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane as delivery sees it: its attempt if it has one, else its first record; never both."""

    name: str
    attempt: Attempt | None
    records: tuple[Record, ...]
    """The records that the attempt carries, or the first record alone."""
    positions: tuple[int, ...]
    interval: Interval | None
    """Of the first record; None where it is not known (any more)."""

    @property
    def line(self) -> str:
        return self.records[0].line


@dataclass(frozen=True, slots=True)
class LineRef:
    """How a line is called at Oden, and its id there once that is known."""

    factory: str
    name: str
    oden_id: str | None = None


class ReceiptId(NamedTuple):
    """One MQTT delivery that has been committed: packet id within the session, digest of topic and payload."""

    packet_id: int
    digest: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What intake makes durable at once.

    `states` are line states as text by line key; `receipts` are MQTT deliveries by source; the receipts of
    the sources in `new_sessions` are forgotten first.
    """

    states: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()
    receipts: tuple[tuple[str, ReceiptId], ...] = ()
    new_sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records are in which state, and since when the oldest waits."""

    waiting: int
    sending: int
    in_doubt: int
    parked: int
    dead: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a person wants to know of the outbox; lists newest first."""

    counts: Counts
    totals: Totals
    notices: tuple[Notice, ...]
    dead_letters: tuple[DeadLetter, ...]
    bytes: int


ATTEMPT = TypeAdapter(Attempt)
LANE = TypeAdapter(Lane)
INTERVAL = TypeAdapter(Interval)
DEAD_LETTER = TypeAdapter(DeadLetter)
TOTALS = TypeAdapter(Totals)
NOTICE = TypeAdapter(Notice)
LINE_REFS = TypeAdapter(dict[str, LineRef])
