"""What the parts of a line share while one step is taken: the time, what is known of the inputs, the records and
notices made so far.

An interval's identity is its line, its type and its start, so that it keeps its key when it is derived again. That of
any other record is its line, its number there and its time: `Recorder` gives each the next number of its line.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from gateway.mapping.expressions import Condition
from gateway.mapping.hearing import Losses, back_at, is_unavailable, known_until, lost_since
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, resolver_of
from gateway.mapping.templates import Missed, NotingResolver, Resolver
from gateway.mapping.values import Number, excerpt
from gateway.model import (
    IntervalType,
    Notice,
    NoticeKind,
    Output,
    Record,
    Sample,
    Scalar,
    Setting,
    SettingType,
    StartInterval,
    UpdateInterval,
    interval_key,
    record_key,
)

MOST_MISSED = 64
"""Keys that tables do not have, of which is remembered that they were listed."""

AT_ONCE = 1.0
"""The time of a timer that has been due for ever, in seconds since 1970."""

JsonObject = Mapping[str, JsonValue]
NO_METADATA: JsonObject = {}

Share = tuple[tuple[tuple[str, Scalar], ...], tuple[str, ...], Number]
"""A part of an entry of output that is a sum by itself: raw data without the amount, the names of the amount, and the
amount."""


class ToldBatch(NamedTuple):
    """A batch by count that was told from its beginning to its end, which is when it was full: `counted` is how much it
    had then. `start` is the second that Oden shows, `begun` and `ended` are exact."""

    interval: str
    start: int
    begun: float
    ended: float
    name: str | None
    counted: Number


Full = tuple[ToldBatch, ...]
"""Batches by count that were told full."""


class Because(NamedTuple):
    """Why something that was told is told otherwise: the message that came late, and what that means, in words; the
    input that it feeds, and by how many seconds it was late."""

    sample: Sample
    text: str
    input: str
    delay: float


class Refused(NamedTuple):
    """A sample of which a step could use nothing, and what is wrong with it."""

    sample: Sample
    text: str


Fed = tuple[InputPlan, Sample]
"""An input, and the sample that it takes."""

Readings = Mapping[str, Reading]
"""What the moment at hand said, by the name of the input; only inputs for which it brought a usable value."""


class Recorder:
    """Gathers the records of one step, in order.

    `number` is that of the next record. `rules` has, by the key of a record, the key of the rule by which it is made,
    where one is; `shares` by the key of an entry of output the sums that it holds, and `owners` the name of the
    interval that has it, where that has one; `full` are batches that have ended.
    """

    __slots__ = ("full", "line", "number", "owners", "records", "rules", "shares")

    def __init__(self, line: str, number: int) -> None:
        self.line = line
        self.number = number
        self.records: list[Record] = []
        self.rules: dict[str, str] = {}
        self.shares: dict[str, tuple[Share, ...]] = {}
        self.owners: dict[str, str] = {}
        self.full: list[ToldBatch] = []

    def begin_step(self) -> None:
        """Forget what was gathered."""
        self.records, self.rules, self.shares, self.owners, self.full = [], {}, {}, {}, []

    def _key(self, at: float) -> str:
        key = record_key(self.line, self.number, at)
        self.number += 1
        return key

    def start(
        self,
        at: float,
        kind: IntervalType,
        start: int,
        name: str | None,
        metadata: JsonObject,
        *,
        within: str | None = None,
    ) -> str:
        """Record the start of an interval, of a batch `within` the run with that key; answers the interval's key."""
        key = interval_key(self.line, kind, start)
        self.number += 1
        self.records.append(StartInterval(key, self.line, at, kind, start, name, metadata, within=within))
        return key

    def end(self, at: float, kind: IntervalType, interval: str, end: int, metadata: JsonObject = NO_METADATA) -> None:
        """Record the end of an interval."""
        self.update(at, kind, interval, end=end, metadata=metadata)

    def update(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        *,
        end: int | None = None,
        name: str | None = None,
        metadata: JsonObject = NO_METADATA,
        corrects: bool = False,
        withdraws: bool = False,
        deletes: bool = False,
    ) -> None:
        """Record what is now known of an interval; what is not given stays as it is."""
        key = self._key(at)
        self.records.append(
            UpdateInterval(
                key,
                self.line,
                at,
                kind,
                interval,
                end,
                name,
                metadata,
                corrects=corrects,
                withdraws=withdraws,
                deletes=deletes,
            )
        )

    def output(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        timestamp: int,
        shares: Sequence[Share],
        *,
        name: str | None = None,
        corrects: bool = False,
        after: tuple[str, ...] = (),
    ) -> str:
        """Record what was made in an interval, which is called `name`: one entry with the sums `shares`, which have no
        name in common. Answers the entry's key."""
        key = self.settle(at, kind, interval, timestamp, shares, corrects=corrects, after=after)
        self.shares[key] = tuple(shares)
        if name:
            self.owners[key] = name
        return key

    def settle(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        timestamp: int,
        shares: Sequence[Share],
        *,
        corrects: bool = True,
        after: tuple[str, ...] = (),
    ) -> str:
        """The same, where what was told is only brought into line with what is so by all that was recorded before."""
        raw_data: dict[str, Scalar] = {}
        for fixed, names, amount in shares:
            raw_data |= {**dict.fromkeys(names, amount), **dict(fixed)}
        names = tuple(name for _, amount_names, _ in shares for name in amount_names)
        key = self._key(at)
        self.records.append(
            Output(key, self.line, at, kind, interval, timestamp, raw_data, names, corrects=corrects, after=after)
        )
        return key

    def test(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        timestamp: int,
        raw_data: Mapping[str, Scalar],
        schema: str,
        rule: str,
    ) -> None:
        """Record the result of a quality test of an interval."""
        key = self._key(at)
        self.records.append(Output(key, self.line, at, kind, interval, timestamp, raw_data, (), schema))
        self.rules[key] = rule

    def setting(self, at: float, kind: SettingType, fields: JsonObject, rule: str) -> None:
        """Record what is to be set at Oden: a product, a target, a work order."""
        key = self._key(at)
        self.records.append(Setting(key, self.line, at, kind, fields))
        self.rules[key] = rule


