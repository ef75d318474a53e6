"""The queries: `oql/query` and `dashboard/execute`, in a small language in the place of Oden's own.

Oden's query language is described elsewhere and not in its document. So that a client's path can be tried, this
stand-in understands this one, and refuses everything else with 400:

    SELECT * | column, … FROM type [WHERE column = 'value' [AND …]] [LIMIT n]

`type` is an interval type, in quotes where its name is not one word. Words are in any case, a value has no quote in it.
Reading takes time in proportion to the length. `scrap` and `yield` are an interval's totals. `format` is `jsonextended`
(the default: columns and rows), `json` (rows) or `csv`. A dashboard runs such queries; of its filters only lines have
an effect, as `filters_applied` says, and a relative range is refused, for there is no clock here. A range finds what
starts in it.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.simulator.oden.bodies import ErrorAnswer, Fields, format_time, not_found
from gateway.simulator.oden.scrap_and_quality import total
from gateway.simulator.oden.store import Interval, Line, Store

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
    output_format = body.query.get("format", "jsonextended")
    if output_format not in {"json", "jsonextended", "csv"}:
        raise body.invalid("format", "must be json, jsonextended or csv")
    columns, rows = _rows(store, query)
    if output_format == "json":
        return list(rows)
    if output_format == "jsonextended":
        return {"columns": _column_types(columns), "rows": list(rows)}
    table = io.StringIO()
    writer = csv.DictWriter(table, columns)
    writer.writeheader()
    writer.writerows(rows)
    return Csv(table.getvalue())


def execute_dashboard(store: Store, body: Fields) -> object:
    """`dashboard/execute`: the result of each module of a dashboard; one that fails says so in its own result."""
    dashboard_id = body.required("dashboard").text("id")
    if dashboard_id is None:
        raise body.required("dashboard").missing("id")
    between, lines = _range(body.fields("range")), _lines(store, body.fields("filters"))
    dashboard = next((known for known in store.organization.dashboards if known.id == dashboard_id), None)
    if dashboard is None:
        raise not_found("dashboard")
    results: list[object] = []
    for module in dashboard.modules:
        result: dict[str, object] = {"module_id": module.id, "module_name": module.name, "module_type": "table"}
        if between is not None:
            result["range"] = {"start": format_time(between[0]), "end": format_time(between[1])}
        result["filters_applied"] = {} if lines is None else {"lines": [line.name for line in lines]}
        try:
            columns, rows = _rows(store, module.query, between, lines)
            result |= {"columns": _column_types(columns), "rows": list(rows), "error": None}
        except ErrorAnswer as error:
            result |= {"columns": None, "rows": None, "error": str(error)}
        results.append(result)
    return results


def _rows(
    store: Store, text: str, between: tuple[int, int] | None = None, lines: Sequence[Line] | None = None
) -> tuple[tuple[str, ...], Sequence[Row]]:
    try:
        query = read_query(text)
    except QueryError as error:
        raise Fields({}).invalid("query", str(error)) from None
    kind = next((name for name in store.types if name.lower() == query.type.lower()), None)
    if kind is None:
        raise Fields({}).invalid("query", f"there is no interval type {query.type!r}")
    all_rows = (
        _row(store, interval)
        for line in (store.lines.values() if lines is None else lines)
        for interval in store.intervals_of(kind, line)
        if between is None or between[0] <= interval.start <= between[1]
    )
    rows = [
        {name: row[name] for name in query.columns}
        for row in all_rows
        if all(row[column] == value for column, value in query.where)
    ]
    return query.columns, rows[: query.limit]


def _row(store: Store, interval: Interval) -> Row:
    return {
        "id": interval.id,
        "factory": interval.line.factory,
        "line": interval.line.name,
        "name": interval.name,
        "start_time": format_time(interval.start),
        "end_time": None if interval.end is None else format_time(interval.end),
        "product": interval.product,
        "category": interval.category,
        "reason": interval.reason,
        "scrap": total(store, interval, "scrap"),
        "yield": total(store, interval, "yield"),
    }


def _column_types(columns: Sequence[str]) -> list[object]:
    return [{"name": name, "type": _TYPES.get(name, "string")} for name in columns]


_TYPES = {"start_time": "datetime", "end_time": "datetime", "scrap": "number", "yield": "number"}


def _range(fields: Fields | None) -> tuple[int, int] | None:
    if fields is None or not fields.values:
        return None
    if "anchor" in fields or "offset" in fields:
        raise fields.invalid("anchor", "this stand-in has no clock: give start and end")
    begin, end = fields.time("start"), fields.time("end")
    if begin is None or end is None or end < begin:
        raise fields.invalid("start", "start and end are needed, in order")
    return begin, end


def _lines(store: Store, filters: Fields | None) -> list[Line] | None:
    """The lines that the filters leave; None where they do not filter by line.

    A filter names a line by `id`, by `name` or by both; a name may be that of several.
    """
    if filters is None or "lines" not in filters:
        return None
    given = filters.values["lines"]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise filters.invalid("lines", "must be a list of objects")
    lines: dict[Line, None] = {}
    for place, item in enumerate(given):
        fields = Fields(item, f"{filters.where}lines.{place}.")
        line_id, name = fields.text("id"), fields.text("name")
        if line_id is None and name is None:
            raise fields.missing("id")
        lines |= {
            line: None for line in store.lines.values() if line_id in {None, line.id} and name in {None, line.name}
        }
    return list(lines)


T = TypeVar("T")

COLUMNS = (
    *("id", "factory", "line", "name", "start_time", "end_time", "product", "category", "reason"),
    *("scrap", "yield"),
)
GRAMMAR = "SELECT * | column, … FROM type [WHERE column = 'value' [AND …]] [LIMIT n]"
LARGEST_LIMIT = 999_999

_TOKEN = re.compile(r"'[^']*'|\w+|\S")
_WORD = re.compile(r"\w")


class QueryError(ValueError):
    """A text is no query; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a query asks for: `columns` of the first `limit` intervals of a `type` that have the values of `where`."""

    columns: tuple[str, ...]
    type: str
    where: tuple[tuple[str, str], ...] = ()
    limit: int | None = None


def read_query(text: str) -> Query:
    """The query that `text` is; QueryError where it is none."""
    tokens = _Tokens(_TOKEN.findall(text))
    tokens.expect("SELECT")
    columns = COLUMNS if tokens.accept("*") else tokens.separated(_column, ",")
    tokens.expect("FROM")
    kind = tokens.take("a type of intervals", lambda token: _is_quoted(token) or bool(_WORD.match(token)))
    where = tokens.separated(_condition, "AND") if tokens.accept("WHERE") else ()
    limit = int(tokens.take(f"a number up to {LARGEST_LIMIT}", _is_limit)) if tokens.accept("LIMIT") else None
    tokens.accept(";")
    tokens.expect_end()
    return Query(columns, kind[1:-1] if _is_quoted(kind) else kind, where, limit)


class _Tokens:
    """The words and signs of a query that are not read yet."""

    def __init__(self, tokens: list[str]) -> None:
        self._left = tokens[::-1]

    def accept(self, word: str) -> bool:
        """Whether `word` comes next; it is taken then."""
        if self._left and self._left[-1].upper() == word:
            self._left.pop()
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self._error(word)

    def take(self, wanted: str, fits: Callable[[str], bool]) -> str:
        if not self._left or not fits(self._left[-1]):
            raise self._error(wanted)
        return self._left.pop()

    def separated(self, read: "Callable[[_Tokens], T]", separator: str) -> tuple[T, ...]:
        items = [read(self)]
        while self.accept(separator):
            items.append(read(self))
        return tuple(items)

    def expect_end(self) -> None:
        if self._left:
            raise self._error("the end")

    def _error(self, wanted: str) -> QueryError:
        actual = f"{self._left[-1][:40]!r}" if self._left else "the end"
        return QueryError(f"{actual} where {wanted} should be; this stand-in understands only {GRAMMAR}")


def _column(tokens: _Tokens) -> str:
    return tokens.take(f"a column ({', '.join(COLUMNS)})", lambda token: token.lower() in COLUMNS).lower()


def _condition(tokens: _Tokens) -> tuple[str, str]:
    column = _column(tokens)
    tokens.expect("=")
    return column, tokens.take("a value in quotes", _is_quoted)[1:-1]


def _is_limit(token: str) -> bool:
    return token.isascii() and token.isdigit() and int(token[:7]) <= LARGEST_LIMIT


def _is_quoted(token: str) -> bool:
    return len(token) > 1 and token.startswith("'")
