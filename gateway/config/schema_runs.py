"""How runs, batches and custom intervals are recognised, as frozen, strict models. The descriptions are the user's reference."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from gateway.config.section import Identifier, Name, Section
from gateway.config.units import Duration
from gateway.model import Scalar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Metadata = dict[Name, Scalar]

_KEY = "The input whose value says which one is on: a change of it begins another; empty, 0 or false means that none is on."
_SETTLE = "How long to wait after a change or an event for the other inputs to follow."
_EMPTY_FOR = (
    "A key that is empty for less than this and then the same again has not changed: for PLCs that forget the order for a "
    "moment when they restart."
)
_CORRECT = (
    "For how long after its start changes of the inputs that are named here are corrections of it. Absent, only what was not "
    "known at the start is filled in later."
)


class Begin(Section):
    """What begins an interval: an event, or a condition that becomes true."""

    event: Identifier | None = Field(
        None,
        description="An input of which each message, or each change of a tag to something other than 0, false and empty, is an event.",
    )
    when: str | None = Field(
        None,
        description='A condition over inputs, such as "speed > 5.0". With `event`, only events for which it is true count.',
    )
    for_: Duration = Field(0.0, alias="for", description="How long the condition must hold; not with `event`.")


class End(Section):
    """What ends an interval although no other has started: a condition, an event, or that nothing is counted any more."""

    when: str | None = Field(
        None,
        description='A condition over inputs, such as "state == 0". With `event`, only events for which it is true count.',
    )
    for_: Duration = Field(
        0.0, alias="for", description="How long the condition must hold. The end is when it became true."
    )
    event: Identifier | None = Field(None, description="An input of which each event is an end, as under `start`.")
    idle: Duration | None = Field(
        None, gt=0, description="How long nothing must have been counted. The end is when the last was."
    )
    count: list[Identifier] = Field(
        [], description="With `idle`: the counters that are looked at; absent, all of the line."
    )


class Target(Section):
    """The performance target of a run. A value that is not known or not a number is left out."""

    metric_group: Name = Field(description="Name of the metric group at Oden.")
    value: int | float | str | None = Field(
        None, description='The target itself: a number, or an input: "{speed_target}".'
    )
    lsl: int | float | str | None = Field(None, description="Lower specification limit.")
    usl: int | float | str | None = Field(None, description="Upper specification limit.")


class Run(Section):
    """How runs are recognised: by a `key`, or by what `start` says."""

    key: Identifier | None = Field(None, description=_KEY)
    start: Begin | None = Field(
        None,
        description="Begins a run where there is no key. A condition begins one only while none is on, unless there is no `end`.",
    )
    product: Name | None = Field(None, description='Name of the product, with inputs in braces: "{product}".')
    product_id: Name | None = Field(
        None, description='Instead of `product`: the id of the product at Oden: "{products[sku].oden_id}".'
    )
    unknown_product: Name | None = Field(
        None,
        description="What the product is called until it is known. Absent, a run is told only when its product is known, with its "
        "true start.",
    )
    name: str | None = Field(None, description='Name of the run, with inputs in braces: "{order}".')
    target: Target | None = None
    metadata: Metadata = Field({}, description='What else Oden is told of the run: `{lot: "{lot}", resin: "{resin}"}`.')
    settle: Duration = Field(0.5, description=_SETTLE)
    empty_for: Duration = Field(0.0, description=_EMPTY_FOR)
    correct: Duration = Field(0.0, description=_CORRECT)
    end: End | None = Field(None, description="Ends a run although no other has started.")


class Batches(Section):
    """How batches are recognised: by a `key`, by what `start` says, or `every` so many parts. They end with their run."""

    key: Identifier | None = Field(None, description=_KEY)
    start: Begin | None = Field(None, description="Begins a batch where there is no key.")
    every: int | None = Field(None, gt=0, description="So many of `count` are a batch; the first begins with the run.")
    count: Identifier | None = Field(None, description="With `every`: the input with `counter` that counts them.")
    name: str | None = Field(
        None, description='Name of the batch; `{batch}` is its number in the run: "{order}-{batch}".'
    )
    metadata: Metadata = Field({}, description="What else Oden is told of the batch.")
    settle: Duration = Field(0.5, description=_SETTLE)
    empty_for: Duration = Field(0.0, description=_EMPTY_FOR)
    correct: Duration = Field(0.0, description=_CORRECT)
    end: End | None = Field(
        None, description="Ends a batch although neither another has started nor the run has ended."
    )
    without_run: bool = Field(default=False, description="Whether there are batches while no run is on.")


class Shift(Section):
    """One shift. It belongs to the day on which it begins."""

    name: Name
    days: str = Field("mon-sun", description="The days on which it begins: `mon-fri`, `sat,sun`, `mon-thu,sat`.")
    from_: str = Field(alias="from", description='When it begins, by the wall clock: "22:00".')
    to: str = Field(description='When it ends, on the next day where that is not later: "06:00".')

    @field_validator("days")
    @classmethod
    def _known_days(cls, days: str) -> str:
        if not weekdays(days):
            raise ValueError("write days as in mon-fri, sat,sun or mon-thu,sat")
        return days

    @field_validator("from_", "to")
    @classmethod
    def _on_the_clock(cls, clock: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", clock):
            raise ValueError('write a time as on a clock with 24 hours: "06:00", "22:30"')
        return clock


def weekdays(days: str) -> frozenset[int]:
    """The days that `mon-fri,sun` and the like mean, Monday as 0; empty where it means none."""
    found: set[int] = set()
    for part in days.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return frozenset()
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))}
    return frozenset(found)


class Calendar(Section):
    """Shifts by the calendar."""

    zone: Name = Field(description="The time zone of the wall clock, such as `Europe/Berlin` or `America/Chicago`.")
    shifts: list[Shift] = Field(min_length=1)


class Interval(Section):
    """One type of custom interval, such as the operator, the recipe, the tool or the shift that was on."""

    type: Annotated[str, Field(min_length=1)] = Field(description="Name of the interval type at Oden.")
    key: Identifier | None = Field(None, description=_KEY)
    start: Begin | None = Field(None, description="Begins an interval where there is no key.")
    calendar: Calendar | None = Field(None, description="Shifts by the calendar, instead of `key` and `start`.")
    name: str | None = Field(
        None, description="Its name; absent, a shift is called as in the calendar, others have none."
    )
    metadata: Metadata = Field({}, description="What else Oden is told of it.")
    settle: Duration = Field(0.5, description=_SETTLE)
    empty_for: Duration = Field(0.0, description=_EMPTY_FOR)
    correct: Duration = Field(0.0, description=_CORRECT)
    end: End | None = Field(None, description="Ends an interval although no other has started.")
    inside_run: bool = Field(
        default=False, description="Whether it ends with its run, and there is none without a run."
    )
