"""Numbers of 32 bits (single precision), as they are meant where they come from. Pure."""

import math
import struct

_SINGLE = struct.Struct("f")
_LARGEST = 3.4028235e38


def shortest(value: float) -> float:
    """The number with the fewest decimal digits that is `value` in 32 bits: what the PLC shows. 0.1 is 0.1 there, and
    not 0.10000000149011612."""
    if not math.isfinite(value):
        return value
    same = _SINGLE.pack(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _LARGEST and _SINGLE.pack(short) == same:
            return short
    return float(f"{value:.9g}")
