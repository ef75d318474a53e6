"""What Oden was told of each line over the last hours, its states, runs and other intervals with their totals; and how
much waited for Oden meanwhile, a point a minute. For the page alone. Pure.

What was told is folded from the records, after each commit that holds them, so that what comes late corrects it as it
corrects Oden: an end that was another, output that is taken off again. Output is counted for its run or batch, and for
each interval of the factory's own, such as a shift, that was on at the time stamp under which Oden has it. Beside what
was told stand the times in which nothing was known of the line.

It is kept in a file of its own (`history_file`) beside the outbox, not in its transactions: Oden's totals are exact
whatever happens, these are for people. A line of the file says all of one interval; a later one says it anew. It is
written every few seconds without waiting for the disk, so that a power cut can cost the page what the last half-minute
has added. A line that cannot be read is left out. What ended more than KEPT seconds ago is forgotten, and of one line
beyond MOST intervals the oldest that have ended; the file is written anew once it holds far more than that.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count

from pydantic import TypeAdapter, ValidationError

from gateway.mapping.values import DECIMALS, Number, whole
from gateway.model import BUILT_IN, Output, Record, Scalar, StartInterval, UpdateInterval
from gateway.status.snapshot import Snapshot

KEPT = 13 * 3600.0
"""Seconds: the twelve hours that the page shows, and a little."""
MOST = 1_000
"""Intervals of one line."""
MOST_DETAILS = 24
"""Kinds of one amount that are told apart."""
REST = "other"
UNKNOWN = "?"
"""The type of a time in which nothing was known of the line; no interval type is called so."""
TIMELINE = frozenset({"RUN", "STATE", UNKNOWN})
"""What the page draws."""

Amounts = Mapping[str, Mapping[str, Number]]
"""By the name of an amount in its raw data, and by what else stands there: `scrap`, `Splice`."""


@dataclass(frozen=True, slots=True)
class Span:
    """An interval as Oden was told of it; `end` is None while it is on. `about` is the category of a state or the
    product of a run."""

    key: str
    line: str
    type: str
    start: int
    end: int | None = None
    name: str | None = None
    about: str | None = None
    reason: str | None = None
    amounts: Amounts = field(default_factory=dict)

    def covers(self, at: float) -> bool:
        """Whether it was on at `at`."""
        return self.start <= at and (self.end is None or at < self.end)

    @property
    def is_on_timeline(self) -> bool:
        """Whether the page draws it."""
        return self.type in TIMELINE

    def shown(self, number: int) -> dict[str, str | int | None]:
        """What the page needs to draw it, and to know it again by its `number`."""
        return {
            "number": number,
            "type": self.type,
            "start": self.start,
            "end": self.end,
            "name": self.name,
            "about": self.about,
            "reason": self.reason,
        }


SPAN = TypeAdapter(Span)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Of a span that the page draws: its number, and of which revision it is."""

    number: int
    revision: int = 0


