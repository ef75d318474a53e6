"""How states are recognised, as frozen, strict models. The descriptions are the user's reference."""

from typing import Literal

from pydantic import Field

from gateway.config.section import Identifier, Name, Section
from gateway.config.units import Duration


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
        description="The categories that are spoken of, such as `[Unplanned Downtime]`: then it is told of the newest state of "
        "these, also when the line runs again. Absent, of any state.",
    )
    within: Duration | None = Field(
        None,
        gt=0,
        description="For how long after a state was over something can be said of it; what comes later is listed as rejected. Absent, of any "
        "of the newest 16 states.",
    )


class Categories(Section):
    """What a preset's three kinds of states are called at Oden."""

    uptime: Name = "Uptime"
    planned: Name = "Planned Downtime"
    unplanned: Name = "Unplanned Downtime"


class States(Section):
    """How states are recognised: by `codes` of an input, by its `bits`, by a `ladder` of conditions, or as a `preset` says."""

    preset: Literal["packml"] | None = Field(
        None, description="`packml`: the states of ISA-TR88.00.02, as number or by name. `codes` come over it."
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
        description="A state that lasts less than this is not reported. The plant's own times count, where it gives any.",
    )
    short_stops: ShortStops | None = None
    offline: Offline | None = None
    operator: Operator | None = None
