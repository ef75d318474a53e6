"""Tables in which inputs are looked up: `products: {file: products.csv, key: sku}`.

Rows are found by their key, as text. A column in which every cell that is not empty is a number holds numbers. Any
other column holds text as it is written: `007` and `12E4` stay text beside `AB12`. An empty cell has no value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.config.csv_tables import Sheet, read_csv
from gateway.config.files import NoFileError, as_named, read_text
from gateway.config.near_words import nearest, suggestion
from gateway.config.schema import LookupTable
from gateway.config.schema_walk import Loc
from gateway.config.spoilt_cells import doubtful_cells, doubtful_columns
from gateway.config.tree import BrokenFileError, Finding, Node, Position, quoted
from gateway.errors import ConfigError, ConfigFault, Diagnostic
from gateway.model import Learned, Lookup, Lookups, Scalar


class _AnyColumn(frozenset[str]):
    """The columns of a table that could not be read: whatever is asked for, so that nothing seems wrong besides."""

    def __contains__(self, _: object) -> bool:
        return True


_UNREAD = Lookup(_AnyColumn(), {})


def gather_lookups(tables: Mapping[str, LookupTable], folder: Path) -> tuple[Lookups, list[ConfigFault], list[Finding]]:
    """The tables of a configuration in `folder` as they are on the disk now, and what is wrong with where they are and
    with themselves. A table that is wrong has all columns and no rows."""
    lookups: dict[str, Lookup] = {}
    faults: list[ConfigFault] = []
    findings: list[Finding] = []
    for name, table in tables.items():
        lookups[name] = _UNREAD
        if table.learned_from is not None or table.file is None:
            lookups[name] = replace(_UNREAD, learned=_learned(table))
            faults += _faults_of_learned(name, table)
            continue
        named = as_named(table.file, folder)
        try:
            text = read_text(table.file)
            findings += doubtful_cells(text, named)
            sheet = read_csv(text, named)
            findings += [*sheet.faults, *doubtful_columns(sheet)]
            if table.key is None or table.key in sheet.headings:
                lookups[name] = _lookup(table, sheet, findings)
            elif (heading := nearest(table.key, sheet.headings)) is not None and _is_odd(heading, sheet):
                findings.append(Finding(sheet.headings[heading], f"there is {_no_column(table.key, sheet)}"))
            else:
                faults.append(ConfigFault(("tables", name, "key"), f"{named} has {_no_column(table.key, sheet)}"))
        except NoFileError as error:
            faults.append(ConfigFault(("tables", name, "file"), f"{named}: {error}", absent=error.absent))
        except BrokenFileError as error:
            findings.append(error.finding)
    return lookups, faults, findings


def _no_column(key: str, sheet: Sheet) -> str:
    return f"no column {quoted(key)}{suggestion(key, sheet.headings)}"


def _is_odd(heading: str, sheet: Sheet) -> bool:
    """Whether `heading` is written as none of the others is, so that the slip is most likely there."""
    others = [name for name in sheet.headings if name != heading]
    has_capitals = heading != heading.lower() and all(name == name.lower() for name in others)
    return has_capitals or re.fullmatch(r"\w*[^\W_]", heading) is None


def _learned(table: LookupTable) -> Learned | None:
    if table.learned_from is None or table.key is None:
        return None
    return Learned(table.learned_from, tuple(table.key.split(".")), table.keep)


def _faults_of_learned(name: str, table: LookupTable) -> Iterator[ConfigFault]:
    loc = ("tables", name)
    if table.learned_from is None:
        yield ConfigFault(loc, "the key 'file' is missing: a CSV table; or write 'from', the input it learns from")
    elif table.file is not None:
        yield ConfigFault((*loc, "file"), "a table is in a file or learns 'from' messages: leave out one")
    elif table.key is None:
        yield ConfigFault(loc, "the key 'key' is missing: which field of the messages says which row it is?")


def read_lookups(tables: Mapping[str, LookupTable], where: Callable[[Loc], str]) -> Lookups:
    """The tables of a configuration as they are on the disk now. Raises ConfigError with all that is wrong with them.

    `where` gives the position of a key path of the configuration.
    """
    lookups, faults, findings = gather_lookups(tables, Path("/"))
    findings = [finding for finding in findings if not finding.warning]
    if faults or findings:
        diagnostics = [Diagnostic(where(fault.loc), fault.text) for fault in faults]
        raise ConfigError([*diagnostics, *(Diagnostic(str(finding.position), finding.text) for finding in findings)])
    return lookups


Stamps = tuple[tuple[int, int, int] | None, ...]


def stamps(tables: Mapping[str, LookupTable]) -> Stamps:
    """What tells whether a table's file has changed: its time, size and inode; None for a file that does not exist."""
    return tuple(_stamp(table.file) for table in tables.values() if table.file is not None)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _lookup(table: LookupTable, sheet: Sheet, findings: list[Finding]) -> Lookup:
    """The rows of `sheet` by their keys. What is wrong with single ones is added to `findings`."""
    key = table.key or next(iter(sheet.headings))
    columns = {name: _column(sheet, name) for name in sheet.headings if name != key}
    rows: dict[str, Mapping[str, Scalar]] = {}
    first: dict[str, Position] = {}
    for number, row in enumerate(sheet.rows):
        cell = row.cells.get(key)
        if cell is None:
            reason = f"the column {quoted(key)} is empty in this row, so that nobody could find it"
            findings.append(Finding(row.position, reason))
            continue
        if cell.written in rows:
            reason = f"{quoted(cell.written)} stands at {first[cell.written]} already; keep one of them"
            findings.append(Finding(cell.position, reason))
            continue
        first[cell.written] = cell.position
        rows[cell.written] = {name: value for name, values in columns.items() if (value := values[number]) is not None}
    return Lookup(frozenset(columns), rows)


def _column(sheet: Sheet, name: str) -> list[Scalar]:
    """The values of a column, one for each row: all numbers, or all text."""
    cells = [row.cells.get(name) for row in sheet.rows]
    numbers = [None if cell is None else _number(cell) for cell in cells]
    if all(cell is None or number is not None for cell, number in zip(cells, numbers, strict=True)):
        return list(numbers)
    return [None if cell is None else cell.written for cell in cells]


def _number(cell: Node) -> int | float | None:
    """The number in a cell, None where it is none. Where `;` separates the cells, it may have a decimal comma."""
    text = cell.written.replace(",", ".") if cell.separator == ";" else cell.written
    if re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", text) is None:
        return None
    return float(text) if "." in text else int(text)
