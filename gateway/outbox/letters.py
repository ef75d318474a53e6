"""What a person does with records: looks through them, tries dead letters again, changed or not, or drops them.

Every function here is one call to the outbox and short: `page` reads some rows and says where to go on, so that commits take
place in between. What moves to another lane meanwhile may be seen twice or not at all; what changes something therefore looks
at each record once more, within its transaction.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from heapq import merge
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from gateway.errors import DamagedRow, OutboxError
from gateway.model import RECORD, Output, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox.change import Change
from gateway.outbox.entries import DEAD_LETTER, Attempt, DeadLetter, Interval, Lane
from gateway.outbox.kept import Kept
from gateway.outbox.lanes import DEAD, parked_lane
from gateway.outbox.merge import without, words
from gateway.outbox.store import Outbox
from gateway.outbox.things import still_meant

Where = Literal["waiting", "sending", "again", "doubt", "parked", "dead"]

UNDER_WAY = frozenset({"sending", "again", "doubt"})
"""Where a record is that an attempt carries."""
PAGE = 500
"""Rows that are looked at in one call."""
KEY_LENGTH = 26
"""Characters of a whole key."""
FEW = 8
"""Keys that are worth looking for in a text before it is read."""
NOTED = frozenset({"where", "error"})
"""What an exported line says beside the record; it is not read back."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One record and where it is. `error` is what Oden, or the way there, said last; `not_before` when its next step is due."""

    where: Where
    record: Record
    error: str = ""
    lane: str = ""
    position: int = 0
    tries: int = 0
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records: all that fit everything that is given.

    `keys` are whole keys, or beginnings of keys; `lines` line keys; `kind` is that of the record or the type of its interval;
    `before` and `after` are when it was made; `interval` are intervals whose updates and output are wanted.
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
        here = "dead" if name == DEAD else "parked" if name.endswith("/parked") else "others"
        wanted = self.where if self.where in (None, "dead", "parked") else "others"
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
            and (not self.interval or (record.kind != "start" and record.interval in self.interval))
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


LISTED = TypeAdapter(Listed)
DETAILS = TypeAdapter(Details)


def page(
    outbox: Outbox, wanted: Filter, begin: Cursor | None = None, rows: int = PAGE
) -> tuple[list[Listed], Cursor | None]:
    """The records that fit among the next `rows` rows, and where to go on; None where that was all.

    Dead letters come first, then what is parked, then the lanes by name; each oldest first. A row that cannot be read is
    passed over: `verify` says which.
    """
    found: list[Listed] = []
    for name in _names(outbox, wanted):
        if begin is not None and _order(name) < _order(begin.lane):
            continue
        first = begin.position if begin is not None and name == begin.lane else 0
        carried = {position: attempt for attempt in outbox.attempts(name) for position in attempt.positions}
        under_way = sorted(position for position in carried if position >= first)
        for position in under_way if wanted.where in UNDER_WAY else positions(outbox, name, first):
            if not rows:
                return found, Cursor(name, position)
            rows -= 1
            one = _read(outbox, name, position, carried.get(position), wanted.keys or wanted.interval)
            if one is not None and wanted.fits(one):
                found.append(one)
    return found, None


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


def details(outbox: Outbox, one: Listed) -> Details:
    """What stands beside the record."""
    attempt = next((a for a in outbox.attempts(one.lane) if one.position in a.positions), None)
    letter = _letter(outbox, one.position) if one.where == "dead" else None
    return Details(attempt, letter, outbox.interval(one.record.interval))


@dataclass(frozen=True, slots=True)
class Retried:
    """How many records are `sent` once more. Of `hopeless` ones the interval is not known any more: they stay. `outdated` are updates
    of which some or all was left out, because later ones say it differently."""

    sent: int = 0
    hopeless: int = 0
    outdated: int = 0

    def __add__(self, other: "Retried") -> "Retried":
        return Retried(self.sent + other.sent, self.hopeless + other.hopeless, self.outdated + other.outdated)


def retry(outbox: Outbox, found: Sequence[Listed], changed: Mapping[str, Record] | None = None) -> Retried:
    """Send those of `found` that are dead letters once more, as `changed` says by key where it does, and those that wait for
    their next try at once. One transaction.

    An update or a setting says nothing of fields that later ones have set, unless `changed` says something else of them than before. Of
    `changed`, all are sent or none: OutboxError where one is no dead letter any more, or its interval is not known any more.
    """
    done = Retried()
    with outbox.change() as change:
        for one in found:
            if one.where == "dead":
                done += _retry(outbox, change, one, changed)
            elif one.where == "again":
                done += Retried(sent=_hurry(outbox, change, one))
    return done


