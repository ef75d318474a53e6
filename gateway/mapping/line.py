"""One line's machine: what a sample, or the passing of time, makes of a line's state.

Theory of operation
-------------------
`step(plan, state, event)` is a function: no I/O, no clock, no chance. Its result is the state after the event, and the
records and notices that it caused, in order. The caller commits both together: after a crash the step is taken again.

*Time* is the gateway's: `now` is the newest `received` or tick that was seen, and never goes back. Before a sample
counts, every timer that is due by then fires, in order and each at its own time; a tick does only that. When something
was so is the plant's time. A timer that rests on inputs whose source is not heard waits for that (`hearing`).

*A step* takes a sample, or the samples of one moment together, through the stages that `LineSteps.take` lists:

1. Timers that are due by the time of the sample fire.
2. The inputs that it feeds are found. A message that the broker had kept and newer ones have followed is left out, and
   so is one that comes again after newer ones, but for inputs of which each message counts for itself.
3. The inputs are read: all that the sample feeds, then what counters have counted, then what is derived from these.
4. What the sample shows to be overdue is settled, by what was known before it: changes of intervals, and windows.
5. What it says becomes what is known, and each part evaluates it in the order that `LineSteps.evaluate` lists: amounts
   are kept for their owners, then intervals end and begin, then states, rules, and windows of output.
6. Timers that are due at once fire: a change that need not settle is recorded in the same step.

*Timers* are not stored: each part says what is due when (`LineSteps.timers`). What is due at one time fires in the
order: intervals, states, windows of output, rules, inputs that turn quiet. After each, what had to wait is tried again.

The stored state
----------------
`LineState` is all that is remembered of a line between two steps: values that JSON can hold, nothing of the plan.

============  =========================================================================================================
field         content
============  =========================================================================================================
now, seq      the newest time seen, in seconds since 1970; how many records the line has made, part of their keys
inputs        by the name of an input its last good value, and how far it can be trusted (`InputMemory`)
runs          the run that is on and what may follow it (`IntervalsState`); so are `batches`, and `intervals` by type
states        the state that is on and what may follow it (`StatesState`)
output        amounts that wait for their run, the end of the window, time stamps (`OutputState`); so is `batch_output`
last_heard    by source when something was last heard of it while it was watched
lost          the sources that are not heard, and since when (`hearing.Loss`)
rules         what was recorded of facts, and the tests that wait (`RulesState`)
missed        what was looked up in tables and is not there, and has been listed
owed          what was told too much of intervals and is to be taken from them once another has it (`owed.Owed`)
told          the newest output that was told, by interval (`told_amounts.ToldAmounts`)
============  =========================================================================================================

`dump` writes it as JSON, `load` reads it. The names in JSON (an `alias` where it is another) are a promise to stores
that exist; a field that is absent has its default. When the configuration changes, the state goes on with the new plan:
`load` forgets inputs that the plan has not or derives otherwise; one that is read from elsewhere starts anew, which is
listed; what a section knew that was taken out stays, without timers, but what waits for its run is reported.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from math import inf
from operator import itemgetter
from typing import Annotated

from pydantic import Field, TypeAdapter

from gateway.frozen import dataclass, replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import AT_ONCE, Because, Fed, Full, Readings, Recorder, Refused, Share, StepContext
from gateway.mapping.counted_batches import batch_track
from gateway.mapping.hearing import Losses, awaited, with_all_unheard, with_contact
from gateway.mapping.input_track import InputTrack, inputs_of_previous
from gateway.mapping.inputs import InputMemory, InputPlan
from gateway.mapping.inside_runs import with_untold_inside
from gateway.mapping.interval_track import IntervalTrack
from gateway.mapping.intervals import EndedInterval, IntervalsState, OwnerKind
from gateway.mapping.output import OutputState
from gateway.mapping.output_track import output_track
from gateway.mapping.owed import Owed, settle, waiting
from gateway.mapping.rules import RulesState, RulesTrack
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.state_track import StateTrack
from gateway.mapping.states import StatesState
from gateway.mapping.templates import Missed
from gateway.mapping.told_amounts import ToldAmounts, with_told
from gateway.model import Contact, Moment, Notice, Record, Sample


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come to `at`, and nothing was received."""

    at: float


