"""Oden's `scrap_yield/search|set|delete`.

Their answers are not documented. This stand-in answers the record, or a list of records, as `{id, raw_data,
timestamp}` with `raw_data` as an object and `timestamp` null where none was given; records in the order they were made.
"""

from dataclasses import replace

from gateway.simulator.oden_body import Fields, not_found, read_json, select
from gateway.simulator.oden_catalogue import the_line
from gateway.simulator.oden_intervals import the_interval
from gateway.simulator.oden_store import Entry, Interval, Store, made_id


def set_output(store: Store, body: Fields) -> object:
    """`scrap_yield/set`: with `data.id` updates that record of the interval, without always makes another."""
    data = body.required("data")
    interval = _interval(store, body)
    raw_data = _raw_data(data)
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
    return new.answer()


def search_output(store: Store, body: Fields) -> object:
    """`scrap_yield/search`: the records of one interval, or of these the one with `data.id`, by `data.match`."""
    interval = _interval(store, body)
    data = body.fields("data") or Fields({}, "data.")
    if "id" in data:
        return [_one(store, interval, data).answer()]
    found = list(store.output_of(interval).values())
    return [entry.answer() for entry in select(found, data.match(), "scrap_yield")]


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
            return entries.pop(wanted).answer()
    raise not_found("scrap_yield")


def _interval(store: Store, body: Fields) -> Interval:
    given = body.required("interval")
    fields = Fields(given.values, given.where, body.query)
    interval = the_interval(store, fields)
    if interval.type not in {"RUN", "BATCH"}:
        raise fields.bad("type", "scrap and yield belong to a RUN or a BATCH")
    return interval


def _one(store: Store, interval: Interval, data: Fields) -> Entry:
    wanted = data.text("id")
    found = [entry for entry in store.output_of(interval).values() if entry.id == wanted]
    return select(found, "unique", "scrap_yield")[0]


def _raw_data(data: Fields) -> dict[str, object] | None:
    """`raw_data`, an object or (as its schema says) a string that holds one; None where it is absent."""
    value = data.values.get("raw_data")
    if "raw_data" not in data:
        return None
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            raise data.bad("raw_data", "is a string that does not hold JSON") from None
    if not isinstance(value, dict):
        raise data.bad("raw_data", "must be an object, or a string that holds one")
    return value
