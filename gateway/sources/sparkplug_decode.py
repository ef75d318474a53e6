"""Sparkplug B payload -> metrics, and the one payload that a host sends (Sparkplug 3.0.0, 6.4). Pure.

The message types are described here instead of being generated: only the fields that matter are named, and what else a
payload holds is passed over, as protobuf has it.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from gateway.single_precision import shortest

LARGEST = 2 * 1024 * 1024
"""Bytes; a payload beyond this is refused. A birth says all that a device has: 10,000 metrics are some 500 kB."""

MOST = 50_000
"""Metrics; a payload with more is refused: as two bytes each they would take up far more memory than the payload."""

REBIRTH = "Node Control/Rebirth"
"""The metric of an edge node that makes it send its births again (6.4.19)."""
SEQUENCE_OF_BIRTHS = "bdSeq"
"""The metric by which a death is matched with its birth."""

DATATYPES = (
    *("", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float", "Double"),
    *("Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File", "Template"),
)
"""The names of the data types, by their numbers (6.4.16)."""

_QUALITY = "Quality"
_BAD_BELOW, _STALE = 64, 500
_COMPRESSED = "SPBV1.0_COMPRESSED"
_BOOLEAN = 11
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_KINDS = {17: "row of bytes", 18: "file", 20: "property set", 21: "property set list"}
_ARRAYS = dict(zip(range(22, 32), "bhiqBHIQfd", strict=True))
"""Data type of an array of numbers -> what `struct` calls one of them; they follow each other, little-endian."""
_BOOLEANS, _STRINGS, _TIMES = 32, 33, 34

_Field = descriptor_pb2.FieldDescriptorProto
_U32, _U64, _BOOL = _Field.TYPE_UINT32, _Field.TYPE_UINT64, _Field.TYPE_BOOL
_STRING, _BYTES, _MESSAGE = _Field.TYPE_STRING, _Field.TYPE_BYTES, _Field.TYPE_MESSAGE
_SHAPES: Final[dict[str, tuple[tuple[str, int, Any, str], ...]]] = {
    "PropertyValue": (("is_null", 2, _BOOL, ""), ("int_value", 3, _U32, ""), ("long_value", 4, _U64, "")),
    "PropertySet": (("keys", 1, _STRING, "*"), ("values", 2, _MESSAGE, "*PropertyValue")),
    "DataSetValue": (
        ("int_value", 1, _U32, "|"),
        ("long_value", 2, _U64, "|"),
        ("float_value", 3, _Field.TYPE_FLOAT, "|"),
        ("double_value", 4, _Field.TYPE_DOUBLE, "|"),
        ("boolean_value", 5, _BOOL, "|"),
        ("string_value", 6, _STRING, "|"),
    ),
    "Row": (("elements", 1, _MESSAGE, "*DataSetValue"),),
    "DataSet": (("columns", 2, _STRING, "*"), ("types", 3, _U32, "*"), ("rows", 4, _MESSAGE, "*Row")),
    "Template": (("metrics", 2, _MESSAGE, "*Metric"),),
    "Metric": (
        ("name", 1, _STRING, ""),
        ("alias", 2, _U64, ""),
        ("timestamp", 3, _U64, ""),
        ("datatype", 4, _U32, ""),
        ("is_historical", 5, _BOOL, ""),
        ("is_null", 7, _BOOL, ""),
        ("properties", 9, _MESSAGE, "PropertySet"),
        ("int_value", 10, _U32, "|"),
        ("long_value", 11, _U64, "|"),
        ("float_value", 12, _Field.TYPE_FLOAT, "|"),
        ("double_value", 13, _Field.TYPE_DOUBLE, "|"),
        ("boolean_value", 14, _BOOL, "|"),
        ("string_value", 15, _STRING, "|"),
        ("bytes_value", 16, _BYTES, "|"),
        ("dataset_value", 17, _MESSAGE, "|DataSet"),
        ("template_value", 18, _MESSAGE, "|Template"),
    ),
    "Payload": (
        ("timestamp", 1, _U64, ""),
        ("metrics", 2, _MESSAGE, "*Metric"),
        ("seq", 3, _U64, ""),
        ("uuid", 4, _STRING, ""),
    ),
}
"""Message -> its fields: name, number, type, and a mark.

