"""OPC UA data value -> scalar, quality and time (Part 4, 7.11 DataValue; 7.39 StatusCode). Pure."""

import math
import struct
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeGuard
from uuid import UUID

from asyncua import ua

from gateway.model import Quality, Scalar
from gateway.single_precision import shortest

SEVERITIES: tuple[Quality, ...] = ("good", "uncertain", "bad", "bad")
NOT_ACTIVE = 0x80BF_0000
"""Bad_StateNotActive (Part 16, 4.4): a state machine inside another that does not count at present. It has no state,
and that is known."""
OVERFLOW = 0x0480  # info type "data value" with its overflow bit
MEANING = 0xFFFF_0000
"""The bits of a status code that are its meaning; the others are flags."""
_SCALE = struct.Struct("<h")
_LARGEST = sys.float_info.max
_DECIMAL = ua.NodeId(ua.Int32(50), ua.Int16(0))
_NO_TIME = datetime(1601, 1, 1, tzinfo=UTC)
"""How the wire says that there is no time."""
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""How it says that a time is later than any."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A value that is no scalar, an array or a structure: what it says depends on what of it is wanted."""

    variant: ua.Variant


class Decoded(NamedTuple):
    """One data value. `value` is None where the quality is bad; `source_time` where the device gave none. A null text
    of good quality (Part 6, 5.2.2.4), and the state of a state machine that is not active, are empty text.

    `overflowed`: the server had more values than its queue holds and dropped older ones of this tag. `status` is the
    status code without what it says of the way here. `server_time` is when the server saw the value, where it says so.
    """

    value: Scalar | Raw
    quality: Quality
    source_time: float | None
    overflowed: bool = False
    status: int = 0
    server_time: float | None = None


def decode(data: ua.DataValue) -> Decoded:
    """Take `data` apart. Raises ValueError, with what is wrong, for a value that nothing can be made of."""
    code = data.StatusCode.value if data.StatusCode is not None else 0
    quality = quality_of(code)
    variant = data.Value
    value = None if quality == "bad" or variant is None else content_of(variant)
    return Decoded(
        value="" if code & MEANING == NOT_ACTIVE else value,
        quality=quality,
        source_time=epoch(data.SourceTimestamp),
        overflowed=code & OVERFLOW == OVERFLOW,
        status=code & MEANING,
        server_time=epoch(data.ServerTimestamp),
    )


def says_null(reading: Decoded | str) -> bool:
    """Whether it is null of good quality, and does not say of what type: that of the tag tells what it means."""
    return not isinstance(reading, str) and reading.value is None and reading.quality == "good"


def quality_of(code: int) -> Quality:
    """How far a value with this status code can be trusted."""
    return "good" if code & MEANING == NOT_ACTIVE else SEVERITIES[code >> 30]


def content_of(variant: ua.Variant) -> Scalar | Raw:
    """What a value holds. Raises as `decode`."""
    if not variant.is_array and is_decimal(variant.Value):
        return decimal_of(variant.Value.Body or b"")
    if variant.is_array or variant.VariantType == ua.VariantType.ExtensionObject:
        return Raw(variant)
    if variant.Value is None and variant.VariantType == ua.VariantType.String:
        return ""
    return scalar_of(variant.Value, variant.VariantType)


def plain(value: Scalar | Raw) -> Scalar:
    """`value`, where it is one scalar. Raises ValueError, with what would be right, where it is not."""
    if not isinstance(value, Raw):
        return value
    if value.variant.is_array:
        raise ValueError("the tag holds an array; name a tag that holds one value, or the element with `index`")
    raise ValueError("the tag holds a structure; name the part of it with `field`")


def scalar_of(value: object, kind: object) -> Scalar:
    """`value`, which the library has read as one of the type `kind`, in plain terms. Enumerations arrive as Int32 and
    stay numbers; times become ISO 8601 text, empty where there is none. Raises ValueError for one that nothing can be
    made of."""
    match value:
        case ua.LocalizedText():
            value = value.Text or ""
        case ua.QualifiedName():
            value = value.Name or ""
        case UUID():
            value = str(value)
        case ua.NodeId():
            value = value.to_string()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the tag's value is {value}, not a number that can be counted or sent")
        return shortest(value) if kind == ua.VariantType.Float else float(value)
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, datetime):
        return _utc(value).isoformat().replace("+00:00", "Z") if _utc(value) > _NO_TIME else ""
    name = kind.name if isinstance(kind, ua.VariantType) else type(value).__name__
    raise ValueError(f"the tag holds a {name}; name a tag that holds a number, a bool, a text or a time")


def is_decimal(value: object) -> TypeGuard[ua.ExtensionObject]:
    """Whether it is a Decimal, which is a number although it is written as structures are."""
    return isinstance(value, ua.ExtensionObject) and value.TypeId == _DECIMAL


def decimal_of(body: bytes) -> int | float:
    """A Decimal (Part 6, 5.1.10): an integer of any size, and how many of its digits stand behind the point. Raises
    ValueError where it is none, or too large for a number."""
    if len(body) <= _SCALE.size:
        raise ValueError("the tag's Decimal has no digits")
    [scale] = _SCALE.unpack_from(body)
    number = int.from_bytes(body[_SCALE.size :], "little", signed=True)
    value = number if not scale else float(f"{number}e{-scale}")
    if not -_LARGEST <= value <= _LARGEST:
        raise ValueError("the tag's Decimal is too large for a number")
    return value


def _unicode(text: str) -> str:
    """`text` as Unicode.

    Strings are UTF-8 (Part 6, 5.2.2.4), but some PLCs send Latin-1, whose bytes asyncua keeps as surrogates.
    """
    if text.isascii():
        return str(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("latin-1")
    return str(text)


def epoch(time: datetime | None) -> float | None:
    """Seconds since 1970; None for the wire's words for no time."""
    if time is None or not _NO_TIME < _utc(time) < _NO_END:
        return None
    return _utc(time).timestamp()


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
