"""What else is told beside intervals and output: facts when they change, quality tests and work orders at their events.

A quality test is told of the newest run, or batch, that began before its time; it waits while it is not known yet which that
is, and where none is known at all. Its time stamp is its own time, later by seconds where the interval has a test of that second already.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import floor
from typing import Literal

from pydantic import JsonValue

from gateway.mapping.details import Template, all_filled
from gateway.mapping.events import happened
from gateway.mapping.expressions import Condition
from gateway.mapping.patterns import Look, Pattern, Reference
from gateway.mapping.runs import EndedRun, Run, RunsState, undecided
from gateway.mapping.scene import AT_ONCE, Readings, Scene
from gateway.mapping.tracks import Track
from gateway.mapping.values import digest
from gateway.model import Sample, Scalar, SettingType

AT = Reference("at")
"""The placeholder for the time of an event."""

MOST_WAITING = 100
"""Tests that can wait for their run; of more, the newest are refused with a notice."""
MOST_STAMPS = 64
"""Time stamps that are remembered of one interval; a new one is later than all that were."""


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule as configured. `key` stays the same while the rule does, wherever it stands.

    `fields` are those of the request; without those `needed`, and with none of `any_of` where these are given, nothing is told.
    `names` are the inputs that a fact, which has no `event`, looks at; `settle` how long it waits in seconds after one changed.
    """

    key: str
    set: SettingType | Literal["quality_test"]
    event: str | None
    when: Condition | None
    fields: Mapping[str, Template]
    needed: frozenset[str]
    any_of: frozenset[str]
    names: frozenset[str]
    settle: float
    of: Literal["run", "batch"] = "run"
    named: Pattern | None = None
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """The result of a test at `at`, said by `input`, of the run or batch that is `named` so or, without a name, of the one of that time.
    `rule` is the key of the rule that tells it; empty where an older version kept the test."""

    at: float
    input: str
    of: Literal["run", "batch"]
    named: str | None
    schema: str
    raw_data: Mapping[str, Scalar]
    rule: str = ""


