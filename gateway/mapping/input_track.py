"""The inputs of a line while a step is taken: which a sample feeds, which messages are left out,
what is read, counted and derived."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.config.message_schemas import MessageSchema
from gateway.config.schema_io import Counter
from gateway.frozen import replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import Fed, Readings, StepContext
from gateway.mapping.counting import read_on, with_count
from gateway.mapping.derived import MOST_NEWS, RUN, Cause, derive, news_of_run
from gateway.mapping.inputs import (
    InputMemory,
    InputPlan,
    Reading,
    is_outdated,
    read,
    silence_notice,
)
from gateway.mapping.interval_track import IntervalTrack
from gateway.mapping.intervals import ByKey, IntervalPlan, IntervalsState, is_past_key, key_text
from gateway.mapping.templates import inputs_of
from gateway.mapping.values import ABSENT, excerpt, find, flaw, scalar
from gateway.model import Sample

Memory = dict[str, InputMemory]

LACKING = 5.0
"""So many seconds after its source was heard, an input of which nothing has come counts as one that the machine
lacks."""


class InputTrack:
    """The inputs of a line; what is known of them becomes the step's `context.inputs` only when the line evaluates it.

    `last_heard` is by source when something was last heard of it while it was watched; it is replaced as the step goes
    on.
    """

    __slots__ = ("_news_of_run", "context", "last_heard", "plan")

    def __init__(self, plan: LinePlan, last_heard: Mapping[str, float], context: StepContext) -> None:
        self.plan = plan
        self.last_heard = last_heard
        self.context = context
        self._news_of_run = 0

    def begin_step(self) -> None:
        """Another step begins."""
        self._news_of_run = 0

    # Which inputs take a sample

    def admitted(
        self,
        fed: tuple[InputPlan, ...],
        sample: Sample,
        tracks: Sequence[IntervalTrack],
        runs: IntervalsState,
    ) -> tuple[InputPlan, ...]:
        """Those of the inputs `fed` that take `sample`: a message that newer ones have followed is
        left out, with a notice."""
        if sample.retained and self._is_overtaken(fed, sample, runs):
            text = f"the broker kept an older message than the one known, which is left out: {excerpt(sample.value)}"
            self.context.notice("reject", fed[0].name, text)
            return ()
        is_timed = (sample.source, sample.address) in self.plan.timed
        if not is_timed or sample.retained or not any(track.is_repeat(fed, sample) for track in tracks):
            return fed
        counting = tuple(plan for plan in fed if plan.counts_each)
        if not counting:
            text = f"an older message came again, which is left out: {excerpt(sample.value)}"
            self.context.notice("reject", fed[0].name, text)
        return counting

    def _is_overtaken(self, fed: tuple[InputPlan, ...], sample: Sample, runs: IntervalsState) -> bool:
        """Whether a message that the broker had kept was followed by newer ones: by its own time or, where it says
        none, because it speaks of a run that has ended."""
        outdated = is_outdated(fed, self.context.inputs, sample)
        if outdated is not None:
            return outdated
        start = self.plan.run.start if self.plan.run is not None else None
        for plan in fed:
            if isinstance(start, ByKey) and plan.name == start.input:
                value = find(sample.value, plan.field)
                usable = value is not ABSENT and flaw(value) is None
                return usable and is_past_key(runs, key_text(scalar(value)))
        return False

    # What is known after it

    def read(self, fed: Sequence[Fed]) -> tuple[Memory, dict[str, Reading]]:
        """What is known after a moment, and what it said, by the names of the inputs."""
        context = self.context
        context.fed = fed
        memory = dict(context.inputs)
        readings: dict[str, Reading] = {}
        fitting = fed
        if self.plan.has_schemas and (unfit := self._unfit(fed)):
            fitting = [(plan, sample) for plan, sample in fed if plan.name not in unfit]
        now, losses, plain_counters = context.now, context.losses, self.plan.plain_counters
        for plan, sample in fitting:
            name = plan.name
            known, counter = memory.get(name), plain_counters.get(name)
            counted = read_on(plan, counter, known, sample, now) if counter is not None else None
            if counted is not None:
                readings[name], memory[name] = counted, counted.memory
                continue
            loss = losses.get(sample.source) if losses else None
            reading = read(plan, known, sample, now, None if loss is None else loss.since)
            memory[name] = reading.memory
            if reading.notices:  # what is wrong with one message is said once, however many inputs it feeds
                context.notices.extend(notice for notice in reading.notices if notice not in context.notices)
            if reading.usable:
                readings[name] = reading
            elif why := next((notice.text for notice in reading.notices if notice.kind == "reject"), ""):
                context.refused.setdefault(name, why)
        if self.plan.lacking:
            self._await_lacking(memory, {sample.source for _, sample in fed if sample.quality != "bad"})
        self._derive(memory, readings, fed[0][1])
        for plan, sample in fitting:
            live = not (sample.initial or sample.retained)
            if live and (plan.name in readings or memory[plan.name].bad_since == now):
                self.last_heard = {**self.last_heard, sample.source: now}
                break
        return memory, readings

    def _unfit(self, fed: Sequence[Fed]) -> frozenset[str]:
        """The inputs of the messages that do not fit their schemas, with a notice of each: nobody knows what of such a
        message can be relied on."""
        asked: dict[tuple[int, MessageSchema], str | None] = {}
        refused: dict[int, str] = {}
        for plan, sample in fed:
            if plan.schema is None or (id(sample), plan.schema) in asked:
                continue
            why = asked[id(sample), plan.schema] = plan.schema.misfit(sample.value)
            if why is not None:
                refused[id(sample)] = why
                self.context.notice("reject", plan.name, f"{why}: {excerpt(sample.value)}")
        unfit = {plan.name: refused[id(sample)] for plan, sample in fed if id(sample) in refused}
        self.context.refused.update(unfit)
        return frozenset(unfit)

    def _derive(
        self, memory: Memory, readings: dict[str, Reading], sample: Sample, changed: Iterable[str] = ()
    ) -> None:
        """Find out what follows from what has `changed`, as the readings have, by `sample` where nothing else says by
        which; what has not is not looked at. Then what counters have counted, now that all is known, where that was
        not plain."""
        if self.plan.derived:
            news = {name for name, reading in readings.items() if reading.changed}
            self._follow(memory, readings, news.union(changed), sample)
        counters = self.plan.counters
        for name in [name for name in readings if name in counters and not readings[name].counted] if counters else ():
            self._count(self.plan.inputs[name], counters[name], memory, readings)

    def _follow(self, memory: Memory, readings: dict[str, Reading], changed: set[str], sample: Sample) -> None:
        now = self.context.now
        for plan in self.plan.derived:
            heard = plan.stale_of is not None or plan.learned is not None
            causes = [name for name in plan.relies_on if name in changed or (heard and name in readings)]
            known = memory.get(plan.name)
            if (known is not None or plan.learned is not None) and not causes:
                continue
            reading = derive(plan, known, memory, self._cause(plan, causes, readings, sample), now)
            if reading is None:
                continue
            self.context.notices.extend(reading.notices)
            if reading.memory == known:
                continue
            memory[plan.name] = reading.memory
            if reading.usable and reading.changed:
                readings[plan.name] = reading
                changed.add(plan.name)

    def _cause(self, plan: InputPlan, causes: Sequence[str], readings: Readings, sample: Sample) -> Cause:
        """Why a derived input is looked at: by what was not watched where that is among it."""
        by = [readings[name] for name in causes if name in readings]
        at = max((reading.memory.at for reading in by), default=self.context.now)
        away = next((reading.sample for reading in by if reading.sample.initial or reading.sample.retained), None)
        first = (causes or plan.relies_on)[0]
        if first in readings:
            sample = readings[first].sample
        return Cause(self.plan.inputs[first], away or sample, at, [reading.before for reading in by])

    def _count(self, plan: InputPlan, counter: Counter, memory: Memory, readings: dict[str, Reading]) -> None:
        """Find out what the counter has counted, now that all that the moment says is known."""
        reading, basis = readings[plan.name], memory.get(counter.restarts_with or "")
        changed = readings.get(counter.restarts_with or "")
        changed = changed if changed is not None and changed.changed else None
        last_heard = self.last_heard.get(reading.sample.source, self.context.now)
        counted = with_count(plan, counter, reading, self.context.now, last_heard, basis, changed)
        self.context.notices.extend(counted.notices[len(reading.notices) :])
        readings[plan.name], memory[plan.name] = counted, counted.memory

    # Silence

    def _await_lacking(self, memory: Memory, sources: set[str]) -> None:
        """What has a default and was never heard of counts as lacking a little after its source was first heard."""
        for plan in self.plan.lacking:
            known = memory.get(plan.name)
            if plan.source in sources and (known is None or (known.value is None and known.quiet_at is None)):
                now = self.context.now
                memory[plan.name] = InputMemory(plan.origin, None, now, quiet_at=now + LACKING)

    def timers(self) -> Iterator[tuple[float, InputPlan]]:
        """When which input will be quiet unless something comes."""
        for plan in self.plan.watched:
            memory = self.context.inputs.get(plan.name)
            if memory is not None and memory.quiet_at is not None and self._is_heard(plan, memory.quiet_at):
                yield memory.quiet_at, plan

    def _is_heard(self, plan: InputPlan, at: float) -> bool:
        """Whether the input's source was heard at `at`: that it says nothing is known only then."""
        loss = self.context.losses.get(plan.source)
        return loss is None or loss.until >= at

    def news_of_run(self, runs: IntervalsState) -> tuple[Memory, dict[str, Reading]] | None:
        """What is known once another run is on, or none, and what follows from that; None where nothing looks at it, or
        it is known."""
        plan = self.plan.inputs.get(RUN)
        if plan is None or not plan.of_run or self._news_of_run >= MOST_NEWS:
            return None
        reading = news_of_run(plan, self.context.inputs.get(RUN), runs, self.context.now)
        if reading is None:
            return None
        self._news_of_run += 1
        memory, readings = {**self.context.inputs, RUN: reading.memory}, {RUN: reading}
        self._derive(memory, readings, reading.sample, (RUN,))
        return memory, readings

    def turn_quiet(self, plan: InputPlan) -> tuple[Memory, dict[str, Reading]]:
        """What is known once nothing has come of the input for longer than is expected of it, and what follows from
        that: it is quiet or, where nothing has ever come and it has a default, that holds."""
        memory = dict(self.context.inputs)
        before = memory[plan.name]
        readings: dict[str, Reading] = {}
        silence = Sample(plan.source, plan.address, None, self.context.now)
        if before.value is None and plan.default is not None:
            memory[plan.name] = replace(before, value=plan.default, quiet_at=None)
            readings[plan.name] = Reading(silence, before, memory[plan.name], usable=True)
        else:
            memory[plan.name] = replace(before, quiet_at=None, stale=True)
            self.context.notices.append(silence_notice(plan, self.context.now))
        self._derive(memory, readings, silence, (plan.name,))
        return memory, readings


def inputs_of_previous(plan: IntervalPlan, fed: Sequence[Fed], readings: Readings) -> Sequence[str]:
    """The inputs whose value is of the run before: the message names another run but not, say, its product."""
    start = plan.start
    if not isinstance(start, ByKey) or start.input not in readings or not readings[start.input].changed:
        return ()
    needed = {name for key in plan.needed for name in inputs_of(plan.metadata[key])}
    message = readings[start.input].sample
    names = [each.name for each, sample in fed if sample is message]
    return [name for name in names if name in needed and name not in readings]
