"""What all parts of the configuration's schema share: the base of its sections, and the types of values with units."""

import re
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that expressions and text patterns can use."""


class Section(BaseModel):
    """The base of all sections of the configuration: frozen, strict, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        defer_build=True,  # most are validated only as parts of others, with validators of these
    )


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NUMBER = r"(\d+(?:\.\d+)?)\s*"
_UNITS = {
    "ms": ("msec", "msecs", "millis", "milliseconds", "Millisekunden"),
    "s": ("sec", "secs", "second", "seconds", "Sek", "sek", "Sekunde", "Sekunden"),
    "min": ("mins", "minute", "minutes", "Minute", "Minuten"),
    "h": ("hr", "hrs", "hour", "hours", "Std", "std", "Stunde", "Stunden"),
    "d": ("day", "days", "Tag", "Tage"),
    "kB": ("KByte", "kByte", "kb"),
    "MB": ("M", "Mb", "MByte", "Mbyte", "megabytes", "Megabyte"),
    "GB": ("G", "Gb", "GByte", "Gbyte", "gigabytes", "Gigabyte"),
    "TB": ("T", "Tb", "TByte", "Tbyte", "Terabyte"),
}
"""Units as others write them."""


def is_measure(text: str) -> bool:
    """Whether `text` is a number with a unit, as durations and sizes are written."""
    return re.fullmatch(rf"{_NUMBER}({'|'.join((*_SECONDS, *_BYTES))})", text) is not None


def _parse(value: object, pattern: str, example: str) -> tuple[float, str]:
    match = re.fullmatch(_NUMBER + pattern, value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and re.fullmatch(_NUMBER + pattern + r"\s*[,;.]", value):
            raise ValueError(f"write {value.rstrip(' ,;.')}, without the sign after it")
        if (
            isinstance(value, str)
            and re.fullmatch(rf"({_NUMBER}[a-z]+\s*)+\d*", value)
            and re.search(r"[a-z]\s*\d", value)
        ):
            raise ValueError(f"write {example}: one number with one unit")
        comma = isinstance(value, str) and re.search(r"\d,\d", value)
        point = "the number with a point, as in 0.5, and " if comma else ""
        meant = _meant(value, pattern) if isinstance(value, str) else None
        raise ValueError(f"write {point}{example}{f'; did you mean {meant}?' if meant is not None else ''}")
    return float(match[1]), match[2]


def _meant(value: str, pattern: str) -> str | None:
    """What `value` is most likely meant to be: its unit as others write it, without what is counted (`300 pcs/min`)."""
    match = re.fullmatch(rf"{_NUMBER}[^\W\d/]*?\s*(/?)\s*(?:1\s*)?([^\W\d]+)\.?", value.replace(",", "."))
    unit = next((unit for unit, others in _UNITS.items() if match and match[3] in others), None)
    if match is None or unit is None:
        unit = next((unit for unit in _UNITS if match and match[3].casefold() == unit.casefold()), None)
    written = f"{match[1]}{match[2]}{unit}" if match is not None and unit is not None else ""
    return written if re.fullmatch(_NUMBER + pattern, written) else None


def _seconds(value: object) -> float:
    number, unit = _parse(value, r"(ms|s|min|m|h|d)", 'a duration with its unit, such as "500ms", "60s", "30m" or "8h"')
    return number * _SECONDS[unit]


def _signed_seconds(value: object) -> float:
    if isinstance(value, str) and value.startswith("-"):
        return -_seconds(value[1:].lstrip())
    return _seconds(value)


def _seconds_or_zero(value: object) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _seconds(value)


def _seconds_or_off(value: object) -> float:
    try:
        return 0.0 if value == "off" else _seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def _per_second(value: object) -> float:
    number, unit = _parse(value, r"/\s*(s|min|m|h|d)", 'a rate with its unit, such as "5/s", "300/min" or "100/h"')
    return number / _SECONDS[unit]


def _bytes(value: object) -> int:
    number, unit = _parse(value, rf"({'|'.join(_BYTES)})", 'a size with its unit, such as "500 MB" or "2 GB"')
    return int(number * _BYTES[unit])


def _share(value: object) -> float:
    number, _ = _parse(value, "(%)", 'a share in percent, such as "5%"')
    return number / 100


class Deadband(NamedTuple):
    """How far a value must move to be told of: by `size` in its own unit or, with `percent`, of its range."""

    size: float
    percent: bool = False


def _deadband(value: object) -> Deadband:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return Deadband(float(value))
    try:
        size, _ = _parse(value, "(%)", "")
    except ValueError:
        raise ValueError('write how far the value must move, such as 0.5, or "2%" of its range') from None
    if not 0 < size <= 100:
        raise ValueError("write a share of the range from above 0% to 100%")
    return Deadband(size, percent=True)


def _index(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or re.fullmatch(r"\d{1,9}(:\d{1,9})?(,\d{1,9}(:\d{1,9})?)*", text) is None:
        raise ValueError("write the number of the element, counted from 0: 3, or 2,0 where there are two dimensions")
    return text


def _one_or_more(value: object) -> tuple[object, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    if not values or not all(isinstance(item, str | int | float) for item in values):
        raise ValueError("write a value, or several: scrap or [start, stop]")
    return values


Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
"""Seconds. The file writes it with a unit: `500ms`, `30m`."""

Offset = Annotated[float, BeforeValidator(_signed_seconds, json_schema_input_type=str)]
"""Seconds. The file writes a duration, with a minus before it where it is the other way: `-90s`."""

Sampling = Annotated[float, BeforeValidator(_seconds_or_zero, json_schema_input_type=str | int)]
"""Seconds between two looks, 0 for as fast as can be. The file writes a duration, or `0`."""

DurationOrZero = Annotated[float, BeforeValidator(_seconds_or_zero, json_schema_input_type=str | int)]
"""Seconds, 0 for not at all. The file writes a duration, or `0`."""

Periodically = Annotated[float, BeforeValidator(_seconds_or_off, json_schema_input_type=str)]
"""Seconds between two times, 0 for never. The file writes a duration, or `off`."""

Rate = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str)]
"""Per second. The file writes it with a unit: `5/s`."""

Size = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str)]
"""Bytes. The file writes it with a unit, decimal (`2 GB`) or binary (`2GiB`)."""

Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
"""A fraction, usually of one. The file writes it in percent: `5%`."""

Moved = Annotated[Deadband, BeforeValidator(_deadband, json_schema_input_type=float | str)]
"""A deadband. The file writes a number in the value's own unit, or a share of its range: `0.5`, `2%`."""

Index = Annotated[str, BeforeValidator(_index, json_schema_input_type=str | int)]
"""A part of an array as the standard writes it (Part 4, 7.27). The file writes a number or text: `3`, `2,0`, `0:7`."""

OneOrMore = Annotated[
    tuple[str | bool | int | float, ...],
    BeforeValidator(_one_or_more, json_schema_input_type=str | bool | int | float | list[str | bool | int | float]),
]
"""A tuple of values. The file writes a single value or a list of them: `scrap`, `[start, stop]`."""


class Watched(NamedTuple):
    """How an OPC UA server watches tags, in seconds: how often it looks at each, and how often it tells of them."""

    sampling: float
    publishing: float
