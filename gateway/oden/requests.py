"""Records as typed requests to Oden, and which answers tell what became of them: one row for each kind of record. Pure.

Source: Oden's OpenAPI document: schemas Interval, IntervalBulkCreate, IntervalBulkUpdate, RunMetadata, StateMetadata,
ScrapYieldData and the endpoints' descriptions. A new kind of record is one row in `ROWS`, with its builder; a new type
of setting is one in `SETTINGS`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import JsonValue

from gateway import record_kinds
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
from gateway.oden import answers, endpoints, exchange, models
from gateway.oden.answers import Confirmation
from gateway.oden.endpoints import Call
from gateway.record_kinds import RecordKind, kind_of

RawData = Literal["object", "string"]

NAMED = frozenset({"product", "category", "reason"})
"""Metadata that are objects at Oden, known by their names."""

_METADATA: Mapping[str, type[models.Model]] = {
    "RUN": models.RunMetadata,
    "BATCH": models.BatchMetadata,
    "STATE": models.StateMetadata,
}
"""The model of an interval's metadata by the type of the interval; CustomMetadata for all others."""


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
    """One call: the endpoint, and what it takes."""

    endpoint: Call[Any, Any]
    model: models.Model

    def fields(self) -> dict[str, Any]:
        """The body as JSON values. It need not be complete: rules between fields are checked by `text` only."""
        return self.model.fields()

    def text(self) -> str:
        """The exact text of the body. InvalidRequest where it breaks a rule of Oden's document."""
        return exchange.text(self.endpoint, exchange.fields(self.endpoint, self.model))

    def draft(self) -> str:
        """The text of a body that may still lack what decides whether it is complete, such as an id."""
        return exchange.text(self.endpoint, self.fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """How records of one kind are told to Oden. Every verb takes records of this kind; ids are Oden's.

    `request` makes one record true, given the line's id and that of the interval; `bulk` several of one line and type,
    of which `can_share` must hold, to `bulk_endpoint`; None where Oden has no such request. `look_up` is the search
    whose answer shows which records are there; None: they are never in doubt. Of its answer, `is_there` says whether it
    shows the record (None: it cannot be told) and `found_id` under which id; with `needs_id` a record that is there
    without one is not understood. `confirmation` is what a success of `request` or `bulk` says of each record.
    """

    request: Callable[[Any, str, str | None, Wording], Request]
    confirmation: Callable[[object, Sequence[Any], Mapping[str, Any]], Confirmation]
    can_share: Callable[[Any], bool] = lambda _: False
    bulk: Callable[[Sequence[Any], str, Sequence[str | None], Wording], Request] | None = None
    bulk_endpoint: Call[Any, Any] | None = None
    look_up: Callable[[Sequence[Any], str, str | None], Request] | None = None
    is_there: Callable[[object, Any, str | None], bool | None] = lambda *_: None
    found_id: Callable[[object, Any, str | None], str | None] = lambda *_: None
    needs_id: bool = False


@dataclass(frozen=True, slots=True)
class SettingCalls:
    """What sets a thing of one type and, where Oden would make a second one of it, what finds it."""

    set: Call[Any, Any]
    search: Call[Any, Any] | None = None


SETTINGS: Mapping[SettingType, SettingCalls] = {
    "product": SettingCalls(endpoints.PRODUCT_SET, endpoints.PRODUCT_SEARCH),
    "product_mapping": SettingCalls(endpoints.PRODUCT_MAPPING_SET),
    "product_attribute": SettingCalls(endpoints.PRODUCT_ATTRIBUTE_SET),
    "target": SettingCalls(endpoints.TARGET_SET),
    "maintenance_work_order": SettingCalls(
        endpoints.MAINTENANCE_WORK_ORDER_SET, endpoints.MAINTENANCE_WORK_ORDER_SEARCH
    ),
    "interval_type": SettingCalls(endpoints.INTERVAL_TYPE_SET, endpoints.INTERVAL_TYPE_SEARCH),
}


def row_of(record: Record) -> RecordRow:
    """How `record` is told to Oden."""
    return ROWS[kind_of(record)]


def request_for(
    records: Sequence[Record], line_id: str, interval_ids: Sequence[str | None], wording: Wording
) -> Request:
    """The request that makes `records` true at Oden: one record, or several of one line and type that can share it.

    `interval_ids` are the ids at Oden of their intervals, which all but starts need. InvalidRequest where what a record
    says cannot be said to Oden.
    """
    row = row_of(records[0])
    if len(records) == 1:
        return row.request(records[0], line_id, interval_ids[0], wording)
    if row.bulk is None:
        raise TypeError(f"records of the kind {records[0].kind} cannot share a request")
    return row.bulk(records, line_id, interval_ids, wording)


def can_share(record: Record) -> bool:
    """Whether it may share a request with others of its line and type: ends of any interval, and starts of custom
    intervals whose end is known. An open one is sent alone, because `interval/set` says for certain which id is
    whose."""
    return row_of(record).can_share(record)


def look_up(records: Sequence[Record], line_id: str, interval_id: str | None, step: int = 1) -> Request:
    """The search whose answer shows which of `records` are at Oden: around the intervals' starts, which Oden rounds to
    `step` seconds, one interval's output or tests, or the thing that a setting is about."""
    row = row_of(records[0])
    if row.look_up is None:
        raise TypeError(f"a record of the kind {records[0].kind} is never in doubt")
    if step > 1 and isinstance(records[0], StartInterval):
        return _search_intervals([one for one in records if isinstance(one, StartInterval)], line_id, None, step)
    return row.look_up(records, line_id, interval_id)


def for_all(search: Request) -> Request:
    """The same search for all that fits, where Oden has said that it is more than one."""
    return Request(search.endpoint, search.model.model_copy(update={"match": "all"}))


def find_line(factory: str, line: str) -> Request:
    """The search for one line by its names."""
    return Request(endpoints.LINE_SEARCH, models.Line(name=line, factory=models.Factory(name=factory)))


def change_request(
    record: UpdateInterval, line_id: str, interval_id: str, wording: Wording, beside: Mapping[str, JsonValue]
) -> Request:
    """The request for a change that also names the metadata `beside` it, as Oden shows them."""
    run = beside.get("run")
    whole = {**_run("", line_id), **run} if record.type == "BATCH" and isinstance(run, Mapping) else run
    metadata = {**beside, **({} if run is None else {"run": whole}), **record.metadata}
    return _set_interval(replace(record, metadata=metadata), line_id, interval_id, wording)


def delete_interval(record: UpdateInterval, line_id: str, interval_id: str) -> Request:
    """The request that deletes the interval of `record`."""
    place = {"type": {"name": record.type}, "line": {"id": line_id}}
    return Request(endpoints.INTERVAL_DELETE, models.Interval.model_validate({**place, "id": interval_id}))


def find_interval(interval_type: str, line_id: str, **by: str) -> Request:
    """The search for one interval by its `id`, or `by` what else the document has."""
    place = {"type": {"name": interval_type}, "line": {"id": line_id}}
    return Request(endpoints.INTERVAL_SEARCH, models.Interval.model_validate({**place, **by}))


def setting_request(record: Setting, line_id: str, oden_id: str | None) -> Request:
    """The request to set a thing: the one with the id, or a new one where that is None."""
    endpoint = SETTINGS[record.type].set
    fields = {**record.fields, **_line_of(record, line_id)}
    if oden_id is not None:
        fields["id"] = oden_id
        if record.type == "interval_type":
            fields.pop("name", None)  # it cannot be renamed, and Oden refuses one that seems to try
    return Request(endpoint, exchange.request(endpoint, fields, strict=False))


# Starts and updates of intervals


def _interval(
    record: StartInterval | UpdateInterval, line_id: str, interval_id: str | None, wording: Wording
) -> dict[str, Any]:
    """What is said of one interval, beside its type and line: fields of the model Interval. `interval_id` is its own
    or, where it begins, that of the run that it is in."""
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] = {
        name: {"name": value} if name in NAMED and record.type in BUILT_IN and isinstance(value, str) else value
        for name, value in record.metadata.items()
    }
    if isinstance(record, StartInterval):
        fields["start_time"] = _time(record.start)
        if wording.reference:
            metadata[wording.reference] = record.key
        if record.within is not None and interval_id is not None:
            metadata["run"] = _run(interval_id, line_id)
    else:
        fields["id"] = interval_id
    if record.end is not None:
        fields["end_time"] = _time(record.end)
    if metadata or isinstance(record, StartInterval):
        model = _METADATA.get(record.type, models.CustomMetadata)
        fields["metadata"] = exchange.part(endpoints.INTERVAL_SET, "metadata", model, metadata)
    if record.name:
        fields["name"] = record.name
    return fields


