"""What belongs to an interval: scrap/yield records (`scrap_yield/*`) and quality tests (`quality_test*/*`).

Their answers are not documented. This stand-in has chosen.

A scrap/yield record is answered as `{id, raw_data, timestamp}`, with `raw_data` as an object and `timestamp` null where
none was given, and with the `schema` of the factory where the organization has one; a search answers a list in the
order they were made. Where an organization has such schemas at all, output of a factory without one is refused. The
total of an interval is the sum of `scrap` or `yield` over its records, numbers or texts that are, times the factor of
the schema; it can be asked for by `oql/query` only.

Quality requests are answered with lists, in the form of the schemas QualitySchema and QualityTest; a deletion answers
what it has deleted. A test belongs to a RUN or a BATCH, and its schema, where it names one, to the line's factory.
Tests of a line that are deleted by time lie within it, both ends included; one without time is not deleted so.
"""

import math
from dataclasses import replace
from typing import Literal

from gateway.simulator.oden.bodies import Fields, format_time, not_found, select
from gateway.simulator.oden.intervals import resolve_interval
from gateway.simulator.oden.master_data import resolve_factory, resolve_line
from gateway.simulator.oden.store import (
    Interval,
    Line,
    QualitySchema,
    QualityTest,
    ScrapYieldRecord,
    ScrapYieldSchema,
    Store,
    derived_id,
)


def set_output(store: Store, body: Fields) -> object:
    """`scrap_yield/set`: with `data.id` updates that record of the interval, without always makes another."""
    data = body.required("data")
    interval = _resolve_producer(store, body)
    raw_data = data.json_object("raw_data")
    timestamp = data.time("timestamp") if data.values.get("timestamp") is not None else None
    if "id" in data:
        old = _resolve_record(store, interval, data)
        new = replace(
            old,
            raw_data=old.raw_data if raw_data is None else raw_data,
            timestamp=timestamp if "timestamp" in data else old.timestamp,
        )
    else:
        if raw_data is None:
            raise data.missing("raw_data")
        store.output_made += 1
        new = ScrapYieldRecord(derived_id("scrap_yield", store.output_made), raw_data, timestamp)
    store.output.setdefault((interval.type, interval.line, interval.id), {})[new.id] = new
    return _record_answer(store, interval, new)


def search_output(store: Store, body: Fields) -> object:
    """`scrap_yield/search`: the records of one interval, or of these the one with `data.id`, by `data.match`."""
    interval = _resolve_producer(store, body)
    data = body.fields("data") or Fields({}, "data.")
    if "id" in data:
        return [_record_answer(store, interval, _resolve_record(store, interval, data))]
    records = list(store.output_of(interval).values())
    return [_record_answer(store, interval, record) for record in select(records, data.match(), "scrap_yield")]


def delete_output(store: Store, body: Fields) -> object:
    """`scrap_yield/delete`: the record with `data.id` on the line of `interval`, or within it where its id is given."""
    data, fields = body.required("data"), body.required("interval")
    record_id = data.text("id")
    if record_id is None:
        raise data.missing("id")
    line = resolve_line(store, fields.required("line"))
    interval = _resolve_producer(store, body) if "id" in fields else None
    for key, records in store.output.items():
        kind, line_of_records, interval_id = key
        within = interval is None or (kind, interval_id) == (interval.type, interval.id)
        if line_of_records == line and within and record_id in records:
            deleted = records.pop(record_id)
            if not records:
                del store.output[key]
            return _record_answer(store, store.intervals[kind, line][interval_id], deleted)
    raise not_found("scrap_yield")


def _resolve_producer(store: Store, body: Fields) -> Interval:
    """The RUN or BATCH that the field `interval` names; 400 where its factory takes no scrap and yield."""
    given = body.required("interval")
    fields = Fields(given.values, given.where, body.query)
    interval = resolve_interval(store, fields)
    if interval.type not in {"RUN", "BATCH"}:
        raise fields.invalid("type", "scrap and yield belong to a RUN or a BATCH")
    if store.organization.scrap_yield_schemas and _scrap_yield_schema(store, interval) is None:
        raise fields.invalid("line", f"{interval.line.factory} has no scrap/yield schema")
    return interval


def _scrap_yield_schema(store: Store, interval: Interval) -> ScrapYieldSchema | None:
    schemas = store.organization.scrap_yield_schemas
    return next((schema for schema in schemas if schema.factory == interval.line.factory), None)


def _resolve_record(store: Store, interval: Interval, data: Fields) -> ScrapYieldRecord:
    record_id = data.text("id")
    records = [record for record in store.output_of(interval).values() if record.id == record_id]
    return select(records, "unique", "scrap_yield")[0]


def _record_answer(store: Store, interval: Interval, record: ScrapYieldRecord) -> dict[str, object]:
    schema = _scrap_yield_schema(store, interval)
    return record.answer() if schema is None else {**record.answer(), "schema": schema.answer()}


