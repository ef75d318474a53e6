"""The schema of runs, batches, states and custom intervals: how a line recognises them. See `schema`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gateway.config.schema_base import Duration, Identifier, Name, Section
from gateway.model import Scalar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Metadata = dict[Name, Scalar]

_KEY = (
    "The input whose value says which one is on: a change of it begins another; empty, 0 or false means that none "
    "is on."
)
_SETTLE = "How long to wait after a change or an event for the other inputs to follow."
_EMPTY_FOR = (
    "A key that is empty for less than this and then the same again has not changed: for PLCs that forget the order "
    "for a moment when they restart."
)
_CORRECT = (
    "For how long after its start changes of the inputs that are named here are corrections of it. Absent, only "
    "what was not known at the start is filled in later."
)
_SEVERAL_TAGS = "Absent, and where several tags of one OPC UA source decide: the longest `sampling` of these."


class Begin(Section):
    """What begins an interval: an event, or a condition that becomes true."""

    event: Identifier | None = Field(
        None,
        description="An input of which each message, or each change of a tag to something other than 0, false and "
        "empty, is an event.",
    )
    when: str | None = Field(
        None,
        description='A condition over inputs, such as "speed > 5.0". With `event`, only events for which it is '
        "true count.",
    )
    for_: Duration = Field(
        0.0, alias="for", description=f"How long the condition must hold; not with `event`. {_SEVERAL_TAGS}"
    )


class End(Section):
    """What ends an interval although no other has started: a condition, an event, or that nothing is counted any
    more."""

    when: str | None = Field(
        None,
        description='A condition over inputs, such as "state == 0". With `event`, only events for which it is '
        "true count.",
    )
    for_: Duration = Field(
        0.0,
        alias="for",
        description=f"How long the condition must hold. The end is when it became true. {_SEVERAL_TAGS}",
    )
    event: Identifier | None = Field(None, description="An input of which each event is an end, as under `start`.")
    key: Name | None = Field(
        None,
        description="With `event`: what it names, such as `{event.order}`. An event that names another than the one "
        "that is on ends nothing.",
    )
    idle: Duration | None = Field(
        None, gt=0, description="How long nothing must have been counted. The end is when the last was."
    )
    count: list[Identifier] = Field(
        [], description="With `idle`: the counters that are looked at; absent, all of the line."
    )


class PerformanceTarget(Section):
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
        description="Begins a run where there is no key. A condition begins one only while none is on, unless "
        "there is no `end`.",
    )
    product: Name | None = Field(None, description='Name of the product, with inputs in braces: "{product}".')
    product_id: Name | None = Field(
        None, description='Instead of `product`: the id of the product at Oden: "{products[sku].oden_id}".'
    )
    unknown_product: Name | None = Field(
        None,
        description="What the product is called until it is known. Absent, a run is told only when its product is "
        "known, with its true start.",
    )
    untold: Literal["list", "unassigned"] = Field(
        "list",
        description="What becomes of what was made in a run whose product never came, so that the run is not told. "
        "`list`: it is listed with its amounts; `unassigned`: once nothing can come late any more (`late` of the "
        'line), it gets a run of its own, named "Unassigned". It is never the next run\'s.',
    )
    name: str | None = Field(None, description='Name of the run, with inputs in braces: "{order}".')
    target: PerformanceTarget | None = None
    metadata: Metadata = Field({}, description='What else Oden is told of the run: `{lot: "{lot}", resin: "{resin}"}`.')
    settle: Duration = Field(0.5, description=_SETTLE)
    empty_for: Duration = Field(0.0, description=_EMPTY_FOR)
    correct: Duration = Field(0.0, description=_CORRECT)
    end: End | None = Field(None, description="Ends a run although no other has started.")


class Batches(Section):
    """How batches are recognised: by a `key`, by what `start` says, or `every` so many parts. They end with their
    run."""

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
            raise ValueError(f'write a time as on a clock with 24 hours: "06:00", "22:30"{_meant_time(clock)}')
        return clock


def _meant_time(written: str) -> str:
    """The end of a message about a time of day that is `written` otherwise: how it is written here, if clear."""
    parts = re.fullmatch(r"\s*(\d{1,2})\s*[:.,hH]?\s*([0-5]\d)(?::00)?\s*(?i:h|Uhr)?\s*", written)
    if parts is None or int(parts[1]) > _HOURS:
        return ""
    clock = f"{int(parts[1]):02}:{parts[2]}"
    if int(parts[1]) == _HOURS:
        return '; write "00:00" for midnight' if clock == "24:00" else ""
    return f'; did you mean "{clock}"?'


_HOURS = 24


def weekdays(days: str) -> frozenset[int]:
    """The days that a text such as `mon-fri,sun` means, Monday as 0; empty where the text means none."""
    numbers: set[int] = set()
    for part in days.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return frozenset()
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        numbers |= {day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))}
    return frozenset(numbers)


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


class StateCode(Section):
    """What one code of the PLC means at Oden."""

    category: Name = Field(description='State category at Oden; inputs in braces are filled in, as in "PLC {state}".')
    reason: Name | None = Field(None, description="State reason at Oden; inputs in braces are filled in.")
    comment: Name | None = Field(
        None, description="Comment on the state, as it is when the state is told; inputs in braces are filled in."
    )


class StateBit(StateCode):
    """What it means that a bit of the input is set."""

    bit: int = Field(ge=0, le=63, description="The bit: 0 is the lowest.")


class StateRung(StateCode):
    """What it means that a condition is true."""

    when: str = Field(description='A condition over inputs, such as "!guard_closed || estop".')


class ShortStops(Section):
    """Stops that are counted in the state that they interrupt, instead of being told one by one."""

    under: Duration = Field(gt=0, description="A stop shorter than this, through all its states, is short.")
    during: list[Name] = Field(
        min_length=1, description="The categories whose states can be interrupted so, such as `[Uptime]`."
    )


class Offline(StateCode):
    """The state of a line whose source is gone."""

    after: Duration = Field(60.0, gt=0, description="How long the source must have been gone.")


class Operator(Section):
    """What a person says of a state later. It is told of the newest state that began before the time of the event."""

    event: Identifier = Field(
        description="The input that brings it. Its `time`, if it has one, says of which state it is."
    )
    when: str | None = Field(None, description="A condition over inputs: only events for which it is true count.")
    category: Name | None = Field(None, description='The category that was said: "{entry.category}".')
    reason: Name | None = Field(None, description='The reason that was said: "{entry.reason}".')
    comment: Name | None = Field(None, description='The comment that was said: "{entry.text}".')
    of: list[Name] = Field(
        [],
        description="The categories that are spoken of, such as `[Unplanned Downtime]`: then it is told of the "
        "newest state of these, also when the line runs again. Absent, of any state.",
    )
    within: Duration | None = Field(
        None,
        gt=0,
        description="For how long after a state was over something can be said of it; what comes later is listed as "
        "rejected. Absent, of any of the newest 16 states.",
    )


class Categories(Section):
    """What a preset's three kinds of states are called at Oden."""

    uptime: Name = "Uptime"
    planned: Name = "Planned Downtime"
    unplanned: Name = "Unplanned Downtime"


