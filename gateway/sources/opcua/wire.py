"""What a publish or republish response says, read so that a value that cannot be read takes no other value with it.

Part 6, 5.2. Each notification carries its length, so that one that cannot be read is left behind as a whole; within one
of data changes, the values before the culprit are there. The usual values, a number, a bool or a text with status and
times, are read at once; what is none of these is left to the library, which knows everything and takes ten times as
long. Pure.
"""

import math
import struct
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, variant_from_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.model import Scalar
from gateway.single_precision import shortest
from gateway.sources.opcua.decode import MEANING, NOT_ACTIVE, OVERFLOW, Decoded, decode, quality_of

_NUMBERS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
"""How a value is laid out, by the number of the built-in type."""
_FLOAT, _STRING = 10, 12
_VALUE, _STATUS, _SOURCE_TIME, _SERVER_TIME = 0x01, 0x02, 0x04, 0x08
_KNOWN = _VALUE | _STATUS | _SOURCE_TIME | _SERVER_TIME
_TICKS_TO_1970 = 116_444_736_000_000_000  # of 100 ns, since 1601
_TICKS_TO_9999 = 2_650_467_743_990_000_000
_UINT32, _INT32, _INT64 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<q")


def _layout(mask: int, value: str) -> struct.Struct:
    """How a data value with this mask is laid out behind its mask and type: what is read at once costs half of what is
    read field by field."""
    times = "q" * bool(mask & _SOURCE_TIME) + "q" * bool(mask & _SERVER_TIME)
    return struct.Struct(f"<{value}{'I' * bool(mask & _STATUS)}{times}")


_WITHOUT_VALUE = [_layout(mask, "") for mask in range(_KNOWN + 1)]
_WITH_NUMBER = {
    (mask, kind): _layout(mask, value)
    for mask in range(_KNOWN + 1)
    if mask & _VALUE
    for kind, value in _NUMBERS.items()
}


def read_scalar(data: bytes, at: int) -> tuple[Decoded, int] | None:
    """The data value that begins at `at`, and where it ends; None for one that is not of the usual kind.

    Raises struct.error or IndexError where the data end before it does.
    """
    mask = data[at]
    if mask & ~_KNOWN:
        return None
    value: Scalar = None
    kind = data[at + 1] if mask & _VALUE else 0
    layout = _WITH_NUMBER.get((mask, kind))
    if layout is not None:
        at += 2
        value, *rest = layout.unpack_from(data, at)
        if kind >= _FLOAT:
            if not math.isfinite(value):  # type: ignore[arg-type]
                return None
            value = shortest(value) if kind == _FLOAT else value  # type: ignore[arg-type]
    else:
        layout = _WITHOUT_VALUE[mask]
        if kind == _STRING:
            length = _INT32.unpack_from(data, at + 2)[0]
            at += 6
            text = data[at : at + max(0, length)]
            if len(text) < length or not text.isascii():
                return None
            value = text.decode("ascii")  # null is empty
            at += len(text)
        elif mask & _VALUE:
            return None
        else:
            at += 1
        rest = [*layout.unpack_from(data, at)]
    server_ticks = rest.pop() if mask & _SERVER_TIME else 0
    source_ticks = rest.pop() if mask & _SOURCE_TIME else 0
    if not (0 <= server_ticks < _TICKS_TO_9999 and 0 <= source_ticks < _TICKS_TO_9999):
        return None
    source_time = epoch_of(source_ticks)
    server_time = source_time if server_ticks == source_ticks else epoch_of(server_ticks)
    code = rest.pop() if mask & _STATUS else 0
    end = at + layout.size
    if not code:
        return Decoded(value, "good", source_time, server_time=server_time), end
    quality = quality_of(code)
    usable = "" if code & MEANING == NOT_ACTIVE else None if quality == "bad" else value
    return Decoded(usable, quality, source_time, code & OVERFLOW == OVERFLOW, code & MEANING, server_time), end