@dataclass(slots=True)
class StepContext:
    """The gateway's time `now`, the `inputs`, and the sources that are not heard (`losses`), which are replaced as the
    step goes on; records and notices are gathered."""

    now: float
    inputs: Mapping[str, InputMemory]
    plans: Mapping[str, InputPlan]
    recorder: Recorder
    losses: Losses
    notices: list[Notice] = field(default_factory=list)
    fed: Sequence[Fed] = ()
    """The samples of the moment at hand, each with the inputs that take it."""
    news: Readings = field(default_factory=dict)
    """What is being evaluated: the readings by which the inputs are what they are."""
    refused: dict[str, str] = field(default_factory=dict)
    """By the name of an input, why what the moment said of it could not be used."""
    puzzling: set[str] = field(default_factory=set)
    """Inputs of which was said that a condition cannot be asked of what they say now."""
    taken: set[str] = field(default_factory=set)
    """Inputs of which the moment has done something that it would do once more if it came again."""
    missed: dict[Missed, bool] = field(default_factory=dict)
    """What was looked up and is not in its table; whether that was said."""
    ran_out: float = 0.0
    """When a timer fired last in the step."""
    _resolver: tuple[Mapping[str, InputMemory], Resolver] | None = None

    def begin_step(self) -> None:
        """Forget what the step has gathered: another begins."""
        if self.recorder.records:
            self.recorder.begin_step()
        self.fed, self.ran_out = (), 0.0
        if self.notices:
            self.notices = []
        for gathered in (self.refused, self.puzzling, self.taken, self.missed):
            gathered.clear()

    @property
    def is_silent(self) -> bool:
        """Whether the step has told nothing, and used all that it was given."""
        recorder = self.recorder
        return not (recorder.records or recorder.full or self.notices or self.refused or self.missed)

    @property
    def resolve(self) -> Resolver:
        """Finds the values of placeholders by what is known now; notes what is not in the table in which it is looked
        up."""
        if self._resolver is None or self._resolver[0] is not self.inputs:
            self._resolver = self.inputs, NotingResolver(resolver_of(self.inputs), self.missed)
        return self._resolver[1]

    def value(self, name: str) -> object:
        """The last good value of an input; None where it has none yet."""
        memory = self.inputs.get(name)
        return memory.value if memory is not None else None

    def holds(self, condition: Condition, readings: Readings | None = None) -> bool | None:
        """Whether the condition is true by what is known, with `readings` on top of it; None where that cannot be told:
        with a notice, where an input has just changed to what it cannot be asked of."""
        newer = readings or {}
        values = {name: newer[name].memory.value if name in newer else self.value(name) for name in condition.names}
        holds = condition.holds(values)
        if holds is None and self.news:
            self._complain(condition, values)
        return holds

    def _complain(self, condition: Condition, values: Mapping[str, object]) -> None:
        """Give notice of a condition that is neither true nor false for what has just been said: for each value of its
        one input; where it has several, when that begins, because nobody knows which of them is to blame."""
        changed = [name for name in condition.names if name in self.news and self.news[name].changed]
        if not changed or changed[0] in self.puzzling or not condition.misfits(values):
            return
        before = {name: self.news[name].before.value if name in changed else values[name] for name in values}
        if len(values) > 1 and condition.misfits(before):
            return
        said = ", ".join(f"{name} = {excerpt(value)}" for name, value in values.items())
        text = f'{changed[0]}: "{condition.source}" is neither true nor false for {said}'
        relies_on = self.plans[changed[0]].relies_on
        by = next((name for name in relies_on if name in self.news and self.plans[name].source), changed[0])
        self.notice("reject", by, text)
        self.puzzling.add(changed[0])

    def changed_at(self, names: Collection[str], readings: Readings) -> float | None:
        """When the newest of the inputs changed, in the plant's time; None where the sample at hand changed none.

        That a default holds is known late: what rests on it is so since the newest of all that it rests on was said.
        """
        if readings.keys().isdisjoint(names):
            return None
        changed = [name for name in names if name in readings and readings[name].changed]
        if any(readings[name].sample.value is None and self._is_by_default(name) for name in changed):
            known = {each for name in names for each in (name, *self.plans[name].relies_on)} & self.inputs.keys()
            return max(self.inputs[name].at for name in known)
        return max((readings[name].memory.at for name in changed), default=None)

    def _is_by_default(self, name: str) -> bool:
        """Whether the input, or one of those that it follows from, has nothing but its default."""
        return any(
            self.plans[each].default is not None and each in self.inputs and not self.inputs[each].received
            for each in (name, *self.plans[name].relies_on)
        )

    def unavailable(self, names: Iterable[str]) -> bool:
        """Whether one of the inputs has no good value at the moment, because its source is lost or it is quiet."""
        return any(is_unavailable(self.plans, self.inputs, self.losses, name) for name in names)

    def lost_since(self, names: Iterable[str]) -> float:
        """Since when one of the inputs has no good value; now, where no source is lost."""
        times = (lost_since(self.plans, self.inputs, self.losses, name) for name in names)
        return min(filter(None, times), default=self.now)

    def known_until(self, names: Iterable[str]) -> float:
        """Until when it is known what the inputs say; for ever, where all their sources are heard."""
        return known_until(self.plans, self.inputs, self.losses, names)

    def back_at(self, names: Iterable[str]) -> float:
        """When all sources of the inputs could be reached again, where they could."""
        return back_at(self.plans, self.losses, names)

    def notice(self, kind: NoticeKind, name: str, text: str, *, once: bool = False) -> None:
        """Give notice of something about the input `name`; `once`: unless this step has given the
        same notice already."""
        plan = self.plans[name]
        notice = Notice(kind, self.now, plan.source, plan.address, text)
        if not once or notice not in self.notices:
            self.notices.append(notice)

    def refuse(self, name: str, text: str) -> None:
        """Give notice that what the moment says of the input `name` cannot be used."""
        self.notice("reject", name, text)
        self.refused.setdefault(name, text)

    def say_missed(self, known: tuple[Missed, ...]) -> tuple[Missed, ...]:
        """Say what was looked up and is not in its table: once for each key, of the newest MOST_MISSED that are
        `known`. Answers which are from now on."""
        for missed, is_said in self.missed.items():
            if missed in known:
                continue
            known = (*known, missed)[-MOST_MISSED:]
            if not is_said and missed.input in self.plans:
                text = f"the table {missed.table} has no {missed.column} for {missed.input} {excerpt(missed.key)}"
                yet = " yet" if missed.table in self.plans else ""  # it learns
                self.notice("reject", missed.input, f"{text}{yet}")
        return known

    def refused_samples(self) -> tuple[Refused, ...]:
        """Those of the moment's samples of which something was refused and that have done nothing else: if they came
        again, with another plan, nothing would be done twice."""
        if not self.refused:
            return ()
        of_sample: dict[int, tuple[Sample, list[str]]] = {}
        for plan, sample in self.fed:
            of_sample.setdefault(id(sample), (sample, []))[1].append(plan.name)
        return tuple(
            Refused(sample, next(self.refused[name] for name in names if name in self.refused))
            for sample, names in of_sample.values()
            if not self.refused.keys().isdisjoint(names) and self.taken.isdisjoint(names)
        )
