"""Is the outbox in order? Reads everything and says in sentences what is not as the store's invariants have it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from gateway.errors import DamagedRow
from gateway.model import RECORD
from gateway.outbox.entries import DEAD_LETTER, INTERVAL
from gateway.outbox.lanes import (
    DEAD,
    StoredRecord,
    lane_of,
    parked_lane,
    starts_lane,
    stored_record,
    updates_lane,
)
from gateway.outbox.listing import PAGE, positions
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.record_kinds import kind_of

MOST_TOLD = 100
"""Problems that one check tells of."""
TRIES = 3
"""How often the records of a line are gone through to find a moment in which none comes or leaves."""
MOST_INTERVALS = 100_000
"""Intervals of one line whose records are counted."""


@dataclass(slots=True)
class Verdict:
    """What one check has found. `moved` says that records came or left meanwhile, so that they could not be counted."""

    problems: list[str] = field(default_factory=list)
    records: int = 0
    moved: bool = False

    def wrong(self, text: str) -> None:
        """Note a problem; beyond the most, only that there are more."""
        if len(self.problems) < MOST_TOLD:
            self.problems.append(text)
        elif len(self.problems) == MOST_TOLD:
            self.problems.append("There is more that is wrong.")


@dataclass(slots=True)
class _Tally:
    """What was seen of the first MOST_INTERVALS intervals of a line: how many entries of output, from before the end
    and late ones, and how many parked records."""

    outputs: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


def lines(outbox: Outbox) -> list[str | None]:
    """What `check` is to be called with: every line that has lanes, and None for the dead letters."""
    return [*sorted({lane.line for name, lane in outbox.lanes.items() if name != DEAD}), None]


def check(outbox: Outbox, line: str | None) -> Iterator[Verdict | None]:
    """Go through the records of `line`, or through the dead letters. Answers None after each page of rows, at which
    other calls may be made to the outbox, and the verdict at last."""
    verdict, tally, rows = Verdict(), _Tally(), 0
    before = _bounds(outbox, line)
    for name, _, due, _ in before:
        present = 0
        for position in positions(outbox, name):
            rows += 1
            if rows % PAGE == 0:
                yield None
            present += _record(outbox, name, position, verdict, tally)
        if _bounds(outbox, line) == before and present != due:
            verdict.wrong(f"{name}: {present} records are there, and {due} should be")
        verdict.records += present
    for number, key in enumerate(sorted(tally.seen - tally.unread), 1):
        if _bounds(outbox, line) != before:
            break
        _interval(outbox, key, verdict, tally)
        if number % PAGE == 0:
            yield None
    verdict.moved = _bounds(outbox, line) != before
    yield verdict


async def still(outbox: OutboxThread, line: str | None) -> Verdict:
    """The verdict on a line (None: on the dead letters), at a moment in which no record comes or leaves; where none was
    found, it says so."""
    verdict = Verdict()
    for _ in range(TRIES):
        steps = await outbox(check, line)
        found = None
        while found is None:
            found = await outbox(partial(_next, steps))
        verdict = found
        if not verdict.moved or verdict.problems:
            break
    return verdict


def _next(steps: Iterator[Verdict | None], _: Outbox) -> Verdict | None:
    return next(steps)


def strays(outbox: Outbox) -> Iterator[str]:
    """Rows that nothing leads to, or that cannot be read. One pass over all; nothing may be changed meanwhile."""
    try:
        for key, text in outbox.rows():
            kind, _, rest = key.partition("/")
            name, _, number = rest.rpartition("/")
            if kind == "record" and not _is_within(outbox, name, int(number)):
                yield f"{key}: a record that no lane leads to"
            elif kind == "attempt" and int(number) not in (lane.attempts if (lane := outbox.lanes.get(name)) else ()):
                yield f"{key}: an attempt that no lane leads to"
            elif kind == "interval":
                INTERVAL.validate_json(text)
    except (DamagedRow, ValueError) as error:
        yield f"{error}; the rows after it were not looked at"


def _bounds(outbox: Outbox, line: str | None) -> list[tuple[str, int, int, tuple[int, ...]]]:
    """The lanes of a line, with what changes whenever a record comes or leaves."""
    return [
        (name, lane.tail, lane.waiting, tuple(lane.attempts))
        for name, lane in outbox.lanes.items()
        if (name == DEAD if line is None else name != DEAD and lane.line == line)
    ]


def _record(outbox: Outbox, name: str, position: int, verdict: Verdict, tally: _Tally) -> bool:
    """Look at one record; answers whether it is there."""
    where = f"record/{name}/{position}"
    try:
        text = outbox.row(where)
        if text is None:
            if any(position in attempt.positions for attempt in outbox.attempts(name)):
                verdict.wrong(f"{where}: a request carries this record, and it is not there")
            return False
        if name == DEAD:
            DEAD_LETTER.validate_json(text)
            return True
        stored = stored_record(text)
    except DamagedRow as error:
        verdict.wrong(str(error))
    except ValueError:
        verdict.wrong(f"{where}: this is not a record")
    else:
        _placed(outbox, where, name, stored, verdict, tally)
    return True


def _placed(outbox: Outbox, where: str, name: str, stored: StoredRecord, verdict: Verdict, tally: _Tally) -> None:
    record, kind = stored.record, kind_of(stored.record)
    is_parked = name == parked_lane(record.line)
    if not is_parked and name != lane_of(record):
        verdict.wrong(f"{where}: the {kind.name} {record.key} does not belong into this lane")
    if kind.interval == "none":
        return
    if record.interval not in tally.seen and len(tally.seen) < MOST_INTERVALS:
        tally.seen.add(record.interval)
        try:
            if outbox.interval(record.interval) is None:
                verdict.wrong(f"{where}: its interval {record.interval} is not known")
        except (DamagedRow, ValueError):
            verdict.wrong(f"interval {record.interval}: its row cannot be read")
            tally.unread.add(record.interval)
    if record.interval in tally.seen:
        tally.outputs[record.interval] += kind.interval == "adds" and not stored.late
        tally.late[record.interval] += stored.late
        tally.parked[record.interval] += is_parked


def _interval(outbox: Outbox, key: str, verdict: Verdict, tally: _Tally) -> None:
    interval = outbox.interval(key)
    if interval is None:
        return
    for word, due, present in (("", interval.outputs, tally.outputs[key]), ("late ", interval.late, tally.late[key])):
        if due != present:
            verdict.wrong(f"interval {key}: {present} {word}entries of output are there, and {due} should be")
    if interval.parked != tally.parked[key]:
        verdict.wrong(
            f"interval {key}: {tally.parked[key]} records are parked with it, and {interval.parked} should be"
        )
    starts, updates = starts_lane(interval.line, interval.type), updates_lane(interval.line, interval.type)
    for word, name, position in (("start", starts, interval.start_at), ("update", updates, interval.update_at)):
        if position is not None and not _waits(outbox, key, name, position):
            verdict.wrong(f"interval {key}: its {word} should wait as {name}/{position}, and does not")


def _waits(outbox: Outbox, key: str, name: str, position: int) -> bool:
    """Whether a record of the interval is at a position, and no attempt carries it."""
    try:
        text = outbox.row(f"record/{name}/{position}")
        return text is not None and RECORD.validate_json(text).interval == key and not outbox.is_carried(name, position)
    except (DamagedRow, ValueError):
        return False


def _is_within(outbox: Outbox, name: str, position: int) -> bool:
    lane = outbox.lanes.get(name)
    if lane is None:
        return False
    return outbox.is_carried(name, position) or lane.holds(position)
