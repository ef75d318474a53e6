"""Runs, batches and custom intervals while a step is taken: what samples and time mean for one kind of them.

What is decided is in `runs`; here it is found out what happened, and what was decided is carried out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, nextafter
from typing import Literal, Protocol

from gateway.mapping import repeats, runs
from gateway.mapping.details import all_filled, inputs_of
from gateway.mapping.events import happened
from gateway.mapping.inputs import InputPlan, Reading
from gateway.mapping.patterns import Look
from gateway.mapping.runs import NAMELESS, Change, EndedRun, Held, Run, RunsState, Turn, Waiting, undecided
from gateway.mapping.scene import Readings, Scene, changed_at
from gateway.mapping.shifts import Calendar
from gateway.mapping.track_plan import NUMBER, ByCondition, ByCount, ByEvent, ByIdleness, ByKey, TrackPlan
from gateway.mapping.values import excerpt, scalar, whole
from gateway.model import Sample

Timer = Literal["settle", "idle", "amend"]

STAND_IN = "Unassigned"
"""The name, and the product, of a run that has what belongs to none."""


class Beside(Protocol):
    """What goes along with the intervals of a track: output and batches with runs."""

    def closing(self, end: float) -> None:
        """The interval that is on is about to end."""

    def closed(self, ended: EndedRun) -> None:
        """It has ended; its end is yet to be recorded."""

    def opened(self, begun: float) -> None:
        """An interval has begun, and its start is recorded."""


class Track:
    """One kind of interval of a line while a step is taken; `state` is replaced as it goes on."""

    def __init__(self, plan: TrackPlan, state: RunsState, scene: Scene, beside: Beside | None, host: "Track | None"):
        """`host` is the track of runs, for intervals that are inside them."""
        self.plan = plan
        self.state = state
        self.scene = scene
        self.beside = beside
        self.host = host if plan.inside else None

    # Time

    @property
    def unborn(self) -> bool:
        """Whether it has yet to be looked into the calendar for the first time."""
        return isinstance(self.plan.start, Calendar) and self.state.change is None

    def look_up(self, at: float) -> None:
        """Look into the calendar: the shift that is on is an interval from where it began."""
        if isinstance(self.plan.start, Calendar):
            now = self.plan.start.on(at)
            if now is not None and self.state.current is None:
                self._turn(Turn(replace(self.state, key=now.name), begin=now.start))
            self._expect(at)

    def _expect(self, at: float) -> None:
        if isinstance(self.plan.start, Calendar):
            following = self.plan.start.following(at)
            change = None if following is None else Change(following.name, following.at, following.at)
            self.state = replace(self.state, change=change)

    def timers(self) -> Iterator[tuple[float, Timer]]:
        """What is to happen when, first what comes first where both are due at once."""
        if self.state.change is not None:
            yield self.state.change.due, "settle"
        if self.state.held is not None and isinstance(self.plan.end, ByCondition | ByIdleness):
            yield self.state.held.due, "idle"
        if self.state.amend is not None:
            yield self.state.amend, "amend"

    def fire(self, timer: Timer) -> None:
        state, end = self.state, self.plan.end
        if timer == "settle" and state.change is not None:
            self._settle(state.change)
        elif timer == "idle" and state.held is not None and isinstance(end, ByCondition | ByIdleness):
            if isinstance(end, ByIdleness) and self.scene.dark(end.inputs):
                # Nothing can be seen to move while the source is gone.
                self.state = replace(state, held=Held(state.held.since, state.held.due + end.hold))
            else:
                self._turn(runs.idle_held(state, state.held, keyed=self._keyed))
        elif timer == "amend":
            self._amend()

    # What a sample means

    def repeats(self, fed: Sequence[InputPlan], sample: Sample) -> bool:
        """Whether a message says again what it said before others said something newer."""
        return repeats.older_again(self.plan, self.state, self.scene.inputs, fed, sample)

    def ahead(self, readings: Readings, sample: Sample) -> None:
        """Before what `sample` said is known: what it shows to have held for long enough by then is settled, so that it is
        told by what was known then."""
        change, start = self.state.change, self.plan.start
        if change is None or isinstance(start, Calendar):
            return
        if isinstance(start, ByKey) and start.input in readings:
            reading = readings[start.input]
            other = runs.key_text(scalar(reading.memory.value)) != change.key
            if other and reading.memory.at - change.at >= self._patience(change.key):
                self._settle(change)
        elif (
            self._event(start, readings, sample) is not None or self._event(self.plan.end, readings, sample) is not None
        ):
            self._settle(change)

    def left_over(self, fed: Sequence[InputPlan], readings: Readings) -> Iterator[str]:
        """The inputs that speak of the run before, because the message names another run but not, say, its product."""
        start = self.plan.start
        if self.plan.needed and isinstance(start, ByKey) and start.input in readings and readings[start.input].changed:
            needed = {name for detail in self.plan.needed for name in inputs_of(self.plan.details[detail])}
            yield from (plan.name for plan in fed if plan.name in needed and plan.name not in readings)

    def see(self, readings: Readings, sample: Sample) -> None:
        """What the inputs say after `sample`."""
        self._see_end(readings, sample)
        self._see_start(readings, sample)
        if self.state.current is not None and changed_at(self.plan.names, readings) is not None:
            self.state = replace(self.state, amend=self.scene.now + self.plan.settle)
        self.try_again()

    def try_again(self) -> None:
        """An interval that could not be told yet is, where it can be now."""
        if self.state.waiting is not None and self.state.change is None:
            self._open(self.state.waiting)

    def _see_start(self, readings: Readings, sample: Sample) -> None:
        now, start = self.scene.now, self.plan.start
        match start:
            case ByKey() if start.input in readings:
                known = readings[start.input].memory
                key = runs.key_text(scalar(known.value))
                due = now + self._patience(key)
                self._turn(runs.key_seen(self.state, key, known.at, due, self.plan.settle))
            case ByCondition():
                at = changed_at(start.condition.names, readings)
                true = self.scene.holds(start.condition) if at is not None else None
                if at is not None and true is not None:
                    self._see_condition(start, at, true=true)
            case ByEvent():
                reading = self._event(start, readings, sample)
                if reading is not None:
                    due, events = now + self.plan.settle, repeats.remembered(self.state, reading, sample)
                    self.state = replace(self.state, change=Change(NAMELESS, reading.memory.at, due), events=events)
            case ByCount() if start.input in readings:
                self._see_count(start, readings[start.input])
            case _:
                pass

    def _see_condition(self, start: ByCondition, at: float, *, true: bool) -> None:
        state = self.state
        if true and not state.on and (state.current is None or self.plan.end is None):
            due = self.scene.now + max(start.hold, self.plan.settle)
            state = replace(state, change=Change(NAMELESS, at, due))
        elif not true and state.change is not None:
            if at - state.change.at >= start.hold:
                self._settle(state.change)
                state = self.state
            else:
                state = replace(state, change=None)
        self.state = replace(state, on=true)

    def _see_count(self, start: ByCount, reading: Reading) -> None:
        if not reading.made:
            return
        at, amount = reading.memory.at, reading.made + self.state.later
        if self.host is not None and undecided(self.host.state, at):
            self.state = replace(self.state, later=amount)  # of the next run's first batch, if there is a next run
            return
        self.state = replace(self.state, later=0)
        if self.state.current is None:
            self._turn(Turn(replace(self.state, key=NAMELESS), begin=at))
        made = self.state.counted + amount
        if made < start.every:
            self.state = replace(self.state, counted=whole(made))
        else:
            after = nextafter(at, inf)  # the last part of a batch is in it
            self._turn(Turn(self.state, end=after, begin=after))
            self.state = replace(self.state, counted=whole(made % start.every))

    def _see_end(self, readings: Readings, sample: Sample) -> None:
        end = self.plan.end
        match end:
            case ByCondition():
                at = changed_at(end.condition.names, readings)
                idle = self.scene.holds(end.condition) if at is not None else None
                if at is not None and idle is not None:
                    self._see_idle(end.hold, at, idle=idle, seen=True)
            case ByIdleness():
                at = changed_at(end.inputs, readings)
                if at is not None:
                    self._see_idle(end.hold, at, idle=False, seen=not sample.initial)
                    self._see_idle(end.hold, nextafter(at, inf), idle=True, seen=True)
            case ByEvent():
                reading = self._event(end, readings, sample)
                if reading is not None and self._begun_later(end, reading.memory.at):
                    text = (
                        f"{end.input} ends an earlier {self.plan.type.lower()} than the one that is on, which goes on"
                    )
                    self.scene.notice("reject", end.input, text)
                elif reading is not None:
                    self.state = replace(self.state, events=repeats.remembered(self.state, reading, sample))
                    self._give_up(self.state.waiting)
                    self._turn(runs.ended(self.state, reading.memory.at, keyed=self._keyed))
            case None:
                pass

    def _see_idle(self, hold: float, at: float, *, idle: bool, seen: bool) -> None:
        """The end condition is `idle` since `at`; `seen`: what was known of it until then was watched."""
        held = self.state.held
        if seen and not idle and held is not None and at - held.since >= hold:
            self._turn(runs.idle_held(self.state, held, keyed=self._keyed))
        self._turn(runs.idle_seen(self.state, idle, at, self.scene.now + hold))

    def _begun_later(self, end: ByEvent, at: float) -> bool:
        """Whether what is on began after `at` by the same clock, so that what ended then was another."""
        start, run, waiting = self.plan.start, self.state.current, self.state.waiting
        if not isinstance(start, ByEvent) or start.input != end.input or self.scene.plans[end.input].time is None:
            return False
        begun = run.begun if run is not None else waiting.begun if waiting is not None else None
        return begun is not None and at < begun

    def _event(self, source: object, readings: Readings, sample: Sample) -> Reading | None:
        """The reading that is the event by which something begins or ends. One that came again is none, which is listed."""
        reading = readings.get(source.input) if isinstance(source, ByEvent) else None
        if reading is None or not isinstance(source, ByEvent):
            return None
        plan = self.scene.plans[source.input]
        if not happened(plan, reading, sample):
            return None
        if source.when is not None and self.scene.holds(source.when, readings) is not True:
            return None
        if repeats.event_again(self.state, plan, reading, sample):
            text = f"{plan.name} came again, which begins and ends nothing: {excerpt(sample.value)}"
            self.scene.notice("reject", plan.name, text, once=True)
            return None
        return reading

    @property
    def _keyed(self) -> bool:
        return isinstance(self.plan.start, ByKey)

    def _patience(self, key: str) -> float:
        """How long a change to `key` must hold."""
        longer = self.plan.start.empty_for if isinstance(self.plan.start, ByKey) and not key else 0.0
        return max(self.plan.settle, longer)

    # Carrying out

    def _settle(self, change: Change) -> None:
        self._give_up(self.state.waiting)
        self._turn(runs.key_settled(self.state, change))
        self._expect(change.at)

    def _turn(self, turn: Turn) -> None:
        """Carry out a decision: the end of the interval that is on, the start of another."""
        self.state = turn.state
        end = turn.end if turn.end is not None else turn.begin  # one that stands in goes on until another begins
        if end is not None:
            self.close(end)
        if turn.begin is not None:
            self._open(Waiting(self.state.key, turn.begin))

    def stand_in(self, begun: float) -> None:
        """An interval begins at `begun`, while none is on, for what belongs to none. The next to begin ends it."""
        start = runs.start_of(self.state, begun)
        details = {"product": STAND_IN}
        interval = self.scene.recorder.start(self.scene.now, self.plan.type, start, STAND_IN, details)
        self.state = runs.opened(self.state, Run(interval, start, STAND_IN), begun)
        if self.beside is not None:
            self.beside.opened(begun)

    def close(self, end: float) -> None:
        """The interval that is on, if any, ends at `end`."""
        run = self.state.current
        if run is None:
            return
        if self.host is not None and self.host.state.change is not None:
            end = min(end, self.host.state.change.gone)  # what is inside a run does not outlast it
        if self.beside is not None:
            self.beside.closing(end)
        self.state, ended = runs.closed(self.state, run, end, self.plan.remembered)
        if self.beside is not None:
            self.beside.closed(ended)
        self.scene.recorder.end(self.scene.now, self.plan.type, ended.interval, ended.end)

    def _open(self, waiting: Waiting) -> None:
        """Begin an interval, as soon as it can be told: what is needed of it is known, and its run is on."""
        look = self._look(self.state.number + 1)
        details = all_filled(self.plan.details, look)
        unknown = self.plan.needed - details.keys()
        if (unknown and self.plan.until_known is None) or not self._hosted(waiting.begun):
            self.state = replace(self.state, waiting=waiting)
            return
        details |= {name: word for name, word in (self.plan.until_known or {}).items() if name in unknown}
        begun = waiting.begun
        if self.host is not None and self.host.state.current is not None:
            begun = max(begun, float(self.host.state.current.start))
        start = runs.start_of(self.state, begun)
        name = self._name(waiting.key, look)
        interval = self.scene.recorder.start(self.scene.now, self.plan.type, start, name, details)
        self.state = runs.opened(self.state, Run(interval, start, name, details, waiting.begun), begun)
        if self.beside is not None:
            self.beside.opened(begun)

    def _hosted(self, begun: float) -> bool:
        """Whether the run is on in which an interval that began at `begun` can be."""
        if self.host is None:
            return True
        run = self.host.state
        return run.current is not None and (run.change is None or begun < run.change.gone)

    def _look(self, batch: int) -> Look:
        """How patterns see the inputs and, for batches, the number of the batch in its run."""
        look = self.scene.look
        if not self.plan.inside:
            return look
        return lambda reference: batch if reference == NUMBER else look(reference)

    def _name(self, key: str, look: Look) -> str | None:
        if self.plan.name is not None:
            return self.plan.name.words(look)
        return key if isinstance(self.plan.start, Calendar) else None

    def _amend(self) -> None:
        """Tell what is known better now of the interval that is on, once no change of it is settling."""
        run, change, plan = self.state.current, self.state.change, self.plan
        if change is not None and not isinstance(plan.start, Calendar):
            self.state = replace(self.state, amend=nextafter(change.due, inf))
            return
        self.state = replace(self.state, amend=None)
        if run is None or run.details is None:
            return
        open_to_change = self.scene.now - run.start <= plan.correct
        stand_ins = plan.until_known or {}
        look = self._look(self.state.number)
        details = {
            key: value
            for key, value in all_filled(plan.details, look).items()
            if value != (told := run.details.get(key)) and (open_to_change or told in (None, stand_ins.get(key)))
        }
        name = plan.name.words(look) if plan.name is not None else None
        name = name if name != run.name and (open_to_change or run.name is None) else None
        if details or name is not None:
            self.scene.recorder.update(self.scene.now, plan.type, run.interval, name=name, details=details)
            known = replace(run, name=name or run.name, details={**run.details, **details})
            self.state = replace(self.state, current=known)

    def _give_up(self, waiting: Waiting | None) -> None:
        """Say that a run is not reported, because it was over before what is needed was known."""
        if waiting is not None and self.plan.needed:
            what = " ".join(filter(None, [self.plan.type.lower(), waiting.key.replace(NAMELESS, "")]))
            missing = " and ".join(sorted(self.plan.needed))
            self.scene.notice("gap", self._place, f"{what} is not reported: its {missing} was never known")

    @property
    def _place(self) -> str:
        """The input that says most of when intervals begin."""
        start = self.plan.start
        if isinstance(start, ByKey | ByEvent | ByCount):
            return start.input
        return start.condition.names[0] if isinstance(start, ByCondition) else min(self.plan.names)

    # Inside runs

    def run_ends(self, end: float) -> None:
        """The run ends at `end`, and what is inside it too. What a key says to go on, goes on in the next run."""
        state = self.state
        goes_on = state.current is not None and self._keyed and not state.parked
        self.close(end)
        self.state = replace(self.state, waiting=Waiting(state.key, end) if goes_on else state.waiting, number=0)

    def run_begins(self, begun: float) -> None:
        """A run has begun."""
        if isinstance(self.plan.start, ByCount):
            later = self.state.later
            self._turn(Turn(replace(self.state, key=NAMELESS, later=0), begin=begun))
            self.state = replace(self.state, counted=later)
        elif self.state.waiting is not None and (self.state.change is None or self.state.change.at > begun):
            self._open(self.state.waiting)
