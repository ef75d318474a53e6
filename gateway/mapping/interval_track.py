"""Runs, batches and custom intervals while a step is taken: what samples and time mean for one kind of them.

What is decided is in `intervals`; here it is found out what happened, and what was decided is carried out.
"""

from collections.abc import Iterator, Sequence
from math import inf, nextafter
from typing import Literal
from weakref import proxy

from gateway.frozen import replace
from gateway.mapping.context import Readings, StepContext
from gateway.mapping.derived import RUN
from gateway.mapping.events import (
    as_planned,
    began_later,
    ends_another,
    event_by,
    events_with,
    is_free,
    is_older_repeat,
    name_at_start,
    with_missed,
    without_missed,
)
from gateway.mapping.inputs import InputPlan, Reading
from gateway.mapping.inside_runs import passed_by, with_said
from gateway.mapping.intervals import (
    KEYLESS,
    ByCondition,
    ByEvent,
    ByIdleness,
    ByKey,
    Decision,
    EndPlan,
    IntervalListener,
    IntervalPlan,
    IntervalsState,
    OpenInterval,
    PendingChange,
    PendingStart,
    StartPlan,
    end_without_successor,
    key_text,
    on_end_condition,
    on_end_held,
    on_key,
    on_key_settled,
    start_second,
    with_ended,
    with_open,
)
from gateway.mapping.output import STAND_IN
from gateway.mapping.overdue import is_overdue, last_said, overdue_change, overdue_end
from gateway.mapping.passed_starts import BATCH_NUMBER, PassedStart, Said, resolver_before, resolver_by
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.templates import Resolver, filled_mapping
from gateway.mapping.values import scalar
from gateway.mapping.whose import with_untold
from gateway.model import Contact, Sample

Timer = Literal["settle", "end", "correct"]


