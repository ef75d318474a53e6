"""What a message can say of its own time, and what that is in seconds since 1970; how notices say a time. Pure; never
raises."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import floor

from gateway.mapping.values import written_number

_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""Numbers up to the first are so many to a second: seconds until the year 5138, then milli- and microseconds."""
_NANOSECONDS = 1_000_000_000
"""What larger ones are to a second."""

REMEMBERED = 256
"""Texts of which is remembered what time they say: all that looks at a message asks for its time."""
LONGEST = 64
"""Characters of a text that says a time."""
_COMPACT = re.compile(r"(\d{8})[T ]?(\d{6})")
_DATE = re.compile(r"\d{8}")
_DAY_FIRST = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?[T ]\s*(\d{1,2}):(\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s*(\S*))?"
)
_RFC_2822 = re.compile(
    r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+(?:\d{4}|\d{2})\s+\d{2}:\d{2}(?::\d{2})?"
    r"(?:\s+(?:[+-]\d{4}|([A-Za-z]{1,5})))?(?:\s+\([^()]*\))?"
)
"""A zone can have a name, and a remark behind it."""
_LEAP_SECOND = re.compile(r"([T ]\d\d(:?)(?:14|29|44|59)\2)60(?!\d)")
"""At the end of an hour, or of a quarter where a zone is off by one."""
_END_OF_DAY = re.compile(r"([T ])24((:?)00(?:\3(?:00(?:[.,]0+)?))?)(?![\d.,:])")


ORDER = 4e-6
"""Seconds: times that differ by less say only what was before what."""


def second_of(at: float) -> int:
    """The whole second in which it was `at`. What was right before something of a time is of the same second."""
    return floor(at + ORDER)


def epoch_seconds(value: object, zone: tzinfo | None = None, *, fold: bool = False) -> float | None:
    """The value as a time, in seconds since 1970; None where it is none.

    A number, also one that is written as text, is seconds, milliseconds, microseconds or nanoseconds since 1970, by its
    size. A text is ISO 8601, `dd.mm.yyyy HH:MM:SS`, `yyyymmddHHMMSS` or as in e-mails (RFC 2822); where it says no
    zone, it is of `zone`, and no time without that; where that can be two times, `fold` says which (PEP 495). A leap
    second is the first of the next minute, 24:00 the beginning of the next day, and so is a date alone of its own.
    """
    if isinstance(value, str):
        times = _written(value.strip(), zone) if len(value) <= LONGEST else None
        return None if times is None else times[fold]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _counted(value)


def times_of_fold(value: object, zone: tzinfo) -> tuple[float, float] | None:
    """The times that a text of `zone` can be, by `fold`, where they are two: in the hour that comes twice the second is
    the later, in the one that does not exist the earlier. None where it is one time, or none."""
    times = _written(value.strip(), zone) if isinstance(value, str) and len(value) <= LONGEST else None
    return None if times is None or times[0] == times[1] else times


def _counted(amount: float) -> float | None:
    """What so many seconds, or parts of them, since 1970 are."""
    try:
        size = abs(float(amount))
    except OverflowError:
        return None
    if not size < 2.0**63:
        return None
    for below, per_second in _UNITS:
        if size <= below:
            return amount / per_second
    return amount / _NANOSECONDS


@lru_cache(maxsize=REMEMBERED)
def _written(text: str, zone: tzinfo | None) -> tuple[float, float] | None:
    """The times that the text can be, by `fold`: the same twice, but for where clocks go back or ahead."""
    compact = _COMPACT.fullmatch(text)
    if compact is None and _DATE.fullmatch(text) is None:
        amount = written_number(text)
        if amount is not None:
            counted = _counted(amount)
            return None if counted is None else (counted, counted)
    text, leap = _LEAP_SECOND.subn(r"\g<1>59", f"{compact[1]}T{compact[2]}" if compact is not None else _in_order(text))
    try:
        time, name = _parsed(text)
        if time.tzinfo is not None:
            return (time.timestamp() + leap,) * 2
        if zone is None:
            return None
        each = [time.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        so_called = [one for one in each if name is None or one.tzname() == name]
        if not so_called:
            return None
        return so_called[0].timestamp() + leap, so_called[-1].timestamp() + leap
    except (ValueError, OverflowError):
        return None


def _in_order(text: str) -> str:
    """The text, from the year on where it begins with the day."""
    day_first = _DAY_FIRST.fullmatch(text)
    if day_first is None:
        return text
    day, month, year, hour, rest, zone = day_first.groups()
    date = f"{year}-{month:0>2}-{day:0>2}"
    return f"{date}T{hour:0>2}:{rest}{zone}" if hour is not None else date


def _parsed(text: str) -> tuple[datetime, str | None]:
    """The time, and the name of its zone where that is all that is said of it. Raises ValueError for what is none."""
    as_in_e_mails = _RFC_2822.fullmatch(text)
    if as_in_e_mails is not None:
        time = parsedate_to_datetime(text)
        return time, as_in_e_mails[1] if time.tzinfo is None else None
    text, days = _END_OF_DAY.subn(r"\g<1>00\2", text.upper())
    return datetime.fromisoformat(text) + timedelta(days=days), None


def clock(at: float) -> str:
    """The time of the day, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"
