"""The states of a line while a step is taken: what samples and time mean for them, and what is recorded of it."""

from collections.abc import Iterator
from dataclasses import replace
from math import floor
from typing import Literal

from gateway.mapping.events import happened
from gateway.mapping.records import Details
from gateway.mapping.scene import Readings, Scene, changed_at
from gateway.mapping.states import (
    HISTORY,
    PARTS,
    Candidate,
    Dark,
    Meaning,
    Said,
    StatesPlan,
    StatesState,
    Told,
    said_of,
    words,
)
from gateway.mapping.values import excerpt
from gateway.model import Sample

Timer = Literal["hold", "stop", "dark"]


class StateTrack:
    """`state` is replaced as the step goes on."""

    def __init__(self, plan: StatesPlan, state: StatesState, scene: Scene) -> None:
        self.plan = plan
        self.state = state
        self.scene = scene

    def timers(self) -> Iterator[tuple[float, Timer]]:
        state = self.state
        if state.candidate is not None:
            yield state.candidate.due, "hold"
        if state.stop and (state.candidate is None or self._stops(state.candidate)):
            yield state.stop[0].due + self._under - self.plan.hold, "stop"
        if state.dark is not None and self.plan.offline is not None:
            yield state.dark.due, "dark"

    def fire(self, timer: Timer) -> None:
        if timer == "hold" and self.state.candidate is not None:
            self._settle(self.state.candidate)
        elif timer == "stop":
            self._tell_stop()
        elif timer == "dark" and self.state.dark is not None and self.plan.offline is not None:
            means = words(self.plan.offline.code, self.scene.look)
            since, before = self.state.dark.since, self.state.candidate
            self.state = replace(self.state, dark=None)
            if before is not None and since - before.at >= self.plan.hold:
                self._settle(before)
            self._tell_stop()  # a stop that ends in the dark is no short one
            if means is not None:
                self.state = replace(self.state, candidate=None)
                self._record(Candidate(means[0], since, self.scene.now, means[1]), offline=True)

    def see(self, readings: Readings, sample: Sample) -> None:
        """What the inputs say after `sample`."""
        back = self._see_source()
        changed = changed_at(self.plan.names, readings)
        looked_at = changed is not None or any(name in readings for name in self.plan.rule.inputs)
        if back or (looked_at and not self.state.offline):
            self._see_inputs(readings, changed, back=back)
        if self.plan.said is not None and self.plan.said.input in readings:
            self._hear(self.plan.said, readings, sample)

    def _see_source(self) -> bool:
        """Whether the source has come back of which it was reported that it is gone."""
        if self.plan.offline is None:
            return False
        if self.scene.dark(self.plan.rule.inputs):
            if self.state.dark is None and not self.state.offline:
                now = self.scene.now
                self.state = replace(self.state, dark=Dark(now, now + self.plan.offline.after))
            return False
        was, self.state = self.state.offline, replace(self.state, dark=None, offline=False)
        return was

    def _see_inputs(self, readings: Readings, changed: float | None, *, back: bool) -> None:
        scene, rule = self.scene, self.plan.rule
        choice = rule.choose(scene.value, scene.holds)
        if not choice.known:
            return
        means = words(choice.code, scene.look) if choice.code is not None else None
        if means is None:
            if changed is not None:
                what = next((name for name in rule.inputs if name in readings), rule.inputs[0])
                said = (
                    f"{what} is {excerpt(scene.value(what))}, which is no state that can be told: the last state stays"
                )
                scene.notice("reject", what, said)
            return
        # The code's own time says since when. Where only what it means has changed, or the source has come back with what it said
        # before it went, that is since now.
        at = scene.now if changed is None or (back and changed < self.state.earliest - 1) else changed
        self._seen(means[0], means[1], at)

    def _seen(self, means: Meaning, comment: str | None, at: float) -> None:
        """The line is in this state since `at`."""
        candidate = self.state.candidate
        if candidate is not None and candidate.meaning == means:
            self.state = replace(self.state, candidate=replace(candidate, comment=comment))
            return
        if candidate is not None and (candidate.said or at - candidate.at >= self.plan.hold):
            self._settle(candidate)
        now, stop = self.scene.now, self.state.stop
        goes_on = means == (stop[-1].meaning if stop else self.state.meaning)
        waits = None if goes_on else Candidate(means, at, now + self.plan.hold, comment)
        self.state = replace(self.state, candidate=waits)

    def _settle(self, one: Candidate) -> None:
        """The candidate has held: it is recorded, unless it is part of a stop that can still be a short one, or ends one."""
        self.state = replace(self.state, candidate=None)
        if self._stops(one):
            self.state = replace(self.state, stop=(*self.state.stop, one))
            if one.said or len(self.state.stop) > PARTS or one.at - self.state.stop[0].at >= self._under:
                self._tell_stop()
            return
        lasted = one.at - self.state.stop[0].at if self.state.stop else 0.0
        if lasted >= self._under:
            self._tell_stop()
        elif self.state.stop:
            self.state = replace(self.state, stop=(), stops=self.state.stops + 1, stopped=self.state.stopped + lasted)
        if one.meaning != self.state.meaning:
            self._record(one)

    @property
    def _under(self) -> float:
        """How long a stop is no short one any more."""
        return self.plan.short_stops.under if self.plan.short_stops is not None else 0.0

    def _stops(self, one: Candidate) -> bool:
        """Whether a state interrupts the one that is on, and may do so for a moment only."""
        short, now = self.plan.short_stops, self.state.meaning
        return (
            short is not None
            and now is not None
            and now.category in short.during
            and one.meaning.category not in short.during
        )

    def _tell_stop(self) -> None:
        """What waited as a short stop is none."""
        stop, self.state = self.state.stop, replace(self.state, stop=())
        for one in stop:
            self._record(one)

    def _record(self, one: Candidate, *, offline: bool = False) -> None:
        """This is the state that is on: the one before ends where it starts."""
        state, scene, means = self.state, self.scene, one.meaning
        start = max(floor(one.at), state.earliest)
        if state.interval is not None:
            scene.recorder.end(scene.now, "STATE", state.interval, start, self._summary())
        reason = {"reason": means.reason} if means.reason is not None else {}
        comment = {"comment": one.comment} if one.comment is not None else {}
        details: Details = {"category": means.category, **reason, **comment, **one.said}
        interval = scene.recorder.start(scene.now, "STATE", start, None, details)
        told = (*state.told[1 - HISTORY :], Told(interval, one.at, means.category, one.said, one.heard))
        self.state = replace(
            state,
            interval=interval,
            meaning=means,
            earliest=start + 1,
            stops=0,
            stopped=0.0,
            offline=offline,
            told=told,
        )

    def _summary(self) -> Details:
        """What is said of the state that ends: how many short stops there were in it, and how long they took together."""
        state = self.state
        if not state.stops:
            return {}
        return {"short_stops": state.stops, "short_stop_seconds": round(state.stopped)}

    # What a person says

    def _hear(self, said: Said, readings: Readings, sample: Sample) -> None:
        reading, plan = readings[said.input], self.scene.plans[said.input]
        timed = sample.retained and plan.time is not None
        if not (timed or happened(plan, reading, sample)):
            return
        if said.when is not None and self.scene.holds(said.when) is not True:
            return
        look = self.scene.look
        patterns = {"category": said.category, "reason": said.reason, "comment": said.comment}
        words = {name: pattern.words(look) for name, pattern in patterns.items() if pattern is not None}
        heard = {name: word for name, word in words.items() if word is not None}
        if not heard:
            text = f"{said.input} says nothing that can be told of a state: {excerpt(reading.memory.value)}"
            self.scene.notice("reject", said.input, text)
        elif not self._told_of(said, heard, reading.memory.at):
            text = f"{said.input} speaks of no state that is known, or of one that was over for too long: {excerpt(reading.memory.value)}"
            self.scene.notice("reject", said.input, text)

    def _told_of(self, said: Said, heard: dict[str, str], at: float) -> bool:
        """Whether the state is known that was meant; it is told what was heard of it."""
        candidate = self.state.candidate
        if candidate is not None and candidate.at <= at and self._meant(said, candidate.meaning.category):
            known = replace(candidate, said=said_of(candidate, heard, at), heard=max(at, candidate.heard))
            self.state = replace(self.state, candidate=known)
            return True
        if any(one.at <= at and self._meant(said, one.meaning.category) for one in self.state.stop):
            self._tell_stop()  # what somebody speaks of is told, however short
        for place, told in reversed([*enumerate(self.state.told)]):
            if told.at <= at and self._meant(said, told.category):
                later = self.state.told[place + 1 :]
                if later and at - later[0].at > said.within:
                    return False
                by_now = said_of(told, heard, at)
                news = {name: word for name, word in by_now.items() if told.said.get(name) != word}
                if news:
                    self.scene.recorder.update(self.scene.now, "STATE", told.interval, details=news)
                now_told = replace(told, said=by_now, heard=max(at, told.heard))
                self.state = replace(
                    self.state, told=(*self.state.told[:place], now_told, *self.state.told[place + 1 :])
                )
                return True
        return False

    def _meant(self, said: Said, category: str) -> bool:
        return not said.categories or category in said.categories