class IntervalTrack:
    """One kind of interval of a line while a step is taken; `state` is replaced as it goes on."""

    def __init__(
        self,
        plan: IntervalPlan,
        state: IntervalsState,
        context: StepContext,
        listener: IntervalListener | None,
        host: "IntervalTrack | None",
    ) -> None:
        """`host` is the track of runs, for intervals inside them. The listener holds this track, so it is not held."""
        self.plan = plan
        self.state = as_planned(plan, state)
        self.context = context
        self.listener: IntervalListener | None = proxy(listener) if listener is not None else None
        self.host = host if plan.inside else None

    # Time

    @property
    def needs_calendar(self) -> bool:
        """Whether it has yet to be looked into the calendar for the first time."""
        return isinstance(self.plan.start, ShiftCalendar) and self.state.pending_change is None

    def open_calendar(self, at: float) -> None:
        """Look into the calendar: the shift that is on at `at` is an interval from where it began."""
        if isinstance(self.plan.start, ShiftCalendar):
            shift = self.plan.start.on(at)
            if shift is not None and self.state.current is None:
                self._carry_out(Decision(replace(self.state, key=shift.name), begin=shift.start))
            self._schedule_next_shift(at)

    def _schedule_next_shift(self, at: float) -> None:
        if isinstance(self.plan.start, ShiftCalendar):
            boundary = self.plan.start.following(at)
            change = None if boundary is None else PendingChange(boundary.name, boundary.at, boundary.at)
            self.state = replace(self.state, pending_change=change)

    def timers(self) -> Iterator[tuple[float, Timer]]:
        """When which timer fires; of two that are due at once, the first goes first."""
        if self.state.pending_change is not None:
            yield self.state.pending_change.due, "settle"
        if self.state.pending_end is not None and isinstance(self.plan.end, ByCondition | ByIdleness):
            yield self.state.pending_end.due, "end"
        if self.state.correction_due is not None:
            yield self.state.correction_due, "correct"

    def fire(self, timer: Timer) -> None:
        """Do what is due."""
        state, end = self.state, self.plan.end
        if timer == "settle" and state.pending_change is not None:
            self._settle(state.pending_change)
        elif timer == "end" and state.pending_end is not None and isinstance(end, ByCondition | ByIdleness):
            self._carry_out(on_end_held(state, state.pending_end, end.hold, keyed=self._keyed))
        elif timer == "correct":
            self._correct()

    # What a sample means

    def is_repeat(self, fed: Sequence[InputPlan], sample: Sample) -> bool:
        """Whether a message says again what it said before others said something newer."""
        return is_older_repeat(self.plan, self.state, self.context.inputs, fed, sample)

    def settle_overdue(self, readings: Readings) -> None:
        """Before what a moment said is known: settle what it shows to have held for long enough by then."""
        if (change := overdue_change(self.plan, self.state, self.context, readings)) is not None:
            self._settle(change)
        ended, end = overdue_end(self.plan, self.state, self.context, readings), self.plan.end
        if ended is not None and isinstance(end, ByCondition | ByIdleness):
            self._carry_out(on_end_held(self.state, ended, end.hold, keyed=self._keyed))
        if self.state.correction_due is not None and is_overdue(self.plan, self.context, readings):
            self._correct()

    def on_sample(self, readings: Readings) -> None:
        """What the inputs say after a moment."""
        if not readings.keys().isdisjoint(self.plan.heeds):
            self._on_end(readings)
            before = self.state.pending_change
            self._on_start(readings)
            if self.host is not None and self.state.pending_change is not before:
                resolve = resolver_before(self.context.inputs, readings)
                self.state = with_said(self.plan, self.state, before, resolve)
            if self.state.current is not None and self.context.changed_at(self.plan.inputs, readings) is not None:
                self.state = replace(self.state, correction_due=self.context.now + self.plan.settle)
        self.retry_start()

    def retry_start(self) -> None:
        """Record the start that could not be recorded yet, where it can be now."""
        self._open_passed(-inf)
        if self.state.pending_start is not None and self.state.pending_change is None:
            self._open(self.state.pending_start)

    def hear(self, contact: Contact) -> None:
        """A source is lost, or heard again."""
        if contact.state == "heard":
            self.state = without_missed(self.plan, self.state, self.context, contact.source)

    def _on_start(self, readings: Readings) -> None:
        now, start = self.context.now, self.plan.start
        match start:
            case ByKey() if start.input in readings:
                memory = readings[start.input].memory
                key = key_text(scalar(memory.value))
                self.state = with_missed(self.plan, start, self.state, self.context, key)
                self._carry_out(on_key(self.state, key, memory.at, now + self.plan.settle_time(key), self.plan.settle))
            case ByCondition():
                at = self.context.changed_at(start.condition.names, readings)
                holds = self.context.holds(start.condition) if at is not None else None
                if at is not None and holds is not None:
                    self._on_start_condition(start, at, holds=holds)
            case ByEvent():
                reading = self._event(start, readings)
                if reading is not None:
                    self.state = replace(
                        self.state,
                        pending_change=PendingChange(KEYLESS, reading.memory.at, now + self.plan.settle),
                        past_events=events_with(self.state, reading),
                    )
            case _:
                pass

    def _on_start_condition(self, start: ByCondition, at: float, *, holds: bool) -> None:
        state = self.state
        if holds and not state.start_holds and (is_free(state) or self.plan.end is None):
            due = self.context.now + max(start.wait, self.plan.settle)
            state = replace(state, pending_change=PendingChange(KEYLESS, at, due))
        elif not holds and state.pending_change is not None:
            if at - state.pending_change.at >= start.hold:
                self._settle(state.pending_change)
                state = self.state
            else:
                state = replace(state, pending_change=None)
        self.state = replace(state, start_holds=holds)

    def _on_end(self, readings: Readings) -> None:
        end = self.plan.end
        match end:
            case ByCondition():
                at = self.context.changed_at(end.condition.names, readings)
                holds = self.context.holds(end.condition) if at is not None else None
                if holds is not None and RUN in readings and self.context.plans[RUN].of_run:
                    self.state = replace(self.state, end_holds=holds)  # because of the run: nobody has said so
                elif at is not None and holds is not None:
                    self._on_end_condition(end.hold, end.wait, at, holds=holds, watched=True)
            case ByIdleness():
                at = self.context.changed_at(end.inputs, readings)
                if at is not None:
                    watched = not any(readings[name].sample.initial for name in end.inputs if name in readings)
                    self._on_end_condition(end.hold, end.hold, at, holds=False, watched=watched)
                    self._on_end_condition(end.hold, end.hold, nextafter(at, inf), holds=True, watched=True)
            case ByEvent():
                reading = self._event(end, readings)
                if reading is not None and began_later(self.plan, end, self.state, self.context, reading.memory.at):
                    text = f"{end.input} ends an earlier {self.plan.type.lower()} than the one that is on: it goes on"
                    self.context.notice("reject", end.input, text)
                elif reading is not None and (other := ends_another(end, self.state, self.context.resolve)) is not None:
                    text = f"{end.input} ends {other}, which is not the {self.plan.type.lower()} that is on"
                    self.context.notice("reject", end.input, f"{text}: it goes on")
                elif reading is not None:
                    self.state = replace(self.state, past_events=events_with(self.state, reading))
                    self._carry_out(end_without_successor(self.state, reading.memory.at, keyed=self._keyed))
            case None:
                pass

    def _on_end_condition(self, hold: float, wait: float, at: float, *, holds: bool, watched: bool) -> None:
        """The end condition `holds` or not since `at`; `watched`: what was known of it until then was seen to be so."""
        pending_end = self.state.pending_end
        if watched and not holds and pending_end is not None and at - pending_end.since >= hold:
            self._carry_out(on_end_held(self.state, pending_end, hold, keyed=self._keyed))
        self._carry_out(on_end_condition(self.state, holds, at, self.context.now + wait))

    def _event(self, way: StartPlan | EndPlan | None, readings: Readings) -> Reading | None:
        """The reading that is the event by which something begins or ends, where `way` is by an event."""
        return event_by(way, self.state, self.context, readings) if isinstance(way, ByEvent) else None

    @property
    def _keyed(self) -> bool:
        return isinstance(self.plan.start, ByKey)

    # Carrying out

    def _settle(self, change: PendingChange) -> None:
        self._carry_out(on_key_settled(self.state, change))
        self._schedule_next_shift(change.at)

    def _carry_out(self, decision: Decision) -> None:
        """Carry out a decision: the end of the interval that is on, the start of another."""
        waiting, passed = self.state.pending_start, self.state.passed
        if self.host is not None and decision.end is not None:
            passed = passed_by(self.plan, self.state, self.host.state, decision.end, self.context)
        self.state = decision.state if passed is self.state.passed else replace(decision.state, passed=passed)
        if waiting is not None and decision.end is not None and self.plan.needed and self.state.pending_start is None:
            self._report_untold(waiting, decision.end)
        end = decision.begin if decision.end is None or is_free(self.state) else decision.end  # a stand-in goes on
        if end is not None:
            self.close(end)
        if decision.begin is not None:
            self._open(PendingStart(self.state.key, decision.begin, name_at_start(self.plan, self.state, self.context)))

    def open_stand_in(self, begun: float) -> None:
        """An interval begins at `begun`, while none is on, for what belongs to none. The next to begin ends it."""
        start = start_second(self.state, begun)
        metadata = {"product": STAND_IN}
        interval = self.context.recorder.start(self.context.now, self.plan.type, start, STAND_IN, metadata)
        self.state = with_open(self.state, OpenInterval(interval, start, STAND_IN), begun)
        if self.listener is not None:
            self.listener.on_opened(begun)

    def close(self, end: float) -> None:
        """The interval that is on, if any, ends at `end`."""
        self._close(self._latest(end))

    def _latest(self, end: float) -> float:
        """When what is to end at `end` does: what is inside a run does not outlast it."""
        if self.host is not None and self.host.state.pending_change is not None:
            return min(end, self.host.state.pending_change.previous_end)
        return end

    def _close(self, end: float) -> None:
        current = self.state.current
        if current is None:
            return
        if self.listener is not None:
            self.listener.on_closing(end)
        self.state, ended = with_ended(self.state, current, end, self.plan.remembered)
        if self.listener is not None:
            self.listener.on_closed(ended)
        self.context.recorder.end(self.context.now, self.plan.type, ended.interval, ended.end)

    def _open(self, pending: PendingStart, said: Said | None = None) -> None:
        """Begin an interval, as soon as it can be recorded: what is needed of it is known, and its run is on. What was
        `said` of it, where something else is said by now."""
        resolve = resolver_by(said, self._resolver(self.state.number + 1))
        metadata = filled_mapping(self.plan.metadata, resolve)
        unknown = self.plan.needed - metadata.keys()
        if (unknown and self.plan.until_known is None) or not self._host_is_on(pending.begun):
            self.state = replace(self.state, pending_start=replace(pending, name=self._name(pending.key, resolve)))
            return
        metadata |= {key: value for key, value in (self.plan.until_known or {}).items() if key in unknown}
        context, run = self.context, self.host.state.current if self.host is not None else None
        begun = pending.begun if run is None else max(pending.begun, float(run.start))
        start, name = start_second(self.state, begun), self._name(pending.key, resolve)
        within = None if run is None or self.plan.type != "BATCH" else run.interval
        interval = context.recorder.start(context.now, self.plan.type, start, name, metadata, within=within)
        current = OpenInterval(interval, start, name, metadata, pending.begun, pending.named)
        self.state = with_open(self.state, current, begun)
        if self.listener is not None:
            self.listener.on_opened(begun)

    def _host_is_on(self, begun: float) -> bool:
        """Whether the run is on in which an interval that began at `begun` can be."""
        if self.host is None:
            return True
        change = self.host.state.pending_change
        return self.host.state.current is not None and (change is None or begun < change.previous_end)

    def _resolver(self, batch: int) -> Resolver:
        """Finds the values of the inputs and, for what is inside runs, the number of the batch in its run."""
        resolve = self.context.resolve
        if not self.plan.inside:
            return resolve
        return lambda reference: batch if reference == BATCH_NUMBER else resolve(reference)

    def _name(self, key: str, resolve: Resolver) -> str | None:
        if self.plan.name is not None:
            return self.plan.name.text_of(resolve)
        return key if isinstance(self.plan.start, ShiftCalendar) else None

    def _correct(self) -> None:
        """Record what is known better now of the interval that is on, once no change of it is settling."""
        current, change, plan = self.state.current, self.state.pending_change, self.plan
        if change is not None and not isinstance(plan.start, ShiftCalendar):
            self.state = replace(self.state, correction_due=nextafter(change.due, inf))
            return
        self.state = replace(self.state, correction_due=None)
        if current is None or current.metadata is None:
            return
        correctable = 0 < plan.correct >= last_said(plan.inputs, self.context) - current.start
        stand_ins = plan.until_known or {}
        resolve = self._resolver(self.state.number)
        metadata = {
            key: value
            for key, value in filled_mapping(plan.metadata, resolve).items()
            if value != (old := current.metadata.get(key)) and (correctable or old in (None, stand_ins.get(key)))
        }
        name = plan.name.text_of(resolve) if plan.name is not None else None
        name = name if name != current.name and (correctable or current.name is None) else None
        if metadata or name is not None:
            self.context.recorder.update(self.context.now, plan.type, current.interval, name=name, metadata=metadata)
            known = replace(current, name=name or current.name, metadata={**current.metadata, **metadata})
            self.state = replace(self.state, current=known)

    def _report_untold(self, pending: PendingStart, ended: float) -> None:
        """An interval was over before what is needed was known: give notice of it, and of what becomes of what was made
        in it."""
        title = " ".join(filter(None, [self.plan.type.lower(), pending.key.replace(KEYLESS, "")]))
        missing, start = " and ".join(sorted(self.plan.needed)), start_second(self.state, pending.begun)
        made = self.listener.on_untold(pending.begun, ended, start) if self.listener is not None else ""
        self.state = with_untold(self.state, pending, start, self.plan.remembered, ended)
        text = ", ".join(filter(None, [f"{title} is not reported: its {missing} was never known", made]))
        self.context.notice("gap", self.plan.main_input, text)

    # Inside runs

    def on_run_end(self, end: float) -> None:
        """The run ends at `end`, and what is inside it too. What a key says to go on, goes on in the next run."""
        state = self.state
        goes_on = state.current is not None and self._keyed and not state.parked
        self.close(end)
        named = state.current.named if state.current is not None else None
        pending_start = PendingStart(state.key, end, named) if goes_on else state.pending_start
        self.state = replace(self.state, pending_start=pending_start, number=0)

    def on_run_begin(self, begun: float) -> None:
        """A run has begun."""
        self._open_passed(begun)
        change = self.state.pending_change
        if self.state.pending_start is not None and (change is None or change.at > begun):
            self._open(self.state.pending_start, change.said if change is not None else None)

    def _open_passed(self, begun: float) -> None:
        """Record those that were over before it was known which run is on, but for what was over by `begun`, when no
        run was on."""
        if not self.state.passed:
            return
        passed, waiting = [one for one in self.state.passed if one.ended > begun], self.state.pending_start
        kept: list[PassedStart] = []
        for one in passed:
            end = one.begun
            if self._host_is_on(end):
                self._open(PendingStart(one.key, one.begun, one.named), one.said)
                end = self._latest(one.ended)
                self._close(end)
            kept += [replace(one, begun=end)] if end < one.ended else []
        self.state = replace(self.state, pending_start=waiting, passed=tuple(kept))
