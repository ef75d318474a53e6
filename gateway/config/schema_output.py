"""How output is reported, as frozen, strict models. The descriptions are the user's reference."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.section import Section
from gateway.config.units import Duration
from gateway.model import Scalar


class Entry(Section):
    """One kind of output."""

    count: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")] = Field(
        description="An input with `counter` or `edge`, or an event input and the field with its amount: `scrap.qty`."
    )
    each: int | float | None = Field(
        None,
        ge=-1_000_000,
        le=1_000_000,
        description="What one message counts, where it does not say an amount: `1` where each message is a part.",
    )
    factor: int | float = Field(
        1,
        ge=-1_000_000,
        le=1_000_000,
        description="By what the amount is multiplied: 12 for a case of twelve. With -1 it is taken off what other entries with "
        "the same `raw_data` count.",
    )
    raw_data: dict[str, Scalar] = Field(
        min_length=1,
        description="What is sent, in the terms of the factory's scrap/yield schema at Oden. `{n}` is the amount, other "
        "names in braces are inputs; a value that is one placeholder keeps its type.",
    )
    of: Literal["run", "batch"] = Field(
        "run", description="Whether it is output of the run or of the batch that was on."
    )
    min: int | float = Field(
        0,
        ge=0,
        description="An amount of less than this waits for the next window. At the end of the run or batch it is sent anyway.",
    )


class ScrapYield(Section):
    """How output is reported."""

    every: Duration = Field(60.0, ge=1, description="How often output is reported while a run is on.")
    align: Literal["clock", "run"] = Field(
        "clock",
        description="Whether the windows of `every` are counted from the full hour or from the start of the run or batch.",
    )
    between_runs: Literal["next", "unassigned", "report"] = Field(
        "next",
        description="What becomes of output while no run is on. `next`: the next run has it. `unassigned`: it gets a run of its own, "
        'named "Unassigned", of a product of that name, which ends when the next begins. `report`: it is not sent, and listed as a gap '
        "when the next run begins.",
    )
    gaps: Literal["start", "end"] = Field(
        "start",
        description="Which run gets what a counter moved by while the connection was away: the one that was on when it was lost, "
        "or when it was back.",
    )
    codes: dict[int | str, Scalar] = Field(
        {}, description='A code table, used as `"{codes[scrap.code].name}"`: `codes: {1: Gel, 2: Edge trim}`.'
    )
    entries: list[Entry] = Field(min_length=1)
