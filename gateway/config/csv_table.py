"""A CSV table (RFC 4180) as spreadsheets write it: a header line, then a row for each thing, and where each cell stands.

Cells are separated by `,` or, as in most of Europe, by `;`: whichever the header line has. Blanks around a cell do not count.
A cell in quotes may hold separators, line breaks and, doubled, quotes. Rows without anything in them are passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.config.document import BrokenFileError, Lines, Node, Place, shown

MOST_CELLS = 200_000
"""In one table."""

_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_PLAIN = {separator: re.compile(rf"[^{separator}\r\n]*") for separator in ",;"}
_HEADER = re.compile(r'(?:"(?:[^"]|"")*"|[^"\r\n])*')


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row by their headings, without the empty ones; `place` is where the row begins."""

    place: Place
    cells: dict[str, Node]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its headings, each with its place, and its rows."""

    headings: dict[str, Place]
    rows: list[Row]


def read_csv(text: str, file: Path) -> Sheet:
    """The table that `text`, which `file` holds, is. BrokenFileError where it is none."""
    lines = Lines(text, file)
    rows = _rows(text, lines)
    headings: dict[str, Place] = {}
    for cell in next(rows, []):
        name = cell.written
        if not name:
            raise BrokenFileError(cell.place, "this column has no heading; the first line names the columns")
        if name in headings:
            raise BrokenFileError(cell.place, f"the heading {shown(name)} is there already; keep one of the columns")
        headings[name] = cell.place
    if not headings:
        raise BrokenFileError(lines.place(0), "the table is empty; its first line names the columns")
    found, cells = [], 0
    for row in rows:
        if len(row) != len(headings):
            reason = "a separator is missing or too many, or a text with one in it needs quotes"
            raise BrokenFileError(
                row[0].place, f"this row has {len(row)} cells, the first line {len(headings)}: {reason}"
            )
        cells += len(row)
        if cells > MOST_CELLS:
            raise BrokenFileError(row[0].place, f"more than {MOST_CELLS} cells; no table of a configuration needs that")
        named = zip(headings, row, strict=True)
        found.append(Row(row[0].place, {name: cell for name, cell in named if cell.written}))
    return Sheet(headings, found)


def _rows(text: str, lines: Lines) -> Iterator[list[Node]]:
    """The rows that have anything in them."""
    header = _HEADER.match(text.lstrip())
    bare = _QUOTED.sub("", header[0]) if header else ""
    separator = ";" if ";" in bare else ","
    at = 0
    while at < len(text):
        row: list[Node] = []
        while True:
            cell, at = _cell(text, at, separator, lines)
            row.append(cell)
            if text[at : at + 1] != separator:
                break
            at += 1
        if text[at : at + 1] not in {"", "\r", "\n"}:
            raise BrokenFileError(lines.place(at), f"after the closing quote comes a '{separator}' or the next line")
        at += 2 if text.startswith("\r\n", at) else 1
        if any(cell.written for cell in row):
            yield row


def _cell(text: str, at: int, separator: str, lines: Lines) -> tuple[Node, int]:
    """The cell that begins at `at`, and where it ends."""
    place = lines.place(at)
    if text.startswith('"', at):
        quoted = _QUOTED.match(text, at)
        if quoted is None:
            raise BrokenFileError(place, "the quote that is opened here is never closed")
        words, end = quoted[1].replace('""', '"'), quoted.end()
    else:
        plain = _PLAIN[separator].match(text, at)
        words, end = (plain[0].strip(), plain.end()) if plain else ("", at)
    return Node(place, words, written=words, cell=separator), end
