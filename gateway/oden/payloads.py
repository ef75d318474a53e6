"""Records as requests, and answers as what they tell. Pure.

Source: Oden's OpenAPI document: schemas Interval, IntervalBulkCreate, IntervalBulkUpdate, RunMetadata, StateMetadata,
ScrapYieldData and the endpoints' descriptions. Answers of `scrap_yield/*` are not documented: they are searched for what is needed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gateway.model import (
    BUILT_IN,
    IDENTITY,
    OF_NO_LINE,
    Output,
    Record,
    Setting,
    SettingType,
    StartInterval,
    UpdateInterval,
)
from gateway.oden.endpoints import (
    INTERVAL_SEARCH,
    INTERVAL_SET,
    INTERVAL_TYPE_SEARCH,
    INTERVAL_TYPE_SET,
    INTERVALS_SET,
    INTERVALS_UPDATE,
    LINE_SEARCH,
    MAINTENANCE_WORK_ORDER_SEARCH,
    MAINTENANCE_WORK_ORDER_SET,
    PRODUCT_ATTRIBUTE_SET,
    PRODUCT_MAPPING_SET,
    PRODUCT_SEARCH,
    PRODUCT_SET,
    QUALITY_TEST_SEARCH,
    QUALITY_TEST_SET,
    SCRAP_YIELD_SEARCH,
    SCRAP_YIELD_SET,
    TARGET_SET,
    Endpoint,
)
from gateway.oden.limits import MOST_INTERVALS

RawData = Literal["object", "string"]

NAMED = frozenset({"product", "category", "reason"})
"""Details that are objects at Oden, known by their names."""

SETS: Mapping[SettingType, Endpoint] = {
    "product": PRODUCT_SET,
    "product_mapping": PRODUCT_MAPPING_SET,
    "product_attribute": PRODUCT_ATTRIBUTE_SET,
    "target": TARGET_SET,
    "maintenance_work_order": MAINTENANCE_WORK_ORDER_SET,
    "interval_type": INTERVAL_TYPE_SET,
}
"""What sets a thing of each type."""

SEARCHES: Mapping[SettingType, Endpoint] = {
    "product": PRODUCT_SEARCH,
    "maintenance_work_order": MAINTENANCE_WORK_ORDER_SEARCH,
    "interval_type": INTERVAL_TYPE_SEARCH,
}
"""What finds a thing of each type that is made once."""

BULK = MOST_INTERVALS
"""Intervals in one request at the most."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How requests are written where Oden leaves a choice.

    `reference` is the name under which each record carries its own key, in metadata or `raw_data`; None: it does not.
    """

    raw_data: RawData = "object"
    reference: str | None = None


DEFAULT = Wording()


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the endpoint and the exact text of its body."""

    endpoint: Endpoint
    body: str


def request_for(
    records: Sequence[Record], line_id: str, interval_ids: Sequence[str | None], wording: Wording
) -> Request:
    """The request that makes `records` true at Oden: one record, or several of one line and type for which `packable` holds.

    `interval_ids` are the ids at Oden of their intervals, which all but starts need.
    """
    first = records[0]
    if isinstance(first, Setting):
        where = {} if first.type in OF_NO_LINE else {"line": {"id": line_id}}
        return _request(SETS[first.type], {**first.fields, **where})
    place: dict[str, object] = {"type": {"name": first.type}, "line": {"id": line_id}}
    if len(records) > 1:
        endpoint = INTERVALS_SET if isinstance(first, StartInterval) else INTERVALS_UPDATE
        intervals = [_fields(record, key, wording) for record, key in zip(records, interval_ids, strict=True)]
        return _request(endpoint, place | {"intervals": intervals})
    if not isinstance(first, Output):
        return _request(INTERVAL_SET, place | _fields(first, interval_ids[0], wording))
    data = dict(first.raw_data) | ({wording.reference: first.key} if wording.reference else {})
    interval = {"id": interval_ids[0], **place}
    if first.quality_schema is not None:
        test = {"raw_data": data, "timestamp": iso(first.timestamp), "quality_schema": {"id": first.quality_schema}}
        return _request(QUALITY_TEST_SET, {**test, "interval": interval})
    entry = {"raw_data": data if wording.raw_data == "object" else json.dumps(data), "timestamp": iso(first.timestamp)}
    return _request(SCRAP_YIELD_SET, {"data": entry, "interval": interval})


