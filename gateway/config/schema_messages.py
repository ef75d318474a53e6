"""The schema of what a message or an event is: what of a payload is an event, what bytes mean, its own time. See
`schema`."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from gateway.config.schema_base import Identifier, Index, Name, Section

MOST_BYTES = 8_192
"""Of a payload of bytes, in which values are looked for."""


class OwnTime(Section):
    """The field that holds a message's own time, where it says no zone."""

    field: str = Field(description="The field, with dots for nested ones.")
    zone: Name = Field(
        description="The time zone of times that say none, such as `America/Chicago`. Of an hour that comes twice, "
        "when clocks are put back, the first is meant."
    )


class EventField(Section):
    """A field of events of which a part is wanted."""

    path: str = Field(description="Its browse names, from the type of the event on: `2:JobState`.")
    index: Index = Field(description="Which element of an array it is, counted from 0.")


class Parts(Section):
    """One event for each element of an array, which is in `field`; or for each line of a table (CSV) with `columns`."""

    field: str | None = Field(
        None,
        description="The field with the array. An element that is an object gets the plain fields that stand around "
        "the array, such as the time, where it has none of that name.",
    )
    columns: list[Identifier] = Field(
        [],
        description="The names of the columns, from the left: `[at, qty, code]`. Each line is an object with a text "
        "for each.",
    )
    separator: Literal[",", ";", "|", "tab"] = Field(",", description="With `columns`: what stands between them.")
    skip: int = Field(
        0, ge=0, le=100, description="With `columns`: how many lines at the top are no data, such as `1` for a header."
    )


Split = str | Parts
"""`lines`, `elements`, or what holds the events."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the messages of a topic are read: `split` says what of a payload is an event, `raw` that it is bytes."""

    split: Split | None = None
    raw: bool = False


PLAIN = Form()

NumberType = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


class Binary(Section):
    """A number in bytes."""

    type: NumberType = Field(description="What it is.")
    encoding: Literal["raw", "hex", "base64"] = Field(
        "raw",
        description="`raw`: the payload is bytes. `hex`, `base64`: it, or the `field`, is text in which bytes are "
        "written so.",
    )
    order: Literal["big", "little"] = Field("big", description="Which byte is the first: the highest, or the lowest.")
    at: int = Field(0, ge=0, lt=MOST_BYTES, description="Where it begins, in bytes from 0.")
