"""The schema of a line's inputs, and of the scrap and yield that is counted from them. See `schema`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.addresses import SUM, event_address, path_of, sparkplug_address, tag_address
from gateway.config.schema_base import (
    Duration,
    DurationOrZero,
    Identifier,
    Index,
    Moved,
    Name,
    Offset,
    OneOrMore,
    Rate,
    Sampling,
    Section,
)
from gateway.config.schema_messages import Binary, EventField, OwnTime, Split
from gateway.model import Scalar


class Counter(Section):
    """A number that only grows, until it rolls over or is reset. All of this but `unit` is in the numbers that the PLC
    shows."""

    signed: Literal[16, 32] | None = Field(
        None,
        description="For a count in a whole number with a sign (`INT`, `DINT`) that goes from 32767 to -32768 and on: "
        "of how many bits that is. It says the `rollover` as well.",
    )
    direction: Literal["up", "down"] = Field(
        "up",
        description="`down`: what was made is what the value went down by, as where it shows what is left to do. A "
        "larger value means that it was set anew, and counts nothing.",
    )
    number: Literal["text"] | None = Field(
        None, description='`text`: the count is written as text, such as `"105"`. The same as `number` of the input.'
    )
    rollover: int | float | None = Field(
        None,
        gt=0,
        description="The first value that is never shown: 65536 for a 16-bit counter that wraps after 65535.",
    )
    max_rate: Rate | None = Field(
        None,
        gt=0,
        description="The fastest that the line can count. Tells a rollover from a reset, and how long a gap can be "
        "bridged exactly.",
    )
    backwards: Literal["reset", "ignore", "count"] = Field(
        "reset",
        description="What a smaller value means that is no rollover. `reset`: the counter began at zero, and what "
        "it shows was made since. `ignore`: it was set to another value, nothing was made. `count`: so many were "
        "taken back, which is counted as negative; it can go below zero.",
    )
    too_fast: Literal["count", "ignore"] = Field(
        "count",
        description="What becomes of a jump that is more than `max_rate` allows or, without one, more than 100 times "
        "the largest of the last 100 moves: it is counted, or nothing is. Either way it is listed as a gap.",
    )
    restarts_with: Identifier | None = Field(
        None,
        description="The input with which the counter starts again from zero, such as the order, for counts since "
        "the start of an order. A smaller value is then no gap; and where that input changed while nobody "
        "watched, all that the counter shows is new.",
    )
    scale: int | float = Field(
        1,
        gt=0,
        description="What one count stands for: 0.1 where the PLC counts tenths of a metre, 12 where it counts dozens.",
    )
    unit: Name | None = Field(
        None,
        description="The unit of what is counted, after `scale`: `m`, `kg`. It is for people: `check` and "
        "`explain` say it, Oden is not told.",
    )

    @property
    def turn(self) -> int | float | None:
        """After how many counts it shows the same again; None where it never does."""
        return self.rollover if self.signed is None else 1 << self.signed


WATCHED_BY = ("publishing_interval", "sampling", "queue", "deadband", "trigger")
"""The keys of an input that say how an OPC UA server watches its tag."""
OPCUA_KEYS = ("node", "index", "enumeration", "uncertain", *WATCHED_BY, "event", "type", "fields")
"""The keys of an input that only an OPC UA source understands."""
EVENT_FIELDS = (
    *("EventId", "EventType", "SourceName", "Time", "Message", "Severity"),
    *("ConditionId", "ConditionName", "BranchId", "ActiveState", "AckedState", "Retain"),
)
"""The fields that each event has as a message; those of conditions are null of others."""
CONTENT = "Content"
"""The field of an event that tells one state of a condition from all others, whatever its EventId."""


class Input(Section):
    """One value that the mapping uses: an OPC UA tag, an MQTT message or one field of it, a metric of a Sparkplug
    device, or what follows from other inputs."""

    source: Name | None = Field(None, description="One of the names under `sources`; not with `expr` and `stale`.")
    node: str | None = Field(
        None,
        description="OPC UA only: the node id, such as `nsu=urn:acme:line;s=L01.State` or `ns=2;i=1001`; or, beginning "
        "with a `/`, the way there by browse names, such as `/Objects/2:Machines/2:Press/2:Good`.",
    )
    index: Index | None = Field(
        None,
        description="OPC UA only: which element of an array the input is, counted from 0: `3`; `2,0` in one of two "
        "dimensions; of a text, `0:7` are its first eight characters.",
    )
    publishing_interval: Duration | None = Field(
        None,
        gt=0,
        description="OPC UA only: how often the server reports this tag, if not as its source does.",
    )
    sampling: Sampling | None = Field(
        None,
        ge=0,
        description="OPC UA only: how often the server looks at this tag, if not as its source; `0`: at its fastest.",
    )
    queue: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="OPC UA only: how many values of this tag the server keeps for us, if not as its source.",
    )
    deadband: Moved | None = Field(
        None,
        description="OPC UA only: how far the value must move to be told of, in its own unit or, as `2%`, of the range "
        "that the server states for it. Not for what is counted.",
    )
    trigger: Literal["value", "timestamp"] = Field(
        "value",
        description="OPC UA only: whether a tag says something when its value changes, or also when the same value is "
        "written with a new time. With `timestamp` each writing is an event, as a message is.",
    )
    enumeration: Literal["number", "name"] = Field(
        "number",
        description="OPC UA only: whether a value of an enumeration is its number or its name.",
    )
    uncertain: Literal["use", "ignore"] | None = Field(
        None,
        description="OPC UA only: what becomes of a value of uncertain quality, such as the last one of a sensor that "
        "has failed. Absent, it is ignored where each change counts (`counter`, `edge`, `trigger: timestamp`), and "
        "used elsewhere.",
    )
    event: str | None = Field(
        None,
        description="OPC UA only, instead of `node`: the node whose events are taken, such as a machine or, with all "
        "that the server tells of, `i=2253`; its node id or browse path. Each event is a message with fields.",
    )
    type: str | None = Field(
        None,
        description="With `event`: only events of this type and its subtypes: a type of the standard by its name, such "
        "as `AlarmConditionType`, another by its node id or browse path.",
    )
    fields: dict[Identifier, str | EventField] = Field(
        {},
        description="With `event`: what is taken of events beside the standard's own fields: names of your choice, "
        "each with its browse names from the type of the event on: `{job: 2:JobName}`, `{state: {path: 2:JobState, "
        "index: 0}}`.",
    )
    topic: str | None = Field(
        None,
        description="MQTT only: the topic, without wildcards. A level of any text has a name, which becomes a field of "
        "the message: `plant/+station/events`; a payload that is no object is then in the field `value`.",
    )
    split: Split | None = Field(
        None,
        description="MQTT only, where a message holds several events: `lines` (each is a payload of its own, as in "
        "NDJSON), `elements` (of an array), `{field: shots}` (of an array in a field), or `{columns: [at, qty, code]}` "
        "(a table). It holds for all inputs on this topic.",
    )
    binary: Binary | None = Field(None, description="MQTT only, for a number that comes as bytes.")
    device: str | None = Field(
        None,
        description="MQTT with Sparkplug B, instead of `topic`: the device, as group/edge node/device, such as `Plant "
        "A/Edge 1/Press 7`; without the last part, the edge node itself.",
    )
    metric: str | None = Field(
        None,
        min_length=1,
        description="With `device`: the metric's name in the device's birth, such as `Status/StateCurrent`.",
    )
    field: str | None = Field(
        None,
        description="The field of the JSON message, of an OPC UA structure or of an event, with dots for nested ones; "
        "`rejects[2]` is an element of an array, counted from 0, `sum(rejects)` the sum of all; `[2]` and `sum()` "
        "where the message itself is the array. With `metric`, a part of it: an element of an array, a member of a "
        "template by its name, of a data set `[0].qty`. Absent, the whole message or value.",
    )
    only: dict[str, OneOrMore] = Field(
        {},
        description="For MQTT and events, where messages are of several kinds: the input takes those whose fields "
        "have these values, such as `{type: scrap}`, or one of these: `{type: [start, stop]}`. Others are not "
        "about it.",
    )
    time: str | OwnTime | None = Field(
        None,
        description="MQTT only: the field that holds the event's own time: ISO 8601, `30.11.2026 10:15:00`, "
        "`20261130101500` or as in e-mails (RFC 2822), with a zone; or seconds, milli-, micro- or nanoseconds since "
        "1970, by their size, also as text. For times without a zone `{field: at, zone: America/Chicago}`. Absent, the "
        "time of arrival counts.",
    )
    clock_offset: Offset = Field(
        0.0,
        description="With `time`: how far the sender's clock is behind, which is added to its times; `-90s` where it "
        "is ahead.",
    )
    id: OneOrMore = Field(
        (),
        description="MQTT only: the field that tells each message from all others, such as a number that the sender "
        "counts up, or several that do so together: `[machine, number]`. A message whose id has come before is "
        "left out, whatever the broker or the sender does. It holds for all inputs of the line on this topic.",
    )
    json_schema: Path | None = Field(
        None,
        description="MQTT only: a file with a JSON Schema, which this input's messages have to fit. One that does not "
        "feeds no input of the line.",
    )
    expr: str | None = Field(
        None,
        description='Instead of `source`: what follows from other inputs, such as "speed > 5.0 && !fault".',
    )
    words: list[Identifier] = Field(
        [],
        min_length=2,
        max_length=4,
        description="Instead of `source`: one number that stands in several words of a PLC, each an input, the highest "
        "first: `[good_high, good_low]`.",
    )
    word_bits: Literal[8, 16, 32] = Field(16, description="With `words`: how many bits each has.")
    stale: Identifier | None = Field(
        None,
        description="Instead of `source`: true while this other input, which has `fresh` or `heartbeat`, is quiet.",
    )
    number: Literal["text"] | None = Field(
        None,
        description='`text`: a number that is written as text, such as `"105"` or `"-2.5"`, counts as that number; in '
        "a whole message, where an amount is asked for.",
    )
    capture: str | None = Field(
        None,
        max_length=200,
        description="A pattern (a regular expression) whose part in parentheses is the value: `^ALARM (.+)$` makes "
        "`Jam` of `ALARM Jam`. A text that it does not match is empty.",
    )
    default: Scalar = Field(
        None,
        description="The value where the machine lacks this input: where nothing has come of it five seconds after its "
        'source was first heard, or where a message lacks the field. `""` is empty.',
    )
    counter: Counter | None = Field(None, description="Present when the value is a running count.")
    edge: Literal["rising", "falling", "any"] | None = Field(
        None,
        description="Makes each change of a tag an event: from 0, false or empty to something else (`rising`), back "
        "(`falling`), or `any`, as for a bit that toggles with each part. Such an input can be counted: one for "
        "each event.",
    )
    fresh: Duration | None = Field(
        None,
        gt=0,
        description="How soon something must arrive again: a message, or a changed tag. Quiet for longer, it is "
        "shown as a gap and counts as gone, as for `states.offline`.",
    )
    heartbeat: Duration | None = Field(
        None,
        gt=0,
        description="How soon the value must change again, for a tag that shows that the PLC's program runs. Quiet for "
        "longer, all inputs of its source count as gone, as for `states.offline`.",
    )

    @property
    def address(self) -> str:
        """What its samples name as their address; empty where it follows from other inputs."""
        if self.device is not None:
            return sparkplug_address(self.device)
        if self.event is not None:
            return event_address(self.event, self.type)
        if self.node is not None:
            return tag_address(self.node, self.index)
        return self.topic or ""

    @property
    def ignores_uncertain(self) -> bool:
        """Whether a value of uncertain quality is left out."""
        if self.uncertain is not None:
            return self.uncertain == "ignore"
        return self.counter is not None or self.edge is not None or self.trigger == "timestamp"

    @property
    def time_field(self) -> str | None:
        """The field that holds the message's own time."""
        return self.time.field if isinstance(self.time, OwnTime) else self.time

    @property
    def has_fields(self) -> bool:
        """Whether what comes is a message, of which fields can be named."""
        return self.topic is not None or self.event is not None

    @property
    def is_raw(self) -> bool:
        """Whether its messages are bytes."""
        return self.binary is not None and self.binary.encoding == "raw"

    @property
    def is_message(self) -> bool:
        """Whether each time that it comes is an event, also where it says the same again."""
        return self.has_fields or self.trigger == "timestamp"


