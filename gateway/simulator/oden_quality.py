"""Oden's `quality_schema/search`, `quality_test/*` and `quality_tests/delete`.

Their answers are not documented. This stand-in answers lists of the things that the request is about, in the form of the schemas QualitySchema and
QualityTest, a deletion those that are gone. A test belongs to a RUN or a BATCH, and its schema, where it names one, to the line's factory. Tests
of a line that are deleted by time lie within it, both ends included; one without time is not deleted so.
"""

from dataclasses import replace

from gateway.simulator.oden_body import Fields, not_found, select, time_text
from gateway.simulator.oden_catalogue import the_factory, the_line
from gateway.simulator.oden_intervals import the_interval
from gateway.simulator.oden_store import Line, QualitySchema, QualityTest, Store, made_id


def search_schemas(store: Store, body: Fields) -> object:
    """`quality_schema/search`: all schemas of a factory, or the one with that `id`."""
    wanted = body.text("id")
    named = body.fields("factory")
    if wanted is None and named is None:
        raise body.missing("factory")
    factory = None if named is None else the_factory(store, named).name
    found = [
        schema
        for schema in store.plant.quality_schemas
        if wanted in {None, schema.id} and factory in {None, schema.factory}
    ]
    match = body.match() if "match" in body else "all"
    return [schema.answer() for schema in select(found, match, "quality schema")]


def search_tests(store: Store, body: Fields) -> object:
    """`quality_test/search`: by `id`, or the tests of an `interval`."""
    return [_answer(store, test) for test in select(_found(store, body), body.match(), "quality test")]


def set_test(store: Store, body: Fields) -> object:
    """`quality_test/set`: without `id` makes a test; with it changes the fields that are given."""
    wanted, raw_data, timestamp = body.text("id"), body.json_object("raw_data"), body.time("timestamp")
    old = None if wanted is None else store.tests.get(wanted)
    if wanted is not None and old is None:
        raise not_found("quality test")
    if old is None and raw_data is None:
        raise body.missing("raw_data")
    of = _key(store, body.required("interval")) if old is None or "interval" in body else old.interval
    schema = _schema(store, body, of[1])
    if old is None:
        store.tests_made += 1
        old = QualityTest(made_id("quality_test", store.tests_made), of, None, {}, None)
    test = replace(
        old,
        interval=of,
        schema=old.schema if schema is None else schema.id,
        raw_data=old.raw_data if raw_data is None else raw_data,
        timestamp=old.timestamp if timestamp is None else timestamp,
    )
    store.tests[test.id] = test
    return [_answer(store, test)]


def delete_test(store: Store, body: Fields) -> object:
    """`quality_test/delete`: the one with that `id`, or the only one of an `interval`."""
    test = select(_found(store, body), "unique", "quality test")[0]
    del store.tests[test.id]
    return [_answer(store, test)]


def delete_tests(store: Store, body: Fields) -> object:
    """`quality_tests/delete`: those with `ids`; where none are given, those of a `line` between two times."""
    if body.values.get("ids"):
        ids = body.texts("ids")
        found = [store.tests[one] for one in dict.fromkeys(ids) if one in store.tests]
    else:
        line = the_line(store, body.required("line"))
        begin, end = body.time("start_time"), body.time("end_time")
        if begin is None:
            raise body.missing("start_time")
        if end is None:
            raise body.missing("end_time")
        if end < begin:
            raise body.bad("end_time", "must not be before start_time")
        found = [
            test
            for test in store.tests.values()
            if test.interval[1] == line and test.timestamp is not None and begin <= test.timestamp <= end
        ]
    for test in found:
        del store.tests[test.id]
    return [_answer(store, test) for test in found]


def _found(store: Store, body: Fields) -> list[QualityTest]:
    wanted, place = body.text("id"), body.fields("interval")
    if wanted is not None:
        return [store.tests[wanted]] if wanted in store.tests else []
    if place is None:
        raise body.bad("id", "give the id, or an interval")
    of = _key(store, place)
    return [one for one in store.tests.values() if one.interval == of]


def _key(store: Store, fields: Fields) -> tuple[str, Line, str]:
    interval = the_interval(store, fields)
    if interval.type not in {"RUN", "BATCH"}:
        raise fields.bad("type", "quality tests belong to a RUN or a BATCH")
    return interval.type, interval.line, interval.id


def _schema(store: Store, body: Fields, line: Line) -> QualitySchema | None:
    named = body.fields("quality_schema")
    if named is None:
        return None
    wanted = named.text("id")
    if wanted is None:
        raise named.missing("id")
    for schema in store.plant.quality_schemas:
        if schema.id == wanted and schema.factory == line.factory:
            return schema
    raise named.bad("id", "there is no such quality schema in this factory")


def _answer(store: Store, test: QualityTest) -> dict[str, object]:
    kind, line, interval_id = test.interval
    interval = store.intervals.get((kind, line), {}).get(interval_id)
    schemas = store.plant.quality_schemas
    schema = next((one for one in schemas if (one.id, one.factory) == (test.schema, line.factory)), None)
    return {
        "id": test.id,
        "raw_data": dict(test.raw_data),
        **({} if test.timestamp is None else {"timestamp": time_text(test.timestamp)}),
        **({} if interval is None else {"interval": interval.answer()}),
        **({} if schema is None else {"quality_schema": schema.answer()}),
    }
