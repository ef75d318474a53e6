"""Oden's `oql/query` and `dashboard/execute`.

Oden's query language is described elsewhere and not in the document. This stand-in understands a small language of its own, so that a client's path can
be tried, and refuses everything else with 400:

    SELECT * | column, … FROM type [WHERE column = 'value' [AND …]] [LIMIT n]

`type` is an interval type, in quotes where its name is not one word; columns are `id`, `factory`, `line`, `name`, `start_time`, `end_time`, `product`,
`category` and `reason`. `format` is `jsonextended` (the default, columns and rows), `json` (rows) or `csv`. A dashboard runs such queries;
of its filters only lines have an effect, and a relative range is refused, for there is no clock here.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.simulator.oden_body import Fields, OdenError, not_found, time_text
from gateway.simulator.oden_store import Interval, Store

COLUMNS = ("id", "factory", "line", "name", "start_time", "end_time", "product", "category", "reason")
_QUERY = re.compile(
    r"\s*SELECT\s+(?P<columns>\*|[\w\s,]+?)\s+FROM\s+(?P<type>\w+|'[^']*')(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+LIMIT\s+(?P<limit>\d{1,6}))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\s*(\w+)\s*=\s*'([^']*)'\s*")
LONGEST = 2_000
"""Characters of a query."""

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
    between, lines = _range(body.fields("range")), _lines(body.fields("filters"))
    dashboard = next((one for one in store.plant.dashboards if one.id == wanted), None)
    if dashboard is None:
        raise not_found("dashboard")
    results: list[object] = []
    for module in dashboard.modules:
        result: dict[str, object] = {"module_id": module.id, "module_name": module.name, "module_type": "table"}
        if between is not None:
            result["range"] = {"start": time_text(between[0]), "end": time_text(between[1])}
        result["filters_applied"] = {} if lines is None else {"lines": sorted(lines)}
        try:
            columns, rows = _rows(store, module.query, between, lines)
            result |= {"columns": _specs(columns), "rows": list(rows), "error": None}
        except OdenError as error:
            result |= {"columns": None, "rows": None, "error": str(error)}
        results.append(result)
    return results


def _rows(
    store: Store, query: str, between: tuple[int, int] | None = None, lines: set[str] | None = None
) -> tuple[tuple[str, ...], Sequence[Row]]:
    found = _QUERY.fullmatch(query) if len(query) <= LONGEST else None
    body = Fields({})
    if found is None:
        raise body.bad("query", "this stand-in understands only: SELECT … FROM type WHERE column = 'value' LIMIT n")
    named = tuple(name.strip().lower() for name in found["columns"].split(","))
    columns = COLUMNS if named == ("*",) else named
    wanted: dict[str, str] = {}
    for part in re.split(r"\s+AND\s+", found["where"], flags=re.IGNORECASE) if found["where"] else ():
        condition = _CONDITION.fullmatch(part)
        if condition is None:
            raise body.bad("query", "a condition is written column = 'value'")
        wanted[condition[1].lower()] = condition[2]
    unknown = [name for name in (*columns, *wanted) if name not in COLUMNS]
    if unknown:
        raise body.bad("query", f"there is no column {unknown[0]!r}")
    kind = found["type"].strip("'")
    known = next((name for name in store.types if name.lower() == kind.lower()), None)
    if known is None:
        raise body.bad("query", f"there is no interval type {kind!r}")
    rows: list[Row] = []
    for interval in (one for line in store.lines.values() for one in store.of(known, line)):
        row = _row(interval)
        inside = between is None or between[0] <= interval.start <= between[1]
        if (
            inside
            and (lines is None or interval.line.name in lines)
            and all(row[one] == text for one, text in wanted.items())
        ):
            rows.append({name: row[name] for name in columns})
    return columns, rows[: int(found["limit"])] if found["limit"] else rows


def _row(interval: Interval) -> Row:
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
    }


def _specs(columns: Sequence[str]) -> list[object]:
    return [{"name": name, "type": "datetime" if name.endswith("_time") else "string"} for name in columns]


def _range(fields: Fields | None) -> tuple[int, int] | None:
    if fields is None or not fields.values:
        return None
    if "anchor" in fields or "offset" in fields:
        raise fields.bad("anchor", "this stand-in has no clock: give start and end")
    begin, end = fields.time("start"), fields.time("end")
    if begin is None or end is None or end < begin:
        raise fields.bad("start", "start and end are needed, in order")
    return begin, end


def _lines(fields: Fields | None) -> set[str] | None:
    given = None if fields is None else fields.values.get("lines")
    if given is None or fields is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise fields.bad("lines", "must be a list of objects")
    names: set[str] = set()
    for one in given:
        line = Fields(one, f"{fields.where}lines.")
        wanted, name = line.text("id"), line.text("name")
        if wanted is None and name is None:
            raise line.missing("id")
        names.add(name or wanted or "")
    return names
