"""MQTT payload -> value. Pure."""

import json
import math
from codecs import BOM_UTF8

LARGEST = 256 * 1024
"""Bytes; a payload beyond this is refused."""

DEEPEST = 100
"""How deep a payload may be nested: far less than what anything that looks at its value can bear."""

_EXCERPT = 200
_DIGITS = 300  # beyond them an integer cannot become a float


def decode(payload: bytes) -> object:
    """What the message says: the value of its JSON, or else its text without surrounding white space.

    Raises ValueError, with what is wrong, for what must not be guessed at: more than LARGEST bytes, not UTF-8, JSON
    with a key twice (RFC 8259 leaves open which one counts), with a number or character that JSON text cannot carry
    on, or nested more than DEEPEST deep.
    """
    if len(payload) > LARGEST:
        raise too_large(len(payload))
    try:
        text = payload.removeprefix(BOM_UTF8).decode()  # Windows programs put a byte order mark in front
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError:
        return text.strip()
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > DEEPEST and _is_deeper(value):
        raise _too_deep()
    if "\\u" in text:
        _refuse_surrogates(value)
    return value


def too_large(size: int) -> ValueError:
    """What is raised for a payload of `size` bytes."""
    return ValueError(f"has {size} bytes; at most {LARGEST} are taken")


def _too_deep() -> ValueError:
    return ValueError(f"is nested more than {DEEPEST} deep")


def _is_deeper(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return any(isinstance(one, dict | list) for one in level)


def excerpt(payload: bytes) -> str:
    """The beginning of a payload, printable, at most 200 characters."""
    return ascii(payload[:_EXCERPT].decode("utf-8", "replace"))[1:-1][:_EXCERPT]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"has the key {key!r} twice")
        fields[key] = value
    return fields


def _refuse_constant(text: str) -> object:
    raise ValueError(f"has {text}, which is not a JSON number")


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"has a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"has the number {text}, which is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
)


def _refuse_surrogates(value: object) -> None:
    """Half a surrogate pair (`"\\ud83d"`) is a Python string that no file or request can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has an escape that is half a character") from None
