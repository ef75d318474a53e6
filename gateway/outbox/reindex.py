"""The structure of an outbox from its records, after some rows were lost or all were translated.

Records are the truth. Bounds and counts are made from them; an attempt stays while a record of it is there; an interval
is made from its start where its own row is lost.

A damage may have made the outbox forget what was sent, and even bring back what it was before that. Nobody can tell
which records it is, so every create that waits is marked as `unsure` then: it is looked up at Oden before it is sent,
once, which costs one request for each. Updates say the same twice, and simply wait again.

Records are read one after another; intervals, attempts and bounds are held in memory.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field

from gateway.frozen import dataclass, replace
from gateway.model import KeptReject, Setting, StartInterval
from gateway.outbox.entries import (
    ATTEMPT,
    DEAD_LETTER,
    IDS_OF_COMMIT,
    INTERVAL,
    PAUSE,
    SETTING_ENTRY,
    TOTALS,
    Attempt,
    DeadLetter,
    Interval,
    SettingEntry,
    Totals,
    setting_key,
)
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD, LANE, Lane, StoredRecord, is_parked, starts_lane, stored_record, takes_turns
from gateway.outbox.record_rules import MOST_OPEN
from gateway.outbox.rejects import KEPT_REJECT, counted
from gateway.receipt_rows import BLOCK, HEAD
from gateway.record_kinds import creates, end_of, is_completed, kind_of, moves_amounts, was_over_before


@dataclass(slots=True)
class _LaneContent:
    """What the records of a lane say of it."""

    line: str
    first: int
    last: int
    number: int = 0
    astray: bool = False
    """One waits where its lane's bounds do not say that one may."""
    open: list[int] = field(default_factory=list)
    """Starts without an end that wait, the newest."""


@dataclass(slots=True)
class _IntervalContent:
    """What the records of an interval say of it; positions are of what waits and no attempt carries."""

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
    present: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    """By attempt, the positions whose records are there."""
    lane_contents: dict[str, _LaneContent] = field(default_factory=dict)
    interval_contents: dict[str, _IntervalContent] = field(default_factory=dict)
    setting_entries: dict[str, SettingEntry] = field(default_factory=dict)
    waiting_settings: dict[str, Setting] = field(default_factory=dict)
    """By the key of their entries, those that wait."""
    listed: dict[str, list[int]] = field(default_factory=dict)
    """By the key of their entries, the dead letters that were in the index."""
    creating: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that create something."""
    counts: dict[str, int] = field(default_factory=dict)
    """Records by kind."""
    unsettled: int = 0
    """Dead letters that are unsettled."""
    awaited: dict[str, list[int]] = field(default_factory=dict)
    """By the key of an entry of output the positions of parked ones that wait for it."""
    corrections: set[str] = field(default_factory=set)
    """The keys of entries for which others may wait."""
    put: dict[str, str] = field(default_factory=dict)
    rejects: dict[str, KeptReject] = field(default_factory=dict)
    payloads: set[str] = field(default_factory=set)
    """By their slots, messages that could not be used, and what they said."""
    drop: list[str] = field(default_factory=list)
    nonsense: list[str] = field(default_factory=list)


def unsure(rows: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The rows, with every create marked as one that Oden may have, unless it is looked up anyway; dead letters are a
    person's business."""
    for key, text in rows:
        prefix, _, rest = key.partition("/")
        marked = text
        if prefix == "record" and not rest.startswith(f"{DEAD}/"):
            with suppress(ValueError):  # what is no record is found to be none later
                stored = stored_record(text)
                in_doubt = kind_of(stored.record).look_up == "in_doubt"
                marked = replace(stored, unsure=True).text() if in_doubt else text
        yield key, marked


def reindex(rows: KeyValueStore, *, damaged: bool = False) -> list[str]:
    """Make lanes, attempts, intervals and totals agree with the records, all or none. `damaged`: what an attempt to
    create something says of itself may be out of date, so that it is in doubt.

    Answers the keys of rows that made no sense, which are dropped.
    """
    structure = _Structure()
    for key, text in rows.items():
        _learn(structure, key, text)
        if damaged and key.startswith("trail/"):
            structure.drop.append(key)  # what lines have heard is worth nothing where a part of it is lost
    for key, text in rows.items():
        prefix, _, rest = key.partition("/")
        if prefix == "record":
            _take_in(structure, key, rest, text)
    _attempts(structure, damaged=damaged)
    _lanes(structure)
    _intervals(structure)
    known = structure.totals or _counted(structure)
    held = sum(interval.held for interval in structure.intervals.values())
    kept = [reject for slot, reject in structure.rejects.items() if slot in structure.payloads]
    halves = structure.rejects.keys() ^ structure.payloads
    structure.drop += [f"{kind}/{slot}" for kind in ("reject", "payload") for slot in halves]
    kept_rejects = counted(kept, known.kept_rejects)
    totals = replace(known, unsettled=structure.unsettled, held=held, kept_rejects=kept_rejects)
    if totals != structure.totals:
        structure.put["totals"] = TOTALS.dump_json(totals).decode()
    awaited = ((key, positions) for key, positions in structure.awaited.items() if key in structure.corrections)
    structure.put |= {f"awaited/{key}": json.dumps(sorted(positions)) for key, positions in awaited}
    entries = structure.setting_entries.items()
    structure.put |= {key: SETTING_ENTRY.dump_json(entry).decode() for key, entry in entries}
    rows.apply(structure.put, [*structure.drop, *structure.nonsense])
    return structure.nonsense


