"""One line's machine: what a sample, or the passing of time, makes of a line's state.

`step` is a function: no I/O, no clock, no chance. Time is the gateway's: the newest `received` or tick that was
seen. Before a sample counts, every timer that is due by then fires, in order and at its own time; a tick does only
that. So the records are the same however a recording is cut into batches, ticks and restarts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import TypeAdapter

from gateway.mapping import runs, states
from gateway.mapping.compile import LinePlan, RunPlan
from gateway.mapping.counters import moved
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, looking, outdated, read
from gateway.mapping.output import Amount, EntryPlan, OutputPlan, OutputState, added, armed, reported, window_ended
from gateway.mapping.records import Recorder
from gateway.mapping.runs import Run, RunsState, Turn, Waiting
from gateway.mapping.states import StatesPlan, StatesState
from gateway.mapping.values import ABSENT, Number, excerpt, find, number, scalar
from gateway.model import Notice, Record, Sample


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come to `at`, and nothing was received."""

    at: float


@dataclass(frozen=True, slots=True)
class LineState:
    """All that is remembered of a line: JSON values only. `now` is the newest time seen, `seq` counts its records."""

    now: float = 0.0
    seq: int = 0
    inputs: Mapping[str, InputMemory] = field(default_factory=dict)
    runs: RunsState = field(default_factory=RunsState)
    states: StatesState = field(default_factory=StatesState)
    output: OutputState = field(default_factory=OutputState)


@dataclass(frozen=True, slots=True)
class Step:
    """The state after an event, and what it caused, in order."""

    state: LineState
    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()


LINE_STATE: TypeAdapter[LineState] = TypeAdapter(LineState)


def dump(state: LineState) -> str:
    """The state as JSON text."""
    return LINE_STATE.dump_json(state).decode()


def load(plan: LinePlan, text: str) -> LineState:
    """The state from JSON text, without inputs that `plan` does not have. Raises ValueError where it is not one."""
    state = LINE_STATE.validate_json(text)
    return replace(state, inputs={name: known for name, known in state.inputs.items() if name in plan.inputs})


def due(plan: LinePlan, state: LineState) -> float | None:
    """When the next timer fires; None while nothing but a sample can change anything."""
    timer = _next(plan, state.runs, state.states, state.output)
    return timer[0] if timer is not None else None


def step(plan: LinePlan, state: LineState, event: Sample | Tick) -> Step:
    """What `event` makes of `state`. A sample can hold any value: one that cannot be used becomes a notice."""
    work = _Work(plan, state)
    if isinstance(event, Tick):
        work.advance(event.at)
        return work.done()
    work.advance(event.received)
    fed = plan.subscriptions.get((event.source, event.address))
    if fed is not None:
        work.observe(fed, event)
        work.advance(work.now)  # what need not settle or hold happens at once, also to a sample that had to wait
    return work.done()


_Timer = Literal["settle", "idle", "hold", "window"]


def _next(plan: LinePlan, runs: RunsState, states: StatesState, output: OutputState) -> tuple[float, _Timer] | None:
    """The next timer and when it is due; of those due at one time, the first in this order.

    A timer of a part that the plan no longer has does not fire.
    """
    first: tuple[float, _Timer] | None = None
    if runs.change is not None and plan.run is not None:
        first = (runs.change.due, "settle")
    if runs.held is not None and plan.run is not None and plan.run.end is not None:
        first = _earlier(first, (runs.held.due, "idle"))
    if states.candidate is not None and plan.states is not None:
        first = _earlier(first, (states.candidate.due, "hold"))
    if output.flush_at is not None:
        first = _earlier(first, (output.flush_at, "window"))
    return first


def _earlier(first: tuple[float, _Timer] | None, second: tuple[float, _Timer]) -> tuple[float, _Timer]:
    return second if first is None or second[0] < first[0] else first


def _left_over(run: RunPlan, fed: tuple[InputPlan, ...], readings: Mapping[str, Reading]) -> Iterator[str]:
    """The inputs whose product is that of the run before, because the message names another run but no product."""
    if run.key in readings and readings[run.key].changed:
        words = {reference.input for reference in run.product.references}
        yield from (plan.name for plan in fed if plan.name in words and plan.name not in readings)