The mark begins with `|` for one of the alternatives of `value`, with `*` where there are several; then comes the name
of a message type.
"""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a message, as it came: a birth gives `name` and `datatype`, later messages perhaps only `alias`.

    `time` is in seconds since 1970; None where there is none. `good`: it has a value and its quality is not said to be
    bad. `raw` is the value as it was sent; `value` makes of it what is meant.
    """

    name: str | None
    alias: int | None
    datatype: int | None
    time: float | None
    good: bool
    historical: bool
    raw: object


@dataclass(frozen=True, slots=True)
class Payload:
    """One message. `seq` counts the messages of an edge node from 0 to 255 and again; a death has none."""

    time: float | None
    seq: int | None
    metrics: tuple[Metric, ...]

    @property
    def birth_number(self) -> object:
        """The number that a birth of a node and its death have in common."""
        return next((metric.raw for metric in self.metrics if metric.name == SEQUENCE_OF_BIRTHS), None)


def decode(payload: bytes) -> Payload:
    """What the message says. Raises ValueError, with what is wrong, where it is no payload of Sparkplug B."""
    if len(payload) > LARGEST:
        raise ValueError(f"has {len(payload)} bytes; at most {LARGEST} are taken")
    message = _PAYLOAD()
    try:
        message.ParseFromString(payload)
    except DecodeError:
        raise ValueError("is not Sparkplug B") from None
    try:
        if message.uuid == _COMPRESSED:
            raise ValueError("is compressed; switch compression off at the edge node")
        if len(message.metrics) > MOST:
            raise ValueError(f"has {len(message.metrics)} metrics; at most {MOST} are taken")
        metrics = tuple(map(_metric, message.metrics))
    except UnicodeDecodeError:
        raise ValueError("holds text that is not UTF-8") from None
    return Payload(_seconds(message), int(message.seq) if message.HasField("seq") else None, metrics)


def value(metric: Metric, datatype: int | None) -> object:
    """The value of `metric`, whose birth said `datatype`: a plain value; a list, of an array; a list of objects, by the
    names of the columns, of a data set; an object, by the names of the members, of a template.

    Raises ValueError, with what is wrong, where it is none of these.
    """
    return _meant(metric.raw, metric.datatype or datatype)


def _meant(raw: object, kind: int | None) -> object:
    if kind in _KINDS:
        raise ValueError(f"the metric holds a {_KINDS[kind]}, which is no value that can be counted or sent")
    try:
        if isinstance(raw, bytes):
            return _array(raw, kind)
        if isinstance(raw, _DATA_SET):
            return _rows(raw)
        if isinstance(raw, _TEMPLATE):
            return {member.name: value(_metric(member), None) for member in _few(raw.metrics) if member.name}
    except UnicodeDecodeError:
        raise ValueError("the metric holds text that is not UTF-8") from None
    if isinstance(raw, bool | str):
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise ValueError(f"the metric's value is {raw}, not a number that can be counted or sent")
        return raw
    if not isinstance(raw, int):
        return None
    if kind == _BOOLEAN:
        return raw != 0
    if kind in _SIGNED:  # sent as two's complement, by some in 32 bits whatever the size
        bits = _SIGNED[kind]
        raw &= (1 << bits) - 1
        return raw - (1 << bits) if raw >> (bits - 1) else raw
    return raw & ((1 << _UNSIGNED[kind]) - 1) if kind in _UNSIGNED else raw