def _learn(structure: _Structure, key: str, text: str) -> None:
    """Take note of a row that is not a record. One that makes no sense is dropped."""
    prefix, _, rest = key.partition("/")
    try:
        match prefix:
            case "lane":
                structure.lanes[rest] = LANE.validate_json(text)
            case "interval":
                structure.intervals[rest] = INTERVAL.validate_json(text)
            case "totals":
                structure.totals = TOTALS.validate_json(text)
            case "attempt":
                lane, _, number = rest.rpartition("/")
                attempt = ATTEMPT.validate_json(text)
                structure.attempts[lane, int(number)] = attempt
                structure.carried |= {(lane, position): (lane, int(number)) for position in attempt.positions}
            case "thing":
                structure.drop.append(key)  # made anew from the records
                with suppress(ValueError):
                    structure.listed[key] = SETTING_ENTRY.validate_json(text).refused
            case "awaited":
                structure.drop.append(key)  # made anew from the records
            case "session":
                HEAD.validate_json(text)
            case "receipts":
                BLOCK.validate_json(text)
            case "pause":
                PAUSE.validate_json(text)
            case "ids":
                IDS_OF_COMMIT.validate_json(text)
            case "reject":
                structure.rejects[rest] = KEPT_REJECT.validate_json(text)
            case "payload":
                structure.payloads.add(rest)
            case "receipt" | "notice":
                ring, _, slot = key.rpartition("/")
                structure.rings[ring] = max(structure.rings.get(ring, 0), int(slot) + 1)
    except ValueError:
        structure.nonsense.append(key)


def _take_in(structure: _Structure, key: str, rest: str, text: str) -> None:
    """Take note of a record."""
    lane, _, number = rest.rpartition("/")
    try:
        position = int(number)
        letter = DEAD_LETTER.validate_json(text) if lane == DEAD else None
        stored = StoredRecord(letter.record) if letter is not None else stored_record(text)
    except ValueError:
        structure.nonsense.append(key)
        return
    record = stored.record
    structure.unsettled += letter is not None and letter.unsettled
    if moves_amounts(record):
        structure.corrections.add(record.key)
        for other in record.after if is_parked(lane) else ():
            structure.awaited.setdefault(other, []).append(position)
    attempt = structure.carried.get((lane, position))
    structure.counts[record.kind] = structure.counts.get(record.kind, 0) + 1
    line = "" if lane == DEAD else record.line
    content = structure.lane_contents.setdefault(lane, _LaneContent(line, position, position))
    content.number += 1
    content.last = max(content.last, position)
    if attempt is None:
        content.first = min(content.first, position)
        bounds = structure.lanes.get(lane)
        content.astray |= bounds is None or not bounds.holds(position)
    else:
        structure.present.setdefault(attempt, []).append(position)
        structure.creating |= {attempt} if creates(record) else set()
    if isinstance(record, Setting):
        if attempt is None:
            _take_setting(structure, record, position, letter)
        return
    _take_of_interval(structure, stored, lane, position if attempt is None else None)
    role = kind_of(record).interval
    if attempt is not None and role == "opens":
        structure.interval_contents[record.interval].stalled = structure.attempts[attempt].phase != "sending"
    elif attempt is not None and role == "changes":
        structure.interval_contents[record.interval].updating = True


def _take_setting(structure: _Structure, setting: Setting, position: int, letter: DeadLetter | None) -> None:
    """Take note of a setting; `letter`: it is a dead one."""
    key = setting_key(setting)
    # Once a work order was begun again, a letter of the time before is in the index no more. What began it again may be
    # delivered by now, so that only the letter still says so; where an earlier version has written it, the index.
    if letter is not None and is_completed(setting):
        is_listed = position in structure.listed.get(key, ())
        if not is_listed if letter.is_over is None else letter.is_over:
            return
    entry, known = structure.setting_entries.setdefault(key, SettingEntry()), structure.waiting_settings.get(key)
    at = entry.waiting_at
    if letter is not None:
        entry.refused = sorted([*entry.refused, position])
        return
    if known is not None and at is not None:
        if position < at and not was_over_before(known, setting):
            return
        if position > at and was_over_before(setting, known):
            return
    structure.waiting_settings[key], entry.waiting_at = setting, position


