"""What a CSV table says, as if it had been written out as YAML in place of `{file: NAME.csv}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.csv_table import Sheet
from gateway.config.document import Key, Node, Place, scalar, shown
from gateway.config.files import Complaint
from gateway.config.shape import alternatives, is_text
from gateway.model import Scalar


@dataclass(slots=True)
class Table:
    """A table as a tree, and what is wrong with single rows and columns of it."""

    node: Node
    complaints: list[Complaint] = field(default_factory=list)


def listed(sheet: Sheet) -> Table:
    """The table as a list: an item for each row."""
    items: list[Node] = []
    table = Table(Node(_beginning(sheet), items))
    items += [section(row.place, row.cells, sheet.headings, table.complaints) for row in sheet.rows]
    return table


def keyed(sheet: Sheet, annotation: Any) -> Table:
    """The table as a section: an entry for each row, under the key in the first column, which may be of type `annotation`."""
    first, *others = sheet.headings
    entries: dict[Key, Node] = {}
    table = Table(Node(_beginning(sheet), entries))
    keys = table.node.keys
    for row in sheet.rows:
        cell = row.cells.get(first)
        if cell is None:
            text = f"the first column, {shown(first)}, is empty in this row; it names what the row is"
            table.complaints.append((row.place, text))
            continue
        key = typed(cell, annotation)
        key = key if isinstance(key, Key) and not isinstance(key, bool) else cell.written
        if key in entries:
            table.complaints.append((cell.place, f"{shown(key)} stands at {keys[key]} already; keep one of them"))
            continue
        cells = {name: row.cells[name] for name in others if name in row.cells}
        entries[key] = section(cell.place, cells, sheet.headings, table.complaints)
        keys[key] = cell.place
    return table


def section(
    place: Place, cells: Mapping[str, Node], headings: Mapping[str, Place], complaints: list[Complaint]
) -> Node:
    """The `cells` of a row as a section; a heading such as `counter.rollover` means a key in a section below."""
    root: dict[Key, Node] = {}
    node = Node(place, root)
    for name, cell in cells.items():
        *path, last = name.split(".")
        at, entries = node, root
        for part in path:
            below = entries.setdefault(part, Node(cell.place, {}))
            at.keys.setdefault(part, headings[name])
            if not isinstance(below.value, dict):
                break
            at, entries = below, below.value
        else:
            if last not in entries:
                entries[last], at.keys[last] = cell, headings[name]
                continue
        complaints.append(
            (headings[name], f"the column {shown(name)} means a value in, or instead of, that of another")
        )
    return node


def typed(cell: Node, annotation: Any) -> Scalar:
    """What a cell means at `annotation`. Whole numbers with leading zeros are text.

    Where `;` separates the cells, a number may have a decimal comma: so they are written by the same spreadsheets.
    """
    text = cell.written
    if is_text(annotation) or re.fullmatch(r"0\d+", text):
        return text
    if cell.cell == ";" and str not in alternatives(annotation) and re.fullmatch(r"-?\d+,\d+", text):
        return float(text.replace(",", "."))
    return scalar(text)


def _beginning(sheet: Sheet) -> Place:
    return next(iter(sheet.headings.values()))
