"""What is recorded beside intervals and output: facts when they change, quality tests and work orders at their events.

A quality test is of the newest run, or batch, that began before its time; it waits while it is not known yet which that
is, and where none is known at all. Its time stamp is its own time, later by seconds where the interval has a test of
that second already.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from math import floor
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from gateway.frozen import dataclass, replace
from gateway.mapping.context import AT_ONCE, Readings, StepContext
from gateway.mapping.events import is_event
from gateway.mapping.expressions import Condition
from gateway.mapping.interval_track import IntervalTrack
from gateway.mapping.intervals import EndedInterval, IntervalsState, OpenInterval, OwnerKind, UntoldInterval
from gateway.mapping.overdue import is_overdue
from gateway.mapping.templates import Pattern, Reference, Template, filled_mapping
from gateway.mapping.values import digest
from gateway.mapping.whose import known_intervals, last_begun
from gateway.model import Scalar, SettingType

EVENT_TIME = Reference("at")
"""The placeholder for the time of an event."""

MOST_WAITING_TESTS = 100
"""Tests that can wait for their run; of more, the newest are refused with a notice."""
MOST_TEST_STAMPS = 64
"""Time stamps that are remembered of one interval's tests; a new one is later than all that were."""


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule as configured. `key` stays the same while the rule does, wherever it stands.

    `fields` are those of the request; without those `needed`, and with none of `any_of` where these are given, nothing
    is recorded. `inputs` are those that a fact, which has no `event`, looks at; `settle` is how long it waits in
    seconds after one changed.
    """

    key: str
    set: SettingType | Literal["quality_test"]
    event: str | None
    when: Condition | None
    fields: Mapping[str, Template]
    needed: frozenset[str]
    any_of: frozenset[str]
    inputs: frozenset[str]
    settle: float
    of: OwnerKind = "run"
    named: Pattern | None = None
    schema: str = ""


@dataclass(frozen=True, slots=True)
class WaitingTest:
    """The result of a test at `at`, said by `input`, of the run or batch that is `named` so or, without a name, of the
    one of that time.

    `rule` is the key of the rule by which it is recorded; empty where an older version kept the test.
    """

    at: float
    input: str
    of: OwnerKind
    named: str | None
    schema: str
    raw_data: Mapping[str, Scalar]
    rule: str = ""


@dataclass(frozen=True, slots=True)
class RulesState:
    """By rule, when a fact that changed is looked at (`due`) and a digest of what was recorded last (`recorded`); the
    tests that wait, and by interval the time stamps of its tests."""

    due: Mapping[str, float] = field(default_factory=dict)
    recorded: Annotated[Mapping[str, str], Field(alias="told")] = field(default_factory=dict)
    waiting_tests: Annotated[tuple[WaitingTest, ...], Field(alias="waiting")] = ()
    stamps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class RulesTrack:
    """The rules of a line while a step is taken; `state` is replaced as it goes on."""

    __slots__ = ("_tracks", "context", "plans", "state")

    def __init__(
        self,
        plans: tuple[RulePlan, ...],
        state: RulesState,
        context: StepContext,
        tracks: Mapping[OwnerKind, IntervalTrack | None],
    ) -> None:
        self.plans = plans
        self.state = state
        self.context = context
        self._tracks = tracks

    # Facts

    def settle_overdue(self, readings: Readings) -> None:
        """Before what a moment said is known: record the facts that it shows to have been so for long enough by then,
        as in a backlog."""
        for plan in self.plans if self.state.due else ():
            if plan.key in self.state.due and is_overdue(plan, self.context, readings):
                self.fire(plan)

    def timers(self) -> Iterator[tuple[float, RulePlan]]:
        """When which fact is looked at. What never changes is recorded before anything that could need it."""
        for plan in self.plans:
            if plan.key in self.state.due:
                yield self.state.due[plan.key], plan
            elif plan.event is None and not plan.inputs and plan.key not in self.state.recorded:
                yield AT_ONCE, plan

    def fire(self, plan: RulePlan) -> None:
        """Record a fact, where it says something else than was recorded last."""
        state = self.state
        due = {key: at for key, at in state.due.items() if key != plan.key}
        recorded = {other.key: state.recorded[other.key] for other in self.plans if other.key in state.recorded}
        fields = filled_mapping(plan.fields, self.context.resolve)
        holds = plan.when is None or self.context.holds(plan.when) is True
        says_nothing = bool(_missing(plan, fields)) or not holds
        fact = "" if says_nothing else digest(fields)
        if not says_nothing and fact != recorded.get(plan.key) and plan.set != "quality_test":
            self.context.recorder.setting(self.context.now, plan.set, fields, plan.key)
        recorded[plan.key] = fact or recorded.get(plan.key, "")
        self.state = replace(state, due=due, recorded=recorded)

    def on_sample(self, readings: Readings) -> None:
        """What the inputs say after a moment."""
        for plan in self.plans:
            if plan.event is not None:
                self._on_event(plan, plan.event, readings)
            elif plan.key not in self.state.due and (
                plan.key not in self.state.recorded
                or any(readings[name].changed for name in readings.keys() & plan.inputs)
            ):
                if plan.when is not None:
                    self.context.holds(plan.when)  # says with what has come, if so, that nobody can tell
                due = self.context.now + plan.settle
                self.state = replace(self.state, due={**self.state.due, plan.key: due})

    # Events

    def _on_event(self, plan: RulePlan, event: str, readings: Readings) -> None:
        reading = readings.get(event)
        if reading is None or not is_event(self.context.plans[event], reading):
            return
        if plan.when is not None and self.context.holds(plan.when, readings) is not True:
            return
        at, resolve = reading.memory.at, self.context.resolve
        fields = filled_mapping(plan.fields, lambda reference: at if reference == EVENT_TIME else resolve(reference))
        missing = _missing(plan, fields)
        if missing:
            text = f"the {plan.set.replace('_', ' ')} is not told: {missing} is not known"
            self.context.refuse(event, text)
        elif plan.set != "quality_test":
            self.context.taken.add(event)
            self.context.recorder.setting(self.context.now, plan.set, fields, plan.key)
        else:
            named = plan.named.text_of(resolve) if plan.named is not None else None
            raw_data = fields.get("raw_data")
            values = raw_data.items() if isinstance(raw_data, dict) else ()
            plain = {name: value for name, value in values if not isinstance(value, dict | list)}
            self._keep_waiting(plan, WaitingTest(at, event, plan.of, named, plan.schema, plain, plan.key))

    # Quality tests

    def _keep_waiting(self, plan: RulePlan, test: WaitingTest) -> None:
        if plan.named is not None and test.named is None:
            text = f"a quality test is not told: it does not say of which {test.of} it is"
            self.context.refuse(test.input, text)
        elif len(self.state.waiting_tests) >= MOST_WAITING_TESTS:
            self.context.notice("loss", test.input, f"a quality test is lost, too many wait for a {test.of}")
        else:
            self.context.taken.add(test.input)
            self.state = replace(self.state, waiting_tests=(*self.state.waiting_tests, test))

    def retry_tests(self) -> None:
        """Record the tests of which it is known now what they are of; give notice of those of which
        that can never be known."""
        waiting = self.state.waiting_tests
        if waiting:
            left = tuple(test for test in waiting if not self._settled(test) and not self._reject_unknown(test))
            self.state = replace(self.state, waiting_tests=left)

    def _settled(self, test: WaitingTest) -> bool:
        """Whether it is known what was tested: then the test is recorded, or listed where that never is."""
        track = self._tracks[test.of]
        tested = _tested(track, test) if track is not None else None
        if track is None or tested is None:
            return False
        if isinstance(tested, UntoldInterval):
            of = " ".join(filter(None, (test.of, tested.name)))
            text = f"a quality test is not told: it is of the {of}, which is not reported"
            self.context.notice("reject", test.input, text)
        else:
            self._record(test, track, tested)
        return True

    def _record(self, test: WaitingTest, track: IntervalTrack, tested: OpenInterval | EndedInterval) -> None:
        known = {key for other in self._tracks.values() if other for key in _keys(other.state)}
        stamps = {interval: taken for interval, taken in self.state.stamps.items() if interval in known}
        taken = stamps.get(tested.interval, ())
        stamp = floor(test.at) if len(taken) < MOST_TEST_STAMPS else max(floor(test.at), *taken)
        while stamp in taken:
            stamp += 1
        stamps[tested.interval] = (*taken, stamp)[-MOST_TEST_STAMPS:]
        self.state = replace(self.state, stamps=stamps)
        self.context.recorder.test(
            self.context.now, track.plan.type, tested.interval, stamp, test.raw_data, test.schema, test.rule
        )

    def _reject_unknown(self, test: WaitingTest) -> bool:
        """Whether what was tested can never be known: none is called so, or had begun by then. Then notice is given."""
        track = self._tracks[test.of]
        states = [] if track is None else [track.state] if track.host is None else [track.state, track.host.state]
        if any(state.pending_change is not None or state.pending_start is not None for state in states):
            return False
        if test.named is not None:
            text = (
                f"a quality test of the {test.of} {test.named} is not told: "
                "of the one that is on and the last eight, none of that name had begun by its time"
            )
        elif track is not None and known_intervals(track.state):
            text = f"a quality test is not told: no {test.of} that is known had begun by its time"
        else:
            return False
        self.context.notice("reject", test.input, text)
        return True


def _missing(plan: RulePlan, fields: Mapping[str, JsonValue]) -> str:
    """What is needed and not known; empty where nothing is."""
    missing = sorted(plan.needed - fields.keys())
    if not missing and plan.any_of and not plan.any_of & fields.keys():
        return " or ".join(sorted(plan.any_of))
    return " and ".join(missing)


def _tested(track: IntervalTrack, test: WaitingTest) -> OpenInterval | EndedInterval | UntoldInterval | None:
    """What was tested; None where that is yet to be decided."""
    states = [track.state] if track.host is None else [track.state, track.host.state]
    changes = filter(None, (state.pending_change for state in states))
    if any(test.at >= change.previous_end for change in changes):
        return None
    waiting = states[-1].pending_start if test.named is None else track.state.pending_start
    if waiting is not None and test.at >= waiting.begun and test.named in (None, waiting.name):
        return None
    return last_begun(track.state, test.at, test.named)


def _keys(state: IntervalsState) -> Iterator[str]:
    yield from (one.interval for one in known_intervals(state) if not isinstance(one, UntoldInterval))
