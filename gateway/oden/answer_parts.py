"""What any answer of Oden's is made of: entries, the objects in them, their times, and our references. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

_OF_ENTRIES = {"start_time", "raw_data"}
"""What an interval, or an entry of output or of a test has, and nothing that is around a list of them."""


def entries_of(answer: object) -> list[object] | None:
    """The list that an answer is, or that it wraps, once or twice; of one that shows a single thing, that. None where
    there is no such list. Of several, such as one of warnings beside that of entries, it is the one that has things in
    it, or anything at all."""
    if not isinstance(answer, Mapping):
        return answer if isinstance(answer, list) else None
    lists = _lists_in(answer)
    full = [found for found in lists if found]
    if not _OF_ENTRIES.isdisjoint(answer) or ("id" in answer and not full):
        return [answer]
    of_things = [found for found in full if any(isinstance(item, Mapping) and _is_thing(item) for item in found)]
    found = of_things or full or lists
    return found[0] if len(found) == 1 else None


def id_of(thing: Mapping[str, object]) -> str | None:
    """The id of a thing; None where it has none."""
    found = thing.get("id")
    return None if found is None or found == "" else str(found)


def _is_thing(item: Mapping[str, object]) -> bool:
    return "id" in item or not _OF_ENTRIES.isdisjoint(item)


def _lists_in(wrapper: Mapping[str, object]) -> list[list[object]]:
    """The lists in an object, or where it has none, in the objects in it that are not things themselves."""
    inner = [value for value in wrapper.values() if isinstance(value, Mapping) and "id" not in value]
    return _lists(wrapper) or [found for value in inner for found in _lists(value)]


def _lists(wrapper: Mapping[str, object]) -> list[list[object]]:
    return [value for value in wrapper.values() if isinstance(value, list)]


def objects_in(answer: object) -> Iterator[Mapping[str, object]]:
    """The objects in an answer that is one, a list of them, or either wrapped in an object; outer ones first."""
    left = [answer]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            yield one
            left += [value for value in reversed([*one.values()]) if isinstance(value, list | Mapping)]
        elif isinstance(one, list):
            left += reversed(one)


def epoch_of(value: object) -> int | None:
    """A time of an answer in whole seconds since 1970: a number of seconds or of milliseconds, or ISO 8601."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value / 1000 if value > 1e11 else value) if abs(value) < 1e15 else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def reference_of(entry: object, name: str | None) -> str | None:
    """The reference that an entry carries; None where it carries none."""
    if name is None:
        return None
    for item in objects_in(entry):
        for place in (item, plain(item.get("raw_data"))):
            if isinstance(place, Mapping) and isinstance(place.get(name), str):
                return str(place[name])
    return None


def plain(raw_data: object) -> object:
    """`raw_data` as an object, also where Oden shows it as its text; None where that is no JSON."""
    if not isinstance(raw_data, str):
        return raw_data
    try:
        return json.loads(raw_data)
    except (ValueError, RecursionError):
        return None
