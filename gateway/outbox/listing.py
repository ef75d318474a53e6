"""Looking through the records of the outbox: which there are, where each is, and what stands beside one.

`page` reads some rows and says where to go on, so that commits take place in between. What moves to another lane
meanwhile may be seen twice or not at all.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import merge
from typing import Annotated, Literal

from pydantic import TypeAdapter

from gateway.errors import DamagedRow, DamagedStore, OutboxError
from gateway.model import SPARED, Record
from gateway.outbox.entries import DEAD_LETTER, Attempt, DeadLetter, Interval, Phase
from gateway.outbox.lanes import DEAD, Lane, is_parked
from gateway.outbox.store import Outbox
from gateway.record_kinds import kind_of

Where = Literal["waiting", "sending", "again", "doubt", "parked", "deleted", "dead", "unsettled"]
"""Where a record is, in the words of the commands. deleted: parked, because somebody has deleted its interval at
Oden."""

WHERE: Mapping[Phase, Where] = {"sending": "sending", "retry": "again", "in_doubt": "doubt"}
"""Where a record is that an attempt carries, by the attempt's phase."""
PAGE = 500
"""Rows that are looked at in one call."""
KEY_LENGTH = 26
"""Characters of a whole key."""
FEW = 8
"""Keys that are worth looking for in a text before it is read."""
STANDING = {
    "waiting": "it waits for its turn",
    "sending": "it is on its way",
    "again": "it is tried again by itself",
    "doubt": "Oden may have it, which is looked up by itself",
    "parked": "it waits for the start of its interval, which is a dead letter or in doubt",
    "deleted": "somebody has deleted its interval at Oden while it was open; `outbox recreate` or `outbox drop`",
    "dead": "Oden refused it",
    "unsettled": "it may be at Oden, which could not be looked up",
}
"""Where a record is, as a clause."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One record and where it is. `error` is what Oden, or the way there, said last; `not_before` when its next step is
    due."""

    where: Where
    record: Record
    error: str = ""
    lane: str = ""
    position: int = 0
    tries: int = 0
    not_before: float | None = None
    unsure: Annotated[bool, SPARED] = False
    """Another life may have sent it, so that nothing is merged into it."""

    @property
    def is_from_before(self) -> bool:
        """Whether another life can have told it, too: of what waits, what is unsure."""
        return self.unsure or self.where not in ("waiting", "parked", "deleted")

    def must_be(self, *where: str) -> bool:
        """True; raises OutboxError where the record is elsewhere."""
        if self.where not in where:
            only = {"unsettled": "unsettled", "deleted": "held for an interval that was deleted at Oden"}
            wanted = only.get(" ".join(where), "a dead letter")
            raise OutboxError(f"{self.record.key} is not {wanted}: {STANDING[self.where]}. Nothing was changed.")
        return True


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records: all that fit everything that is given.

    `keys` are whole keys, or beginnings of keys; `lines` line keys; `kind` is that of the record or the type of its
    interval; `before` and `after` are when it was made; `interval` are intervals whose updates and output are wanted.
    """

    keys: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()
    kind: str | None = None
    where: Where | None = None
    error: str | None = None
    before: float | None = None
    after: float | None = None
    interval: frozenset[str] = frozenset()

    def reaches(self, name: str, lane: Lane) -> bool:
        """Whether a lane can hold any that fit."""
        here = "dead" if name == DEAD else "parked" if is_parked(name) else "others"
        place = "dead" if self.where in LETTERS else "parked" if self.where in PARKED else "others"
        wanted = None if self.where is None else place
        return wanted in (None, here) and (name == DEAD or not self.lines or lane.line in self.lines)

    def fits(self, listed: Listed) -> bool:
        """Whether one record is wanted."""
        record = listed.record
        return (
            (not self.lines or record.line in self.lines)
            and (self.kind is None or self.kind.lower() in (record.kind, record.type.lower()))
            and self.where in (None, listed.where)
            and (self.error is None or self.error.lower() in listed.error.lower())
            and (self.before is None or record.at < self.before)
            and (self.after is None or record.at >= self.after)
            and (not self.keys or _begins(record.key, self.keys))
            and (not self.interval or (kind_of(record).interval != "opens" and record.interval in self.interval))
        )


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins."""

    lane: str
    position: int


@dataclass(frozen=True, slots=True)
class Details:
    """What stands beside one record: the attempt that carries it, its dead letter, its interval."""

    attempt: Attempt | None
    letter: DeadLetter | None
    interval: Interval | None


LETTERS: tuple[Where, ...] = ("dead", "unsettled")
"""Where a dead letter is."""
PARKED: tuple[Where, ...] = ("parked", "deleted")
DELETED = (
    "somebody has deleted its interval at Oden: make that anew (`outbox recreate`), or give this up (`outbox drop`)"
)


@cache
def listed_adapter() -> TypeAdapter[Listed]:
    """For the way over the control socket; made where a person asks, as is the other."""
    return TypeAdapter(Listed)


@cache
def details_adapter() -> TypeAdapter[Details]:
    """For the way over the control socket."""
    return TypeAdapter(Details)