MOST_FACTOR = 1_000_000
_PATH = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+|\[-?[0-9]{1,6}\])*"


class Entry(Section):
    """One kind of output."""

    count: Annotated[str, Field(pattern=rf"^({_PATH}|sum\({_PATH}\))$")] = Field(
        description="An input with `counter` or `edge`, or an event input and the field with its amount: `scrap.qty`; "
        "an element of an array, counted from 0: `shot.rejects[2]`; or the sum of all: `sum(shot.rejects)`, "
        "`sum(shot.rejects.qty)`."
    )
    each: int | float | None = Field(
        None,
        ge=-1_000_000,
        le=1_000_000,
        description="What one message counts, where it does not say an amount: `1` where each message is a part.",
    )
    factor: Annotated[int | float, Field(ge=-MOST_FACTOR, le=MOST_FACTOR)] | str = Field(
        1,
        description="By what the amount is multiplied: 12 for a case of twelve. With -1 it is taken off what "
        "other entries with the same `raw_data` count. Or, where no "
        '`counter` is counted, the input or field that says it: `"{shot.cavities}"`.',
    )
    raw_data: dict[str, Scalar] = Field(
        min_length=1,
        description="What is sent, in the terms of the factory's scrap/yield schema at Oden. `{n}` is the amount, "
        "other names in braces are inputs; a value that is one placeholder keeps its type.",
    )
    of: Literal["run", "batch"] = Field(
        "run", description="Whether it is output of the run or of the batch that was on."
    )
    min: int | float = Field(
        0,
        ge=0,
        description="An amount of less than this waits for the next window. At the end of the run or batch it is sent "
        "anyway.",
    )
    max: int | float | None = Field(
        None,
        gt=0,
        description="The largest amount that one message can mean, before `factor`. What says more, such as a number "
        "that was scanned into the wrong field, is listed and counts nothing.",
    )

    @property
    def amount(self) -> tuple[str, tuple[str, ...]]:
        """The input that is counted, and the path of the amount in it."""
        first, *rest = path_of(self.count)
        return (rest[0], (first, *rest[1:])) if first == SUM else (first, tuple(rest))


