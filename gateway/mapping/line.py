"""One line's machine: what a sample, or the passing of time, makes of a line's state.

`step` is a function: no I/O, no clock, no chance. Time is the gateway's: the newest `received` or tick that was
seen. Before a sample counts, every timer that is due by then fires, in order and at its own time; a tick does only
that. So the records are the same however a recording is cut into batches, ticks and restarts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import TypeAdapter

from gateway.config.schema_inputs import Counter
from gateway.mapping import runs
from gateway.mapping.compile import LinePlan
from gateway.mapping.counting import OutputTrack
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, counted, derived, outdated, read, silence
from gateway.mapping.output import OutputPlan, OutputState
from gateway.mapping.records import Recorder
from gateway.mapping.rules import RulesState, RulesTrack
from gateway.mapping.runs import EndedRun, RunsState
from gateway.mapping.scene import AT_ONCE, Scene
from gateway.mapping.state_track import StateTrack
from gateway.mapping.states import StatesState
from gateway.mapping.track_plan import ByKey
from gateway.mapping.tracks import Track
from gateway.mapping.values import ABSENT, excerpt, find, flaw, scalar
from gateway.model import Notice, Record, Sample


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come to `at`, and nothing was received."""

    at: float


@dataclass(frozen=True, slots=True)
class LineState:
    """All that is remembered of a line: JSON values only. `now` is the newest time seen, `seq` counts its records;
    `intervals` are the custom ones by type. `heard` is by source when something was last heard of it while it was watched."""

    now: float = 0.0
    seq: int = 0
    inputs: Mapping[str, InputMemory] = field(default_factory=dict)
    runs: RunsState = field(default_factory=RunsState)
    states: StatesState = field(default_factory=StatesState)
    output: OutputState = field(default_factory=OutputState)
    batches: RunsState = field(default_factory=RunsState)
    intervals: Mapping[str, RunsState] = field(default_factory=dict)
    batch_output: OutputState = field(default_factory=OutputState)
    heard: Mapping[str, float] = field(default_factory=dict)
    rules: RulesState = field(default_factory=RulesState)


@dataclass(frozen=True, slots=True)
class Step:
    """The state after an event, and what it caused, in order; `rules` is by record the key of the rule that it is told by."""

    state: LineState
    records: tuple[Record, ...] = ()
    notices: tuple[Notice, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)


LINE_STATE: TypeAdapter[LineState] = TypeAdapter(LineState)


def dump(state: LineState) -> str:
    """The state as JSON text."""
    return LINE_STATE.dump_json(state).decode()


def load(plan: LinePlan, text: str) -> LineState:
    """The state from JSON text, without inputs that `plan` does not have or derives otherwise. Raises ValueError where it is not one."""
    state = LINE_STATE.validate_json(text)
    origins = {one.name: one.origin for one in plan.derived}
    inputs = {
        name: known
        for name, known in state.inputs.items()
        if name in plan.inputs and origins.get(name, known.origin) == known.origin
    }
    return replace(state, inputs=inputs)


def due(plan: LinePlan, state: LineState) -> float | None:
    """When the next timer fires; None while nothing but a sample can change anything."""
    return _Work(plan, state).due()


def step(plan: LinePlan, state: LineState, event: Sample | Tick) -> Step:
    """What `event` makes of `state`. A sample can hold any value: one that cannot be used becomes a notice."""
    work = _Work(plan, state)
    if isinstance(event, Tick):
        work.advance(event.at)
        return work.done()
    work.advance(event.received)
    fed = tuple(one for one in plan.subscriptions.get((event.source, event.address), ()) if one.fed_by(event))
    if fed:
        work.observe(fed, event)
        work.advance(work.scene.now)  # what need not settle or hold happens at once, also to a sample that had to wait
    return work.done()


def _output(plan: OutputPlan | None, state: OutputState, runs: RunsState, scene: Scene) -> OutputTrack | None:
    """Output as it is planned; what waits is reported also where the plan has none any more."""
    if plan is None and not state.pending:
        return None
    return OutputTrack(plan or OutputPlan("RUN", 60.0, {}), state, runs, scene)