def _set_interval(
    record: StartInterval | UpdateInterval, line_id: str, interval_id: str | None, wording: Wording
) -> Request:
    fields = _interval(record, line_id, interval_id, wording)
    return Request(endpoints.INTERVAL_SET, models.Interval(**_place(record, line_id), **fields))


def _create_intervals(
    records: Sequence[StartInterval], line_id: str, interval_ids: Sequence[str | None], wording: Wording
) -> Request:
    intervals = [models.Interval(**_interval(record, line_id, None, wording)) for record in records]
    return Request(
        endpoints.INTERVALS_SET, models.IntervalBulkCreate(**_place(records[0], line_id), intervals=intervals)
    )


def _update_intervals(
    records: Sequence[UpdateInterval], line_id: str, interval_ids: Sequence[str | None], wording: Wording
) -> Request:
    pairs = zip(records, interval_ids, strict=True)
    intervals = [models.Interval(**_interval(record, line_id, interval_id, wording)) for record, interval_id in pairs]
    return Request(
        endpoints.INTERVALS_UPDATE, models.IntervalBulkUpdate(**_place(records[0], line_id), intervals=intervals)
    )


def _search_intervals(records: Sequence[StartInterval], line_id: str, _: str | None, step: int = 1) -> Request:
    starts = [record.start for record in records]
    first, last = _time(min(starts) - step), _time(max(starts) + step)
    around = models.Interval(**_place(records[0], line_id), start_time=first, end_time=last, match="all")
    return Request(endpoints.INTERVAL_SEARCH, around)