def total(store: Store, interval: Interval, kind: Literal["scrap", "yield"]) -> float | None:
    """The total scrap or yield of an interval; None where no record has any, or where it is beyond a double."""
    amounts = (_number(record.raw_data.get(kind)) for record in store.output_of(interval).values())
    numbers = [amount for amount in amounts if amount is not None]
    schema = _scrap_yield_schema(store, interval)
    factor = (
        1.0
        if schema is None
        else {"scrap": schema.scrap_conversion_factor, "yield": schema.yield_conversion_factor}[kind]
    )
    result = sum(numbers) * factor
    return result if numbers and math.isfinite(result) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def search_schemas(store: Store, body: Fields) -> object:
    """`quality_schema/search`: all schemas of a factory, or the one with that `id`."""
    schema_id, given_factory = body.text("id"), body.fields("factory")
    if schema_id is None and given_factory is None:
        raise body.missing("factory")
    factory = None if given_factory is None else resolve_factory(store, given_factory).name
    schemas = [
        schema
        for schema in store.organization.quality_schemas
        if schema_id in {None, schema.id} and factory in {None, schema.factory}
    ]
    match = body.match() if "match" in body else "all"
    return [schema.answer() for schema in select(schemas, match, "quality schema")]


def search_tests(store: Store, body: Fields) -> object:
    """`quality_test/search`: by `id`, or the tests of an `interval`."""
    return [_test_answer(store, test) for test in select(_matching_tests(store, body), body.match(), "quality test")]


def set_test(store: Store, body: Fields) -> object:
    """`quality_test/set`: without `id` makes a test; with it changes the fields that are given."""
    test_id, raw_data, timestamp = body.text("id"), body.json_object("raw_data"), body.time("timestamp")
    old = None if test_id is None else store.tests.get(test_id)
    if test_id is not None and old is None:
        raise not_found("quality test")
    if old is None and raw_data is None:
        raise body.missing("raw_data")
    key = _interval_key(store, body.required("interval")) if old is None or "interval" in body else old.interval
    schema = _resolve_quality_schema(store, body, key[1])
    if old is None:
        store.tests_made += 1
        old = QualityTest(derived_id("quality_test", store.tests_made), key, None, {}, None)
    test = replace(
        old,
        interval=key,
        schema=old.schema if schema is None else schema.id,
        raw_data=old.raw_data if raw_data is None else raw_data,
        timestamp=old.timestamp if timestamp is None else timestamp,
    )
    store.tests[test.id] = test
    return [_test_answer(store, test)]


def delete_test(store: Store, body: Fields) -> object:
    """`quality_test/delete`: the one with that `id`, or the only one of an `interval`."""
    test = select(_matching_tests(store, body), "unique", "quality test")[0]
    del store.tests[test.id]
    return [_test_answer(store, test)]


def delete_tests(store: Store, body: Fields) -> object:
    """`quality_tests/delete`: those with `ids`; where none are given, those of a `line` between two times."""
    if body.values.get("ids"):
        ids = body.text_list("ids")
        deleted = [store.tests[test_id] for test_id in dict.fromkeys(ids) if test_id in store.tests]
    else:
        line = resolve_line(store, body.required("line"))
        begin, end = body.time_range()
        deleted = [
            test
            for test in store.tests.values()
            if test.interval[1] == line and test.timestamp is not None and begin <= test.timestamp <= end
        ]
    for test in deleted:
        del store.tests[test.id]
    return [_test_answer(store, test) for test in deleted]


def _matching_tests(store: Store, body: Fields) -> list[QualityTest]:
    test_id, interval = body.text("id"), body.fields("interval")
    if test_id is not None:
        return [store.tests[test_id]] if test_id in store.tests else []
    if interval is None:
        raise body.invalid("id", "give the id, or an interval")
    key = _interval_key(store, interval)
    return [test for test in store.tests.values() if test.interval == key]


def _interval_key(store: Store, fields: Fields) -> tuple[str, Line, str]:
    interval = resolve_interval(store, fields)
    if interval.type not in {"RUN", "BATCH"}:
        raise fields.invalid("type", "quality tests belong to a RUN or a BATCH")
    return interval.type, interval.line, interval.id


def _resolve_quality_schema(store: Store, body: Fields, line: Line) -> QualitySchema | None:
    given = body.fields("quality_schema")
    if given is None:
        return None
    schema_id = given.text("id")
    if schema_id is None:
        raise given.missing("id")
    for schema in store.organization.quality_schemas:
        if schema.id == schema_id and schema.factory == line.factory:
            return schema
    raise given.invalid("id", "there is no such quality schema in this factory")


def _test_answer(store: Store, test: QualityTest) -> dict[str, object]:
    kind, line, interval_id = test.interval
    interval = store.intervals.get((kind, line), {}).get(interval_id)
    schemas = store.organization.quality_schemas
    schema = next((known for known in schemas if (known.id, known.factory) == (test.schema, line.factory)), None)
    return {
        "id": test.id,
        "raw_data": dict(test.raw_data),
        **({} if test.timestamp is None else {"timestamp": format_time(test.timestamp)}),
        **({} if interval is None else {"interval": interval.answer()}),
        **({} if schema is None else {"quality_schema": schema.answer()}),
    }