class _Work:
    """A line's state while one step is taken: its parts are replaced one by one, records and notices gathered.

    It stands beside the runs: output is reported to them, batches begin and end with them.
    """

    def __init__(self, plan: LinePlan, state: LineState) -> None:
        self.plan = plan
        self.state = state
        self.scene = Scene(state.now, state.inputs, plan.inputs, Recorder(plan.key, state.seq))
        self.output = _output(plan.output, state.output, state.runs, self.scene)
        self.batch_output = _output(plan.batch_output, state.batch_output, state.batches, self.scene)
        self.outputs = [*filter(None, (self.output, self.batch_output))]
        self.run = Track(plan.run, state.runs, self.scene, self, None) if plan.run is not None else None
        self.batches = None
        if plan.batches is not None:
            self.batches = Track(plan.batches, state.batches, self.scene, self.batch_output, self.run)
        if self.output is not None:
            self.output.track = self.run
        if self.batch_output is not None:
            self.batch_output.track = self.batches
        self.customs = [
            Track(one, state.intervals.get(one.type, RunsState()), self.scene, None, self.run) for one in plan.intervals
        ]
        self.tracks = [*filter(None, (self.run, self.batches)), *self.customs]
        self.inside = [track for track in self.tracks if track.host is not None]
        self.heard = state.heard
        self.rules = None
        if plan.rules:
            self.rules = RulesTrack(plan.rules, state.rules, self.scene, {"run": self.run, "batch": self.batches})
        self.states = StateTrack(plan.states, state.states, self.scene) if plan.states is not None else None

    @property
    def runs(self) -> RunsState:
        return self.run.state if self.run is not None else self.state.runs

    def done(self) -> Step:
        state = LineState(
            self.scene.now,
            self.scene.recorder.number,
            self.scene.inputs,
            self.runs,
            self.states.state if self.states is not None else self.state.states,
            self.output.state if self.output is not None else self.state.output,
            self.batches.state if self.batches is not None else self.state.batches,
            {**self.state.intervals, **{track.plan.type: track.state for track in self.customs}},
            self.batch_output.state if self.batch_output is not None else self.state.batch_output,
            self.heard,
            self.rules.state if self.rules is not None else self.state.rules,
        )
        recorder = self.scene.recorder
        return Step(state, tuple(recorder.records), tuple(self.scene.notices), recorder.rules)

    # Time

    def due(self) -> float | None:
        """When the next timer fires."""
        if any(track.unborn for track in self.tracks):
            return AT_ONCE
        return min((due for due, _ in self._timers()), default=None)

    def _timers(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """What is to happen when. Of what is due at one time, the first goes first.

        A timer of a part that the plan no longer has does not fire.
        """
        for track in self.tracks:
            for due, timer in track.timers():
                yield due, partial(track.fire, timer)
        if self.states is not None:
            for due, what in self.states.timers():
                yield due, partial(self.states.fire, what)
        for output in self.outputs:
            if output.state.flush_at is not None:
                yield output.state.flush_at, output.flush
        if self.rules is not None:
            for due, rule in self.rules.timers():
                yield due, partial(self.rules.fire, rule)
        for plan in self.plan.watched:
            known = self.scene.inputs.get(plan.name)
            if known is not None and known.quiet_at is not None:
                yield known.quiet_at, partial(self._quiet, plan)

    def advance(self, until: float) -> None:
        """Let time come to `until`: what is due by then happens, each at its own time."""
        while (timer := min(self._timers(), key=lambda one: one[0], default=None)) is not None and timer[0] <= until:
            self.scene.now = max(self.scene.now, timer[0])
            timer[1]()
            self._try_again()
        self.scene.now = max(self.scene.now, until)
        for track in self.tracks:
            if track.unborn:
                track.look_up(self.scene.now)

    def _try_again(self) -> None:
        for track in self.tracks:
            track.try_again()
        if self.rules is not None:
            self.rules.try_again()

    # A sample

    def observe(self, fed: tuple[InputPlan, ...], sample: Sample) -> None:
        """Take in a sample: all inputs that it feeds change first, then what that means is looked at."""
        scene = self.scene
        if sample.retained and self._overtaken(fed, sample):
            text = f"the broker kept an older message than the one known, which is left out: {excerpt(sample.value)}"
            scene.notice("reject", fed[0].name, text)
            return
        if not sample.retained and any(track.repeats(fed, sample) for track in self.tracks):
            text = f"an older message came again, which is left out: {excerpt(sample.value)}"
            fed, told = tuple(one for one in fed if one.booked), fed
            if not fed:
                scene.notice("reject", told[0].name, text)
                return
        memory = dict(scene.inputs)
        readings: dict[str, Reading] = {}
        for plan in fed:
            reading = read(plan, memory.get(plan.name), sample, scene.now)
            memory[plan.name] = reading.memory
            scene.notices.extend(one for one in reading.notices if one not in scene.notices)  # of one message, once
            if reading.fresh:
                readings[plan.name] = reading
        for plan in fed:
            if plan.counter is not None and plan.name in readings:
                self._count(plan, plan.counter, readings, memory, sample)
        self._derive(memory, readings, {name for name, reading in readings.items() if reading.changed})
        live = not (sample.initial or sample.retained)
        if live and (readings or any(memory[plan.name].lost == scene.now for plan in fed)):
            self.heard = {**self.heard, sample.source: scene.now}
        for track in self.tracks:
            track.ahead(readings, sample)
            for name in track.left_over(fed, readings):
                memory[name] = replace(memory[name], value=None)
        self._told(memory, readings, sample)

    def _count(
        self,
        plan: InputPlan,
        counter: Counter,
        readings: dict[str, Reading],
        memory: dict[str, InputMemory],
        sample: Sample,
    ) -> None:
        """Find out what the counter has counted, now that all that the sample says is known."""
        reading, other = readings[plan.name], memory.get(counter.restarts_with or "")
        heard = self.heard.get(sample.source, self.scene.now)
        basis = other.value if other is not None else None
        found = counted(plan, counter, reading, sample, self.scene.now, heard, basis)
        self.scene.notices.extend(found.notices[len(reading.notices) :])
        readings[plan.name], memory[plan.name] = found, found.memory

    def _derive(self, memory: dict[str, InputMemory], readings: dict[str, Reading], changed: set[str]) -> None:
        """Find out what follows from what has `changed`; what has not is not looked at."""
        for plan in self.plan.derived:
            needs = plan.relies_on
            moved = [name for name in needs if name in changed or (name in readings and name == plan.stale_of)]
            known = memory.get(plan.name)
            if known is not None and not moved:
                continue
            now = self.scene.now
            at = max((readings[name].memory.at for name in moved if name in readings), default=now)
            cause = self.plan.inputs[(moved or needs)[0]]
            reading = derived(plan, known, memory, at, now, cause)
            if reading is None or reading.memory == known:
                continue
            memory[plan.name] = reading.memory
            self.scene.notices.extend(reading.notices)
            if reading.fresh and reading.changed:
                readings[plan.name] = reading
                changed.add(plan.name)

    def _told(self, memory: Mapping[str, InputMemory], readings: Mapping[str, Reading], sample: Sample) -> None:
        """What is known has changed: what that means is looked at."""
        self.scene.inputs = memory
        for output in self.outputs:
            output.see(readings, sample)
        for track in self.tracks:
            track.see(readings, sample)
        if self.states is not None:
            self.states.see(readings, sample)
        if self.rules is not None:
            self.rules.see(readings, sample)
            self.rules.try_again()
        for output in self.outputs:
            output.arm()

    def _quiet(self, plan: InputPlan) -> None:
        """Nothing has come of the input for longer than is expected of it."""
        scene = self.scene
        memory = dict(scene.inputs)
        memory[plan.name] = replace(memory[plan.name], quiet_at=None, stale=True)
        scene.notices.append(silence(plan, scene.now))
        readings: dict[str, Reading] = {}
        self._derive(memory, readings, {plan.name})
        self._told(memory, readings, Sample(plan.source, plan.address, None, scene.now))

    def _overtaken(self, fed: tuple[InputPlan, ...], sample: Sample) -> bool:
        """Whether a message that the broker had kept was followed by newer ones: by its own time or, where it
        says none, because it speaks of a run that has ended."""
        older = outdated(fed, self.scene.inputs, sample)
        if older is not None:
            return older
        start = self.plan.run.start if self.plan.run is not None else None
        for plan in fed:
            if isinstance(start, ByKey) and plan.name == start.input:
                key = find(sample.value, plan.field)
                return key is not ABSENT and flaw(key) is None and runs.is_past(self.runs, runs.key_text(scalar(key)))
        return False

    # Beside the runs

    def closing(self, end: float) -> None:
        """The run that is on is about to end: batches end with it, and the one before it gets its last output."""
        for track in self.inside:
            track.run_ends(end)
        if self.output is not None:
            self.output.closing(end)

    def closed(self, ended: EndedRun) -> None:
        """A run has ended: it gets its last output before its end is recorded."""
        if self.output is not None:
            self.output.closed(ended)

    def opened(self, begun: float) -> None:
        """A run has begun."""
        if self.output is not None:
            self.output.opened(begun)
        for track in self.inside:
            track.run_begins(begun)
