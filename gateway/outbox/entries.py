"""What the outbox keeps beside the records themselves, and what it is handed and hands out.

Names of fields and phases differ from the stored ones in places: stored ones never change.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from operator import itemgetter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer, TypeAdapter

from gateway.frozen import dataclass, replace
from gateway.message_ids import IdsOfCommit
from gateway.model import NONE_KEPT, RECORD, SPARED, STORED, KeptRejects, Notice, Record, Reject, Setting
from gateway.receipt_rows import Changes
from gateway.record_kinds import kind_of

Phase = Literal["sending", "retry", "in_doubt"]
"""sending: may be on its way. retry: certainly not accepted, to be sent again. in_doubt: may have been accepted."""

_STORED_PHASES = {"retry": "again", "in_doubt": "doubt"}
_PHASES = {stored: phase for phase, stored in _STORED_PHASES.items()}


MOST_SENT = 8
"""Of an interval: entries of output that are remembered by their keys."""

ABSENT = Field(exclude_if=lambda value: value is None)
"""Of a field that came later than its row, of which also an empty value says something."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for the records at `positions` of `lane`; on disk before its first byte leaves.

    `body` is the exact text that is sent, also when it is sent again. Without one, nothing is known of a request: Oden
    may have the record, and where a look-up shows that it has not, the record waits again. `begun` is when it was last
    about to be sent, `not_before` the earliest time of its next step (a repeat, or a look-up while in doubt), `tries`
    how often it was sent. Times are seconds since 1970.
    """

    lane: str
    positions: tuple[int, ...]
    endpoint: str
    body: str
    begun: float
    tries: int = 0
    phase: Annotated[
        Phase,
        BeforeValidator(lambda stored: _PHASES.get(stored, stored)),
        PlainSerializer(lambda phase: _STORED_PHASES.get(phase, phase), return_type=str),
    ] = "sending"
    not_before: float = 0.0
    reason: str = ""
    looks: int = 0
    """How often it was looked up without an answer that settles it."""
    failed: int = 0
    """How often it was sent and Oden itself, not what stands in between, gave no answer, an error that settles nothing,
    or one that it says may pass, while it took others."""
    confirmed: bool = False
    """Oden has said that it took it: it is looked up until its id is found, and long not sent again."""
    foreign: Annotated[int, SPARED] = 0
    """How often it was answered with no in a shape that is not Oden's, while Oden took others."""
    after: Annotated[tuple[str, ...], SPARED] = ()
    """Oden refused or failed it, perhaps because these intervals are open there: it is sent again once none of their
    ends is to come any more."""
    refused: Annotated[bool, SPARED] = False
    """That was by a refusal in so many words."""
    blind: Annotated[int, SPARED] = 0
    """How often a look-up was answered in a way that settles nothing: by Oden, or, where that cannot be told, while
    Oden took others."""
    beside: Annotated[Mapping[str, JsonValue] | None, ABSENT] = None
    """Metadata that Oden showed beside those that the attempt changes: whether they are still there afterwards shows
    what a change does. None: that is not asked."""
    rests_since: Annotated[float, SPARED] = 0.0
    """When the rest until `not_before` began, by the clock of then: so its length is known by any clock. 0: it is
    not."""

    @property
    def number(self) -> int:
        """What the attempt is known by within its lane."""
        return self.positions[0]