def _take_of_interval(structure: _Structure, stored: StoredRecord, lane: str, position: int | None) -> None:
    """Take note of what a record says of its interval; without `position` where an attempt carries it."""
    record = stored.record
    content = structure.interval_contents.setdefault(record.interval, _IntervalContent())
    waits, dead = takes_turns(lane), lane == DEAD
    match kind_of(record).interval:
        case "opens" if isinstance(record, StartInterval):
            content.start = record
            content.start_at = position if waits and not stored.unsure else None
            content.stalled = dead or stored.unsure
            content.ended |= record.end is not None
            if waits and position is not None and record.end is None:
                lane_content = structure.lane_contents[lane]
                lane_content.open = sorted([*lane_content.open, position])[-MOST_OPEN:]
        case "changes":
            content.update_at = position if waits else content.update_at
            content.ended |= end_of(record) is not None and not dead
        case "adds" if not dead:
            content.outputs += not stored.late
            content.late += stored.late
    content.parked += is_parked(lane)
    content.dead += dead


def _attempts(structure: _Structure, *, damaged: bool) -> None:
    """An attempt whose records are all gone is dropped; one of which some are left goes on with these."""
    left: dict[tuple[str, int], Attempt] = {}
    for (lane, number), attempt in structure.attempts.items():
        present = set(structure.present.get((lane, number), ()))
        positions = tuple(position for position in attempt.positions if position in present)
        doubtful = damaged and attempt.phase == "retry" and (lane, number) in structure.creating
        now = replace(attempt, positions=positions, phase="in_doubt" if doubtful else attempt.phase)
        if positions:
            left[lane, positions[0]] = now
        if not positions or positions[0] != number:
            structure.drop.append(f"attempt/{lane}/{number}")
        if positions and now != attempt:
            structure.put[f"attempt/{lane}/{positions[0]}"] = ATTEMPT.dump_json(now).decode()
    structure.attempts = left


def _lanes(structure: _Structure) -> None:
    names = [*structure.lanes, *(name for name in structure.lane_contents if name not in structure.lanes)]
    for name in names:
        content = structure.lane_contents.get(name)
        lane = structure.lanes[name].copy() if name in structure.lanes else Lane(content.line if content else "")
        lane.waiting = content.number if content else 0
        lane.tail = max(lane.tail, content.last + 1 if content else 0)
        lane.attempts = sorted(number for of, number in structure.attempts if of == name)
        lane.open = content.open if content else []
        if content is None:
            lane.head, lane.backlog = lane.tail, []
        elif content.astray:
            lane.head, lane.backlog = content.first, []
        structure.lanes[name] = lane
        structure.put[f"lane/{name}"] = LANE.dump_json(lane).decode()
    structure.put["lanes"] = json.dumps(names)


def _intervals(structure: _Structure) -> None:
    new = [key for key in structure.interval_contents if key not in structure.intervals]
    for key in [*structure.intervals, *new]:
        content = structure.interval_contents.get(key, _IntervalContent())
        interval = structure.intervals.get(key)
        if interval is None:
            if content.start is None:
                continue
            interval = Interval(content.start.line, content.start.type, content.start.start)
        elif interval.oden_id is None and content.start is None and not interval.gone:
            # Its start is lost, and nobody will ever learn its id.
            structure.drop.append(f"interval/{key}")
            del structure.intervals[key]
            continue
        interval.start_at, interval.update_at = content.start_at, content.update_at
        interval.stalled, interval.updating = content.stalled or interval.held, content.updating
        interval.parked, interval.dead = content.parked, content.dead
        interval.outputs, interval.late = content.outputs, content.late
        interval.ended = interval.ended or content.ended
        structure.intervals[key] = interval
        structure.put[f"interval/{key}"] = INTERVAL.dump_json(interval).decode()
    _closed(structure)


def _closed(structure: _Structure) -> None:
    """Lanes name the intervals that are known and done with; those that no lane named would be known for ever."""
    named: set[str] = set()
    for name, lane in structure.lanes.items():
        known = [key for key in lane.closed if key in structure.intervals]
        named.update(known)
        lane.closed = known
        structure.put[f"lane/{name}"] = LANE.dump_json(lane).decode()
    for key, interval in structure.intervals.items():
        name = starts_lane(interval.line, interval.type)
        if interval.closed and not interval.pending and key not in named and name in structure.lanes:
            structure.lanes[name].closed.append(key)
            structure.put[f"lane/{name}"] = LANE.dump_json(structure.lanes[name]).decode()


def _counted(structure: _Structure) -> Totals:
    """Totals as far as they can be counted."""
    totals = Totals(records=structure.counts)
    totals.dead = structure.lane_contents[DEAD].number if DEAD in structure.lane_contents else 0
    totals.notices = structure.rings.get("notice", 0)
    totals.receipts = {
        ring.partition("/")[2]: place for ring, place in structure.rings.items() if ring.startswith("receipt/")
    }
    return totals
