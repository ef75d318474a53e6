"""Tables in which inputs are looked up: `products: {file: products.csv, key: sku}`.

Rows are found by their key as text. A column in which every filled cell is a number holds numbers; any other holds text, just
as it is written: `007` and `12E4` stay text beside `AB12`. An empty cell is not there.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.config.csv_table import Sheet, read_csv
from gateway.config.document import BrokenFileError, Node, Place, shown
from gateway.config.files import NoFileError, read_text
from gateway.config.schema import Table
from gateway.config.sentences import suggestion
from gateway.config.shape import Loc
from gateway.errors import ConfigError, Problem
from gateway.model import Lookup, Lookups, Scalar


def read_lookups(tables: Mapping[str, Table], where: Callable[[Loc], str]) -> Lookups:
    """The tables of a configuration as they are on the disk now. ConfigError says all that is wrong with them.

    `where` says where in the configuration something stands.
    """
    found: dict[str, Lookup] = {}
    problems = []
    for name, table in tables.items():
        try:
            found[name] = _lookup(table)
        except NoFileError as error:
            problems.append(Problem(where(("tables", name, "file")), f"{table.file}: {error}"))
        except BrokenFileError as error:
            problems.append(Problem(str(error.place), error.text))
    if problems:
        raise ConfigError(problems)
    return found


Stamps = tuple[tuple[int, int, int] | None, ...]


def stamps(tables: Mapping[str, Table]) -> Stamps:
    """What tells whether a table's file has changed: its time, size and inode; None for one that is not there."""
    return tuple(_stamp(table.file) for table in tables.values())


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _lookup(table: Table) -> Lookup:
    sheet = read_csv(read_text(table.file), table.file)
    key = table.key or next(iter(sheet.headings))
    if key not in sheet.headings:
        place = next(iter(sheet.headings.values()))
        raise BrokenFileError(place, f"there is no column {shown(key)}{suggestion(key, sheet.headings)}")
    columns = {name: _column(sheet, name) for name in sheet.headings if name != key}
    rows: dict[str, Mapping[str, Scalar]] = {}
    first: dict[str, Place] = {}
    for number, row in enumerate(sheet.rows):
        cell = row.cells.get(key)
        if cell is None:
            raise BrokenFileError(
                row.place, f"the column {shown(key)} is empty in this row, so that nobody could find it"
            )
        if cell.written in rows:
            text = f"{shown(cell.written)} stands at {first[cell.written]} already; keep one of them"
            raise BrokenFileError(cell.place, text)
        first[cell.written] = cell.place
        rows[cell.written] = {name: value for name, values in columns.items() if (value := values[number]) is not None}
    return Lookup(frozenset(columns), rows)


def _column(sheet: Sheet, name: str) -> list[Scalar]:
    """What the rows hold in a column: all numbers, or all text."""
    cells = [row.cells.get(name) for row in sheet.rows]
    numbers = [None if cell is None else _number(cell) for cell in cells]
    if all(cell is None or number is not None for cell, number in zip(cells, numbers, strict=True)):
        return list(numbers)
    return [None if cell is None else cell.written for cell in cells]


def _number(cell: Node) -> int | float | None:
    """The number that a cell is; where `;` separates the cells, it may have a decimal comma."""
    text = cell.written.replace(",", ".") if cell.cell == ";" else cell.written
    if re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", text) is None:
        return None
    return float(text) if "." in text else int(text)
