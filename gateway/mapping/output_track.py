"""Output of a line's runs, or of its batches, while a step is taken: what readings count, and when it is reported.

What becomes of amounts is in `output`; here it is found out what was counted, and to whom it is told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, nextafter

from gateway.config.addresses import named_levels, written_path
from gateway.config.schema_io import MOST_FACTOR
from gateway.frozen import replace
from gateway.mapping.context import Readings, StepContext
from gateway.mapping.counters import displayed, less_credit
from gateway.mapping.events import is_event
from gateway.mapping.inputs import InputPlan, Reading
from gateway.mapping.inside_runs import as_inside
from gateway.mapping.interval_track import IntervalTrack
from gateway.mapping.intervals import EndedInterval, IntervalsState
from gateway.mapping.output import (
    SEAM,
    Amount,
    EntryPlan,
    Held,
    OutputPlan,
    OutputState,
    end_window,
    keeping,
    owner_of,
    report,
    rounded_total,
    unassigned_amounts,
    with_amounts,
    with_window,
    without_unowned,
)
from gateway.mapping.templates import Reference
from gateway.mapping.untold import record_stand_in, without_passed, without_untold
from gateway.mapping.values import ABSENT, Number, excerpt, find, number, number_in, text_remedy


class OutputTrack:
    """Output of the intervals of one kind, to which it listens; `state` is replaced as the step goes on."""

    __slots__ = ("__weakref__", "_counted", "_intervals", "context", "plan", "state", "track")

    def __init__(self, plan: OutputPlan, state: OutputState, intervals: IntervalsState, context: StepContext) -> None:
        """`intervals` is what was known of them at the beginning; `track`, where there is one, knows more since."""
        self.plan = plan
        self.state = state
        self.context = context
        self.track: IntervalTrack | None = None
        self._intervals = intervals
        self._counted: list[tuple[InputPlan, Amount]] = []
        """Of the moment that is being taken, not kept yet."""

    @property
    def intervals(self) -> IntervalsState:
        """What is known of the intervals now."""
        track = self.track
        if track is None:
            return self._intervals
        return track.state if track.host is None else as_inside(track.state, track.host.state)

    # What a sample counts

    def on_sample(self, readings: Readings) -> None:
        """Keep what the inputs counted until it is reported. To be called before what the same
        moment means for runs is carried out."""
        if self.plan.restarts:
            self._move_to_change(readings)
        for name, reading in readings.items():
            for entry in self.plan.entries.get(name, ()):
                self._count(entry, self.context.plans[name], reading)
        if self._counted:
            self._take_passed()
            self._keep()

    def _count(self, entry: EntryPlan, plan: InputPlan, reading: Reading) -> None:
        at = reading.memory.at
        if plan.counter is not None:
            at = at if reading.begins else nextafter(at, -inf)  # made before what begins at that time
            if self.plan.gap_start and reading.gap_began is not None:
                at = max(reading.before.at, min(reading.gap_began, at))
            self._add(entry, plan, reading.counted, at, reading)
        elif entry.each is not None:
            if is_event(plan, reading):
                self._add(entry, plan, entry.each, at)
        elif not reading.sample.retained:  # a retained message is one that was sent before, not one more event
            self._add_said(entry, plan, reading.memory.value, at)

    def _add_said(self, entry: EntryPlan, plan: InputPlan, message: object, at: float) -> None:
        """Keep the amount that a message says. A message without that field, or with null around it, counts nothing."""
        said = find(message, entry.path)
        if said is ABSENT and isinstance(message, dict) and not _is_no_object(plan, message):
            return
        if said is None and entry.path and find(message, entry.path[:-1]) is None:
            return
        name = written_path((plan.name, *entry.path))
        amount = number_in(said) if plan.reads_text and isinstance(said, str) else number(said)
        if amount is None:
            problem = f"{name} is not a number, so nothing is counted{text_remedy(said, has_key=plan.reads_text)}"
            self.context.refuse(plan.name, f"{problem}: {excerpt(message)}")
        elif entry.most is not None and abs(amount) > entry.most:
            problem = f"{name} is {amount}, more than its max of {entry.most}, so nothing is counted"
            self.context.refuse(plan.name, f"{problem}: {excerpt(message)}")
        else:
            self._add(entry, plan, amount, at)

    def _move_to_change(self, readings: Readings) -> None:
        """Where a counter was reset shortly before what it restarts with has changed, what it counted since is made
        after the change.
        """
        restarting = [(changed, self.plan.restarts.get(name, ())) for name, changed in readings.items()]
        for changed, name in ((changed, name) for changed, names in restarting for name in names):
            memory = self.context.inputs.get(name)
            if memory is None or memory.reset_at is None or not changed.changed:
                continue
            at, places = changed.memory.at, {entry.place for entry in self.plan.entries[name]}
            reset_at = nextafter(memory.reset_at, -inf)
            if reset_at <= at <= memory.reset_at + SEAM:
                pending = (
                    amount._replace(at=at) if amount.key.place in places and reset_at <= amount.at < at else amount
                    for amount in self.state.pending
                )
                self.state = replace(self.state, pending=tuple(pending))

    def _factor(self, entry: EntryPlan, plan: InputPlan) -> Number | None:
        """By what an amount is multiplied; None, with a notice, where that is not known."""
        if not isinstance(entry.factor, Reference):
            return entry.factor
        said = self.context.resolve(entry.factor)
        factor = number_in(said) if isinstance(said, str) else number(said)
        if factor is not None and abs(factor) <= MOST_FACTOR:
            return factor
        known = "not known" if said is None else f"{excerpt(said)}, which is no factor"
        self.context.refuse(plan.name, f"{plan.name} is not counted: {entry.factor} is {known}")
        return None

    def _untold(self, entry: EntryPlan, plan: InputPlan, factor: Number, reading: Reading) -> Number:
        """What a counter's movement means, without what another life has told of it."""
        amount = reading.counted * factor
        if not self.state.credit:
            return amount
        same = self.plan.same_kind(entry)
        place = min(other.place for other in same)
        credit = self.state.credit.get(place)
        if credit is None or plan.counter is None or not (amount or reading.move == "anew"):
            return amount
        unit, alone = factor * plan.counter.scale, len(same) == 1
        amount, left, lost = less_credit(plan.counter, credit, amount, reading.move, unit, alone=alone)
        others = {key: other for key, other in self.state.credit.items() if key != place}
        self.state = replace(self.state, credit=others if left is None else {**others, place: left})
        if lost:
            text = f"{plan.name} began anew while another life told {displayed(abs(lost))} more of it than can be seen"
            self.context.notice("gap", plan.name, f"{text}: what it counted before and did not tell is not told")
        return amount

    def _not_foretold(self, entry: EntryPlan, amount: Number) -> Number:
        """What an event counts, without what of it is among the amounts already."""
        known = self.state.foretold.get(entry.place, 0)
        if not known or (known > 0) != (amount > 0):
            return amount
        off = min(known, amount, key=abs)
        others = {place: other for place, other in self.state.foretold.items() if place != entry.place}
        left = rounded_total([known, -off])
        self.state = replace(self.state, foretold={**others, entry.place: left} if left else others)
        return rounded_total([amount, -off])

    def _hold(self, entry: EntryPlan, plan: InputPlan, amount: Amount, factor: Number, reading: Reading) -> None:
        """Keep what a counter has moved by since a copy of this memory was taken: another life may have told it."""
        unit = factor * plan.counter.scale if plan.counter is not None else factor
        holds = tuple(place for place in self.state.holds if place != entry.place)
        self.state = replace(self.state, holds=holds, held=(*self.state.held, Held(amount, unit, reading.move)))
        text = f"{displayed(amount.amount)} of {plan.name} may have been told by another life"
        self.context.notice("gap", plan.name, f"{text}: told once Oden can be asked, which is tried every half minute")

    def _add(
        self, entry: EntryPlan, plan: InputPlan, counted: Number, at: float, reading: Reading | None = None
    ) -> None:
        """Keep what is counted; `reading` is that of a counter."""
        factor = self._factor(entry, plan) if isinstance(entry.factor, Reference) else entry.factor
        if factor is None:
            return
        holds = reading is not None and entry.place in self.state.holds
        if reading is not None and holds and (counted or reading.move == "anew"):
            self._hold(entry, plan, Amount(at, counted * factor, entry.key(self.context.resolve)[0]), factor, reading)
            return
        amount = counted * factor if reading is None else self._untold(entry, plan, factor, reading)
        if amount == 0:
            return
        self.context.taken.add(plan.name)
        if reading is None and (amount := self._not_foretold(entry, amount)) == 0:
            return
        missed_before = {*self.context.missed} if entry.patterns else ()
        key, missing = entry.key(self.context.resolve)
        if missing and plan.counter is None:
            self.context.missed.update(dict.fromkeys(self.context.missed.keys() - missed_before, True))
            text = f"{counted:g} of {plan.name} counted without {' and without '.join(missing)}"
            self.context.notice("reject", plan.name, text)
        self._counted.append((plan, Amount(at, amount, key)))

    def _keep(self) -> None:
        """Keep what the moment has counted until it is reported: at once, where that opens and ends no window."""
        counted, self._counted = self._counted, []
        amounts, intervals = [amount for _, amount in counted], self.intervals
        if self.state.flush_at is not None or not any(owner_of(self.state, intervals, each.at) for each in amounts):
            state = with_amounts(self.state, amounts, intervals, self.plan)
            if state is not None:
                self.state = state
                return
        for plan, amount in counted:
            self._keep_one(plan, amount)

    def _take_passed(self) -> None:
        """What the moment has counted that was made in runs that are not recorded is theirs."""
        passed = self.state.passed
        if passed and any(amount.at < passed[-1].until for _, amount in self._counted):
            rest = self._without_passed([amount for _, amount in self._counted])
            self._counted = [one for one in self._counted if one[1] in rest]

    def _without_passed(self, amounts: Sequence[Amount]) -> tuple[Amount, ...]:
        self.state, rest, texts = without_passed(self.state, amounts)
        for text in texts:
            self.context.notice("gap", min(self.plan.entries), text)
        return rest

    def _keep_one(self, plan: InputPlan, amount: Amount) -> None:
        state = with_amounts(self.state, (amount,), self.intervals, self.plan)
        if state is None:  # what each run has by now goes before the end of its window
            self._end_window()
            state = with_amounts(self.state, (amount,), self.intervals, self.plan)
        if state is None:
            text = f"{plan.name}: {amount.amount} is lost, too much different output waits for a run"
            self.context.notice("loss", plan.name, text)
            return
        self.state = state
        if state.flush_at is None and owner_of(state, self.intervals, amount.at) is not None:
            self.open_window()

    # Windows

    def timers(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """When what is to be done."""
        if self.state.flush_at is not None:
            yield self.state.flush_at, self.flush
        if self.state.untold:
            yield self.state.untold[0].due, self.stand_in

    def stand_in(self) -> None:
        """Nothing can come late any more of a run that was not recorded: another stands in for it."""
        first, *others = self.state.untold
        self.state = replace(self.state, untold=tuple(others))
        record_stand_in(first, self.plan, self.context.now, self.context.recorder)

    def open_window(self) -> None:
        """See to it that there is an end to the window, where something waits for a run."""
        self.state = with_window(self.state, self.intervals, self.plan, self.context.now)

    def flush(self) -> None:
        """The window ends: report what each run has by now, unless a counter was reset just now."""
        if self.state.passed:  # what was held until it was known what another life has told can be of these
            self.state = replace(self.state, pending=self._without_passed(self.state.pending))
        resets = [
            memory.reset_at for name in self.plan.entries if (memory := self.context.inputs.get(name)) is not None
        ]
        later = max((at + SEAM for at in resets if at is not None), default=0.0)
        if self.plan.wait < SEAM and self.context.now < later <= self.context.now + SEAM:
            self.state = replace(self.state, flush_at=later)
            return
        until = self.context.now - self.plan.wait if self.plan.wait else inf
        self._end_window(until)
        if self.plan.between == "unassigned":
            self._assign(until)
        self.open_window()

    def _assign(self, until: float) -> None:
        """What was made before the time `until` and is nobody's gets a run that stands in, from the first part on."""
        amounts = [amount for amount in unassigned_amounts(self.state, self.intervals) if amount.at < until]
        if amounts and self.track is not None:
            self.track.open_stand_in(nextafter(min(amount.at for amount in amounts), inf))
            self._end_window(until)

    def settle_overdue(self, readings: Readings) -> None:
        """Before what a moment said is known: where it says by its own time that the window of what is nobody's was
        over before it, as in a backlog, end that."""
        if self.plan.between != "unassigned" or not self.state.pending:
            return
        plans, amounts = self.context.plans, unassigned_amounts(self.state, self.intervals)
        said = max((one.memory.at for name, one in readings.items() if plans[name].time is not None), default=-inf)
        if amounts and min(amount.at for amount in amounts) < said:
            first = min(amount.at for amount in amounts)
            window = with_window(replace(self.state, flush_at=None), self.intervals, self.plan, first)
            if window.flush_at is not None and window.flush_at <= said:
                self._assign(window.flush_at - self.plan.wait)

    def _end_window(self, until: float = inf) -> None:
        now, recorder = self.context.now, self.context.recorder
        self.state = end_window(self.state, self.intervals, self.plan, now, recorder, until)

    # Beside the intervals

    def on_closing(self, end: float) -> None:
        """The interval that is on is about to end: the one before it gets its last output."""
        if self.intervals.last is not None:
            self.on_closed(self.intervals.last)

    def on_closed(self, ended: EndedInterval) -> None:
        """An interval has ended: it gets its last output before its end is recorded."""
        now, recorder = self.context.now, self.context.recorder
        self.state = report(self.state, self.intervals, self.plan, ended, now, recorder)
        self.state = keeping(self.state, self.intervals, ended)
        if self.plan.between == "unassigned":
            self.open_window()  # what was made since is nobody's yet

    def on_opened(self, begun: float) -> None:
        """An interval has begun."""
        if self.plan.between == "report":
            self.state, amount = without_unowned(self.state, self.intervals, begun)
            if amount:
                text = f"{amount} were made while no {self.plan.type.lower()} was on, and are not reported"
                self.context.notice("gap", min(self.plan.entries), text)
        if self.plan.from_start:
            self.state = replace(self.state, flush_at=None)
        self.open_window()

    def on_untold(self, begun: float, ended: float, start: int) -> str:
        """A run will never be recorded: what was made in it is taken out. Answers what becomes of that."""
        if self.plan.type != "RUN" and (self.track is None or self.track.host is None):
            return ""  # batches that have nothing to do with runs
        run = begun, ended, start
        self.state, words = without_untold(self.state, self.intervals, self.plan, run, self.context.now)
        return words


def output_track(
    plan: OutputPlan | None, state: OutputState, intervals: IntervalsState, context: StepContext
) -> OutputTrack | None:
    """Output as it is planned; what waits is reported also where the plan has none any more."""
    if plan is None and not state.pending:
        return None
    return OutputTrack(plan or OutputPlan("RUN", 60.0, {}), state, intervals, context)


def _is_no_object(plan: InputPlan, message: Mapping[str, object]) -> bool:
    """Whether a message has no fields but those that stand for its topic and for what is no object: then it does not
    lack the amount, as one that has no scrap to tell, but says it in another way."""
    levels = named_levels(plan.address) if plan.message else ()
    return bool(levels) and message.keys() == {"value", *levels}
