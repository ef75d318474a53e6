"""What the outbox commands print: records in plain words, as tables that fit 100 columns."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from gateway.cli.phrases import span
from gateway.model import BUILT_IN, RECORD, Output, Record, Setting, UpdateInterval
from gateway.oden.limits import MOST_INTERVALS
from gateway.outbox.control_handlers import STANDING
from gateway.outbox.entries import Attempt, DeadLetter, Interval
from gateway.outbox.listing import Listed

WIDTH = 100
SHORT = 14
"""Characters of a key that are shown at least: the first ten are the time."""
MOST_LINE = 22
BYTES_A_RECORD = 700
"""On disk, with the row of its interval and its place in the index of keys: measured for an outage of a week of 40 lines that
each have a state every 2 minutes, output every minute and a run every half hour."""
MB = 1e6


def what(record: Record, room: int = 1000) -> str:
    """The record in plain words; names are cut where they do not fit into `room` characters, times are not."""
    named, when = _said(record)
    most = max(8, room - len(when) - 1)
    return f"{named if len(named) <= most else named[: most - 1] + '…'} {when}".rstrip()


def _said(record: Record) -> tuple[str, str]:
    """What it is about, and when that is."""
    if isinstance(record, Setting):
        said = (f"{name} {_plain(value)}" for name, value in record.fields.items())
        return f"{record.type.replace('_', ' ')}: {', '.join(said)}", f"from {moment(record.at)}"
    kind = record.type.lower() if record.type in BUILT_IN else record.type
    if isinstance(record, Output):
        amounts = [f"{_number(record.raw_data.get(name))} {name}" for name in record.amounts]
        others = [str(value) for name, value in record.raw_data.items() if name not in record.amounts]
        if not amounts:
            others = [f"{name} {_number(value)}" for name, value in record.raw_data.items()]
        return " ".join(filter(None, [", ".join(amounts), ", ".join(others)])), f"at {moment(record.timestamp)}"
    details = ", ".join(str(value) for value in record.metadata.values())
    if isinstance(record, UpdateInterval):
        changes = " and ".join(filter(None, [f"named {record.name}" if record.name else "", details]))
        named = f"{kind} is {changes}" if changes else kind
        return named, "" if record.end is None else f"{'and ' if changes else ''}ends {moment(record.end)}"
    named = " ".join(filter(None, [kind, record.name or details]))
    if record.end is None:
        return named, f"starts {moment(record.start)}"
    return named, f"{moment(record.start)} to {moment(record.end)}"


def _plain(value: JsonValue) -> str:
    """A value, or the name of what is known by its name."""
    named = value.get("name") if isinstance(value, dict) else value
    return str(value if named is None else named)


def moment(seconds: float) -> str:
    """A time in this machine's time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def table(records: Sequence[Listed], now: float) -> Iterator[str]:
    """One line for each record, and one below it for its error."""
    keys = _shortened([one.record.key for one in records])
    key_width = max([SHORT, *map(len, keys)])
    line_width = min(MOST_LINE, max([4, *(len(one.record.line) for one in records)]))
    yield f"{'KEY':{key_width}}  {'WHERE':7}  {'AGE':>4}  {'LINE':{line_width}}  WHAT"
    for key, one in zip(keys, records, strict=True):
        line = one.record.line if len(one.record.line) <= line_width else "…" + one.record.line[1 - line_width :]
        row = f"{key:{key_width}}  {one.where:7}  {_age(now - one.record.at):>4}  {line:{line_width}}  "
        yield _cut(row + what(one.record, WIDTH - len(row)))
        if one.error:
            yield _cut(f"  {one.error}")


def _shortened(keys: Sequence[str]) -> list[str]:
    """The shortest beginnings, of equal length, by which these keys can be told apart."""
    length = SHORT
    while len({key[:length] for key in keys}) < len(set(keys)):
        length += 1
    return [key[:length] for key in keys]


