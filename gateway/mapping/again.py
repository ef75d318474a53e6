"""A line's steps, taken again because messages have come late or a source has kept some, and what is told by that."""

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from math import inf, nextafter
from typing import NamedTuple, TypeVar

from gateway.frozen import replace
from gateway.mapping import facts, told_once
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Full, Recorder, Refused, Share
from gateway.mapping.counted_batches import CountedTrack
from gateway.mapping.facts import NOTHING, Told, fold
from gateway.mapping.intervals import EndedInterval, OpenInterval
from gateway.mapping.line import LineState, LineSteps, Step, Tick
from gateway.mapping.output import packed
from gateway.mapping.owed import split, waiting
from gateway.mapping.sessions import Moved
from gateway.mapping.stamps import MOST_STAMPS, Stamps, free_stamp, with_stamp
from gateway.mapping.trail import (
    MOST_NEWEST,
    PART,
    Entry,
    Feed,
    place_of,
    shortened,
    told_by,
    with_entries,
    with_stamps,
)
from gateway.model import Contact, IntervalType, Moment, Recovered, Sample, Setting

MOST_CORRECTED = 64
"""Intervals of which the time stamps are remembered that were told before a correction, and for it."""
MOST_FULL = 1024
"""The newest batches of the trail are remembered as they were told full: its samples alone do not say that."""

Late = Sequence[tuple[Sample | Moment, float]]
"""What comes late, with the times of which it speaks, in that order: messages, and moments that a source has kept."""
Placed = tuple[Sample | Moment | Contact, float]
"""What goes to a place, and its time."""


class Filled(NamedTuple):
    """What a source has `kept` while it was not heard, of which all is there `until` a time: it was heard until then
    after all. Infinity where nothing is missing."""

    kept: Recovered
    until: float


T = TypeVar("T")
Slices = Generator[None, None, T]
"""What is done in slices, with a pause after each, and returns its result."""


def at_once(slices: Slices[T]) -> T:
    """The result, without pauses."""
    while True:
        try:
            next(slices)
        except StopIteration as done:
            result: T = done.value
            return result


def recalled(plan: LinePlan, line: Feed) -> Slices[Feed]:
    """The line with what its trail has told, which follows from its samples."""
    base, state = line.base, line.state
    if line.recalled or base is None or (before := base.after) is None:
        return replace(line, recalled=True)
    trail = [*line.trail()]
    since = next((place for place, entry in enumerate(trail) if entry.number > line.corrected_at), len(trail))
    until = trail[since - 1].at if since else base.at
    at = until if since < len(trail) else state.now
    entries, last = yield from _stepped(plan, before, trail[:since], at, 0, full=line.full)
    after = with_stamps((entries[-1] if entries else base).after or before, line.stamps)
    if entries:
        entries[-1] = replace(entries[-1], after=after)
    if since < len(trail):
        newer, last = yield from _stepped(plan, after, trail[since:], state.now, since, full=line.full)
        entries += newer
    if not entries:
        told = told_by(last)
        base = replace(base, later=() if told is NOTHING else (told,))
    return replace(with_entries(line, [base, *entries]), recalled=True, ran_out=last.ran_out)


def _stepped(
    plan: LinePlan,
    state: LineState,
    steps: Sequence[Entry],
    until: float,
    first: int | None = None,
    refused: list[Refused] | None = None,
    full: Full = (),
) -> Slices[tuple[list[Entry], Step]]:
    """The entries of `steps`, taken from `state` on, and what time tells after the last and up to `until`. What is owed
    is not of these steps, but of what was told. Samples of which nothing could be used are added to `refused`. Batches
    by count that were told `full` stay as they are.

    `first`: so many entries of the trail are before them; then only those have their states that need them
    (`with_entries`), since to make a state costs as much as a part of a step.
    """
    entries: list[Entry] = []
    line, newest = LineSteps(plan, replace(state, owed=()), full=full), len(steps) - MOST_NEWEST
    counted = line.batches if full and isinstance(line.batches, CountedTrack) else None
    for place, one in enumerate(steps, 1):
        if one.sample is not None:
            line.on(one.sample)
            if counted is not None and (place == len(steps) or steps[place].at > one.at):
                counted.keep_up()
            needed = first is None or place > newest or (first + place) % PART == 0
            if not needed and line.context.is_silent and not line.owed:
                entries.append(Entry(one.at, one.sample, None, one.said, NOTHING, (), one.again, one.number))
                yield
                continue
            result = line.result(known=needed)
            after = result.state if needed else None
            entries.append(Entry(one.at, one.sample, after, one.said, told_by(result), (), one.again, one.number))
            if refused is not None:
                refused += result.refused
            yield
    line.on(Tick(until))
    if counted is not None:
        counted.keep_told()
    last = line.result()
    if entries and told_by(last) is not NOTHING:
        entries[-1] = replace(entries[-1], later=(told_by(last),))
    return entries, last


