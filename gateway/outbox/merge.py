"""What a record adds to one that still waits. Pure.

The law: what Oden shows after all records are delivered is the same with and without merging, up to the time resolution of
output, which is `span`: entries of one interval that lie in one stretch of `span` from its start may become one.
"""

import json
import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import replace

from pydantic import JsonValue

from gateway.model import IDENTITY, OF_NO_LINE, Output, Scalar, Setting, StartInterval, UpdateInterval

DECIMALS = 9
"""To how many decimals sums are kept, which hides what floats cannot hold."""
MOST = 2**53
"""Up to where floats hold every whole number: more is no amount, and is never added to anything."""


def into_start(start: StartInterval, update: UpdateInterval) -> StartInterval:
    """The start of an interval with what is known of it since; the later word wins, field by field."""
    return replace(
        start,
        name=start.name if update.name is None else update.name,
        details={**start.details, **update.details},
        end=start.end if update.end is None else update.end,
    )


def into_update(update: UpdateInterval, later: UpdateInterval) -> UpdateInterval:
    """Two updates of one interval as one, which says only what either says."""
    return replace(
        update,
        name=update.name if later.name is None else later.name,
        details={**update.details, **later.details},
        end=update.end if later.end is None else later.end,
    )


def words(update: UpdateInterval) -> Mapping[str, JsonValue]:
    """What an update says, field by field."""
    plain: dict[str, JsonValue] = {"end": update.end, "name": update.name}
    details = {f"details {name}": value for name, value in update.details.items()}
    return {**{name: value for name, value in plain.items() if value is not None}, **details}


def without(update: UpdateInterval, fields: Collection[str]) -> UpdateInterval:
    """The update with nothing to say of `fields`, which are named as in `words`."""
    return replace(
        update,
        end=None if "end" in fields else update.end,
        name=None if "name" in fields else update.name,
        details={name: value for name, value in update.details.items() if f"details {name}" not in fields},
    )


def kind(output: Output, start: int, span: float) -> Hashable | None:
    """What output must have in common to become one entry: the interval, which starts at `start`, the stretch of `span`
    seconds in it, and all raw data but the amounts. None where it cannot be summed with anything."""
    if not output.amounts or not all(_countable(output.raw_data.get(name)) for name in output.amounts):
        return None
    names = frozenset(output.amounts)
    rest = frozenset((name, type(value), value) for name, value in output.raw_data.items() if name not in names)
    return output.interval, (output.timestamp - start - 1) // span, names, rest


def into_output(output: Output, later: Output) -> Output:
    """Two entries of one kind as one: the sums, at the later time stamp, which no other entry has."""
    sums = {name: _sum(output.raw_data[name], later.raw_data[name]) for name in output.amounts}
    return replace(output, raw_data={**output.raw_data, **sums}, timestamp=max(output.timestamp, later.timestamp))


def subject(setting: Setting) -> Hashable:
    """What settings of one thing have in common, whichever lines tell them."""
    return None if setting.type in OF_NO_LINE else setting.line, setting.type, json.dumps(setting.about, sort_keys=True)


def into_setting(setting: Setting, later: Setting) -> Setting:
    """Two settings of one thing as one; the later word wins, field by field."""
    return replace(setting, fields={**setting.fields, **later.fields})


def unsaid(setting: Setting, later: Setting) -> Setting | None:
    """What a setting says that a later one of the same thing does not say anew; None where that is nothing."""
    about = IDENTITY[setting.type]
    left = {name: value for name, value in setting.fields.items() if name in about or name not in later.fields}
    return replace(setting, fields=left) if left.keys() - {*about} else None


def _countable(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST


def _sum(one: Scalar, other: Scalar) -> int | float:
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        raise TypeError("amounts are numbers")
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return round(math.fsum((one, other)), DECIMALS)
