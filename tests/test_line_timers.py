"""The first of the timers of all lines."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from random import Random

from gateway.line_timers import Lines
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from tests.intake_rig import PLAN

PLANS = [replace(PLAN, key=f"line {number}") for number in range(5)]
T0 = 1_767_592_800.0


def at(now: float) -> Feed:
    """A line of which a timer fires at that time; at 0 none does."""
    return Feed(LineState(now=now))


def expected(resting: Mapping[str, float], key: str, line: Feed) -> float:
    """When the next timer of a line fires."""
    return max(line.state.now or math.inf, resting.get(key, 0.0))


class Asked(Counter[str]):
    """Counts how often was asked when the timers of which line fire."""

    def __call__(self, plan: LinePlan, line: Feed) -> float | None:
        self[plan.key] += 1
        return line.state.now or None


def test_the_first_timer_is_that_of_all_lines_as_they_are_now() -> None:
    """Whatever has changed in which order: lines, plans, and what gets some rest because it could not be mapped."""
    random = Random(7)
    for _ in range(200):
        lines, plans, resting = Lines(Asked()), PLANS, dict[str, float]()
        lines.follow(plans)
        for _ in range(30):
            key = random.choice(PLANS).key
            match random.randrange(5):
                case 0 | 1:
                    lines[key] = at(random.choice((0, T0, T0 + 1, T0 + 2)))
                case 2:
                    lines.pop(key, None)
                case 3:
                    resting[key] = T0 + random.randrange(4)
                    lines.rest(key, resting[key])
                case 4:
                    plans = random.sample(PLANS, random.randrange(6))
                    lines.follow(plans)
            changed = {plan.key: at(T0 + random.randrange(3)) for plan in random.sample(PLANS, 1) if plan.key in lines}
            fires = partial(expected, resting)
            known = {plan.key for plan in plans}
            assert lines.first() == min((fires(each, lines[each]) for each in lines if each in known), default=math.inf)
            now = {each: changed.get(each, line) for each, line in lines.items()}
            due = [plan for plan in plans if plan.key in now and fires(plan.key, now[plan.key]) <= T0 + 1]
            assert lines.fired(changed, T0 + 1) == due


def test_only_lines_that_have_changed_are_asked_for_their_timers() -> None:
    """A batch changes a line, and it is taken over as it is: that is one question, for one line of all."""
    asked = Asked()
    lines = Lines(asked)
    lines.follow(PLANS)
    lines.update({plan.key: at(T0 + 60) for plan in PLANS})
    assert lines.first() == T0 + 60
    asked.clear()
    for number in range(100):
        changed = {PLANS[3].key: at(T0 + 61 + number)}
        assert lines.fired(changed, T0 + number / 10) == []
        lines.update(changed)
        assert lines.first() == T0 + 60
    assert asked == {PLANS[3].key: 100}