def _cut(text: str) -> str:
    text = " ".join(text.splitlines()).rstrip()
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is known of one record, as `outbox show` is answered."""

    record: Listed
    attempt: Attempt | None
    letter: DeadLetter | None
    interval: Interval | None
    dependents: list[Listed]
    number_of_dependents: int


def all_of(shown: Shown, now: float) -> Iterator[str]:
    """Everything known of one record."""
    one, record = shown.record, shown.record.record
    yield what(record)
    yield f"  line    {record.line}"
    yield f"  key     {record.key}"
    yield f"  made    {moment(record.at)}, {span(round(max(0.0, now - record.at)))} ago"
    yield f"  where   {one.where}: {STANDING[one.where]}"
    if one.where != "waiting" and one.tries:
        yield f"  sent    {one.tries} times" if one.tries > 1 else "  sent    once"
    if one.not_before is not None and one.where in ("again", "doubt"):
        step = "tried again" if one.where == "again" else "looked up"
        due = "as soon as its turn comes" if one.not_before <= now else f"in {span(math.ceil(one.not_before - now))}"
        yield f"  next    {step} {due}"
    if shown.interval is not None and shown.interval.oden_id:
        yield f"  at Oden interval {shown.interval.oden_id}"
    yield from ("", "The record", json.dumps(_fields(record), ensure_ascii=False, indent=2))
    sent = shown.letter or shown.attempt
    if sent is not None and sent.body:
        yield from ("", f"The request, as it was sent to {sent.endpoint}", sent.body)
    if one.error:
        yield from ("", "The answer", one.error)
    if shown.number_of_dependents:
        yield from ("", f"{shown.number_of_dependents} records wait for it:", *table(shown.dependents, now))
        if shown.number_of_dependents > len(shown.dependents):
            yield f"and {shown.number_of_dependents - len(shown.dependents)} more"


def _fields(record: Record) -> Mapping[str, object]:
    return {name: value for name, value in RECORD.dump_python(record, mode="json").items() if value is not None}


@dataclass(frozen=True, slots=True)
class Figures:
    """What `outbox stats` says. `where` counts records; `lines` the same by line; hours are None where they are not known."""

    bytes: int
    full: str | None
    records: int
    where: Mapping[str, int]
    lines: Mapping[str, Mapping[str, int]]
    requests: int
    minutes: float
    records_per_hour: float | None
    bytes_per_hour: float | None
    room: int
    hours: float | None


def figures(answer: Mapping[str, Any], rate: float, room: int) -> Figures:
    """From what the gateway says, the configured requests per second, and the bytes that still fit.

    `requests` is the least number: updates of one type, and custom intervals, share requests; output and the others do not.
    """
    where: Counter[str] = Counter()
    lines: dict[str, Counter[str]] = {}
    requests = 0
    for name, lane in answer["lanes"].items():
        counts = Counter(lane["where"])
        if lane["line"]:
            where += counts
            lines.setdefault(lane["line"], Counter()).update(+counts)
        shared = "/updates " in name or "/custom " in name
        waiting = counts["waiting"] + counts["parked"]
        requests += lane["requests_begun"] + (math.ceil(waiting / MOST_INTERVALS) if shared else waiting)
    for line, dead in answer["dead"].items():
        where["dead"] += dead
        lines.setdefault(line, Counter())["dead"] += dead
    per_hour = answer["records_per_hour"]
    bytes_per_hour = None if per_hour is None else per_hour * BYTES_A_RECORD
    return Figures(
        answer["bytes"],
        answer["full"],
        where.total(),
        dict(where),
        {line: dict(counts) for line, counts in sorted(lines.items()) if counts.total()},
        requests,
        requests / rate / 60,
        per_hour,
        bytes_per_hour,
        room,
        max(0, room) / bytes_per_hour if bytes_per_hour else None,
    )


def stats(these: Figures) -> Iterator[str]:
    """The figures as text."""
    columns = ("waiting", "sending", "again", "doubt", "parked", "dead")
    yield f"{these.bytes / MB:.1f} MB on disk, {these.records} records"
    if these.full:
        yield f"Nothing more is taken in: {these.full}"
    if these.requests:
        drained = span(math.ceil(these.minutes * 60))
        yield f"{drained} to drain at the configured pace, with {these.requests} requests at the least"
    if these.records_per_hour is None:
        yield "The rate of new records is known only once the gateway has run for some minutes"
    elif these.hours is None:
        yield f"{max(0, these.room) / MB:.0f} MB still fit; there have been no new records for an hour"
    else:
        yield (
            f"{these.hours:.0f} hours of outage still fit: {max(0, these.room) / MB:.0f} MB, and "
            f"{(these.bytes_per_hour or 0) / MB:.2f} MB an hour at the present rate of {these.records_per_hour:.0f} records an hour"
        )
    if these.lines:
        width = min(40, max(4, *(len(line) for line in these.lines)))
        yield ""
        yield f"{'LINE':{width}}" + "".join(f"{name.upper():>9}" for name in columns)
        for line, counts in these.lines.items():
            yield f"{line[:width]:{width}}" + "".join(f"{counts.get(name, 0):>9}" for name in columns)