class History:
    """The spans of all lines. `revision` is another, and a greater one, whenever what the page draws has changed;
    `changed` has by line of which revision its newest change is."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Span]] = {}
        self._marks: dict[tuple[str, str], _Mark] = {}
        self._numbers = count()
        self.revision = 0
        self._beside: dict[str, Mapping[str, frozenset[str]]] = {}
        self._unsaved: dict[tuple[str, str], None] = {}
        self.changed: dict[str, int] = {}

    def follow(self, line: str, beside: Mapping[str, frozenset[str]]) -> None:
        """What stands in raw data `beside` an amount, by the amount's name: one entry can hold several amounts, each of
        which has its own. Of a line of which that was not said, all that is no amount stands beside each."""
        self._beside[line] = beside

    @property
    def size(self) -> int:
        """How many spans there are."""
        return sum(map(len, self._lines.values()))

    def of(self, line: str) -> Sequence[Span]:
        """The spans of a line, in the order in which they were told."""
        return [*self._lines.get(line, {}).values()]

    def timeline(self, line: str, since: int = -1) -> list[dict[str, str | int | None]]:
        """What the page draws of a line, as far as it is of a later revision than `since`."""
        drawn = [span for span in self.of(line) if span.is_on_timeline]
        marks = [self._marks[line, span.key] for span in drawn]
        return [span.shown(mark.number) for span, mark in zip(drawn, marks, strict=True) if mark.revision > since]

    def span(self, line: str, key: str) -> Span | None:
        """One interval of a line; None where it is not known (any more)."""
        return self._lines.get(line, {}).get(key)

    def on(self, line: str, type_: str, at: float) -> Span | None:
        """The newest interval of a type that is on at `at`."""
        return next((span for span in reversed(self.of(line)) if span.type == type_ and span.covers(at)), None)

    def take(self, records: Sequence[Record]) -> None:
        """Records that were committed together, in their order."""
        for record in records:
            if isinstance(record, StartInterval):
                before = self.span(record.line, record.key)
                span = Span(record.key, record.line, record.type, record.start, record.end, record.name)
                self._put(_described(replace(span, amounts=before.amounts if before else {}), record))
            elif isinstance(record, UpdateInterval):
                known = self.span(record.line, record.interval)
                if known is not None:
                    end = known.end if record.end is None else record.end
                    self._put(_described(replace(known, end=end, name=record.name or known.name), record))
        for record in records:  # after the intervals: output comes before the shift that changes at its time stamp
            if isinstance(record, Output) and record.quality_schema is None:
                self._count(record)

    def _count(self, output: Output) -> None:
        for span in self.of(output.line):
            of_the_factory = span.type not in BUILT_IN and span.type != UNKNOWN
            if span.key == output.interval or (of_the_factory and span.covers(output.timestamp)):
                self._put(replace(span, amounts=self._added(span.amounts, output)), quietly=True)

    def _added(self, amounts: Amounts, output: Output) -> Amounts:
        added = dict(amounts)
        others = output.raw_data.keys() - {*output.amounts}
        for name in output.amounts:
            value = output.raw_data[name]
            beside = self._beside.get(output.line, {}).get(name, others)
            detail = detail_of({other: said for other, said in output.raw_data.items() if other in beside})
            if isinstance(value, int | float):
                added[name] = with_amount(added.get(name, {}), detail, value)
        return added

    def begin(self, span: Span) -> None:
        """An interval that is on, where it is not known yet: what was told of it is older than this file."""
        if self.span(span.line, span.key) is None:
            self._put(span)

    def know(self, line: str, unknown_since: float | None, now: float) -> None:
        """Since when nothing is known of the line at `now`; None where it is known."""
        open_ = next((span for span in self.of(line) if span.type == UNKNOWN and span.end is None), None)
        if open_ is None and unknown_since is not None:
            self._put(Span(f"{UNKNOWN}{int(unknown_since)}", line, UNKNOWN, int(unknown_since)))
        elif open_ is not None and unknown_since is None:
            self._put(replace(open_, end=max(int(now), open_.start)))

    def forget(self, now: float) -> None:
        """Forget what ended long ago, and of each line what is too much: what is on is the last to go, however long
        ago it began, since its totals are shown."""
        for line, spans in self._lines.items():
            old = {key for key, span in spans.items() if span.end is not None and span.end < now - KEPT}
            kept = sorted((key for key in spans if key not in old), key=lambda key: spans[key].end is None)
            surplus = kept[: max(0, len(kept) - MOST)]
            for key in (*old, *surplus):
                del spans[key]
                self._marks.pop((line, key), None)

    def _put(self, span: Span, *, quietly: bool = False) -> None:
        spans = self._lines.setdefault(span.line, {})
        if spans.get(span.key) == span:
            return
        spans[span.key] = span
        self._unsaved[span.line, span.key] = None
        if span.is_on_timeline and not quietly:
            self.revision += 1
            self.changed[span.line] = self.revision
            self._mark(span, self.revision)

    def _mark(self, span: Span, revision: int) -> None:
        known = self._marks.get((span.line, span.key))
        number = next(self._numbers) if known is None else known.number
        self._marks[span.line, span.key] = _Mark(number, revision)

    # As lines of the file

    def unsaved(self) -> list[str]:
        """What has changed since the last call."""
        changed = [span for line, key in self._unsaved if (span := self.span(line, key)) is not None]
        self._unsaved = {}
        return [SPAN.dump_json(span).decode() for span in changed]

    def all_lines(self) -> list[str]:
        """Everything."""
        return [SPAN.dump_json(span).decode() for spans in self._lines.values() for span in spans.values()]

    def load(self, lines: Iterable[str]) -> None:
        """What such lines say, a later one instead of an earlier; those that are none are left out."""
        for line in lines:
            with suppress(ValidationError):
                span = SPAN.validate_json(line)
                self._lines.setdefault(span.line, {})[span.key] = span
                if span.is_on_timeline:
                    self._mark(span, self.revision)


def _described(span: Span, record: StartInterval | UpdateInterval) -> Span:
    def said(*names: str) -> str | None:
        found = next((record.metadata[name] for name in names if record.metadata.get(name)), None)
        return str(found.get("id", "")) if isinstance(found, dict) else str(found) if found is not None else None

    about, reason = said("category", "product"), said("reason")
    return replace(span, about=about or span.about, reason=reason or (None if about else span.reason))


def detail_of(raw_data: Mapping[str, Scalar]) -> str:
    """What raw data says beside amounts, for a person: `Splice`."""
    return " ".join(str(value) for value in raw_data.values() if value is not None)


def with_amount(details: Mapping[str, Number], detail: str, amount: Number) -> Mapping[str, Number]:
    """The details with so much more of one; beyond MOST_DETAILS it is one more of the others."""
    name = detail if detail in details or len(details) < MOST_DETAILS else REST
    return {**details, name: whole(round(details.get(name, 0) + amount, DECIMALS))}


MINUTE = 60
MOST_POINTS = 12 * 60
"""Points: those of twelve hours."""


@dataclass(frozen=True, slots=True)
class Point:
    """A minute: when it began, the most that waited in it, the requests that ended in it, and the seconds that draining
    was to take at its end; None while nothing was delivered.
    """

    minute: int
    waiting: int
    requests: int
    drain: float | None


POINT = TypeAdapter(Point)


class Trend:
    """The points, oldest first. A minute in which the gateway did not run has none."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=MOST_POINTS)
        self._requests: int | None = None
        self._unsaved: list[Point] = []

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self._points)

    def since(self, minute: float) -> Sequence[Point]:
        """The points from `minute` on (epoch), also the one that is not at its end yet."""
        return [point for point in self._points if point.minute >= minute]

    def take(self, picture: Snapshot) -> None:
        """The gateway as it is now. One from before the newest point, after a clock was set back, begins anew there."""
        made = sum(picture.oden.requests.values())
        requests = made - self._requests if self._requests is not None and made >= self._requests else 0
        self._requests = made
        drain = picture.outbox.drain_seconds
        minute = int(picture.now // MINUTE * MINUTE)
        waiting = sum(number for where, number in picture.outbox.records.items() if where not in {"dead", "unsettled"})
        while self._points and self._points[-1].minute > minute:
            self._points.pop()
        now = Point(minute, waiting, requests, drain if drain < float("inf") else None)
        last = self._points[-1] if self._points else None
        if last is not None and last.minute == minute:
            self._points[-1] = replace(now, waiting=max(waiting, last.waiting), requests=last.requests + requests)
        else:
            self._unsaved += [last] if last is not None else []
            self._points.append(now)

    # As lines of the file

    def unsaved(self) -> list[str]:
        """Whole minutes since the last call."""
        points, self._unsaved = self._unsaved, []
        return [POINT.dump_json(point).decode() for point in points]

    def all_lines(self) -> list[str]:
        """Everything."""
        self._unsaved = []
        return [POINT.dump_json(point).decode() for point in self._points]

    def load(self, lines: Iterable[str]) -> None:
        """What such lines say; those that are none are left out."""
        known: dict[int, Point] = {}
        for line in lines:
            with suppress(ValidationError):
                point = POINT.validate_json(line)
                known[point.minute] = point
        self._points = deque((known[minute] for minute in sorted(known)), maxlen=MOST_POINTS)
