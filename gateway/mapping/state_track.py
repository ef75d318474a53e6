"""The states of a line while a step is taken: what samples and time mean for them, and what is recorded of it."""

from collections.abc import Iterator
from math import inf, nextafter
from typing import Literal

from gateway.frozen import replace
from gateway.mapping.context import JsonObject, Readings, StepContext
from gateway.mapping.events import is_event
from gateway.mapping.states import (
    MOST_PARTS,
    REMEMBERED_STATES,
    Candidate,
    DescriptionPlan,
    Meaning,
    RecordedState,
    SourceLoss,
    StateDescription,
    StatesPlan,
    StatesState,
    meaning_of,
    merged_description,
)
from gateway.mapping.times import second_of
from gateway.mapping.values import excerpt, scalar, text
from gateway.model import Contact

Timer = Literal["hold", "interruption", "offline"]


class StateTrack:
    """The states of a line; `state` is replaced as the step goes on."""

    __slots__ = ("context", "plan", "state")

    def __init__(self, plan: StatesPlan, state: StatesState, context: StepContext) -> None:
        self.plan = plan
        self.state = state
        self.context = context

    # Time

    def timers(self) -> Iterator[tuple[float, Timer]]:
        """When which timer fires; of two that are due at once, the first goes first."""
        state = self.state
        if state.candidate is not None:
            yield state.candidate.due, "hold"
        if state.interruption and (state.candidate is None or self._interrupts(state.candidate)):
            yield state.interruption[0].due + self._short_stop_limit - self.plan.wait, "interruption"
        if state.source_loss is not None and self.plan.offline is not None:
            yield state.source_loss.due, "offline"

    def known_until(self, timer: Timer) -> float:
        """Until when what is known decides whether a timer fires."""
        if timer == "offline":
            return self.context.back_at(self.plan.selector.inputs)
        return self.context.known_until(self.plan.selector.inputs)

    def fire(self, timer: Timer) -> None:
        """Do what is due."""
        if timer == "hold" and self.state.candidate is not None:
            self._settle(self.state.candidate)
        elif timer == "interruption":
            self._record_interruption()
        elif timer == "offline" and self.state.source_loss is not None and self.plan.offline is not None:
            meaning = meaning_of(self.plan.offline.code, self.context.resolve)
            since, candidate = self.state.source_loss.since, self.state.candidate
            self.state = replace(self.state, source_loss=None)
            held = candidate is not None and since - candidate.at >= self.plan.hold
            if candidate is not None and (held or candidate.due <= self.context.now):
                self._settle(candidate)  # the last that was said before the source was lost
            self._record_interruption()  # a stop that ends while the source is lost is no short one
            if meaning is not None:
                self.state = replace(self.state, candidate=None)
                self._record(Candidate(meaning[0], since, self.context.now, meaning[1]), offline=True)

    # What a sample means

    def on_sample(self, readings: Readings) -> None:
        """What the inputs say after a moment."""
        came_back = self._source_came_back()
        changed = self.context.changed_at(self.plan.inputs, readings)
        concerned = changed is not None or not readings.keys().isdisjoint(self.plan.selector.inputs)
        if came_back or (concerned and not self.state.offline):
            self._choose(readings, changed, came_back=came_back)
        if self.plan.description is not None and self.plan.description.input in readings:
            self._on_description(self.plan.description, readings)

    def on_contact(self, contact: Contact) -> None:
        """A source is lost, or heard again. What it said before holds again from when it could be reached."""
        if self._source_came_back():
            self._choose({}, contact.since, came_back=True)

    def _source_came_back(self) -> bool:
        """Whether the source has come back for whose loss the line was recorded as offline; keeps track of losses."""
        if self.plan.offline is None:
            return False
        if self.context.unavailable(self.plan.selector.inputs):
            if self.state.source_loss is None and not self.state.offline:
                since = self.context.lost_since(self.plan.selector.inputs)
                self.state = replace(self.state, source_loss=SourceLoss(since, since + self.plan.offline.after))
            return False
        was_offline = self.state.offline
        if was_offline or self.state.source_loss is not None:
            self.state = replace(self.state, source_loss=None, offline=False)
        return was_offline

    def _choose(self, readings: Readings, changed: float | None, *, came_back: bool) -> None:
        """Find out which state the line is in; the newest of its inputs has `changed` then."""
        context, selector = self.context, self.plan.selector
        choice = selector.choose(context.value, context.holds)
        meaning = meaning_of(choice.code, context.resolve) if choice.code is not None else None
        if meaning is None:
            if came_back:
                self._end(context.now if changed is None else changed)
            if choice.known and changed is not None:
                name = next((name for name in selector.inputs if name in readings), selector.inputs[0])
                value = context.value(name)
                hint = self.plan.hints.get(text(scalar(value)), "")
                problem = f"{name} is {excerpt(value)}, which is no state that can be told: the last state stays{hint}"
                context.refuse(name, problem)
            return
        # The code's own time says since when. Where only what it means has changed, or the source has come back with
        # what it said before it was lost, that is since now.
        is_old = came_back and changed is not None and changed < self.state.earliest_start - 1
        self._on_state(meaning[0], meaning[1], context.now if changed is None or is_old else changed)

    def _on_state(self, meaning: Meaning, comment: str | None, at: float) -> None:
        """The line is in this state since `at`."""
        candidate = self.state.candidate
        if candidate is not None and candidate.meaning == meaning:
            self.state = replace(self.state, candidate=replace(candidate, comment=comment))
            return
        if candidate is not None and (candidate.description or at - candidate.at >= self.plan.hold):
            self._settle(candidate)
        interruption = self.state.interruption
        goes_on = meaning == (interruption[-1].meaning if interruption else self.state.meaning)
        self.state = replace(self.state, candidate=None if goes_on else Candidate(meaning, at, self._due(), comment))

    def _due(self) -> float:
        """When a state that begins now has held: not before it is known whether the machine lacks what has a default,
        which is then so from the beginning."""
        inputs, plans = self.context.inputs, self.context.plans
        awaited = [inputs[name] for name in self.plan.inputs if name in inputs and plans[name].default is not None]
        known = [nextafter(memory.quiet_at, inf) for memory in awaited if memory.value is None and memory.quiet_at]
        return max([self.context.now + self.plan.wait, *known])

    def _settle(self, candidate: Candidate) -> None:
        """The candidate has held: it is recorded, unless it is part of a stop that can still be a
        short one, or ends one."""
        self.state = replace(self.state, candidate=None)
        if self._interrupts(candidate):
            self.state = replace(self.state, interruption=(*self.state.interruption, candidate))
            parts = self.state.interruption
            if candidate.description or len(parts) > MOST_PARTS or candidate.at - parts[0].at >= self._short_stop_limit:
                self._record_interruption()
            return
        lasted = candidate.at - self.state.interruption[0].at if self.state.interruption else 0.0
        if lasted >= self._short_stop_limit:
            self._record_interruption()
        elif self.state.interruption:
            self.state = replace(
                self.state,
                interruption=(),
                short_stops=self.state.short_stops + 1,
                short_stop_seconds=self.state.short_stop_seconds + lasted,
            )
        if candidate.meaning != self.state.meaning:
            self._record(candidate)

    @property
    def _short_stop_limit(self) -> float:
        """After how many seconds a stop is no short one any more."""
        return self.plan.short_stops.under if self.plan.short_stops is not None else 0.0

    def _interrupts(self, candidate: Candidate) -> bool:
        """Whether a state interrupts the one that is on, and may do so for a moment only."""
        short_stops, meaning = self.plan.short_stops, self.state.meaning
        return (
            short_stops is not None
            and meaning is not None
            and meaning.category in short_stops.during
            and candidate.meaning.category not in short_stops.during
        )

    # What is recorded

    def _record_interruption(self) -> None:
        """What waited as a short stop is none: its states are recorded."""
        interruption, self.state = self.state.interruption, replace(self.state, interruption=())
        for candidate in interruption:
            self._record(candidate)

    def _record(self, candidate: Candidate, *, offline: bool = False) -> None:
        """This is the state that is on: the one before ends where it starts."""
        state, context, meaning = self.state, self.context, candidate.meaning
        start = max(second_of(candidate.at), state.earliest_start)
        if state.interval is not None:
            context.recorder.end(context.now, "STATE", state.interval, start, self._summary())
        reason = {"reason": meaning.reason} if meaning.reason is not None else {}
        comment = {"comment": candidate.comment} if candidate.comment is not None else {}
        metadata: JsonObject = {"category": meaning.category, **reason, **comment, **candidate.description}
        interval = context.recorder.start(context.now, "STATE", start, None, metadata)
        recorded = RecordedState(
            interval, candidate.at, meaning.category, candidate.description, candidate.described_at
        )
        self.state = replace(
            state,
            interval=interval,
            meaning=meaning,
            earliest_start=start + 1,
            short_stops=0,
            short_stop_seconds=0.0,
            offline=offline,
            recorded=(*state.recorded[1 - REMEMBERED_STATES :], recorded),
        )

    def _end(self, at: float) -> None:
        """The line is in no state that is known, from `at` on."""
        state, end = self.state, max(second_of(at), self.state.earliest_start)
        if state.interval is not None:
            self.context.recorder.end(self.context.now, "STATE", state.interval, end, self._summary())
        self.state = replace(state, interval=None, meaning=None, earliest_start=end)

    def _summary(self) -> JsonObject:
        """What is said of the state that ends: how many short stops there were in it, and how long
        they took together."""
        state = self.state
        if not state.short_stops:
            return {}
        return {"short_stops": state.short_stops, "short_stop_seconds": round(state.short_stop_seconds)}

    # What a person says

    def _on_description(self, plan: DescriptionPlan, readings: Readings) -> None:
        reading, input_plan = readings[plan.input], self.context.plans[plan.input]
        has_own_time = reading.sample.retained and input_plan.time is not None
        if not (has_own_time or is_event(input_plan, reading)):
            return
        if plan.when is not None and self.context.holds(plan.when) is not True:
            return
        resolve = self.context.resolve
        patterns = {"category": plan.category, "reason": plan.reason, "comment": plan.comment}
        filled = {key: pattern.text_of(resolve) for key, pattern in patterns.items() if pattern is not None}
        description = {key: value for key, value in filled.items() if value is not None}
        message = excerpt(reading.memory.value)
        if not description:
            problem = f"{plan.input} says nothing that can be told of a state: {message}"
            self.context.refuse(plan.input, problem)
        elif not self._describe(plan, description, reading.memory.at):
            problem = f"{plan.input} speaks of no state that is known, or of one that was over for too long: {message}"
            self.context.refuse(plan.input, problem)

    def _describe(self, plan: DescriptionPlan, description: StateDescription, at: float) -> bool:
        """Record what a person said at `at` of the state that was meant; False where no such state is known."""
        candidate = self.state.candidate
        if candidate is not None and candidate.at <= at and self._is_meant(plan, candidate.meaning.category):
            described = replace(
                candidate,
                description=merged_description(candidate, description, at),
                described_at=max(at, candidate.described_at),
            )
            self.state = replace(self.state, candidate=described)
            return True
        if any(part.at <= at and self._is_meant(plan, part.meaning.category) for part in self.state.interruption):
            self._record_interruption()  # what somebody speaks of is recorded, however short
        for place, state in reversed([*enumerate(self.state.recorded)]):
            if state.at <= at and self._is_meant(plan, state.category):
                earlier, later = self.state.recorded[:place], self.state.recorded[place + 1 :]
                if later and at - later[0].at > plan.within:
                    return False
                merged = merged_description(state, description, at)
                news = {key: value for key, value in merged.items() if state.description.get(key) != value}
                if news:
                    self.context.recorder.update(self.context.now, "STATE", state.interval, metadata=news)
                known = replace(state, description=merged, described_at=max(at, state.described_at))
                self.state = replace(self.state, recorded=(*earlier, known, *later))
                return True
        return False

    def _is_meant(self, plan: DescriptionPlan, category: str) -> bool:
        return not plan.categories or category in plan.categories
