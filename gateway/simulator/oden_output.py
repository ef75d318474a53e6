"""Oden's `scrap_yield/search|set|delete`.

Their answers are not documented. This stand-in answers the record, or a list of records, as `{id, raw_data,
timestamp}` with `raw_data` as an object and `timestamp` null where none was given, and with the `schema` of the factory where the plant has one;
records in the order they were made. Where a plant has such schemas at all, output of a factory without one is refused. The total of an interval is the
sum of `scrap` or `yield` over its records, numbers or texts that are, times the factor of the schema; it can be asked for by `oql/query` only.
"""

import math
from dataclasses import replace
from typing import Literal

from gateway.simulator.oden_body import Fields, not_found, select
from gateway.simulator.oden_catalogue import the_line
from gateway.simulator.oden_intervals import the_interval
from gateway.simulator.oden_store import Entry, Interval, ScrapYieldSchema, Store, made_id


def set_output(store: Store, body: Fields) -> object:
    """`scrap_yield/set`: with `data.id` updates that record of the interval, without always makes another."""
    data = body.required("data")
    interval = _interval(store, body)
    raw_data = data.json_object("raw_data")
    stamped = "timestamp" in data
    timestamp = data.time("timestamp") if data.values.get("timestamp") is not None else None
    if "id" in data:
        old = _one(store, interval, data)
        new = replace(
            old,
            raw_data=old.raw_data if raw_data is None else raw_data,
            timestamp=timestamp if stamped else old.timestamp,
        )
    else:
        if raw_data is None:
            raise data.missing("raw_data")
        store.entries += 1
        new = Entry(made_id("scrap_yield", store.entries), raw_data, timestamp)
    store.output.setdefault((interval.type, interval.line, interval.id), {})[new.id] = new
    return _answer(store, interval, new)


def search_output(store: Store, body: Fields) -> object:
    """`scrap_yield/search`: the records of one interval, or of these the one with `data.id`, by `data.match`."""
    interval = _interval(store, body)
    data = body.fields("data") or Fields({}, "data.")
    if "id" in data:
        return [_answer(store, interval, _one(store, interval, data))]
    found = list(store.output_of(interval).values())
    return [_answer(store, interval, entry) for entry in select(found, data.match(), "scrap_yield")]


def delete_output(store: Store, body: Fields) -> object:
    """`scrap_yield/delete`: the record with `data.id` on the line of `interval`, or within it where its id is given."""
    data, fields = body.required("data"), body.required("interval")
    wanted = data.text("id")
    if wanted is None:
        raise data.missing("id")
    line = the_line(store, fields.required("line"))
    interval = _interval(store, body) if "id" in fields else None
    for (kind, of, interval_id), entries in store.output.items():
        within = interval is None or (kind, interval_id) == (interval.type, interval.id)
        if of == line and within and wanted in entries:
            gone = entries.pop(wanted)
            if not entries:
                del store.output[kind, of, interval_id]
            return _answer(store, store.intervals[kind, of][interval_id], gone)
    raise not_found("scrap_yield")


def _interval(store: Store, body: Fields) -> Interval:
    given = body.required("interval")
    fields = Fields(given.values, given.where, body.query)
    interval = the_interval(store, fields)
    if interval.type not in {"RUN", "BATCH"}:
        raise fields.bad("type", "scrap and yield belong to a RUN or a BATCH")
    if store.plant.scrap_yield_schemas and _schema(store, interval) is None:
        raise fields.bad("line", f"{interval.line.factory} has no scrap/yield schema")
    return interval


def _schema(store: Store, interval: Interval) -> ScrapYieldSchema | None:
    schemas = store.plant.scrap_yield_schemas
    return next((one for one in schemas if one.factory == interval.line.factory), None)


def _one(store: Store, interval: Interval, data: Fields) -> Entry:
    wanted = data.text("id")
    found = [entry for entry in store.output_of(interval).values() if entry.id == wanted]
    return select(found, "unique", "scrap_yield")[0]


def _answer(store: Store, interval: Interval, entry: Entry) -> dict[str, object]:
    schema = _schema(store, interval)
    return entry.answer() if schema is None else {**entry.answer(), "schema": schema.answer()}


def total(store: Store, interval: Interval, kind: Literal["scrap", "yield"]) -> float | None:
    """The total scrap or yield of an interval; None where no record has any, or where it is beyond a double."""
    given = (_number(entry.raw_data.get(kind)) for entry in store.output_of(interval).values())
    numbers = [number for number in given if number is not None]
    schema = _schema(store, interval)
    factor = (
        1.0
        if schema is None
        else {"scrap": schema.scrap_conversion_factor, "yield": schema.yield_conversion_factor}[kind]
    )
    found = sum(numbers) * factor
    return found if numbers and math.isfinite(found) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