def _fields(record: Record, interval_id: str | None, wording: Wording) -> dict[str, object]:
    """What is said of one interval (schema Interval), beside its type and line."""
    if not isinstance(record, StartInterval | UpdateInterval):
        raise TypeError("this is not said of an interval")
    named: dict[str, object] = {
        key: {"name": value} if key in NAMED and record.type in BUILT_IN and isinstance(value, str) else value
        for key, value in record.metadata.items()
    }
    fields: dict[str, object] = {}
    if isinstance(record, StartInterval):
        fields["start_time"] = iso(record.start)
        if wording.reference:
            named[wording.reference] = record.key
    else:
        fields["id"] = interval_id
    if record.end is not None:
        fields["end_time"] = iso(record.end)
    if named or isinstance(record, StartInterval):
        fields["metadata"] = named
    if record.name:
        fields["name"] = record.name
    return fields


def packable(record: Record) -> bool:
    """Whether it may share a request with others of its line and type: updates of any, starts of custom intervals whose end is
    known. An open one is sent alone, because `interval/set` says for certain which id is whose."""
    if isinstance(record, StartInterval):
        return record.type not in BUILT_IN and record.end is not None
    return isinstance(record, UpdateInterval)


def look_up(records: Sequence[Record], line_id: str, interval_id: str | None) -> Request:
    """The search whose answer shows which of `records` are at Oden: around the intervals' starts, one interval's output or tests, or the
    thing that a setting is about."""
    first = records[0]
    if isinstance(first, Setting):
        if first.type not in SEARCHES:
            raise TypeError(f"a {first.type} is never in doubt")
        where = {} if first.type in OF_NO_LINE else {"line": {"id": line_id}}
        return _request(SEARCHES[first.type], {**_named(first), **where, "match": "all"})
    place = {"type": {"name": first.type}, "line": {"id": line_id}}
    if isinstance(first, Output):
        interval = {"id": interval_id, **place}
        if first.quality_schema is not None:
            return _request(QUALITY_TEST_SEARCH, {"interval": interval, "match": "all"})
        return _request(SCRAP_YIELD_SEARCH, {"interval": interval, "data": {"match": "all"}})
    starts = [record.start for record in records if isinstance(record, StartInterval)]
    times = {"start_time": iso(min(starts) - 1), "end_time": iso(max(starts) + 1)}
    return _request(INTERVAL_SEARCH, {**place, **times, "match": "all"})


def find_line(factory: str, line: str) -> Request:
    """The search for one line by its names."""
    return _request(LINE_SEARCH, {"name": line, "factory": {"name": factory}, "match": "unique"})


def found_id(answer: object, record: Record, wording: Wording = DEFAULT) -> str | None:
    """The id, in the answer to `look_up`, of what the record makes; None where it has none that matters."""
    if isinstance(record, StartInterval):
        return interval_id(answer, record, wording)
    if isinstance(record, Setting):
        ours = (item for item in _entries(answer) or [] if isinstance(item, Mapping))
        ids = (item.get("id") for item in ours if _named(record).items() <= item.items())
        return next((str(one) for one in ids if one is not None), None)
    return None


def with_id(record: Setting, line_id: str, oden_id: str | None) -> str:
    """The request to set a thing, for the one with the id; None: for a new one."""
    fields = json.loads(request_for([record], line_id, [None], DEFAULT).body)
    if oden_id is None:
        return _text(fields)
    if record.type == "interval_type":
        del fields["name"]  # it cannot be renamed, and Oden refuses one that seems to try
    return _text({**fields, "id": oden_id})


def interval_id(answer: object, record: StartInterval, wording: Wording = DEFAULT) -> str | None:
    """The id that `interval/set` answers with, or that a search finds: of the interval with the record's start."""
    for item in _objects(answer):
        ours = _reference(item, wording.reference) in (None, record.key)
        if ours and "id" in item and _epoch(item.get("start_time")) == record.start:
            return str(item["id"])
    return None