class States(Section):
    """How states are recognised: by `codes` of an input, by its `bits`, by a `ladder` of conditions, or as a `preset`
    says."""

    preset: Literal["packml", "tmc"] | None = Field(
        None,
        description="`packml`: the states of ISA-TR88.00.02, as number or by name. `tmc`: those of OPC 30060 (TMC), "
        "which have the names of PackML and numbers of their own. `codes` come over it.",
    )
    input: Identifier | None = Field(None, description="The input that holds the state code or the bits.")
    mode: Identifier | None = Field(
        None,
        description="With `preset`: the input that holds the unit mode. In maintenance and manual mode it decides.",
    )
    categories: Categories = Categories()
    codes: dict[int | str, StateCode] = Field({}, description="Code -> state.")
    bits: list[StateBit] = Field([], description="The first of these bits that is set decides; none: `other`.")
    ladder: list[StateRung] = Field(
        [], description="The first of these conditions that is true decides; none: `other`."
    )
    other: StateCode | None = Field(
        None,
        description="State for a code that is not in the table. Absent, such a code "
        "is reported and the last state stays.",
    )
    hold: Duration = Field(
        0.0,
        description="A state that lasts less than this is not reported. The plant's own times count, where it "
        f"gives any. {_SEVERAL_TAGS}",
    )
    short_stops: ShortStops | None = None
    offline: Offline | None = None
    operator: Operator | None = None