# Output and quality tests


def _set_output(record: Output, line_id: str, interval_id: str | None, wording: Wording) -> Request:
    raw_data = _raw_data(record, wording)
    entry = models.ScrapYieldData(
        raw_data=raw_data if wording.raw_data == "object" else json.dumps(raw_data), timestamp=_time(record.timestamp)
    )
    return Request(
        endpoints.SCRAP_YIELD_SET, models.ScrapYieldSet(data=entry, interval=_within(record, line_id, interval_id))
    )


def _search_output(records: Sequence[Output], line_id: str, interval_id: str | None) -> Request:
    interval = _within(records[0], line_id, interval_id)
    return Request(
        endpoints.SCRAP_YIELD_SEARCH,
        models.ScrapYieldSearch(interval=interval, data=models.ScrapYieldData(match="all")),
    )


def _set_test(record: Output, line_id: str, interval_id: str | None, wording: Wording) -> Request:
    test = models.QualityTest(
        raw_data=_raw_data(record, wording),
        timestamp=_time(record.timestamp),
        quality_schema=models.QualitySchema(id=record.quality_schema),
        interval=_within(record, line_id, interval_id),
    )
    return Request(endpoints.QUALITY_TEST_SET, test)


def _search_tests(records: Sequence[Output], line_id: str, interval_id: str | None) -> Request:
    interval = _within(records[0], line_id, interval_id)
    return Request(endpoints.QUALITY_TEST_SEARCH, models.QualityTest(interval=interval, match="all"))


# Settings


def _set_setting(record: Setting, line_id: str, _: str | None, __: Wording) -> Request:
    return setting_request(record, line_id, None)


def _search_setting(records: Sequence[Setting], line_id: str, _: str | None) -> Request:
    (record,) = records
    endpoint = SETTINGS[record.type].search
    if endpoint is None:
        raise TypeError(f"a {record.type} is never in doubt")
    identity = {name: record.fields.get(name) for name in IDENTITY[record.type]}
    fields = {**identity, **_line_of(record, line_id)}  # without `match`, which is `unique` then
    return Request(endpoint, exchange.request(endpoint, fields, strict=False))


# Parts that several share


def _place(record: StartInterval | UpdateInterval | Output, line_id: str) -> dict[str, Any]:
    """Where an interval belongs: fields of the models Interval, IntervalBulkCreate and IntervalBulkUpdate."""
    return {"type": models.IntervalType(name=record.type), "line": models.Line(id=line_id)}


def _run(run_id: str, line_id: str) -> dict[str, JsonValue]:
    """The run that a batch is in: an interval with its type and line."""
    return {"id": run_id, "type": {"name": "RUN"}, "line": {"id": line_id}}


def _within(record: Output, line_id: str, interval_id: str | None) -> models.Interval:
    """The interval of output or of a test."""
    return models.Interval(id=interval_id, **_place(record, line_id))


def _raw_data(record: Output, wording: Wording) -> dict[str, Any]:
    return {**record.raw_data, **({wording.reference: record.key} if wording.reference else {})}


def _line_of(record: Setting, line_id: str) -> dict[str, Any]:
    """The line of a setting, where it holds for one line only."""
    return {} if record.type in OF_NO_LINE else {"line": {"id": line_id}}


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_SETTING_ROW = RecordRow(
    request=_set_setting,
    look_up=_search_setting,
    is_there=answers.shows_setting,
    found_id=answers.setting_id,
    needs_id=True,
    confirmation=answers.confirmed_all,
)

ROWS: Mapping[RecordKind, RecordRow] = {
    record_kinds.START: RecordRow(
        request=_set_interval,
        bulk=_create_intervals,
        bulk_endpoint=endpoints.INTERVALS_SET,
        can_share=lambda record: record.type not in BUILT_IN and record.end is not None,
        look_up=_search_intervals,
        is_there=answers.shows_start,
        found_id=answers.interval_id,
        needs_id=True,
        confirmation=answers.confirmed_starts,
    ),
    record_kinds.UPDATE: RecordRow(
        request=_set_interval,
        bulk=_update_intervals,
        bulk_endpoint=endpoints.INTERVALS_UPDATE,
        can_share=lambda record: not record.metadata and not record.name and not record.moves_end,
        look_up=lambda records, line_id, interval_id: find_interval(records[0].type, line_id, id=interval_id or ""),
        is_there=answers.shows_update,
        confirmation=answers.confirmed_updates,
    ),
    record_kinds.OUTPUT: RecordRow(
        request=_set_output,
        look_up=_search_output,
        is_there=answers.shows_output,
        confirmation=answers.confirmed_all,
    ),
    record_kinds.QUALITY_TEST: RecordRow(
        request=_set_test,
        look_up=_search_tests,
        is_there=answers.shows_output,
        confirmation=answers.confirmed_all,
    ),
    record_kinds.SETTING: _SETTING_ROW,
    record_kinds.CREATING_SETTING: _SETTING_ROW,
}
"""How each kind of record is told to Oden."""