@dataclass(slots=True)
class Interval:
    """What later records need to know of an interval: its id at Oden, and what still waits for it."""

    __pydantic_config__ = STORED

    line: str
    type: str
    start: int
    oden_id: str | None = None
    start_at: int | None = None
    """The position of its start, while that waits and no attempt carries it."""
    update_at: int | None = None
    """The same of its update."""
    updating: bool = False
    """An attempt carries an update of it, which a later one must not overtake."""
    stalled: bool = False
    """Its start is a dead letter, in doubt or to be sent again: what needs its id is parked."""
    parked: int = 0
    """Records that are parked with it."""
    outputs: int = 0
    """Its parts (output, quality tests) from before the end that wait, are under way or parked; the end follows."""
    ended: bool = False
    """The end has been appended."""
    late: int = 0
    """Its parts from after the end; nothing waits for them."""
    closed: bool = False
    """Oden has its end."""
    dead: int = 0
    """Dead letters that name it, which may be sent once more."""
    field_versions: Annotated[dict[str, int], Field(alias="said")] = field(default_factory=dict)
    """How many updates have set each of its fields: a dead letter remembers it, and shows so whether it is out of
    date."""
    gone: Annotated[bool, SPARED] = False
    """Somebody has deleted it at Oden."""
    end_kept: Annotated[bool, SPARED] = False
    """Somebody has ended it at Oden while it was open here: that end stays."""
    told: Annotated[dict[str, JsonValue] | None, ABSENT] = None
    """What Oden has been told of it last, by field as in `merge.set_fields`: what it shows otherwise, somebody has
    changed there. None: that is not known."""
    sent: Annotated[dict[str, int] | None, ABSENT] = None
    """Entries of output that Oden has from here, those of the latest time stamps: these, by their keys. None: that is
    not known."""

    @property
    def held(self) -> bool:
        """Somebody has deleted it at Oden while it was open: what belongs to it is parked until a person says what
        becomes of it."""
        return self.gone and self.oden_id is None

    @property
    def pending(self) -> bool:
        """Whether anything that names it is still to be delivered."""
        counted = self.outputs + self.late + self.parked + self.dead
        return self.start_at is not None or self.update_at is not None or self.updating or counted > 0

    @property
    def waiting_for_start(self) -> int:
        """Records that cannot be sent before its start, which is a dead letter, in doubt or to be sent again."""
        parts = self.outputs + self.late + (self.update_at is not None)
        return max(self.parked, parts) if self.stalled else 0

    def count_in(self, *, late: bool) -> None:
        """One part more is to be delivered."""
        if late:
            self.late += 1
        else:
            self.outputs += 1

    def count_out(self, *, late: bool) -> None:
        """One part less is left. Where it was counted before lateness was remembered, either count will do."""
        if self.late and (late or not self.outputs):
            self.late -= 1
        elif self.outputs:
            self.outputs -= 1

    def count_sent(self, key: str, timestamp: int) -> None:
        """Oden has an entry of output from here."""
        if self.sent is not None:
            self.sent = dict(sorted([*self.sent.items(), (key, timestamp)], key=itemgetter(1))[-MOST_SENT:])

    def was_sent(self, key: str, timestamp: int) -> bool | None:
        """Whether Oden has the entry from here; None where that is not known (any more)."""
        if self.sent is None or key in self.sent:
            return None if self.sent is None else True
        return False if len(self.sent) < MOST_SENT or timestamp > min(self.sent.values()) else None

    def count_told(self, fields: Mapping[str, JsonValue]) -> None:
        """Oden has been told `fields`."""
        if self.told is not None:
            self.told |= fields

    def count_update(self, fields: Iterable[str]) -> None:
        """An update, later than all before, sets `fields`."""
        for name in fields:
            self.field_versions[name] = self.field_versions.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that Oden refused for good, with the request and the answer."""

    __pydantic_config__ = STORED

    record: Record
    at: float
    error: str
    endpoint: str
    body: str
    tries: int
    field_versions: Annotated[Mapping[str, int] | None, Field(alias="said")] = None
    """Of an update: `Interval.field_versions` of each field that nothing later has set; None where that is not
    known."""
    unsettled: Annotated[bool, SPARED] = False
    """It may be at Oden, and could not be looked up: a person says, or it is looked up before it is sent."""
    is_over: Annotated[bool | None, ABSENT] = None
    """Of a work order that was completed: whether it was begun again since, so that what is said of it is of another
    time. None: that is not known, or it is something else."""


@dataclass(slots=True)
class Totals:
    """Counts that survive restarts."""

    records: dict[str, int] = field(default_factory=dict)
    """By kind, ever appended."""
    delivered: int = 0
    dropped: int = 0
    """Records that a person has dropped."""
    outdated: int = 0
    """Dead letters that said only what later updates have overtaken, when they were to be sent once more."""
    given_up: int = 0
    """Entries of output that were dropped to make room, as the user chose."""
    merged: int = 0
    """Records that were added to one that waited already."""
    withdrawn: Annotated[int, SPARED] = 0
    """Records of what never was, as was known before Oden had heard of it."""
    dead: int = 0
    """Dead letters ever made."""
    unsettled: Annotated[int, SPARED] = 0
    """Dead letters of now that are unsettled."""
    held: Annotated[int, SPARED] = 0
    """Intervals of now that somebody has deleted at Oden while they were open."""
    notices: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    """By source."""
    rejects: int = 0
    kept_rejects: Annotated[KeptRejects, Field(exclude_if=lambda kept: kept == NONE_KEPT)] = NONE_KEPT
    lost: int = 0
    """Amounts that found no room while they waited for a run."""
    transactions: Annotated[int, SPARED] = 0
    """Of the outbox, those that moved records: by this a copy of it is known."""
    receipts: dict[str, int] = field(default_factory=dict)
    """By source whose last deliveries an earlier version has kept as a ring of rows: how many there were ever."""

    def copy(self) -> "Totals":
        return replace(self, records=dict(self.records), gaps=dict(self.gaps), receipts=dict(self.receipts))


@dataclass(frozen=True, slots=True)
class Work:
    """Something that delivery can go on with: an attempt with its records, or records that no attempt carries yet.

    `interval` is that of the first record; None where it is not known (any more). `live` says that it was appended
    since delivery last went wrong. `stuck` says that the interval cannot be known at Oden before something else
    happens.
    """

    lane: str
    records: tuple[Record, ...]
    positions: tuple[int, ...]
    interval: Interval | None
    attempt: Attempt | None = None
    oden_ids: tuple[str | None, ...] = ()
    """Of the intervals of `records`, or of the run that a batch is in, where no attempt carries these yet."""
    live: bool = True
    awaits_ends: bool = False
    """An end of `attempt.after` is still to come."""

    @property
    def line(self) -> str:
        return self.records[0].line

    @property
    def stuck(self) -> bool:
        return (
            self.attempt is None
            and kind_of(self.records[0]).needs_interval
            and (self.interval is None or self.interval.stalled)
        )


@dataclass(frozen=True, slots=True)
class LineRef:
    """How a line is called at Oden, and its id there once that is known."""

    factory: str
    name: str
    oden_id: str | None = None


Within = tuple[tuple[str, int, Record], ...]
"""Output that waits: lanes, positions, and what was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What intake makes durable at once.

    `number` is one more than that of the commit before (`Outbox.last_commit`); the same commit, made again because its
    outcome was not learned, has the same number and is stored once. `states` are, by line key, the rows of line states
    that have changed, by their names: their texts, or None for one that is to go;
    `sessions` are changes of unconfirmed receipts, by MQTT session; `ids` the ids of messages, by source; `old_rings`
    are sources whose deliveries, as an earlier version has kept them, are among these now. `heard` is what lines have
    heard since the commit before, as text, `trails` are the beginnings of what they remember of that, by line key, and
    `heard_since` is the number of the first commit of which that is still needed. `rejects` are messages that could not
    be used and are kept, `rejects_left_out` how many more there were; `replayed` are those that were taken once more,
    by their numbers, with what is still wrong with them, where something is. `refused` is how many values and messages
    could not be used, whether or not a notice says so. `within` is output that waits and is not to be sent, because it
    is at Oden within other entries."""

    number: int
    states: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()
    sessions: Mapping[str, Changes] = field(default_factory=dict)
    ids: Mapping[str, IdsOfCommit] = field(default_factory=dict)
    old_rings: tuple[str, ...] = ()
    heard: str = ""
    trails: Mapping[str, str] = field(default_factory=dict)
    heard_since: int = 0
    rejects: tuple[Reject, ...] = ()
    replayed: Mapping[int, Reject | None] = field(default_factory=dict)
    rejects_left_out: int = 0
    refused: int = 0
    within: Within = ()

    def mark(self) -> "CommitMark":
        """What is remembered of it: equal for equal commits alone."""
        heard = (self.sessions, self.ids, self.old_rings, self.heard, self.trails)
        rest = (
            self.states,
            self.notices,
            *heard,
            self.rejects,
            self.replayed,
            self.rejects_left_out,
            self.refused,
            self.within,
        )
        digest = hashlib.blake2b(repr(rest).encode(), digest_size=16)
        for record in self.records:
            digest.update(RECORD.dump_json(record))
        return CommitMark(self.number, digest.hexdigest(), self.heard_since)


@dataclass(frozen=True, slots=True)
class CommitMark:
    """What is stored of the last commit, in the same transaction: its number, and a digest of all that is in it."""

    number: int = 0
    digest: str = ""
    heard_since: Annotated[int, SPARED] = 0
    """The number of the first commit of which there is still what lines had heard; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A person has paused delivery: since when (epoch), who, and why where that was said."""

    since: float
    by: str
    reason: str = ""


ATTEMPT = TypeAdapter(Attempt)
IDS_OF_COMMIT = TypeAdapter(IdsOfCommit)
COMMIT_MARK = TypeAdapter(CommitMark)
INTERVAL = TypeAdapter(Interval)
DEAD_LETTER = TypeAdapter(DeadLetter)
TOTALS = TypeAdapter(Totals)
NOTICE = TypeAdapter(Notice)
PAUSE = TypeAdapter(Pause | None)
LINE_REFS = TypeAdapter(dict[str, LineRef])


@dataclass(slots=True)
class SettingEntry:
    """What there is of one thing that settings of one line are about."""

    __pydantic_config__ = STORED

    waiting_at: Annotated[int | None, Field(alias="at")] = None
    """The position of the setting that waits and that no attempt carries."""
    refused: list[int] = field(default_factory=list)
    """The positions of dead letters about it, oldest first."""


def setting_key(setting: Setting) -> str:
    """The key of the row of `SettingEntry` of what `setting` is about on its line."""
    words = json.dumps([setting.line, setting.type, setting.about], sort_keys=True)
    return f"thing/{hashlib.blake2b(words.encode(), digest_size=16).hexdigest()}"


SETTING_ENTRY = TypeAdapter(SettingEntry)
