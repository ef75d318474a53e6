"""Batches by count while a step is taken: each begins where the one before has ended, which is when it is full.

What is told of a full batch stays, since somebody may have labelled it: a late message that shows other counts, or
another order, moves neither its number nor its beginning and end. So where steps are taken again, batches that were
told full begin and end as they were `told`; what differs is listed, and counting begins anew with the next.
"""

from collections import deque
from math import inf, nextafter

from gateway.frozen import replace
from gateway.mapping.context import Full, Readings, StepContext, ToldBatch
from gateway.mapping.inputs import Reading
from gateway.mapping.interval_track import IntervalTrack
from gateway.mapping.intervals import (
    KEYLESS,
    ByCount,
    Decision,
    IntervalListener,
    IntervalPlan,
    IntervalsState,
    OpenInterval,
    PendingStart,
    start_second,
    with_open,
)
from gateway.mapping.passed_starts import Said
from gateway.mapping.templates import filled_mapping
from gateway.mapping.times import clock
from gateway.mapping.values import whole
from gateway.mapping.whose import is_undecided


def batch_track(
    plan: IntervalPlan | None,
    state: IntervalsState,
    context: StepContext,
    listener: IntervalListener | None,
    host: IntervalTrack | None,
    told: Full,
) -> IntervalTrack | None:
    """The track of a line's batches, where it has some. Those by count are as they were `told`."""
    if plan is None:
        return None
    if isinstance(plan.start, ByCount):
        return CountedTrack(plan, plan.start, state, context, listener, host, told)
    return IntervalTrack(plan, state, context, listener, host)