def page(
    outbox: Outbox,
    wanted: Filter,
    begin: Cursor | None = None,
    rows: int = PAGE,
    unread: list[str] | None = None,
) -> tuple[list[Listed], Cursor | None]:
    """The records that fit among the next `rows` rows, and where to go on; None where that was all.

    Dead letters come first, then what is parked, then the lanes by name; each oldest first. A row that cannot be read
    is passed over, and its name added to `unread`.
    """
    matches: list[Listed] = []
    for name in _names(outbox, wanted):
        if begin is not None and _order(name) < _order(begin.lane):
            continue
        first = begin.position if begin is not None and name == begin.lane else 0
        carried = {position: attempt for attempt in outbox.attempts(name) for position in attempt.positions}
        under_way = sorted(position for position in carried if position >= first)
        for position in under_way if wanted.where in WHERE.values() else positions(outbox, name, first):
            if not rows:
                return matches, Cursor(name, position)
            rows -= 1
            keys = wanted.keys or wanted.interval
            try:
                listed = _read(outbox, name, position, carried.get(position), keys)
            except DamagedStore:
                raise
            except (DamagedRow, ValueError):
                listed = None
                if unread is not None:
                    unread.append(f"record/{name}/{position}")
            if listed is not None and wanted.fits(listed):
                matches.append(listed)
    return matches, None


def positions(outbox: Outbox, name: str, first: int = 0) -> Iterator[int]:
    """Every position of a lane from `first` on at which a record may be, in order, each once."""
    lane = outbox.lanes[name]
    carried = (position for attempt in outbox.attempts(name) for position in attempt.positions if position >= first)
    parts = (range(max(begin, first), end) for begin, end, _ in sorted(lane.parts()))
    last = -1
    for position in merge(sorted(carried), *parts):
        if position != last:
            yield position
        last = position


def details(outbox: Outbox, listed: Listed) -> Details:
    """What stands beside the record."""
    letter = dead_letter_at(outbox, listed.position) if listed.where in LETTERS else None
    return Details(attempt_of(outbox, listed), letter, outbox.interval(listed.record.interval))


def attempt_of(outbox: Outbox, listed: Listed) -> Attempt | None:
    """The attempt that carries the record."""
    return next((attempt for attempt in outbox.attempts(listed.lane) if listed.position in attempt.positions), None)


def dead_letter_at(outbox: Outbox, position: int) -> DeadLetter | None:
    """The dead letter at a position of their lane; None where it has gone."""
    text = outbox.row(f"record/{DEAD}/{position}")
    return DEAD_LETTER.validate_json(text) if text else None


def _names(outbox: Outbox, wanted: Filter) -> list[str]:
    return sorted(
        (name for name, lane in outbox.lanes.items() if lane.waiting and wanted.reaches(name, lane)), key=_order
    )


def _order(name: str) -> tuple[bool, bool, str]:
    return name != DEAD, not is_parked(name), name


def _begins(key: str, keys: frozenset[str]) -> bool:
    return key in keys or key.startswith(_beginnings(keys))


@lru_cache(maxsize=8)
def _beginnings(keys: frozenset[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if len(key) < KEY_LENGTH)


def _read(outbox: Outbox, name: str, position: int, attempt: Attempt | None, keys: frozenset[str]) -> Listed | None:
    """The record at a position; None where there is none or, at a glance, none with one of `keys`. Raises DamagedRow or
    ValueError where it cannot be read."""
    where: Where
    text = outbox.row(f"record/{name}/{position}")
    if text is None or (0 < len(keys) <= FEW and not any(key in text for key in keys)):
        return None
    if name == DEAD:
        letter = DEAD_LETTER.validate_json(text)
        where = "unsettled" if letter.unsettled else "dead"
        return Listed(where, letter.record, letter.error, name, position, letter.tries)
    stored = outbox.lanes[name].stored(position, text)
    record, unsure = stored.record, stored.unsure
    if attempt is None and is_parked(name):
        interval = outbox.interval(record.interval)
        is_held = interval is not None and interval.held
        where = "deleted" if is_held else "parked"
        return Listed(where, record, DELETED if is_held else "", name, position, unsure=unsure)
    if attempt is None:
        return Listed("waiting", record, "", name, position, unsure=unsure)
    return Listed(WHERE[attempt.phase], record, attempt.reason, name, position, attempt.tries, attempt.not_before)


def figures(outbox: Outbox) -> tuple[int, str | None, str | None, dict[str, dict[str, object]]]:
    """Bytes used, why nothing more is taken in, how little room is left where that is little, and how many records of
    each lane are where."""
    summary = outbox.summary(0)
    lanes: dict[str, dict[str, object]] = {}
    for name, lane in outbox.lanes.items():
        carried: Counter[str] = Counter()
        for attempt in outbox.attempts(name):
            carried[WHERE[attempt.phase]] += len(attempt.positions)
        rest = "dead" if name == DEAD else "parked" if is_parked(name) else "waiting"
        where = {rest: lane.waiting - carried.total(), **carried}
        lanes[name] = {"line": lane.line, "requests_begun": len(outbox.attempts(name)), "where": where}
    return summary.bytes, summary.full, summary.scarce, lanes
