"""The structure of an outbox from its records, after some rows were lost or all were translated.

Records are the truth. Bounds and counts are made from them; an attempt stays while a record of it is there; an interval is made
from its start where its own row is lost.

A damage may have made the outbox forget what was sent, and even bring back what it was before that. Nobody can tell which records
it is, so every create that waits is marked as `unsure` then: it is looked up at Oden before it is sent, once, which costs one request
for each. Updates say the same twice, and simply wait again.

Records are read one after another; intervals, attempts and bounds are held in memory.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gateway.model import Output, Setting, StartInterval, UpdateInterval, creates
from gateway.outbox.change import MOST_OPEN
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
    INTERVAL,
    LANE,
    THING,
    TOTALS,
    Attempt,
    Interval,
    Lane,
    Thing,
    Totals,
)
from gateway.outbox.kept import Kept, kept
from gateway.outbox.lanes import DEAD, starts_lane
from gateway.outbox.rows import Rows
from gateway.outbox.things import key_of


@dataclass(slots=True)
class _Seen:
    """What the records of a lane say."""

    line: str
    first: int
    last: int
    number: int = 0
    astray: bool = False
    """One waits where its lane's bounds do not say that one may."""
    open: list[int] = field(default_factory=list)
    """Starts without an end that wait, the newest."""


@dataclass(slots=True)
class _Facts:
    """What the records of an interval say; positions are of what waits and no attempt carries."""

    start: StartInterval | None = None
    start_at: int | None = None
    update_at: int | None = None
    updating: bool = False
    stalled: bool = False
    ended: bool = False
    parked: int = 0
    outputs: int = 0
    late: int = 0
    dead: int = 0


@dataclass(slots=True)
class _Structure:
    """What was there before, as far as it can be read, and what the records say."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    totals: Totals | None = None
    carried: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """By lane and position, the attempt."""
    rings: dict[str, int] = field(default_factory=dict)
    """By ring, the place after its last row."""
    found: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    """By attempt, the positions whose records are there."""
    seen: dict[str, _Seen] = field(default_factory=dict)
    facts: dict[str, _Facts] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)
    creating: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that create something."""
    kinds: dict[str, int] = field(default_factory=dict)
    put: dict[str, str] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    nonsense: list[str] = field(default_factory=list)


