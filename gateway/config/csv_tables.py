"""CSV tables (RFC 4180) as spreadsheets write them: read with positions, and turned into trees as if they were YAML.

The first line names the columns, each further line is a row. Cells are separated by `,` or, as in most of Europe, by
`;`: whichever the first line uses. Blanks around a cell do not count. A cell in quotes may hold separators, line breaks
and, doubled, quotes. Empty rows are passed over.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.invisible import INVISIBLE, without_invisible
from gateway.config.near_words import nearest
from gateway.config.schema_walk import alternatives, child_annotation, keys_of, takes_only_text
from gateway.config.tree import BrokenFileError, Finding, Key, LineIndex, Node, Position, quoted, told_once
from gateway.config.yaml_tree import scalar
from gateway.model import Scalar

MAX_CELLS = 200_000
"""In one table."""

_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_PLAIN = {separator: re.compile(rf"[^{separator}\r\n]*") for separator in ",;"}
CUT_OR_ERROR = re.compile(
    r"(?:^|[,;\t\"])(?P<cell>(?P<cut>\d[.,]\d+E\+\d+)|(?P<mark>=\"|'\d+(?=[,;\t]|\Z))|#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|BEZUG!|NV|WERT!|ZAHL!))"
    r"(?=[,;\t\"]|\Z)"
)
"""What a spreadsheet writes instead of what was in a cell."""
_NEAR_KEY = 0.75
"""How alike a heading and a key are of which the one is most likely a slip of the other."""
_BREAK = re.compile(r"[\r\n]")
_HEADER = re.compile(r'(?:"(?:[^"]|"")*"|[^"\r\n])*')


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row by their headings, without the empty ones; `position` is where the row begins."""

    position: Position
    cells: dict[str, Node]
    is_doubtful: bool = False
    """It begins as a comment would."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV table: its headings, each with its position, its rows, and what is wrong with those that are left out."""

    headings: dict[str, Position]
    rows: list[Row]
    faults: list[Finding]

    @property
    def position(self) -> Position:
        """Where the table begins."""
        return next(iter(self.headings.values()))


def read_csv(text: str, file: Path) -> Sheet:
    """The table in `text`, the content of `file`. Raises BrokenFileError where it is no table; a row that does not fit
    is left out."""
    lines = LineIndex(text, file)
    _refuse_foreign(text, lines)
    faults: list[Finding] = []
    rows = _rows(text, lines, faults)
    headings: dict[str, Position] = {}
    miscounted: list[Finding] = []
    names: list[str] = []
    """Of all columns; empty where one is left out."""
    for cell in next(rows, []):
        name = cell.written
        if not name:
            faults.append(Finding(cell.position, "this column has no heading; the first line names the columns"))
        elif name in headings:
            reason = f"the heading {quoted(name)} is there already; keep one of the columns"
            faults.append(Finding(cell.position, reason))
            name = ""
        else:
            headings[name] = cell.position
        names.append(name)
    if not headings:
        raise BrokenFileError(lines.position(0), "the table is empty; its first line names the columns")
    sheet, count, others = Sheet(headings, [], []), 0, list[int]()
    for row in rows:
        begin = row[0].position
        if len(row) != len(names):
            reason = "a separator is missing or too many, or a text with one in it needs quotes"
            other = "," if row[0].separator == ";" else ";"
            if len(row) == 1 and other in row[0].written:
                reason = f"the first line sets its cells apart by '{row[0].separator}', this one by '{other}'"
            reason = f"this row has {len(row)} cells, the first line {len(names)}: {reason}"
            faults.append(Finding(begin, reason))
            others.append(len(row))
            miscounted.append(faults[-1])
            continue
        count += len(row)
        if count > MAX_CELLS:
            raise BrokenFileError(begin, f"more than {MAX_CELLS} cells; no table of a configuration needs that")
        cells = {name: cell for name, cell in zip(names, row, strict=True) if name and cell.written}
        written = lines.text(begin.line)[begin.column - 1 :].lstrip()
        sheet.rows.append(Row(begin, cells, written.startswith(("#", "//"))))
    if len(set(others) - {1}) == 1 and not sheet.rows and (len(faults) > 1 or len(names) == 1):
        reason = f"the first line names {len(names)} columns, and each row below it has {max(others)} cells"
        if len(names) == 1:
            reason += ": a title above the table? Remove it, so that the first line names the columns"
        besides = [fault for fault in faults if fault not in miscounted]
        if len(names) == 1 or not besides:
            raise BrokenFileError(sheet.position, reason)
        faults = [Finding(sheet.position, reason), *besides]
    told = zip(faults, told_once([fault.text for fault in faults], "rows"), strict=True)
    sheet.faults.extend(fault._replace(text=text) for fault, text in told if text)
    if not sheet.rows and not faults:
        reason = "the table has a first line, which names the columns, and no row below it"
        raise BrokenFileError(sheet.position, reason)
    return sheet


