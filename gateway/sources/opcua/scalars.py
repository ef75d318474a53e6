"""The usual data values, read at once: a number, a bool or a text, with status and times (Part 6, 5.2.2).

What it does not know it leaves to the library, which knows everything and takes ten times as long. Pure.
"""

import math
import struct

from gateway.model import Scalar
from gateway.sources.opcua.decode import MEANING, NOT_ACTIVE, OVERFLOW, Decoded, quality_of, shortest

_NUMBERS = {
    2: struct.Struct("<b"),
    3: struct.Struct("<B"),
    4: struct.Struct("<h"),
    5: struct.Struct("<H"),
    6: struct.Struct("<i"),
    7: struct.Struct("<I"),
    8: struct.Struct("<q"),
    9: struct.Struct("<Q"),
    10: struct.Struct("<f"),
    11: struct.Struct("<d"),
}
"""By the number of the built-in type."""
_BOOLEAN, _FLOAT, _STRING = 1, 10, 12
_VALUE, _STATUS, _SOURCE_TIME, _SERVER_TIME = 0x01, 0x02, 0x04, 0x08
_KNOWN = _VALUE | _STATUS | _SOURCE_TIME | _SERVER_TIME
_TICKS_TO_1970 = 116_444_736_000_000_000  # of 100 ns, since 1601
_TICKS_TO_9999 = 2_650_467_743_990_000_000
_UINT32, _INT32, _INT64 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<q")


def read_scalar(data: bytes, at: int) -> tuple[Decoded, int] | None:
    """The data value that begins at `at`, and where it ends; None for one that is not of the usual kind.

    Raises struct.error or IndexError where the data end before it does.
    """
    mask = data[at]
    if mask & ~_KNOWN:
        return None
    at += 1
    value: Scalar = None
    if mask & _VALUE:
        kind = data[at]
        at += 1
        number = _NUMBERS.get(kind)
        if number is not None:
            value = number.unpack_from(data, at)[0]
            at += number.size
            if kind >= 10:
                if not math.isfinite(value):  # type: ignore[arg-type]
                    return None
                value = shortest(value) if kind == _FLOAT else value  # type: ignore[arg-type]
        elif kind == _BOOLEAN:
            value = data[at] != 0
            at += 1
        elif kind == _STRING:
            length = _INT32.unpack_from(data, at)[0]
            at += 4
            text = data[at : at + max(0, length)]
            if len(text) < length or not text.isascii():
                return None
            value = text.decode("ascii")  # null is empty
            at += len(text)
        else:
            return None
    code = 0
    if mask & _STATUS:
        code = _UINT32.unpack_from(data, at)[0]
        at += 4
    source_time = server_time = None
    if mask & _SOURCE_TIME:
        ticks = _INT64.unpack_from(data, at)[0]
        at += 8
        if not 0 <= ticks < _TICKS_TO_9999:
            return None
        source_time = epoch_of(ticks)
    if mask & _SERVER_TIME:
        ticks = _INT64.unpack_from(data, at)[0]
        at += 8
        if not 0 <= ticks < _TICKS_TO_9999:
            return None
        server_time = epoch_of(ticks)
    quality = quality_of(code)
    usable = "" if code & MEANING == NOT_ACTIVE else None if quality == "bad" else value
    return Decoded(usable, quality, source_time, code & OVERFLOW == OVERFLOW, code & MEANING, server_time), at


def epoch_of(ticks: int) -> float | None:
    """Whole microseconds, as the library has them; None for the wire's words for no time."""
    return (ticks // 10 - _TICKS_TO_1970 // 10) / 1e6 if 10 <= ticks < _TICKS_TO_9999 else None
