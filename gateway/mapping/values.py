"""What a value from the plant can be, and how it is read: as text, as a number, by its fields.

Sources hand over whatever a tag or a JSON message held. Everything here takes any object and never raises.
"""

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.config.addresses import SUM
from gateway.config.patterns import MOST_REPEATS, repeats_too_much, why_no_pattern
from gateway.config.schema_messages import Binary, NumberType
from gateway.errors import TextError
from gateway.model import Scalar
from gateway.single_precision import shortest

ABSENT: Final = object()
"""What `find` answers where there is no such field. Not None: a message may say null."""

DEEPEST = 16
"""How deep a message may be nested."""

LONGEST = 16_384
"""How long a text, or a message as JSON, may be in characters: it is kept in the line's memory."""

LONGEST_NUMBER = 40
"""How long a text can be that says a number, in characters."""

EXCERPT = 200
"""How much of an unusable value is shown, in characters."""

DECIMALS = 9
"""To how many decimals a difference or a sum is told, which hides what floats cannot hold."""

Number = int | float

_BEYOND = 2**64
"""More than a PLC's whole numbers hold."""

_SHOWN = json.JSONEncoder(ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")


def find(value: object, path: Sequence[str]) -> object:
    """The field at `path` of a message (`config.addresses.path_of`); ABSENT where there is none, None where it, or what
    it would be in, is null. An empty path is the value itself. A sum of what are not all numbers is the list of it."""
    if not path:
        return value
    if path[0] == SUM:
        return _sum(value, path[1:])
    for depth, part in enumerate(path):
        if value is None and depth > 0:
            return None
        if isinstance(value, list) and part.startswith("["):
            place = int(part[1:-1])
            if not -len(value) <= place < len(value):
                return ABSENT
            value = value[place]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return ABSENT
    return value


def _sum(value: object, path: Sequence[str]) -> object:
    """The sum of the elements of the array at `path`, or of that field of each where an array is on the way."""
    for depth, part in enumerate(path):
        if isinstance(value, list) and not part.startswith("["):
            found = [find(item, path[depth:]) for item in value]
            break
        value = find(value, (part,))
        if value is ABSENT or value is None:
            return value
    else:
        found = value if isinstance(value, list) else [value]
    numbers = [number(item) for item in found]
    known = [item for item in numbers if item is not None]
    if len(known) == len(numbers):
        return total(known)
    return [None if item is ABSENT else item for item in found]


def scalar(value: object) -> Scalar:
    """The value itself where it is a scalar, else None: nothing that could be shown or compared is known."""
    return value if isinstance(value, str | int | float) else None


def text(value: Scalar) -> str:
    """The value as a person writes it: whole numbers without `.0`, `true`, `false`; None is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(whole(value))


def whole(value: Number) -> Number:
    """The same number, as an int where it is one and a float holds it exactly."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def number(value: object) -> Number | None:
    """The value as an amount or a count; None for anything else: text, booleans, more than a PLC's numbers hold."""
    if type(value) is int:
        return value if -_BEYOND < value < _BEYOND else None
    if isinstance(value, int):
        return None if isinstance(value, bool) or value.bit_length() > 64 else value
    if isinstance(value, float) and abs(value) < 2**53:
        return whole(value)
    return None


_WRITTEN = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\s*")
_SEPARATED = re.compile(r"\s*[+-]?\d+([.,\s'’]\d+)+\s*")


def number_in(text: str) -> Number | None:
    """The amount or count that a text says, with a decimal point where it has decimals; None for anything else, also
    where a comma leaves open what is meant."""
    return number(written_number(text))


def written_number(text: str) -> Number | None:
    """The same, of any size."""
    if len(text) > LONGEST_NUMBER or _WRITTEN.fullmatch(text) is None:
        return None
    return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)


class NoNumber(NamedTuple):
    """Why bytes hold no number, as the end of a sentence."""

    text: str