class ScrapYield(Section):
    """How output is reported."""

    every: Duration = Field(60.0, ge=1, description="How often output is reported while a run is on.")
    wait: DurationOrZero = Field(
        0.0,
        ge=0,
        le=3_600,
        description="For how long the output of a window is held back, so that an order that comes late by no more "
        "needs no correction. Starts and ends are not held back, nor is the last output of what has ended.",
    )
    align: Literal["clock", "run"] = Field(
        "clock",
        description="Whether the windows of `every` are counted from the full hour or from the start of the run "
        "or batch.",
    )
    between_runs: Literal["next", "unassigned", "report"] = Field(
        "next",
        description="What becomes of output while no run is on. `next`: the next run has it. `unassigned`: it gets "
        'a run of its own, named "Unassigned", of a product of that name, which ends when the next begins. `report`: '
        "it is not sent, and listed as a gap when the next run begins.",
    )
    gaps: Literal["start", "end"] = Field(
        "start",
        description="Which run gets what a counter moved by while the connection was away: the one that was on "
        "when it was lost, or when it was back.",
    )
    codes: dict[int | str, Scalar] = Field(
        {}, description='A code table, used as `"{codes[scrap.code].name}"`: `codes: {1: Gel, 2: Edge trim}`.'
    )
    entries: list[Entry] = Field(min_length=1)