@dataclass(frozen=True, slots=True)
class RulesState:
    """By rule, when a fact that changed is looked at and a digest of what was told last; the tests that wait, and by interval the
    time stamps of its tests."""

    due: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[Test, ...] = ()
    stamps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class RulesTrack:
    """The rules of a line while a step is taken; `state` is replaced as it goes on."""

    def __init__(
        self,
        plans: tuple[RulePlan, ...],
        state: RulesState,
        scene: Scene,
        tracks: Mapping[Literal["run", "batch"], Track | None],
    ) -> None:
        self.plans = plans
        self.state = state
        self.scene = scene
        self._tracks = tracks

    def timers(self) -> Iterator[tuple[float, RulePlan]]:
        """When which fact is looked at. What never changes is told before anything that could need it."""
        for plan in self.plans:
            if plan.key in self.state.due:
                yield self.state.due[plan.key], plan
            elif plan.event is None and not plan.names and plan.key not in self.state.told:
                yield AT_ONCE, plan

    def fire(self, plan: RulePlan) -> None:
        """Tell a fact, where it says something else than was told last."""
        state = self.state
        due = {key: at for key, at in state.due.items() if key != plan.key}
        told = {other.key: state.told[other.key] for other in self.plans if other.key in state.told}
        fields = self._filled(plan, self.scene.look)
        silent = self._lacks(plan, fields) or (plan.when is not None and self.scene.holds(plan.when) is not True)
        said = "" if silent else digest(fields)
        if not silent and said != told.get(plan.key) and plan.set != "quality_test":
            self.scene.recorder.setting(self.scene.now, plan.set, fields, plan.key)
        told[plan.key] = said or told.get(plan.key, "")
        self.state = replace(state, due=due, told=told)

    def see(self, readings: Readings, sample: Sample) -> None:
        """What the inputs say after `sample`."""
        for plan in self.plans:
            if plan.event is not None:
                self._see_event(plan, plan.event, readings, sample)
            elif plan.key not in self.state.due and (
                plan.key not in self.state.told
                or any(name in readings and readings[name].changed for name in plan.names)
            ):
                due = self.scene.now + plan.settle
                self.state = replace(self.state, due={**self.state.due, plan.key: due})

    def _see_event(self, plan: RulePlan, event: str, readings: Readings, sample: Sample) -> None:
        reading = readings.get(event)
        if reading is None or not happened(self.scene.plans[event], reading, sample):
            return
        if plan.when is not None and self.scene.holds(plan.when, readings) is not True:
            return
        at, look = reading.memory.at, self.scene.look
        fields = self._filled(plan, lambda reference: at if reference == AT else look(reference))
        lacks = self._lacks(plan, fields)
        if lacks:
            self.scene.notice("reject", event, f"the {plan.set.replace('_', ' ')} is not told: {lacks} is not known")
        elif plan.set != "quality_test":
            self.scene.recorder.setting(self.scene.now, plan.set, fields, plan.key)
        else:
            named = plan.named.words(look) if plan.named is not None else None
            raw_data = fields.get("raw_data")
            values = raw_data.items() if isinstance(raw_data, dict) else ()
            plain = {name: value for name, value in values if not isinstance(value, dict | list)}
            self._take(plan, Test(at, event, plan.of, named, plan.schema, plain, plan.key))

    def _take(self, plan: RulePlan, test: Test) -> None:
        if plan.named is not None and test.named is None:
            text = f"a quality test is not told: it does not say of which {test.of} it is"
            self.scene.notice("reject", test.input, text)
        elif len(self.state.waiting) >= MOST_WAITING:
            self.scene.notice("loss", test.input, f"a quality test is lost, too many wait for a {test.of}")
        else:
            self.state = replace(self.state, waiting=(*self.state.waiting, test))

    def try_again(self) -> None:
        """Tell the tests of which it is known now what they are of."""
        waiting = self.state.waiting
        if waiting:
            left = tuple(test for test in waiting if not self._tell(test) and not self._unheard_of(test))
            self.state = replace(self.state, waiting=left)

    def _tell(self, test: Test) -> bool:
        track = self._tracks[test.of]
        tested = _tested(track, test) if track is not None else None
        if track is None or tested is None:
            return False
        known = {one.interval for other in self._tracks.values() if other for one in _known(other.state)}
        stamps = {interval: taken for interval, taken in self.state.stamps.items() if interval in known}
        taken = stamps.get(tested.interval, ())
        stamp = floor(test.at) if len(taken) < MOST_STAMPS else max(floor(test.at), *taken)
        while stamp in taken:
            stamp += 1
        stamps[tested.interval] = (*taken, stamp)[-MOST_STAMPS:]
        self.state = replace(self.state, stamps=stamps)
        self.scene.recorder.test(
            self.scene.now, track.plan.type, tested.interval, stamp, test.raw_data, test.schema, test.rule
        )
        return True

    def _unheard_of(self, test: Test) -> bool:
        """Whether what was tested can never be known: none is called so, or had begun by then; then that is said."""
        track = self._tracks[test.of]
        places = [] if track is None else [track.state] if track.host is None else [track.state, track.host.state]
        if any(state.change is not None or state.waiting is not None for state in places):
            return False
        if test.named is not None:
            text = f"a quality test of the {test.of} {test.named} is not told: only the one that is on and the last eight are known by name"
        elif track is not None and _known(track.state):
            text = f"a quality test is not told: no {test.of} that is known had begun by its time"
        else:
            return False
        self.scene.notice("reject", test.input, text)
        return True

    def _filled(self, plan: RulePlan, look: Look) -> dict[str, JsonValue]:
        return all_filled(plan.fields, look)

    def _lacks(self, plan: RulePlan, fields: Mapping[str, JsonValue]) -> str:
        """What is needed and not known; empty where nothing is."""
        missing = sorted(plan.needed - fields.keys())
        if not missing and plan.any_of and not plan.any_of & fields.keys():
            return " or ".join(sorted(plan.any_of))
        return " and ".join(missing)


def _tested(track: Track, test: Test) -> Run | EndedRun | None:
    """What was tested; None where that is yet to be decided."""
    known = _known(track.state)
    if test.named is not None:
        return next((one for one in known if one.name == test.named), None)
    if undecided(track.state if track.host is None else track.host.state, test.at):
        return None
    if track.state.change is not None and test.at >= track.state.change.gone:
        return None
    return next((one for one in known if one.start <= test.at), None)


def _known(state: RunsState) -> list[Run | EndedRun]:
    """What is on and what was, the newest first."""
    return [*([state.current] if state.current is not None else []), *reversed(state.recent)]
