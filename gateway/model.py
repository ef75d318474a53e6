"""The gateway's nouns: what sources observe (Sample) and what must become true at Oden (Record).

Times are seconds since 1970-01-01T00:00:00Z: `float` where something was observed, `int` (whole seconds) where
Oden sees them, because Oden keeps whole seconds. Everything here is immutable and holds only JSON values, so
that it can be stored as text and compared.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter
from ulid import ULID

from gateway.frozen import dataclass

Scalar = str | int | float | bool | None
"""What a tag or one field of a message can hold."""

Quality = Literal["good", "uncertain", "bad"]
"""How far a value can be trusted: the severity of an OPC UA status code (Part 4, 7.39); messages are good."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation of one address of a source.

    `value` is a scalar or, for a message, whatever its JSON holds. `received` is the gateway's clock; `source_time` is
    the time the device gave, if any. `retained` marks an MQTT message that the broker had kept from before the
    subscription, `initial` the first value of a tag after a (re)subscribe: what happened right before it was not
    watched. `distrust`: what is wrong with the clock of a message's sender as it turned out, so that its arrival
    counts; `ahead` by how many seconds that clock, or a tag's server's, is ahead, as far as known by then, taken off
    what it says. `fold`: a local time that can be two means the second (PEP 495). One message is one sample, or several
    of which each is a `part`, counted from 1, whose value is not that of the payload: all inputs that it feeds change
    together. A source of tags that has lost its connection says so once: by a bad sample without a value for each tag.
    """

    source: str
    address: str
    value: object
    received: float
    quality: Quality = "good"
    source_time: float | None = None
    retained: bool = False
    initial: bool = False
    distrust: str = ""
    part: int = 0
    ahead: float = 0.0
    fold: bool = False

    @property
    def device_time(self) -> float | None:
        """The time that the device gave, as its clock is known; None where it gave none."""
        return None if self.source_time is None else self.source_time - self.ahead


@dataclass(frozen=True, slots=True)
class Moment:
    """What one source said of one time in the plant: at most one sample an address."""

    samples: tuple[Sample, ...]

    @property
    def received(self) -> float:
        """When all of it had come, on the gateway's clock."""
        return max(sample.received for sample in self.samples)


ContactState = Literal["lost", "back", "heard", "unheard"]


@dataclass(frozen=True, slots=True)
class Contact:
    """Whether a source is heard, as it turns out at `received`, on the gateway's clock.

    `lost`: it has not been heard since `since`. `back`: it is connected to again, but what it has to say of the time
    that it was lost can still be on its way. `heard`: it has said that, so what it does not say has not happened.
    `unheard`: the gateway itself was off since `since`.
    """

    source: str
    received: float
    state: ContactState
    since: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a source has kept of the time from `since` on, in which it was not heard, as it turns out at `received`.

    `moments` are in their order, each sample with the time as `received` at which it would have come. Of the addresses
    that are `missing` it has kept nothing, or all `until` a time, which their last sample then says; of the others all.
    `in_part`: the moments are what has come by now of what single devices behind the source had kept. So it was heard,
    and what is missing of which nobody knows.
    """

    source: str
    received: float
    since: float
    moments: tuple[Moment, ...]
    missing: frozenset[str] = frozenset()
    until: Mapping[str, float] = field(default_factory=dict)
    in_part: bool = False


@dataclass(frozen=True, slots=True)
class Learned:
    """How a table learns: each message of `input` is a row, or more of one, by the field at `key`. The newest `keep`
    rows are kept."""

    input: str
    key: tuple[str, ...]
    keep: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table in which inputs are looked up: its columns without the key, and for each key, as text, the cells that are
    filled. One that is `learned` has rows that each line knows for itself."""

    columns: frozenset[str]
    rows: Mapping[str, Mapping[str, Scalar]]
    learned: Learned | None = None

    def find(self, key: str, column: str) -> Scalar:
        """The value in `column` of the row `key`; None where there is none."""
        return self.rows.get(key, {}).get(column)


Lookups = Mapping[str, Lookup]
"""Tables by their names."""

NO_LOOKUPS: Lookups = MappingProxyType({})