def created_ids(answer: object, number: int) -> list[str | None]:
    """The `number` ids that `intervals/set` answers with, in the order of the request; all None where they are not that many."""
    ids = answer if isinstance(answer, list) else []
    fit = len(ids) == number and all(isinstance(one, str | int) for one in ids)
    return [str(one) for one in ids] if fit else [None] * number


def refused_ids(answer: object, asked: Sequence[str]) -> dict[str, str] | None:
    """The intervals of those `asked` that `intervals/update` did not update, by id, with Oden's reason; None where the answer
    does not tell which they are."""
    if not isinstance(answer, Mapping):
        return None
    failed, number = answer.get("failed_intervals"), answer.get("num_failed")
    items = [item for item in failed if isinstance(item, Mapping)] if isinstance(failed, list) else []
    refused = {str(item.get("id")): str(item.get("error") or "no reason given")[:500] for item in items}
    says_done = not isinstance(number, int) and any(name in answer for name in ("num_updated", "updated_intervals"))
    told = len(refused) == number if isinstance(number, int) else bool(refused) or says_done
    return refused if told and refused.keys() <= set(asked) else None


def is_there(answer: object, record: Record, wording: Wording = DEFAULT) -> bool | None:
    """Whether the answer to `look_up` shows the record; None where the answer cannot be told to mean either.

    It is absent only where every entry could be read: answers of `scrap_yield/search` are not documented, and to take
    one that is not understood for "none" would send the record again. One that carries the reference of another record is another.
    """
    if isinstance(record, UpdateInterval):
        raise TypeError("an update is never in doubt")
    if isinstance(record, Setting):
        return _is_set(answer, record)
    key, wanted = ("start_time", record.start) if isinstance(record, StartInterval) else ("timestamp", record.timestamp)
    entries = _entries(answer)
    if entries is None:
        return None
    times = [{_epoch(item.get(key)) for item in _objects(entry)} - {None} for entry in entries]
    ours = [entry for entry, found in zip(entries, times, strict=True) if wanted in found]
    if any(_reference(entry, wording.reference) in (None, record.key) for entry in ours):
        return True
    return False if all(times) else None


def _is_set(answer: object, record: Setting) -> bool | None:
    """As `is_there`. Things made by hand need not say what they are known by here; where none says it, the answer is not understood."""
    ((key, wanted),) = _named(record).items()
    entries = _entries(answer)
    things = [item for item in entries or [] if isinstance(item, Mapping)]
    if entries is None or len(things) < len(entries) or (things and not any(key in item for item in things)):
        return None
    return any(item.get(key) == wanted for item in things)


def _named(record: Setting) -> Mapping[str, object]:
    """The one field that says which thing it is."""
    return {name: record.fields.get(name) for name in IDENTITY[record.type]}


def _reference(entry: object, name: str | None) -> str | None:
    """The reference that an entry carries; None where it carries none."""
    if name is None:
        return None
    for item in _objects(entry):
        raw = item.get("raw_data")
        if isinstance(raw, str):
            try:
                raw = json.loads(raw)
            except ValueError:
                raw = None
        for place in (item, raw):
            if isinstance(place, Mapping) and isinstance(place.get(name), str):
                return str(place[name])
    return None


def _entries(answer: object) -> list[object] | None:
    """The list that an answer is, or that it wraps; None where there is no such list."""
    if isinstance(answer, Mapping):
        lists = [value for value in answer.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else None
    return answer if isinstance(answer, list) else None


def line_id(answer: object) -> str | None:
    """The id in the answer to `find_line`: the line's own, not that of its factory or of anything else the answer names."""
    entries = [answer] if isinstance(answer, Mapping) and "id" in answer else _entries(answer) or []
    return next((str(entry["id"]) for entry in entries if isinstance(entry, Mapping) and "id" in entry), None)


def iso(seconds: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, as Oden writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch(text: object) -> int | None:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return int(text / 1000 if text > 1e11 else text) if abs(text) < 1e15 else None
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
    return Request(endpoint, _text(body))


def _text(body: Mapping[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