def _array(raw: bytes, kind: int | None) -> list[object]:
    """The elements of an array (6.4.16): numbers and times packed, booleans as bits behind their number, texts each
    with a zero behind it."""
    if kind == _STRINGS:
        return [text.decode() for text in _few(raw.split(b"\0")[:-1])]
    if kind == _BOOLEANS:
        bits = "".join(f"{byte:08b}" for byte in raw[4:][:MOST])
        number = int.from_bytes(raw[:4], "little")
        if len(raw) < 4 or number > len(bits):
            raise ValueError("the metric holds an array of booleans that does not have as many as it says")
        return [bit == "1" for bit in bits[:number]]
    code = "Q" if kind == _TIMES else _ARRAYS.get(kind or 0)
    if code is None:
        raise ValueError("the metric holds a row of bytes, which is no value that can be counted or sent")
    if len(raw) % struct.calcsize(code):
        raise ValueError("the metric holds an array that ends within an element")
    numbers = _few([number for (number,) in struct.iter_unpack(f"<{code}", raw)])
    return [_meant(shortest(number) if code == "f" else number, None) for number in numbers]


def _rows(data_set: Any) -> list[dict[str, object]]:
    """The rows of a data set, by the names of its columns."""
    columns, types = [*data_set.columns], [*data_set.types]
    rows = _few(data_set.rows)
    if len(rows) * len(columns) > MOST:
        raise ValueError(f"the metric holds a data set of more than {MOST} values")
    if any(len(row.elements) != len(columns) for row in rows) or len(types) != len(columns):
        raise ValueError("the metric holds a data set whose rows are not as long as its columns")
    return [
        {name: _element(element, kind) for name, kind, element in zip(columns, types, row.elements, strict=True)}
        for row in rows
    ]


def _element(element: Any, kind: int) -> object:
    given = element.WhichOneof("value")
    raw = getattr(element, given) if given is not None else None
    return _meant(shortest(raw) if given == "float_value" and isinstance(raw, float) else raw, kind)


def _few(items: Any) -> Any:
    """`items`, if they are no more than a payload may have metrics."""
    if len(items) > MOST:
        raise ValueError(f"the metric holds {len(items)} values; at most {MOST} are taken")
    return items


def rebirth(now: float) -> bytes:
    """The command to an edge node to send its births again."""
    message = _PAYLOAD(timestamp=int(now * 1000))
    message.metrics.add(name=REBIRTH, timestamp=int(now * 1000), datatype=_BOOLEAN, boolean_value=True)
    text: bytes = message.SerializeToString()
    return text


def _metric(message: Any) -> Metric:
    given = message.WhichOneof("value")
    raw = getattr(message, given) if given is not None and not message.is_null else None
    return Metric(
        name=message.name if message.HasField("name") else None,
        alias=int(message.alias) if message.HasField("alias") else None,
        datatype=int(message.datatype) if message.HasField("datatype") else None,
        time=_seconds(message),
        good=raw is not None and _is_good(message.properties),
        historical=message.is_historical,
        raw=shortest(raw) if given == "float_value" and isinstance(raw, float) else raw,
    )


def _is_good(properties: Any) -> bool:
    """What the property Quality says, where there is one: 0 is bad, 192 good, 500 stale. Of other codes, those of OPC
    below 64 are bad, and what some systems add from 500 on is too."""
    for key, quality in zip(properties.keys, properties.values, strict=False):
        if key == _QUALITY and not quality.is_null:
            return bool(_BAD_BELOW <= (quality.int_value or quality.long_value) < _STALE)
    return True


def _seconds(message: Any) -> float | None:
    return message.timestamp / 1000 if message.HasField("timestamp") else None


def _classes() -> tuple[Any, Any, Any]:
    """The classes of a payload, a data set and a template, made from what _SHAPES says of them."""
    file = descriptor_pb2.FileDescriptorProto(
        name="gateway/sparkplug_b.proto", package="gateway.sparkplug", syntax="proto2"
    )
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        if any(mark.startswith("|") for _, _, _, mark in fields):
            message.oneof_decl.add(name="value")
        for field_name, number, kind, mark in fields:
            label = _Field.LABEL_REPEATED if mark.startswith("*") else _Field.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, type=kind, label=label)
            if mark.startswith("|"):
                field.oneof_index = 0
            if kind == _MESSAGE:
                field.type_name = f".gateway.sparkplug.{mark[1:] if mark[0] in '|*' else mark}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def made(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"gateway.sparkplug.{name}"))

    return made("Payload"), made("DataSet"), made("Template")


_PAYLOAD, _DATA_SET, _TEMPLATE = _classes()