def epoch_of(ticks: int) -> float | None:
    """Whole microseconds, as the library has them; None for the wire's words for no time."""
    return (ticks // 10 - _TICKS_TO_1970 // 10) / 1e6 if 10 <= ticks < _TICKS_TO_9999 else None


_DATA_CHANGE = ObjectIds.DataChangeNotification_Encoding_DefaultBinary
_EVENTS = ObjectIds.EventNotificationList_Encoding_DefaultBinary

_STATUS_CHANGE = ObjectIds.StatusChangeNotification_Encoding_DefaultBinary

Reading = Decoded | str
"""What there is of one value, or why it cannot be used."""


@dataclass(slots=True)
class Message:
    """One notification message: `items` are client handles with what came of them, in the order of the server, and
    `events` with the fields of an event.

    `ended` is the status by which the server ended the subscription. `spoilt` are the handles of values that could not
    be read (None where not even the handle could be): what stood behind such a value in its notification is not known.
    `published` is when that was by the server's clock, in seconds since 1970, where it says so. `content` tells what it
    says from what others say.
    """

    number: int
    items: list[tuple[int, Reading]] = field(default_factory=list)
    events: list[tuple[int, list[ua.Variant]]] = field(default_factory=list)
    ended: str = ""
    spoilt: list[int | None] = field(default_factory=list)
    keepalive: bool = False
    published: float | None = None
    content: int = 0


def read_publish(data: Buffer) -> tuple[int, Message]:
    """A PublishResponse: subscription and message. Raises UaStatusCodeError for a refusal, ValueError for junk."""
    try:
        _read_header(data)
        subscription = _uint(data)
        for _ in range(max(0, _int(data))):  # the numbers that the server still has
            data.skip(4)
        data.skip(1)  # whether there is more
        return subscription, _read_message(data)
    except (UaStatusCodeError, ValueError):
        raise
    except Exception as error:  # the library raises whatever comes of bytes that mean nothing
        raise ValueError(f"not a publish response: {type(error).__name__}") from error


def read_republish(data: Buffer) -> Message:
    """A RepublishResponse. Raises as `read_publish`."""
    try:
        _read_header(data)
        return _read_message(data)
    except (UaStatusCodeError, ValueError):
        raise
    except Exception as error:  # as above
        raise ValueError(f"not a republish response: {type(error).__name__}") from error


def _read_header(data: Buffer) -> None:
    nodeid_from_binary(data)
    struct_from_binary(ua.ResponseHeader, data).ServiceResult.check()


def _read_message(data: Buffer) -> Message:
    message = Message(_uint(data))
    message.published = epoch_of(_INT64.unpack(data.read(8))[0])
    whole = data.copy()
    notifications = max(0, _int(data))
    message.keepalive = not notifications
    for _ in range(notifications):
        kind = nodeid_from_binary(data)
        encoding = data.read(1)[0]
        body = data.read(max(0, _int(data))) if encoding == 1 else b""
        if kind.Identifier == _DATA_CHANGE:
            _read_data_changes(body, message)
        elif kind.Identifier == _EVENTS:
            _read_events(body, message)
        elif kind.Identifier == _STATUS_CHANGE:
            message.ended = struct_from_binary(ua.StatusCode, Buffer(body)).name
    message.content = hash(whole.read(len(whole) - len(data)))
    return message


def _read_data_changes(body: bytes, message: Message) -> None:
    handle: int | None = None
    before = len(message.items)
    try:
        at = 4
        for _ in range(max(0, _INT32.unpack_from(body)[0])):
            handle = None
            handle = _UINT32.unpack_from(body, at)[0]
            scalar = read_scalar(body, at + 4)
            if scalar is not None:
                read, at = scalar
                message.items.append((handle, read))
            else:
                rest = Buffer(body, at + 4)
                message.items.append((handle, reading(struct_from_binary(ua.DataValue, rest))))
                at = len(body) - len(rest)
        if _INT32.unpack_from(body, at)[0] <= 0 and len(body) > at + 4:
            # no diagnostics, and yet there is more: something was read as what it is not
            del message.items[before:]
            message.spoilt.append(None)
    except Exception:  # noqa: BLE001 - the library raises whatever comes of bytes that mean nothing
        message.spoilt.append(handle)


def _read_events(body: bytes, message: Message) -> None:
    handle: int | None = None
    try:
        rest = Buffer(body)
        for _ in range(max(0, _int(rest))):
            handle = None
            handle = _uint(rest)
            message.events.append((handle, [variant_from_binary(rest) for _ in range(max(0, _int(rest)))]))
        if len(rest):  # something was read as what it is not
            message.spoilt.append(None)
    except Exception:  # noqa: BLE001 - as above
        message.spoilt.append(handle)


def reading(data: ua.DataValue) -> Reading:
    """What there is of a value that was read whole."""
    try:
        return decode(data)
    except ValueError as error:
        return str(error)


def _uint(data: Buffer) -> int:
    number: int = struct.unpack("<I", data.read(4))[0]
    return number


def _int(data: Buffer) -> int:
    number: int = struct.unpack("<i", data.read(4))[0]
    return number
