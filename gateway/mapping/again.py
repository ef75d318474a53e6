"""A line's steps, taken again because messages have come late, and what is to be told because of that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from gateway.mapping import facts
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Recorder
from gateway.mapping.facts import NOTHING, fold
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval
from gateway.mapping.line import LineState, Step, Tick, step
from gateway.mapping.output import MOST_STAMPS, OutputState, Stamps, free_stamp, with_stamp
from gateway.mapping.trail import Entry, Feed, place_of, shortened, told_by, with_entries
from gateway.mapping.values import excerpt
from gateway.model import Notice, Sample

LISTED = 5.0
"""A message that corrects what was told is listed where it comes later than that, in seconds."""
MOST_CORRECTED = 64
"""Intervals of which the time stamps are remembered that were told before a correction, and for it."""

Late = Sequence[tuple[Sample, float]]
"""Messages that come late, with the times that they say, in that order."""


class Again:
    """The steps that are taken again because messages come late, from the entry with the number `first` on.

    `told` is what was told since, `now` what should have been, `entries` those that come instead.
    """

    def __init__(self, plan: LinePlan, line: Feed, late: Late, *, with_misplaced: bool = False) -> None:
        """`with_misplaced`: those that are not in their places are among the `late` ones."""
        self.plan = plan
        self.line = line
        self.late = late
        self.with_misplaced = with_misplaced
        self._known = entries = line.since(late[0][1])
        places = [place_of(entries, sample, said) for sample, said in late]
        base = places[0] - 1
        while (after := entries[base].after) is None:
            base -= 1
        self.first = base
        self.before = after
        known = entries[base + 1 :]
        self.told = fold(chain(entries[base].later, *((entry.own, *entry.later) for entry in known)))
        steps = [*known]
        for (sample, said), place in zip(reversed(late), reversed(places), strict=True):
            steps.insert(place - 1 - base, Entry(said, replace(sample, received=said), None, said))
        self.entries = [replace(entries[base], later=()), *self._stepped(after, filter(self._counts, steps))]
        self.now = fold(chain(*((entry.own, *entry.later) for entry in self.entries[1:])))

    @property
    def contradicts(self) -> bool:
        """Whether an interval that was told is none by what is known now: it cannot be taken back."""
        return facts.contradicts(self.told, self.now)

    def _counts(self, entry: Entry) -> bool:
        """Whether the entry is to be stepped again: where something newer has come late, what came again is not
        last.
        """
        said = entry.said
        newer = said is not None and any(other > said for sample, other in self.late if entry.is_of(sample))
        return not (entry.again and newer) and not (entry.misplaced and self.with_misplaced)

    def _stepped(self, state: LineState, steps: Iterable[Entry]) -> Iterator[Entry]:
        """The entries of `steps`, and what time tells after the last."""
        keys = self.told.keys
        state = replace(state, seq=self.line.state.seq)
        entry: Entry | None = None
        for one in steps:
            if entry is not None:
                yield entry
            if one.sample is not None:
                result = step(self.plan, state, one.sample, keys)
                state = result.state
                entry = replace(one, after=state, own=told_by(result), later=())
        last = step(self.plan, state, Tick(self.line.state.now), keys)
        self.state = last.state
        if entry is not None:
            yield replace(entry, later=(told_by(last),) if told_by(last) is not NOTHING else ())

    def corrected(self) -> tuple[Feed, Step]:
        """The line with the messages in their places, and what is to be told because of that."""
        told, now, at = self.told, self.now, max(self.state.now, *(sample.received for sample, _ in self.late))
        recorder = Recorder(self.plan.key, self.state.seq)
        facts.record_intervals(told, now, recorder, at)
        stamps = dict(self.line.stamps)
        for key in told.stamps:  # what is derived now can have others
            stamps[key] = self._taken(key, {key: stamps.pop(key, ())})
        for (interval, kind, raw_data, names), amount in facts.moved(told, now):
            taken = self._taken(interval, stamps)
            stamp = free_stamp(self._interval(interval, taken), taken, at)
            stamps[interval] = with_stamp(stamps.pop(interval, ()), stamp)
            recorder.output(at, kind, interval, stamp, ((raw_data, names, amount),))
        recorder.records += [replace(setting, at=at) for setting in facts.untold_settings(told, now)]
        recorder.records += [replace(test, at=at) for test in facts.untold_tests(told, now)]
        notices = [*facts.untold_notices(told, now)]
        corrects = facts.corrects(told, now)
        for sample, said in self.late:
            if not corrects or sample.received - said <= LISTED or self.plan.counts_each(sample):
                continue
            text = f"came {sample.received - said:.0f} s late and corrects what was told: {excerpt(sample.value)}"
            notices.append(Notice("time", at, sample.source, sample.address, text))
        state = self._with_stamps(self.state, stamps)
        state = replace(state, seq=recorder.number)
        rules = {record.key: now.rules[record.key] for record in recorder.records if record.key in now.rules}
        newest = {key: stamps[key] for key in [*stamps][-MOST_CORRECTED:]}
        told_now = Step(state, tuple(recorder.records), tuple(notices), rules)
        last = self.entries[-1]
        if last.after is not None:
            self.entries[-1] = replace(last, after=self._with_stamps(last.after, stamps))
        entries = [*self._known[: self.first], *self.entries]
        line = replace(self.line, state=state, stamps=newest)
        if self.line.newest and self._known[0] is self.line.newest[0]:
            return shortened(replace(line, newest=tuple(entries))), told_now
        return with_entries(line, entries), told_now

    def _taken(self, interval: str, corrected: Mapping[str, Stamps]) -> Stamps:
        """The time stamps of the interval's output: those that were told, of whatever was derived since."""
        known = {*self.told.stamps.get(interval, ()), *corrected.get(interval, ())}
        for output in (self.line.state.output, self.line.state.batch_output):
            known |= {*output.stamps.get(interval, ())}
        return tuple(sorted(known)[-MOST_STAMPS:])

    def _with_stamps(self, state: LineState, corrected: Mapping[str, Stamps]) -> LineState:
        """The state with the time stamps that were told in the place of those that were derived."""

        def known(output: OutputState, intervals: IntervalsState) -> OutputState:
            keys = {each.interval for each in (intervals.current, intervals.last) if each is not None}
            stamps = {key: self._taken(key, corrected) or output.stamps.get(key, ()) for key in {*keys, *output.stamps}}
            return replace(output, stamps={key: taken for key, taken in stamps.items() if taken})

        return replace(
            state, output=known(state.output, state.runs), batch_output=known(state.batch_output, state.batches)
        )

    def _interval(self, key: str, taken: Stamps) -> OpenInterval | EndedInterval:
        """The interval with this key, as far as output needs it."""
        for state in (self.state, self.before):
            for intervals in (state.runs, state.batches):
                for known in (intervals.current, intervals.last, *intervals.recently_ended):
                    if known is not None and known.interval == key:
                        return known
        fact = self.now.intervals.get(key)
        first = fact.start.start if fact is not None and fact.start is not None else min(taken, default=0)
        end = fact.end if fact is not None and fact.end is not None else max(taken, default=0) + 1
        return EndedInterval(key, first, end, end)
