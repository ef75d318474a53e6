"""OPC UA data value -> scalar, quality and time (Part 4, 7.11 DataValue; 7.39 StatusCode). Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncua import ua

from gateway.model import Quality, Scalar

SEVERITIES: tuple[Quality, ...] = ("good", "uncertain", "bad", "bad")
NOT_ACTIVE = 0x80BF_0000
"""Bad_StateNotActive (Part 16, 4.4): a state machine inside another that does not count at present. It has no state,
and that is known."""
OVERFLOW = 0x0480  # info type "data value" with its overflow bit
MEANING = 0xFFFF_0000
"""The bits of a status code that are its meaning; the others are flags."""
_NO_TIME = datetime(1601, 1, 1, tzinfo=UTC)
"""How the wire says that there is no time."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One data value. `value` is None where the quality is bad; `source_time` where the device gave none. A null text
    of good quality (Part 6, 5.2.2.4), and the state of a state machine that is not active, are empty text.

    `overflowed`: the server had more values than its queue holds and dropped older ones of this tag. `status` is the
    status code without what it says of the way here. `server_time` is when the server saw the value, where it says so.
    """

    value: Scalar
    quality: Quality
    source_time: float | None
    overflowed: bool = False
    status: int = 0
    server_time: float | None = None


def decode(data: ua.DataValue) -> Decoded:
    """Take `data` apart. Raises ValueError, with what is wrong, for a value that is not one scalar."""
    code = data.StatusCode.value if data.StatusCode is not None else 0
    quality = quality_of(code)
    variant = data.Value
    value = None if quality == "bad" or variant is None else _scalar(variant)
    return Decoded(
        value="" if code & MEANING == NOT_ACTIVE else value,
        quality=quality,
        source_time=_epoch(data.SourceTimestamp),
        overflowed=code & OVERFLOW == OVERFLOW,
        status=code & MEANING,
        server_time=_epoch(data.ServerTimestamp),
    )


def quality_of(code: int) -> Quality:
    """How far a value with this status code can be trusted."""
    return "good" if code & MEANING == NOT_ACTIVE else SEVERITIES[code >> 30]


def _scalar(variant: ua.Variant) -> Scalar:
    """Enumerations arrive as Int32 and stay numbers; times become ISO 8601 text."""
    value = variant.Value
    if variant.is_array:
        raise ValueError("the tag holds an array; name a tag that holds one value")
    if isinstance(value, ua.LocalizedText):
        value = value.Text or ""
    if value is None and variant.VariantType == ua.VariantType.String:
        return ""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the tag's value is {value}, not a number that can be counted or sent")
        return float(value)
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, datetime):
        return _utc(value).isoformat().replace("+00:00", "Z")
    kind = variant.VariantType.name if isinstance(variant.VariantType, ua.VariantType) else type(value).__name__
    raise ValueError(f"the tag holds a {kind}; name a tag that holds a number, a bool, a text or a time")


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


def _epoch(time: datetime | None) -> float | None:
    if time is None or _utc(time) <= _NO_TIME:
        return None
    return _utc(time).timestamp()


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