def _refuse_foreign(text: str, lines: LineIndex) -> None:
    """Raise BrokenFileError for what is no table of cells between ',' or ';'."""
    header = text.lstrip("\r\n").partition("\n")[0]
    if re.match(r'"?sep=.', header, re.IGNORECASE):
        reason = "this line is for Excel alone; remove it: the first line names the columns"
        raise BrokenFileError(lines.position(text.index(header)), reason)
    if header.startswith("#"):
        reason = "a table has no comments; remove this line: the first one names the columns"
        raise BrokenFileError(lines.position(text.index(header)), reason)
    for separator, name in (("\t", "tabs"), ("|", "'|'")):
        if separator in header and not re.search(r"[,;]", header):
            at = text.index(header) + header.index(separator)
            raise BrokenFileError(lines.position(at), f"the cells are set apart by {name}; save it with ',' or ';'")


def separator_of(text: str) -> str:
    """What separates the cells of the table `text`."""
    header = _HEADER.match(text.lstrip())
    unquoted = _QUOTED.sub("", header[0]) if header else ""
    return ";" if ";" in unquoted else ","


def _rows(text: str, lines: LineIndex, faults: list[Finding]) -> Iterator[list[Node]]:
    """The rows that are not empty. Where one below the first line cannot be read, that is added to `faults`."""
    separator = separator_of(text)
    at, is_first = 0, True
    while at < len(text):
        begin = at
        try:
            row, at = _row(text, at, separator, lines)
        except BrokenFileError as error:
            if is_first:
                raise
            faults.append(error.finding)
            end = _BREAK.search(text, begin)
            row, at = [], end.start() if end else len(text)
        at += 2 if text.startswith("\r\n", at) else 1
        if any(cell.written for cell in row):
            yield row
            is_first = False


def _row(text: str, at: int, separator: str, lines: LineIndex) -> tuple[list[Node], int]:
    """The cells of the row that begins at the index `at`, and the index at which it ends."""
    row: list[Node] = []
    while True:
        cell, at = _cell(text, at, separator, lines)
        row.append(cell)
        if text[at : at + 1] != separator:
            break
        at += 1
    if text[at : at + 1] not in {"", "\r", "\n"}:
        if _BREAK.search(row[-1].written):  # it has taken the quote of a row below for its own
            raise BrokenFileError(row[-1].position, "the quote that is opened here is never closed on its line")
        raise BrokenFileError(lines.position(at), f"after the closing quote comes a '{separator}' or the next line")
    return row, at


def _cell(text: str, at: int, separator: str, lines: LineIndex) -> tuple[Node, int]:
    """The cell that begins at the index `at`, and the index at which it ends."""
    position = lines.position(at)
    if text.startswith('"', at):
        match = _QUOTED.match(text, at)
        if match is None:
            raise BrokenFileError(position, "the quote that is opened here is never closed")
        content, end = match[1].replace('""', '"'), match.end()
    else:
        plain = _PLAIN[separator].match(text, at)
        content, end = (plain[0].strip(), plain.end()) if plain else ("", at)
    is_spoilt = content.startswith("#") and CUT_OR_ERROR.fullmatch(content) is not None
    return Node(position, content, written=content, separator=separator, incomplete=is_spoilt or "\0" in content), end


def table_as_list(sheet: Sheet, findings: list[Finding]) -> Node:
    """The table as a list with an item for each row. What is wrong with single columns is added to `findings`."""
    items: list[Node] = [row_as_section(row.position, row.cells, sheet.headings, findings) for row in sheet.rows]
    return Node(sheet.position, list(items), incomplete=bool(sheet.faults))


