"""The text of the outbox commands: records, their details and statistics, as tables of up to 100 columns."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.cli.phrases import span
from gateway.model import RECORD, Record
from gateway.oden.limits import MOST_INTERVALS
from gateway.outbox.entries import Attempt, DeadLetter, Interval
from gateway.outbox.listing import LETTERS, STANDING, Listed
from gateway.outbox.words import in_full, moment

WIDTH = 100
MIN_KEY = 14
"""Characters of a key that are shown at least; the first ten of them are the time."""
MAX_LINE = 22
"""Characters of a line's name that are shown at the most."""
BYTES_A_RECORD = 700
"""On disk, with the row of its interval and its entry in the index of keys. Measured for an outage of a week of 40
lines that each have a state every 2 minutes, output every minute and a run every half hour."""
MB = 1e6
HOURS = 10
"""From as many on, how long an outage may last is said in hours."""


def table(records: Sequence[Listed], now: float) -> Iterator[str]:
    """A line for each record, and one below it for its error."""
    keys = _shortened([listed.record.key for listed in records])
    key_width = max([MIN_KEY, *map(len, keys)])
    line_width = min(MAX_LINE, max([4, *(len(listed.record.line) for listed in records)]))
    yield f"{'KEY':{key_width}}  {'WHERE':7}  {'AGE':>4}  {'LINE':{line_width}}  WHAT"
    for key, listed in zip(keys, records, strict=True):
        record = listed.record
        line = record.line if len(record.line) <= line_width else "…" + record.line[1 - line_width :]
        row = f"{key:{key_width}}  {listed.where:7}  {_age(now - record.at):>4}  {line:{line_width}}  "
        yield _cut(row + in_full(record, WIDTH - len(row)))
        if listed.error:
            yield _cut(f"  {listed.error}")


def _shortened(keys: Sequence[str]) -> list[str]:
    """The shortest beginnings of `keys`, of equal length, that are all different."""
    length = MIN_KEY
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


@dataclass(frozen=True, slots=True)
class RecordDetails:
    """All that is known of one record, as the gateway answers `outbox show`."""

    record: Listed
    attempt: Attempt | None
    letter: DeadLetter | None
    interval: Interval | None
    dependents: list[Listed]
    number_of_dependents: int


def describe(details: RecordDetails, now: float) -> Iterator[str]:
    """All that is known of one record, as text."""
    listed, record = details.record, details.record.record
    yield in_full(record)
    yield f"  line    {record.line}"
    yield f"  key     {record.key}"
    yield f"  made    {moment(record.at)}, {span(round(max(0.0, now - record.at)))} ago"
    yield f"  where   {listed.where}: {STANDING[listed.where]}"
    if listed.where != "waiting" and listed.tries:
        yield f"  sent    {listed.tries} times" if listed.tries > 1 else "  sent    once"
    if listed.not_before is not None and listed.where in ("again", "doubt"):
        step = "tried again" if listed.where == "again" else "looked up"
        seconds = listed.not_before - now
        due = "as soon as its turn comes" if seconds <= 0 else f"in {span(math.ceil(seconds))}"
        yield f"  next    {step} {due}"
    if details.interval is not None and details.interval.oden_id:
        yield f"  at Oden interval {details.interval.oden_id}"
    yield from ("", "The record", json.dumps(_fields(record), ensure_ascii=False, indent=2))
    request = details.letter or details.attempt
    if request is not None and request.body:
        yield from ("", f"The request, as it was sent to {request.endpoint}", request.body)
    if listed.error:
        yield from ("", "The answer", listed.error)
    if details.number_of_dependents:
        yield from ("", f"{details.number_of_dependents} records wait for it:", *table(details.dependents, now))
        if details.number_of_dependents > len(details.dependents):
            yield f"and {details.number_of_dependents - len(details.dependents)} more"


def _fields(record: Record) -> Mapping[str, object]:
    return {name: value for name, value in RECORD.dump_python(record, mode="json").items() if value is not None}


@dataclass(frozen=True, slots=True)
class Figures:
    """What `outbox stats` says.

    `where` counts all records by where they are, `lines` those of each line. `requests` and `minutes` are what it takes
    to send them, `room` the bytes that still fit, `hours` how long an outage may last. Rates and `hours` are None where
    they are not known.
    """

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
    at_oden: Sequence[str] = ()
    """What was found at Oden that was not told from here, the newest first."""
    scarce: str | None = None
    """How little room is left, where that is little."""


def compute_figures(answer: Mapping[str, Any], rate: float, room: int) -> Figures:
    """The figures from the gateway's `answer`, the configured requests per second, and the bytes that still fit.

    `requests` is the least number: updates of one type share requests, and so do custom intervals; all others do not.
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
    for place in LETTERS:
        for line, number in answer.get(place, {}).items():
            where[place] += number
            lines.setdefault(line, Counter())[place] += number
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
        tuple(answer.get("at_oden", ())),
        answer.get("scarce"),
    )


def stats(figures: Figures) -> Iterator[str]:
    """The figures as text."""
    columns = ("waiting", "sending", "again", "doubt", "parked", "dead", "unsettled")
    yield f"{figures.bytes / MB:.1f} MB on disk, {figures.records} records"
    if figures.full:
        yield f"Nothing more is taken in: {figures.full}"
    elif figures.scarce:
        yield f"The outbox fills up: {figures.scarce}"
    if figures.requests:
        drained = span(math.ceil(figures.minutes * 60))
        yield f"{drained} to drain at the configured pace, with {figures.requests} requests at the least"
    if figures.records_per_hour is None:
        yield "The rate of new records is known only once the gateway has run for some minutes"
    elif figures.hours is None:
        yield f"{max(0, figures.room) / MB:.0f} MB still fit; there have been no new records for an hour"
    else:
        lasts = f"{figures.hours:.0f} hours" if figures.hours >= HOURS else span(round(figures.hours * 60) * 60)
        yield (
            f"{lasts} of outage still fit: {max(0, figures.room) / MB:.0f} MB, and "
            f"{(figures.bytes_per_hour or 0) / MB:.2f} MB an hour at the present rate of "
            f"{figures.records_per_hour:.0f} records an hour"
        )
    if figures.lines:
        width = min(40, max(4, *(len(line) for line in figures.lines)))
        yield ""
        yield f"{'LINE':{width}}" + "".join(f"{name.upper():>10}" for name in columns)
        for line, counts in figures.lines.items():
            yield f"{line[:width]:{width}}" + "".join(f"{counts.get(name, 0):>10}" for name in columns)
    if figures.at_oden:
        yield ""
        yield "Found at Oden, and not told from here (the newest first):"
        yield from (f"  {text}" for text in figures.at_oden)