def unsure(items: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The rows, with every create marked as one that Oden may have; dead letters are a person's business."""
    for key, text in items:
        kind, _, rest = key.partition("/")
        marked = text
        if kind == "record" and not rest.startswith(f"{DEAD}/"):
            with suppress(ValueError):  # what is no record is found to be none later
                one = kept(text)
                marked = replace(one, unsure=True).text() if isinstance(one.record, StartInterval | Output) else text
        yield key, marked


def rebuild(rows: Rows, *, damaged: bool = False) -> list[str]:
    """Make lanes, attempts, intervals and totals agree with the records, all or none. `damaged`: what an attempt to create
    something says of itself may be out of date, so that it is in doubt.

    Answers the keys of rows that made no sense, which are dropped.
    """
    was = _Structure()
    for key, text in rows.items():
        _learn(was, key, text)
    for key, text in rows.items():
        kind, _, rest = key.partition("/")
        if kind == "record":
            _take_in(was, key, rest, text)
    _attempts(was, damaged=damaged)
    _lanes(was)
    _intervals(was)
    if was.totals is None:
        was.put["totals"] = TOTALS.dump_json(_counted(was)).decode()
    was.put |= {key: THING.dump_json(thing).decode() for key, thing in was.things.items()}
    rows.apply(was.put, [*was.drop, *was.nonsense])
    return was.nonsense


def _learn(was: _Structure, key: str, text: str) -> None:
    """Take note of a row that is not a record. One that makes no sense is dropped."""
    kind, _, rest = key.partition("/")
    try:
        match kind:
            case "lane":
                was.lanes[rest] = LANE.validate_json(text)
            case "interval":
                was.intervals[rest] = INTERVAL.validate_json(text)
            case "totals":
                was.totals = TOTALS.validate_json(text)
            case "attempt":
                lane, _, number = rest.rpartition("/")
                attempt = ATTEMPT.validate_json(text)
                was.attempts[lane, int(number)] = attempt
                was.carried |= {(lane, position): (lane, int(number)) for position in attempt.positions}
            case "thing":
                was.drop.append(key)  # made anew from the records
            case "receipt" | "notice":
                ring, _, slot = key.rpartition("/")
                was.rings[ring] = max(was.rings.get(ring, 0), int(slot) + 1)
    except ValueError:
        was.nonsense.append(key)


def _take_in(was: _Structure, key: str, rest: str, text: str) -> None:
    """Take note of a record."""
    lane, _, number = rest.rpartition("/")
    try:
        position = int(number)
        one = Kept(DEAD_LETTER.validate_json(text).record) if lane == DEAD else kept(text)
    except ValueError:
        was.nonsense.append(key)
        return
    record = one.record
    attempt = was.carried.get((lane, position))
    was.kinds[record.kind] = was.kinds.get(record.kind, 0) + 1
    seen = was.seen.setdefault(lane, _Seen("" if lane == DEAD else record.line, position, position))
    seen.number += 1
    seen.last = max(seen.last, position)
    if attempt is None:
        seen.first = min(seen.first, position)
        bounds = was.lanes.get(lane)
        seen.astray |= bounds is None or not any(first <= position < last for first, last, _ in bounds.parts())
    else:
        was.found.setdefault(attempt, []).append(position)
        was.creating |= {attempt} if creates(record) else set()
    if isinstance(record, Setting):
        if attempt is None:
            _note_thing(was.things.setdefault(key_of(record), Thing()), position, refused=lane == DEAD)
        return
    _note(was, one, lane, position if attempt is None else None)
    if attempt is not None and isinstance(record, StartInterval):
        was.facts[record.interval].stalled = was.attempts[attempt].phase != "sending"
    elif attempt is not None and isinstance(record, UpdateInterval):
        was.facts[record.interval].updating = True


def _note_thing(thing: Thing, position: int, *, refused: bool) -> None:
    if refused:
        thing.refused = sorted([*thing.refused, position])
    else:
        thing.at = position if thing.at is None else max(thing.at, position)


def _note(was: _Structure, one: Kept, lane: str, position: int | None) -> None:
    record = one.record
    facts = was.facts.setdefault(record.interval, _Facts())
    waits = lane != DEAD and not lane.endswith("/parked")
    if isinstance(record, StartInterval):
        facts.start = record
        facts.start_at = position if waits and not one.unsure else None
        facts.stalled = lane == DEAD or one.unsure
        facts.ended |= record.end is not None
        if waits and position is not None and record.end is None:
            was.seen[lane].open = sorted([*was.seen[lane].open, position])[-MOST_OPEN:]
    elif isinstance(record, UpdateInterval):
        facts.update_at = position if waits else facts.update_at
        facts.ended |= record.end is not None and lane != DEAD
    elif lane != DEAD:
        facts.outputs += not one.late
        facts.late += one.late
    facts.parked += lane.endswith("/parked")
    facts.dead += lane == DEAD


def _attempts(was: _Structure, *, damaged: bool) -> None:
    """An attempt whose records are all gone is dropped; one of which some are left goes on with these."""
    left: dict[tuple[str, int], Attempt] = {}
    for (lane, number), attempt in was.attempts.items():
        found = set(was.found.get((lane, number), ()))
        positions = tuple(position for position in attempt.positions if position in found)
        doubtful = damaged and attempt.phase == "again" and (lane, number) in was.creating
        now = replace(attempt, positions=positions, phase="doubt" if doubtful else attempt.phase)
        if positions:
            left[lane, positions[0]] = now
        if not positions or positions[0] != number:
            was.drop.append(f"attempt/{lane}/{number}")
        if positions and now != attempt:
            was.put[f"attempt/{lane}/{positions[0]}"] = ATTEMPT.dump_json(now).decode()
    was.attempts = left


def _lanes(was: _Structure) -> None:
    names = [*was.lanes, *(name for name in was.seen if name not in was.lanes)]
    for name in names:
        seen = was.seen.get(name)
        lane = was.lanes[name].copy() if name in was.lanes else Lane(seen.line if seen else "")
        lane.waiting = seen.number if seen else 0
        lane.tail = max(lane.tail, seen.last + 1 if seen else 0)
        lane.attempts = sorted(number for of, number in was.attempts if of == name)
        lane.open = seen.open if seen else []
        if seen is None:
            lane.head, lane.backlog = lane.tail, []
        elif seen.astray:
            lane.head, lane.backlog = seen.first, []
        was.lanes[name] = lane
        was.put[f"lane/{name}"] = LANE.dump_json(lane).decode()
    was.put["lanes"] = json.dumps(names)


def _intervals(was: _Structure) -> None:
    for key in [*was.intervals, *(key for key in was.facts if key not in was.intervals)]:
        facts = was.facts.get(key, _Facts())
        interval = was.intervals.get(key)
        if interval is None:
            if facts.start is None:
                continue
            interval = Interval(facts.start.line, facts.start.type, facts.start.start)
        elif interval.oden_id is None and facts.start is None:
            # Its start is lost, and nobody will ever learn its id.
            was.drop.append(f"interval/{key}")
            del was.intervals[key]
            continue
        interval.start_at, interval.update_at = facts.start_at, facts.update_at
        interval.stalled, interval.updating = facts.stalled, facts.updating
        interval.parked, interval.dead = facts.parked, facts.dead
        interval.outputs, interval.late = facts.outputs, facts.late
        interval.ended = interval.ended or facts.ended
        was.intervals[key] = interval
        was.put[f"interval/{key}"] = INTERVAL.dump_json(interval).decode()
    _closed(was)


def _closed(was: _Structure) -> None:
    """Lanes name the intervals that are known and done with; those that no lane named would be known for ever."""
    named: set[str] = set()
    for name, lane in was.lanes.items():
        known = [key for key in lane.closed if key in was.intervals]
        named.update(known)
        lane.closed = known
        was.put[f"lane/{name}"] = LANE.dump_json(lane).decode()
    for key, interval in was.intervals.items():
        name = starts_lane(interval.line, interval.type)
        if interval.closed and not interval.pending and key not in named and name in was.lanes:
            was.lanes[name].closed.append(key)
            was.put[f"lane/{name}"] = LANE.dump_json(was.lanes[name]).decode()


def _counted(was: _Structure) -> Totals:
    """Totals as far as they can be counted."""
    totals = Totals(records=was.kinds)
    totals.dead = was.seen[DEAD].number if DEAD in was.seen else 0
    totals.notices = was.rings.get("notice", 0)
    totals.receipts = {
        ring.partition("/")[2]: place for ring, place in was.rings.items() if ring.startswith("receipt/")
    }
    return totals
