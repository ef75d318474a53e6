"""Oden's `oql/query` and `dashboard/execute`.

Oden's query language is described elsewhere and not in the document: this stand-in understands the small one of `oden_query`, so that a client's path
can be tried, and refuses everything else with 400. `scrap` and `yield` are an interval's totals. `format` is `jsonextended` (the default: columns and
rows), `json` (rows) or `csv`. A dashboard runs such queries; of its filters only lines have an effect, as `filters_applied` says, and a relative
range is refused, for there is no clock here. A range finds what starts in it.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.simulator.oden_body import Fields, OdenError, not_found, time_text
from gateway.simulator.oden_output import total
from gateway.simulator.oden_query import QueryError, read_query
from gateway.simulator.oden_store import Interval, Line, Store

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Csv:
    """An answer that is no JSON."""

    text: str


def run_query(store: Store, body: Fields) -> object:
    """`oql/query`: the rows of a query, in the format that the address asks for."""
    query = body.text("query")
    if query is None:
        raise body.missing("query")
    how = body.query.get("format", "jsonextended")
    if how not in {"json", "jsonextended", "csv"}:
        raise body.bad("format", "must be json, jsonextended or csv")
    columns, rows = _rows(store, query)
    if how == "json":
        return list(rows)
    if how == "jsonextended":
        return {"columns": _specs(columns), "rows": list(rows)}
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return Csv(text.getvalue())


def execute_dashboard(store: Store, body: Fields) -> object:
    """`dashboard/execute`: the result of each module of a dashboard; one that fails says so in its own result."""
    wanted = body.required("dashboard").text("id")
    if wanted is None:
        raise body.required("dashboard").missing("id")
    between, lines = _range(body.fields("range")), _lines(store, body.fields("filters"))
    dashboard = next((one for one in store.plant.dashboards if one.id == wanted), None)
    if dashboard is None:
        raise not_found("dashboard")
    results: list[object] = []
    for module in dashboard.modules:
        result: dict[str, object] = {"module_id": module.id, "module_name": module.name, "module_type": "table"}
        if between is not None:
            result["range"] = {"start": time_text(between[0]), "end": time_text(between[1])}
        result["filters_applied"] = {} if lines is None else {"lines": [line.name for line in lines]}
        try:
            columns, rows = _rows(store, module.query, between, lines)
            result |= {"columns": _specs(columns), "rows": list(rows), "error": None}
        except OdenError as error:
            result |= {"columns": None, "rows": None, "error": str(error)}
        results.append(result)
    return results


def _rows(
    store: Store, text: str, between: tuple[int, int] | None = None, lines: Sequence[Line] | None = None
) -> tuple[tuple[str, ...], Sequence[Row]]:
    try:
        query = read_query(text)
    except QueryError as error:
        raise Fields({}).bad("query", str(error)) from None
    kind = next((name for name in store.types if name.lower() == query.type.lower()), None)
    if kind is None:
        raise Fields({}).bad("query", f"there is no interval type {query.type!r}")
    found = (
        _row(store, one)
        for line in (store.lines.values() if lines is None else lines)
        for one in store.of(kind, line)
        if between is None or between[0] <= one.start <= between[1]
    )
    rows = [
        {name: row[name] for name in query.columns}
        for row in found
        if all(row[column] == value for column, value in query.where)
    ]
    return query.columns, rows[: query.limit]


def _row(store: Store, interval: Interval) -> Row:
    return {
        "id": interval.id,
        "factory": interval.line.factory,
        "line": interval.line.name,
        "name": interval.name,
        "start_time": time_text(interval.start),
        "end_time": None if interval.end is None else time_text(interval.end),
        "product": interval.product,
        "category": interval.category,
        "reason": interval.reason,
        "scrap": total(store, interval, "scrap"),
        "yield": total(store, interval, "yield"),
    }


def _specs(columns: Sequence[str]) -> list[object]:
    return [{"name": name, "type": _TYPES.get(name, "string")} for name in columns]


_TYPES = {"start_time": "datetime", "end_time": "datetime", "scrap": "number", "yield": "number"}


def _range(fields: Fields | None) -> tuple[int, int] | None:
    if fields is None or not fields.values:
        return None
    if "anchor" in fields or "offset" in fields:
        raise fields.bad("anchor", "this stand-in has no clock: give start and end")
    begin, end = fields.time("start"), fields.time("end")
    if begin is None or end is None or end < begin:
        raise fields.bad("start", "start and end are needed, in order")
    return begin, end


def _lines(store: Store, filters: Fields | None) -> list[Line] | None:
    """The lines that the filters leave, each by `id`, `name` or both; a name may be that of several. None for no such filter."""
    if filters is None or "lines" not in filters:
        return None
    given = filters.values["lines"]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise filters.bad("lines", "must be a list of objects")
    kept: dict[Line, None] = {}
    for place, one in enumerate(given):
        named = Fields(one, f"{filters.where}lines.{place}.")
        wanted, name = named.text("id"), named.text("name")
        if wanted is None and name is None:
            raise named.missing("id")
        kept |= {line: None for line in store.lines.values() if wanted in {None, line.id} and name in {None, line.name}}
    return list(kept)
