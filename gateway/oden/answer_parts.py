"""What any answer of Oden's is made of: entries, the objects in them, their times, and our references. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime


def entries_of(answer: object) -> list[object] | None:
    """The list that an answer is, or that it wraps; None where there is no such list."""
    if isinstance(answer, Mapping):
        lists = [value for value in answer.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else None
    return answer if isinstance(answer, list) else None


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