NoticeKind = Literal["gap", "reject", "loss", "time", "oden"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know about data: a gap in it, a payload that could not be used, a loss, a time that
    could not be used, so that the time of arrival counts, or what others, or an earlier life of the gateway, have done
    at Oden.

    Notices are stored with the records of the same commit, the newest ones are kept, all are counted. One may stand for
    `count` that say the same.
    """

    kind: NoticeKind
    at: float
    source: str
    address: str
    text: str
    count: int = 1


SPARED = Field(exclude_if=lambda value: not value)
"""Of a field that came later than its row: it is written only where it says something."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A message, or a tag's value, of which nothing could be used; `payload` is all of it.

    It came at `at` on the gateway's clock. `reason` says what is wrong with it; `lines` are the keys of those that
    could not use it; none, where the source itself could not read it.
    """

    source: str
    address: str
    payload: bytes
    at: float
    reason: str
    lines: tuple[str, ...] = ()
    retained: bool = False
    part: int = 0
    """Of a message that was split: the payload is JSON of this part, as it was read."""
    read_as: str = ""
    """The topic as the configuration writes it, where the payload is a part that was refused as that alone."""


@dataclass(frozen=True, slots=True)
class KeptReject:
    """What is known of a message in the store, as `Reject` has it; `size` is the bytes of its payload.

    `encoded`: the payload is no UTF-8, and stored as base 64. `wanted`: it is to be replayed when the gateway starts.
    """

    number: int
    at: float
    source: str
    address: str
    reason: str
    size: int
    lines: Annotated[tuple[str, ...], SPARED] = ()
    retained: Annotated[bool, SPARED] = False
    part: Annotated[int, SPARED] = 0
    encoded: Annotated[bool, SPARED] = False
    wanted: Annotated[bool, SPARED] = False
    read_as: Annotated[str, SPARED] = ""


@dataclass(frozen=True, slots=True)
class KeptRejects:
    """What there is of messages that could not be used and are kept (`rejects`): the `number` of them and their
    `bytes`; none has a number below `first`, and `next` is that of the next. `dropped` had to make room for newer ones,
    `left_out` were too many in a short time to be kept."""

    next: int = 1
    first: int = 1
    number: int = 0
    bytes: int = 0
    dropped: int = 0
    left_out: int = 0


NONE_KEPT = KeptRejects()


IntervalType = str
"""The name of an interval type at Oden: RUN, BATCH, STATE, or one that the factory has made itself."""

BUILT_IN = frozenset({"RUN", "BATCH", "STATE"})
"""Interval types that every factory has; Oden's bulk creation takes the others only."""

Metadata = Annotated[Mapping[str, JsonValue], Field(alias="details")]
"""Metadata of an interval by name. Stored and exported records call it `details`."""

STORED = ConfigDict(serialize_by_alias=True)
"""For classes of which a stored name differs from that of the field."""


@dataclass(frozen=True, slots=True)
class StartInterval:
    """The interval `key` of `line` begins at `start`; with `end`, that is known too.

    In its `metadata`, which is JSON, `product`, `category` and `reason` can stand as their bare names. A RUN has
    `product` and can have `target`; a STATE has `category` and, where known, `reason` and `comment`; others are the
    factory's own.
    """

    __pydantic_config__ = STORED

    key: str
    line: str
    at: float
    type: IntervalType
    start: int
    name: str | None = None
    metadata: Metadata = field(default_factory=dict)
    end: int | None = None
    within: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None
    """Of a batch: the key of the run that it is in."""
    kind: Literal["start"] = "start"
    corrects: Annotated[bool, SPARED] = False
    """It belongs to the past, and came to light late."""

    @property
    def interval(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class UpdateInterval:
    """What is now known of `interval`: its `end`, its `name`, its `metadata`. What is absent stays as it is.

    `withdraws`: the interval never was, as is known now. Where Oden has not heard of it, it is dropped with all that
    belongs to it; else it gets this `end`, or Oden `deletes` it.
    """

    __pydantic_config__ = STORED

    key: str
    line: str
    at: float
    type: IntervalType
    interval: str
    end: int | None = None
    name: str | None = None
    metadata: Metadata = field(default_factory=dict)
    kind: Literal["update"] = "update"
    corrects: Annotated[bool, SPARED] = False
    """It says something else than what was told before."""
    withdraws: Annotated[bool, SPARED] = False
    deletes: Annotated[bool, SPARED] = False

    @property
    def moves_end(self) -> bool:
        """Whether it says another end than was told before."""
        return (self.corrects or self.deletes) and self.end is not None


@dataclass(frozen=True, slots=True)
class Output:
    """What was produced in `interval`: one scrap/yield entry, stamped `timestamp`.

    No two entries of one interval carry the same `timestamp`, so interval and time stamp find an entry again.
    `raw_data` is in the terms of the factory's own scrap/yield schema; `amounts` names what in it can be summed. With
    `quality_schema`, the id of one, it is the result of a quality test instead.

    Where it `corrects` what was told before, it stays an entry by itself. `after` are the keys of entries that must be
    at Oden before it: what is taken from one interval is added to another first.
    """

    key: str
    line: str
    at: float
    type: IntervalType
    interval: str
    timestamp: int
    raw_data: Mapping[str, Scalar]
    amounts: tuple[str, ...] = ()
    quality_schema: str | None = None
    kind: Literal["output"] = "output"
    corrects: Annotated[bool, SPARED] = False
    after: Annotated[tuple[str, ...], SPARED] = ()


Addition = Output
"""The records that add to an interval: raw data with a time stamp, of which `amounts` can be summed. A kind of record
that is added joins this name, as `Output | Other`; whoever sums or orders what is added goes by it."""


SettingType = Literal[
    "product", "product_mapping", "product_attribute", "target", "maintenance_work_order", "interval_type"
]

IDENTITY: Mapping[SettingType, tuple[str, ...]] = MappingProxyType(
    {
        "product": ("name",),
        "product_mapping": ("product",),
        "product_attribute": ("product", "name", "display_name"),
        "target": ("product", "metric_group"),
        "maintenance_work_order": ("external_id",),
        "interval_type": ("name",),
    }
)
"""What in the fields of a setting says which thing it is about; the line does too, where it has one."""

CREATED_ONCE = frozenset({"product", "maintenance_work_order", "interval_type"})
"""Settings of which Oden would make a second one if it were asked twice: known by one field, an id of Oden's tells
which it is."""

OF_NO_LINE = frozenset({"product", "product_attribute", "interval_type"})
"""Settings that hold for all lines: several lines can speak of the same thing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is to be so at Oden beside intervals and output: the thing of `type` that `fields` name has these `fields`.

    `fields` are those of the request to the `set` endpoint of `type`, without the line. It depends on no interval; of
    one thing, the later word holds.
    """

    key: str
    line: str
    at: float
    type: SettingType
    fields: Mapping[str, JsonValue]
    kind: Literal["setting"] = "setting"

    @property
    def interval(self) -> str:
        """No other record belongs to it."""
        return self.key

    @property
    def about(self) -> tuple[JsonValue, ...]:
        """Which thing of its type it is."""
        return tuple(self.fields.get(name) for name in IDENTITY[self.type])


Record = Annotated[StartInterval | UpdateInterval | Output | Setting, Field(discriminator="kind")]
"""One thing that must become true at Oden, in local terms."""

RECORD: TypeAdapter[Record] = TypeAdapter(Record)
"""Record <-> JSON text."""


def record_key(line: str, number: int, at: float) -> str:
    """The identity of the `number`th record of `line`, made at `at`: a ULID, the same for the same input.

    Its time part is `at` in milliseconds, the rest a digest instead of chance, so that mapping stays a function.
    """
    return key_of(f"{line}\n{number}", int(at * 1000))


def interval_key(line: str, kind: IntervalType, start: int) -> str:
    """The identity of the interval of `line` and type `kind` that begins at `start`: no other has these in common, so
    that deriving it again is the same interval."""
    return key_of(f"{line}\n{kind}\n{start}", min(max(start, 0) * 1000, 2**48 - 1))


def key_of(text: str, milliseconds: int) -> str:
    """A ULID of `milliseconds` since 1970 and a digest of `text`."""
    digest = hashlib.blake2b(text.encode(), digest_size=10).digest()
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + digest))
