"""A plant that makes records, and what Oden shows of those that reached it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from gateway.model import BUILT_IN, Output, Record, Scalar, Setting, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Attempt, Commit, Phase, Work
from gateway.outbox.store import Outbox

LINE = "Factory A/Line 01"
OTHER = "Factory A/Line 02"

Sums = Mapping[tuple[int, tuple[tuple[str, Scalar], ...]], Mapping[str, float]]


@dataclass
class Floor:
    """Makes records with keys and whole seconds of their own; `now` is when the last one was made."""

    now: int = 1_000_000
    number: int = 0

    def tick(self, seconds: int = 1) -> int:
        self.now += seconds
        self.number += 1
        return self.now

    def start(self, line: str = LINE, type_: str = "RUN", *, lasts: int | None = None) -> StartInterval:
        at = self.tick()
        end = None if lasts is None else at + lasts
        return StartInterval(self._key(line), line, at, type_, at, f"no {self.number}", {"product": "P"}, end)

    def update(self, of: StartInterval, **details: str) -> UpdateInterval:
        at = self.tick()
        return UpdateInterval(
            self._key(of.line), of.line, at, of.type, of.key, None, details.pop("name", None), details
        )

    def end(self, of: StartInterval) -> UpdateInterval:
        at = self.tick()
        return UpdateInterval(self._key(of.line), of.line, at, of.type, of.key, at)

    def output(self, of: StartInterval, amount: float = 1, code: str | None = None) -> Output:
        at = self.tick()
        raw: dict[str, Scalar] = {"scrap": amount, "code": code} if code else {"yield": amount}
        return Output(self._key(of.line), of.line, at, of.type, of.key, at, raw, ("scrap",) if code else ("yield",))

    def test(self, of: StartInterval, value: int) -> Output:
        at = self.tick()
        return Output(self._key(of.line), of.line, at, of.type, of.key, at, {"torque": value}, (), "66")

    def setting(self, product: str, line: str = LINE, **fields: JsonValue) -> Setting:
        at = self.tick()
        named: dict[str, JsonValue] = {"product": {"name": product}, "metric_group": {"name": "Speed"}}
        return Setting(self._key(line), line, at, "target", {**named, **fields})

    def _key(self, line: str) -> str:
        return record_key(line, self.number, self.now)


@dataclass
class Made:
    """One interval as Oden shows it."""

    start: StartInterval
    name: str | None
    details: dict[str, JsonValue]
    end: int | None
    output: list[Output] = field(default_factory=list)

    def sums(self, span: float) -> Sums:
        """Amounts by stretch of `span` and by what else the raw data says."""
        found: dict[tuple[int, tuple[tuple[str, Scalar], ...]], dict[str, float]] = {}
        for entry in self.output:
            stretch = int((entry.timestamp - self.start.start - 1) // span)
            rest = tuple(sorted((name, value) for name, value in entry.raw_data.items() if name not in entry.amounts))
            sums = found.setdefault((stretch, rest), {})
            for name in entry.amounts:
                value = entry.raw_data[name]
                assert isinstance(value, int | float)
                sums[name] = round(sums.get(name, 0) + value, 6)
        return found


class Oden:
    """Takes what a record says, as Oden does, and refuses what must never be asked of it."""

    def __init__(self) -> None:
        self.made: dict[str, Made] = {}
        self.set: dict[tuple[object, ...], dict[str, JsonValue]] = {}
        """What is so of each thing, by what it is."""

    def take(self, record: Record) -> str | None:
        """Make `record` true; the id of the interval that a start has made."""
        if isinstance(record, StartInterval):
            assert record.key not in self.made, "an interval is made once"
            self.made[record.key] = Made(record, record.name, dict(record.metadata), record.end)
            return id_of(record.key)
        if isinstance(record, Setting):
            known = self.set.setdefault((record.line, record.type, str(record.about)), {})
            known |= record.fields
            return None
        assert record.interval in self.made, "what names an interval comes after it"
        interval = self.made[record.interval]
        if isinstance(record, Output):
            assert all(record.timestamp != one.timestamp for one in interval.output), "time stamps are unique"
            interval.output.append(record)
            return None
        interval.name = interval.name if record.name is None else record.name
        interval.details |= record.metadata
        interval.end = interval.end if record.end is None else record.end
        return None

    def shown(self, key: str, span: float) -> tuple[object, ...]:
        """All that can be seen of one interval at the time resolution `span`."""
        one = self.made[key]
        return one.start.line, one.start.type, one.start.start, one.name, one.details, one.end, one.sums(span)


def id_of(key: str) -> str:
    """The id at Oden of the interval `key`."""
    return f"id of {key}"


def total(records: list[Output]) -> float:
    """The sum of all amounts."""
    return sum(float(str(record.raw_data[name])) for record in records for name in record.amounts)


def next_commit(outbox: Outbox, **content: Any) -> Commit:
    """The commit that follows the last one."""
    return Commit(number=outbox.last_commit() + 1, **content)


def commit(outbox: Outbox, *records: Record) -> None:
    outbox.commit(next_commit(outbox, records=records))


def packable(record: Record) -> bool:
    """What may share a request, as delivery has it."""
    if isinstance(record, StartInterval):
        return record.type not in BUILT_IN and record.end is not None
    return isinstance(record, UpdateInterval)


def attempt_for(work: Work) -> Attempt:
    """The first request for `work`."""
    endpoint = "scrap_yield/set" if isinstance(work.records[0], Output) else "interval/set"
    return Attempt(work.lane, work.positions, endpoint, '{"exact": "body"}', begun=5.0, tries=1)


def begun(outbox: Outbox, work: Work, phase: Phase = "sending") -> Work:
    """`work` with its first request, stored."""
    assert work.attempt is None
    attempt = replace(attempt_for(work), phase=phase)
    assert outbox.begin(work, attempt)
    return replace(work, attempt=attempt)


def in_phase(outbox: Outbox, work: Work, phase: Phase) -> Work:
    """`work`, which has an attempt, with that in another phase."""
    assert work.attempt is not None
    attempt = replace(work.attempt, phase=phase)
    assert outbox.begin(work, attempt)
    return replace(work, attempt=attempt)


def deliver(outbox: Outbox, oden: Oden, work: Work) -> None:
    """All the way: stored, taken by Oden, settled."""
    work = work if work.attempt else begun(outbox, work)
    outbox.settle(work, {at: oden.take(one) for at, one in zip(work.positions, work.records, strict=True)})


def drain(outbox: Outbox, oden: Oden) -> int:
    """Deliver until nothing is offered any more; how many requests that took. What is stuck is parked, or buried."""
    requests = 0
    while works := outbox.work():
        for work in works:
            if not work.stuck:
                deliver(outbox, oden, work)
                requests += 1
            elif work.interval is not None:
                outbox.park(work)
            else:
                outbox.settle(work, {}, {work.positions[0]: "its interval is not known"})
            break
    return requests


def work_in(outbox: Outbox, lane: str, line: str = LINE) -> Work:
    """What is offered first in a lane that no attempt carries."""
    return next(work for work in outbox.work() if work.lane == f"{line}/{lane}" and work.attempt is None)