def corrected(
    plan: LinePlan,
    line: Feed,
    late: Late,
    at: float,
    filled: Filled | None = None,
    moved: Sequence[Moved] = (),
    heard: Sequence[Contact] = (),
    shown_by: Sample | None = None,
) -> Slices[tuple[Feed, Step]]:
    """The line with what came late in its places, and what is to be told `at` a time because of that. `filled`: it is
    that. `moved` are the entries that go to other places with it; `heard` says of sources that they are heard again
    since; `shown_by`: the message by which it has turned out that those had the times of a wrong clock. What is due at
    that very time is not of the correction: it happens then as ever."""
    line = replace(line, state=replace(line.state, now=max(line.state.now, nextafter(at, -inf))))
    again = Again(plan, line, late, filled, moved, heard, shown_by)
    yield from again.derive()
    return again.corrected(at)


def _heard_at(sample: Sample | Moment | Contact, said: float) -> Sample | Moment | Contact:
    """What is said, as if it had come at once."""
    if not isinstance(sample, Moment):
        return replace(sample, received=said)
    return Moment(tuple(replace(one, received=said) for one in sample.samples))


def _place(late: Placed) -> tuple[float, bool, str, str]:
    """Where something stands among all that comes late: of one time as `place_of` has it."""
    sample, said = late
    return (said, False, sample.source, sample.address) if isinstance(sample, Sample) else (said, True, "", "")