def table_as_section(sheet: Sheet, key_annotation: Any, findings: list[Finding]) -> Node:
    """The table as a section with an entry for each row, under the key in the first column.

    `key_annotation` is the schema's type of the keys. What is wrong with rows and columns is added to `findings`.
    """
    first, *others = sheet.headings
    entries: dict[Key, Node] = {}
    table = Node(sheet.position, entries, incomplete=bool(sheet.faults))
    for row in sheet.rows:
        cell = row.cells.get(first)
        if cell is None:
            text = f"the first column, {quoted(first)}, is empty in this row; it names what the row is"
            findings.append(Finding(row.position, text))
            table.incomplete = True
            continue
        if row.is_doubtful:
            is_alone = len(row.cells) == 1
            cure = "remove this row" if is_alone else "remove this row if it is one, or put its first cell in quotes"
            findings.append(Finding(cell.position, f"a table has no comments: {cure}", warning=not is_alone))
            table.incomplete = table.incomplete or is_alone
            if is_alone:
                continue
        value = typed(cell, key_annotation)
        key = value if isinstance(value, Key) and not isinstance(value, bool) else cell.written
        if key in entries:
            text = f"{quoted(key)} stands at {table.keys[key]} already; keep one of them"
            findings.append(Finding(cell.position, text))
            continue
        cells = {name: row.cells[name] for name in others if name in row.cells}
        entries[key] = row_as_section(cell.position, cells, sheet.headings, findings)
        table.keys[key] = cell.position
    return table


def row_as_section(
    position: Position, cells: Mapping[str, Node], headings: Mapping[str, Position], findings: list[Finding]
) -> Node:
    """The `cells` of one row as a section. A heading such as `counter.rollover` means a key in a nested section."""
    root: dict[Key, Node] = {}
    section = Node(position, root)
    for name, cell in cells.items():
        *path, last = name.split(".")
        parent, entries = section, root
        for part in path:
            child = entries.setdefault(part, Node(cell.position, {}))
            parent.keys.setdefault(part, headings[name])
            if not isinstance(child.value, dict):
                break
            parent, entries = child, child.value
        else:
            if last not in entries:
                entries[last], parent.keys[last] = cell, headings[name]
                continue
        text = f"the column {quoted(name)} means a value in, or instead of, that of another"
        findings.append(Finding(headings[name], text))
    return section


def empty_columns(sheet: Sheet) -> Iterator[str]:
    """The headings below which every cell is empty: nothing of them is looked at as a key."""
    filled = {name for row in sheet.rows for name in row.cells}
    return (name for name in sheet.headings if name not in filled)


def misspelt_key(heading: str, annotation: Any) -> str | None:
    """The key, or the keys with dots between them, that `heading` most likely means where the schema has `annotation`;
    None where it is one, or like none."""
    meant: list[str] = []
    for part in heading.split("."):
        known = keys_of(annotation)
        key = part if known is None or part in known else nearest(part, known, _NEAR_KEY)
        if key is None:
            return None
        meant.append(key)
        annotation = child_annotation(annotation, key, None)
    written = ".".join(meant)
    return written if written != heading else None


def doubtful_headings(sheet: Sheet, annotation: Any, asked: Collection[str] = ()) -> Iterator[Finding]:
    """Headings of empty columns of a table with items of `annotation` that are nearly keys, and none of the parameters
    `asked` for: with a cell that is not empty, they would be unknown."""
    for heading in empty_columns(sheet):
        meant = misspelt_key(heading, annotation) if heading not in asked else None
        if meant is not None:
            text = f"no key is called {quoted(heading)}, and all cells below it are empty"
            yield Finding(sheet.headings[heading], f"{text}; did you mean {quoted(meant)}?", warning=True)


def typed(cell: Node, annotation: Any) -> Scalar:
    """The value of a cell where the schema has `annotation`. Whole numbers with leading zeros are text.

    Where `;` separates the cells, a number may have a decimal comma, because the same spreadsheets write both.
    """
    text = cell.written
    if str not in alternatives(annotation) and INVISIBLE.search(text):  # which is told
        text = without_invisible(text)
    if takes_only_text(annotation) or re.fullmatch(r"0\d+", text):
        return text
    if cell.separator == ";" and str not in alternatives(annotation) and re.fullmatch(r"-?\d+,\d+", text):
        return float(text.replace(",", "."))
    return scalar(text)
