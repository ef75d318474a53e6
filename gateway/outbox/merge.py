"""What a record adds to one that still waits. Pure.

The law: what Oden shows after all records are delivered is the same with and without merging, up to the time
resolution of output, which is `span`: entries of one interval that lie in one window of `span` seconds, counted from
its start, may become one.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from gateway.frozen import replace
from gateway.model import IDENTITY, Addition, Record, Scalar, Setting, StartInterval, UpdateInterval
from gateway.record_kinds import kind_of, speak_of_two

DECIMALS = 9
"""To how many decimals sums are kept, which hides what floats cannot hold."""
MOST = 2**53
"""Up to where floats hold every whole number: more is no amount, and is never added to anything."""


def merged(waiting: Record, later: Record) -> Record:
    """One record that says of their interval what both say, under the key of `waiting`. Raises TypeError where the two
    do not merge."""
    match waiting, later:
        case StartInterval() | UpdateInterval(), UpdateInterval():
            return _with_update(waiting, later)
        case Addition(), Addition() if type(waiting) is type(later):
            return _with_amounts(waiting, later)
    raise TypeError(f"a {later.kind} is not merged into a {waiting.kind}")


def _with_update(waiting: StartInterval | UpdateInterval, later: UpdateInterval) -> StartInterval | UpdateInterval:
    """Field by field, the later word wins; so it does in whether the interval never was."""
    if isinstance(waiting, UpdateInterval) and later.end is not None:
        waiting = replace(waiting, withdraws=later.withdraws, deletes=later.deletes)
    return replace(
        waiting,
        name=waiting.name if later.name is None else later.name,
        metadata={**waiting.metadata, **later.metadata},
        end=waiting.end if later.end is None else later.end,
    )


def _with_amounts(waiting: Addition, later: Addition) -> Addition:
    """The sums, at the later time stamp, which no other entry has."""
    sums = {name: _sum(waiting.raw_data[name], later.raw_data[name]) for name in waiting.amounts}
    return replace(waiting, raw_data={**waiting.raw_data, **sums}, timestamp=max(waiting.timestamp, later.timestamp))


def window(timestamp: int, start: int, span: float) -> int:
    """In which window of `span` seconds a time stamp of output lies, counted from the `start` of its interval: window n
    holds what comes later than `start + n * span`, up to and including `start + (n + 1) * span`."""
    return int((timestamp - start - 1) // span)


def merge_key(record: Record, start: int, span: float) -> Hashable | None:
    """What entries of output have in common that may become one: the interval, which begins at `start`, the window of
    `span` seconds in it, and all raw data but the amounts. None where `record` can be summed with nothing, as one that
    corrects what was told."""
    if kind_of(record).merging != "sums" or not isinstance(record, Addition) or not record.amounts or record.corrects:
        return None
    if not all(_countable(record.raw_data.get(name)) for name in record.amounts):
        return None
    names = frozenset(record.amounts)
    rest = frozenset((name, type(value), value) for name, value in record.raw_data.items() if name not in names)
    return record.kind, record.interval, window(record.timestamp, start, span), names, rest


Shown = Sequence[tuple[int, Mapping[str, object]]]
"""Entries as Oden shows them: their time stamps and raw data."""


def taken_up(waiting: Sequence[Addition], shown: Shown, reference: str) -> dict[str, str]:
    """Of entries of one interval that wait in an older copy, those that another life had merged into others before it
    sent these, by their keys: the keys of those, under which they are `shown`.

    One that holds others is more than it is here, or has the time stamp of another, which no two entries share.
    """
    by_key = {one.key: one for one in waiting}
    keys = {str(raw.get(reference)) for _, raw in shown}
    left = [one for one in by_key.values() if one.key not in keys and one.amounts]
    found: dict[str, str] = {}
    for at, raw in shown:
        key = str(raw.get(reference))
        into = by_key.get(key)
        told = {name: value for name, value in raw.items() if name != reference}
        can_be = [one for one in left if one.timestamp == at or (into is not None and one.timestamp < at)]
        found |= dict.fromkeys(_within(told, into, [one for one in can_be if one.key not in found]), key)
    return found


def taken_up_by_time(waiting: Sequence[Addition], shown: Shown, start: int, span: float) -> dict[str, int]:
    """The same where entries carry no keys of ours, of an interval that starts at `start`: the places of those entries
    among all that are `shown`, of which none may be of one that was sent from here. What is not shown under its own
    time stamp, and can be within a later entry of its window, is."""
    by_time = {one.timestamp: one for one in waiting}
    times = {at for at, _ in shown}
    left = [one for one in waiting if one.timestamp not in times and one.amounts]
    found: dict[str, int] = {}
    for place, (at, raw) in enumerate(shown):
        of_window = window(at, start, span)
        earlier = [one for one in left if one.timestamp < at and window(one.timestamp, start, span) == of_window]
        can_be = [one for one in earlier if one.key not in found]
        found |= dict.fromkeys(_within(raw, by_time.get(at), can_be), place)
    return found


def _within(told: Mapping[str, object], into: Addition | None, can_be: Iterable[Addition]) -> Iterator[str]:
    """Which of the entries that `can_be` within one that says what is `told`, are, by their keys; `into` is that one as
    it is here."""
    if into is not None and not has_shape(told, into):
        return
    for one in can_be:
        if not has_shape(told, one):
            continue
        known = into.raw_data if into is not None else dict.fromkeys(one.amounts, 0)
        rest = {name: _difference(told[name], known[name]) for name in one.amounts}
        if all(_fits(one.raw_data[name], rest[name]) for name in one.amounts):
            yield one.key
            told = {**told, **{name: _difference(told[name], one.raw_data[name]) for name in one.amounts}}


def has_shape(told: Mapping[str, object], one: Addition) -> bool:
    """Whether all that is `told` but the amounts is what the entry says."""
    rest = {name: str(value) for name, value in one.raw_data.items() if name not in one.amounts}
    return rest == {name: str(value) for name, value in told.items() if name not in one.amounts} and all(
        _is_amount(told.get(name)) for name in one.amounts
    )


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _difference(more: object, less: object) -> float:
    return round(float(str(more)) - float(str(less)), DECIMALS)


def _fits(amount: object, rest: float) -> bool:
    """Whether `rest` holds the amount."""
    size = float(str(amount))
    return 0 < size <= rest or rest <= size < 0 or size == 0


def set_fields(update: StartInterval | UpdateInterval) -> Mapping[str, JsonValue]:
    """What a start or an update sets, by field: `end`, `name`, and each metadatum as `details NAME`."""
    plain: dict[str, JsonValue] = {"end": update.end, "name": update.name}
    metadata = {f"details {name}": value for name, value in update.metadata.items()}
    return {**{name: value for name, value in plain.items() if value is not None}, **metadata}


def without(update: UpdateInterval, fields: Collection[str]) -> UpdateInterval:
    """The update with nothing to say of `fields`, which are named as in `set_fields`."""
    return replace(
        update,
        end=None if "end" in fields else update.end,
        name=None if "name" in fields else update.name,
        metadata={name: value for name, value in update.metadata.items() if f"details {name}" not in fields},
    )


def merged_settings(older: Setting, later: Setting) -> Mapping[str, JsonValue]:
    """The fields of two settings of one thing; the later word wins."""
    return {**older.fields, **later.fields}


def not_overtaken(setting: Setting, later: Setting) -> Setting | None:
    """What a setting says that a later one of the same thing does not say anew; None where that is nothing."""
    if speak_of_two(setting, later):
        return setting
    identity = IDENTITY[setting.type]
    left = {name: value for name, value in setting.fields.items() if name in identity or name not in later.fields}
    return replace(setting, fields=left) if left.keys() - {*identity} else None


def _countable(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST


def _sum(one: Scalar, other: Scalar) -> int | float:
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        raise TypeError("amounts are numbers")
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return round(math.fsum((one, other)), DECIMALS)
