"""Output while a step is taken: what samples count, and when that is reported to the runs, or to the batches, of a line."""

from dataclasses import replace

from gateway.mapping.events import happened
from gateway.mapping.inputs import InputPlan, Reading
from gateway.mapping.output import (
    Amount,
    EntryPlan,
    OutputPlan,
    OutputState,
    added,
    armed,
    dropped,
    reported,
    unassigned,
    window_ended,
)
from gateway.mapping.runs import EndedRun, RunsState, owner
from gateway.mapping.scene import Readings, Scene
from gateway.mapping.tracks import Track
from gateway.mapping.values import Number, excerpt, find, number
from gateway.model import Sample


class OutputTrack:
    """Output of the intervals of one kind, beside which it goes; `state` is replaced as the step goes on."""

    def __init__(self, plan: OutputPlan, state: OutputState, runs: RunsState, scene: Scene) -> None:
        """`runs` is what was known of the intervals at the beginning; `track`, where there is one, knows more since."""
        self.plan = plan
        self.state = state
        self.scene = scene
        self.track: Track | None = None
        self._runs = runs

    @property
    def runs(self) -> RunsState:
        return self.track.state if self.track is not None else self._runs

    # What a sample counts

    def see(self, readings: Readings, sample: Sample) -> None:
        """Keep what the inputs counted until it is reported. To be told before what the same sample means for runs is carried out."""
        for name, reading in readings.items():
            for entry in self.plan.entries.get(name, ()):
                self._count(entry, self.scene.plans[name], reading, sample)

    def _count(self, entry: EntryPlan, plan: InputPlan, reading: Reading, sample: Sample) -> None:
        at = reading.memory.at
        if plan.counter is not None:
            if self.plan.gap_start and reading.unwatched is not None:
                at = max(reading.before.at, min(reading.unwatched, at))
            self._add(entry, plan, reading.made, at)
        elif entry.each is not None:
            if happened(plan, reading, sample):
                self._add(entry, plan, entry.each, at)
        elif not sample.retained:  # a retained message is one that was sent before, not one more event
            amount = number(find(reading.memory.value, entry.path))
            if amount is not None:
                self._add(entry, plan, amount, at)
            else:
                what = ".".join((plan.name, *entry.path))
                text = f"{what} is not a number, so nothing is counted: {excerpt(reading.memory.value)}"
                self.scene.notice("reject", plan.name, text)

    def _add(self, entry: EntryPlan, plan: InputPlan, counted: Number, at: float) -> None:
        amount = counted * entry.factor
        if amount == 0:
            return
        target, missing = entry.target(self.scene.look)
        if missing and plan.counter is None:
            text = f"{counted:g} of {plan.name} counted without {' and without '.join(missing)}"
            self.scene.notice("reject", plan.name, text)
        kept = added(self.state, Amount(at, amount, target), self.runs)
        if kept is None:
            text = f"{plan.name}: {amount} is lost, too much different output waits for a run"
            self.scene.notice("loss", plan.name, text)
            return
        self.state = kept
        if kept.flush_at is None and owner(self.runs, at) is not None:
            self.arm()

    # Windows

    def arm(self) -> None:
        """See to it that there is an end to the window."""
        self.state = armed(self.state, self.runs, self.plan, self.scene.now)

    def flush(self) -> None:
        """The window ends."""
        self.state = window_ended(self.state, self.runs, self.plan, self.scene.now, self.scene.recorder)
        strays = unassigned(self.state, self.runs) if self.plan.between == "unassigned" else ()
        if strays and self.track is not None:
            self.track.stand_in(min(amount.at for amount in strays))
            self.state = window_ended(self.state, self.runs, self.plan, self.scene.now, self.scene.recorder)
        self.arm()

    # Beside the intervals

    def closing(self, end: float) -> None:
        """The interval that is on is about to end: the one before it gets its last output."""
        if self.runs.last is not None:
            self.closed(self.runs.last)

    def closed(self, ended: EndedRun) -> None:
        """An interval has ended: it gets its last output before its end is recorded."""
        self.state = reported(self.state, self.runs, self.plan, ended, self.scene.now, self.scene.recorder)

    def opened(self, begun: float) -> None:
        """An interval has begun."""
        if self.plan.between == "report":
            self.state, amount = dropped(self.state, self.runs, begun)
            if amount:
                text = f"{amount} were made while no {self.plan.type.lower()} was on, and are not reported"
                self.scene.notice("gap", min(self.plan.entries), text)
        if self.plan.from_start:
            self.state = replace(self.state, flush_at=None)
        self.arm()
