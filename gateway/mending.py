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

from gateway.clock_watch import KnownTime, Retiming
from gateway.frozen import replace
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

Stamped = frozenset[tuple[str, int, bool]]
"""Of output the interval, the time stamp, and whether it is a test."""


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
    untold = await outbox(untold_stamps)
    for plan in plans:
        stored = await outbox(Outbox.line_state, plan.key)
        if stored:
            rows = StateRows(stored)
            states[plan.key] = rows.changes(retimed(rows.state(plan), retiming.since, by, untold))
    number = await outbox(retime, retiming.since, by, states)
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


def retime(outbox: Outbox, since: float, by: int, states: Mapping[str, Mapping[str, str | None]]) -> int:
    """Make each time from `since` on `by` seconds later, or earlier where that is negative: those of records that Oden
    has not taken and that are not in doubt, and of their intervals; with rows of the `states` of lines, in one
    transaction. What these lines remember that they have heard has the times of the wrong clock as well: it is
    forgotten, so that no late message is put among it. Dead letters stay as they were refused. Answers how many records
    were mended."""
    _release(outbox)
    number = 0
    with outbox.transaction() as transaction:
        transaction.changes_all = True
        for line, rows in states.items():
            transaction.set_line_state(line, rows)
            transaction.put[f"trail/{line}"] = ""
        for name, position, stored in _waiting(outbox):
            record = _retimed(stored.record, since, by)
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


def _retimed(record: Record, since: float, by: int) -> Record:
    times = {name: getattr(record, name) for name in ("at", *kind_of(record).times)}
    return replace(record, **{name: time + by for name, time in times.items() if time is not None and time >= since})


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


def stamp_of(output: Output) -> tuple[str, int, bool]:
    """What a line's state remembers of the record of an entry, or of a test."""
    return output.interval, output.timestamp, output.quality_schema is not None


def retimed(state: LineState, since: float, by: int, untold: Stamped) -> LineState:
    """`state` with each time from `since` on `by` seconds later, or earlier where that is negative. Of the time stamps
    of output only those that are `untold`: the others are what Oden has, whatever the time is, and so taken."""

    def stamps(of: Mapping[str, tuple[int, ...]], *, tests: bool = False) -> dict[str, tuple[int, ...]]:
        return {
            key: tuple(sorted(at + by if at >= since and (key, at, tests) in untold else at for at in taken))
            for key, taken in of.items()
        }

    moved: LineState = _in(state, since, by)
    return replace(
        moved,
        output=replace(moved.output, stamps=stamps(state.output.stamps)),
        batch_output=replace(moved.batch_output, stamps=stamps(state.batch_output.stamps)),
        rules=replace(moved.rules, stamps=stamps(state.rules.stamps, tests=True)),
    )


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
