"""A line's state with its times mended, where they were stamped by a clock that was wrong. Pure.

Which fields are times is told by their names, which are the same all over the state: values, counts and metadata are
none, whatever they look like.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from gateway.frozen import replace
from gateway.mapping.line import LineState

TIMES = frozenset(
    {
        "at",
        "back",
        "bad_since",
        "begun",
        "correction_due",
        "described_at",
        "due",
        "earliest_start",
        "end",
        "ended",
        "flush_at",
        "key_history",
        "last_heard",
        "learned",
        "left",
        "now",
        "past_events",
        "quiet_at",
        "received",
        "reset_at",
        "since",
        "stamp",
        "stamps",
        "start",
        "torn_since",
        "until",
    }
)
"""The fields of a line's state that hold times, alone or in a collection."""


def retimed(state: LineState, since: float, by: int) -> LineState:
    """`state` with each time from `since` on `by` seconds later, or earlier where that is negative."""
    moved: LineState = _in(state, since, by)
    return moved


def _in(holder: Any, since: float, by: int) -> Any:
    """The dataclass or named tuple with its times moved."""
    is_tuple = hasattr(holder, "_fields")
    names = holder._fields if is_tuple else [each.name for each in fields(holder)]
    moved = {name: _moved(getattr(holder, name), since, by, is_time=name in TIMES) for name in names}
    return holder._replace(**moved) if is_tuple else replace(holder, **moved)


def _moved(value: Any, since: float, by: int, *, is_time: bool) -> Any:
    if is_dataclass(value) or hasattr(value, "_fields"):
        return _in(value, since, by)
    if isinstance(value, tuple):
        return tuple(_moved(each, since, by, is_time=is_time) for each in value)
    if isinstance(value, Mapping):
        return {key: _moved(each, since, by, is_time=is_time) for key, each in value.items()}
    if is_time and isinstance(value, int | float) and not isinstance(value, bool) and value >= since:
        return value + by
    return value
