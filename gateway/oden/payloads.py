"""Records as requests, and answers as what they tell. Pure.

Source: Oden's OpenAPI document: schemas Interval, RunMetadata, StateMetadata, ScrapYieldData and the endpoints'
descriptions. Answers of `scrap_yield/*` are not documented: they are searched for what is needed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gateway.model import EndInterval, Output, Record, StartInterval
from gateway.oden.endpoints import (
    INTERVAL_SEARCH,
    INTERVAL_SET,
    LINE_SEARCH,
    SCRAP_YIELD_SEARCH,
    SCRAP_YIELD_SET,
    Endpoint,
)

RawData = Literal["object", "string"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the endpoint and the exact text of its body."""

    endpoint: Endpoint
    body: str


def request_for(record: Record, line_id: str, interval_id: str | None, raw_data: RawData) -> Request:
    """The request that makes `record` true at Oden; `interval_id` is needed by all but a start."""
    if isinstance(record, StartInterval):
        body: dict[str, object] = {
            "type": {"name": record.type},
            "line": {"id": line_id},
            "start_time": iso(record.start),
            "metadata": {key: {"name": value} for key, value in record.details.items()},
        }
        if record.name:
            body["name"] = record.name
        return _request(INTERVAL_SET, body)
    interval = {"id": interval_id, "type": {"name": record.type}, "line": {"id": line_id}}
    if isinstance(record, EndInterval):
        return _request(INTERVAL_SET, interval | {"end_time": iso(record.end)})
    data = dict(record.raw_data)
    entry = {"raw_data": data if raw_data == "object" else json.dumps(data), "timestamp": iso(record.timestamp)}
    return _request(SCRAP_YIELD_SET, {"data": entry, "interval": interval})


def creates(record: Record) -> bool:
    """Whether sending the record's request twice would make two things at Oden."""
    return not isinstance(record, EndInterval)


def look_up(record: StartInterval | Output, line_id: str, interval_id: str | None) -> Request:
    """The search whose answer shows whether `record` is at Oden: around an interval's start, or an interval's output."""
    if isinstance(record, StartInterval):
        return _request(
            INTERVAL_SEARCH,
            {
                "type": {"name": record.type},
                "line": {"id": line_id},
                "start_time": iso(record.start - 1),
                "end_time": iso(record.start + 1),
                "match": "all",
            },
        )
    interval = {"id": interval_id, "type": {"name": record.type}, "line": {"id": line_id}}
    return _request(SCRAP_YIELD_SEARCH, {"interval": interval, "data": {"match": "all"}})


def find_line(factory: str, line: str) -> Request:
    """The search for one line by its names."""
    return _request(LINE_SEARCH, {"name": line, "factory": {"name": factory}, "match": "unique"})


def interval_id(answer: object, record: StartInterval) -> str | None:
    """The id that `interval/set` answers with, or that a search finds: of the interval with the record's start."""
    for item in _objects(answer):
        if "id" in item and _epoch(item.get("start_time")) == record.start:
            return str(item["id"])
    return None


def is_there(answer: object, record: StartInterval | Output) -> bool | None:
    """Whether the answer to `look_up` shows the record; None where the answer cannot be told to mean either.

    It is absent only where every entry could be read: answers of `scrap_yield/search` are not documented, and to take
    one that is not understood for "none" would send the record again.
    """
    key, wanted = ("start_time", record.start) if isinstance(record, StartInterval) else ("timestamp", record.timestamp)
    entries = _entries(answer)
    if entries is None:
        return None
    times = [{_epoch(item.get(key)) for item in _objects(entry)} - {None} for entry in entries]
    if any(wanted in found for found in times):
        return True
    return False if all(times) else None


def _entries(answer: object) -> list[object] | None:
    """The list that an answer is, or that it wraps; None where there is no such list."""
    if isinstance(answer, Mapping):
        lists = [value for value in answer.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else None
    return answer if isinstance(answer, list) else None


def line_id(answer: object) -> str | None:
    """The id in the answer to `find_line`."""
    return next((str(item["id"]) for item in _objects(answer) if "id" in item), None)


def iso(seconds: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, as Oden writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch(text: object) -> int | None:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return int(text / 1000 if text > 1e11 else text)
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _objects(answer: object) -> Iterator[Mapping[str, object]]:
    """The objects in an answer that is one, a list of them, or either wrapped in an object; outer ones first."""
    if isinstance(answer, Mapping):
        yield answer
        for value in answer.values():
            if isinstance(value, list | Mapping):
                yield from _objects(value)
    elif isinstance(answer, list):
        for item in answer:
            yield from _objects(item)


def _request(endpoint: Endpoint, body: Mapping[str, object]) -> Request:
    return Request(endpoint, json.dumps(body, ensure_ascii=False, separators=(",", ":")))