class _Work:
    """A line's state while one step is taken: its parts are replaced one by one, records and notices gathered."""

    def __init__(self, plan: LinePlan, state: LineState) -> None:
        self.plan = plan
        self.now = state.now
        self.inputs = state.inputs
        self.runs = state.runs
        self.states = state.states
        self.output = state.output
        self.recorder = Recorder(plan.key, state.seq)
        self.notices: list[Notice] = []

    def done(self) -> Step:
        state = LineState(self.now, self.recorder.number, self.inputs, self.runs, self.states, self.output)
        return Step(state, tuple(self.recorder.records), tuple(self.notices))

    def advance(self, until: float) -> None:
        """Let time come to `until`: what is due by then happens, each at its own time."""
        while (timer := _next(self.plan, self.runs, self.states, self.output)) is not None and timer[0] <= until:
            self.now = max(self.now, timer[0])
            self._fire(timer[1])
        self.now = max(self.now, until)

    def _fire(self, timer: _Timer) -> None:
        if timer == "settle" and self.runs.change is not None:
            self._give_up(self.runs.waiting)
            self._turn(runs.key_settled(self.runs, self.runs.change))
        elif timer == "idle" and self.runs.held is not None:
            self._turn(runs.idle_held(self.runs, self.runs.held))
        elif timer == "hold" and self.states.candidate is not None:
            self.states = states.held(self.states, self.states.candidate, self.now, self.recorder)
        elif timer == "window":
            self.output = window_ended(self.output, self.runs, self.now, self.recorder)

    def observe(self, fed: tuple[InputPlan, ...], sample: Sample) -> None:
        """Take in a sample: all inputs that it feeds change first, then what that means is looked at."""
        if sample.retained and self._overtaken(fed, sample):
            text = f"the broker kept an older message than the one known, which is left out: {excerpt(sample.value)}"
            self._notice("reject", fed[0], text)
            return
        memory = dict(self.inputs)
        readings: dict[str, Reading] = {}
        for plan in fed:
            reading = read(plan, memory.get(plan.name), sample, self.now)
            memory[plan.name] = reading.memory
            self.notices.extend(reading.notices)
            if reading.fresh:
                readings[plan.name] = reading
        if self.plan.run is not None:
            for name in _left_over(self.plan.run, fed, readings):
                memory[name] = replace(memory[name], value=None)
        self.inputs = memory
        if self.plan.output is not None:
            for plan in fed:
                if plan.name in self.plan.output.entries and plan.name in readings:
                    self._count(self.plan.output, plan, readings[plan.name], sample)
        if self.plan.run is not None:
            self._see_run(self.plan.run, readings)
        if self.plan.states is not None:
            self._see_state(self.plan.states, readings)

    def _overtaken(self, fed: tuple[InputPlan, ...], sample: Sample) -> bool:
        """Whether a message that the broker had kept was followed by newer ones: by its own time or, where it
        says none, because it speaks of a run that has ended."""
        older = outdated(fed, self.inputs, sample)
        if older is not None:
            return older
        for plan in fed:
            if self.plan.run is not None and plan.name == self.plan.run.key:
                key = find(sample.value, plan.field)
                return key is not ABSENT and runs.is_past(self.runs, runs.key_text(scalar(key)))
        return False

    def _count(self, output: OutputPlan, plan: InputPlan, reading: Reading, sample: Sample) -> None:
        """Keep what a counter moved by, or what an event says, until it is reported."""
        last = number(reading.before.value)
        entries = output.entries[plan.name]
        value = reading.memory.value
        if plan.counter is None:
            # A retained message is one that was sent before, not one more event.
            for entry in () if sample.retained else entries:
                amount = number(find(value, entry.path))
                if amount is None:
                    what = ".".join((plan.name, *entry.path))
                    self._notice("reject", plan, f"{what} is not a number, so nothing is counted: {excerpt(value)}")
                else:
                    self._add(output, entry, plan, amount)
        elif last is not None and (count := number(value)) is not None:
            elapsed = reading.memory.at - reading.before.at
            move = moved(plan.counter, last, count, elapsed, watched=not sample.initial)
            if move.gap is not None:
                self._notice("gap", plan, f"{plan.name} {move.gap}")
            for entry in entries:
                self._add(output, entry, plan, move.amount)

    def _add(self, output: OutputPlan, entry: EntryPlan, plan: InputPlan, amount: Number) -> None:
        if amount == 0:
            return
        target, missing = entry.target(looking(self.inputs))
        if missing and plan.counter is None:
            names = ", ".join(missing)
            self._notice("reject", plan, f"{plan.name} is counted without {names}, which it does not say")
        at = self.inputs[plan.name].at
        kept = added(self.output, Amount(at, amount, target), self.runs)
        if kept is None:
            self._notice("loss", plan, f"{plan.name}: {amount} is lost, too much different output waits for a run")
            return
        self.output = kept
        if kept.flush_at is None and runs.owner(self.runs, at) is not None:
            self.output = armed(kept, self.runs, output.every, self.now)

    def _see_run(self, plan: RunPlan, readings: Mapping[str, Reading]) -> None:
        if plan.key in readings:
            known = readings[plan.key].memory
            key = runs.key_text(scalar(known.value))
            self._turn(runs.key_seen(self.runs, key, known.at, self.now + plan.settle))
        if plan.end is not None:
            names = plan.end.condition.names
            times = [readings[name].memory.at for name in names if name in readings and readings[name].changed]
            idle = plan.end.condition.holds({name: self._value(name) for name in names}) if times else None
            if idle is not None:
                self._turn(runs.idle_seen(self.runs, idle, max(times), self.now + plan.end.hold))
        if self.runs.waiting is not None and self.runs.change is None:
            self._open(plan, self.runs.waiting)

    def _turn(self, turn: Turn) -> None:
        """Carry out a decision about runs: output of the old run, its end, the start of the new one."""
        if turn.state is self.runs:
            return
        self.runs = turn.state
        if turn.end is not None and self.runs.current is not None:
            self._close(self.runs.current, turn.end)
        if turn.begin is not None and self.plan.run is not None:
            self._open(self.plan.run, Waiting(self.runs.key, turn.begin))
        self._arm()

    def _close(self, run: Run, end: float) -> None:
        if self.runs.last is not None:
            self.output = reported(self.output, self.runs, self.runs.last, self.now, self.recorder)
        self.runs, ended = runs.closed(self.runs, run, end)
        self.output = reported(self.output, self.runs, ended, self.now, self.recorder)
        self.recorder.end(self.now, "RUN", ended.interval, ended.end)

    def _open(self, plan: RunPlan, waiting: Waiting) -> None:
        """Start a run, as soon as its product is known."""
        look = looking(self.inputs)
        product = plan.product.words(look)
        if product is None:
            self.runs = replace(self.runs, waiting=waiting)
            return
        name = plan.name.words(look) if plan.name is not None else None
        start = runs.start_of(self.runs, waiting.begun)
        interval = self.recorder.start(self.now, "RUN", start, name, {"product": product})
        self.runs = runs.opened(self.runs, Run(interval, start, product, name), waiting.begun)
        self._arm()

    def _arm(self) -> None:
        if self.plan.output is not None:
            self.output = armed(self.output, self.runs, self.plan.output.every, self.now)

    def _give_up(self, waiting: Waiting | None) -> None:
        """Say that a run is not reported, because the key changed before its product was known."""
        if waiting is not None and self.plan.run is not None:
            key = self.plan.inputs[self.plan.run.key]
            self._notice("gap", key, f"run {waiting.key} is not reported: its product was never known")

    def _see_state(self, plan: StatesPlan, readings: Mapping[str, Reading]) -> None:
        changed = [name for name in plan.names if name in readings and readings[name].changed]
        if not changed and plan.input not in readings:
            return
        code = scalar(self._value(plan.input))
        if code is None:
            return
        means = states.meaning(plan, code, looking(self.inputs))
        if means is None:
            if changed:
                said = f"{plan.input} is {excerpt(code)}, which is no state that can be told: the last state stays"
                self._notice("reject", self.plan.inputs[plan.input], said)
            return
        # The code's own time says since when; where only what it means has changed, that is since now.
        at = max((readings[name].memory.at for name in changed), default=self.now)
        self.states = states.seen(self.states, means, at, self.now + plan.hold)

    def _value(self, name: str) -> object:
        known = self.inputs.get(name)
        return known.value if known is not None else None

    def _notice(self, kind: Literal["gap", "reject", "loss"], plan: InputPlan, text: str) -> None:
        self.notices.append(Notice(kind, self.now, plan.source, plan.address, text))