class Again:
    """The steps that are taken again because something comes late, from the entry with the number `first` on.

    `told` is what was told since, `now` what should have been, `entries` those that come instead.
    """

    def __init__(
        self,
        plan: LinePlan,
        line: Feed,
        late: Late,
        filled: Filled | None,
        moved: Sequence[Moved] = (),
        heard: Sequence[Contact] = (),
        shown_by: Sample | None = None,
    ) -> None:
        self.plan = plan
        self.shown_by = shown_by
        self.line = line
        self.late = late
        self.kept = kept = filled.kept if filled is not None else None
        self._was_heard = filled is not None and filled.until == inf
        self.moved = {one.entry.number for one in moved}
        going: list[Placed] = [*late, *((one.moment, one.said) for one in moved)]
        going.sort(key=_place)
        left = min((one.entry.at for one in moved if one.distrust), default=inf)  # these go to later places
        since = min(*(said for _, said in going[:1]), *([kept.since] if kept is not None else []), left, inf)
        self._known = entries = line.since(since)
        places = [place_of(entries, sample, said) for sample, said in going]
        base = min(*places[:1], bisect_right(entries, since, key=lambda entry: entry.at), len(entries)) - 1
        if left < inf:
            base = max(0, min(base, bisect_left(entries, left, key=lambda entry: entry.at) - 1))
        while (after := entries[base].after) is None or (base and not entries[base].is_after_its_time):
            base -= 1  # the first of them has its state
        self.first = base
        self.before = after
        known = entries[base + 1 :]
        self.told = fold(chain(entries[base].later, *((entry.own, *entry.later) for entry in known)))
        self._steps = [entry.at_its_time for entry in known]
        self.numbered = line.numbered + len(going)
        self._late: dict[int, Sample] = {}
        """The messages as they came, by the identity of those that are stepped."""
        for back, ((sample, said), place) in enumerate(zip(reversed(going), reversed(places), strict=True)):
            placed = _heard_at(sample, said)
            own = said if isinstance(sample, Sample) and not sample.distrust else None
            if isinstance(sample, Sample):
                self._late[id(placed)] = sample
            entry = Entry(said, placed, None, own, number=self.numbered - back)
            self._steps.insert(place - 1 - base, entry)
        for contact in heard:
            self.numbered += 1
            self._steps.append(Entry(contact.received, contact, None, number=self.numbered))

    def derive(self) -> Slices[None]:
        """Take the steps again."""
        start = replace(self.before, seq=self.line.state.seq)
        steps, refused = [*filter(self._counts, self._steps)], list[Refused]()
        first = self.first if self._known[0] is self.line.base else None
        entries, last = yield from _stepped(
            self.plan, start, steps, self.line.state.now, first, refused, tuple(self.told.full.values())
        )
        self.refused = tuple(
            one._replace(sample=self._late[id(one.sample)]) for one in refused if id(one.sample) in self._late
        )
        self.entries = [replace(self._known[self.first], later=()), *entries]
        self.state, self.ran_out = last.state, last.ran_out
        self.now = fold(chain(*((entry.own, *entry.later) for entry in entries)))

    def _counts(self, entry: Entry) -> bool:
        """Whether the entry is to be stepped again: where something newer has come late, what came again is not
        last.
        """
        if entry.number in self.moved:
            return False
        kept = self.kept
        if kept is not None and self._was_heard and entry.is_silence_of(kept.source, kept.since):
            return False
        if not entry.again or (said := entry.said) is None:
            return True
        return not any(
            other > said for sample, other in self.late if isinstance(sample, Sample) and entry.is_of(sample)
        )

    def corrected(self, at: float) -> tuple[Feed, Step]:
        """The line with the messages in their places, and what is to be told because of that."""
        told, now, at = self.told, self.now, max(self.state.now, at)
        recorder = Recorder(self.plan.key, self.state.seq)
        facts.with_details(told, now, self._older)
        facts.with_counts(told, now)
        facts.record_intervals(told, now, recorder, at, deletes=self.plan.deletes_withdrawn)
        stamps = dict(self.line.stamps)
        outputs = (self.line.state.output, self.line.state.batch_output)
        for key in dict.fromkeys((*told.stamps, *(key for output in outputs for key in output.stamps))):
            stamps[key] = self._taken(key, {key: stamps.pop(key, ())})  # what is derived now can have others
        moves = facts.moved(told, now)
        pending = waiting(LineSteps(self.plan, self.state).outputs)
        gone = {start.key for start in facts.vanished(told, now)}
        moves_now, owed_later = split(moves, self.line.state.owed, pending, gone, at)

        def stamp_of(interval: str) -> int:
            taken = self._taken(interval, stamps)
            stamp = free_stamp(self._interval(interval, taken), taken, at)
            stamps[interval] = with_stamp(stamps.pop(interval, ()), stamp)
            return stamp

        taken = {key[2:] for key, amount in moves_now if amount < 0} | {debt.kind[1:] for debt in owed_later}
        more: dict[tuple[str, IntervalType], list[Share]] = {}
        for (interval, kind, raw_data, names), amount in moves_now:
            if (raw_data, names) not in taken:
                more.setdefault((interval, kind), []).append((raw_data, names, amount))
        added: dict[facts.Shape, list[str]] = {}
        for debt in self.line.state.owed:
            added.setdefault(debt.kind[1:], []).extend(debt.after)
        for (interval, kind, raw_data, names), amount in moves_now:
            if (raw_data, names) not in taken:  # it is output as any, in as few entries
                for shares in packed(more.pop((interval, kind), ())):
                    recorder.output(at, kind, interval, stamp_of(interval), shares)
                continue
            of, share = added.setdefault((raw_data, names), []), (raw_data, names, amount)
            after, stamp = tuple(dict.fromkeys(of)) if amount < 0 else (), stamp_of(interval)
            key = recorder.output(at, kind, interval, stamp, (share,), corrects=True, after=after)
            if amount > 0:
                of.append(key)
        for setting in told_once.untold_settings(told, now, self._older):
            recorder.setting(at, setting.type, setting.fields, self._rule_of(setting))
        recorder.records += [replace(test, at=at) for test in told_once.untold_tests(told, now)]
        notices, swings, because = [*facts.untold_notices(told, now, self._name, at)], self.line.swings, None
        notices += told_once.misplaced_tests(told, now, self._name, at)
        if facts.corrects(told, now):
            waits, requests = [debt.sum_key for debt in owed_later], len(recorder.records)
            because = facts.because_of(
                self.plan, self.late, moves, self._name, requests, now, self.kept, waits, self.shown_by
            )
            if self.kept is None:
                notices += facts.listed(self.plan, self.late, because, at, self.shown_by)
            swings, swung = facts.swings(swings, facts.changed(told, now), self._name, at)
            notices += swung
        owed = tuple(debt._replace(stamp=stamp_of(debt.interval)) for debt in owed_later)
        newest = {key: stamps[key] for key in [*stamps][-MOST_CORRECTED:]}
        state = replace(with_stamps(self.state, newest), seq=recorder.number, owed=owed)
        rules = {record.key: now.rules[record.key] for record in recorder.records if record.key in now.rules}
        rules |= recorder.rules
        told_now = Step(
            state,
            tuple(recorder.records),
            tuple(notices),
            rules,
            because=facts.by_record(recorder.records, because),
            refused=self.refused,
        )
        last = self.entries[-1]
        if last.after is not None:
            self.entries[-1] = replace(last, after=with_stamps(last.after, newest))
        entries = [*self._known[: self.first], *self.entries]
        line = replace(
            self.line,
            state=state,
            stamps=newest,
            swings=swings,
            full=self._full(),
            numbered=self.numbered,
            corrected_at=self.numbered,
            ran_out=self.ran_out,
        )
        if self.line.newest and self._known[0] is self.line.newest[0]:
            return shortened(replace(line, newest=tuple(entries))), told_now
        return with_entries(line, entries), told_now

    def _older(self) -> Iterator[Told]:
        """What was told before the steps that are taken again, as far as the trail reaches."""
        base = self._known[self.first]
        for entry in chain([self.line.base] if self.line.base is not None else [], self.line.trail()):
            if entry is base:  # what time has told after it is of the steps
                yield entry.own
                return
            yield from (entry.own, *entry.later)

    def _rule_of(self, setting: Setting) -> str:
        """The key of the rule by which a setting was derived, or told before: it is told by a record of its own."""
        by_record = (self.now.rules, *(part.rules for part in self._older()))
        return next((rules[setting.key] for rules in by_record if setting.key in rules), "")

    def _full(self) -> Full:
        """The batches of the trail that were told full, in their order."""
        known = {batch.interval: batch for batch in self.line.full} | self.now.full
        base = self.line.base
        left = (batch for batch in known.values() if base is None or batch.ended >= base.at)
        return tuple(sorted(left, key=lambda batch: (batch.begun, batch.start)))[-MOST_FULL:]

    def _taken(self, interval: str, corrected: Mapping[str, Stamps]) -> Stamps:
        """The time stamps of the interval's output: those that were told, of whatever was derived since."""
        known = {*self.told.stamps.get(interval, ()), *corrected.get(interval, ())}
        for state in (self.before, self.line.state):
            known |= {*state.output.stamps.get(interval, ()), *state.batch_output.stamps.get(interval, ())}
        return tuple(sorted(known)[-MOST_STAMPS:])

    def _interval(self, key: str, taken: Stamps) -> OpenInterval | EndedInterval:
        """The interval with this key, as far as output needs it."""
        for intervals in (self.state.runs, self.state.batches):
            for known in (intervals.current, intervals.last, *intervals.recently_ended):
                if known is not None and known.interval == key:
                    return known
        fact = self.now.intervals.get(key) or self.told.intervals.get(key)
        before = self._before(key)
        start = fact.start if fact is not None else None
        first = start.start if start is not None else before.start if before is not None else min(taken, default=0)
        end = fact.end if fact is not None else None
        if end is None:
            end = before.end if isinstance(before, EndedInterval) else max(taken, default=first) + 1
        return EndedInterval(key, first, end, end)

    def _before(self, key: str) -> OpenInterval | EndedInterval | None:
        """The interval as it was known before the first of the messages."""
        intervals = (self.before.runs, self.before.batches)
        known = (each for state in intervals for each in (state.current, state.last, *state.recently_ended))
        return next((each for each in known if each is not None and each.interval == key), None)

    def _name(self, key: str) -> str:
        """What the interval is called, for a person."""
        known = [each.intervals[key] for each in (self.now, self.told) if key in each.intervals]
        before = self._before(key)
        names = [*(fact.name for fact in known), before.name if before is not None else None]
        return next(filter(None, names), None) or (known[0].type if known else "?")
