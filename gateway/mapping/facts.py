"""What a line has told, folded together, how it differs from what is so once a message has come late, and what that
correction says of itself to a person. Pure.

What is told of a stretch of time are its records. Deriving the same stretch again, with a message in its place that
came late, gives others. The difference is what has to be told: an interval that is new begins; one whose end, name or
metadata are others is updated; one that is none is withdrawn; a sum that is another moves by an entry of the
difference, in the same raw data. Settings, tests and notices are told once and never taken back; of a gap that was
listed and is none, that is listed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeVar

from pydantic import JsonValue

from gateway.frozen import dataclass, replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Because, Full, Recorder, Share, ToldBatch
from gateway.mapping.intervals import ByCount, ByEvent, ByKey
from gateway.mapping.times import clock, second_of
from gateway.mapping.values import DECIMALS, EXCERPT, Number, excerpt, find, scalar, text, whole
from gateway.model import (
    Moment,
    Notice,
    Output,
    Record,
    Recovered,
    Sample,
    Scalar,
    Setting,
    StartInterval,
    UpdateInterval,
)

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Told:
    """What one step has told, as `line.Step` has it."""

    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, tuple[Share, ...]] = field(default_factory=dict)
    full: Full = ()


NOTHING = Told()


@dataclass(slots=True)
class IntervalFact:
    """What is known of an interval; `start` is None where it began before the stretch of time."""

    type: str
    start: StartInterval | None
    end: int | None = None
    name: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)


STOPS = frozenset({"short_stops", "short_stop_seconds"})
"""What an interval has as metadata that was counted in it."""

Shape = tuple[tuple[tuple[str, Scalar], ...], tuple[str, ...]]
"""Raw data without amounts, and the names of these."""

SumKey = tuple[str, str, tuple[tuple[str, Scalar], ...], tuple[str, ...]]
"""The key and the type of an interval, raw data without amounts, and the names of these."""


@dataclass(slots=True)
class Facts:
    """What the records of a stretch of time amount to; `stamps` are the time stamps of output by interval."""

    intervals: dict[str, IntervalFact] = field(default_factory=dict)
    sums: dict[SumKey, Number] = field(default_factory=dict)
    stamps: dict[str, list[int]] = field(default_factory=dict)
    settings: list[Setting] = field(default_factory=list)
    tests: list[Output] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    full: dict[str, ToldBatch] = field(default_factory=dict)
    """Batches by count that were full, by interval."""
    last_told: dict[str, None] = field(default_factory=dict)
    """The keys of intervals, in the order in which something was told of them last: a batch ends before its run."""


def fold(told: Iterable[Told]) -> Facts:
    """What was told, in this order, amounts to."""
    facts = Facts()
    for part in told:
        if part is NOTHING:  # as nearly all
            continue
        facts.notices += part.notices
        facts.rules |= part.rules
        facts.full |= {batch.interval: batch for batch in part.full}
        for record in part.records:
            _take(facts, record, part.shares)
    return facts


def _take(facts: Facts, record: Record, shares: Mapping[str, tuple[Share, ...]]) -> None:
    if isinstance(record, StartInterval | UpdateInterval):
        facts.last_told.pop(record.interval, None)
        facts.last_told[record.interval] = None
    match record:
        case Setting():
            facts.settings.append(record)
        case StartInterval():
            fact = IntervalFact(record.type, record, record.end, record.name, {**record.metadata})
            facts.intervals[record.key] = fact
        case UpdateInterval():
            fact = facts.intervals.setdefault(record.interval, IntervalFact(record.type, None))
            fact.end = record.end if record.end is not None else fact.end
            fact.name = record.name if record.name is not None else fact.name
            fact.metadata |= record.metadata
        case Output() if record.quality_schema is not None:
            facts.tests.append(record)
        case Output():
            facts.stamps.setdefault(record.interval, []).append(record.timestamp)
            for raw_data, names, amount in shares.get(record.key, ()):
                key = (record.interval, record.type, raw_data, names)
                facts.sums[key] = facts.sums.get(key, 0) + amount


def with_details(told: Facts, now: Facts, older: Callable[[], Iterable[Told]]) -> None:
    """Let `now` say of intervals that began before the stretch of time what they were called, and had for metadata,
    where another name or other metadata were `told` in it by mistake: by the `older` that were told before it."""
    lost = {key: fact for key, fact in told.intervals.items() if fact.start is None and _lacking(fact, now, key)}
    if not lost:
        return
    before = fold(replace(part, records=tuple(_of(part.records, lost))) for part in older())
    for key, fact in lost.items():
        known, is_so = before.intervals.get(key), now.intervals.setdefault(key, IntervalFact(fact.type, None))
        if known is None:
            continue
        if fact.name is not None and is_so.name is None:
            is_so.name = known.name
        is_so.metadata = {
            **{item: known.metadata[item] for item in fact.metadata if item in known.metadata},
            **is_so.metadata,
        }


def _lacking(fact: IntervalFact, now: Facts, key: str) -> bool:
    is_so = now.intervals.get(key)
    if is_so is None:
        return fact.name is not None or bool(fact.metadata)
    return (fact.name is not None and is_so.name is None) or bool(fact.metadata.keys() - is_so.metadata.keys())


def _of(records: Iterable[Record], keys: Collection[str]) -> Iterator[Record]:
    """Those that say something of intervals with these keys."""
    for record in records:
        if isinstance(record, StartInterval | UpdateInterval) and record.interval in keys:
            yield record


def with_counts(told: Facts, now: Facts) -> None:
    """Let `now` say 0 of what was counted of an interval by mistake: no request takes off what is written there."""
    for key, fact in told.intervals.items():
        is_so = now.intervals.get(key)
        if is_so is not None:
            is_so.metadata |= dict.fromkeys((STOPS & fact.metadata.keys()) - is_so.metadata.keys(), 0)


def vanished(told: Facts, now: Facts) -> Iterator[StartInterval]:
    """The intervals that were told and are none by what is known now."""
    for key, fact in told.intervals.items():
        if fact.start is not None and (key not in now.intervals or now.intervals[key].start is None):
            yield fact.start


def changed(told: Facts, now: Facts) -> Iterator[str]:
    """The keys of intervals that were told and are others, or none."""
    yield from (start.key for start in vanished(told, now))
    for key, fact in now.intervals.items():
        before = told.intervals.get(key)
        if before is None:
            continue
        was = {"end": before.end, "name": before.name, **before.metadata}
        is_so = {"end": fact.end, "name": fact.name, **fact.metadata}
        if any(value is not None and is_so.get(item, value) != value for item, value in was.items()):
            yield key


def corrects(told: Facts, now: Facts) -> bool:
    """Whether something that was told is not so, rather than that something is to be added."""
    if any(True for _ in changed(told, now)):
        return True
    return any(amount < 0 < told.sums.get(key, 0) for key, amount in moved(told, now))


def record_intervals(told: Facts, now: Facts, recorder: Recorder, at: float, *, deletes: bool = False) -> None:
    """Record at `at` what is to be said of intervals: what those that others follow are now first, then what was none,
    which Oden `deletes` or keeps, then the others."""
    for key in [key for key in dict.fromkeys((*now.last_told, *now.intervals)) if key in told.intervals]:
        _update(key, told.intervals[key], now.intervals[key], recorder, at)
    for start in vanished(told, now):
        recorder.update(at, start.type, start.key, end=start.start + 1, corrects=True, withdraws=True, deletes=deletes)
    for key, fact in now.intervals.items():
        if key in told.intervals:
            continue
        if fact.start is None:
            _update(key, IntervalFact(fact.type, None), fact, recorder, at)
        else:
            start = fact.start
            recorder.records.append(replace(start, at=at, corrects=fact.end is not None))
            _update(key, IntervalFact(fact.type, start, start.end, start.name, {**start.metadata}), fact, recorder, at)


def _update(key: str, before: IntervalFact, fact: IntervalFact, recorder: Recorder, at: float) -> None:
    end = fact.end if fact.end != before.end else None
    name = fact.name if fact.name != before.name else None
    metadata = {item: value for item, value in fact.metadata.items() if before.metadata.get(item) != value}
    if end is not None or name is not None or metadata:
        corrects = end is None or before.end is not None
        recorder.update(at, fact.type, key, end=end, name=name, metadata=metadata, corrects=corrects)


def moved(told: Facts, now: Facts) -> list[tuple[SumKey, Number]]:
    """By how much sums are others, what is more before what is less."""
    keys = dict.fromkeys([*now.sums, *told.sums])
    amounts = [(key, whole(round(now.sums.get(key, 0) - told.sums.get(key, 0), DECIMALS))) for key in keys]
    return sorted((entry for entry in amounts if entry[1]), key=lambda entry: entry[1] < 0)


def untold_notices(told: Facts, now: Facts, name: Callable[[str], str], at: float) -> Iterator[Notice]:
    """Notices that were not given yet; of gaps that were listed, which are none; and of what was told of an interval
    and is not so, and no request takes off."""
    known = Counter((notice.kind, notice.source, notice.address, notice.text) for notice in told.notices)
    for notice in now.notices:
        if not counted_off(known, (notice.kind, notice.source, notice.address, notice.text)):
            yield notice
    for (kind, source, address, listed_before), left in known.items():
        if kind == "gap" and left > 0:
            yield Notice("time", at, source, address, f"by what is known now it is not so: {listed_before}")
    for key, before in told.intervals.items():
        fact = now.intervals.get(key)
        if fact is not None and (before.start is None or fact.start is not None):
            called = name(key) if before.start is None else f"{name(key)} of {clock(before.start.start)}"
            for item in sorted(before.metadata.keys() - fact.metadata.keys()):
                kept = f"{item} {excerpt(before.metadata[item])}"
                yield Notice("gap", at, "", "", f"{called} keeps its {kept} at Oden, which is not so")


def counted_off(known: Counter[T], key: T) -> bool:
    """Whether `key` is among what is known; each is so once."""
    known[key] -= 1
    return known[key] >= 0


LISTED = 5.0
"""A message that corrects what was told is listed where it comes later than that, in seconds."""
MOST_MOVES = 4
"""Moves of amounts that are put into words."""
MOST_SWINGS = 3
"""An interval that is told otherwise more often than that is listed."""
MOST_SWINGING = 64
"""Intervals of which it is remembered how often they were told otherwise."""


def because_of(
    plan: LinePlan,
    late: Sequence[tuple[Sample | Moment, float]],
    moves: Iterable[tuple[SumKey, Number]],
    name: Callable[[str], str],
    requests: int,
    now: Facts,
    kept: Recovered | None = None,
    owed: Collection[SumKey] = (),
    shown_by: Sample | None = None,
) -> Because:
    """Why what was told is told otherwise: the message that came latest, or what a source had kept, or that messages
    had the times of a wrong clock as is `shown_by` one; and what has moved, in words. What is `owed` waits until
    another has it."""
    parts = [*_moved(moves, name, owed)]
    shown = [*parts[:MOST_MOVES], *([f"{len(parts) - MOST_MOVES} more"] if len(parts) > MOST_MOVES else [])]
    what = f"moved {', '.join(shown)}, because" if parts else "corrected, because"
    sample, said = max(_samples(late), key=lambda one: one[0].received - one[1], default=(None, 0.0))
    if shown_by is not None:
        heard = f"the clock of {shown_by.address} was set back, as was known at {clock(shown_by.received)}"
        sample, input_, delay = shown_by, plan.timed_by(shown_by), 0.0
    elif kept is not None or sample is None:
        source, since, at = (kept.source, kept.since, kept.received) if kept is not None else ("", 0.0, 0.0)
        heard = f"what {source} had kept since {clock(since)} was read at {clock(at)}"
        sample, input_, delay = sample or Sample(source, "", None, at), "", 0.0
    else:
        others = f" and {len(late) - 1} other{'' if len(late) == 2 else 's'}" if len(late) > 1 else ""
        heard = (
            f"{_titled(plan, sample, said, now, name)} ({clock(said)}){others} was heard at {clock(sample.received)}"
        )
        input_, delay = plan.timed_by(sample), sample.received - said
    text = f"{what} {heard}; {requests} request{'' if requests == 1 else 's'}"
    return Because(sample, text, input_, delay)


def _titled(plan: LinePlan, sample: Sample, said: float, now: Facts, name: Callable[[str], str]) -> str:
    """What a message is, for a person: the input by which something begins or ends, or else that which has the time,
    with what it says; where that is several things, with the name of what begins or ends then."""
    kinds = [kind for kind in (plan.run, plan.batches, *plan.intervals) if kind is not None]
    ways = [way for kind in kinds for way in (kind.start, kind.end) if isinstance(way, ByKey | ByEvent | ByCount)]
    fed, timed = plan.fed_by(sample), plan.timed_by(sample)
    about = next((each for way in ways for each in fed if each.name == way.input), None)
    about = about or next((each for each in fed if each.name == timed), None)
    if about is None:
        return sample.address
    value, second = scalar(find(sample.value, about.field)), second_of(said)
    if value is None:
        begun = [key for key, fact in now.intervals.items() if fact.start is not None and fact.start.start == second]
        ended = [key for key, fact in now.intervals.items() if fact.end == second]
        value = next((name(key) for key in (*begun, *ended) if name(key) != now.intervals[key].type), None)
    if value is None:
        return about.name
    shown = text(value)
    return f"{about.name} {shown if shown.isprintable() and 0 < len(shown) <= EXCERPT else excerpt(value)}"


def _samples(late: Iterable[tuple[Sample | Moment, float]]) -> Iterator[tuple[Sample, float]]:
    for each, said in late:
        yield from ((sample, said) for sample in (each.samples if isinstance(each, Moment) else (each,)))


def by_record(records: Iterable[Record], because: Because | None) -> Mapping[str, Because]:
    """The same for each of the records."""
    return {} if because is None else dict.fromkeys((record.key for record in records), because)


def _moved(
    moves: Iterable[tuple[SumKey, Number]], name: Callable[[str], str], owed: Collection[SumKey]
) -> Iterator[str]:
    """The moves as `100 yield A → B`, those of one kind together."""
    by_shape: dict[Shape, list[tuple[str, Number]]] = {}
    waits = {(interval, raw_data, names) for interval, _, raw_data, names in owed}
    for (interval, _, raw_data, names), amount in moves:
        by_shape.setdefault((raw_data, names), []).append((interval, amount))
    for (raw_data, names), amounts in by_shape.items():
        code = "".join(f" {value}" for _, value in raw_data)
        what = f"{'/'.join(names)}{code}"
        to = [(interval, amount) for interval, amount in amounts if amount > 0]
        for interval, amount in amounts:
            left = max(-amount, 0)
            while left > 0 and to:
                (other, room), *to = to
                moved = min(left, room)
                yield f"{moved:g} {what} {name(interval)} → {name(other)}"
                left -= moved
                to = [(other, room - moved), *to] if room > moved else to
            if left > 0:
                once = ", once another has it" if (interval, raw_data, names) in waits else ""
                yield f"{left:g} {what} off {name(interval)}{once}"
        for interval, amount in to:
            yield f"{amount:g} {what} to {name(interval)}"


def listed(
    plan: LinePlan,
    late: Sequence[tuple[Sample | Moment, float]],
    because: Because,
    at: float,
    shown_by: Sample | None = None,
) -> Iterator[Notice]:
    """What is said of a correction: of each message that came late, and of the latest what has moved; or of what
    is `shown_by` a message of its sender's clock."""
    if shown_by is not None:
        yield Notice("time", at, shown_by.source, shown_by.address, because.text)
    for sample, said in _samples(late):
        if sample.received - said <= LISTED or plan.counts_each(sample):
            continue
        text = f"came {sample.received - said:.0f} s late and corrects what was told: {excerpt(sample.value)}"
        words = f"; {because.text}" if sample is because.sample else ""
        yield Notice("time", at, sample.source, sample.address, text + words)


def swings(
    known: Mapping[str, int], changed: Iterable[str], name: Callable[[str], str], at: float
) -> tuple[Mapping[str, int], tuple[Notice, ...]]:
    """How often which interval was told otherwise, once `changed` are; and what is listed of those that never rest."""
    counts, notices = dict(known), []
    for key in changed:
        counts[key] = counts.pop(key, 0) + 1
        if counts[key] == MOST_SWINGS + 1:
            text = (
                f"{name(key)} is told otherwise for the {MOST_SWINGS + 1}th time: what is sent of it contradicts itself"
            )
            notices.append(Notice("gap", at, "", "", text))
    return {key: counts[key] for key in [*counts][-MOST_SWINGING:]}, tuple(notices)
