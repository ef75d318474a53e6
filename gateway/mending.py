"""Mends the times that a wrong clock has stamped: of what is remembered of lines, and of what waits for Oden; and keeps
what the next start has to know to tell which of its times can be trusted.

Which fields of a line's state are times is told by their names, which are the same all over the state: values, counts
and metadata are none, whatever they look like.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import structlog
from pydantic import TypeAdapter

from gateway.clock_evidence import KnownTime, Retiming
from gateway.frozen import replace
from gateway.mapping import clocks
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.model import Output, Record, StartInterval
from gateway.outbox.lanes import DEAD, StoredRecord, stored_record
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import kind_of

log = structlog.get_logger()

KNOWN_TIME = TypeAdapter(KnownTime)

Stamp = tuple[str, int, bool]
"""Of output the interval, the time stamp, and whether it is a test."""
Stamped = frozenset[Stamp]


def known_time(outbox: Outbox) -> KnownTime:
    """What the outbox keeps of the time."""
    return KNOWN_TIME.validate_json(outbox.row("clock") or "{}")


def keep_time(outbox: Outbox, known: KnownTime) -> None:
    """Keep `known` in the outbox."""
    with outbox.transaction() as transaction:
        transaction.put["clock"] = KNOWN_TIME.dump_json(known).decode()


async def mend(outbox: OutboxThread, plans: Sequence[LinePlan], retiming: Retiming) -> None:
    """Mend the times of the lines of `plans` and of what waits, in a transaction, before anything is mapped or sent."""
    by, states = round(retiming.by), dict[str, dict[str, str | None]]()
    untold, moved = await outbox(untold_stamps), dict[Stamp, int]()
    for plan in plans:
        stored = await outbox(Outbox.line_state, plan.key)
        if stored:
            rows = StateRows(stored)
            state = rows.state(plan)
            senders = {stream: clocks.moved(known, by) for stream, known in rows.clocks.items()}
            states[plan.key] = rows.changes(retimed(state, retiming.since, by, untold), senders)
            moved |= moved_stamps(state, retiming.since, by, untold)
    number = await outbox(retime, retiming.since, by, states, moved)
    log.warning("times_mended", seconds=by, records=number)


def untold_stamps(outbox: Outbox) -> Stamped:
    """The time stamps of the output and tests that Oden has not taken and that are not in doubt."""
    _release(outbox)
    records = (stored.record for _, _, stored in _waiting(outbox))
    return frozenset(stamp_of(record) for record in records if isinstance(record, Output))


def _release(outbox: Outbox) -> None:
    for work in outbox.work():
        if work.attempt is not None and work.attempt.phase == "retry":
            # Oden certainly did not take it, so that another request can be made of it.
            outbox.begin(work, replace(work.attempt, body=""))


def retime(
    outbox: Outbox,
    since: float,
    by: int,
    states: Mapping[str, Mapping[str, str | None]],
    moved: Mapping[Stamp, int],
) -> int:
    """Make each time from `since` on `by` seconds later, or earlier where that is negative: those of records that Oden
    has not taken and that are not in doubt, and of their intervals; with rows of the `states` of lines, in one
    transaction. `moved` are the time stamps of output that `moved_stamps` tells. What these lines remember that they
    have heard has the times of the wrong clock as well: it is forgotten, so that no late message is put among it. Dead
    letters stay as they were refused, and what is in doubt as it was told, but that is looked up when it would be by
    the right clock. Answers how many records were mended."""
    _release(outbox)
    for work in outbox.work():
        attempt = work.attempt
        if attempt is None or attempt not in outbox.attempts(work.lane):
            continue  # what is unsure is offered as one, and has never been sent from here
        if attempt.phase == "in_doubt" and attempt.not_before >= since:
            rests_since = attempt.rests_since + by if attempt.rests_since >= since else attempt.rests_since
            outbox.begin(work, replace(attempt, not_before=attempt.not_before + by, rests_since=rests_since))
    number = 0
    with outbox.transaction() as transaction:
        transaction.changes_all = True
        for line, rows in states.items():
            transaction.set_line_state(line, rows)
            transaction.put[f"trail/{line}"] = ""
        for name, position, stored in _waiting(outbox):
            record = _retimed(stored.record, since, by, moved)
            if record != stored.record:
                number += 1
                transaction.put[f"record/{name}/{position}"] = replace(stored, record=record).text()
                transaction.touch(name, record.line)
                _retime_interval(transaction, record)
    return number


def _waiting(outbox: Outbox) -> Iterator[tuple[str, int, StoredRecord]]:
    for name, lane in outbox.lanes.items():
        for first, last, _ in lane.parts() if name != DEAD else ():
            for position in range(first, last):
                text = None if outbox.is_carried(name, position) else outbox.row(f"record/{name}/{position}")
                if text is not None:
                    yield name, position, stored_record(text)


def _retime_interval(transaction: Transaction, record: Record) -> None:
    interval = transaction.interval_of(record)
    if interval is not None and isinstance(record, StartInterval):
        interval.start = record.start


def _retimed(record: Record, since: float, by: int, moved: Mapping[Stamp, int]) -> Record:
    times = {name: getattr(record, name) for name in ("at", *kind_of(record).times)}
    times = {name: time + by for name, time in times.items() if time is not None and time >= since}
    if isinstance(record, Output) and stamp_of(record) in moved:
        times["timestamp"] = moved[stamp_of(record)]
    return replace(record, **times)


TIMES = frozenset(
    {
        "at",
        "back",
        "bad_since",
        "begun",
        "correction_due",
        "described_at",
        "due",
        "earliest_start",
        "end",
        "ended",
        "flush_at",
        "key_history",
        "last_heard",
        "learned",
        "left",
        "now",
        "past_events",
        "quiet_at",
        "received",
        "reset_at",
        "since",
        "stamp",
        "start",
        "torn_since",
        "until",
    }
)
"""The fields of a line's state that hold times, alone or in a collection."""