def _retry(outbox: Outbox, change: Change, one: Listed, changed: Mapping[str, Record] | None) -> Retried:
    record = (changed or {}).get(one.record.key, one.record)
    interval, letter = change.interval(record.interval), _letter(outbox, one.position)
    if interval is None and isinstance(record, StartInterval) and letter is not None:
        interval = change.intervals[record.key] = Interval(record.line, record.type, record.start)
    if isinstance(record, Setting) and letter is not None:
        _take(change, one)
        change.put_back(Kept(still_meant(record, letter) if changed else letter.record))
        return Retried(sent=1)
    if letter is None or interval is None:
        if changed is not None:
            gone = "it is not a dead letter any more" if letter is None else "its interval is not known any more"
            raise OutboxError(f"{record.key} cannot be sent: {gone}. Nothing was changed.")
        return Retried(hopeless=1)
    _take(change, one)
    interval.dead = max(0, interval.dead - 1)
    late = isinstance(record, Output) and interval.ended
    outdated = False
    if isinstance(record, Output):
        interval.count_in(late=late)
    elif isinstance(record, UpdateInterval):
        record, outdated = _of_today(record, letter, interval)
        if not words(record):
            change.totals.outdated += 1
            change.retire(record.interval, interval)
            return Retried(outdated=1)
    if isinstance(record, StartInterval | UpdateInterval) and record.end is not None:
        interval.ended = True
    change.put_back(Kept(record, late))
    return Retried(sent=1, outdated=outdated)


def _of_today(record: UpdateInterval, letter: DeadLetter, interval: Interval) -> tuple[UpdateInterval, bool]:
    """The update without what later ones say differently, and whether there was such. What a person has changed is the
    latest word itself."""
    before = words(letter.record) if isinstance(letter.record, UpdateInterval) else {}
    new = [name for name, value in words(record).items() if before.get(name) != value]
    interval.tell(new)
    if letter.said is None:
        return record, False
    old = {name for name in before if interval.said.get(name, 0) > letter.said.get(name, -1)} - {*new}
    left = without(record, old)
    return left, left != record


def _hurry(outbox: Outbox, change: Change, one: Listed) -> bool:
    """Whether an attempt that waits for its next try carries the record; it is tried at once then."""
    attempt = next((a for a in outbox.attempts(one.lane) if one.position in a.positions), None)
    if attempt is None or attempt.phase != "again":
        return False
    change.attempts[one.lane, attempt.number] = replace(attempt, not_before=0.0)
    change.lane(one.lane)  # what was seen of the lane is no longer true
    return True


def drop(outbox: Outbox, found: Sequence[Listed], dependents: Sequence[Listed] = ()) -> int:
    """Give up those of `found` that are dead letters, and with the start of an interval all that names it: `dependents`, and
    what was parked since they were found. One transaction; answers how many records it were. Nothing else can be dropped."""
    with outbox.change() as change:
        before = change.totals.dropped
        given_up: set[str] = set()
        for one in found:
            if one.where != "dead" or _letter(outbox, one.position) is None:
                continue
            _take(change, one)
            change.totals.dropped += 1
            interval = change.interval(one.record.interval)
            if isinstance(one.record, StartInterval):
                given_up.add(one.record.key)
            elif interval is not None:
                interval.dead = max(0, interval.dead - 1)
                interval.closed = interval.closed or getattr(one.record, "end", None) is not None
                change.retire(one.record.interval, interval)
        for one in dependents:
            name, position = one.lane, one.position
            if one.record.interval in given_up and outbox.row(f"record/{name}/{position}") is not None:
                interval = change.interval(one.record.interval)
                if interval is not None and name.endswith("/parked"):
                    interval.parked -= 1
                _lose(change, name, position)
        for key in given_up:
            interval = change.interval(key)
            if interval is not None and interval.parked:
                for position, _ in change.parked_with(key, interval):
                    _lose(change, parked_lane(interval.line), position)
            change.intervals[key] = None
        return change.totals.dropped - before


def _take(change: Change, letter: Listed) -> None:
    """Take a dead letter out of its lane."""
    change.take(DEAD, letter.position)
    if isinstance(letter.record, Setting):
        thing = change.thing(letter.record)
        thing.refused = [at for at in thing.refused if at != letter.position]


def _lose(change: Change, name: str, position: int) -> None:
    change.take(name, position)
    change.totals.dropped += 1


