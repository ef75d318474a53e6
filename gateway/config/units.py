"""Values as people write them: durations (`500ms`, `30m`), rates (`5/s`), sizes (`2 GB`), shares (`5%`), one or more (`[start, stop]`)."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NUMBER = r"(\d+(?:\.\d+)?)\s*"


def _parse(value: object, pattern: str, example: str) -> tuple[float, str]:
    match = re.fullmatch(_NUMBER + pattern, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"write {example}")
    return float(match[1]), match[2]


def _seconds(value: object) -> float:
    number, unit = _parse(value, r"(ms|s|min|m|h|d)", 'a duration with its unit, such as "500ms", "60s", "30m" or "8h"')
    return number * _SECONDS[unit]


def _per_second(value: object) -> float:
    number, unit = _parse(value, r"/\s*(s|min|m|h|d)", 'a rate with its unit, such as "5/s", "300/min" or "100/h"')
    return number / _SECONDS[unit]


def _bytes(value: object) -> int:
    number, unit = _parse(value, rf"({'|'.join(_BYTES)})", 'a size with its unit, such as "500 MB" or "2 GB"')
    return int(number * _BYTES[unit])


def _share(value: object) -> float:
    number, _ = _parse(value, "(%)", 'a share in percent, such as "5%"')
    return number / 100


Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
"""Seconds; written with a unit."""

Rate = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str)]
"""Per second; written with a unit."""

Size = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str)]
"""Bytes; written with a unit, decimal (`2 GB`) or binary (`2GiB`)."""


def _one_or_more(value: object) -> tuple[object, ...]:
    several = tuple(value) if isinstance(value, list) else (value,)
    if not several or not all(isinstance(one, str | int | float) for one in several):
        raise ValueError("write a value, or several: scrap or [start, stop]")
    return several


OneOrMore = Annotated[
    tuple[str | bool | int | float, ...],
    BeforeValidator(_one_or_more, json_schema_input_type=str | bool | int | float | list[str | bool | int | float]),
]
"""A single value or a list of them."""

Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
"""A part of one; written in percent."""