def stamp_of(output: Output) -> Stamp:
    """What a line's state remembers of the record of an entry, or of a test."""
    return output.interval, output.timestamp, output.quality_schema is not None


def moved_stamps(state: LineState, since: float, by: int, untold: Stamped) -> dict[Stamp, int]:
    """Of the time stamps of output that are `untold` and from `since` on, which they are `by` seconds later, or earlier
    where that is negative: the first from then on that is none of the interval's others, for those are at Oden."""
    moved: dict[Stamp, int] = {}
    for stamps, is_test in _stamps(state):
        for key, taken in stamps.items():
            moves = [at for at in taken if at >= since and (key, at, is_test) in untold]
            others = {*taken} - {*moves}
            for at in sorted(moves):
                free = at + by
                while free in others:
                    free += 1
                others.add(free)
                moved[key, at, is_test] = free
    return moved


def retimed(state: LineState, since: float, by: int, untold: Stamped) -> LineState:
    """`state` with each time from `since` on `by` seconds later, or earlier where that is negative. Of the time stamps
    of output only those that are `untold`: the others are what Oden has, whatever the time is, and so taken."""
    moved = moved_stamps(state, since, by, untold)
    output, batch_output, rules = (
        {key: tuple(sorted(moved.get((key, at, is_test), at) for at in taken)) for key, taken in stamps.items()}
        for stamps, is_test in _stamps(state)
    )
    rest: LineState = _in(state, since, by)
    return replace(
        rest,
        output=replace(rest.output, stamps=output),
        batch_output=replace(rest.batch_output, stamps=batch_output),
        rules=replace(rest.rules, stamps=rules),
    )


def _stamps(state: LineState) -> tuple[tuple[Mapping[str, tuple[int, ...]], bool], ...]:
    return (state.output.stamps, False), (state.batch_output.stamps, False), (state.rules.stamps, True)


def _in(holder: Any, since: float, by: int) -> Any:
    """The dataclass or named tuple with its times moved."""
    is_tuple = hasattr(holder, "_fields")
    names = holder._fields if is_tuple else [each.name for each in fields(holder)]
    moved = {name: _moved(getattr(holder, name), since, by, is_time=name in TIMES) for name in names}
    return holder._replace(**moved) if is_tuple else replace(holder, **moved)


def _moved(value: Any, since: float, by: int, *, is_time: bool) -> Any:
    if is_dataclass(value) or hasattr(value, "_fields"):
        return _in(value, since, by)
    if isinstance(value, tuple):
        return tuple(_moved(each, since, by, is_time=is_time) for each in value)
    if isinstance(value, Mapping):
        return {key: _moved(each, since, by, is_time=is_time) for key, each in value.items()}
    if is_time and isinstance(value, int | float) and not isinstance(value, bool) and value >= since:
        return value + by
    return value