@dataclass(frozen=True, slots=True)
class LineState:
    """All that is remembered of a line; the table above says what each field is."""

    now: float = 0.0
    seq: int = 0
    inputs: Mapping[str, InputMemory] = field(default_factory=dict)
    runs: IntervalsState = field(default_factory=IntervalsState)
    states: StatesState = field(default_factory=StatesState)
    output: OutputState = field(default_factory=OutputState)
    batches: IntervalsState = field(default_factory=IntervalsState)
    intervals: Mapping[str, IntervalsState] = field(default_factory=dict)
    batch_output: OutputState = field(default_factory=OutputState)
    last_heard: Annotated[Mapping[str, float], Field(alias="heard")] = field(default_factory=dict)
    rules: RulesState = field(default_factory=RulesState)
    lost: Annotated[Losses, Field(exclude_if=lambda lost: not lost)] = field(default_factory=dict)
    missed: Annotated[tuple[Missed, ...], Field(exclude_if=lambda missed: not missed)] = ()
    owed: Annotated[tuple[Owed, ...], Field(exclude_if=lambda owed: not owed)] = ()
    told: Annotated[tuple[ToldAmounts, ...], Field(exclude_if=lambda told: not told)] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """The state after an event, and what it caused, in order; by the key of a record, `rules` has that of the rule that
    made it, and `shares` the sums that an entry of output holds; `full` are batches by count that were full."""

    state: LineState
    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, tuple[Share, ...]] = field(default_factory=dict)
    because: Mapping[str, Because] = field(default_factory=dict)
    """By the key of a record that corrects what was told, why it does."""
    refused: tuple[Refused, ...] = ()
    """Samples of which nothing could be used."""
    delays: tuple[tuple[str, float], ...] = ()
    """By how many seconds messages with times of their own came late, each with the input that it feeds."""
    full: Full = ()
    ran_out: float = 0.0  # when a timer fired last in it


LINE_STATE: TypeAdapter[LineState] = TypeAdapter(LineState)


def dump(state: LineState) -> str:
    """The state as JSON text."""
    return LINE_STATE.dump_json(state, by_alias=True).decode()


def load(plan: LinePlan, text: str) -> LineState:
    """The state from JSON text, without inputs that `plan` does not have or derives otherwise. Raises ValueError."""
    state = LINE_STATE.validate_json(text)
    origins = {derived.name: derived.origin for derived in plan.derived}
    inputs = {
        name: memory
        for name, memory in state.inputs.items()
        if name in plan.inputs and origins.get(name, memory.origin) == memory.origin
    }
    return replace(state, inputs=inputs)


def after_absence(plan: LinePlan, state: LineState, *, back: float | None = None) -> LineState:
    """The state where the gateway has heard nothing since. `back`: its sources can be reached again from then on."""
    sources = {source for source, _ in plan.subscriptions} if state.now else ()
    return replace(state, lost=with_all_unheard(state.lost, sources, state.now, back))


def due(plan: LinePlan, state: LineState) -> float | None:
    """When the next timer fires; None while nothing but a sample can change anything."""
    line = LineSteps(plan, state)
    at = min((at for at, _ in line.timers()), default=None)
    return AT_ONCE if any(track.needs_calendar for track in line.tracks) else at


def step(plan: LinePlan, state: LineState, event: Sample | Moment | Contact | Tick) -> Step:
    """What `event` makes of `state`. A sample can hold any value: one that cannot be used becomes a notice. The samples
    of a moment change what is known together, so that it makes no difference which is first."""
    line = LineSteps(plan, state)
    line.on(event)
    return line.result()