class CountedTrack(IntervalTrack):
    """Batches by count."""

    def __init__(
        self,
        plan: IntervalPlan,
        start: ByCount,
        state: IntervalsState,
        context: StepContext,
        listener: IntervalListener | None,
        host: IntervalTrack | None,
        told: Full,
    ) -> None:
        super().__init__(plan, state, context, listener, host)
        self._count = start
        over = state.last.ended if state.last is not None else -inf
        on = state.current.interval if state.current is not None else None
        left = [batch for batch in told if batch.ended > over or batch.interval == on]
        self._told = deque(sorted(left, key=lambda batch: (batch.begun, batch.start)))
        """Those that are yet to come, or on."""
        self._part_at = -inf
        """When the newest part was made."""

    def _on_start(self, readings: Readings) -> None:
        if self._count.input in readings:
            reading = readings[self._count.input]
            self._part_at = reading.memory.at
            self._keep_up(reading.memory.at)
            if reading.counted:
                self._on_count(reading)
            self._keep_up(nextafter(reading.memory.at, inf), by_part=True)

    def _on_count(self, reading: Reading) -> None:
        at, amount = reading.memory.at, reading.counted + self.state.counted_undecided
        told = self._told_one_on
        if told is None and self._is_undecided(at):
            # Of the next run's first batch, if there is a next run.
            self.state = replace(self.state, counted_undecided=amount)
            return
        self.state = replace(self.state, counted_undecided=0)
        if self.state.current is None:
            self._carry_out(Decision(replace(self.state, key=KEYLESS), begin=self._full_at or at))
        self.state = replace(self.state, counted=whole(self.state.counted + amount))
        if told is None and self.state.counted >= self._count.every:
            self._end_full(self._latest(nextafter(at, inf)))  # the last part of a batch is in it

    def _is_undecided(self, at: float) -> bool:
        """Whether the run of that time may have yet to begin."""
        return self.host is not None and is_undecided(self.host.state, at)

    @property
    def _full_at(self) -> float | None:
        """When the batch before ended with its last part, where that was in the run that is on."""
        last, run = self.state.last, self.host.state.current if self.host is not None else None
        if last is None or (run is not None and last.ended < run.start):
            return None
        return last.ended if run is not None or self.state.number else None

    def _end_full(self, end: float) -> None:
        """The batch that is on ends at `end`, because it is full. Without any part over, the next begins once something
        is made."""
        current, counted = self.state.current, self.state.counted
        if current is None:
            return
        # Where one that was told outlasts its run, the first of the next run begins when it has ended.
        before = self.state.last.ended if self.state.last is not None else -inf
        begun = max(current.begun if current.begun is not None else float(current.start), before)
        self._close(end)
        full = ToldBatch(current.interval, current.start, begun, end, current.name, counted)
        self.context.recorder.full.append(full)
        rest = whole(counted % self._count.every) if counted >= self._count.every else 0
        if rest and not (self._told and self._told[0].begun <= end):
            self._carry_out(Decision(self.state, begin=end))
        self.state = replace(self.state, counted=rest)

    # As they were told

    @property
    def _told_one_on(self) -> ToldBatch | None:
        """The batch that is on, where it was told full."""
        current, told = self.state.current, self._told[0] if self._told else None
        return told if told is not None and current is not None and current.interval == told.interval else None

    def _keep_up(self, at: float, begun_by: float = inf, *, by_part: bool = False) -> None:
        """Let what was told begin and end that did so by `at`, and had begun by `begun_by`. `by_part`: a part has come
        that was made just before; what begins with it was filled by another, which is yet to come, be it of the same
        time."""
        while self._told:
            told = self._told[0]
            if self._told_one_on is None:
                if told.begun > min(at, begun_by) or self._is_undecided(told.begun):
                    return
                self._begin_told(told)
                if by_part:
                    return
            if told.ended > at or (by_part and told.ended == at and self.state.counted < told.counted):
                return  # others of the same time are yet to come
            self._end_told(told)

    def keep_up(self) -> None:
        """No other part of the time of the newest is to come: what was told until then ends before anything newer is
        known, by which the next would be called."""
        self._keep_up(nextafter(self._part_at, inf))

    def keep_told(self) -> None:
        """No other part is to come: what was told and has yet to begin or end did so as it was told."""
        while self._told:
            told = self._told[0]
            if self._told_one_on is None:
                self._begin_told(told)
            self._end_told(told)

    def _end_told(self, told: ToldBatch) -> None:
        """The batch that is on ends as it was `told`."""
        if self.state.counted != told.counted:
            text = f"is told with {told.counted} of {self._count.input}, though it has {self.state.counted}"
            self.context.notice("gap", self._count.input, f"{self._called(told)} {text}: it stays as it is")
        self._told.popleft()
        self._end_full(told.ended)

    def _begin_told(self, told: ToldBatch) -> None:
        """A batch begins as it was told. One of a run that it is not in any more is none of the run's numbers."""
        counted, number, resolve = self.state.counted, self.state.number, self._resolver(self.state.number + 1)
        is_first = self.state.current is None
        self.close(told.begun)
        is_of_run = self._name(KEYLESS, resolve) == told.name
        metadata = filled_mapping(self.plan.metadata, resolve)
        run, recorder = self.host.state.current if self.host is not None else None, self.context.recorder
        within = run.interval if run is not None else None
        interval = recorder.start(self.context.now, self.plan.type, told.start, told.name, metadata, within=within)
        begun = OpenInterval(interval, told.start, told.name, metadata, told.begun)
        state = with_open(replace(self.state, key=KEYLESS), begun, told.begun)
        self.state = replace(state, number=number + is_of_run, counted=counted if is_first else 0)
        if self.listener is not None:
            self.listener.on_opened(told.begun)

    def _open(self, pending: PendingStart, said: Said | None = None) -> None:
        """A batch that begins in the second in which one was told to begin is that."""
        told, run = self._told[0] if self._told else None, self.host.state.current if self.host is not None else None
        begun = pending.begun if run is None else max(pending.begun, float(run.start))
        if told is not None and self.state.current is None and told.start == start_second(self.state, begun):
            self._begin_told(told)
        else:
            super()._open(pending, said)

    def _called(self, told: ToldBatch) -> str:
        return f"batch {told.name}" if told.name else f"the batch of {clock(told.start)}"

    # Inside runs

    def on_run_end(self, end: float) -> None:
        """The run ends at `end`, and what is inside it too, but for a batch that was told to end later. One that begins
        then is in the next run."""
        self._keep_up(end, nextafter(end, -inf))
        told = self._told_one_on
        if told is None:
            super().on_run_end(end)
            return
        text = f"is told until {clock(told.ended)}, though its run has ended before: it stays as it is"
        self.context.notice("gap", self._count.input, f"{self._called(told)} {text}")
        self.state = replace(self.state, number=0)

    def on_run_begin(self, begun: float) -> None:
        """A run has begun."""
        counted = self.state.counted_undecided
        before = 0 if self._told_one_on is None else self.state.counted
        self.state = replace(self.state, key=KEYLESS, counted=before, counted_undecided=0)
        self._keep_up(begun)
        if self._told_one_on is None:
            self._carry_out(Decision(self.state, begin=begun))
            self.state = replace(self.state, counted=counted)
        else:
            self.state = replace(self.state, counted=whole(self.state.counted + counted))