_FORMATS: Mapping[NumberType, str] = {
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip
_BETWEEN_HEX = re.compile(r"0[xX]|[\s:-]")


def number_in_bytes(value: object, binary: Binary) -> Number | NoNumber | str:
    """The number in the bytes that a text says; empty text, which is nothing, stays that."""
    if not isinstance(value, str):
        return NoNumber("is no text in which bytes are written")
    if not value.strip():
        return ""
    try:
        if binary.encoding == "base64":
            octets = base64.b64decode(value.strip(), validate=True)
        else:
            octets = bytes.fromhex(_BETWEEN_HEX.sub("", value))
    except ValueError:
        return NoNumber(f"is not written in {'base64' if binary.encoding == 'base64' else 'hex'}")
    form = struct.Struct((">" if binary.order == "big" else "<") + _FORMATS[binary.type])
    if len(octets) < binary.at + form.size:
        return NoNumber(f"has {len(octets)} bytes: no {binary.type} begins at {binary.at}")
    [found] = form.unpack_from(octets, binary.at)
    said: Number = shortest(found) if binary.type == "float32" else found
    return said


LONGEST_CAPTURED = 500
"""Of so many characters of a text a part is captured: the time that takes grows with a power of the length."""


def capture_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern. Raises ValueError, with a sentence, for one that is none, captures nothing, or could take
    for ever on some text."""
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        raise ValueError("stands without the '/' around it")
    why = why_no_pattern(pattern)
    if why is not None:
        text, at = why
        raise TextError(f"is no pattern: {text}", *(() if at is None else (at,)))
    compiled = re.compile(pattern)
    if compiled.groups != 1:
        raise ValueError("puts the part that is wanted in parentheses, once: ^ALARM (.+)$")
    if repeats_too_much(pattern):
        raise ValueError(f"repeats single characters only, and at most {MOST_REPEATS} times: with * or + or {{2,}}")
    return compiled


def captured(pattern: re.Pattern[str], text: str) -> str:
    """What the pattern captures in the beginning of the text; empty where it does not match."""
    match = pattern.search(text[:LONGEST_CAPTURED])
    return (match[1] or "") if match is not None else ""


def text_remedy(value: object, *, has_key: bool) -> str:
    """What would help where `value` is no number, as the end of a sentence; `has_key`: numbers in texts are read."""
    if not isinstance(value, str):
        return ""
    if number_in(value) is not None:
        return "; it is text: write `number: text`" if not has_key else ""
    if len(value) <= LONGEST_NUMBER and _SEPARATED.fullmatch(value):
        return ": a number in a text has a decimal point and nothing between its thousands"
    return ""


def total(amounts: Sequence[Number]) -> Number:
    """The sum: exact for ints, correctly rounded once for floats."""
    for amount in amounts:
        if not isinstance(amount, int):
            return math.fsum(amounts)
    return sum(amounts)


def digest(value: object) -> str:
    """A digest of a value that has no `flaw`, the same for equal ones."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def flaw(value: object) -> str | None:
    """Why the value cannot be used or kept, as the end of a sentence; None where it can.

    Usable is what JSON can hold and every reader of it agrees on: finite numbers, integers of 64 bits, text
    that is Unicode, and lists and objects of these, not too deep and not too long.
    """
    found = _measured(value, DEEPEST)
    if isinstance(found, str):
        return found
    if found <= LONGEST:
        return None
    length = len(value) if isinstance(value, str) else len(json.dumps(value))
    return f"is longer than {LONGEST} characters" if length > LONGEST else None


_PLAIN = 26
"""Characters that null, a boolean, or a number without a flaw takes as JSON at the most, with what stands behind it."""
_ESCAPED = 12
"""Characters that one of a text takes at the most: two escapes."""


def _measured(value: object, depth: int) -> int | str:
    """How many characters the value takes as JSON at the most, which is quicker to tell than how many it does; or its
    flaw."""
    if isinstance(value, str):
        if value.isascii() or _is_unicode(value):
            return _ESCAPED * len(value) + 4
        return "holds text that is not Unicode"
    if isinstance(value, int):
        return _PLAIN if value.bit_length() <= 64 else "is an integer of more than 64 bits"
    if isinstance(value, float):
        return _PLAIN if math.isfinite(value) else "is not a finite number"
    if value is None:
        return _PLAIN
    if not isinstance(value, dict | list):
        return f"is a {type(value).__name__}, which is neither a plain value nor JSON"
    if depth == 0:
        return f"is nested more than {DEEPEST} deep"
    length = 4
    if isinstance(value, dict):
        for key in value:
            found = _measured(key, 0) if isinstance(key, str) else "has a name that is not text"
            if isinstance(found, str):
                return found
            length += found
    for item in value.values() if isinstance(value, dict) else value:
        found = _measured(item, depth - 1)
        if isinstance(found, str):
            return found
        length += found
    return length


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON's \u escapes can produce
        return False
    return True


def excerpt(value: object) -> str:
    """The beginning of the value, for a person, in at most EXCERPT characters that can be stored as UTF-8."""
    try:
        shown = _SHOWN.encode(value)
    except (TypeError, ValueError, RecursionError):
        shown = f"<{type(value).__name__}>"
    if len(shown) > EXCERPT:
        shown = shown[: EXCERPT - 1] + "…"
    return shown.encode(errors="replace").decode()
