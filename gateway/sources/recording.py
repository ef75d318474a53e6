"""Recordings: samples in a file, one JSON object a line, so that what a line did can be mapped again.

A line is `{"at": …, "source": …, "address": …, "value": …}` and what differs from the usual: `quality`, `source_time`,
`retained`, `initial`. `{"at": …}` alone says that time came to there and nothing was received. A source that is lost
is `{"at": …, "source": …, "lost": …}`, which is when it was last heard; one that can be reached again is `{"at": …,
"source": …, "back": true}`. What its source could not use, which is no sample, is `{"at": …, "source": …, "address": …,
"rejected": WHY}`, with `count` where it stands for several. Times are seconds since 1970 or ISO 8601 with a zone, and
never go back.
"""

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError
from gateway.model import Contact, Notice, Sample

Event = Sample | Contact | Notice | float
"""What a line of a recording is."""

_SAMPLE: TypeAdapter[Sample] = TypeAdapter(Sample)
_DEFAULTS = {field.name: field.default for field in fields(Sample) if field.default is not MISSING}
_NAMES = {"at", "source", "address", "value", *_DEFAULTS}


class RecordingError(GatewayError):
    """A line of a recording cannot be used; the message begins with `file:line`."""


def line_of(event: Event) -> str:
    """One line of a recording, without its end: a sample, a contact with a source, what a source rejected, or the time
    that has come."""
    if isinstance(event, Contact):
        said = {"lost": event.since} if event.state == "lost" else {"back": True}
        return json.dumps({"at": event.received, "source": event.source, **said})
    if isinstance(event, Notice):
        why = {"rejected": event.text, **({"count": event.count} if event.count > 1 else {})}
        return json.dumps({"at": event.at, "source": event.source, "address": event.address, **why}, ensure_ascii=False)
    if not isinstance(event, Sample):
        return json.dumps({"at": event})
    content = asdict(event)
    at = content.pop("received")
    unusual = {name: value for name, value in content.items() if value != _DEFAULTS.get(name, ...)}
    return json.dumps({"at": at, **unusual}, ensure_ascii=False, default=str)


def read(path: Path) -> Iterator[Event]:
    """What a recording holds, in order. Raises RecordingError at the first line that cannot be used."""
    last = float("-inf")
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                try:
                    event = _event(text)
                except (ValueError, RecursionError) as error:
                    raise RecordingError(f"{path}:{number}: {_reason(error)}") from None
                at = _at(event)
                if at < last:
                    raise RecordingError(f"{path}:{number}: its time is before that of the line above")
                last = at
                yield event
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _time(value: object) -> float:
    """A time as a recording holds it, in seconds since 1970; ValueError for anything else."""
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError("a time needs its zone, such as 2026-01-05T06:00:00Z")
        return time.timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("a time is a number of seconds since 1970, or a text such as 2026-01-05T06:00:00Z")


def _contact(at: float, given: dict[str, object]) -> Contact:
    """A source that is lost, or back; ValueError for anything else."""
    source = given.pop("source", None)
    if not isinstance(source, str) or len(given) != 1:
        raise ValueError('of a source write {"at": …, "source": …, "lost": …} or {"at": …, "source": …, "back": true}')
    if "back" in given:
        if given["back"] is not True:
            raise ValueError('a source that can be reached again is "back": true')
        return Contact(source, at, "back", at)
    return Contact(source, at, "lost", min(at, at if given["lost"] is True else _time(given["lost"])))


def _at(event: Event) -> float:
    return event if isinstance(event, float) else event.at if isinstance(event, Notice) else event.received


def _rejected(at: float, given: dict[str, object]) -> Notice:
    """What a source could not use; ValueError for anything else."""
    match given:
        case {"source": str(source), "address": str(address), "rejected": str(why), **more}:
            count = more.pop("count", 1)
            if not more and type(count) is int and count > 0:
                return Notice("reject", at, source, address, why, count)
    raise ValueError('of what is rejected write {"at": …, "source": …, "address": …, "rejected": "why"}')


def _event(text: str) -> Event:
    given = json.loads(text)
    if not isinstance(given, dict) or "at" not in given:
        raise ValueError('write {"at": …, "source": …, "address": …, "value": …}')
    if given.keys() & {"lost", "back"}:
        return _contact(_time(given.pop("at")), given)
    if "rejected" in given:
        return _rejected(_time(given.pop("at")), given)
    unknown = sorted(given.keys() - _NAMES)
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(_NAMES))}")
    at = _time(given.pop("at"))
    if not given:
        return at
    if given.get("source_time") is not None:
        given["source_time"] = _time(given["source_time"])
    return _SAMPLE.validate_python({"value": None, **given, "received": at})


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"not JSON: {error}" if isinstance(error, json.JSONDecodeError | RecursionError) else str(error)