class LineSteps:
    """A line's state while steps are taken, one after another: its parts are replaced, what each step tells is gathered
    (`result`). It listens to the runs: output is reported to them, batches begin and end with them. Batches by count
    that were told `full` stay. `rests_until`: when the first timer fires; `at`: the state before the next."""

    __slots__ = (
        "__weakref__", "at", "batch_output", "batches", "by_calendar", "context", "custom", "inputs", "inside_run",
        "is_begun", "is_planned", "missed", "output", "outputs", "owed", "plan", "rests_until", "rules", "run", "state",
        "states", "tellers", "told", "tracks",
    )  # fmt: skip

    def __init__(self, plan: LinePlan, state: LineState, full: Full = ()) -> None:
        self.plan, self.state, self.owed, self.missed, self.is_begun = plan, state, state.owed, state.missed, False
        self.rests_until: float | None = None  # not looked at
        self.at: LineState | None = None
        self.told = state.told
        recorder = Recorder(plan.key, state.seq)
        self.context = context = StepContext(state.now, state.inputs, plan.inputs, recorder, state.lost)
        self.inputs = InputTrack(plan, state.last_heard, context)
        self.output = output_track(plan.output, state.output, state.runs, context)
        self.batch_output = output_track(plan.batch_output, state.batch_output, state.batches, context)
        self.run = IntervalTrack(plan.run, state.runs, context, self, None) if plan.run is not None else None
        self.batches = batch_track(plan.batches, state.batches, context, self.batch_output, self.run, full)
        for output, track in ((self.output, self.run), (self.batch_output, self.batches)):
            if output is not None:
                output.track = track
        self.outputs = [output for output in (self.output, self.batch_output) if output is not None]
        self.is_planned = all(output.plan in (plan.output, plan.batch_output) for output in self.outputs)
        self.custom = [
            IntervalTrack(interval, state.intervals.get(interval.type, IntervalsState()), context, None, self.run)
            for interval in plan.intervals
        ]
        self.tracks = [*[track for track in (self.run, self.batches) if track is not None], *self.custom]
        self.by_calendar = [track for track in self.tracks if isinstance(track.plan.start, ShiftCalendar)]
        self.inside_run = [track for track in self.tracks if track.host is not None] if len(self.tracks) > 1 else []
        self.states = StateTrack(plan.states, state.states, context) if plan.states is not None else None
        owners: Mapping[OwnerKind, IntervalTrack | None] = {"run": self.run, "batch": self.batches}
        self.rules = RulesTrack(plan.rules, state.rules, context, owners) if plan.rules else None
        self.tellers = (*self.outputs, *((self.rules,) if self.rules is not None else ()))

    @property
    def runs(self) -> IntervalsState:
        """What is known of runs now."""
        return self.run.state if self.run is not None else self.state.runs

    def on(self, event: Sample | Moment | Contact | Tick) -> None:
        """Take the step that `event` is."""
        self.at = None  # where this raises, no other is taken
        if self.is_begun:
            self.context.begin_step()
            self.inputs.begin_step()
        self.is_begun = True
        if isinstance(event, Sample | Moment):
            self.take(event.samples if isinstance(event, Moment) else (event,), event.received)
        elif isinstance(event, Contact):
            self.hear(event)
        else:
            self.advance(event.at)

    def result(self, *, known: bool = True) -> Step:
        """What the last step has told, and the state after it, unless that need not be `known`."""
        context, recorder = self.context, self.context.recorder
        self._settle_owed()
        self.missed = context.say_missed(self.missed) if context.missed else self.missed
        self.told = with_told(self.told, recorder) if recorder.shares else self.told
        told = tuple(recorder.records), tuple(context.notices), recorder.rules, recorder.shares
        if known:
            self.state = self._known()
            self.at = self.state if self.is_planned else None
        refused, full = context.refused_samples(), tuple(recorder.full)
        return Step(self.state, *told, refused=refused, full=full, ran_out=context.ran_out)

    def _settle_owed(self) -> None:
        """Take what is owed, where what was just told allows that: at the time of that, however time is cut."""
        if self.owed:
            self.owed = settle(self.owed, waiting(self.outputs), self.context.recorder, self.context.now)

    def _known(self) -> LineState:
        before, context = self.state, self.context
        custom = {track.plan.type: track.state for track in self.custom} if self.custom else {}
        intervals = {**before.intervals, **custom} if custom else before.intervals
        states = self.states.state if self.states is not None else before.states
        output = self.output.state if self.output is not None else before.output
        batches = self.batches.state if self.batches is not None else before.batches
        batch_output = self.batch_output.state if self.batch_output is not None else before.batch_output
        rules = self.rules.state if self.rules is not None else before.rules
        return LineState(
            context.now, context.recorder.number, context.inputs, self.runs, states, output, batches, intervals,
            batch_output, self.inputs.last_heard, rules, context.losses, self.missed, self.owed, self.told,
        )  # fmt: skip

    # The stages

    def take(self, samples: Sequence[Sample], received: float) -> None:
        """Take the samples of a moment, which came at `received`, through the stages of a step."""
        self.advance(received)
        self._follow_run()
        admitted: list[Fed] = []
        fed_by, timed = self.plan.fed_by, self.plan.timed
        for sample in samples:
            fed = fed_by(sample)
            if fed and (timed or sample.retained):
                fed = self.inputs.admitted(fed, sample, self.tracks, self.runs)
            admitted += [(plan, sample) for plan in fed]
        if admitted:
            memory, readings = self.inputs.read(admitted)
            self._settle_overdue(admitted, memory, readings)
            self.evaluate(memory, readings)
        self.advance(self.context.now)  # what is due at once, also where the sample had to wait before it came here

    def hear(self, contact: Contact) -> None:
        """A source is lost, or heard again: what was due before happens first, what had to wait for it then."""
        if contact.state == "lost":
            self.context.losses, self.rests_until = with_contact(self.context.losses, contact), None
        self.advance(contact.received)
        self.context.losses, self.rests_until = with_contact(self.context.losses, contact), None
        if self.states is not None and contact.state != "unheard":
            self.states.on_contact(contact)
        for track in self.tracks:
            track.hear(contact)
        self.advance(self.context.now)

    def _settle_overdue(self, fed: Sequence[Fed], memory: dict[str, InputMemory], readings: Readings) -> None:
        """Settle what the moment shows to be overdue; what it does not say of a new run is forgotten of the old one."""
        for track in self.tracks:
            state = track.state
            if not (state.pending_change or state.pending_end) and readings.keys().isdisjoint(track.plan.heeds):
                continue
            track.settle_overdue(readings)
            for name in inputs_of_previous(track.plan, fed, readings):
                memory[name] = replace(memory[name], value=None)
        for teller in self.tellers:
            teller.settle_overdue(readings)

    def evaluate(self, memory: Mapping[str, InputMemory], readings: Readings) -> None:
        """`memory` is what is known from now on: each part of the line evaluates what that means."""
        self.context.inputs, self.context.news, self.rests_until = memory, readings, None
        for output in self.outputs:
            output.on_sample(readings)
        for track in self.tracks:
            track.on_sample(readings)
        if self.states is not None:
            self.states.on_sample(readings)
        if self.rules is not None:
            self.rules.on_sample(readings)
            self.rules.retry_tests()
        for output in self.outputs:
            output.open_window()
        self.context.news = {}
        self._follow_run()

    def _follow_run(self) -> None:
        """Where something looks at the run that is on, let it know of another."""
        news = self.inputs.news_of_run(self.runs) if self.plan.reads_run else None
        if news is not None:
            self.evaluate(*news)

    # Time

    def timers(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """What is to happen when. Of what is due at one time, the first goes first."""
        for track in self.tracks:
            for at, interval_timer in track.timers():
                if self.context.known_until(awaited(track.plan, track.state, interval_timer)) >= at:
                    yield at, partial(track.fire, interval_timer)
        if self.states is not None:
            for at, state_timer in self.states.timers():
                if self.states.known_until(state_timer) >= at:
                    yield at, partial(self.states.fire, state_timer)
        for output in self.outputs:
            yield from output.timers()
        if self.rules is not None:
            for at, rule in self.rules.timers():
                if self.context.known_until(rule.inputs) >= at:
                    yield at, partial(self.rules.fire, rule)
        for at, plan in self.inputs.timers():
            yield at, partial(self._on_quiet, plan)

    def advance(self, until: float) -> None:
        """Let time come to `until`: what is due by then happens, each at its own time."""
        while self.rests_until is None or self.rests_until <= until:
            self.rests_until, fire = min(self.timers(), key=itemgetter(0), default=(inf, None))
            if fire is None or self.rests_until > until:
                break
            self.context.now, self.rests_until = max(self.context.now, self.rests_until), None
            self.context.ran_out = self.context.now
            fire()
            for track in self.tracks:  # what had to wait is tried again
                track.retry_start()
            if self.rules is not None:
                self.rules.retry_tests()
            self._follow_run()
            self._settle_owed()
        self.context.now = max(self.context.now, until)
        for track in self.by_calendar:
            if track.needs_calendar:
                track.open_calendar(self.context.now)
                self.rests_until = None

    def _on_quiet(self, plan: InputPlan) -> None:
        """Nothing has come of the input for longer than is expected of it."""
        self.evaluate(*self.inputs.turn_quiet(plan))

    # Beside the runs

    def on_closing(self, end: float) -> None:
        """The run that is on is about to end: batches end with it, and the one before it gets its last output."""
        for track in self.inside_run:
            track.on_run_end(end)
        if self.output is not None:
            self.output.on_closing(end)

    def on_closed(self, ended: EndedInterval) -> None:
        """A run has ended: it gets its last output before its end is recorded."""
        if self.output is not None:
            self.output.on_closed(ended)

    def on_untold(self, begun: float, ended: float, start: int) -> str:
        """A run will never be recorded: what was made and tested in it, and in its batches, is of no other."""
        for track in self.inside_run:
            track.state = with_untold_inside(track.plan, track.state, begun, ended)
        return ", ".join(filter(None, [output.on_untold(begun, ended, start) for output in self.outputs]))

    def on_opened(self, begun: float) -> None:
        """A run has begun."""
        if self.output is not None:
            self.output.on_opened(begun)
        for track in self.inside_run:
            track.on_run_begin(begun)