def exported(one: Listed) -> str:
    """One line of an export: the record's own fields, which may be changed and read back, and where it is and why."""
    return json.dumps(
        {"where": one.where, "error": one.error} | RECORD.dump_python(one.record, mode="json"), ensure_ascii=False
    )


def imported(lines: Sequence[str]) -> dict[str, tuple[int, Record]]:
    """Records by key from the lines of an export, with the numbers of their lines. Raises OutboxError, naming the line."""
    records: dict[str, tuple[int, Record]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            record = RECORD.validate_json(line, strict=True)
        except ValueError as error:
            raise OutboxError(f"line {number}: {_what_is_wrong(error)}") from None
        unknown = given.keys() - {field.name for field in fields(record)} - NOTED
        if unknown:
            raise OutboxError(f"line {number}: a record has no '{min(unknown)}'")
        if record.key in records:
            raise OutboxError(f"line {number}: {record.key} is there twice, first on line {records[record.key][0]}")
        records[record.key] = number, record
    return records


def compare(letters: Collection[Listed], changed: Mapping[str, tuple[int, Record]]) -> None:
    """Raises OutboxError, naming the line, where a changed record is not one of the dead `letters` or says what it cannot."""
    known = {one.record.key: one.record for one in letters if one.where == "dead"}
    for key, (number, record) in changed.items():
        if key not in known:
            raise OutboxError(f"line {number}: there is no dead letter {key}")
        wrong = _unfit(known[key], record)
        if wrong:
            raise OutboxError(f"line {number}: {wrong}")


def _unfit(old: Record, new: Record) -> str | None:
    """Why `new` cannot stand for `old`.

    Others depend on what a record belongs to; and by its start or time stamp it is found again at Oden, where nothing else
    may have the same.
    """
    for name in ("kind", "line", "type", "interval", "at", "start", "timestamp"):
        was, now = getattr(old, name, None), getattr(new, name, None)
        if was != now:
            return f"'{name}' cannot be changed, it was {json.dumps(was)}: others depend on it, or it finds the record at Oden"
    if isinstance(new, Output):
        if any(isinstance(new.raw_data.get(name), bool | str | None) for name in new.amounts):
            return "each of 'amounts' must be a number in 'raw_data'"
        return None
    if isinstance(new, Setting):
        return None
    if new.end is None and getattr(old, "end", None) is not None:
        return "'end' cannot be taken away, only changed"
    if isinstance(new, StartInterval) and new.end is not None and new.end <= new.start:
        return "'end' must be after 'start'"
    return None


def _what_is_wrong(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"this is not JSON: {error.msg} at column {error.colno}"
    listed = error.errors() if isinstance(error, ValidationError) else []
    if not listed:
        return str(error)
    loc = ".".join(str(part) for part in listed[0]["loc"][1:])
    return f"this is not a record: {loc + ': ' if loc else ''}{listed[0]['msg']}"


def _names(outbox: Outbox, wanted: Filter) -> list[str]:
    return sorted(
        (name for name, lane in outbox.lanes.items() if lane.waiting and wanted.reaches(name, lane)), key=_order
    )


def _order(name: str) -> tuple[bool, bool, str]:
    return name != DEAD, not name.endswith("/parked"), name


def _begins(key: str, keys: frozenset[str]) -> bool:
    return key in keys or key.startswith(_beginnings(keys))


@lru_cache(maxsize=8)
def _beginnings(keys: frozenset[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if len(key) < KEY_LENGTH)


def _read(outbox: Outbox, name: str, position: int, attempt: Attempt | None, words: frozenset[str]) -> Listed | None:
    """The record at a position; None where there is none, none that can be read, or, at a glance, none with one of `words`."""
    try:
        text = outbox.row(f"record/{name}/{position}")
        if text is None or (0 < len(words) <= FEW and not any(word in text for word in words)):
            return None
        if name == DEAD:
            letter = DEAD_LETTER.validate_json(text)
            return Listed("dead", letter.record, letter.error, name, position, letter.tries)
        record = RECORD.validate_json(text)
    except (DamagedRow, ValueError):
        return None
    if attempt is None:
        return Listed("parked" if name.endswith("/parked") else "waiting", record, "", name, position)
    return Listed(attempt.phase, record, attempt.reason, name, position, attempt.tries, attempt.not_before)


def _letter(outbox: Outbox, position: int) -> DeadLetter | None:
    text = outbox.row(f"record/{DEAD}/{position}")
    return DEAD_LETTER.validate_json(text) if text else None
